"""What is left: the same code that judges a movement, on one that is not posted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core import counters, weights
from ledger.core.compute import equivalents, plain
from ledger.core.deciding import Judged, judge, judge_models
from ledger.core.errors import NotFound
from ledger.core.facts import Authorization
from ledger.core.movements import Line, Movement
from ledger.core.pausing import nothing_left, remark
from ledger.core.refusals import OPERATOR, Looked, Refusal, paused
from ledger.core.rulebook import PAUSED, Span
from ledger.core.tested import test_days
from ledger.core.turning import turned_on
from ledger.reference import REFERENCE_CHIP
from ledger.reference import chip as rated
from ledger.reports.reader import View

BLOCKING = ("authorization_not_active", "outside_validity", "undetermined", "not_permitted")


@dataclass(frozen=True, slots=True)
class CapLeft:
    """One cap that a movement touches, on the day from `on` that leaves least. Amounts are in `unit`.

    limit, remaining: None where undetermined or only watched. The TPP figures are None for caps in chips. remark: the
    limit as stated where it has a tolerance, and the period in which it is suspended or blocked. Where one asks who may
    not see what others have used of a shared cap, used and doubt are None too. grows: whether its limit grows by as
    much as is asked, and it is not over: a share of all of what is asked.
    """

    cap: str
    subject: str
    window: str
    unit: str
    limit: Decimal | None
    used: Decimal | None
    doubt: Decimal | None
    remaining: Decimal | None
    state: str
    day: date
    book: str
    law: str
    when_exceeded: str
    status: str
    confidence: str
    remark: str = ""
    grows: bool = False

    @property
    def binds(self) -> bool:
        """Whether the cap can limit a request: one that only flags, only watches or grows as much never does."""
        return self.when_exceeded == "refuse" and self.state != "watched" and not self.grows

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        amounts = {name: _exact(getattr(self, name)) for name in ("limit", "used", "doubt", "remaining")}
        in_tpp = {f"{name}_tpp": amounts[name] if self.unit == "TPP" else None
                  for name in ("limit", "used", "remaining")}  # fmt: skip
        return {
            "cap": self.cap, "subject": self.subject, "window": self.window, "unit": self.unit, **amounts,
            "state": self.state, **in_tpp, "day": self.day.isoformat(), "when_exceeded": self.when_exceeded,
            "law": self.law, "confidence": self.confidence, "status": self.status, "book": self.book,
            **({"remark": self.remark} if self.remark else {}),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Remaining:
    """How much of one chip may still be moved.

    remaining_tpp, remaining_chips: None where nothing limits. binding_cap: the cap's name, `authorization` for its
    open, `unlimited`, or the reason for which nothing may be moved at all (see `why`). readings: the option chosen of
    each reading that the answer turns on.
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
    readings: Mapping[str, str] = field(default_factory=dict)

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
            "readings": dict(self.readings),
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
    movement = asked_of(
        view.on, destination=destination, recipient=recipient, chip=chip, authorization=authorization,
        exporter=exporter, **stated,
    )  # fmt: skip
    return _remaining(view, explain(view, movement))


def asked_of(
    on: date, *, destination: str, recipient: str, chip: str, authorization: str = "", exporter: str = "",
    **stated: str,
) -> Movement:  # fmt: skip
    """Return the movement of one chip that a question is about: a grant for `license`, else a shipment."""
    kind = "grant" if authorization == "license" else "ship"
    line = Line(
        chip=chip, quantity=Decimal(1), unit="chips", destination=destination, recipient=recipient,
        authorization=authorization, **stated,  # type: ignore[arg-type]
    )  # fmt: skip
    return Movement(kind, on, on.isoformat(), (line,), exporter)


def remaining_models(view: View, terms: Authorization) -> Remaining:
    """Return what is left of an authorization for models on such terms; `remaining_chips` is a number of models.

    Raises:
        NotFound: a party is not known on the day.
    """
    asked = weights.resolve(terms, 1, view.on, view.position.knowledge)
    if isinstance(asked, list):
        named = asked[0]
        problem = NotFound(
            f"{named.field} names party '{named.named}', which is not known on {view.on}.", "Register the party first."
        )
        problem.code = named.code
        raise problem
    lot, entry = weights.open_lot(asked, view.on, terms.last_day, view.known + 1)
    movement = Movement("authorize", view.on, view.on.isoformat(), ())
    return _remaining(view, judge_models(movement, asked, [entry], [lot], view.position))


def _remaining(view: View, judged: Judged) -> Remaining:
    """Return what is left of what a judgment of one chip, or of one model, looked at."""
    per_chip = judged.lines[0].profile.tpp_per_chip
    caps = tuple(_left(view, looked) for looked in judged.looked)
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
    elif judged.refusal and (held := _held_back(judged)):
        why, remedy, binding_cap = held.message, held.remedy, held.cap
        left_chips, left_tpp = 0, Decimal(0)
    readings = turned_on([answer], judged.looked)
    if why and judged.refusal:
        denied = judged.refusal.code == "not_permitted"  # what a rule denies is not held against caps
        why += _turning(turned_on([answer], [] if denied else judged.looked))
    return Remaining(
        left_tpp, left_chips, binding_cap, why, remedy, answer.rules, answer.review, per_chip, open_tpp, open_chips,
        caps, readings,
    )  # fmt: skip


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


def _turning(readings: Mapping[str, str]) -> str:
    if not readings:
        return ""
    plural = "s" * (len(readings) > 1)
    return f" It turns on the reading{plural} {', '.join(f'{name}: {chosen}' for name, chosen in readings.items())}."


def _held_back(judged: Judged) -> Refusal | None:
    """Return what to say of the first cap that refuses and admits nothing on the day; None where there is none."""
    for looked in judged.looked:
        if looked.cap.when_exceeded == "refuse" and looked.standing.finding in PAUSED:
            return paused(looked)
    return None


def _left(view: View, looked: Looked) -> CapLeft:
    cap = looked.cap
    first = min(looked.changes)
    spans = view.position.spans_of(looked.key.book, looked.span)
    spans = test_days(cap.limit.share, spans, first, looked.counter, cap)
    standing = counters.tightest(looked.counter, cap, first, spans)
    used = looked.counter.used(standing.day)
    unstated = cap.limit.unit == "chips" and bool(used.unstated_tpp)
    if looked.standing.finding in PAUSED:
        shown = looked.standing
        return CapLeft(
            cap.name, looked.key.subject, window_text(looked.span), cap.limit.unit, shown.limit, shown.used,
            shown.doubt, nothing_left(shown), counters.state(cap, shown.used, shown.doubt, shown.limit, shown.day),
            shown.day, looked.adoption.book.name, cap.law, cap.when_exceeded, cap.status, cap.confidence,
            remark(cap, shown.day),
        )  # fmt: skip
    limit = standing.limit
    if limit is not None and looked.gain:  # the chip that is asked has enlarged the base already
        limit -= looked.gain * sum(each.tpp for day, each in looked.changes.items() if day <= standing.day)
    left = None if limit is None or unstated else looked.room(limit - standing.used - standing.doubt)
    grows = looked.gain == 1 and left is not None and left >= 0
    remarks = [remark(cap, view.on), "its limit grows by as much as is asked" if grows else ""]
    return CapLeft(
        cap.name, looked.key.subject, window_text(looked.span), cap.limit.unit, limit, standing.used,
        standing.doubt, left,
        "undetermined" if unstated and not cap.limit.unlimited
        else counters.state(cap, standing.used, standing.doubt, None if unstated else limit),
        standing.day, looked.adoption.book.name, cap.law, cap.when_exceeded, cap.status, cap.confidence,
        "; ".join(filter(None, remarks)), grows,
    )  # fmt: skip


def _exact(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _fits(cap: CapLeft, per_chip: Decimal) -> tuple[int, Decimal]:
    """Return the chips and TPP that still fit under a cap."""
    left = max(cap.remaining or Decimal(0), Decimal(0))
    if cap.unit != "TPP":
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
