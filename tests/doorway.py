"""A stand-in for the access layer, with a key for each role, and the server around a ledger for the tests to ask."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from starlette.testclient import TestClient

from ledger.api.app import create_app
from ledger.api.desk import Desk
from ledger.core.duties import Owed
from ledger.core.errors import NotFound, Problem
from ledger.core.facts import Authorization
from ledger.core.movements import Movement
from ledger.core.refusals import Refusal
from ledger.posting import Receipt, Request
from ledger.reports import Explained, Remaining, Statement, View, duties, explained, remaining, statement

ROLES = ("regulator", "exporter", "auditor", "operator")


@dataclass(frozen=True)
class Someone:
    """Who asks."""

    person: str
    role: str
    party: str = ""
    key_id: str = ""

    @property
    def actor(self) -> str:
        return self.party or "operator"

    def may_post(self, request: Request) -> Refusal | None:
        own = request.kind in ("movement", "notice", "stock", "proposal")
        fits = {"operator": True, "exporter": own, "regulator": request.observed}
        if fits.get(self.role, False):
            return None
        return Refusal("forbidden", f"The role {self.role} may not post this.", "Ask the operator.")


PEOPLE: dict[str, Someone] = {
    "key-of-regulator": Someone("rhea", "regulator", "", "k-regulator"),
    "key-of-exporter": Someone("edna", "exporter", "nvidia", "k-exporter"),
    "key-of-other": Someone("otto", "exporter", "amd", "k-other"),
    "key-of-auditor": Someone("anna", "auditor", "", "k-auditor"),
    "key-of-operator": Someone("olaf", "operator", "", "k-operator"),
    "key-of-second": Someone("oona", "operator", "", "k-second"),
}


class StandIn:
    """The access layer as the tests have it: fixed keys, and an exporter sees its own."""

    def __init__(self, tries: int = 1_000) -> None:
        self.people = dict(PEOPLE)
        self.tries, self.looked_up = tries, 0

    def authenticate(self, conn: Any, secret: str, *, at: datetime) -> Someone | None:
        self.looked_up += 1
        return self.people.get(secret)

    def may_fail(self, conn: Any, secret: str, *, address: str, at: datetime) -> bool:
        self.tries -= 1
        return self.tries >= 0

    def may_see_party(self, principal: Someone, party: str) -> bool:
        return principal.party in ("", party)

    def named_parties(self, principal: Someone, view: View) -> Mapping[str, str]:
        known = view.position.knowledge
        names = {terms.recipient for terms in known.authorizations.values() if terms.exporter == principal.party}
        return {name: known.parties[name].name for name in names}

    def may_see_authorization(self, principal: Someone, authorization: Authorization) -> bool:
        return principal.party in ("", authorization.exporter)

    def hidden(self, thing: str, named: str) -> Exception:
        return NotFound(f"There is no {thing} '{named}'.", "Check the id.")

    def left_for(self, principal: Someone, view: View, **question: Any) -> Remaining:
        if principal.party and question.get("exporter") not in ("", principal.party):
            raise Problem("forbidden", f"{principal.party} asks for its own exports only.", "Name yourself.")
        if principal.party and (view.book or view.known != view.size):
            raise Problem("forbidden", "An exporter asks about the ledger as it is now.", "Leave out known.")
        left = remaining(view, **{**question, "exporter": principal.party or question["exporter"]})
        if not principal.party:
            return left
        return replace(left, caps=tuple(replace(cap, limit=None, used=None, doubt=None) for cap in left.caps))

    def fit_for(self, principal: Someone, view: View, movement: Movement, *, observed: bool) -> Explained:
        return explained(view, movement, observed=observed, asker=principal.actor)

    def statement_for(self, principal: Someone, view: View, **question: Any) -> Statement:
        return statement(view, **{**question, "exporter": principal.party or question["exporter"]})

    def duties_for(self, principal: Someone, view: View, *, met: bool) -> list[Owed]:
        return duties(view, party=principal.party, met=met)

    def told(self, principal: Someone, receipt: Receipt) -> Receipt:
        hides = principal.party and receipt.code == "cap_exceeded"
        return receipt._replace(message="A cap has no room for it.") if hides else receipt

    def scope_of(self, principal: Someone) -> str:
        return principal.party

    def shown(self, principal: Someone, view: View, asked: Collection[Any], thing: str = "record") -> frozenset[Any]:
        return frozenset(asked)


@contextmanager
def serving(dsn: str, access: StandIn | None = None, *, most_bytes: int = 1 << 20, **how: int) -> Iterator[TestClient]:
    """Serve a ledger in this process; yield a client that asks as the operator unless a test says otherwise."""
    app = create_app(Desk(dsn, **how), access=access or StandIn(), most_bytes=most_bytes)
    with TestClient(app, raise_server_exceptions=False, headers=bearer("operator")) as client:
        yield client


def bearer(role: str) -> dict[str, str]:
    """Return the header that somebody of a role shows."""
    return {"Authorization": f"Bearer key-of-{role}"}
