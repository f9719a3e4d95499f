"""Fetching ahead: the lots and counters of a long batch at once. A short batch fetches what it meets."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core.lots import Place
from ledger.positions import fetch_counters, fetch_licenses
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
    fetch_licenses(position, source, names)
    missing = [place for place in places if place not in position.by_place]
    if missing:
        position.hold_lots(missing, source.lots_at_many(missing))
    fetch_counters(position, source, [movement for movement in movements if movement.kind != "reverse"])
