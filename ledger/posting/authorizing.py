"""What a change of an authorization does to chips, in the same commit.

Revocation, surrender and reduction release the unshipped rest; a new last day moves the day on which it lapses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.core.deciding import Judged, judge_entries
from ledger.core.facts import Authorization
from ledger.core.lens import Entry
from ledger.core.lots import Lot
from ledger.core.movements import Movement
from ledger.core.position import Position
from ledger.core.registrations import from_body
from ledger.posting.registering import Registered


@dataclass(frozen=True, slots=True)
class Moves:
    """A movement that follows from a change of an authorization: its judgment and its body."""

    judged: Judged
    body: dict[str, Any]


def moves(registered: Registered, position: Position, seq: int) -> Moves | None:
    """Return what a change of an authorization moves, judged like any movement; None where it moves nothing."""
    before = registered.before
    if registered.fact_kind != "authorization" or before is None:
        return None
    after = from_body("authorization", registered.body, seq)
    assert isinstance(after, Authorization)
    assert after.state_from
    lots = [lot for lot in position.lots_of(after.authorization) if lot.open > 0]
    if registered.record_kind in ("authorization.revoked", "authorization.surrendered"):
        entries = [entry for lot in lots for entry in release_of(lot, lot.open, after.state_from)]
        kind = "release"
    elif registered.record_kind == "authorization.amended":
        entries = (
            _reduce(lots, after, position) if (after.quantity, after.unit) != (before.quantity, before.unit) else []
        )
        kind = "release" if entries else "redate"
        if after.last_day != before.last_day:
            released = {entry.lot: entry for entry in entries if entry.stage == "open"}
            for lot in lots:
                if _is_moved(lot.last_day, before.last_day, after.last_day):
                    entries += _redate(lot, released.get(lot.ref), after.last_day, after.state_from)
    else:
        return None
    if not entries:
        return None
    movement = Movement(kind, after.state_from, after.state_from.isoformat(), ())
    body = {
        "effective_on": after.state_from.isoformat(),
        "lines": [
            {"authorization": after.authorization, "of": f"{record}.{line}"}
            for record, line in dict.fromkeys(entry.lot for entry in entries)
        ],
        "movement": kind,
        "note": f"follows from {registered.record_kind}",
    }
    return Moves(judge_entries(movement, entries, position), body)


def release_of(lot: Lot, amount: Decimal, day: date) -> list[Entry]:
    """Return the entries that release an amount, in the lot's unit, of what a lot has open or reserved."""
    chips = int(amount) if lot.unit == "chips" else None
    tpp = amount * lot.profile.tpp_per_chip if lot.unit == "chips" else amount
    day = max(day, lot.day)
    if lot.stage == "reserved":
        return [_minus(lot, "reserved", "released", day, chips, tpp)]
    return [_minus(lot, stage, "unshipped", day, chips, tpp) for stage in ("licensed", "open")]


def _minus(lot: Lot, stage: Any, cause: str, day: date, chips: int | None, tpp: Decimal) -> Entry:
    minus = None if chips is None else -chips
    return Entry(lot.ref[1], stage, cause, lot.ref, lot.profile, lot.day, day, lot.last_day, minus, -tpp)


def _is_moved(last_day: date | None, before: date | None, after: date | None) -> bool:
    """Return whether a grant's last day is its license's, or beyond the new one; one of its own, earlier, stays."""
    return last_day == before or (after is not None and (last_day is None or last_day > after))


def _redate(lot: Lot, released: Entry | None, last_day: date | None, day: date) -> list[Entry]:
    """Return the entries that let what is open, less what is released at once, lapse after another last day."""
    chips, tpp = _open_of(lot)
    if released:
        chips, tpp = None if chips is None else chips + (released.chips or 0), tpp + released.tpp
    out = _minus(lot, "open", "", max(day, lot.day), chips, tpp)
    back = Entry(lot.ref[1], "open", "", lot.ref, lot.profile, lot.day, out.day, last_day, chips, tpp)
    return [out, back] if tpp else []


def _open_of(lot: Lot) -> tuple[int | None, Decimal]:
    if lot.unit == "chips":
        return int(lot.open), lot.open * lot.profile.tpp_per_chip
    return None, lot.open


def _reduce(lots: list[Lot], after: Authorization, position: Position) -> list[Entry]:
    """Release what was granted beyond a smaller stated quantity, as far as it is still open; newest lots first."""
    if not after.quantity or not lots:
        return []
    profile, granted = lots[-1].profile, position.granted_under(after.authorization)
    chip = position.knowledge.chips.get(profile.chip)
    per_unit = profile.tpp_per_chip * (chip.ic_count if chip and after.unit == "systems" else 1)
    excess = granted.tpp - Decimal(plain(Decimal(after.quantity))) * per_unit
    entries: list[Entry] = []
    for lot in reversed(lots):
        if excess <= 0:
            break
        each = lot.profile.tpp_per_chip if lot.unit == "chips" else Decimal(1)
        amount = min(lot.open, -(-excess // each) if lot.unit == "chips" else excess)
        entries += release_of(lot, amount, after.state_from or lot.day)
        excess -= amount * each
    return entries
