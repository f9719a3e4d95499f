"""What stands in each stage in each destination, as changes by day: what a total on a day needs, and no more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from ledger.core.lens import Entry

LAPSES = ("reserved", "open")
StageDay = tuple[str, str, date]  # destination as stated, stage, day
_A_DAY, _ZERO = timedelta(days=1), Decimal(0)


def by_day(entries: Iterable[Entry]) -> dict[StageDay, Decimal]:
    """Return by how many TPP entries change each stage; what is open or reserved goes the day after its last day."""
    changes: dict[StageDay, Decimal] = {}
    for entry in entries:
        lapses_after = entry.last_day if entry.stage in LAPSES else None
        if lapses_after is not None and lapses_after < entry.day:
            continue
        place = entry.profile.destination
        on = place, entry.stage, entry.day
        changes[on] = changes.get(on, _ZERO) + entry.tpp
        if lapses_after is not None and lapses_after < date.max:
            on = place, entry.stage, lapses_after + _A_DAY
            changes[on] = changes.get(on, _ZERO) - entry.tpp
    return changes
