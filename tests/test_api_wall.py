"""The second wall in the server: what the program would have shown and the database hides is not shown."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from apiworld import FIRST, MARK, OWN, SECOND, World, fill, served, session_of
from psycopg.conninfo import make_conninfo
from starlette.testclient import TestClient

from ledger.access import Principal, wall
from ledger.api.access import LedgerAccess
from schema.queries import SQL
from tests.conftest import Databases, in_database

NOW = datetime.now(UTC)
# The history's own filter as it must never be: everybody's records pass.
BROKEN = """
    SELECT seq, kind, actor, key, seq, recorded_at, payload, judgment FROM journal
    WHERE seq <= %(known)s AND %(before)s > 0 AND kind IN ('movement.posted', 'request.refused')
    ORDER BY seq DESC LIMIT %(most)s
"""


@pytest.fixture(scope="module")
def world(databases: Databases, template: str) -> Iterator[World]:
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


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
    monkeypatch.setattr(LedgerAccess, "scope_of", lambda self, principal: "")
    monkeypatch.setattr("ledger.web.showing.exporter.SQL", {**SQL, "records_of_party": BROKEN})


def asked(client: TestClient, world: World, cookie: Mapping[str, str]) -> dict[str, tuple[int, bytes, str]]:
    """Return every answer that the wall has a part in: status, bytes and tag."""
    key = world.head("exporter")
    told = {f"list {media}": client.get("/v1/movements", headers={**key, "Accept": media})
            for media in ("application/json", "text/csv")}  # fmt: skip
    told["part"] = client.get("/v1/movements?after=3&limit=2", headers=key)
    told["page"] = client.get("/exporter/history", headers=cookie)
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
    for what in ("list application/json", "list text/csv", "page"):
        assert f"{OWN}-ship".encode() in told[what][1], what
    errors = [each for each in caplog.records if each.levelno == logging.ERROR and each.name == wall.__name__]
    assert any(world.ids[MARK]["record"] in each.getMessage() for each in errors)
    assert MARK not in caplog.text.casefold()


def test_without_the_wall_the_broken_filter_would_show_it(client, world, cookie, broken):
    """Else the test before could not fail."""
    with in_its_place(world, None):
        told = asked(client, world, cookie)
    for what in ("list application/json", "list text/csv", "page"):
        assert MARK in told[what][1].decode().casefold(), what
    assert {told[what][0] for what in told if is_anothers(what)} == {200}


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
