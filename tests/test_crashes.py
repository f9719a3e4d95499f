"""Killed in the middle: what was acknowledged is there once, nothing by half, and asking again completes it."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

import psycopg
import pytest
from client import PATIENCE_SECONDS, SERVER_LOST, Client, connected, found, movement, post
from soundness import assert_sound, recorded_keys

from ledger.posting import Receipt, Request, Writer
from schema.embedded import EmbeddedPostgres
from schema.migrate import ensure_current

ROUNDS, BATCHES, OF = 6, 24, 40
NUMBERS = count()


def file_of_movements() -> list[list[Request]]:
    """Grants, shipments and receipts, so that each batch opens lots, draws on them and moves counters."""
    return [
        [movement(kind, f"{batch}.{n} {kind}", quantity, day)
         for n in range(OF // 4)
         for kind, quantity, day in (("grant", 5, "2025-06-02"), ("ship", 3, "2025-07-01"), ("ship", 2, "2025-07-01"),
                                     ("receive", 4, "2025-08-01"))]
        for batch in range(BATCHES)
    ]  # fmt: skip


FILE = [
    [Request(each.kind, f"{each.key} {n}", each.raw) for n, each in enumerate(batch)] for batch in file_of_movements()
]
KEYS = [[each.key for each in batch] for batch in FILE]


def assert_whole(dsn: str, acknowledged: Sequence[Receipt]) -> Counter[str]:
    """Assert that the ledger is sound and holds whole batches, the acknowledged ones among them; return its keys."""
    with connected(dsn) as conn:
        # A killed client's last commit may still be on its way: who has the head's lock comes after it.
        conn.execute("SELECT size FROM head FOR UPDATE")
        conn.rollback()
        assert_sound(conn)
        kept = recorded_keys(conn)
        numbers = dict(conn.execute("SELECT key, seq FROM journal WHERE kind = 'movement.posted'").fetchall())
    assert set(kept.values()) <= {1}
    assert {receipt.verdict for receipt in acknowledged} <= {"posted", "replayed"}
    assert [receipt for receipt in acknowledged if numbers.get(receipt.key) != receipt.seq] == []
    for keys in KEYS:
        assert len(kept.keys() & set(keys)) in (0, len(keys)), "a batch is there whole or not at all"
    return kept


def assert_completed(dsn: str) -> None:
    """Assert that posting the same file again, undisturbed, puts in what is missing and nothing twice."""
    with connected(dsn) as conn:
        before = recorded_keys(conn)
        writer = Writer(conn)
        receipts = [receipt for batch in FILE for receipt in post(writer, batch)]
        told = {receipt.key: receipt.verdict for receipt in receipts}
        assert told == {key: "replayed" if key in before else "posted" for keys in KEYS for key in keys}
        assert recorded_keys(conn) == {key: 1 for keys in KEYS for key in keys}
        assert_sound(conn)


def test_a_client_killed_at_any_moment_loses_nothing_acknowledged_and_leaves_nothing_half(dsn):
    found(dsn)
    random = Random()
    acknowledged: list[Receipt] = []
    for _ in range(ROUNDS):
        client = Client(dsn, FILE)
        # It repeats what is in already; where it goes on from there, it is killed a moment later.
        for batch in iter(client.acknowledged, None):
            acknowledged += batch
            if batch[0].verdict == "posted" and random.random() < 0.4:
                break
        time.sleep(random.random() * 0.05)
        for batch in client.kill():
            acknowledged += batch
        assert client.process.returncode in (-signal.SIGKILL, 0)
        assert_whole(dsn, acknowledged)
    assert acknowledged
    assert_completed(dsn)


@pytest.fixture
def base(run_folder: Path) -> Iterator[Path]:
    """A folder for one server. Whatever a failed test left running is stopped."""
    folder = run_folder / f"crash-{os.getpid()}-{next(NUMBERS)}"
    yield folder
    for left in folder.rglob("postmaster.pid"):
        with EmbeddedPostgres(left.parent.parent):
            pass


def backends(dsn: str) -> list[int]:
    """Return the processes of the server that serve clients."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        return [pid for (pid,) in conn.execute(query)]


@pytest.mark.parametrize("victim", ["the whole server", "the process that serves the client"])
def test_a_server_killed_at_any_moment_keeps_what_it_acknowledged_and_nothing_half(base, victim):
    random = Random()
    server = EmbeddedPostgres(base)
    try:
        dsn = server.start()
        with psycopg.connect(dsn) as conn:
            durable = [conn.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
        assert durable == [("on",), ("on",)]
        ensure_current(dsn)
        found(dsn)
        acknowledged: list[Receipt] = []
        for _ in range(ROUNDS // 2):
            client = Client(dsn, FILE)
            for batch in iter(client.acknowledged, None):
                acknowledged += batch
                if batch[0].verdict == "posted" and random.random() < 0.4:
                    break
            if victim == "the whole server":
                postmaster = int((base / "data" / "postmaster.pid").read_text().split()[0])
                victims = [postmaster, *backends(dsn)]
            else:
                victims = backends(dsn)
            time.sleep(random.random() * 0.05)
            for pid in victims:
                with suppress(ProcessLookupError):  # a client that was done has left already
                    os.kill(pid, signal.SIGKILL)
            for batch in client.rest():
                acknowledged += batch
            assert client.process.returncode in (SERVER_LOST, 0)
            assert server.start() == dsn
            wait_until_up(dsn)
            assert_whole(dsn, acknowledged)
        assert acknowledged
        assert_completed(dsn)
    finally:
        server.stop()


def wait_until_up(dsn: str) -> None:
    """Wait for a server that recovers from the death of one of its processes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            psycopg.connect(dsn).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "the server does not come back"
            time.sleep(0.05)


class Wire:
    """A wire to the server that is cut at the commit: before it arrives, or before its answer does."""

    ANSWER = b"COMMIT\0"  # the server's word for a commit that is done

    def __init__(self, dsn: str, folder: Path, cut: str) -> None:
        with psycopg.connect(dsn) as conn:
            host, self._port = conn.info.host, conn.info.port
        self._server = f"{host}/.s.PGSQL.{self._port}" if host.startswith("/") else (host, self._port)
        self._cut, self._folder = cut, folder
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(folder / f".s.PGSQL.{self._port}"))
        self._door.listen()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def connect(self, dsn: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(dsn, host=str(self._folder), port=self._port)

    def _carry(self) -> None:
        near, _ = self._door.accept()
        family = socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET
        with self._door, near, socket.socket(family) as far:
            far.connect(self._server)
            while True:
                for end in select.select([near, far], [], [], PATIENCE_SECONDS)[0]:
                    said = end.recv(65536)
                    if not said or (self._cut == "before" and end is near and b"COMMIT" in said):
                        return
                    if self._cut == "after" and end is far and self.ANSWER in said:
                        return
                    (far if end is near else near).sendall(said)


@pytest.mark.parametrize("of", [1, 200])
@pytest.mark.parametrize(("cut", "then"), [("before", "posted"), ("after", "replayed")])
def test_when_the_answer_to_a_commit_is_lost_the_same_request_again_says_what_became_of_it(
    dsn, run_folder, cut, then, of
):
    found(dsn)
    folder = run_folder / f"wire-{os.getpid()}-{next(NUMBERS)}"
    folder.mkdir()
    requests = [movement("grant", f"lost {n}", 5) for n in range(of)]
    with Wire(dsn, folder, cut).connect(dsn) as conn, pytest.raises(psycopg.OperationalError):
        post(Writer(conn), requests)
    with connected(dsn) as conn:
        conn.execute("SELECT size FROM head FOR UPDATE")
        conn.rollback()
        writer = Writer(conn)
        again = post(writer, requests)
        assert {receipt.verdict for receipt in again} == {then}
        assert post(writer, requests) == [
            Receipt("replayed", each.key, each.seq, leaf_hash=each.leaf_hash) for each in again
        ]
        assert recorded_keys(conn) == {f"lost {n}": 1 for n in range(of)}
        assert_sound(conn)
