"""As known when: a record's number or a moment, as people and programs write it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from ledger.core.errors import Malformed

LONGEST_NUMBER = 18  # digits: what the journal can count to


def end_of(day: date) -> datetime:
    """Return a day's last moment, in UTC."""
    return datetime.combine(day, datetime.max.time(), UTC)


def known_at(text: str, name: str = "known") -> int | datetime:
    """Return a journal number, or a moment: of a day its last, of one without a zone as UTC.

    Raises:
        Malformed: it is neither. name: what it was stated as.
    """
    try:
        if text.isdecimal() and text.isascii() and len(text) <= LONGEST_NUMBER:
            return int(text)
        if len(text) == len("2026-06-30"):
            return end_of(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed(
            name.strip("-"), f'{name} "{text[:40]}" is neither a record nor a moment.',
            "Write a record's number, 2026-06-30, or 2026-06-30T12:00:00Z.",
        ) from None  # fmt: skip
