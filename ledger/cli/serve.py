"""`capledger serve`: the HTTP API and the pages, on this machine's loopback unless told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import output
from ledger.core.errors import Unusable

if TYPE_CHECKING:
    import socket

    from ledger.api.access import Access

# Readers and the writer compute in threads; the one that talks to the network must not wait long for its turn.
TURN_SECONDS = 0.0005
READER_PROCESSES = 2  # for what is asked most, so that it does not take turns with the network
GRACE_SECONDS = 30  # for what is being answered when the server is told to stop


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 lets the system choose one.")] = 8000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object when it listens.")] = False,
) -> None:
    """Serve the ledger over HTTP until it is told to stop (Ctrl-C, SIGTERM); what is queued is written first.

    Everybody shows a key: `capledger keys issue` makes the first one. The log goes to standard error, a line of JSON
    for each request. Exit status 0: stopped as told; 2: it cannot listen there.
    """
    from ledger.api.access import LedgerAccess
    from ledger.settings import Settings
    from schema.database import open_database

    settings = Settings.load()
    access, listening = LedgerAccess.of(settings), listen(host, port)
    with listening, open_database(settings) as dsn:
        run(
            dsn,
            listening,
            access,
            lambda address: _tell(address, as_json),
            questions_a_minute=settings.questions_a_minute,
        )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises `Unusable` where it cannot."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise Unusable(
            "cannot_listen", f"Nothing can listen on {host} port {port}: {reason}.",
            "Name another --port (0 lets the system choose) or --host.",
        ) from None  # fmt: skip


def run(
    dsn: str, listening: socket.socket, access: Access, tell: Callable[[str], None], *, questions_a_minute: int = 0
) -> None:  # fmt: skip
    """Serve on a socket until told to stop. tell: is told the address once requests are taken."""
    import gc
    import signal

    import uvicorn

    from ledger.api.app import create_app
    from ledger.api.connections import LimitedProtocol
    from ledger.api.desk import Desk
    from ledger.api.watching import log_to_stderr
    from ledger.web.app import router_of

    host, port = listening.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            gc.collect()
            gc.freeze()  # what is there now stays: looking it through again and again would hold up answers
            if self.started:
                tell(address)

    sys.setswitchinterval(TURN_SECONDS)
    log_to_stderr()
    desk = Desk(dsn, processes=READER_PROCESSES, writes_apart=True, questions_a_minute=questions_a_minute)
    config = uvicorn.Config(
        create_app(desk, access=access, pages=router_of(desk)), log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS, timeout_keep_alive=30, lifespan="on",
        http=LimitedProtocol,
    )  # fmt: skip
    # The server stops by itself at these, and then raises them again: by then there is nothing left to interrupt.
    for told in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told, lambda *_: None)
    server = Server(config)
    server.run([listening])
    if not server.started:
        raise Unusable("cannot_serve", "The server did not start; the log says why.", "Look at the lines above.")


def _tell(address: str, as_json: bool) -> None:
    if as_json:
        output.say_json({"address": address, "document": f"{address}/v1/openapi.json"})
    else:
        output.say(f"Listening on {address} (API: {address}/v1/openapi.json). Ctrl-C stops it.")
        output.say("A first key: capledger keys issue --person NAME --role operator")
    sys.stdout.flush()
