"""The server as a process: it says where it listens, takes requests, and stops as it is told with nothing lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest
from client import found, movement
from doorway import bearer

from ledger.cli import main

PROGRAM = Path(__file__).with_name("serving.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROGRAM.parent), str(PROGRAM.parent.parent)])}
PATIENCE_SECONDS = 60


@contextmanager
def served(dsn: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server on a port that the system chooses; yield its process and its address."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), dsn, "127.0.0.1", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr and process.stderr.read()
        yield process, address
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def founded(dsn: str) -> str:
    found(dsn)
    return dsn


def sent(key: str, quantity: int = 1) -> dict[str, object]:
    return {"headers": {**bearer("operator"), "Idempotency-Key": key},
            "json": dict(movement("grant", key, quantity).raw)}  # fmt: skip


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_writes_what_it_took_in_and_ends_well(founded, told):
    answers: list[httpx2.Response] = []
    with served(founded) as (process, address), httpx2.Client(base_url=address, timeout=PATIENCE_SECONDS) as client:
        assert client.get("/health").json() == {"status": "ok"}
        assert client.post("/v1/movements", **sent("first")).status_code == 201
        with psycopg.connect(founded) as holder:
            holder.execute("SELECT * FROM head FOR UPDATE")  # what comes now has to wait
            threads = [
                threading.Thread(target=lambda n=n: answers.append(client.post("/v1/movements", **sent(f"k{n}"))))
                for n in range(5)
            ]
            for thread in threads:
                thread.start()
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            with psycopg.connect(founded, autocommit=True) as watcher:
                while watcher.execute(waiting).fetchone() == (0,):
                    time.sleep(0.01)
            time.sleep(0.2)  # the others are queued behind the one that waits
            process.send_signal(told)
            time.sleep(0.2)
            holder.rollback()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert process.wait(PATIENCE_SECONDS) == 0
        log = process.stderr.read() if process.stderr else ""
    assert [answer.status_code for answer in answers] == [201] * 5
    assert {json.loads(line)["route"] for line in log.splitlines()} == {"/health", "/v1/movements"}
    with psycopg.connect(founded) as conn:
        assert conn.execute("SELECT count(*) FROM journal WHERE kind = 'movement.posted'").fetchone() == (6,)


def test_a_server_that_is_killed_has_posted_what_it_acknowledged(founded):
    acknowledged = []
    with served(founded) as (process, address), httpx2.Client(base_url=address, timeout=PATIENCE_SECONDS) as client:
        for n in range(20):
            acknowledged.append(client.post("/v1/movements", **sent(f"k{n}")).json()["seq"])
        process.kill()
        process.wait(PATIENCE_SECONDS)
    with served(founded) as (_, address), httpx2.Client(base_url=address, timeout=PATIENCE_SECONDS) as client:
        again = [client.post("/v1/movements", **sent(f"k{n}")) for n in range(20)]
    assert [answer.json()["seq"] for answer in again] == acknowledged
    assert {answer.headers.get("Idempotent-Replayed") for answer in again} == {"true"}


def test_a_server_takes_no_head_without_end(founded):
    with served(founded) as (_, address):
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 431 ")


def test_a_port_that_is_taken_is_said_in_a_sentence(founded):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, str(PROGRAM), founded, "127.0.0.1", str(port)],
            capture_output=True, text=True, check=False, env=ENVIRONMENT,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Nothing can listen on 127.0.0.1 port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_tells_what_it_serves_and_how_to_get_a_key(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["capledger", "serve", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "--port" in told
    assert "capledger keys issue" in told
