"""A writer in a process of its own: judging takes no turns with the network, nor with whoever answers there."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg

from ledger.api.apart import asked_by, framed, receive, served, start
from ledger.posting import Asker, Receipt, Request, Writer

if TYPE_CHECKING:
    from ledger.store.source import Connection

CONNECT_SECONDS = 5
LONGEST_STATEMENT = "120s"  # an adoption computes every counter anew
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
    """The same in a process of its own, which is started here and ended by `close`.

    Raises:
        psycopg.OperationalError: it cannot be started, so that nothing can be posted for now.
    """

    def __init__(self, dsn: str) -> None:
        try:
            self._process, self._there = start(PROGRAM)
            self._there.sendall(framed(dsn))
        except OSError as fault:
            raise psycopg.OperationalError(f"the writer process cannot be started: {fault}") from fault

    def post(
        self, asked: Sequence[tuple[Asker, Request]], at: datetime, together: bool
    ) -> tuple[Sequence[Receipt], int]:
        """Post requests; return their receipts, and how long the journal was before.

        Raises:
            psycopg.OperationalError, psycopg.InterfaceError: the database or the process cannot be reached, or was
            lost: whether anything was posted is not known. Exception: whatever else the writer raised.
        """
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
        """End the process, once it is through with what it was asked."""
        self._there.close()
        self._process.wait()


def serve() -> None:
    """Be a writer process: where the database is first, then requests, until the server at standard input hangs up."""
    with served() as server:
        dsn = receive(server)
        assert isinstance(dsn, str)
        scribe = Scribe(dsn)
        for requests, at, together in asked_by(server):
            try:
                answer: object = scribe.post(requests, at, together)
            except Exception as fault:
                answer = sendable(fault)
                if isinstance(fault, psycopg.Error):
                    scribe.close()
            try:
                server.sendall(framed(answer))
            except OSError:  # the server is gone
                return
        scribe.close()


def sendable(fault: Exception) -> Exception:
    """Return a fault as it is, or its words, where it is of a kind that cannot be sent."""
    try:
        pickle.loads(pickle.dumps(fault))
    except Exception:
        return RuntimeError(f"{type(fault).__name__}: {fault}")
    return fault
