"""From a movement to the entries it makes: which lots it opens, which it draws on, and what it finds short.

Each reserve, grant and ship line opens a lot. Grants, ships and releases draw on reserve or grant lots; receipts,
returns, retirements, transfers and reexports on ship lots (the last two open a new one). `of` names the lot; else the
oldest matching one comes first, split per lot. What is short refuses a request; an observation is kept and overdraws
the last matching lot, or opens one of its own, so that what happened is never hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from ledger.core.lens import ZERO, Entry, Stage
from ledger.core.lots import Lot, LotRef
from ledger.core.planning.drawing import Drawing, Plan, Short, least, less
from ledger.core.resolving import Resolved

__all__ = ["Plan", "Planner", "Short"]

RETURNED: tuple[Stage, ...] = ("shipped", "received", "installed")


class Planner(Drawing):
    """Plans one movement that would become record `seq`."""

    def run(self, lines: list[Resolved]) -> Plan:
        """Return the plan of a movement with lines."""
        act = _ACTS[self.movement.kind]
        for resolved in lines:
            act(self, resolved)
        return self.plan

    # What each kind of movement does. Source: the table of movements in docs/ledger.md.

    def reserve(self, asked: Resolved) -> None:
        """Reserved rises; it counts against caps until its last day."""
        self.enter(asked, "reserved", self.open_lot(asked, "reserved", asked.line.last_day))

    def grant(self, asked: Resolved) -> None:
        """Licensed and open rise; a reservation that is named is used up first."""
        last_day = asked.authorization.last_day if asked.authorization else None
        lot = self.open_lot(asked, "licensed", min((d for d in (last_day, asked.line.last_day) if d), default=None))
        self.enter(asked, "licensed", lot)
        self.enter(asked, "open", lot)
        if asked.line.of:
            for take in self.draw(asked, "open", "a reservation", "negative_stock", up_to=True):
                self.take("reserved", take, asked.number, cause="used")

    def release(self, asked: Resolved) -> None:
        """The unshipped rest of a license, or a reservation, is given up."""
        for take in self.draw(asked, "open", "open to release", "negative_stock"):
            if take.lot.stage == "reserved":
                self.take("reserved", take, asked.number, cause="released")
            else:
                self.take("licensed", take, asked.number, cause="unshipped")
                self.take("open", take, asked.number, cause="unshipped")

    def ship(self, asked: Resolved) -> None:
        """Shipped rises; a license's open falls by as much."""
        self.enter(asked, "shipped", self.open_lot(asked, "shipped", None))
        self._draw_license(asked)

    def receive(self, asked: Resolved) -> None:
        """Received and installed rise on what was shipped."""
        for take in self.draw(asked, "in_transit", "in transit", "negative_stock"):
            self.take("received", take, asked.number, sign=1)
            self.take("installed", take, asked.number, sign=1)

    def give_back(self, asked: Resolved) -> None:
        """Shipped falls: chips are back with the exporter. What had arrived leaves received and installed too."""
        in_transit = self.draw(asked, "in_transit", "in transit or installed", "negative_stock", up_to=True)
        for take in in_transit:
            self.take("shipped", take, asked.number, cause="return")
        rest = less(asked, in_transit)
        if rest:
            for take in self.draw(rest, "installed", "in transit or installed", "negative_stock"):
                for stage in RETURNED:
                    self.take(stage, take, asked.number, cause="return")

    def retire(self, asked: Resolved) -> None:
        """Installed falls, by loss, theft, damage, failure or destruction."""
        for take in self.draw(asked, "installed", "installed", "negative_stock"):
            self.take("installed", take, asked.number, cause=asked.line.cause)

    def transfer(self, asked: Resolved) -> None:
        """Installed falls here and rises there, in the same country."""
        self._leave(asked)
        self.enter(asked, "installed", self.open_lot(asked, "shipped", None))

    def reexport(self, asked: Resolved) -> None:
        """Installed falls in one country, shipped rises in another."""
        self._leave(asked)
        self.enter(asked, "shipped", self.open_lot(asked, "shipped", None))
        self._draw_license(asked)

    def reverse(self, entries: list[Entry]) -> Plan:
        """Plan the exact negative of an earlier movement, each entry on its own day; nothing may be built on it."""
        changed: dict[LotRef, Lot] = {}
        for entry in entries:
            lot = self.position.lot(entry.lot)
            if lot is None:
                raise AssertionError(f"entry at a lot that nobody opened: {entry.lot}")
            changed[lot.ref] = lot
            last_day = lot.last_day if entry.stage in ("open", "reserved", "authorized") else entry.last_day
            chips = None if entry.chips is None else -entry.chips
            self.plan.entries.append(
                Entry(entry.line, entry.stage, entry.cause, entry.lot, entry.profile, entry.lot_day, entry.day,
                      last_day, chips, -entry.tpp)
            )  # fmt: skip
        for lot in changed.values():
            self._check_after(lot)
        return self.plan

    def _leave(self, asked: Resolved) -> None:
        for take in self.draw(asked, "installed", "installed", "negative_stock"):
            same_owner = take.lot.profile.owner.party == asked.profile.owner.party
            self.take("installed", take, asked.number, cause="relocation" if same_owner else "resale")

    def _draw_license(self, asked: Resolved) -> None:
        if asked.authorization and asked.authorization.kind == "license":
            what = f"open on {asked.authorization.authorization}"
            for take in self.draw(asked, "open", what, "exceeds_authorization"):
                self.take("open", take, asked.number)

    def _check_after(self, lot: Lot) -> None:
        """Note a balance that the reverse lowers below zero; one that it raises may have been below before."""
        before: dict[str, Decimal] = {"open": lot.open, "in_transit": lot.in_transit, "installed": lot.installed}
        after = dict(before)
        changes: dict[date, Decimal] = {}
        for entry in self.plan.entries:
            if entry.lot == lot.ref:
                amount = Decimal(entry.chips or 0) if lot.unit == "chips" else entry.tpp
                for name, sign in _BALANCES.get(entry.stage, ()):
                    after[name] += sign * amount
                if entry.stage == "installed":
                    changes[entry.day] = changes.get(entry.day, ZERO) + amount
        lowered = [name for name, left in after.items() if left < before[name]]
        if "installed" in lowered:
            history = sorted([*self.position.history(lot.ref), *changes.items()], key=lambda change: change[0])
            after["installed"] = min(after["installed"], least(history, min(changes)))
        short = min((after[name] for name in lowered), default=ZERO)
        if short < 0:
            unit = "TPP" if lot.unit == "tpp" else "chips"
            self.plan.short.append(
                Short(
                    "negative_stock",
                    lot.ref[1],
                    f"left of lot {lot.ref[0]}.{lot.ref[1]}",
                    ZERO,
                    short,
                    unit,
                )
            )


_BALANCES = {
    "reserved": (("open", 1),),
    "open": (("open", 1),),
    "authorized": (("open", 1),),
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
