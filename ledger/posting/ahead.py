"""Fetching ahead: the lots and counters of a long batch at once. A short batch fetches what it meets."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core.deciding import keys_of
from ledger.core.lots import Place
from ledger.core.movements import Movement
from ledger.posting.memory import Memory
from ledger.posting.requests import Asked


def fetch_ahead(memory: Memory, asked: Sequence[Asked]) -> None:
    """Fetch the lots and counters of a long batch at once; a short one fetches what it meets."""
    movements = [each.movement for each in asked if each.movement]
    if len(movements) <= 1:
        return
    position, source = memory.position, memory.source
    names: dict[str, None] = {}
    places: dict[Place, None] = {}
    for movement in movements:
        for line in movement.lines:
            names[line.authorization] = None
            base = memory.knowledge.chip(line.chip, movement.effective_on)
            chip = (base.base_chip or base.chip) if base else ""
            place = (line.from_recipient or line.recipient, line.from_destination or line.destination, chip)
            places[place] = None
    wanted = [name for name in names if memory.knowledge.authorization(name) and name not in position.by_authorization]
    if wanted:
        position.hold_lots(wanted, source.lots_of_many(wanted))
    missing = [place for place in places if place not in position.by_place]
    if missing:
        position.hold_lots(missing, source.lots_at_many(missing))
    _fetch_counters(memory, [movement for movement in movements if movement.kind != "reverse"])


def _fetch_counters(memory: Memory, movements: Sequence[Movement]) -> None:
    position = memory.position
    first = min((movement.effective_on for movement in movements), default=None)
    if first is None:
        return
    keys = {key for movement in movements for key in keys_of(movement, position)}
    fetch = [key for key in keys if key not in position.counters or position.counters[key].exact_from > first]
    if fetch:
        for key, counter in memory.source.counters(fetch, first).items():
            position.hold(key, counter)
