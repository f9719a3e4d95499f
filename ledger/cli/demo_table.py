"""The demo's table: each country under two rulebooks, each license, what is listed only, and where all of it is from.

Figures stand in columns on a first line; what is said of them stands below, so that exact figures fit a screen of 80.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from ledger.cli.tables import bar, fold
from ledger.core.compute import grouped

if TYPE_CHECKING:
    from ledger.demo.values import Answer, Beside, Country, License, Listed, Overview, UnderBook

NARROWEST, WIDEST = 80, 100  # columns; wider lines are harder to follow from label to figure
_FIGURES = (16, 9, 16, 19)  # licensed, shipped, cap, left
_TITLES = ("licensed", "shipped", "cap", "left")
_INDENT = 20
_UNKNOWN = "undetermined"
_LEFT = {"permit": "not capped", "not_permitted": "not permitted"}
UNCONFIRMED, MORE, AT_MOST = "*", "+", "<="


def lines(found: Overview, width: int | None) -> Iterator[str]:
    """Yield all of it, no line wider than `width` (80 at least) but for sources, which stay whole to be copied."""
    width = min(max(width or WIDEST, NARROWEST), WIDEST)
    yield from ("", *_head(found, width), "")
    yield from _row("", _TITLES, width)
    yield "-" * width
    for country in found.countries:
        yield from _country(country, width)
    yield from _marks(found, width)
    yield from _undetermined(found, width)
    yield from _listed(found.listed, width)
    yield from _disputes(found, width)
    yield from _sources(found)


def _head(found: Overview, width: int) -> Iterator[str]:
    yield f"LICENSED AI COMPUTE BY COUNTRY AND RECIPIENT, in TPP, on {found.on}"
    yield "TPP: dense TOPS x bits, summed over all chips. One H100 is 15,832 TPP."
    for book in found.rulebooks:
        force = "adopted" if book.is_adopted else "asked beside it, by the same lens"
        yield from fold(f"{book.rulebook} ({force}): {book.title}.", width, "  ")
    yield from _beyond(found, width)


def _beyond(found: Overview, width: int) -> Iterator[str]:
    """Tell at a glance what is licensed beyond what a book would let each country have."""
    for n, book in enumerate(found.rulebooks):
        under = [(country, country.rulebooks[n]) for country in found.countries]
        over = [
            f"{country.name} {_times(at)}{_unsure(country.confidence)} its cap"
            for country, at in under
            if at.state == "over" and at.limit
        ]
        if over:
            yield from fold(f"Licensed beyond {book.rulebook}: {', '.join(over)}.", width, "  ")


def _times(book: UnderBook) -> str:
    return f"{book.used / (book.limit or 1):.2f} times"


def _country(country: Country, width: int) -> Iterator[str]:
    yield f"{country.country} {country.name}"
    for book in country.rulebooks:
        yield from _under(book, country, width)
    for license in country.licenses:
        yield from _license(license, width)
    if several := len(country.undetermined):
        yield from _said(f"{MORE} {several} license{'s' * (several > 1)} of undetermined size, listed below", width)
    yield ""


def _under(book: UnderBook, country: Country, width: int) -> Iterator[str]:
    licensed = _amount(book.licensed_tpp)
    if book.licensed_tpp is not None:
        licensed += _unsure(country.confidence) + MORE * bool(country.undetermined)
    limit, left = _limit_and_left(book, country)
    yield from _row(f"  {book.rulebook}", (licensed, grouped(book.shipped_tpp), limit, left), width)
    yield from _said(_standing(book), width, f"    tier {book.tier}")
    if book.uncounted_tpp:
        more = f"{grouped(book.uncounted_tpp)} more is licensed and not counted: it counts {_days(book.window)}"
        yield from _said(more, width)
    if not book.is_bound:
        yield from _said(f"one more license: {_rules(book.rules)}", width)
    for cap in book.beside:
        yield from _said(_beside(cap), width)


def _limit_and_left(book: UnderBook, country: Country) -> tuple[str, str]:
    if not book.is_bound:
        answers = {answer.answer for answer in book.rules}
        return "none", _LEFT.get(answers.pop(), _UNKNOWN) if len(answers) == 1 else "it depends"
    limit, left = _amount(book.limit, book.unit), _amount(book.left, book.unit)
    if book.left is not None:
        left = f"{f'{AT_MOST} ' if country.undetermined else ''}{left}{_unsure(country.confidence)}"
    return limit, left


def _standing(book: UnderBook) -> str:
    if not book.is_bound:
        return "no cap for the country: license by license"
    return f"{bar(book.used, book.limit)} {_state(book.state)}: {book.binding_cap} binds ({book.law})"


def _state(state: str) -> str:
    return state.upper() if state in ("over", "exhausted", "blocked", "suspended") else state


def _amount(amount: Decimal | None, unit: str = "TPP") -> str:
    if amount is None:
        return _UNKNOWN
    return grouped(amount) if unit == "TPP" else f"{grouped(amount)} {unit}"


def _beside(cap: Beside) -> str:
    told = [cap.status, cap.confidence if cap.confidence != "confirmed" else ""]
    told.append("only flags" if cap.when_exceeded == "flag" else "refuses")
    used = _UNKNOWN if cap.state == _UNKNOWN else f"{grouped(cap.used)} of {_amount(cap.limit, cap.unit)} used"
    return f"{cap.cap} of {cap.subject} ({', '.join(filter(None, told))}): {used}, {_days(cap.window)}"


def _days(window: str) -> str:
    first, _, until = window.partition("/")
    if not until:
        return window
    return f"from {first}" if until == ".." else f"from {first} until {until}"


def _rules(answers: Sequence[Answer]) -> str:
    """Return how the rules answer, those together that are answered alike."""
    alike: dict[str, dict[str, None]] = {}
    for each in answers:
        named = f" ({each.rules})" if each.rules and each.answer != _UNKNOWN else ""
        alike.setdefault(f"{each.answer.replace('_', ' ')}{named}", {})[each.asked] = None
    return "; ".join(f"{answer} for {', '.join(asked)}" for answer, asked in alike.items())


def _license(license: License, width: int) -> Iterator[str]:
    mark = _unsure(license.confidence)
    licensed, limit, left = (
        f"{_amount(amount)}{mark}" for amount in (license.licensed_tpp, license.limit_tpp, license.left_tpp)
    )
    yield from _row(
        f"  {license.name} {license.stated_date}", (licensed, grouped(license.shipped_tpp), limit, left), width
    )
    yield from _said(f"{bar(license.shipped_tpp, license.limit_tpp)} {_state(license.state)}: its license binds", width)
    yield from _said(f"{license.stated}, {license.status} {_refs(license.sources)}", width)
    if license.doubt:
        yield from _said(f"{UNCONFIRMED} {license.doubt}", width)


def _row(label: str, figures: Sequence[str], width: int) -> Iterator[str]:
    """Yield a label with its figures, on a line of its own where it is too long."""
    cells = "".join(f"{figure:>{wide}}" for figure, wide in zip(figures, _FIGURES, strict=True))
    room = width - sum(_FIGURES)
    if len(label) > room:
        yield from fold(label, width, "  ")
        label = ""
    yield f"{label:<{room}}{cells}"


def _said(text: str, width: int, label: str = "") -> Iterator[str]:
    """Yield a sentence beside the labels, in as many lines as it takes."""
    for n, line in enumerate(fold(text, width - _INDENT, "  ")):
        yield f"{label if not n else '':<{_INDENT}}{line}"


def _unsure(confidence: str) -> str:
    return UNCONFIRMED if confidence != "confirmed" else ""


def _refs(numbers: Sequence[int]) -> str:
    return "".join(f"[{number}]" for number in numbers)


def _marks(found: Overview, width: int) -> Iterator[str]:
    marks = [
        "A country's figures are the sums of its licenses below it; [1] names the sources of each.",
        f"{UNCONFIRMED} unconfirmed: the deal, its recipient or its chip's rating rests on what was not confirmed.",
        f"{MORE} and more: licenses of undetermined size come on top, so that at most ({AT_MOST}) this is left.",
    ]
    if not any(book.shipped_tpp for country in found.countries for book in country.rulebooks):
        marks.insert(0, "Licensed is not shipped: nothing in this record is reported as shipped.")
    for mark in marks:
        yield from fold(mark, width, "  ")


def _undetermined(found: Overview, width: int) -> Iterator[str]:
    licenses = [each for country in found.countries for each in country.undetermined]
    if licenses:
        yield from ("", f"LICENSED, SIZE UNDETERMINED ({len(licenses)}): in the journal, counted nowhere")
    for each in licenses:
        told = f"{each.stated}; {each.status} {_refs(each.sources)}"
        yield from _deal(each.stated_date, each.country, each.name, each.confidence, told, width)


def _listed(listed: Sequence[Listed], width: int) -> Iterator[str]:
    if listed:
        yield from ("", f"ANNOUNCED, PLANNED OR DISCUSSED ({len(listed)}): not in the journal, counted nowhere")
    for each in listed:
        part = f" (part of {each.part_of})" if each.part_of else ""
        told = f"{each.stated}{part}; {each.status} {_refs(each.sources)}"
        yield from _deal(each.date, each.country, each.recipient, each.confidence, told, width)


def _deal(day: str, country: str, name: str, confidence: str, told: str, width: int) -> Iterator[str]:
    yield from fold(f"  {day:<10}  {country:<5}  {name}{_unsure(confidence)}: {told}", width, " " * (_INDENT + 1))


def _disputes(found: Overview, width: int) -> Iterator[str]:
    if found.discrepancies:
        yield from ("", f"DISCREPANCIES ({len(found.discrepancies)}): what broke a cap or a rule, or cannot be told")
    for each in found.discrepancies:
        yield from fold(f"  {each.day}  {each.id:>5,}  {each.note}", width, " " * (_INDENT + 1))


def _sources(found: Overview) -> Iterator[str]:
    yield from ("", "SOURCES, as the record names them")
    for each in found.sources:
        yield f"{f'[{each.number}]':>6} {each.source}"
