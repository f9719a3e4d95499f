"""The writer: locks the journal's end, judges requests in order, and writes what came of them in one commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from psycopg.types.json import Jsonb

from ledger.core import judgments, records
from ledger.core.deciding import Judged, judge, keys_of
from ledger.core.errors import Malformed, Problem
from ledger.core.judgments import Effects
from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.merkle import Frontier
from ledger.core.movements import Movement
from ledger.core.position import Place
from ledger.core.records import MOVEMENT_POSTED, REQUEST_REFUSED
from ledger.core.refusals import LEAVES_KEY_OPEN, OPERATOR, Refusal
from ledger.positions import learn, open_position
from ledger.posting import adopting, authorizing, disputing
from ledger.posting.batch import LEDGER, Batch, scopes_of, write
from ledger.posting.registering import Registered, known_as, register
from ledger.posting.requests import Asked, Receipt, Request, first_difference, read
from ledger.store.source import Connection, DatabaseSource
from ledger.store.writing import FEW
from schema.queries import SQL

MOST_HELD = 200_000  # lots and counters a writer remembers before it starts afresh

Outcome = Receipt | tuple[Asked, int]  # answered, or to be answered by the record with that number


class _Refused(Exception):
    """Ends an all-or-nothing batch at its first refusal."""

    def __init__(self, at: int, receipt: Receipt) -> None:
        super().__init__(at, receipt)
        self.at, self.receipt = at, receipt


@dataclass(slots=True)
class _Head:
    size: int
    frontier: Frontier
    recorded_at: datetime | None
    profiles: int


class Writer:
    """Writes through one connection. Remembers facts, lots and counters as of the journal's end it last wrote.

    Another writer's commit moves that end; then everything but the facts is forgotten and fetched anew. Not to be
    shared between threads.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._source = DatabaseSource(conn)
        self._knowledge = Knowledge()
        self._position = open_position(self._knowledge, self._source)
        self._size = -1

    def post(self, requests: Sequence[Request], *, actor: str, at: datetime, together: bool = False) -> list[Receipt]:
        """Judge requests in order and write what comes of them in one commit; return their receipts in order.

        Args:
            actor: who asks: a party's id, or `operator`.
            at: the moment, with its zone. Records are stamped with it, or just after the newest record's.
            together: all or nothing; otherwise each on its own.

        Raises:
            psycopg.Error: nothing was written, or, where the answer to the commit was lost, everything was: ask again
            under the same keys.
        """
        asked: list[Asked | Receipt] = [_read(request, alone=len(requests) == 1) for request in requests]
        try:
            with self._transaction(asked, actor) as (head, settled):
                batch = Batch(head.size)
                outcomes = self._judge_all(asked, settled, batch, actor, at, together)
                if not batch.drafts:
                    return [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
                self._write(batch, head, at)
        except _Refused as refused:
            return self._refuse_together(asked, refused, actor, at)
        return [_sealed(outcome, batch) for outcome in outcomes]

    # One transaction.

    @contextmanager
    def _transaction(
        self, asked: Iterable[Asked | Receipt], actor: str
    ) -> Iterator[tuple[_Head, dict[str, tuple[int, bytes]]]]:
        conn = self._conn
        keys = [each.request.key for each in asked if isinstance(each, Asked)]
        try:
            with conn.pipeline():
                locked = conn.execute(SQL["lock_head"])
                known = conn.execute(SQL["settled_keys"], {"organization": actor, "keys": keys})
            size, frontier, recorded_at, profiles = locked.fetchone() or (0, b"", None, 0)
            settled = {key: (seq, print_) for key, seq, print_ in known}
            self._catch_up(size)
            yield _Head(size, Frontier(size, frontier), recorded_at, profiles), settled
            conn.commit()
            self._position.committed()
        except BaseException:
            self._forget()
            if not conn.closed:
                conn.rollback()
            raise

    def _catch_up(self, size: int) -> None:
        """Learn what other writers recorded since; forget what they may have changed."""
        if size == self._size and len(self._position.lots) + len(self._position.counters) < MOST_HELD:
            return
        learn(self._conn, self._knowledge, size)
        self._position = open_position(self._knowledge, self._source)
        self._scopes = scopes_of(self._conn)
        self._disputed: disputing.Disputed | None = None
        self._size = size

    def _forget(self) -> None:
        self._source = DatabaseSource(self._conn)
        self._knowledge = Knowledge()
        self._position = open_position(self._knowledge, self._source)
        self._size = -1

    def _write(self, batch: Batch, head: _Head, at: datetime) -> None:
        moment = records.next_moment(at, head.recorded_at)
        few = max(len(batch.drafts), sum(len(effects.entries) for _, effects in batch.made)) <= FEW
        with self._conn.pipeline() if few else nullcontext():
            write(
                self._conn, batch, frontier=head.frontier, profiles=head.profiles, at=moment, scopes=self._scopes,
                position=self._position, known=self._source.profiles,
            )  # fmt: skip
            self._conn.commit()
        self._size = batch.size + len(batch.drafts)
        self._knowledge.seq = self._size

    # One request.

    def _judge_all(
        self, asked: Sequence[Asked | Receipt], settled: dict[str, tuple[int, bytes]], batch: Batch, actor: str,
        at: datetime, together: bool,
    ) -> list[Outcome]:  # fmt: skip
        self._prefetch([each for each in asked if isinstance(each, Asked)])
        outcomes: list[Outcome] = []
        within: dict[str, tuple[Asked, Outcome]] = {}
        for n, each in enumerate(asked):
            outcome: Outcome
            if isinstance(each, Receipt):
                outcome = each
            elif each.request.key in settled:
                outcome = self._replay(each, *settled[each.request.key])
            elif each.request.key in within:
                outcome = _repeat(each, *within[each.request.key])
            else:
                seq, refusal = self._judge(each, batch, actor, at)
                outcome = (each, seq) if refusal is None else _refused(each, refusal, seq)
                if refusal is None or refusal.code not in LEAVES_KEY_OPEN:
                    batch.keys.append((actor, each.request.key, seq, each.fingerprint))
                    within[each.request.key] = each, outcome
            outcomes.append(outcome)
            if together and isinstance(outcome, Receipt) and outcome.verdict == "refused":
                raise _Refused(n, outcome)
        return outcomes

    def _judge(self, asked: Asked, batch: Batch, actor: str, at: datetime) -> tuple[int, Refusal | None]:
        """Judge one request and add what comes of it to the batch; return its number, and why it was refused."""
        if asked.movement:
            judged = judge(
                asked.movement, observed=asked.voice == "observation", asker=actor, position=self._position,
                seq=batch.next_seq,
            )  # fmt: skip
            return self._post_movement(asked, judged, batch, actor, at), judged.refusal
        if asked.kind == "discrepancy":
            return disputing.settle(self._conn, asked, batch, actor, _payload(asked, actor))
        registered = register(asked, actor, self._knowledge)
        if isinstance(registered, Refusal):
            return self._refuse(asked, registered, batch, actor), registered
        return self._record(asked, registered, batch, actor, at)

    def _post_movement(self, asked: Asked, judged: Judged, batch: Batch, actor: str, at: datetime) -> int:
        movement = judged.movement
        party = movement.exporter or None
        payload = _payload(asked, actor)
        if judged.refusal:
            scope = party if party in self._knowledge.parties else LEDGER
            return batch.add(REQUEST_REFUSED, actor, asked.request.key, scope, payload, judgments.refused(judged))
        seq = batch.next_seq
        batch.add(MOVEMENT_POSTED, actor, asked.request.key, party, payload, judgments.posted(judged, seq))
        if movement.kind == "reverse":
            batch.reversals.append((movement.reverses, seq))
            self._position.reversals[movement.reverses] = seq
        self.take_in(batch, seq, judged)
        self.dispute(judged.breaches, batch, actor, movement.effective_on, at, party or OPERATOR, seq)
        return seq

    def take_in(self, batch: Batch, seq: int, judged: Judged) -> None:
        """Take a posted movement into the batch and the position."""
        batch.made.append((seq, Effects(judged.opened, judged.entries)))
        restored = judged.movement.kind == "reverse"
        self._position.apply(judged.entries, judged.opened, judged.effects, restored=restored)

    def dispute(
        self, breaches: Iterable[Refusal], batch: Batch, actor: str, day: date, at: datetime, owner: str, by: int | None
    ) -> None:
        """Open a discrepancy for each breach that has none open yet for its subject and window."""
        for breach in breaches:
            if self._disputed is None:
                self._disputed = disputing.Disputed(self._conn)
            if self._disputed.is_new(breach):
                batch.open_discrepancy(breach, actor=actor, day=day, at=at, owner=owner, by=by)

    def _record(
        self, asked: Asked, registered: Registered, batch: Batch, actor: str, at: datetime
    ) -> tuple[int, Refusal | None]:
        seq = batch.next_seq
        moves = authorizing.moves(registered, self._position, seq)
        if moves and moves.judged.refusal:
            return self._refuse(asked, moves.judged.refusal, batch, actor), moves.judged.refusal
        judgment = judgments.stated(registered.record_kind, registered.judged)
        batch.add(registered.record_kind, actor, asked.request.key, LEDGER, _payload(asked, actor), judgment)
        batch.facts.append(
            (seq, registered.fact_kind, registered.subject, registered.valid_from, Jsonb(registered.body))
        )
        fact = known_as(registered, seq)
        self._knowledge.add(fact, seq)
        self._position.resolved.clear()
        if isinstance(fact, Adoption):
            self._position, batch.counters, breaches = adopting.adopt(
                self._conn, self._knowledge, self._source, batch.size, fact
            )
            self.dispute(breaches, batch, actor, fact.first, at, OPERATOR, seq)
        if moves:
            moved = batch.next_seq
            payload = records.payload_of("movement", actor, None, "request", moves.body)
            batch.add(MOVEMENT_POSTED, actor, None, moves.party, payload, judgments.posted(moves.judged, moved))
            self.take_in(batch, moved, moves.judged)
        return seq, None

    def _refuse(self, asked: Asked, refusal: Refusal, batch: Batch, actor: str) -> int:
        return batch.add(
            REQUEST_REFUSED, actor, asked.request.key, LEDGER, _payload(asked, actor), judgments.refused_for(refusal)
        )

    def _replay(self, asked: Asked, seq: int, fingerprint: bytes) -> Receipt:
        """Give the receipt that was given before; the same key with another body is a conflict."""
        row = self._conn.execute(SQL["record"], {"seq": seq}).fetchone()
        if row is None:
            raise AssertionError(f"a settled key points to record {seq}, which is not there")
        _, _, payload, judgment, leaf_hash, _ = row
        if fingerprint != asked.fingerprint:
            return _conflict(asked, seq, records.body_of(payload))
        code, message, remedy = judgments.refusal_of(judgment)
        verdict = "refused" if code else "replayed"
        return Receipt(verdict, asked.request.key, seq, code, message, remedy, leaf_hash.hex())

    # All or nothing.

    def _refuse_together(
        self, asked: Sequence[Asked | Receipt], refused: _Refused, actor: str, at: datetime
    ) -> list[Receipt]:
        """Record one refusal for a whole batch, which settles no key; nothing else of it was kept."""
        first = refused.receipt
        why = f"Nothing was posted: all or nothing, and request '{first.key}' was refused: {first.message}"
        seq, leaf = None, ""
        if first.code not in ("malformed", "key_reused"):
            with self._transaction([], actor) as (head, _):
                batch = Batch(head.size)
                body = {"keys": [each.request.key for each in asked if isinstance(each, Asked)]}
                refusal = Refusal(first.code, why, first.remedy)
                payload = records.payload_of("batch", actor, None, "request", body)
                seq = batch.add(REQUEST_REFUSED, actor, None, LEDGER, payload, judgments.refused_for(refusal))
                self._write(batch, head, at)
                leaf = batch.leaves[-1].hex()
        receipts = []
        for n, each in enumerate(asked):
            key = each.key if isinstance(each, Receipt) else each.request.key
            message, remedy = (first.message, first.remedy) if n == refused.at else (why, "")
            receipts.append(Receipt("refused", key, seq, first.code, message, remedy, leaf))
        return receipts

    # Fetching ahead.

    def _prefetch(self, asked: Sequence[Asked]) -> None:
        """Fetch the lots and counters of a long batch at once; a short one fetches what it meets."""
        movements = [each.movement for each in asked if each.movement]
        if len(movements) <= 1:
            return
        position, source = self._position, self._source
        names: dict[str, None] = {}
        places: dict[Place, None] = {}
        for movement in movements:
            for line in movement.lines:
                names[line.authorization] = None
                base = self._knowledge.chip(line.chip, movement.effective_on)
                chip = (base.base_chip or base.chip) if base else ""
                place = (line.from_recipient or line.recipient, line.from_destination or line.destination, chip)
                places[place] = None
        wanted = [
            name for name in names if self._knowledge.authorization(name) and name not in position.by_authorization
        ]
        if wanted:
            position.hold_lots(wanted, source.lots_of_many(wanted))
        missing = [place for place in places if place not in position.by_place]
        if missing:
            position.hold_lots(missing, source.lots_at_many(missing))
        self._prefetch_counters([movement for movement in movements if movement.kind != "reverse"])

    def _prefetch_counters(self, movements: Sequence[Movement]) -> None:
        position = self._position
        first = min((movement.effective_on for movement in movements), default=None)
        if first is None:
            return
        keys = {key for movement in movements for key in keys_of(movement, position)}
        fetch = [key for key in keys if key not in position.counters or position.counters[key].exact_from > first]
        if fetch:
            for key, counter in self._source.counters(fetch, first).items():
                position.hold(key, counter)


def _read(request: Request, *, alone: bool) -> Asked | Receipt:
    try:
        if request.kind == "rulebook" and not alone:
            raise Malformed("kind", "An adoption computes every counter anew.", "Post it alone.")
        return read(request)
    except Malformed as problem:
        return Receipt("refused", request.key, None, "malformed", problem.message, problem.remedy)
    except Problem as problem:
        return Receipt("refused", request.key, None, "malformed", str(problem))


def _payload(asked: Asked, actor: str) -> bytes:
    return records.payload_of(asked.kind, actor, asked.request.key, asked.voice, asked.body)


def _sealed(outcome: Outcome, batch: Batch) -> Receipt:
    """Return a receipt with the leaf hash of the record that was just written."""
    receipt = outcome if isinstance(outcome, Receipt) else Receipt("posted", outcome[0].request.key, outcome[1])
    if receipt.seq is None or receipt.seq <= batch.size:
        return receipt
    return replace(receipt, leaf_hash=batch.leaves[receipt.seq - batch.size - 1].hex())


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
