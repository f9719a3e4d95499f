"""Which periods of which jobs are done, and the one right to run the next.

A claim is a transaction: the lock on the job, the row of its period and the word that it is done commit together. If
the claimant dies, the server takes back all three and the period is simply still due; nothing has to be cleaned up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import tuple_row


@dataclass(frozen=True, slots=True)
class Done:
    """A job's latest period that was done: when it ended (excluded), when the run was finished, and by whom."""

    until: datetime
    finished_at: datetime
    worker: str


def connect(dsn: str) -> psycopg.Connection[Any]:
    """Open a connection fit for a claim: each statement sees what committed before it."""
    conn = psycopg.connect(dsn, row_factory=tuple_row)
    conn.isolation_level = IsolationLevel.READ_COMMITTED
    return conn


def server_now(conn: psycopg.Connection[Any]) -> datetime:
    """Return the moment by the database's clock, the one clock that every scheduler shares. Aware UTC."""
    return _moment(_row(conn, "SELECT clock_timestamp()")[0])


def lock(conn: psycopg.Connection[Any], job: str) -> bool:
    """Take the job's lock until the transaction ends; return False at once where somebody else has it.

    A statement of its own, first in its transaction: what is read after it is what the last holder left.
    """
    # The claim's transaction idles for as long as the work takes. A server may end those that idle or last too long,
    # and not every version knows every limit.
    conn.execute(
        """
        SELECT set_config(name, '0', true) FROM pg_settings
        WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
        """
    )
    return bool(_row(conn, "SELECT pg_try_advisory_xact_lock(hashtextextended('job:' || %s, 0))", (job,))[0])


def last_done(conn: psycopg.Connection[Any], job: str) -> Done | None:
    """Return the job's latest period that was done, None where it never was."""
    row = conn.execute(
        """
        SELECT period_end, finished_at, worker FROM job_run
        WHERE job = %s AND finished_at IS NOT NULL ORDER BY period_start DESC LIMIT 1
        """,
        (job,),
    ).fetchone()
    return Done(_moment(row[0]), _moment(row[1]), row[2]) if row else None


def first_recorded_at(conn: psycopg.Connection[Any]) -> datetime | None:
    """Return when the journal's first record was written, None while it is empty."""
    row = conn.execute("SELECT recorded_at FROM journal ORDER BY seq LIMIT 1").fetchone()
    return _moment(row[0]) if row else None


def claim(conn: psycopg.Connection[Any], job: str, start: datetime, end: datetime, worker: str) -> None:
    """Write down that a worker runs a period. Its key is the last line of defense against a second run."""
    conn.execute(
        "INSERT INTO job_run (job, period_start, period_end, worker) VALUES (%s, %s, %s, %s)",
        (job, start, end, worker),
    )


def finish(conn: psycopg.Connection[Any], job: str, start: datetime) -> None:
    """Write down that the claimed period is done; it is so once the claim commits."""
    conn.execute(
        "UPDATE job_run SET finished_at = clock_timestamp() WHERE job = %s AND period_start = %s", (job, start)
    )


def _row(conn: psycopg.Connection[Any], query: str, values: tuple[object, ...] = ()) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = conn.execute(query, values).fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    return row


def _moment(stored: datetime) -> datetime:
    """Return a stored moment in UTC; a session shows it in the server's own time zone."""
    return stored.astimezone(UTC)
