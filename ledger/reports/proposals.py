"""Proposals as known at a record: what waits for a second person, what it would come to, and what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from ledger.core import four_eyes
from ledger.core.asof import end_of
from ledger.core.errors import NotFound
from ledger.core.facts import FourEyes
from ledger.reports.reader import View, record_at
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided of a proposal. seq: its record. state: `approved` or `declined`.

    came_of: verdict, key, seq, code, message and remedy, where they say something, of what was approved; None of what
    was declined.
    """

    seq: int
    state: str
    person: str
    note: str
    decided_at: datetime
    came_of: dict[str, Any] | None

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "record": self.seq,
            "state": self.state,
            "person": self.person,
            "note": self.note,
            "decided_at": self.decided_at.isoformat(),
            "came_of": self.came_of,
        }


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal. id: its record. kind, key, voice and request: what is proposed. actor, person: who proposes it.

    would: the judgment that it would have got when it was made. decision: None while it waits.
    """

    id: int
    actor: str
    person: str
    kind: str
    key: str
    voice: str
    note: str
    request: dict[str, Any]
    would: dict[str, Any]
    proposed_at: datetime
    decision: Decision | None

    @property
    def state(self) -> str:
        """`open`, `approved` or `declined`."""
        return self.decision.state if self.decision else "open"

    @property
    def what(self) -> str:
        """What is proposed, in a few words."""
        return "; ".join(_in_words(self.kind, self.request))

    @property
    def foreseen(self) -> str:
        """What it would have come to when it was made, in a few words."""
        if refusal := self.would.get("refusal"):
            return f"refused, {refusal['code']}: {refusal['message']}"
        breaches = [breach["message"] for breach in self.would.get("breaches", ())]
        return " ".join([f"posted; {len(breaches)} over already:", *breaches]) if breaches else "posted"

    def body(self) -> dict[str, Any]:
        """Return it as JSON. The texts of a rulebook are given by their hashes."""
        request = dict(self.request)
        if "bundle" in request:
            texts = request["bundle"].items()
            request["bundle"] = {name: sha256(text.encode()).hexdigest() for name, text in texts}
        return {
            "id": self.id,
            "state": self.state,
            "what": self.what,
            "kind": self.kind,
            "key": self.key,
            "voice": self.voice,
            "request": request,
            "actor": self.actor,
            "person": self.person,
            "note": self.note,
            "proposed_at": self.proposed_at.isoformat(),
            "would": self.would,
            "decision": self.decision.body() if self.decision else None,
        }


def proposals(view: View, *, decided: bool = False, by: date | None = None) -> list[Proposal]:
    """Return the proposals that wait at the view's record, oldest first; the decided ones too where asked for.

    Args:
        by: as they stood when this day ended; what was proposed or decided later is left out.
    """
    rows = view.conn.execute(SQL["proposals"], {"known": _known_by(view, by), "decided": decided})
    return [_proposal(*row) for row in rows]


def proposal(view: View, number: int, *, by: date | None = None) -> Proposal:
    """Return one proposal. Raises `NotFound` where no record up to the view's makes it.

    Args:
        by: as it stood when this day ended.
    """
    known = _known_by(view, by)
    row = view.conn.execute(SQL["proposal_known"], {"known": known, "seq": number}).fetchone()
    if row is None:
        raise NotFound(
            f"There is no proposal {number} up to record {known:,}.", "List them with capledger proposals --all."
        )
    return _proposal(*row)


def _known_by(view: View, by: date | None) -> int:
    """Return the last record up to the view's that was there when a day ended."""
    return view.known if by is None else min(view.known, record_at(view.conn, end_of(by), view.size))


def second_person(view: View) -> FourEyes:
    """Return what needs a second person at the view's record; nothing where none was ever required."""
    return view.position.knowledge.four_eyes


def second_person_body(required: FourEyes) -> dict[str, Any]:
    """Return a requirement as JSON, with its record; None where there is none."""
    above = four_eyes.to_body(required).get("grant_above")
    return {"kinds": list(required.kinds), "grant_above": above, "record": required.seq or None}


def _proposal(
    seq: int, at: datetime, payload: bytes, judgment: bytes, decided_by: int | None, decided_at: datetime | None,
    decided: bytes | None, judged: bytes | None,
) -> Proposal:  # fmt: skip
    asked = json.loads(payload)
    body, decision = asked["body"], None
    if decided_by is not None and decided_at and decided and judged:
        by, found = json.loads(decided), json.loads(judged)
        note = by["body"].get("note", "")
        decision = Decision(decided_by, found["state"], by["person"], note, decided_at, found.get("came_of"))
    return Proposal(
        seq, asked["actor"], asked["person"], body["kind"], body["key"], body["voice"], body.get("note", ""),
        body["body"], json.loads(judgment)["would"], at, decision,
    )  # fmt: skip


def _in_words(kind: str, body: Mapping[str, Any]) -> Iterator[str]:
    match kind:
        case "movement" if body["movement"] == "reverse":
            yield f"reverse record {body['reverses']} on {body['effective_on']}"
        case "movement":
            for line in body["lines"]:
                quantity = " ".join(str(line[name]) for name in ("quantity", "unit", "chip") if name in line)
                where = _named(line, recipient="to", destination="in", authorization="under")
                yield f"{body['movement']} {quantity}{where} on {body['effective_on']}"
        case "authorization":
            change = f"{body.get('kind', 'authorization')} {body['authorization_id']} {body.get('change', 'issued')}"
            yield change + _named(body, recipient="for", destination="in", overrides="overriding", effective_on="from")
        case "rulebook":
            yield f"adopt {body['name']}" + _named(body, **{"from": "from", "until": "until"})
        case _:
            yield f"second person for {body['kinds']}" + _named(body, grant_above="above")


def _named(body: Mapping[str, Any], **fields: str) -> str:
    return "".join(f" {word} {body[field]}" for field, word in fields.items() if field in body)
