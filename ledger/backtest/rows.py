"""Entries as they were recorded, and what of them and of their caps a replay asks."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger.core.lens import limit_on
from ledger.core.movements import Line
from ledger.core.profile import Profile
from ledger.core.resolving import Resolved
from ledger.core.rulebook import Cap, Span


class Row(NamedTuple):
    """One entry as it was recorded; `lot_seq` is the record that opened its lot, `profile` a number."""

    seq: int
    line: int
    stage: str
    cause: str
    lot_seq: int
    profile: int
    lot_day: date
    day: date
    last_day: date | None
    chips: int | None
    tpp: Decimal


def lowest(cap: Cap, span: Span) -> Decimal | None:
    """Return the least limit that a cap has on any day of a window; None where it is undetermined on one."""
    if cap.limit.unlimited or cap.limit.share:
        return None
    until = cap.window.span.until
    if until is not None and (span.until is None or span.until > until):
        return None
    days = [span.first or date.min, *(day for day, _ in cap.limit.steps if day and span.covers(day))]
    limits = [limit_on(cap, day) for day in days]
    known = [limit for limit in limits if limit is not None]
    return min(known) if len(known) == len(limits) else None


def resolved(row: Row, profile: Profile) -> Resolved:
    """Return an entry as the line that it was of."""
    line = Line(chip=profile.chip, quantity=Decimal(row.chips or 0))
    return Resolved(row.line, line, profile, None, row.chips, row.tpp)
