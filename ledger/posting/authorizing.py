"""What a change of an authorization does to chips, in the same commit.

Revocation, surrender and reduction release the unshipped rest; a new last day moves the day on which it lapses. An
authorization for models counts them from its issue on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core import weights
from ledger.core.compute import plain
from ledger.core.deciding import Judged, judge_entries, judge_models
from ledger.core.facts import MODELS, Authorization
from ledger.core.lens import Entry, Stage
from ledger.core.lots import Lot
from ledger.core.movements import Movement
from ledger.core.position import Position
from ledger.core.registrations import from_body
from ledger.core.resolving import Resolved
from ledger.posting.registering import Registered

ENDED = ("authorization.revoked", "authorization.surrendered")


@dataclass(frozen=True, slots=True)
class Moves:
    """A movement that follows from a change of an authorization: its judgment and its body."""

    judged: Judged
    body: dict[str, Any]


def moves(registered: Registered, position: Position, seq: int) -> Moves | None:
    """Return what a change of an authorization, record `seq`, moves, judged like any movement; None for nothing."""
    if registered.fact_kind != "authorization":
        return None
    after = from_body("authorization", registered.body, seq)
    assert isinstance(after, Authorization)
    if after.unit == MODELS:
        return _of_models(registered, after, position, seq)
    before = registered.before
    if before is None:
        return None
    assert after.state_from
    lots = [lot for lot in position.lots_of(after.authorization) if lot.open > 0]
    if registered.record_kind in ENDED:
        entries = [entry for lot in lots for entry in release_of(lot, lot.open, after.state_from)]
        kind = "release"
    elif registered.record_kind == "authorization.amended":
        entries = (
            _reduce(lots, after, position) if (after.quantity, after.unit) != (before.quantity, before.unit) else []
        )
        kind = "release" if entries else "redate"
        entries += _redated(lots, entries, before, after, after.state_from)
    else:
        return None
    if not entries:
        return None
    movement = Movement(kind, after.state_from, after.state_from.isoformat(), ())
    return Moves(judge_entries(movement, entries, position), _body(registered, after, movement, entries))


def _of_models(registered: Registered, after: Authorization, position: Position, seq: int) -> Moves | None:
    """Return what a change of an authorization for models moves: so many models more, or fewer, or until another day.

    More of them, and a later last day, are asked of the rules as an issue is.
    """
    day, before = after.state_from or after.first_day, registered.before
    assert day
    place = after.recipient, after.destination, MODELS
    lots = [lot for lot in position.lots_at(place) if lot.profile.authorization == after.authorization and lot.open > 0]
    entries: list[Entry] = []
    opened: list[Lot] = []
    more, extends = 0, False
    if before is None:
        more = int(after.quantity)
    elif registered.record_kind in ENDED:
        entries = [entry for lot in lots for entry in release_of(lot, lot.open, day)]
    elif registered.record_kind == "authorization.amended":
        lots = [lot for lot in lots if lot.last_day is None or lot.last_day >= day]  # what lapsed is authorized anew
        if (after.quantity, after.last_day) != (before.quantity, before.last_day):
            runs = after.last_day is None or after.last_day >= day
            more = int(after.quantity) - sum(int(lot.open) for lot in lots) if runs else 0
        fewer = Decimal(-min(more, 0))
        for lot in reversed(lots):
            if taken := min(fewer, lot.open):
                entries += release_of(lot, taken, day)
                fewer -= taken
        redated = _redated(lots, entries, before, after, day)
        extends = bool(redated) and before.last_day is not None and (after.last_day or date.max) > before.last_day
        entries += redated
    asked = weights.resolve(after, max(more, 0), day, position.knowledge) if more > 0 or extends else None
    if more > 0 and isinstance(asked, Resolved):
        lot, entry = weights.open_lot(asked, day, after.last_day, seq + 1)
        opened.append(lot)
        entries.append(entry)
    if not entries and asked is None:
        return None
    kind = "authorize" if asked else "release" if any(entry.cause for entry in entries) else "redate"
    movement = Movement(kind, day, day.isoformat(), ())
    judged = judge_models(movement, asked, entries, opened, position)
    return Moves(judged, _body(registered, after, movement, entries))


def _body(registered: Registered, after: Authorization, movement: Movement, entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "effective_on": movement.stated,
        "lines": [
            {"authorization": after.authorization, "of": f"{record}.{line}"}
            for record, line in dict.fromkeys(entry.lot for entry in entries)
        ],
        "movement": movement.kind,
        "note": f"follows from {registered.record_kind}",
    }


def release_of(lot: Lot, amount: Decimal, day: date) -> list[Entry]:
    """Return the entries that release an amount, in the lot's unit, of what a lot has open or reserved."""
    chips = int(amount) if lot.unit == "chips" else None
    tpp = amount * lot.profile.tpp_per_chip if lot.unit == "chips" else amount
    day = max(day, lot.day)
    if lot.stage in ("reserved", "authorized"):
        return [_minus(lot, lot.stage, "released", day, chips, tpp)]
    return [_minus(lot, stage, "unshipped", day, chips, tpp) for stage in ("licensed", "open")]


def _minus(lot: Lot, stage: Any, cause: str, day: date, chips: int | None, tpp: Decimal) -> Entry:
    minus = None if chips is None else -chips
    return Entry(lot.ref[1], stage, cause, lot.ref, lot.profile, lot.day, day, lot.last_day, minus, -tpp)


def _is_moved(last_day: date | None, before: date | None, after: date | None) -> bool:
    """Return whether a grant's last day is its license's, or beyond the new one; one of its own, earlier, stays."""
    return last_day == before or (after is not None and (last_day is None or last_day > after))


def _redated(
    lots: Sequence[Lot], released: Sequence[Entry], before: Authorization, after: Authorization, day: date
) -> list[Entry]:
    """Return the entries that move the last day of what is open, less what is released at once, to another one."""
    if after.last_day == before.last_day:
        return []
    gone = {entry.lot: entry for entry in released if entry.stage in ("open", "authorized")}
    moved = [lot for lot in lots if _is_moved(lot.last_day, before.last_day, after.last_day)]
    return [entry for lot in moved for entry in _redate(lot, gone.get(lot.ref), after.last_day, day)]


def _redate(lot: Lot, released: Entry | None, last_day: date | None, day: date) -> list[Entry]:
    """Return the entries that let what is open, less what is released at once, lapse after another last day."""
    chips, tpp = _open_of(lot)
    if released:
        chips, tpp = None if chips is None else chips + (released.chips or 0), tpp + released.tpp
    stage: Stage = "authorized" if lot.stage == "authorized" else "open"
    out = _minus(lot, stage, "", max(day, lot.day), chips, tpp)
    back = Entry(lot.ref[1], stage, "", lot.ref, lot.profile, lot.day, out.day, last_day, chips, tpp)
    return [out, back] if tpp or chips else []


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
