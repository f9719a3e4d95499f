"""Releasing what lapsed: bookkeeping only, since what lapses stops counting by itself the day after its last day."""

from __future__ import annotations

from datetime import date, datetime

from ledger.posting import Writer
from ledger.store.source import Connection


def lapse(conn: Connection, *, on: date, at: datetime) -> int:
    """Post the release of every reservation and open rest whose last day is before `on`; return how many."""
    return Writer(conn).release_lapsed(on=on, at=at)
