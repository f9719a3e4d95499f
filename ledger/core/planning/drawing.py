"""Drawing on lots: which ones match a line, how much of each is taken, and what is short."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger.core.facts import UNKNOWN
from ledger.core.lens import ZERO, Entry, Stage, made
from ledger.core.lots import Lot, LotRef, LotStage
from ledger.core.movements import OBSERVED_KINDS, Movement
from ledger.core.position import Position
from ledger.core.profile import Profile
from ledger.core.resolving import Resolved

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


class Take(NamedTuple):
    """So much of a lot: in chips, or in TPP where the lot is kept in TPP."""

    lot: Lot
    chips: int | None
    tpp: Decimal


class Drawing:
    """One movement's draws on lots, with the plan they fill. Draws of earlier lines are seen by later ones."""

    def __init__(self, movement: Movement, position: Position, seq: int) -> None:
        self.movement, self.position, self.seq = movement, position, seq
        self.plan = Plan()
        self._taken: dict[tuple[LotRef, Balance], Decimal] = {}

    def open_lot(self, asked: Resolved, stage: LotStage, last_day: date | None) -> Lot:
        """Open a lot for a line."""
        unit, amount = ("tpp", asked.tpp) if asked.chips is None else ("chips", Decimal(asked.chips))
        day = self.movement.effective_on
        lot = Lot((self.seq, asked.number), stage, asked.profile, day, last_day, unit, amount)  # type: ignore[arg-type]
        self.plan.opened.append(lot)
        return lot

    def enter(self, asked: Resolved, stage: Stage, lot: Lot) -> None:
        """Add what a line brings, at its own lot."""
        self.plan.entries.append(
            made(
                Entry,
                (asked.number, stage, "", lot.ref, lot.profile, lot.day, lot.day, lot.last_day, asked.chips, asked.tpp),
            )
        )

    def take(self, stage: Stage, take: Take, line: int, *, sign: int = -1, cause: str = "") -> None:
        """Add what a line does at a lot that it draws on."""
        chips = None if take.chips is None else sign * take.chips
        lot = take.lot
        self.plan.entries.append(
            made(
                Entry,
                (line, stage, cause, lot.ref, lot.profile, lot.day, self.movement.effective_on, lot.last_day, chips,
                 sign * take.tpp),
            )
        )  # fmt: skip

    def draw(self, asked: Resolved, balance: Balance, what: str, code: str, *, up_to: bool = False) -> list[Take]:
        """Take what a line asks from matching lots, oldest first; record what is short unless `up_to` is enough."""
        day = self.movement.effective_on
        takes: list[Take] = []
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
                take = Take(lot, None, drawn)
            elif lot.unit == "chips":
                chips = min(int(there), rest_chips)
                take = Take(lot, chips, chips * lot.profile.tpp_per_chip)
                rest_chips -= chips
                drawn = chips * asked.profile.tpp_per_chip
            else:
                chips = min(int(there // asked.profile.tpp_per_chip), rest_chips)
                drawn = chips * asked.profile.tpp_per_chip
                take = Take(lot, None, drawn)
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

    def _overdrawn(self, asked: Resolved, last: Lot | None, chips: int | None, tpp: Decimal) -> Take | None:
        """What an observation takes beyond what is there; None where there is no lot that it could stand on."""
        if last is None:
            own = self.movement.kind in OBSERVED_KINDS
            return Take(self.open_lot(asked, "shipped", None), chips, tpp) if own else None
        if last.unit == "tpp":
            return Take(last, None, tpp)
        return Take(last, chips, (chips or 0) * last.profile.tpp_per_chip)

    def _note(self, take: Take, balance: Balance) -> Take:
        amount = take.tpp if take.lot.unit == "tpp" else Decimal(take.chips or 0)
        key = take.lot.ref, balance
        self._taken[key] = self._taken.get(key, ZERO) + amount
        return take

    def _there(self, lot: Lot, balance: Balance, day: date) -> Decimal:
        """Return the least that a lot has left of a balance on any day from `day` on."""
        there: Decimal = getattr(lot, balance)
        if balance == "installed" and day < lot.changed_on:
            there = min(there, least(self.position.history(lot.ref), day))
        return there - self._taken.get((lot.ref, balance), ZERO)

    def _matching(self, asked: Resolved, balance: Balance) -> Iterator[Lot]:
        line, day = asked.line, self.movement.effective_on
        lots: Iterable[Lot]
        if line.of and not (balance == "open" and self.movement.kind == "reexport"):  # there it names what leaves
            lots = [lot for lot in (self.position.lot(line.of),) if lot]
        elif balance == "open":
            lots = self._licensed(asked) if asked.authorization else self._at(asked, "reserved")
        else:
            lots = self._at(asked, "shipped")
            if balance == "in_transit":  # what has arrived is fetched only where too little is on its way
                lots = itertools.chain(list(self.position.moving_at(asked.place)), lots)
        for lot in lots:
            if lot.day <= day and (line.of or not lot.is_empty) and self._fits(lot, asked, balance):
                yield lot

    def _licensed(self, asked: Resolved) -> list[Lot]:
        assert asked.authorization
        return _pruned(self.position.lots_of(asked.authorization.authorization))

    def _at(self, asked: Resolved, stage: str) -> Iterator[Lot]:
        for lot in _pruned(self.position.lots_at(asked.place)):
            if lot.stage == stage:
                yield lot

    def _fits(self, lot: Lot, asked: Resolved, balance: Balance) -> bool:
        """Whether a lot is what a line asks for: stage, place, exporter, authorization, where it states them."""
        kind, mine, theirs = self.movement.kind, asked.profile, lot.profile
        if lot.stage not in _DRAWN_ON.get(kind if balance == "open" else "", ("shipped",)):
            return False
        if lot.unit == "chips" and theirs.base_chip != mine.base_chip:
            return False
        if balance == "open" and kind != "release" and lot.last_day and self.movement.effective_on > lot.last_day:
            return False  # lapsed, whether or not its release was posted
        if balance != "open" and kind in ("transfer", "reexport"):
            return _is_left(asked, lot, same_country=kind == "transfer")
        if asked.authorization and theirs.authorization != asked.authorization.authorization:
            return lot.stage == "reserved" and not theirs.authorization and _is_there(mine, theirs)
        if lot.stage == "licensed" and kind != "release":
            return True
        if mine.exporter and theirs.exporter and mine.exporter.party != theirs.exporter.party:
            return False
        return _is_there(mine, theirs)


_DRAWN_ON: Mapping[str, tuple[LotStage, ...]] = {
    "grant": ("reserved",),
    "release": ("reserved", "licensed"),
    "ship": ("licensed",),
    "reexport": ("licensed",),
}


def _is_there(mine: Profile, theirs: Profile) -> bool:
    """Whether a lot is for the recipient and destination that a line names; a line need not name them."""
    same_recipient = mine.recipient.party in (UNKNOWN, theirs.recipient.party)
    return same_recipient and mine.destination in ("", theirs.destination)


def _is_left(asked: Resolved, lot: Lot, *, same_country: bool) -> bool:
    """Whether a lot is where a transfer or reexport says that chips leave from."""
    line, there = asked.line, lot.profile
    return (
        line.from_recipient in ("", there.recipient.party)
        and line.from_destination in ("", there.destination)
        and (there.destination == line.destination) == same_country
    )


def least(history: list[tuple[date, Decimal]], day: date) -> Decimal:
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


def less(asked: Resolved, takes: list[Take]) -> Resolved | None:
    """Return what a line still asks for after takes, None where nothing is left."""
    tpp = asked.tpp - sum((_asked_tpp(asked, take) for take in takes), ZERO)
    if tpp <= 0:
        return None
    chips = None if asked.chips is None else int(tpp / asked.profile.tpp_per_chip)
    return Resolved(asked.number, asked.line, asked.profile, asked.authorization, chips, tpp)


def _asked_tpp(asked: Resolved, take: Take) -> Decimal:
    return take.tpp if take.chips is None else take.chips * asked.profile.tpp_per_chip


def _pruned(lots: list[Lot]) -> list[Lot]:
    """Drop emptied lots from the front of an index, so that a long-lived one stays short."""
    while lots and lots[0].is_empty:
        lots.pop(0)
    return lots
