"""Totals against caps: every counter recomputed from the journal, compared, and held against its limit.

A run's digest covers the day, the journal number, the rulebook, the inputs and the report; not who asked, or when. The
same number, day, rulebook and inputs give the same bytes again, and add nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from ledger import rulebooks
from ledger.core import records
from ledger.core.compute import plain
from ledger.core.errors import Corrupt, NotFound
from ledger.core.knowledge import EVER, Adoption, Knowledge
from ledger.core.lens import NOTHING, Amount, Key, Lens
from ledger.core.refusals import Refusal
from ledger.positions import learn
from ledger.posting import Writer
from ledger.reconcile.checking import run_row
from ledger.reconcile.replay import Replay, counters_from_journal
from ledger.reports.reader import record_at
from ledger.reports.standings import CapStanding, of_amounts, total_on
from ledger.store.source import Connection
from schema.queries import SQL

NO_INPUTS = sha256(b"").hexdigest()
RECONCILIATION = "reconciliation"  # who opens what a run finds


@dataclass(frozen=True, slots=True)
class Run:
    """One reconciliation: its record, the digest of its report, the report, and whether it was recorded just now."""

    seq: int
    digest: str
    report: dict[str, Any]
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Last:
    seq: int
    number: int
    digest: str
    report: dict[str, Any]


def reconcile_caps(
    conn: Connection, *, on: date, at: datetime, actor: str = "operator", rulebook: str | None = None
) -> Run:
    """Recompute every counter from the journal, compare it with the kept one, and hold totals against caps.

    Args:
        rulebook: a book to compare by name, in force or not; None is the one in force on the day. A book that is not
            in force opens no discrepancy.

    Raises:
        NotFound: no rulebook is in force on the day, or there is none of that name.
        Corrupt: the journal does not match its own hashes, or the same run gave other bytes before.
    """
    try:
        size = _size(conn)
        knowledge = learn(conn, Knowledge(), size)
        adoption = _adoption(knowledge, on, rulebook)
        number = _one(conn, "newest_unreconciled", {"known": size})[0]
        name = adoption.book.name
        same = {"number": number, "day": on, "rulebook": name, "inputs": NO_INPUTS}
        before = _run(conn.execute(SQL["same_run"], same).fetchone())
        last = _predecessor(conn, before, name, size)
        counters = _recomputed(conn, size, adoption)
        differences = _compare(conn, counters, adoption) if adoption.seq else []
    finally:
        conn.rollback()
    standings = of_amounts({key: total_on(days, on) for key, days in counters.items()}, adoption, knowledge, on)
    report = _report(on, number, adoption, standings, differences, len(counters), last)
    digest = sha256(records.canonical(report)).hexdigest()
    if before:
        if before.digest != digest:
            raise Corrupt(
                "other_bytes", f"Run {before.seq:,} of the same position had digest {before.digest[:16]}, not "
                f"{digest[:16]}.", "Run capledger check.",
            )  # fmt: skip
        return Run(before.seq, digest, report, False)
    return _record(conn, report, digest, _breaches(standings, differences, adoption, on), actor, at)


def reconcile_past(
    conn: Connection, *, on: date, known: int | datetime, rulebook: str | None = None
) -> Run:  # fmt: skip
    """Recompute every counter from the journal up to a record and hold totals against caps, as a run then would have.

    Nothing is recorded: seq is 0. Counters that are kept are of now, so that none is compared.

    Raises:
        NotFound: there is no such record; and as `reconcile_caps`.
    """
    try:
        at = record_at(conn, known, _size(conn))
        knowledge = learn(conn, Knowledge(), at)
        adoption = _adoption(knowledge, on, rulebook)
        number = _one(conn, "newest_unreconciled", {"known": at})[0]
        last = _predecessor(conn, None, adoption.book.name, at)
        counters = _recomputed(conn, at, adoption)
    finally:
        conn.rollback()
    standings = of_amounts({key: total_on(days, on) for key, days in counters.items()}, adoption, knowledge, on)
    report = _report(on, number, adoption, standings, [], len(counters), last, is_compared=False)
    return Run(0, sha256(records.canonical(report)).hexdigest(), report, False)


def _recomputed(conn: Connection, known: int, adoption: Adoption) -> dict[Key, dict[date, Amount]]:
    replay = Replay(conn, known)
    counters = counters_from_journal(replay, [Lens(adoption.book, adoption.seq)])
    if replay.faults:
        raise Corrupt("broken_journal", f"The journal is not intact: {replay.faults[0]}.", "Run capledger check.")
    return counters


def _record(
    conn: Connection,
    report: dict[str, Any],
    digest: str,
    breaches: list[tuple[Refusal, date]],
    actor: str,
    at: datetime,
) -> Run:
    asked = {name: report[name] for name in ("on", "inputs_sha256")} | {"rulebook": report["rulebook"]["name"]}
    judgment = {
        "digest": digest, "record": "reconciliation.completed", "report": report, "verdict": "posted",
    }  # fmt: skip
    seq = Writer(conn).record(
        "reconciliation.completed",
        records.payload_of("reconciliation", actor, None, "request", asked),
        records.canonical(judgment),
        actor=actor, at=at, run=run_row(judgment), breaches=breaches, by=RECONCILIATION,
    )  # fmt: skip
    if seq is None:  # another scheduler recorded the same run meanwhile
        same = {"number": report["number"], "day": date.fromisoformat(report["on"]),
                "rulebook": report["rulebook"]["name"], "inputs": NO_INPUTS}  # fmt: skip
        other = _run(conn.execute(SQL["same_run"], same).fetchone())
        conn.rollback()
        assert other
        return Run(other.seq, other.digest, other.report, False)
    return Run(seq, digest, report, True)


def _report(
    on: date, number: int, adoption: Adoption, standings: list[CapStanding], differences: list[dict[str, Any]],
    counters: int, last: _Last | None, *, is_compared: bool = True,
) -> dict[str, Any]:  # fmt: skip
    book = adoption.book
    return {
        "changes": _changes(standings, last),
        "counters": {"computed": counters, "differences": differences, "kept": is_compared and bool(adoption.seq)},
        "inputs_sha256": NO_INPUTS,
        "number": number,
        "on": on.isoformat(),
        "predecessor": {"digest": last.digest, "number": last.number, "seq": last.seq} if last else None,
        "rulebook": {
            "in_force": bool(adoption.seq), "name": book.name, "revision": book.revision, "sha256": book.sha256,
        },
        "standings": [standing.body() for standing in standings],
        "states": _states(standings),
    }  # fmt: skip


def _states(standings: list[CapStanding]) -> dict[str, dict[str, int]]:
    """Count states per tier: how many caps are open, critical, exhausted, over, undetermined or only watched."""
    counted: dict[str, dict[str, int]] = {}
    for standing in standings:
        states = counted.setdefault(standing.tier or "no tier", {})
        states[standing.state] = states.get(standing.state, 0) + 1
    return counted


def _changes(standings: list[CapStanding], last: _Last | None) -> list[dict[str, Any]]:
    """Return what is new, gone or different since the run before."""
    if last is None:
        return []
    now = {_identity(standing.body()): standing.body() for standing in standings}
    then = {_identity(body): body for body in last.report["standings"]}
    changes = []
    for identity in sorted(now.keys() | then.keys()):
        new, old = now.get(identity), then.get(identity)
        shown = {name: ((old or {}).get(name), (new or {}).get(name)) for name in ("state", "used", "limit")}
        if any(before != after for before, after in shown.values()):
            cap, subject, window = identity
            changes.append(
                {"cap": cap, "subject": subject, "window": window}
                | {name: {"now": after, "then": before} for name, (before, after) in shown.items()}
            )
    return changes


def _identity(body: Mapping[str, Any]) -> tuple[str, str, str]:
    return body["cap"], body["subject"], body["window"]


def _compare(
    conn: Connection, counters: Mapping[Key, Mapping[date, Amount]], adoption: Adoption
) -> list[dict[str, Any]]:
    """Compare the recomputed counters of an adopted book with the kept ones, day by day; name the first day of each."""
    kept: dict[Key, dict[date, Amount]] = {}
    for cap, subject, window, day, *amount in conn.execute(SQL["counter_days"], {"book": adoption.seq}):
        kept.setdefault(Key(adoption.seq, cap, subject, window), {})[day] = Amount(*amount)
    differences = []
    for key in sorted(kept.keys() | counters.keys()):
        computed, held = counters.get(key, {}), kept.get(key, {})
        day = min((d for d in computed.keys() | held if computed.get(d, NOTHING) != held.get(d, NOTHING)), default=None)
        if day is not None:
            differences.append(
                {
                    "cap": key.cap,
                    "computed": plain(total_on(computed, day).tpp),
                    "day": day.isoformat(),
                    "kept": plain(total_on(held, day).tpp),
                    "subject": key.subject,
                }
            )
    return differences


def _breaches(
    standings: list[CapStanding], differences: list[dict[str, Any]], adoption: Adoption, on: date
) -> list[tuple[Refusal, date]]:
    """Return what a run of the book in force disputes: caps that are over, counters that differ."""
    if not adoption.seq:
        return []
    over = [
        Refusal(
            "cap_exceeded",
            f"{each.book}: {each.cap} of {each.subject} is over on {on}: limit {each.limit:,f}, used {each.used:,f}.",
            subject=each.subject, cap=each.cap, book=each.book, unit=each.unit,
            window=each.window[:10] if each.window[:1].isdigit() else "", amount=f"{-(each.left or 0):f}",
        )
        for each in standings if each.state == "over"
    ]  # fmt: skip
    differing = [
        Refusal(
            "projection_differs",
            f"Counter {each['cap']} of {each['subject']} is kept as {each['kept']} TPP on {each['day']}; "
            f"the journal says {each['computed']}.",
            subject=each["subject"], cap=each["cap"], book=adoption.book.name,
        )
        for each in differences
    ]  # fmt: skip
    return [(breach, on) for breach in [*over, *differing]]


def _adoption(knowledge: Knowledge, on: date, rulebook: str | None) -> Adoption:
    in_force = knowledge.in_force(on)
    if rulebook is None or (in_force and in_force.book.name == rulebook):
        if in_force is None:
            raise NotFound(f"No rulebook is in force on {on}.", "Adopt one, or name one with --rulebook.")
        return in_force
    return Adoption(0, rulebooks.named(rulebook, [each.book for each in knowledge.adoptions]), EVER)


def _predecessor(conn: Connection, before: _Last | None, rulebook: str, known: int) -> _Last | None:
    """Return the run recorded before: before this same run, where it was recorded already, else the newest."""
    if before is None:
        return _run(conn.execute(SQL["last_run"], {"rulebook": rulebook, "known": known}).fetchone())
    named = before.report["predecessor"]
    return _run(conn.execute(SQL["run"], {"seq": named["seq"]}).fetchone()) if named else None


def _run(row: tuple[Any, ...] | None) -> _Last | None:
    if row is None:
        return None
    seq, number, _, _, _, digest, _, body = row
    return _Last(seq, number, digest, json.loads(body))


def _size(conn: Connection) -> int:
    return int(_one(conn, "head", {})[0])


def _one(conn: Connection, query: str, wanted: dict[str, Any]) -> tuple[Any, ...]:
    row = conn.execute(SQL[query], wanted).fetchone()
    assert row is not None
    return row
