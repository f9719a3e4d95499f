"""What the jobs do, for one day each: one call, and a few words on what came of it.

Each commits through the ledger's own door and may be run again for the same day without changing anything more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from ledger.core.errors import Corrupt, NotFound

if TYPE_CHECKING:
    from ledger.reconcile import Run

# What a job does: on a connection of its own, for a day, at a moment. It says in a few words what came of it, and
# raises where it could not do it. It may be run again for the same day, and must then change nothing more.
Task = Callable[[psycopg.Connection[Any], date, datetime], str]


def lapse(conn: psycopg.Connection[Any], on: date, at: datetime) -> str:
    """Release what lapsed before a day. No total waits for it: what has lapsed counts no more by itself."""
    from ledger import reconcile

    released = reconcile.lapse(conn, on=on, at=at)
    return f"{released:,} {'release' if released == 1 else 'releases'} recorded"


def reconcile_caps(compare: Sequence[str]) -> Task:
    """Return the task that reconciles the adopted rulebook, then each of those to compare, by name.

    A day on which no adopted rulebook is in force has nothing to reconcile with: that is said, and is no failure, for
    no later record can mend it and the days after it would wait for ever.
    """

    def task(conn: psycopg.Connection[Any], on: date, at: datetime) -> str:
        from ledger import reconcile

        try:
            said = [_said("adopted rulebook", reconcile.reconcile_caps(conn, on=on, at=at))]
        except NotFound:
            said = ["adopted rulebook: none is in force"]
        said += [_said(name, reconcile.reconcile_caps(conn, on=on, at=at, rulebook=name)) for name in compare]
        return "; ".join(said)

    return task


def verify(conn: psycopg.Connection[Any], on: date, at: datetime) -> str:
    """Check the journal and its projections as they are now.

    Raises:
        Corrupt: something differs. The check stays due, and says so at every tick, until nothing does.
    """
    from ledger import reconcile

    report = reconcile.check(conn)
    if not report.is_sound:
        wrong = [*report.faults, *(f"{each.projection} is not what the journal says" for each in report.differences)]
        more = f" (and {len(wrong) - 1:,} more)" if len(wrong) > 1 else ""
        raise Corrupt(
            "check_failed",
            f"The check failed: {wrong[0]}{more}.",
            "Run capledger check, and believe no total until it passes.",
        )
    return f"{report.records:,} records and their projections are sound"


def _said(book: str, run: Run) -> str:
    return f"{book}: run {run.seq:,} {'recorded' if run.is_new else 'stands, nothing new'}, digest {run.digest[:12]}"
