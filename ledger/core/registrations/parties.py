"""Parties, who owns them, and the stock they declare."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ledger.core.compute import number
from ledger.core.errors import Malformed
from ledger.core.facts import UNKNOWN, Ownership, Party, Stock, StockLine
from ledger.core.movements import CONFIDENCES
from ledger.core.movements.fields import (
    country,
    day,
    free_text,
    identifier,
    whole,
    word,
)
from ledger.core.registrations.reading import Reader, ids, read, seat

RESERVED = frozenset({"operator", "reconciliation", "ledger", "self", UNKNOWN})  # no party may be called so


PARTY_FIELDS: Mapping[str, Reader] = {
    "party_id": identifier,
    "name": free_text,
    "roles": ids,
    "headquarters": seat,
    "ultimate_parent": identifier,
    "from": day,
    "confidence": word(*CONFIDENCES),
    "source": free_text,
    "note": free_text,
}


def _percentage(field: str, text: str) -> Decimal:
    share = number(str(text).removesuffix("%").strip(), field)
    if share > 100:
        raise Malformed(field, f"{field} is {text}; nobody owns more than 100.", "Use a number from 0 to 100.")
    return share


OWNERSHIP_FIELDS: Mapping[str, Reader] = {
    "owner": identifier,
    "owned": identifier,
    "percentage": _percentage,
    "from": day,
    "confidence": word(*CONFIDENCES),
    "source": free_text,
    "note": free_text,
}
STOCK_FIELDS: Mapping[str, Reader] = {
    "party_id": identifier,
    "as_of": day,
    "confidence": word(*CONFIDENCES),
    "source": free_text,
    "note": free_text,
}
STOCK_LINE_FIELDS: Mapping[str, Reader] = {
    "destination": country,
    "chip": identifier,
    "quantity": whole,
    "unit": word("chips", "systems"),
    "owner": identifier,
}


def party(raw: Mapping[str, Any]) -> tuple[Party, dict[str, Any]]:
    """Return a statement about a party. Its ultimate parent is a party, `self`, or `unknown` (the default)."""
    values, body = read(raw, PARTY_FIELDS, "a party", "party_id", "name")
    values["valid_from"] = values.pop("from", None)
    name = values.pop("party_id")
    if name in RESERVED:
        raise Malformed("party_id", f"party_id is '{name}', a word with a meaning of its own.", "Use another id.")
    return Party(party=name, **values), body


def ownership(raw: Mapping[str, Any]) -> tuple[Ownership, dict[str, Any]]:
    """Return a statement that a party owns part of another, from a day."""
    values, body = read(raw, OWNERSHIP_FIELDS, "an ownership", "owner", "owned", "percentage")
    if values["owner"] == values["owned"]:
        raise Malformed("owned", f"{values['owned']} cannot own itself.", "Name two parties.")
    values["valid_from"] = values.pop("from", None)
    return Ownership(**values), body


def stock(raw: Mapping[str, Any]) -> tuple[Stock, dict[str, Any]]:
    """Return a declaration of stock; one without lines declares that there is none."""
    head = {name: value for name, value in raw.items() if name != "lines"}
    values, body = read(head, STOCK_FIELDS, "a declaration of stock", "party_id", "as_of")
    lines, stated = [], []
    listed = raw.get("lines") or []
    if not isinstance(listed, list | tuple):
        raise Malformed("lines", "lines of the stock is no list.", "Send a list of lines; none for no stock.")
    for n, line in enumerate(listed, 1):
        if not isinstance(line, Mapping):
            raise Malformed("lines", f"line {n} of the stock is not a table.", "State destination, chip and quantity.")
        try:
            cells, text = read(line, STOCK_LINE_FIELDS, "a line of stock", "destination", "chip", "quantity")
        except Malformed as problem:
            raise Malformed(problem.field, f"line {n}: {problem.message}", problem.remedy) from problem
        lines.append(StockLine(**{**cells, "quantity": Decimal(cells["quantity"])}))
        stated.append(text)
    if stated:
        body["lines"] = stated
    return Stock(party=values.pop("party_id"), lines=tuple(lines), **values), body
