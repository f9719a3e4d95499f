"""A reader that remembers answers as one that was made anew, byte by byte, whatever is recorded between questions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from itertools import product
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import reconcile
from ledger.access import Principal
from ledger.api.access import LedgerAccess
from ledger.api.answerer import Answerer
from ledger.api.answers import Told
from ledger.api.questions import Question
from ledger.reports import Reader, View, asked_of, fetch_together, remaining, remembering
from tests.conftest import Databases, in_database
from tests.test_past_answers import BOOKS, FIRST, steps
from tests.world import H100, H200, Ledger, adopt, change, license_, move, party, rating, reverse

EXAMPLES = int(os.environ.get("CAPLEDGER_TEST_EXAMPLES", "12"))
PEOPLE = (Principal("rhea", "regulator"), Principal("xeno", "exporter", "x"), Principal("yves", "exporter", "y"))
DAY = date(2026, 2, 2)
ASKED = {"destination": "AE", "recipient": "a", "chip": H100, "authorization": "lic", "exporter": "x"}


def question(principal: Principal = PEOPLE[0], on: date = DAY, **changed: str) -> Question:
    query = urlencode({**ASKED, "on": on.isoformat(), **changed})
    return Question(principal, "/v1/remaining", query.encode(), "", "")


QUESTIONS = [
    question(who, FIRST + timedelta(days=days), destination=there, recipient=recipient, chip=chip, authorization=under)
    for who, days, (there, recipient), chip, under in product(
        PEOPLE, (-1, 15, 60), [("AE", "a"), ("MY", "b"), ("US", "c")], (H100, H200), ("lic", "license", "")
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def begun(databases: Databases, template: str) -> str:
    """The name of a database to copy: parties, ratings, a license and two books, one of them in force."""
    name = databases.make(template)
    with psycopg.connect(in_database(databases.server, name)) as conn:
        Ledger(conn).begin(
            party("x"), party("y"), party("a", "AE"), party("b", "AE", "a"), party("c", "MY", "unknown"),
            license_("lic", "a", "AE", "x"), adopt(BOOKS["groups"], "2025-01-01"),
            adopt(BOOKS["plain"], "2025-01-01"), chips=(H100, H200),
        )  # fmt: skip
    return name


@pytest.fixture
def ledger(databases: Databases, begun: str) -> Iterator[Ledger]:
    name = databases.make(begun)
    with psycopg.connect(in_database(databases.server, name)) as conn:
        yield Ledger(conn)
    databases.done.append(name)


def remembering_reader(ledger: Ledger) -> Answerer:
    return Answerer(ledger.conn.info.dsn, "", LedgerAccess())


def anew(ledger: Ledger, asked: list[Question]) -> list[Told]:
    """Return what readers say that have never answered before, on a snapshot, each question alone."""
    ledger.conn.rollback()
    with closing(remembering_reader(ledger)) as fresh:
        return [fresh.answers([each])[0] for each in asked]


def directly(ledger: Ledger, asked: dict[str, str], on: date) -> dict[str, Any]:
    """Return what the report itself says, with nothing remembered at all."""
    with psycopg.connect(ledger.conn.info.dsn) as conn, Reader(conn).view(on=on) as view:
        return remaining(view, **asked).body()


@settings(max_examples=EXAMPLES)
@given(story=st.lists(st.tuples(steps, st.booleans()), min_size=4, max_size=12))
def test_what_is_remembered_is_what_is_kept(databases: Databases, begun: str, story: list[tuple[Any, bool]]) -> None:
    name = databases.make(begun)
    dsn = in_database(databases.server, name)
    with psycopg.connect(dsn) as conn, psycopg.connect(dsn) as reading, psycopg.connect(dsn) as plain:
        ledger, reader = Ledger(conn), Reader(reading, remembers=True)
        for step, is_asked in [*story, (0, True)]:
            if isinstance(step, int):
                posted = ledger.rows("SELECT seq FROM journal WHERE kind = 'movement.posted' ORDER BY seq DESC")
                if posted:
                    ledger.ask(reverse(posted[step % len(posted)][0], FIRST.isoformat()))
            else:
                ledger.ask(step)
            conn.rollback()
            if is_asked:
                answers = reader.at_end(FIRST, told)
                with Reader(plain).view(on=FIRST) as view:
                    assert answers == told(view)
    databases.done.append(name)


def told(view: View) -> list[str]:
    """Return what is said to several people on several days."""
    found, access = [], LedgerAccess()
    asked = [(each.principal, dict(pair.split("=") for pair in each.query.decode().split("&"))) for each in QUESTIONS]
    fetch_together(view, [asked_of(date.fromisoformat(each.pop("on")), **each) for _, each in [*map(_copy, asked)]])
    for principal, each in asked:
        day = date.fromisoformat(each.pop("on"))
        try:
            found.append(str(access.left_for(principal, view.on_day(day), **each).body()))
        except Exception as problem:
            found.append(f"{type(problem).__name__}: {problem}")
    return found


def _copy(asked: tuple[Principal, dict[str, str]]) -> tuple[Principal, dict[str, str]]:
    return asked[0], dict(asked[1])


HAPPENS = {
    "a grant": lambda: move("grant", "2026-01-20", 5, destination="AE", recipient="a", authorization="lic",
                            exporter="x"),
    "a grant before the month that is held": lambda: move("grant", "2025-03-01", 5, destination="AE", recipient="a",
                                                          authorization="lic", exporter="x"),
    "a shipment": lambda: move("ship", "2026-02-02", 2, destination="AE", recipient="a", authorization="lic",
                               exporter="x"),
    "another rating": lambda: rating(H100, valid_from="2026-01-15", dense_tops_8bit="1000", **dict.fromkeys(
        ("dense_tops_16bit", "dense_tops_4bit", "tpp_per_ic", "tpp", "tpp_bits", "performance_density"), "")),
    "another parent": lambda: party("a", "AE", "b", **{"from": "2026-01-15"}),
    "an amendment": lambda: change("lic", "amended", "2026-01-15", last_day="2026-01-31"),
    "a revocation": lambda: change("lic", "revoked", "2026-01-15"),
    "a rulebook": lambda: adopt(BOOKS["plain"].replace("400_000", "100_000"), "2026-01-01"),
}  # fmt: skip


@pytest.mark.parametrize("limits", [{}, {"MOST_FOLLOWED": 1}, {"MOST_HELD": 1}], ids=str)
@pytest.mark.parametrize("what", HAPPENS)
def test_what_happens_between_two_questions_shows_in_the_second(ledger, what, limits, monkeypatch):
    for name, limit in limits.items():
        monkeypatch.setattr(remembering, name, limit)
    ledger.must(HAPPENS["a grant"]())
    with closing(remembering_reader(ledger)) as answerer:
        before = answerer.answers([*QUESTIONS, question()])
        assert before == answerer.answers([*QUESTIONS, question()])
        ledger.must(HAPPENS[what]())
        after = answerer.answers([*QUESTIONS, question()])
    assert after == anew(ledger, [*QUESTIONS, question()])
    left = directly(ledger, ASKED, DAY)
    assert json.loads(after[-1].body).items() >= left.items()


def test_what_was_made_anew_is_read_anew(ledger):
    ledger.must(HAPPENS["a grant"]())
    with closing(remembering_reader(ledger)) as answerer:
        right = answerer.answers([question()])
        ledger.conn.execute("UPDATE counter_day SET tpp = tpp * 2")
        ledger.conn.execute("UPDATE lot SET open = 0, emptied = true")
        ledger.conn.commit()
        (wrong,) = anew(ledger, [question()])
        assert wrong.body != right[0].body
    with closing(remembering_reader(ledger)) as answerer:
        assert [answerer.answers([question()]) for _ in range(2)] == [[wrong]] * 2
        reconcile.rebuild(ledger.conn)
        assert [answerer.answers([question()]) for _ in range(2)] == [right] * 2


def test_what_was_asked_before_asks_the_database_for_the_journals_end_alone(ledger, monkeypatch):
    ledger.must(HAPPENS["a grant"]())
    asked: list[str] = []
    execute = psycopg.Connection.execute
    monkeypatch.setattr(
        psycopg.Connection, "execute",
        lambda conn, query, *rest, **how: asked.append(query) or execute(conn, query, *rest, **how),
    )  # fmt: skip
    with closing(remembering_reader(ledger)) as answerer:
        for _ in range(2):  # the first of all is not kept: whether projections are being made anew is not known yet
            answerer.answers([question(), question(authorization="license")])
        asked.clear()
        answerer.answers([question(on=DAY + timedelta(days=7)), question(authorization="license")])
    assert [query.split("\n")[1].split(",")[0] for query in asked] == ["SELECT size"]


def test_where_the_journal_grows_while_it_is_asked_the_answer_is_of_its_new_end(ledger):
    sizes = []
    with psycopg.connect(ledger.conn.info.dsn) as conn:
        reader = Reader(conn, remembers=True)

        def ask(view: View) -> Any:
            sizes.append(view.size)
            if len(sizes) == 1:
                ledger.must(HAPPENS["a grant"]())
            return remaining(view, **ASKED).body()

        for _ in range(2):
            reader.at_end(DAY, lambda view: view.size)
        assert reader.at_end(DAY, ask) == directly(ledger, ASKED, DAY)
        assert sizes == [sizes[0], sizes[0] + 1]
        assert not conn.info.transaction_status
