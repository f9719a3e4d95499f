"""The journal read from its beginning: each record's bytes checked, and what it did to chips read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from ledger.core import merkle, records
from ledger.core.judgments import Effects, effects_of
from ledger.core.lens import Amount, Key, Lens
from ledger.core.lots import Lot, LotRef
from ledger.core.records import MOVEMENT_POSTED, REQUEST_REFUSED, Record
from ledger.store.source import Connection
from ledger.store.stream import journal


@dataclass(slots=True)
class Replayed:
    """One record read back: its payload and judgment as values, and its effects where it moved chips."""

    record: Record
    payload: dict[str, Any]
    judgment: dict[str, Any]
    effects: Effects | None


@dataclass(slots=True)
class Replay:
    """Reads the journal up to a record. Afterwards it holds the lots as they are then, and every fault it found."""

    conn: Connection
    known: int
    lots: dict[LotRef, Lot] = field(default_factory=dict)
    frontier: merkle.Frontier = field(default_factory=merkle.Frontier)
    scopes: dict[str, int] = field(default_factory=dict)
    last: datetime | None = None
    faults: list[str] = field(default_factory=list)

    def run(self) -> Iterator[Replayed]:
        """Yield every record in order. What is wrong with a record is noted in `faults`; reading goes on."""
        for record in journal(self.conn, self.known):
            self._check(record)
            payload, judgment = json.loads(record.payload), json.loads(record.judgment)
            if _is_misfiled(record, payload, judgment):
                self.faults.append(
                    f"record {record.seq:,} is filed under another kind, actor or key than it was sealed"
                )
            effects = None
            if "entries" in judgment:
                effects = effects_of(judgment, record.seq, self.lots)
                self.lots.update((lot.ref, lot) for lot in effects.opened)
                for entry in effects.entries:
                    self.lots[entry.lot].apply(entry)
            yield Replayed(record, payload, judgment, effects)

    def _check(self, record: Record) -> None:
        """Recompute what can be recomputed of one record: numbers, times, hashes."""
        envelope = records.envelope_of(
            seq=record.seq,
            scope=record.scope,
            scope_seq=record.scope_seq,
            recorded_at=records.moment(record.recorded_at),
            payload_sha256=sha256(record.payload_salt + record.payload).hexdigest(),
            judged_sha256=sha256(record.judgment_salt + record.judgment).hexdigest(),
        )
        expected = self.frontier.size + 1
        if record.seq != expected:
            self.faults.append(f"record {record.seq:,} follows record {expected - 1:,}: the journal has a gap")
        if record.scope_seq != self.scopes.get(record.scope, 0) + 1:
            self.faults.append(f"record {record.seq:,} is number {record.scope_seq:,} of its scope, out of order")
        if self.last is not None and record.recorded_at < self.last:
            self.faults.append(f"record {record.seq:,} is dated before the one it follows")
        if envelope != record.envelope or merkle.leaf_hash(envelope) != record.leaf_hash:
            self.faults.append(f"record {record.seq:,} does not match its hash: its bytes were changed")
        self.frontier.append(merkle.leaf_hash(envelope))
        self.scopes[record.scope] = record.scope_seq
        self.last = record.recorded_at


def _is_misfiled(record: Record, payload: dict[str, Any], judgment: dict[str, Any]) -> bool:
    """Return whether what a record is found by, beside its sealed bytes, says something else than they do."""
    family, _, what = record.kind.partition(".")
    first = {"authorization": "issued", "discrepancy": "opened"}.get(family)
    return (
        record.actor != payload["actor"]
        or record.key != payload.get("key")
        or (record.kind == REQUEST_REFUSED) != ("refusal" in judgment)
        or (record.kind == MOVEMENT_POSTED) != ("entries" in judgment)
        or (first is not None and what != payload["body"].get("change", first))
    )


def counters_from_journal(replay: Replay, lenses: list[Lens]) -> dict[Key, dict[Any, Amount]]:
    """Return every counter of some books, by day, computed from the journal alone."""
    sums: dict[tuple[Any, ...], list[Any]] = {}
    for replayed in replay.run():
        for entry in replayed.effects.entries if replayed.effects else ():
            alike = (
                entry.profile.sha256, entry.stage, entry.cause, entry.lot_day, entry.day, entry.last_day,
                entry.chips is None,
            )  # fmt: skip
            held = sums.get(alike)
            if held is None:
                sums[alike] = [entry.profile, entry.chips, entry.tpp]
            else:
                held[1] = None if entry.chips is None else held[1] + entry.chips
                held[2] += entry.tpp
    counters: dict[Key, dict[Any, Amount]] = {}
    for (_, stage, cause, lot_day, day, last_day, _), (profile, chips, tpp) in sums.items():
        for lens in lenses:
            for key, _, _, on, amount in lens.effects(stage, cause, profile, lot_day, day, last_day, chips, tpp):
                days = counters.setdefault(key, {})
                days[on] = days[on].plus(amount) if on in days else amount
    return counters
