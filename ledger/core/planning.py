"""From a movement to the entries it makes: which lots it opens, which it draws on, and what it finds short.

Each reserve, grant and ship line opens a lot. Grants, ships and releases draw on reserve or grant lots; receipts,
returns, retirements, transfers and reexports on ship lots (the last two open a new one). `of` names the lot; else the
oldest matching one comes first, split per lot. What is short refuses a request; an observation is kept and overdraws
the last matching lot, or opens one of its own, so that what happened is never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ledger.core.lens import ZERO, Entry, Stage
from ledger.core.movements import OBSERVED_KINDS, Movement
from ledger.core.position import Lot, LotRef, LotStage, Position
from ledger.core.resolving import Resolved

RETURNED: tuple[Stage, ...] = ("shipped", "received", "installed")
Balance = str  # open, in_transit or installed: which of a lot's balances is drawn on


@dataclass(frozen=True, slots=True)
class Short:
    """A line that asks for more than is there. Amounts in `unit`; code is the refusal it leads to."""

    code: str
    line: int
    what: str
    asked: Decimal
    there: Decimal
    unit: str


@dataclass(slots=True)
class Plan:
    """What a movement would do: its entries, the lots it opens, and where it falls short."""

    entries: list[Entry] = field(default_factory=list)
    opened: list[Lot] = field(default_factory=list)
    short: list[Short] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Take:
    lot: Lot
    chips: int | None
    tpp: Decimal


class Planner:
    """Plans one movement that would become record `seq`. Draws of earlier lines are seen by later ones."""

    def __init__(self, movement: Movement, position: Position, seq: int) -> None:
        self.movement, self.position, self.seq = movement, position, seq
        self.plan = Plan()
        self._taken: dict[tuple[LotRef, Balance], Decimal] = {}

    def run(self, lines: list[Resolved]) -> Plan:
        """Return the plan of a movement with lines."""
        act = _ACTS[self.movement.kind]
        for resolved in lines:
            act(self, resolved)
        return self.plan

    # What each kind of movement does. Source: the table of movements in docs/ledger.md.

    def reserve(self, asked: Resolved) -> None:
        """Reserved rises; it counts against caps until its last day."""
        self._enter(asked, "reserved", self._open(asked, "reserved", asked.line.last_day))

    def grant(self, asked: Resolved) -> None:
        """Licensed and open rise; a reservation that is named is used up first."""
        last_day = asked.authorization.last_day if asked.authorization else None
        lot = self._open(asked, "licensed", min((d for d in (last_day, asked.line.last_day) if d), default=None))
        self._enter(asked, "licensed", lot)
        self._enter(asked, "open", lot)
        if asked.line.of:
            for take in self._draw(asked, "open", "a reservation", "negative_stock", up_to=True):
                self._take("reserved", take, asked.number, cause="used")

    def release(self, asked: Resolved) -> None:
        """The unshipped rest of a license, or a reservation, is given up."""
        for take in self._draw(asked, "open", "open to release", "negative_stock"):
            if take.lot.stage == "reserved":
                self._take("reserved", take, asked.number, cause="released")
            else:
                self._take("licensed", take, asked.number, cause="unshipped")
                self._take("open", take, asked.number, cause="unshipped")

    def ship(self, asked: Resolved) -> None:
        """Shipped rises; a license's open falls by as much."""
        self._enter(asked, "shipped", self._open(asked, "shipped", None))
        self._draw_license(asked)

    def receive(self, asked: Resolved) -> None:
        """Received and installed rise on what was shipped."""
        for take in self._draw(asked, "in_transit", "in transit", "negative_stock"):
            self._take("received", take, asked.number, sign=1)
            self._take("installed", take, asked.number, sign=1)

    def give_back(self, asked: Resolved) -> None:
        """Shipped falls: chips are back with the exporter. What had arrived leaves received and installed too."""
        in_transit = self._draw(asked, "in_transit", "in transit or installed", "negative_stock", up_to=True)
        for take in in_transit:
            self._take("shipped", take, asked.number, cause="return")
        rest = _less(asked, in_transit)
        if rest:
            for take in self._draw(rest, "installed", "in transit or installed", "negative_stock"):
                for stage in RETURNED:
                    self._take(stage, take, asked.number, cause="return")

    def retire(self, asked: Resolved) -> None:
        """Installed falls, by loss, theft, damage, failure or destruction."""
        for take in self._draw(asked, "installed", "installed", "negative_stock"):
            self._take("installed", take, asked.number, cause=asked.line.cause)

    def transfer(self, asked: Resolved) -> None:
        """Installed falls here and rises there, in the same country."""
        self._leave(asked)
        self._enter(asked, "installed", self._open(asked, "shipped", None))

    def reexport(self, asked: Resolved) -> None:
        """Installed falls in one country, shipped rises in another."""
        self._leave(asked)
        self._enter(asked, "shipped", self._open(asked, "shipped", None))
        self._draw_license(asked)

    def reverse(self, entries: list[Entry]) -> Plan:
        """Plan the exact negative of an earlier movement, each entry on its own day; nothing may be built on it."""
        changed: dict[LotRef, Lot] = {}
        for entry in entries:
            lot = self.position.lot(entry.lot)
            if lot is None:
                raise AssertionError(f"entry at a lot that nobody opened: {entry.lot}")
            changed[lot.ref] = lot
            last_day = lot.last_day if entry.stage in ("open", "reserved") else entry.last_day
            chips = None if entry.chips is None else -entry.chips
            self.plan.entries.append(
                Entry(entry.line, entry.stage, entry.cause, entry.lot, entry.profile, entry.lot_day, entry.day,
                      last_day, chips, -entry.tpp)
            )  # fmt: skip
        for lot in changed.values():
            self._check_after(lot)
        return self.plan

    # How they do it.

    def _leave(self, asked: Resolved) -> None:
        for take in self._draw(asked, "installed", "installed", "negative_stock"):
            same_owner = take.lot.profile.owner.party == asked.profile.owner.party
            self._take("installed", take, asked.number, cause="relocation" if same_owner else "resale")

    def _draw_license(self, asked: Resolved) -> None:
        if asked.authorization and asked.authorization.kind == "license":
            what = f"open on {asked.authorization.authorization}"
            for take in self._draw(asked, "open", what, "exceeds_authorization"):
                self._take("open", take, asked.number)

    def _open(self, asked: Resolved, stage: LotStage, last_day: date | None) -> Lot:
        unit, amount = ("tpp", asked.tpp) if asked.chips is None else ("chips", Decimal(asked.chips))
        day = self.movement.effective_on
        lot = Lot((self.seq, asked.number), stage, asked.profile, day, last_day, unit, amount)  # type: ignore[arg-type]
        self.plan.opened.append(lot)
        return lot

    def _enter(self, asked: Resolved, stage: Stage, lot: Lot) -> None:
        self.plan.entries.append(
            Entry(asked.number, stage, "", lot.ref, lot.profile, lot.day, lot.day, lot.last_day, asked.chips, asked.tpp)
        )

    def _take(self, stage: Stage, take: _Take, line: int, *, sign: int = -1, cause: str = "") -> None:
        chips = None if take.chips is None else sign * take.chips
        lot = take.lot
        self.plan.entries.append(
            Entry(line, stage, cause, lot.ref, lot.profile, lot.day, self.movement.effective_on, lot.last_day, chips,
                  sign * take.tpp)
        )  # fmt: skip

    def _draw(self, asked: Resolved, balance: Balance, what: str, code: str, *, up_to: bool = False) -> list[_Take]:
        """Take what a line asks from matching lots, oldest first; record what is short unless `up_to` is enough."""
        day = self.movement.effective_on
        takes: list[_Take] = []
        rest_chips, rest_tpp = asked.chips, asked.tpp
        last: Lot | None = None
        for lot in self._matching(asked, balance):
            if lot.unit == "chips" and rest_chips is None:
                continue  # equivalents cannot be drawn from a number of chips
            last = lot
            there = self._there(lot, balance, day)
            if there <= 0:
                continue
            if rest_chips is None:
                drawn = min(there, rest_tpp)
                take = _Take(lot, None, drawn)
            elif lot.unit == "chips":
                chips = min(int(there), rest_chips)
                take = _Take(lot, chips, chips * lot.profile.tpp_per_chip)
                rest_chips -= chips
                drawn = chips * asked.profile.tpp_per_chip
            else:
                chips = min(int(there // asked.profile.tpp_per_chip), rest_chips)
                drawn = chips * asked.profile.tpp_per_chip
                take = _Take(lot, None, drawn)
                rest_chips -= chips
            rest_tpp -= drawn
            if take.tpp:
                takes.append(self._note(take, balance))
            if rest_tpp <= 0:
                return takes
        if up_to:
            return takes
        unit = "TPP" if asked.chips is None else "chips"
        whole = asked.tpp if asked.chips is None else Decimal(asked.chips)
        rest = rest_tpp if rest_chips is None else Decimal(rest_chips)
        self.plan.short.append(Short(code, asked.number, what, whole, whole - rest, unit))
        overdrawn = self._overdrawn(asked, last, rest_chips, rest_tpp)
        return [*takes, self._note(overdrawn, balance)] if overdrawn else takes

    def _overdrawn(self, asked: Resolved, last: Lot | None, chips: int | None, tpp: Decimal) -> _Take | None:
        """What an observation takes beyond what is there; None where there is no lot that it could stand on."""
        if last is None:
            own = self.movement.kind in OBSERVED_KINDS
            return _Take(self._open(asked, "shipped", None), chips, tpp) if own else None
        if last.unit == "tpp":
            return _Take(last, None, tpp)
        return _Take(last, chips, (chips or 0) * last.profile.tpp_per_chip)

    def _note(self, take: _Take, balance: Balance) -> _Take:
        amount = take.tpp if take.lot.unit == "tpp" else Decimal(take.chips or 0)
        key = take.lot.ref, balance
        self._taken[key] = self._taken.get(key, ZERO) + amount
        return take

    def _there(self, lot: Lot, balance: Balance, day: date) -> Decimal:
        """Return the least that a lot has left of a balance on any day from `day` on."""
        there: Decimal = getattr(lot, balance)
        if balance == "installed" and day < lot.changed_on:
            there = min(there, _least(self.position.history(lot.ref), day))
        return there - self._taken.get((lot.ref, balance), ZERO)

    def _matching(self, asked: Resolved, balance: Balance) -> Iterator[Lot]:
        line, day = asked.line, self.movement.effective_on
        if line.of:
            lots = [lot for lot in (self.position.lot(line.of),) if lot]
            if self.movement.kind == "grant":
                lots = [lot for lot in lots if lot.stage == "reserved"]
            elif balance == "open" and self.movement.kind in ("ship", "reexport"):
                lots = [lot for lot in lots if lot.stage == "licensed"] or self._licensed(asked)
        elif balance == "open":
            lots = self._licensed(asked) if asked.authorization else self._at(asked, "reserved")
        else:
            lots = self._at(asked, "shipped")
        for lot in lots:
            if lot.day <= day and self._fits(lot, asked, balance):
                yield lot

    def _licensed(self, asked: Resolved) -> list[Lot]:
        assert asked.authorization
        return _pruned(self.position.lots_of(asked.authorization.authorization))

    def _at(self, asked: Resolved, stage: str) -> list[Lot]:
        line, profile = asked.line, asked.profile
        place = (line.from_recipient or profile.recipient.party, line.from_destination or line.destination)
        lots = _pruned(self.position.lots_at((*place, profile.base_chip)))
        return [lot for lot in lots if lot.stage == stage]

    def _fits(self, lot: Lot, asked: Resolved, balance: Balance) -> bool:
        """Whether a lot is of the kind a line asks for: same exporter and authorization where these are stated."""
        wanted: LotStage | None = "shipped" if balance != "open" else None
        if (lot.stage == "shipped") != (wanted == "shipped"):
            return False
        if lot.unit == "chips" and lot.profile.base_chip != asked.profile.base_chip:
            return False
        if self.movement.kind in ("transfer", "reexport") or lot.stage == "licensed":
            return True
        mine, theirs = asked.profile, lot.profile
        if mine.exporter and theirs.exporter and mine.exporter.party != theirs.exporter.party:
            return False
        return not asked.authorization or theirs.authorization == asked.authorization.authorization

    def _check_after(self, lot: Lot) -> None:
        after: dict[str, Decimal] = {"open": lot.open, "in_transit": lot.in_transit, "installed": lot.installed}
        changes: dict[date, Decimal] = {}
        for entry in self.plan.entries:
            if entry.lot == lot.ref:
                amount = Decimal(entry.chips or 0) if lot.unit == "chips" else entry.tpp
                for name, sign in _BALANCES.get(entry.stage, ()):
                    after[name] += sign * amount
                if entry.stage == "installed":
                    changes[entry.day] = changes.get(entry.day, ZERO) + amount
        if changes:
            history = sorted([*self.position.history(lot.ref), *changes.items()], key=lambda change: change[0])
            after["installed"] = min(after["installed"], _least(history, min(changes)))
        if any(left < 0 for left in after.values()):
            unit = "TPP" if lot.unit == "tpp" else "chips"
            self.plan.short.append(
                Short(
                    "negative_stock",
                    lot.ref[1],
                    f"left of lot {lot.ref[0]}.{lot.ref[1]}",
                    ZERO,
                    min(after.values()),
                    unit,
                )
            )


_BALANCES = {
    "reserved": (("open", 1),),
    "open": (("open", 1),),
    "shipped": (("in_transit", 1),),
    "received": (("in_transit", -1),),
    "installed": (("installed", 1),),
}
_ACTS: dict[str, Callable[[Planner, Resolved], None]] = {
    "reserve": Planner.reserve,
    "grant": Planner.grant,
    "release": Planner.release,
    "ship": Planner.ship,
    "receive": Planner.receive,
    "return": Planner.give_back,
    "retire": Planner.retire,
    "transfer": Planner.transfer,
    "reexport": Planner.reexport,
}


def _least(history: list[tuple[date, Decimal]], day: date) -> Decimal:
    """Return the least of a running total at the end of a day and after each later change."""
    total = sum((change for on, change in history if on <= day), ZERO)
    least = total
    later: dict[date, Decimal] = {}
    for on, change in history:
        if on > day:
            later[on] = later.get(on, ZERO) + change
    for on in sorted(later):
        total += later[on]
        least = min(least, total)
    return least


def _less(asked: Resolved, takes: list[_Take]) -> Resolved | None:
    """Return what a line still asks for after takes, None where nothing is left."""
    tpp = asked.tpp - sum((_asked_tpp(asked, take) for take in takes), ZERO)
    if tpp <= 0:
        return None
    chips = None if asked.chips is None else int(tpp / asked.profile.tpp_per_chip)
    return Resolved(asked.number, asked.line, asked.profile, asked.authorization, chips, tpp)


def _asked_tpp(asked: Resolved, take: _Take) -> Decimal:
    return take.tpp if take.chips is None else take.chips * asked.profile.tpp_per_chip


def _pruned(lots: list[Lot]) -> list[Lot]:
    """Drop emptied lots from the front of an index, so that a long-lived one stays short."""
    while lots and not (lots[0].open or lots[0].in_transit or lots[0].installed):
        lots.pop(0)
    return lots
