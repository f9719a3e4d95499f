"""Figures as people write them and as the ledger shows them: strict reading, exact products, shortest plain form."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, Underflow

from ledger.core.errors import Malformed

DIGITS = 38

# Inexact is trapped: a result that does not fit is an error, never a rounded figure.
_EXACT = Context(prec=DIGITS, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, Underflow])

_FIGURE = re.compile(r"(?:[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,2}(?:_[0-9]{3})+)(?:\.[0-9]+)?")
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_PLAINLY = "Write plain digits with at most one decimal point, such as 20919.2 or 20,919.2."


def number(text: str, field: str = "figure", *, signed: bool = False) -> Decimal:
    """Return the exact value of a written figure: `1979`, `20,919.2`, `790_000_000`.

    Thousands may be separated by commas or by underscores, evenly and not both. A leading minus is read only where
    `signed`. Spaces around the figure are ignored.

    Errors: Malformed, naming `field`, for anything else (exponents, NaN, other scripts' digits, over 38 digits).
    """
    bare = text.strip(" \t")
    digits = bare.removeprefix("-") if signed else bare
    if not _FIGURE.fullmatch(digits):
        raise _unreadable(bare, field)
    if sum(map(str.isdigit, digits)) > DIGITS:
        raise Malformed(field, f"{field} {shown(bare)} has more than {DIGITS} digits.", "Check its unit.")
    return Decimal(bare.replace(",", "").replace("_", ""))


def count(text: str, field: str = "count") -> int:
    """Return a written whole number of at least 1. Errors: Malformed, naming `field`."""
    value = number(text, field)
    if "." in text or value < 1:
        raise Malformed(field, f"{field} {shown(text)} is not a whole number of at least 1.", "Give 1 or more.")
    return int(value)


def last_day_of(text: str, field: str = "date") -> date:
    """Return the day a written date counts from: `2025-08-22` itself, `2025-08` and `2025` their last day.

    Errors: Malformed, naming `field`, where it is no date.
    """
    if match := _DAY.fullmatch(text.strip(" \t")):
        year, month, day = (int(part) if part else 0 for part in match.groups())
        month = month if match[2] else 12
        if year and 1 <= month <= 12:
            last = monthrange(year, month)[1]
            day = day if match[3] else last
            if 1 <= day <= last:
                return date(year, month, day)
    raise Malformed(field, f"{field} {shown(text)} is not a date.", "Write YYYY-MM-DD, YYYY-MM or YYYY.")


def plain(value: Decimal) -> str:
    """Return the shortest plain form: no exponent, no trailing zeros, no negative zero (`20919.2`, `0`).

    Equal values give equal text, so hashed text may be built from it. A value that is not finite is a ValueError.
    """
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if text == "-0":
        return "0"
    if not value.is_finite():
        raise ValueError(f"{text} is not a figure.")
    return text


def grouped(value: Decimal | int) -> str:
    """Return the shortest plain form with thousands separated, for people: `20,919.2`."""
    whole, point, part = plain(Decimal(value)).partition(".")
    head, minus = whole.removeprefix("-"), "-" if whole.startswith("-") else ""
    return f"{minus}{int(head):,}{point}{part}"


def product(left: Decimal, right: Decimal | int, field: str = "figure") -> Decimal:
    """Return the exact product. Errors: Malformed, naming `field`, where it takes more than 38 digits."""
    try:
        return _EXACT.multiply(left, right)
    except Inexact:
        raise too_long(field) from None


def shown(text: str) -> str:
    """Return a quoted echo of what was written, on one line and never long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def too_long(field: str) -> Malformed:
    """Return the error for a result that 38 digits cannot hold exactly."""
    return Malformed(field, f"{field} cannot be held exactly in {DIGITS} digits.", "Check the figures and their units.")


def _unreadable(text: str, field: str) -> Malformed:
    if not text:
        return Malformed(field, f"{field} is empty.", _PLAINLY)
    return Malformed(field, f"{field} {shown(text)} {_fault(text)}.", _PLAINLY)


def _fault(text: str) -> str:
    if text[0] in "+-" and _FIGURE.fullmatch(text[1:]):
        return "carries a sign"
    if re.fullmatch(r"[+-]?[0-9.,_]+[eE][+-]?[0-9]+", text):
        return "is written with an exponent"
    if any(char.isnumeric() and char not in "0123456789" for char in text):
        return "has digits other than 0 to 9"
    if re.fullmatch(r"[0-9][0-9,_]*(\.[0-9,_]+)?", text) and ("," in text or "_" in text):
        return "separates its thousands unevenly"
    return "is not a number"
