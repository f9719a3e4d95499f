"""Checking and rebuilding: every projection computed anew from the journal and compared with what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from psycopg import IsolationLevel
from psycopg.types.json import Jsonb

from ledger.core import records
from ledger.core.judgments import Effects, refusal_of
from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.lens import Lens
from ledger.core.records import DISPUTE_AFTER, REQUEST_REFUSED
from ledger.core.refusals import LEAVES_KEY_OPEN
from ledger.positions import fact_of
from ledger.posting.batch import discrepancy_row
from ledger.reconcile.replay import Replay, Replayed
from ledger.store import stream, writing
from ledger.store.source import Connection, Profiles
from ledger.store.sums import counters_of
from schema.queries import SQL

AT_ONCE = 5_000  # records rebuilt before their rows are written
SHOWN = 3  # differing rows that are quoted, of each projection


@dataclass(frozen=True, slots=True)
class Difference:
    """A projection that is not what the journal says: rows too many, rows missing, a few of each quoted."""

    projection: str
    kept: int
    computed: int
    wrong: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found. root: hex Merkle root, recomputed from every payload. rows: computed, by projection."""

    records: int
    root: str
    faults: tuple[str, ...]
    differences: tuple[Difference, ...]
    rows: dict[str, int]

    @property
    def is_sound(self) -> bool:
        """Whether the journal is intact and every projection is what it says."""
        return not self.faults and not self.differences


def check(conn: Connection) -> CheckReport:
    """Recompute the journal's hashes and every projection, in one snapshot, and compare; change nothing."""
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        return _recompute(conn, lock=False)[0]
    finally:
        conn.rollback()
        conn.isolation_level = None


def rebuild(conn: Connection) -> CheckReport:
    """Compute every projection anew, put it in place of what is kept, and say where the two differed.

    Writers wait until it is done. A journal that is not intact is not built upon: then nothing is changed.
    """
    try:
        report, real, temporary, rebuilt = _recompute(conn, lock=True)
        if not report.faults and rebuilt.replay.last is not None:
            stream.replace(conn, real, temporary)
            writing.move_head(conn, rebuilt.replay.frontier, rebuilt.replay.last, rebuilt.profiles)
            conn.commit()
        return report
    finally:
        conn.rollback()


def _recompute(conn: Connection, *, lock: bool) -> tuple[CheckReport, str, str, _Rebuilt]:
    if lock:
        conn.execute(SQL["lock_head"], {"askers": [], "asked": []})
    row, end = conn.execute(SQL["head"]).fetchone(), conn.execute(SQL["journal_end"]).fetchone()
    assert row
    assert end
    size, frontier, recorded_at, profiles, root = row
    real, temporary = stream.shadow(conn)
    rebuilt = _Rebuilt(conn, Replay(conn, end[0]))  # not to where the head says: it is kept, too, and may be wrong
    rebuilt.run()
    replay = rebuilt.replay
    faults = list(replay.faults)
    kept = (size, bytes(frontier), recorded_at, profiles, bytes(root))
    found = (replay.frontier.size, replay.frontier.packed(), replay.last, rebuilt.profiles, replay.frontier.root())
    if kept[0] > found[0]:
        faults.append(f"the head counts {kept[0]:,} records; the journal has {found[0]:,}")
    differences = list(_differences(conn, real, temporary))
    if kept != found and kept[0] <= found[0]:
        differences.append(Difference("head", 1, 1, (str(kept),), (str(found),)))
    rows = {table: stream.digest(conn, table, temporary)[1] for table in stream.PROJECTIONS}
    report = CheckReport(found[0], found[4].hex(), tuple(faults), tuple(differences), rows)
    return report, real, temporary, rebuilt


def _differences(conn: Connection, real: str, temporary: str) -> Iterator[Difference]:
    for table in stream.PROJECTIONS:
        (kept_hash, kept), (hash_, computed) = (stream.digest(conn, table, schema) for schema in (real, temporary))
        if kept_hash != hash_:
            wrong = stream.differing(conn, table, real, temporary, SHOWN)
            missing = stream.differing(conn, table, temporary, real, SHOWN)
            yield Difference(table, kept, computed, tuple(wrong), tuple(missing))


class _Rebuilt:
    """Fills the (temporary) projections from the journal, as posting filled the kept ones."""

    def __init__(self, conn: Connection, replay: Replay) -> None:
        self.conn, self.replay = conn, replay
        self.profiles = 0
        self._known = Profiles(conn)
        self._knowledge = Knowledge()
        self._scopes: dict[str, list[Any]] = {}
        self._rows: dict[LiteralString, list[Any]] = {}

    def run(self) -> None:
        """Read the journal and write what it says."""
        for n, replayed in enumerate(self.replay.run(), 1):
            self._take(replayed)
            if n % AT_ONCE == 0:
                self._flush()
        self._rows["lot"] = [
            writing.lot_row(lot, self._known.ids[lot.profile.sha256]) for lot in self.replay.lots.values()
        ]
        self._rows["scope"] = [tuple(each) for each in self._scopes.values()]
        self._flush()
        lenses = [Lens(adoption.book, adoption.seq) for adoption in self._knowledge.adoptions]
        writing.add_to_counters(self.conn, counters_of(self.conn, lenses, self._known, self.replay.known))
        self.conn.execute(SQL["stages_of_entries"])

    def _flush(self) -> None:
        writing.add_rows(self.conn, self._rows)
        self._rows = {}

    def _add(self, table: LiteralString, row: Any) -> None:
        self._rows.setdefault(table, []).append(row)

    def _take(self, replayed: Replayed) -> None:
        record, body, judgment = replayed.record, replayed.payload["body"], replayed.judgment
        self._take_scope(replayed)
        code = refusal_of(record.judgment)[0] if record.kind == REQUEST_REFUSED else ""
        if record.key is not None and code not in LEAVES_KEY_OPEN:
            print_ = records.fingerprint(replayed.payload["kind"], replayed.payload["voice"], body)
            self._add("request_key", (record.actor, record.key, record.seq, print_))
        if replayed.effects:
            self._take_effects(record.seq, replayed.effects)
            if body.get("movement") == "reverse":
                self._add("reversal", (body["reverses"], record.seq))
        elif record.kind == "discrepancy.opened":
            self._add("discrepancy", discrepancy_row(record.seq, body, record.recorded_at))
        elif record.kind.startswith("discrepancy."):
            change = body["change"]
            self._flush()  # in order: what was resolved may be opened again after it
            self.conn.execute(SQL["change_discrepancy"], {
                "id": int(body["id"]), "state": DISPUTE_AFTER[change], "owner": body.get("owner"), "note": body["note"],
                "seq": record.seq,
            })  # fmt: skip
        elif record.kind == records.PROPOSAL_MADE:
            self._add("proposal", (record.seq, "open", None))
        elif record.kind == records.PROPOSAL_DECIDED:
            self._flush()
            decision = {"proposal": judgment["proposal"], "state": judgment["state"], "seq": record.seq}
            self.conn.execute(SQL["decide_proposal"], decision)
        elif record.kind == "reconciliation.completed":
            self._add("reconciliation", (record.seq, *run_row(judgment)))
        elif "fact" in judgment:
            self._take_fact(replayed)

    def _take_scope(self, replayed: Replayed) -> None:
        record = replayed.record
        held = self._scopes.get(record.scope)
        if held is None:
            party = None if record.scope == records.LEDGER_SCOPE else replayed.payload["body"].get("exporter")
            if party is None and replayed.effects and record.scope != records.LEDGER_SCOPE:
                exporters = [entry.profile.exporter for entry in replayed.effects.entries if entry.profile.exporter]
                party = exporters[0].party if exporters else None
            held = self._scopes[record.scope] = [record.scope, party, 0]
        held[2] = record.scope_seq

    def _take_effects(self, seq: int, effects: Effects) -> None:
        for lot in effects.opened:
            if lot.profile.sha256 not in self._known.ids:
                self.profiles += 1
                self._known.hold(self.profiles, lot.profile)
                self._add("profile", (self.profiles, lot.profile.sha256, Jsonb(lot.profile.body())))
        for n, entry in enumerate(effects.entries, 1):
            self._add("entry", writing.entry_row(seq, n, entry, self._known.ids[entry.profile.sha256]))

    def _take_fact(self, replayed: Replayed) -> None:
        record, judged = replayed.record, replayed.judgment["fact"]
        kind = "ownership" if record.kind == "party.owned" else record.kind.partition(".")[0]
        subject = _subject(kind, judged)
        body = dict(judged)
        if kind == "rulebook":
            body["bundle"] = replayed.payload["body"]["bundle"]
        self._add("fact", (record.seq, kind, subject, _valid_from(kind, judged), Jsonb(body)))
        fact = fact_of(kind, body, record.seq)
        if isinstance(fact, Adoption):
            self._knowledge.add(fact, record.seq)


def run_row(judgment: dict[str, Any]) -> tuple[Any, ...]:
    """Return a reconciliation's row, but for its record, from its judgment."""
    report = judgment["report"]
    predecessor = report["predecessor"]
    return (
        report["number"], date.fromisoformat(report["on"]), report["rulebook"]["name"], report["inputs_sha256"],
        judgment["digest"], predecessor["seq"] if predecessor else None, records.canonical(report),
    )  # fmt: skip


def _subject(kind: str, fact: dict[str, Any]) -> str:
    if kind == "four_eyes":
        return kind
    name = {
        "rulebook": "name", "period": "closed_until", "ownership": "owned", "stock": "party", "notice": "party",
    }.get(kind, kind)  # fmt: skip
    return str(fact[name])


def _valid_from(kind: str, fact: dict[str, Any]) -> date | None:
    name = {
        "rulebook": "from", "authorization": "state_from", "stock": "as_of", "notice": "filed_on",
    }.get(kind, "valid_from")  # fmt: skip
    return date.fromisoformat(fact[name]) if name in fact else None
