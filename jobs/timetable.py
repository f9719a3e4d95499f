"""What runs by the clock, and when: the timetable is code.

A period is a day, midnight to midnight UTC, and is due when it has ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs import tasks
from ledger.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """One line of the timetable.

    after: jobs that must have done a day before this one may. each_day: run for every day by itself; where False, it
    looks at the ledger as it is now, so that one run stands for all the days that were missed.
    """

    name: str
    does: str
    task: tasks.Task
    after: tuple[str, ...] = ()
    each_day: bool = True


def timetable(settings: Settings) -> tuple[Job, ...]:
    """Return the ledger's jobs, in the order in which they run when several are due."""
    return (
        Job("lapse", "release reservations and expired authorizations", tasks.lapse),
        Job(
            "reconcile-caps",
            "compare the totals with the caps of the adopted rulebook and of those compared",
            tasks.reconcile_caps(settings.compare),
            after=("lapse",),
        ),
        Job("verify", "check the journal and its projections", tasks.verify, each_day=False),
    )
