"""The database: its migrations, its tables, and the guards that nobody may bypass."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import tuple_row

from ledger.core.errors import Unusable
from ledger.settings import Settings
from schema.database import open_database
from schema.migrate import ensure_current
from schema.migrations import FOLDER, revisions

INSERT = """
    INSERT INTO journal (seq, kind, actor, scope, scope_seq, recorded_at, payload, payload_salt, judgment,
                         judgment_salt, envelope, leaf_hash)
    SELECT n, 'party.registered', 'test', 'ledger', n, now(), 'p', sha256('a'), 'j', sha256('b'), 'e', sha256('c')
    FROM generate_series({first}, {last}) AS n
"""
SHAPE = {
    "columns": """
        SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid),
               attidentity, attgenerated
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
             LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
          AND relname <> 'alembic_version'
        ORDER BY relname, attname
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND conrelid::regclass::text <> 'alembic_version'
        ORDER BY 1, 2
    """,
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        ORDER BY 1
    """,
}


def engine_of(dsn: str):
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)


def shape_of(dsn: str) -> dict[str, list[tuple]]:
    with psycopg.connect(dsn, row_factory=tuple_row) as connection:
        return {name: connection.execute(query).fetchall() for name, query in SHAPE.items()}


@pytest.mark.parametrize(
    ("environ", "uid", "expected"),
    [
        ({}, 0, {"data_dir": "/var/lib/capledger", "database_url": "", "compare": ("us-diffusion-2025",)}),
        ({"XDG_DATA_HOME": "/data"}, 1000, {"data_dir": "/data/capledger"}),
        ({"XDG_DATA_HOME": "not/absolute", "HOME": "/h"}, 1000, {"data_dir": "/h/.local/share/capledger"}),
        ({"CAPLEDGER_DATA_DIR": " /d "}, 0, {"data_dir": "/d"}),
        ({"CAPLEDGER_DATA_DIR": "", "HOME": "/h"}, 1000, {"data_dir": "/h/.local/share/capledger"}),
        ({"CAPLEDGER_DATABASE_URL": " postgresql://db/x "}, 0, {"database_url": "postgresql://db/x"}),
        ({"CAPLEDGER_COMPARE": "a, b,,"}, 0, {"compare": ("a", "b")}),
        ({"CAPLEDGER_COMPARE": ""}, 0, {"compare": ()}),
    ],
)
def test_settings_are_read_from_the_environment(environ, uid, expected, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setenv("HOME", environ.get("HOME", "/h"))
    settings = Settings.load(environ)
    found = {"data_dir": str(settings.data_dir), "database_url": settings.database_url, "compare": settings.compare}
    assert found | expected == found


def test_an_empty_database_becomes_a_ledger_with_an_empty_journal(empty_dsn):
    ensure_current(empty_dsn)
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM journal").fetchone() == (0,)
        head = connection.execute(
            "SELECT one, size, frontier, root = sha256(''), recorded_at, profiles FROM head"
        ).fetchall()
        assert head == [(True, 0, b"", True, None, 0)]


def test_a_current_database_is_left_alone_without_asking_alembic(dsn, monkeypatch):
    monkeypatch.setattr("schema.migrate._migrate", lambda dsn: pytest.fail("a current database was migrated"))
    ensure_current(dsn)


def test_many_may_migrate_the_same_database_at_once(empty_dsn):
    errors = []

    def migrate():
        try:
            ensure_current(empty_dsn)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(revisions()[-1],)]
        assert connection.execute("SELECT count(*) FROM head").fetchone() == (1,)


def test_the_steps_in_the_folder_are_one_line_that_ends_in_the_newest():
    from alembic.script import ScriptDirectory

    steps = [step.revision for step in ScriptDirectory(FOLDER).walk_revisions()]
    assert tuple(reversed(steps)) == revisions()


def test_a_newer_database_is_refused_and_not_touched(conn, dsn):
    conn.execute("UPDATE alembic_version SET version_num = '9999_from_the_future'")
    conn.commit()
    with pytest.raises(Unusable, match="9999_from_the_future") as refusal:
        ensure_current(dsn)
    assert refusal.value.code == "newer_database"


def test_a_database_of_something_else_is_refused_and_named(empty_dsn):
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("CREATE TABLE invoices ()")
    with pytest.raises(Unusable, match="invoices") as refusal:
        ensure_current(empty_dsn)
    assert refusal.value.code == "foreign_database"
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT to_regclass('journal')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://nobody:secret@/x?host=/nowhere", "database_unreachable"),
        ("mysql://root:secret@localhost/x", "bad_database_url"),
    ],
)
def test_a_database_that_cannot_be_used_is_a_problem_that_tells_no_password(url, code):
    settings = Settings(data_dir=Path("/nowhere"), database_url=url)
    with pytest.raises(Unusable) as refusal, open_database(settings):
        pass
    assert refusal.value.code == code
    assert "secret" not in str(refusal.value)
    assert refusal.value.remedy


def test_a_user_who_may_not_make_tables_is_told_so(empty_dsn):
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(Unusable, match="permission denied") as refusal:
        ensure_current(f"{empty_dsn}&options=-crole%3Dpg_read_all_data")
    assert refusal.value.code == "database_refused"


def test_the_stated_database_is_opened_migrated(empty_dsn):
    settings = Settings(data_dir=Path("/nowhere"), database_url=empty_dsn)
    with open_database(settings) as dsn, psycopg.connect(dsn) as connection:
        assert dsn == empty_dsn
        assert connection.execute("SELECT size FROM head").fetchone() == (0,)


def test_the_models_say_what_the_migrations_make(dsn, empty_dsn):
    import schema.tables

    with engine_of(empty_dsn).begin() as connection:
        schema.tables.SQLModel.metadata.create_all(connection)
    migrated, modelled = shape_of(dsn), shape_of(empty_dsn)
    for part in SHAPE:
        assert migrated[part] == modelled[part], part


def test_alembic_sees_no_difference_either(dsn):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    import schema.tables

    # It cannot compare the one index on expressions, which the test above does.
    options = {"include_object": lambda thing, name, *_: name not in ("alembic_version", "discrepancy_unresolved")}
    with engine_of(dsn).connect() as connection:
        context = MigrationContext.configure(connection, opts={**options, "compare_server_default": True})
        assert compare_metadata(context, schema.tables.SQLModel.metadata) == []


def test_every_table_says_whether_it_is_journal_projection_or_working():
    import schema.tables

    tables = [mapper.class_ for mapper in schema.tables.SQLModel._sa_registry.mappers]
    kinds = {table.__tablename__: table.__doc__.split(":")[0] for table in tables}
    assert {name for name, kind in kinds.items() if kind == "Journal"} == {"journal"}
    working = {"job_run", "access_key", "party_role", "session", "attempt"}
    assert {name for name, kind in kinds.items() if kind == "Working"} == working
    assert set(kinds.values()) == {"Journal", "Projection", "Working"}


def test_the_guards_are_there_and_always_on(conn):
    triggers = conn.execute(
        "SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE tgrelid = 'journal'::regclass AND NOT tgisinternal ORDER BY tgname"
    ).fetchall()
    assert triggers == [
        (
            "journal_no_change",
            "A",
            "CREATE TRIGGER journal_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.journal"
            " FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()",
        ),
        (
            "journal_no_row_change",
            "A",
            "CREATE TRIGGER journal_no_row_change BEFORE DELETE OR UPDATE ON public.journal"
            " FOR EACH ROW EXECUTE FUNCTION journal_is_append_only()",
        ),
    ]


def test_hashed_bytes_are_kept_uncompressed(conn):
    kept = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'journal'::regclass AND attstorage = 'e' ORDER BY 1"
    ).fetchall()
    assert kept == [("envelope",), ("judgment",), ("payload",)]


CHANGES = {
    "update": "UPDATE journal SET actor = 'someone else' WHERE seq = 1",
    "update of no row": "UPDATE journal SET actor = 'someone else' WHERE false",
    "delete": "DELETE FROM journal WHERE seq = 1",
    "delete of all": "DELETE FROM journal",
    "truncate": "TRUNCATE journal",
    "truncate by cascade": "TRUNCATE journal CASCADE",
    "upsert": INSERT.format(first=1, last=1) + "ON CONFLICT (seq) DO UPDATE SET actor = 'someone else'",
    "upsert of a new row": INSERT.format(first=9, last=9) + "ON CONFLICT (seq) DO UPDATE SET actor = 'someone else'",
    "merge update": "MERGE INTO journal USING (VALUES (1)) AS new (n) ON seq = n"
    " WHEN MATCHED THEN UPDATE SET actor = 'someone else'",
    "merge delete": "MERGE INTO journal USING (VALUES (1)) AS new (n) ON seq = n WHEN MATCHED THEN DELETE",
    "update through a parent": "CREATE TABLE parent (actor text NOT NULL); ALTER TABLE journal INHERIT parent;"
    " UPDATE parent SET actor = 'someone else'",
    "delete through a parent": "CREATE TABLE parent (actor text NOT NULL); ALTER TABLE journal INHERIT parent;"
    " DELETE FROM parent",
}
SOMEBODY = {
    "superuser": "SELECT 1",
    "superuser as a replica": "SET session_replication_role = replica",
    "owner": "SET ROLE capledger_test_owner",
    "owner who took the rights back": "SET ROLE capledger_test_owner; GRANT ALL ON journal TO capledger_test_owner",
}


@pytest.fixture
def kept(conn, dsn):
    """A connection to a journal of three records, whose owner is an ordinary role; the three are still there after."""
    conn.execute(INSERT.format(first=1, last=3))
    owner = "capledger_test_owner"
    conn.execute(f"""
        DO $$ BEGIN CREATE ROLE {owner}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
        GRANT USAGE, CREATE ON SCHEMA public TO {owner};
        ALTER TABLE journal OWNER TO {owner};
    """)
    conn.commit()
    before = conn.execute("SELECT * FROM journal ORDER BY seq").fetchall()
    yield conn
    conn.rollback()
    conn.execute("RESET ROLE")
    assert conn.execute("SELECT * FROM journal ORDER BY seq").fetchall() == before


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nobody_changes_the_journal(kept, change):
    for somebody, become in SOMEBODY.items():
        kept.execute(become)
        with pytest.raises(psycopg.Error) as refusal:
            kept.execute(change)
        # An owner whose right was revoked is stopped by that, before the guard is asked.
        expected = {"CL001", "42501"} if somebody == "owner" else {"CL001"}
        assert refusal.value.sqlstate in expected, somebody
        if refusal.value.sqlstate == "CL001":
            said = refusal.value.diag.message_primary
            assert said == "the journal is append-only: reverse with a new record"
        kept.rollback()


@pytest.mark.parametrize("change", [change for name, change in CHANGES.items() if "parent" not in name])
def test_the_writing_role_has_no_right_to_change_the_journal(kept, change):
    kept.execute("SET ROLE capledger_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        kept.execute(change)


def test_the_writing_role_writes_and_the_reading_role_reads(conn):
    conn.execute("SET ROLE capledger_writer")
    conn.execute(INSERT.format(first=1, last=2))
    conn.execute("UPDATE head SET size = 2")
    conn.execute("TRUNCATE entry, lot, counter_day")
    conn.commit()
    conn.execute("SET ROLE capledger_reader")
    assert conn.execute("SELECT count(*) FROM journal").fetchone() == (2,)
    for statement in (INSERT.format(first=3, last=3), "UPDATE head SET size = 3", "DELETE FROM lot"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            conn.execute(statement)


def test_either_role_can_tell_that_its_database_is_current(dsn):
    for role in ("capledger_writer", "capledger_reader"):
        ensure_current(f"{dsn}&options=-crole%3D{role}")


def test_copy_adds_records_and_replaces_none(kept):

    def copy(seq: int) -> None:
        with kept.cursor() as cursor, cursor.copy("COPY journal FROM STDIN") as rows:
            salt = hashed = b"\x00" * 32
            rows.write_row((seq, "k", "a", None, "s", seq, "2026-01-01T00:00Z", b"p", salt, b"j", salt, b"e", hashed))

    copy(4)
    assert kept.execute("SELECT count(*) FROM journal").fetchone() == (4,)
    with pytest.raises(psycopg.errors.UniqueViolation):
        copy(1)


@pytest.mark.parametrize(
    ("broken", "constraint"),
    [
        ("UPDATE head SET one = false", "head_one_check"),
        ("INSERT INTO head SELECT * FROM head", "head_pkey"),
        (INSERT.format(first=0, last=0).replace("'ledger', n", "'ledger', 1"), "journal_seq_check"),
        (INSERT.format(first=1, last=1).replace("'ledger', n", "'ledger', 0"), "journal_scope_seq_check"),
        (INSERT.format(first=1, last=1).replace("sha256('a')", "'short'"), "journal_payload_salt_check"),
        (INSERT.format(first=1, last=1).replace("sha256('b')", "'short'"), "journal_judgment_salt_check"),
        (INSERT.format(first=1, last=1).replace("sha256('c')", "'short'"), "journal_leaf_hash_check"),
        (INSERT.format(first=1, last=2).replace("'ledger', n", "'ledger', 1"), "journal_scope_key"),
        ("INSERT INTO job_run VALUES ('j', now(), now(), now(), NULL, 'w')", "job_run_period_check"),
    ],
)
def test_the_database_itself_refuses_what_cannot_be(conn, broken, constraint):
    with pytest.raises(psycopg.errors.IntegrityError) as refusal:
        conn.execute(broken)
    assert refusal.value.diag.constraint_name == constraint


def test_one_discrepancy_stays_unresolved_for_a_subject_and_window(conn):
    def open_one(number: int, state: str, window_from: str | None) -> None:
        conn.execute(
            "INSERT INTO discrepancy (id, class, subject, window_from, amount, unit, effective_on, opened_at, owner,"
            " state, note, last_seq) VALUES (%(n)s, 'breach', 'destination=AE', %(window)s, '1', 'TPP',"
            " '2026-01-01', now(), 'o', %(state)s, '', %(n)s)",
            {"n": number, "state": state, "window": window_from},
        )

    open_one(1, "resolved", None)
    open_one(2, "open", None)
    open_one(3, "explained", "2026-01-01")
    with pytest.raises(psycopg.errors.UniqueViolation):
        open_one(4, "explained", None)
