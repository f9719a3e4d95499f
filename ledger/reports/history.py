"""What was recorded of one party, country, chip or authorization, in the order of the journal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.core.errors import NotFound
from ledger.reports.reader import View
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class Happening:
    """One record about a subject, or one entry of it: what, which day, how much, and why not where it was refused."""

    seq: int
    recorded_at: datetime
    kind: str
    actor: str
    day: date | None
    what: str
    stage: str
    chips: int | None
    tpp: Decimal | None

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "seq": self.seq,
            "recorded_at": self.recorded_at.isoformat(),
            "kind": self.kind,
            "actor": self.actor,
            "day": self.day.isoformat() if self.day else None,
            "what": self.what,
            "stage": self.stage,
            "chips": self.chips,
            "tpp": None if self.tpp is None else plain(self.tpp),
        }


def history(
    view: View, subject: str, *, moved: bool = True, before: int | None = None, most: int | None = None,
    by: date = date.max,
) -> list[Happening]:  # fmt: skip
    """Return everything recorded about a subject up to the view's record, oldest first.

    Args:
        moved: False leaves out the entries, of which there may be very many.
        before: only what was recorded before this record.
        most: only the newest so many, which may be cut within a record.
        by: of what has a day, only what is dated up to this one.

    Raises:
        NotFound: nothing is recorded of it.
    """
    wanted = {"subject": subject, "known": view.known if before is None else min(view.known, before - 1), "most": most}
    found = [*_facts(view, wanted), *(_entries(view, wanted) if moved else ()), *_refusals(view, wanted)]
    found += _discrepancies(view, wanted, {each.seq for each in found})
    if not found:
        raise NotFound(
            f"Nothing is recorded about '{subject}' up to record {view.known:,}.",
            "Name a party, country, chip or authorization as the ledger knows it.",
        )
    found = [each for each in found if each.day is None or each.day <= by]
    return sorted(found, key=lambda each: each.seq)[-(most or 0) :]


def _facts(view: View, wanted: dict[str, Any]) -> list[Happening]:
    rows = view.conn.execute(SQL["facts_about"], wanted)
    return [
        Happening(seq, at, kind, actor, day, _in_words(body), "", None, None)
        for seq, kind, actor, at, day, body in reversed(rows.fetchall())
    ]


def _entries(view: View, wanted: dict[str, Any]) -> list[Happening]:
    rows = view.conn.execute(SQL["entries_naming"], wanted)
    found = []
    for seq, kind, actor, at, day, stage, cause, chips, tpp, facts in reversed(rows.fetchall()):
        what = f"{facts['base_chip']} to {facts['recipient']} in {facts['destination']}"
        if "authorization" in facts:
            what += f" under {facts['authorization']}"
        found.append(Happening(seq, at, kind, actor, day, what + (f" ({cause})" if cause else ""), stage, chips, tpp))
    return found


def _refusals(view: View, wanted: dict[str, Any]) -> list[Happening]:
    needle = json.dumps(wanted["subject"], ensure_ascii=False).encode()
    rows = view.conn.execute(SQL["refusals_naming"], {**wanted, "needle": needle})
    found = []
    for seq, kind, actor, at, payload, judgment in reversed(rows.fetchall()):
        refusal = json.loads(judgment)["refusal"]
        day = json.loads(payload)["body"].get("effective_on")
        on = date.fromisoformat(day) if day and len(day) == 10 else None
        found.append(Happening(seq, at, kind, actor, on, f"{refusal['code']}: {refusal['message']}", "", None, None))
    return found


def _discrepancies(view: View, wanted: dict[str, Any], seqs: set[int]) -> list[Happening]:
    """Return what was found wrong with a subject or with one of its records, and what was said of that."""
    found = []
    opened: dict[str, date] = {}
    for seq, kind, actor, at, payload in view.conn.execute(SQL["discrepancies_told"], wanted):
        body = json.loads(payload)["body"]
        if kind == "discrepancy.opened":
            if body.get("by") not in seqs and f"={wanted['subject']}," not in f"{body['subject']},":
                continue
            opened[str(seq)] = date.fromisoformat(body["effective_on"])
            what = f"{body['class']}: {body['message']}"
        elif body["id"] in opened:
            what = f"discrepancy {body['id']}: {body['note']}"
        else:
            continue
        day = opened[str(body.get("id", seq))]
        found.append(Happening(seq, at, kind, actor, day, what, "", None, None))
    return found


def _in_words(body: dict[str, Any]) -> str:
    hidden = {"bundle", "note", "source", "rates"}
    return ", ".join(f"{name} {_word(value)}" for name, value in body.items() if name not in hidden)


def _word(value: Any) -> str:
    return ";".join(str(part) for part in value) if isinstance(value, list) else str(value)
