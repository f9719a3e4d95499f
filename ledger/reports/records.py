"""Movements as they were asked, and what became of each, a page at a time in the order of the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ledger.core import judgments
from ledger.core.movements import fields
from ledger.reports.reader import View
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class AskedMovement:
    """One movement as asked. verdict: `posted` or `refused`; code, message and remedy say why it was refused."""

    seq: int
    recorded_at: datetime
    actor: str
    key: str
    voice: str
    verdict: str
    code: str
    message: str
    remedy: str
    leaf_hash: str
    movement: Mapping[str, Any]

    @property
    def day(self) -> date:
        """The day that it is dated."""
        return fields.day("effective_on", self.movement["effective_on"])

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "seq": self.seq, "recorded_at": self.recorded_at.isoformat(), "actor": self.actor, "key": self.key,
            "voice": self.voice, "verdict": self.verdict, "code": self.code, "message": self.message,
            "remedy": self.remedy, "leaf_hash": self.leaf_hash, "movement": dict(self.movement),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the journal, and the record to go on after: nothing is passed over, whatever is posted meanwhile."""

    items: list[AskedMovement]
    after: int
    has_more: bool


def movements_after(view: View, after: int, most: int, *, party: str = "", by: date = date.max) -> Page:
    """Return movements recorded after a record, refused ones too, oldest first, up to the view's record.

    Args:
        most: how many records to look at. party: only this exporter's own; "" is everyone's. by: only those dated up
            to this day.
    """
    wanted = {"after": after, "known": view.known, "most": most, "party": party}
    rows = view.conn.execute(SQL["asked_of_party_after" if party else "asked_after"], wanted).fetchall()
    items = [item for row in rows if (item := _item(*row)) and item.day <= by]
    is_full = len(rows) == most
    return Page(items, rows[-1][0] if is_full else max(after, view.known), is_full and rows[-1][0] < view.known)


def _item(
    seq: int, actor: str, at: datetime, payload: bytes, judgment: bytes | None, leaf_hash: bytes
) -> AskedMovement | None:
    asked = json.loads(payload)
    if asked["kind"] != "movement":
        return None
    why = judgments.refusal_of(judgment) if judgment else ("", "", "")
    verdict = "refused" if why[0] else "posted"
    return AskedMovement(
        seq, at, actor, asked.get("key", ""), asked["voice"], verdict, *why, leaf_hash.hex(), asked["body"]
    )


def party_of(view: View, seq: int) -> str | None:
    """Return the party whose scope a record is in; None where it is the ledger's own, or there is none."""
    row = view.conn.execute(SQL["party_of_record"], {"seq": seq}).fetchone()
    return row[0] if row else None
