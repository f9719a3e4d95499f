"""Scalars: dates, spans, days of the year, fractions, amounts and names, as a rulebook writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Literal, TypedDict, cast

from ledger.core.compute.figures import grouped, number, product
from ledger.core.errors import Malformed
from ledger.core.rulebook import Span, Unit
from ledger.rulebooks.document import Piece, Wrong, choices

CONFIDENCES = ("confirmed", "unconfirmed", "secondary source")
SOURCE_KEYS = ("law", "confidence", "note")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII).fullmatch
_DAY_OF_YEAR = re.compile(r"[0-9]{2}-[0-9]{2}", re.ASCII).fullmatch
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII).fullmatch
_AMOUNT = re.compile(r"([0-9._]+) (TPP|chips|models)").fullmatch
_EQUIVALENTS = re.compile(r"([0-9._]+) x ([A-Za-z0-9.-]+) @ ([0-9._]+) TPP").fullmatch
_AMOUNTS = "Write 790_000_000 TPP, 75_000 chips, or 35_000 x CHIP @ 60000 TPP."


def one_of(piece: Piece, what: str, known: Iterable[str]) -> str:
    """Return the text, which must be one of the known words."""
    text, known = piece.text(what), tuple(known)
    if text not in known:
        piece.wrong(f'{what} "{text}" is not known.', choices(text, known, "words"))
    return text


def name(piece: Piece, what: str) -> str:
    """Return a name: letters, digits and `_ . -`, no spaces."""
    return check_name(piece.text(what), what, piece.line)


def check_name(text: str, what: str, line: int) -> str:
    """Return the text if it can be a name."""
    if not _NAME(text):
        raise Wrong(line, f'{what} "{text}" is not a name.', "Use letters, digits, dashes, dots and underscores.")
    return text


def day(piece: Piece, what: str = "A date") -> date:
    """Return a date written YYYY-MM-DD."""
    return day_of(piece.text(what), what, piece)


def day_of(text: str, what: str, piece: Piece) -> date:
    """Return the date that a text is."""
    try:
        if _DATE(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    piece.wrong(f'{what} "{text}" is not a date.', "Write YYYY-MM-DD.")


def span(table: Mapping[str, Piece], holder: Piece, what: str) -> Span:
    """Return the days `from` (included) `until` (excluded) that a table states."""
    first = day(table["from"], f"{what}'s `from`") if "from" in table else None
    until = day(table["until"], f"{what}'s `until`") if "until" in table else None
    if first and until and until <= first:
        holder.wrong(f"{what} ends on {until}, before it has begun on {first}.", "`until` is the first day after it.")
    return Span(first, until)


def day_of_year(piece: Piece) -> str:
    """Return a day of every year, MM-DD."""
    text = piece.text("A day of the year")
    try:
        if _DAY_OF_YEAR(text):
            date.fromisoformat(f"2023-{text}")  # A common year: 02-29 would be tested once in four.
            return text
    except ValueError:
        pass
    piece.wrong(f'"{text}" is not a day of every year.', "Write MM-DD, such as 02-01.")


def flag(piece: Piece, what: str) -> bool:
    """Return a yes or no."""
    return one_of(piece, what, ("yes", "no")) == "yes"


def fraction(piece: Piece, what: str, *, most: int = 100) -> Decimal:
    """Return a percentage above zero as a fraction: `7%` is 0.07."""
    text = piece.text(what)
    value = figure(text.removesuffix("%"), piece) if text.endswith("%") else Decimal(0)
    if not 0 < value <= most:
        piece.wrong(f'{what} "{text}" is not a percentage above 0 and up to {most}%.', "Write it with its sign: 25%.")
    return value.scaleb(-2)


def figure(text: str, piece: Piece) -> Decimal:
    """Return the exact value of `790_000_000` or `20919.2`."""
    try:
        return number(text, "The figure")
    except Malformed as bad:
        piece.wrong(bad.message, bad.remedy)


def amount(piece: Piece, chips: Iterable[str]) -> tuple[Decimal | None, Unit, str]:
    """Return an amount, its unit and how it reads; None where it is stated to be undetermined.

    Equivalents of a named chip become TPP at the rating pinned in the text, whatever the catalog says later.
    """
    text = piece.text("A limit")
    if text == "undetermined":
        return None, "TPP", text
    if match := _EQUIVALENTS(text):
        count, chip, rating = figure(match[1], piece), match[2], figure(match[3], piece)
        if chip not in chips:
            piece.wrong(f'The chip "{chip}" is not in the catalog.', near(chip, chips))
        try:
            return product(count, rating), "TPP", f"{grouped(count)} x {chip} @ {grouped(rating)} TPP"
        except Malformed as bad:
            piece.wrong(bad.message, bad.remedy)
    if not (match := _AMOUNT(text)):
        piece.wrong(f'"{text}" is not an amount with a unit.', _AMOUNTS)
    value, unit = figure(match[1], piece), cast(Literal["TPP", "chips", "models"], match[2])
    if unit != "TPP" and value != int(value):
        piece.wrong(f'"{text}" is not a whole number of {unit}.', _AMOUNTS)
    return value, unit, f"{grouped(value)} {unit}"


def one_of_keys(piece: Piece, what: str, keys: tuple[str, ...]) -> str:
    """Return which of some keys a table has: exactly one of them."""
    found = [key for key in keys if isinstance(piece.value, dict) and key in piece.value]
    if len(found) != 1:
        words = " and ".join((", ".join(f"`{key}`" for key in keys[:-1]), f"`{keys[-1]}`"))
        piece.wrong(f"{what} says one of {words}.", "Write one of them.")
    return found[0]


def near(asked: str, known: Iterable[str]) -> str:
    """Return the remedy where the known words are too many to print."""
    guess = choices(asked, known, "").partition(" Known")[0]
    return guess if guess.startswith("Did") else "See `schema/reference` for what is known."


class Source(TypedDict):
    """Where a line comes from, how sure that is, and what else a reader must know; "" where it is not said."""

    law: str
    confidence: str
    note: str


def source(table: Mapping[str, Piece]) -> Source:
    """Return law, confidence and note as a table states them."""
    return {
        "law": table["law"].text("`law`") if "law" in table else "",
        "confidence": one_of(table["confidence"], "`confidence`", CONFIDENCES) if "confidence" in table else "",
        "note": table["note"].text("`note`") if "note" in table else "",
    }
