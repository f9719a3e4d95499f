"""Readers in processes of their own answer as those in threads do, many from one snapshot, and come back when lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import pytest
from client import found
from doorway import PEOPLE, StandIn, bearer, serving

from ledger.api.answerer import Answerer
from ledger.api.questions import Question

ASKED = {"destination": "MY", "recipient": "dc", "chip": "nvidia-h100-sxm5-80", "authorization": "license",
         "exporter": "nvidia"}  # fmt: skip
QUESTIONS: list[tuple[str, Mapping[str, str]]] = [
    ("operator", {}),
    ("exporter", {}),
    ("other", {}),  # asks for another's exports
    ("operator", {"on": "2025-06-01"}),
    ("operator", {"on": "2024-06-01"}),
    ("operator", {"recipient": "nobody"}),
    ("operator", {"chip": "no-such-chip"}),
    ("operator", {"destination": "Malaysia"}),
    ("operator", {"known": "1"}),
    ("regulator", {"end_use": "research"}),
]
KEPT = ("etag", "capledger-on", "capledger-known", "capledger-journal", "capledger-rulebook", "content-type", "vary")


@pytest.fixture
def founded(dsn):
    found(dsn)
    return dsn


def asked(client: Any, role: str, changed: Mapping[str, str]) -> tuple[Any, ...]:
    answer = client.get("/v1/remaining", params={**ASKED, **changed}, headers=bearer(role))
    return answer.status_code, answer.json(), [answer.headers.get(name) for name in KEPT]


def test_processes_answer_as_threads_do_alone_and_together(founded):
    with serving(founded) as client:
        expected = [asked(client, *question) for question in QUESTIONS]
    assert {status for status, *_ in expected} >= {200, 403, 404, 422}
    with serving(founded, processes=2) as client, ThreadPoolExecutor(8) as pool:
        assert [asked(client, *question) for question in QUESTIONS] == expected
        together = list(pool.map(lambda question: asked(client, *question), QUESTIONS * 8))
    assert together == expected * 8


def test_a_group_is_answered_from_one_snapshot_and_one_that_fails_harms_no_other(founded):
    class Failing(StandIn):
        def left_for(self, principal: Any, view: Any, **question: Any) -> Any:
            if question["chip"] == "defect":
                raise ZeroDivisionError
            if question["chip"] == "slow":
                view.conn.execute("SELECT pg_sleep(30)")
            return super().left_for(principal, view, **question)

    def question(chip: str) -> Question:
        query = urlencode({**ASKED, "chip": chip, "on": "2025-06-01"}).encode()
        return Question(PEOPLE["key-of-operator"], "/v1/remaining", query, "", "")

    answerer = Answerer(founded, "-c statement_timeout=300", Failing())
    chips = ["nvidia-h100-sxm5-80", "defect", "slow", "no-such-chip", "nvidia-h100-sxm5-80"]
    with closing(answerer):
        told = answerer.answers([question(chip) for chip in chips])
        alone = answerer.answers([question(chips[0])])
    assert [each.status for each in told] == [200, 0, 504, 404, 200]
    assert b"ZeroDivisionError" in told[1].body
    assert told[0] == told[4] == alone[0]


def test_a_reader_process_that_dies_is_started_again_and_its_question_answered(founded):
    with serving(founded, processes=1) as client:
        first = asked(client, "operator", {})
        readers = client.app.state.desk.readers
        before = readers.processes[0]
        os.kill(before.pid, signal.SIGKILL)
        before.wait()
        assert asked(client, "operator", {}) == first
        after = readers.processes[0]
        assert after.pid != before.pid
    assert after.poll() is not None, "the server has ended, its reader has not"
