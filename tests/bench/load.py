"""What asks a server: many clients on connections of their own, with nothing between them and the sockets."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import random
from typing import cast
from urllib.parse import urlsplit

import uvloop

CLIENTS = 64
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Load:
    """What a load came to: requests per second, seconds each took, statuses, and processor time for each by process."""

    rate: float
    times: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    busy: dict[str, float] = field(default_factory=dict)


class _Client(asyncio.Protocol):
    """One client: sends a request, waits for the whole answer, sends the next; ends where there is none.

    pause: seconds from one request to the next; one whose time has come while another is answered waits, and its time
    is counted from when it should have been sent. 0: as soon as it has an answer.
    """

    def __init__(self, asked: Iterator[bytes], load: Load, pause: float) -> None:
        self._asked, self._load, self._pause = asked, load, pause
        self._got, self._needs, self._due = b"", 0, 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are no subclass
        self._next()

    def data_received(self, data: bytes) -> None:
        self._got = self._got + data if self._got else data
        if not self._needs:
            head = self._got.find(b"\r\n\r\n")
            if head < 0:
                return
            at = self._got.lower().find(_LENGTH, 0, head) + len(_LENGTH)
            self._needs = head + 4 + int(self._got[at : self._got.index(b"\r\n", at)])
        if len(self._got) >= self._needs:
            self._load.times.append(time.perf_counter() - self._began)
            self._load.statuses[int(self._got[9:12])] += 1
            self._got, self._needs = b"", 0
            self._next()

    def connection_lost(self, fault: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(fault or ConnectionError("the server hung up"))

    def _next(self) -> None:
        request = next(self._asked, None)
        if request is None:
            self.ended.set_result(None)
            self._transport.close()
            return
        now = time.perf_counter()
        if not self._pause:
            self._send(request, now)
            return
        self._due = self._due + self._pause if self._due else now + random() * self._pause
        if self._due > now:
            asyncio.get_running_loop().call_later(self._due - now, self._send, request, self._due)
        else:
            self._send(request, self._due)

    def _send(self, request: bytes, due: float) -> None:
        self._began = due
        self._transport.write(request)


def send(
    address: str, asked: Sequence[bytes], busy: Callable[[], dict[str, float]], *, per_second: float = 0.0,
    clients: int = CLIENTS,
) -> Load:  # fmt: skip
    """Send requests from all clients at once, each client one after the other.

    busy: returns the processor seconds that processes have used so far, by name; this process is added. per_second: of
    all clients together, whether or not they are answered in time; 0: each sends as soon as it has an answer.
    """
    pause = clients / per_second if per_second else 0.0
    where, queue, load = urlsplit(address), iter(asked), Load(0.0)

    async def everybody() -> float:
        loop, began = asyncio.get_running_loop(), time.perf_counter()
        made = [
            await loop.create_connection(lambda: _Client(queue, load, pause), where.hostname, where.port)
            for _ in range(clients)
        ]
        await asyncio.gather(*(client.ended for _, client in made))
        return len(asked) / (time.perf_counter() - began)

    before, own = busy(), time.process_time()
    load.rate = uvloop.run(everybody())
    load.busy = {name: (seconds - before[name]) / len(asked) for name, seconds in busy().items()}
    load.busy["clients"] = (time.process_time() - own) / len(asked)
    return load


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and what it started have used; 0 where the system does not tell."""
    found: dict[int, tuple[int, int, int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # Children that ended are in their parent's third and fourth figure.
        found[int(stat.parent.name)] = int(fields[1]), sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    own, ticks = {pid}, 0
    while more := {each for each, (parent, *_) in found.items() if parent in own} - own:
        own |= more
    for each in own & found.keys():
        ticks += found[each][1] + found[each][2]
    return ticks / os.sysconf("SC_CLK_TCK")


def parent_of(pid: int) -> int:
    """Return the process that started another; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
