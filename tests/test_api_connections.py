"""What a connection may cost: a head that never ends, one that is too long, and more connections than are held."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn

from ledger.api.connections import SPARE_CONNECTIONS, Limits, limited

PATIENCE_SECONDS = 30
PATIENT = 3_600  # so long that no test sees the end of it
ASKED = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read a body where one is asked for, and answer."""
    body = b""
    while scope["path"] != "/unread":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(limits: Limits) -> Iterator[tuple[str, int]]:
    """Serve in a thread; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, http=limited(limits), log_config=None, lifespan="off", timeout_keep_alive=PATIENT)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = server.force_exit = True
            thread.join(PATIENCE_SECONDS)


def said(connection: socket.socket) -> bytes:
    """Return everything that the server says until it hangs up."""
    told = b""
    while True:
        try:
            part = connection.recv(65_536)
        except ConnectionResetError:
            return told
        if not part:
            return told
        told += part


def dripped(connection: socket.socket, data: bytes) -> bytes:
    """Send a byte at a time until the server hangs up; return what it said."""
    connection.setblocking(False)
    until = time.monotonic() + PATIENCE_SECONDS
    told = b""
    for n in range(1_000_000):
        if time.monotonic() > until:
            raise AssertionError("the server never hung up")
        try:
            connection.send(data[n % len(data) :][:1])
            told += (part := connection.recv(65_536))
            if not part:
                return told
        except BlockingIOError:
            time.sleep(0.02)
        except (ConnectionResetError, BrokenPipeError):
            return told
    raise AssertionError("unreachable")


def code_of(told: bytes) -> tuple[int, str]:
    head, _, body = told.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)["code"]


def answers(connection: socket.socket, count: int = 1) -> bytes:
    """Return what the server says until so many answers have begun and the last of them has come."""
    told = b""
    while told.count(b"HTTP/1.1 200") < count:
        part = connection.recv(65_536)
        assert part, "hung up"
        told += part
    return told


def opened(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, PATIENCE_SECONDS)


@pytest.mark.parametrize("begun", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: he", b"\r\n"])
def test_who_begins_a_head_and_never_ends_it_is_hung_up_on(begun):
    with serving(Limits(seconds=0.3)) as address, opened(address) as connection:
        connection.sendall(begun)
        assert code_of(said(connection)) == (408, "sent_too_slowly")


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000, b"\r\n"])
def test_who_sends_a_head_byte_by_byte_is_hung_up_on(data):
    with serving(Limits(seconds=0.5)) as address, opened(address) as connection:
        dripped(connection, data)


@pytest.mark.parametrize("next_", [b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000, b"\r\n"])
def test_the_time_runs_for_each_request_of_a_connection(next_):
    with serving(Limits(seconds=0.5)) as address, opened(address) as connection:
        connection.sendall(ASKED)
        assert answers(connection)
        dripped(connection, next_)


def test_who_is_answered_before_the_body_has_come_may_not_send_it_for_ever():
    head = b"POST /unread HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n"
    with serving(Limits(seconds=0.5)) as address, opened(address) as connection:
        connection.sendall(head)
        assert answers(connection)
        dripped(connection, b"a")


def test_a_head_that_comes_in_parts_is_answered_and_so_is_what_comes_after_it():
    with serving(Limits(seconds=PATIENT)) as address, opened(address) as connection:
        for _ in range(2):
            for part in (ASKED[:7], ASKED[7:20], ASKED[20:] + ASKED[:5], ASKED[5:]):
                connection.sendall(part)
                time.sleep(0.02)
            answers(connection, 2)


def test_a_body_may_take_longer_than_a_head():
    with serving(Limits(seconds=0.3)) as address, opened(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nab")
        time.sleep(0.6)
        connection.sendall(b"cd")
        assert answers(connection)


@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * 3_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: here\r\n" + b"A: b\r\n" * 3_000 + b"\r\n",
    b"GET /" + b"a" * 3_000 + b" HTTP/1.1\r\nHost: here\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * 3_000,  # which does not end
    b"GET /" + b"a" * 3_000,
], ids=["a value", "many", "an address", "a value without end", "an address without end"])  # fmt: skip
def test_a_head_that_is_too_long_is_refused(head):
    with serving(Limits(seconds=PATIENT, head=2_000)) as address, opened(address) as connection:
        connection.sendall(head)
        assert code_of(said(connection)) == (431, "headers_too_large")


def test_a_long_body_counts_for_no_head():
    body = b"a" * 500_000
    with serving(Limits(seconds=PATIENT, head=2_000)) as address, opened(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 500000\r\n\r\n" + body + ASKED)
        assert body in answers(connection, 2)


def test_a_body_that_comes_after_its_answer_counts_for_no_head():
    with serving(Limits(seconds=PATIENT, head=2_000)) as address, opened(address) as connection:
        connection.sendall(b"POST /unread HTTP/1.1\r\nHost: here\r\nContent-Length: 500000\r\n\r\n")
        assert answers(connection)
        connection.sendall(b"a" * 500_000 + ASKED)
        assert answers(connection)


def test_a_later_head_of_a_connection_may_not_be_longer():
    with serving(Limits(seconds=PATIENT, head=2_000)) as address, opened(address) as connection:
        connection.sendall(ASKED)
        assert answers(connection)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"a" * 3_000)
        assert code_of(said(connection)) == (431, "headers_too_large")


def test_more_connections_than_are_held_are_told_to_come_back_and_those_that_are_held_are_answered():
    with serving(Limits(seconds=PATIENT, connections=3)) as address, ExitStack() as stack:
        held = [stack.enter_context(opened(address)) for _ in range(3)]
        for connection in held:
            connection.sendall(ASKED)
            assert answers(connection)
        with opened(address) as one_more:
            one_more.sendall(ASKED)
            told = said(one_more)
            assert code_of(told) == (503, "busy")
            assert b"retry-after: 1" in told.lower()
        with opened(address) as silent:
            assert code_of(said(silent)) == (503, "busy"), "who says nothing is held for a moment only"
        for connection in held:
            connection.sendall(ASKED)
            assert answers(connection)
        held.pop().close()
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            with opened(address) as again:
                again.sendall(ASKED)
                if again.recv(65_536).startswith(b"HTTP/1.1 200"):
                    break
        else:
            raise AssertionError("the place of who went away was not given to who came")


def test_beyond_all_measure_connections_are_cut():
    with serving(Limits(seconds=PATIENT, connections=0)) as address, ExitStack() as stack:
        many = [stack.enter_context(opened(address)) for _ in range(SPARE_CONNECTIONS + 5)]
        told = [said(each) for each in many]
        assert b"" in told
        assert {each.split()[1] for each in told if each} <= {b"503"}
