"""What a declaration of stock does to chips, in the same commit: what it states comes in place of the one before."""

from __future__ import annotations

from decimal import Decimal

from ledger.core.deciding import judge_entries
from ledger.core.facts import Stock
from ledger.core.lens import Entry
from ledger.core.lots import Lot
from ledger.core.movements import Line, Movement
from ledger.core.position import Position
from ledger.core.resolving import Resolved, resolve
from ledger.posting.authorizing import Moves


def stock_moves(stock: Stock, before: Stock | None, position: Position, seq: int) -> Moves | None:
    """Return what a declaration moves as record `seq`, an observation; None where it moves nothing.

    What is left of the stock that was declared before goes, whatever became of the rest of it meanwhile.
    """
    day = stock.as_of
    lines = tuple(
        Line(
            chip=line.chip, quantity=line.quantity, unit=line.unit, destination=line.destination,
            recipient=line.owner or stock.party, activity="domestic",
        )
        for line in stock.lines
    )  # fmt: skip
    movement = Movement("declare", day, day.isoformat(), lines)
    entries: list[Entry] = []
    for n in range(1, len(before.lines) + 1 if before else 1):
        assert before
        lot = position.lot((before.seq + 1, n))
        if lot and lot.installed:
            chips = int(lot.installed)
            entries.append(
                Entry(n, "installed", "declared", lot.ref, lot.profile, lot.day, day, None, -chips,
                      -chips * lot.profile.tpp_per_chip)
            )  # fmt: skip
    opened: list[Lot] = []
    for number, line in enumerate(lines, 1):
        known = resolve(movement, number, line, position)
        assert isinstance(known, Resolved)
        assert known.chips
        lot = Lot((seq, number), "shipped", known.profile, day, None, "chips", Decimal(known.chips))
        opened.append(lot)
        entries.append(
            Entry(number, "installed", "declared", lot.ref, lot.profile, day, day, None, known.chips, known.tpp)
        )
    if not entries:
        return None
    body = {
        "effective_on": day.isoformat(),
        "lines": [{"of": f"{entry.lot[0]}.{entry.lot[1]}"} for entry in entries],
        "movement": movement.kind,
        "note": f"follows from stock.declared of {stock.party}",
    }
    return Moves(judge_entries(movement, entries, position, opened=opened, observed=True), body)
