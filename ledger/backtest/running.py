"""Running a back-test: the journal once under each rulebook, in the order of its records. It only reads."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ledger.backtest import standing
from ledger.backtest.rejudging import TURNS_ON_A_BOOK, admits, refusal_in
from ledger.backtest.replaying import Replaying, Why
from ledger.backtest.rows import Row
from ledger.backtest.then import Then
from ledger.backtest.values import Admitted, Asked, Backtest, Finding, Refused, UnderBook
from ledger.collecting import without_collecting
from ledger.core.knowledge import Knowledge
from ledger.positions import fact_of
from ledger.reports import Reader, View
from ledger.store.source import Connection
from schema.queries import SQL

AT_ONCE = 5_000  # entries taken in together
LISTED = 20
WORTH_A_PROCESS = 20_000  # records; a shorter journal is read before another process has started


def backtest(
    conn: Connection, named: Sequence[str], *, on: date, known: int | datetime | None = None, most: int | None = LISTED
) -> Backtest:
    """Return what each rulebook makes of the journal. Books are named as `--rulebook` names them.

    Args:
        most: how many refused postings and admitted refusals to list of each book; None lists all.

    Raises:
        NotFound: there is no such record or rulebook.
    """
    names = list(dict.fromkeys(named))
    reader = Reader(conn)
    with reader.view(on=on, known=known) as view:
        at, size = view.known, view.size
    for name in names:  # a book that cannot be read is said before anything is computed
        with reader.view(on=on, known=at, rulebook=name):
            pass
    limit = at if most is None else most
    if len(names) > 1 and at >= WORTH_A_PROCESS and (cores := os.cpu_count() or 1) > 1:
        books = _in_processes(conn, names, on, at, limit, cores)
    else:
        books = [under(reader, name, on, at, limit) for name in names]
    return Backtest(on, at, size, tuple(books))


def under(reader: Reader, name: str, on: date, known: int, most: int) -> UnderBook:
    """Return what one rulebook makes of the journal up to a record."""
    with reader.view(on=on, known=known, rulebook=name) as view, without_collecting():
        return _Run(view, most).result()


def _in_processes(conn: Connection, names: list[str], on: date, known: int, most: int, cores: int) -> list[UnderBook]:
    """Return the same, each book in a process: what one snapshot holds up to a record, every later one holds too."""
    target = make_conninfo(conn.info.dsn, password=conn.info.password or None)
    context = multiprocessing.get_context("spawn")  # a connection does not survive a fork
    with ProcessPoolExecutor(min(len(names), cores), mp_context=context) as pool:
        runs = [pool.submit(_in_process, target, name, on, known, most) for name in names]
        return [run.result() for run in runs]


def _in_process(target: str, name: str, on: date, known: int, most: int) -> UnderBook:
    with psycopg.connect(target) as conn:
        return under(Reader(conn), name, on, known, most)


class _Run:
    """One book's pass over the journal."""

    def __init__(self, view: View, most: int) -> None:
        assert view.adoption
        assert view.book
        self.view, self.most, self.book = view, most, view.book
        number = view.adoption.seq
        lens, rules = view.position.lenses[number], view.position.rules[number]
        self.knowledge = Knowledge()
        self.replay = Replaying(
            view.adoption,
            lens,
            rules,
            view.profiles.all(),
            self.knowledge,
            self._learn,
            Then(view.conn, view.profiles, 0),
            most,
        )
        self.postings = self.refusals = self.admitted_count = 0
        self.admitted: list[tuple[int, str, str]] = []
        self._facts = iter(view.conn.execute(SQL["facts"], {"after": 0, "known": view.known}).fetchall())
        self._next_fact = next(self._facts, None)

    def result(self) -> UnderBook:
        """Read the journal, and return what the book makes of it."""
        self._read()
        view, replay, book = self.view, self.replay, self.book
        asked = self._asked([each.seq for each in replay.refused] + [seq for seq, _, _ in self.admitted])
        reported = view.conn.execute(SQL["observations_among"], {"seqs": replay.refused_seqs}).fetchone()
        subjects = standing.subjects(replay, view)
        return UnderBook(
            name=book.name,
            revision=book.revision,
            title=book.title,
            sha256=book.sha256,
            subjects=subjects,
            tiers=standing.tiers(view, subjects),
            postings_count=self.postings,
            refused_count=len(replay.refused_seqs),
            reported_count=reported[0] if reported else 0,
            refused_for=dict(replay.refused_for.most_common()),
            refused=tuple(_refused(each, asked[each.seq]) for each in replay.refused),
            refusals_count=self.refusals,
            admitted_count=self.admitted_count,
            admitted=tuple(Admitted(asked[seq], code, message) for seq, code, message in self.admitted),
        )

    def _read(self) -> None:
        """Take in every entry in order; ask about each refusal in its place, on what was recorded before it."""
        refusals = self._recorded_refusals()
        refusal = next(refusals, None)
        rows: list[Row] = []
        last = 0
        for row in self._entries():
            if row.seq != last:
                last = row.seq
                self.postings += 1
                if len(rows) >= AT_ONCE or (refusal and refusal[0] < last):
                    self.replay.take(rows)
                    rows = []
                while refusal and refusal[0] < last:
                    self._ask_again(*refusal)
                    refusal = next(refusals, None)
            rows.append(row)
        self.replay.take(rows)
        while refusal:
            self._ask_again(*refusal)
            refusal = next(refusals, None)

    def _entries(self) -> Iterator[Row]:
        with self.view.conn.cursor(name="entries") as cursor:
            cursor.itersize = AT_ONCE
            cursor.execute(SQL["entries_in_order"], {"known": self.view.known})
            yield from map(Row._make, cursor)

    def _recorded_refusals(self) -> Iterator[tuple[int, dict[str, Any], str, str]]:
        """Yield the refusals that turn on a rulebook: number, what was asked, code and message."""
        with self.view.conn.cursor(name="refusals") as cursor:
            cursor.execute(SQL["refusals_in_order"], {"known": self.view.known})
            for seq, _, payload, judgment in cursor:
                code, message = refusal_in(judgment)
                if code in TURNS_ON_A_BOOK:
                    self.refusals += 1
                    yield seq, json.loads(payload), code, message

    def _ask_again(self, seq: int, payload: dict[str, Any], code: str, message: str) -> None:
        self._learn(seq)
        position = self.replay.position(Then(self.view.conn, self.view.profiles, seq - 1))
        if admits(payload, position, seq):
            self.admitted_count += 1
            if len(self.admitted) < self.most:
                self.admitted.append((seq, code, message))

    def _learn(self, seq: int) -> None:
        """Take in the facts that were recorded before a record."""
        while self._next_fact and self._next_fact[0] < seq:
            number, kind, _, _, body = self._next_fact
            self.knowledge.add(fact_of(kind, body, number), number)
            self._next_fact = next(self._facts, None)

    def _asked(self, seqs: list[int]) -> dict[int, Asked]:
        rows = self.view.conn.execute(SQL["payloads"], {"seqs": seqs})
        return {seq: _asked(seq, actor, json.loads(payload)) for seq, actor, payload in rows}


def _refused(why: Why, asked: Asked) -> Refused:
    findings = [
        Finding(refusal.code, refusal.cap, refusal.subject if day else "", day, refusal.message)
        for refusal, day in why.found
    ]
    return Refused(asked, tuple(findings))


def _asked(seq: int, actor: str, payload: dict[str, Any]) -> Asked:
    body = payload["body"]
    lines = body.get("lines") or [body]
    first = lines[0]
    quantity = " ".join(str(first[name]) for name in ("quantity", "unit") if name in first)
    return Asked(
        seq, actor, payload["voice"], body.get("movement") or f"{payload['kind']} {body.get('change', '')}".strip(),
        body.get("effective_on", ""), body.get("exporter", ""), first.get("recipient", ""),
        first.get("destination", ""), first.get("chip", ""), quantity,
        first.get("authorization", body.get("authorization_id", "")), len(lines),
    )  # fmt: skip
