"""Fetching ahead: what many questions look at, in one statement for counters and one for licenses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.core.deciding import keys_of
from ledger.core.movements import Movement
from ledger.core.position import Position
from ledger.reports.reader import View
from ledger.store.source import DatabaseSource


def fetch_ahead(view: View, movements: Sequence[Movement]) -> None:
    """Fetch at once what judging some movements looks at, as far as it is not held; at the journal's end only."""
    position, source = view.position, view.position.source
    if not isinstance(source, DatabaseSource) or not view.is_kept:
        return
    _fetch_licenses(position, source, {line.authorization for each in movements for line in each.lines})
    # Readers hold counters from the first day of a month on: what was fetched for one day of it is there for all.
    months = {(each.kind, each.exporter, each.lines, each.effective_on.replace(day=1)): each for each in movements}
    if new := {month: each for month, each in months.items() if month not in position.foreseen}:
        _fetch_counters(position, source, list(new.values()))
        position.foreseen.update(new)


def _fetch_licenses(position: Position, source: DatabaseSource, names: Iterable[str]) -> None:
    known = position.knowledge
    if wanted := [name for name in names if name not in position.by_authorization and known.authorization(name)]:
        position.hold_lots(wanted, source.lots_of_many(wanted))


def _fetch_counters(position: Position, source: DatabaseSource, movements: Sequence[Movement]) -> None:
    first = min(movement.effective_on for movement in movements)
    keys = {key for movement in movements for key in keys_of(movement, position)}
    fetch = [key for key in keys if key not in position.counters or position.counters[key].exact_from > first]
    if fetch:
        for key, counter in source.counters(fetch, first).items():
            position.hold(key, counter)
