"""Every counter computed from entries through the lens: for a book that is adopted, and to check the kept ones.

Entries alike in all that the lens looks at are added up by the database first, so that the lens is asked once for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from ledger.core.lens import Amount, Key, Lens
from ledger.store.source import Connection, Profiles
from schema.queries import SQL

Days = dict[date, Amount]


def counters_of(
    conn: Connection, lenses: Sequence[Lens], profiles: Profiles, known: int, only: Iterable[int] | None = None
) -> dict[Key, Days]:
    """Return every counter of some books by day, from the entries up to record `known`; of `only` some profiles."""
    if only is None:
        by_id = profiles.all()
        rows = conn.execute(SQL["entry_sums"], {"known": known})
    else:
        numbers = list(only)
        by_id = profiles.get(numbers)
        rows = conn.execute(SQL["entry_sums_of"], {"known": known, "profiles": numbers})
    counters: dict[Key, Days] = {}
    for number, stage, cause, lot_day, day, last_day, unstated, chips, tpp in rows:
        for lens in lenses:
            effects = lens.effects(
                stage, cause, by_id[number], lot_day, day, last_day, None if unstated else chips, tpp
            )
            for key, _, _, on, amount in effects:
                days = counters.setdefault(key, {})
                before = days.get(on)
                days[on] = amount if before is None else before.plus(amount)
    return counters
