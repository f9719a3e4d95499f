"""A ledger with something on every page, a desk and a door that stand in for the server's, and the pages served.

Run as a program it serves the pages on a loopback port of the system's choice until its input ends, and prints the
address: that is how a browser gets at them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from fastapi import FastAPI

from ledger.core.movements import Movement
from ledger.posting import Receipt, Request, Writer
from ledger.reconcile import reconcile_caps
from ledger.reports import Reader, explain, remaining
from ledger.web.app import router_of
from tests.world import A100, DIFFUSION, H100, H200, Ledger, adopt, change, license_, move, party, settle

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
KEYS = {
    "key-of-rita": ("rita", "regulator", ""),
    "key-of-aud": ("aud", "auditor", ""),
    "key-of-ned": ("ned", "exporter", "nvidia"),
    "key-of-amy": ("amy", "exporter", "amd"),
}
LONG = "gulf-" + "-".join(["computing-and-digital-infrastructure-holding"] * 2)


@dataclass(frozen=True)
class Who:
    """A principal."""

    person: str
    role: str
    party: str = ""
    key_id: str = "k"

    @property
    def actor(self) -> str:
        return self.party or "operator"


@dataclass(frozen=True)
class Signed:
    """A session."""

    token: str
    csrf: str
    principal: Who
    expires_at: datetime


class Door:
    """Who may come in: fixed keys, sessions in memory, and a count of tries."""

    def __init__(self, tries: int = 100) -> None:
        self.sessions: dict[str, Signed] = {}
        self.tries = tries

    def may_try(self, conn: Any, who: str, *, at: datetime) -> bool:
        self.tries -= 1
        return self.tries >= 0

    def open_session(self, conn: Any, secret: str, *, at: datetime) -> Signed | None:
        if secret not in KEYS:
            return None
        token = secrets.token_urlsafe(16)
        signed = self.sessions[token] = Signed(token, f"csrf-{token}", Who(*KEYS[secret]), at + timedelta(hours=8))
        return signed

    def session(self, conn: Any, token: str, *, at: datetime) -> Signed | None:
        signed = self.sessions.get(token)
        return signed if signed and signed.expires_at > at else None

    def close_session(self, conn: Any, token: str) -> None:
        self.sessions.pop(token, None)

    def authorizations(self, principal: Any, view: Any) -> list[Any]:
        known = view.position.knowledge.authorizations.values()
        return [each for each in known if principal.role != "exporter" or each.exporter == principal.party]

    def left(self, principal: Any, view: Any, **asked: str) -> Any:
        return remaining(view, exporter=principal.party, **asked)

    def fit(self, principal: Any, view: Any, movement: Movement) -> Any:
        judged = explain(view, movement, asker=principal.actor)
        refusal = judged.refusal

        @dataclass
        class Fit:
            verdict: str = "refused" if refusal else "posted"
            code: str = refusal.code if refusal else ""
            message: str = refusal.message if refusal else ""
            remedy: str = refusal.remedy if refusal else ""
            binding_cap: str = judged.binding.cap.name if judged.binding else "unlimited"

        return Fit()

    def told(self, principal: Any, code: str, message: str, remedy: str) -> tuple[str, str, str]:
        return (code, "A cap has no room for it.", remedy) if code == "cap_exceeded" else (code, message, remedy)

    def may_post(self, principal: Any, request: Request) -> str:
        return "" if principal.role == "exporter" else "You may not post."


@dataclass
class Desk:
    """Reads and writes in threads, each on a connection of its own."""

    dsn: str
    now: Callable[[], datetime] = lambda: NOW
    conns: list[Any] = field(default_factory=list)

    async def read(self, ask: Callable[[Reader], Any]) -> Any:
        return await asyncio.to_thread(self._on, lambda conn: ask(Reader(conn)))

    async def run(self, ask: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(self._on, ask)

    async def post(
        self, requests: Sequence[Request], *, actor: str, person: str = "", together: bool = False
    ) -> list[Receipt]:
        def post(conn: Any) -> list[Receipt]:
            return Writer(conn).post(requests, actor=actor, at=self.now(), together=together)

        return await asyncio.to_thread(self._on, post)

    def _on(self, ask: Callable[[Any], Any]) -> Any:
        with psycopg.connect(self.dsn) as conn:
            return ask(conn)


def app_of(dsn: str, *, door: Door | None = None, is_public: bool = True) -> FastAPI:
    """The pages over one database, at a fixed moment."""
    app = FastAPI(openapi_url=None)
    app.include_router(router_of(Desk(dsn), door or Door(), is_public=is_public, now=lambda: NOW))
    return app


def fill(conn: Any) -> dict[str, int]:
    """Fill a ledger with something for every page; return the numbers of a few records."""
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
    return {"run": run, "granted": granted, "refused": refused or 0, "disputed": disputed}
