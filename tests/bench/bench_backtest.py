"""How long the whole journal takes under three rulebooks side by side, and under one so tight that much is refused."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import psycopg

from ledger import rulebooks
from ledger.backtest import Backtest, backtest
from ledger.store.source import Connection
from tests.bench.report import line, table
from tests.bench.world import DAYS, FIRST

FRAMEWORK = "us-diffusion-2025"
LIMIT, TIGHT = "limit: 790_000_000 TPP", "limit: 40_000_000 TPP"  # its country allocation, and a twentieth


def measure(dsn: str) -> None:
    """Back-test a filled ledger; print the seconds it takes, the memory, and what each book makes of it."""
    text = rulebooks.read(FRAMEWORK)[0]
    assert LIMIT in text
    with psycopg.connect(dsn) as conn, tempfile.TemporaryDirectory() as folder:
        entries = (conn.execute("SELECT count(*) FROM entry").fetchone() or (0,))[0]
        conn.rollback()
        print(f"\nback-test, {entries:,} entries, load {os.getloadavg()[0]:.1f}")
        tight = Path(folder) / "tight.yaml"
        tight.write_text(text.replace(LIMIT, TIGHT).replace(f"rulebook: {FRAMEWORK}", "rulebook: tight"))
        found, took = _timed(conn, list(rulebooks.shipped()))
        one, took_one = _timed(conn, [str(tight)])
    table(
        ("rulebook", "postings", "would be refused", "counters over"),
        [
            [book.name, f"{book.postings_count:,}", f"{book.refused_count:,}", f"{book.over_count:,}"]
            for book in (*found.books, *one.books)
        ],
    )
    line(f"the {len(found.books)} shipped rulebooks", f"{took:.1f} s")
    line("the tight one", f"{took_one:.1f} s")
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    line("memory of the largest process that it started", f"{child:,} MB")


def _timed(conn: Connection, names: Sequence[str]) -> tuple[Backtest, float]:
    start = time.perf_counter()
    found = backtest(conn, names, on=FIRST + timedelta(days=DAYS))
    return found, time.perf_counter() - start
