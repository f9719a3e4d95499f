"""A counter and its limit: what is used on a day, whether more fits on every day, and in which state it is."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import counters
from ledger.core.counters import Counter, state, tightest
from ledger.core.lens import NOTHING, Amount, limit_on
from ledger.core.rulebook import All, Cap, Limit, Span, Window

FIRST = date(2026, 1, 1)
ALWAYS = (Span(),)
RATING = 10  # TPP of a chip, so that what it is in chips and in TPP never agree by chance


def on(n):
    return FIRST + timedelta(days=n)


def some(chips, doubt=0, unstated=0):
    return Amount(Decimal(RATING * chips + unstated), chips, Decimal(RATING * doubt), doubt, Decimal(unstated))


def cap(limit, unit="TPP", span=Span(), kind="always", after="nothing", **more):  # noqa: B008
    steps = limit if isinstance(limit, list) else [(None, limit)]
    steps = tuple((first, None if amount is None else Decimal(amount)) for first, amount in steps)
    window = Window(kind if span == Span() else "span", span, after=after)
    return Cap("cap", "law", "shipped", All(), Limit(unit, steps, **more), window=window)


def finding(cap, deltas, changes, spans=ALWAYS):
    standing = counters.test(Counter(deltas=deltas.items()), cap, changes, spans)
    return standing.finding, standing.day


# A table: what is used by day, what is asked by day, the limit; the answer and the day it is about.


@pytest.mark.parametrize(("limit", "used", "asked", "answer"), [
    (100, {}, {0: 10}, ("fits", 0)),                                    # exactly
    (100, {}, {0: 11}, ("exceeded", 0)),                                # not by one chip
    (100, {0: 10}, {5: -3}, ("fits", 5)),
    (100, {0: 10, 3: -4}, {1: 1}, ("exceeded", 1)),                     # on its own day
    (100, {0: 5, 3: 5}, {1: 1}, ("exceeded", 3)),                       # on a later day that it changes
    (100, {0: 5, 3: 5}, {1: 1, 3: -1}, ("fits", 1)),                    # it is gone by then
    (100, {0: 5, 3: 5}, {1: 1, 4: -1}, ("exceeded", 3)),
    (100, {0: 20}, {0: -5}, ("fits", 0)),                               # a cure, though still over
    (100, {0: 20}, {0: -5, 5: 5}, ("fits", 0)),                         # and its end raises nothing
    (100, {0: 20}, {0: -5, 5: 6}, ("exceeded", 5)),
    ([(None, 100), (on(10), 50)], {}, {0: 6}, ("exceeded", 10)),        # a limit that falls
    ([(None, 50), (on(10), 100)], {}, {0: 6}, ("exceeded", 0)),
    ([(None, 50), (on(10), 100)], {}, {10: 6}, ("fits", 10)),
    ([(on(5), 100)], {}, {0: 1}, ("undetermined", 0)),                  # no amount for the day
    ([(None, 100), (on(5), None)], {}, {0: 1}, ("fits", 0)),            # not known yet for later is no reason
    ([(None, 100), (on(5), None)], {}, {5: 1}, ("undetermined", 5)),
    ([(None, 100), (on(5), None)], {0: 10}, {4: 1}, ("exceeded", 4)),
])  # fmt: skip
def test_what_is_raised_is_tested_on_its_day_and_every_later_one(limit, used, asked, answer):
    deltas = {on(n): some(chips) for n, chips in used.items()}
    changes = {on(n): some(chips) for n, chips in asked.items()}
    assert finding(cap(limit), deltas, changes) == (answer[0], on(answer[1]))


@pytest.mark.parametrize(("unit", "used", "asked", "answer"), [
    ("TPP", some(5, doubt=4), some(1), "fits"),
    ("TPP", some(5, doubt=5), some(1), "undetermined"),                 # if the doubt is real, it is over
    ("TPP", some(10, doubt=5), some(1), "exceeded"),                    # whether or not it is
    ("TPP", some(5), some(0, doubt=6), "undetermined"),
    ("TPP", some(5), some(0, doubt=5), "fits"),
    ("TPP", some(5, unstated=10), some(4), "fits"),                     # equivalents have their TPP
    ("chips", some(1), some(1), "fits"),
    ("chips", some(100), some(1), "exceeded"),
    ("chips", some(1, unstated=10), some(1), "undetermined"),           # and no number of chips
    ("chips", some(1), some(0, unstated=10), "undetermined"),
    ("chips", some(1, unstated=10), some(0, unstated=-10), "fits"),     # giving them up is no reason to refuse
    ("chips", some(1, unstated=10), some(-1), "fits"),
])  # fmt: skip
def test_what_is_not_known_refuses_where_the_answer_turns_on_it(unit, used, asked, answer):
    assert finding(cap(100, unit), {FIRST: used}, {FIRST: asked})[0] == answer


def test_equivalents_granted_for_later_make_a_cap_in_chips_undetermined_on_that_day():
    huge = cap(500_000, "chips")
    assert finding(huge, {on(9): some(0, unstated=10)}, {on(5): some(1)}) == ("undetermined", on(9))
    counter = Counter()
    counter.add(on(9), some(0, unstated=10))
    assert counters.test(counter, huge, {on(5): some(1)}, ALWAYS).finding == "undetermined"


@pytest.mark.parametrize(("spans", "answer"), [
    ([Span(on(0), on(5))], ("fits", 0)),            # over only on days when the book is not asked
    ([Span(on(5), None)], ("exceeded", 5)),
    ([Span(on(0), on(2)), Span(on(8), None)], ("exceeded", 8)),
    ([Span(on(5), on(5))], ("fits", 0)),
])  # fmt: skip
def test_a_day_counts_only_where_the_book_is_in_force(spans, answer):
    assert finding(cap(100), {on(0): some(5), on(5): some(5)}, {on(0): some(1)}, spans) == (answer[0], on(answer[1]))


amounts = st.integers(-9, 9)
days = st.integers(0, 12)


@st.composite
def asked_counters(draw):
    """A counter whose use is never below zero, a cap, and what is asked of it."""
    unit = draw(st.sampled_from(["TPP", "chips"]))
    ten = RATING if unit == "TPP" else 1
    limits = st.integers(0, 25).map(lambda n: n * ten)
    steps = draw(st.one_of(limits.map(lambda n: [(None, n)]),
                           st.dictionaries(days, limits, min_size=1, max_size=3).map(
                               lambda each: [(None, 9 * ten), *((on(n), each[n]) for n in sorted(each))])))  # fmt: skip
    used = st.tuples(amounts, st.sampled_from([0, 0, 0, 2]), st.sampled_from([0, 0, 0, 0, 10]))
    deltas = {on(n): some(*amount) for n, amount in draw(st.dictionaries(days, used, max_size=5)).items()}
    changes = {on(n): some(chips) for n, chips in draw(st.dictionaries(days, amounts, min_size=1, max_size=3)).items()}
    return cap(steps, unit), deltas, changes


def slowly(cap, deltas, changes):
    """The same question, asked of every single day."""
    undetermined, first = None, min(changes)
    for n in range((first - FIRST).days, 14):
        used = asked = NOTHING
        for day, amount in deltas.items():
            used = used.plus(amount) if day <= on(n) else used
        for day, amount in changes.items():
            asked = asked.plus(amount) if day <= on(n) else asked
        limit = limit_on(cap, on(n))
        size, doubt, more = (used.tpp, used.doubt_tpp, asked.tpp) if cap.limit.unit == "TPP" else (
            used.chips, used.doubt_chips, asked.chips)  # fmt: skip
        if more <= 0:
            continue
        if size + more > limit:
            return "exceeded"
        if size + doubt + more > limit or (cap.limit.unit == "chips" and used.unstated_tpp):
            undetermined = "undetermined"
    return undetermined or "fits"


@given(asked_counters(), st.data())
def test_the_quick_answer_is_the_slow_one_whatever_was_added_and_asked_before(asked, data):
    cap, deltas, changes = asked
    counter = Counter()
    for day, amount in data.draw(st.permutations(list(deltas.items()))):
        counter.add(day, amount)
        if data.draw(st.booleans()):
            probe = on(data.draw(days))
            sums = [added for each, added in counter.deltas.items() if each <= probe]
            assert counter.used(probe) == sum_of(sums)
            counters.test(counter, cap, {probe: some(1)}, [Span()])
    assert counters.test(counter, cap, changes, [Span()]).finding == slowly(cap, deltas, changes)


def sum_of(added):
    total = NOTHING
    for amount in added:
        total = total.plus(amount)
    return total


@given(asked_counters(), st.integers(0, 12))
def test_what_is_left_on_the_tightest_day_fits_and_one_chip_more_does_not(asked, n):
    cap, deltas, _ = asked
    standing = tightest(Counter(deltas=deltas.items()), cap, on(n), [Span()])
    if standing.left is None or any(amount.unstated_tpp for amount in deltas.values()):
        return
    each = RATING if cap.limit.unit == "TPP" else 1
    fits = int(standing.left // each)
    if fits > 0:
        assert finding(cap, deltas, {on(n): some(fits)})[0] == "fits"
    assert finding(cap, deltas, {on(n): some(max(fits, 0) + 1)})[0] != "fits"


@pytest.mark.parametrize(("used", "doubt", "limit", "expected"), [
    (0, 0, 100, "open"), (89, 0, 100, "open"), (90, 0, 100, "critical"), (99, 0, 100, "critical"),
    (100, 0, 100, "exhausted"), (101, 0, 100, "over"), (50, 51, 100, "undetermined"), (50, 50, 100, "open"),
    (0, 0, None, "undetermined"), (0, 0, 0, "exhausted"),
])  # fmt: skip
def test_a_cap_has_one_state_at_a_time(used, doubt, limit, expected):
    assert state(cap(100), Decimal(used), Decimal(doubt), None if limit is None else Decimal(limit)) == expected


def test_a_cap_without_a_limit_is_only_watched():
    watched = cap([], unlimited=True)
    assert state(watched, Decimal(10**9), Decimal(0), None) == "watched"
    assert finding(watched, {FIRST: some(10**9)}, {FIRST: some(1)})[0] == "fits"


def test_what_came_before_the_days_that_a_counter_knows_is_its_base():
    counter = Counter(some(5), [(on(3), some(2))], exact_from=on(2))
    assert [counter.used(on(n)).chips for n in (2, 3, 4)] == [5, 7, 7]
    assert counters.test(counter, cap(70), {on(3): some(1)}, [Span()]).finding == "exceeded"
