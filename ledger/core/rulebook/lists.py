"""Spans of days, and named lists whose members come and go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Span:
    """Days from `first` (included, None = since ever) until `until` (excluded, None = open)."""

    first: date | None = None
    until: date | None = None

    def covers(self, day: date) -> bool:
        """Return whether the day lies in the span."""
        return (self.first is None or day >= self.first) and (self.until is None or day < self.until)

    def meets(self, other: Span) -> bool:
        """Return whether a day lies in both."""
        apart = (self.until and other.first and self.until <= other.first) or (
            other.until and self.first and other.until <= self.first
        )
        return not apart


ALWAYS = Span()


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a list for a span of days: a code, or the name of another list. `law` only where it has its own."""

    name: str
    span: Span = ALWAYS
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
