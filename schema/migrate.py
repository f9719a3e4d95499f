"""Bring a database to the newest revision, or say why that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from ledger.core.errors import Unusable
from schema.migrations import FOLDER, revisions

if TYPE_CHECKING:
    from sqlalchemy import Connection

OLDEST_SERVER = 15
LOCK = 0x6361706C6564  # one migration at a time in a database, however many processes start at once


def ensure_current(dsn: str) -> None:
    """Migrate an empty or older database; do nothing, quickly, to a current one.

    Raises:
        Unusable: it cannot be reached, is too old a server, is newer than this program, belongs to something else,
            or may not be changed by this user.
    """
    try:
        with psycopg.connect(dsn) as connection:
            if connection.info.server_version < OLDEST_SERVER * 10_000:
                raise Unusable(
                    "old_server",
                    f"The server is PostgreSQL {connection.info.server_version // 10_000}; "
                    f"the ledger needs {OLDEST_SERVER} or newer.",
                    "Point CAPLEDGER_DATABASE_URL to a newer server, or unset it to use the embedded one.",
                )
            found = _revision(connection)
        if found != revisions()[-1]:
            _migrate(dsn)
    except psycopg.OperationalError as error:
        raise Unusable(
            "database_unreachable",
            f"The database cannot be reached: {_first_line(error)}.",
            "Check CAPLEDGER_DATABASE_URL, or unset it to use the embedded database.",
        ) from error
    except psycopg.Error as error:
        if error.sqlstate is None:  # The string itself is wrong. It may hold a password: it is not repeated.
            raise Unusable(
                "bad_database_url",
                "CAPLEDGER_DATABASE_URL is not a PostgreSQL connection string.",
                "Write it as postgresql://user@host/database.",
            ) from None
        raise Unusable(
            "database_refused",
            f"The database refused: {_first_line(error)}.",
            "Connect as a user who may read the ledger's tables and, where they are not there yet, make them.",
        ) from error


def _migrate(dsn: str) -> None:
    import alembic.command
    import alembic.config
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            driver: psycopg.Connection[Any] = _driver(connection)
            driver.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            _refuse_what_is_not_ours(driver)
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    except DBAPIError as error:
        raise error.orig or error from error


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _revision(connection: psycopg.Connection[Any]) -> str | None:
    """Return the revision a database says it has; None where it says nothing."""
    row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row else None


def _refuse_what_is_not_ours(connection: psycopg.Connection[Any]) -> None:
    found = _revision(connection)
    if found is not None and found not in revisions():
        raise Unusable(
            "newer_database",
            f"The database has revision {found}; this program knows none newer than {revisions()[-1]}.",
            "Install the capledger that wrote it, or use another database.",
        )
    if found is None and (names := _tables(connection)):
        raise Unusable(
            "foreign_database",
            f"The database is not a ledger and is not empty: it holds {', '.join(names)}.",
            "Give the ledger a database of its own.",
        )


def _tables(connection: psycopg.Connection[Any]) -> list[str]:
    """Return up to three tables or views that stand where the ledger's would, those of extensions left out."""
    rows = connection.execute(
        """
        SELECT relname FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
          AND NOT EXISTS (SELECT FROM pg_depend
                          WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
        ORDER BY relname LIMIT 3
        """
    )
    return [row[0] for row in rows]


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error).strip().splitlines()[0]).rstrip(".")
