"""What stands in each stage in each country, kept from page to page: only what was recorded since is added.

A day that was not asked before is read from the stages kept by day; a past record, from the entries up to it or from
those after it, whichever are fewer.

The journal only grows, and what an entry adds to a day's total never changes, so a sum up to one record and the sum of
the records after it are the sum up to a later one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from threading import Lock

from ledger.reports import View
from schema.queries import SQL

DAYS_KEPT = 16
ZERO = Decimal(0)
STAGES = ("reserved", "licensed", "open", "shipped", "in_transit", "installed")
Sums = dict[tuple[str, str], Decimal]  # by country and stage, in TPP


@dataclass(slots=True)
class Totals:
    """Sums per country and stage on the days that were asked last. Shared by all readers of one database."""

    _days: OrderedDict[date, tuple[int, Sums]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, view: View) -> dict[str, dict[str, Decimal]]:
        """Return TPP by country (as the rulebook counts places) and stage, on the view's day as known at its record."""
        adoption = view.adoption
        found: dict[str, dict[str, Decimal]] = {}
        for (code, stage), tpp in self._sums(view).items():
            country = adoption.book.place(code) if adoption else code
            stages = found.setdefault(country, dict.fromkeys(STAGES, ZERO))
            for name, sign in _COUNTED.get(stage, ()):
                stages[name] += sign * tpp
        return found

    def _sums(self, view: View) -> Mapping[tuple[str, str], Decimal]:
        if view.known < view.size:
            asked = "stages", view.on, view.known
            return view.past.of(view.made, asked, lambda: self._then(view))
        with self._lock:
            known, sums = self._days.get(view.on, (0, {}))
        if view.known < known:  # others have read a longer journal by now
            return _on_day(view)
        added = sums if view.known == known else _added(sums, view, known, view.known) if known else _on_day(view)
        with self._lock:
            if view.known >= self._days.get(view.on, (0, {}))[0]:
                self._days[view.on] = view.known, added
                self._days.move_to_end(view.on)
            while len(self._days) > DAYS_KEPT:
                self._days.popitem(last=False)
        return added

    def _then(self, view: View) -> Sums:
        """Return the sums as known at a past record: of what is there up to it, or without what came after it."""
        if view.known > view.size - view.known:
            found = _added(self._sums(replace(view, known=view.size)), view, view.known, view.size, -1)
            there = {code for (code, _), tpp in found.items() if tpp}
            if all(code in there for code, _ in found):  # else it came to nothing, or nothing had come
                return found
        return _added({}, view, 0, view.known)


def _on_day(view: View) -> Sums:
    return {(code, stage): tpp for code, stage, tpp in view.conn.execute(SQL["stages_on"], {"day": view.on})}


def _added(sums: Mapping[tuple[str, str], Decimal], view: View, after: int, known: int, sign: int = 1) -> Sums:
    """Return sums with what the records after one and up to another add to them, or without it."""
    found = dict(sums)
    for code, stage, tpp in view.conn.execute(
        SQL["stage_totals_since"], {"after": after, "known": known, "day": view.on}
    ):
        found[code, stage] = found.get((code, stage), ZERO) + sign * tpp
    return found


_COUNTED: dict[str, tuple[tuple[str, int], ...]] = {
    "reserved": (("reserved", 1),),
    "licensed": (("licensed", 1),),
    "open": (("open", 1),),
    "shipped": (("shipped", 1), ("in_transit", 1)),
    "received": (("in_transit", -1),),
    "installed": (("installed", 1),),
}
