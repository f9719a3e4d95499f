"""A reader in a process of its own: answers groups of questions, each group from one snapshot, and remembers."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from starlette.responses import Response

from ledger.api import problems
from ledger.api.answers import Asking, Told, answered
from ledger.api.questions import Question, read_question
from ledger.api.writing import CONNECT_SECONDS, Down
from ledger.core.errors import Problem
from ledger.reports import Moved, Reader, View, asked_of, fetch_ahead

if TYPE_CHECKING:
    from ledger.api.access import Access
    from ledger.store.source import Connection

HEAD_BYTES = 8  # the size of what follows


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
            fetch_ahead(view, [asked_of(how.day, **stated) for _, stated, how in group])
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


def framed(what: object) -> bytes:
    """Return something as bytes, after their number."""
    data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(HEAD_BYTES, "big") + data


def serve() -> None:
    """Be a reader process: settings first, then groups of questions, until the server at standard input hangs up."""
    for told in (signal.SIGINT, signal.SIGTERM):  # meant for the server, which ends this one when it is done
        signal.signal(told, signal.SIG_IGN)
    gc.set_threshold(100_000, 50, 50)  # nearly all that is made here ends by itself, and what stays is much
    with socket.socket(fileno=os.dup(0)) as server, server.makefile("rb") as asked:
        os.dup2(2, 1)  # whatever prints goes to the log
        answerer = None
        while data := asked.read(int.from_bytes(asked.read(HEAD_BYTES), "big")):
            if answerer is None:
                answerer = Answerer(*pickle.loads(data))
                continue
            try:
                server.sendall(framed(answerer.answers(pickle.loads(data))))
            except BrokenPipeError:
                return
