"""The second wall in the server: what the program would have shown and the database hides is not shown."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

import httpx2
import psycopg
import pytest
from apiworld import FIRST, MARK, NONE, OWN, SECOND, World, alike, fill, served, session_of
from psycopg.conninfo import make_conninfo
from starlette.testclient import TestClient

from ledger import reports
from ledger.access import Principal, fits, owing, sight, statements, wall
from ledger.api.access import LedgerAccess
from ledger.api.answerer import Answerer
from ledger.api.questions import Question
from ledger.core.duties import Owed
from ledger.posting import Request
from ledger.reports import View, explain
from schema.queries import SQL
from tests.conftest import Databases, in_database
from tests.world import H100, Ledger, move

NOW = datetime.now(UTC)
reading = import_module("ledger.reports.statement.reading")  # its package has a function of its name
ALL_PROFILES = "SELECT id FROM profile WHERE %(exporter)s || %(recipient)s <> '' AND %(countries)s::text[] IS NOT NULL"
# The history's own filter as it must never be: everybody's records pass.
BROKEN = """
    SELECT seq, kind, actor, key, seq, recorded_at, payload, judgment FROM journal
    WHERE seq <= %(known)s AND %(before)s > 0 AND kind IN ('movement.posted', 'request.refused')
    ORDER BY seq DESC LIMIT %(most)s
"""


@pytest.fixture(scope="module")
def world(databases: Databases, template: str) -> Iterator[World]:
    name = databases.make(template)
    world = fill(in_database(databases.server, name))
    with psycopg.connect(world.dsn) as conn:
        for mark in (MARK, OWN):
            owes(Ledger(conn), mark)
    yield world
    databases.done.append(name)


def owes(ledger: Ledger, mark: str) -> None:
    """Have an exporter ship what the rulebook asks a copy of, twice, and send one copy."""
    line = {"exporter": f"{mark}-maker", "recipient": f"{mark}-dc", "destination": "MY", "authorization": "LPP"}
    ships = [move("ship", f"2025-06-{day}", 10, observed=True, facility=f"{mark}-lpp", **line) for day in (16, 17)]
    sent, _ = [ledger.must(each, actor=f"{mark}-maker") for each in ships]
    copy = {"duty": "lpp-copy", "party": f"{mark}-maker", "filed_on": "2025-06-20", "record": str(sent)}
    ledger.must(Request("notice", f"{mark}-copy", copy))


@pytest.fixture
def client(world: World, monkeypatch) -> Iterator[TestClient]:
    monkeypatch.setattr(wall, "_SAID", set())
    with served(world, monkeypatch) as client:
        yield client


@pytest.fixture
def cookie(world: World) -> dict[str, str]:
    return {"Cookie": f"capledger_session={session_of(world, 'exporter')}"}


@contextmanager
def in_its_place(world: World, role: str | None) -> Iterator[None]:
    """Have the database say for a while that another role stands for the second exporter, or none by choice."""
    with psycopg.connect(world.dsn, autocommit=True) as conn:
        (kept,) = conn.execute("SELECT role FROM party_role WHERE party = %s", (SECOND,)).fetchone()
        assert kept
        conn.execute("UPDATE party_role SET role = %s WHERE party = %s", (role, SECOND))
        try:
            yield
        finally:
            conn.execute("UPDATE party_role SET role = %s WHERE party = %s", (kept, SECOND))


@pytest.fixture
def broken(monkeypatch) -> None:
    """Let everything through in the program itself."""
    break_filters(monkeypatch)


def break_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LedgerAccess, "scope_of", lambda self, principal: "")
    monkeypatch.setattr("ledger.web.showing.exporter.SQL", {**SQL, "records_of_party": BROKEN})
    for whose in ("may_see_party", "may_see_authorization", "_may_name"):
        monkeypatch.setattr(sight, whose, lambda *anything: True)
    for module in (sight, statements):
        monkeypatch.setattr(module, "named_parties", everyone)
    monkeypatch.setattr(owing, "duties", lambda view, party, met: reports.duties(view, met=met))
    monkeypatch.setattr(reading, "SQL", {**SQL, "profiles_naming": ALL_PROFILES})
    monkeypatch.setattr(fits, "explain", lambda view, movement, observed, asker: explain(view, movement))


def everyone(principal: Principal, view: View) -> dict[str, str]:
    return {name: party.name for name, party in view.position.knowledge.parties.items()}


FIT = {"movement": "ship", "effective_on": "2025-07-01", "exporter": SECOND}
LISTS = ("parties?limit=1000", "authorizations", "duties?met=true", "duties?on=2025-09-01&met=true", "movements",
         "statements?from=2025-06-01&to=2025-07-01", "statements?from=2025-08-01&to=2025-08-02")  # fmt: skip
# Lists of everybody's where the program's filter is broken, with what is there of one's own all the same.
SHOWS = {
    **{f"list {path} {media}": word for media in ("application/json", "text/csv") for path, word in {
        "parties?limit=1000": f"{OWN}-dc", "authorizations": f"{OWN}-L1", "movements": f"{OWN}-ship",
        "statements?from=2025-06-01&to=2025-07-01": f"{OWN}-dc", "duties?on=2025-09-01&met=true": f"{OWN}-maker",
    }.items()},
    "page history": f"{OWN}-ship", "page fit": f"{OWN}-L1", "page ?on=2025-07-01": f"{OWN}-L1",
    "page statements?first=2025-06-01&format=csv": f"{OWN}-dc",
}  # fmt: skip
PAGES = ("history", "duties?state=all", "duties?state=all&on=2025-09-01", "statements?first=2025-06-01&format=json",
         "statements?first=2025-06-01&format=csv", "fit", "?on=2025-07-01")  # fmt: skip


def of_one(client: TestClient, world: World, cookie: Mapping[str, str], mark: str) -> dict[str, httpx2.Response]:
    """Return what is answered about the things of one exporter by name: what it is left, its parties, its licenses."""
    key, ids = world.head("exporter"), world.ids[mark]
    named = {"destination": "MY", "recipient": world.ids[OWN]["recipient"], "authorization": ids["license"]}
    line = {**named, "chip": H100, "quantity": 1}
    paths = [f"parties/{ids['recipient']}", f"parties/{ids['party']}", f"authorizations/{ids['license']}",
             f"statements?from=2025-06-01&to=2025-07-01&recipient={ids['recipient']}",
             f"remaining?{urlencode({**named, 'chip': H100, 'on': '2025-07-01'})}"]  # fmt: skip
    told = {f"{mark} {path.partition('?')[0]}": client.get(f"/v1/{path}", headers=key) for path in paths}
    fit = urlencode({"authorization": ids["license"], "chip": H100, "quantity": 1, "day": "2025-07-01"})
    told[f"{mark} fit page"] = client.get(f"/exporter/fit?{fit}", headers=cookie)
    return told | {f"{mark} fit": client.post("/v1/movements?dry_run=true", headers=key, json={**FIT, "lines": [line]})}


def asked(client: TestClient, world: World, cookie: Mapping[str, str]) -> dict[str, tuple[int, bytes, str]]:
    """Return every answer that the wall has a part in: status, bytes and tag."""
    key = world.head("exporter")
    told = {f"list {path} {media}": client.get(f"/v1/{path}", headers={**key, "Accept": media})
            for media in ("application/json", "text/csv") for path in LISTS}  # fmt: skip
    told |= {f"page {path}": client.get(f"/exporter{'/' * (path[0] != '?')}{path}", headers=cookie) for path in PAGES}
    told["part"] = client.get("/v1/movements?after=3&limit=2", headers=key)
    told |= of_one(client, world, cookie, OWN)
    for mark in (MARK, OWN):
        for thing in ("record", "refused"):
            seq = world.ids[mark][thing]
            told[f"{mark} {thing}"] = client.get(f"/v1/movements/{seq}", headers=key)
            told[f"{mark} {thing} proof"] = client.get(f"/v1/records/{seq}/proof", headers=key)
    return {what: (each.status_code, each.content, each.headers.get("etag", "")) for what, each in told.items()}


def is_anothers(what: str) -> bool:
    return what.startswith(MARK)


def test_where_the_programs_filter_is_broken_the_wall_still_shows_nothing_of_anothers(
    client, world, cookie, broken, caplog
):
    told = asked(client, world, cookie)
    for what, (status, content, _) in told.items():
        assert status == (404 if is_anothers(what) else 200), what
        assert MARK not in content.decode().casefold(), what
    for what in SHOWS:
        assert SHOWS[what].encode() in told[what][1], what
    errors = [each for each in caplog.records if each.levelno == logging.ERROR and each.name == wall.__name__]
    assert any(world.ids[MARK]["record"] in each.getMessage() for each in errors)
    assert MARK not in caplog.text.casefold()


def test_without_the_wall_the_broken_filter_would_show_it(client, world, cookie, broken):
    """Else the test before could not fail."""
    with in_its_place(world, None):
        told = asked(client, world, cookie)
    assert {what for what in told if what.startswith(("list ", "page "))} >= set(SHOWS)
    for what in SHOWS:
        assert MARK in told[what][1].decode().casefold(), what
    assert {told[what][0] for what in told if is_anothers(what)} == {200}


def test_where_the_programs_filter_is_broken_the_answers_are_what_they_were(client, world, cookie, monkeypatch):
    """But for a part of the list of records, and their numbers in the history, which the broken filters make up."""
    before = asked(client, world, cookie)
    break_filters(monkeypatch)
    told = asked(client, world, cookie)
    assert {what for what in before if told[what] != before[what]} == {"part", "page history"}
    with in_its_place(world, None):
        without = asked(client, world, cookie)
    lists = {what for what in before if what.startswith(("list ", "page "))}
    assert {what for what in lists if without[what] == before[what]} == set(), "else it could not fail"


def test_what_is_asked_about_anothers_by_name_is_answered_like_what_there_is_not(client, world, cookie, broken):
    there, not_there = (of_one(client, world, cookie, mark) for mark in (MARK, NONE))
    for (what, one), other in zip(there.items(), not_there.values(), strict=True):
        names = [sorted(world.ids[mark].values(), key=len, reverse=True) for mark in (MARK, NONE)]
        assert alike(one, *names[0]) == alike(other, *names[1]), what
    with in_its_place(world, None):  # else it could not fail
        told = of_one(client, world, cookie, MARK)
    for what, answer in told.items():
        assert alike(answer) != alike(there[what]), what


def test_a_statement_that_would_name_a_hidden_record_is_not_drawn_up(client, world, cookie, monkeypatch):
    """Even where it is drawn up of chips that nobody asked the database about."""

    def anothers(view: View, exporter: str, shown: object, **asked: Any) -> reports.Statement:
        return reports.statement(view, exporter=FIRST, **asked)

    monkeypatch.setattr(statements, "statement", anothers)
    path, key = "/v1/statements?from=2025-06-01&to=2025-07-01", world.head("exporter")
    page = "/exporter/statements?first=2025-06-01&last=2025-07-01&format=csv"
    assert client.get(path, headers=key).status_code == client.get(page, headers=cookie).status_code == 404
    assert MARK not in client.get(path, headers=key).text + client.get(page, headers=cookie).text
    with in_its_place(world, None):
        assert MARK in client.get(path, headers=key).text
        assert MARK in client.get(page, headers=cookie).text


def test_what_another_owes_by_the_calendar_is_not_told(client, world, monkeypatch):
    """No record stands behind it that the database could hide: it is asked whose it is."""
    day = NOW.date()
    owed = [Owed("veu-report", "law", "report", "book", "recipient", party, None, None, "", day, day)
            for party in (FIRST, SECOND)]  # fmt: skip
    monkeypatch.setattr(owing, "duties", lambda view, party, met: owed)
    told = client.get("/v1/duties", headers=world.head("exporter"))
    assert [each["party"] for each in told.json()["items"]] == [SECOND]
    with in_its_place(world, None):
        assert MARK in client.get("/v1/duties", headers=world.head("exporter")).text


def test_the_answers_with_and_without_the_wall_are_equal_byte_by_byte(client, world, cookie, caplog):
    behind = asked(client, world, cookie)
    assert {status for what, (status, *_) in behind.items() if not is_anothers(what)} == {200}
    assert {status for what, (status, *_) in behind.items() if is_anothers(what)} == {404}
    with in_its_place(world, None):
        assert asked(client, world, cookie) == behind
    assert [each for each in caplog.records if each.name == wall.__name__] == []  # without one on purpose


def test_a_role_that_is_missing_is_said_in_the_log_once_and_the_exporter_is_served(client, world, cookie, caplog):
    behind = asked(client, world, cookie)
    with in_its_place(world, "capledger_x_gone"):
        assert asked(client, world, cookie) == behind
    said = [each.getMessage() for each in caplog.records if each.name == wall.__name__]
    assert said == [
        f"The database has no role for {SECOND}, which would keep its rows apart. The program alone keeps them apart. "
        "Issue a key for it: that makes the role."
    ]


@pytest.mark.parametrize("role", ["regulator", "auditor", "operator"])
def test_who_sees_everything_is_shown_everything(client, world, role):
    for mark in (MARK, OWN):
        seq = world.ids[mark]["record"]
        for path in (f"/v1/movements/{seq}", f"/v1/records/{seq}/proof"):
            assert client.get(path, headers=world.head(role)).status_code == 200


def test_the_license_of_a_question_is_looked_at_once_until_it_changes_and_officials_pay_nothing(
    databases, template, monkeypatch
):
    name = databases.make(template)
    world = fill(in_database(databases.server, name))
    roles: list[str] = []
    role_of = wall._role_of
    monkeypatch.setattr(wall, "_role_of", lambda conn, who: roles.append(who.party) or role_of(conn, who))
    answerer = Answerer(world.dsn, "", LedgerAccess())

    def left(who: Principal, mark: str) -> int:
        ids = world.ids[mark]
        named = {"destination": "MY", "recipient": f"{OWN}-dc", "authorization": ids["license"]}
        query = urlencode({**named, "chip": H100})
        (told,) = answerer.answers([Question(who, "/v1/remaining", query.encode(), "", "")])
        assert told.status, told.body.decode()
        return told.status

    first, second = Principal("bo", "exporter", FIRST), Principal("amy", "exporter", SECOND)
    try:
        assert [left(Principal(each, each), OWN) for each in ("regulator", "operator")] == [200] * 2
        assert roles == []
        assert [left(second, OWN) for _ in range(3)] == [200] * 3
        assert roles == [SECOND]
        assert left(first, MARK) != 404
        assert roles == [SECOND, FIRST]
        monkeypatch.setattr(sight, "_may_name", lambda *anything: True)
        assert left(second, MARK) == 404, "what one was shown is not remembered for the other"
        assert roles == [SECOND, FIRST, SECOND]
        with psycopg.connect(world.dsn) as conn:
            change = {"authorization_id": f"{OWN}-L1", "change": "amended", "effective_on": "2025-07-01"}
            Ledger(conn).must(Request("authorization", "amend", {**change, "quantity": "900"}))
        assert [left(second, OWN) for _ in range(2)] == [200] * 2  # on the journal's new end, and as it is remembered
        assert set(roles[3:]) == {SECOND}
        roles.clear()
        assert [left(second, OWN) for _ in range(3)] == [200] * 3
        assert roles == []
    finally:
        answerer.close()
    databases.done.append(name)


def test_what_is_shown_is_asked_in_the_open_transaction_which_has_its_own_role_again(world, monkeypatch):
    both = {int(world.ids[mark]["record"]) for mark in (MARK, OWN)}
    second = Principal("amy", "exporter", SECOND)
    with psycopg.connect(world.dsn) as conn:
        (own,) = conn.execute("SELECT current_user").fetchone()
        assert wall.shown(conn, second, both) == {int(world.ids[OWN]["record"])}
        assert wall.shown(conn, Principal("bo", "exporter", FIRST), both) == {int(world.ids[MARK]["record"])}
        assert conn.execute("SELECT current_user").fetchone() == (own,)
        monkeypatch.setattr(wall, "SQL", {**SQL, "shown_record": "SELECT judgment FROM journal"})
        with pytest.raises(psycopg.errors.InsufficientPrivilege):  # the database's no is never taken for no wall
            wall.shown(conn, second, both)
        assert conn.execute("SELECT current_user").fetchone() == (own,)


# Tokens


class Provider:
    """A verifier to whom every token says the same."""

    def __init__(self, party: str) -> None:
        self._party = party

    def principal(self, token: str, at: datetime) -> Principal:
        return Principal("tom", "exporter", self._party, "oidc")


def came_by_token(conn: psycopg.Connection[Any], party: str) -> Principal:
    principal = LedgerAccess(Provider(party)).authenticate(conn, "a.b.c", at=NOW)  # type: ignore[arg-type]
    assert principal
    return principal


def test_the_first_token_of_a_party_makes_its_role_and_later_ones_no_other(world, monkeypatch):
    monkeypatch.setattr(wall, "_SAID", set())
    query = "SELECT role, to_regrole(role) IS NOT NULL FROM party_role WHERE party = 'others-maker'"
    with psycopg.connect(world.dsn) as conn:
        assert conn.execute(query).fetchone() is None
        principal = came_by_token(conn, "others-maker")
        role, is_there = conn.execute(query).fetchone()
        assert is_there
        came_by_token(conn, "others-maker")
        assert conn.execute(query).fetchone() == (role, True)
        assert wall.shown(conn, principal, {int(world.ids[MARK]["record"])}) == set()
        came_by_token(conn, "no-such-party")
        assert conn.execute("SELECT count(*) FROM party_role WHERE party = 'no-such-party'").fetchone() == (0,)
        conn.rollback()


def test_a_token_makes_no_role_for_who_goes_without_one_on_purpose(world, monkeypatch, caplog):
    monkeypatch.setattr(wall, "_SAID", set())
    with in_its_place(world, None), psycopg.connect(world.dsn) as conn:
        came_by_token(conn, SECOND)
        assert conn.execute("SELECT role FROM party_role WHERE party = %s", (SECOND,)).fetchone() == (None,)
    assert caplog.records == []


def test_a_login_that_may_make_no_role_says_so_once_and_lets_the_token_in(world, monkeypatch, caplog):
    monkeypatch.setattr(wall, "_SAID", set())
    login = f"capledger_test_token_login_{os.getpid()}"
    with psycopg.connect(world.dsn, autocommit=True) as admin:
        admin.execute(f"DROP ROLE IF EXISTS {login}")
        admin.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'known' IN ROLE capledger_writer")
    with psycopg.connect(make_conninfo(world.dsn, user=login, password="known")) as conn:
        for _ in range(2):
            principal = came_by_token(conn, "others-dc")
            assert wall.shown(conn, principal, {1}) == {1}
    with psycopg.connect(world.dsn, autocommit=True) as admin:
        admin.execute(f"DROP ROLE {login}")
    said = [each.getMessage() for each in caplog.records]
    assert [words.split(":")[0] for words in said] == [
        "A token came for others-dc, which has no role in the database, and none was made",
        "The database has no role for others-dc, which would keep its rows apart. The program alone keeps them apart. "
        "Issue a key for it",
    ]
