"""Reading one field of plain text: each reader takes the field's name and its text, or raises `Malformed`."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

from ledger.core.compute import number as figure
from ledger.core.errors import Malformed

MOST_CHIPS = 10**12
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}").fullmatch
_COUNTRY = re.compile(r"[A-Z]{2}").fullmatch
_WHOLE = re.compile(r"[0-9]{1,3}(?:[,_]?[0-9]{3})*|[0-9]+", re.ASCII).fullmatch
_LOT = re.compile(r"([1-9][0-9]{0,17})\.([1-9][0-9]{0,4})", re.ASCII).fullmatch
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII).fullmatch
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]").search


def stated_text(field: str, value: object) -> str:
    """Return what was stated, which must be text."""
    if not isinstance(value, str):
        raise Malformed(field, f"{field} is {value!r:.60}, which is not text.", "Write it as text.")
    return value


def identifier(field: str, text: str) -> str:
    """Return an id: 1 to 100 of A-Z a-z 0-9 . _ : / + -, beginning with a letter or digit."""
    if not _IDENTIFIER(text):
        raise Malformed(
            field,
            f"{field} is '{text[:120]}', which is not an id.",
            "Use 1 to 100 letters, digits or . _ : / + -, beginning with a letter or digit.",
        )
    return text


def country(field: str, text: str) -> str:
    """Return an ISO 3166 alpha-2 code in capitals."""
    if not _COUNTRY(text):
        raise Malformed(
            field, f"{field} is '{text[:60]}', which is not a country code.", "Use two capital letters, such as AE."
        )
    return text


def free_text(field: str, text: str) -> str:
    """Return text of at most 2,000 characters without control characters."""
    if len(text) > 2000 or _CONTROL(text):
        raise Malformed(
            field, f"{field} is longer than 2,000 characters or holds a control character.", "Shorten or clean it."
        )
    return text


def word(*allowed: str) -> Callable[[str, str], str]:
    """Return a reader that takes one of the allowed words."""

    def read(field: str, text: str) -> str:
        if text not in allowed:
            raise Malformed(field, f"{field} is '{text[:60]}'.", f"Use one of: {', '.join(allowed)}.")
        return text

    return read


@lru_cache(maxsize=4096)
def day(field: str, text: str) -> date:
    """Return a day. One known to the month (2025-08) or the year (2025) counts from its last day."""
    if match := _DAY(text):
        year, month, day_of_month = (int(part) if part else None for part in match.groups())
        try:
            if year and not month:
                return date(year, 12, 31)
            if year and month and not day_of_month:
                return date(year, month, monthrange(year, month)[1])
            if year and month and day_of_month:
                return date(year, month, day_of_month)
        except ValueError:
            pass
    raise Malformed(
        field, f"{field} is '{text[:60]}', which is not a day.", "Use 2026-06-30; or 2026-06 or 2026 if that is known."
    )


def whole(field: str, text: str | int) -> int:
    """Return a whole number of things, above zero. `49,000` and `49_000` are read as 49000."""
    if isinstance(text, int) and not isinstance(text, bool):
        number = text
    elif isinstance(text, str) and _WHOLE(text) and len(text) <= 20:
        number = int(text.replace(",", "").replace("_", ""))
    else:
        raise Malformed(field, f"{field} is '{str(text)[:60]}', which is not a whole number.", "Use digits: 49000.")
    if not 0 < number <= MOST_CHIPS:
        raise Malformed(
            field, f"{field} is {number:,}; it must be above zero and at most {MOST_CHIPS:,}.", "Correct the number."
        )
    return number


def equivalents(field: str, text: str | int) -> Decimal:
    """Return a number of equivalents, above zero, with at most 6 decimal places."""
    number = figure(str(text), field)
    if not 0 < number <= MOST_CHIPS or number != number.quantize(Decimal("0.000001")):
        raise Malformed(
            field,
            f"{field} is '{str(text)[:60]}', which is not a number of equivalents.",
            "Use a number above zero with at most 6 decimal places.",
        )
    return number


def lot(field: str, text: str) -> tuple[int, int]:
    """Return the record and line that opened a lot, from `17.1`."""
    if match := _LOT(text):
        return int(match[1]), int(match[2])
    raise Malformed(
        field, f"{field} is '{text[:60]}', which names no lot.", "Use record.line, as the receipt says: 17.1."
    )


def evidence(field: str, stated: str | Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return evidence as (kind, reference) pairs in order of kind, from `lab-certificate=LC-17; kyc-remote-access`."""
    pairs = (
        list(stated.items())
        if isinstance(stated, Mapping)
        else [part.partition("=")[::2] for part in stated_text(field, stated).split(";") if part.strip()]
    )
    kinds = {
        identifier(field, stated_text(field, kind).strip()): free_text(field, stated_text(field, reference).strip())
        for kind, reference in pairs
    }
    if len(kinds) < len(pairs):
        raise Malformed(field, f"{field} names the same kind of evidence twice.", "Name each kind once.")
    return tuple(sorted(kinds.items()))
