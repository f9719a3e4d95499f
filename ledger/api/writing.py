"""Group commit: one writer, in a thread or a process of its own, posts what is queued, many requests in one commit."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg

from ledger.api.scribe import Scribe, ScribeProcess
from ledger.core.errors import Problem
from ledger.posting import Asker, Receipt, Request
from ledger.posting.relay import Came
from ledger.posting.requests import ALONE

LOG = logging.getLogger(__name__)


class Busy(Problem):
    """Too much waits already; nothing was taken in."""

    def __init__(self, to_be: str, queue: int) -> None:
        super().__init__(
            "busy", f"{queue:,} requests wait to be {to_be}.", "Ask again in a second, under the same key."
        )


class Down(Problem):
    """The database cannot be reached, or was lost in the middle."""

    def __init__(self) -> None:
        super().__init__(
            "unavailable", "The database cannot be reached.",
            "Ask again in a moment. Under the same key nothing is posted twice.",
        )  # fmt: skip


class Posted(NamedTuple):
    """A receipt, and whether it is one that was given before, to the same request under the same key."""

    receipt: Receipt
    is_replay: bool


Answer = list[Posted] | BaseException


@dataclass(slots=True, eq=False)
class _Job:
    """What one caller asks, and where it waits for the answer."""

    requests: list[Request]
    asker: Asker
    together: bool
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[list[Posted]]
    is_suspect: bool = False  # it was in a group that could not be posted

    @property
    def is_alone(self) -> bool:
        """Whether it needs a commit of its own: all or nothing, or an adoption, which computes every counter anew."""
        return self.together or self.is_suspect or any(request.kind in ALONE for request in self.requests)


class WritingDesk:
    """A queue, and the one thread that empties it. Callers may be in several event loops.

    apart: whether the writer works in a process of its own, so that the thread only waits for it.
    """

    def __init__(self, dsn: str, *, queue: int, most: int, apart: bool = False) -> None:
        self._dsn, self._queue, self._most = dsn, queue, most
        self._jobs: deque[_Job] = deque()
        self._given: deque[list[_Job]] = deque()  # to the writer, in groups that have not come through yet
        self._changed = threading.Condition()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._apart = apart
        self._scribe: Scribe | ScribeProcess | None = None
        self._ends = False
        self._lost = False
        self.verdicts: Counter[str] = Counter()  # posted, replayed, or why refused

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting

    @property
    def is_up(self) -> bool:
        """Whether the thread runs and the database answered last."""
        return self._thread is not None and self._thread.is_alive() and not self._lost

    def start(self) -> None:
        """Begin to write."""
        self._ends = False
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing in any more, write what is queued, and close the connection."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._scribe:
            self._scribe.close()
        self._scribe = None

    async def post(self, requests: list[Request], asker: Asker, together: bool) -> list[Posted]:
        """Queue requests, and wait for their receipts."""
        if not requests:
            return []
        loop = asyncio.get_running_loop()
        job = _Job(requests, asker, together, loop, loop.create_future())
        with self._changed:
            if self._ends or self._thread is None:
                raise Down()
            if self._waiting and self._waiting + len(requests) > self._queue:
                raise Busy("written", self._waiting)
            self._jobs.append(job)
            self._waiting += len(requests)
            self._changed.notify()
        return await job.answer

    def _work(self) -> None:
        if self._apart:
            with suppress(psycopg.OperationalError):  # whoever posts is told
                self._scribe = self._hire()  # now, since it takes a while to start
        while (jobs := self._take()) or self._given:
            self._pass_on(self._post(jobs) if jobs else self._end())

    def _take(self) -> list[_Job]:
        """Wait for jobs and take what goes into one commit; nothing where one is under way and nobody waits, or at the
        end."""
        with self._changed:
            while not self._jobs and not self._given and not self._ends:
                self._changed.wait()
            taken: list[_Job] = []
            count = 0
            while self._jobs:
                job = self._jobs[0]
                if taken and (job.is_alone or taken[0].is_alone or count + len(job.requests) > self._most):
                    break
                taken.append(self._jobs.popleft())
                count += len(job.requests)
            self._waiting -= count
            return taken

    def _post(self, jobs: list[_Job]) -> list[Came]:
        self._given.append(jobs)
        asked = [(job.asker, request) for job in jobs for request in job.requests]
        try:
            if self._scribe is None:
                self._scribe = self._hire()
            return self._scribe.post(asked, datetime.now(UTC), jobs[0].together)
        except psycopg.OperationalError as fault:
            return self._lost_with(fault)

    def _end(self) -> list[Came]:
        assert self._scribe
        try:
            return self._scribe.end()
        except psycopg.OperationalError as fault:
            return self._lost_with(fault)

    def _lost_with(self, fault: Exception) -> list[Came]:
        if self._scribe:
            self._scribe.close()
        self._scribe = None
        return [Came(fault=fault)] * len(self._given)

    def _pass_on(self, came: Sequence[Came]) -> None:
        """Answer those whose groups came through, each in the loop in which it waits."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Answer]]] = {}
        for each in came:
            jobs = self._given.popleft()
            for job, answer in zip(jobs, self._answers(jobs, each), strict=True):
                if answer is not None:
                    by_loop.setdefault(job.loop, []).append((job, answer))
        for loop, answered in by_loop.items():
            with suppress(RuntimeError):  # that loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, answered)

    def _answers(self, jobs: Sequence[_Job], came: Came) -> Sequence[Answer | None]:
        """Return the answer of each job, None where it is asked once more, alone."""
        fault = came.fault
        self._lost = isinstance(fault, psycopg.OperationalError | psycopg.InterfaceError)
        if fault is None:
            return self._receipts(jobs, came)
        if self._lost:
            LOG.warning("the writer lost the database: %s", fault)
            return [Down()] * len(jobs)
        if len(jobs) == 1:
            LOG.error("a request could not be posted", exc_info=fault)
            return [fault]
        # Nothing was written. Whose fault it was shows when each is posted in a commit of its own.
        with self._changed:
            for job in reversed(jobs):
                job.is_suspect = True
                self._jobs.appendleft(job)
                self._waiting += len(job.requests)
        return [None] * len(jobs)

    def _receipts(self, jobs: Sequence[_Job], came: Came) -> list[Answer]:
        asked = [(job.asker, request) for job in jobs for request in job.requests]
        marked = list(_marked(asked, came.receipts, came.built_on))
        self.verdicts.update(
            "replayed" if each.is_replay else each.receipt.code or each.receipt.verdict for each in marked
        )
        left = iter(marked)
        return [[next(left) for _ in job.requests] for job in jobs]

    def _hire(self) -> Scribe | ScribeProcess:
        return ScribeProcess(self._dsn) if self._apart else Scribe(self._dsn)


def _marked(asked: Sequence[tuple[Asker, Request]], receipts: Sequence[Receipt], built_on: int) -> Iterator[Posted]:
    """Yield receipts, marking those that were given before: by an earlier commit, or earlier in this one."""
    seen: set[tuple[str, str, int]] = set()
    for (asker, request), receipt in zip(asked, receipts, strict=True):
        if receipt.seq is None:
            yield Posted(receipt, False)
            continue
        same = asker.actor, request.key, receipt.seq
        yield Posted(receipt, receipt.seq <= built_on or same in seen)
        seen.add(same)


def _tell(answered: Sequence[tuple[_Job, Answer]]) -> None:
    """Hand answers to those who still wait, in their own loop."""
    for job, answer in answered:
        if job.answer.done():  # whoever asked has gone away
            continue
        if isinstance(answer, BaseException):
            job.answer.set_exception(answer)
        else:
            job.answer.set_result(answer)
