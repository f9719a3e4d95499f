"""`python -m jobs`: the clock's face. Run the timetable, run one job now, or show what is due."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

import psycopg

from jobs import runner
from jobs.timetable import Job, timetable
from ledger.core.errors import Malformed, NotFound
from ledger.settings import Settings
from ledger.store import jobs as store
from schema.database import open_database

OK, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

EPILOG = """\
Without an option it runs until it is interrupted (SIGINT or SIGTERM): it looks for due jobs at once and then every
minute, and says on standard error what it ran. Any number of schedulers may run beside each other; each day of each
job is done once, and days that were missed are caught up, oldest first.

The database is the one CAPLEDGER_DATABASE_URL names, else the embedded one. CAPLEDGER_COMPARE names the rulebooks that
reconcile-caps compares beside the adopted one. CAPLEDGER_DEBUG=1 shows tracebacks.

Exit status: 0 done, 1 the job failed, 2 it could not be started.
"""


def main(argv: Sequence[str] | None = None, jobs_of: Callable[[Settings], tuple[Job, ...]] = timetable) -> int:
    """Run the command line and return its exit status. `jobs_of` makes the timetable from the settings."""
    asked = _parser().parse_args(argv)
    try:
        settings = Settings.load()
        jobs = jobs_of(settings)
        if asked.once is not None:
            return _once(settings, _named(jobs, asked.once), _day(asked.on))
        if asked.on is not None:
            raise Malformed("on", "--on goes with --once.", "Write --once JOB --on DAY.")
        return _list(settings, jobs) if asked.list else _serve(settings, jobs)
    except Exception as error:
        if _debugging():
            raise
        return _complain(error, UNUSABLE)
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobs",
        description="Run the ledger's daily jobs by the database's clock, in UTC.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", metavar="JOB", help="run one job now, for today, and leave the timetable as it is")
    what.add_argument("--list", action="store_true", help="show the timetable: what was done last and what is due")
    parser.add_argument("--on", metavar="DAY", help="with --once: the day to run it for, YYYY-MM-DD")
    return parser


def _once(settings: Settings, job: Job, on: date | None) -> int:
    """Run a job now, outside the timetable: no period is claimed, so what is due stays due and changes nothing more."""
    if on is not None and not job.each_day:
        raise Malformed("on", f"{job.name} looks at the ledger as it is now.", "Leave --on out.")
    with open_database(settings) as dsn:
        with store.connect(dsn) as conn:
            at = store.server_now(conn)
        day = on or at.date()
        if day > at.date():
            message = f"{day} has not begun: the database's clock says {at.date()}."
            raise Malformed("on", message, "Name today or a day before it.")
        try:
            with psycopg.connect(dsn) as work:
                said = job.task(work, day, at)
        except Exception as error:
            if _debugging():
                raise
            return _complain(error, FAILED, f"{job.name} {day} failed: ")
    print(f"{job.name} {day}: {said}")
    return OK


def _list(settings: Settings, jobs: Sequence[Job]) -> int:
    with open_database(settings) as dsn, store.connect(dsn) as conn:
        now = store.server_now(conn)
        width = max(len(job.name) for job in jobs) + 2
        print(f"Daily, for the day that has ended. The database's clock says {now:%Y-%m-%d %H:%M} UTC.")
        for job in jobs:
            done, missed = store.last_done(conn, job.name), runner.missed(conn, job, now)
            print(f"\n{job.name:<{width}}{job.does}" + (f", after {', '.join(job.after)}" if job.after else ""))
            last = f"{(done.until - runner.DAY).date()}, by {done.worker}" if done else "never"
            print(f"{'':<{width}}done: {last}")
            print(f"{'':<{width}}due:  {_due(job, missed)}{_waiting(conn, job, now)}")
        if store.first_recorded_at(conn) is None:
            print("\nThe ledger has no record yet: the day of the first one is the first to be due.")
    return OK


def _due(job: Job, missed: runner.Period | None) -> str:
    if missed is None:
        return "nothing"
    days = (missed.end - missed.start) // runner.DAY
    if days == 1:
        return f"{missed}"
    runs = min(days, runner.CATCH_UP_DAYS + 1) if job.each_day else 1
    return f"{missed} ({days:,} days{f' in {runs:,} run' + 's' * (runs > 1) if runs < days else ''})"


def _waiting(conn: psycopg.Connection[Any], job: Job, now: datetime) -> str:
    period = runner.due(conn, job, now)
    names = runner.waits_for(conn, job, period) if period else ()
    return f", waits for {', '.join(names)}" if names else ""


def _serve(settings: Settings, jobs: Sequence[Job]) -> int:
    _log_to_stderr()
    stop = threading.Event()

    def end(number: int, _: object) -> None:
        # No word to the log from here: the signal may have come in the middle of one, and two do not go together.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)  # asked twice, it ends at once: what it was running stays due
        stop.set()

    with open_database(settings):  # held to the end: the embedded server does not stop between two ticks
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, end)
        runner.log.info("%s: looking every %d s", ", ".join(job.name for job in jobs), runner.TICK_SECONDS)
        runner.serve(partial(open_database, settings), jobs, stop=stop, worker=runner.worker_name())
    runner.log.info("stopped")
    return OK


def _log_to_stderr() -> None:
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(form)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    runner.log.setLevel(logging.DEBUG if _debugging() else logging.INFO)
    # It warns of each tick that finds the one before it still running, which is as it should be.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _named(jobs: Sequence[Job], name: str) -> Job:
    for job in jobs:
        if job.name == name:
            return job
    raise NotFound(f'No job is called "{name}".', f"The jobs are {', '.join(job.name for job in jobs)}.")


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise Malformed("on", f'--on "{text}" is not a date.', "Write YYYY-MM-DD.") from None


def _complain(error: Exception, status: int, before: str = "") -> int:
    print(f"jobs: {before}{runner.told(error)}", file=sys.stderr)
    return status


def _debugging() -> bool:
    return bool(os.environ.get("CAPLEDGER_DEBUG"))


if __name__ == "__main__":
    sys.exit(main())
