"""How long an answer takes in a ledger of a million entries, and how fast that one still grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count, islice
from random import Random

import psycopg

from ledger.posting import Request, Writer
from ledger.reports import Reader, remaining, standings
from tests.bench.report import line, table
from tests.bench.world import CHIPS, DAYS, EXPORTERS, FIRST, SEED, World, now

AT_ONCE = 10_000
QUESTIONS, PAST_QUESTIONS, BACK_DATED = 1_000, 50, 500
LAST = FIRST + timedelta(days=DAYS)


def measure(dsn: str, writer: Writer, world: World, *, entries: int) -> None:
    """Fill the ledger up to a number of entries, then ask and print medians and 99th percentiles, in milliseconds."""
    with psycopg.connect(dsn, autocommit=True) as plain:
        _fill(plain, writer, world, entries)
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
    _dated_back(dsn, world)


def _dated_back(dsn: str, world: World) -> None:
    """Post movements dated on any earlier day, one by one: by a writer alone, and by two writers in turn."""
    random, numbers = Random(SEED), count(1)
    everyone = range(len(world.homes))

    def grant(writer: Writer) -> None:
        recipient = random.choices(everyone, cum_weights=world.weights)[0]
        day = FIRST + timedelta(days=random.randrange(DAYS))
        line = {
            "chip": CHIPS[recipient % 3], "quantity": "1", "destination": world.homes[recipient],
            "recipient": f"recipient-{recipient}", "authorization": f"L-{recipient}",
        }  # fmt: skip
        head = {"movement": "grant", "exporter": f"exporter-{recipient % EXPORTERS}", "effective_on": day.isoformat()}
        request = Request("movement", f"back-{next(numbers)}", {**head, "lines": [line]})
        writer.post([request], actor="operator", at=now())

    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        writers = Writer(one), Writer(other)
        for writer in writers:
            grant(writer)  # the first one learns the facts
        rows = [
            _asked("posting, by one writer", BACK_DATED, lambda: grant(writers[0])),
            _asked("posting, by two writers in turn", BACK_DATED, lambda: grant(writers[next(numbers) % 2])),
        ]
    print("\npostings dated back by up to 700 days, one commit each")
    table(("", "posted", "p50 ms", "p99 ms"), rows)


def _fill(plain: psycopg.Connection[tuple[int, ...]], writer: Writer, world: World, entries: int) -> None:
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
