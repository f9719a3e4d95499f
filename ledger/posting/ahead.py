"""Fetching ahead: the lots and counters of a long batch at once. A short batch fetches what it meets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ledger.core.deciding import keys_of
from ledger.core.lots import Place
from ledger.core.resolving import Resolved, resolve
from ledger.posting.memory import Memory
from ledger.posting.requests import Asked


def fetch_ahead(memory: Memory, asked: Sequence[Asked]) -> None:
    """Fetch the lots and counters of a long batch at once; a short one fetches what it meets."""
    movements = [each.movement for each in asked if each.movement]
    if len(movements) <= 1:
        return
    position = memory.position
    lines = [
        (movement.effective_on, known)
        for movement in movements
        for number, line in enumerate(movement.lines, 1)
        if isinstance(known := resolve(movement, number, line, position), Resolved)
    ]
    _fetch_lots(memory, [known for _, known in lines])
    _fetch_counters(memory, lines)


def _fetch_lots(memory: Memory, lines: Sequence[Resolved]) -> None:
    position, source = memory.position, memory.source
    names: dict[str, None] = {}
    places: dict[Place, None] = {}
    for known in lines:
        if known.authorization and known.authorization.authorization not in position.by_authorization:
            names[known.authorization.authorization] = None
        if known.place not in position.by_place:
            places[known.place] = None
    if names:
        position.hold_lots(names, source.lots_of_many(list(names)))
    if places:
        position.hold_lots(places, source.lots_at_many(list(places)))


def _fetch_counters(memory: Memory, lines: Sequence[tuple[date, Resolved]]) -> None:
    position = memory.position
    first = min((day for day, _ in lines), default=date.min)
    keys = {key for day, known in lines for key in keys_of(known, day, position)}
    fetch = [key for key in keys if key not in position.counters or position.counters[key].exact_from > first]
    if fetch:
        for key, counter in memory.source.counters(fetch, first).items():
            position.hold(key, counter)
