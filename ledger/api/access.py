"""What the server asks of `ledger.access`: who somebody is, and what they may see. Every decision is made there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

from ledger.access import Principal, fits, keys, owing, sessions, sight, statements, telling, tokens, wall
from ledger.core.facts import Authorization
from ledger.core.movements import Movement
from ledger.posting import Receipt
from ledger.reports import Owed, Remaining, Statement, View
from ledger.settings import Settings
from ledger.store.source import Connection

T = TypeVar("T", int, str)


class Told(Protocol):
    """A verdict that is not posted, as its asker may see it."""

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""


class Access(Protocol):
    """What the server asks of the access layer."""

    def authenticate(self, conn: Connection, secret: str, *, at: datetime) -> Principal | None:
        """Return who shows this key or token, None where it is not valid."""

    def may_fail(self, conn: Connection, secret: str, *, address: str, at: datetime) -> bool:
        """Count a key or token that is not valid; return whether its address and its key may fail so once more."""

    def may_see_party(self, principal: Principal, party: str) -> bool:
        """Return whether all that is stated of a party may be seen."""

    def named_parties(self, principal: Principal, view: View) -> Mapping[str, str]:
        """Return the parties whose id and name alone may be seen: names by id."""

    def may_see_authorization(self, principal: Principal, authorization: Authorization) -> bool:
        """Return whether an authorization is theirs to see."""

    def hidden(self, thing: str, named: str) -> Exception:
        """Return what is said of something that is not known, and of something that may not be seen."""

    def left_for(self, principal: Principal, view: View, **question: Any) -> Remaining:
        """Return what is left for a question, as its asker may see it."""

    def fit_for(self, principal: Principal, view: View, movement: Movement, *, observed: bool) -> Told:
        """Return the verdict that posting a movement would come to, as its asker may see it."""

    def statement_for(self, principal: Principal, view: View, **question: Any) -> Statement:
        """Return a statement of account, as its asker may see it."""

    def duties_for(self, principal: Principal, view: View, *, met: bool) -> list[Owed]:
        """Return what is owed, as its asker may see it; what was done, too, where asked for."""

    def told(self, principal: Principal, receipt: Receipt) -> Receipt:
        """Return a receipt whose words tell them nothing about others."""

    def scope_of(self, principal: Principal) -> str:
        """Return the party whose records alone are theirs to see, "" where everyone's are."""

    def shown(self, principal: Principal, view: View, asked: Collection[T], thing: str = "record") -> frozenset[T]:
        """Return which of some things (of `wall.THINGS`) the database shows to them, in the same snapshot."""


class LedgerAccess:
    """The access layer of this installation. verifier: of tokens; None where only keys are accepted."""

    def __init__(self, verifier: tokens.Verifier | None = None) -> None:
        self._verifier = verifier

    def __reduce__(self) -> tuple[type[LedgerAccess], tuple[()]]:
        """Be sent to a reader process, which is asked what may be seen, never who somebody is: without the verifier."""
        return LedgerAccess, ()

    @classmethod
    def of(cls, settings: Settings) -> LedgerAccess:
        """Return the access layer that the settings describe: keys, and tokens where a provider is named."""
        return cls(tokens.Verifier.of(settings.oidc) if settings.oidc else None)

    def authenticate(self, conn: Connection, secret: str, *, at: datetime) -> Principal | None:
        """Return who shows this key or token, None where it is not valid."""
        found = keys.authenticate(conn, secret, at=at)
        if found is None and self._verifier is not None:
            found = self._verifier.principal(secret, at)
            if found is not None:
                wall.raise_for_token(conn, found)
        return found

    def may_fail(self, conn: Connection, secret: str, *, address: str, at: datetime) -> bool:
        """Count a key or token that is not valid; return whether its address and its key may fail so once more."""
        return sessions.may_fail(conn, secret, address=address, at=at)

    def may_see_party(self, principal: Principal, party: str) -> bool:
        """Return whether all that is stated of a party may be seen."""
        return sight.may_see_party(principal, party)

    def named_parties(self, principal: Principal, view: View) -> Mapping[str, str]:
        """Return the parties whose id and name alone may be seen: names by id."""
        return sight.named_parties(principal, view) if principal.party else {}

    def may_see_authorization(self, principal: Principal, authorization: Authorization) -> bool:
        """Return whether an authorization is theirs to see."""
        return sight.may_see_authorization(principal, authorization)

    def hidden(self, thing: str, named: str) -> Exception:
        """Return what is said of something that is not known, and of something that may not be seen."""
        return sight.hidden(thing, named)

    def left_for(self, principal: Principal, view: View, **question: Any) -> Remaining:
        """Return what is left for a question, as its asker may see it."""
        return sight.left_for(principal, view, **question)

    def fit_for(self, principal: Principal, view: View, movement: Movement, *, observed: bool) -> Told:
        """Return the verdict that posting a movement would come to, as its asker may see it."""
        return fits.fit_for(principal, view, movement, observed=observed)

    def statement_for(self, principal: Principal, view: View, **question: Any) -> Statement:
        """Return a statement of account, as its asker may see it."""
        return statements.statement_for(principal, view, **question)

    def duties_for(self, principal: Principal, view: View, *, met: bool) -> list[Owed]:
        """Return what is owed, as its asker may see it; what was done, too, where asked for."""
        return owing.duties_for(principal, view, met=met)

    def told(self, principal: Principal, receipt: Receipt) -> Receipt:
        """Return a receipt whose words tell them nothing about others."""
        return telling.for_principal(principal, receipt)

    def scope_of(self, principal: Principal) -> str:
        """Return the party whose records alone are theirs to see, "" where everyone's are."""
        return principal.party

    def shown(self, principal: Principal, view: View, asked: Collection[T], thing: str = "record") -> frozenset[T]:
        """Return which of some things the database itself shows to them."""
        return wall.shown(view.conn, principal, asked, thing)
