"""Requests and receipts: what is asked of the ledger, read and typed, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from ledger.core import four_eyes, movements, registrations
from ledger.core.deciding import voice_of
from ledger.core.errors import Malformed, Problem
from ledger.core.facts import UNKNOWN
from ledger.core.movements import Movement, fields
from ledger.core.records import canonical, fingerprint
from ledger.reference import countries
from ledger.rulebooks import parse_bundle, refuse_proposal

KINDS = (
    "movement", "party", "ownership", "stock", "authorization", "rating", "rulebook", "period", "discrepancy", "notice",
    "four_eyes", "proposal", "decision",
)  # fmt: skip
ALONE = {
    "rulebook": "An adoption computes every counter anew.",
    "decision": "What is approved may be an adoption, which computes every counter anew.",
}  # kinds of request that share their commit with no other
LONGEST_KEY = 200
COUNTRY_FIELDS = ("destination", "headquarters", "from_destination", "exported_from")


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked of the ledger, as text.

    key: unique per submitting organization; the same key with the same body has one effect and one receipt, for ever.
    observed: a fact reported from outside, which is kept even where it breaks a rule.
    """

    kind: str
    key: str
    raw: Mapping[str, Any]
    observed: bool = False


class Asker(NamedTuple):
    """Who asks: the ledger's actor, a party's id or `operator`; and the person behind it, "" where none is named."""

    actor: str
    person: str = ""


class Receipt(NamedTuple):
    """What became of a request: `posted`, `replayed` or `refused`.

    seq: the record's number, the earlier one's where replayed; None for what is answered without a record.
    code: why refused, "" where posted. leaf_hash: hex, of the record's envelope.
    """

    verdict: str
    key: str
    seq: int | None = None
    code: str = ""
    message: str = ""
    remedy: str = ""
    leaf_hash: str = ""


class Asked(NamedTuple):
    """A request that could be read: its body, canonical bytes, what makes it the same again, and its movement.

    proposed: the request that a proposal holds, read as well.
    """

    request: Request
    kind: str
    voice: str
    body: dict[str, Any]
    content: bytes
    fingerprint: bytes
    movement: Movement | None = None
    proposed: Asked | None = None


def read_or_refuse(request: Request, *, alone: bool) -> Asked | Receipt:
    """Return a request read and typed, or the receipt that says why it cannot be. alone: it has a commit of its own."""
    try:
        if request.kind in ALONE and not alone:
            raise Malformed("kind", ALONE[request.kind], "Post it alone.")
        return read(request)
    except Malformed as problem:
        return Receipt("refused", request.key, None, "malformed", problem.message, problem.remedy)
    except Problem as problem:
        return Receipt("refused", request.key, None, "malformed", str(problem))


def read(request: Request, *, is_recorded: bool = False) -> Asked:
    """Return a request read and typed. Raises `Malformed` for the first field that cannot be read.

    is_recorded: it stands in the journal, and may name a country that is none any more.
    """
    if request.kind not in KINDS:
        raise Malformed("kind", f"There is no request of kind '{request.kind}'.", f"Use one of: {', '.join(KINDS)}.")
    key = request.key
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise Malformed(
            "key", f"key is '{key[:60]}'.", f"Give each request a key of 1 to {LONGEST_KEY} printable characters."
        )
    movement, proposed, voice = None, None, "observation" if request.observed else "request"
    if request.kind == "movement":
        movement, body = movements.parse(request.raw)
        voice = voice_of(movement, request.observed)
        if voice == "request" and movement.kind in movements.EXPORTER_KINDS and not movement.exporter:
            raise Malformed("exporter", "exporter is missing.", f"A request to {movement.kind} must name its exporter.")
    elif request.kind == "proposal":
        proposed, body = _proposal(request.raw)
        if proposed.request.key == key:
            raise Malformed("key", f"Key '{key}' is that of what is proposed.", "Give the proposal a key of its own.")
    else:
        body = _body(request)
    if not is_recorded:
        refuse_no_country(body)
    content = canonical(body)
    print_ = fingerprint(request.kind, voice, content)
    return Asked(request, request.kind, voice, body, content, print_, movement, proposed)


def refuse_no_country(body: Mapping[str, Any]) -> None:
    """Refuse a country's code that is written well and that no country has: no rulebook could ever say its tier."""
    for stated in (body, *body.get("lines", ())):
        for field in COUNTRY_FIELDS:
            code = stated.get(field)
            if code and code != UNKNOWN and code not in countries():
                raise Malformed(
                    field, f"{field} is '{code}', which is the code of no country.",
                    "Use its ISO 3166 code, such as AE; what has none cannot be registered.",
                )  # fmt: skip


def _proposal(raw: Mapping[str, Any]) -> tuple[Asked, dict[str, Any]]:
    """Return the request that a proposal holds, and the proposal's body: both read, so that their form is right."""
    known = ("kind", "key", "voice", "body", "note")
    if unknown := [name for name in raw if name not in known]:
        raise Malformed(unknown[0], f"{unknown[0]} is not a field of a proposal.", f"Known: {', '.join(known)}.")
    kind, inner = raw.get("kind"), raw.get("body")
    if kind not in four_eyes.PROPOSABLE:
        raise Malformed(
            "kind", f"A request of kind '{str(kind)[:60]}' is not proposed.",
            f"Propose one of: {', '.join(four_eyes.PROPOSABLE)}; post anything else directly.",
        )  # fmt: skip
    if not isinstance(inner, Mapping):
        raise Malformed("body", "body is not the body of a request.", "State what is proposed, field by field.")
    key = fields.stated_text("key", raw.get("key") or "")
    voice = fields.word("request", "observation")("voice", fields.stated_text("voice", raw.get("voice") or "request"))
    note = fields.free_text("note", fields.stated_text("note", raw.get("note") or ""))
    proposed = read(Request(kind, key, inner, voice == "observation"))
    body = {"body": proposed.body, "key": key, "kind": kind, "voice": proposed.voice}
    return proposed, {**body, "note": note} if note else body


def _body(request: Request) -> dict[str, Any]:
    raw = request.raw
    match request.kind:
        case "party":
            return registrations.party(raw)[1]
        case "ownership":
            return registrations.ownership(raw)[1]
        case "stock":
            return registrations.stock(raw)[1]
        case "rating":
            return registrations.rating(raw)[1]
        case "authorization":
            return registrations.authorization(raw, None)[2]
        case "notice":
            return registrations.notice(raw)[1]
        case "period":
            return registrations.read(raw, registrations.PERIOD_FIELDS, "a period", "closed_until")[1]
        case "four_eyes":
            values, body = registrations.read(raw, four_eyes.REQUIREMENT_FIELDS, "a four_eyes", "kinds")
            four_eyes.requirement(values)
            return body
        case "decision":
            return registrations.read(raw, four_eyes.DECISION_FIELDS, "a decision", "proposal", "decision")[1]
        case "discrepancy":
            return registrations.read(raw, registrations.DISCREPANCY_FIELDS, "a discrepancy", "id", "change", "note")[1]
    stated = {name: value for name, value in raw.items() if name != "bundle"}
    values, body = registrations.read(stated, registrations.ADOPTION_FIELDS, "an adoption", "name", "from")
    if "until" in values and values["until"] <= values["from"]:
        raise Malformed("until", f"until {values['until']} is not after from {values['from']}.", "Correct one of them.")
    bundle = raw.get("bundle")
    if not isinstance(bundle, Mapping) or not all(isinstance(text, str) for each in bundle.items() for text in each):
        raise Malformed("bundle", "bundle is not the texts of rulebooks by name.", "Bundle the book that is adopted.")
    body["bundle"] = dict(bundle)
    if body["name"] not in body["bundle"]:
        raise Malformed("bundle", f"The bundle holds no book '{body['name']}'.", "Bundle the book that is adopted.")
    book = parse_bundle(body["bundle"], body["name"])  # a book that cannot be read is not adopted
    refuse_proposal(book)
    if book.name != body["name"]:
        raise Malformed("name", f"name is '{body['name']}'; the book calls itself '{book.name}'.", "Use its own name.")
    return body


def first_difference(before: Mapping[str, Any], after: Mapping[str, Any], inside: str = "") -> str:
    """Return the name of the first field in which two bodies differ."""
    for field in sorted(before.keys() | after.keys()):
        old, new = before.get(field), after.get(field)
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list):
            for n, (mine, theirs) in enumerate(zip(old, new, strict=False), 1):
                if mine != theirs and isinstance(mine, dict) and isinstance(theirs, dict):
                    return first_difference(mine, theirs, f"line {n}: ")
        return f"{inside}{field}"
    return "kind or voice"


def day_of(body: Mapping[str, Any], field: str) -> date:
    """Return a day from a body that has been read already."""
    return fields.day(field, str(body[field]))
