"""One counter: how much of a limit one subject has used on each day of one window, and whether more would fit."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from ledger.core.lens import NOTHING, ZERO, Amount, limit_on
from ledger.core.rulebook import Cap, Span, Unit

State = Literal["open", "critical", "exhausted", "over", "suspended", "blocked", "undetermined", "watched"]
Finding = Literal["fits", "undetermined", "exceeded", "suspended", "blocked"]


class Standing(NamedTuple):
    """A counter against its limit on one day, before and after a proposed change. Amounts are in the cap's unit.

    limit and left are None where undetermined, and for a counter that is only watched.
    """

    finding: Finding
    day: date
    limit: Decimal | None
    used: Decimal
    asked: Decimal
    doubt: Decimal

    @property
    def left(self) -> Decimal | None:
        """What would still fit before the proposed change; below zero where the cap is already over."""
        return None if self.limit is None else self.limit - self.used - self.doubt


class Counter:
    """Daily changes of one counter. Exact from day `exact_from` on; `base` is the sum of all days before."""

    __slots__ = ("_added", "_cursor", "_peak", "_used", "base", "days", "deltas", "exact_from", "has_unstated")

    def __init__(self, base: Amount = NOTHING, deltas: Iterable[tuple[date, Amount]] = (), exact_from: date = date.min):
        self.base, self.exact_from = base, exact_from
        self.deltas: dict[date, Amount] = dict(deltas)
        self.days = sorted(self.deltas)
        self._cursor, self._used = 0, base  # the sum of `base` and the first `_cursor` days
        self._added = 0  # changes since the peak was computed
        self._peak: Decimal | None = None  # at least the highest TPP or chips ever used; None: not known
        self.has_unstated = bool(base.unstated_tpp) or any(amount.unstated_tpp for amount in self.deltas.values())

    def add(self, day: date, amount: Amount) -> None:
        """Add a change on a day that is not before `exact_from`."""
        self.has_unstated = self.has_unstated or bool(amount.unstated_tpp)
        if day in self.deltas:
            self.deltas[day] = self.deltas[day].plus(amount)
        else:
            self.deltas[day] = amount
            at = bisect_right(self.days, day)
            self.days.insert(at, day) if at < len(self.days) else self.days.append(day)
            if at < self._cursor:
                self._cursor += 1
        if self._cursor and day <= self.days[self._cursor - 1]:
            self._used = self._used.plus(amount)
        self._added += 1
        if self._peak is not None:
            self._peak += max(ZERO, amount.tpp + amount.doubt_tpp, Decimal(amount.chips + amount.doubt_chips))

    def used(self, day: date) -> Amount:
        """Return what is used at the end of a day."""
        at = bisect_right(self.days, day)
        while self._cursor < at:
            self._used = self._used.plus(self.deltas[self.days[self._cursor]])
            self._cursor += 1
        while self._cursor > at:
            self._cursor -= 1
            self._used = self._used.plus(negative(self.deltas[self.days[self._cursor]]))
        return self._used

    def peak(self) -> Decimal:
        """Return a number of TPP, or of chips, that no day's use exceeds (whichever is more)."""
        if self._peak is None:
            total, peak = self.base, _size(self.base)
            for day in self.days:
                total = total.plus(self.deltas[day])
                peak = max(peak, _size(total))
            self._peak, self._added = peak, 0
        return self._peak

    def settle(self) -> None:
        """Forget the bound, so that it is computed anew: it only ever grows by adding."""
        if self._added > len(self.days):
            self._peak = None


def test(counter: Counter, cap: Cap, changes: Mapping[date, Amount], spans: Iterable[Span]) -> Standing:
    """Return how a cap stands if the changes are made: on the first changed day where they fit, else on the first
    day that would be over or undetermined.

    Args:
        changes: net amounts by day, in the cap's counter.
        spans: the days on which this cap is asked: its window, where its book is in force.

    A day counts only where the changes, taken together, raise the counter on it: what raises nothing passes. A limit
    that is not determined yet refuses what is dated then; it is no reason to refuse what comes before.
    """
    first = min(changes)
    unit = cap.limit.unit
    asked_first = changes[first]
    shown: Standing | None = None
    verdict: Standing | None = None
    fast = len(changes) == 1 or all(_size(amount) <= 0 for day, amount in changes.items() if day != first)
    for span in spans:
        start = max(first, span.first or first)
        if span.until is not None and start >= span.until:
            continue
        if cap.limit.unlimited:  # only watched: no later day is ever over
            shown = shown or _stand(cap, start, counter.used(start), _until(changes, start))
            continue
        if fast and start == first:
            limit = _lowest(cap, first, span)
            told = _sure(asked_first, unit) and (unit == "TPP" or not counter.has_unstated)
            if limit is not None and told and counter.peak() + _size(asked_first) <= limit:
                shown = shown or _stand(cap, first, counter.used(first), asked_first)
                continue
            counter.settle()  # the bound only ever grew: compute it anew before it is asked again
        for day, used, asked in _days(counter, cap, changes, start, span.until):
            standing = _stand(cap, day, used, asked)
            if shown is None:
                shown = standing
            if standing.finding == "exceeded":
                return standing
            if standing.finding == "undetermined" and verdict is None and (standing.limit is not None or day == first):
                verdict = standing
    if verdict:
        return verdict
    return shown or Standing("fits", first, None, ZERO, ZERO, ZERO)


def first_over(counter: Counter, cap: Cap, first: date, spans: Iterable[Span]) -> Standing | None:
    """Return how a cap stands on the first day, from one on, on which it is over; None where it never is."""
    for span in spans:
        start = max(first, span.first or first)
        if span.until is not None and start >= span.until:
            continue
        for day, used, _ in _days(counter, cap, {start: NOTHING}, start, span.until):
            standing = _stand(cap, day, used, NOTHING)
            if standing.limit is not None and standing.used > standing.limit:
                return standing._replace(finding="exceeded")
    return None


def of_nobody(standing: Standing) -> Standing:
    """Return a standing of a counter whose subject is not known: what would fit is undetermined."""
    if standing.finding == "fits" and standing.asked > 0:
        return standing._replace(finding="undetermined")
    return standing


def scarcest(
    counter: Counter, cap: Cap, changes: Mapping[date, Amount], spans: Iterable[Span]
) -> tuple[Decimal, Decimal] | None:
    """Return what is left and what is asked on the day that admits least of what is asked; None where all fits."""
    worst: tuple[Decimal, Decimal] | None = None
    first = min(changes)
    for span in spans:
        start = max(first, span.first or first)
        if span.until is not None and start >= span.until:
            continue
        for day, used, asked in _days(counter, cap, changes, start, span.until):
            standing = _stand(cap, day, used, asked)
            left = standing.left
            if standing.finding != "exceeded" or left is None:
                continue
            if worst is None or left * worst[1] < worst[0] * standing.asked:
                worst = left, standing.asked
    return worst


def tightest(counter: Counter, cap: Cap, day: date, spans: Iterable[Span]) -> Standing:
    """Return how a cap stands on the day, from `day` on, that leaves least; undetermined days leave nothing."""
    worst: Standing | None = None
    for span in spans:
        start = max(day, span.first or day)
        if span.until is not None and start >= span.until:
            continue
        for each, used, _ in _days(counter, cap, {start: NOTHING}, start, span.until):
            standing = _stand(cap, each, used, NOTHING)
            if worst is None or _less(standing, worst):
                worst = standing
    return worst or _stand(cap, day, counter.used(day), NOTHING)


def state(cap: Cap, used: Decimal, doubt: Decimal, limit: Decimal | None, day: date | None = None) -> State:
    """Return the state of a cap, as in tariff-quota practice: one function for every face.

    day: the one asked about, on which the cap may be suspended or blocked. That never hides a breach.
    """
    if cap.limit.unlimited:
        return "watched"
    if limit is not None and used > limit:
        return "over"
    if day is not None and (pause := cap.pause_on(day)):
        return pause.kind
    if limit is None:
        return "undetermined"
    if used + doubt > limit:
        return "undetermined"
    if used == limit:
        return "exhausted"
    return "critical" if used >= cap.critical_at * limit else "open"


def measured(amount: Amount, unit: Unit) -> tuple[Decimal, Decimal, bool]:
    """Return an amount in a unit: what is certain, what is in doubt, and whether it cannot be told in chips."""
    if unit == "TPP":
        return amount.tpp, amount.doubt_tpp, False
    return Decimal(amount.chips), Decimal(amount.doubt_chips), bool(amount.unstated_tpp)


def _stand(cap: Cap, day: date, used: Amount, asked: Amount) -> Standing:
    unit = cap.limit.unit
    certain, doubt, _ = measured(used, unit)
    more, more_doubt, _ = measured(asked, unit)
    if cap.limit.unlimited:
        return Standing("fits", day, None, certain, more + more_doubt, doubt)
    limit = limit_on(cap, day)
    finding: Finding = "fits"
    in_chips = unit != "TPP"
    if more + more_doubt > 0 or (in_chips and asked.unstated_tpp > 0):
        unstated = in_chips and bool(used.unstated_tpp + asked.unstated_tpp)
        if limit is not None and certain + more > limit:
            finding = "exceeded"
        elif limit is None or unstated or certain + more + doubt + more_doubt > limit:
            finding = "undetermined"
    return Standing(finding, day, limit, certain, more + more_doubt, doubt)


def _days(
    counter: Counter, cap: Cap, changes: Mapping[date, Amount], start: date, until: date | None
) -> Iterator[tuple[date, Amount, Amount]]:
    """Yield each day from `start` on which the use, the change or the limit differs from the day before."""
    days = {start, *(day for day in changes if day > start), *counter.days[bisect_right(counter.days, start) :]}
    days |= {day for day, _ in cap.limit.steps if day is not None and day > start}
    order: list[date] = []
    for day in days:
        if until is None or day < until:
            insort(order, day)
    asked = NOTHING
    pending = sorted(changes.items())
    for day in order:
        while pending and pending[0][0] <= day:
            asked = asked.plus(pending.pop(0)[1])
        yield day, counter.used(day), asked


def _until(changes: Mapping[date, Amount], last: date) -> Amount:
    """Return what changes come to at the end of a day."""
    total = NOTHING
    for day, amount in changes.items():
        if day <= last:
            total = total.plus(amount)
    return total


def _lowest(cap: Cap, first: date, span: Span) -> Decimal | None:
    """Return the lowest limit from a day on within a span; None where any of them is undetermined."""
    limits = [limit_on(cap, first)]
    limits += [limit_on(cap, day) for day, _ in cap.limit.steps if day and day > first and span.covers(day)]
    known = [limit for limit in limits if limit is not None]
    return min(known) if len(known) == len(limits) else None


def _sure(amount: Amount, unit: Unit) -> bool:
    return not amount.doubt_tpp and (unit == "TPP" or not amount.unstated_tpp)


def _size(amount: Amount) -> Decimal:
    return max(amount.tpp + amount.doubt_tpp, Decimal(amount.chips + amount.doubt_chips))


def negative(amount: Amount) -> Amount:
    """Return what takes an amount back."""
    return Amount(-amount.tpp, -amount.chips, -amount.doubt_tpp, -amount.doubt_chips, -amount.unstated_tpp)


def _less(standing: Standing, other: Standing) -> bool:
    if other.left is None:
        return False
    return standing.left is None or standing.left < other.left
