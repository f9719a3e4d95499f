"""The door: who asks, whether the route is theirs, and whether the question has only parts that are known."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from starlette.responses import Response

from ledger.access import PUBLIC, Principal
from ledger.api.access import Access
from ledger.api.desk import Desk
from ledger.api.parameters import stated
from ledger.api.problems import Said
from ledger.core.errors import Malformed

KEPT_SECONDS = 1.0  # a key that was valid is not looked up again for so long: a revoked one may work so much longer
MOST_KEPT = 10_000
LONGEST_SECRET = 8_192

REGULATOR, EXPORTER, AUDITOR, OPERATOR = "regulator", "exporter", "auditor", "operator"
ANYONE = frozenset({REGULATOR, EXPORTER, AUDITOR, OPERATOR})
SEES_ALL = frozenset({REGULATOR, AUDITOR, OPERATOR})
POSTS = frozenset({REGULATOR, EXPORTER, OPERATOR})
DECLARES = frozenset({EXPORTER, OPERATOR})
RUNS = frozenset({REGULATOR, OPERATOR})
STATES = frozenset({OPERATOR})
OPEN: frozenset[str] = frozenset()  # needs no credentials, and tells nothing of what the ledger holds


@dataclass(slots=True)
class Call:
    """One call: who asks, and what, by parameter, as text. Parameters of the address are among them."""

    request: Request
    principal: Principal
    asked: Mapping[str, str]
    desk: Desk
    access: Access

    async def body(self) -> dict[str, Any]:
        """Return the JSON object that was sent; a number that is not whole stays as it is written.

        Raises:
            Said: it is not JSON. Malformed: it is no object.
        """
        kind = self.request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Said("unsupported_media_type", f"The body is {kind[:60]}.", "Send application/json.")
        try:
            found = json.loads(await self.request.body(), parse_float=str, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise Malformed("body", "The body is not JSON.", "Send one JSON object, in UTF-8.") from None
        if not isinstance(found, dict):
            raise Malformed("body", "The body is not a JSON object.", "Send one object with named fields.")
        return found


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One route: what it is called, who may call it, what it may be asked, and what answers.

    body: the name of the schema of what is sent. answer: of what is answered. example: a body that the tests send.
    lists: whether the answer may be had as CSV or Parquet too; files: media types that it may be had in beside JSON.
    posts: whether it changes the ledger. omits: parameters that need not be stated here. reads_itself: whether what
    answers reads the question too, elsewhere perhaps. about: what a parameter means here, where that is not what it
    means elsewhere. dayless: why it cannot be asked of a day, where it cannot.
    """

    name: str
    method: str
    path: str
    roles: frozenset[str]
    summary: str
    does: Handler
    answer: str
    asks: tuple[str, ...] = ()
    body: str = ""
    example: Mapping[str, Any] | None = None
    lists: bool = False
    posts: bool = False
    is_keyed: bool = False
    files: tuple[str, ...] = ()
    omits: tuple[str, ...] = ()
    reads_itself: bool = False
    about: Mapping[str, str] = field(default_factory=dict)
    dayless: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parameters that are part of the address."""
        return tuple(part.strip("{}").partition(":")[0] for part in self.path.split("/") if part.startswith("{"))


class Door:
    """Lets people in. Keeps for a moment who showed a valid key, never the key itself."""

    def __init__(self, desk: Desk, access: Access) -> None:
        self._desk, self._access = desk, access
        self._kept: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._looking: dict[tuple[bytes, asyncio.AbstractEventLoop], asyncio.Task[Principal | None]] = {}

    def opened_for(self, route: Route) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request on a route: the door first, then what the route does."""

        async def answer(request: Request) -> Response:
            request.scope["capledger.route"] = route.path
            principal = PUBLIC if route.roles is OPEN else await self._principal(request)
            request.scope["capledger.key"] = principal.key_id
            if route.roles is not OPEN and principal.role not in route.roles:
                raise Said("forbidden", f"This is not for the role {principal.role}.", "Ask with another role's key.")
            asked: dict[str, str] = {}
            if not route.reads_itself:
                asked = stated(request.scope["query_string"], route.asks, route.omits, route.dayless)
                asked |= {name: str(text) for name, text in request.path_params.items()}
            return await route.does(Call(request, principal, asked, self._desk, self._access))

        answer.__name__ = route.name
        return answer

    async def _principal(self, request: Request) -> Principal:
        shown = next((value for name, value in request.scope["headers"] if name == b"authorization"), b"")
        scheme, _, found = shown.partition(b" ")
        secret = found.decode("latin-1").strip()
        if scheme.lower() != b"bearer" or not secret or len(secret) > LONGEST_SECRET:
            raise Said("unauthenticated", "No key or token was shown.", "Send `Authorization: Bearer <key>`.")
        digest = hashlib.sha256(secret.encode()).digest()
        kept = self._kept.get(digest)
        if kept and time.monotonic() - kept[0] < KEPT_SECONDS:
            return kept[1]
        principal = await asyncio.shield(self._looked_up(digest, secret))
        if principal is None:
            self._kept.pop(digest, None)
            await self._count_failure(request, secret, datetime.now(UTC))
            raise Said("unauthenticated", "The key or token is not valid.", "Use one that is not expired or revoked.")
        self._kept[digest] = time.monotonic(), principal
        self._kept.move_to_end(digest)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return principal

    def _looked_up(self, digest: bytes, secret: str) -> asyncio.Task[Principal | None]:
        """Look a key up: once for all who show it at the same time, or the last of them would wait for all others."""
        under_way = digest, asyncio.get_running_loop()
        if (task := self._looking.get(under_way)) is None:
            at = datetime.now(UTC)
            found = self._desk.run(lambda conn: self._access.authenticate(conn, secret, at=at))
            task = self._looking[under_way] = asyncio.ensure_future(found)
            task.add_done_callback(lambda _: self._looking.pop(under_way, None))
        return task

    async def _count_failure(self, request: Request, secret: str, at: datetime) -> None:
        address = request.client.host if request.client else ""
        if not await self._desk.run(lambda conn: self._access.may_fail(conn, secret, address=address, at=at)):
            await self._desk.hold_back()
            raise Said(
                "too_many_attempts", "The key or token is not valid, and too many were not from there, or of that key.",
                "Wait a minute. One that is valid works meanwhile.",
            )  # fmt: skip


def _no_number(word: str) -> Any:
    raise ValueError(word)
