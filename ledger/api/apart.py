"""Processes of the server's own: how they are started, and how the two sides talk over a socket."""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

HEAD_BYTES = 8  # the size of what follows
IDLE_SECONDS = 0.25
WORTH_A_LOOK, MOST_UNSEEN = 200_000, 20_000_000  # values made and not ended since circles were looked for


def start(program: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a process that runs a program, with a socket as its standard input; return it, and the other end.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        with theirs:  # -P: whatever lies in the folder that the server was started in is not imported
            command = [sys.executable, "-P", "-c", program]
            return subprocess.Popen(command, stdin=theirs.fileno(), env=found), ours
    except OSError:
        ours.close()
        raise


@contextmanager
def served() -> Iterator[socket.socket]:
    """Yield the server at standard input, in a process that was started so. It ends when the server hangs up."""
    for told in (signal.SIGINT, signal.SIGTERM):  # meant for the server, which ends this one when it is done
        signal.signal(told, signal.SIG_IGN)
    gc.disable()  # nearly all that is made here ends by itself, and what stays is much: see `asked_by`
    with socket.socket(fileno=os.dup(0)) as server:
        os.dup2(2, 1)  # whatever prints goes to the log
        yield server


def framed(what: object) -> bytes:
    """Return something as bytes, after their number."""
    data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(HEAD_BYTES, "big") + data


def receive(there: socket.socket) -> Any:
    """Return the next thing that was sent framed; None once the other side is gone."""
    data = _exactly(there, int.from_bytes(_exactly(there, HEAD_BYTES), "big"))
    return pickle.loads(data) if data else None


def asked_by(server: socket.socket, idle: Callable[[], object] = lambda: None) -> Iterator[Any]:
    """Yield what the server asks, until it hangs up; `idle` is called whenever it has asked nothing for a while.

    Circles are looked for while nobody waits: it takes long, where much is remembered, and would hold up all that do.
    """
    while True:
        is_asked = bool(select.select([server], [], [], IDLE_SECONDS)[0])
        if gc.get_count()[0] > (MOST_UNSEEN if is_asked else WORTH_A_LOOK):
            gc.collect()
            gc.freeze()  # what is left stays: it is not looked through again
        if not is_asked:
            idle()
        elif (asked := receive(server)) is None:
            return
        else:
            yield asked


def _exactly(there: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        try:
            part = there.recv(size - len(found))
        except OSError:
            part = b""
        if not part:
            return b""
        found += part
    return bytes(found)
