"""The writer: locks the journal's end, has requests judged in order, and writes what comes of them in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from psycopg.pq import TransactionStatus

from ledger.collecting import without_collecting
from ledger.core import four_eyes, judgments, records
from ledger.core.deciding import judge_entries
from ledger.core.merkle import Frontier
from ledger.core.movements import Movement
from ledger.core.records import REQUEST_REFUSED
from ledger.core.refusals import OPERATOR, Refusal
from ledger.posting.ahead import Ahead, receipts_of
from ledger.posting.authorizing import release_of
from ledger.posting.batch import LEDGER, Batch, sealed
from ledger.posting.judging import Judging, RefusedTogether
from ledger.posting.memory import Memory
from ledger.posting.requests import Asked, Asker, Receipt, Request, read_or_refuse
from ledger.store import writing
from ledger.store.source import Connection
from schema.queries import SQL

AT_ONCE = 8  # requests that are posted without locking first
MOST_AHEAD = 1_000  # lines of movements that are judged on what is remembered


@dataclass(slots=True)
class _Head:
    size: int
    frontier: Frontier
    recorded_at: datetime | None
    profiles: int
    settled: dict[tuple[str, str], tuple[int, bytes]]


class Writer:
    """Writes through one connection, and remembers what it needs from commit to commit. One thread at a time."""

    def __init__(self, conn: Connection, aside: Connection | None = None) -> None:
        """Write through a connection; what is judged ahead is looked up through another, if there is one."""
        self._conn = conn
        self._memory = Memory(conn, aside)
        self._end: _Head | None = None  # the journal's end, where this writer wrote it last and alone
        self._prefers_indexes = False
        self.built_on = 0  # how long the journal was before the last commit: what a receipt names up to there is older

    def post(
        self, requests: Sequence[Request], *, actor: str, at: datetime, together: bool = False, person: str = ""
    ) -> list[Receipt]:
        """Judge requests in order and write what comes of them in one commit; return their receipts in order.

        Args:
            actor: who asks: a party's id, or `operator`.
            at: the moment, with its zone. Records are stamped with it, or just after the newest record's.
            together: all or nothing; otherwise each on its own.
            person: who stands behind the actor, from the session, key or console; recorded where it is given.

        Raises:
            Malformed: person is no name; nothing was written.
            psycopg.Error: nothing was written, or, where the answer to the commit was lost, everything was: ask again
            under the same keys.
        """
        with without_collecting():
            return self._post(requests, [Asker(actor, four_eyes.person_of(person))] * len(requests), at, together)

    def post_from_many(
        self, requests: Sequence[tuple[Asker, Request]], *, at: datetime, together: bool = False
    ) -> list[Receipt]:
        """Do the same for requests of several askers; each gets the receipt that it would get posted alone."""
        askers = [Asker(asker.actor, four_eyes.person_of(asker.person)) for asker, _ in requests]
        with without_collecting():
            return self._post([request for _, request in requests], askers, at, together)

    def _post(
        self, requests: Sequence[Request], askers: Sequence[Asker], at: datetime, together: bool
    ) -> list[Receipt]:
        if not together and (receipts := self._post_at_once(list(zip(askers, requests, strict=True)), at)) is not None:
            return receipts
        asked: list[Asked | Receipt] = [read_or_refuse(request, alone=len(requests) == 1) for request in requests]
        keys = [(asker.actor, each.request.key) for asker, each in zip(askers, asked, strict=True)
                if isinstance(each, Asked)]  # fmt: skip
        try:
            with self._commit(keys) as head:
                batch = Batch(head.size)
                judging = Judging(self._memory, batch, OPERATOR, at)
                outcomes = judging.all(asked, askers, head.settled, together=together)
                self._write(batch, head, at)
        except RefusedTogether as refused:
            return self._refuse_together(asked, refused, askers[refused.at], at)
        return receipts_of(outcomes, batch)

    def release_lapsed(self, *, on: date, at: datetime) -> int:
        """Release what lapsed before a day, reservations and the open rest of licenses; return how many lots.

        It changes no total on any day: what lapses stopped counting by itself. Doing it again finds nothing to do.
        """
        with self._commit([]) as head:
            batch, memory = Batch(head.size), self._memory
            judging = Judging(memory, batch, OPERATOR, at)
            lots = [memory.position.lots.setdefault(lot.ref, lot) for lot in memory.source.lapsed(on)]
            for lot in lots:
                assert lot.last_day
                day = lot.last_day + timedelta(days=1)
                movement = Movement("release", day, day.isoformat(), ())
                judged = judge_entries(movement, release_of(lot, lot.open, day), memory.position)
                line = {"chip": lot.profile.chip, "of": f"{lot.ref[0]}.{lot.ref[1]}"}
                body = {"effective_on": day.isoformat(), "lines": [line], "movement": "release",
                        "note": f"lapsed after {lot.last_day}"}  # fmt: skip
                judging.follow(judged, body)
            self._write(batch, head, at)
        return len(lots)

    def record(
        self, kind: str, payload: bytes, judgment: bytes, *, actor: str, at: datetime, run: Sequence[object],
        breaches: Sequence[tuple[Refusal, date]], by: str,
    ) -> int | None:  # fmt: skip
        """Record a run and the discrepancies that it opens, unless the same run is recorded already.

        Args:
            run: its row but for the record's number, beginning with number, day, rulebook and inputs.
            breaches: what it found, and the day of each. by: who opens them.

        Returns the record's number, None where there was nothing to add.
        """
        number, day, rulebook, inputs = run[:4]
        same = {"number": number, "day": day, "rulebook": rulebook, "inputs": inputs}
        with self._commit([]) as head:
            if self._conn.execute(SQL["same_run"], same).fetchone():
                return None
            batch = Batch(head.size)
            seq = batch.add(kind, actor, None, LEDGER, payload, judgment)
            batch.runs.append((seq, *run))
            judging = Judging(self._memory, batch, by, at)
            for breach, breached_on in breaches:
                judging.dispute([breach], breached_on, OPERATOR, seq)
            self._write(batch, head, at)
        return seq

    @contextmanager
    def _commit(self, keys: list[tuple[str, str]]) -> Iterator[_Head]:
        """Lock the journal's end, first and in a statement of its own; leave with everything written, or nothing.

        keys: what is asked under, each after its organization.
        """
        conn, memory = self._conn, self._memory
        try:
            with conn.pipeline():  # with the BEGIN before it
                row = conn.execute(SQL["lock_head"], _apart(keys)).fetchone()
            assert row
            size, frontier, recorded_at, profiles, actors, settled, seqs, fingerprints = row
            self.built_on = size
            others_wrote = size != memory.size
            memory.catch_up(size, profiles)
            known = zip(
                zip(actors or (), settled or (), strict=True),
                zip(seqs or (), fingerprints or (), strict=True),
                strict=True,
            )
            yield _Head(size, Frontier(size, frontier), recorded_at, profiles, dict(known))
            conn.commit()
            if others_wrote:  # locking first is quicker than judging twice
                self._end = None
        except BaseException:
            memory.forget()
            self._end = None
            if not conn.closed:
                conn.rollback()
            raise

    def _write(self, batch: Batch, head: _Head, at: datetime) -> None:
        if not batch.drafts:
            return
        rows = self._sealed(batch, head, at)
        for change in batch.closed:  # first: what is resolved may be disputed anew in the same commit
            self._conn.execute(SQL["change_discrepancy"], change)
        for decision in batch.decided:
            self._conn.execute(SQL["decide_proposal"], decision)
        writing.write(self._conn, rows)
        self._conn.commit()
        self._committed(batch, rows)

    def _sealed(self, batch: Batch, head: _Head, at: datetime) -> writing.Rows:
        memory = self._memory
        return sealed(
            batch, frontier=head.frontier, profiles=head.profiles, at=records.next_moment(at, head.recorded_at),
            scopes=memory.scopes, position=memory.position, known=memory.source.profiles,
        )  # fmt: skip

    def _committed(self, batch: Batch, rows: writing.Rows, *, is_sure: bool = True) -> None:
        frontier, recorded_at, profiles = rows.head
        self._memory.committed(batch.size + len(batch.drafts), is_sure=is_sure)
        self._end = _Head(frontier.size, frontier, recorded_at, profiles, {})

    def judge_ahead(self, requests: Sequence[tuple[Asker, Request]], *, at: datetime) -> Ahead | None:
        """Judge movements on what is remembered, and remember what they do, as if that had been written already.

        What is remembered is exact as long as the journal has not grown. Whether it has is looked at with the keys,
        under the head's lock, when it is written; if so, all this is void and `forget` has to be told.

        Returns None where they cannot be judged so.
        """
        end, memory = self._end, self._memory
        if end is None or end.size != memory.size or memory.is_full:
            return None
        asked = [read_or_refuse(request, alone=len(requests) == 1) for _, request in requests]
        movements = [each.movement for each in asked if isinstance(each, Asked) and each.movement]
        lines = sum(len(movement.lines) for movement in movements)
        if not movements or len(movements) < len(asked) or lines > MOST_AHEAD:
            return None
        askers = [Asker(asker.actor, four_eyes.person_of(asker.person)) for asker, _ in requests]
        batch, self._end = Batch(end.size), None
        try:
            with without_collecting():
                outcomes = Judging(memory, batch, OPERATOR, at).all(asked, askers, {}, together=False)
                rows = self._sealed(batch, end, at)
                actors, keys = [asker.actor for asker in askers], [request.key for _, request in requests]
                parameters = writing.parameters_of(rows, expected=end.size, askers=actors, keys=keys)
        except BaseException:
            self.forget()
            raise
        return Ahead(outcomes, batch, rows, parameters)

    def written(self, ahead: Ahead) -> None:
        """Go on from what was judged ahead: it is written, or about to be."""
        self._committed(ahead.batch, ahead.rows, is_sure=False)
        self.built_on = ahead.batch.size

    def forget(self) -> None:
        """Remember facts only: what was judged ahead was not written, and it would have changed no fact."""
        self._memory.forget_movements()
        self._end = None

    def _post_at_once(self, requests: Sequence[tuple[Asker, Request]], at: datetime) -> list[Receipt] | None:
        """Post few movements in one round trip; None where that cannot be, or somebody else wrote since."""
        conn = self._conn
        idle = conn.info.transaction_status is TransactionStatus.IDLE and not conn.autocommit
        if len(requests) > AT_ONCE or not idle or self._end is None:
            return None
        conn.autocommit = True
        try:
            if not self._prefers_indexes:
                conn.execute(SQL["prefer_indexes"])
                self._prefers_indexes = True
            ahead = self.judge_ahead(requests, at=at)
            if ahead is None:
                return None
            row = psycopg.RawCursor(conn).execute(SQL["post_few_at"], ahead.parameters).fetchone()
            if row and row[0]:
                self.written(ahead)
                return ahead.receipts()
            self.forget()
            return None
        except BaseException:
            self._memory.forget()
            self._end = None
            raise
        finally:
            if not conn.closed:
                conn.autocommit = False

    def _refuse_together(
        self, asked: Sequence[Asked | Receipt], refused: RefusedTogether, asker: Asker, at: datetime
    ) -> list[Receipt]:
        """Record one refusal for a whole batch, which settles no key; nothing else of it was kept."""
        first = refused.receipt
        why = f"Nothing was posted: all or nothing, and request '{first.key}' was refused: {first.message}"
        seq, leaf = None, ""
        if first.code not in ("malformed", "key_reused"):
            with self._commit([]) as head:
                batch = Batch(head.size)
                body = {"keys": [each.request.key for each in asked if isinstance(each, Asked)]}
                refusal = Refusal(first.code, why, first.remedy)
                payload = records.payload_of("batch", asker.actor, None, "request", body, asker.person)
                seq = batch.add(REQUEST_REFUSED, asker.actor, None, LEDGER, payload, judgments.refused_for(refusal))
                self._write(batch, head, at)
                leaf = batch.leaves[-1].hex()
        receipts = []
        for n, each in enumerate(asked):
            key = each.key if isinstance(each, Receipt) else each.request.key
            message, remedy = (first.message, first.remedy) if n == refused.at else (why, "")
            receipts.append(Receipt("refused", key, seq, first.code, message, remedy, leaf))
        return receipts


def _apart(keys: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return organizations and their keys as two lists, as the database is asked about them."""
    return {"askers": [actor for actor, _ in keys], "asked": [key for _, key in keys]}
