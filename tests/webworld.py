"""A ledger with something on every page, and a desk that stands in for the server's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from fastapi import FastAPI

from ledger.access import keys
from ledger.posting import Receipt, Request, Writer
from ledger.reconcile import reconcile_caps
from ledger.reports import Reader
from ledger.web.app import router_of
from tests.world import A100, AT, DIFFUSION, H100, H200, Ledger, adopt, change, license_, move, party, settle

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
PEOPLE = (
    ("rita", "regulator", ""),
    ("aud", "auditor", ""),
    ("olga", "operator", ""),
    ("otto", "operator", ""),
    ("ned", "exporter", "nvidia"),
    ("amy", "exporter", "amd"),
)
LONG = "gulf-" + "-".join(["computing-and-digital-infrastructure-holding"] * 2)


@dataclass
class Desk:
    """Reads and writes in threads, each on a connection of its own."""

    dsn: str
    now: Callable[[], datetime] = lambda: NOW
    conns: list[Any] = field(default_factory=list)

    async def read(self, ask: Callable[[Reader], Any]) -> Any:
        return await asyncio.to_thread(self._on, lambda conn: ask(Reader(conn)))

    async def read_each(self, ask: Callable[[Reader], Any]) -> None:
        with suppress(Exception):
            await self.read(ask)

    async def run(self, ask: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(self._on, ask)

    async def post(
        self, requests: Sequence[Request], *, actor: str, person: str = "", together: bool = False
    ) -> list[Receipt]:
        def post(conn: Any) -> list[Receipt]:
            return Writer(conn).post(requests, actor=actor, person=person, at=self.now(), together=together)

        return await asyncio.to_thread(self._on, post)

    def pace(self, party: str) -> None:
        pass

    async def hold_back(self) -> None:
        """Let nobody wait."""

    def _on(self, ask: Callable[[Any], Any]) -> Any:
        with psycopg.connect(self.dsn) as conn:
            return ask(conn)


def app_of(dsn: str, *, is_public: bool = True, now: datetime = NOW) -> FastAPI:
    """The pages over one database, at a fixed moment."""
    app = FastAPI(openapi_url=None)
    app.include_router(router_of(Desk(dsn), is_public=is_public, now=lambda: now))
    return app


@dataclass(frozen=True)
class World:
    """A filled ledger: where it is, the access key of each person, and the numbers of a few records."""

    dsn: str
    keys: dict[str, str]
    run: int
    granted: int
    refused: int
    disputed: int
    proposed: int = 0


def fill(dsn: str) -> World:
    """Fill a ledger with something for every page."""
    with psycopg.connect(dsn) as conn:
        return _filled(dsn, conn)


def _filled(dsn: str, conn: Any) -> World:
    ledger = Ledger(conn)
    ledger.begin(
        party("nvidia", roles="exporter"), party("amd", roles="exporter"),
        party("my-holding", "MY", name="Malaysia Compute Holding Berhad"),
        party("selangor-dc", "MY", "unknown", name="Selangor Data Centre"), party("gulf-cloud", "AE"),
        party(LONG, "AE", name="Gulf Computing and Digital Infrastructure Holding Company of the United Emirates"),
        Request("ownership", "own-1", {"owner": "my-holding", "owned": "selangor-dc", "percentage": "70",
                                       "source": "annual report", "confidence": "unconfirmed"}),
        adopt(DIFFUSION, "2025-01-13"),
        license_("MY-1", "selangor-dc", "MY", last_day="2026-12-31", source="a license", confidence="confirmed"),
        license_("AE-1", "gulf-cloud", "AE", "amd"), license_("AE-2", LONG, "AE", quantity="100", unit="chips"),
        license_("IN-1", "selangor-dc", "IN"),
    )  # fmt: skip
    grant = {"exporter": "nvidia", "destination": "MY", "recipient": "selangor-dc", "authorization": "MY-1"}
    gulf = {"exporter": "amd", "destination": "AE", "recipient": "gulf-cloud", "authorization": "AE-1"}
    ledger.must(
        move("grant", "2025-06-02", 40_000, H100, **grant),
        move("grant", "2025-07-01", 20_000, A100, **gulf),
        move("ship", "2025-07-10", 8_000, H100, key="ship-1", **grant),
        move("receive", "2025-07-21", 7_990, H100, destination="MY", recipient="selangor-dc", authorization="MY-1"),
    )
    run = reconcile_caps(conn, on=date(2026, 6, 30), at=NOW - timedelta(days=1)).seq
    granted = ledger.must(move("grant", "2025-08-02", 9_000, H100, **grant))
    too_much = move("grant", "2025-09-01", 5_000, H200, key="too-much", **grant)
    refused = ledger.refused(too_much, "cap_exceeded").seq
    ledger.refused(move("ship", "2025-09-02", 60_000, H100, key="ship-2", **grant), "exceeds_authorization", "nvidia")
    ledger.must(
        move("grant", "2026-03-01", 45_000, H100, observed=True, **gulf),
        change("IN-1", "suspended", "2026-05-01"),
    )
    disputed = ledger.rows("SELECT id FROM discrepancy ORDER BY id LIMIT 1")[0][0]
    ledger.must(settle(disputed, "explained", "a framework announced by the government, not yet amended"))
    undone = {"movement": "reverse", "effective_on": "2026-06-01", "reverses": str(granted), "note": "booked twice"}
    kept = {"kind": "movement", "key": "undo", "voice": "request", "body": undone, "note": "a clerk's mistake"}
    ledger.must(Request("four_eyes", "four-eyes", {"kinds": "reverse"}))
    (made,) = ledger.writer.post([Request("proposal", "propose-undo", kept)], actor="operator", person="olga", at=AT)
    secrets = {
        person: keys.issue(conn, person=person, role=role, party=whose, expires_at=NOW + timedelta(days=30), at=NOW)[1]
        for person, role, whose in PEOPLE
    }
    conn.commit()
    return World(dsn, secrets, run, granted, refused or 0, disputed, made.seq or 0)
