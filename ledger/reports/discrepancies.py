"""What does not reconcile or broke a rule, as it was known: who owns it, since when, and what was said of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ledger.core.records import DISPUTE_AFTER
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


def discrepancies(view: View, *, resolved: bool = False, by: date = date.max) -> list[Discrepancy]:
    """Return the discrepancies that were known and not resolved at the view's record, oldest first; the resolved ones
    too where they are asked for.

    Args:
        by: only those dated up to this day.
    """
    if view.known == view.size:
        rows = view.conn.execute(SQL["all_discrepancies" if resolved else "open_discrepancies"])
        return [each for row in rows if (each := _told(row)).effective_on <= by]
    opened = view.conn.execute(SQL["discrepancies_opened"], {"known": view.known, "day": by}).fetchall()
    known = said_by(view, opened)
    found = []
    for row in opened:
        state, owner, note = known[row[0]]
        if resolved or state != "resolved":
            found.append(_told((*row[:10], owner, state, note)))
    return found


def said_by(view: View, opened: Sequence[tuple[Any, ...]]) -> dict[int, tuple[str, str, str]]:
    """Return the state, owner and note that each discrepancy had at the view's record.

    Args:
        opened: rows of `discrepancies_opened`.
    """
    if view.known == view.size:
        return {row[0]: (row[11], row[10], row[12]) for row in opened}
    known = {}
    for row in opened:
        body = json.loads(row[-1])["body"]
        known[row[0]] = "open", body.get("owner", ""), body.get("message", "")
    for (payload,) in view.conn.execute(SQL["discrepancy_changes"], {"known": view.known}):
        body = json.loads(payload)["body"]
        if (number := int(body["id"])) in known:
            known[number] = DISPUTE_AFTER[body["change"]], body.get("owner") or known[number][1], body["note"]
    return known


def _told(row: Sequence[Any]) -> Discrepancy:
    number, class_, book, cap, *rest = row
    return Discrepancy(number, class_, book or "", cap or "", *rest)
