"""How long an answer takes in a ledger of a million entries."""

from __future__ import annotations

from ledger.posting import Writer
from tests.bench.world import World


def measure(dsn: str, writer: Writer, world: World, *, entries: int) -> None:
    """Fill."""
