"""The position a request is judged on: facts, lots and counters, held in memory and fetched when first asked for.

A position belongs to one writer or one read. Applying a posted movement changes it in place, so that a batch sees each
movement as if the ones before it had been committed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol

from ledger.core.counters import Counter
from ledger.core.facts import Authorization, Chip
from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.lens import NOTHING, Amount, Effect, Entry, Key, Lens
from ledger.core.lots import Lot, LotRef, Place
from ledger.core.profile import Profile
from ledger.core.rulebook import Span
from ledger.core.rules import Rules

Merged = dict[Key, tuple[Effect, dict[date, Amount]]]  # effects taken together, by counter: one of them, net by day


class Source(Protocol):
    """Where a position fetches what it does not hold yet."""

    def counters(self, keys: Iterable[Key], first: date) -> dict[Key, Counter]:
        """Return counters, exact from a day on; a key nobody has used yet may be absent."""

    def keys(self, book: int, cap: str) -> Iterable[Key]:
        """Return every counter of a cap that anything counts in."""

    def lots(self, refs: Iterable[LotRef]) -> list[Lot]:
        """Return lots by what opened them."""

    def lots_of(self, authorization: str) -> list[Lot]:
        """Return the grant lots of an authorization that are not emptied."""

    def lots_at(self, place: Place) -> list[Lot]:
        """Return the reservation and shipment lots of one base chip at a place that are not emptied."""

    def lots_moving_at(self, place: Place) -> list[Lot]:
        """Return the shipment lots of one base chip at a place of which something is in transit."""

    def granted(self, authorization: str) -> Amount:
        """Return what was granted under an authorization in all, what was released again taken off."""

    def entries_of(self, record: int) -> list[Entry] | None:
        """Return the entries of a record, None where it is not a movement."""

    def reversed_by(self, record: int) -> int | None:
        """Return the record that reverses a record, if any."""

    def history(self, lot: LotRef) -> list[tuple[date, Decimal]]:
        """Return the daily changes of what is installed of a lot, in its unit, by day."""


@dataclass(slots=True)
class Pending:
    """What was applied since the last commit: to be written, and to be added to whatever is fetched meanwhile."""

    counters: dict[Key, dict[date, Amount]] = field(default_factory=dict)
    changed: dict[LotRef, Lot] = field(default_factory=dict)
    opened: dict[str | Place, list[Lot]] = field(default_factory=dict)
    installed: dict[LotRef, list[tuple[date, Decimal]]] = field(default_factory=dict)
    granted: dict[str, Amount] = field(default_factory=dict)
    entries: dict[int, list[Entry]] = field(default_factory=dict)


@dataclass(slots=True)
class Position:
    """Knowledge, lots and counters as of one journal number. `timeline` says which book is asked on which days."""

    knowledge: Knowledge
    source: Source
    timeline: tuple[tuple[Span, Adoption], ...]
    lenses: dict[int, Lens]
    rules: dict[int, Rules]
    lots: dict[LotRef, Lot] = field(default_factory=dict)
    counters: dict[Key, Counter] = field(default_factory=dict)
    by_authorization: dict[str, list[Lot]] = field(default_factory=dict)
    by_place: dict[Place, list[Lot]] = field(default_factory=dict)
    resolved: dict[tuple[object, ...], tuple[Profile, Authorization | None, Chip]] = field(default_factory=dict)
    profiles: dict[bytes, Profile] = field(default_factory=dict)
    granted: dict[str, Amount] = field(default_factory=dict)
    reversals: dict[int, int] = field(default_factory=dict)
    pending: Pending = field(default_factory=Pending)
    spans: dict[tuple[int, Span], list[Span]] = field(default_factory=dict)
    foreseen: set[tuple[object, ...]] = field(default_factory=set)
    moving: dict[Place, list[Lot]] = field(default_factory=dict)

    def book_on(self, day: date) -> Adoption | None:
        """Return the rulebook asked on a day."""
        return next((adoption for span, adoption in self.timeline if span.covers(day)), None)

    def spans_of(self, book: int, window: Span) -> list[Span]:
        """Return the days of a window on which a book is the one asked."""
        known = self.spans.get((book, window))
        if known is None:
            known = self.spans[book, window] = [
                Span(max((d for d in (span.first, window.first) if d), default=None),
                     min((d for d in (span.until, window.until) if d), default=None))
                for span, adoption in self.timeline if adoption.seq == book
            ]  # fmt: skip
        return known

    def effects(self, entries: Iterable[Entry]) -> Merged:
        """Return what entries, taken together, do to the counters of every book that is ever asked."""
        lenses = self.lenses.values()
        return merge([effect for entry in entries for lens in lenses for effect in lens.of(entry)])

    def counter(self, key: Key, first: date) -> Counter:
        """Return a counter that is exact from a day on."""
        counter = self.counters.get(key)
        if counter is None or first < counter.exact_from:
            counter = self.source.counters([key], first).get(key) or Counter()
            self.hold(key, counter)
        return counter

    def keys_of(self, book: int, cap: str) -> list[Key]:
        """Return every counter of a cap that anything counts in, what is not committed yet included."""
        held = {key for key, counter in self.counters.items() if counter.days or any(counter.base)}
        held |= self.pending.counters.keys()
        return sorted({*(key for key in held if key.book == book and key.cap == cap), *self.source.keys(book, cap)})

    def hold(self, key: Key, counter: Counter) -> None:
        """Keep a counter that was fetched, with what was applied since."""
        for day, amount in self.pending.counters.get(key, {}).items():
            if day < counter.exact_from:
                counter.base = counter.base.plus(amount)
            else:
                counter.add(day, amount)
        self.counters[key] = counter

    def lot(self, ref: LotRef) -> Lot | None:
        """Return a lot, None where no such lot was opened."""
        if ref not in self.lots:
            for lot in self.source.lots([ref]):
                self.lots[lot.ref] = lot
        return self.lots.get(ref)

    def lots_of(self, authorization: str) -> list[Lot]:
        """Return an authorization's grant lots, oldest first."""
        if authorization not in self.by_authorization:
            self.by_authorization[authorization] = self._held(authorization, self.source.lots_of(authorization))
        return self.by_authorization[authorization]

    def lots_at(self, place: Place) -> list[Lot]:
        """Return reservation and shipment lots at a place, oldest first."""
        if place not in self.by_place:
            self.by_place[place] = self._held(place, self.source.lots_at(place))
        return self.by_place[place]

    def moving_at(self, place: Place) -> list[Lot]:
        """Return shipment lots at a place of which something is in transit, oldest first; a few may have arrived."""
        if place not in self.moving:
            self.hold_moving([place], self.source.lots_moving_at(place))
        lots = self.moving[place]
        while lots and not lots[0].in_transit:
            lots.pop(0)
        return lots

    def history(self, lot: LotRef) -> list[tuple[date, Decimal]]:
        """Return the changes of what is installed of a lot, by day."""
        return sorted([*self.source.history(lot), *self.pending.installed.get(lot, ())], key=lambda change: change[0])

    def granted_under(self, authorization: str) -> Amount:
        """Return what was granted under an authorization in all, less what was released."""
        if authorization not in self.granted:
            pending = self.pending.granted.get(authorization, NOTHING)
            self.granted[authorization] = self.source.granted(authorization).plus(pending)
        return self.granted[authorization]

    def entries_of(self, record: int) -> list[Entry] | None:
        """Return the entries of a record, None where it is not a movement."""
        return self.pending.entries.get(record) or self.source.entries_of(record)

    def reversed_by(self, record: int) -> int | None:
        """Return the record that reverses a record, if any."""
        return self.reversals.get(record) or self.source.reversed_by(record)

    def apply(self, record: int, entries: list[Entry], opened: Iterable[Lot], effects: Merged) -> None:
        """Take in a movement that was posted as a record."""
        pending = self.pending
        pending.entries[record] = entries
        for lot in opened:
            self.lots[lot.ref] = lot
            pending.opened.setdefault(_index_key(lot), []).append(lot)
            self._index(lot)
        for entry in entries:
            lot = self.lots[entry.lot]
            if lot.ref[0] != record and lot.is_empty:
                self._index_again(lot)
            stood = lot.in_transit
            lot.apply(entry)
            if lot.in_transit and not stood and (moving := self.moving.get(lot.place)) is not None:
                insort(moving, lot, key=_age)
            pending.changed[lot.ref] = lot
            if entry.stage == "installed":
                amount = Decimal(entry.chips or 0) if lot.unit == "chips" else entry.tpp
                pending.installed.setdefault(lot.ref, []).append((entry.day, amount))
            elif entry.stage == "licensed":
                name, amount_granted = lot.profile.authorization, Amount(entry.tpp, entry.chips or 0)
                pending.granted[name] = pending.granted.get(name, NOTHING).plus(amount_granted)
                if name in self.granted:
                    self.granted[name] = self.granted[name].plus(amount_granted)
        for key, (_, changes) in effects.items():
            held = pending.counters.get(key)
            if held is None:
                pending.counters[key] = dict(changes)
            else:
                for day, amount_used in changes.items():
                    known = held.get(day)
                    held[day] = amount_used if known is None else known.plus(amount_used)
            counter = self.counters.get(key)
            if counter is not None and min(changes) < counter.exact_from:
                del self.counters[key]
            elif counter is not None:
                for day, amount_used in changes.items():
                    counter.add(day, amount_used)

    def committed(self) -> None:
        """Forget what was pending: it is in the database now."""
        self.pending = Pending()

    def hold_lots(self, keys: Iterable[str] | Iterable[Place], lots: Iterable[Lot]) -> None:
        """Keep lots that were fetched at once for several authorizations or places."""
        found: dict[str | Place, list[Lot]] = {key: [] for key in keys}
        for lot in lots:
            found[_index_key(lot)].append(lot)
        for key, held in found.items():
            if isinstance(key, str):
                self.by_authorization[key] = self._held(key, held)
            else:
                self.by_place[key] = self._held(key, held)

    def hold_moving(self, places: Iterable[Place], lots: Iterable[Lot]) -> None:
        """Keep lots in transit that were fetched at once for several places, with what changed since."""
        found: dict[Place, dict[LotRef, Lot]] = {place: {} for place in places}
        changed = [lot for lot in self.pending.changed.values() if lot.place in found]
        for lot in [*(self.lots.setdefault(lot.ref, lot) for lot in lots), *changed]:
            if lot.in_transit:
                found[lot.place][lot.ref] = lot
        for place, held in found.items():
            self.moving[place] = sorted(held.values(), key=_age)

    def _held(self, key: str | Place, lots: Iterable[Lot]) -> list[Lot]:
        held = {lot.ref: self.lots.setdefault(lot.ref, lot) for lot in lots}
        held.update((lot.ref, lot) for lot in self.pending.opened.get(key, ()))
        return sorted(held.values(), key=_age)

    def _indexed(self, lot: Lot) -> list[Lot] | None:
        """The index a lot belongs in, None where that was not fetched yet."""
        is_grant = lot.stage == "licensed"
        return self.by_authorization.get(lot.profile.authorization) if is_grant else self.by_place.get(lot.place)

    def _index_again(self, lot: Lot) -> None:
        """Find a lot by its place again that was emptied, and is about to change."""
        lots = self._indexed(lot) or []
        at = bisect_left(lots, _age(lot), key=_age)  # they are many, oldest first
        if at == len(lots) or lots[at] is not lot:
            self.pending.opened.setdefault(_index_key(lot), []).append(lot)
            self._index(lot)

    def _index(self, lot: Lot) -> None:
        lots = self._indexed(lot)
        if lots is not None:
            insort(lots, lot, key=_age)


def _index_key(lot: Lot) -> str | Place:
    return lot.profile.authorization if lot.stage == "licensed" else lot.place


def merge(effects: Iterable[Effect]) -> Merged:
    """Return effects taken together: per counter, one effect to name it and the net amount of each day."""
    merged: Merged = {}
    for effect in effects:
        key, cap, _, day, amount = effect
        held = merged.get(key)
        if held is None:
            merged[key] = effect, {day: amount}
        else:
            days = held[1]
            if held[0].cap.limit.unlimited and not cap.limit.unlimited:
                merged[key] = effect, days  # one line of a movement only counts, another is held to the limit
            known = days.get(day)
            days[day] = amount if known is None else known.plus(amount)
    return merged


def _age(lot: Lot) -> tuple[date, LotRef]:
    return lot.day, lot.ref
