"""Recorded reconciliations: which there were, and what one of them found."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ledger.core.errors import NotFound
from ledger.reports.reader import View
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One reconciliation as recorded. number: the position it looked at. report: None in a list of runs."""

    seq: int
    number: int
    day: date
    rulebook: str
    inputs_sha256: str
    digest: str
    predecessor: int | None
    report: dict[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        body = {
            "seq": self.seq, "number": self.number, "day": self.day.isoformat(), "rulebook": self.rulebook,
            "inputs_sha256": self.inputs_sha256, "digest": self.digest, "predecessor": self.predecessor,
        }  # fmt: skip
        return body if self.report is None else {**body, "report": self.report}


def runs(view: View, most: int, *, before: int | None = None, by: date = date.max) -> list[RecordedRun]:
    """Return the runs recorded before a record and up to the view's, newest first, without their reports.

    Args:
        by: only those of days up to it.
    """
    before = view.known + 1 if before is None else before
    wanted = {"before": before, "known": view.known, "most": most, "by": by}
    return [RecordedRun(*row) for row in view.conn.execute(SQL["runs_before"], wanted)]


def run(view: View, seq: int, *, by: date = date.max) -> RecordedRun:
    """Return one run with its report.

    Args:
        by: the last day that it may be of.

    Raises:
        NotFound: no such run was recorded there by then.
    """
    row = view.conn.execute(SQL["run"], {"seq": seq}).fetchone()
    if row is None or seq > view.known:
        raise NotFound(f"Record {seq:,} is no reconciliation.", "Look at the list of runs first.")
    found = replace(RecordedRun(*row[:7]), report=json.loads(row[7]))
    if found.day > by:
        raise NotFound(f"Record {seq:,} is a reconciliation of {found.day}.", "Ask for that day or a later one.")
    return found
