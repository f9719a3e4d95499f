"""A reader in a process of its own: answers groups of questions, each group from one snapshot, and remembers."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
from starlette.responses import Response

from ledger.api import problems
from ledger.api.answers import Asking, Told, answered
from ledger.api.apart import asked_by, framed, receive, served
from ledger.api.questions import Question, read_question
from ledger.api.scribe import CONNECT_SECONDS
from ledger.api.writing import Down
from ledger.core.errors import Problem
from ledger.reports import Moved, Reader, View, asked_of, fetch_together

if TYPE_CHECKING:
    from ledger.api.access import Access
    from ledger.store.source import Connection

ATTENTIVE_SECONDS = 60.0  # so long after it was asked, a reader that is idle follows what is recorded
Asked = tuple[Question, Mapping[str, Any], Asking]


class Answerer:
    """Answers groups of questions on one connection; one that was lost is made anew, once."""

    def __init__(self, dsn: str, limits: str, access: Access) -> None:
        self._dsn, self._limits, self._access = dsn, limits, access
        self._conn: Connection | None = None
        self._reader: Reader | None = None

    def answers(self, group: Sequence[Question]) -> list[Told]:
        """Return an answer to each, all from one snapshot taken now; one that fails harms no other."""
        read = [_read(question) for question in group]
        asked = [each for each in read if not isinstance(each, Told)]
        answers = iter(self._answers(asked) if asked else ())
        return [each if isinstance(each, Told) else next(answers) for each in read]

    def follow(self) -> None:
        """Take in what was recorded since the last group, so that the next one need not wait for that."""
        if self._reader:
            try:
                self._reader.at_end(date.min, lambda view: None)
            except psycopg.Error:
                self.close()

    def close(self) -> None:
        """Close the connection; the next group is answered on another."""
        if self._conn:
            self._conn.close()
        self._conn = self._reader = None

    def _answers(self, group: Sequence[Asked]) -> list[Told]:
        for is_last in (False, True):
            try:
                return self._of_one_snapshot(group)
            except psycopg.Error as fault:
                if self._conn is None or self._conn.closed or self._conn.broken:
                    self.close()
                    if is_last:
                        return [_as_told(problems.of(Down()))] * len(group)
                elif len(group) > 1:  # the failure ended the snapshot for all: each is asked alone
                    return [told for each in group for told in self._answers([each])]
                elif isinstance(fault, psycopg.errors.QueryCanceled):
                    return [_as_told(problems.of(problems.TOO_SLOW))]
                else:
                    return [_defect()]
            except Exception:
                return [_defect()] * len(group)
        raise AssertionError("unreachable")

    def _of_one_snapshot(self, group: Sequence[Asked]) -> list[Told]:
        if self._conn is None or self._reader is None:
            self._conn = psycopg.connect(self._dsn, options=self._limits, connect_timeout=CONNECT_SECONDS)
            self._reader = Reader(self._conn, remembers=True)

        def ask(view: View) -> list[Told]:
            fetch_together(view, [asked_of(how.day, **stated) for _, stated, how in group])
            return [self._answer(each, view.on_day(each[2].day)) for each in group]

        return self._reader.at_end(group[0][2].day, ask)

    def _answer(self, asked: Asked, view: View) -> Told:
        question, stated, how = asked
        try:
            return answered(how, view, lambda view: self._access.left_for(question.principal, view, **stated).body())
        except Problem as fault:
            return _as_told(problems.of(fault))
        except (psycopg.Error, Moved):
            raise
        except Exception:
            return _defect()


def _read(question: Question) -> Asked | Told:
    try:
        return question, *read_question(question)
    except Problem as fault:
        return _as_told(problems.of(fault))
    except Exception:
        return _defect()


def _as_told(response: Response) -> Told:
    return Told(response.status_code, response.raw_headers, bytes(response.body))


def _defect() -> Told:
    return Told(0, (), traceback.format_exc().encode(errors="replace"))


def serve() -> None:
    """Be a reader process: settings first, then groups of questions, until the server at standard input hangs up."""
    with served() as server:
        if (settings := receive(server)) is None:
            return
        answerer, asked_at = Answerer(*settings), time.monotonic()

        def follow() -> None:
            if time.monotonic() - asked_at < ATTENTIVE_SECONDS:
                answerer.follow()

        for group in asked_by(server, follow):
            asked_at = time.monotonic()
            try:
                server.sendall(framed(answerer.answers(group)))
            except OSError:  # the server is gone
                return
