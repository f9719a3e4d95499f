"""Parties and authorizations, as they stand on a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from ledger.api.answering import read
from ledger.api.answers import Listed
from ledger.api.door import ANYONE, Call, Route
from ledger.api.formats import columns_of
from ledger.api.parameters import id_of, limit_of
from ledger.core import registrations
from ledger.core.knowledge import is_active, is_within
from ledger.reports import View

PARTY_COLUMNS = columns_of(
    "party", "name", "roles", "headquarters", "ultimate_parent", "valid_from", "confidence", "source", "note", "seq",
    whole=["seq"],
)  # fmt: skip
AUTHORIZATION_COLUMNS = columns_of(
    "authorization", "kind", "exporter", "recipient", "destination", "chips", "first_day", "last_day", "quantity",
    "unit", "conditions", "overrides", "parent_deal", "state", "state_from", "is_active", "confidence", "source",
    "note", "seq", whole=["seq"],
)  # fmt: skip


async def list_parties(call: Call) -> Response:
    """Return the parties that are known on the day and theirs to see, by id."""
    return await _list(call, PARTY_COLUMNS, _parties)


async def show_party(call: Call) -> Response:
    """Return one party, and the path to its ultimate parent."""

    def ask(view: View) -> dict[str, Any]:
        name = id_of(call.asked, "party")
        found = _parties(call, view).get(name)
        if found is None:
            raise call.access.hidden("party", name)
        path = view.position.knowledge.ownership_path(name, view.on) if "seq" in found else ()  # all of it is shown
        return {"party": found, "ownership_path": list(path)}

    return await read(call, ask)


async def list_authorizations(call: Call) -> Response:
    """Return the authorizations that were issued by the day and are theirs to see, by id."""
    return await _list(call, AUTHORIZATION_COLUMNS, _authorizations)


async def show_authorization(call: Call) -> Response:
    """Return one authorization's terms and state on the day."""

    def ask(view: View) -> dict[str, Any]:
        name = id_of(call.asked, "authorization_id")
        found = _authorizations(call, view).get(name)
        if found is None:
            raise call.access.hidden("authorization", name)
        return {"authorization": found}

    return await read(call, ask)


async def _list(
    call: Call, columns: Mapping[str, str], every: Callable[[Call, View], dict[str, dict[str, Any]]]
) -> Response:
    limit, after = limit_of(call.asked), id_of(call.asked, "after_id")

    def ask(view: View) -> Listed:
        found = every(call, view)
        names = sorted(name for name in found if name > after)
        beside = {"next": names[limit - 1] if len(names) > limit else None}
        return Listed([found[name] for name in names[:limit]], columns, beside=beside)

    return await read(call, ask, lists=True)


def _parties(call: Call, view: View) -> dict[str, dict[str, Any]]:
    """Return the parties that are theirs to see, all of each or its id and name, by id: what both walls show."""
    knowledge, named = view.position.knowledge, call.access.named_parties(call.principal, view)
    facts = {name: fact for name in knowledge.parties if (fact := knowledge.party(name, view.on))}
    seen = {name: fact.seq for name, fact in facts.items() if call.access.may_see_party(call.principal, name)}
    shown = call.access.shown(call.principal, view, seen.values(), "fact")
    found = {name: {**registrations.to_body(facts[name]), "seq": seq} for name, seq in seen.items() if seq in shown}
    others = [name for name in named if name in facts and name not in found]
    names = call.access.shown(call.principal, view, others, "named")
    return found | {name: {"party": name, "name": named[name]} for name in names}


def _authorizations(call: Call, view: View) -> dict[str, dict[str, Any]]:
    knowledge = view.position.knowledge
    on_day = {name: fact for name in knowledge.authorizations if (fact := knowledge.authorization(name, view.on))}
    seen = {name: fact for name, fact in on_day.items() if call.access.may_see_authorization(call.principal, fact)}
    shown = call.access.shown(call.principal, view, [fact.seq for fact in seen.values()], "fact")
    return {
        name: {**registrations.to_body(fact), "is_active": is_active(fact, view.on) and is_within(fact, view.on),
               "seq": fact.seq}
        for name, fact in seen.items() if fact.seq in shown
    }  # fmt: skip


PAGED = ("on", "known", "after_id", "limit")
ROUTES = (
    Route("list_parties", "GET", "/v1/parties", ANYONE, "Parties on a day", list_parties, "Parties", PAGED, lists=True),
    Route("show_party", "GET", "/v1/parties/{party:path}", ANYONE, "One party, and whose it is", show_party,
          "PartyAnswer", ("on", "known")),
    Route("list_authorizations", "GET", "/v1/authorizations", ANYONE, "Authorizations on a day", list_authorizations,
          "Authorizations", PAGED, lists=True),
    Route("show_authorization", "GET", "/v1/authorizations/{authorization_id:path}", ANYONE,
          "One authorization on a day", show_authorization, "AuthorizationAnswer", ("on", "known")),
)  # fmt: skip
