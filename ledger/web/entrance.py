"""The ledger's own door: who may come in and what they may see, as the access layer decides it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import TypeVar, cast

from ledger.access import Principal, fits, owing, sessions, sight, statements, telling, wall
from ledger.core.duties import Owed
from ledger.core.facts import Authorization
from ledger.core.movements import Movement
from ledger.posting import Request
from ledger.reports import Remaining, Statement, View
from ledger.store.source import Connection
from ledger.web import desks

T = TypeVar("T", int, str)


class Entrance:
    """Every question goes to the access layer, by the names that the pages know."""

    def may_try(self, conn: Connection, who: str, *, at: datetime) -> bool:
        """Return whether somebody may try once more."""
        return sessions.may_try(conn, who, at=at)

    def may_fail(self, conn: Connection, secret: str, *, address: str, at: datetime) -> bool:
        """Count a key that is not valid; return whether its address and the key itself may fail so once more."""
        return sessions.may_fail(conn, secret, address=address, at=at)

    def open_session(self, conn: Connection, secret: str, *, at: datetime) -> desks.Session | None:
        """Return a session for an access key."""
        return sessions.open_session(conn, secret, at=at)

    def session(self, conn: Connection, token: str, *, at: datetime) -> desks.Session | None:
        """Return the session of a cookie."""
        return sessions.session(conn, token, at=at)

    def close_session(self, conn: Connection, token: str) -> None:
        """End a session."""
        sessions.close_session(conn, token)

    def authorizations(self, principal: desks.Principal, view: View) -> list[Authorization]:
        """Return every authorization that a principal may see."""
        return sight.authorizations_seen(_own(principal), view)

    def left(
        self, principal: desks.Principal, view: View, *, destination: str, recipient: str, chip: str, authorization: str
    ) -> Remaining:
        """Return what is left, as the asker may see it."""
        return sight.left_for(
            _own(principal), view, destination=destination, recipient=recipient, chip=chip, authorization=authorization
        )

    def fit(self, principal: desks.Principal, view: View, movement: Movement) -> desks.Fit:
        """Return whether a movement would be posted."""
        return fits.fit_for(_own(principal), view, movement)

    def license_fit(
        self, principal: desks.Principal, view: View, *, destination: str, recipient: str, chip: str, quantity: int
    ) -> tuple[desks.Fit, Remaining]:
        """Return whether a new license would fit, and what is left for one."""
        return fits.license_fit(
            _own(principal), view, destination=destination, recipient=recipient, chip=chip, quantity=quantity
        )

    def statement(
        self, principal: desks.Principal, view: View, *, exporter: str = "", recipient: str = "", country: str = "",
        first: date, last: date, most: int | None = None,
    ) -> Statement:  # fmt: skip
        """Return a statement of account, as the asker may see it."""
        return statements.statement_for(
            _own(principal), view, exporter=exporter, recipient=recipient, country=country, first=first, last=last,
            most=most,
        )  # fmt: skip

    def duties(self, principal: desks.Principal, view: View, *, met: bool) -> list[Owed]:
        """Return what is owed, as the asker may see it."""
        return owing.duties_for(_own(principal), view, met=met)

    def shown(
        self, principal: desks.Principal, view: View, asked: Collection[T], thing: str = "record"
    ) -> frozenset[T]:  # fmt: skip
        """Return which of some things the database itself shows to a principal."""
        return wall.shown(view.conn, _own(principal), asked, thing)

    def told(self, principal: desks.Principal, code: str, message: str, remedy: str) -> tuple[str, str, str]:
        """Return a refusal as a principal may read it."""
        return telling.told(_own(principal), code, message, remedy)

    def may_post(self, principal: desks.Principal, request: Request) -> str:
        """Return why a request is not even put to the ledger."""
        refusal = _own(principal).may_post(request)
        return f"{refusal.message} {refusal.remedy}".strip() if refusal else ""


def _own(principal: desks.Principal) -> Principal:
    """Return the access layer's own value: this door opens no session for any other."""
    return cast(Principal, principal)
