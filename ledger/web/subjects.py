"""Pages of countries, recipients and authorizations."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request
from fastapi.responses import Response

from ledger.web.showing import subjects
from ledger.web.showing.authorizations import authorization as showing_authorization
from ledger.web.visits import OFFICIALS, Endpoint, Visit


async def countries(request: Request) -> Response:
    """Show all countries, filtered."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, totals = visit.asked(), visit.site.totals
    named, tier = request.query_params.get("named", "").strip(), request.query_params.get("tier", "")
    stamp, page = await visit.read(lambda view: subjects.countries(view, totals, asked, named=named, tier=tier))
    return visit.answer(replace(page, stamp=stamp), asked, template="countries.html")


async def country(request: Request) -> Response:
    """Show one country."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, totals, code = visit.asked(), visit.site.totals, request.path_params["code"]
    return await visit.page(lambda view: subjects.country(view, totals, asked, code), asked)


async def recipients(request: Request) -> Response:
    """Show parties, by name."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, named = visit.asked(), request.query_params.get("named", "").strip()
    stamp, page = await visit.read(lambda view: subjects.recipients(view, asked, named=named))
    return visit.answer(replace(page, stamp=stamp), asked, template="recipients.html")


async def recipient(request: Request) -> Response:
    """Show one party."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, party = visit.asked(), request.path_params["party"]
    return await visit.page(lambda view: subjects.recipient(view, asked, party), asked)


async def authorization(request: Request) -> Response:
    """Show one authorization's life."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, name = visit.asked(), request.path_params["name"]
    return await visit.page(lambda view: showing_authorization(view, asked, name), asked)


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/countries", countries),
    ("GET", "/countries/{code}", country),
    ("GET", "/recipients", recipients),
    ("GET", "/recipients/{party}", recipient),
    ("GET", "/authorizations/{name}", authorization),
)
