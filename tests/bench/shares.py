"""Where the time goes, from a profile: each function's own time, booked on the part of the work that it belongs to."""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.bench.report import table

# The first fragment that a function's file holds says its part. Whatever has no part belongs to whoever calls it.
PARTS = (
    ("ledger/posting/requests.py", "parse"),
    ("ledger/core/movements", "parse"),
    ("ledger/core/records.py", "seal"),
    ("ledger/core/judgments.py", "seal"),
    ("ledger/core/merkle.py", "seal"),
    ("ledger/posting/batch.py", "seal"),
    ("ledger/core/", "judge"),
    ("ledger/posting/", "judge"),
    ("ledger/store/source.py", "fetch"),
    ("ledger/store/", "write"),
    ("psycopg/", "driver"),
)
WAITS = {"wait", "_communicate_gen", "_fetch_gen"}  # the driver's C code is inside, so most of it is waiting
SERVER, COMMIT, REST = "the server, and getting there", "commit", "the rest"
DEEPEST = 12  # callers of callers; beyond that it is the rest

Function = tuple[str, int, str]


def measure(work: Callable[[], Any], movements: int, *, hot_spots: int = 12) -> None:
    """Run some work under the profiler and print the shares of its parts, and the functions that take most."""
    profile = cProfile.Profile()
    profile.runcall(work)
    stats: dict[Function, tuple[int, int, float, float, dict[Function, tuple[int, int, float, float]]]]
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    seconds: Counter[str] = Counter()

    def book(function: Function, own: float, depth: int = 0) -> None:
        part, callers = _part(function), stats[function][4]
        if function[2] in WAITS and part == "driver":
            part = SERVER
            for caller, (_, _, time, _) in callers.items():
                if caller[2] == "commit":
                    seconds[COMMIT] += time
                    own -= time
        if part is None and callers and depth < DEEPEST:
            whole = sum(time for _, _, time, _ in callers.values()) or 1.0
            for caller, (_, _, time, _) in callers.items():
                book(caller, own * time / whole, depth + 1) if caller in stats else None
            return
        seconds[part or REST] += own

    for function, (_, _, own, _, _) in stats.items():
        book(function, own)
    whole = sum(seconds.values())
    table(
        ("under the profiler, which makes Python look slower", "us a movement", "share"),
        [[part, f"{1e6 * own / movements:,.1f}", f"{100 * own / whole:.0f} %"] for part, own in seconds.most_common()],
    )
    hottest = sorted(stats.items(), key=lambda item: -item[1][2])[:hot_spots]
    table(
        ("hot spots, by own time", "calls a movement", "us a movement"),
        [[_name(each), f"{calls / movements:.2f}", f"{1e6 * own / movements:,.1f}"]
         for each, (_, calls, own, _, _) in hottest],
    )  # fmt: skip


def _part(function: Function) -> str | None:
    file = function[0].replace("\\", "/")
    return next((part for fragment, part in PARTS if fragment in file), None)


def _name(function: Function) -> str:
    file, number, name = function
    parts = file.replace("\\", "/").split("/")
    return name if file == "~" else f"{'/'.join(parts[-3:])}:{number} {name}"
