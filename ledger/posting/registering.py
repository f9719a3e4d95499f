"""Facts on their way in: may this be registered, and what is then known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from ledger.core import four_eyes, registrations
from ledger.core.compute import plain
from ledger.core.facts import AUTHORIZATION_KINDS, UNKNOWN, Authorization
from ledger.core.knowledge import EVER, Knowledge
from ledger.core.refusals import OPERATOR, PRECEDENCE, Refusal
from ledger.positions import Fact, fact_of
from ledger.posting.requests import Asked, day_of


@dataclass(frozen=True, slots=True)
class Registered:
    """A fact that may be recorded: the record's kind, its row, and what becomes known."""

    record_kind: str
    fact_kind: str
    subject: str
    valid_from: date | None
    body: dict[str, Any]
    judged: dict[str, Any]
    before: Authorization | None = None


def register(asked: Asked, asker: str, knowledge: Knowledge) -> Registered | Refusal:
    """Return what a request to register a fact comes to; the first reason to refuse it, if there is any."""
    if asker != OPERATOR and not (asked.kind == "stock" and asked.body["party_id"] == asker):
        return Refusal(
            "forbidden", f"{asker} may not register a {asked.kind}: only the operator may.", "Ask the operator."
        )
    match asked.kind:
        case "party":
            return _party(asked, knowledge)
        case "ownership":
            return _ownership(asked, knowledge)
        case "stock":
            return _stock(asked, knowledge)
        case "rating":
            return _rating(asked, knowledge)
        case "authorization":
            return _authorization(asked, knowledge)
        case "period":
            last = day_of(asked.body, "closed_until").isoformat()
            return Registered("period.closed", "period", last, None, {"closed_until": last}, {"closed_until": last})
        case "four_eyes":
            values, _ = registrations.read(asked.body, four_eyes.REQUIREMENT_FIELDS, "a four_eyes")
            required = four_eyes.to_body(four_eyes.requirement(values))
            return Registered("four_eyes.required", "four_eyes", "four_eyes", None, required, required)
    first, body = day_of(asked.body, "from"), dict(asked.body)
    body["from"] = first.isoformat()
    if "until" in body:
        body["until"] = day_of(asked.body, "until").isoformat()
    judged = {name: value for name, value in body.items() if name != "bundle"}
    return Registered("rulebook.adopted", "rulebook", body["name"], first, body, judged)


def known_as(registered: Registered, seq: int) -> Fact:
    """Return the fact as the core's value, as record `seq` states it."""
    return fact_of(registered.fact_kind, registered.body, seq)


def _party(asked: Asked, knowledge: Knowledge) -> Registered | Refusal:
    party, _ = registrations.party(asked.body)
    parent = party.ultimate_parent
    if parent not in ("self", UNKNOWN, party.party) and not knowledge.knows_party(parent):
        return _unknown("unknown_party", "ultimate_parent", "party", parent)
    body = registrations.to_body(party)
    kind = "party.changed" if knowledge.knows_party(party.party) else "party.registered"
    return Registered(kind, "party", party.party, party.valid_from, body, body)


def _ownership(asked: Asked, knowledge: Knowledge) -> Registered | Refusal:
    share, _ = registrations.ownership(asked.body)
    for role in ("owner", "owned"):
        if not knowledge.knows_party(getattr(share, role)):
            return _unknown("unknown_party", role, "party", getattr(share, role))
    held = [other for other in knowledge.owners(share.owned, share.valid_from or EVER) if other.owner != share.owner]
    together = sum((other.percentage for other in held), share.percentage)
    if together > 100:
        return Refusal(
            "exceeds_authorization",
            f"{share.owned} would be owned by {plain(together)} in a hundred on {share.valid_from or 'the first day'}.",
            "State the other shares anew first.",
            f"party={share.owned}",
        )
    body = registrations.to_body(share)
    return Registered("party.owned", "ownership", share.owned, share.valid_from, body, body)


def _stock(asked: Asked, knowledge: Knowledge) -> Registered | Refusal:
    stock, _ = registrations.stock(asked.body)
    for name in (stock.party, *(line.owner for line in stock.lines if line.owner)):
        if knowledge.party(name, stock.as_of) is None:
            return _unknown("unknown_party", "party_id" if name == stock.party else "owner", "party", name)
    for line in stock.lines:
        if knowledge.chip(line.chip, stock.as_of) is None:
            return _unknown("unknown_chip", "chip", "chip", line.chip)
    before = knowledge.stock(stock.party)
    if before and stock.as_of < before.as_of:
        return Refusal(
            "outside_validity",
            f"The stock of {stock.party} was declared as of {before.as_of} already; this one is as of {stock.as_of}.",
            f"Declare it as of {before.as_of} or later: each declaration replaces the one before.",
            f"party={stock.party}",
        )
    body = registrations.to_body(stock)
    return Registered("stock.declared", "stock", stock.party, stock.as_of, body, body)


def _rating(asked: Asked, knowledge: Knowledge) -> Registered | Refusal:
    chip, _ = registrations.rating(asked.body)
    if chip.base_chip and chip.base_chip != chip.chip and not knowledge.knows_chip(chip.base_chip):
        return _unknown("unknown_chip", "base_chip_id", "chip", chip.base_chip)
    body = registrations.to_body(chip)
    return Registered("chip.rated", "chip", chip.chip, chip.valid_from, body, body)


def _authorization(asked: Asked, knowledge: Knowledge) -> Registered | Refusal:
    name = asked.body["authorization_id"]
    before = knowledge.authorization(name)
    terms, change, _ = registrations.authorization(asked.body, before)
    refusals = list(_why_not(terms, change, before, knowledge))
    if refusals:
        return min(refusals, key=lambda refusal: PRECEDENCE.index(refusal.code))
    body = registrations.to_body(terms)
    kind = f"authorization.{change}"
    return Registered(kind, "authorization", name, terms.state_from, body, body, before)


def _why_not(
    terms: Authorization, change: str, before: Authorization | None, knowledge: Knowledge
) -> Iterator[Refusal]:
    if change != "issued" and before is None:
        yield _unknown("unknown_authorization", "authorization_id", "authorization", terms.authorization)
        return
    if change == "issued" and (before or terms.authorization in AUTHORIZATION_KINDS):
        yield Refusal(
            "exceeds_authorization",
            f"Authorization {terms.authorization} is issued already.",
            "Amend it, or issue it under an id of its own.",
            f"authorization={terms.authorization}",
        )
    if before and change != "issued":
        allowed = {"suspended": ("active",), "reinstated": ("suspended",)}.get(change, ("active", "suspended"))
        if before.state not in allowed:
            yield Refusal(
                "authorization_not_active",
                f"Authorization {terms.authorization} is {before.state}; it cannot be {change}.",
                "Look at its history first.",
                f"authorization={terms.authorization}",
            )
        if before.state_from and terms.state_from and terms.state_from < before.state_from:
            yield Refusal(
                "outside_validity",
                f"Authorization {terms.authorization} was changed from {before.state_from} on; this change is dated "
                f"{terms.state_from}.",
                f"Date it {before.state_from} or later.",
                f"authorization={terms.authorization}",
            )
        if knowledge.closed_until and terms.state_from and terms.state_from <= knowledge.closed_until:
            yield Refusal(
                "period_closed",
                f"The period to {knowledge.closed_until} is closed; the change is dated {terms.state_from}.",
                f"Date it after {knowledge.closed_until}.",
                f"period={knowledge.closed_until}",
            )
    for role, party in (("recipient", terms.recipient), ("exporter", terms.exporter)):
        if party and not knowledge.knows_party(party):
            yield _unknown("unknown_party", role, "party", party)
    for chip in terms.chips:
        if not knowledge.knows_chip(chip):
            yield _unknown("unknown_chip", "chips", "chip", chip)


def _unknown(code: str, field: str, thing: str, named: str) -> Refusal:
    return Refusal(
        code,
        f"{field} names {thing} '{named}', which is not known.",
        f"Register the {thing} first; then the same request can succeed.",
        named,
    )
