"""How long an answer takes in a ledger of a million entries, and how fast that one still grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from random import Random

import psycopg

from ledger.posting import Writer
from ledger.reports import Reader, remaining, standings
from tests.bench.report import line, table
from tests.bench.world import CHIPS, DAYS, FIRST, SEED, World, now

AT_ONCE = 10_000
QUESTIONS, PAST_QUESTIONS = 1_000, 50
LAST = FIRST + timedelta(days=DAYS)


def measure(dsn: str, writer: Writer, world: World, *, entries: int) -> None:
    """Fill the ledger up to a number of entries, then ask and print medians and 99th percentiles, in milliseconds."""
    with psycopg.connect(dsn, autocommit=True) as plain:
        fill(plain, writer, world, entries)
        plain.execute("VACUUM ANALYZE")  # what a server does by itself, given a few minutes
        there, records = plain.execute("SELECT count(*), max(seq) FROM entry").fetchone() or (0, 0)
    with psycopg.connect(dsn) as conn:
        reader, random = Reader(conn), Random(SEED)

        def ask(authorization: str, known: int | None = None) -> None:
            recipient = random.choices(range(len(world.homes)), cum_weights=world.weights)[0]
            name = f"L-{recipient}" if authorization == "its own" else authorization
            with reader.view(on=LAST, known=known) as view:
                remaining(
                    view, destination=world.homes[recipient], recipient=f"recipient-{recipient}",
                    chip=CHIPS[recipient % 3], authorization=name,
                )  # fmt: skip

        def overview() -> None:
            with reader.view(on=LAST) as view:
                standings(view)

        ask("license")  # the first answer learns what is known of parties, chips and licenses
        rows = [
            _asked("remaining of a license to grant", QUESTIONS, lambda: ask("license")),
            _asked("remaining of an issued license to ship", QUESTIONS, lambda: ask("its own")),
            _asked("the same, as known at half the journal", PAST_QUESTIONS, lambda: ask("license", records // 2)),
            _asked("every counter of the book on a day", PAST_QUESTIONS, overview),
        ]
    print(f"\nreading, {there:,} entries")
    table(("", "asked", "p50 ms", "p99 ms"), rows)


def fill(plain: psycopg.Connection[tuple[int, ...]], writer: Writer, world: World, entries: int) -> None:
    """Post batches until there are so many entries."""
    requests, start = world.movements(), time.perf_counter()
    posted = 0
    first: float | None = None
    while (plain.execute("SELECT count(*) FROM entry").fetchone() or (0,))[0] < entries:
        began = time.perf_counter()
        writer.post(list(islice(requests, AT_ONCE)), actor="operator", at=now())
        posted += AT_ONCE
        rate = AT_ONCE / (time.perf_counter() - began)
        first = first or rate
    if first:
        line(
            f"filling with {posted:,} movements",
            f"{posted / (time.perf_counter() - start):,.0f} per second; first batch {first:,.0f}, last {rate:,.0f}",
        )


def _asked(name: str, times: int, ask: Callable[[], None]) -> list[str]:
    took = []
    for _ in range(times):
        start = time.perf_counter()
        ask()
        took.append(1e3 * (time.perf_counter() - start))
    took.sort()
    return [name, f"{times:,}", f"{took[times // 2]:.2f}", f"{took[times * 99 // 100]:.2f}"]
