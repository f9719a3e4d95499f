"""The position as it was at a past record, while a book's counters are replayed up to it in memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from ledger.core.counters import Counter
from ledger.core.lens import Entry, Key
from ledger.core.lots import Lot, LotRef
from ledger.store.past import PastSource
from ledger.store.source import Connection, Profiles
from schema.queries import SQL


class Then(PastSource):
    """What a position fetches as of record `known`. Counters are replayed, so one that is not held is not used yet."""

    def __init__(self, conn: Connection, profiles: Profiles, known: int) -> None:
        super().__init__(conn, profiles, known, ())

    def counters(self, keys: Iterable[Key], first: date) -> dict[Key, Counter]:
        """Return nothing: every counter that was used by then is held."""
        return {}

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
        """Return the changes of what was installed of a lot, by day."""
        of = {"seq": lot[0], "line": lot[1], "known": self._known}
        return [(day, Decimal(change)) for day, change in self._conn.execute(SQL["history_known"], of)]
