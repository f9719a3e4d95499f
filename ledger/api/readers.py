"""Readers in processes of their own: what is asked most, answered many at a time, each group from one snapshot."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from starlette.responses import Response

from ledger.api import problems
from ledger.api.answers import Asking, answered
from ledger.api.writing import CONNECT_SECONDS, Down
from ledger.core.errors import Problem
from ledger.reports import Reader, View

if TYPE_CHECKING:
    from ledger.access import Principal
    from ledger.api.access import Access
    from ledger.store.source import Connection

LOG = logging.getLogger(__name__)
MOST_AT_ONCE = 16  # of one snapshot: more would let the first of them wait for the last
PROGRAM = "from ledger.api.readers import serve; serve()"


class Question(NamedTuple):
    """What is left, asked at the journal's end under the adopted rulebooks: who asks, what, and in which form."""

    principal: Principal
    asked: Mapping[str, Any]
    asking: Asking


class Told(NamedTuple):
    """An answer as it goes out. status 0: a defect, whose trace is the body."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Answerer:
    """Answers groups of questions on one connection; one that was lost is made anew, once."""

    def __init__(self, dsn: str, limits: str, access: Access) -> None:
        self._dsn, self._limits, self._access = dsn, limits, access
        self._conn: Connection | None = None
        self._reader: Reader | None = None

    def answers(self, group: Sequence[Question]) -> list[Told]:
        """Return an answer to each, all from one snapshot taken now; one that fails harms no other."""
        for is_last in (False, True):
            try:
                return self._of_one_snapshot(group)
            except psycopg.Error as fault:
                if self._conn is None or self._conn.closed or self._conn.broken:
                    self.close()
                    if is_last:
                        return [_as_told(problems.of(Down()))] * len(group)
                elif len(group) > 1:  # the failure ended the snapshot for all: each is asked alone
                    return [told for each in group for told in self.answers([each])]
                elif isinstance(fault, psycopg.errors.QueryCanceled):
                    return [_as_told(problems.of(problems.TOO_SLOW))]
                else:
                    return [_defect()]
            except Exception:
                return [_defect()] * len(group)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection; the next group is answered on another."""
        if self._conn:
            self._conn.close()
        self._conn = self._reader = None

    def _of_one_snapshot(self, group: Sequence[Question]) -> list[Told]:
        if self._conn is None or self._reader is None:
            self._conn = psycopg.connect(self._dsn, options=self._limits, connect_timeout=CONNECT_SECONDS)
            self._reader = Reader(self._conn)
        with self._reader.view(on=group[0].asking.day) as view:
            return [self._answer(question, replace(view, on=question.asking.day)) for question in group]

    def _answer(self, question: Question, view: View) -> Told:
        principal, asked, asking = question
        try:
            return _as_told(answered(asking, view, lambda view: self._access.left_for(principal, view, **asked).body()))
        except Problem as fault:
            return _as_told(problems.of(fault))
        except psycopg.Error:
            raise
        except Exception:
            return _defect()


def _as_told(response: Response) -> Told:
    return Told(response.status_code, response.raw_headers, bytes(response.body))


def _defect() -> Told:
    return Told(0, (), traceback.format_exc().encode(errors="replace"))


Waiting = tuple[Question, asyncio.AbstractEventLoop, "asyncio.Future[Told]"]


class ReaderProcesses:
    """Some processes that answer, each fed by a thread here over pipes; one that dies is started again."""

    def __init__(self, dsn: str, limits: str, access: Access, count: int) -> None:
        self._settings = pickle.dumps((dsn, limits, access))
        self._count = count
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._ends = False
        self._threads: list[threading.Thread] = []
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the threads; each starts its process."""
        self._threads = [
            threading.Thread(target=self._work, args=(n,), name=f"reader-{n}", daemon=True) for n in range(self._count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Answer what waits, and end the processes."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    async def ask(self, question: Question) -> Response:
        """Return the answer.

        Raises:
            Down: it could not be asked. RuntimeError: a defect.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Told] = loop.create_future()
        with self._changed:
            if self._ends:
                raise Down()
            self._queue.append((question, loop, answer))
            self._changed.notify()
        status, headers, body = await answer
        if not status:
            LOG.error("a reader failed:\n%s", body.decode())
            raise RuntimeError("a reader failed")
        response = Response(body, status)
        response.raw_headers = list(headers)
        return response

    def _work(self, n: int) -> None:
        self._begin(n)
        while group := self._take():
            told: Sequence[Told | None] = self._told(n, [question for question, _, _ in group]) or [None] * len(group)
            by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Told], Told | None]]] = {}
            for (_, loop, answer), each in zip(group, told, strict=True):
                by_loop.setdefault(loop, []).append((answer, each))
            for loop, answers in by_loop.items():
                try:
                    loop.call_soon_threadsafe(_tell, answers)
                except RuntimeError:  # that loop is closed: nobody waits any more
                    continue
        self._end(n)

    def _take(self) -> list[Waiting]:
        with self._changed:
            while not self._queue and not self._ends:
                self._changed.wait()
            return [self._queue.popleft() for _ in range(min(len(self._queue), MOST_AT_ONCE))]

    def _told(self, n: int, group: list[Question]) -> list[Told] | None:
        """Ask a process; one that is gone is started again, once. None where it cannot be asked at all."""
        for _ in range(2):
            try:
                process = self.processes[n]
                _send(process.stdin, pickle.dumps(group, pickle.HIGHEST_PROTOCOL))
                if (found := _received(process.stdout)) is None:
                    raise EOFError
                told: list[Told] = pickle.loads(found)
                return told
            except (OSError, EOFError, KeyError):
                LOG.warning("a reader process ended: it is started again")
                self._end(n)
                self._begin(n)
        return None

    def _begin(self, n: int) -> None:
        found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            self.processes[n] = process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=found
            )
            _send(process.stdin, self._settings)
        except OSError as fault:
            LOG.warning("a reader process could not be started: %s", fault)

    def _end(self, n: int) -> None:
        process = self.processes.pop(n, None)
        if process is None:
            return
        process.kill()  # it holds nothing: a read changes nothing
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()
        process.wait()


def _tell(answers: Sequence[tuple[asyncio.Future[Told], Told | None]]) -> None:
    for answer, told in answers:
        if answer.done():  # whoever asked has gone away
            continue
        if told is None:
            answer.set_exception(Down())
        else:
            answer.set_result(told)


def _send(pipe: Any, data: bytes) -> None:
    pipe.write(len(data).to_bytes(8, "big") + data)
    pipe.flush()


def _received(pipe: Any) -> bytes | None:
    """Return what was sent, None where the other end is gone."""
    head = pipe.read(8)
    size = int.from_bytes(head, "big")
    data: bytes = pipe.read(size)
    return data if len(head) == 8 and len(data) == size else None


def serve() -> None:
    """Be a reader process: settings first, then groups of questions, until the pipe ends."""
    for told in (signal.SIGINT, signal.SIGTERM):  # meant for the server, which ends this one when it is done
        signal.signal(told, signal.SIG_IGN)
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not come between answers
    settings = _received(asked)
    if settings is None:
        return
    answerer = Answerer(*pickle.loads(settings))
    while (group := _received(asked)) is not None:
        try:
            _send(answers, pickle.dumps(answerer.answers(pickle.loads(group)), pickle.HIGHEST_PROTOCOL))
        except BrokenPipeError:
            return
