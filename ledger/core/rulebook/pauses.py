"""Periods in which a cap admits nothing, as tariff-quota practice has them: suspended, or blocked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from ledger.core.rulebook.lists import ALWAYS, Member, Span

PauseKind = Literal["suspended", "blocked"]
PAUSED: tuple[PauseKind, ...] = ("suspended", "blocked")


@dataclass(frozen=True, slots=True)
class Pause:
    """Days on which no request that is dated then and raises a cap's counter is admitted.

    What is dated before them is not concerned, even where it still counts. of: lists (`@name`) and codes as written;
    () = every destination. destinations: the codes they come to, each on the days on which it is meant.
    """

    kind: PauseKind
    span: Span
    law: str
    of: tuple[str, ...] = ()
    destinations: tuple[Member, ...] = ()
    confidence: str = ""
    note: str = ""

    def words(self) -> str:
        """Return the period for people, its last day included: `suspended from ... through ... (notice 7)`."""
        first = f" from {self.span.first}" if self.span.first else ""
        last = f" through {self.span.until - timedelta(days=1)}" if self.span.until else " until further notice"
        return f"{self.kind}{first}{last} ({self.law})"


def narrowed(pauses: tuple[Pause, ...], destination: str) -> tuple[Pause, ...]:
    """Return the periods that are meant for a destination (after places), each on the days on which it is meant."""
    if not any(pause.of for pause in pauses):
        return pauses
    kept: list[Pause] = []
    for pause in pauses:
        spans = [each.span for each in pause.destinations if each.name == destination] if pause.of else [ALWAYS]
        for span in spans:
            if span.meets(pause.span):
                kept.append(replace(pause, span=_both(pause.span, span), of=(), destinations=()))
    return tuple(kept)


def on(pauses: Iterable[Pause], day: date) -> Pause | None:
    """Return the first period for everyone that a day falls in."""
    return next((pause for pause in pauses if not pause.of and pause.span.covers(day)), None)


def over_after(pauses: tuple[Pause, ...], day: date) -> date | None:
    """Return the first day from one on that is in no period; None where the last one has no end."""
    while pause := on(pauses, day):
        if pause.span.until is None:
            return None
        day = pause.span.until
    return day


def _both(one: Span, other: Span) -> Span:
    firsts, untils = [one.first, other.first], [one.until, other.until]
    return Span(max((d for d in firsts if d), default=None), min((d for d in untils if d), default=None))
