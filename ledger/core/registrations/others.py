"""Ratings, notices, adoptions, closed periods, and what is said of discrepancies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.core.compute import chip_from_row
from ledger.core.errors import Malformed
from ledger.core.facts import MODELS, Chip, Notice
from ledger.core.movements import CONFIDENCES
from ledger.core.movements.fields import (
    day,
    free_text,
    identifier,
    whole,
    word,
)
from ledger.core.registrations.reading import Reader, read

PERIOD_FIELDS: Mapping[str, Reader] = {"closed_until": day, "note": free_text}
DISCREPANCY_FIELDS: Mapping[str, Reader] = {
    "id": whole,
    "change": word("explained", "resolved", "reopened"),
    "owner": identifier,
    "note": free_text,
}
NOTICE_FIELDS: Mapping[str, Reader] = {
    "duty": identifier,
    "party": identifier,
    "filed_on": day,
    "record": whole,
    "subject": free_text,
    "reference": free_text,
    "confidence": word(*CONFIDENCES),
    "source": free_text,
    "note": free_text,
}
ADOPTION_FIELDS: Mapping[str, Reader] = {"name": identifier, "from": day, "until": day, "note": free_text}


def rating(raw: Mapping[str, Any]) -> tuple[Chip, dict[str, Any]]:
    """Return a chip's rating, computed from its dense rates; what is stated and differs is malformed."""
    body = {name: str(text) for name, text in raw.items() if text not in (None, "")}
    if identifier("chip_id", body.get("chip_id", "")) == MODELS:
        raise Malformed("chip_id", f"chip_id is '{MODELS}', a word with a meaning of its own.", "Use another id.")
    for field, text in body.items():
        free_text(field, text)
    return chip_from_row(raw), body


def notice(raw: Mapping[str, Any]) -> tuple[Notice, dict[str, Any]]:
    """Return what a party filed because a duty asks for it: about a movement's record, or about a subject."""
    values, body = read(raw, NOTICE_FIELDS, "a notice", "duty", "party", "filed_on")
    if ("record" in values) == ("subject" in values):
        both = "both a record and a subject" if "record" in values else "neither a record nor a subject"
        raise Malformed(
            "record",
            f"The notice names {both}.",
            "Name the movement's record, or the subject as `capledger duties` tells it: facility=site-1, or a date.",
        )
    return Notice(**values), body
