"""What is left: the same code that judges a movement, on one that is not posted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core import counters
from ledger.core.compute import equivalents, plain
from ledger.core.deciding import Judged, judge
from ledger.core.errors import NotFound
from ledger.core.movements import Line, Movement
from ledger.core.refusals import OPERATOR, Looked
from ledger.core.rulebook import Span
from ledger.reference import REFERENCE_CHIP
from ledger.reference import chip as rated
from ledger.reports.reader import View

BLOCKING = ("authorization_not_active", "outside_validity", "undetermined", "not_permitted")


@dataclass(frozen=True, slots=True)
class CapLeft:
    """One cap that a movement touches, on the day from `on` that leaves least. Amounts are in `unit`.

    limit, remaining: None where undetermined or only watched. The TPP figures are None for caps in chips.
    """

    cap: str
    subject: str
    window: str
    unit: str
    limit: Decimal | None
    used: Decimal
    doubt: Decimal
    remaining: Decimal | None
    state: str
    day: date
    book: str
    law: str
    when_exceeded: str
    status: str
    confidence: str

    @property
    def binds(self) -> bool:
        """Whether the cap can limit a request: one that only flags or only watches never does."""
        return self.when_exceeded == "refuse" and self.state != "watched"

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        amounts = {name: _exact(getattr(self, name)) for name in ("limit", "used", "doubt", "remaining")}
        in_tpp = {f"{name}_tpp": amounts[name] if self.unit == "TPP" else None
                  for name in ("limit", "used", "remaining")}  # fmt: skip
        return {
            "cap": self.cap, "subject": self.subject, "window": self.window, "unit": self.unit, **amounts,
            "state": self.state, **in_tpp, "day": self.day.isoformat(), "when_exceeded": self.when_exceeded,
            "law": self.law, "confidence": self.confidence, "status": self.status, "book": self.book,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Remaining:
    """How much of one chip may still be moved.

    remaining_tpp, remaining_chips: None where nothing limits. binding_cap: the cap's name, `authorization` for its
    open, `unlimited`, or the reason for which nothing may be moved at all (see `why`).
    """

    remaining_tpp: Decimal | None
    remaining_chips: int | None
    binding_cap: str
    why: str
    remedy: str
    rules: tuple[str, ...]
    review: str
    tpp_per_chip: Decimal
    open_tpp: Decimal | None
    open_chips: int | None
    caps: tuple[CapLeft, ...]

    @property
    def remaining_h100_equivalents(self) -> Decimal | None:
        """How many H100 the TPP is: to show, never counted."""
        return None if self.remaining_tpp is None else equivalents(self.remaining_tpp, rated(REFERENCE_CHIP).tpp)

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        return {
            "remaining_tpp": _exact(self.remaining_tpp),
            "remaining_chips": self.remaining_chips,
            "remaining_h100_equivalents": _exact(self.remaining_h100_equivalents),
            "binding_cap": self.binding_cap,
            "why": self.why,
            "remedy": self.remedy,
            "rules": list(self.rules),
            "review": self.review,
            "caps": [cap.body() for cap in self.caps],
            "open_tpp": _exact(self.open_tpp),
            "open_chips": self.open_chips,
        }


def remaining(
    view: View, *, destination: str, recipient: str, chip: str, authorization: str = "", exporter: str = "",
    **stated: str,
) -> Remaining:  # fmt: skip
    """Return what is left for a recipient: of a grant for `license`, else of a shipment.

    Raises:
        NotFound: a party, chip or authorization is not known on the day; its code is the refusal's.
    """
    kind = "grant" if authorization == "license" else "ship"
    line = Line(
        chip=chip, quantity=Decimal(1), unit="chips", destination=destination, recipient=recipient,
        authorization=authorization, **stated,  # type: ignore[arg-type]
    )  # fmt: skip
    movement = Movement(kind, view.on, view.on.isoformat(), (line,), exporter)
    judged = explain(view, movement)
    per_chip = judged.lines[0].profile.tpp_per_chip
    caps = tuple(_left(view, looked, judged) for looked in judged.looked)
    open_chips, open_tpp = _open(view, judged)
    answer = judged.answers[0][1]
    limits: list[tuple[int, Decimal, str]] = []
    if open_tpp is not None and open_chips is not None:
        limits.append((open_chips, open_tpp, "authorization"))
    for cap in caps:
        if cap.binds:
            limits.append((*_fits(cap, per_chip), cap.cap))
    binding = min(limits, key=lambda limit: limit[0], default=None)
    why, remedy, binding_cap = "", "", binding[2] if binding else "unlimited"
    left_chips = binding[0] if binding else None
    left_tpp = min((limit[1] for limit in limits), default=None)
    # One chip is asked: where that many are open, what is exceeded are the authorization's terms.
    off_terms = judged.refusal and judged.refusal.code == "exceeds_authorization" and open_chips != 0
    if judged.refusal and (judged.refusal.code in BLOCKING or off_terms):
        why, remedy = judged.refusal.message, judged.refusal.remedy
        if not judged.refusal.window and not any(cap.cap == judged.refusal.cap for cap in caps):
            binding_cap = judged.refusal.code
        left_chips, left_tpp = 0, Decimal(0)
    return Remaining(
        left_tpp,
        left_chips,
        binding_cap,
        why,
        remedy,
        answer.rules,
        answer.review,
        per_chip,
        open_tpp,
        open_chips,
        caps,
    )


def explain(view: View, movement: Movement, *, observed: bool = False, asker: str = OPERATOR) -> Judged:
    """Return the judgment that posting a movement would come to on the unchanged position.

    Raises:
        NotFound: it names something that is not known.
    """
    judged = judge(movement, observed=observed, asker=asker, position=view.position, seq=view.known + 1)
    if judged.refusal and judged.refusal.code.startswith("unknown_"):
        problem = NotFound(judged.refusal.message, judged.refusal.remedy)
        problem.code = judged.refusal.code
        raise problem
    return judged


def window_text(span: Span) -> str:
    """Return a window as an ISO 8601 interval whose end is excluded, or `always`."""
    if span.first is None and span.until is None:
        return "always"
    return f"{span.first or '..'}/{span.until or '..'}"


def _left(view: View, looked: Looked, judged: Judged) -> CapLeft:
    cap = looked.cap
    first = min(effect.day for effect in judged.effects if effect.key == looked.key)
    standing = counters.tightest(
        view.position.counter(looked.key, first), cap, first, view.position.spans_of(looked.key.book, looked.span)
    )
    used = view.position.counter(looked.key, first).used(standing.day)
    unstated = cap.limit.unit == "chips" and bool(used.unstated_tpp)
    limit = None if unstated else standing.limit
    return CapLeft(
        cap.name, looked.key.subject, window_text(looked.span), cap.limit.unit, standing.limit, standing.used,
        standing.doubt, None if limit is None else limit - standing.used - standing.doubt,
        "undetermined" if unstated and not cap.limit.unlimited
        else counters.state(cap, standing.used, standing.doubt, limit),
        standing.day, looked.adoption.book.name, cap.law, cap.when_exceeded, cap.status, cap.confidence,
    )  # fmt: skip


def _exact(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _fits(cap: CapLeft, per_chip: Decimal) -> tuple[int, Decimal]:
    """Return the chips and TPP that still fit under a cap."""
    left = max(cap.remaining or Decimal(0), Decimal(0))
    if cap.unit == "chips":
        return int(left), left * per_chip
    return int(left // per_chip), left


def _open(view: View, judged: Judged) -> tuple[int | None, Decimal | None]:
    """Return what an issued license has open for the chip; None where no license is drawn on."""
    line = judged.lines[0]
    if judged.movement.kind != "ship" or line.authorization is None or line.authorization.kind != "license":
        return None, None
    chips, tpp = 0, Decimal(0)
    for lot in view.position.lots_of(line.authorization.authorization):
        if lot.day > view.on or lot.open <= 0:
            continue
        if lot.unit == "tpp":
            chips, tpp = chips + int(lot.open // line.profile.tpp_per_chip), tpp + lot.open
        elif lot.profile.base_chip == line.profile.base_chip:
            chips, tpp = chips + int(lot.open), tpp + lot.open * lot.profile.tpp_per_chip
    return chips, tpp
