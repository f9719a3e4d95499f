"""Past pages: what is old or late there counts against the record that is asked, and not against now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from test_web_pages import said

from ledger.access import sessions
from ledger.posting import Writer
from tests.conftest import in_database
from tests.webworld import NOW, World, app_of, fill
from tests.world import party

OPENED = NOW - timedelta(hours=23)  # an hour after the discrepancy was
THEN, LATER = OPENED + timedelta(days=4), OPENED + timedelta(days=11)  # the record asked; the newest, and now
PAGES = ["/", "/discrepancies", "/discrepancies/{disputed}",
         "/statements?country=AE&first=2025-01-01&last=2026-06-30"]  # fmt: skip


@pytest.fixture(scope="module")
def world(databases: Any, template: str) -> Iterator[World]:
    """A filled ledger to which one record was added three days later and one now; a job that ran late, and now."""
    name = databases.make(template)
    world = fill(in_database(databases.server, name))
    with psycopg.connect(world.dsn) as conn:
        for n, at in enumerate((THEN, LATER)):
            (receipt,) = Writer(conn).post([party(f"later-{n}")], actor="operator", at=at)
            assert receipt.verdict == "posted"
        conn.execute(
            "INSERT INTO job_run (job, period_start, period_end, finished_at, worker) VALUES"
            " ('reconcile-caps', %(then)s - interval '4 days', %(then)s - interval '3 days', %(then)s, 'a'),"
            " ('reconcile-caps', %(now)s - interval '1 day', %(now)s, %(now)s, 'a')",
            {"then": THEN, "now": LATER},
        )  # fmt: skip
    yield world
    databases.done.append(name)


def shown(world: World, path: str) -> str:
    """Return what a page says to the regulator of now."""
    client = TestClient(app_of(world.dsn, now=LATER), follow_redirects=False)
    with psycopg.connect(world.dsn) as conn:
        session = sessions.open_session(conn, world.keys["rita"], at=LATER)
    client.cookies.set("capledger_session", session.token)
    answer = client.get(path.format(disputed=world.disputed))
    assert answer.status_code == 200
    return said(answer.text)


def then(world: World, path: str) -> str:
    """Return what it says as known at the record before the newest."""
    with psycopg.connect(world.dsn) as conn:
        size = conn.execute("SELECT count(*) FROM journal").fetchall()[0][0]
    return shown(world, f"{path}{'&' if '?' in path else '?'}known={size - 1}")


@pytest.mark.parametrize("path", PAGES)
def test_the_age_of_a_discrepancy_is_that_at_the_record_asked(world, path):
    def has(text: str, days: int) -> bool:
        return f"{days} days ago" in text or f" 22,280,000 TPP {days} amd " in text

    assert [has(shown(world, path), days) for days in (11, 4)] == [True, False]
    assert [has(then(world, path), days) for days in (11, 4)] == [False, True]


def test_a_job_is_late_on_a_past_page_where_it_was_late_then(world):
    late = f"until {THEN - timedelta(days=3):%Y-%m-%d %H:%M} UTC \N{BLACK UP-POINTING TRIANGLE} overdue"
    feeds = shown(world, "/").split("Feeds and jobs")[-1]
    assert f"reconcile-caps until {LATER:%Y-%m-%d %H:%M} UTC \N{CHECK MARK} on time" in feeds
    assert f"reconcile-caps {late} {THEN:%Y-%m-%d %H:%M} UTC" in then(world, "/").split("Feeds and jobs")[-1]


def test_a_reconciliation_is_overdue_by_the_clock_or_the_record_and_not_by_the_day_asked(world):
    assert "The last run is of 2026-06-30, 11 days ago." in shown(world, "/?on=2026-07-01")
    assert "The last run is of 2026-06-30, 4 days ago." in then(world, "/?on=2026-12-31")
