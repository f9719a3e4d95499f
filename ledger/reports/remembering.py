"""What a reader remembers of the journal's end from view to view; what new records touched is brought up to date."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import date
from typing import Any, LiteralString, cast

from psycopg import Cursor, Transaction

from ledger.core.counters import Counter
from ledger.core.knowledge import Knowledge
from ledger.core.lens import Entry, Key
from ledger.core.lots import Lot, LotRef
from ledger.core.position import Position
from ledger.positions import Books, learn, open_position, take_in
from ledger.store.source import Connection, DatabaseSource, Profiles
from schema.queries import SQL

MOST_HELD = 500_000  # days of counters, lots and answers of the books that are remembered before all is fetched anew
MOST_FOLLOWED = 10_000  # entries that are taken in one by one; after more, amounts are fetched anew


class Moved(Exception):
    """The journal grew after its end was looked at and before the snapshot was taken."""


class Snapshot:
    """A connection as a view has it: what is asked through it begins a transaction first, if none is open.

    Where all is remembered, none has to be: then the journal's end is the only thing that is asked of the database.
    """

    def __init__(self, conn: Connection) -> None:
        conn.autocommit = True
        self._conn = conn
        self._is_open = False
        self._expected: tuple[int, int] | None = None

    def look(self) -> tuple[int, int] | None:
        """Return the journal's end and the making of the projections, outside of any snapshot; expect them of it."""
        self._expected = self._conn.execute(SQL["end_kept"]).fetchone()
        return self._expected

    def open(self) -> tuple[int, int] | None:
        """Take the snapshot, and return the same as of it.

        Raises:
            Moved: it is not what was looked at.
        """
        self._is_open, expected = True, self._expected
        cursor = self._conn.execute(SQL["begin_reading"], prepare=False)  # two statements in one round trip
        cursor.nextset()
        end = cursor.fetchone()
        if expected is not None and end != expected:
            raise Moved
        return end

    def close(self) -> None:
        """End the snapshot, if one was taken."""
        was_open, self._is_open, self._expected = self._is_open, False, None
        if was_open:
            self._conn.rollback()

    def execute(
        self, query: LiteralString, values: Mapping[str, Any] | None = None, *, prepare: bool | None = None
    ) -> Cursor[Any]:
        """Run a statement in the snapshot."""
        if not self._is_open:
            self.open()
        return self._conn.execute(query, values, prepare=prepare)

    def transaction(self, *, force_rollback: bool = False) -> AbstractContextManager[Transaction]:
        """Begin a part of the snapshot that may be undone."""
        if not self._is_open:
            self.open()
        return self._conn.transaction(force_rollback=force_rollback)


class CountedSource(DatabaseSource):
    """What a position fetches at the journal's end, and how much that was so far."""

    def __init__(self, conn: Connection, profiles: Profiles) -> None:
        super().__init__(conn, profiles)
        self.fetched = 0

    def counters(self, keys: Iterable[Key], first: date) -> dict[Key, Counter]:
        """Return counters, exact from the first day of a day's month on: so each day of it can be asked."""
        found = super().counters(keys, first.replace(day=1))
        self.fetched += sum(1 + len(counter.days) for counter in found.values())
        return found

    def lots(self, refs: Iterable[LotRef]) -> list[Lot]:
        """Return lots by what opened them."""
        found = super().lots(refs)
        self.fetched += len(found)
        return found

    def lots_of_many(self, authorizations: list[str]) -> list[Lot]:
        """Return the grant lots of several authorizations that are not emptied."""
        found = super().lots_of_many(authorizations)
        self.fetched += len(found) + len(authorizations)
        return found


class Remembered:
    """A position at the journal's end. Valid for one size of it: with each view it follows what was recorded since.

    Facts, profiles and what books say of them are learned as records state them. Counters are changed by what the lens
    says of each new entry, as they are when it is posted; lots that an entry changed are fetched anew. Nothing is kept
    of a view in which the projections were found made anew, for they may have been so since its snapshot was taken.
    """

    def __init__(self, conn: Connection) -> None:
        self.snapshot = Snapshot(conn)
        self._conn = cast("Connection", self.snapshot)
        self._made = 0
        self._forget()

    def at(self, end: tuple[int, int]) -> tuple[Position, Profiles] | None:
        """Return the position where what is remembered is as of this end, and not too much; else None."""
        held = self._position
        if held is None or end != (self._size, self._made) or self._held_by(held) >= MOST_HELD:
            return None
        return held, self._source.profiles

    _position: Position | None
    _size: int

    def position(self, size: int, made: int) -> tuple[Position, Profiles]:
        """Return the position at a snapshot's end, which must not be changed, and the profiles it knows.

        made: which making of the projections it is.
        """
        held, self._position = self._position, None  # what fails half-way is not built upon
        if made != self._made or size < self._size:
            self._made = made
            self._forget()
            return self._opened(size), self._source.profiles
        if held and self._held_by(held) >= MOST_HELD:
            self._forget_movements()
            held = None
        self._position = (self._followed(held, size) if held else None) or self._opened(size)
        self._size = size
        return self._position, self._source.profiles

    def _held_by(self, position: Position) -> int:
        # What is resolved stands for what lenses and rules remember of its profile.
        return self._source.fetched + 4 * len(position.resolved)

    def _forget(self) -> None:
        self._knowledge = Knowledge()
        self._forget_movements()

    def _forget_movements(self) -> None:
        self._books = Books()
        self._source = CountedSource(self._conn, Profiles(self._conn))
        self._position, self._size = None, -1

    def _opened(self, size: int) -> Position:
        learn(self._conn, self._knowledge, size)
        self._source.fetched = 0
        return open_position(self._knowledge, self._source, self._books, self._knowledge.adoptions)

    def _followed(self, position: Position, size: int) -> Position | None:
        """Take in what was recorded since; None where it is too much, or a book was adopted."""
        if size == self._size:
            return position
        books = len(self._knowledge.adoptions)
        facts = take_in(self._conn, self._knowledge, size)
        if len(self._knowledge.adoptions) != books:
            return None
        if facts:
            position.resolved.clear()
            position.foreseen.clear()
        entries = self._source.entries_after(self._size, size, MOST_FOLLOWED + 1)
        if len(entries) > MOST_FOLLOWED:
            return None
        _follow_counters(position, entries)
        _follow_lots(position, entries, self._source)
        self._source.fetched += len(entries)
        return position


def _follow_counters(position: Position, entries: Iterable[Entry]) -> None:
    for key, (_, changes) in position.effects(entries).items():
        for day, amount in changes.items():
            counter = position.counters.get(key)
            if counter is None:
                break
            if day < counter.exact_from:
                position.counters[key] = Counter(counter.base.plus(amount), counter.deltas.items(), counter.exact_from)
            else:
                counter.add(day, amount)


def _follow_lots(position: Position, entries: Iterable[Entry], source: DatabaseSource) -> None:
    """Forget lots that entries changed, and fetch at once those that belong to a license or place that is held."""
    changed: dict[LotRef, Entry] = {entry.lot: entry for entry in entries}
    held: dict[LotRef, list[Lot]] = {}
    for ref, entry in changed.items():
        profile = entry.profile
        place = profile.recipient.party, profile.destination, profile.base_chip
        position.lots.pop(ref, None)
        position.moving.pop(place, None)
        position.granted.pop(profile.authorization, None)
        position.by_place.pop(place, None)
        if (lots := position.by_authorization.get(profile.authorization)) is not None:
            held[ref] = lots
    if not held:
        return
    for lots in {id(each): each for each in held.values()}.values():
        lots[:] = [lot for lot in lots if lot.ref not in changed]
    for lot in source.lots(held):
        if lot.stage == "licensed" and not lot.emptied:
            position.lots[lot.ref] = lot
            insort(held[lot.ref], lot, key=lambda each: (each.day, each.ref))
