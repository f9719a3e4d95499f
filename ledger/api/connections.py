"""What a connection may cost: how long a request's head may take, how long it may be, how many connections are held.

The parser that the server is built on waits for ever for the end of a head, whatever its length.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ledger.api import problems

if TYPE_CHECKING:
    from starlette.responses import Response

LOG = logging.getLogger(__name__)
CLOSE = {"Connection": "close"}
SPARE_CONNECTIONS, SPARE_SECONDS = 100, 1.0  # held beside the others, so long, only to be told that there are too many


class Limits(NamedTuple):
    """seconds: for the head of one request. head: its bytes. connections: at once; more are answered with 503.

    A process mostly may have 1,024 files open, connections to the database among them.
    """

    seconds: float = 30
    head: int = 64 << 10
    connections: int = 800


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Its time runs whenever no request is being answered and something of the next one has come.

    While nothing has come, the server's own time for idle connections runs; of a body the application counts the time.
    """

    limits = Limits()
    _timer: asyncio.TimerHandle | None = None
    _unended = 0  # bytes of a head that has not ended
    _is_in_body = False
    _is_over = False  # one more than are held

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        over = len(self.connections) - self.limits.connections
        if over == 1:
            LOG.warning("%d connections are open: more are told to come back", self.limits.connections)
        if over > SPARE_CONNECTIONS:
            transport.abort()
            return
        if over > 0:
            self._is_over, self.app = True, problems.of(_FULL)
        self._start(SPARE_SECONDS if self._is_over else self.limits.seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what has come."""
        if self._timer is None and self._is_idle:
            self._start(self.limits.seconds)
        super().data_received(data)
        if self._timer is not None and not self._is_in_body and not self.transport.is_closing():
            self._unended += len(data)
            if self._unended > self.limits.head:
                self._refuse(problems.of(self._too_large()))

    def on_headers_complete(self) -> None:
        """Begin to answer a request whose head has come."""
        self._stop()
        self._is_in_body = True
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.limits.head:
            self.app = problems.of(self._too_large())
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take note that a request has come whole."""
        self._is_in_body = False
        super().on_message_complete()

    @property
    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _start(self, seconds: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop(self) -> None:
        self._unended = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self._is_idle and not self.transport.is_closing():  # else the next bytes, or silence, start it again
            self._refuse(problems.of(_FULL if self._is_over else self._too_slow()))

    def _refuse(self, response: Response) -> None:
        """Say no without a request, and hang up."""
        head = [f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}".encode()]
        head += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*head, b"", bytes(response.body)]))
        self.transport.close()

    def _too_large(self) -> problems.Said:
        message = f"The head of the request has more than {self.limits.head:,} bytes."
        return problems.Said("headers_too_large", message, "Send fewer or shorter headers.", headers=CLOSE)

    def _too_slow(self) -> problems.Said:
        message = f"The head of the request did not arrive within {self.limits.seconds:g} seconds."
        return problems.Said("sent_too_slowly", message, "Send it again at once.", headers=CLOSE)


_FULL = problems.Said("busy", "Too many connections are open.", "Come again in a moment.", headers=CLOSE)


def limited(limits: Limits) -> type[LimitedProtocol]:
    """Return connections that are limited so."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits})
