"""What differs on which days, and how that is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import TypeVar

from ledger import reference
from ledger.core.rulebook import Rulebook, Span

T = TypeVar("T")


def stretches(
    days: Iterable[date | None], before: Callable[[date], T], after: Callable[[date], T]
) -> list[tuple[Span, T, T]]:
    """Return the stretches of days on which two things differ, with what they are then, in order.

    days: every day on which either may change.
    """
    edges: list[date | None] = [None, *sorted({day for day in days if day})]
    found: list[tuple[Span, T, T]] = []
    for first, until in zip(edges, [*edges[1:], None], strict=True):
        old, new = before(first or date.min), after(first or date.min)
        if old == new:
            continue
        if found and found[-1][0].until == first and found[-1][1:] == (old, new):
            found[-1] = (Span(found[-1][0].first, until), old, new)
        else:
            found.append((Span(first, until), old, new))
    return found


def both_boundaries(before: Rulebook, after: Rulebook) -> tuple[date, ...]:
    """Return every day on which either book changes."""
    return (*before.boundaries, *after.boundaries)


def on_days(span: Span) -> str:
    """Return when something changes for good, or for how long it is other: " on ...", " from ... until ..."."""
    if span.first and span.until:
        return f" from {span.first} until {span.until}"
    if span.first:
        return f" on {span.first}"
    return f" until {span.until}" if span.until else ""


def from_days(span: Span) -> str:
    """Return the days of a figure: " from ...", " until ...", both, or nothing where it always holds."""
    return f" from {span.first}" if span.first and not span.until else on_days(span)


def country(code: str) -> str:
    """Return a country's name as it is read aloud; what is no country's code as it is."""
    name, _, rest = _listed(code).partition(", ")
    return f"{rest} {name}" if rest else name


def named(codes: Iterable[str]) -> str:
    """Return the names of countries, in the order of their names."""
    return in_row(map(country, sorted(codes, key=_listed)))


def in_row(words: Iterable[str], last: str = "and") -> str:
    """Return words in a row: one, two and three."""
    *rest, end = list(words) or ["nobody"]
    return f"{', '.join(rest)} {last} {end}" if rest else end


def _listed(code: str) -> str:
    """Return the name under which a country stands in an alphabetical list: `Korea, Republic of`."""
    known = reference.countries().get(code)
    return known.name if known else code
