"""Fetching ahead: what many questions look at, in one statement for counters and one for licenses."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core.movements import Movement
from ledger.positions import fetch_ahead
from ledger.reports.reader import View
from ledger.store.source import DatabaseSource


def fetch_together(view: View, movements: Sequence[Movement]) -> None:
    """Fetch at once what judging some movements looks at, as far as it is not held; at the journal's end only."""
    position, source = view.position, view.position.source
    if not isinstance(source, DatabaseSource) or not view.is_kept:
        return
    # Readers hold counters from the first day of a month on: what was fetched for one day of it is there for all.
    months = {(each.kind, each.exporter, each.lines, each.effective_on.replace(day=1)): each for each in movements}
    if new := {month: each for month, each in months.items() if month not in position.foreseen}:
        fetch_ahead(position, source, list(new.values()))
        position.foreseen.update(new)
