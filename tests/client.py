"""A writer as a process of its own, and the small ledger that several of them write to.

Run as a program, it posts one batch for each line of its input and prints the receipts of each batch on one line, after
its commit: what it printed was acknowledged. Started with a gate, it waits there until the gate is opened for all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from ledger import reference, rulebooks
from ledger.posting import Receipt, Request, Writer

GATE = 20250113  # the advisory lock that everybody waits at
PATIENCE_SECONDS = 120
H100 = "nvidia-h100-sxm5-80"
GRANT = {"exporter": "nvidia", "destination": "MY", "recipient": "dc", "authorization": "L1", "chip": H100}
ALLOCATION_H100 = 49_898  # of 790,000,000 TPP at 15,832 each


def now() -> datetime:
    return datetime.now(UTC)


def post(writer: Writer, requests: Sequence[Request], **how: Any) -> list[Receipt]:
    return writer.post(requests, actor="operator", at=now(), **how)


def movement(kind: str, key: str, quantity: int, day: str = "2025-06-02", **line: str) -> Request:
    """Return a movement of H100 chips from the one exporter to the one recipient."""
    line = GRANT | line
    head = {"movement": kind, "effective_on": day}
    if kind != "receive":
        head["exporter"] = line["exporter"]
    del line["exporter"]
    return Request("movement", key, head | {"lines": [line | {"quantity": str(quantity)}]})


def adoption(name: str, first: str) -> Request:
    stated = {"name": name, "from": first, "bundle": rulebooks.bundle(name)}
    return Request("rulebook", f"adopt {name} from {first}", stated)


def found(dsn: str) -> None:
    """Record the parties, ratings, license and rulebook that the movements need."""
    facts = [
        Request("party", "nvidia", {"party_id": "nvidia", "name": "NVIDIA", "roles": "exporter", "headquarters": "US",
                                    "ultimate_parent": "self"}),
        Request("party", "dc", {"party_id": "dc", "name": "Data center", "roles": "recipient", "headquarters": "MY",
                                "ultimate_parent": "self"}),
        *(Request("rating", row["chip_id"], row) for row in reference.table("chips")),
        Request("authorization", "L1", {"authorization_id": "L1", "kind": "license", "recipient": "dc",
                                        "destination": "MY", "exporter": "nvidia", "last_day": "2026-06-01"}),
    ]  # fmt: skip
    with psycopg.connect(dsn) as conn:
        writer = Writer(conn)
        for batch in (facts, [adoption("us-diffusion-2025", "2025-01-13")]):
            assert [receipt for receipt in post(writer, batch) if receipt.verdict != "posted"] == []


@contextmanager
def connected(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection that never waits for ever: a deadlock or a lost lock is an error, not a hang."""
    with psycopg.connect(dsn, options=f"-c lock_timeout={PATIENCE_SECONDS}s") as conn:
        yield conn


def pass_gate(conn: psycopg.Connection[Any]) -> None:
    """Wait until the gate is open."""
    conn.execute("SELECT pg_advisory_lock_shared(%s)", (GATE,))
    conn.rollback()


@contextmanager
def gate(dsn: str, waiting: int) -> Iterator[None]:
    """Keep the gate closed while writers come to it, and open it once so many wait, for all at once."""
    with psycopg.connect(dsn, autocommit=True) as keeper:
        keeper.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        yield
        deadline = time.monotonic() + PATIENCE_SECONDS
        queue = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
        while keeper.execute(queue, (GATE,)).fetchone()[0] < waiting:
            assert time.monotonic() < deadline, "not every writer came to the gate"
            time.sleep(0.01)


class Client:
    """Another process that posts batches and says what was acknowledged."""

    def __init__(self, dsn: str, batches: Sequence[Sequence[Request]], *, gated: bool = False) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), dsn, "gated" if gated else ""],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        # Its input does not fit into a pipe; a killed client leaves the rest of it unread.
        lines = [json.dumps([[each.kind, each.key, each.raw] for each in batch]) + "\n" for batch in batches]
        self._feeder = threading.Thread(target=self._feed, args=(lines,))
        self._feeder.start()

    def _feed(self, lines: list[str]) -> None:
        assert self.process.stdin
        try:
            with self.process.stdin as pipe:
                pipe.writelines(lines)
        except BrokenPipeError:
            pass

    def acknowledged(self) -> list[Receipt] | None:
        """Return the receipts of the next batch that was acknowledged; None where there are no more."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        return [Receipt(*receipt) for receipt in json.loads(line)] if line.endswith("\n") else None

    def rest(self) -> list[list[Receipt]]:
        """Return the receipts of all further batches that were acknowledged, and wait for the process to end."""
        assert self.process.stdout
        if self.process.stdout.closed:
            return []
        receipts = list(iter(self.acknowledged, None))
        self.process.wait(PATIENCE_SECONDS)
        self._feeder.join(PATIENCE_SECONDS)
        self.process.stdout.close()
        return receipts

    def kill(self) -> list[list[Receipt]]:
        """Kill it, with no chance to clean up; return what it had acknowledged and was not read yet."""
        self.process.kill()
        return self.rest()


SERVER_LOST = 3  # exit status: the server went away in the middle


def main() -> int:
    dsn, gated = sys.argv[1:]
    try:
        with connected(dsn) as conn:
            writer = Writer(conn)
            if gated:
                pass_gate(conn)
            for line in sys.stdin:
                receipts = post(writer, [Request(*each) for each in json.loads(line)])
                fields = [(r.verdict, r.key, r.seq, r.code, r.message, r.remedy, r.leaf_hash) for r in receipts]
                print(json.dumps(fields), flush=True)
    except psycopg.OperationalError:
        return SERVER_LOST
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
