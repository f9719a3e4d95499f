"""What does not reconcile or broke a rule, as it stands now: who owns it, since when, and what was said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ledger.reports.reader import View
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One discrepancy. id: the record that opened it. amount is text in `unit`, "" where there is none to give.

    state: `open`, `explained` or `resolved`. note: what opened it, or what was said when it was last settled.
    """

    id: int
    class_: str
    book: str
    cap: str
    subject: str
    window: date | None
    amount: str
    unit: str
    effective_on: date
    opened_at: datetime
    owner: str
    state: str
    note: str

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "id": self.id,
            "class": self.class_,
            "book": self.book,
            "cap": self.cap,
            "subject": self.subject,
            "window": self.window.isoformat() if self.window else None,
            "amount": self.amount,
            "unit": self.unit,
            "effective_on": self.effective_on.isoformat(),
            "opened_at": self.opened_at.isoformat(),
            "owner": self.owner,
            "state": self.state,
            "note": self.note,
        }


def discrepancies(view: View, *, resolved: bool = False) -> list[Discrepancy]:
    """Return the discrepancies that are not resolved, oldest first; the resolved ones too where they are asked for."""
    rows = view.conn.execute(SQL["all_discrepancies" if resolved else "open_discrepancies"])
    return [
        Discrepancy(number, class_, book or "", cap or "", *rest) for number, class_, book, cap, *rest in rows
    ]  # fmt: skip
