"""Counters as people know them on a day: groups by their ultimate parents, shares by what they are a share of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from ledger.core.facts import UNKNOWN
from ledger.core.groups import Groups
from ledger.core.knowledge import Knowledge
from ledger.core.lens import EVERYONE, NOTHING, ZERO, Amount, Key, Lens, window_of
from ledger.core.rulebook import Cap, Span, dimensions_of


def shown_subject(subject: str, cap: Cap, groups: Groups, day: date) -> str:
    """Return the subject of a counter as people know it: a group by its ultimate parent on a day."""
    if not cap.is_grouped:
        return subject
    dimensions = dimensions_of(subject)
    group = groups.top(dimensions["owner"], day)
    shown = [f"owner_group={group}" if name == "owner" else f"{name}={value}" for name, value in dimensions.items()]
    return ",".join(shown)


class OnDay(NamedTuple):
    """A counter as it is shown on one day. cap: with the limit of that day, where it is a share; base: of what."""

    key: Key
    cap: Cap
    span: Span
    amount: Amount
    base: Amount


def on_day(amounts: Mapping[Key, Amount], lens: Lens, knowledge: Knowledge, day: date) -> list[OnDay]:
    """Return each counter of a book on one day as it is shown: groups added up, shares of a base as limits."""
    totals: dict[Key, Amount] = {}
    for key, amount in amounts.items():
        shown = key._replace(subject=shown_subject(key.subject, lens.caps[key.cap], knowledge.groups, day))
        totals[shown] = totals[shown].plus(amount) if shown in totals else amount
    found = []
    for key, amount in totals.items():
        span = lens.span_of(key)
        if not span.covers(day) or not any(amount):
            continue
        cap, base_amount = lens.caps[key.cap].of_subject(key.subject), NOTHING
        if cap.limit.share:
            base = lens.caps[cap.limit.share.of]
            part = part_of(key.subject, base, shown=True)
            base_amount = totals.get(Key(key.book, base.name, part, window_in(base, key.window)), NOTHING)
            limit = (
                cap.limit.share.fraction * max(base_amount.tpp, ZERO) if _is_known(part, base, knowledge, day) else None
            )
            cap = replace(cap, limit=replace(cap.limit, steps=((None, limit),)))
        found.append(OnDay(key, cap, span, amount, base_amount))
    return found


def _is_known(part: str, base: Cap, knowledge: Knowledge, day: date) -> bool:
    """Return whether the base of a share is known on a day: whose it is, and what stock was declared of it."""
    if f"={UNKNOWN}" in part:
        return False
    period = dict(base.base).get("declared", "")
    dimensions = dimensions_of(part)
    declarer = dimensions.get("owner_group", dimensions.get("owner", ""))
    return not period or knowledge.groups.declared(declarer, day, period)


def part_of(subject: str, base: Cap, *, shown: bool = False) -> str:
    """Return the part of a subject that a base shares with it."""
    dimensions = dimensions_of(subject)
    return ",".join(f"{name}={dimensions[name]}" for name in (base.by if shown else base.kept_by)) or EVERYONE


def window_in(base: Cap, window: date) -> date:
    """Return the first day of the base's window that belongs to a window of its share."""
    span = window_of(base, window) if window > date.min else None
    return (span or base.window.span).first or date.min
