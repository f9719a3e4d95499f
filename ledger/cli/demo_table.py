"""The demo's table: each country under two rulebooks, each license, what is listed only, and where all of it is from.

Two lines a row, so that exact figures stand in columns on a screen of 80.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from ledger.cli.tables import Column, bar, fold, table
from ledger.core.compute import grouped

if TYPE_CHECKING:
    from ledger.demo.values import Answer, Country, Flag, License, Listed, Overview, UnderBook

NARROWEST, WIDEST, UNSEEN = 80, 110, 100  # columns: of a screen, and where there is none
_FIGURES = (16, 8, 16, 19)  # licensed, shipped, cap, left
_TITLES = ("licensed", "shipped", "cap", "left")
_UNKNOWN = "undetermined"
UNCONFIRMED, MORE, AT_MOST = "*", "+", "<="


def lines(found: Overview, width: int | None) -> Iterator[str]:
    """Yield the whole table, none of its lines wider than `width` (80 at least) but for what cannot be broken."""
    width = min(max(width or UNSEEN, NARROWEST), WIDEST)
    yield ""
    yield from _head(found, width)
    yield ""
    yield _row("", _TITLES, width)
    yield "-" * width
    for country in found.countries:
        yield from _country(country, width)
    yield from _marks(found, width)
    yield from _undetermined(found, width)
    yield from _listed(found.listed, width)
    yield from _disputes(found, width)
    yield from _sources(found)


def _head(found: Overview, width: int) -> Iterator[str]:
    yield f"LICENSED AI COMPUTE BY COUNTRY AND RECIPIENT on {found.on}, in TPP"
    for book in found.rulebooks:
        force = "adopted here" if book.is_adopted else "asked about beside it, by the same lens"
        yield from fold(f"{book.rulebook}: {book.title} ({force}).", width, "  ")


def _country(country: Country, width: int) -> Iterator[str]:
    yield f"{country.country} {country.name}"
    for book in country.rulebooks:
        yield from _under(book, country, width)
    for license in country.licenses:
        yield from _license(license, width)
    if several := len(country.undetermined):
        yield from _text(f"{MORE} {several} license{'s' * (several > 1)} of undetermined size: see below.", width)
    yield ""


def _under(book: UnderBook, country: Country, width: int) -> Iterator[str]:
    mark = (UNCONFIRMED if country.confidence != "confirmed" else "") + (MORE if country.undetermined else "")
    is_bound = book.binding_cap != "unlimited"
    limit, left = ("none", "no limit") if not is_bound else (_amount(book.limit, book.unit), _left(book, country))
    licensed = _UNKNOWN if book.licensed_tpp is None else f"{grouped(book.licensed_tpp)}{mark}"
    yield _row(f"  {book.rulebook}", (licensed, grouped(book.shipped_tpp), limit, left), width)
    told = f"{book.binding_cap} binds ({book.law})" if is_bound else "no cap that refuses"
    if is_bound:
        told = f"{bar(book.used, book.limit)} {book.state.upper() if book.state == 'over' else book.state}: {told}"
    yield from _text(told, width, f"    tier {book.tier}")
    if book.uncounted_tpp:
        yield from _text(f"{grouped(book.uncounted_tpp)} more is licensed and not counted by it", width)
    for flag in book.flags:
        yield from _text(_flag(flag), width)
    yield from _rules(book.rules, width)


def _left(book: UnderBook, country: Country) -> str:
    at_most = f"{AT_MOST} " if country.undetermined else ""
    return f"{at_most}{_amount(book.left, book.unit)}"


def _amount(amount: Decimal | None, unit: str) -> str:
    if amount is None:
        return _UNKNOWN
    return grouped(amount) if unit == "TPP" else f"{grouped(amount)} {unit}"


def _flag(flag: Flag) -> str:
    unsure = f", {flag.confidence}" if flag.confidence != "confirmed" else ""
    return (
        f"{flag.cap} only flags ({flag.status}{unsure}): {_amount(flag.used, flag.unit)} of "
        f"{_amount(flag.limit, flag.unit)} in {flag.window}"
    )


def _rules(answers: Sequence[Answer], width: int) -> Iterator[str]:
    """Tell how the rules answer one more license, chip by chip, where they would deny one."""
    if any(answer.answer == "not_permitted" for answer in answers):
        told = dict.fromkeys(f"{each.chip} {each.answer.replace('_', ' ')} ({each.rules})" for each in answers)
        for each in told:
            yield from _text(f"rules: {each}", width)


def _license(license: License, width: int) -> Iterator[str]:
    mark = UNCONFIRMED if license.confidence != "confirmed" else ""
    figures = [f"{_amount(amount, 'TPP')}{mark}" for amount in (license.licensed_tpp, license.limit_tpp)]
    shipped, left = grouped(license.shipped_tpp), f"{_amount(license.left_tpp, 'TPP')}{mark}"
    yield _row(f"  {license.name} {license.stated_date}", (figures[0], shipped, figures[1], left), width)
    yield from _text(f"{bar(license.shipped_tpp, license.limit_tpp)} {license.state}: its license binds", width)
    yield from _text(f"{license.stated}, {license.status} {_refs(license.sources)}", width)
    if license.doubt:
        yield from _text(f"{UNCONFIRMED} {license.doubt}", width)


def _row(label: str, figures: Sequence[str], width: int) -> str:
    cells = "".join(f"{figure:>{wide}}" for figure, wide in zip(figures, _FIGURES, strict=True))
    room = width - sum(_FIGURES)
    return f"{label:<{room}}{cells}" if len(label) <= room else f"{label}\n{' ' * room}{cells}"


def _text(text: str, width: int, label: str = "") -> Iterator[str]:
    """Yield a sentence beside the labels, in as many lines as it takes."""
    indent = " " * 20
    for n, line in enumerate(fold(text, width - len(indent))):
        yield f"{label:<{len(indent)}}{line}" if not n else f"{indent}{line}"


def _refs(numbers: Sequence[int]) -> str:
    return "".join(f"[{number}]" for number in numbers)


def _marks(found: Overview, width: int) -> Iterator[str]:
    if not any(book.shipped_tpp for country in found.countries for book in country.rulebooks):
        yield from fold("Nothing in this record is shipped: what is licensed may still go, or may never go.", width)
    yield from fold(
        f"{UNCONFIRMED} unconfirmed: the deal, its recipient or its chip's rating rests on what was not confirmed.",
        width, "  ",
    )  # fmt: skip
    yield from fold(
        f"{MORE} and more: licenses of undetermined size come on top of it, so that {AT_MOST} (at most) is left.",
        width, "  ",
    )  # fmt: skip
    yield from fold("A country's figures are the sums of its licenses, each with its sources.", width, "  ")


def _undetermined(found: Overview, width: int) -> Iterator[str]:
    rows = [
        [each.stated_date, each.country, f"{each.name}{UNCONFIRMED * (each.confidence != 'confirmed')}", each.stated,
         each.status, _refs(each.sources)]
        for country in found.countries for each in country.undetermined
    ]  # fmt: skip
    if rows:
        yield from ("", "LICENSED, OF UNDETERMINED SIZE: in the journal, not counted")
        yield from table(_columns(), rows, width)


def _listed(listed: Sequence[Listed], width: int) -> Iterator[str]:
    rows = [
        [each.date, each.country, f"{each.recipient}{UNCONFIRMED * (each.confidence != 'confirmed')}",
         f"{each.stated}{f', part of {each.part_of}' if each.part_of else ''}", each.status, _refs(each.sources)]
        for each in listed
    ]  # fmt: skip
    if rows:
        yield from ("", "ANNOUNCED, PLANNED OR DISCUSSED: listed, not in the journal, not counted")
        yield from table(_columns(), rows, width)


def _columns() -> list[Column]:
    return [
        Column("date"), Column("of"), Column("recipient", least=14), Column("as published", least=14),
        Column("status", least=10), Column("source", least=4),
    ]  # fmt: skip


def _disputes(found: Overview, width: int) -> Iterator[str]:
    if found.discrepancies:
        yield from ("", f"DISCREPANCIES, {len(found.discrepancies)} unresolved: capledger discrepancies")
        for each in found.discrepancies:
            yield from fold(f"{each.id:>4} {each.day} {each.subject}: {each.note}", width, "     ")


def _sources(found: Overview) -> Iterator[str]:
    yield from ("", "SOURCES")
    for each in found.sources:
        yield f"{f'[{each.number}]':>4} {each.source}"
