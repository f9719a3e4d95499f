"""The position as it was known at a past record, or under a book whose counters are not kept.

Exact, to the record; it costs a walk of the entries of the subject that is asked about, never of the whole journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.counters import Counter
from ledger.core.lens import NOTHING, Amount, Entry, Key, Lens
from ledger.core.lots import Lot, LotRef, Place
from ledger.store.alike import days_of
from ledger.store.source import Connection, DatabaseSource, Profiles
from ledger.store.sums import Days
from schema.queries import SQL


class PastSource(DatabaseSource):
    """What a position fetches as of record `known`, with counters computed through the lenses given."""

    def __init__(self, conn: Connection, profiles: Profiles, known: int, lenses: Sequence[Lens]) -> None:
        super().__init__(conn, profiles)
        self._known, self._lenses = known, lenses

    def counters(self, keys: Iterable[Key], first: date) -> dict[Key, Counter]:
        """Return counters, exact from the first day of a day's month on."""
        wanted, first = set(keys), first.replace(day=1)
        touched = {(key.book, key.cap, key.subject) for key in wanted}
        found = days_of(
            self._conn, self._lenses, self.profiles, self._known, lambda *of: of in touched, first=first
        )  # fmt: skip
        return {key: _counter(found.get(key, {}), first) for key in wanted}

    def keys(self, book: int, cap: str) -> list[Key]:
        """Return every counter of a cap that anything counted in by then."""
        return list(days_of(
            self._conn, self._lenses, self.profiles, self._known, lambda of, name, _: (of, name) == (book, cap)
        ))  # fmt: skip

    def lots(self, refs: Iterable[LotRef]) -> list[Lot]:
        """Return lots by what opened them, with what was left of them."""
        wanted = list(refs)
        seqs, lines = [ref[0] for ref in wanted], [ref[1] for ref in wanted]
        return self._replay("entries_at_lots", {"seqs": seqs, "lines": lines, "known": self._known})

    def entries_of(self, record: int) -> list[Entry] | None:
        """Return the entries of a record, None where it made none by then."""
        return super().entries_of(record) if record <= self._known else None

    def reversed_by(self, record: int) -> int | None:
        """Return the record that reversed a record by then, if any."""
        by = super().reversed_by(record)
        return by if by is not None and by <= self._known else None

    def history(self, lot: LotRef) -> list[tuple[date, Decimal]]:
        """Return the changes of what was installed of a lot by then, by day."""
        of = {"seq": lot[0], "line": lot[1], "known": self._known}
        return [(day, Decimal(change)) for day, change in self._conn.execute(SQL["history_known"], of)]

    def lots_of_many(self, authorizations: list[str]) -> list[Lot]:
        """Return grant lots with what was open of them."""
        return [
            lot
            for name in authorizations
            for lot in self._replay("entries_at_lots_of", {"authorization": name, "known": self._known})
        ]

    def lots_at_many(self, places: list[Place]) -> list[Lot]:
        """Return reservation and shipment lots with what was left of them."""
        return [
            lot
            for recipient, destination, chip in places
            for lot in self._replay(
                "entries_at_place",
                {"recipient": recipient, "destination": destination, "chip": chip, "known": self._known},
            )
        ]

    def lots_moving_at_many(self, places: list[Place]) -> list[Lot]:
        """Return shipment lots of which something was in transit."""
        return [lot for lot in self.lots_at_many(places) if lot.in_transit]

    def granted(self, authorization: str) -> Amount:
        """Return what was granted under an authorization by then, less what was released."""
        tpp, chips = Decimal(0), 0
        for row in self._conn.execute(
            SQL["entries_at_lots_of"], {"authorization": authorization, "known": self._known}
        ):
            if row[8] == "licensed":
                tpp, chips = tpp + row[13], chips + (row[12] or 0)
        return Amount(tpp, chips)

    def _replay(self, query: str, wanted: dict[str, Any]) -> list[Lot]:
        rows = self._conn.execute(SQL[query], wanted).fetchall()
        profiles = self.profiles.get(row[3] for row in rows)
        lots: dict[LotRef, Lot] = {}
        for seq, line, stage, number, day, unit, amount, of_line, of_stage, cause, on, last_day, chips, tpp in rows:
            ref = seq, line
            if ref not in lots:
                lots[ref] = Lot(ref, stage, profiles[number], day, None, unit, amount)
            lots[ref].apply(Entry(of_line, of_stage, cause or "", ref, profiles[number], day, on, last_day, chips, tpp))
        return list(lots.values())


def _counter(days: Days, first: date) -> Counter:
    """Return a counter that is exact from a day on."""
    base = NOTHING
    for day, amount in days.items():
        if day < first:
            base = base.plus(amount)
    return Counter(base, ((day, amount) for day, amount in days.items() if day >= first), first)
