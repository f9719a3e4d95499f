"""Readings, control classes, conditions and rules: which door is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from ledger.core.rulebook.lists import ALWAYS, Span

Answer = Literal["permit", "presume_deny", "deny", "undetermined"]


@dataclass(frozen=True, slots=True)
class Reading:
    """A text with two meanings: every option in words, and the one this book chooses.

    used_by: the rules and caps that turn on it; where there are none, choosing otherwise changes no answer. stated:
    the option that the document chooses, where the person asking chose one; else "".
    """

    name: str
    law: str
    options: Mapping[str, str]
    chosen: str
    used_by: tuple[str, ...] = ()
    confidence: str = ""
    note: str = ""
    stated: str = ""

    @property
    def is_set(self) -> bool:
        """Whether the person asking chose the option."""
        return bool(self.stated)


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
    `any_owned` is `>=` a percentage, and `values[1]` is the role of those who own so much.
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
    """Which door is open. The first rule that matches answers; no match is undetermined.

    turns_on: what is not known, where the answer is `undetermined`.
    """

    name: str
    law: str
    where: Condition
    answer: Answer
    span: Span = ALWAYS
    evidence: tuple[str, ...] = ()
    party: RequiredParty | None = None
    needs: str = ""
    review: str = ""
    confidence: str = ""
    note: str = ""
    turns_on: str = ""
