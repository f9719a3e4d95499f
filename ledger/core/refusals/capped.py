"""What to say of a cap that does not fit: its numbers, the first day that would be over, and what would fit."""

from __future__ import annotations

from decimal import Decimal

from ledger.core.compute import grouped, plain
from ledger.core.refusals.case import Case, Looked, Refusal


def of_cap(looked: Looked, case: Case) -> Refusal:
    """Return what to say of a cap that does not fit, with its numbers and what would fit."""
    cap, standing, book = looked.cap, looked.standing, looked.adoption.book
    unit = cap.limit.unit
    about = {
        "subject": looked.key.subject, "cap": cap.name, "book": book.name,
        "window": looked.key.window.isoformat() if looked.span.first else "", "unit": unit,
    }  # fmt: skip
    where = f"{book.name}: {cap.name} of {looked.key.subject}"
    if standing.finding == "undetermined":
        why = cap.limit.why or "part of what counts against it is not known"
        message = f"{where} is undetermined on {standing.day}: {why}."
        return Refusal("undetermined", message, "The same request can succeed once it is known.", amount="", **about)
    assert standing.limit is not None
    left = standing.limit - standing.used
    over = standing.used + standing.asked - standing.limit
    message = (
        f"{where} would be over on {standing.day}: limit {grouped(standing.limit)} {unit}, used "
        f"{grouped(standing.used)}, asked {grouped(standing.asked)}, left {grouped(max(left, Decimal(0)))}."
    )
    return Refusal("cap_exceeded", message, _fewer(case, left, standing.asked), amount=plain(over), **about)


def _fewer(case: Case, left: Decimal, asked: Decimal) -> str:
    if left <= 0:
        return "Nothing more fits: use another authorization, or wait for the next window."
    if len(case.lines) == 1 and case.lines[0].chips:
        chips = int(left * case.lines[0].chips / asked)
        if chips:
            return f"Ask for {chips:,} chips or fewer under a new key."
    return f"Ask for {grouped(left)} or less under a new key."
