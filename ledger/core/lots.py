"""Lots: chips that moved together, with what is left of them to draw on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from ledger.core.lens import ZERO, Entry
from ledger.core.profile import Profile

LotRef = tuple[int, int]  # the record and line that opened it
Place = tuple[str, str, str]  # recipient, destination, base chip
LotStage = Literal["reserved", "licensed", "shipped", "authorized"]


@dataclass(slots=True)
class Lot:
    """Chips that were reserved, granted or shipped together, or models authorized together, with what is left of them.

    Balances are in `unit`: chips, or TPP where granted or shipped in equivalents. `open` is what may still be drawn
    from a reservation or grant; in_transit and installed are of a shipment. changed_on: last day of any entry.
    """

    ref: LotRef
    stage: LotStage
    profile: Profile
    day: date
    last_day: date | None
    unit: Literal["chips", "tpp"]
    amount: Decimal = ZERO
    open: Decimal = ZERO
    in_transit: Decimal = ZERO
    installed: Decimal = ZERO
    changed_on: date = date.min

    @property
    def emptied(self) -> bool:
        """Whether nothing is left to draw on."""
        return not (self.open or self.in_transit or self.installed)

    @property
    def place(self) -> Place:
        """Where its chips are, or are to go."""
        return self.profile.recipient.party, self.profile.destination, self.profile.base_chip

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of it, and nothing overdrawn: then only its number finds it."""
        return not (self.open or self.in_transit or self.installed)

    def apply(self, entry: Entry) -> None:
        """Take in one entry at this lot."""
        amount = Decimal(entry.chips or 0) if self.unit == "chips" else entry.tpp
        match entry.stage:
            case "reserved" | "open" | "authorized":
                self.open += amount
                self.last_day = entry.last_day
            case "shipped":
                self.in_transit += amount
            case "received":
                self.in_transit -= amount
            case "installed":
                self.installed += amount
        self.changed_on = max(self.changed_on, entry.day)
