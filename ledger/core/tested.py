"""What a cap is tested on: its counter, or the sum of a group's; its limit, or its share of what another has used.

A share becomes an ordinary limit with a step on each day on which its base changes, so that everything else that is
asked of a cap is asked of it in the same way.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from ledger.core import counters
from ledger.core.counters import Counter, Standing
from ledger.core.facts import UNKNOWN
from ledger.core.groups import Groups, Membership
from ledger.core.lens import NOTHING, ZERO, Amount, Key, Lens
from ledger.core.position import Position
from ledger.core.rulebook import Cap, Share, Span, dimensions_of
from ledger.core.shown import part_of, window_in

Changes = Mapping[date, Amount]
Step = tuple[date, Decimal | None, Decimal | None]  # a day, the limit from it on, and the most it may be
ONE_DAY = timedelta(days=1)
_OWNER = re.compile(r"(^|,)owner=[^,]*")


class Tested(NamedTuple):
    """A cap as it is tested for one subject.

    key: as shown, a group by its ultimate parent. cap: its limit in steps by day. changes: what is asked of it, by day.
    at_most: the cap, if all that is in doubt of its base belonged to it; None where nothing is. gain: how much each
    unit that is asked adds to the limit. kin: whose counters are added up, from which day on; () where only its own is.
    """

    key: Key
    cap: Cap
    counter: Counter
    changes: Changes
    at_most: Cap | None = None
    gain: Decimal = ZERO
    kin: tuple[Membership, ...] = ()


def is_plain(cap: Cap) -> bool:
    """Return whether a cap is tested on its own counter against a limit of its own."""
    return cap.limit.share is None and not cap.is_grouped


def tested(key: Key, cap: Cap, first: date, position: Position, asked: Mapping[Key, Changes]) -> Tested:
    """Return what a cap is tested on from a day on.

    Args:
        key: its counter, as kept. asked: what a movement changes, by counter as kept; {} for nothing.
    """
    groups = position.knowledge.groups
    kin = _kin(key, cap, first, groups)
    shown = key._replace(subject=_shown(key.subject, kin[0].top)) if kin else key
    whole = Tested(shown, cap, _counter(key, kin, first, position), _changes(key, kin, asked, first), kin=kin)
    share = cap.limit.share
    if share is None:
        return whole
    base = position.lenses[key.book].caps[share.of]
    base_key = Key(key.book, base.name, part_of(key.subject, base), window_in(base, key.window))
    base_kin = _kin(base_key, base, first, groups)
    changes = _changes(base_key, base_kin, asked, first)
    counter = _counter(base_key, base_kin, first, position)
    steps = _steps(share, counter, changes, first)
    why = ""
    if f"={UNKNOWN}" in shown.subject:
        steps, why = [(first, None, None)], "whose group it is, is not known"
    elif period := dict(base.base).get("declared", ""):
        steps, why = _declared(steps, base_key, base_kin, period, groups)
    limit = replace(cap.limit, steps=tuple((day, sure) for day, sure, _ in steps), why=why)
    most = tuple((day, most) for day, _, most in steps)
    return whole._replace(
        cap=replace(cap, limit=limit),
        at_most=None if most == limit.steps else replace(cap, limit=replace(limit, steps=most)),
        gain=_gain(share, whole.changes, changes),
    )


def _steps(share: Share, base: Counter, changes: Changes, first: date) -> list[Step]:
    """Return the limits that a base gives from a day on: of what is sure of it, and of all that may belong to it."""
    counted = changes if share.asked_chips_enlarge_base else _falling(changes)
    steps: list[Step] = []
    for day in sorted({first, *base.days[bisect_right(base.days, first) :], *counted}):
        used = base.used(day).plus(_until(counted, day))
        sure = max(used.tpp, ZERO)  # more was returned than shipped: then there is none of it
        steps.append((day, share.fraction * sure, share.fraction * max(sure, used.tpp + used.doubt_tpp)))
    return steps


def _declared(
    steps: list[Step], base_key: Key, kin: Sequence[Membership], period: str, groups: Groups
) -> tuple[list[Step], str]:
    """Return steps, undetermined on days for which whom the base is of declared no stock, and why."""
    first = steps[0][0]
    declarers = kin or [Membership(first, dimensions_of(base_key.subject).get("owner", ""), ())]
    edges = {max(each.first, first) for each in declarers}
    edges |= {day for each in declarers for day in groups.declaration_days(each.top, period) if day > first}
    found: list[Step] = []
    why = ""
    for day in sorted({*edges, *(day for day, _, _ in steps)}):
        _, sure, most = next(step for step in reversed(steps) if step[0] <= day)
        top = next(each.top for each in reversed(declarers) if each.first <= day)
        if groups.declared(top, day, period):
            found.append((day, sure, most))
        else:
            found.append((day, None, None))
            why = why or f"{top} has declared no stock that is good for {day}"
    return found, why


def stand(whole: Tested, spans: Iterable[Span]) -> Standing:
    """Return how a cap stands if what is asked is done; what may be over, as its base is in doubt, is undetermined."""
    asked = list(spans)
    standing = counters.test(whole.counter, whole.cap, whole.changes, asked)
    if standing.finding != "exceeded" or whole.at_most is None:
        return standing
    at_most = counters.test(whole.counter, whole.at_most, whole.changes, asked)
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
            if same_window and (part == key.subject or (base.is_grouped and _are_kin(part, key.subject, groups))):
                found.append((other, whole))
    return found


def _kin(key: Key, cap: Cap, first: date, groups: Groups) -> tuple[Membership, ...]:
    """Return whose counters are added up from a day on; () where a counter is tested by itself."""
    return groups.memberships(_owner(key.subject), first) if cap.is_grouped else ()


@lru_cache(maxsize=10_000)
def _owner(subject: str) -> str:
    return dimensions_of(subject)["owner"]


@lru_cache(maxsize=10_000)
def _shown(subject: str, top: str) -> str:
    return _OWNER.sub(lambda found: f"{found[1]}owner_group={top}", subject)


def _counter(key: Key, kin: Sequence[Membership], first: date, position: Position) -> Counter:
    """Return a counter from a day on: a group's is the sum of its owners', as owned on each day."""
    if _is_alone(kin):
        return position.counter(key, first)
    owners = {name for each in kin for name in each.owners}
    return _added({name: position.counter(_of_owner(key, name), first) for name in owners}, kin, first)


def _changes(key: Key, kin: Sequence[Membership], asked: Mapping[Key, Changes], first: date) -> Changes:
    """Return what a movement changes of a counter, or of a group as owned on each day."""
    if _is_alone(kin):
        return asked.get(key, {})
    owners = {name for each in kin for name in each.owners}
    changed = {name: Counter(deltas=asked.get(_of_owner(key, name), {}).items()) for name in owners}
    return {day: amount for day, amount in _added(changed, kin, first).deltas.items() if any(amount)}


def _is_alone(kin: Sequence[Membership]) -> bool:
    return all(len(each.owners) == 1 for each in kin)


def _added(held: Mapping[str, Counter], kin: Sequence[Membership], first: date) -> Counter:
    """Return one counter for several, each day of those who are kin on it."""
    before = _sum(held, kin[0].owners, first - ONE_DAY) if first > date.min else NOTHING
    deltas: dict[date, Amount] = {}
    total = before
    for n, group in enumerate(kin):
        until = kin[n + 1].first if n + 1 < len(kin) else None
        since = max(group.first, first)
        days = {since} if n else set()
        for name in group.owners:
            days |= {day for day in held[name].days if day >= since and (until is None or day < until)}
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


def _of_owner(key: Key, owner: str) -> Key:
    parts = dimensions_of(key.subject) | {"owner": owner}
    return key._replace(subject=",".join(f"{name}={value}" for name, value in parts.items()))


def _are_kin(part: str, subject: str, groups: Groups) -> bool:
    """Return whether two counters of owners are of the same group on any day, all else being equal."""
    one, other = dimensions_of(part), dimensions_of(subject)
    if one | {"owner": ""} != other | {"owner": ""}:
        return False
    return any(one["owner"] in each.owners for each in groups.memberships(other["owner"], date.min))


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
    return any(each.tpp + each.doubt_tpp < 0 for each in changes.values()) and bool(_falling(changes))


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
