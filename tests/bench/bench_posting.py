"""Movements per second through the writer, beside what plain PostgreSQL does with the same rows in the same run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from statistics import median

import psycopg

from ledger.posting import Request, Writer
from ledger.store.source import Connection
from ledger.store.writing import TABLES
from tests.bench import shares
from tests.bench.report import line, table
from tests.bench.world import World, now

# A table as the journal is, indexes and checks and all, but for its guards.
RAW = "CREATE TABLE IF NOT EXISTS raw_journal (LIKE journal INCLUDING ALL)"
COLUMNS = ", ".join(name for name, _ in TABLES["journal"])
INSERT = f"INSERT INTO raw_journal ({COLUMNS}) VALUES ({', '.join(['%s'] * len(TABLES['journal']))})"
NEWEST = f"SELECT {COLUMNS} FROM journal ORDER BY seq DESC LIMIT %s"
COPY = f"COPY raw_journal ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
SIZES = (1, 1_000, 10_000)

Rates = dict[str, list[float]]


def measure(dsn: str, writer: Writer, world: World, *, movements: int, rounds: int) -> None:
    """Print movements per second for each size of batch, as medians of some rounds, and their ratios to raw rows.

    Each round measures everything once, in turn, so that a busy moment of the machine meets all alike.
    """
    rates: Rates = {}
    answers: Counter[str] = Counter()
    requests = world.movements()
    with psycopg.connect(dsn, autocommit=True) as plain:
        plain.execute(RAW)
        for _ in range(rounds):
            for size in SIZES:
                count = movements if size == 1 else max(10 * movements, size)
                asked = list(islice(requests, count))
                work = partial(_post, writer, asked, size, answers)
                rates.setdefault(_name(size), []).append(_rate(count, work))
            _raw(plain, movements, rates)
    one, copied = median(rates["raw inserts, one per commit"]), median(rates["raw COPY"])
    rows = [
        [name, f"{median(found):,.0f}", f"{min(found):,.0f} - {max(found):,.0f}", f"{median(found) / one:.2f}",
         f"{median(found) / copied:.3f}"]
        for name, found in rates.items()
    ]  # fmt: skip
    table(("", "per second", f"range of {rounds}", "to raw inserts", "to raw COPY"), rows)
    line("answers", ", ".join(f"{count:,} {answer}" for answer, count in sorted(answers.items())))


def profile(writer: Writer, world: World, *, movements: int) -> None:
    """Print where the time of a movement goes, one by one and in batches of 1,000."""
    requests = world.movements()
    for size in SIZES[:2]:
        asked = list(islice(requests, movements if size == 1 else 5 * movements))
        print(f"\n{_name(size)}: where the time goes")
        shares.measure(partial(_post, writer, asked, size, Counter()), len(asked))


def _name(size: int) -> str:
    return "one by one" if size == 1 else f"batches of {size:,}"


def _post(writer: Writer, asked: list[Request], size: int, answers: Counter[str]) -> None:
    for batch in _cut(asked, size):
        answers.update(receipt.code or receipt.verdict for receipt in writer.post(batch, actor="operator", at=now()))


def _raw(plain: Connection, count: int, rates: Rates) -> None:
    """Insert the newest journal rows one per commit, then copy ten times as many in one."""
    plain.execute("TRUNCATE raw_journal")
    rows = plain.execute(NEWEST, (count,)).fetchall()
    rates.setdefault("raw inserts, one per commit", []).append(_rate(len(rows), lambda: insert(plain, rows)))
    plain.execute("TRUNCATE raw_journal")
    more = plain.execute(NEWEST, (10 * count,)).fetchall()
    rates.setdefault("raw COPY", []).append(_rate(len(more), lambda: _copy(plain, more)))


def insert(plain: Connection, rows: list[tuple[object, ...]]) -> None:
    for row in rows:
        plain.execute(INSERT, row, prepare=True)


def _copy(plain: Connection, rows: list[tuple[object, ...]]) -> None:
    with plain.cursor().copy(COPY) as copy:
        copy.set_types([kind for _, kind in TABLES["journal"]])
        for row in rows:
            copy.write_row(row)


def _rate(count: int, work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def _cut(asked: list[Request], size: int) -> Iterator[list[Request]]:
    for at in range(0, len(asked), size):
        yield asked[at : at + size]
