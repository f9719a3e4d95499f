"""The regulator's overview."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from ledger.web.rendering import go
from ledger.web.showing.overview import overview
from ledger.web.visits import EXPORTERS, OFFICIALS, Endpoint, Visit


async def home(request: Request) -> Response:
    """Show the overview; an exporter is sent to its own page."""
    visit = await Visit.of(request, *OFFICIALS, *EXPORTERS)
    if visit.principal.role in EXPORTERS:
        return go("/exporter")
    site, asked = visit.site, visit.asked()
    return await visit.page(lambda view: overview(view, site.totals, asked, site.now()), asked)


PAGES: tuple[tuple[str, str, Endpoint], ...] = (("GET", "/", home),)
