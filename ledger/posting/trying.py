"""Trying out: what posting some movements would answer, each on what the ones before it would do; nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.core import four_eyes
from ledger.core.deciding import judge
from ledger.core.errors import Malformed
from ledger.core.refusals import LEAVES_KEY_OPEN, OPERATOR, Refusal
from ledger.core.theirs import is_theirs
from ledger.posting.requests import Asked, Receipt, Request, read
from ledger.reports import View
from schema.queries import SQL

Tell = Callable[[str, str], str]


def try_out(
    view: View, requests: Sequence[Request], *, actor: str, tell: Tell = lambda code, message: message
) -> list[Receipt]:
    """Return the receipts that posting movements, each on its own, would give on the view's position, in order.

    They have no record. The view must be of the journal's end, under the adopted rulebooks. What is recorded or adopted
    between trying and posting may change an answer.

    Args:
        tell: what is said of a discrepancy that one would open, of its code and message: a message has figures of all.
    """
    asked = [_read(request) for request in requests]
    keys = [each.request.key for each in asked if isinstance(each, Asked)]
    rows = view.conn.execute(SQL["settled"], {"organization": actor, "keys": keys})
    settled: dict[str, tuple[int | None, bytes]] = {key: (seq, fingerprint) for key, seq, fingerprint in rows}
    receipts, seq = [], view.known
    for each in asked:
        if isinstance(each, Receipt):
            receipts.append(each)
            continue
        before = settled.get(each.request.key)
        if before:
            receipts.append(_again(each, *before))
            continue
        receipt, is_posted = _tried(view, each, actor, seq + 1, tell)
        seq += is_posted
        receipts.append(receipt)
        if receipt.code not in LEAVES_KEY_OPEN:
            settled[each.request.key] = None, each.fingerprint
    return receipts


def _tried(view: View, asked: Asked, actor: str, seq: int, tell: Tell) -> tuple[Receipt, bool]:
    movement, position = asked.movement, view.position
    assert movement
    key = asked.request.key
    if (
        movement.kind == "reverse"
        and actor != OPERATOR
        and is_theirs(actor, position.entries_of(movement.reverses) or ())
    ):
        row = view.conn.execute(SQL["actor"], {"seq": movement.reverses}).fetchone()
        if row and row[0] != actor:
            refusal = Refusal("forbidden", f"{actor} may not reverse record {movement.reverses}, which another posted.")
            return Receipt("refused", key, None, refusal.code, refusal.message, "Ask the operator."), False
    judged = judge(movement, observed=asked.voice == "observation", asker=actor, position=position, seq=seq)
    four_eyes.hold(judged, position.knowledge.four_eyes)
    if judged.refusal:
        return Receipt("refused", key, None, judged.refusal.code, judged.refusal.message, judged.refusal.remedy), False
    position.apply(seq, judged.entries, judged.opened, judged.effects)
    if movement.kind == "reverse":
        position.reversals[movement.reverses] = seq
    words = " ".join(tell(breach.code, breach.message) for breach in judged.breaches)
    return Receipt("posted", key, None, "", f"It would open a discrepancy: {words}" if words else ""), True


def _again(asked: Asked, seq: int | None, fingerprint: bytes) -> Receipt:
    if fingerprint == asked.fingerprint:
        return Receipt("replayed", asked.request.key, seq)
    where = f"for record {seq:,}" if seq else "above in the same file"
    message = f"Key '{asked.request.key}' was used {where} with another content."
    return Receipt("refused", asked.request.key, None, "key_reused", message, "Use a new key for a new request.")


def _read(request: Request) -> Asked | Receipt:
    try:
        if request.kind != "movement":
            raise Malformed("kind", f"A {request.kind} is not tried out.", "Post it.")
        return read(request)
    except Malformed as problem:
        return Receipt("refused", request.key, None, "malformed", problem.message, problem.remedy)
