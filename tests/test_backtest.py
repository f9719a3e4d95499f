"""Back-testing: what another rulebook makes of what happened, and of what was refused."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest
from conftest import in_database
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from world import A100, DIFFUSION, GB300, H100, LICENSING, Ledger, adopt, book, change, license_, move, party

from ledger.backtest import backtest, running
from ledger.cli import app
from ledger.core.errors import NotFound
from ledger.posting import Request
from ledger.reports import Reader, standings

END = date(2027, 3, 1)
EXAMPLES = int(os.environ.get("CAPLEDGER_TEST_EXAMPLES", "30"))
AE = {"exporter": "nvidia", "recipient": "azure", "destination": "AE", "authorization": "L1"}
PLACES = ("nvidia", "US"), ("azure", "AE"), ("mydc", "MY"), ("cn-group", "CN")
PARTIES = [party("microsoft"), *(party(name, seat) for name, seat in PLACES)]
LICENSES = [license_("L1", "azure", "AE"), license_("M1", "mydc", "MY"), license_("C1", "cn-group", "CN")]


@pytest.fixture
def ledger(conn) -> Ledger:
    """Parties and licenses, under no rulebook yet."""
    return Ledger(conn).begin(*PARTIES, *LICENSES)


@pytest.fixture
def file(tmp_path):
    """Write a rulebook of some caps to a file; return how to name it."""

    def write(*caps: str, name: str = "other", **more: str) -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(book(*caps, name=name, **more), encoding="utf-8")
        return str(path)

    return write


def tried(ledger: Ledger, *books: str, on: date = END, **more):
    """Back-test; return what each book makes of it."""
    found = backtest(ledger.conn, books, on=on, **more).books
    ledger.conn.isolation_level = ledger.conn.read_only = None
    return found if len(books) > 1 else found[0]


def findings(under):
    """Return each refused posting's record with code and reason of everything found."""
    return {each.asked.seq: [(one.code, one.reason) for one in each.findings] for each in under.refused}


def limit(amount: str, name: str = "limit", **more: str) -> str:
    """A cap on what is granted to a destination, or as it is said."""
    parts = {"counts": "granted", "by": "[destination]", **more}
    return ", ".join([f"name: {name}", *(f"{key}: {value}" for key, value in parts.items()), f"limit: {amount}"])


def chips(count: int) -> str:
    return f"{count * 15832} TPP"


# What happened, and would have been refused.


def test_a_grant_that_the_licensing_rules_admitted_is_refused_by_the_framework_and_counted_all_the_same(ledger):
    ledger.must(adopt(LICENSING))
    fits = ledger.must(move("grant", "2025-06-02", 49_898, **AE))
    over = ledger.must(move("grant", "2025-06-03", 2, **AE))
    framework, enforced = tried(ledger, DIFFUSION, LICENSING)
    assert (framework.postings_count, framework.refused_count, enforced.refused_count) == (2, 1, 0)
    assert findings(framework) == {over: [("cap_exceeded", "country-allocation")]}
    (finding,) = framework.refused[0].findings
    assert (finding.subject, finding.day) == ("destination=AE", date(2025, 6, 3))
    assert "limit 790,000,000 TPP, used 789,985,136, asked 31,664, left 14,864" in finding.message
    (emirates,) = [each for each in framework.subjects if each.subject == "destination=AE"]
    stood = emirates.binding
    assert (stood.standing.cap, stood.standing.state, stood.first_over) == (
        "country-allocation", "over", date(2025, 6, 3),
    )  # fmt: skip
    assert (stood.standing.used, stood.standing.left) == (Decimal(790_016_800), Decimal(-16_800))
    assert fits < over


def test_a_rule_that_denies_is_the_reason_and_what_it_denies_is_not_held_against_caps(ledger, file):
    deny = "  - {name: no-china, law: test, where: {destination: [CN]}, answer: deny}\n"
    rules = deny + "  - {name: anything, law: test, where: {control: [a, none]}, answer: permit}"
    ledger.must(adopt(book()))
    to_china = {"exporter": "nvidia", "recipient": "cn-group", "destination": "CN", "authorization": "C1"}
    granted = ledger.must(move("grant", "2026-01-02", 5, **to_china))
    shipped = ledger.must(move("ship", "2026-01-03", 5, **to_china))
    ledger.must(move("receive", "2026-01-04", 5, recipient="cn-group", destination="CN"))
    under = tried(ledger, file(limit(chips(1)), rules=rules))
    assert findings(under) == {granted: [("not_permitted", "no-china")], shipped: [("not_permitted", "no-china")]}
    assert under.refused_for == {("not_permitted", "no-china"): 2}
    assert under.over_count == 1  # it happened, so it counts


def test_what_no_rule_matches_and_what_a_cap_cannot_tell_are_both_found(ledger, file):
    only_ae = "  - {name: only-ae, law: test, where: {destination: [AE]}, answer: permit}"
    ledger.must(adopt(book()))
    to_my = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY", "authorization": "M1"}
    granted = ledger.must(move("grant", "2026-01-02", 5, **to_my))
    said = ledger.must(move("grant", "2026-01-03", 5, GB300, unit="equivalents", **AE))
    under = tried(ledger, file(limit("10 chips"), rules=only_ae))
    assert findings(under) == {granted: [("undetermined", "none")], said: [("undetermined", "limit")]}


def test_a_posting_is_judged_where_it_stands_in_the_journal_not_by_its_day(ledger, file):
    ledger.must(adopt(book()))
    later = ledger.must(move("grant", "2026-03-10", 6, **AE))
    earlier = ledger.must(move("grant", "2026-03-01", 6, **AE))  # dated before, recorded after
    under = tried(ledger, file(limit(chips(10))))
    assert list(findings(under)) == [earlier] != [later]
    assert under.refused[0].findings[0].day == date(2026, 3, 10)
    assert under.subjects[0].first_over == date(2026, 3, 10)


def test_what_was_reported_as_a_fact_is_told_apart(ledger, file):
    ledger.must(adopt(book()))
    ledger.must(move("grant", "2026-01-02", 6, **AE, observed=True), move("grant", "2026-01-03", 6, **AE))
    under = tried(ledger, file(limit(chips(5))))
    assert (under.refused_count, under.reported_count) == (2, 1)
    assert [each.asked.voice for each in under.refused] == ["observation", "request"]


def test_a_receipt_without_a_shipment_and_a_reverse_are_asked_no_rule(ledger, file):
    nothing = "  - {name: nothing, law: test, where: {}, answer: deny}"
    ledger.must(adopt(book()))
    seq = ledger.must(move("grant", "2026-01-02", 5, **AE))
    ledger.must(
        move("receive", "2026-01-04", 5, recipient="azure", destination="AE"),
        move("return", "2026-01-05", 2, recipient="azure", destination="AE"),
        move("retire", "2026-01-06", 1, recipient="mydc", destination="MY", cause="loss"),
        move("reverse", "2026-01-07", reverses=str(seq)),
    )
    under = tried(ledger, file(rules=nothing))
    assert (list(findings(under)), under.postings_count) == ([seq], 5)


def test_only_as_many_as_asked_are_listed_and_all_are_counted(ledger, file):
    ledger.must(adopt(book()), *(move("grant", "2026-01-02", 6, **AE) for _ in range(4)))
    ledger.refused(move("ship", "2026-01-03", 99, **AE), "exceeds_authorization")
    name = file(limit(chips(5)))
    few, every = tried(ledger, name, most=1), tried(ledger, name, most=None)
    assert (few.refused_count, len(few.refused), len(every.refused)) == (4, 1, 4)
    assert few.refused_for == every.refused_for == {("cap_exceeded", "limit"): 4}


# What was refused, and would have been admitted.


def test_a_refusal_that_another_book_admits_is_listed_and_not_counted(ledger):
    ledger.must(adopt(DIFFUSION, "2025-01-13"), move("grant", "2025-06-02", 49_000, **AE))
    refused = ledger.refused(move("grant", "2025-06-03", 899, **AE), "cap_exceeded").seq
    framework, enforced = tried(ledger, DIFFUSION, LICENSING)
    assert (framework.refusals_count, framework.admitted_count) == (1, 0)
    assert [(each.asked.seq, each.code) for each in enforced.admitted] == [(refused, "cap_exceeded")]
    totals = {tier.tier: tier.tpp["licensed"] for tier in enforced.tiers}
    assert sum(totals.values()) == 49_000 * 15832


def test_a_refusal_is_asked_again_on_what_was_there_then_not_on_what_came_later(ledger, file):
    ledger.must(adopt(book(limit(chips(10)))), move("grant", "2026-01-02", 8, **AE))
    first = ledger.refused(move("grant", "2026-01-03", 3, **AE), "cap_exceeded").seq
    ledger.must(move("ship", "2026-01-04", 8, **AE))
    second = ledger.refused(move("grant", "2026-01-05", 4, **AE), "cap_exceeded").seq
    ledger.must(move("grant", "2026-01-06", 2, **AE))
    admitted = [each.asked.seq for each in tried(ledger, file(limit(chips(11)))).admitted]
    assert (admitted, second > first) == ([first], True)


def test_a_refused_shipment_draws_again_on_the_license_as_it_was(ledger, file):
    ledger.must(adopt(book(limit(chips(5), counts="shipped"))), move("grant", "2026-01-02", 8, **AE))
    refused = ledger.refused(move("ship", "2026-01-03", 6, **AE), "cap_exceeded").seq
    ledger.must(move("ship", "2026-01-04", 5, **AE))  # afterwards only 3 are open
    under = tried(ledger, file(limit(chips(6), counts="shipped")))
    assert [each.asked.seq for each in under.admitted] == [refused]


def test_a_refusal_for_stock_or_authority_turns_on_no_rulebook(ledger, file):
    ledger.must(adopt(book()), move("grant", "2026-01-02", 8, **AE))
    ledger.refused(move("ship", "2026-01-03", 9, **AE), "exceeds_authorization")
    ledger.refused(move("grant", "2026-01-03", 9, **AE), "forbidden", actor="azure")
    under = tried(ledger, file())
    assert (under.refusals_count, under.admitted_count) == (0, 0)


def test_a_party_that_was_registered_only_later_is_not_known_to_the_refusal_asked_again(ledger, file):
    rules = "  - {name: known, law: test, where: {any_headquarters: [AE]}, answer: permit}"
    ledger.must(party("newcomer", "AE", "unknown"), license_("N1", "newcomer", "AE"), adopt(book(rules="""
  - {name: american, law: test, where: {all_headquarters: [US]}, answer: permit}
  - {name: ours, law: test, where: {recipient: [azure]}, answer: permit}""", name="first")))  # fmt: skip
    grant = {**AE, "recipient": "newcomer", "authorization": "N1"}
    before = ledger.ask(move("grant", "2026-01-02", 1, **grant))
    assert before.code in ("undetermined", "not_permitted")
    under = tried(ledger, file(rules=rules))
    assert [each.asked.seq for each in under.admitted] == [before.seq]


def test_an_amendment_that_was_refused_is_asked_again_too(ledger, file):
    yearly = limit(chips(10), gives_back="[unshipped]")
    ledger.must(
        adopt(book(yearly)), license_("S1", "azure", "AE", last_day="2026-01-31"),
        move("grant", "2026-01-02", 6, **{**AE, "authorization": "S1"}),
        move("grant", "2026-02-02", 6, **AE),
    )  # fmt: skip
    amended = change("S1", "amended", "2026-01-03", last_day="2026-12-31")
    refused = ledger.refused(amended, "cap_exceeded").seq
    assert [each.asked.seq for each in tried(ledger, file(yearly.replace(chips(10), chips(12)))).admitted] == [refused]
    assert tried(ledger, file(yearly.replace(chips(10), chips(11)))).admitted_count == 0


# How it stands.


def test_the_first_day_over_is_the_first_day_it_stood_over_even_if_it_was_cured_since(ledger, file):
    ledger.must(
        adopt(book()), move("grant", "2026-01-05", 6, **AE), move("grant", "2026-01-10", 6, **AE),
        move("release", "2026-02-01", 6, **AE),
    )  # fmt: skip
    name = file(limit(chips(10), gives_back="[unshipped]"))
    (now,) = tried(ledger, name).subjects
    assert (now.binding.standing.state, now.first_over) == ("open", date(2026, 1, 10))
    (before,) = tried(ledger, name, on=date(2026, 1, 9)).subjects
    assert (before.binding.standing.state, before.first_over) == ("open", None)


def test_a_step_of_a_schedule_can_be_the_first_day_over(ledger, file):
    ledger.must(adopt(book()), move("grant", "2026-01-05", 6, **AE))
    falling = f"{{schedule: {{2026-01-01: {chips(10)}, 2026-02-01: {chips(5)}}}}}"
    (subject,) = tried(ledger, file(limit(falling))).subjects
    assert subject.first_over == date(2026, 2, 1)


def test_a_window_that_has_ended_is_shown_only_where_it_was_over(ledger, file):
    ledger.must(
        adopt(book()), move("grant", "2024-01-05", 3, **AE), move("grant", "2025-05-05", 6, **AE),
        move("grant", "2026-01-10", 4, **AE),
    )  # fmt: skip
    (subject,) = tried(ledger, file(limit(chips(5), window="calendar year")), on=date(2026, 6, 1)).subjects
    told = [(each.standing.window, each.standing.state, each.first_over, each.has_ended) for each in subject.counters]
    assert told == [
        ("2026-01-01/2027-01-01", "open", None, False),
        ("2025-01-01/2026-01-01", "over", date(2025, 5, 5), True),
    ]
    assert subject.binding.standing.window.startswith("2026")


@pytest.mark.parametrize(("first", "second", "binds"), [
    (chips(10), chips(8), "b"),
    (chips(8), chips(10), "a"),
    (chips(8), chips(8), "a"),
    (chips(10), "7 chips", "b"),
    (chips(6), "7 chips", "a"),
    ("none", chips(8), "b"),
])  # fmt: skip
def test_the_binding_cap_is_the_one_that_leaves_least(ledger, file, first, second, binds):
    ledger.must(adopt(book()), move("grant", "2026-01-05", 5, **AE))
    (subject,) = tried(ledger, file(limit(first, "a"), limit(second, "b"))).subjects
    assert subject.binding.standing.cap == binds


def test_a_cap_that_only_flags_refuses_nothing_and_never_binds(ledger, file):
    ledger.must(adopt(book()), move("grant", "2026-01-05", 5, **AE))
    under = tried(ledger, file(limit(chips(1), when_exceeded="flag")))
    assert (under.refused_count, under.subjects[0].binding, under.over_count) == (0, None, 1)


def test_nothing_is_counted_twice_and_tiers_are_those_of_each_book(ledger):
    ledger.must(
        adopt(LICENSING), move("grant", "2025-06-02", 100, **AE), move("ship", "2025-06-03", 40, **AE),
        move("receive", "2025-06-04", 30, recipient="azure", destination="AE"),
        move("grant", "2025-06-05", lines=[{"chip": A100, "quantity": "5"}] * 2, **AE),
    )  # fmt: skip
    framework, enforced = tried(ledger, DIFFUSION, LICENSING)
    granted = 100 * 15832 + 10 * 4992
    expected = {
        "licensed": granted, "open": granted - 40 * 15832, "shipped": 40 * 15832, "installed": 30 * 15832,
    }  # fmt: skip
    assert [(tier.tier, tier.countries, dict(tier.tpp)) for tier in framework.tiers] == [("2", 1, expected)]
    assert [dict(tier.tpp) for tier in enforced.tiers] == [expected]


def test_a_back_test_adds_no_record_and_changes_nothing(ledger, file):
    ledger.must(adopt(book()), move("grant", "2026-01-05", 5, **AE))
    before = ledger.rows("SELECT size, root, profiles FROM head"), ledger.rows("SELECT * FROM counter_day")
    tried(ledger, file(limit(chips(1))), DIFFUSION)
    assert (ledger.rows("SELECT size, root, profiles FROM head"), ledger.rows("SELECT * FROM counter_day")) == before


def test_an_earlier_record_gives_what_was_known_then(ledger, file):
    ledger.must(adopt(book()))
    seq = ledger.must(move("grant", "2026-01-05", 5, **AE))
    ledger.must(move("grant", "2026-01-05", 9, **AE))
    under = tried(ledger, file(limit(chips(10))), known=seq)
    assert (under.postings_count, under.refused_count, under.subjects[0].binding.standing.used) == (1, 0, 5 * 15832)


def test_an_adopted_book_is_asked_as_it_was_adopted_and_an_unknown_one_is_not_found(ledger):
    ledger.must(adopt(book(limit(chips(3)), name="adopted")), move("grant", "2026-01-05", 5, **AE, observed=True))
    assert tried(ledger, "adopted").refused_count == 1
    with pytest.raises(NotFound):
        tried(ledger, "no-such-book")


def test_books_are_replayed_in_processes_with_the_same_answer(ledger, file, monkeypatch):
    ledger.must(adopt(book()), move("grant", "2026-01-05", 5, **AE))
    names = file(limit(chips(3))), DIFFUSION
    here = backtest(ledger.conn, names, on=END).body()
    monkeypatch.setattr(running, "WORTH_A_PROCESS", 0)
    assert backtest(ledger.conn, names, on=END).body() == here


# The same as if the other book had been in force from the start.

FIRST = date(2026, 12, 20)
SITES = [("azure", "AE", "L1"), ("mydc", "MY", "M1")]
steps = st.lists(
    st.fixed_dictionaries({
        "kind": st.sampled_from(["reserve", "grant", "grant", "grant", "ship", "ship", "receive", "return", "release"]),
        "on": st.integers(0, 40),
        "site": st.sampled_from(SITES),
        "chip": st.sampled_from([H100, A100]),
        "quantity": st.integers(1, 9),
        "lasts": st.sampled_from([None, 3, 15]),
        "equivalents": st.sampled_from([False, False, False, True]),
    }),
    min_size=1, max_size=14,
)  # fmt: skip


@st.composite
def caps(draw, name):
    in_chips = draw(st.integers(0, 4)) == 0
    amounts = st.integers(3, 25).map(lambda n: f"{n} chips" if in_chips else chips(n))
    days = st.integers(1, 35).map(lambda n: (FIRST + timedelta(days=n)).isoformat())
    schedule = st.tuples(amounts, days, amounts).map(lambda s: f"{{schedule: {{2020-01-01: {s[0]}, {s[1]}: {s[2]}}}}}")
    return limit(
        draw(st.one_of(amounts, schedule)), name,
        counts=draw(st.sampled_from(["granted", "granted", "shipped", "held"])),
        by=draw(st.sampled_from(["[destination]", "[recipient, chip]", "[]"])),
        gives_back=draw(st.sampled_from(["[]", "[unshipped]", "[return, unshipped]"])),
        window=draw(st.sampled_from(["always", "calendar year", "rolling 7 days"])),
    ).replace("window: always, ", "")  # fmt: skip


both = st.tuples(caps("one"), caps("two"))


@pytest.fixture(scope="module")
def ledgers(databases, template):
    """Open a ledger of its own under a book, with parties, chips and licenses."""
    begun = databases.make(template)
    with psycopg.connect(in_database(databases.server, begun)) as conn:
        Ledger(conn).begin(*PARTIES, *LICENSES, chips=(H100, A100))

    @contextmanager
    def open_ledger(text):
        name = databases.make(begun)
        with psycopg.connect(in_database(databases.server, name)) as conn:
            ledger = Ledger(conn)
            ledger.must(Request("rulebook", "adoption", adopt(text, "2020-01-01").raw))
            yield ledger
            conn.rollback()
        databases.done.append(name)

    return open_ledger


def request_of(n, step):
    recipient, destination, licensed = step["site"]
    line = {"recipient": recipient, "destination": destination}
    if step["equivalents"]:
        line["unit"] = "equivalents"
    if step["kind"] in ("reserve", "grant", "ship"):
        line["exporter"] = "nvidia"
    if step["kind"] in ("grant", "ship", "release"):
        line["authorization"] = licensed
    on = FIRST + timedelta(days=step["on"])
    if step["kind"] == "reserve" or (step["kind"] == "grant" and step["lasts"]):
        line["last_day"] = (on + timedelta(days=step["lasts"] or 5)).isoformat()
    return move(step["kind"], on.isoformat(), step["quantity"], step["chip"], key=f"step-{n}", **line)


@settings(max_examples=EXAMPLES)
@given(asked=steps, of_one=both, of_other=both, at_once=st.sampled_from([1, 3, 5_000]))
def test_the_first_refusal_is_the_same_as_if_the_other_book_had_been_in_force_from_the_start(
    ledgers, tmp_path_factory, asked, of_one, of_other, at_once
):
    texts = {name: book(*caps, name=name) for name, caps in (("one", of_one), ("other", of_other))}
    folder = tmp_path_factory.mktemp("books")
    names = {name: folder / f"{name}.yaml" for name in texts}
    for name, text in texts.items():
        names[name].write_text(text, encoding="utf-8")
    requests = [request_of(n, step) for n, step in enumerate(asked)]
    with ledgers(texts["one"]) as one, ledgers(texts["other"]) as other, pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "AT_ONCE", at_once)
        mine, theirs = [], []
        for request in requests:
            mine.append(one.ask(request))
            theirs.append(other.ask(request))
            if mine[-1].verdict != theirs[-1].verdict:
                break
        under = tried(one, str(names["other"]), most=None)
        same = tried(one, "one", most=None)
        refused = {each.asked.seq: each for each in under.refused if each.asked.voice == "request"}
        admitted = {each.asked.seq for each in under.admitted}
        for receipt in mine[:-1]:
            assert receipt.seq not in refused
            assert receipt.seq not in admitted
        last, answer = mine[-1], theirs[-1]
        if last.verdict == "posted" and answer.verdict == "refused":
            assert (refused[last.seq].code, refused[last.seq].findings[0].message) == (answer.code, answer.message)
        else:
            assert not refused
        assert (last.seq in admitted) == (last.verdict == "refused" and answer.verdict == "posted")
        # A book agrees with what was posted under it.
        assert [each for each in same.refused if each.asked.voice == "request"] == []
        assert same.admitted_count == 0
        compare_with_reports(one, under, str(names["other"]))


def compare_with_reports(ledger, under, name):
    """The same counters as every other report of the book, and the first day over by asking on each day."""
    told = {}
    for finding in under.refused:
        for pair in {(each.code, each.reason) for each in finding.findings}:
            told[pair] = told.get(pair, 0) + 1
    assert told == under.refused_for
    found = [each for subject in under.subjects for each in subject.counters]
    assert sorted((each.standing for each in found if not each.has_ended), key=str) == sorted(on_day(ledger, name, END),
                                                                                             key=str)  # fmt: skip
    first = {}
    for n in range(-1, 80):
        day = FIRST + timedelta(days=n)
        for each in on_day(ledger, name, day):
            if each.state == "over":
                first.setdefault((each.cap, each.subject, each.window), day)
    over = {(each.standing.cap, each.standing.subject, each.standing.window): each.first_over for each in found}
    assert {key: day for key, day in over.items() if day} == first


def on_day(ledger, name, day):
    with Reader(ledger.conn).view(on=day, rulebook=name) as view:
        found = standings(view)
    ledger.conn.isolation_level = ledger.conn.read_only = None
    return found


# On the command line.


@pytest.fixture
def say(dsn, tmp_path):
    def run(line, columns=None):
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path), "COLUMNS": columns}
        return CliRunner().invoke(app, shlex.split(line), env=env)

    return run


def test_the_command_says_side_by_side_who_would_be_over_since_when_and_what_binds(ledger, say):
    ledger.must(adopt(LICENSING), move("grant", "2025-06-02", 50_000, **AE))
    said = say(f"backtest --rulebook {DIFFUSION} --rulebook {LICENSING} --on 2026-11-23")
    assert (said.exit_code, said.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]
    assert "us-diffusion-2025 (revision 2) 1 1 0 0 0 1" in lines
    assert (
        "destination=AE us-diffusion-2025 country-allocation 791,600,000 790,000,000 TPP -1,600,000 over 2025-06-02"
        in lines
    )
    assert "us-licensing-2026 would have refused none of the postings." in lines
    assert "Nothing was recorded." in said.stdout


def test_on_a_narrow_screen_no_line_of_it_is_wider(ledger, say):
    ledger.must(adopt(LICENSING), move("grant", "2025-06-02", 50_000, **AE))
    said = say(f"backtest --rulebook {DIFFUSION} --rulebook {LICENSING} --on 2026-11-23", "80")
    assert said.exit_code == 0
    assert max(map(len, said.stdout.splitlines())) <= 80


def test_as_json_it_is_one_object_with_exact_figures(ledger, say):
    ledger.must(adopt(LICENSING), move("grant", "2025-06-02", 50_000, **AE))
    said = say(f"backtest --rulebook {DIFFUSION} --on 2026-11-23 --json")
    found = json.loads(said.stdout)
    (under,) = found["rulebooks"]
    assert (found["on"], found["known"], under["rulebook"]) == ("2026-11-23", ledger.size(), DIFFUSION)
    assert (under["refused"]["count"], under["refused"]["listed"][0]["code"]) == (1, "cap_exceeded")
    subject = next(each for each in under["subjects"] if each["subject"] == "destination=AE")
    assert (subject["binding_cap"], subject["first_over"]) == ("country-allocation", "2025-06-02")
    assert subject["counters"][0]["used"] == "791600000"


def test_an_empty_ledger_can_be_back_tested_and_a_book_must_be_named(say):
    said = say(f"backtest --rulebook {DIFFUSION} --on 2026-11-23")
    assert said.exit_code == 0
    assert "No cap is in use under any of them." in said.stdout
    assert say("backtest").exit_code == 2
    assert say("backtest --rulebook no-such-book").exit_code == 2
