"""Statements: opening and movements add up to closing, whatever happened; and the same as CSV, PDF and text."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import shlex
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from conftest import in_database
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from world import A100, AT, B200, GB300, H100, Ledger, adopt, book, change, license_, move, party, reverse, settle

from ledger.cli import app
from ledger.core.errors import Malformed, NotFound, Unusable
from ledger.core.merkle import root_of
from ledger.reports import Reader, statement
from ledger.reports.statement import Balance, Change, Line, Statement
from ledger.reports.usage import SHOWN
from ledger.statements import MOST_LINES, csv_of, pdf_of
from ledger.statements.pdf import LETTERS, _document
from ledger.statements.sheet import COLUMNS, guarded

JANUARY, JUNE = date(2026, 1, 1), date(2026, 6, 30)
LONG = "a" * 100
MYDC = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY", "authorization": "L1"}
TPP = 15_832  # of an H100


@pytest.fixture
def ledger(conn) -> Ledger:
    """A license for Malaysia that ends in May, partly shipped; an Emirati grant in equivalents; a Kowloon shipment."""
    return Ledger(conn).begin(
        adopt(book("name: year, counts: granted, by: [destination], where: {}, window: {from: 2026-01-01, "
                   "until: 2027-01-01}, limit: 20_000_000 TPP, when_exceeded: flag"), "2023-01-01"),
        party("nvidia"), party("amd"), party("mydc", "MY"), party("g42", "AE"), party(LONG, "DE"),
        license_("L1", "mydc", "MY", last_day="2026-05-31"), license_("G1", "g42", "AE"),
    )  # fmt: skip


@pytest.fixture
def say(dsn, tmp_path):
    """Run a line of the command line; `columns` is how wide the terminal is, and is not said where output is piped."""

    def run(line: str, columns: int | None = None) -> Any:
        width = None if columns is None else str(columns)
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path), "COLUMNS": width}
        return CliRunner().invoke(app, shlex.split(line), env=env)

    return run


def ask(conn, known=None, **asked) -> Statement:
    """The statement of the first half of 2026, unless the test says otherwise."""
    asked = {"first": JANUARY, "last": JUNE} | asked
    with Reader(conn).view(on=date(2030, 1, 1), known=known) as view:
        return statement(view, **asked)


def told(found) -> list[tuple[str, str, dict[str, tuple[int, int]]]]:
    """The day, kind and changes of each line: chips before and after by stage."""
    return [
        (str(line.day), line.what, {each.stage: (each.before.chips, each.after.chips) for each in line.changes})
        for line in found.lines
    ]


def chips(balances) -> dict[str, int]:
    return {stage: balance.chips for stage, balance in balances.items() if balance.chips}


# What is on it


def test_each_line_shows_old_and_new_balances_and_what_lapses_is_a_line_of_its_own(ledger, conn):
    ledger.must(
        move("grant", "2025-12-20", 500, **MYDC),
        move("ship", "2025-12-24", 100, **MYDC),
        move("grant", "2026-01-05", 200, **MYDC),
        move("ship", "2026-02-01", 40, **MYDC),
        move("receive", "2026-02-10", 130, recipient="mydc", destination="MY"),
        move("retire", "2026-03-01", 3, recipient="mydc", destination="MY", cause="failure"),
    )
    found = ask(conn, recipient="mydc")
    assert chips(found.opening) == {"licensed": 500, "open": 400, "shipped": 100, "in_transit": 100}
    assert told(found) == [
        ("2026-01-05", "grant", {"licensed": (500, 700), "open": (400, 600)}),
        ("2026-02-01", "ship", {"open": (600, 560), "shipped": (100, 140), "in_transit": (100, 140)}),
        ("2026-02-10", "receive", {"in_transit": (140, 10), "installed": (0, 130)}),  # of two lots
        ("2026-03-01", "retire (failure)", {"installed": (130, 127)}),
        ("2026-06-01", "lapse", {"open": (560, 200)}),
        ("2026-06-01", "lapse", {"open": (200, 0)}),
    ]
    assert chips(found.closing) == {"licensed": 700, "shipped": 140, "in_transit": 10, "installed": 127}
    assert found.closing["installed"].tpp == 127 * TPP


def test_a_release_after_the_lapse_changes_what_is_licensed_and_not_what_is_open_again(ledger, conn):
    ledger.must(move("grant", "2026-01-05", 200, **MYDC))
    assert ledger.writer.release_lapsed(on=date(2026, 6, 15), at=AT) == 1
    assert told(ask(conn, recipient="mydc")) == [
        ("2026-01-05", "grant", {"licensed": (0, 200), "open": (0, 200)}),
        ("2026-06-01", "lapse", {"open": (200, 0)}),
        ("2026-06-01", "release (unshipped)", {"licensed": (200, 0)}),
    ]


def test_a_last_day_that_is_moved_lapses_later_and_is_told(ledger, conn):
    ledger.must(move("grant", "2026-01-05", 200, **MYDC), change("L1", "amended", "2026-03-01", last_day="2026-06-15"))
    assert told(ask(conn, recipient="mydc")) == [
        ("2026-01-05", "grant", {"licensed": (0, 200), "open": (0, 200)}),
        ("2026-03-01", "redate", {"open": (200, 200)}),
        ("2026-06-16", "lapse", {"open": (200, 0)}),
    ]


def test_equivalents_count_in_tpp_and_leave_chips_alone(ledger, conn):
    line = {"exporter": "nvidia", "recipient": "g42", "destination": "AE", "authorization": "G1"}
    ledger.must(move("grant", "2026-01-10", "1000.5", GB300, unit="equivalents", **line))
    found = ask(conn, recipient="g42")
    [rating] = ledger.rows("SELECT (body->>'tpp_per_chip')::numeric FROM profile")
    expected = Balance(Decimal("1000.5") * rating[0], 0, Decimal("1000.5") * rating[0])
    assert found.closing["licensed"] == found.lines[0].changes[0].amount == expected


def test_a_statement_is_of_what_its_exporter_recipient_and_country_share(ledger, conn):
    ledger.must(
        license_("L2", "mydc", "MY", exporter="amd"),
        move("grant", "2026-01-05", 10, **MYDC),
        move("grant", "2026-01-06", 7, **{**MYDC, "exporter": "amd", "authorization": "L2"}),
        move("grant", "2026-01-07", 5, exporter="nvidia", recipient="g42", destination="AE", authorization="G1"),
    )

    def licensed(**asked):
        return ask(conn, **asked).closing["licensed"].chips

    assert licensed(exporter="nvidia") == 15
    assert licensed(exporter="amd") == 7
    assert licensed(recipient="mydc") == licensed(country="MY") == 17
    assert licensed(exporter="nvidia", country="MY") == licensed(exporter="nvidia", recipient="mydc") == 10
    assert licensed(exporter="amd", country="AE") == 0
    assert ask(conn, exporter="amd", country="AE").lines == ()


def test_places_count_as_their_country_and_may_be_asked_for_alone(conn):
    text = book().replace("lists:", "places:\n  CN: {any: [HK], law: test}\nlists:")
    ledger = Ledger(conn).begin(adopt(text), party("nvidia"), party("kowloon", "HK"), party("beijing", "CN"))
    ledger.must(
        move("ship", "2026-01-05", 3, exporter="nvidia", recipient="kowloon", destination="HK"),
        move("ship", "2026-01-05", 4, exporter="nvidia", recipient="beijing", destination="CN"),
    )
    assert [ask(conn, country=code).closing["shipped"].chips for code in ("CN", "HK")] == [7, 3]
    assert {line.country for line in ask(conn, country="CN").lines} == {"CN", "HK"}


def test_a_past_statement_is_what_was_known_then_and_late_postings_are_marked(ledger, conn):
    early = ledger.must(move("grant", "2025-11-05", 200, **MYDC))
    late = ledger.must(move("ship", "2025-12-01", 40, **MYDC))
    december = {"recipient": "mydc", "first": date(2025, 12, 1), "last": date(2025, 12, 31)}
    then, now = ask(conn, known=early, **december), ask(conn, **december)
    assert (told(then), then.known, then.journal) == ([], early, late)
    assert chips(then.closing) == {"licensed": 200, "open": 200}
    assert [(line.record, line.is_late) for line in now.lines] == [(late, True)]  # recorded on 2026-01-05
    assert not ask(conn, recipient="mydc", first=date(2025, 12, 1), last=AT.date()).lines[0].is_late
    leaves = [bytes(leaf) for (leaf,) in ledger.rows("SELECT leaf_hash FROM journal ORDER BY seq")]
    assert (then.root, now.root) == (root_of(leaves[:early]).hex(), root_of(leaves).hex())


def test_caps_show_how_they_stand_on_the_last_day_and_how_much_is_ones_own(ledger, conn):
    ledger.must(
        license_("L2", "mydc", "MY", exporter="amd"),
        move("grant", "2026-01-05", 1_000, **MYDC),
        move("grant", "2026-01-06", 100, **{**MYDC, "exporter": "amd", "authorization": "L2"}),
        move("grant", "2026-07-06", 50, **{**MYDC, "exporter": "amd", "authorization": "L2"}),
    )
    [cap] = ask(conn, exporter="nvidia").caps
    assert (cap.standing.cap, cap.standing.subject) == ("year", "destination=MY")
    assert (cap.own, cap.standing.used) == (1_000 * TPP, 1_100 * TPP)
    assert [each.own for each in ask(conn, exporter="amd").caps] == [100 * TPP]
    assert [each.own for each in ask(conn, known=ledger.size() - 1, exporter="amd", last=date(2026, 12, 31)).caps] == [
        100 * TPP
    ]
    assert ask(conn, recipient="g42").caps == ()


def test_discrepancies_are_those_that_concern_it_as_they_were_known(ledger, conn):
    opened = ledger.must(move("grant", "2026-01-05", 2_000, observed=True, **MYDC)) + 1
    ledger.must(settle(opened, "resolved", "an exemption was granted"))
    size = ledger.size()
    known = ask(conn, known=size - 1, exporter="nvidia").discrepancies
    assert [(each.discrepancy.id, each.discrepancy.state, each.is_own) for each in known] == [(opened, "open", True)]
    now = ask(conn, exporter="nvidia").discrepancies
    assert [(each.discrepancy.state, each.discrepancy.note) for each in now] == [
        ("resolved", "an exemption was granted")
    ]
    assert ask(conn, known=opened - 1, exporter="nvidia").discrepancies == ()
    assert ask(conn, exporter="nvidia", first=date(2026, 2, 1)).discrepancies == ()  # resolved, and of before
    assert ask(conn, exporter="nvidia", last=date(2026, 1, 4)).discrepancies == ()
    assert ask(conn, recipient="g42").discrepancies == ()
    assert [each.is_own for each in ask(conn, country="MY").discrepancies] == [True]


def test_a_shared_cap_that_another_broke_concerns_it_and_is_not_its_own(ledger, conn):
    ledger.must(
        license_("L2", "mydc", "MY", exporter="amd"),
        move("grant", "2026-01-05", 1_000, **MYDC),
        move("grant", "2026-01-06", 1_000, observed=True, **{**MYDC, "exporter": "amd", "authorization": "L2"}),
    )
    assert [each.is_own for each in ask(conn, exporter="nvidia").discrepancies] == [False]
    assert [each.is_own for each in ask(conn, exporter="amd").discrepancies] == [True]


def test_what_another_recipient_of_the_same_movement_broke_does_not_concern_one(ledger, conn):
    ledger.must(
        party("klang", "MY"),
        move("receive", "2026-01-07", lines=[{"chip": H100, "quantity": "9", "recipient": who, "destination": "MY"}
                                             for who in ("mydc", "klang")]),
    )  # fmt: skip

    def concern(**asked):
        return [each.discrepancy.subject.split(",")[0] for each in ask(conn, **asked).discrepancies]

    assert concern(country="MY") == ["recipient=mydc", "recipient=klang"]
    assert concern(recipient="klang") == ["recipient=klang"]
    assert concern(recipient="mydc") == ["recipient=mydc"]
    assert concern(country="AE") == []


def test_a_cap_that_is_touched_only_after_the_last_day_is_not_shown(ledger, conn):
    ledger.must(move("grant", "2026-02-01", 10, **MYDC))
    line = {"exporter": "amd", "recipient": "mydc", "destination": "MY", "authorization": "L2"}
    ledger.must(license_("L2", "mydc", "MY", exporter="amd"), move("grant", "2026-07-01", 10, **line))
    assert ask(conn, exporter="amd").caps == ()
    assert [each.own for each in ask(conn, exporter="amd", last=date(2026, 7, 1)).caps] == [10 * TPP]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({}, Malformed),
        ({"exporter": "nvidia", "first": JUNE, "last": JANUARY}, Malformed),
        ({"exporter": "nvidia", "first": date.min}, Malformed),
        ({"exporter": "nobody"}, NotFound),
        ({"recipient": "nobody"}, NotFound),
        ({"country": "QQ"}, NotFound),
    ],
)
def test_a_statement_of_nothing_that_is_known_is_an_error_with_a_remedy(ledger, conn, asked, error):
    with pytest.raises(error) as raised:
        ask(conn, **asked)
    assert raised.value.remedy


def test_an_empty_journal_and_an_empty_period_have_statements_too(ledger, conn):
    found = ask(conn, country="SA")
    assert (found.lines, found.caps, found.discrepancies) == ((), (), ())
    assert found.opening == found.closing == dict.fromkeys(SHOWN, Balance())
    nothing = ask(conn, known=0, country="SA")
    assert (nothing.known, nothing.recorded_at, nothing.root) == (0, None, root_of([]).hex())
    assert pdf_of(nothing).startswith(b"%PDF")


def test_too_many_entries_are_refused_with_what_to_do(ledger, conn, monkeypatch):
    ledger.must(*(move("grant", "2026-01-05", 1, **MYDC) for _ in range(3)))
    monkeypatch.setattr(sys.modules["ledger.reports.statement.reading"], "MOST_ENTRIES", 5)
    with pytest.raises(Unusable, match="More than 5 entries"):
        ask(conn, recipient="mydc")


# Against a plain loop over entries

FIRST = date(2026, 1, 1)
steps = st.fixed_dictionaries({
    "kind": st.sampled_from(["reserve", "grant", "grant", "ship", "ship", "receive", "return", "retire", "release",
                             "reverse", "amend", "lapse"]),
    "on": st.integers(0, 40),
    "who": st.sampled_from(["nvidia", "amd"]),
    "where": st.sampled_from([("mydc", "MY"), ("g42", "AE")]),
    "chip": st.sampled_from([H100, H100, A100]),
    "quantity": st.integers(1, 9),
    "lasts": st.integers(0, 20),
    "equivalents": st.sampled_from([False, False, False, True]),
    "record": st.integers(0, 12),
})  # fmt: skip


def asked_for(step, seqs):
    """The request of a step."""
    day = FIRST + timedelta(days=step["on"])
    recipient, destination = step["where"]
    line = {"recipient": recipient, "destination": destination}
    unit = {"unit": "equivalents"} if step["equivalents"] else {}
    license = f"{step['who']}-{recipient}"
    kind, quantity, chip = step["kind"], step["quantity"], step["chip"]
    match kind:
        case "reserve":
            last = {"last_day": str(day + timedelta(days=step["lasts"]))}
            return move(kind, str(day), quantity, chip, exporter=step["who"], **line, **last, **unit)
        case "grant" | "ship":
            return move(kind, str(day), quantity, chip, exporter=step["who"], authorization=license, **line, **unit,
                        observed=kind == "ship")  # fmt: skip
        case "release":
            return move(kind, str(day), quantity, chip, exporter=step["who"], authorization=license, **line)
        case "receive" | "return":
            return move(kind, str(day), quantity, chip, **line)
        case "retire":
            return move(kind, str(day), quantity, chip, cause="loss", **line)
        case "reverse":
            return reverse(seqs[step["record"] % len(seqs)], str(day)) if seqs else None
        case "amend":
            return change(license, "amended", str(day), last_day=str(day + timedelta(days=step["lasts"])))
    return None


def by_hand(conn, known, day, exporter, recipient, country):
    """Balances at the end of a day by a plain loop over every entry, one at a time."""
    balances = {stage: [Decimal(0), 0, Decimal(0)] for stage in SHOWN}
    where = {"reserved": ["reserved"], "licensed": ["licensed"], "open": ["open"], "shipped": ["shipped", "in_transit"],
             "received": ["in_transit"], "installed": ["installed"]}  # fmt: skip
    rows = conn.execute("SELECT seq, stage, effective_on, last_day, chips, tpp, body FROM entry"
                        " JOIN profile ON id = profile").fetchall()  # fmt: skip
    conn.rollback()
    for seq, stage, on, last_day, count, tpp, body in rows:
        if seq > known or on > day:
            continue
        if stage in ("reserved", "open") and last_day is not None and last_day < day:
            continue
        if exporter and body.get("exporter") != exporter:
            continue
        if (recipient and body["recipient"] != recipient) or (country and body["destination"] != country):
            continue
        sign = -1 if stage == "received" else 1
        for name in where[stage]:
            balances[name][0] += sign * tpp
            balances[name][1] += sign * (count or 0)
            balances[name][2] += sign * (tpp if count is None else 0)
    return {stage: Balance(*amounts) for stage, amounts in balances.items()}


@contextmanager
def fresh(databases, template):
    """A ledger of its own for one example."""
    name = databases.make(template)
    try:
        with psycopg.connect(in_database(databases.server, name)) as conn:
            yield Ledger(conn), conn
    finally:
        databases.done.append(name)


@settings(max_examples=20)
@given(
    st.lists(steps, min_size=1, max_size=14), st.integers(-3, 45), st.integers(0, 30), st.integers(0, 8),
    st.sampled_from(["", "nvidia", "amd"]), st.sampled_from(["", "mydc", "g42"]), st.sampled_from(["", "MY", "AE"]),
)  # fmt: skip
def test_opening_and_movements_are_closing_as_a_plain_loop_has_them(
    databases, template, asked, start, length, unknown, exporter, recipient, country
):
    if not (exporter or recipient or country):
        country = "MY"
    with fresh(databases, template) as (ledger, conn):
        ledger.begin(
            adopt(book("name: any, counts: held, by: [recipient], where: {}, limit: 9 TPP, when_exceeded: flag")),
            party("nvidia"), party("amd"), party("mydc", "MY"), party("g42", "AE"),
            *(license_(f"{who}-{recipient}", recipient, where, exporter=who, last_day="2026-01-20")
              for who, (recipient, where) in itertools.product(("nvidia", "amd"), (("mydc", "MY"), ("g42", "AE")))),
            chips=(H100, A100),
        )  # fmt: skip
        begun, seqs = ledger.size(), list[int]()
        for step in asked:
            if step["kind"] == "lapse":
                ledger.writer.release_lapsed(on=FIRST + timedelta(days=step["on"]), at=AT)
            elif request := asked_for(step, seqs):
                receipt = ledger.ask(request)
                seqs += [receipt.seq] if receipt.verdict == "posted" else []
        first = FIRST + timedelta(days=start)
        last = first + timedelta(days=length)
        known = max(begun, ledger.size() - unknown)
        of = {"exporter": exporter, "recipient": recipient, "country": country}
        found = ask(conn, known=known, first=first, last=last, **of)
        assert found.opening == by_hand(conn, known, first - timedelta(days=1), **of)
        assert found.closing == by_hand(conn, known, last, **of)
        running = dict(found.opening)
        for n, line in enumerate(found.lines):
            assert first <= line.day <= last
            for each in line.changes:
                assert each.before == running[each.stage]
                assert each.after == each.before.plus(each.amount)
                running[each.stage] = each.after
            if n + 1 == len(found.lines) or found.lines[n + 1].day > line.day:
                assert running == by_hand(conn, known, line.day, **of)
        assert running == found.closing


# As files


def written(lines=3, name="mydc", note="") -> Statement:
    """A statement made by hand: shipments to one recipient, in as many lines as wanted."""
    balance, made = Balance(), []
    for n in range(lines):
        amount = Balance(Decimal("20919.2"), 1)
        changes = tuple(Change(stage, balance, amount, balance.plus(amount)) for stage in SHOWN[:1])
        balance = balance.plus(amount)
        at = datetime(2026, 1, 2, tzinfo=UTC)
        made.append(Line(JANUARY, n + 1, 1, "ship", "operator", "nvidia", name, "MY", H100, "L1", at, False, changes))
    ends = {stage: balance if stage in SHOWN[:1] else Balance() for stage in SHOWN}
    return Statement(
        "", name, "", {name: note or name}, JANUARY, JUNE, 9, 9, AT, "ab" * 32, None, dict.fromkeys(SHOWN, Balance()),
        tuple(made), ends, (), (),
    )  # fmt: skip


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_opening_rows_then_every_change_then_closing_rows(ledger, conn):
    ledger.must(move("grant", "2025-12-20", 500, **MYDC), move("ship", "2026-02-01", 40, **MYDC))
    rows = rows_of(csv_of(ask(conn, recipient="mydc")))
    assert [
        (row["row"], row["stage"], row["chips_before"], row["chips_change"], row["chips_after"]) for row in rows
    ] == [
        ("opening", "reserved", "", "", "0"),
        ("opening", "licensed", "", "", "500"),
        ("opening", "open", "", "", "500"),
        ("opening", "shipped", "", "", "0"),
        ("opening", "in_transit", "", "", "0"),
        ("opening", "installed", "", "", "0"),
        ("movement", "open", "500", "-40", "460"),
        ("movement", "shipped", "0", "40", "40"),
        ("movement", "in_transit", "0", "40", "40"),
        ("lapse", "open", "460", "-460", "0"),
        ("closing", "reserved", "", "", "0"),
        ("closing", "licensed", "", "", "500"),
        ("closing", "open", "", "", "0"),
        ("closing", "shipped", "", "", "40"),
        ("closing", "in_transit", "", "", "40"),
        ("closing", "installed", "", "", "0"),
    ]
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["day"], rows[-1]["day"]) == ("2025-12-31", "2026-06-30")
    assert {row["root"] for row in rows} == {ask(conn, recipient="mydc").root}
    assert rows[6]["tpp_change"] == str(-40 * TPP)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@sum", "'@sum"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("\t=1", "'\t=1"),
        ("-1-1", "'-1-1"),
        ("\uff1d1", "'\uff1d1"),
        ("-40", "-40"),
        ("-40.5", "-40.5"),
        ("mydc", "mydc"),
        ("", ""),
    ],
)
def test_no_cell_is_taken_for_a_formula_and_figures_stay_figures(cell, shown):
    assert guarded(cell) == shown


def test_a_name_that_looks_like_a_formula_is_guarded_in_the_file():
    rows = rows_of(csv_of(written(1, name="=HYPERLINK(1)")))
    assert {row["recipient"] for row in rows} == {"'=HYPERLINK(1)"}


def test_the_same_statement_gives_the_same_pdf_and_another_one_does_not():
    assert pdf_of(written()) == pdf_of(written())
    assert pdf_of(written()) != pdf_of(written(4))
    assert pdf_of(written()) != pdf_of(replace(written(), root="cd" * 32))


def test_a_pdf_says_that_it_is_accessible_in_which_language_and_what_it_is_called():
    made = pdf_of(written())
    assert b"<pdfuaid:part>1</pdfuaid:part>" in made
    assert b"/Lang(en-US)" in made
    assert b"/Marked true" in made
    assert re.search(rb"<dc:title>.*Statement of mydc, 2026-01-01 to 2026-06-30", made, re.DOTALL)
    assert b"/DisplayDocTitle true" in made
    assert b"/CreationDate(D:20260105090000" in made  # of the record it is known at, never of the day it is made


def test_pages_follow_the_paper_asked_for():
    assert b"/MediaBox[0 0 841.8898 595.2756]" in pdf_of(written())
    assert b"/MediaBox[0 0 792 612]" in pdf_of(written(), "us-letter")


def test_many_lines_make_many_pages_and_too_many_make_none():
    few, many = (len(re.findall(rb"/Type/Page\b", pdf_of(written(n)))) for n in (3, 200))
    assert (few, many > 3) == (1, True)
    with pytest.raises(Unusable, match="CSV"):
        pdf_of(replace(written(1), lines=written(1).lines * (MOST_LINES + 1)))


@pytest.mark.parametrize(
    "note",
    [
        '#panic("no") #{1/0} $x$ *b* _i_ <l> @l `r` // c /* c */ \\u{41} [ ] { }',
        '"]}, {"title": "x"',
        "\u4e0a\u6d77\u6570\u636e\u4e2d\u5fc3 \u0634\u0631\u0643\u0629 \U0001f600",
        "two\nlines\tand\u2028more\u0301\u200d\u202e",
        "w" * 2_000,
    ],
)
def test_what_people_wrote_is_shown_and_never_read_as_markup(note):
    made = pdf_of(written(1, note=note, name=LONG))
    assert made.startswith(b"%PDF")
    assert made != pdf_of(written(1, note="", name=LONG))


def test_the_fonts_that_come_along_hold_every_letter_that_is_drawn():
    letters = re.sub("(.)-(.)", lambda ends: "".join(map(chr, range(ord(ends[1]), ord(ends[2]) + 1))), LETTERS)
    assert len(letters) > 400
    shown = _document(written(1, note=letters), "a4")
    assert not shown["lacks"]
    assert pdf_of(written(1, note=letters)).startswith(b"%PDF")


def test_a_letter_that_no_font_holds_is_replaced_and_that_is_said():
    shown = _document(written(1, note="\u4e0a\u6d77 Data"), "a4")
    assert (shown["lacks"], shown["facts"][0]) == (True, ["Recipient", "mydc: \ufffd\ufffd Data"])


# On the command line


def test_the_command_line_gives_the_statement_as_json_as_the_report_has_it(ledger, conn, say):
    ledger.must(move("grant", "2025-12-20", 500, **MYDC), move("ship", "2026-02-01", 40, **MYDC))
    line = "statement --recipient mydc --from 2026-01-01 --to 2026-06-30"
    expected = ask(conn, recipient="mydc").body()
    assert json.loads(say(f"{line} --json").stdout) == json.loads(say(f"{line} --format json").stdout) == expected


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_no_line_of_a_statement_is_wider_than_the_terminal(ledger, say, columns):
    ledger.must(
        license_("D1", LONG, "DE"),
        move("grant", "2026-01-05", 2_000, observed=True, **MYDC),
        move("grant", "2026-02-01", 40, B200, exporter="nvidia", recipient=LONG, destination="DE", authorization="D1"),
    )
    shown = say("statement --exporter nvidia --from 2026-01-01 --to 2026-06-30", columns)
    assert shown.exit_code == 0, shown.output
    whole = "Root "  # is never broken, so that it can be copied
    assert [each for each in shown.stdout.splitlines() if len(each) > columns and not each.startswith(whole)] == []
    assert "31,664,000" in shown.stdout
    assert "lapse" in shown.stdout
    assert "cap_exceeded" in " ".join(shown.stdout.split())


def test_an_empty_period_is_said_in_words(ledger, say):
    shown = say("statement --country Malaysia --from 2026-01-01 --to 2026-06-30")
    assert "Nothing moved and nothing lapsed in the period." in shown.stdout
    assert "Statement of country MY, 2026-01-01 to 2026-06-30." in shown.stdout


@pytest.mark.parametrize("form", ["text", "json", "csv", "pdf"])
def test_every_format_goes_to_a_file_or_to_a_pipe_alike(ledger, say, tmp_path, form):
    ledger.must(move("grant", "2026-01-05", 200, **MYDC))
    line = f"statement --recipient mydc --from 2026-01-01 --to 2026-06-30 --format {form}"
    piped, filed = say(line), say(f"{line} --output {tmp_path}/made")
    assert (piped.exit_code, filed.exit_code) == (0, 0), piped.output + filed.output
    assert (tmp_path / "made").read_bytes() == piped.stdout_bytes
    assert "made: 2 lines. On 2026-06-30" in filed.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("--from 2026-01-01 --to 2026-06-30", "Nothing says whose statement it is."),
        ("--recipient mydc --from 2026-06-30 --to 2026-01-01", "covers no day"),
        ("--recipient mydc --from tomorrow --to 2026-01-01", '--from "tomorrow" is not a day.'),
        ("--recipient mydc --to 2026-01-01", "Missing option '--from'"),
        ("--recipient mydc --from 2026-01-01 --to 2026-06-30 --format doc", "Use one of: text, json, csv, pdf."),
        ("--recipient mydc --from 2026-01-01 --to 2026-06-30 --paper a3", "Use one of: a4, us-letter."),
        ("--recipient nobody --from 2026-01-01 --to 2026-06-30", "No recipient 'nobody' was registered"),
        ("--recipient mydc --from 2026-01-01 --to 2026-06-30 --output no/such/file", "cannot be written"),
    ],
)
def test_what_cannot_be_answered_is_one_line_with_what_to_do(ledger, say, more, says):
    shown = say(f"statement {more}")
    assert (shown.exit_code, shown.stdout, len(shown.stderr.splitlines())) == (2, "", 1), shown.output
    assert says in shown.stderr
