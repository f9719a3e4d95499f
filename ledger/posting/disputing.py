"""Discrepancies: opened once per subject and window, kept until a record closes them."""

from __future__ import annotations

from typing import Any

from ledger.core import judgments, records
from ledger.core.refusals import OPERATOR, Refusal
from ledger.posting.batch import LEDGER, Batch
from ledger.posting.requests import Asked
from ledger.store.source import Connection
from schema.queries import SQL


class Disputed:
    """What is disputed already, so that the same breach opens no second discrepancy."""

    def __init__(self, conn: Connection) -> None:
        self._known = {
            (class_, book or "", cap or "", subject, window.isoformat() if window else "")
            for _, class_, book, cap, subject, window, *_ in conn.execute(SQL["open_discrepancies"])
        }

    def settle(self, identity: tuple[str, str, str, str, str], change: str) -> bool:
        """Take in a change of a discrepancy; return False where it would be reopened beside one that is open."""
        if change == "reopened" and identity in self._known:
            return False
        if change == "resolved":
            self._known.discard(identity)
        else:
            self._known.add(identity)
        return True

    def is_new(self, breach: Refusal) -> bool:
        """Return whether a breach is not disputed yet; from now on it is."""
        identity = (breach.code, breach.book, breach.cap, breach.subject, breach.window)
        if identity in self._known:
            return False
        self._known.add(identity)
        return True


def settle(
    conn: Connection, asked: Asked, batch: Batch, disputed: Disputed, actor: str, payload: bytes
) -> tuple[int, Refusal | None]:
    """Explain, resolve or reopen a discrepancy by a record; return its number, and why it was refused."""
    number, change = int(asked.body["id"]), asked.body["change"]
    row = conn.execute(SQL["discrepancy"], {"id": number}).fetchone()
    state = next((each["state"] for each in reversed(batch.closed) if each["id"] == number), row[0] if row else "")
    refusal = None
    if actor != OPERATOR:
        refusal = Refusal("forbidden", f"{actor} may not settle a discrepancy: only the operator may.", "Ask them.")
    elif row is None:
        refusal = Refusal("unknown_movement", f"There is no discrepancy {number}.", "Look at the open ones first.")
    elif (state == "resolved") != (change == "reopened"):
        refusal = Refusal("exceeds_authorization", f"Discrepancy {number} is {state}: it cannot be {change}.",
                          "Look at its history first.")  # fmt: skip
    elif not disputed.settle(_identity(row), change):
        refusal = Refusal(
            "exceeds_authorization", f"What discrepancy {number} is about is disputed again already.",
            "Settle the one that is open.",
        )  # fmt: skip
    if refusal:
        key = asked.request.key
        return batch.add("request.refused", actor, key, LEDGER, payload, judgments.refused_for(refusal)), refusal
    kind = f"discrepancy.{change}"
    judgment = records.canonical({"record": kind, "verdict": "posted"})
    seq = batch.add(kind, actor, asked.request.key, LEDGER, payload, judgment)
    batch.closed.append(
        {
            "id": number,
            "state": records.DISPUTE_AFTER[change],
            "owner": asked.body.get("owner"),
            "note": asked.body["note"],
            "seq": seq,
        }
    )
    return seq, None


def _identity(row: tuple[Any, ...]) -> tuple[str, str, str, str, str]:
    _, subject, class_, book, cap, window = row
    return class_, book or "", cap or "", subject, window.isoformat() if window else ""
