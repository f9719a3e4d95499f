"""How long every page takes in a ledger of 200 countries and a million entries, through `capledger serve`.

Each is measured as the first page of a fresh process, after a posting, on a day not asked before, and again.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from itertools import count, islice
from statistics import median
from urllib.parse import quote, urlencode, urlsplit

import psycopg

from ledger.access import keys, sessions
from ledger.posting import Request, Writer
from ledger.reconcile import reconcile_caps
from ledger.reports import Reader, standings
from tests.bench.bench_remaining import LAST, fill
from tests.bench.report import line, table
from tests.bench.world import CHIPS, World, now, posted

COUNTRIES = 200
TARGET_MS = 500
SLOW_MS = 1_000  # what takes longer is looked at less often
FRESH, POSTED, NEW_DAY, AGAIN = "fresh process", "after a posting", "new day", "again"
CASES = (FRESH, POSTED, NEW_DAY, AGAIN)
EXPORTER = "exporter-0"
MONTH = urlencode({"first": "2025-06-01", "last": "2025-06-30"})
HASTE = "CAPLEDGER_QUESTIONS_A_MINUTE"  # an exporter asks more here than a person would


def measure(dsn: str, writer: Writer, world: World, *, entries: int, rounds: int) -> None:
    """Fill the ledger, then print for each page and case the median and the longest time, in milliseconds."""
    with psycopg.connect(dsn, autocommit=True) as plain:
        fill(plain, writer, world, entries)
        _prepare(dsn, writer)
        plain.execute("VACUUM ANALYZE")
        there, profiles = plain.execute("SELECT count(*), count(DISTINCT profile) FROM entry").fetchone() or (0, 0)
    print(f"\npages: {there:,} entries, {profiles:,} profiles, {len(set(world.homes))} countries")
    measured(dsn, writer, world, rounds)


def measured(dsn: str, writer: Writer, world: World, rounds: int, only: str = "") -> None:
    """Do so in a ledger that is filled. only: part of the names of the pages that are wanted."""
    pages = [page for page in _pages(dsn, world) if only in page[0]]
    cookies = {role: _signed_in(dsn, role) for role in ("regulator", "exporter")}
    took: dict[tuple[str, str], list[float]] = {}
    sizes: dict[str, int] = {}
    days, requests = (LAST - timedelta(days=n) for n in count(1)), world.movements()
    starts: list[float] = []
    for _ in range(rounds):
        for name, role, path in pages:
            for case, ms, size in _looks(dsn, writer, requests, days, cookies[role], path, starts):
                took.setdefault((name, case), []).append(ms)
                sizes[name] = size
    rows = [
        [name, f"{sizes[name] / 1000:,.0f}", *(_told(took[name, case]) for case in CASES)] for name, *_ in pages
    ]  # fmt: skip
    table(("page, ms: median / longest", "kB", *CASES), rows)
    slow = sorted({name for (name, _), times in took.items() if max(times) > TARGET_MS})
    line("from the start of a process until it is ready, ms", _told(starts))
    line(f"over {TARGET_MS} ms", ", ".join(slow) or "none")


def _looks(
    dsn: str,
    writer: Writer,
    requests: Iterator[Request],
    days: Iterator[date],
    cookie: str,
    path: str,
    starts: list[float],
) -> Iterator[tuple[str, float, int]]:
    """Yield what one page takes in one process: case, milliseconds, size."""
    began = time.perf_counter()
    with _served(dsn) as address:
        starts.append(1e3 * (time.perf_counter() - began))
        today = _on(path, LAST)
        took, size = _look(address, cookie, today)
        yield FRESH, took, size
        times = 1 if took > SLOW_MS else 3
        for _ in range(1 if took > SLOW_MS else 8):  # each reader of the process learns what it needs
            _look(address, cookie, today)
        for _ in range(times):
            posted(writer.post(list(islice(requests, 1)), actor="operator", at=now()))
            yield POSTED, *_look(address, cookie, today)
            yield NEW_DAY, *_look(address, cookie, _on(path, next(days)))
            yield AGAIN, *_look(address, cookie, today)


def _look(address: str, cookie: str, path: str) -> tuple[float, int]:
    where = urlsplit(address)
    began = time.perf_counter()
    conn = http.client.HTTPConnection(where.hostname or "", where.port)
    conn.request("GET", path, headers={"Cookie": cookie})
    answer = conn.getresponse()
    body = answer.read()
    took = 1e3 * (time.perf_counter() - began)
    conn.close()
    if answer.status != 200:
        raise SystemExit(f"{path} was answered {answer.status}: {body[:2_000].decode()}")
    return took, len(body)


def _on(path: str, day: date) -> str:
    return f"{path}{'&' if '?' in path else '?'}on={day}"


def _told(times: Sequence[float]) -> str:
    return f"{median(times):,.0f} / {max(times):,.0f}"


@contextmanager
def _served(dsn: str) -> Iterator[str]:
    """Yield the address of a fresh `capledger serve`, once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from ledger.cli import main; main()", "serve", "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "CAPLEDGER_DATABASE_URL": dsn, HASTE: "1000000"},
    )  # fmt: skip
    assert process.stdout
    try:
        address = json.loads(process.stdout.readline())["address"]
        _look(address, "", "/ready")
        yield address
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _prepare(dsn: str, writer: Writer) -> None:
    """Record what some pages are about: a reconciliation, a proposal and a refusal."""
    with psycopg.connect(dsn) as conn:
        reconcile_caps(conn, on=LAST - timedelta(days=1), at=now())
    undone = {"movement": "reverse", "effective_on": LAST.isoformat(), "reverses": "20000", "note": "booked twice"}
    kept = {"kind": "movement", "key": "undo", "voice": "request", "body": undone, "note": "a clerk's mistake"}
    posted(writer.post([Request("four_eyes", "four-eyes", {"kinds": "reverse"})], actor="operator", at=now()))
    writer.post([Request("proposal", "undo-it", kept)], actor="operator", person="olga", at=now())


def _signed_in(dsn: str, role: str) -> str:
    with psycopg.connect(dsn) as conn:
        party = EXPORTER if role == "exporter" else ""
        _, secret = keys.issue(conn, person=f"bench-{role}", role=role, party=party, wall=False,
                               expires_at=now() + timedelta(days=1), at=now())  # fmt: skip
        session = sessions.open_session(conn, secret, at=now())
        conn.commit()
    assert session
    return f"capledger_session={session.token}"


def _pages(dsn: str, world: World) -> list[tuple[str, str, str]]:
    """Return name, role and path of every page; those of the busiest country, recipient and cap."""
    busiest = Counter(world.homes).most_common(1)[0][0]
    with psycopg.connect(dsn) as conn:
        with Reader(conn).view(on=LAST) as view:
            cap = max(standings(view, limited=True), key=lambda each: each.used_tpp)
        last = conn.execute("SELECT max(seq) FROM journal WHERE kind = 'movement.posted'").fetchone() or (0,)
        run = conn.execute("SELECT max(seq) FROM reconciliation").fetchone() or (0,)
    license_ = f"/exporter/fit?{urlencode({'authorization': 'L-0', 'chip': CHIPS[0], 'quantity': '5'})}"
    official = {
        "overview": "/", "overview at a past record": f"/?known={last[0] // 2}", "caps": "/caps",
        "caps, watched ones too": "/caps?state=all", "a cap": f"/caps/{cap.cap}",
        "a cap of one subject": f"/caps/{cap.cap}?{urlencode({'subject': cap.subject})}",
        "countries": "/countries", "a country": f"/countries/{busiest}", "recipients": "/recipients",
        "recipients by name": "/recipients?named=recipient-12", "a recipient": "/recipients/recipient-0",
        "an exporter": f"/recipients/{EXPORTER}", "an authorization": "/authorizations/L-0",
        "rulebooks": "/rulebooks", "a rulebook": "/rulebooks/us-diffusion-2025",
        "rulebooks compared": f"/rulebooks/us-diffusion-2025?{urlencode({'with': 'us-licensing-2026'})}",
        "runs": "/runs", "a run": f"/runs/{run[0]}", "discrepancies": "/discrepancies", "duties": "/duties",
        "all duties": "/duties?state=all", "proposals": "/proposals", "records": "/records",
        "records of a kind": "/records?kind=request.refused",
        "records about a recipient": "/records?about=recipient-0",
        "records about a country": f"/records?about={busiest}", "a record": f"/records/{last[0]}",
        "statements": "/statements", "statement of a recipient": f"/statements?recipient=recipient-0&{MONTH}",
        "statement of a country": f"/statements?country={busiest}&{MONTH}",
        "statement of an exporter": f"/statements?exporter={EXPORTER}&{MONTH}",
    }  # fmt: skip
    own = {
        "exporter: what is left": "/exporter", "exporter: search": f"/exporter?named={quote('recipient-12')}",
        "exporter: the fit form": "/exporter/fit", "exporter: does it fit": license_,
        "exporter: upload": "/exporter/upload", "exporter: duties": "/exporter/duties",
        "exporter: history": "/exporter/history", "exporter: statements": "/exporter/statements",
    }  # fmt: skip
    return [(name, "regulator", path) for name, path in official.items()] + [
        (name, "exporter", path) for name, path in own.items()
    ]
