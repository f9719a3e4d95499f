"""The server under 64 clients, posting single movements and asking `remaining`, beside the library and PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import psycopg

from ledger.posting import Request, Writer
from tests.bench.bench_posting import NEWEST, RAW, insert
from tests.bench.bench_remaining import fill
from tests.bench.load import CLIENTS, Load, parent_of, processor_seconds, send
from tests.bench.report import line, table
from tests.bench.world import CHIPS, DAYS, FIRST, SEED, World, now

WARM, WARM_POSTS = 60_000, 10_000  # questions and movements before the first that counts
STEADY = 1_000
SPREAD_DAYS = 30
BUSY = ("server", "postgres", "clients")
PROGRAM = Path(__file__).parent.parent / "serving.py"
LAST = FIRST + timedelta(days=DAYS)


def measure(dsn: str, writer: Writer, world: World, *, movements: int, entries: int, rounds: int) -> None:
    """Print requests per second and times, as medians of some rounds, for posting and for reading."""
    with psycopg.connect(dsn, autocommit=True) as plain:
        fill(plain, writer, world, entries)
        plain.execute("VACUUM ANALYZE")
        plain.execute(RAW)
        backend = plain.execute("SELECT pg_backend_pid()").fetchone()
        postgres = parent_of(backend[0]) if backend else 0
        requests, rows, questions = world.movements(), list[Row](), questions_of(world)
        for _ in range(rounds):  # before there is a server: where another writes too, its writer fetches all anew
            alone = list(islice(requests, movements))
            rows.append(("the library, one by one", _timed(alone, partial(_post_alone, writer))))
        with _served(dsn) as (pid, address):

            def load(name: str, asked: Sequence[bytes], per_second: float = 0.0) -> None:
                rows.append((name, send(address, asked, busy, per_second=per_second)))

            def busy() -> dict[str, float]:
                return {"server": processor_seconds(pid), "postgres": processor_seconds(postgres)}

            send(address, [_get("/health")] * CLIENTS, busy)
            send(address, list(islice(questions, WARM)), busy)  # readers learn what is known
            send(address, [_post(each) for each in islice(requests, WARM_POSTS)], busy)
            for _ in range(rounds):
                load(
                    f"{CLIENTS} clients post single movements",
                    [_post(each) for each in islice(requests, 4 * movements)],
                )
                asked = 4 * movements
                load(f"{CLIENTS} clients ask remaining", list(islice(questions, asked)))
                load(f"the same, {STEADY:,} a second in all", list(islice(questions, asked)), STEADY)
                load(f"{CLIENTS} clients ask /health", [_get("/health")] * asked)
                plain.execute("TRUNCATE raw_journal")
                sample = plain.execute(NEWEST, (movements,)).fetchall()
                rows.append(("raw inserts, one per commit", _timed(sample, lambda rows: insert(plain, rows))))
    _print(rows)
    line("before", f"{WARM:,} other questions and {WARM_POSTS:,} other movements; no question is asked twice")


Row = tuple[str, Load]


def _timed(what: Sequence[Any], do: Callable[[Sequence[Any]], None]) -> Load:
    began = time.perf_counter()
    do(what)
    return Load(len(what) / (time.perf_counter() - began))


def _post_alone(writer: Writer, requests: Sequence[Request]) -> None:
    for request in requests:
        writer.post([request], actor="operator", at=now())


def _print(rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(name for name, _ in rows))
    rates = {name: sorted(load.rate for each, load in rows if each == name) for name in names}
    middle = {name: found[len(found) // 2] for name, found in rates.items()}
    raw, trivial = middle["raw inserts, one per commit"], middle[f"{CLIENTS} clients ask /health"]
    told = []
    for name in names:
        loads = [load for each, load in rows if each == name]
        took = sorted(each for load in loads for each in load.times)
        told.append([
            name, f"{middle[name]:,.0f}", f"{rates[name][0]:,.0f} - {rates[name][-1]:,.0f}",
            *(f"{1e3 * took[int(len(took) * share)]:.1f}" if took else "" for share in (0.5, 0.99)),
            *(f"{1e6 * sum(load.busy[of] for load in loads) / len(loads):,.0f}" if took else "" for of in BUSY),
            f"{middle[name] / raw:.2f}", f"{middle[name] / trivial:.2f}",
        ])  # fmt: skip
    table(("", "per second", "range", "p50 ms", "p99 ms", *(f"{of} us" for of in BUSY), "to raw inserts", "to /health"),
          told)  # fmt: skip
    answers: Counter[int] = sum((load.statuses for _, load in rows), Counter())
    line("statuses", ", ".join(f"{count:,} x {status}" for status, count in sorted(answers.items())))
    line("load of the machine, last minute", f"{os.getloadavg()[0]:.1f}")


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


def questions_of(world: World) -> Iterator[bytes]:
    """Yield questions, none of them twice: of a grant or of an issued license's shipment, on any day of a month."""
    random, everyone, asked = Random(SEED), range(len(world.homes)), set[tuple[int, str, int]]()
    while True:
        for recipient in random.choices(everyone, cum_weights=world.weights, k=1_000):
            under, day = random.choice(("license", f"L-{recipient}")), random.randrange(SPREAD_DAYS)
            if (recipient, under, day) in asked:
                continue
            asked.add((recipient, under, day))
            stated = {"destination": world.homes[recipient], "recipient": f"recipient-{recipient}",
                      "chip": CHIPS[recipient % 3], "authorization": under,
                      "on": (LAST + timedelta(days=day)).isoformat()}  # fmt: skip
            yield _get(f"/v1/remaining?{urlencode(stated)}")
