"""Facts as they are asked to be registered: parties, ratings, authorizations, adoptions, closed periods.

Each reader takes plain text and returns the fact and its body: what was asked, blanks left out, before defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.compute import chip_from_row, number, plain
from ledger.core.errors import Malformed
from ledger.core.facts import UNKNOWN, Authorization, Chip, Notice, Ownership, Party, Stock, StockLine
from ledger.core.movements import CONFIDENCES, UNITS
from ledger.core.movements.fields import (
    country,
    day,
    equivalents,
    free_text,
    identifier,
    stated_text,
    whole,
    word,
)

ISSUED_KINDS = ("license", "UVEU", "NVEU", "LPP", "AIA", "ACM", "NAC", "ACA")
CHANGES = ("issued", "amended", "suspended", "reinstated", "revoked", "surrendered")
RESERVED = frozenset({"operator", "reconciliation", "ledger", "self", UNKNOWN})  # no party may be called so
STATE_AFTER = {"suspended": "suspended", "revoked": "revoked", "surrendered": "surrendered"}

Reader = Callable[[str, Any], Any]
Fact = Party | Ownership | Stock | Chip | Authorization | Notice


def _ids(field: str, text: str) -> tuple[str, ...]:
    return tuple(identifier(field, part.strip()) for part in str(text).split(";") if part.strip())


def _seat(field: str, text: str) -> str:
    return text if text == UNKNOWN else country(field, text)


PARTY_FIELDS: Mapping[str, Reader] = {
    "party_id": identifier,
    "name": free_text,
    "roles": _ids,
    "headquarters": _seat,
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
AUTHORIZATION_FIELDS: Mapping[str, Reader] = {
    "authorization_id": identifier,
    "change": word(*CHANGES),
    "kind": word(*ISSUED_KINDS),
    "exporter": identifier,
    "recipient": identifier,
    "destination": country,
    "chips": _ids,
    "first_day": day,
    "last_day": day,
    "quantity": equivalents,
    "unit": word(*UNITS),
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
    for n, line in enumerate(raw.get("lines") or (), 1):
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


def rating(raw: Mapping[str, Any]) -> tuple[Chip, dict[str, Any]]:
    """Return a chip's rating, computed from its dense rates; what is stated and differs is malformed."""
    body = {name: str(text) for name, text in raw.items() if text not in (None, "")}
    identifier("chip_id", body.get("chip_id", ""))
    for field, text in body.items():
        free_text(field, text)
    return chip_from_row(raw), body


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
    if terms.first_day and terms.last_day and terms.last_day < terms.first_day:
        raise Malformed("last_day", f"last_day {terms.last_day} is before first_day {terms.first_day}.", "Swap them.")
    return terms, change, body


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
    for name in ("tpp", "tpp_per_ic", "die_area_mm2", "dram_bandwidth_gb_s", "percentage"):
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
