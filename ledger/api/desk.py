"""Where the faces of the server meet the ledger: reads run on a small pool of readers, writes are gathered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from ledger.access.pacing import HeldBack, Pacing
from ledger.api.scribe import CONNECT_SECONDS
from ledger.api.writing import Busy, Down, Posted, WritingDesk
from ledger.posting import Asker, Receipt, Request
from ledger.reports import Reader
from ledger.reports.past import Past
from ledger.store.source import Connection

if TYPE_CHECKING:
    from starlette.responses import Response

    from ledger.api.access import Access
    from ledger.api.questions import Question
    from ledger.api.readers import ReaderProcesses

T = TypeVar("T")
READ_SECONDS = 15  # one statement of a read; a longer one is given up, and answered as too slow

APART_LIMITS = "-c statement_timeout=300s"
APART_WAITING = 4


class Desk:
    """Reads on readers of their own, in threads; writes through one writer, many in one commit.

    Args:
        readers: how many reads run at once. queue: how many requests may wait to be written, and how many reads to be
            answered; more are told to come back. most: how many requests one commit takes.
        read_seconds: how long one statement of a read may take. processes: how many readers run in processes of their
            own, beside those in threads, for what is asked most. writes_apart: whether the writer works in a process of
            its own. questions_a_minute: of one exporter about caps that it shares; 0 where they are not counted.
    """

    def __init__(
        self, dsn: str, *, readers: int = 4, queue: int = 1_000, most: int = 200, read_seconds: int = READ_SECONDS,
        processes: int = 0, writes_apart: bool = False, questions_a_minute: int = 0,
    ) -> None:  # fmt: skip
        self._dsn, self._readers, self._queue = dsn, readers, queue
        self._limits = f"-c statement_timeout={read_seconds * 1000} -c idle_in_transaction_session_timeout=60s"
        self._writing = WritingDesk(dsn, queue=queue, most=most, apart=writes_apart)
        self._pacing = Pacing(questions_a_minute)
        self._past = Past()
        self._held_back = HeldBack()
        self._reading: ThreadPoolExecutor | None = None
        self._running: ThreadPoolExecutor | None = None
        self._apart: ThreadPoolExecutor | None = None
        self._own = threading.local()
        self._opened: list[Connection] = []
        self._asked = self._apart_asked = 0
        self._processes = processes
        self.readers: ReaderProcesses | None = None

    async def start(self, access: Access | None = None) -> None:
        """Open for business. Connections are made when they are first needed, and again after they were lost.

        access: what reader processes ask who may see what; without it there are none.
        """
        if self._processes and access is not None:
            from ledger.api.readers import ReaderProcesses

            self.readers = ReaderProcesses(self._dsn, self._limits, access, self._processes)
            await self.readers.start()
        self._reading = ThreadPoolExecutor(self._readers, "reader")
        self._running = ThreadPoolExecutor(2, "plain")
        self._apart = ThreadPoolExecutor(1, "apart")
        self._writing.start()

    async def stop(self) -> None:
        """Write what is queued, answer what is being read, and close every connection."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writing.stop)
        for pool in (self._reading, self._running, self._apart):
            if pool:
                await loop.run_in_executor(None, pool.shutdown)
        if self.readers:
            await self.readers.stop()
            self.readers = None
        for conn in self._opened:
            conn.close()
        self._opened.clear()
        self._reading = self._running = self._apart = None
        self._own = threading.local()

    def pace(self, party: str) -> None:
        """Count a question of an exporter about caps that it shares; "" is nobody who is counted. Raises `TooOften`."""
        self._pacing.take(party, time.monotonic())

    async def hold_back(self) -> None:
        """Wait for a moment, as who tries wrong secrets too often has to."""
        await self._held_back.wait()

    @property
    def waiting(self) -> int:
        """How many requests wait to be written."""
        return self._writing.waiting

    @property
    def verdicts(self) -> Counter[str]:
        """How many requests were posted, replayed, or refused under each code since the desk was made."""
        return self._writing.verdicts

    @property
    def is_writing(self) -> bool:
        """Whether the writer is up: its thread runs, and its last commit did not lose the database."""
        return self._writing.is_up

    async def read(self, ask: Callable[[Reader], T]) -> T:
        """Ask a reader, in a thread.

        Raises:
            Busy: too many reads wait. Down: the database cannot be reached. psycopg.errors.QueryCanceled: too slow.
        """
        return await self._in(self._reading, "reader", self._new_reader, ask)

    async def read_each(self, ask: Callable[[Reader], object]) -> None:
        """Ask the same on every reader, for what each learns by it; nothing is said of what fails."""
        await asyncio.gather(*(self.read(ask) for _ in range(self._readers)), return_exceptions=True)

    async def left(self, question: Question) -> Response | None:
        """Ask a reader process what is left; several that wait are answered from one snapshot. None where none can be.

        Raises:
            Busy: too many reads wait. Down: the database cannot be reached, or a process was lost twice.
        """
        if self.readers is None:
            return None
        if self._asked >= self._queue:
            raise Busy("answered", self._queue)
        self._asked += 1
        try:
            return await self.readers.ask(question)
        finally:
            self._asked -= 1

    async def run(self, ask: Callable[[Connection], T]) -> T:
        """Do something on a plain connection, in a thread; it is committed at the end unless it raises."""

        def asked(conn: Connection) -> T:
            try:
                found = ask(conn)
                conn.commit()
                return found
            finally:
                if not conn.closed:
                    conn.rollback()  # nothing to do once it is committed

        return await self._in(self._running, "plain", self._new_connection, asked)

    async def apart(self, ask: Callable[[Connection], T]) -> T:
        """Do something long on a connection made for it, one at a time: a back-test, a reconciliation.

        Raises:
            Busy: others wait for one already.
        """
        if self._apart_asked >= APART_WAITING:
            raise Busy("computed", self._apart_asked)
        self._apart_asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._apart, self._ask_apart, ask)
        finally:
            self._apart_asked -= 1

    def _ask_apart(self, ask: Callable[[Connection], T]) -> T:
        try:
            with psycopg.connect(self._dsn, options=APART_LIMITS, connect_timeout=CONNECT_SECONDS) as conn:
                return ask(conn)
        except (psycopg.OperationalError, psycopg.InterfaceError) as fault:
            if isinstance(fault, psycopg.errors.QueryCanceled):
                raise
            raise Down() from fault

    async def post(
        self, requests: Sequence[Request], *, actor: str, person: str = "", together: bool = False
    ) -> list[Receipt]:
        """Post requests in order, and return their receipts once they are committed.

        What arrives together shares one commit, each with its own verdict. together: all or nothing, in a commit of
        its own. Whoever stops waiting loses nothing: what was taken in is posted.

        Raises:
            Busy: the queue is full; nothing was taken in.
            Down: the database was lost meanwhile. Whether it was posted is not known; the same keys tell.
        """
        return [
            each.receipt for each in await self.post_marked(requests, actor=actor, person=person, together=together)
        ]

    async def post_marked(
        self, requests: Sequence[Request], *, actor: str, person: str = "", together: bool = False
    ) -> list[Posted]:
        """Do the same, and say of each receipt whether it was given before."""
        return await self._writing.post(list(requests), Asker(actor, person), together)

    async def _in(
        self, pool: ThreadPoolExecutor | None, name: str, make: Callable[[], Any], ask: Callable[[Any], T]
    ) -> T:
        if pool is None:
            raise Down()
        if self._asked >= self._queue:
            raise Busy("answered", self._queue)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, self._ask, name, make, ask)
        finally:
            self._asked -= 1

    def _ask(self, name: str, make: Callable[[], Any], ask: Callable[[Any], T]) -> T:
        """Run in a pool's thread, on that thread's own connection; one that was lost is made anew, once."""
        for is_last in (False, True):
            held = getattr(self._own, name, None)
            if held is None:
                held = make()
                setattr(self._own, name, held)
            conn, through = held
            try:
                return ask(through)
            except (psycopg.OperationalError, psycopg.InterfaceError) as fault:
                if not conn.closed and not conn.broken:
                    raise
                setattr(self._own, name, None)
                conn.close()
                if is_last:
                    raise Down() from fault
        raise AssertionError("unreachable")

    def _new_reader(self) -> tuple[Connection, Reader]:
        conn = self._connect()
        return conn, Reader(conn, past=self._past)

    def _new_connection(self) -> tuple[Connection, Connection]:
        conn = self._connect()
        return conn, conn

    def _connect(self) -> Connection:
        try:
            conn = psycopg.connect(self._dsn, options=self._limits, connect_timeout=CONNECT_SECONDS)
        except psycopg.OperationalError as fault:
            raise Down() from fault
        self._opened = [each for each in self._opened if not each.closed]
        self._opened.append(conn)
        return conn
