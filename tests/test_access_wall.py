"""The second wall: what the database itself shows an exporter, whatever it is asked; and nobody else is hindered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from world import DIFFUSION, H100, H200, Ledger, adopt, book, license_, move, party

from ledger.access import PUBLIC, Principal, keys, wall
from ledger.core.errors import Unusable
from ledger.reconcile import check, rebuild
from ledger.reports import Reader
from schema.migrate import ensure_current

NOW = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
MARK = "zz-marked"  # stands in whatever is the second exporter's
A, B = "nvidia", f"{MARK}-exporter"
ALLOWED = {"party_role", "scope", "request_key", "fact", "lot", "entry", "counter_day"}  # whole rows; some have columns
PER_EXPORTER = "name: yearly, counts: granted, by: [exporter], limit: 90000000 TPP, when_exceeded: refuse, where: {}"
SHARED = "name: allocation, counts: granted, by: [destination], limit: 790000000 TPP, when_exceeded: refuse, where: {}"


def line_of(exporter: str, license_id: str, recipient: str) -> dict[str, str]:
    return {"exporter": exporter, "recipient": recipient, "destination": "MY", "authorization": license_id}


@pytest.fixture
def ledger(conn) -> Ledger:
    """Two exporters to one country; all that is the second's bears a mark."""
    ledger = Ledger(conn).begin(
        adopt(book(SHARED, PER_EXPORTER)), party(A), party(B), party("mydc", "MY"), party(f"{MARK}-dc", "MY"),
        license_("L1", "mydc", "MY", A), license_(f"{MARK}-L2", f"{MARK}-dc", "MY", B),
    )  # fmt: skip
    for who, name, recipient, mark in ((A, "L1", "mydc", "own"), (B, f"{MARK}-L2", f"{MARK}-dc", MARK)):
        line = line_of(who, name, recipient)
        ledger.must(move("grant", "2025-06-02", 2_000, key=f"{mark}-grant", **line))
        ledger.must(move("ship", "2025-06-03", 500, key=f"{mark}-ship", facility=f"{mark}-site", **line), actor=who)
        ledger.must(move("receive", "2025-06-09", 100, recipient=recipient, destination="MY", key=f"{mark}-in"))
        ledger.refused(move("grant", "2025-06-10", 9_000, H100, key=f"{mark}-much", **line), "cap_exceeded")
        ledger.ask(move("ship", "2025-06-04", 9_000, key=f"{mark}-late", observed=True, **line), actor=who)
    conn.commit()
    return ledger


@pytest.fixture
def walls(conn, ledger) -> Iterator[dict[str, Principal]]:
    """Who asks, by name, each exporter with a key and so with a role; the roles are gone afterwards."""
    issued = {who: keys.issue(conn, person=who, role="exporter", party=who, expires_at=LATER, at=NOW) for who in (A, B)}
    conn.commit()
    yield {who: key.principal for who, (key, _) in issued.items()}
    conn.rollback()
    for (role,) in conn.execute("SELECT role FROM party_role WHERE role IS NOT NULL").fetchall():
        conn.execute(f"DROP ROLE IF EXISTS {role}")
    conn.commit()


def role_of(conn: psycopg.Connection[Any], who: str) -> str:
    found = str(conn.execute("SELECT role FROM party_role WHERE party = %s", (who,)).fetchone()[0])
    conn.rollback()
    return found


def tables(conn: psycopg.Connection[Any], kinds: str = "rpvmf") -> list[str]:
    rows = conn.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = ANY (%s)",
        (list(kinds),),
    ).fetchall()
    conn.rollback()
    return [name for (name,) in rows]


# What an exporter sees


def test_no_table_or_column_shows_an_exporter_anything_of_another(conn, walls):
    seen, refused = set(), set()
    for name in tables(conn):
        columns = [
            column for (column,) in conn.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", (name,))
        ]  # fmt: skip
        conn.rollback()
        for what in ("t.*", "t::text", *(f"{column}::text" for column in columns)):
            try:
                with wall.behind(conn, walls[A]):
                    rows = conn.execute(f"SELECT {what} FROM {name} AS t").fetchall()
            except psycopg.errors.InsufficientPrivilege:
                refused.add((name, what))
                continue
            seen.add(name) if rows else None
            assert not any(mark in repr(rows) for mark in (MARK, MARK.encode().hex())), (name, what)
    assert seen == ALLOWED | {"journal", "profile", "discrepancy"}
    assert {name for name, what in refused if what == "t.*"} >= {
        "access_key", "session", "attempt", "head", "journal", "profile", "reconciliation", "job_run"
    }  # fmt: skip
    assert ("journal", "judgment::text") in refused
    assert ("profile", "body::text") in refused
    assert ("discrepancy", "note::text") in refused


def test_the_mark_is_there_to_be_found(conn, walls):
    for name in ("request_key", "fact", "profile", "lot", "party_role", "scope", "counter_day", "access_key"):
        assert MARK in repr(conn.execute(f"SELECT t::text FROM {name} AS t").fetchall()), name
    assert MARK.encode().hex() in repr(conn.execute("SELECT journal::text FROM journal").fetchall())


@pytest.mark.parametrize("who", [A, B])
def test_an_exporter_sees_all_of_its_own(conn, walls, who):
    profiles = "SELECT id FROM profile WHERE body->>'exporter' = %s"
    expected = {
        "journal": "SELECT seq FROM journal WHERE scope = (SELECT scope FROM scope WHERE party = %s)",
        "entry": f"SELECT seq FROM entry WHERE profile IN ({profiles})",
        "lot": f"SELECT seq FROM lot WHERE profile IN ({profiles})",
        "profile": profiles,
        "request_key": "SELECT seq FROM request_key WHERE organization = %s",
        "discrepancy": "SELECT id FROM discrepancy WHERE owner = %s",
        "scope": "SELECT 1 FROM scope WHERE party = %s",
    }
    for name, query in expected.items():
        everything = conn.execute(query, (who,)).fetchall()
        conn.rollback()
        with wall.behind(conn, walls[who]):
            own = conn.execute(query.split(" WHERE ")[0]).fetchall()
        assert sorted(own) == sorted(everything) != [], name
    with wall.behind(conn, walls[who]):
        assert conn.execute("SELECT DISTINCT cap, subject FROM counter_day").fetchall() == [
            ("yearly", f"exporter={who}")
        ]
        named = conn.execute("SELECT subject FROM fact WHERE kind = 'authorization'").fetchall()
        assert len(named) == 1
        assert conn.execute("SELECT subject FROM fact WHERE kind = 'party'").fetchall() == [(who,)]
        assert conn.execute("SELECT count(*) > 0 FROM fact WHERE kind = 'chip'").fetchone() == (True,)


def test_own_records_tell_everything_in_a_scope_in_pages_and_no_totals(conn, walls, ledger):
    whole = wall.own_records(conn, walls[A])
    assert [record.scope_seq for record in whole] == [1, 2, 3, 4, 5]
    assert [record.key for record in whole] == ["own-grant", "own-ship", "own-in", "own-much", "own-late"]
    assert [record.verdict for record in whole] == ["posted", "posted", "posted", "refused", "posted"]
    paged, after = [], 0
    while page := wall.own_records(conn, walls[A], after, 2):
        paged += page
        after = page[-1].seq
    assert paged == whole
    between = wall.own_records(conn, walls[A], whole[1].seq + 1, 10)  # a number that is another's, or nobody's
    assert between[0].seq > whole[1].seq + 1 or between[0].seq == whole[2].seq
    refusal = whole[3].body()
    assert (refusal["code"], refusal["payload"]["key"]) == ("cap_exceeded", "own-much")
    assert "limit" in refusal["message"]  # of its own yearly cap


def test_what_was_refused_for_a_shared_cap_is_told_without_its_totals(conn, walls, ledger):
    ledger.refused(move("grant", "2025-06-11", 60_000, key="shared", **line_of(A, "L1", "mydc")), "cap_exceeded")
    ledger.must(adopt(book(SHARED, name="other-book"), "2025-06-01"))
    ledger.refused(move("grant", "2025-06-11", 60_000, key="again", **line_of(A, "L1", "mydc")), "cap_exceeded")
    conn.commit()
    told = wall.own_records(conn, walls[A])[-1]
    assert (told.key, told.code) == ("again", "cap_exceeded")
    assert told.message == "other-book: allocation of destination=MY has no room for it on 2025-06-11."
    assert told.remedy == "Ask for 45,000 chips or fewer under a new key."
    assert b"limit" not in told.payload


@pytest.mark.parametrize("role", ["regulator", "auditor", "operator"])
def test_a_regulator_and_an_auditor_see_every_record_and_no_secret(conn, walls, role):
    size = conn.execute("SELECT size FROM head").fetchone()
    conn.rollback()
    with wall.behind(conn, Principal("p", role)):
        assert conn.execute("SELECT count(*) FROM journal WHERE judgment IS NOT NULL").fetchone() == size
    for name in ("access_key", "session", "attempt", "party_role"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), wall.behind(conn, Principal("p", role)):
            conn.execute(f"SELECT * FROM {name}")


# What cannot be done behind it


@pytest.mark.parametrize("statement", [
    "UPDATE lot SET open = 0", "DELETE FROM entry", "TRUNCATE journal", "INSERT INTO scope VALUES ('x', 'x', 1)",
    "INSERT INTO request_key SELECT * FROM request_key", "UPDATE party_role SET party = 'x'",
    "INSERT INTO party_role VALUES ('x', current_user)", "CREATE TABLE mine ()",
    "ALTER TABLE journal DISABLE ROW LEVEL SECURITY", "DROP POLICY own ON journal", "COPY journal FROM STDIN",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "GRANT capledger_reader TO CURRENT_USER",
    "SELECT * FROM lock_head(ARRAY['x'], ARRAY['x'])", "SELECT post_few('{}')", "SELECT make_exporter_role('x')",
    "SELECT post_few_at(1, ARRAY['x'], ARRAY['x'], '{}')", "SELECT * FROM pg_authid", "SELECT * FROM pg_statistic",
    "SELECT pg_read_file('postgresql.conf')", "LOCK TABLE journal",
    "SELECT * FROM head FOR UPDATE", "SELECT * FROM scope FOR UPDATE",
])  # fmt: skip
def test_an_exporters_role_changes_nothing(conn, walls, statement):
    role = role_of(conn, A)
    conn.execute(f"SET LOCAL ROLE {role}")  # without the wall's read-only transaction: privileges alone refuse
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)
    conn.rollback()
    either = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
    with pytest.raises(either), wall.behind(conn, walls[A]):
        conn.execute(statement)
    assert conn.execute("SELECT count(*) FROM entry").fetchone()[0] > 0


@pytest.mark.parametrize("statement", ["CREATE TEMP TABLE lot ()", "SET TRANSACTION READ WRITE", "SELECT 1; SELECT %s"])
def test_behind_the_wall_nothing_is_written_and_one_statement_is_one(conn, walls, statement):
    with pytest.raises(psycopg.Error), wall.behind(conn, walls[A]):
        conn.execute(statement, [1] if "%s" in statement else None)


@pytest.mark.parametrize("setting", ["app.tenant", "app.party", "capledger.party", "role.party", "search_path"])
def test_no_setting_that_a_session_may_change_opens_the_wall(conn, walls, setting):
    with wall.behind(conn, walls[A]):
        conn.execute("SELECT set_config(%s, %s, true)", (setting, f"{B}, public" if setting == "search_path" else B))
        assert MARK not in repr(conn.execute("SELECT * FROM public.lot").fetchall())
        conn.execute("SET LOCAL row_security = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"), conn.transaction():
            conn.execute("SELECT * FROM public.lot")


def test_a_view_of_the_owners_shows_no_more_than_the_table(conn, dsn, walls):
    plain = "capledger_test_plain_owner"
    conn.execute(f"""
        DO $$ BEGIN CREATE ROLE {plain}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
        GRANT USAGE, CREATE ON SCHEMA public TO {plain};
        ALTER TABLE lot OWNER TO {plain};
        DROP POLICY owner_sees_all ON lot;
        CREATE POLICY owner_sees_all ON lot TO {plain}
            USING (pg_has_role(current_user, '{plain}', 'USAGE')) WITH CHECK (true);
        SET ROLE {plain};
        CREATE VIEW lots_by_mistake AS SELECT * FROM lot;
        GRANT SELECT ON lots_by_mistake TO capledger_exporter;
    """)
    assert conn.execute("SELECT count(*) > 0 FROM lots_by_mistake").fetchone() == (True,)  # the owner sees all
    conn.execute("RESET ROLE")
    conn.commit()
    with wall.behind(conn, walls[A]):
        assert conn.execute("SELECT * FROM lots_by_mistake").fetchall() == []


def test_what_the_planner_tells_shows_nothing_of_another(conn, walls):
    conn.execute("ANALYZE")
    conn.commit()
    with wall.behind(conn, walls[A]):
        plan = conn.execute("EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM lot WHERE recipient LIKE 'zz%'").fetchall()
        assert MARK not in repr(plan)
        assert conn.execute("SELECT * FROM pg_stats WHERE tablename = ANY (%s)", (["lot", "journal"],)).fetchall() == []
        assert MARK not in repr(conn.execute("SELECT * FROM pg_stats").fetchall())


def test_a_function_that_tells_what_it_is_asked_of_is_asked_of_own_rows_only(conn, walls):
    conn.execute("""
        CREATE FUNCTION tells(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
        $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$
    """)
    conn.commit()
    told: list[str] = []
    conn.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    with wall.behind(conn, walls[A]):
        conn.execute("SELECT * FROM lot WHERE tells(recipient)")
        conn.execute("SELECT 1 FROM fact WHERE tells(subject)")
    assert "saw mydc" in told
    assert MARK not in repr(told)


# Who comes next


def test_the_next_borrower_of_a_connection_finds_no_role_left(conn, walls):
    own = conn.execute("SELECT current_user").fetchone()
    conn.rollback()
    with pytest.raises(ZeroDivisionError), wall.behind(conn, walls[A]):
        raise ZeroDivisionError
    with pytest.raises(psycopg.errors.UndefinedTable), wall.behind(conn, walls[A]):
        conn.execute("SELECT * FROM nothing_of_that_name")
    with pytest.raises(psycopg.ProgrammingError), wall.behind(conn, walls[A]):
        conn.commit()  # would end the role in the middle
    for how in (False, True):
        conn.rollback()
        conn.autocommit = how
        with wall.behind(conn, walls[A]):
            assert conn.execute("SELECT current_user").fetchone() == (role_of_open(conn),)
        assert conn.execute("SELECT current_user, current_setting('transaction_read_only')").fetchone() == (*own, "off")
    conn.autocommit = False


def role_of_open(conn: psycopg.Connection[Any]) -> str:
    return str(conn.execute("SELECT role FROM party_role").fetchone()[0])


def test_a_prepared_statement_shows_each_its_own(conn, walls):
    # psycopg prepares what it runs often; a plan that was made behind one wall must not serve behind another.
    for _ in range(4):
        for who in (A, B, None):
            principal = walls[who] if who else Principal("p", "regulator")
            for _ in range(3):
                with wall.behind(conn, principal):
                    rows = conn.execute("SELECT DISTINCT recipient FROM lot ORDER BY 1", prepare=True).fetchall()
                assert len(rows) == (1 if who else 2)
                assert (MARK in repr(rows)) == (who != A)


def test_a_transaction_under_way_is_not_walled(conn, walls):
    conn.execute("SELECT 1")
    with pytest.raises(RuntimeError, match="under way"), wall.behind(conn, walls[A]):
        pass
    conn.rollback()


@pytest.mark.parametrize("principal", [PUBLIC, Principal("p", "exporter", "mydc")])
def test_who_has_no_role_gets_no_wall_and_no_rows(conn, walls, principal):
    with pytest.raises(Unusable) as refused, wall.behind(conn, principal):
        pytest.fail("there is no such role")
    assert refused.value.code == "no_second_wall"
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_role_that_the_server_lost_is_missed_and_made_again(conn, walls):
    conn.execute(f"DROP ROLE {role_of(conn, A)}")
    conn.commit()
    with pytest.raises(Unusable), wall.behind(conn, walls[A]):
        pytest.fail("there is no such role")
    keys.issue(conn, person="again", role="exporter", party=A, expires_at=LATER, at=NOW)
    assert len(wall.own_records(conn, walls[A])) == 5


def test_another_ledgers_exporter_on_the_same_server_sees_nothing_here(conn, walls):
    conn.execute("UPDATE party_role SET role = 'capledger_x_of_another' WHERE party = %s", (B,))
    conn.execute("DO $$ BEGIN CREATE ROLE capledger_x_of_nobody; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    conn.execute("GRANT capledger_exporter TO capledger_x_of_nobody")
    conn.commit()
    conn.execute("SET ROLE capledger_x_of_nobody")
    for name in sorted(ALLOWED):
        assert conn.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,), name
    conn.execute("RESET ROLE")
    conn.execute("DROP ROLE capledger_x_of_nobody")
    conn.commit()


# Nobody else is hindered


def test_every_table_is_walled_and_forced_and_no_policy_asks_a_setting(conn):
    rows = conn.execute("""
        SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    """).fetchall()
    assert [name for name, on, forced in rows if not (on and forced)] == []
    policies = conn.execute("SELECT tablename, policyname, roles, qual FROM pg_policies").fetchall()
    assert {name for name, *_ in policies} == {name for name, *_ in rows}
    assert not [row for row in policies if "current_setting" in row[3] or "session_user" in row[3].lower()]
    assert {tuple(roles) for _, name, roles, _ in policies if name == "own"} == {("capledger_exporter",)}


def test_no_view_reads_with_its_owners_rights_and_no_function_is_everybodys(conn):
    views = conn.execute("""
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind = 'm'
            OR (relkind = 'v' AND NOT coalesce(reloptions, '{}') @> '{security_invoker=true}'))
    """).fetchall()
    assert views == []
    functions = conn.execute("""
        SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            AND (prosecdef OR has_function_privilege('capledger_exporter', oid, 'EXECUTE'))
    """).fetchall()
    assert functions == []


def test_no_policy_applies_to_the_owner_where_it_is_a_superuser_and_a_constant_one_to_others(conn, walls):
    assert conn.execute("SELECT row_security_active('journal')").fetchone() == (False,)
    conn.execute("SET LOCAL ROLE capledger_reader")
    plan = repr(conn.execute("EXPLAIN SELECT * FROM entry JOIN lot ON lot.seq = lot_seq").fetchall())
    assert "Filter" not in plan
    assert "SubPlan" not in plan
    assert "InitPlan" not in plan


def as_login(dsn: str, name: str, grants: str) -> str:
    """Return a connection string of a login of its own, which is no superuser, with what it is granted."""
    name = f"capledger_test_{name}_{os.getpid()}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        if admin.execute("SELECT to_regrole(%s)", (name,)).fetchone() == (None,):
            admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'known'")
        admin.execute(grants.format(name=name))
    return make_conninfo(dsn, user=name, password="known")


def test_a_ledger_that_is_hidden_does_not_look_like_an_empty_one(conn, dsn, ledger):
    mine = as_login(dsn, "heir", "GRANT USAGE, CREATE ON SCHEMA public TO {name}")
    heir = conninfo_to_dict(mine)["user"]
    for name in tables(conn, "r"):
        conn.execute(f"ALTER TABLE {name} OWNER TO {heir}")  # and the policies still name the owner before
    conn.commit()
    refused = pytest.raises(Unusable, match="shows this login nothing")
    with psycopg.connect(mine) as hidden, refused, Reader(hidden).view(on=NOW.date()):
        pytest.fail("there is nothing to be seen")


@pytest.fixture
def login(dsn) -> str:
    """A connection string of somebody who owns nothing and may do what the writing role may."""
    return as_login(dsn, "login", "GRANT capledger_writer TO {name}")


def test_a_login_that_only_writes_still_writes_much_at_once_and_rebuilds(login):
    line = line_of(A, "L1", "mydc")
    with psycopg.connect(login) as conn:
        ledger = Ledger(conn).begin(adopt(DIFFUSION, "2025-01-13"), party(A), party("mydc", "MY"),
                                    license_("L1", "mydc", "MY"))  # fmt: skip
        receipts = ledger.post(*(move("grant", "2025-06-02", 1, H200, **line) for _ in range(100)))
        assert {receipt.verdict for receipt in receipts} == {"posted"}
        assert check(conn).is_sound
        assert rebuild(conn).is_sound


def test_a_login_that_may_not_make_roles_is_told_so_and_may_choose_to_go_without(dsn, login):
    with psycopg.connect(login) as conn:
        Ledger(conn).must(party(A))
        asked: dict[str, Any] = {"person": "p", "role": "exporter", "party": A, "expires_at": LATER, "at": NOW}
        with pytest.raises(Unusable, match=r"permission denied.*CREATEROLE.*--without-wall") as refused:
            keys.issue(conn, **asked)
        assert refused.value.code == "no_second_wall"
        assert keys.keys(conn) == []
        key, _ = keys.issue(conn, **asked, wall=False)
        conn.commit()
        Ledger(conn).ask(move("ship", "2025-06-02", 1, exporter=A, recipient=A, destination="MY"), actor=A)
        conn.commit()
        with wall.behind(conn, key.principal):
            assert conn.execute("SELECT current_user = session_user").fetchone() == (True,)
        assert [record.code for record in wall.own_records(conn, key.principal)] == ["unknown_chip"]


def test_a_plain_owner_may_do_everything_and_act_as_an_exporter(empty_dsn):
    """As on a managed server: whoever migrates is no superuser, but may make roles."""
    mine = as_login(empty_dsn, "managed", """
        ALTER ROLE {name} CREATEROLE;
        GRANT ALL ON SCHEMA public TO {name};
        GRANT capledger_writer, capledger_reader, capledger_regulator, capledger_auditor, capledger_exporter TO {name}
            WITH ADMIN OPTION;
    """)  # fmt: skip
    ensure_current(mine)
    with psycopg.connect(mine) as conn:
        ledger = Ledger(conn).begin(adopt(DIFFUSION, "2025-01-13"), party(A), party(B), party("mydc", "MY"),
                                    license_("L1", "mydc", "MY"), license_("L2", "mydc", "MY", B))  # fmt: skip
        for who, name in ((A, "L1"), (B, "L2")):
            ledger.post(*(move("grant", "2025-06-02", 1, **line_of(who, name, "mydc")) for _ in range(50)))
        key, _ = keys.issue(conn, person="p", role="exporter", party=A, expires_at=LATER, at=NOW)
        conn.commit()
        assert len(wall.own_records(conn, key.principal)) == 50
        with wall.behind(conn, key.principal):
            assert conn.execute("SELECT count(*) FROM journal").fetchone()[0] == 50
        assert check(conn).is_sound
        conn.rollback()
        conn.execute(f"DROP ROLE {role_of(conn, A)}")


def test_a_login_that_serves_acts_as_an_exporter_and_has_none_of_its_rights_otherwise(conn, walls, login):
    with psycopg.connect(login) as server:
        assert len(wall.own_records(server, walls[A])) == 5
        row = server.execute("SELECT pg_has_role(%s, 'MEMBER'), pg_has_role(%s, 'USAGE')", [role_of(conn, A)] * 2)
        assert row.fetchone() == (True, server.info.server_version < 160_000)


def test_a_record_shown_is_as_json_what_was_hashed(conn, walls):
    body = wall.own_records(conn, walls[A])[0].body()
    assert json.loads(json.dumps(body)) == body
    assert body["payload"]["body"]["lines"][0]["recipient"] == "mydc"
    assert json.loads(body["envelope"])["seq"] == body["seq"]
