"""Groups as owned on a day: who is under which ultimate parent, and what stock a group declared.

A counter that is kept for an owner's group is kept per owner, and added up for the group that is asked about on a day:
so a company that is sold takes its chips along, on the day it is sold, and nothing that was counted is counted anew.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from calendar import monthrange
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from ledger.core.facts import UNKNOWN, Stock

PERIODS = {"annual": 12, "semiannual": 6, "quarterly": 3}  # months for which a declaration is good


class Membership(NamedTuple):
    """Who belongs to one group from a day on, until the next membership; the first of several is since ever."""

    first: date
    top: str
    owners: tuple[str, ...]


class Groups:
    """Groups by day. `top_of` says a party's ultimate parent on a day, `unknown` where it is not known.

    What is not known before a party is first stated counts as it is first stated: no chip was its own before.
    """

    def __init__(self, top_of: Callable[[str, date], str]) -> None:
        self._top_of = top_of
        self._parties: dict[str, date] = {}  # each with the first day it is stated for
        self._days: list[date] = []  # on which a group may change
        self._owners: dict[int, dict[str, tuple[str, ...]]] = {}
        self._kin: dict[tuple[str, int], tuple[Membership, ...]] = {}  # by owner, and how many days of change passed
        self._declared: dict[str, list[date]] = {}

    def state(self, party: str, day: date | None) -> None:
        """Take in that something is stated of a party from a day on."""
        first = day or date.min
        known = self._parties.get(party)
        self._parties[party] = first if known is None else min(first, known)
        if known is not None:
            self.change(max(first, known))
        self._forget()

    def change(self, day: date | None) -> None:
        """Take in that owners may differ from a day on."""
        if day is not None and day > date.min and day not in self._days:
            insort(self._days, day)
        self._forget()

    def declare(self, stock: Stock) -> None:
        """Take in that a party declared its stock."""
        days = self._declared.setdefault(stock.party, [])
        if stock.as_of not in days:
            insort(days, stock.as_of)

    def top(self, owner: str, day: date) -> str:
        """Return the ultimate parent of an owner on a day."""
        return self._top_of(owner, max(day, self._parties.get(owner, day)))

    def memberships(self, owner: str, first: date) -> tuple[Membership, ...]:
        """Return the groups that an owner is in from a day on, with who else is; an unknown parent's is its own.

        The first of them began at least on the day that is asked about.
        """
        passed = bisect_right(self._days, first)
        known = self._kin.get((owner, passed))
        if known is None:
            found: list[Membership] = []
            for day in (first, *self._days[passed:]):
                top = self.top(owner, day)
                owners = (owner,) if top == UNKNOWN else self._members(day).get(top, (owner,))
                if not found or (top, owners) != found[-1][1:]:
                    found.append(Membership(day if found else date.min, top, owners))
            known = self._kin[owner, passed] = tuple(found)
        return known

    def declared(self, party: str, day: date, period: str) -> bool:
        """Return whether a party's stock on a day is declared: by the latest declaration, no older than a period."""
        days = self._declared.get(party, [])
        at = bisect_right(days, day)
        return at > 0 and day < after_months(days[at - 1], PERIODS[period])

    def declaration_days(self, party: str, period: str) -> list[date]:
        """Return the days on which what is declared of a party begins or ends."""
        days = self._declared.get(party, [])
        return sorted({*days, *(after_months(day, PERIODS[period]) for day in days)})

    def _forget(self) -> None:
        self._owners.clear()
        self._kin.clear()

    def _members(self, day: date) -> dict[str, tuple[str, ...]]:
        segment = bisect_right(self._days, day)
        if segment not in self._owners:
            by_top: dict[str, list[str]] = {}
            for party in self._parties:
                by_top.setdefault(self.top(party, day), []).append(party)
            self._owners[segment] = {top: tuple(sorted(owners)) for top, owners in by_top.items()}
        return self._owners[segment]


def after_months(day: date, months: int) -> date:
    """Return the same day some months later, the last one of its month where that has fewer days."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
