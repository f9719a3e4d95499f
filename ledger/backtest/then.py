"""The position as it was at a past record, while a book's counters are replayed up to it in memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.core.counters import Counter
from ledger.core.lens import Key
from ledger.store.past import PastSource
from ledger.store.source import Connection, Profiles


class Then(PastSource):
    """What a position fetches as of record `known`. Counters are replayed, so one that is not held is not used yet."""

    def __init__(self, conn: Connection, profiles: Profiles, known: int) -> None:
        super().__init__(conn, profiles, known, ())

    def counters(self, keys: Iterable[Key], first: date) -> dict[Key, Counter]:
        """Return nothing: every counter that was used by then is held."""
        return {}

    def keys(self, book: int, cap: str) -> list[Key]:
        """Return nothing, likewise."""
        return []
