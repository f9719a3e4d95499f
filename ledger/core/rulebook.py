"""Rulebook values: lists, tiers, rules, caps, windows and limits, as a dated policy document states them.

A value here is what a document says once its readings are chosen and its references are resolved. Reading YAML is
`ledger.rulebooks`; asking what a movement touches is `ledger.core.lens`. `from` is included, `until` is excluded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal

Answer = Literal["permit", "presume_deny", "deny"]
Counts = Literal["granted", "shipped", "held", "authorizations"]
Unit = Literal["TPP", "chips", "models"]


@dataclass(frozen=True, slots=True)
class Span:
    """Days from `first` (included, None = since ever) until `until` (excluded, None = open)."""

    first: date | None = None
    until: date | None = None

    def covers(self, day: date) -> bool:
        """Return whether the day lies in the span."""
        return (self.first is None or day >= self.first) and (self.until is None or day < self.until)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a list for a span of days: a code, or the name of another list. `law` only where it has its own."""

    name: str
    span: Span = Span()
    law: str = ""


@dataclass(frozen=True, slots=True)
class NamedList:
    """A named, dated list: what `members` name, without what `but_not` names. `everyone_else` only in tiers."""

    name: str
    members: tuple[Member, ...] = ()
    but_not: tuple[str, ...] = ()
    everyone_else: bool = False
    law: str = ""
    confidence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text with two meanings: every option in words, and the one this book chooses.

    used_by: the rules and caps that turn on it; where there are none, choosing otherwise changes no answer.
    """

    name: str
    law: str
    options: Mapping[str, str]
    chosen: str
    used_by: tuple[str, ...] = ()
    confidence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """A control class: by parameters (`meets`), or by naming chips (which then overrides the parameters)."""

    name: str
    meets: str = ""
    covers: tuple[str, ...] = ()
    chips: tuple[str, ...] = ()
    law: str = ""
    confidence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Test:
    """One condition on one dimension of a movement.

    op: `in` / `not_in` (its negation) over `values` (a list's name given as `@name`, or literals), or one of
    `< <= > >= ==` against `values[0]` (a Decimal or a date). An unknown dimension makes the test unknown.
    """

    dimension: str
    op: str
    values: tuple[str | Decimal | date, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of the conditions holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds; the empty one always does."""

    of: tuple[Condition, ...] = ()


Condition = Test | Any | All


@dataclass(frozen=True, slots=True)
class RequiredParty:
    """A further party that a rule asks for: the movement must name one in this role with such a seat."""

    role: str
    headquarters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Which door is open. The first rule that matches answers; no match is undetermined."""

    name: str
    law: str
    where: Condition
    answer: Answer
    span: Span = Span()
    evidence: tuple[str, ...] = ()
    party: RequiredParty | None = None
    needs: str = ""
    review: str = ""
    confidence: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """The days a counter covers.

    kind: `span` (fixed first and until), `calendar_year`, `calendar_quarter`, or `always`. A day before `span.first`
    has no window. On a day from `span.until` on, `after` says what holds: `undetermined`, or nothing (no cap).
    """

    kind: Literal["span", "calendar_year", "calendar_quarter", "rolling", "always"] = "always"
    span: Span = Span()
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
    """A limit that is a fraction of another counter, for the part of the subject that both share.

    of: the base, by a cap's name or as a counter of its own. tested_on: the days of the year (`02-01`) on which it is
    tested; empty = every day. when_base_shrinks: what an excess does that came about without a movement of its own.
    """

    fraction: Decimal
    of: str | Cap
    asked_chips_enlarge_base: bool = False
    tested_on: tuple[str, ...] = ()
    when_base_shrinks: Literal["", "refuse", "flag"] = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much: `steps` by day, each from its day until the next; a None amount is undetermined.

    `unlimited` is a counter that is only watched. `words` is the limit as the document states it, for people;
    `why` says what is missing where it is undetermined. A limit that is a `share` has no steps.
    """

    unit: Unit = "TPP"
    steps: tuple[tuple[date | None, Decimal | None], ...] = ()
    unlimited: bool = False
    words: str = ""
    why: str = ""
    share: Share | None = None

    def on(self, day: date) -> Decimal | None:
        """Return the limit on a day, None where it is undetermined. Not to be asked of an unlimited one."""
        amount: Decimal | None = None
        for first, step in self.steps:
            if first is None or first <= day:
                amount = step
        return amount


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit per subject and window: what counts, what gives back, what an excess does; base: stock declared."""

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
    status: str = ""
    confidence: str = ""
    note: str = ""


@dataclass(frozen=True)
class Rulebook:
    """A dated policy document, validated.

    sha256 is of the document's bytes, text the document itself, like the documents it takes lists from, by name.
    places says what a place counts as; territories says the same as written, with the sources.
    """

    name: str
    revision: int
    title: str
    source: str
    status: Mapping[str, str]
    countries: frozenset[str]
    places: Mapping[str, str]
    lists: Mapping[str, NamedList]
    tiers: Mapping[str, NamedList]
    readings: Mapping[str, Reading]
    controls: Mapping[str, Control]
    rules: tuple[Rule, ...]
    caps: tuple[Cap, ...]
    duties: tuple[Mapping[str, object], ...] = ()
    amendments: tuple[Mapping[str, object], ...] = ()
    territories: Mapping[str, NamedList] = field(default_factory=dict)
    sha256: str = ""
    text: str = field(default="", repr=False)
    like: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def boundaries(self) -> tuple[date, ...]:
        """Every day on which a list, a tier or a rule changes, rising. Between two of them nothing does."""
        spans = [member.span for named in (*self.lists.values(), *self.tiers.values()) for member in named.members]
        spans += [rule.span for rule in self.rules]
        return tuple(sorted({day for span in spans for day in (span.first, span.until) if day}))

    def place(self, code: str) -> str:
        """Return the country that a place counts as: Hong Kong as China, Puerto Rico as the United States."""
        return self.places.get(code, code)

    def members(self, name: str, day: date) -> frozenset[str]:
        """Return the codes on a list on a day, references followed."""
        return self.resolve(self.lists[name], day)

    def tier(self, country: str, day: date) -> str | None:
        """Return the tier of a country on a day; None (undetermined) for a code the book's countries do not hold."""
        code = self.place(country)
        if code not in self.countries:
            return None
        rest = None
        for name, named in self.tiers.items():
            if named.everyone_else:
                rest = name
            elif code in self.resolve(named, day):
                return name
        return rest

    def control(self, chip: str, meets: str) -> str | None:
        """Return the control class of a base chip: a class that names it, else the one its parameters meet."""
        by_parameters = None
        for name, control in self.controls.items():
            if chip in control.chips:
                return name
            if control.meets and control.meets == meets:
                by_parameters = name
        return by_parameters

    def resolve(self, named: NamedList, day: date) -> frozenset[str]:
        """Return the codes that a list or tier holds on a day."""
        codes: set[str] = set()
        for member in named.members:
            if member.span.covers(day):
                codes |= self.members(member.name, day) if member.name in self.lists else {member.name}
        for name in named.but_not:
            codes -= self.members(name, day) if name in self.lists else {name}
        return frozenset(codes)
