"""Reading what is stated of a fact: fields by name, each by a reader of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ledger.core.errors import Malformed
from ledger.core.facts import UNKNOWN
from ledger.core.movements.fields import (
    country,
    equivalents,
    identifier,
    stated_text,
    whole,
)

Reader = Callable[[str, Any], Any]


def ids(field: str, text: str) -> tuple[str, ...]:
    return tuple(identifier(field, part.strip()) for part in str(text).split(";") if part.strip())


def seat(field: str, text: str) -> str:
    return text if text == UNKNOWN else country(field, text)


def read(
    raw: Mapping[str, Any], known: Mapping[str, Reader], what: str, *needed: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return typed values and the body, by field. Raises `Malformed` for the first that cannot be read."""
    values: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for field, stated in raw.items():
        if stated is None or stated == "":
            continue
        if field not in known:
            raise Malformed(field, f"{field} is not a field of {what}.", f"Known: {', '.join(known)}.")
        counts = known[field] in (whole, equivalents) and isinstance(stated, int)
        values[field] = known[field](field, stated if counts else stated_text(field, stated))
        body[field] = stated
    for field in needed:
        if field not in values:
            raise Malformed(field, f"{field} is missing.", f"{what.capitalize()} must state {field}.")
    return values, body
