"""The server's application: its routes, its door, its limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.api import documenting, problems
from ledger.api.access import Access, LedgerAccess
from ledger.api.desk import Desk
from ledger.api.door import Door, Route
from ledger.api.routes import ROUTES
from ledger.api.watching import WATCHING, Watch, Watched

MOST_BYTES = 16 << 20  # of what is sent at once: a batch of 10,000 movements
MOST_SECONDS = 60  # that sending it may take: who begins and never ends holds nothing open


def create_app(
    desk: Desk, *, access: Access | None = None, pages: APIRouter | None = None, most_bytes: int = MOST_BYTES
) -> FastAPI:
    """Return the application. It opens the desk when it starts, and closes it when it stops.

    Args:
        access: who may come in; this installation's access layer if not said. pages: what people see in a browser.
    """
    access = access or LedgerAccess()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await desk.start(access)
        try:
            yield
        finally:
            await desk.stop()

    app = _App(
        title="Capledger", version=version("capledger"), lifespan=lifespan, openapi_url="/v1/openapi.json",
        docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.desk, app.state.access, app.state.watch = desk, access, Watch(desk)
    door = Door(desk, access)
    app.router.route_class = _Direct
    straight: dict[tuple[str, str], Callable[[Request], Coroutine[Any, Any, Response]]] = {}
    for route in (*ROUTES, *WATCHING):
        answer = door.opened_for(route)
        _add(app, route, answer)
        if not route.parts:
            straight[route.method, route.path] = answer
    if pages is not None:
        app.include_router(pages)
    app.openapi = lambda: documenting.document(app)  # type: ignore[method-assign]
    problems.install(app)
    app.front = Watched(_Limited(_Straight(app.routed, straight), most_bytes), app.state.watch)
    return app


class _App(FastAPI):
    """The application behind what stands before all its routes; what is straight never gets as far as the routes."""

    front: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self.front is None or scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self.front(scope, receive, send)

    async def routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request by the route that takes it."""
        await super().__call__(scope, receive, send)


def _add(app: FastAPI, route: Route, answer: Callable[[Request], Coroutine[Any, Any, Response]]) -> None:
    app.add_api_route(
        route.path, answer, methods=[route.method], name=route.name, operation_id=route.name, summary=route.summary,
        description=(route.does.__doc__ or "").strip(), response_model=None, response_class=Response,
        status_code=201 if route.is_keyed else 200, responses=documenting.answers_of(route),
        openapi_extra=documenting.extra_of(route),
    )  # fmt: skip


class _Direct(APIRoute):
    """A route that is handed the request as it is: the door reads it, and nothing has to be read before."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers."""
        answer: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return answer


class _Straight:
    """Takes an address without parts straight to what answers it: no route is looked for, and nothing is prepared."""

    def __init__(
        self, app: ASGIApp, answers: Mapping[tuple[str, str], Callable[[Request], Coroutine[Any, Any, Response]]]
    ) -> None:
        self._app, self._answers = app, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = None
        if scope["type"] == "http" and not scope.get("root_path"):
            answer = self._answers.get((scope["method"], scope["path"]))
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope["path_params"] = {}
        try:
            response = await answer(Request(scope, receive, send))
        except Exception as fault:
            told = problems.expected(fault)
            if told is None:
                await problems.of(problems.DEFECT)(scope, receive, send)
                raise  # the log has the trace
            response = told
        await response(scope, receive, send)


class _Limited:
    """Takes no more than so many bytes of a body, whatever its head says, and waits no longer than so for its end."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if len(stated) > 18 or (stated.isdigit() and int(stated) > self._most):
            await problems.of(self._too_large())(scope, receive, send)
            return
        taken, is_whole, until = 0, False, time.monotonic() + MOST_SECONDS

        async def limited() -> Message:
            nonlocal taken, is_whole
            if is_whole:  # what is waited for now is that they go away
                return await receive()
            try:
                async with asyncio.timeout(until - time.monotonic()):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            is_whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise self._too_large()
            return message

        await self._app(scope, limited, send)

    def _too_slow(self) -> problems.Said:
        return problems.Said(
            "sent_too_slowly", f"The body did not arrive within {MOST_SECONDS:,} seconds.",
            "Send it again, under the same key.", headers={"Connection": "close"},
        )  # fmt: skip

    def _too_large(self) -> problems.Said:
        return problems.Said("too_large", f"More than {self._most:,} bytes were sent.", "Send it in several parts.")
