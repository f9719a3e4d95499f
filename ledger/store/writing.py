"""Writing: rows into the journal and its projections, a few in one round trip or many by COPY."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString, cast
from weakref import WeakKeyDictionary

from psycopg.sql import SQL as Text
from psycopg.sql import Composed, Identifier
from psycopg.types.json import Jsonb
from psycopg.types.string import BytesBinaryDumper

from ledger.core.lens import Amount, Entry, Key
from ledger.core.lots import Lot
from ledger.core.merkle import Frontier
from ledger.core.records import Record
from ledger.core.stages import StageDay
from ledger.store.arrays import array, texts
from ledger.store.source import Connection
from schema.queries import SQL

_AS_WRITTEN = frozenset((Decimal, date, datetime))  # their text is what PostgreSQL reads
FEW = 500  # so many rows in all go in one round trip; more are copied, table by table

TABLES: Mapping[LiteralString, tuple[tuple[str, str], ...]] = {
    "journal": (
        ("seq", "int8"), ("kind", "text"), ("actor", "text"), ("key", "text"), ("scope", "text"),
        ("scope_seq", "int8"), ("recorded_at", "timestamptz"), ("payload", "bytea"), ("payload_salt", "bytea"),
        ("judgment", "bytea"), ("judgment_salt", "bytea"), ("envelope", "bytea"), ("leaf_hash", "bytea"),
    ),
    "scope": (("scope", "text"), ("party", "text"), ("size", "int8")),
    "request_key": (("organization", "text"), ("key", "text"), ("seq", "int8"), ("fingerprint", "bytea")),
    "fact": (("seq", "int8"), ("kind", "text"), ("subject", "text"), ("valid_from", "date"), ("body", "jsonb")),
    "profile": (("id", "int4"), ("sha256", "bytea"), ("body", "jsonb")),
    "lot": (
        ("seq", "int8"), ("line", "int2"), ("stage", "text"), ("profile", "int4"), ("authorization_id", "text"),
        ("recipient", "text"), ("destination", "text"), ("chip", "text"), ("day", "date"), ("last_day", "date"),
        ("unit", "text"), ("amount", "numeric"), ("open", "numeric"), ("in_transit", "numeric"),
        ("installed", "numeric"), ("changed_on", "date"), ("emptied", "bool"),
    ),
    "reversal": (("record", "int8"), ("reversed_by", "int8")),
    "entry": (
        ("seq", "int8"), ("n", "int4"), ("line", "int2"), ("stage", "text"), ("cause", "text"), ("lot_seq", "int8"),
        ("lot_line", "int2"), ("profile", "int4"), ("lot_day", "date"), ("effective_on", "date"),
        ("last_day", "date"), ("chips", "int8"), ("tpp", "numeric"),
    ),
    "discrepancy": (
        ("id", "int8"), ("class", "text"), ("book", "text"), ("cap", "text"), ("subject", "text"),
        ("window_from", "date"), ("amount", "text"), ("unit", "text"), ("effective_on", "date"),
        ("opened_at", "timestamptz"), ("owner", "text"), ("state", "text"), ("note", "text"), ("last_seq", "int8"),
    ),
    "reconciliation": (
        ("seq", "int8"), ("number", "int8"), ("effective_on", "date"), ("rulebook", "text"),
        ("inputs_sha256", "text"), ("digest", "text"), ("predecessor_seq", "int8"), ("body", "bytea"),
    ),
    "proposal": (("seq", "int8"), ("state", "text"), ("decided_by", "int8")),
}  # fmt: skip

Row = Sequence[Any]


def _copy(table: LiteralString) -> Composed:
    names = [Identifier(name) for name, _ in TABLES[table]]
    return Text("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(Identifier(table), Text(", ").join(names))


def _insert(table: LiteralString) -> Composed:
    names = [Identifier(name) for name, _ in TABLES[table]]
    columns = [Text("%s::{}[]").format(Identifier(kind)) for _, kind in TABLES[table]]
    return Text("INSERT INTO {} ({}) SELECT * FROM unnest({})").format(
        Identifier(table), Text(", ").join(names), Text(", ").join(columns)
    )


_COPIES = {table: _copy(table).as_string() for table in TABLES}
_INSERTS = {table: _insert(table) for table in TABLES}
_MAY_COPY: WeakKeyDictionary[Connection, bool] = WeakKeyDictionary()  # asked once of each connection
_NAMES = {table: tuple(name for name, _ in columns) for table, columns in TABLES.items()}


@dataclass(frozen=True, slots=True)
class Rows:
    """What one commit writes: rows to add by table; lots, counters, stages that change; scopes that grow; the head."""

    added: Mapping[LiteralString, Sequence[Row]]
    changed_lots: Sequence[Lot]
    counters: Mapping[Key, Mapping[date, Amount]]
    stages: Mapping[StageDay, Decimal]
    scopes: Mapping[str | None, tuple[str, int]]
    head: tuple[Frontier, datetime, int]

    @property
    def are_few(self) -> bool:
        """Whether one round trip serves better than a COPY for each table."""
        return sum(len(rows) for rows in self.added.values()) + len(self.counters) <= FEW


def write(conn: Connection, rows: Rows) -> None:
    """Write what one commit writes, in the open transaction."""
    if rows.are_few:
        conn.execute(SQL["post_few"], {"batch": json.dumps(_document(rows), default=_text)})
        return
    add_rows(conn, rows.added)
    with conn.pipeline():
        change_lots(conn, rows.changed_lots)
        add_to_counters(conn, rows.counters)
        add_to_stages(conn, rows.stages)
        move_scopes(conn, rows.scopes)
        move_head(conn, *rows.head)


def parameters_of(rows: Rows, *, expected: int, askers: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Return the parameters of `post_few_at`, which writes few rows in a transaction of its own.

    It does if the journal still has `expected` records and no key is settled, each of the asker in the same place.
    """
    return [str(expected), texts(askers), texts(keys), json.dumps(_document(rows), default=_text)]


def add_rows(conn: Connection, rows: Mapping[LiteralString, Sequence[Row]]) -> None:
    """Copy rows into tables, in their order; insert them where the server lets this login not copy."""
    if not _may_copy(conn):
        for table, added in rows.items():
            if added:
                conn.execute(_INSERTS[table], [list(column) for column in zip(*added, strict=True)])
        return
    with conn.cursor() as cursor:
        cursor.adapters.register_dumper(bytes, BytesBinaryDumper)  # in C; the one that is found by the type is not
        for table, added in rows.items():
            if added:
                with cursor.copy(_COPIES[table]) as copy:
                    copy.set_types([kind for _, kind in TABLES[table]])
                    for row in added:
                        copy.write_row(row)


def _may_copy(conn: Connection) -> bool:
    """Whether no policy applies to this login: PostgreSQL copies into no table where one does, whatever it allows."""
    if conn not in _MAY_COPY:
        row = conn.execute(SQL["may_copy"]).fetchone()
        _MAY_COPY[conn] = bool(row and row[0])
    return _MAY_COPY[conn]


def _document(rows: Rows) -> dict[str, Any]:
    """Return rows as one document by table, for the server to take apart."""
    document: dict[str, Any] = {
        table: [dict(zip(_NAMES[table], row, strict=True)) for row in added]
        for table, added in rows.added.items()
        if added
    }
    document.setdefault("request_key", [])
    if "entry" in document:
        document.setdefault("lot", [])
    if rows.changed_lots:
        document["changed_lot"] = [
            {"seq": lot.ref[0], "line": lot.ref[1], "last_day": lot.last_day, "open": lot.open,
             "in_transit": lot.in_transit, "installed": lot.installed, "changed_on": lot.changed_on,
             "emptied": lot.emptied}
            for lot in rows.changed_lots
        ]  # fmt: skip
    if rows.counters:
        document["counter_day"] = [
            {"book": key.book, "cap": key.cap, "subject": key.subject, "window_from": key.window, "day": day,
             **amount._asdict()}
            for key, days in rows.counters.items() for day, amount in days.items()
        ]  # fmt: skip
    if rows.stages:
        document["stage_day"] = [
            {"destination": place, "stage": stage, "day": day, "tpp": tpp}
            for (place, stage, day), tpp in rows.stages.items()
        ]  # fmt: skip
    document["scope"] = [{"scope": scope, "party": party, "size": size} for party, (scope, size) in rows.scopes.items()]
    frontier, recorded_at, profiles = rows.head
    document["head"] = {
        "one": True, "size": frontier.size, "frontier": frontier.packed(), "root": frontier.root(),
        "recorded_at": recorded_at, "profiles": profiles,
    }  # fmt: skip
    return document


def _text(value: object) -> object:
    """Return what JSON has no word for, as PostgreSQL reads it."""
    kind = type(value)
    if kind in _AS_WRITTEN:
        return str(value)
    if kind is bytes:
        return "\\x" + cast("bytes", value).hex()
    if kind is Jsonb:
        return cast("Jsonb", value).obj
    raise TypeError(f"no JSON for {kind.__name__}")


def journal_row(record: Record) -> Row:
    """Return a record as a row of the journal."""
    return (
        record.seq, record.kind, record.actor, record.key, record.scope, record.scope_seq, record.recorded_at,
        record.payload, record.payload_salt, record.judgment, record.judgment_salt, record.envelope, record.leaf_hash,
    )  # fmt: skip


def entry_row(seq: int, n: int, entry: Entry, profile: int) -> Row:
    """Return an entry of record `seq` as a row."""
    return (
        seq, n, entry.line, entry.stage, entry.cause or None, entry.lot[0], entry.lot[1], profile, entry.lot_day,
        entry.day, entry.last_day, entry.chips, entry.tpp,
    )  # fmt: skip


def lot_row(lot: Lot, profile: int) -> Row:
    """Return a lot as a row."""
    facts = lot.profile
    return (
        lot.ref[0], lot.ref[1], lot.stage, profile, facts.authorization, facts.recipient.party, facts.destination,
        facts.base_chip, lot.day, lot.last_day, lot.unit, lot.amount, lot.open, lot.in_transit, lot.installed,
        lot.changed_on, lot.emptied,
    )  # fmt: skip


def change_lots(conn: Connection, lots: Sequence[Lot]) -> None:
    """Write the new balances of lots that are in the database already."""
    if lots:
        conn.execute(
            SQL["change_lots"],
            {
                "seqs": array([lot.ref[0] for lot in lots]),
                "lines": array([lot.ref[1] for lot in lots]),
                "last_days": array([lot.last_day for lot in lots]),
                "open": array([lot.open for lot in lots]),
                "in_transit": array([lot.in_transit for lot in lots]),
                "installed": array([lot.installed for lot in lots]),
                "changed_on": array([lot.changed_on for lot in lots]),
                "emptied": array([lot.emptied for lot in lots]),
            },
        )


def add_to_counters(conn: Connection, changes: Mapping[Key, Mapping[date, Amount]]) -> None:
    """Add changes of counters by day to what is there."""
    rows = [(key, day, amount) for key, days in changes.items() for day, amount in days.items()]
    if rows:
        conn.execute(
            SQL["add_to_counters"],
            {
                "books": array([key.book for key, _, _ in rows]),
                "caps": texts([key.cap for key, _, _ in rows]),
                "subjects": texts([key.subject for key, _, _ in rows]),
                "windows": array([key.window for key, _, _ in rows]),
                "days": array([day for _, day, _ in rows]),
                "tpp": array([amount.tpp for _, _, amount in rows]),
                "chips": array([amount.chips for _, _, amount in rows]),
                "doubt_tpp": array([amount.doubt_tpp for _, _, amount in rows]),
                "doubt_chips": array([amount.doubt_chips for _, _, amount in rows]),
                "unstated_tpp": array([amount.unstated_tpp for _, _, amount in rows]),
            },
        )


def add_to_stages(conn: Connection, changes: Mapping[StageDay, Decimal]) -> None:
    """Add changes of destinations' stages by day to what is there."""
    if changes:
        places, stages, days = zip(*changes, strict=True)
        wanted = {"destinations": texts(places), "stages": texts(stages), "days": array(days),
                  "tpp": array(changes.values())}  # fmt: skip
        conn.execute(SQL["add_to_stages"], wanted)


def move_head(conn: Connection, frontier: Frontier, recorded_at: datetime, profiles: int) -> None:
    """Write the journal's new end."""
    conn.execute(
        SQL["move_head"],
        {
            "size": frontier.size,
            "frontier": frontier.packed(),
            "root": frontier.root(),
            "recorded_at": recorded_at,
            "profiles": profiles,
        },
    )


def move_scopes(conn: Connection, scopes: Mapping[str | None, tuple[str, int]]) -> None:
    """Write how many records each touched scope has now, by party (None for the ledger's own)."""
    conn.execute(
        SQL["move_scopes"],
        {
            "scopes": texts([scope for scope, _ in scopes.values()]),
            "parties": texts(scopes),
            "sizes": array([size for _, size in scopes.values()]),
        },
    )
