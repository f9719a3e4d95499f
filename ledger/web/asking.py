"""What day and record a page is asked for, as its address says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from ledger.core import asof
from ledger.core.errors import Malformed
from ledger.web.parts import path


@dataclass(frozen=True, slots=True)
class Asked:
    """What day and record are asked, and by which rulebook, as parameters of the page and as values.

    now_only: whoever asks may choose the day, and nothing else.
    """

    on: date
    known: int | datetime | None
    rulebook: str
    on_text: str = ""
    known_text: str = ""
    now_only: bool = False

    def query(self) -> dict[str, str]:
        """Return them as they stand in a link; what was not stated stays out."""
        return {"on": self.on_text, "known": self.known_text, "rulebook": self.rulebook}

    def path(self, *steps: str | int, **query: str) -> str:
        """Return a path that keeps what is asked."""
        return path(*steps, **{**self.query(), **query})


def day_of(text: str, today: date) -> date:
    """Return a stated day, or today where none is stated. Raises `Malformed`."""
    if not text:
        return today
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Malformed("on", f'"{text[:40]}" is not a day.', "Write YYYY-MM-DD.") from None


def known_at(text: str) -> int | datetime | None:
    """Return a journal number or a moment; None where not said. Raises `Malformed`."""
    return asof.known_at(text) if text else None


def record_of(text: str, otherwise: int) -> int:
    """Return a record's number, or another where none is stated. Raises `Malformed`."""
    if not text.strip():
        return otherwise
    if not (text.strip().isdecimal() and text.isascii() and len(text) < 19):
        raise Malformed("record", f'"{text[:40]}" is not the number of a record.', "Write digits only.")
    return int(text)
