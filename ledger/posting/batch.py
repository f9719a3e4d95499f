"""A batch on its way into the journal: what each request came to, numbered, sealed and written in one commit."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from ledger.core import records
from ledger.core.judgments import Effects
from ledger.core.lens import Amount, Key
from ledger.core.merkle import Frontier
from ledger.core.position import Position
from ledger.core.records import SALT_BYTES, Draft
from ledger.core.refusals import Refusal
from ledger.core.stages import by_day
from ledger.store import writing
from ledger.store.source import Connection, Profiles
from schema.queries import SQL

LEDGER = None  # the party of the ledger's own scope


@dataclass(slots=True)
class Scopes:
    """How many records each scope has. An exporter's scope is an opaque id, drawn when it is first needed."""

    sizes: dict[str | None, tuple[str, int]] = field(default_factory=dict)
    touched: set[str | None] = field(default_factory=set)

    def next(self, party: str | None) -> tuple[str, int]:
        """Return the scope and the next number in it."""
        scope, size = self.sizes.get(party) or (records.LEDGER_SCOPE if party is None else secrets.token_hex(8), 0)
        self.sizes[party] = scope, size + 1
        self.touched.add(party)
        return scope, size + 1


def scopes_of(conn: Connection) -> Scopes:
    """Return the scopes that the database knows."""
    return Scopes({party: (scope, size) for scope, party, size in conn.execute(SQL["scopes"])})


@dataclass(slots=True)
class Batch:
    """Records to be, in order, with the rows that their projections need. Numbers begin after `size`."""

    size: int
    drafts: list[tuple[Draft, str | None]] = field(default_factory=list)
    keys: list[tuple[str, str, int, bytes]] = field(default_factory=list)
    facts: list[tuple[int, str, str, date | None, Jsonb]] = field(default_factory=list)
    made: list[tuple[int, Effects]] = field(default_factory=list)
    reversals: list[tuple[int, int]] = field(default_factory=list)
    discrepancies: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    runs: list[tuple[Any, ...]] = field(default_factory=list)
    counters: dict[Key, dict[date, Amount]] = field(default_factory=dict)  # of a book adopted in this batch
    closed: list[dict[str, Any]] = field(default_factory=list)
    proposals: list[tuple[int, str, int | None]] = field(default_factory=list)
    decided: list[dict[str, Any]] = field(default_factory=list)
    said: dict[int, str] = field(default_factory=dict)  # what receipts say besides the record's number
    leaves: list[bytes] = field(default_factory=list)

    @property
    def next_seq(self) -> int:
        """The number that the next record will get."""
        return self.size + len(self.drafts) + 1

    def add(self, kind: str, actor: str, key: str | None, party: str | None, payload: bytes, judgment: bytes) -> int:
        """Add a record in the scope of a party (None: the ledger's own), and return its number."""
        self.drafts.append((Draft(kind, actor, key, payload, judgment), party))
        return self.size + len(self.drafts)

    def open_discrepancy(self, breach: Refusal, *, actor: str, day: date, owner: str, by: int | None) -> int:
        """Add a record that opens a discrepancy, caused by record `by`, and its row; return its number."""
        body: dict[str, Any] = {
            "amount": breach.amount, "book": breach.book, "cap": breach.cap, "class": breach.code,
            "effective_on": day.isoformat(), "message": breach.message, "owner": owner, "subject": breach.subject,
            "unit": breach.unit, "window": breach.window,
        }  # fmt: skip
        body = {name: value for name, value in body.items() if value != ""}
        if by is not None:
            body["by"] = by
        payload = records.payload_of("discrepancy", actor, None, "observation", body)
        judgment = records.canonical({"record": "discrepancy.opened", "verdict": "posted"})
        seq = self.add("discrepancy.opened", actor, None, LEDGER, payload, judgment)
        self.discrepancies.append((seq, body))
        return seq


def discrepancy_row(seq: int, body: Mapping[str, Any], at: datetime) -> tuple[Any, ...]:
    """Return a discrepancy as it is when it is opened."""
    window = date.fromisoformat(body["window"]) if "window" in body else None
    return (
        seq, body["class"], body.get("book"), body.get("cap"), body.get("subject", ""), window,
        body.get("amount", ""), body.get("unit", ""), date.fromisoformat(body["effective_on"]), at,
        body.get("owner", ""), "open", body.get("message", ""), seq,
    )  # fmt: skip


def sealed(
    batch: Batch, *, frontier: Frontier, profiles: int, at: datetime, scopes: Scopes, position: Position,
    known: Profiles,
) -> writing.Rows:  # fmt: skip
    """Number and seal a batch; return what to write: its records, their projections, and the new head."""
    rows: dict[LiteralString, list[writing.Row]] = {table: [] for table in writing.TABLES}
    moment = records.moment(at)
    salts = os.urandom(2 * SALT_BYTES * len(batch.drafts))
    for n, (draft, party) in enumerate(batch.drafts):
        scope, scope_seq = scopes.next(party)
        sealed = records.seal(
            draft,
            scope=scope,
            seq=batch.size + n + 1,
            scope_seq=scope_seq,
            recorded_at=at,
            moment_text=moment,
            salts=(salts[64 * n : 64 * n + 32], salts[64 * n + 32 : 64 * n + 64]),
        )
        frontier.append(sealed.leaf_hash)
        batch.leaves.append(sealed.leaf_hash)
        rows["journal"].append(writing.journal_row(sealed))
    profiles = _number_profiles(rows, batch, known, profiles)
    own = {lot.ref for _, effects in batch.made for lot in effects.opened}
    for seq, effects in batch.made:
        rows["lot"] += [writing.lot_row(lot, known.ids[lot.profile.sha256]) for lot in effects.opened]
        rows["entry"] += [
            writing.entry_row(seq, n, entry, known.ids[entry.profile.sha256])
            for n, entry in enumerate(effects.entries, 1)
        ]
    rows["request_key"], rows["fact"], rows["reversal"] = list(batch.keys), list(batch.facts), list(batch.reversals)
    rows["discrepancy"] = [discrepancy_row(seq, body, at) for seq, body in batch.discrepancies]
    rows["reconciliation"], rows["proposal"] = list(batch.runs), list(batch.proposals)
    written = writing.Rows(
        rows,
        [lot for ref, lot in position.pending.changed.items() if ref not in own],
        {**position.pending.counters, **batch.counters},
        by_day(entry for _, effects in batch.made for entry in effects.entries),
        {party: scopes.sizes[party] for party in scopes.touched},
        (frontier, at, profiles),
    )
    scopes.touched.clear()
    return written


def _number_profiles(rows: dict[LiteralString, list[writing.Row]], batch: Batch, known: Profiles, profiles: int) -> int:
    """Give each profile that is seen for the first time the next number, in the journal's order."""
    fresh = {lot.profile.sha256: lot.profile for _, effects in batch.made for lot in effects.opened}
    ids = known.ids
    for sha256, profile in fresh.items():
        if sha256 not in ids:
            profiles += 1
            known.hold(profiles, profile)
            rows["profile"].append((profiles, sha256, Jsonb(profile.body())))
    return profiles
