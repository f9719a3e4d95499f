"""A relay: while the database writes what was judged, the next requests are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg

from ledger.posting.ahead import Ahead
from ledger.posting.requests import Asker, Receipt, Request
from ledger.posting.writer import Writer
from ledger.store.sending import SendingConnection
from ledger.store.source import Connection
from schema.queries import SQL

Asked = Sequence[tuple[Asker, Request]]


class Came(NamedTuple):
    """What came of a group: receipts, and how long the journal was before; or the fault that kept it from coming."""

    receipts: Sequence[Receipt] = ()
    built_on: int = 0
    fault: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Sent:
    asked: Asked
    at: datetime
    ahead: Ahead


class Relay:
    """A writer that has one group under way at the most. Groups are written in the order in which they were given.

    A group is judged on what the one before it does, as if that had been written. Its own statement looks whether it
    was, under the head's lock: where anybody else wrote between the two, or a key was settled, nothing is written, and
    both are judged anew, one after the other.
    """

    def __init__(self, conn: SendingConnection, aside: Connection) -> None:
        """Write through one connection; what the group under way leaves as it is, is looked up through the other."""
        conn.autocommit = aside.autocommit = True
        for each in (conn, aside):
            each.execute(SQL["prefer_indexes"])
        self._conn = conn
        self._writer = Writer(conn, aside)
        self._sent: _Sent | None = None

    def post(self, asked: Asked, *, at: datetime, together: bool) -> list[Came]:
        """Judge a group and send it; return what came of those that are through, in the order they were given in."""
        ahead = None if together else self._judge(asked, at)
        before, as_judged = self._end()
        if ahead is None or not as_judged:
            return [*before, self._whole(asked, at, together)]
        try:
            self._conn.send(SQL["post_few_at"].encode(), [each.encode() for each in ahead.parameters])
        except psycopg.Error as fault:
            self._writer.forget()
            return [*before, Came(fault=fault)]
        self._writer.written(ahead)
        self._sent = _Sent(asked, at, ahead)
        return before

    def end(self) -> list[Came]:
        """Wait for the group that is under way, if any, and return what came of it."""
        return self._end()[0]

    def _end(self) -> tuple[list[Came], bool]:
        """Return what came of the group that is under way, if any, and whether that is what was judged."""
        sent, self._sent = self._sent, None
        if sent is None:
            return [], True
        try:
            if self._conn.came() == b"t":
                return [Came(sent.ahead.receipts(), sent.ahead.batch.size)], True
        except psycopg.Error as fault:
            self._writer.forget()
            return [Came(fault=fault)], False
        self._writer.forget()
        return [self._whole(sent.asked, sent.at, False)], False

    def _judge(self, asked: Asked, at: datetime) -> Ahead | None:
        try:
            if not self._conn.autocommit:
                self._conn.autocommit = True
            return self._writer.judge_ahead(asked, at=at)
        except Exception:  # it happens again, under the lock, and is told then
            return None

    def _whole(self, asked: Asked, at: datetime, together: bool) -> Came:
        try:
            if self._conn.autocommit:
                self._conn.autocommit = False
            receipts = self._writer.post_from_many(asked, at=at, together=together)
        except Exception as fault:
            return Came(fault=fault)
        return Came(receipts, self._writer.built_on)
