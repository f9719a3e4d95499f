"""Caps: windows, limits, and what is changed of a limit for some destinations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from ledger.core.compute import grouped, plain
from ledger.core.rulebook import pauses as periods
from ledger.core.rulebook.lists import ALWAYS, Member, Span
from ledger.core.rulebook.pauses import Pause
from ledger.core.rulebook.rules import Condition

Counts = Literal["granted", "shipped", "held", "authorizations"]
Unit = Literal["TPP", "chips", "models"]


@dataclass(frozen=True, slots=True)
class Window:
    """The days a counter covers.

    kind: `span` (fixed first and until), `calendar_year`, `calendar_quarter`, or `always`. A day before `span.first`
    has no window. On a day from `span.until` on, `after` says what holds: `undetermined`, or nothing (no cap).
    """

    kind: Literal["span", "calendar_year", "calendar_quarter", "rolling", "always"] = "always"
    span: Span = ALWAYS
    days: int | None = None
    after: Literal["undetermined", "nothing"] = "nothing"

    def on(self, day: date) -> Span | None:
        """Return the window that a day falls in, or None where it falls in none."""
        if not self.span.covers(day):
            return None
        if self.kind == "calendar_year":
            return Span(date(day.year, 1, 1), date(day.year + 1, 1, 1))
        if self.kind == "calendar_quarter":
            first = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
            return Span(first, (first + timedelta(days=95)).replace(day=1))
        return self.span


@dataclass(frozen=True, slots=True)
class Share:
    """A limit that is a fraction of what another counter has used, for the part of the subject that both share.

    of: the base, by its cap's name. tested_on: the days of the year (`02-01`) on which it is tested; empty = every day.
    when_base_shrinks: `refuse` also refuses the request that shrinks the base under it; a discrepancy opens either way.
    """

    fraction: Decimal
    of: str
    asked_chips_enlarge_base: bool = False
    tested_on: tuple[str, ...] = ()
    when_base_shrinks: Literal["", "refuse", "flag"] = ""


@dataclass(frozen=True, slots=True)
class LimitShare:
    """A fraction of another cap's limit (not of what is used of it), by that cap's name."""

    fraction: Decimal
    of: str


@dataclass(frozen=True, slots=True)
class Limit:
    """How much: `steps` by day, each from its day until the next; a None amount is undetermined.

    `unlimited` is a counter that is only watched. `words` is the limit as the document states it, for people;
    `why` says what is missing where it is undetermined. A limit that is a `share` has no steps but those that its base
    gives it (`ledger.core.tested`); one that is a fraction of another limit (`of_limit`) has those that it comes to.
    """

    unit: Unit = "TPP"
    steps: tuple[tuple[date | None, Decimal | None], ...] = ()
    unlimited: bool = False
    words: str = ""
    why: str = ""
    share: Share | None = None
    of_limit: LimitShare | None = None

    def on(self, day: date) -> Decimal | None:
        """Return the limit on a day, None where it is undetermined. Not to be asked of an unlimited one."""
        amount: Decimal | None = None
        for first, step in self.steps:
            if first is None or first <= day:
                amount = step
        return amount


@dataclass(frozen=True, slots=True)
class Amendment:
    """Another limit of a cap, for some destinations or for all, on the days of a span; `unlimited` is an exemption.

    of: lists (`@name`) and codes as written; () = every destination. destinations: the codes they come to, each on the
    days on which it is meant. follows: it is that of the cap whose limit this cap's is a fraction of.
    """

    law: str
    limit: Limit
    of: tuple[str, ...] = ()
    destinations: tuple[Member, ...] = ()
    span: Span = ALWAYS
    confidence: str = ""
    note: str = ""
    follows: bool = False

    def meets(self, destination: str, day: date) -> bool:
        """Return whether it is meant for a destination (after places) on a day."""
        return self.span.covers(day) and (not self.of or _meant(self.destinations, destination, day))


@dataclass(frozen=True, slots=True)
class Bound:
    """How far amendments of a cap may go for some destinations: `at_most` times its own limit. Fields: Amendment."""

    law: str
    at_most: Decimal
    of: tuple[str, ...] = ()
    destinations: tuple[Member, ...] = ()
    span: Span = ALWAYS

    def meets(self, destination: str, day: date) -> bool:
        """Return whether it binds what is amended for a destination (after places) on a day."""
        return self.span.covers(day) and (not self.of or _meant(self.destinations, destination, day))


def _meant(members: tuple[Member, ...], destination: str, day: date) -> bool:
    return any(member.name == destination and member.span.covers(day) for member in members)


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit per subject and window: what counts, what gives back, what an excess does; base: stock declared.

    amended: in order, the first that meets a destination on a day gives its limit; else `limit` is. tolerance: what
    still passes above the limit, as a fraction of it. pauses: periods in which it admits nothing. counts_only: what
    meets it counts, and is not held against the limit.
    """

    name: str
    law: str
    counts: Counts
    where: Condition
    limit: Limit
    by: tuple[str, ...] = ()
    gives_back: frozenset[str] = frozenset()
    window: Window = Window()
    critical_at: Decimal = Decimal("0.9")
    when_exceeded: Literal["refuse", "flag"] = "refuse"
    base: tuple[tuple[str, str], ...] = ()
    counts_only: Condition | None = None
    status: str = ""
    confidence: str = ""
    note: str = ""
    amended: tuple[Amendment, ...] = ()
    bounds: tuple[Bound, ...] = ()
    tolerance: Decimal = Decimal(0)
    pauses: tuple[Pause, ...] = ()

    @property
    def limit_words(self) -> str:
        """The limit as the document states it, with its tolerance."""
        return (
            f"{self.limit.words}, with {plain(self.tolerance * 100)}% tolerance" if self.tolerance else self.limit.words
        )

    def enforced(self, amount: Decimal) -> Decimal:
        """Return up to how much still passes where an amount is the limit: with the tolerance, in whole chips."""
        if not self.tolerance:
            return amount
        amount *= 1 + self.tolerance
        return amount if self.limit.unit == "TPP" else Decimal(int(amount))

    def pause_on(self, day: date) -> Pause | None:
        """Return the period that a day falls in; of a cap that is kept for one destination (`kept_for`)."""
        return periods.on(self.pauses, day)

    def watched(self) -> Cap:
        """Return the cap as it is for what counts in it and is not held against its limit."""
        return replace(self, limit=replace(self.limit, unlimited=True))

    @property
    def is_grouped(self) -> bool:
        """Whether its subject is an owner's group, as owned on the day asked; its counters are kept per owner."""
        return "owner_group" in self.by

    @property
    def kept_by(self) -> tuple[str, ...]:
        """Return the dimensions that its counters are kept by."""
        return tuple(["owner" if name == "owner_group" else name for name in self.by])

    def limit_for(self, destination: str, day: date) -> Limit:
        """Return the limit of a destination (after places) on a day: of the first amendment that meets it, or its own.

        That of an exemption is unlimited.
        """
        return next((each.limit for each in self.amended if each.meets(destination, day)), self.limit)

    def exempts(self, destination: str, day: date) -> bool:
        """Return whether what is dated on a day does not count for a destination (after places)."""
        return any(each.limit.unlimited and each.meets(destination, day) for each in self.amended)

    def kept_for(self, destination: str) -> Cap:
        """Return the cap as it is kept for one destination (after places): its limit's steps with the amended ones.

        Exemptions are not among them: they are read on the day of what would count (`exempts`).
        """
        pauses = periods.narrowed(self.pauses, destination)
        kept = self if pauses == self.pauses else replace(self, pauses=pauses)
        raising = [each for each in self.amended if not each.limit.unlimited]
        days = {day for each in raising for day in _edges(each)} | {day for day, _ in self.limit.steps if day}
        used: list[Limit] = []
        steps: list[tuple[date | None, Decimal | None]] = []
        for first in (None, *sorted(days)):
            day = first or date.min
            limit = next((each.limit for each in raising if each.meets(destination, day)), self.limit)
            used += [limit] if limit not in used else []
            if not steps or limit.on(day) != steps[-1][1]:
                steps.append((first, limit.on(day)))
        if used == [self.limit]:
            return kept
        words = used[0].words if len(used) == 1 else "; ".join(_step(*step, self.limit.unit) for step in steps)
        why = next((limit.why for limit in used if limit.why), "")
        limit = replace(self.limit, steps=tuple(steps), words=words, why=why)
        return replace(kept, limit=limit, amended=tuple(each for each in self.amended if each.limit.unlimited))

    def of_subject(self, subject: str) -> Cap:
        """Return the cap as it is kept for a counter's subject: `kept_for` its destination, where it has one."""
        if not self.amended and not self.pauses:
            return self
        return self.kept_for(dimensions_of(subject).get("destination", ""))


def dimensions_of(subject: str) -> dict[str, str]:
    """Return what a counter is kept for, by dimension; nothing for the whole world."""
    return dict(part.split("=", 1) for part in subject.split(",") if "=" in part)


def _step(first: date | None, amount: Decimal | None, unit: Unit) -> str:
    words = "undetermined" if amount is None else f"{grouped(amount)} {unit}"
    return f"{words} from {first}" if first else words


def _edges(amendment: Amendment) -> set[date]:
    """Return the days on which an amendment begins or ends for somebody, or changes its amount."""
    spans = [amendment.span, *(member.span for member in amendment.destinations)]
    return {day for span in spans for day in (span.first, span.until) if day} | {
        day for day, _ in amendment.limit.steps if day
    }
