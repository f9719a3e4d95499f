"""What a question may be made of: every parameter once, with its shape, words and an example; and how it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ledger.core import asof
from ledger.core.errors import Malformed
from ledger.core.movements import ACTIVITIES, fields
from ledger.reports import DIMENSIONS

MOST_ITEMS, USUAL_ITEMS = 1_000, 100
PARTS = ("limit", "cursor")  # of a list that is answered in parts
DATED = {"on": "Only what is dated up to this day; all of it, whatever day it is dated, if not said."}
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)
_BOOK = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}(\?[A-Za-z0-9_.=&%,-]{1,300})?").fullmatch
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII).fullmatch
_MOST_JOURNAL = 10**18 - 1
_DATED_MARK = ".on"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. schema: its JSON Schema. example: one that the tests ask. is_path: part of the address."""

    about: str
    schema: Mapping[str, Any]
    example: Any = None
    is_needed: bool = False
    is_path: bool = False


ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}$"}
COUNTRY = {"type": "string", "pattern": "^[A-Z]{2}$"}
DAY = {"type": "string", "format": "date", "pattern": "^(199[0-9]|20[0-9]{2}|21[0-9]{2})-[0-9]{2}-[0-9]{2}$"}
RECORD = {"type": "integer", "minimum": 0, "maximum": _MOST_JOURNAL}
BOOK = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,99}([?][A-Za-z0-9_.=&%,-]{1,300})?$"}
YES_NO = {"type": "string", "enum": ["true", "false"]}

PARAMETERS: Mapping[str, Parameter] = {
    "on": Parameter("The day asked about; today (UTC) if not said.", DAY, "2025-08-01"),
    "known": Parameter(
        "As known at a journal number, a moment, or the end of a day (UTC); now if not said.",
        {"type": "string", "maxLength": 40},
    ),
    "rulebook": Parameter(
        "Ask this shipped or adopted rulebook, with parameters if it has any; the adopted ones if not said.", BOOK
    ),
    "destination": Parameter("Where the chips go: an ISO 3166 alpha-2 code.", COUNTRY, "MY", is_needed=True),
    "recipient": Parameter("The ultimate consignee.", ID, "selangor-dc", is_needed=True),
    "chip": Parameter("A rated chip or system.", ID, "nvidia-h100-sxm5-80", is_needed=True),
    "authorization": Parameter(
        "An issued one, or a kind such as LPP; `license` asks about a grant; none if not said.", ID, "license"
    ),
    "exporter": Parameter("Who sends.", ID, "nvidia"),
    "country": Parameter("The country that something moved to or from: an ISO 3166 alpha-2 code.", COUNTRY),
    "from": Parameter("The first day; that of the last day's year if not said.", DAY, "2025-01-01"),
    "to": Parameter("The last day; today (UTC) if not said.", DAY, "2025-12-31"),
    "owner": Parameter("Who owns the chips; the recipient if not said.", ID),
    "operator": Parameter("Who runs them; the recipient if not said.", ID),
    "booked_to": Parameter("Whose yearly limit it is booked to.", ID),
    "exported_from": Parameter("The country it leaves.", COUNTRY),
    "end_use": Parameter("What the chips are for.", ID),
    "eccn": Parameter("The item's class; the chip's control if not said.", ID),
    "facility": Parameter("The site where they will stand.", ID),
    "lab": Parameter("The lab that tested them.", ID),
    "activity": Parameter("What is done.", {"type": "string", "enum": list(ACTIVITIES)}),
    "evidence": Parameter(
        "Evidence by kind and reference: `kind=reference;kind`.", {"type": "string", "maxLength": 2000}
    ),
    "by": Parameter("The dimension to total by.", {"type": "string", "enum": list(DIMENSIONS)}, "destination"),
    "after": Parameter("Go on after this journal number.", RECORD, 0),
    "after_id": Parameter("Go on after this id.", ID),
    "before": Parameter("Go on before this journal number.", RECORD),
    "limit": Parameter(
        "How many at most.", {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS, "default": USUAL_ITEMS}, 50
    ),
    "cursor": Parameter(
        "Go on where an answer ended: its `next`. The day and the record it is known at are that answer's.",
        {"type": "string", "maxLength": 60},
    ),
    "resolved": Parameter("Whether resolved ones are listed too.", YES_NO, "true"),
    "decided": Parameter("Whether decided ones are listed too.", YES_NO, "true"),
    "met": Parameter("Whether what was done is listed too.", YES_NO, "true"),
    "dry_run": Parameter("Explain the verdict; post nothing.", YES_NO),
    "party": Parameter("A party's id.", ID, "selangor-dc", is_needed=True, is_path=True),
    "authorization_id": Parameter("An authorization's id.", ID, "MY-1", is_needed=True, is_path=True),
    "subject": Parameter("A party, country, chip or authorization.", ID, "selangor-dc", is_needed=True, is_path=True),
    "seq": Parameter("A journal number.", RECORD | {"minimum": 1}, None, is_needed=True, is_path=True),
    "name": Parameter("A rulebook's name.", BOOK, "us-diffusion-2025", is_needed=True, is_path=True),
    "other": Parameter("The rulebook to compare it with.", BOOK, "us-licensing-2026", is_needed=True, is_path=True),
}


class Cursor(NamedTuple):
    """Where an answer ended: the record it is known at, its day, how many items came before, and whether the day was
    asked for."""

    known: int
    day: date
    start: int
    is_dated: bool = False

    def __str__(self) -> str:
        return f"{self.known}.{self.day}.{self.start}{_DATED_MARK * self.is_dated}"


def stated(query: bytes, asks: Sequence[str], omits: Sequence[str] = (), dayless: str = "") -> dict[str, str]:
    """Return a query's parameters; one that the question does not know, or that is stated twice, is refused.

    omits: those that need not be stated here. dayless: why no day can be asked for, where it cannot.
    """
    found: dict[str, str] = {}
    for name, text in _pairs(query.decode("latin-1")):
        if name not in asks:
            known = ", ".join(asks) or "none"
            if name == "on" and dayless:
                raise Malformed(name, f"on means nothing here: {dayless}", f"Leave it out. Known: {known}.")
            raise Malformed(name[:60], f"'{name[:60]}' is not a parameter of this question.", f"Known: {known}.")
        if name in found:
            raise Malformed(name, f"{name} is stated more than once.", "State it once.")
        found[name] = text
    for name in asks:
        if name not in found and PARAMETERS[name].is_needed and name not in omits:
            raise Malformed(name, f"{name} is missing.", "State it.")
    return found


def _pairs(query: str) -> list[tuple[str, str]]:
    if "%" in query or "+" in query:
        return parse_qsl(query, keep_blank_values=True)
    parts = [each.partition("=") for each in query.split("&") if each]  # the same, where nothing is written otherwise
    return [(name, text) for name, _, text in parts]


def day_of(asked: Mapping[str, str], name: str = "on") -> date:
    """Return a stated day, or today (UTC) where none is stated."""
    text = asked.get(name)
    if text is None:
        return datetime.now(UTC).date()
    try:
        if len(text) != len("2026-06-30"):
            raise ValueError
        found = date.fromisoformat(text)
        if not FIRST_DAY <= found <= LAST_DAY:
            raise ValueError
        return found
    except ValueError:
        raise Malformed(
            name, f"{name} is '{text[:40]}', which is no day from {FIRST_DAY} to {LAST_DAY}.", "Write YYYY-MM-DD."
        ) from None


def dated_by(asked: Mapping[str, str]) -> date:
    """Return the day up to which things may be dated: as stated, or as the answer was asked that is gone on with."""
    if begun := cursor_of(asked):
        return begun.day if begun.is_dated else date.max
    return day_of(asked) if "on" in asked else date.max


def known_at(asked: Mapping[str, str]) -> int | datetime | None:
    """Return a journal number or a moment; None where not said."""
    return asof.known_at(asked["known"]) if "known" in asked else None


def book_of(asked: Mapping[str, str], name: str = "rulebook") -> str | None:
    """Return the rulebook that is asked by name; never a file of the server's. None where not said."""
    text = asked.get(name)
    if text is not None and not _BOOK(text):
        raise Malformed(name, f"{name} is '{text[:60]}', which is no rulebook's name.", "Use a name from the list.")
    return text


def number_of(asked: Mapping[str, str], name: str, *, least: int = 0, most: int = _MOST_JOURNAL) -> int | None:
    """Return a whole number, None where not said."""
    text = asked.get(name)
    if text is None:
        return None
    if not _NUMBER(text) or not least <= int(text) <= most:
        raise Malformed(name, f"{name} is '{text[:40]}'.", f"Use a whole number from {least:,} to {most:,}.")
    return int(text)


def limit_of(asked: Mapping[str, str]) -> int:
    """Return how many items are wanted."""
    return number_of(asked, "limit", least=1, most=MOST_ITEMS) or USUAL_ITEMS


def cursor_of(asked: Mapping[str, str]) -> Cursor | None:
    """Return where an answer ended that is to be gone on with; None where not said.

    Raises:
        Malformed: it is not one that an answer gave.
    """
    if "cursor" not in asked:
        return None
    text = asked["cursor"].removesuffix(_DATED_MARK)
    known, day, start = (*text.split("."), "", "")[:3]
    try:
        parts = {"known": known, "day": day, "start": start}
        found = number_of(parts, "known"), day_of(parts, "day"), number_of(parts, "start")
    except Malformed:
        found = None, FIRST_DAY, None
    is_dated = text != asked["cursor"]
    if found[0] is None or found[2] is None or text != str(Cursor(found[0], found[1], found[2])):
        raise Malformed("cursor", f"cursor is '{asked['cursor'][:60]}'.", "Use the `next` of an answer as it is.")
    return Cursor(found[0], found[1], found[2], is_dated)


def is_set(asked: Mapping[str, str], name: str) -> bool:
    """Return whether a switch is on."""
    text = asked.get(name, "false")
    if text not in ("true", "false"):
        raise Malformed(name, f"{name} is '{text[:40]}'.", "Write true or false.")
    return text == "true"


def id_of(asked: Mapping[str, str], name: str) -> str:
    """Return an id, "" where not said."""
    return fields.identifier(name, asked[name]) if name in asked else ""
