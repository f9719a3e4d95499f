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

    @property
    def is_alone(self) -> bool:
        """Whether it needs a commit of its own: all or nothing, or an adoption, which computes every counter anew."""
        return self.together or any(request.kind in ALONE for request in self.requests)


class WritingDesk:
    """A queue, and the one thread that empties it. Callers may be in several event loops.

    apart: whether the writer works in a process of its own, so that the thread only waits for it.
    """

    def __init__(self, dsn: str, *, queue: int, most: int, apart: bool = False) -> None:
        self._dsn, self._queue, self._most = dsn, queue, most
        self._jobs: deque[_Job] = deque()
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
        while jobs := self._take():
            answers = self._answers(jobs)
            by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Answer]]] = {}
            for job, answer in zip(jobs, answers, strict=True):
                by_loop.setdefault(job.loop, []).append((job, answer))
            for loop, answered in by_loop.items():
                try:
                    loop.call_soon_threadsafe(_tell, answered)
                except RuntimeError:  # that loop is closed: nobody waits any more
                    continue

    def _take(self) -> list[_Job]:
        """Wait for jobs and take what goes into one commit; nothing once the desk ends and all is written."""
        with self._changed:
            while not self._jobs and not self._ends:
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

    def _answers(self, jobs: Sequence[_Job]) -> list[Answer]:
        try:
            receipts = iter(self._post(jobs))
            return [[next(receipts) for _ in job.requests] for job in jobs]
        except (psycopg.OperationalError, psycopg.InterfaceError) as fault:
            self._lose()
            LOG.warning("the writer lost the database: %s", fault)
            return [Down() for _ in jobs]
        except Exception as fault:
            if len(jobs) == 1:
                LOG.exception("a request could not be posted")
                return [fault]
            # Nothing was written. Whose fault it was shows when each is posted in a commit of its own.
            return [answer for job in jobs for answer in self._answers([job])]

    def _post(self, jobs: Sequence[_Job]) -> list[Posted]:
        if self._scribe is None:
            self._scribe = self._hire()
        asked = [(job.asker, request) for job in jobs for request in job.requests]
        receipts, built_on = self._scribe.post(asked, datetime.now(UTC), jobs[0].together)
        self._lost = False
        marked = list(_marked(asked, receipts, built_on))
        self.verdicts.update(
            "replayed" if each.is_replay else each.receipt.code or each.receipt.verdict for each in marked
        )
        return marked

    def _hire(self) -> Scribe | ScribeProcess:
        return ScribeProcess(self._dsn) if self._apart else Scribe(self._dsn)

    def _lose(self) -> None:
        self._lost = True
        if self._scribe:
            self._scribe.close()
        self._scribe = None


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
