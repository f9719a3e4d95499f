"""Pages of caps: all that are in use, and one of them."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request
from fastapi.responses import Response

from ledger.web.asking import record_of
from ledger.web.showing.caps import all_caps, one_cap
from ledger.web.visits import OFFICIALS, Endpoint, Visit

NEWEST = 2**62


async def caps(request: Request) -> Response:
    """Show every cap in use, filtered."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, query = visit.asked(), request.query_params
    stamp, page = await visit.read(
        lambda view: all_caps(
            view, asked, wanted=query.get("state", ""), named=query.get("named", "").strip(),
            after=record_of(query.get("after", ""), 0),
        )
    )  # fmt: skip
    return visit.answer(replace(page, stamp=stamp), asked, template="caps.html")


async def cap(request: Request) -> Response:
    """Show one cap, or one counter of it."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, query = visit.asked(), request.query_params
    subject, window = query.get("subject", ""), query.get("window", "")
    before = record_of(query.get("before", ""), NEWEST)
    name = request.path_params["name"]
    return await visit.page(lambda view: one_cap(view, asked, name, subject, window, before), asked)


PAGES: tuple[tuple[str, str, Endpoint], ...] = (("GET", "/caps", caps), ("GET", "/caps/{name}", cap))
