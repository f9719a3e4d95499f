"""Duties: who must do what, by when, at which number. A duty obliges and never refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from ledger.core.rulebook.caps import Unit
from ledger.core.rulebook.rules import All, Condition

EVERY_MOVEMENT = All()
PARTIES = ("exporter", "recipient", "owner", "operator", "booked_to")  # of every movement
Per = Literal["", "facility", "recipient", "owner", "exporter", "destination"]


@dataclass(frozen=True, slots=True)
class Due:
    """By when, counted from the day on which the duty comes about.

    kind: `before` and `after` are so many `days` from it; `first` is before the first shipment that its counter counts
    for the party; `receipt` is the day on which the chips arrive. `day` is the day itself, of duties that come by the
    calendar; of others it names no day at all.
    """

    kind: Literal["day", "before", "after", "first", "receipt"] = "day"
    days: int = 0

    @property
    def looks_ahead(self) -> bool:
        """Whether it falls due before what brings it about happens."""
        return self.kind in ("before", "first")


@dataclass(frozen=True, slots=True)
class Reaches:
    """A counter stands at an amount, or at a share of its limit. Both are None where the amount is undetermined."""

    counter: str
    unit: Unit = "TPP"
    amount: Decimal | None = None
    share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OneShipment:
    """One movement ships so much, its lines that match taken together. amount: None where it is undetermined."""

    unit: Unit
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Each:
    """Each movement of a kind; of a retirement, with one of some causes where they are named."""

    kind: str
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class First:
    """The first movement of a kind per facility, party or destination."""

    kind: str
    per: Per = ""


@dataclass(frozen=True, slots=True)
class Dates:
    """Days of every year, `MM-DD`: owed by whoever holds a validated end-user status on such a day."""

    days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again from the first shipment on, so long as anything stands there or moves."""

    count: int
    unit: Literal["days", "months"]
    per: Per = ""

    def after(self, first: date, times: int) -> date:
        """Return the day that comes so many times the span after a first one; of a short month its last day."""
        if self.unit == "days":
            return shifted(first, self.count * times)
        months = first.year * 12 + first.month - 1 + self.count * times
        if months // 12 >= date.max.year:
            return date.max
        start = date(months // 12, months % 12 + 1, 1)
        length = ((start + timedelta(days=31)).replace(day=1) - start).days
        return start.replace(day=min(first.day, length))


Trigger = Reaches | OneShipment | Each | First | Dates | Every


@dataclass(frozen=True, slots=True)
class Duty:
    """One duty. who: a party of the movement (PARTIES), `lab`, or a role that the lab named on it must have.

    written: the duty as the document states it, for people.
    """

    name: str
    law: str
    who: str
    do: str
    when: Trigger
    due: Due = Due()
    where: Condition = EVERY_MOVEMENT
    confidence: str = ""
    note: str = ""
    written: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)


def shifted(day: date, days: int) -> date:
    """Return the day so many days later, or earlier where they are negative; the calendar's ends hold."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return date.max if days > 0 else date.min
