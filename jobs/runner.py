"""Run each period of each job once, however many schedulers there are. APScheduler only ticks; the database decides.

One connection holds the claim open while the job works on another. Whatever ends the process before the claim commits
leaves the period due, so a job may be run again for a day that it had done, and must then change nothing more.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg

from jobs.timetable import Job
from ledger.core.errors import Problem
from ledger.store import jobs as store

DAY = timedelta(days=1)
CATCH_UP_DAYS = 366
TICK_SECONDS = 60
GLANCE_SECONDS = 0.2

log = logging.getLogger("jobs")

Clock = Callable[[psycopg.Connection[Any]], datetime]
Opening = Callable[[], AbstractContextManager[str]]


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, from one midnight UTC to another (excluded)."""

    start: datetime
    end: datetime

    @property
    def first(self) -> date:
        return self.start.date()

    @property
    def last(self) -> date:
        """The last day of it: the day a job is told."""
        return (self.end - DAY).date()

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def missed(conn: psycopg.Connection[Any], job: Job, now: datetime) -> Period | None:
    """Return the days that have ended and that the job has not done, as one period; None where there are none.

    No day before the ledger's first record is ever due.
    """
    done = store.last_done(conn, job.name)
    begun = done.until if done else store.first_recorded_at(conn)
    if begun is None or _midnight(now) <= _midnight(begun):
        return None
    return Period(_midnight(begun), _midnight(now))


def due(conn: psycopg.Connection[Any], job: Job, now: datetime) -> Period | None:
    """Return what the job must run next: the oldest day it missed, or all of them where one run stands for all.

    Only the latest CATCH_UP_DAYS are caught up day by day; what lies further back is one period, run for its last day.
    """
    period = missed(conn, job, now)
    if period is None or not job.each_day:
        return period
    return Period(period.start, max(period.start + DAY, period.end - CATCH_UP_DAYS * DAY))


def waits_for(conn: psycopg.Connection[Any], job: Job, period: Period) -> tuple[str, ...]:
    """Return the jobs that must do the period before this one may, and have not."""
    return tuple(name for name in job.after if not (done := store.last_done(conn, name)) or done.until < period.end)


def run_next(dsn: str, job: Job, *, worker: str, now: Clock = store.server_now) -> bool:
    """Run the job's oldest due period, if it has one and nobody else is at it; return whether it was run.

    Raises:
        Problem: the task failed; the period is still due.
        psycopg.Error: the database refused the claim or went away; the period is still due.
    """
    with store.connect(dsn) as claim:
        if not store.lock(claim, job.name):
            return False
        at = now(claim)
        period = due(claim, job, at)
        if period is None or waits_for(claim, job, period):
            return False
        store.claim(claim, job.name, period.start, period.end, worker)
        begun = time.monotonic()
        try:
            with psycopg.connect(dsn) as work:
                said = job.task(work, period.last, at)
        except Exception as error:
            raise Problem("job_failed", f"{job.name} {period} failed: {told(error)}") from error
        store.finish(claim, job.name, period.start)
    log.info("%s %s done in %.1f s: %s", job.name, period, time.monotonic() - begun, said)
    return True


def tick(
    dsn: str,
    jobs: Sequence[Job],
    *,
    worker: str,
    now: Clock = store.server_now,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[str, ...]:
    """Run everything that is due, and return the names of the jobs that failed.

    The jobs take turns, one period each, so that a long time away is caught up day by day. One that fails is left
    alone until the next tick; so are its later periods, and the jobs that come after it.
    """
    failed = []

    def advances(job: Job) -> bool:
        try:
            return not stopping() and run_next(dsn, job, worker=worker, now=now)
        except Exception as error:
            failed.append(job.name)
            what = told(error) if isinstance(error, Problem) else f"{job.name} failed: {told(error)}"
            log.error("%s It stays due and is tried again at the next tick.", what)
            log.debug("%s failed here:", job.name, exc_info=error)
            return False

    turn = list(jobs)
    while turn:
        turn = [job for job in turn if advances(job)]
    return tuple(failed)


def serve(
    opening: Opening,
    jobs: Sequence[Job],
    *,
    stop: threading.Event,
    worker: str,
    now: Clock = store.server_now,
    first: datetime | None = None,
) -> None:
    """Tick at once and then every minute, until `stop` is set and the run in progress, if any, has ended.

    Args:
        opening: yields the database's connection string; asked at each tick, so that a server that went away and came
            back, or that this process must start again, is found.
        first: when the first tick was to be; now where not stated.
    """
    from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]

    def beat() -> None:
        try:
            with opening() as dsn:
                tick(dsn, jobs, worker=worker, now=now, stopping=stop.is_set)
        except Exception as error:
            log.error("no job can run: %s It is tried again at the next tick.", told(error))
            log.debug("it failed here:", exc_info=error)

    # A tick that comes late must still come (by default it is dropped after a second), and while a long run lasts one
    # waiting tick is as good as many: what is due is read from the database, never counted in ticks.
    late = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler = BackgroundScheduler(timezone=UTC, job_defaults=late)
    scheduler.add_job(beat, "interval", seconds=TICK_SECONDS, next_run_time=first or datetime.now(UTC))
    scheduler.start()
    while not stop.is_set():  # not stop.wait(): a signal handler that sets it meanwhile could wait for itself
        time.sleep(GLANCE_SECONDS)
    log.info("stopping after the run in progress; once more stops at once")
    scheduler.shutdown(wait=True)


def worker_name() -> str:
    """Return what to write beside a claim: this process, as an operator would find it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def told(error: Exception) -> str:
    """Return an error as one line that ends a sentence."""
    line = " ".join((str(error) if isinstance(error, Problem) else f"{type(error).__name__}: {error}").split())
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
