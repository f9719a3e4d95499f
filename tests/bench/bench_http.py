"""The server under 64 clients, posting single movements and asking `remaining`, beside the library and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from urllib.parse import urlencode, urlsplit

import psycopg

from ledger.posting import Request, Writer
from tests.bench.bench_posting import NEWEST, RAW, insert
from tests.bench.bench_remaining import fill
from tests.bench.report import line, table
from tests.bench.world import CHIPS, DAYS, FIRST, SEED, World, now

CLIENTS = 64
PROGRAM = Path(__file__).parent.parent / "serving.py"
LAST = FIRST + timedelta(days=DAYS)


def measure(dsn: str, writer: Writer, world: World, *, movements: int, entries: int, rounds: int) -> None:
    """Print requests per second and times, as medians of some rounds, for posting and for reading."""
    with psycopg.connect(dsn, autocommit=True) as plain:
        fill(plain, writer, world, entries)
        plain.execute("VACUUM ANALYZE")
        plain.execute(RAW)
        requests, rows = world.movements(), []
        with _served(dsn) as (pid, address):
            load = partial(_load, pid, address)
            load([_get("/health")] * CLIENTS)
            load(_questions(world, 2 * CLIENTS))  # readers learn what is known
            load([_post(each) for each in islice(requests, 1_000)])
            for _ in range(rounds):
                alone = list(islice(requests, movements))
                began = time.perf_counter()
                for request in alone:
                    writer.post([request], actor="operator", at=now())
                rows.append(("the library, one by one", len(alone) / (time.perf_counter() - began), 0.0, [], Counter()))
                asked = [_post(each) for each in islice(requests, 4 * movements)]
                rows.append((f"{CLIENTS} clients post single movements", *load(asked)))
                rows.append((f"{CLIENTS} clients ask remaining", *load(_questions(world, 2 * movements))))
                rows.append((f"{CLIENTS} clients ask /health", *load([_get("/health")] * 4 * movements)))
                plain.execute("TRUNCATE raw_journal")
                sample = plain.execute(NEWEST, (movements,)).fetchall()
                began = time.perf_counter()
                insert(plain, sample)
                rate = len(sample) / (time.perf_counter() - began)
                rows.append(("raw inserts, one per commit", rate, 0.0, [], Counter()))
    _print(rows)


Row = tuple[str, float, float, list[float], Counter[int]]


def _print(rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(name for name, *_ in rows))
    rates = {name: sorted(rate for each, rate, *_ in rows if each == name) for name in names}
    middle = {name: found[len(found) // 2] for name, found in rates.items()}
    raw, trivial = middle["raw inserts, one per commit"], middle[f"{CLIENTS} clients ask /health"]
    told = []
    for name in names:
        took = sorted(each for label, _, _, times, _ in rows if label == name for each in times)
        busy = [seconds for label, _, seconds, *_ in rows if label == name]
        told.append([
            name, f"{middle[name]:,.0f}", f"{rates[name][0]:,.0f} - {rates[name][-1]:,.0f}",
            *(f"{1e3 * took[int(len(took) * share)]:.1f}" if took else "" for share in (0.5, 0.99)),
            f"{1e6 * sum(busy) / len(busy):,.0f}" if took else "", f"{middle[name] / raw:.2f}",
            f"{middle[name] / trivial:.2f}",
        ])  # fmt: skip
    table(("", "per second", "range", "p50 ms", "p99 ms", "processor us", "to raw inserts", "to /health"), told)
    answers: Counter[int] = sum((found for *_, found in rows), Counter())
    line("statuses", ", ".join(f"{count:,} x {status}" for status, count in sorted(answers.items())))


@contextmanager
def _served(dsn: str) -> Iterator[tuple[int, str]]:
    path = os.pathsep.join([str(PROGRAM.parent), str(PROGRAM.parent.parent)])
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), dsn, "127.0.0.1", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert process.stdout
    try:
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer key-of-operator\r\n\r\n".encode()


def _post(request: Request) -> bytes:
    body = json.dumps(dict(request.raw)).encode()
    head = (
        "POST /v1/movements HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer key-of-operator\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {request.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _questions(world: World, count: int) -> list[bytes]:
    random, questions = Random(SEED), []
    for recipient in random.choices(range(len(world.homes)), cum_weights=world.weights, k=count):
        asked = {"destination": world.homes[recipient], "recipient": f"recipient-{recipient}",
                 "chip": CHIPS[recipient % 3], "authorization": "license", "on": LAST.isoformat()}  # fmt: skip
        questions.append(_get(f"/v1/remaining?{urlencode(asked)}"))
    return questions


def _load(pid: int, address: str, asked: Sequence[bytes]) -> tuple[float, float, list[float], Counter[int]]:
    """Send requests from all clients at once, each client one after the other.

    Returns their rate, the server's processor time for each in seconds, times and statuses.
    """
    where = urlsplit(address)
    queue, times, statuses = iter(asked), [], Counter[int]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for request in queue:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - began)
            statuses[int(head[9:12])] += 1
        writer.close()

    async def everybody() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return len(asked) / (time.perf_counter() - began)

    before = _processor_seconds(pid)
    rate = asyncio.run(everybody())
    return rate, (_processor_seconds(pid) - before) / len(asked), times, statuses


def _processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used; where the system does not tell, nothing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
