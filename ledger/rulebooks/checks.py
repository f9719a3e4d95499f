"""What `lint` says of a book as a whole: caps for nobody, periods that overlap or are missing, subjects counted twice.

These are warnings: a book that was adopted must stay readable, whatever we learn to look for.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from ledger.core.rulebook import Cap, Member, Rulebook
from ledger.rulebooks.draft import Draft
from ledger.rulebooks.pausing import check_pauses
from ledger.rulebooks.reachable import is_under, why_nobody


def check(draft: Draft, book: Rulebook) -> None:
    """Add what is odd about a book that is right in each of its lines."""
    for cap in book.caps:
        if line := draft.cap_lines.get(cap.name):
            _nobody(draft, book, cap, line)
            _schedule(draft, cap, line)
            _amended_twice(draft, cap)
            check_pauses(draft, book, cap)
    _rules(draft, book)
    for name, line in draft.list_lines.items():
        _twice(draft, book, f"the list {name}", book.lists[name].members, line)


def _nobody(draft: Draft, book: Rulebook, cap: Cap, line: int) -> None:
    if why := why_nobody(book, cap):
        draft.findings.add(line, "warning", why, "Correct its `where` or add the rule; or remove the cap.")
        return
    for amendment, amended_line in zip(cap.amended, draft.amendment_lines.get(cap.name, ()), strict=False):
        codes = sorted({member.name for member in amendment.destinations})
        if codes and not any(is_under(book, cap, code) for code in codes):
            message = f"The amendment of {cap.name} is for nobody: the cap does not count {', '.join(codes)}."
            draft.findings.add(amended_line, "warning", message, "Name destinations that come under the cap.")


def _schedule(draft: Draft, cap: Cap, line: int) -> None:
    """A schedule has an amount for each day of its cap's window."""
    steps, days = [(first, amount) for first, amount in cap.limit.steps if first], cap.window.span
    if not steps:
        return
    if days.first and steps[0][0] > days.first:
        message = f"{cap.name} has no amount from {days.first}, when its window begins, until {steps[0][0]}."
        draft.findings.add(line, "warning", message, "Add a step for the first day, or begin the window later.")
    for (first, amount), (until, after) in pairwise(steps):
        if amount is None and after is not None:
            message = f"{cap.name} has a gap: no amount from {first} until {until}."
            draft.findings.add(line, "warning", message, "Write the amount that holds in between.")
    late = [first for first, _ in steps if days.until and first >= days.until]
    if late:
        message = f"{cap.name} has a step on {late[0]}, which never holds: its window ends on {days.until}."
        draft.findings.add(line, "warning", message, "Remove the step, or end the window later.")


def _amended_twice(draft: Draft, cap: Cap) -> None:
    """Of two amendments for the same destination on the same days only the first stands."""
    lined = list(zip(cap.amended, draft.amendment_lines.get(cap.name, ()), strict=False))
    for n, (first, _) in enumerate(lined):
        for second, line in lined[n + 1 :]:
            mine, theirs = (
                {member.name for member in each.destinations} if each.of else None for each in (first, second)
            )
            both = theirs if mine is None else mine if theirs is None else mine & theirs
            if first.span.meets(second.span) and (both is None or both):
                who = f" for {', '.join(sorted(both))}" if both else ""
                message = f"{cap.name} is amended twice{who} on the same days: the first stands."
                draft.findings.add(line, "warning", message, "End the first before the second begins.")


def _rules(draft: Draft, book: Rulebook) -> None:
    """Rules of one name take turns, without a day between them on which none holds."""
    spans: dict[str, list[tuple[str, str, int]]] = {}
    for rule, line in zip(book.rules, draft.rule_lines, strict=False):
        first, until = (day.isoformat() if day else "" for day in (rule.span.first, rule.span.until))
        spans.setdefault(rule.name, []).append((first, until, line))
    for name, turns in spans.items():
        turns.sort()
        for (_, until, _), (first, _, line) in pairwise(turns):
            if until != first:
                message = f"No rule {name} holds from {until} until {first}."
                draft.findings.add(line, "warning", message, "Let one begin on the day the other ends.")


def _twice(draft: Draft, book: Rulebook, what: str, members: Iterable[Member], line: int) -> None:
    """A country stands once on a list, and not under the name of a place that counts as another country."""
    seen: list[Member] = []
    told: set[str] = set()
    for member in members:
        if member.name in book.places:
            message = f"{member.name} is on {what} and counts as {book.places[member.name]}: nothing meets it there."
            draft.findings.add(line, "warning", message, f"Name {book.places[member.name]}, or change `places`.")
        if member.name not in told and any(
            other.name == member.name and other.span.meets(member.span) for other in seen
        ):
            told.add(member.name)
            message = f"{member.name} is on {what} twice on the same days."
            draft.findings.add(line, "warning", message, "Remove one of them, or let one end before the other begins.")
        seen.append(member)
