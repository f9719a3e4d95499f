"""Pages of runs, discrepancies and records."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request
from fastapi.responses import Response

from ledger.web.asking import record_of
from ledger.web.rendering import go
from ledger.web.showing import records as showing
from ledger.web.visits import OFFICIALS, Endpoint, Visit

NEWEST = 2**62


async def runs(request: Request) -> Response:
    """Show all reconciliations."""
    visit = await Visit.of(request, *OFFICIALS)
    asked = visit.asked()
    return await visit.page(lambda view: showing.runs(view, asked), asked)


async def run(request: Request) -> Response:
    """Show one reconciliation."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, seq = visit.asked(), record_of(request.path_params["seq"], 0)
    return await visit.page(lambda view: showing.run(view, asked, seq), asked)


async def discrepancies(request: Request) -> Response:
    """Show discrepancies, filtered."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, query, now = visit.asked(), request.query_params, visit.site.now()
    stamp, page = await visit.read(
        lambda view: showing.disputes(
            view, asked, now, wanted=query.get("state", ""), owner=query.get("owner", "").strip()
        )
    )  # fmt: skip
    return visit.answer(replace(page, stamp=stamp), asked, template="discrepancies.html")


async def journal(request: Request) -> Response:
    """Search the journal; a number goes straight to its record."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, query = visit.asked(), request.query_params
    if query.get("number", "").strip():
        return go(asked.path("records", record_of(query["number"].replace(",", ""), 0)))
    stamp, page = await visit.read(
        lambda view: showing.journal(
            view, asked, about=query.get("about", "").strip(), key=query.get("key", "").strip(),
            kind=query.get("kind", ""), before=record_of(query.get("before", ""), NEWEST),
        )
    )  # fmt: skip
    return visit.answer(replace(page, stamp=stamp), asked, template="records.html")


async def record(request: Request) -> Response:
    """Show one record."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, seq = visit.asked(), record_of(request.path_params["seq"], 0)
    return await visit.page(lambda view: showing.record(view, asked, seq), asked)


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/runs", runs),
    ("GET", "/runs/{seq}", run),
    ("GET", "/discrepancies", discrepancies),
    ("GET", "/records", journal),
    ("GET", "/records/{seq}", record),
)
