"""The journal and the projections as streams, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import LiteralString

from psycopg.sql import SQL as Text
from psycopg.sql import Identifier

from ledger.core.records import Record
from ledger.store.source import Connection
from schema.queries import SQL

AT_ONCE = 2_000  # records fetched in one round trip
HASHES_AT_ONCE = 50_000

# What a projection holds, in order; numbers without trailing zeros, so that equal amounts read the same.
PROJECTIONS: dict[LiteralString, LiteralString] = {
    "scope": "SELECT * FROM {} ORDER BY scope",
    "request_key": "SELECT * FROM {} ORDER BY organization, key",
    "fact": "SELECT * FROM {} ORDER BY seq",
    "profile": "SELECT * FROM {} ORDER BY id",
    "lot": "SELECT seq, line, stage, profile, authorization_id, recipient, destination, chip, day, last_day, unit, "
    "trim_scale(amount), trim_scale(open), trim_scale(in_transit), trim_scale(installed), changed_on, emptied FROM {} "
    "ORDER BY seq, line",
    "reversal": "SELECT * FROM {} ORDER BY record",
    "entry": "SELECT seq, n, line, stage, cause, lot_seq, lot_line, profile, lot_day, effective_on, last_day, chips, "
    "trim_scale(tpp) FROM {} ORDER BY seq, n",
    "counter_day": "SELECT book, cap, subject, window_from, day, trim_scale(tpp), chips, trim_scale(doubt_tpp), "
    "doubt_chips, trim_scale(unstated_tpp) FROM {} ORDER BY book, cap, subject, window_from, day",
    "stage_day": "SELECT destination, stage, day, trim_scale(tpp) FROM {} ORDER BY destination, stage, day",
    "discrepancy": "SELECT * FROM {} ORDER BY id",
    "reconciliation": "SELECT * FROM {} ORDER BY seq",
    "proposal": "SELECT * FROM {} ORDER BY seq",
}


def journal(conn: Connection, known: int) -> Iterator[Record]:
    """Yield the records up to one, in order."""
    with conn.cursor(name="journal") as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute(SQL["records"], {"first": 1, "last": known})
        for row in cursor:
            yield Record(*row)


def leaf_hashes(conn: Connection, known: int) -> Iterator[bytes]:
    """Yield the leaf hashes of the records up to one, in order."""
    with conn.cursor(name="leaf_hashes") as cursor:
        cursor.itersize = HASHES_AT_ONCE
        cursor.execute(SQL["leaf_hashes"], {"known": known})
        for (leaf,) in cursor:
            yield leaf


def digest(conn: Connection, table: LiteralString, schema: str) -> tuple[str, int]:
    """Return a hash of everything a projection holds, and how many rows it has."""
    hashed, rows = sha256(), 0
    query = Text(PROJECTIONS[table]).format(Identifier(schema, table))
    with conn.cursor() as cursor, cursor.copy(Text("COPY ({}) TO STDOUT").format(query)) as copy:
        for line in copy:
            hashed.update(line)
            rows += bytes(line).count(b"\n")
    return hashed.hexdigest(), rows


def differing(conn: Connection, table: LiteralString, one: str, other: str, most: int) -> list[str]:
    """Return rows that one schema's projection holds and the other's does not, as text, a few of them."""
    query = Text(PROJECTIONS[table])
    rows = conn.execute(
        Text("SELECT r::text FROM (({}) EXCEPT ALL ({})) AS r LIMIT {}").format(
            query.format(Identifier(one, table)), query.format(Identifier(other, table)), most
        )
    )
    return [str(row[0]) for row in rows]


def shadow(conn: Connection) -> tuple[str, str]:
    """Make an empty temporary table over each projection; return the schema of the real ones and of these.

    Until the transaction ends every statement that names a projection reaches the temporary one.
    """
    row = conn.execute(SQL["current_schema"]).fetchone()
    real = str(row[0]) if row else "public"
    for table in PROJECTIONS:
        conn.execute(
            Text(
                "CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING GENERATED) "
                "ON COMMIT DROP"
            ).format(Identifier(table), Identifier(real, table))
        )
    row = conn.execute(SQL["temporary_schema"]).fetchone()
    return real, str(row[0]) if row else ""


def replace(conn: Connection, real: str, temporary: str) -> None:
    """Put what the temporary tables hold in the place of the projections."""
    for table in PROJECTIONS:
        conn.execute(Text("TRUNCATE {}").format(Identifier(real, table)))
        rows = conn.execute(SQL["columns_written"], {"schema": real, "table": table})
        names = Text(", ").join(Identifier(name) for (name,) in rows)
        conn.execute(
            Text("INSERT INTO {} ({}) SELECT {} FROM {}").format(
                Identifier(real, table), names, names, Identifier(temporary, table)
            )
        )
