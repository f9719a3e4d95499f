"""A writer in a process of its own: judging takes no turns with the network, nor with whoever answers there."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg

from ledger.posting import Asker, Receipt, Request, Writer

if TYPE_CHECKING:
    from ledger.store.source import Connection

CONNECT_SECONDS = 5
LONGEST_STATEMENT = "120s"  # an adoption computes every counter anew
HEAD_BYTES = 8  # the size of what follows
PROGRAM = "from ledger.api.scribe import serve; serve()"


class Scribe:
    """A writer on a connection of its own, which is made when it is first asked."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: Connection | None = None
        self._writer: Writer | None = None

    def post(
        self, asked: Sequence[tuple[Asker, Request]], at: datetime, together: bool
    ) -> tuple[Sequence[Receipt], int]:
        """Post requests; return their receipts, and how long the journal was before.

        Raises:
            psycopg.OperationalError, psycopg.InterfaceError: the database cannot be reached, or was lost.
        """
        if self._writer is None or self._conn is None or self._conn.closed:
            options = f"-c statement_timeout={LONGEST_STATEMENT} -c lock_timeout={LONGEST_STATEMENT}"
            self._conn = psycopg.connect(self._dsn, options=options, connect_timeout=CONNECT_SECONDS)
            self._writer = Writer(self._conn)
        receipts = self._writer.post_from_many(asked, at=at, together=together)
        return receipts, self._writer.built_on

    def close(self) -> None:
        """Close the connection; the next post makes another."""
        if self._conn:
            self._conn.close()
        self._conn = self._writer = None


class ScribeProcess:
    """The same in a process of its own, which is started here and ended by `close`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._process: subprocess.Popen[bytes] | None = None
        self._begin()

    def post(
        self, asked: Sequence[tuple[Asker, Request]], at: datetime, together: bool
    ) -> tuple[Sequence[Receipt], int]:
        """Post requests; return their receipts, and how long the journal was before.

        Raises:
            psycopg.OperationalError, psycopg.InterfaceError: the database or the process cannot be reached, or was
            lost: whether anything was posted is not known. Exception: whatever else the writer raised.
        """
        if self._process is None:
            self._begin()
        try:
            self._there.sendall(framed((asked, at, together)))
            told = receive(self._there)
        except OSError as fault:
            raise psycopg.OperationalError(f"the writer process was lost: {fault}") from fault
        if told is None:
            raise psycopg.OperationalError("the writer process ended")
        if isinstance(told, BaseException):
            raise told
        receipts, built_on = told
        return receipts, built_on

    def close(self) -> None:
        """End the process, once it is through with what it was asked; the next post starts another."""
        if self._process:
            self._there.close()
            self._process.wait()
            self._process = None

    def _begin(self) -> None:
        self._there, theirs = socket.socketpair()
        found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-P", "-c", PROGRAM], stdin=theirs.fileno(), env=found)
        self._there.sendall(framed(self._dsn))


def framed(what: object) -> bytes:
    """Return something as bytes, after their number."""
    data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(HEAD_BYTES, "big") + data


def receive(there: socket.socket) -> Any:
    """Return the next thing that was sent framed; None once the other side has hung up."""
    data = _exactly(there, int.from_bytes(_exactly(there, HEAD_BYTES), "big"))
    return pickle.loads(data) if data else None


def _exactly(there: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        data = there.recv(size - len(found))
        if not data:
            return b""
        found += data
    return bytes(found)


def serve() -> None:
    """Be a writer process: where the database is first, then requests, until the server at standard input hangs up."""
    for told in (signal.SIGINT, signal.SIGTERM):  # meant for the server, which ends this one when all is written
        signal.signal(told, signal.SIG_IGN)
    gc.set_threshold(100_000, 50, 50)  # nearly all that is made here ends by itself, and what stays is much
    with socket.socket(fileno=os.dup(0)) as server:
        os.dup2(2, 1)  # whatever prints goes to the log
        dsn = receive(server)
        assert isinstance(dsn, str)
        scribe = Scribe(dsn)
        while (asked := receive(server)) is not None:
            try:
                requests, at, together = asked
                answer: object = scribe.post(requests, at, together)
            except Exception as fault:
                answer = sendable(fault)
                if isinstance(fault, psycopg.Error):
                    scribe.close()
            try:
                server.sendall(framed(answer))
            except OSError:
                return
        scribe.close()


def sendable(fault: Exception) -> Exception:
    """Return a fault as it is, or its words, where it is of a kind that cannot be sent."""
    try:
        pickle.loads(pickle.dumps(fault))
    except Exception:
        return RuntimeError(f"{type(fault).__name__}: {fault}")
    return fault
