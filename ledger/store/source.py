"""Lots, counters, entries and profiles out of the database, as the core's values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg

from ledger.core.counters import Counter
from ledger.core.lens import Amount, Entry, Key
from ledger.core.lots import Lot, LotRef, Place
from ledger.core.profile import Profile, from_body
from ledger.core.records import canonical
from ledger.store.arrays import array, texts
from schema.queries import SQL

Connection = psycopg.Connection[tuple[Any, ...]]


class Profiles:
    """Profiles by number, each fetched once: a profile never changes, whatever is posted later."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.by_id: dict[int, Profile] = {}
        self.ids: dict[bytes, int] = {}
        self._learned = 0
        self._whole = 0  # up to this number every profile is held

    def through(self, conn: Connection) -> Profiles:
        """Return the same profiles, which learn through another connection."""
        found = Profiles(conn)
        found.by_id, found.ids = self.by_id, self.ids
        return found

    def hold(self, number: int, profile: Profile) -> None:
        """Remember a profile by its number."""
        self.by_id[number] = profile
        self.ids[profile.sha256] = number

    def get(self, numbers: Iterable[int]) -> dict[int, Profile]:
        """Return profiles by number."""
        if missing := sorted({number for number in numbers if number not in self.by_id}):
            for number, body in self._conn.execute(SQL["profiles"], {"ids": missing}):
                self.hold(number, from_body(body, canonical(body)))
        return self.by_id

    def all(self) -> dict[int, Profile]:
        """Return every profile by number."""
        for number, body in self._conn.execute(SQL["profiles_after"], {"after": self._whole}):
            if number not in self.by_id:
                self.hold(number, from_body(body, canonical(body)))
            self._whole = number
        return self.by_id

    def learn(self, profiles: int) -> None:
        """Learn the numbers of profiles that were added since, when there are so many; not what they hold."""
        if profiles > self._learned:
            for number, sha256 in self._conn.execute(SQL["profile_ids"], {"after": self._learned}):
                self.ids[sha256] = number
            self._learned = profiles


class DatabaseSource:
    """What a position fetches, at the journal's end."""

    def __init__(self, conn: Connection, profiles: Profiles | None = None) -> None:
        self._conn = conn
        self.profiles = profiles or Profiles(conn)

    def counters(self, keys: Iterable[Key], first: date) -> dict[Key, Counter]:
        """Return counters, exact from a day on, one for each key."""
        wanted = list(keys)
        rows = self._conn.execute(
            SQL["counters"],
            {
                "first": first,
                "books": array([key.book for key in wanted]),
                "caps": texts([key.cap for key in wanted]),
                "subjects": texts([key.subject for key in wanted]),
                "windows": array([key.window for key in wanted]),
            },
        )
        bases: dict[Key, Amount] = {}
        deltas: dict[Key, list[tuple[date, Amount]]] = {key: [] for key in wanted}
        for book, cap, subject, window, day, *amount in rows:
            key = Key(book, cap, subject, window)
            if day is None:
                bases[key] = Amount(*amount)
            else:
                deltas[key].append((day, Amount(*amount)))
        return {key: Counter(bases.get(key, Amount()), deltas[key], first) for key in wanted}

    def keys(self, book: int, cap: str) -> list[Key]:
        """Return every counter of a cap that anything counts in."""
        rows = self._conn.execute(SQL["keys_of_cap"], {"book": book, "cap": cap})
        return [Key(book, cap, subject, window) for subject, window in rows]

    def lots(self, refs: Iterable[LotRef]) -> list[Lot]:
        """Return lots by what opened them."""
        wanted = list(refs)
        rows = self._conn.execute(
            SQL["lots"], {"seqs": [ref[0] for ref in wanted], "lines": [ref[1] for ref in wanted]}
        ).fetchall()
        return self._lots(rows)

    def lots_of(self, authorization: str) -> list[Lot]:
        """Return an authorization's grant lots that are not emptied."""
        return self.lots_of_many([authorization])

    def lots_of_many(self, authorizations: list[str]) -> list[Lot]:
        """Return the grant lots of several authorizations that are not emptied."""
        return self._lots(self._conn.execute(SQL["lots_of"], {"authorizations": authorizations}).fetchall())

    def lots_at(self, place: Place) -> list[Lot]:
        """Return the reservation and shipment lots at a place that are not emptied."""
        return self.lots_at_many([place])

    def lots_at_many(self, places: list[Place]) -> list[Lot]:
        """Return the reservation and shipment lots at several places that are not emptied."""
        return self._lots(self._conn.execute(SQL["lots_at"], _columns(places)).fetchall())

    def lots_moving_at(self, place: Place) -> list[Lot]:
        """Return the shipment lots at a place of which something is in transit."""
        return self.lots_moving_at_many([place])

    def lots_moving_at_many(self, places: list[Place]) -> list[Lot]:
        """Return the shipment lots at several places of which something is in transit."""
        return self._lots(self._conn.execute(SQL["lots_moving_at"], _columns(places)).fetchall())

    def lapsed(self, day: date) -> list[Lot]:
        """Return lots with something left whose last day was before a day."""
        return self._lots(self._conn.execute(SQL["lapsed_lots"], {"day": day}).fetchall())

    def granted(self, authorization: str) -> Amount:
        """Return what was granted under an authorization, less what was released."""
        row = self._conn.execute(SQL["granted"], {"authorization": authorization}).fetchone()
        return Amount(*row) if row else Amount()

    def entries_of(self, record: int) -> list[Entry] | None:
        """Return the entries of a record, None where it made none."""
        rows = self._conn.execute(SQL["entries_of"], {"seq": record}).fetchall()
        if not rows:
            return None
        return self._entries(rows)

    def entries_after(self, record: int, known: int, most: int) -> list[Entry]:
        """Return the entries of the records after one and up to another, in order, at most so many."""
        rows = self._conn.execute(SQL["entries_after"], {"after": record, "known": known, "most": most}).fetchall()
        return self._entries(rows)

    def reversed_by(self, record: int) -> int | None:
        """Return the record that reverses a record, if any."""
        row = self._conn.execute(SQL["reversed_by"], {"record": record}).fetchone()
        return int(row[0]) if row else None

    def history(self, lot: LotRef) -> list[tuple[date, Decimal]]:
        """Return the changes of what is installed of a lot, by day."""
        return [
            (day, Decimal(change))
            for day, change in self._conn.execute(SQL["history_of"], {"seq": lot[0], "line": lot[1]})
        ]

    def _lots(self, rows: Sequence[tuple[Any, ...]]) -> list[Lot]:
        profiles = self.profiles.get(row[3] for row in rows)
        return [
            Lot((seq, line), stage, profiles[number], day, last_day, unit, *balances)
            for seq, line, stage, number, day, last_day, unit, *balances in rows
        ]

    def _entries(self, rows: Sequence[tuple[Any, ...]]) -> list[Entry]:
        profiles = self.profiles.get(row[5] for row in rows)
        return [
            Entry(line, stage, cause or "", (seq, lot_line), profiles[number], lot_day, day, last_day, chips, tpp)
            for line, stage, cause, seq, lot_line, number, lot_day, day, last_day, chips, tpp in rows
        ]


def _columns(places: list[Place]) -> dict[str, str]:
    recipients, destinations, chips = zip(*places, strict=True)
    return {"recipients": texts(recipients), "destinations": texts(destinations), "chips": texts(chips)}
