"""A relay judges a group while the one before is written, and comes to what a writer that waits comes to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import accumulate, groupby
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.posting import Asker, Receipt, Request, Writer
from ledger.posting.relay import Came, Relay
from ledger.posting.requests import ALONE
from ledger.store.sending import SendingConnection
from schema.queries import SQL
from tests.conftest import Databases, in_database
from tests.soundness import assert_sound
from tests.test_past_answers import BOOKS, movements, steps
from tests.world import AT, H100, H200, Ledger, adopt, book, license_, move, party, reverse

EXAMPLES = int(os.environ.get("CAPLEDGER_TEST_EXAMPLES", "20"))
CAP = "name: here, counts: shipped, by: [recipient], limit: 475000 TPP"  # 30 H100
ACTORS = ("operator", "x", "y")


def settled(databases: Databases, template: str, text: str) -> str:
    """Return the name of a database to copy: parties, ratings, licenses and a book."""
    name = databases.make(template)
    with psycopg.connect(in_database(databases.server, name)) as conn:
        Ledger(conn).begin(
            party("x"), party("y"), party("a", "AE"), party("b", "AE", "a"), party("c", "MY", "unknown"),
            license_("lic", "a", "AE", "x"), license_("other", "b", "AE", "y"), adopt(text, "2025-01-01"),
            chips=(H100, H200),
        )  # fmt: skip
    return name


@pytest.fixture(scope="module")
def begun(databases: Databases, template: str) -> str:
    """A database to copy, with a small cap."""
    return settled(databases, template, book(CAP))


@pytest.fixture(scope="module")
def past(databases: Databases, template: str) -> str:
    """Another one, under the book for which random steps are made."""
    return settled(databases, template, BOOKS["plain"])


SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END';
CREATE TRIGGER slow BEFORE INSERT ON journal FOR EACH STATEMENT EXECUTE FUNCTION slow();
"""


class Office:
    """A ledger with a relay, whose groups are posted one after the other, and what came of them.

    Writing takes so long that whoever does not wait for it looks at what was there before.
    """

    def __init__(self, dsn: str) -> None:
        with psycopg.connect(dsn) as conn:
            conn.execute(SLOW)
        self.dsn = dsn
        self.conn = SendingConnection.connect(dsn, options="-c lock_timeout=60s")
        self.aside = psycopg.connect(dsn)
        self.relay = Relay(self.conn, self.aside)
        self.given: list[Sequence[tuple[str, Request]]] = []
        self.came: list[Came] = []

    def post(self, *requests: Request, actor: str = "operator", together: bool = False) -> None:
        """Post a group of one asker."""
        self.post_from([(actor, request) for request in requests], together=together)

    def post_from(self, asked: Sequence[tuple[str, Request]], *, together: bool = False) -> None:
        """Post a group of several askers."""
        self.given.append(asked)
        self.came += self.relay.post([(Asker(actor), each) for actor, each in asked], at=AT, together=together)

    @property
    def is_under_way(self) -> bool:
        """Whether the last group was sent, and nobody has asked what came of it."""
        return len(self.came) < len(self.given)

    def end(self) -> list[list[Receipt]]:
        """Wait for what is under way; return the receipts of each group."""
        self.came += self.relay.end()
        assert len(self.came) == len(self.given)
        return [list(each.receipts) for each in self.came]

    def close(self) -> None:
        """Close the connections."""
        self.conn.close()
        self.aside.close()


@pytest.fixture
def office(databases: Databases, begun: str) -> Iterator[Office]:
    name = databases.make(begun)
    found = Office(in_database(databases.server, name))
    found.post(grant("first", 1))  # nothing is remembered yet: it is posted under the lock, and the next one too
    found.post(grant("second", 1))
    yield found
    found.close()
    with psycopg.connect(found.dsn) as conn:
        assert_sound(conn)
    databases.done.append(name)


def grant(key: str, quantity: int, day: str = "2026-02-02", recipient: str = "a") -> Request:
    under, exporter = ("lic", "x") if recipient == "a" else ("other", "y")
    return move("grant", day, quantity, key=key, recipient=recipient, destination="AE", authorization=under,
                exporter=exporter)  # fmt: skip


def ship(key: str, quantity: int, day: str = "2026-02-03", recipient: str = "a") -> Request:
    under, exporter = ("lic", "x") if recipient == "a" else ("other", "y")
    return move("ship", day, quantity, key=key, recipient=recipient, destination="AE", authorization=under,
                exporter=exporter)  # fmt: skip


def receive(key: str, quantity: int, day: str = "2026-02-04", recipient: str = "a") -> Request:
    return move("receive", day, quantity, key=key, recipient=recipient, destination="AE")


def verdicts(groups: Sequence[Sequence[Receipt]]) -> list[list[str]]:
    return [[receipt.code or receipt.verdict for receipt in group] for group in groups]


def test_a_group_is_judged_on_what_the_one_under_way_does(office):
    office.post(grant("g1", 40))
    assert office.is_under_way
    office.post(ship("s1", 20), ship("s2", 20))
    office.post(receive("r1", 20), ship("s3", 10))
    office.post(receive("r2", 10), ship("s4", 1))
    assert office.is_under_way
    assert verdicts(office.end()[2:]) == [["posted"], ["posted", "cap_exceeded"], ["posted", "posted"],
                                          ["posted", "cap_exceeded"]]  # fmt: skip


def test_what_the_group_under_way_does_not_touch_is_looked_up_beside_it_and_the_rest_after_it(office, monkeypatch):
    asked: list[tuple[str, str]] = []
    whole = psycopg.Cursor.execute

    def told(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        name = next((name for name in ("lots_of", "lots_moving_at", "counters") if query == SQL[name]), "")
        if name:
            asked.append((name, "beside" if self.connection is office.aside else "after"))
        return whole(self, query, *rest, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", told)
    office.post(grant("g1", 5), grant("g2", 5))
    asked.clear()
    office.post(grant("g3", 5, recipient="b"), ship("s0", 1, recipient="b"))
    assert asked == [("lots_of", "beside"), ("counters", "beside")]
    asked.clear()
    office.post(receive("r1", 1, recipient="b"), receive("r2", 1))  # what was shipped to b is under way
    assert asked == [("lots_moving_at", "after")]
    (arrived, too_much) = office.end()[-1]
    with psycopg.connect(office.dsn) as conn:
        opened = conn.execute("SELECT convert_from(payload, 'utf8')::jsonb->'body'->>'by' FROM journal WHERE kind ="
                              " 'discrepancy.opened'").fetchall()  # fmt: skip
    assert opened == [(str(too_much.seq),)]
    assert arrived.verdict == "posted"


def test_a_counter_that_is_asked_of_earlier_days_than_it_is_held_for_is_looked_up_after_the_group_under_way(office):
    office.post(ship("late", 2, "2026-03-01"))
    office.post(grant("g1", 40))
    office.post(ship("s1", 20, "2026-03-02"))
    office.post(ship("s2", 9, "2026-02-20"), ship("s3", 1, "2026-02-20"))
    assert office.is_under_way
    assert verdicts(office.end()[-2:]) == [["posted"], ["cap_exceeded", "posted"]]


def test_a_key_that_is_settled_by_the_group_under_way_gets_its_receipt_again(office):
    office.post(grant("g1", 5))
    assert office.is_under_way
    office.post(grant("g1", 5), grant("g1", 6), grant("g2", 5))
    first, (again, other, new) = office.end()[2:]
    assert again == first[0]._replace(verdict="replayed")
    assert (other.code, new.verdict) == ("key_reused", "posted")
    assert office.came[-1].built_on == first[0].seq


def test_where_somebody_else_wrote_before_it_a_group_is_judged_anew_and_so_is_the_next(office):
    with psycopg.connect(office.dsn) as conn:
        other = Ledger(conn)
        other.must(grant("theirs", 30), ship("theirs too", 30))  # the relay has not noticed
        office.post(grant("g1", 40))
        assert office.is_under_way
        office.post(ship("s1", 1))
        assert not office.is_under_way
    assert verdicts(office.end()[2:]) == [["posted"], ["cap_exceeded"]]


def test_a_fact_that_somebody_else_recorded_where_a_group_was_to_stand_is_known_afterwards(office):
    with psycopg.connect(office.dsn) as conn:
        Ledger(conn).must(party("newcomer", "AE"))  # the relay takes its number for the group's
    office.post(grant("g1", 1), grant("g2", 1))
    office.post(move("reserve", "2026-02-05", 1, key="n", recipient="newcomer", destination="AE", exporter="x",
                     last_day="2026-06-01"))  # fmt: skip
    assert verdicts(office.end()[2:]) == [["posted", "posted"], ["posted"]], office.came[-1]


def test_what_cannot_be_judged_ahead_is_posted_after_what_is_under_way(office):
    office.post(grant("g1", 5))
    office.post(party("new", "AE"))
    office.post(grant("g2", 5), ship("s1", 500), together=True)
    office.post(move("ship", "soon", 1, key="m"), grant("g3", 5))
    office.post(grant("g4", 5))
    assert office.is_under_way
    assert verdicts(office.end()[2:]) == [["posted"], ["posted"], ["exceeds_authorization"] * 2,
                                          ["malformed", "posted"], ["posted"]]  # fmt: skip


def test_a_defect_in_judging_harms_neither_the_group_under_way_nor_the_next(office):
    office.post(grant("g1", 5))
    office.post_from([("operator", "no request")])  # type: ignore[list-item]
    office.post(grant("g2", 5))
    office.end()
    assert [type(each.fault).__name__ for each in office.came[2:]] == ["NoneType", "AttributeError", "NoneType"]
    assert verdicts([each.receipts for each in office.came[2:]]) == [["posted"], [], ["posted"]]


def test_a_statement_that_fails_is_told_with_what_was_judged_on_it(office):
    office.post(grant("g1", 5))
    office.end()
    with psycopg.connect(office.dsn, autocommit=True) as conn:
        conn.execute("ALTER TABLE journal ADD CONSTRAINT none CHECK (key <> 'g2')")
        office.post(grant("g2", 5))
        office.post(ship("s1", 7))
        office.end()
        conn.execute("ALTER TABLE journal DROP CONSTRAINT none")
    assert isinstance(office.came[-2].fault, psycopg.errors.CheckViolation)
    assert verdicts([office.came[-1].receipts]) == [["posted"]]  # 2 of the first and 5 of g1
    office.post(grant("g2", 5))
    assert verdicts(office.end()[-1:]) == [["posted"]]


def test_a_connection_that_is_lost_is_told_of_the_group_under_way_and_of_those_after_it(office):
    office.post(grant("g1", 5))
    with psycopg.connect(office.dsn) as holder, psycopg.connect(office.dsn, autocommit=True) as killer:
        office.end()
        holder.execute("SELECT * FROM head FOR UPDATE")
        office.post(grant("g2", 5))
        assert office.is_under_way
        killer.execute("SELECT pg_terminate_backend(%s)", [office.conn.info.backend_pid])
        office.post(grant("g3", 5))
    office.end()
    assert all(isinstance(each.fault, psycopg.OperationalError) for each in office.came[-2:])
    with psycopg.connect(office.dsn) as conn:
        assert conn.execute("SELECT count(*) FROM request_key WHERE key IN ('g1', 'g2', 'g3')").fetchone() == (1,)


def test_a_group_larger_than_a_socket_takes_at_once_is_sent_whole(office):
    many = [grant(f"g{n}", 1) for n in range(400)]
    office.post(*many)
    assert office.is_under_way
    office.post(ship("s1", 20))
    assert verdicts(office.end()[2:]) == [["posted"] * 400, ["posted"]]


again = st.sampled_from(["again", "again as another"])
moves = st.lists(st.one_of(*[movements()] * 8, st.integers(0, 20), again), min_size=2, max_size=5)
groups = st.lists(st.one_of(moves, moves, moves, st.lists(st.one_of(steps, again), max_size=3)), min_size=4, max_size=9)


@settings(max_examples=EXAMPLES, deadline=timedelta(seconds=60))
@given(
    story=groups, others=st.sets(st.integers(0, 8), max_size=1), actors=st.lists(st.sampled_from(ACTORS), min_size=40)
)
def test_random_groups_come_to_what_each_request_comes_to_alone(
    databases: Databases, story: list[list[Any]], others: set[int], actors: list[str], past: str
) -> None:
    """The journal, every projection and every receipt are those of one writer that posts one by one, in that order."""
    names = [databases.make(past), databases.make(past)]
    asker = iter(actors)
    asked: list[tuple[str, Request]] = []
    with (
        closing(Office(in_database(databases.server, names[0]))) as office, psycopg.connect(office.dsn) as conn
    ):  # fmt: skip
        other, posted = Ledger(conn), list[Receipt]()
        for n, group in enumerate(story):
            if n in others:
                foreign = [
                    move("grant", "2026-01-20", 1, destination="AE", recipient="a", authorization="lic", exporter="x"),
                    party("b", "AE", "c", **{"from": "2026-01-01"}),
                ][n % 2]
                posted.append(other.ask(foreign))
                asked.append(("operator", foreign))
            mine = [_request(step, next(asker), office) for step in group]
            for is_alone, part in groupby(mine, lambda each: each[1].kind in ALONE):
                for each in [[one] for one in part] if is_alone else [list(part)]:
                    office.post_from(each)
        for given_, receipts in zip(office.given, office.end(), strict=True):
            asked += given_
            posted += receipts
        assert_sound(conn)
        told = _everything(conn)
    newest = list(accumulate((receipt.seq or 0 for receipt in posted), max))  # what settled no key comes after it
    order = sorted(range(len(asked)), key=lambda n: (posted[n].seq or newest[n], n))
    with psycopg.connect(in_database(databases.server, names[1])) as conn:
        writer = Writer(conn)
        for n in order:
            actor, request = asked[n]
            (receipt,) = writer.post([request], actor=actor, at=AT)
            assert receipt._replace(leaf_hash="") == posted[n]._replace(leaf_hash="")
        assert told == _everything(conn)
    databases.done += names


def _request(step: Any, actor: str, office: Office) -> tuple[str, Request]:
    before = [each for group in office.given for each in group]
    if isinstance(step, int):
        return actor, reverse(12 + step, "2026-02-20")
    if isinstance(step, str):
        if not before:
            return "operator", grant("again", 1)
        again, request = before[-1]
        if step == "again":
            return again, request
        return again, Request(request.kind, request.key, {**request.raw, "note": "another"}, request.observed)
    return actor, step


def _everything(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Return the journal and its projections, but for salts, scopes' names, moments and hashes."""
    queries = (
        "SELECT seq, kind, actor, key, scope_seq, payload, judgment FROM journal ORDER BY seq",
        "SELECT * FROM counter_day WHERE (tpp, chips) <> (0, 0) ORDER BY 1, 2, 3, 4, 5",
        "SELECT * FROM stage_day WHERE tpp <> 0 ORDER BY 1, 2, 3", "SELECT * FROM request_key ORDER BY 1, 2",
        "SELECT * FROM lot ORDER BY 1, 2", "SELECT * FROM entry ORDER BY 1, 2",
        "SELECT party, size FROM scope ORDER BY 1",
        "SELECT id, class, cap, subject, amount, state FROM discrepancy ORDER BY 1",
    )  # fmt: skip
    return [row for query in queries for row in conn.execute(query).fetchall()]
