"""What the server tells about itself: health, readiness, metrics, and a line of JSON for each request."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter as Tally
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.api import formats, problems
from ledger.api.desk import Desk
from ledger.api.door import OPEN, OPERATOR, Call, Route
from ledger.reports import Reader, standings
from ledger.store.source import Connection
from schema.queries import SQL

LOG = logging.getLogger("capledger.requests")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
UNMATCHED = "other"  # a request that no route takes: its path is nobody's to choose a metric by


class Watch:
    """Counts and times what the server does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "capledger_request_seconds", "How long requests took.", ["method", "route", "status"],
            registry=self.registry, buckets=SECONDS,
        )  # fmt: skip
        self._posted = Counter("capledger_posted", "Requests that were posted.", registry=self.registry)
        self._replayed = Counter("capledger_replayed", "Receipts given again.", registry=self.registry)
        self._refused = Counter("capledger_refused", "Requests that were refused.", ["code"], registry=self.registry)
        self._waiting = Gauge("capledger_queue_requests", "Requests that wait to be written.", registry=self.registry)
        self._head = Gauge("capledger_journal_records", "Records in the journal.", registry=self.registry)
        self._caps = Gauge(
            "capledger_cap_counters", "Counters of each cap in force today, by state.", ["book", "cap", "state"],
            registry=self.registry,
        )  # fmt: skip
        self._jobs = Gauge(
            "capledger_job_age_seconds", "How long ago each job was last done.", ["job"], registry=self.registry
        )
        self._counted: Tally[str] = Tally()

    async def measured(self) -> bytes:
        """Return all figures, those of the ledger as it is now."""
        self._count(self._desk.verdicts.copy())
        self._waiting.set(self._desk.waiting)
        size, states = await self._desk.read(_states)
        self._head.set(size)
        self._caps.clear()
        for labels, count in states.items():
            self._caps.labels(*labels).set(count)
        now = datetime.now(UTC)
        for job, finished_at in await self._desk.run(_jobs):
            self._jobs.labels(job).set((now - finished_at).total_seconds())
        return generate_latest(self.registry)

    def _count(self, verdicts: Tally[str]) -> None:
        """Take over what the desk counted since."""
        for verdict, count in (verdicts - self._counted).items():
            counter = {"posted": self._posted, "replayed": self._replayed}.get(verdict)
            (counter or self._refused.labels(verdict)).inc(count)
        self._counted = verdicts


def _states(reader: Reader) -> tuple[int, Tally[tuple[str, str, str]]]:
    with reader.view(on=datetime.now(UTC).date()) as view:
        return view.size, Tally((each.book, each.cap, each.state) for each in standings(view))


def _jobs(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute(SQL["jobs_done"]).fetchall()


class Watched:
    """Around the whole server: times each request and writes a line about it; never what was asked, or a secret."""

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self._app, self._watch = app, watch
        self._timers: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            self._tell(scope, status, time.perf_counter() - began)

    def _tell(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = scope.get("capledger.route") or getattr(scope.get("route"), "path", None) or UNMATCHED
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE") else "OTHER"
        timer = self._timers.get((method, route, status))
        if timer is None:
            timer = self._timers[method, route, status] = self._watch.seconds.labels(method, route, str(status))
        timer.observe(seconds)
        if LOG.isEnabledFor(logging.INFO):
            at, key = datetime.now(UTC).isoformat(timespec="milliseconds"), _quoted(scope.get("capledger.key", ""))
            LOG.info(
                f'{{"at": "{at}", "method": "{method}", "route": {_quoted(route)}, "status": {status}, '
                f'"ms": {seconds * 1e3:.2f}, "key": {key}}}'
            )


@lru_cache(maxsize=4_096)
def _quoted(text: str) -> str:
    return json.dumps(text)


class Lines(logging.Formatter):
    """Every line of the log as JSON; what is JSON already stays so."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        if record.name == LOG.name:
            return record.getMessage()
        told = {"at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
                "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}  # fmt: skip
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def log_to_stderr() -> None:
    """Write the log to standard error, a line of JSON each."""
    # Nobody is told which line or thread wrote: looking for that takes longer than all the rest of a line.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    LOG.setLevel(logging.INFO)


async def tell_health(call: Call) -> Response:
    """Say that the process runs."""
    return Response(formats.as_json({"status": "ok"}), media_type=formats.JSON)


async def tell_readiness(call: Call) -> Response:
    """Say whether the database answers and the writer is up."""
    await call.desk.run(lambda conn: conn.execute(SQL["head"]).fetchone())
    if not call.desk.is_writing:
        raise problems.UNAVAILABLE
    return Response(formats.as_json({"status": "ready"}), media_type=formats.JSON)


async def show_metrics(call: Call) -> Response:
    """Return the figures in Prometheus's text format."""
    watch: Watch = call.request.app.state.watch
    return Response(await watch.measured(), media_type=CONTENT_TYPE_LATEST)


# Beside the routes of /v1: the first two tell nothing of what the ledger holds, and need no credentials.
WATCHING = (
    Route("tell_health", "GET", "/health", OPEN, "Whether the process runs", tell_health, "Health"),
    Route("tell_readiness", "GET", "/ready", OPEN, "Whether it can answer and post", tell_readiness, "Health"),
    Route("show_metrics", "GET", "/metrics", frozenset({OPERATOR}), "Figures for Prometheus", show_metrics, "Metrics"),
)
