"""What counts alike is added up by the database: the sums are those of every entry asked of the lens by itself.

Random worlds of the past answers, with books whose windows are years, quarters and rolling days beside groups and
shares; then the quick way is held against the slow one, on days and records drawn at random.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import product
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core import counters
from ledger.core.lens import NOTHING, WEIGHTS, Amount, Key
from ledger.core.shown import shown_subject
from ledger.reports import Reader, View, statement
from ledger.reports.past import Past
from ledger.reports.remaining import window_text
from ledger.reports.standings import amounts_on, of_amounts, standings, total_on
from ledger.reports.statement.concerning import caps_touched
from ledger.reports.statement.reading import Scope
from ledger.store.alike import STAGES, days_of, used_on
from ledger.store.source import Profiles
from ledger.store.sums import Days, counters_of
from tests.conftest import Databases, in_database
from tests.test_past_answers import FIRST, steps
from tests.world import H100, H200, Ledger, adopt, book, license_, move, party, reverse

EXAMPLES = int(os.environ.get("CAPLEDGER_TEST_EXAMPLES", "6"))
WINDOWS = book(
    "name: year, counts: shipped, by: [destination, chip], window: calendar year, limit: 90 chips",
    "name: quarter, counts: granted, by: [recipient], window: calendar quarter, limit: none, gives_back: [unshipped]",
    "name: lately, counts: shipped, by: [destination], window: rolling 9 days, limit: 90 chips, gives_back: [return]",
    "name: here, counts: held, by: [owner_group, destination], limit: {share: 70%, of: whole}",
    "name: whole, counts: held, by: [owner_group], limit: none",
    "name: some, counts: granted, by: [exporter], window: {from: 2026-01-12, until: 2026-02-01}, limit: 90 chips",
    "name: ratio, counts: granted, by: [chip], limit: {share: 50%, of: {counts: shipped, by: [chip], where: "
    "{destination: [US]}}}",
    name="windows",
)
WHOSE = [("", "a", ""), ("", "b", ""), ("", "c", ""), ("x", "", ""), ("", "", "MY"), ("x", "c", "MY")]
days = st.integers(-40, 90).map(lambda n: FIRST + timedelta(days=n))
stories = st.lists(steps, min_size=3, max_size=14)


@pytest.fixture(scope="module")
def begun(databases: Databases, template: str) -> str:
    """The name of a database to copy: parties, ratings, a license, the book of windows and some movements."""
    name = databases.make(template)
    with psycopg.connect(in_database(databases.server, name)) as conn:
        ledger = Ledger(conn).begin(
            party("x"), party("a", "AE"), party("b", "AE", "a"), party("c", "MY", "unknown"),
            party("d", "MY", "unknown"), license_("lic", "a", "AE", "x", last_day="2026-01-25"),
            adopt(WINDOWS, "2025-01-01"), chips=(H100, H200),
        )  # fmt: skip
        of = {"destination": "AE", "recipient": "a", "exporter": "x", "observed": True}
        ledger.must(move("grant", "2026-01-10", 20, authorization="lic", **of))
        for day, who in product(("2025-12-30", "2026-01-03", "2026-01-14", "2026-01-17"), "abcd"):
            ledger.must(move("ship", day, 3, **{**of, "recipient": who, "destination": "MY"}))
        ledger.must(move("ship", "2026-01-16", 50, **{**of, "recipient": "d", "destination": "US"}))
        for day in ("2026-01-18", "2026-01-22"):
            ledger.must(move("reserve", "2026-01-13", 2, last_day=day, **{**of, "recipient": "b", "destination": "MY"}))
    return name


@contextmanager
def played(databases: Databases, begun: str, story: list[Any]) -> Iterator[tuple[Ledger, psycopg.Connection[Any]]]:
    """A ledger in which a story was told, and a connection to read it."""
    name = databases.make(begun)
    there = in_database(databases.server, name)
    with psycopg.connect(there) as conn, psycopg.connect(there) as reading:
        ledger = Ledger(conn)
        for step in story:
            if isinstance(step, int):
                posted = ledger.rows("SELECT seq FROM journal WHERE kind = 'movement.posted' ORDER BY seq DESC")
                step = reverse(posted[step % len(posted)][0], FIRST.isoformat())
            ledger.ask(step)
        conn.rollback()
        yield ledger, reading
    databases.done.append(name)


def some(amounts: Mapping[Any, Amount]) -> dict[Any, Amount]:
    """What is not nothing."""
    return {key: amount for key, amount in amounts.items() if any(amount)}


def by_day(found: Mapping[Key, Days]) -> dict[tuple[Key, date], Amount]:
    return some({(key, day): amount for key, days in found.items() for day, amount in days.items()})


def minus(whole: Mapping[Any, Amount], part: Mapping[Any, Amount]) -> dict[Any, Amount]:
    keys = whole.keys() | part.keys()
    return some({key: whole.get(key, NOTHING).plus(counters.negative(part.get(key, NOTHING))) for key in keys})


def before(found: Mapping[tuple[Key, date], Amount], first: date) -> dict[Key, Amount]:
    totals: dict[Key, Amount] = {}
    for (key, day), amount in found.items():
        if day < first:
            totals[key] = totals.get(key, NOTHING).plus(amount)
    return some(totals)


@pytest.fixture
def told(databases: Databases, begun: str) -> Iterator[psycopg.Connection[Any]]:
    """The ledger in which nothing more was told, to read only."""
    with psycopg.connect(in_database(databases.server, begun)) as conn:
        yield conn


def test_on_every_day_around_every_edge_the_sums_are_those_of_every_entry(told: psycopg.Connection[Any]) -> None:
    reader = Reader(told)
    for day in (FIRST + timedelta(days=n) for n in range(-14, 30)):
        with reader.view(on=day) as view:
            [lens] = view.position.lenses.values()
            whole = counters_of(told, [lens], view.profiles, view.known)
            used = {key: total_on(of, day) for key, of in whole.items() if min(of) <= day}
            assert used_on(told, lens, view.profiles, view.known, day) == used, day
            for cap in lens.caps:  # each by itself: a rolling window has all days told apart
                mine = {key: amount for key, amount in used.items() if key.cap == cap}
                assert used_on(told, lens, view.profiles, view.known, day, caps=[cap]) == mine, (day, cap)
            since = by_day(days_of(told, [lens], view.profiles, view.known, lambda *_: True, first=day))
            assert before(since, day) == before(by_day(whole), day), day


def test_as_known_at_every_record_the_amounts_are_those_of_every_entry_up_to_it(told: psycopg.Connection[Any]) -> None:
    reader = Reader(told)
    with reader.view(on=FIRST) as view:
        size = view.size
    for day, known in product((date(2026, 1, 2), date(2026, 1, 19)), range(size, 10, -1)):
        with reader.view(on=day, known=known) as view:
            [lens] = view.position.lenses.values()
            slow = counters_of(told, [lens], view.profiles, known)
            assert view.adoption
            assert some(amounts_on(view, view.adoption)) == some({key: total_on(of, day) for key, of in slow.items()})


@pytest.mark.parametrize("of", WHOSE)
def test_a_statement_counts_in_the_caps_of_its_group_and_of_those_whose_group_nobody_knows(
    told: psycopg.Connection[Any], of: tuple[str, str, str]
) -> None:
    for known in (None, 28):
        with Reader(told).view(on=date(2026, 1, 19), known=known) as view:
            caps, _ = caps_touched(Scope(view, *of), view.on)
            assert [(each.standing, each.own, each.own_tpp) for each in caps] == caps_slowly(Scope(view, *of), view.on)
            assert caps
            for most in (0, 2, 100):
                same_lines(view, dict(zip(("exporter", "recipient", "country"), of, strict=True)), view.on, most)


@settings(max_examples=EXAMPLES)
@given(stories, days, st.integers(0, 30), st.integers(0, 30), st.sampled_from(["", *"abc"]))
def test_the_sums_of_what_counts_alike_are_those_of_every_entry(
    databases: Databases, begun: str, story: list[Any], day: date, unknown: int, newer: int, party: str
) -> None:
    with played(databases, begun, story) as (ledger, conn), Reader(conn).view(on=day) as view:
        known = max(1, ledger.size() - unknown)
        after = max(0, known - newer)
        lenses, profiles = list(view.position.lenses.values()), Profiles(conn)
        only = [n for n, profile in profiles.all().items() if party in ("", profile.recipient.party)]
        whole = counters_of(conn, lenses, profiles, known, only)
        newest = minus(by_day(whole), by_day(counters_of(conn, lenses, profiles, after, only)))

        def told(**asked: Any) -> dict[Key, Days]:
            return days_of(conn, lenses, profiles, known, lambda *_: True, only=only, **asked)

        assert told(first=date.min) == whole
        assert by_day(told(first=date.min, after=after)) == newest
        since = by_day(told(first=day))
        assert {each: amount for each, amount in since.items() if each[1] >= day} == {
            each: amount for each, amount in by_day(whole).items() if each[1] >= day
        }
        assert before(since, day) == before(by_day(whole), day)
        for lens in lenses:
            used = {key: total_on(of, day) for key, of in whole.items() if key.book == lens.seq and min(of) <= day}
            assert used_on(conn, lens, profiles, known, day, only=only) == used
            for cap in lens.caps:
                mine = {key: amount for key, amount in used.items() if key.cap == cap}
                assert used_on(conn, lens, profiles, known, day, caps=[cap], only=only) == mine


@settings(max_examples=EXAMPLES)
@given(stories, st.tuples(days, days))
def test_what_was_used_as_known_at_any_record_is_what_a_walk_of_every_entry_has(
    databases: Databases, begun: str, story: list[Any], asked: tuple[date, date]
) -> None:
    with played(databases, begun, story) as (ledger, conn):
        reader = Reader(conn)
        began = len(ledger.rows("SELECT FROM journal WHERE kind <> 'movement.posted'"))
        for day, known, _ in product(asked, range(ledger.size(), began, -3), ("first", "again")):
            with reader.view(on=day, known=known) as view:
                if (adoption := view.adoption) is None:
                    continue
                slow = counters_of(conn, [view.position.lenses[adoption.seq]], view.profiles, known)
                totals = {key: total_on(of, day) for key, of in slow.items()}
                assert some(amounts_on(view, adoption)) == some(totals)
                assert standings(view) == of_amounts(totals, adoption, view.position.knowledge, day)


def caps_slowly(scope: Scope, last: date) -> list[tuple[Any, ...]]:
    """The caps that a statement counts in, from every counter of the book and every entry of the statement."""
    view, adoption = scope.view, scope.view.adoption
    if adoption is None:
        return []
    lens = view.position.lenses[adoption.seq]
    knowledge, own = view.position.knowledge, dict[tuple[str, str, str], Amount]()
    for key, of in counters_of(view.conn, [lens], view.profiles, view.known, scope.ids).items():
        if min(of) <= last:
            subject = shown_subject(key.subject, lens.caps[key.cap], knowledge.groups, last)
            shown = key.cap, subject, window_text(lens.span_of(key))
            own[shown] = own.get(shown, NOTHING).plus(total_on(of, last))
    used = {key: total_on(of, last) for key, of in
            counters_of(view.conn, [lens], view.profiles, view.known).items()}  # fmt: skip
    found = []
    for each in of_amounts(used, adoption, knowledge, last):
        if (amount := own.get((each.cap, each.subject, each.window))) is not None:
            certain, _, _ = counters.measured(amount, lens.caps[each.cap].limit.unit)
            found.append((each, certain, amount.tpp + amount.doubt_tpp))
    return found


@settings(max_examples=EXAMPLES)
@given(stories, days, st.integers(0, 20), st.integers(0, 6), st.permutations(WHOSE))
def test_a_statement_has_the_caps_that_every_entry_comes_to_and_its_first_lines_are_those_of_the_whole(
    databases: Databases, begun: str, story: list[Any], last: date, unknown: int, most: int,
    whose: list[tuple[str, str, str]],
) -> None:  # fmt: skip
    with (
        played(databases, begun, story) as (ledger, conn),
        Reader(conn).view(on=last, known=max(18, ledger.size() - unknown)) as view,
    ):
        for of in whose[:2]:
            scope = Scope(view, *of)
            caps, _ = caps_touched(scope, last)
            assert [(each.standing, each.own, each.own_tpp) for each in caps] == caps_slowly(scope, last)
            same_lines(view, dict(zip(("exporter", "recipient", "country"), of, strict=True)), last, most)


def same_lines(view: View, of: dict[str, str], last: date, most: int) -> None:
    """A statement of so many lines is the whole one's beginning, and all else of it the same."""
    whole = statement(view, **of, first=last - timedelta(days=60), last=last)
    cut = statement(view, **of, first=last - timedelta(days=60), last=last, most=most)
    assert (cut.lines, cut.more) == (whole.lines[:most], max(0, len(whole.lines) - most))
    assert (cut.opening, cut.closing, cut.caps, whole.more) == (whole.opening, whole.closing, whole.caps, 0)


def test_every_stage_that_anything_counts_has_a_bit_of_its_own():
    stages = {stage for weights in WEIGHTS.values() for stage in weights}
    assert stages == STAGES.keys()
    assert sorted(STAGES.values()) == [2**n for n in range(len(STAGES))]


def test_answers_of_the_past_are_kept_only_while_the_projections_stand():
    past, key = Past(), Key(1, "cap", "world", date.min)

    def ask(made: int, n: int) -> int:
        return past.of(made, "what", lambda: {key: Amount(chips=n)})[key].chips

    assert past.look(7) == 0  # found made anew: they may have been so since the snapshot was taken
    assert [ask(0, 1), ask(0, 2)] == [1, 2]
    assert past.look(7) == 7
    assert [ask(7, 3), ask(7, 4)] == [3, 3]
    assert past.look(8) == 0
    assert [ask(7, 5), ask(7, 6)] == [5, 6]  # a view that began before keeps nothing either
    assert [past.look(8), ask(8, 7), ask(8, 8)] == [8, 7, 7]


def test_the_oldest_answers_of_the_past_are_forgotten_first(monkeypatch):
    monkeypatch.setattr("ledger.reports.past.MOST_AMOUNTS", 2)
    past, key = Past(), Key(1, "cap", "world", date.min)
    past.look(1)
    for n in (1, 2, 3):
        past.of(1, n, lambda n=n: {key: Amount(chips=n)})
    assert past.of(1, 3, dict) == {key: Amount(chips=3)}
    assert past.of(1, 1, dict) == {}
