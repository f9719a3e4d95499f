"""Lines of movements by what they did, fetched for the profiles that something turns on and never for all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, LiteralString

from ledger.core.duties import Act
from ledger.core.facts import Notice
from ledger.core.lens import Amount, Key, Lens
from ledger.core.movements import CAUSES
from ledger.core.registrations import from_body
from ledger.store.source import Connection, Profiles
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class _Told:
    """How a kind of movement shows in the entries that a line of it makes, and that its reverse never does."""

    stages: tuple[str, ...]
    sign: int
    opens: bool = False  # at a lot of its own, which then has the line's facts and evidence
    leaves: bool | None = None  # whether chips leave another lot by the same line
    causes: tuple[str, ...] | None = None


_KINDS: Mapping[str, _Told] = {
    "reserve": _Told(("reserved",), 1, opens=True),
    "grant": _Told(("licensed",), 1, opens=True),
    "release": _Told(("reserved", "licensed"), -1, causes=("released", "unshipped")),
    "ship": _Told(("shipped",), 1, opens=True, leaves=False),
    "receive": _Told(("received",), 1),
    "return": _Told(("shipped",), -1, causes=("return",)),
    "retire": _Told(("installed",), -1, causes=CAUSES),
    "transfer": _Told(("installed",), 1, opens=True, leaves=True),
    "reexport": _Told(("shipped",), 1, opens=True, leaves=True),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are wanted: of some profiles, up to a record and, unless it is None, a day.

    least_tpp, least_chips: only of movements whose lines add up to so much. arrivals: whether it matters when what was
    shipped arrived.
    """

    profiles: Sequence[int]
    known: int
    until: date | None = None
    causes: tuple[str, ...] = ()
    least_tpp: Decimal | None = None
    least_chips: Decimal | None = None
    arrivals: bool = False


def acts(conn: Connection, profiles: Profiles, kind: str, wanted: Wanted) -> list[Act]:
    """Return the lines of movements of a kind, in the order in which they were recorded; not what was reversed."""
    return _fetch(conn, profiles, "acts", kind, wanted, {})


def first_acts(conn: Connection, profiles: Profiles, kind: str, wanted: Wanted, edges: Iterable[date]) -> list[Act]:
    """Return the earliest line of each profile between two of some days on which something changes."""
    return _fetch(conn, profiles, "first_acts", kind, wanted, {"edges": sorted(edges)})


def acts_on(
    conn: Connection, profiles: Profiles, lens: Lens, key: Key, day: date, wanted: Wanted
) -> Iterator[tuple[Act, Amount]]:
    """Yield what changed one counter on a day, with how much, in the order in which it was recorded."""
    by_id = profiles.get(wanted.profiles)
    rows = conn.execute(
        SQL["entries_on"], {"profiles": list(wanted.profiles), "day": day, "known": wanted.known}
    ).fetchall()
    arrived = _arrivals(conn, {(row[4], row[5]) for row in rows}, wanted) if wanted.arrivals else {}
    for seq, line, stage, cause, lot_seq, lot_line, number, lot_day, last_day, chips, tpp in rows:
        profile = by_id[number]
        for effect in lens.effects(stage, cause, profile, lot_day, day, last_day, chips, tpp):
            if effect.key == key and effect.day == day:
                evidence = frozenset(profile.evidence) if lot_seq == seq else frozenset()
                kind = "receive" if stage in ("received", "installed") else ""
                act = Act(seq, line, kind, cause, profile, day, chips, tpp, evidence, arrived.get((lot_seq, lot_line)))
                yield act, effect.amount


def notices(conn: Connection, duties: Iterable[str], known: int) -> list[Notice]:
    """Return what was filed because some duties ask for it, in the order in which it was recorded."""
    rows = conn.execute(SQL["notices"], {"duties": list(duties), "known": known})
    found = [from_body("notice", body, seq) for seq, body in rows]
    return [each for each in found if isinstance(each, Notice)]


def _fetch(
    conn: Connection, profiles: Profiles, query: LiteralString, kind: str, wanted: Wanted, more: dict[str, Any]
) -> list[Act]:
    if not wanted.profiles:
        return []
    told, by_id = _KINDS[kind], profiles.get(wanted.profiles)
    causes = tuple(cause for cause in told.causes or () if not wanted.causes or cause in wanted.causes)
    rows = conn.execute(SQL[query], {
        "profiles": list(wanted.profiles), "known": wanted.known, "stages": list(told.stages), "sign": told.sign,
        "opens": told.opens, "leaves": told.leaves, "causes": list(causes) if told.causes else None,
        "until": wanted.until, "least_tpp": wanted.least_tpp, "least_chips": wanted.least_chips, **more,
    }).fetchall()  # fmt: skip
    stated = {} if told.opens else _stated(conn, {row[0] for row in rows})
    arrived = _arrivals(conn, {(row[3], row[4]) for row in rows}, wanted) if wanted.arrivals else {}
    return [
        Act(seq, line, kind, cause, by_id[number], day, None if chips is None else int(chips), tpp,
            frozenset(by_id[number].evidence) if told.opens else stated.get((seq, line), frozenset()),
            arrived.get((lot_seq, lot_line)))
        for seq, line, number, lot_seq, lot_line, cause, day, chips, tpp in rows
    ]  # fmt: skip


def _stated(conn: Connection, records: set[int]) -> dict[tuple[int, int], frozenset[str]]:
    """Return the evidence that the lines of some records state; where a line opens no lot, no profile has it."""
    found: dict[tuple[int, int], frozenset[str]] = {}
    for seq, _, payload in conn.execute(SQL["payloads"], {"seqs": list(records)}) if records else ():
        for number, line in enumerate(json.loads(payload)["body"].get("lines", ()), 1):
            if "evidence" in line:
                found[seq, number] = frozenset(line["evidence"])
    return found


def _arrivals(conn: Connection, lots: set[tuple[int, int]], wanted: Wanted) -> dict[tuple[int, int], date]:
    of = {"seqs": [seq for seq, _ in lots], "lines": [line for _, line in lots], "known": wanted.known}
    return {(seq, line): day for seq, line, day in conn.execute(SQL["arrivals"], of)}
