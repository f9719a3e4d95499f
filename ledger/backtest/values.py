"""What a back-test says, as values: each rulebook's counters, and what it would have answered otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.reports import CapStanding

TIER_STAGES = ("licensed", "open", "shipped", "installed")


@dataclass(frozen=True, slots=True)
class Stood:
    """One counter, and the first day on which it stood over its limit; None where it never did by the day asked.

    has_ended: its window was over by then, or nothing counts in it any more: the figures are those of its last day.
    """

    standing: CapStanding
    first_over: date | None
    has_ended: bool = False

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        first = self.first_over.isoformat() if self.first_over else None
        return {**self.standing.body(), "first_over": first, "has_ended": self.has_ended}


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject's counters, in the book's order. binding: the one that leaves least; None where none can refuse."""

    subject: str
    tier: str
    binding: Stood | None
    counters: tuple[Stood, ...]

    @property
    def first_over(self) -> date | None:
        """The first day on which any of its counters stood over its limit."""
        return min((each.first_over for each in self.counters if each.first_over), default=None)

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "subject": self.subject,
            "tier": self.tier,
            "binding_cap": self.binding.standing.cap if self.binding else None,
            "first_over": self.first_over.isoformat() if self.first_over else None,
            "counters": [each.body() for each in self.counters],
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What a record asked for: its first line, in words as stated; `lines` says how many there are."""

    seq: int
    actor: str
    voice: str
    kind: str
    effective_on: str
    exporter: str
    recipient: str
    destination: str
    chip: str
    quantity: str
    authorization: str
    lines: int

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to refuse a posting: the refusal's code, and the rule, the rules or the cap.

    subject and day: of the cap that would have been over on that day first; "" and None where a rule says no.
    """

    code: str
    reason: str
    subject: str
    day: date | None
    message: str

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        day = self.day.isoformat() if self.day else None
        return {"code": self.code, "reason": self.reason, "subject": self.subject, "day": day, "message": self.message}


@dataclass(frozen=True, slots=True)
class Refused:
    """A posting that a book would have refused, for the first finding; the others hold too. It happened."""

    asked: Asked
    findings: tuple[Finding, ...]

    @property
    def code(self) -> str:
        """The refusal's code, as posting would have answered."""
        return self.findings[0].code

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self.asked.body(), "code": self.code, "findings": [each.body() for each in self.findings]}


@dataclass(frozen=True, slots=True)
class Admitted:
    """A recorded refusal that a book would have admitted, and why it was refused. It did not happen: not counted."""

    asked: Asked
    code: str
    message: str

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self.asked.body(), "code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class TierTotal:
    """What stands in each stage in a book's tier on the day, in TPP, and how many of its counters are over."""

    tier: str
    countries: int
    tpp: Mapping[str, Decimal]
    over: int

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        stages = {f"{stage}_tpp": plain(self.tpp[stage]) for stage in TIER_STAGES}
        return {"tier": self.tier, "countries": self.countries, **stages, "over": self.over}


@dataclass(frozen=True, slots=True)
class UnderBook:
    """The journal under one rulebook. Counts are of all; `refused` and `admitted` may list the first of them only.

    reported_count: how many of the refused were reported as facts, which are kept whatever a book says.
    refused_for: how many by code and rule or cap; one posting may be there under several. refusals_count:
    recorded refusals that turn on a rulebook at all.
    """

    name: str
    revision: int
    title: str
    sha256: str
    subjects: tuple[Subject, ...]
    tiers: tuple[TierTotal, ...]
    postings_count: int
    refused_count: int
    reported_count: int
    refused_for: Mapping[tuple[str, str], int]
    refused: tuple[Refused, ...]
    refusals_count: int
    admitted_count: int
    admitted: tuple[Admitted, ...]

    @property
    def over_count(self) -> int:
        """How many counters stand over on the day."""
        return sum(each.standing.state == "over" and not each.has_ended for s in self.subjects for each in s.counters)

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "rulebook": self.name,
            "revision": self.revision,
            "title": self.title,
            "sha256": self.sha256,
            "postings": self.postings_count,
            "over": self.over_count,
            "refused": {
                "count": self.refused_count,
                "reported": self.reported_count,
                "for": [{"code": code, "reason": why, "count": n} for (code, why), n in self.refused_for.items()],
                "listed": [each.body() for each in self.refused],
            },
            "admitted": {
                "refusals": self.refusals_count,
                "count": self.admitted_count,
                "listed": [each.body() for each in self.admitted],
            },
            "tiers": [each.body() for each in self.tiers],
            "subjects": [each.body() for each in self.subjects],
        }


@dataclass(frozen=True, slots=True)
class Backtest:
    """The journal up to record `known`, under each rulebook asked, on a day."""

    on: date
    known: int
    journal: int
    books: tuple[UnderBook, ...] = field(default_factory=tuple)

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        stamp = {"on": self.on.isoformat(), "known": self.known, "journal": self.journal}
        return {**stamp, "rulebooks": [book.body() for book in self.books]}
