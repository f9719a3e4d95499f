"""The shapes of answers, as JSON Schema. Amounts are exact text; what is not known is null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.reports.usage import SHOWN

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
YES_NO: Schema = {"type": "boolean"}
DAY: Schema = {"type": "string", "format": "date"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
AMOUNT: Schema = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "description": "An exact number, in plain form."}
HASH: Schema = {"type": "string", "pattern": "^([0-9a-f]{64})?$"}
ANYTHING: Schema = {"type": "object"}


def maybe(schema: Schema) -> Schema:
    """Return a schema that takes null too."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def ref(name: str) -> Schema:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(schema: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": schema}


def record(needed: Mapping[str, Schema], beside: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object with fields that are always there, and fields that may be."""
    return {"type": "object", "properties": {**needed, **(beside or {})}, "required": list(needed)}


STAMP = {
    "on": {**DAY, "description": "The day asked about."},
    "known": {**WHOLE, "description": "The record it is known at."},
    "journal": {**WHOLE, "description": "How many records there are."},
    "rulebook": {**maybe(TEXT), "description": "The rulebook asked, with its revision."},
}


def stamped(**fields: Schema) -> Schema:
    """Return the schema of an answer under its stamp."""
    return record({**STAMP, **fields})


def stamped_list(item: str, **beside: Schema) -> Schema:
    """Return the schema of a list under its stamp."""
    return stamped(**beside, items=listed(ref(item)))


_CAP = dict.fromkeys(
    ("cap", "subject", "window", "unit", "state", "law", "when_exceeded", "status", "confidence", "book"), TEXT
)
_TERMS = dict.fromkeys(
    ("exporter", "quantity", "unit", "conditions", "overrides", "parent_deal", "stated_date", "status", "confidence",
     "source", "note"), TEXT,
)  # fmt: skip
_RECEIPT = {
    "verdict": {"type": "string", "enum": ["posted", "refused"]}, "key": TEXT, "seq": maybe(WHOLE), "code": TEXT,
    "message": TEXT, "remedy": TEXT, "leaf_hash": HASH,
}  # fmt: skip
_BOOK = {"rulebook": TEXT, "revision": WHOLE, "title": TEXT, "source": TEXT, "sha256": HASH, "is_shipped": YES_NO}
_RUN = {"seq": WHOLE, "number": WHOLE, "day": DAY, "rulebook": TEXT, "inputs_sha256": HASH, "digest": HASH,
        "predecessor": maybe(WHOLE)}  # fmt: skip
_CHECKPOINT = {"size": WHOLE, "root": HASH, "recorded_at": maybe(MOMENT)}
_ASKED = {
    "seq": WHOLE, "recorded_at": MOMENT, "actor": TEXT, "key": TEXT, "voice": TEXT, "verdict": TEXT, "code": TEXT,
    "message": TEXT, "remedy": TEXT, "leaf_hash": HASH, "movement": ANYTHING,
}  # fmt: skip

_BALANCE = record({"tpp": AMOUNT, "chips": WHOLE, "unstated_tpp": AMOUNT})
_BALANCES = record(dict.fromkeys(SHOWN, _BALANCE))
_OF_A_LINE = ("what", "by", "exporter", "recipient", "country", "chip", "authorization")

ANSWERS: Mapping[str, Schema] = {
    "Problem": record(
        {"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT, "code": TEXT, "remedy": TEXT},
        {"errors": listed(record({"field": TEXT, "detail": TEXT})), "receipts": listed(ref("Receipt"))},
    ),
    "Receipt": record(_RECEIPT),
    "BatchAnswer": record(
        {"posted": WHOLE, "refused": WHOLE, "receipts": listed(record({**_RECEIPT, "replayed": YES_NO}))}
    ),
    "Explained": stamped(verdict=TEXT, code=TEXT, message=TEXT, remedy=TEXT),
    "Party": record(
        {"party": TEXT, "name": TEXT},
        {"headquarters": TEXT, "ultimate_parent": TEXT, "seq": WHOLE, "roles": listed(TEXT), "valid_from": DAY,
         "confidence": TEXT, "source": TEXT, "note": TEXT},
    ),
    "Parties": stamped_list("Party", next=maybe(TEXT)),
    "PartyAnswer": stamped(party=ref("Party"), ownership_path=listed(TEXT)),
    "Authorization": record(
        {"authorization": TEXT, "kind": TEXT, "recipient": TEXT, "destination": TEXT, "state": TEXT,
         "is_active": YES_NO, "seq": WHOLE},
        {"chips": listed(TEXT), "first_day": DAY, "last_day": DAY, "state_from": DAY,
         **_TERMS},
    ),
    "Authorizations": stamped_list("Authorization", next=maybe(TEXT)),
    "AuthorizationAnswer": stamped(authorization=ref("Authorization")),
    "CapLeft": record(
        {**_CAP, "limit": maybe(AMOUNT), "used": maybe(AMOUNT), "doubt": maybe(AMOUNT), "remaining": maybe(AMOUNT),
         "limit_tpp": maybe(AMOUNT), "used_tpp": maybe(AMOUNT), "remaining_tpp": maybe(AMOUNT), "day": DAY}
    ),
    "RemainingAnswer": stamped(
        remaining_tpp=maybe(AMOUNT), remaining_chips=maybe(WHOLE), remaining_h100_equivalents=maybe(AMOUNT),
        binding_cap=TEXT, why=TEXT, remedy=TEXT, rules=listed(TEXT), review=TEXT, caps=listed(ref("CapLeft")),
        open_tpp=maybe(AMOUNT), open_chips=maybe(WHOLE),
    ),
    "Usage": record(
        {"subject": TEXT, **{f"{stage}_tpp": AMOUNT for stage in SHOWN}, **{f"{stage}_chips": WHOLE for stage in SHOWN},
         **{f"{stage}_unstated_tpp": AMOUNT for stage in SHOWN}}
    ),
    "Usages": stamped_list("Usage", by=TEXT, next=maybe(TEXT)),
    "Cap": record(
        {**_CAP, "tier": TEXT, "limit": maybe(AMOUNT), "used": AMOUNT, "doubt": AMOUNT, "used_tpp": AMOUNT,
         "left": maybe(AMOUNT)}
    ),
    "Caps": stamped_list("Cap", next=maybe(TEXT)),
    "Happening": record(
        {"seq": WHOLE, "recorded_at": MOMENT, "kind": TEXT, "actor": TEXT, "day": maybe(DAY), "what": TEXT,
         "stage": TEXT, "chips": maybe(WHOLE), "tpp": maybe(AMOUNT)}
    ),
    "History": stamped_list("Happening", subject=TEXT, next=maybe(TEXT)),
    "Movement": record(_ASKED),
    "Movements": stamped_list("Movement", next=WHOLE, has_more=YES_NO),
    "MovementAnswer": stamped(record=ref("Movement")),
    "Discrepancy": record(
        {"id": WHOLE, "class": TEXT, "book": TEXT, "cap": TEXT, "subject": TEXT, "window": maybe(DAY), "amount": TEXT,
         "unit": TEXT, "effective_on": DAY, "opened_at": MOMENT, "owner": TEXT, "state": TEXT, "note": TEXT}
    ),
    "Discrepancies": stamped_list("Discrepancy", next=maybe(TEXT)),
    "Rulebook": record(_BOOK, {"adopted_by": WHOLE, "from": DAY, "until": maybe(DAY), "is_in_force": YES_NO}),
    "Rulebooks": stamped_list("Rulebook", next=maybe(TEXT)),
    "BookAnswer": stamped(book=ANYTHING),
    "Differences": stamped(a=ref("Rulebook"), b=ref("Rulebook"),
                           differences=listed(record({"part": TEXT, "words": TEXT}))),
    "Backtest": ANYTHING,
    "Run": record(_RUN, {"report": ANYTHING}),
    "Runs": stamped_list("Run", next=maybe(WHOLE)),
    "RunAnswer": stamped(run=ref("Run")),
    "RunMade": record({"seq": WHOLE, "digest": HASH, "is_new": YES_NO, "report": ANYTHING}),
    "CheckpointAnswer": stamped(checkpoint=record(_CHECKPOINT)),
    "ProofAnswer": stamped(
        proof=record({"seq": WHOLE, "index": WHOLE, **_CHECKPOINT, "envelope": TEXT, "leaf_hash": HASH,
                      "path": listed(HASH)})
    ),
    "Proposal": record(
        {"id": WHOLE, "state": TEXT, "what": TEXT, "kind": TEXT, "key": TEXT, "voice": TEXT, "request": ANYTHING,
         "actor": TEXT, "person": TEXT, "note": TEXT, "proposed_at": MOMENT, "would": ANYTHING,
         "decision": maybe(ANYTHING)}
    ),
    "Proposals": stamped_list("Proposal", next=maybe(TEXT)),
    "Duty": record({"duty": TEXT, "law": TEXT, "party": TEXT, "state": TEXT, "due_on": maybe(DAY)}),
    "Duties": stamped_list("Duty", next=maybe(TEXT)),
    "Line": record(
        {"day": DAY, "record": WHOLE, "line": WHOLE, **dict.fromkeys(_OF_A_LINE, TEXT), "recorded_at": maybe(MOMENT),
         "late": YES_NO, "changes": listed(record({"stage": TEXT, **dict.fromkeys(("before", "change", "after"),
                                                                                  _BALANCE)}))}
    ),
    "StatementAnswer": stamped(
        exporter=TEXT, recipient=TEXT, country=TEXT, names=ANYTHING, first=DAY, last=DAY, recorded_at=maybe(MOMENT),
        root=HASH, opening=_BALANCES, lines=listed(ref("Line")), closing=_BALANCES,
        caps=listed({"allOf": [ref("Cap"), record({"own": AMOUNT, "own_tpp": AMOUNT})]}),
        discrepancies=listed({"allOf": [ref("Discrepancy"), record({"own": YES_NO})]}),
    ),
    "Metrics": TEXT,
    "Health": record({"status": TEXT}),
}  # fmt: skip
