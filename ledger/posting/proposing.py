"""A second person: what is held back for one, how a request is proposed, and what a decision makes of it.

A proposal holds the whole request. It is judged when it is made, which changes nothing, and judged anew when another
person approves it: on the position of then, under its own key and actor, in the commit of the decision.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ledger.core import four_eyes, judgments
from ledger.core.deciding import Judged
from ledger.core.errors import Malformed, Problem
from ledger.core.four_eyes import NEEDS
from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.movements import fields
from ledger.core.records import PROPOSAL_DECIDED, PROPOSAL_MADE, REQUEST_REFUSED
from ledger.core.refusals import OPERATOR, Refusal
from ledger.posting import adopting, authorizing
from ledger.posting.batch import LEDGER, Batch
from ledger.posting.memory import Memory
from ledger.posting.registering import Registered, known_as
from ledger.posting.requests import Asked, Receipt, Request, read
from ledger.store.source import Connection
from schema.queries import SQL

STATE_AFTER = {"approve": "approved", "decline": "declined"}


class Judge(Protocol):
    """Who judges the requests of a commit, as far as a proposal is concerned."""

    memory: Memory
    batch: Batch
    actor: str
    person: str

    def moved(self, asked: Asked, *, is_approved: bool) -> Judged | Refusal:
        """Judge a movement, which changes nothing."""

    def registered(self, asked: Asked, *, is_approved: bool) -> Registered | Refusal:
        """Judge a fact that is to be registered, which changes nothing."""


class KeyTaken(Exception):
    """The key of a proposed request is settled already: answered, not recorded."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message, self.remedy = message, remedy


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as its record holds it, with its state: `open`, `approved` or `declined`."""

    seq: int
    actor: str
    person: str
    state: str
    decided_by: int | None
    kind: str
    key: str
    voice: str
    body: dict[str, Any]


def held(asked: Asked, found: Registered | Refusal, knowledge: Knowledge) -> Registered | Refusal:
    """Return what a registration comes to, held back where it needs a second person."""
    before, body = knowledge.four_eyes, asked.body
    needed: Refusal | None = None
    if asked.kind == "rulebook":
        needed = four_eyes.of_adoption(before, body["name"])
    elif asked.kind == "authorization":
        known = knowledge.authorization(body["authorization_id"])
        overrides = body.get("overrides") or (known.overrides if known else "")
        needed = four_eyes.of_authorization(before, body.get("change", "issued"), overrides)
    elif asked.kind == "four_eyes" and isinstance(found, Registered):
        needed = four_eyes.of_loosening(before, four_eyes.from_body(found.body, 0))
    return four_eyes.first(found if isinstance(found, Refusal) else None, needed) or found


def propose(judging: Judge, asked: Asked, payload: bytes) -> tuple[int, Refusal | None]:
    """Record a proposal with what it would come to now; return its number, and why it was refused."""
    proposed, batch = asked.proposed, judging.batch
    assert proposed
    person = _named(judging.person, "proposes")
    _refuse_taken(judging, proposed)
    would = _foresee(judging, proposed)
    refusal = would.get("refusal", {})
    if refusal.get("code") == "forbidden":
        forbidden = Refusal("forbidden", refusal["message"], refusal.get("remedy", ""))
        return _refused(batch, asked, judging.actor, payload, forbidden), forbidden
    seq = batch.next_seq
    so_far = f"refused, {refusal['code']}: {refusal['message']}" if refusal else "posted."
    message = f"Proposal {seq:,} by {person} waits for another person. Approved now, it would be {so_far}"
    batch.add(PROPOSAL_MADE, judging.actor, asked.request.key, LEDGER, payload, judgments.proposed(would, message))
    batch.proposals.append((seq, "open", None))
    batch.said[seq] = message
    return seq, None


def decide(
    judging: Judge, asked: Asked, payload: bytes, carry_out: Callable[[Proposal, Asked], Receipt]
) -> tuple[int, Refusal | None]:
    """Record a decision and, where it approves, carry out the proposal; return its number, and why it was refused."""
    batch, decision = judging.batch, asked.body["decision"]
    number = fields.whole("proposal", asked.body["proposal"])
    person = _named(judging.person, "decides")
    proposal = load(judging.memory.conn, number)
    if refusal := _may_not_decide(judging.actor, person, number, decision, proposal):
        return _refused(batch, asked, judging.actor, payload, refusal), refusal
    assert proposal
    seq = batch.add(PROPOSAL_DECIDED, judging.actor, asked.request.key, LEDGER, payload, b"")
    came_of = None
    message = f"Proposal {number:,} by {proposal.person} is {STATE_AFTER[decision]} by {person}"
    if decision == "approve":
        receipt = _carried_out(proposal, carry_out)
        came_of = {name: value for name, value in receipt._asdict().items() if value and name != "leaf_hash"}
        message += f"; {_in_words(receipt)}"
    draft, party = batch.drafts[seq - batch.size - 1]
    judgment = judgments.decided(number, STATE_AFTER[decision], came_of, f"{message.rstrip('.')}.")
    batch.drafts[seq - batch.size - 1] = draft._replace(judgment=judgment), party
    batch.decided.append({"proposal": number, "state": STATE_AFTER[decision], "seq": seq})
    batch.said[seq] = f"{message.rstrip('.')}."
    return seq, None


def load(conn: Connection, number: int) -> Proposal | None:
    """Return a proposal with its state, None where there is none of that number."""
    row = conn.execute(SQL["proposal"], {"seq": number}).fetchone()
    if row is None:
        return None
    state, decided_by, content = row
    payload = json.loads(content)
    body = payload["body"]
    return Proposal(
        number, payload["actor"], payload["person"], state, decided_by, body["kind"], body["key"], body["voice"],
        body["body"],
    )  # fmt: skip


def _named(person: str, does: str) -> str:
    if not person:
        raise Malformed("person", "person is missing.", f"Say who {does}: a second person is told by the name.")
    return person


def _refuse_taken(judging: Judge, proposed: Asked) -> None:
    """Refuse to propose what was answered for ever already."""
    key, actor, batch = proposed.request.key, judging.actor, judging.batch
    own = next((seq for organization, name, seq, _ in batch.keys if (organization, name) == (actor, key)), None)
    row = None if own else settled(judging.memory.conn, actor, key)
    seq = own or (row[0] if row else None)
    if seq:
        raise KeyTaken(f"Key '{key}' of what is proposed is settled by record {seq}.", "Propose it under a new key.")


def settled(conn: Connection, organization: str, key: str) -> tuple[int, bytes] | None:
    """Return which record answered an organization's key for ever, and its fingerprint."""
    row = conn.execute(SQL["settled_key"], {"organization": organization, "key": key}).fetchone()
    return (row[0], row[1]) if row else None


def _foresee(judging: Judge, proposed: Asked) -> dict[str, Any]:
    """Return what a request would come to now, were it approved; nothing is posted."""
    memory, seq = judging.memory, judging.batch.next_seq
    if proposed.movement:
        judged = judging.moved(proposed, is_approved=True)
        if isinstance(judged, Refusal):
            return judgments.foreseen(judgments.refused_for(judged), [])
        would = judgments.refused(judged) if judged.refusal else judgments.posted(judged, seq)
        return judgments.foreseen(would, judged.breaches)
    registered = judging.registered(proposed, is_approved=True)
    if isinstance(registered, Registered):
        moves = authorizing.moves(registered, memory.position, seq)
        refusal = moves.judged.refusal if moves else None
    else:
        refusal = registered
    if refusal or isinstance(registered, Refusal):
        assert refusal
        return judgments.foreseen(judgments.refused_for(refusal), [])
    fact = known_as(registered, seq)
    breaches: list[Refusal] = []
    if isinstance(fact, Adoption):
        breaches = adopting.foresee(memory.conn, memory.knowledge, memory.source, judging.batch.size, fact)
    return judgments.foreseen(judgments.stated(registered.record_kind, registered.judged), breaches)


def _may_not_decide(
    actor: str, person: str, number: int, decision: str, proposal: Proposal | None
) -> Refusal | None:  # fmt: skip
    """A proposal is decided once, for the operator, and approved by another person than the one who made it."""
    if actor != OPERATOR:
        return Refusal("forbidden", f"{actor} may not decide a proposal: only the operator may.", "Ask the operator.")
    if proposal is None:
        return Refusal("unknown_movement", f"There is no proposal {number}.", "Look at the open ones first.")
    if decision == "approve" and four_eyes.is_same_person(person, proposal.person):
        return Refusal(NEEDS, f"{proposal.person} made proposal {number} and cannot approve it.", "Let another person.")
    if proposal.state != "open":
        return Refusal(
            "exceeds_authorization",
            f"Proposal {number} is {proposal.state} already, by record {proposal.decided_by}.",
            "A proposal is decided once: make another.",
        )
    return None


def _carried_out(proposal: Proposal, carry_out: Callable[[Proposal, Asked], Receipt]) -> Receipt:
    try:
        request = Request(proposal.kind, proposal.key, proposal.body, proposal.voice == "observation")
        return carry_out(proposal, read(request))
    except Problem as problem:  # it could be read when it was proposed; what was learned since may make no sense of it
        return Receipt("refused", proposal.key, None, "malformed", problem.message, problem.remedy)


def _in_words(receipt: Receipt) -> str:
    if receipt.verdict == "posted":
        return f"record {receipt.seq:,} posts it under key '{receipt.key}'"
    if receipt.verdict == "replayed":
        return f"record {receipt.seq:,} had posted it already under key '{receipt.key}'"
    kept = f" by record {receipt.seq:,}" if receipt.seq else ""
    return f"it is refused{kept}, {receipt.code}: {receipt.message}"


def _refused(batch: Batch, asked: Asked, actor: str, payload: bytes, refusal: Refusal) -> int:
    judgment = judgments.refused_for(refusal)
    return batch.add(REQUEST_REFUSED, actor, asked.request.key, LEDGER, payload, judgment)
