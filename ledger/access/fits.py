"""Would it fit: the judgment of a movement that is not posted, as the one who asks may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.access.principal import Principal
from ledger.access.sight import left_for, may_ask, shown_authorizations, unknown_authorization
from ledger.access.telling import is_own, is_trusted, step_of, told
from ledger.core.compute import grouped, plain
from ledger.core.deciding import Judged
from ledger.core.errors import NotFound
from ledger.core.facts import AUTHORIZATION_KINDS
from ledger.core.four_eyes import hold
from ledger.core.movements import Movement
from ledger.core.refusals import Looked, Refusal
from ledger.reports import Remaining, View, explain
from ledger.reports.remaining import window_text

FORBIDDEN, UNKNOWN = "forbidden", "unknown_"  # what says nothing of what is named
LICENSE = "license"  # asks about a grant


@dataclass(frozen=True, slots=True)
class CapFit:
    """One cap that a movement would change. Amounts are in `unit`.

    limit, left: None where undetermined or only watched. used, doubt, limit and left are None where they are withheld.
    """

    book: str
    cap: str
    subject: str
    window: str
    unit: str
    limit: Decimal | None
    used: Decimal | None
    asked: Decimal
    doubt: Decimal | None
    left: Decimal | None
    finding: str
    day: date
    when_exceeded: str
    law: str
    confidence: str
    status: str

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        amounts = ("limit", "used", "asked", "doubt", "left")
        body = {name: getattr(self, name) for name in CapFit.__slots__}
        body |= {name: None if body[name] is None else plain(body[name]) for name in amounts}
        return body | {"day": self.day.isoformat()}


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a movement would be posted: `posted` or `refused`, and why not; `undetermined` where that is not told.

    binding_cap: the refusing cap that admits fewest chips, `unlimited` where there is none, None where something is
    named that is not known, or that the asker may not move. rules: per line, its outcome, the rules that gave it, and
    how it is reviewed. breaches: code, message and subject of what an observation would open.
    """

    verdict: str
    code: str = ""
    message: str = ""
    remedy: str = ""
    binding_cap: str | None = None
    rules: tuple[dict[str, Any], ...] = ()
    caps: tuple[CapFit, ...] = ()
    breaches: tuple[dict[str, str], ...] = ()

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "verdict": self.verdict, "code": self.code, "message": self.message, "remedy": self.remedy,
            "binding_cap": self.binding_cap, "rules": list(self.rules), "caps": [cap.body() for cap in self.caps],
            "breaches": list(self.breaches),
        }  # fmt: skip


def fit_for(principal: Principal, view: View, movement: Movement, *, observed: bool = False) -> Fit:
    """Return the verdict that posting a movement would get now, as its asker may see it.

    Raises:
        Problem: `forbidden`: an exporter asks about the ledger as it is now.
    """
    if not is_trusted(principal):
        may_ask(principal, view)
    try:
        judged = explain(view, movement, observed=observed, asker=principal.actor)
    except NotFound as unknown:
        return Fit("refused", unknown.code, unknown.message, unknown.remedy)
    hold(judged, view.position.knowledge.four_eyes)
    refusal = judged.refusal
    why = told(principal, refusal.code, refusal.message, refusal.remedy) if refusal else ("", "", "")
    if refusal and refusal.code == FORBIDDEN and not is_trusted(principal):
        return Fit("refused", *why)  # what it would come to is told to those who may ask for it
    if not why[0].startswith(UNKNOWN) and (hidden := _hidden(principal, view, movement)):
        return Fit("refused", hidden.code, hidden.message, hidden.remedy)
    return Fit(
        "refused" if refusal else "posted",
        *why,
        judged.binding.cap.name if judged.binding else "unlimited",
        tuple(_rules(judged)),
        tuple(_cap(principal, looked) for looked in judged.looked),
        tuple(_breach(principal, breach) for breach in judged.breaches),
    )


def license_fit(
    principal: Principal, view: View, *, destination: str, recipient: str, chip: str, quantity: int
) -> tuple[Fit, Remaining]:
    """Return whether a new license for some chips would fit, and what is left for one.

    Only the operator grants, so an exporter finds out no more than it is told of what is left: of a shared cap that is
    rounded down, and within the step that was rounded away the answer is `undetermined`.

    Raises:
        Problem: `forbidden`. NotFound: something that it names is not known.
    """
    left = left_for(principal, view, destination=destination, recipient=recipient, chip=chip, authorization=LICENSE)
    most = left.remaining_chips
    if left.why:
        code = left.binding_cap if not any(cap.cap == left.binding_cap for cap in left.caps) else "cap_exceeded"
        return Fit("refused", code, left.why, left.remedy, left.binding_cap), left
    if most is None or quantity <= most:
        return Fit("posted", binding_cap=left.binding_cap), left
    binding = [cap for cap in left.caps if cap.cap == left.binding_cap]
    is_rounded = not is_trusted(principal) and any(not is_own(principal, cap.subject) for cap in binding)
    about = f"{left.binding_cap} of {binding[0].subject}" if binding else left.binding_cap
    if is_rounded and quantity < most + step_of(Decimal(most)):
        message = f"{about} has room for {grouped(most)} chips at the least; of more, you are not told."
        return Fit("undetermined", "", message, f"Ask for {grouped(most)} chips or fewer.", left.binding_cap), left
    remedy = f"Ask for {grouped(most)} chips or fewer." if most else "Wait for the next window, or ask for less TPP."
    return Fit("refused", "cap_exceeded", f"{about} has no room for it.", remedy, left.binding_cap), left


def _hidden(principal: Principal, view: View, movement: Movement) -> NotFound | None:
    """Return what is said where the movement names an authorization that the database hides; None where it does not."""
    named = dict.fromkeys(line.authorization for line in movement.lines)
    names = [name for name in named if name and name not in AUTHORIZATION_KINDS]
    shown = shown_authorizations(principal, view, names)
    return next((unknown_authorization(name, movement.effective_on) for name in names if name not in shown), None)


def _rules(judged: Judged) -> list[dict[str, Any]]:
    return [
        {
            "line": line.number, "outcome": answer.outcome, "rules": list(answer.rules), "message": answer.message,
            "review": answer.review,
        }
        for line, answer in judged.answers
    ]  # fmt: skip


def _cap(principal: Principal, looked: Looked) -> CapFit:
    cap, standing = looked.cap, looked.standing
    shows = is_trusted(principal) or is_own(principal, looked.key.subject)
    return CapFit(
        looked.adoption.book.name, cap.name, looked.key.subject, window_text(looked.span), cap.limit.unit,
        standing.limit if shows else None, standing.used if shows else None, standing.asked,
        standing.doubt if shows else None, standing.left if shows else None, standing.finding, standing.day,
        cap.when_exceeded, cap.law, cap.confidence, cap.status,
    )  # fmt: skip


def _breach(principal: Principal, breach: Refusal) -> dict[str, str]:
    code, message, _ = told(principal, breach.code, breach.message, "")
    return {"code": code, "message": message, "subject": breach.subject, "book": breach.book, "cap": breach.cap}
