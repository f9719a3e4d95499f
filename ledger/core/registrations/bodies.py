"""Facts as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.core.facts import Authorization, Chip, Notice, Ownership, Party, Stock, StockLine

Fact = Party | Ownership | Stock | Chip | Authorization | Notice


def to_body(fact: Fact | StockLine) -> dict[str, Any]:
    """Return a fact as JSON, what is not known left out; its record number is not part of it."""
    body: dict[str, Any] = {}
    for field in fields(fact):
        value = getattr(fact, field.name)
        if field.name == "seq" or value is None or value == "" or value == ():
            continue
        body[field.name] = _json(value)
    return body


def from_body(kind: str, body: Mapping[str, Any], seq: int) -> Fact:
    """Return the fact that a body states; the inverse of `to_body`."""
    values: dict[str, Any] = dict(body)
    for name in ("valid_from", "released", "first_day", "last_day", "state_from", "as_of", "filed_on"):
        if name in values:
            values[name] = date.fromisoformat(values[name])
    for name in ("roles", "chips"):
        if name in values:
            values[name] = tuple(values[name])
    if "evidence" in values:
        values["evidence"] = tuple((kind, reference) for kind, reference in values["evidence"])
    for name in ("tpp", "tpp_per_ic", "die_area_mm2", "dram_bandwidth_gb_s", "percentage", "training_operations"):
        if name in values:
            values[name] = Decimal(values[name])
    if "rates" in values:
        values["rates"] = tuple((bits, Decimal(tops)) for bits, tops in values["rates"])
    if "lines" in values:
        values["lines"] = tuple(
            StockLine(**{**line, "quantity": Decimal(line["quantity"])}) for line in values["lines"]
        )
    kinds: dict[str, type[Fact]] = {
        "party": Party, "ownership": Ownership, "stock": Stock, "chip": Chip, "authorization": Authorization,
        "notice": Notice,
    }  # fmt: skip
    return kinds[kind](**values, seq=seq)


def _json(value: Any) -> Any:
    if isinstance(value, StockLine):
        return to_body(value)
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_json(part) for part in value]
    return value
