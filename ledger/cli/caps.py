"""Caps in use as a table: what `usage` and `reconcile` show alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ledger.cli.asking import figure, limited_to, marks
from ledger.cli.tables import Column, bar, table

_TIER = Column("tier", least=8)
_COLUMNS = (
    Column("cap", least=12),
    Column("subject", least=14, under="cap"),
    Column("window", least=12, under="subject"),
    Column("used", right=True, optional=True),
    Column("limit", right=True),
    Column("left", right=True),
    Column("fill"),
    Column("state", under="fill"),
    Column("marks", least=11, under="cap"),
)


def standings_table(bodies: Iterable[Mapping[str, Any]], width: int | None, *, by_tier: bool) -> list[str]:
    """Return caps in use, as JSON tells them, as the lines of a table; each after its tier where that is wanted."""
    rows = [([body["tier"] or "-"] if by_tier else []) + _row(body) for body in bodies]
    return table([_TIER, *_COLUMNS] if by_tier else _COLUMNS, rows, width)


def _row(body: Mapping[str, Any]) -> list[str]:
    used, limit, left = Decimal(body["used"]), _amount(body["limit"]), _amount(body["left"])
    is_counted = limit is None or left is not None
    return [
        body["cap"], body["subject"], body["window"], figure(used),
        limited_to(limit, body["unit"], body["state"] == "watched"), figure(left),
        bar(used, limit) if is_counted else "", body["state"],
        marks(
            body["when_exceeded"], body["status"], body["confidence"], Decimal(body["doubt"]), is_counted=is_counted,
            remark=body.get("remark", ""),
        ),
    ]  # fmt: skip


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
