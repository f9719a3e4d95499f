"""Jobs by the clock: each period once, in order, however many schedulers run and whatever dies."""

from __future__ import annotations

import itertools
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from jobs import runner
from jobs.__main__ import main
from jobs.timetable import Job, timetable
from ledger import rulebooks
from ledger.core.errors import Corrupt, Unusable
from ledger.posting import Request, Writer
from ledger.settings import Settings
from ledger.store import jobs as store

MONDAY = date(2026, 1, 5)
WEEK = [MONDAY + timedelta(days=n) for n in range(7)]
PATIENCE_SECONDS = 60


def moment(day: date, clock: str = "00:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}+00:00")


def clock(day: date, time_of_day: str = "00:00") -> runner.Clock:
    return lambda conn: moment(day, time_of_day)


AFTER_THE_WEEK = clock(MONDAY + timedelta(days=7))


def noting(name: str) -> Callable[[psycopg.Connection[Any], date, datetime], str]:
    def task(conn: psycopg.Connection[Any], on: date, at: datetime) -> str:
        conn.execute("INSERT INTO ran (job, day, at) VALUES (%s, %s, %s)", (name, on, at))
        return "noted"

    return task


note = noting("toy")
TOY = Job("toy", "note the day", note)


def first_record(dsn: str, at: datetime) -> None:
    """Give the ledger a first record, of which only the moment matters here."""
    with psycopg.connect(dsn) as conn:
        conn.execute(
            """
            INSERT INTO journal VALUES (1, 'party.registered', 'operator', 'k', 'ledger', 1, %s,
                                        '', sha256('a'), '', sha256('b'), '', sha256('c'))
            """,
            (at,),
        )


@pytest.fixture
def begun(dsn: str) -> str:
    """A ledger whose first record was written on a Monday at noon, and a table where toy jobs note what they did."""
    first_record(dsn, moment(MONDAY, "12:00"))
    with psycopg.connect(dsn) as conn:
        conn.execute("CREATE TABLE ran (n bigserial PRIMARY KEY, job text, day date, at timestamptz)")
        # No scheduler ever queues behind another: one that did would fail here, not hang.
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET lock_timeout = '5s'")
    return dsn


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(query).fetchall()


def days_noted(dsn: str, job: str = "toy") -> list[date]:
    return [day for name, day in rows(dsn, "SELECT job, day FROM ran ORDER BY n") if name == job]


def days_done(dsn: str, job: str = "toy") -> list[date]:
    """Return the days a job has done, each by a period of its own."""
    found = rows(dsn, "SELECT job, period_start, period_end FROM job_run WHERE finished_at IS NOT NULL ORDER BY 2")
    periods = [(start, end) for name, start, end in found if name == job]
    assert all(end - start == runner.DAY for start, end in periods)
    return [start.astimezone(UTC).date() for start, _ in periods]


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# When a period is due


@pytest.mark.parametrize(
    ("now", "days"),
    [
        (moment(MONDAY, "12:00"), []),
        (moment(MONDAY, "23:59"), []),
        (moment(WEEK[1], "00:00"), [MONDAY]),
        (moment(WEEK[1], "23:59"), [MONDAY]),
        (moment(WEEK[3], "06:30"), WEEK[:3]),
        (datetime.fromisoformat("2026-01-06T03:00+05:00"), []),  # still Monday in UTC
        (datetime.fromisoformat("2026-01-05T19:30-05:00"), [MONDAY]),  # Tuesday already
    ],
)
def test_a_day_is_due_when_it_has_ended_in_utc_and_none_before_the_first_record(begun, now, days):
    assert runner.tick(begun, [TOY], worker="w", now=lambda conn: now) == ()
    assert days_noted(begun) == days_done(begun) == days


def test_nothing_is_due_in_an_empty_ledger(dsn):
    assert not runner.run_next(dsn, TOY, worker="w", now=AFTER_THE_WEEK)
    assert rows(dsn, "SELECT * FROM job_run") == []


def test_the_servers_clock_decides_where_no_other_is_given(begun):
    with psycopg.connect(begun) as conn:
        conn.execute("SET TimeZone = 'Pacific/Kiritimati'")
        told, (server,) = store.server_now(conn), conn.execute("SELECT now()").fetchone()
        assert told.utcoffset() == timedelta(0)
        assert told >= server
    assert runner.run_next(begun, TOY, worker="w")
    assert days_noted(begun) == [MONDAY]


def test_a_task_is_told_the_periods_own_day_and_the_moment_of_the_run(begun):
    runner.tick(begun, [TOY], worker="w", now=clock(WEEK[2], "08:15"))
    assert rows(begun, "SELECT day, at FROM ran ORDER BY n") == [
        (MONDAY, moment(WEEK[2], "08:15")),
        (WEEK[1], moment(WEEK[2], "08:15")),
    ]


def test_days_are_cut_at_midnight_utc_whatever_the_servers_time_zone(begun):
    with psycopg.connect(begun, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET TimeZone = 'America/Caracas'")
    runner.tick(begun, [TOY], worker="w", now=AFTER_THE_WEEK)
    assert days_noted(begun) == days_done(begun) == WEEK


# Each once, in order


def test_a_missed_week_is_caught_up_oldest_first_and_only_once(begun):
    runner.tick(begun, [TOY], worker="w", now=clock(WEEK[1]))
    assert days_noted(begun) == [MONDAY]
    for _ in range(2):
        runner.tick(begun, [TOY], worker="w", now=AFTER_THE_WEEK)
        assert days_noted(begun) == days_done(begun) == WEEK


def test_jobs_take_turns_day_by_day_and_one_that_comes_after_another_waits_for_its_day(begun):
    pair = [Job("first", "", noting("first")), Job("second", "", noting("second"), after=("first",))]
    runner.tick(begun, pair, worker="w", now=clock(WEEK[2]))
    noted = rows(begun, "SELECT job, day FROM ran ORDER BY n")
    assert noted == [("first", MONDAY), ("second", MONDAY), ("first", WEEK[1]), ("second", WEEK[1])]
    # It waits however the timetable lists them.
    runner.tick(begun, pair[::-1], worker="w", now=clock(WEEK[3]))
    assert days_noted(begun, "first") == WEEK[:3]
    assert days_noted(begun, "second") == WEEK[:2]


def test_after_years_away_the_oldest_days_are_one_period_and_the_latest_run_day_by_day(begun, monkeypatch):
    monkeypatch.setattr(runner, "CATCH_UP_DAYS", 3)
    runner.tick(begun, [TOY], worker="w", now=AFTER_THE_WEEK)
    assert days_noted(begun) == WEEK[3:]
    periods = rows(begun, "SELECT period_start, period_end FROM job_run ORDER BY 1")
    assert periods[0] == (moment(MONDAY), moment(WEEK[4]))
    assert periods[1:] == [(moment(day), moment(day) + runner.DAY) for day in WEEK[4:]]


def test_one_run_stands_for_all_missed_days_of_a_job_that_looks_at_now(begun):
    job = Job("toy", "", note, each_day=False)
    for now in (WEEK[3], WEEK[3], WEEK[4]):
        runner.tick(begun, [job], worker="w", now=clock(now))
    assert days_noted(begun) == [WEEK[2], WEEK[3]]
    periods = rows(begun, "SELECT period_start, period_end FROM job_run ORDER BY 1")
    assert periods == [(moment(MONDAY), moment(WEEK[3])), (moment(WEEK[3]), moment(WEEK[4]))]


def test_while_a_period_runs_no_other_scheduler_gets_it_and_it_is_not_done_yet(begun):
    seen = []

    def task(conn: psycopg.Connection[Any], on: date, at: datetime) -> str:
        seen.append((runner.run_next(begun, TOY, worker="other", now=AFTER_THE_WEEK), days_done(begun)))
        return note(conn, on, at)

    assert runner.run_next(begun, Job("toy", "", task), worker="w", now=AFTER_THE_WEEK)
    assert seen == [(False, [])]
    assert days_noted(begun) == days_done(begun) == [MONDAY]


def test_two_schedulers_in_threads_run_each_period_once(begun):
    start = threading.Barrier(2)

    def schedule() -> None:
        start.wait()
        runner.tick(begun, [TOY], worker="w", now=AFTER_THE_WEEK)

    threads = [threading.Thread(target=schedule) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert days_noted(begun) == days_done(begun) == WEEK


SCHEDULER = """
import sys
from test_jobs import AFTER_THE_WEEK, TOY, runner
print("ready", flush=True)
sys.stdin.readline()
assert runner.tick(sys.argv[1], [TOY], worker=sys.argv[2], now=AFTER_THE_WEEK) == ()
"""
SLEEPER = """
import sys, time
from test_jobs import AFTER_THE_WEEK, Job, note, runner

def task(conn, on, at):
    note(conn, on, at)
    print("working", flush=True)
    time.sleep(3600)

runner.run_next(sys.argv[1], Job("toy", "", task), worker="killed", now=AFTER_THE_WEEK)
"""


@contextmanager
def process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *arguments]
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.path.dirname(__file__)
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def test_two_schedulers_in_two_processes_run_each_period_once(begun):
    with process(SCHEDULER, begun, "one") as one, process(SCHEDULER, begun, "two") as two:
        for each in (one, two):
            assert each.stdout.readline() == "ready\n"
        for each in (one, two):
            each.stdin.write("go\n")
            each.stdin.flush()
        assert [each.wait(PATIENCE_SECONDS) for each in (one, two)] == [0, 0]
    assert days_noted(begun) == days_done(begun) == WEEK


def test_a_scheduler_killed_in_the_middle_leaves_its_period_due(begun):
    with process(SLEEPER, begun) as killed:
        assert killed.stdout.readline() == "working\n"
        assert not runner.run_next(begun, TOY, worker="w", now=AFTER_THE_WEEK)
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    # The server gives the claim back when it notices that the other end is gone.
    eventually(lambda: runner.run_next(begun, TOY, worker="w", now=AFTER_THE_WEEK))
    assert days_noted(begun) == days_done(begun) == [MONDAY]
    assert rows(begun, "SELECT worker FROM job_run") == [("w",)]


@pytest.mark.parametrize("limit", ["idle_in_transaction_session_timeout", "transaction_timeout"])
def test_a_claim_outlives_the_limits_that_a_server_sets_for_transactions(dsn, limit):
    with psycopg.connect(dsn, autocommit=True) as conn:
        if conn.execute("SELECT 1 FROM pg_settings WHERE name = %s", (limit,)).fetchone() is None:
            pytest.skip(f"this server knows no {limit}")
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET {limit} = '1h'")
    with store.connect(dsn) as claim:
        assert claim.execute(f"SHOW {limit}").fetchone() == ("1h",)
        assert store.lock(claim, "toy")
        assert claim.execute(f"SHOW {limit}").fetchone() == ("0",)


# Failing


class Failing:
    """A task that fails on one day until it is mended."""

    def __init__(self, day: date, error: Exception) -> None:
        self.day, self.error, self.mended = day, error, False

    def __call__(self, conn: psycopg.Connection[Any], on: date, at: datetime) -> str:
        note(conn, on, at)
        if on == self.day and not self.mended:
            raise self.error
        return "noted"


def test_a_failing_day_is_tried_at_the_next_tick_and_its_successors_wait(begun):
    task = Failing(WEEK[2], RuntimeError("no more room"))
    jobs = [Job("toy", "", task), Job("next", "", noting("next"), after=("toy",)), Job("other", "", noting("other"))]
    for _ in range(2):
        assert runner.tick(begun, jobs, worker="w", now=AFTER_THE_WEEK) == ("toy",)
        # What the failed task had not committed is gone.
        assert days_noted(begun) == days_done(begun) == days_noted(begun, "next") == WEEK[:2]
        assert days_noted(begun, "other") == WEEK
    task.mended = True
    assert runner.tick(begun, jobs, worker="w", now=AFTER_THE_WEEK) == ()
    assert days_noted(begun) == days_done(begun) == days_noted(begun, "next") == WEEK


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("no more\nroom"), "RuntimeError: no more room."),
        (Corrupt("check_failed", "Record 7 differs.", "Restore it."), "Record 7 differs. Restore it."),
    ],
)
def test_a_failure_is_one_clear_line_in_the_log(begun, caplog, error, said):
    job = Job("toy", "", Failing(MONDAY, error))
    with caplog.at_level(logging.INFO, "jobs"):
        assert runner.tick(begun, [job], worker="w", now=AFTER_THE_WEEK) == ("toy",)
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
        ("ERROR", f"toy 2026-01-05 failed: {said} It stays due and is tried again at the next tick.")
    ]


def test_each_run_is_a_line_in_the_log(begun, caplog):
    with caplog.at_level(logging.INFO, "jobs"):
        runner.tick(begun, [TOY], worker="w", now=clock(WEEK[2]))
    lines = [re.sub(r"\d+\.\d s", "N s", record.getMessage()) for record in caplog.records]
    assert lines == ["toy 2026-01-05 done in N s: noted", "toy 2026-01-06 done in N s: noted"]


def test_a_scheduler_that_is_told_to_stop_ends_after_the_run_in_progress(begun):
    stop = threading.Event()

    def task(conn: psycopg.Connection[Any], on: date, at: datetime) -> str:
        stop.set()
        return note(conn, on, at)

    jobs = [Job("toy", "", task), Job("other", "", noting("other"))]
    assert runner.tick(begun, jobs, worker="w", now=AFTER_THE_WEEK, stopping=stop.is_set) == ()
    assert days_noted(begun) == days_done(begun) == [MONDAY]
    assert days_noted(begun, "other") == []


# Ticking


@contextmanager
def serving(opening: runner.Opening, job: Job, **more: Any) -> Iterator[None]:
    stop = threading.Event()
    told = {"stop": stop, "worker": "w", "now": AFTER_THE_WEEK, **more}
    thread = threading.Thread(target=runner.serve, args=(opening, [job]), kwargs=told)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_tick_that_comes_an_hour_late_still_comes(begun, monkeypatch):
    monkeypatch.setattr(runner, "TICK_SECONDS", 86_400 * 365)  # the late one is the only one
    with serving(lambda: nullcontext(begun), TOY, first=datetime.now(UTC) - timedelta(hours=1)):
        eventually(lambda: days_done(begun) == WEEK)
    assert days_noted(begun) == WEEK


def test_a_database_that_is_away_for_a_while_is_found_again(begun, caplog, monkeypatch):
    monkeypatch.setattr(runner, "TICK_SECONDS", 1)
    asked = itertools.count()

    def opening() -> Any:
        if next(asked) == 0:
            raise Unusable("database_unreachable", "The database cannot be reached.", "Check it.")
        return nullcontext(begun)

    with serving(opening, TOY):
        eventually(lambda: days_done(begun) == WEEK)
    said = [line.getMessage() for line in caplog.records if line.levelname == "ERROR"]
    assert said == ["no job can run: The database cannot be reached. Check it. It is tried again at the next tick."]


# The command line


@pytest.fixture
def command(begun: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("CAPLEDGER_DATABASE_URL", begun)
    broken = Job("broken", "fail", Failing(MONDAY, Corrupt("x", "Record 7 differs.", "Restore it.")))
    now = Job("now", "look at now", noting("now"), each_day=False)
    return lambda *argv: main(argv, lambda settings: (TOY, broken, now))


def test_once_runs_a_job_for_today_and_leaves_the_timetable_as_it_is(begun, command, capsys):
    before, status, after = datetime.now(UTC).date(), command("--once", "toy"), datetime.now(UTC).date()
    [day] = days_noted(begun)
    assert before <= day <= after
    assert (status, *capsys.readouterr()) == (0, f"toy {day}: noted\n", "")
    assert rows(begun, "SELECT * FROM job_run") == []


def test_once_runs_a_job_for_a_day_as_often_as_it_is_asked(begun, command, capsys):
    assert [command("--once", "toy", "--on", "2026-01-07") for _ in range(2)] == [0, 0]
    assert capsys.readouterr().out == "toy 2026-01-07: noted\n" * 2
    assert days_noted(begun) == [WEEK[2]] * 2


def test_once_says_why_a_job_failed_and_fails(begun, command, capsys):
    assert command("--once", "broken", "--on", "2026-01-05") == 1
    assert tuple(capsys.readouterr()) == ("", "jobs: broken 2026-01-05 failed: Record 7 differs. Restore it.\n")
    assert days_noted(begun) == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("--once tidy", 'No job is called "tidy". The jobs are toy, broken, now.'),
        ("--once toy --on 5.1.2026", '--on "5.1.2026" is not a date. Write YYYY-MM-DD.'),
        ("--once now --on 2026-01-05", "now looks at the ledger as it is now. Leave --on out."),
        ("--list --on 2026-01-05", "--on goes with --once. Write --once JOB --on DAY."),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(begun, command, capsys, argv, said):
    assert command(*argv.split()) == 2
    assert tuple(capsys.readouterr()) == ("", f"jobs: {said}\n")
    assert days_noted(begun) == []


def test_a_day_that_has_not_begun_is_refused(begun, command, capsys):
    assert command("--once", "toy", "--on", "9999-12-31") == 2
    assert "9999-12-31 has not begun: the database's clock says 2" in capsys.readouterr().err
    assert days_noted(begun) == []


def test_a_database_that_cannot_be_reached_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("CAPLEDGER_DATABASE_URL", "postgresql:///ledger?host=/nowhere")
    assert main(["--list"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("jobs: The database cannot be reached")
    assert said.count("\n") == 1


def test_list_shows_what_was_done_last_and_what_is_due(dsn, command, capsys, monkeypatch):
    monkeypatch.setattr(store, "server_now", AFTER_THE_WEEK)
    pair = [TOY, Job("late", "come after", noting("late"), after=("broken",))]
    runner.tick(dsn, pair[:1], worker="w", now=clock(WEEK[5]))
    now = Job("now", "look at now", noting("now"), each_day=False)
    done = Job("done", "be done", noting("done"))
    runner.tick(dsn, [done], worker="x", now=AFTER_THE_WEEK)
    assert main(["--list"], lambda settings: (*pair, now, done)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Daily, for the day that has ended. The database's clock says 2026-01-12 00:00 UTC.",
        "",
        "toy   note the day",
        "      done: 2026-01-09, by w",
        "      due:  2026-01-10 to 2026-01-11 (2 days)",
        "",
        "late  come after, after broken",
        "      done: never",
        "      due:  2026-01-05 to 2026-01-11 (7 days), waits for broken",
        "",
        "now   look at now",
        "      done: never",
        "      due:  2026-01-05 to 2026-01-11 (7 days in 1 run)",
        "",
        "done  be done",
        "      done: 2026-01-11, by x",
        "      due:  nothing",
    ]


@pytest.mark.parametrize(
    ("days", "each_day", "said"),
    [
        (1, True, "2026-01-05"),
        (366, True, "2026-01-05 to 2027-01-05 (366 days)"),
        (367, True, "2026-01-05 to 2027-01-06 (367 days)"),
        (1_000, True, "2026-01-05 to 2028-09-30 (1,000 days in 367 runs)"),
        (1_000, False, "2026-01-05 to 2028-09-30 (1,000 days in 1 run)"),
    ],
)
def test_list_says_in_how_many_runs_the_missed_days_are_caught_up(begun, monkeypatch, capsys, days, each_day, said):
    monkeypatch.setenv("CAPLEDGER_DATABASE_URL", begun)
    monkeypatch.setattr(store, "server_now", clock(MONDAY + timedelta(days=days)))
    assert main(["--list"], lambda settings: (Job("toy", "", note, each_day=each_day),)) == 0
    assert f"due:  {said}\n" in capsys.readouterr().out


def test_list_says_what_an_empty_ledger_waits_for(dsn, monkeypatch, capsys):
    monkeypatch.setenv("CAPLEDGER_DATABASE_URL", dsn)
    assert main(["--list"]) == 0
    said = capsys.readouterr().out
    assert said.count("done: never\n") == said.count("due:  nothing\n") == 3
    assert said.endswith("The ledger has no record yet: the day of the first one is the first to be due.\n")


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("--once JOB", "--list", "--on DAY", "SIGTERM", "Exit status"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_scheduler_runs_until_it_is_interrupted(dsn, number):
    started = subprocess.Popen(
        [sys.executable, "-m", "jobs"],
        # With a buffer, as most run it: a handler that wrote to the log in the middle of a line would break there.
        env={**os.environ, "CAPLEDGER_DATABASE_URL": dsn, "PYTHONUNBUFFERED": ""},
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        try:
            assert started.stderr.readline().endswith("INFO lapse, reconcile-caps, verify: looking every 60 s\n")
            started.send_signal(number)
            _, said = started.communicate(timeout=PATIENCE_SECONDS)
        finally:
            started.kill()
    assert started.returncode == 0
    assert re.fullmatch(r"\S+Z INFO stopping after the run in progress; .*\n\S+Z INFO stopped\n", said)


# The real ones


def test_the_timetable_names_each_job_once_and_lists_it_after_what_it_waits_for():
    names = [job.name for job in timetable(Settings.load({}))]
    assert names == ["lapse", "reconcile-caps", "verify"]
    for n, job in enumerate(timetable(Settings.load({}))):
        assert set(job.after) <= set(names[:n])


def test_the_real_timetable_catches_up_and_reconciles_each_day_once_for_each_rulebook(dsn, monkeypatch, capsys):
    # The book is in force from Tuesday: Monday has nothing to compare with, which is no failure.
    book = {"name": "us-licensing-2026", "from": f"{WEEK[1]}", "bundle": rulebooks.bundle("us-licensing-2026")}
    with psycopg.connect(dsn) as conn:
        adopt = Request("rulebook", "adopt", book)
        [receipt] = Writer(conn).post([adopt], actor="operator", at=moment(MONDAY, "12:00"))
    assert receipt.verdict == "posted"

    jobs = timetable(Settings.load({"CAPLEDGER_DATA_DIR": "unused", "CAPLEDGER_COMPARE": "us-diffusion-2025"}))
    runs = "SELECT effective_on, count(*) FROM reconciliation GROUP BY 1 ORDER BY 1"
    for _ in range(2):
        assert runner.tick(dsn, jobs, worker="w", now=clock(WEEK[2], "00:01")) == ()
        assert rows(dsn, runs) == [(MONDAY, 1), (WEEK[1], 2)]
    assert days_done(dsn, "lapse") == days_done(dsn, "reconcile-caps") == WEEK[:2]

    # Asked again over the same records, it adds nothing.
    monkeypatch.setenv("CAPLEDGER_DATABASE_URL", dsn)
    assert main(["--once", "reconcile-caps", "--on", f"{WEEK[1]}"]) == 0
    assert capsys.readouterr().out.count("nothing new") == 2
    assert rows(dsn, runs) == [(MONDAY, 1), (WEEK[1], 2)]


def test_verify_fails_while_a_projection_differs_and_is_done_once_it_does_not(dsn, caplog):
    jobs = [job for job in timetable(Settings.load({"CAPLEDGER_DATA_DIR": "unused"})) if job.name == "verify"]
    party = Request("party", "p", {"party_id": "g42", "name": "G42", "roles": "recipient"})
    with psycopg.connect(dsn) as conn:
        [receipt] = Writer(conn).post([party], actor="operator", at=moment(MONDAY))
        assert receipt.verdict == "posted"
        conn.execute('UPDATE fact SET body = body || \'{"name": "G43"}\'')
    assert runner.tick(dsn, jobs, worker="w", now=AFTER_THE_WEEK) == ("verify",)
    [said] = [line.getMessage() for line in caplog.records if line.levelname == "ERROR"]
    assert said.startswith(
        "verify 2026-01-05 to 2026-01-11 failed: The check failed: fact is not what the journal says."
    )
    with psycopg.connect(dsn) as conn:
        conn.execute('UPDATE fact SET body = body || \'{"name": "G42"}\'')
    assert runner.tick(dsn, jobs, worker="w", now=AFTER_THE_WEEK) == ()
