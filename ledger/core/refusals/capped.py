"""What to say of a cap that does not fit: its numbers, the first day that would be over, and what would fit."""

from __future__ import annotations

from decimal import Decimal

from ledger.core import counters
from ledger.core.compute import grouped, plain
from ledger.core.facts import MODELS
from ledger.core.refusals.case import Case, Looked, Refusal
from ledger.core.rulebook import PAUSED
from ledger.core.rulebook.pauses import over_after


def of_cap(looked: Looked, case: Case) -> Refusal:
    """Return what to say of a cap that does not fit, with its numbers and what would fit."""
    cap, standing, book = looked.cap, looked.standing, looked.adoption.book
    unit = cap.limit.unit
    about = _about(looked)
    where = f"{book.name}: {cap.name} of {looked.key.subject}"
    if standing.finding in PAUSED:
        return paused(looked)
    if standing.finding == "undetermined":
        why = cap.limit.why or _doubt(looked, case)
        message = f"{where} is undetermined on {standing.day}: {why}."
        return Refusal("undetermined", message, "The same request can succeed once it is known.", amount="", **about)
    assert standing.limit is not None
    left = standing.limit - standing.used
    over = standing.used + standing.asked - standing.limit
    stated = f" ({cap.limit_words})" if cap.tolerance else ""
    message = (
        f"{where} would be over on {standing.day}: limit {grouped(standing.limit)} {unit}{stated}, used "
        f"{grouped(standing.used)}, asked {grouped(standing.asked)}, left {grouped(max(left, Decimal(0)))}."
    )
    return Refusal("cap_exceeded", message, _fewer(case), amount=plain(over), **about)


def paused(looked: Looked) -> Refusal:
    """Return what to say of a cap that is suspended or blocked: the period, and the day after it."""
    cap, standing = looked.cap, looked.standing
    pause = cap.pause_on(standing.day)
    assert pause is not None
    again = over_after(cap.pauses, standing.day)
    message = (
        f"{looked.adoption.book.name}: {cap.name} of {looked.key.subject} is {pause.words()}: nothing dated "
        f"{standing.day} that raises it is admitted; asked {grouped(standing.asked)} {cap.limit.unit}."
    )
    if again is None:
        remedy = "Use another authorization, or wait until the period is ended."
    else:
        remedy = f"Date it {again} or later, under a new key."
    return Refusal("cap_exceeded", message, remedy, amount=plain(standing.asked), **_about(looked))


def _about(looked: Looked) -> dict[str, str]:
    return {
        "subject": looked.key.subject, "cap": looked.cap.name, "book": looked.adoption.book.name,
        "window": looked.key.window.isoformat() if looked.span.first else "", "unit": looked.cap.limit.unit,
    }  # fmt: skip


def of_shrunk(looked: Looked) -> Refusal:
    """Return what to say of a share that is over since a movement lowered what it is a share of."""
    cap, standing, book = looked.cap, looked.standing, looked.adoption.book
    assert standing.limit is not None
    over = standing.used - standing.limit
    message = (
        f"{book.name}: {cap.name} of {looked.key.subject} is over on {standing.day}, as what it is a share of is less: "
        f"limit {grouped(standing.limit)} {cap.limit.unit} ({cap.limit.words}), used {grouped(standing.used)}."
    )
    window = looked.key.window.isoformat() if looked.span.first else ""
    return Refusal(
        "cap_exceeded", message, "Nothing that was posted is undone; what would raise it further is refused.",
        looked.key.subject, cap.name, book.name, window, plain(over), cap.limit.unit,
    )  # fmt: skip


def _doubt(looked: Looked, case: Case) -> str:
    if looked.cap.limit.unit == "chips" and any(line.chips is None for line in case.lines):
        return "equivalents have no number of chips"
    return "part of what counts against it is not known"


def _fewer(case: Case) -> str:
    """Say what would fit under every cap that refuses, on every day."""
    nothing = "Nothing more fits: use another authorization, or wait for the next window."
    scarce: list[tuple[Decimal, Decimal, str]] = []
    for looked in case.looked:
        if looked.cap.when_exceeded == "refuse" and looked.standing.finding in PAUSED:
            return paused(looked).remedy
        if looked.cap.when_exceeded == "refuse" and looked.standing.finding == "exceeded":
            spans = case.position.spans_of(looked.key.book, looked.span)
            if worst := counters.scarcest(looked.counter, looked.cap, looked.changes, spans):
                scarce.append((looked.room(*worst), worst[1], looked.cap.limit.unit))
    if not scarce:
        return "Correct what was reported, or let the cap be amended."
    if min(left for left, _, _ in scarce) <= 0:
        return nothing
    if len(case.lines) == 1 and (whole := case.lines[0].chips):
        chips = min(int(left * whole // asked) for left, asked, _ in scarce)
        what = "models" if case.lines[0].profile.base_chip == MODELS else "chips"
        return f"Ask for {chips:,} {what} or fewer under a new key." if chips else nothing
    left, _, unit = scarce[0]
    return f"Ask for {grouped(left)} {unit} or less under a new key."
