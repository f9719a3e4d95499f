"""What the ledger adds to a request, as bytes: facts frozen, lots opened, entries made, caps looked at, verdict.

Everything a projection holds can be read back from here. Ids never need escaping in JSON, so the hot parts are written
directly; the result is canonical, which a test holds against the encoder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.core.deciding import Judged
from ledger.core.lens import Entry
from ledger.core.lots import Lot, LotRef
from ledger.core.profile import Profile, from_body
from ledger.core.records import MOVEMENT_POSTED, PROPOSAL_DECIDED, PROPOSAL_MADE, REQUEST_REFUSED, canonical
from ledger.core.refusals import Looked, Refusal
from ledger.core.rules import RuleAnswer
from ledger.core.turning import turned_on


@dataclass(frozen=True, slots=True)
class Effects:
    """What a posted record did to chips, read back from its judgment."""

    opened: list[Lot]
    entries: list[Entry]


def posted(judged: Judged, seq: int, kind: str = MOVEMENT_POSTED) -> bytes:
    """Return the judgment of a movement that was posted as record `seq`."""
    numbers: dict[bytes, int] = {}
    contents: list[str] = []
    for lot in judged.opened:
        if lot.profile.sha256 not in numbers:
            numbers[lot.profile.sha256] = len(contents)
            contents.append(lot.profile.content.decode())
    lots = ",".join([_lot(lot, numbers[lot.profile.sha256]) for lot in judged.opened])
    return (
        f'{{"breaches":{_breaches(judged.breaches)},"caps":{_caps(judged.caps)},'
        f'"entries":[{",".join([_entry(entry) for entry in judged.entries])}],"lots":[{lots}],'
        f'"profiles":[{",".join(contents)}],{_readings(judged)}"record":"{kind}","rulebook":{judged.rulebook},"rules":{_rules(judged)},"verdict":"posted"}}'
    ).encode()


def refused(judged: Judged) -> bytes:
    """Return the judgment of a movement that was refused: every cap looked at, and why not."""
    assert judged.refusal
    readings = _turned_on(judged)
    return canonical(
        {
            **({"readings": readings} if readings else {}),
            "caps": json.loads(_caps(judged.caps)),
            "record": REQUEST_REFUSED,
            "refusal": _refusal(judged.refusal),
            "rulebook": judged.rulebook,
            "rules": json.loads(_rules(judged)),
            "verdict": "refused",
        }
    )


def refused_for(refusal: Refusal) -> bytes:
    """Return the judgment of any other request that was refused."""
    return canonical({"record": REQUEST_REFUSED, "refusal": _refusal(refusal), "verdict": "refused"})


def stated(kind: str, fact: Mapping[str, Any]) -> bytes:
    """Return the judgment of a fact that was recorded, with what was filled in."""
    return canonical({"fact": fact, "record": kind, "verdict": "posted"})


def foreseen(judgment: bytes, breaches: list[Refusal]) -> dict[str, Any]:
    """Return what a proposed request would come to, from the judgment it would get: verdict, caps, rules, breaches.

    Lots and entries are left out: they would be made anew.
    """
    would: dict[str, Any] = json.loads(judgment)
    if breaches:
        would["breaches"] = [_refusal(breach) for breach in breaches]
    return {name: value for name, value in would.items() if name not in ("entries", "lots", "profiles")}


def proposed(would: Mapping[str, Any], message: str) -> bytes:
    """Return the judgment of a proposal: what it would come to, and the same in a sentence."""
    return canonical({"message": message, "record": PROPOSAL_MADE, "verdict": "posted", "would": would})


def decided(proposal: int, state: str, came_of: Mapping[str, Any] | None, message: str) -> bytes:
    """Return the judgment of a decision: what came of the proposal, None where it was declined."""
    came = {} if came_of is None else {"came_of": came_of}
    return canonical(
        {**came, "message": message, "proposal": proposal, "record": PROPOSAL_DECIDED, "state": state,
         "verdict": "posted"}
    )  # fmt: skip


def refusal_of(judgment: bytes) -> tuple[str, str, str]:
    """Return code, message and remedy of a refusal record; where it refused nothing, only what it says if anything."""
    judged = json.loads(judgment)
    refusal = judged.get("refusal")
    return (
        (refusal["code"], refusal["message"], refusal.get("remedy", ""))
        if refusal
        else ("", judged.get("message", ""), "")
    )


def effects_of(judgment: Mapping[str, Any], seq: int, lots: Mapping[LotRef, Lot]) -> Effects:
    """Return the lots and entries of a posted record. `lots` are those that earlier records opened."""
    profiles = [from_body(body) for body in judgment["profiles"]]
    opened = [_lot_from(body, seq, profiles) for body in judgment["lots"]]
    known = {lot.ref: lot for lot in opened}
    entries = []
    for body in judgment["entries"]:
        record, line = body["lot"].split(".")
        ref = int(record), int(line)
        entries.append(_entry_from(body, known[ref] if ref in known else lots[ref]))
    return Effects(opened, entries)


def _lot(lot: Lot, number: int) -> str:
    last = f'"last_day":"{lot.last_day}",' if lot.last_day else ""
    return (
        f'{{"amount":"{plain(lot.amount)}","day":"{lot.day}",{last}"line":{lot.ref[1]},"profile":{number},'
        f'"stage":"{lot.stage}","unit":"{lot.unit}"}}'
    )


def _lot_from(body: Mapping[str, Any], seq: int, profiles: list[Profile]) -> Lot:
    return Lot(
        (seq, body["line"]), body["stage"], profiles[body["profile"]], date.fromisoformat(body["day"]),
        _day(body.get("last_day")), body["unit"], Decimal(body["amount"]),
    )  # fmt: skip


def _entry(entry: Entry) -> str:
    cause = f'"cause":"{entry.cause}",' if entry.cause else ""
    chips = "" if entry.chips is None else f'"chips":{entry.chips},'
    last = f'"last_day":"{entry.last_day}",' if entry.last_day else ""
    return (
        f'{{{cause}{chips}"day":"{entry.day}",{last}"line":{entry.line},"lot":"{entry.lot[0]}.{entry.lot[1]}",'
        f'"stage":"{entry.stage}","tpp":"{plain(entry.tpp)}"}}'
    )


def _entry_from(body: Mapping[str, Any], lot: Lot) -> Entry:
    return Entry(
        body["line"], body["stage"], body.get("cause", ""), lot.ref, lot.profile, lot.day,
        date.fromisoformat(body["day"]), _day(body.get("last_day")), body.get("chips"), Decimal(body["tpp"]),
    )  # fmt: skip


def _caps(looked: list[Looked]) -> str:
    return f"[{','.join([_cap(each) for each in looked])}]"


def _cap(looked: Looked) -> str:
    standing, key, cap = looked.standing, looked.key, looked.cap
    doubt = f'"doubt":"{plain(standing.doubt)}",' if standing.doubt else ""
    known = "undetermined" if standing.limit is None else plain(standing.limit)
    limit = "none" if cap.limit.unlimited else known
    window = f',"window":"{key.window}"' if looked.span.first else ""
    return (
        f'{{"asked":"{plain(standing.asked)}","book":{key.book},"cap":"{key.cap}","day":"{standing.day}",{doubt}'
        f'"finding":"{standing.finding}","limit":"{limit}","subject":"{key.subject}","unit":"{cap.limit.unit}",'
        f'"used":"{plain(standing.used)}"{window}}}'
    )


def _readings(judged: Judged) -> str:
    """Return the readings that a verdict turns on as a member of it; "" where there are none."""
    readings = _turned_on(judged)
    if not readings:
        return ""
    members = [f'"{name}":"{chosen}"' for name, chosen in sorted(readings.items())]
    return f'"readings":{{{",".join(members)}}},'


def _turned_on(judged: Judged) -> Mapping[str, str]:
    return turned_on([answer for _, answer in judged.answers], judged.looked)


def _rules(judged: Judged) -> str:
    return f"[{','.join([_answer(line.number, answer) for line, answer in judged.answers])}]"


def _answer(line: int, answer: RuleAnswer) -> str:
    rules = ",".join([f'"{name}"' for name in answer.rules])
    return f'{{"line":{line},"outcome":"{answer.outcome}","rules":[{rules}]}}'


def _breaches(breaches: list[Refusal]) -> str:
    return canonical([_refusal(breach) for breach in breaches]).decode() if breaches else "[]"


def _refusal(refusal: Refusal) -> dict[str, str]:
    named = {name: getattr(refusal, name) for name in Refusal.__slots__}
    return {name: value for name, value in named.items() if value}


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
