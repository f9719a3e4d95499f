"""The whole rulebook: its parts, and what they say of a country or a chip on a day."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Literal

from ledger.core.rulebook.caps import Cap
from ledger.core.rulebook.duties import Duty
from ledger.core.rulebook.lists import NamedList
from ledger.core.rulebook.rules import Control, Reading, Rule


@dataclass(frozen=True, slots=True)
class Parameter:
    """A figure or a list that the person asking sets. value: None is undetermined; between: both ends included.

    is_set: it was asked for; where not, the value is the document's default.
    """

    name: str
    unit: Literal["TPP", "chips", "models", "countries"]
    law: str
    value: Decimal | tuple[str, ...] | None = None
    between: tuple[Decimal, Decimal] | None = None
    is_set: bool = False
    confidence: str = ""
    note: str = ""


@dataclass(frozen=True)
class Rulebook:
    """A dated policy document, validated.

    sha256 is of the document's bytes, text the document itself, like the documents it takes lists from, by name. Where
    parameters are set, the name says how (`book?limit=5`), and the hash is of the settings too.
    left_out: the rules that the chosen readings drop, each with the number of rules that are asked before it.
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
    duties: tuple[Duty, ...] = ()
    amendments: tuple[Mapping[str, object], ...] = ()
    territories: Mapping[str, NamedList] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    changes: tuple[Mapping[str, object], ...] = ()
    left_out: tuple[tuple[int, Rule], ...] = ()
    sha256: str = ""
    text: str = field(default="", repr=False)
    like: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def boundaries(self) -> tuple[date, ...]:
        """Every day on which a list, a tier, a rule or an exemption changes, rising. Between two nothing does."""
        spans = [member.span for named in (*self.lists.values(), *self.tiers.values()) for member in named.members]
        spans += [rule.span for rule in self.rules]
        spans += [each.span for cap in self.caps for each in cap.amended if each.limit.unlimited]
        return tuple(sorted({day for span in spans for day in (span.first, span.until) if day}))

    @cached_property
    def turning(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """The readings, each with the option chosen, that a rule or cap turns on; by its name, where there are any."""
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        for reading in self.readings.values():
            for user in reading.used_by:
                found[user] = (*found.get(user, ()), (reading.name, reading.chosen))
        return found

    def place(self, code: str) -> str:
        """Return the country that a place counts as: Hong Kong as China, Puerto Rico as the United States."""
        return self.places.get(code, code)

    def knows(self, code: str) -> bool:
        """Return whether a code is among the book's countries, or a place that counts as one of them."""
        return self.place(code) in self.countries

    def members(self, name: str, day: date) -> frozenset[str]:
        """Return the codes on a list on a day, references followed."""
        key = name, bisect_right(self.boundaries, day)
        if key not in self._members:
            self._members[key] = self.resolve(self.lists[name], day)
        return self._members[key]

    @cached_property
    def _members(self) -> dict[tuple[str, int], frozenset[str]]:
        """What was resolved already: a list is the same between two boundaries."""
        return {}

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
