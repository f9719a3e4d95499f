"""The shapes of what is sent, made of the core's own tables of fields, so that they cannot differ from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledger.api.routes.posting import ITEM_FIELDS, MOST_AT_ONCE
from ledger.api.schemas import Schema
from ledger.core import four_eyes, movements, registrations
from ledger.core.movements import ACTIVITIES, CAUSES, CONFIDENCES, KINDS, UNITS
from ledger.posting.requests import KINDS as REQUEST_KINDS
from ledger.posting.requests import LONGEST_KEY

ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}$"}
COUNTRY: Schema = {"type": "string", "pattern": "^[A-Z]{2}$"}
DAY: Schema = {
    "type": "string", "pattern": "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$",
    "description": "A day. One known to the month or year counts from its last day.",
}  # fmt: skip
FREE: Schema = {"type": "string", "maxLength": 2000}
FIGURE: Schema = {"type": ["string", "integer"], "description": "A whole number, or exact text."}
_WORDS = {
    "movement": KINDS, "unit": UNITS, "cause": CAUSES, "activity": ACTIVITIES, "confidence": CONFIDENCES,
    "kind": registrations.ISSUED_KINDS,
}  # fmt: skip
_OTHERWISE: Mapping[str, Schema] = {
    "quantity": FIGURE,
    "percentage": {"type": "string", "description": "From 0 to 100."},
    "reverses": {"type": ["string", "integer"], "description": "The record that is taken back."},
    "of": {"type": "string", "pattern": "^[1-9][0-9]{0,17}[.][1-9][0-9]{0,4}$", "description": "A lot: record.line."},
    "roles": {"type": "string", "description": "Words, with a semicolon between."},
    "chips": {"type": "string", "description": "Base chips, with a semicolon between; any if not said."},
    "headquarters": {"type": "string", "description": "A country's code, or `unknown`."},
    "ultimate_parent": {"type": "string", "description": "A party's id, `self` or `unknown`."},
    "evidence": {"type": ["string", "object"], "description": "Evidence by kind and reference."},
}
_COUNTRIES = ("destination", "from_destination", "exported_from")
_DAYS = ("from", "until", "effective_on", "first_day", "last_day", "closed_until", "as_of", "filed_on")
_FREE = ("name", "source", "note", "conditions", "status", "stated_date", "reference")


def _field(name: str, words: Mapping[str, Iterable[str]] = _WORDS) -> Schema:
    if name in words:
        return {"type": "string", "enum": list(words[name])}
    if name in _OTHERWISE:
        return dict(_OTHERWISE[name])
    for names, schema in ((_COUNTRIES, COUNTRY), (_DAYS, DAY), (_FREE, FREE)):
        if name in names:
            return schema
    return ID


def _of(names: Iterable[str], *needed: str, **beside: Schema) -> Schema:
    fields = {name: _field(name) for name in names}
    return {"type": "object", "properties": {**fields, **beside}, "required": list(needed),
            "additionalProperties": False}  # fmt: skip


_LINE = _of(movements.LINE_FIELDS, "chip", "quantity")
_ITEM: Schema = {
    "type": "object", "required": ["kind", "key", "body"], "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "enum": list(REQUEST_KINDS)}, "key": {"type": "string", "maxLength": 200},
        "observed": {"type": "boolean"}, "body": {"type": "object"},
    },
}  # fmt: skip
assert set(_ITEM["properties"]) == set(ITEM_FIELDS)

BODIES: Mapping[str, Schema] = {
    "movement": _of(
        movements.HEAD_FIELDS, "movement", "effective_on",
        lines={"type": "array", "items": _LINE, "maxItems": movements.MOST_LINES},
        observed={"type": "boolean", "description": "A fact reported from outside, not a request."},
    ),
    "batch": {
        "type": "object", "required": ["items"], "additionalProperties": False,
        "properties": {
            "together": {"type": "boolean", "description": "All or nothing."},
            "items": {"type": "array", "items": _ITEM, "minItems": 1, "maxItems": MOST_AT_ONCE},
        },
    },
    "party": _of(registrations.PARTY_FIELDS, "party_id", "name"),
    "ownership": _of(registrations.OWNERSHIP_FIELDS, "owner", "owned", "percentage"),
    "rating": {
        "type": "object", "required": ["chip_id"], "properties": {"chip_id": ID},
        "additionalProperties": FIGURE, "description": "A row of the chip catalog: chip_id and its dense rates.",
    },
    "rulebook": _of(
        registrations.ADOPTION_FIELDS, "name", "from",
        bundle={"type": "object", "additionalProperties": {"type": "string"},
                "description": "Texts by name: the book's, and those it is like. Not needed for a shipped one."},
    ),
    "authorization": _of(
        registrations.AUTHORIZATION_FIELDS, "authorization_id",
        change={"type": "string", "enum": list(registrations.CHANGES)},
    ),
    "period": _of(registrations.PERIOD_FIELDS, "closed_until"),
    "discrepancy": _of(
        [name for name in registrations.DISCREPANCY_FIELDS if name != "id"], "change", "note",
        change={"type": "string", "enum": ["explained", "resolved", "reopened"]},
    ),
    "stock": _of(
        registrations.STOCK_FIELDS, "party_id", "as_of",
        lines={"type": "array", "items": _of(registrations.STOCK_LINE_FIELDS, "destination", "chip", "quantity")},
    ),
    "notice": _of(
        [name for name in registrations.NOTICE_FIELDS if name not in ("record", "subject")],
        "duty", "party", "filed_on",
        record={"type": ["string", "integer"], "description": "The movement that it is about."},
        subject={**FREE, "description": "What it is about, where that is no movement, as the duty is listed with."},
    ),
    "proposal": {
        "type": "object", "required": ["kind", "key", "body"], "additionalProperties": False,
        "properties": {
            "kind": {"type": "string", "enum": list(four_eyes.PROPOSABLE)},
            "key": {"type": "string", "maxLength": LONGEST_KEY, "description": "The key of what is proposed."},
            "voice": {"type": "string", "enum": ["request", "observation"]},
            "body": {"type": "object"}, "note": FREE,
        },
    },
    "decision": _of(
        ["note"], "decision", decision={"type": "string", "enum": ["approve", "decline"]}
    ),
    "backtest": {
        "type": "object", "required": ["rulebooks"], "additionalProperties": False,
        "properties": {
            "rulebooks": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 5},
            "on": {"type": "string", "format": "date"}, "known": {"type": ["string", "integer"]},
            "most": {"type": "integer", "minimum": 0, "maximum": 1000},
        },
    },
    "reconciliation": {
        "type": "object", "additionalProperties": False,
        "properties": {"on": {"type": "string", "format": "date"}, "rulebook": {"type": "string"}},
    },
}  # fmt: skip
