"""What the demo shows, as values: countries under two rulebooks, their licenses, and what is only listed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain

UNLIMITED = "unlimited"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the rules say of one more license for a chip: `permit`, or why not, and which rules say it.

    asked: how to call it among the country's others: the chip where its license names one, else the recipient's name.
    """

    asked: str
    chip: str
    recipient: str
    answer: str
    rules: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A cap that one more license would touch beside the binding one, and its legal standing.

    Amounts are in `unit`; None where undetermined.
    """

    cap: str
    subject: str
    law: str
    status: str
    when_exceeded: str
    window: str
    unit: str
    used: Decimal
    limit: Decimal | None
    left: Decimal | None
    state: str
    confidence: str


@dataclass(frozen=True, slots=True)
class UnderBook:
    """One country under one rulebook.

    licensed_tpp is what the binding cap counts, all of it where none binds, None where nothing of known size is
    licensed; uncounted_tpp is licensed and not counted. limit, left: in `unit`; None where undetermined or where no
    cap binds. rules: how the rules answer one more license for each recipient there.
    """

    rulebook: str
    is_adopted: bool
    tier: str
    licensed_tpp: Decimal | None
    uncounted_tpp: Decimal
    shipped_tpp: Decimal
    binding_cap: str
    law: str
    window: str
    unit: str
    used: Decimal
    limit: Decimal | None
    left: Decimal | None
    state: str
    rules: tuple[Answer, ...]
    beside: tuple[Beside, ...]

    @property
    def is_bound(self) -> bool:
        """Whether a cap that refuses is kept for the country."""
        return self.binding_cap != UNLIMITED


@dataclass(frozen=True, slots=True)
class License:
    """One license: what it is for is its cap, what is open is left; None where its size is undetermined.

    doubt: what of it is not confirmed, in words. sources: numbers in the overview's list.
    """

    authorization: str
    country: str
    recipient: str
    name: str
    stated_date: str
    stated: str
    status: str
    licensed_tpp: Decimal | None
    shipped_tpp: Decimal
    limit_tpp: Decimal | None
    left_tpp: Decimal | None
    binding_cap: str
    state: str
    confidence: str
    doubt: str
    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Country:
    """One country: under each rulebook, then license by license. Those of undetermined size are counted nowhere."""

    country: str
    name: str
    confidence: str
    rulebooks: tuple[UnderBook, ...]
    licenses: tuple[License, ...]
    undetermined: tuple[License, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A deal that is shown and never counted. part_of: the deal that it is a part of, "" where it is of none."""

    deal: str
    date: str
    country: str
    recipient: str
    stated: str
    hardware: str
    status: str
    part_of: str
    confidence: str
    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dispute:
    """A discrepancy that is not resolved."""

    id: int
    kind: str
    subject: str
    cap: str
    window: str
    day: date
    note: str


@dataclass(frozen=True, slots=True)
class Book:
    """A rulebook that the countries are held against."""

    rulebook: str
    revision: int
    title: str
    is_adopted: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures come from, as written in the record."""

    number: int
    source: str


@dataclass(slots=True)
class Sources:
    """Sources, numbered in the order in which they are first named."""

    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, stated: str) -> tuple[int, ...]:
        """Return the numbers of the sources that a text names, separated by semicolons."""
        parts = [part.strip() for part in stated.split("; ") if part.strip()]
        return tuple(self.numbers.setdefault(part, len(self.numbers) + 1) for part in parts)


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it, on a day and as of a journal number."""

    on: date
    journal: int
    rulebooks: tuple[Book, ...]
    countries: tuple[Country, ...]
    listed: tuple[Listed, ...]
    discrepancies: tuple[Dispute, ...]
    sources: tuple[Source, ...]


def body(value: Any) -> Any:
    """Return a value as JSON: amounts as exact text, days as ISO 8601."""
    if is_dataclass(value):
        return {each.name: body(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, date):
        return value.isoformat()
    return [body(each) for each in value] if isinstance(value, tuple) else value
