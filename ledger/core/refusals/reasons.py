"""The reasons themselves: one function a rule, each yielding what it finds wrong with a case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from ledger.core.compute import grouped, plain
from ledger.core.facts import MODELS
from ledger.core.knowledge import Knowledge
from ledger.core.refusals.capped import of_cap, of_shrunk
from ledger.core.refusals.case import OPERATOR, Case, Refusal
from ledger.core.resolving import Resolved


def asker_may_not_ask(case: Case) -> Iterator[Refusal]:
    """A party may ask only for its own exports, and report only on its own chips; granting is the operator's."""
    movement, asker = case.movement, case.asker
    if asker == OPERATOR:
        return
    if movement.kind == "grant":
        yield Refusal("forbidden", f"{asker} may not grant: only the operator grants.", "Ask the licensing agency.")
        return
    if movement.kind in ("release", "transfer", "reexport") and not _is_holder(case):
        yield Refusal(
            "forbidden",
            f"{asker} may not {movement.kind} what belongs to another.",
            "Let its exporter release it, or its holder move it.",
        )
        return
    own = {movement.exporter}
    if case.observed:
        own |= {name for line in movement.lines for name in (line.recipient, line.owner, line.operator)}
    if asker not in own and movement.kind != "reverse":
        verb = "report" if case.observed else "ask for"
        yield Refusal(
            "forbidden",
            f"{asker} may not {verb} a {movement.kind} of {movement.exporter or 'another exporter'}.",
            f"Name {asker} as the exporter, or let the party it concerns ask.",
        )


def names_something_unknown(case: Case) -> Iterator[Refusal]:
    """Parties, chips, authorizations and lots must be known on the day before anything can be posted with them."""
    things = {"unknown_party": "party", "unknown_chip": "chip", "unknown_authorization": "authorization"}
    for missing in case.missing:
        thing = things.get(missing.code, "record")
        yield Refusal(
            missing.code,
            f"{missing.field} names {thing} '{missing.named}', which is not known on {case.movement.effective_on}.",
            f"Register the {thing} first; then the same request can succeed." if thing != "record" else
            "Name the record and line of a posted movement, such as 17.1.",
            subject=missing.named,
        )  # fmt: skip


def authorization_is_not_active(case: Case) -> Iterator[Refusal]:
    """Nothing moves under an authorization that is suspended, revoked or surrendered on the day."""
    for line in _asking(case):
        terms = line.authorization
        day = case.movement.effective_on
        if terms and terms.state_from and day < terms.state_from:
            yield Refusal(
                "authorization_not_active",
                f"Authorization {terms.authorization} is issued from {terms.state_from} on, not yet on {day}.",
                f"Date it {terms.state_from} or later.",
                subject=f"authorization={terms.authorization}",
            )
        elif terms and terms.state != "active":
            yield Refusal(
                "authorization_not_active",
                f"Authorization {terms.authorization} is {terms.state} since {terms.state_from}.",
                "Use one that is active on the day.",
                subject=f"authorization={terms.authorization}",
            )


def is_outside_validity(case: Case) -> Iterator[Refusal]:
    """An authorization is good from its first to its last day, both included."""
    day = case.movement.effective_on
    for line in _asking(case):
        terms = line.authorization
        if terms and ((terms.first_day and day < terms.first_day) or (terms.last_day and day > terms.last_day)):
            yield Refusal(
                "outside_validity",
                f"Authorization {terms.authorization} is valid from {terms.first_day or 'ever'} to "
                f"{terms.last_day or 'further notice'}; the movement is dated {day}.",
                "Date it within the validity, or use another authorization.",
                subject=f"authorization={terms.authorization}",
            )


def exceeds_the_authorization(case: Case) -> Iterator[Refusal]:
    """An authorization covers its exporter, recipient, destination and chips, and no more than was granted."""
    for line in _asking(case):
        terms = line.authorization
        if terms is None:
            continue
        for field, stated, allowed in _terms(case, line):
            yield Refusal(
                "exceeds_authorization",
                f"Authorization {terms.authorization} is for {field} {allowed}, not {stated}.",
                f"Ask under an authorization for {stated}.",
                subject=f"authorization={terms.authorization}",
            )
        if case.movement.kind == "grant":
            yield from _over_the_stated_size(case, line)
    yield from _short(case, "exceeds_authorization")


def leaves_negative_stock(case: Case) -> Iterator[Refusal]:
    """No stock falls below zero, on its day or on any later day."""
    yield from _short(case, "negative_stock")


def period_is_closed(case: Case) -> Iterator[Refusal]:
    """A request cannot be dated in a closed period; an observation can, and is marked late."""
    closed = case.position.knowledge.closed_until
    if closed and case.movement.effective_on <= closed:
        yield Refusal(
            "period_closed",
            f"The period to {closed} is closed; the movement is dated {case.movement.effective_on}.",
            f"Date it after {closed}, or report it as an observation.",
            subject=f"period={closed}",
        )


def rules_do_not_permit(case: Case) -> Iterator[Refusal]:
    """What no rule allows is not allowed, and unknown is never yes."""
    for line, answer in case.answers:
        if answer.outcome != "permit":
            rule = "+".join(answer.rules) or "none"
            yield Refusal(
                answer.outcome, answer.message, answer.remedy, f"recipient={line.profile.recipient.party}", rule
            )


def caps_are_exceeded(case: Case) -> Iterator[Refusal]:
    """No request is admitted over a cap that refuses, not by one TPP, on any day."""
    for looked in case.looked:
        if looked.standing.finding == "fits" or looked.cap.when_exceeded != "refuse":
            continue
        if not denied(case):
            yield of_cap(looked, case)
    for looked in case.shrunk:
        share = looked.cap.limit.share
        if share and share.when_base_shrinks == "refuse" and not denied(case):
            yield of_shrunk(looked)


def denied(case: Case) -> bool:
    """Return whether a rule already denies the movement, whatever a cap would say."""
    return not case.observed and any(answer.outcome == "not_permitted" for _, answer in case.answers)


REASONS: tuple[Callable[[Case], Iterator[Refusal]], ...] = (
    asker_may_not_ask,
    names_something_unknown,
    authorization_is_not_active,
    is_outside_validity,
    exceeds_the_authorization,
    leaves_negative_stock,
    period_is_closed,
    rules_do_not_permit,
    caps_are_exceeded,
)


def _is_holder(case: Case) -> bool:
    """Return whether all that leaves a lot is the asker's: its own exports to release, its own chips to move on."""
    for entry in case.plan.entries:
        held, profile = entry.stage == "installed", entry.profile
        roles = (profile.recipient, profile.owner, profile.operator) if held else (profile.exporter,)
        if entry.tpp < 0 and not any(seat and seat.party == case.asker for seat in roles):
            return case.movement.kind == "reexport" and not held  # what it draws on a license, the terms decide
    return any(entry.tpp < 0 for entry in case.plan.entries) or _names_itself(case)


def _names_itself(case: Case) -> bool:
    """Return whether the asker says that it moves its own: asked of what is not there, so that this tells nothing."""
    movement, asker = case.movement, case.asker
    if movement.kind == "release":
        return movement.exporter == asker or all(line.authorization or line.of for line in movement.lines)
    return all(line.from_recipient == asker or line.of for line in movement.lines)


def _asking(case: Case) -> list[Resolved]:
    return case.lines if case.movement.kind in ("grant", "ship", "reserve", "transfer", "reexport") else []


def _terms(case: Case, line: Resolved) -> Iterator[tuple[str, str, str]]:
    terms, profile = line.authorization, line.profile
    assert terms
    exporter = case.movement.exporter
    if terms.exporter and exporter and exporter != terms.exporter:
        yield "exporter", exporter, terms.exporter
    if terms.recipient and profile.recipient.party != terms.recipient:
        yield "recipient", profile.recipient.party, terms.recipient
    if terms.destination and profile.destination != terms.destination:
        yield "destination", profile.destination, terms.destination
    if terms.unit == MODELS:
        yield "models", profile.base_chip, terms.eccn
    if terms.chips and profile.base_chip not in terms.chips and profile.chip not in terms.chips:
        yield "chips", profile.base_chip, ", ".join(terms.chips)


def _over_the_stated_size(case: Case, line: Resolved) -> Iterator[Refusal]:
    terms = line.authorization
    assert terms
    if terms.kind != "license":
        yield Refusal(
            "exceeds_authorization",
            f"{terms.authorization} is a {terms.kind}; only a license is drawn from grants.",
            "Ship under it without a grant.",
            subject=f"authorization={terms.authorization}",
        )
    elif (size := stated_tpp(terms.quantity, terms.unit, line, case.position.knowledge)) is not None:
        before = case.position.granted_under(terms.authorization).tpp + sum(
            other.tpp for other in case.lines if other.number < line.number and other.authorization is terms
        )
        if before + line.tpp > size:
            yield Refusal(
                "exceeds_authorization",
                f"License {terms.authorization} is for {terms.quantity} {terms.unit} ({grouped(size)} TPP); granted "
                f"{grouped(before)}, asked {grouped(line.tpp)}.",
                f"Grant {grouped(max(size - before, Decimal(0)))} TPP or less, or amend the license.",
                subject=f"authorization={terms.authorization}",
            )


def stated_tpp(quantity: str, unit: str, line: Resolved, knowledge: Knowledge) -> Decimal | None:
    """Return a license's stated size in TPP at the rating of the line's chip; None where no size is stated."""
    if not quantity:
        return None
    rating = line.profile.tpp_per_chip
    if unit == "systems":
        chip = knowledge.chips.get(line.profile.chip)
        rating *= chip.ic_count if chip else 1
    return Decimal(quantity) * rating


def _short(case: Case, code: str) -> Iterator[Refusal]:
    for short in case.plan.short:
        if short.code != code:
            continue
        line = next((line for line in case.lines if line.number == short.line), None)
        there = grouped(max(short.there, Decimal(0)))
        if case.movement.kind == "reverse":
            message = f"Something is built on it: {grouped(short.there)} {short.unit} would be {short.what}."
            remedy = "Reverse what came after it first."
        else:
            message = f"{grouped(short.asked)} {short.unit} asked, {there} {short.what}."
            remedy = f"Ask for {there} {short.unit} or fewer, or post what is missing first."
        yield Refusal(
            code,
            message,
            remedy,
            subject=_place(line) if line else f"record={case.movement.reverses}",
            amount=plain(short.asked - short.there),
            unit=short.unit,
        )


def _place(line: Resolved) -> str:
    profile = line.profile
    if line.authorization:
        return f"authorization={line.authorization.authorization}"
    return f"recipient={profile.recipient.party},destination={profile.destination},chip={profile.base_chip}"
