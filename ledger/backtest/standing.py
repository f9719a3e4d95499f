"""How a book's counters stand on a day, since when they are over, and what stands in its tiers."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from ledger.backtest.replaying import Replaying
from ledger.backtest.rows import lowest
from ledger.backtest.then import Then
from ledger.backtest.values import TIER_STAGES, Stood, Subject, TierTotal
from ledger.core import counters
from ledger.core.counters import Counter
from ledger.core.lens import limit_on
from ledger.core.rulebook import PAUSED, Cap, Span
from ledger.core.shown import shown_subject
from ledger.core.tested import is_plain, test_days, tested
from ledger.reports import CapStanding, View
from ledger.reports.remaining import window_text
from ledger.reports.standings import of_amounts
from schema.queries import SQL

NO_TIER = "unknown"
ONE_DAY = timedelta(days=1)


def subjects(replay: Replaying, view: View) -> tuple[Subject, ...]:
    """Return every subject of a book: those with counters in use on the day, and those that were over before."""
    by_subject: dict[str, list[Stood]] = {}
    for stood in _counters(replay, view):
        by_subject.setdefault(stood.standing.subject, []).append(stood)
    return tuple(
        Subject(subject, found[0].standing.tier, binding(found), tuple(found))
        for subject, found in sorted(by_subject.items())
    )


def binding(found: list[Stood]) -> Stood | None:
    """Return the counter that leaves least, of those that can refuse; ties by the book's order.

    Chips that are left count as many TPP as the counter's chips have on average.
    """
    can = [
        each for each in found
        if not each.has_ended and each.standing.when_exceeded == "refuse" and each.standing.state != "watched"
    ]  # fmt: skip
    return min(can, key=lambda each: _room(each.standing), default=None)


def tiers(view: View, found: tuple[Subject, ...]) -> tuple[TierTotal, ...]:
    """Return what stands in each stage on the view's day, per tier of its book."""
    adoption = view.adoption
    assert adoption
    totals: dict[str, dict[str, Decimal]] = {}
    countries: dict[str, set[str]] = {}
    rows = view.conn.execute(SQL["stage_totals_at"], {"known": view.known, "day": view.on})
    for destination, stage, tpp in rows:
        tier = adoption.book.tier(destination, view.on) or NO_TIER
        if stage in TIER_STAGES:
            total = totals.setdefault(tier, dict.fromkeys(TIER_STAGES, Decimal(0)))
            total[stage] += tpp
            countries.setdefault(tier, set()).add(adoption.book.place(destination))
    over = [
        each.standing.tier for subject in found for each in subject.counters
        if each.standing.state == "over" and not each.has_ended
    ]  # fmt: skip
    return tuple(
        TierTotal(tier, len(countries[tier]), total, over.count(tier)) for tier, total in sorted(totals.items())
    )


def _counters(replay: Replaying, view: View) -> list[Stood]:
    """Return a book's counters on a day in its order; after them those of earlier windows that were over."""
    on, knowledge = view.on, view.position.knowledge
    position = replay.position(Then(view.conn, view.profiles, 0), knowledge)
    over: dict[tuple[str, str, str], date] = {}
    ended: list[Stood] = []
    used = list(replay.used())
    for key, counter, cap, span in used:
        window = window_text(replay.lens.span_of(key))
        subject = shown_subject(key.subject, cap, knowledge.groups, on)
        if not is_plain(cap):
            if (cap.name, subject, window) in over:
                continue  # of another owner of the same group
            whole = tested(key, cap, date.min, position, {})
            cap, counter = whole.cap, whole.counter
        last = _last_day(counter, on if span.until is None else min(on, span.until - ONE_DAY))
        first = _first_over(counter, cap, span, last)
        if first is not None:
            over[cap.name, subject, window] = first
        if first and last < on:
            amounts = (
                {each: of.used(last) for each, of, _, _ in used} if not is_plain(cap) else {key: counter.used(last)}
            )
            then = [
                each for each in of_amounts(amounts, replay.adoption, knowledge, last)
                if each.cap == cap.name and (is_plain(cap) or each.subject == subject)
            ]  # fmt: skip
            ended += [Stood(each, first, has_ended=True) for each in then]
    now = {key: counter.used(on) for key, counter, _, span in used if span.until is None or span.until > on}
    found = [
        Stood(each, over.get((each.cap, each.subject, each.window)))
        for each in of_amounts(now, replay.adoption, knowledge, on)
    ]
    order = {cap.name: n for n, cap in enumerate(replay.adoption.book.caps)}
    ended.sort(key=lambda each: (order[each.standing.cap], each.standing.window))
    return found + ended


def _last_day(counter: Counter, last: date) -> date:
    """Return the last day, up to one, on which anything counted; the first day of all where nothing did."""
    while not any(counter.used(last)):
        earlier = [day for day in counter.days if day <= last]
        if not earlier:
            return date.min
        last = earlier[-1] - ONE_DAY
    return last


def _first_over(counter: Counter, cap: Cap, span: Span, last: date) -> date | None:
    """Return the first day, up to a last one, on which a counter stood over its limit."""
    least = lowest(cap, span)
    if cap.limit.unlimited or (least is not None and counter.peak() <= least):
        return None
    steps = {day for day, _ in cap.limit.steps if day and span.covers(day)}
    days = {*counter.days, *steps}
    share = cap.limit.share
    if share and share.tested_on and days:
        first = min(day for day in days if day > date.min)
        days = {each.first for each in test_days(share, [span], first, counter, cap) if each.first}
    for day in sorted(days):
        if day > last:
            return None
        used, doubt, _ = counters.measured(counter.used(day), cap.limit.unit)
        if counters.state(cap, used, doubt, limit_on(cap, day)) == "over":
            return day
    return None


def _room(standing: CapStanding) -> tuple[int, Decimal]:
    if standing.left is None or standing.state in PAUSED:
        return 0, Decimal(0)
    if standing.unit == "models":
        return 2, standing.left  # what has no TPP leaves less than nothing that has
    if standing.unit == "TPP" or not standing.used:
        return 1, standing.left
    return 1, standing.left * standing.used_tpp / standing.used
