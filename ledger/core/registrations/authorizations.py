"""Authorizations: issued, amended, suspended, reinstated, revoked, surrendered; of chips or of model weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ledger.core.compute import number, plain
from ledger.core.errors import Malformed
from ledger.core.facts import MODELS, Authorization
from ledger.core.movements import CONFIDENCES, UNITS
from ledger.core.movements.fields import (
    country,
    day,
    equivalents,
    evidence,
    free_text,
    identifier,
    word,
)
from ledger.core.registrations.reading import Reader, ids, read

ISSUED_KINDS = ("license", "UVEU", "NVEU", "LPP", "AIA", "ACM", "NAC", "ACA")
WEIGHTS_ECCNS = ("4E091",)
WEIGHTS_FIELDS = ("eccn", "training_operations", "evidence")  # stated of models, and of nothing else
CHANGES = ("issued", "amended", "suspended", "reinstated", "revoked", "surrendered")
STATE_AFTER = {"suspended": "suspended", "revoked": "revoked", "surrendered": "surrendered"}
_POWER = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,10})?)e([0-9]{1,2})", re.ASCII).fullmatch


def _operations(field: str, text: str) -> Decimal:
    """Return a number of training operations: `1e26`, `3.8e25`, or all of its digits."""
    power = _POWER(text)
    operations = number(power[1], field).scaleb(int(power[2])) if power else number(text, field)
    if operations <= 0:
        raise Malformed(field, f"{field} is {text}; it must be above zero.", "Write it as 1e26, or in digits.")
    return operations


AUTHORIZATION_FIELDS: Mapping[str, Reader] = {
    "authorization_id": identifier,
    "change": word(*CHANGES),
    "kind": word(*ISSUED_KINDS),
    "exporter": identifier,
    "recipient": identifier,
    "destination": country,
    "chips": ids,
    "first_day": day,
    "last_day": day,
    "quantity": equivalents,
    "unit": word(*UNITS, MODELS),
    "eccn": word(*WEIGHTS_ECCNS),
    "training_operations": _operations,
    "evidence": evidence,
    "conditions": free_text,
    "overrides": identifier,
    "parent_deal": identifier,
    "stated_date": free_text,
    "effective_on": day,
    "status": free_text,
    "confidence": word(*CONFIDENCES),
    "source": free_text,
    "note": free_text,
}


def authorization(raw: Mapping[str, Any], before: Authorization | None) -> tuple[Authorization, str, dict[str, Any]]:
    """Return an authorization after a change, and the change. A change other than `issued` needs what was `before`.

    Its state holds from `effective_on`; an issue without one holds for ever.
    """
    values, body = read(raw, AUTHORIZATION_FIELDS, "an authorization", "authorization_id")
    change = values.pop("change", "issued")
    name, effective_on = values.pop("authorization_id"), values.pop("effective_on", None)
    if "quantity" in values:
        values["quantity"] = plain(values["quantity"])
    if change == "issued":
        for field in ("kind", "recipient", "destination"):
            if field not in values:
                raise Malformed(field, f"{field} is missing.", "An authorization that is issued must state it.")
        terms = Authorization(authorization=name, state_from=effective_on, **values)
    else:
        if effective_on is None:
            raise Malformed("effective_on", "effective_on is missing.", f"Say from which day it is {change}.")
        if change != "amended" and (changed := sorted(set(values) - {"source", "confidence", "note", "status"})):
            raise Malformed(changed[0], f"{changed[0]} cannot be changed by {change}.", "Amend it in a row of its own.")
        for field in ("kind", "recipient", "destination"):
            if field in values and before and values[field] != getattr(before, field):
                raise Malformed(field, f"{field} cannot be amended.", "Issue another authorization.")
        terms = replace(before or Authorization(name, "", "", ""), **values)
        state = STATE_AFTER.get(change, "active" if change == "reinstated" else terms.state)
        terms = replace(terms, state=state, state_from=effective_on)
    if change == "issued" or before:
        _check_weights(terms, change, before, values)
    if terms.first_day and terms.last_day and terms.last_day < terms.first_day:
        raise Malformed("last_day", f"last_day {terms.last_day} is before first_day {terms.first_day}.", "Swap them.")
    return terms, change, body


def _check_weights(terms: Authorization, change: str, before: Authorization | None, values: Mapping[str, Any]) -> None:
    """Models are whole, and say what they are from their first day on; chips have nothing of it."""
    if terms.unit != MODELS and (stated := [field for field in WEIGHTS_FIELDS if field in values]):
        raise Malformed(stated[0], f"{stated[0]} is stated of models only.", f"Write {MODELS} as the unit.")
    if before and change != "issued":
        fixed = [field for field in ("eccn", "training_operations") if getattr(terms, field) != getattr(before, field)]
        if (terms.unit == MODELS) != (before.unit == MODELS):
            fixed.insert(0, "unit")
        if fixed:
            raise Malformed(fixed[0], f"{fixed[0]} cannot be amended.", "Issue another authorization.")
    if terms.unit != MODELS:
        return
    if terms.chips:
        raise Malformed("chips", "chips are named; an authorization for models has none.", "Leave chips blank.")
    for field in ("quantity", "eccn", "training_operations"):
        if not getattr(terms, field):
            raise Malformed(field, f"{field} is missing.", "An authorization for models must state it.")
    if Decimal(terms.quantity) % 1:
        raise Malformed("quantity", f"quantity is {terms.quantity} models.", "Name a whole number of models.")
    if not (terms.state_from or terms.first_day):
        raise Malformed(
            "effective_on", "effective_on is missing.", "Say from which day an authorization for models counts."
        )
