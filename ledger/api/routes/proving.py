"""What proves the journal, what waits for a second person, and who owes which notice."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ledger import reports
from ledger.api.answering import read
from ledger.api.answers import Listed
from ledger.api.door import ANYONE, SEES_ALL, Call, Route
from ledger.api.formats import columns_of
from ledger.api.parameters import PARTS, is_set, number_of
from ledger.core.errors import NotFound
from ledger.reports import View

WHEN, UNDER = ("on", "known"), ("on", "known", "rulebook")


async def show_checkpoint(call: Call) -> Response:
    """Return the journal's size and root at a record."""
    return await read(call, lambda view: {"checkpoint": reports.checkpoint(view).body()})


async def prove_record(call: Call) -> Response:
    """Return the proof that a record is in the journal; of an exporter's own records only, where an exporter asks."""
    seq = number_of(call.asked, "seq", least=1) or 0

    def ask(view: View) -> dict[str, Any]:
        party, is_there = call.access.scope_of(call.principal), seq <= view.known
        if is_there and party:
            is_there = reports.party_of(view, seq) == party
        if not is_there or seq not in call.access.shown(call.principal, view, [seq]):
            raise NotFound(f"Record {seq:,} is not among the {view.known:,}.", "Ask for an earlier one.")
        return {"proof": reports.prove(view, seq).body()}

    return await read(call, ask)


async def list_proposals(call: Call) -> Response:
    """Return what waits for a second person, oldest first; what was decided too, where asked for."""
    decided = is_set(call.asked, "decided")
    columns = columns_of("id", "state", "what", "kind", "key", "voice", "actor", "person", "note", "proposed_at",
                         whole=["id"])  # fmt: skip
    return await read(
        call, lambda view: Listed([each.body() for each in reports.proposals(view, decided=decided)], columns),
        lists=True, pages=True,
    )  # fmt: skip


async def list_duties(call: Call) -> Response:
    """Return who owes which notice by when, overdue ones first; an exporter's own, where an exporter asks."""
    met = is_set(call.asked, "met")

    def ask(view: View) -> Listed:
        items = [each.body() for each in call.access.duties_for(call.principal, view, met=met)]
        return Listed(items, columns_of("duty", "state", "party", "due_on", "triggered_on", "subject", "do", "law"))

    return await read(call, ask, lists=True, pages=True)


ROUTES = (
    Route("show_checkpoint", "GET", "/v1/checkpoint", ANYONE, "The journal's size and root", show_checkpoint,
          "CheckpointAnswer", ("known",)),
    Route("prove_record", "GET", "/v1/records/{seq}/proof", ANYONE, "That a record is in the journal", prove_record,
          "ProofAnswer", ("known",)),
    Route("list_proposals", "GET", "/v1/proposals", SEES_ALL, "What waits for a second person", list_proposals,
          "Proposals", ("decided", "known", *PARTS), lists=True),
    Route("list_duties", "GET", "/v1/duties", ANYONE, "Who owes which notice by when", list_duties, "Duties",
          ("met", *UNDER, *PARTS), lists=True),
)  # fmt: skip
