"""`python -m tests.bench`: how fast this ledger posts and answers here, beside plain PostgreSQL in the same run.

Absolute figures belong to the machine and to the moment; ratios of one run carry over, and under 1.3 x is no
difference. The server is one of its own, durable, in a folder on disk that is removed afterwards.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit, urlunsplit

import psycopg

from ledger.posting import Writer
from schema.embedded import EmbeddedPostgres
from schema.migrate import ensure_current
from tests.bench import bench_backtest, bench_http, bench_pages, bench_posting, bench_remaining
from tests.bench.report import line
from tests.bench.world import settle

BOOKS = (("us-diffusion-2025",), ("us-diffusion-2025", "us-licensing-2026"))
FLUSHES = 200


def main() -> None:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="capledger-bench-", dir=options.folder))
    folder.chmod(0o711)  # a server started by root runs as another user, who must get through
    try:
        line(
            "machine",
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; a flush to disk {_flush(folder):,.0f} us",
        )
        with EmbeddedPostgres(folder / "server") as dsn:
            if options.what in ("all", "pages"):
                _measure_pages(_database(dsn, "bench_pages"), options)
            for n, books in enumerate(_books(options)):
                _measure(_database(dsn, f"bench_{n}"), books, options, with_reads=n == 0)
    finally:
        shutil.rmtree(folder)


def _measure(dsn: str, books: tuple[str, ...], options: argparse.Namespace, *, with_reads: bool) -> None:
    ensure_current(dsn)
    with psycopg.connect(dsn) as conn:
        writer = Writer(conn)
        world = settle(writer, books)
        if options.what == "http":
            bench_http.measure(
                dsn, writer, world, movements=options.movements, entries=options.entries, rounds=options.rounds
            )
            return
        print(f"\n{' and '.join(books)} adopted; {len(world.homes):,} recipients in {len(set(world.homes))} countries")
        bench_posting.measure(dsn, writer, world, movements=options.movements, rounds=options.rounds)
        if options.profile:
            bench_posting.profile(writer, world, movements=options.movements)
        if with_reads:
            bench_remaining.measure(dsn, writer, world, entries=options.entries)
            bench_backtest.measure(dsn)
            bench_http.measure(dsn, writer, world, movements=options.movements, entries=0, rounds=options.rounds)
        line("memory of this process, at most", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} MB")


def _books(options: argparse.Namespace) -> tuple[tuple[str, ...], ...]:
    if options.what == "pages":
        return ()
    return BOOKS[: 1 if options.quick or options.what == "http" else 2]


def _measure_pages(dsn: str, options: argparse.Namespace) -> None:
    ensure_current(dsn)
    with psycopg.connect(dsn) as conn:
        writer = Writer(conn)
        world = settle(writer, BOOKS[0], countries=bench_pages.COUNTRIES)
        bench_pages.measure(dsn, writer, world, entries=options.entries, rounds=min(options.rounds, 3))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument(
        "what", nargs="?", choices=["all", "http", "pages"], default="all", help="the server only, or its pages only"
    )
    parser.add_argument("--movements", type=int, default=2_000, help="one by one in a round; batches have ten times it")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is measured")
    parser.add_argument("--entries", type=int, default=1_000_000, help="how many there are when remaining is asked")
    parser.add_argument(
        "--quick", action="store_true", help="two rounds of few movements, 50,000 entries, one rulebook"
    )
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    parser.add_argument("--folder", help="where the server's files go; on a disk, not in memory")
    options = parser.parse_args()
    if options.quick:
        options.movements, options.rounds, options.entries = (
            min(options.movements, 500),
            2,
            min(options.entries, 50_000),
        )
    return options


def _database(server: str, name: str) -> str:
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def _flush(folder: Path) -> float:
    """Return the microseconds that writing a page and flushing it takes: what a commit cannot be faster than."""
    took = []
    with (folder / "flush").open("wb") as file:
        for _ in range(FLUSHES):
            start = time.perf_counter()
            file.write(bytes(8192))
            file.flush()
            os.fdatasync(file.fileno())
            took.append(1e6 * (time.perf_counter() - start))
    return median(took)


if __name__ == "__main__":
    main()
