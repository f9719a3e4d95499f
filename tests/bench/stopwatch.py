"""How long the parts of posting take: each part's own time, with what it calls in other parts taken off."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psycopg

from ledger.core import judgments, records
from ledger.posting import batch, writer
from ledger.store import source, writing

# Part, and the functions that belong to it: where they live and under which name they are called.
PARTS: tuple[tuple[str, Any, str], ...] = (
    ("parse", writer, "_read"),
    ("fetch", writer.Writer, "_prefetch"),
    ("fetch", source.DatabaseSource, "counters"),
    ("fetch", source.DatabaseSource, "lots"),
    ("fetch", source.DatabaseSource, "lots_of_many"),
    ("fetch", source.DatabaseSource, "lots_at_many"),
    ("fetch", source.DatabaseSource, "history"),
    ("judge", writer, "judge"),
    ("judge", writer.Writer, "take_in"),
    ("seal", judgments, "posted"),
    ("seal", judgments, "refused"),
    ("seal", records, "payload_of"),
    ("seal", records, "seal"),
    ("write", batch, "write"),
    ("write", writing, "add_rows"),
    ("write, the server's part", psycopg.Pipeline, "__exit__"),
    ("commit", psycopg.Connection, "commit"),
)
REST = "lock, keys, receipts"


class Stopwatch:
    """Measures between `with` and its end. Its own cost, about a microsecond a call, is in what it shows."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[str] = []
        self._last = 0.0
        self._before: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Stopwatch:
        for part, owner, name in PARTS:
            whole = vars(owner)[name]
            self._before.append((owner, name, whole))
            setattr(owner, name, self._timed(part, whole))
        self._inside, self._last = [REST], time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._turn()
        for owner, name, whole in self._before:
            setattr(owner, name, whole)

    def _turn(self) -> None:
        """Book the time since the last turn on the part that is running."""
        moment = time.perf_counter()
        part = self._inside[-1]
        self.seconds[part] = self.seconds.get(part, 0.0) + moment - self._last
        self._last = moment

    def _timed(self, part: str, whole: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._inside.append(part)
            try:
                return whole(*args, **kwargs)
            finally:
                self._turn()
                self._inside.pop()

        return timed
