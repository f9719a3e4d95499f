"""What the pages need of the rest of the server: reading, writing, and who is asking. It is given to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from typing import Literal, Protocol, TypeVar

from ledger.core.duties import Owed
from ledger.core.facts import Authorization
from ledger.core.movements import Movement
from ledger.posting import Receipt, Request
from ledger.reports import Reader, Remaining, Statement, View
from ledger.store.source import Connection

T = TypeVar("T")
N = TypeVar("N", int, str)
Role = Literal["regulator", "exporter", "auditor", "operator", "public"]


class Principal(Protocol):
    """Who is asking: a person with a role, and the party of an exporter."""

    @property
    def person(self) -> str:
        """The person's or program's name."""

    @property
    def role(self) -> Role:
        """What they are."""

    @property
    def party(self) -> str:
        """The exporter's party id, "" for all other roles."""

    @property
    def actor(self) -> str:
        """The ledger's actor."""


class Session(Protocol):
    """Somebody signed in, until a moment."""

    @property
    def token(self) -> str:
        """What the cookie holds."""

    @property
    def csrf(self) -> str:
        """What every form that changes something has to send back."""

    @property
    def principal(self) -> Principal:
        """Who it is."""

    @property
    def expires_at(self) -> datetime:
        """When the session ends. Aware."""


class Fit(Protocol):
    """Whether a movement would be posted, and which cap binds."""

    @property
    def verdict(self) -> str:
        """`posted` or `refused`; `undetermined` where that is not told."""

    @property
    def code(self) -> str:
        """Why not."""

    @property
    def message(self) -> str:
        """Why not, in a sentence."""

    @property
    def remedy(self) -> str:
        """What can be done about it."""

    @property
    def binding_cap(self) -> str | None:
        """The refusing cap that admits fewest chips; `unlimited` where there is none."""


class Desk(Protocol):
    """Where the pages meet the ledger."""

    async def read(self, ask: Callable[[Reader], T], /) -> T:
        """Ask on a reader, in a thread."""

    async def read_each(self, ask: Callable[[Reader], object], /) -> None:
        """Ask the same on every reader, for what each learns by it; nothing is said of what fails."""

    async def run(self, ask: Callable[[Connection], T], /) -> T:
        """Ask on a plain connection, in a thread."""

    async def post(
        self, requests: Sequence[Request], *, actor: str, person: str = "", together: bool = False
    ) -> list[Receipt]:
        """Post requests; return their receipts in order."""

    def pace(self, party: str, /) -> None:
        """Count a question of an exporter about caps that it shares. Raises `Problem` where there were too many."""

    async def hold_back(self) -> None:
        """Wait for a moment, as who tries wrong secrets too often has to."""


class Door(Protocol):
    """Who may come in, and what they may see: decided by the layer below, never by a page."""

    def may_try(self, conn: Connection, who: str, *, at: datetime) -> bool:
        """Return whether somebody may try once more to check a license."""

    def may_fail(self, conn: Connection, secret: str, *, address: str, at: datetime) -> bool:
        """Count a key that is not valid; return whether its address and the key itself may fail so once more."""

    def open_session(self, conn: Connection, secret: str, *, at: datetime) -> Session | None:
        """Return a session for an access key; None where the key is not valid."""

    def session(self, conn: Connection, token: str, *, at: datetime) -> Session | None:
        """Return the session of a cookie; None where there is none any more."""

    def close_session(self, conn: Connection, token: str) -> None:
        """End a session."""

    def authorizations(self, principal: Principal, view: View) -> list[Authorization]:
        """Return every authorization that a principal may see."""

    def left(
        self, principal: Principal, view: View, *, destination: str, recipient: str, chip: str, authorization: str
    ) -> Remaining:
        """Return what is left for a principal's own question, as it may see it."""

    def fit(self, principal: Principal, view: View, movement: Movement) -> Fit:
        """Return whether a movement would be posted, as its asker may see it."""

    def license_fit(
        self, principal: Principal, view: View, *, destination: str, recipient: str, chip: str, quantity: int
    ) -> tuple[Fit, Remaining]:
        """Return whether a new license would fit, and what is left for one, as its asker may see it."""

    def statement(
        self, principal: Principal, view: View, *, exporter: str = "", recipient: str = "", country: str = "",
        first: date, last: date, most: int | None = None,
    ) -> Statement:  # fmt: skip
        """Return a statement of account between two days, as a principal may see it; an exporter's is its own.

        most: so many lines of it; None is all.
        """

    def duties(self, principal: Principal, view: View, *, met: bool) -> list[Owed]:
        """Return what is owed, as a principal may see it: what an exporter owes itself. met: what was done, too."""

    def shown(
        self, principal: Principal, view: View, asked: Collection[N], thing: str = "record"
    ) -> frozenset[N]:  # fmt: skip
        """Return which of some things the database itself shows to a principal, from the view's snapshot."""

    def told(self, principal: Principal, code: str, message: str, remedy: str) -> tuple[str, str, str]:
        """Return code, message and remedy of a refusal as a principal may read them."""

    def may_post(self, principal: Principal, request: Request) -> str:
        """Return why a request may not even be put to the ledger, "" where it may."""
