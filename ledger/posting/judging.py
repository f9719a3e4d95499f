"""Judging the requests of one commit, in order, each on what the ones before it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from psycopg.types.json import Jsonb

from ledger.core import four_eyes, judgments, records
from ledger.core.deciding import Judged, judge
from ledger.core.errors import Malformed
from ledger.core.facts import Stock
from ledger.core.judgments import Effects
from ledger.core.knowledge import Adoption
from ledger.core.movements import Movement
from ledger.core.records import MOVEMENT_POSTED, REQUEST_REFUSED
from ledger.core.refusals import LEAVES_KEY_OPEN, OPERATOR, Refusal
from ledger.core.theirs import is_theirs
from ledger.posting import authorizing, disputing, noticing, proposing
from ledger.posting.batch import LEDGER, Batch
from ledger.posting.declaring import stock_moves
from ledger.posting.memory import Memory
from ledger.posting.registering import Registered, known_as, register
from ledger.posting.requests import Asked, Asker, Receipt, first_difference
from schema.queries import SQL

Outcome = Receipt | tuple[Asked, int]  # answered, or to be answered by the record with that number


class RefusedTogether(Exception):
    """Ends an all-or-nothing batch at its first refusal."""

    def __init__(self, at: int, receipt: Receipt) -> None:
        super().__init__(at, receipt)
        self.at, self.receipt = at, receipt


@dataclass(slots=True)
class Judging:
    """One commit's judge: what it remembers, the batch that it fills, who asks (of each request in turn), and when.

    person: who stands behind the actor, "" where that was not said. proposal: the approved one that is carried out.
    """

    memory: Memory
    batch: Batch
    actor: str
    at: datetime
    person: str = ""
    proposal: int = 0

    def all(
        self, asked: Sequence[Asked | Receipt], askers: Sequence[Asker],
        settled: Mapping[tuple[str, str], tuple[int, bytes]], *, together: bool,
    ) -> list[Outcome]:  # fmt: skip
        """Judge requests in order, each of the asker in the same place; each sees what the ones before it did."""
        keys = [(asker.actor, "" if isinstance(each, Receipt) else each.request.key)
                for asker, each in zip(askers, asked, strict=True)]  # fmt: skip
        movements = [
            each.movement
            for key, each in zip(keys, asked, strict=True)
            if isinstance(each, Asked) and each.movement and key not in settled
        ]
        if len(movements) > 1:  # a single one fetches what it meets
            self.memory.fetch_ahead(movements)
        answers = self._answers({seq for seq, _ in settled.values()})
        outcomes: list[Outcome] = []
        within: dict[tuple[str, str], tuple[Asked, Outcome]] = {}
        for n, (asker, key, each) in enumerate(zip(askers, keys, asked, strict=True)):
            self.actor, self.person = asker.actor, asker.person
            outcome: Outcome
            if isinstance(each, Receipt):
                outcome = each
            elif key in settled:
                outcome = self._replay(each, *settled[key], answers)
            elif key in within:
                outcome = _repeat(each, *within[key])
            else:
                outcome = self._answer(each, within)
            outcomes.append(outcome)
            if together and isinstance(outcome, Receipt) and outcome.verdict == "refused":
                raise RefusedTogether(n, outcome)
        return outcomes

    def _answer(self, asked: Asked, within: dict[tuple[str, str], tuple[Asked, Outcome]]) -> Outcome:
        try:
            seq, refusal = self._judge(asked)
        except Malformed as problem:  # what it changes makes no sense with what is known
            return Receipt("refused", asked.request.key, None, "malformed", problem.message, problem.remedy)
        except proposing.KeyTaken as taken:
            return Receipt("refused", asked.request.key, None, "key_reused", taken.message, taken.remedy)
        outcome: Outcome = (asked, seq) if refusal is None else _refused(asked, refusal, seq)
        if refusal is None or refusal.code not in LEAVES_KEY_OPEN:
            self.batch.keys.append((self.actor, asked.request.key, seq, asked.fingerprint))
            within[self.actor, asked.request.key] = asked, outcome
        return outcome

    def _judge(self, asked: Asked) -> tuple[int, Refusal | None]:
        """Judge one request and add what comes of it to the batch; return its number, and why it was refused."""
        if asked.movement:
            judged = self.moved(asked, is_approved=bool(self.proposal))
            if isinstance(judged, Refusal):
                return self._refuse(asked, judged), judged
            return self._post_movement(asked, judged), judged.refusal
        if asked.kind == "discrepancy":
            return disputing.settle(
                self.memory.conn, asked, self.batch, self.memory.disputed, self.actor, self._payload(asked)
            )
        if asked.kind == "proposal":
            return proposing.propose(self, asked, self._payload(asked))
        if asked.kind == "decision":
            return proposing.decide(self, asked, self._payload(asked), self._carry_out)
        if asked.kind == "notice":
            registered = noticing.file(asked, self.actor, self.memory.position)
        else:
            registered = self.registered(asked, is_approved=bool(self.proposal))
        if isinstance(registered, Refusal):
            return self._refuse(asked, registered), registered
        return self._record(asked, registered)

    def moved(self, asked: Asked, *, is_approved: bool) -> Judged | Refusal:
        """Judge a movement, which changes nothing: what it comes to, or why its actor may not ask."""
        assert asked.movement
        if self.actor != OPERATOR and (refusal := self._may_not_reverse(asked.movement)):
            return refusal
        judged = judge(
            asked.movement, observed=asked.voice == "observation", asker=self.actor, position=self.memory.position,
            seq=self.batch.next_seq,
        )  # fmt: skip
        if not is_approved:
            four_eyes.hold(judged, self.memory.knowledge.four_eyes)
        return judged

    def registered(self, asked: Asked, *, is_approved: bool) -> Registered | Refusal:
        """Judge a fact that is to be registered, which changes nothing."""
        found = register(asked, self.actor, self.memory.knowledge)
        return found if is_approved else proposing.held(asked, found, self.memory.knowledge)

    def _carry_out(self, proposal: proposing.Proposal, asked: Asked) -> Receipt:
        """Judge what was proposed on the position of now, for who proposed it and under its own key."""
        if found := proposing.settled(self.memory.conn, proposal.actor, proposal.key):
            return self._replay(asked, *found, self._answers({found[0]}))
        judging = replace(self, actor=proposal.actor, person=proposal.person, proposal=proposal.seq)
        outcome = judging._answer(asked, {})
        return outcome if isinstance(outcome, Receipt) else Receipt("posted", asked.request.key, outcome[1])

    def _may_not_reverse(self, movement: Movement) -> Refusal | None:
        """A party reverses only what it posted itself; of what it has no part in it is not told who did."""
        number, batch = movement.reverses, self.batch
        if movement.kind != "reverse" or not is_theirs(self.actor, self.memory.position.entries_of(number) or ()):
            return None
        if batch.size < number < batch.next_seq:
            own = batch.drafts[number - batch.size - 1][0].actor
        else:
            row = self.memory.conn.execute(SQL["actor"], {"seq": number}).fetchone()
            own = row[0] if row else self.actor  # what is not there is not known, to anyone
        if own == self.actor:
            return None
        return Refusal("forbidden", f"{self.actor} may not reverse record {number}, which another posted.",
                       "Ask the operator.")  # fmt: skip

    def _post_movement(self, asked: Asked, judged: Judged) -> int:
        movement = judged.movement
        party = _exporter(judged)
        payload = self._payload(asked)
        if judged.refusal:
            # What is forbidden may name anybody: it does not come to stand among that one's records.
            is_known = party and judged.refusal.code != "forbidden" and self.memory.knowledge.knows_party(party)
            scope = party if is_known else LEDGER
            return self.batch.add(
                REQUEST_REFUSED, self.actor, asked.request.key, scope, payload, judgments.refused(judged)
            )
        seq = self.batch.next_seq
        self.batch.add(MOVEMENT_POSTED, self.actor, asked.request.key, party, payload, judgments.posted(judged, seq))
        if movement.kind == "reverse":
            self.batch.reversals.append((movement.reverses, seq))
            self.memory.position.reversals[movement.reverses] = seq
        self._take_in(seq, judged)
        self.dispute(judged.breaches, movement.effective_on, party or OPERATOR, seq)
        return seq

    def follow(self, judged: Judged, body: dict[str, Any]) -> None:
        """Add a movement that nobody asked for by key: it follows from another record, or from a day."""
        seq = self.batch.next_seq
        payload = records.payload_of("movement", self.actor, None, "request", body)
        self.batch.add(MOVEMENT_POSTED, self.actor, None, _exporter(judged), payload, judgments.posted(judged, seq))
        self._take_in(seq, judged)
        self.dispute(judged.breaches, judged.movement.effective_on, OPERATOR, seq)

    def _take_in(self, seq: int, judged: Judged) -> None:
        self.batch.made.append((seq, Effects(judged.opened, judged.entries)))
        self.memory.position.apply(seq, judged.entries, judged.opened, judged.effects)

    def dispute(self, breaches: Iterable[Refusal], day: date, owner: str, by: int | None) -> None:
        """Open a discrepancy for each breach that has none open yet for its subject and window."""
        for breach in breaches:
            if self.memory.disputed.is_new(breach):
                self.batch.open_discrepancy(breach, actor=self.actor, day=day, owner=owner, by=by)

    def _record(self, asked: Asked, registered: Registered) -> tuple[int, Refusal | None]:
        seq = self.batch.next_seq
        moves = authorizing.moves(registered, self.memory.position, seq)
        if moves and moves.judged.refusal:
            refused = judgments.refused(moves.judged)
            key = asked.request.key
            return (
                self.batch.add(REQUEST_REFUSED, self.actor, key, LEDGER, self._payload(asked), refused),
                moves.judged.refusal,
            )
        judgment = judgments.stated(registered.record_kind, registered.judged)
        self.batch.add(registered.record_kind, self.actor, asked.request.key, LEDGER, self._payload(asked), judgment)
        self.batch.facts.append(
            (seq, registered.fact_kind, registered.subject, registered.valid_from, Jsonb(registered.body))
        )
        fact = known_as(registered, seq)
        before = self.memory.knowledge.stock(registered.subject)
        self.memory.knowledge.add(fact, seq)
        self.memory.position.resolved.clear()
        if isinstance(fact, Adoption):
            self.dispute(self.memory.adopt(fact, self.batch), fact.first, OPERATOR, seq)
        if isinstance(fact, Stock):
            moves = stock_moves(fact, before, self.memory.position, seq + 1)
        if moves:
            day = moves.judged.movement.effective_on
            self.follow(moves.judged, moves.body)
            self.dispute(moves.judged.breaches, day, OPERATOR, seq)
        return seq, None

    def _refuse(self, asked: Asked, refusal: Refusal) -> int:
        return self.batch.add(
            REQUEST_REFUSED, self.actor, asked.request.key, LEDGER, self._payload(asked), judgments.refused_for(refusal)
        )

    def _answers(self, seqs: set[int]) -> dict[int, tuple[bytes, bytes | None]]:
        """Return the leaf hash of each record, and its judgment where its receipt says more than that it was posted."""
        if not seqs:
            return {}
        rows = self.memory.conn.execute(SQL["answers"], {"seqs": list(seqs)})
        return {seq: (leaf_hash, judgment) for seq, leaf_hash, judgment in rows}

    def _replay(
        self, asked: Asked, seq: int, fingerprint: bytes, answers: Mapping[int, tuple[bytes, bytes | None]]
    ) -> Receipt:
        """Give the receipt that was given before; the same key with another body is a conflict."""
        if fingerprint != asked.fingerprint:
            row = self.memory.conn.execute(SQL["payload"], {"seq": seq}).fetchone()
            assert row
            return _conflict(asked, seq, records.body_of(row[0]))
        leaf_hash, judgment = answers[seq]
        code, message, remedy = judgments.refusal_of(judgment) if judgment else ("", "", "")
        verdict = "refused" if code else "replayed"
        return Receipt(verdict, asked.request.key, seq, code, message, remedy, leaf_hash.hex())

    def _payload(self, asked: Asked) -> bytes:
        key = asked.request.key
        return records.payload_of(asked.kind, self.actor, key, asked.voice, asked.content, self.person, self.proposal)


def _exporter(judged: Judged) -> str | None:
    """Return whose scope a movement belongs to: its exporter's, else that of the lots it touches; None if unknown."""
    named, is_reverse = judged.movement.exporter, judged.movement.kind == "reverse"
    if named and not is_reverse:
        return named
    exporters = {entry.profile.exporter.party for entry in judged.entries if entry.profile.exporter}
    return exporters.pop() if len(exporters) == 1 else None


def _refused(asked: Asked, refusal: Refusal, seq: int) -> Receipt:
    return Receipt("refused", asked.request.key, seq, refusal.code, refusal.message, refusal.remedy)


def _repeat(asked: Asked, earlier: Asked, outcome: Outcome) -> Receipt:
    """Answer a key that stands twice in one batch."""
    if isinstance(outcome, Receipt):
        return outcome if asked.fingerprint == earlier.fingerprint else _conflict(asked, outcome.seq or 0, earlier.body)
    if asked.fingerprint != earlier.fingerprint:
        return _conflict(asked, outcome[1], earlier.body)
    return Receipt("replayed", asked.request.key, outcome[1])


def _conflict(asked: Asked, seq: int, before: Any) -> Receipt:
    field = first_difference(before, asked.body)
    return Receipt(
        "refused",
        asked.request.key,
        None,
        "key_reused",
        f"Key '{asked.request.key}' was used for record {seq} with another {field}.",
        "Use a new key for a new request; repeat the old one exactly to get its receipt.",
    )
