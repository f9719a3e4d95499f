"""The world that speed is measured in: 5,000 recipients in 150 countries, and what is asked for them.

Countries and recipients are drawn unevenly, as in life: a few have most of the movements. Everything is drawn from one
seed, so that two runs ask the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

from ledger import reference, rulebooks
from ledger.posting import Receipt, Request, Writer

COUNTRIES, RECIPIENTS, EXPORTERS = 150, 5_000, 12
CHIPS = (
    "nvidia-h100-sxm5-80", "nvidia-h200-sxm-141", "nvidia-a100-sxm4-80", "nvidia-b200", "amd-mi300x", "nvidia-h20-96",
)  # fmt: skip
FIRST = date(2025, 1, 20)
DAYS = 700
SKEW = 0.8  # the n-th country has a share of n ** -SKEW
SEED = 20250113
FACTS_AT_ONCE = 1_000


@dataclass(slots=True)
class World:
    """Recipients with their licenses, and what each has open and under way, so that what is asked mostly fits."""

    random: Random
    homes: list[str]
    weights: list[float]
    open: dict[tuple[int, str], int] = field(default_factory=dict)
    in_transit: dict[tuple[int, str], int] = field(default_factory=dict)
    asked: int = 0

    def movements(self) -> Iterator[Request]:
        """Yield movements without end: grants where nothing is open, else shipments, and receipts of what was sent."""
        everyone = range(len(self.homes))
        while True:
            for recipient in self.random.choices(everyone, cum_weights=self.weights, k=1_000):
                self.asked += 1
                yield self._movement(recipient, FIRST + timedelta(days=self.asked * DAYS // 1_000_000 % DAYS))

    def _movement(self, recipient: int, day: date) -> Request:
        chip = CHIPS[recipient % 3 + (3 if self.random.random() < 0.1 else 0)]
        of = recipient, chip
        here, there = self.open.get(of, 0), self.in_transit.get(of, 0)
        line = {"chip": chip, "destination": self.homes[recipient], "recipient": f"recipient-{recipient}"}
        head: dict[str, Any] = {"effective_on": day.isoformat()}
        if there and self.random.random() < 0.4:
            kind, quantity = "receive", self.random.randint(1, there)
            self.in_transit[of] = there - quantity
        elif here:
            kind, quantity = "ship", self.random.randint(1, min(here, 4))
            self.open[of], self.in_transit[of] = here - quantity, there + quantity
        else:
            kind = "grant"
            quantity = self.open[of] = self.random.randint(4, 16)
        if kind != "receive":
            head["exporter"] = f"exporter-{recipient % EXPORTERS}"
            line["authorization"] = f"L-{recipient}"
        head["movement"] = kind
        head["lines"] = [line | {"quantity": str(quantity)}]
        return Request("movement", f"{kind}-{self.asked}", head)


def now() -> datetime:
    """Return this moment, with its zone."""
    return datetime.now(UTC)


def settle(writer: Writer, books: tuple[str, ...], *, countries: int = COUNTRIES) -> World:
    """Record parties, ratings, rulebooks and one license per recipient, and return the world they make."""
    codes = [row["iso2"] for row in reference.table("countries") if row["tier_2025_01_15"] == "2"]
    codes += [row["iso2"] for row in reference.table("countries") if row["tier_2025_01_15"] == "1"]
    codes = codes[:countries]
    random = Random(SEED)
    shares = [(n + 1) ** -SKEW for n in range(len(codes))]
    homes = random.choices(codes, weights=shares, k=RECIPIENTS)
    facts = [_party(f"exporter-{n}", "US", "exporter") for n in range(EXPORTERS)]
    facts += [_party(f"recipient-{n}", home, "recipient") for n, home in enumerate(homes)]
    facts += [Request("rating", f"rating:{row['chip_id']}", row) for row in reference.table("chips")]
    facts += [_license(n, home) for n, home in enumerate(homes)]
    for at in range(0, len(facts), FACTS_AT_ONCE):
        posted(writer.post(facts[at : at + FACTS_AT_ONCE], actor="operator", at=now()))
    for name in books:
        adoption = {"name": name, "from": "2025-01-13", "bundle": rulebooks.bundle(name)}
        posted(writer.post([Request("rulebook", f"adopt:{name}", adoption)], actor="operator", at=now()))
    return World(random, homes, list(accumulate((n + 1) ** -SKEW for n in range(RECIPIENTS))))


def posted(receipts: list[Receipt]) -> list[Receipt]:
    """Return receipts of what has to be in; the first that is not ends the run."""
    for receipt in receipts:
        if receipt.verdict == "refused":
            raise SystemExit(f"{receipt.key} was refused: {receipt.message}")
    return receipts


def _party(name: str, seat: str, role: str) -> Request:
    raw = {"party_id": name, "name": name, "roles": role, "headquarters": seat, "ultimate_parent": "self"}
    return Request("party", f"party:{name}", raw)


def _license(recipient: int, home: str) -> Request:
    raw = {
        "authorization_id": f"L-{recipient}", "kind": "license", "recipient": f"recipient-{recipient}",
        "destination": home, "exporter": f"exporter-{recipient % EXPORTERS}", "last_day": "2027-12-31",
    }  # fmt: skip
    return Request("authorization", f"license:{recipient}", raw)
