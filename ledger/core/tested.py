"""What a cap is tested on: its counter, or the sum of a group's; its limit, or its share of what another has used.

A share becomes an ordinary limit with a step on each day on which its base changes, so that everything else that is
asked of a cap is asked of it in the same way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from ledger.core import counters
from ledger.core.counters import Counter, Standing
from ledger.core.facts import UNKNOWN
from ledger.core.groups import Groups, Membership
from ledger.core.lens import NOTHING, ZERO, Amount, Key, Lens
from ledger.core.position import Position
from ledger.core.rulebook import Cap, Share, Span, dimensions_of
from ledger.core.shown import part_of, shown_subject, window_in

Changes = Mapping[date, Amount]
ONE_DAY = timedelta(days=1)


class Tested(NamedTuple):
    """A cap as it is tested for one subject.

    key: as shown, a group by its ultimate parent. cap: its limit in steps by day. at_most: the same, if all that is in
    doubt of its base belonged to it; None where nothing is. gain: how much each unit that is asked adds to the limit.
    """

    key: Key
    cap: Cap
    counter: Counter
    at_most: Cap | None = None
    gain: Decimal = ZERO


def is_plain(cap: Cap) -> bool:
    """Return whether a cap is tested on its own counter against a limit of its own."""
    return cap.limit.share is None and not cap.is_grouped


def tested(key: Key, cap: Cap, first: date, position: Position, asked: Mapping[Key, Changes]) -> Tested:
    """Return what a cap is tested on from a day on.

    Args:
        key: its counter, as kept. asked: what a movement changes, by counter as kept; {} for nothing.
    """
    counter = _counter(key, cap, first, position)
    shown = key._replace(subject=shown_subject(key.subject, cap, position.knowledge.groups, first))
    share = cap.limit.share
    if share is None:
        return Tested(shown, cap, counter)
    lens = position.lenses[key.book]
    base = lens.caps[share.of]
    base_key = Key(key.book, base.name, part_of(key.subject, base), window_in(base, key.window))
    base_counter = _counter(base_key, base, first, position)
    changes = together(base_key, base, asked, position.knowledge.groups, first)
    counted = changes if share.asked_chips_enlarge_base else _falling(changes)
    days = sorted({first, *base_counter.days[bisect_right(base_counter.days, first) :], *counted})
    period = dict(base.base).get("declared", "")
    stock_of = _declarers(key, base, position.knowledge.groups, first) if period else []
    if period:
        declared = (position.knowledge.groups.declaration_days(each.top, period) for each in stock_of)
        days = sorted({*days, *(each.first for each in stock_of), *(day for each in declared for day in each)})
    sure: list[tuple[date | None, Decimal | None]] = []
    most: list[tuple[date | None, Decimal | None]] = []
    why = ""
    for day in days:
        if day < first:
            continue
        top = next((each.top for each in reversed(stock_of) if each.first <= day), "")
        if top == UNKNOWN or f"={UNKNOWN}" in shown.subject:
            amounts: tuple[Decimal | None, Decimal | None] = None, None
            why = "whose group it is, is not known"
        elif period and not position.knowledge.groups.declared(top, day, period):
            amounts = None, None
            why = why or f"{top} has declared no stock that is good for {day}"
        else:
            used = base_counter.used(day).plus(_until(counted, day))
            amounts = share.fraction * used.tpp, share.fraction * (used.tpp + used.doubt_tpp)
        sure.append((day, amounts[0]))
        most.append((day, amounts[1]))
    limited = replace(cap, limit=replace(cap.limit, steps=tuple(sure), why=why))
    at_most = None if sure == most else replace(cap, limit=replace(cap.limit, steps=tuple(most), why=why))
    return Tested(shown, limited, counter, at_most, _gain(share, asked.get(key, {}), changes))


def stand(whole: Tested, changes: Changes, spans: Iterable[Span]) -> Standing:
    """Return how a cap stands if changes are made; what only may be over, as its base is in doubt, is undetermined."""
    asked = list(spans)
    standing = counters.test(whole.counter, whole.cap, changes, asked)
    if standing.finding != "exceeded" or whole.at_most is None:
        return standing
    at_most = counters.test(whole.counter, whole.at_most, changes, asked)
    return standing if at_most.finding == "exceeded" else standing._replace(finding="undetermined")


def test_days(share: Share | None, spans: Iterable[Span], first: date, counter: Counter, steps: Cap) -> list[Span]:
    """Return the days on which a share is tested: all of some spans, or one day each.

    After the last change of use, limit or book nothing differs any more: the next days of test are the last ones asked.
    """
    found = list(spans)
    if share is None or not share.tested_on:
        return found
    days = [first, *counter.days[-1:], *(day for day, _ in steps.limit.steps if day)]
    days += [day for span in found for day in (span.first, span.until) if day]
    years = range(first.year, max(days).year + 2)
    tests = sorted(date(year, int(each[:2]), int(each[3:])) for year in years for each in share.tested_on)
    return [Span(day, day + ONE_DAY) for day in tests if day >= first and any(span.covers(day) for span in found)]


def is_tested_on(cap: Cap, day: date) -> bool:
    """Return whether a cap is held against its limit on a day."""
    share = cap.limit.share
    return share is None or not share.tested_on or f"{day:%m-%d}" in share.tested_on


def shares_of(key: Key, lens: Lens, position: Position) -> list[tuple[Key, Cap]]:
    """Return the counters, as kept, that are limited by a share of one, for each that anything counts in."""
    found = []
    base = lens.caps[key.cap]
    groups = position.knowledge.groups
    for cap in lens.shares_of.get(key.cap, ()):
        for other in position.keys_of(key.book, cap.name):
            whole = cap.of_subject(other.subject)
            same_window = window_in(base, other.window) == key.window
            part = part_of(other.subject, base)
            if same_window and (part == key.subject or (base.is_grouped and _is_kin(part, key.subject, groups))):
                found.append((other, whole))
    return found


def _counter(key: Key, cap: Cap, first: date, position: Position) -> Counter:
    """Return the counter of a cap from a day on: a group's is the sum of its owners', as owned on each day."""
    if not cap.is_grouped:
        return position.counter(key, first)
    owner = dimensions_of(key.subject)["owner"]
    groups = position.knowledge.groups.memberships(owner, first)
    if len(groups) == 1 and groups[0].owners == (owner,):
        return position.counter(key, first)
    held = {
        name: position.counter(key._replace(subject=_of_owner(key.subject, name)), first)
        for each in groups for name in each.owners
    }  # fmt: skip
    before = _sum(held, groups[0].owners, first - ONE_DAY) if first > date.min else NOTHING
    deltas: dict[date, Amount] = {}
    total = before
    for n, group in enumerate(groups):
        until = groups[n + 1].first if n + 1 < len(groups) else None
        days = {group.first} if n else set()
        for name in group.owners:
            days |= {d for d in held[name].days if d >= group.first and (until is None or d < until)}
        for day in sorted(days):
            now = _sum(held, group.owners, day)
            deltas[day] = now.plus(_minus(total))
            total = now
    return Counter(before, deltas.items(), first)


def _sum(held: Mapping[str, Counter], owners: Iterable[str], day: date) -> Amount:
    total = NOTHING
    for name in owners:
        total = total.plus(held[name].used(day))
    return total


def _minus(amount: Amount) -> Amount:
    return Amount(-amount.tpp, -amount.chips, -amount.doubt_tpp, -amount.doubt_chips, -amount.unstated_tpp)


def _of_owner(subject: str, owner: str) -> str:
    parts = dimensions_of(subject) | {"owner": owner}
    return ",".join(f"{name}={value}" for name, value in parts.items())


def _is_kin(part: str, subject: str, groups: Groups) -> bool:
    """Return whether two counters of owners are of the same group on any day, all else being equal."""
    one, other = dimensions_of(part), dimensions_of(subject)
    if one | {"owner": ""} != other | {"owner": ""}:
        return False
    return any(one["owner"] in each.owners for each in groups.memberships(other["owner"], date.min))


def together(key: Key, cap: Cap, asked: Mapping[Key, Changes], groups: Groups, first: date) -> dict[date, Amount]:
    """Return what a movement changes of a counter, or of those of all owners of its group on a day."""
    found: dict[date, Amount] = {}
    shown = shown_subject(key.subject, cap, groups, first)
    for other, changes in asked.items():
        same = (other.book, other.cap, other.window) == (key.book, key.cap, key.window)
        if same and shown_subject(other.subject, cap, groups, first) == shown:
            for day, amount in changes.items():
                found[day] = found[day].plus(amount) if day in found else amount
    return found


def _falling(changes: Changes) -> dict[date, Amount]:
    """Return by how much changes, taken together, lower a counter on each day; what raises it is left out."""
    found: dict[date, Amount] = {}
    total = counted = NOTHING
    for day in sorted(changes):
        total = total.plus(changes[day])
        now = total if total.tpp + total.doubt_tpp < 0 else NOTHING
        if now != counted:
            found[day] = now.plus(_minus(counted))
            counted = now
    return found


def shrinks(changes: Changes) -> bool:
    """Return whether changes, taken together, lower a counter on any day."""
    return bool(_falling(changes))


def _until(changes: Changes, last: date) -> Amount:
    total = NOTHING
    for day, amount in changes.items():
        if day <= last:
            total = total.plus(amount)
    return total


def _gain(share: Share, own: Changes, base: Changes) -> Decimal:
    """Return how much each asked TPP adds to a limit, as far as the same chips count in the base."""
    if not share.asked_chips_enlarge_base or not own:
        return ZERO
    first = min(own)
    asked, enlarged = own[first].tpp, _until(base, first).tpp
    return share.fraction * min(enlarged / asked, Decimal(1)) if asked > 0 and enlarged > 0 else ZERO


def _declarers(key: Key, base: Cap, groups: Groups, first: date) -> list[Membership]:
    """Return who has to have declared the stock of a base, from which day on."""
    owner = dimensions_of(key.subject).get("owner", "")
    return groups.memberships(owner, first) if base.is_grouped else [Membership(first, owner, (owner,))]
