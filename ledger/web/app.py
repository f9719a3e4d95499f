"""The pages as one router, to be included in the server's application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from ledger.core.errors import Problem
from ledger.reports import Reader
from ledger.settings import Settings
from ledger.web import (
    books,
    caps,
    deciding,
    exporter,
    fitting,
    official,
    public,
    records,
    signing,
    statements,
    subjects,
)
from ledger.web.asking import Asked
from ledger.web.desks import Desk, Door
from ledger.web.entrance import Entrance
from ledger.web.parts import path
from ledger.web.rendering import go, html, problem_page
from ledger.web.showing.overview import overview
from ledger.web.showing.totals import Totals
from ledger.web.visits import SignInFirst, Site, Visit, visitor

_TOO_SLOW = Problem(
    "unavailable", "This took the database too long, and was given up.", "Ask for less, or again when it is less busy."
)
MOST_SECONDS = 30
PAGES = (
    *signing.PAGES, *official.PAGES, *caps.PAGES, *subjects.PAGES, *books.PAGES, *records.PAGES, *deciding.PAGES,
    *exporter.PAGES, *fitting.PAGES, *statements.PAGES, *public.PAGES,
)  # fmt: skip


def router_of(
    desk: Desk,
    door: Door | None = None,
    *,
    is_public: bool | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> APIRouter:
    """Return the pages.

    Args:
        desk: where they meet the ledger.
        door: who may come in and see what; the ledger's own if not said.
        is_public: whether the pages for everybody are on; what CAPLEDGER_PUBLIC_PAGE says if not said.
    """
    is_public = Settings.load().public_page if is_public is None else is_public
    door = door or Entrance()
    site = Site(desk, door, Totals(), is_public, now)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        await _look_first(site)
        yield

    router = APIRouter(route_class=_route_class(site), lifespan=lifespan)
    for method, where, endpoint in PAGES:
        router.add_api_route(where, endpoint, methods=[method], include_in_schema=False, response_model=None)
    router.add_api_route(
        "/{rest:path}", _lost, methods=["GET"], include_in_schema=False, response_model=None,
        route_class_override=_lost_class(site),
    )  # fmt: skip
    return router


async def _lost(request: Request) -> Response:
    """Answer whoever asks for a page that there is not."""
    await Visit.of(request)
    raise Problem("not_found", f"There is no page at {request.url.path[:200]}.", "Use the links above.")


def _lost_class(site: Site) -> type[APIRoute]:
    class LostRoute(_route_class(site)):  # type: ignore[misc]
        """Takes what no other page took and a browser asks for; a program is answered as one."""

        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            wants = next((value for name, value in scope.get("headers", ()) if name == b"accept"), b"")
            if b"text/html" not in wants or scope["path"].startswith("/v1"):
                return Match.NONE, {}
            found: tuple[Match, Scope] = super().matches(scope)
            return found if found[0] is Match.FULL else (Match.NONE, {})

    return LostRoute


async def _look_first(site: Site) -> None:
    """Make the overview once on each reader, before the first request is taken: they learn what is known by it.

    Nobody waits for it longer than a while, and what fails here fails again, in words, for whoever asks.
    """
    on = site.now().date()

    def look(reader: Reader) -> None:
        with reader.view(on=on) as view:
            page = overview(view, site.totals, Asked(on, None, ""), site.now())
            html("page.html", {**visitor(site, None), "page": page, "here": "/", "asked": None})

    with suppress(TimeoutError):
        await asyncio.wait_for(site.desk.read_each(look), MOST_SECONDS)


def _route_class(site: Site) -> type[APIRoute]:
    """Return the class of the pages' routes: each is told the site, and answers problems with a page."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            inner: Callable[[Request], Awaitable[Any]] = super().get_route_handler()

            async def handle(request: Request) -> Response:
                request.state.site, request.state.session = site, None
                try:
                    response: Response = await inner(request)
                    return response
                except SignInFirst:
                    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                    return go(path("sign-in", to=asked if request.method == "GET" and asked != "/" else ""))
                except Problem as problem:
                    return problem_page(request, problem, visitor(site, request.state.session))
                except psycopg.errors.QueryCanceled:
                    return problem_page(request, _TOO_SLOW, visitor(site, request.state.session))

            return handle

    return PageRoute
