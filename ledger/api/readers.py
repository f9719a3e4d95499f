"""Reader processes, as the server sees them: what waits is handed to those that are idle, many questions at a time."""

from __future__ import annotations

import asyncio
import logging
import pickle
import subprocess
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from starlette.responses import Response

from ledger.api.answers import Ready, Told
from ledger.api.apart import HEAD_BYTES, framed, start
from ledger.api.questions import Question
from ledger.api.writing import Down

if TYPE_CHECKING:
    from ledger.api.access import Access

LOG = logging.getLogger(__name__)
MOST_AT_ONCE = 16  # of one snapshot: more would let the first of them wait for the last
MOST_TRIES = 2  # of one question: what ended two processes does not end a third
PAUSE_SECONDS = 1.0  # before a process is started again that ended without having answered
PROGRAM = "from ledger.api.answerer import serve; serve()"


class _Waiting(NamedTuple):
    question: Question
    answer: asyncio.Future[Told]
    tries: int = 0


class ReaderProcesses:
    """Some processes that answer, all fed by the loop in which they were started; one that dies is started again."""

    def __init__(self, dsn: str, limits: str, access: Access, count: int) -> None:
        self._settings = framed((dsn, limits, access))
        self._count = count
        self._queue: deque[_Waiting] = deque()
        self._readers: dict[int, _Process] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_dealing = self._ends = False
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    async def start(self) -> None:
        """Start the processes."""
        self._loop = asyncio.get_running_loop()
        for n in range(self._count):
            await self._begin(n)

    async def stop(self) -> None:
        """Answer what waits, and end the processes."""
        self._ends = True
        while self._readers and (self._queue or any(each.asked for each in self._readers.values())):
            await asyncio.sleep(0.01)
        for reader in list(self._readers.values()):
            reader.transport.abort()
        for n in list(self.processes):
            self._end(n)
        self._fail_all()

    async def ask(self, question: Question) -> Response | None:
        """Return the answer; None where nobody here can be asked.

        Raises:
            Down: it could not be asked. RuntimeError: a defect.
        """
        if self._ends or not self._readers or self._loop is not asyncio.get_running_loop():
            return None
        answer: asyncio.Future[Told] = self._loop.create_future()
        self._queue.append(_Waiting(question, answer))
        if not self._is_dealing:  # once all that arrived together has been read
            self._is_dealing = True
            self._loop.call_soon(self._deal)
        told = await answer
        if not told.status:
            LOG.error("a reader failed:\n%s", told.body.decode())
            raise RuntimeError("a reader failed")
        return Ready(told)

    def _deal(self) -> None:
        """Hand what waits to those that are idle, in equal parts."""
        self._is_dealing = False
        idle = [each for each in self._readers.values() if not each.asked]
        while idle and self._queue:
            share = min(-(-len(self._queue) // len(idle)), MOST_AT_ONCE)
            idle.pop().ask([self._queue.popleft() for _ in range(share)])

    async def _begin(self, n: int) -> None:
        assert self._loop
        try:
            self.processes[n], ours = start(PROGRAM)
        except OSError as fault:
            LOG.warning("a reader process could not be started: %s", fault)
            return
        ours.setblocking(False)
        await self._loop.create_unix_connection(lambda: _Process(self, n), sock=ours)

    def has_begun(self, n: int, reader: _Process) -> None:
        """Take in a process that can be asked."""
        self._readers[n] = reader
        reader.transport.write(self._settings)
        self._deal()

    def has_answered(self, asked: Sequence[_Waiting], told: Sequence[Told]) -> None:
        """Pass answers on, and hand out what came meanwhile."""
        for waiting, each in zip(asked, told, strict=True):
            if not waiting.answer.done():  # else whoever asked has gone away
                waiting.answer.set_result(each)
        self._deal()

    def has_ended(self, n: int, reader: _Process) -> None:
        """Start a process again that was lost, and ask what it was asked once more."""
        self._readers.pop(n, None)
        self._end(n)
        for waiting in reversed(reader.asked):
            if waiting.tries + 1 < MOST_TRIES:
                self._queue.appendleft(waiting._replace(tries=waiting.tries + 1))
            elif not waiting.answer.done():
                waiting.answer.set_exception(Down())
        if self._ends or self._loop is None:
            return
        LOG.warning("a reader process ended: it is started again")
        if reader.has_answered:
            self._again(n)
        else:
            self._loop.call_later(PAUSE_SECONDS, self._again, n)
            if not self._readers:
                self._fail_all()

    def _again(self, n: int) -> None:
        if not self._ends and self._loop:
            self._starting = self._loop.create_task(self._begin(n))

    def _fail_all(self) -> None:
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.answer.done():
                waiting.answer.set_exception(Down())

    def _end(self, n: int) -> None:
        if process := self.processes.pop(n, None):
            process.kill()  # it holds nothing: a read changes nothing
            process.wait()


class _Process(asyncio.Protocol):
    """One reader process: what it was asked, and its answers as they come in."""

    transport: asyncio.Transport

    def __init__(self, owner: ReaderProcesses, n: int) -> None:
        self._owner, self._n = owner, n
        self._got = bytearray()
        self.asked: list[_Waiting] = []
        self.has_answered = False

    def ask(self, group: list[_Waiting]) -> None:
        """Ask some questions at once."""
        self.asked = group
        self.transport.write(framed([each.question for each in group]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own are no subclass
        self._owner.has_begun(self._n, self)

    def data_received(self, data: bytes) -> None:
        """Take in answers; they are complete when the last byte of them is here."""
        self._got += data
        size = HEAD_BYTES + int.from_bytes(self._got[:HEAD_BYTES], "big")
        if len(self._got) < max(size, HEAD_BYTES + 1):
            return
        told: list[Told] = pickle.loads(self._got[HEAD_BYTES:])
        asked, self.asked = self.asked, []
        self._got.clear()
        self.has_answered = True
        self._owner.has_answered(asked, told)

    def connection_lost(self, fault: Exception | None) -> None:
        """End."""
        self._owner.has_ended(self._n, self)
