"""What happened to chips, as it is asked: movement kinds, their lines, and reading them from plain text.

A movement has one day, one exporter and one line or several; its lines post together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.core.compute import plain
from ledger.core.errors import Malformed
from ledger.core.facts import AUTHORIZATION_KINDS
from ledger.core.movements.fields import (
    country,
    day,
    equivalents,
    evidence,
    free_text,
    identifier,
    lot,
    stated_text,
    whole,
    word,
)

# What each kind of movement must state on every line.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "reserve": ("destination", "recipient", "chip", "quantity", "last_day"),
    "grant": ("destination", "recipient", "authorization", "chip", "quantity"),
    "release": ("chip", "quantity"),
    "ship": ("destination", "recipient", "chip", "quantity"),
    "receive": ("destination", "recipient", "chip", "quantity"),
    "return": ("destination", "recipient", "chip", "quantity"),
    "retire": ("destination", "recipient", "chip", "quantity", "cause"),
    "transfer": ("destination", "recipient", "chip", "quantity"),
    "reexport": ("destination", "recipient", "chip", "quantity"),
    "reverse": (),
}
KINDS = tuple(NEEDS)
OBSERVED_KINDS = frozenset({"receive", "return", "retire"})  # observations, whoever reports them
EXPORTER_KINDS = frozenset({"reserve", "grant", "ship"})  # requests that must name their exporter
RULED_KINDS = frozenset({"reserve", "grant", "ship", "transfer", "reexport"})  # the rulebook's rules are asked
UNITS = ("chips", "systems", "equivalents")
CAUSES = ("loss", "theft", "damage", "failure", "destruction")
ACTIVITIES = ("export", "reexport", "transfer", "domestic")
CONFIDENCES = ("confirmed", "unconfirmed")
MOST_LINES = 10_000


class Line(NamedTuple):
    """One line of a movement, as stated; None or empty where it says nothing.

    quantity counts `unit`: items as named (""), chips (of which a system has several), systems, or equivalents.
    recipient, destination: where the chips go, or where they are for a receipt, return or retirement.
    from_recipient, from_destination: where they were, for a transfer or reexport. `of` names a lot (record, line).
    """

    quantity: Decimal = Decimal(0)
    unit: str = ""
    last_day: date | None = None
    of: tuple[int, int] | None = None
    cause: str = ""
    chip: str = ""
    destination: str = ""
    recipient: str = ""
    authorization: str = ""
    from_recipient: str = ""
    from_destination: str = ""
    activity: str = ""
    exported_from: str = ""
    owner: str = ""
    operator: str = ""
    booked_to: str = ""
    end_use: str = ""
    eccn: str = ""
    facility: str = ""
    lab: str = ""
    evidence: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[object, ...]:
        """What it names and says of that: all but how much, and of which lot."""
        return self[5:]


class Movement(NamedTuple):
    """A movement as asked. effective_on is the day it counts; `stated` keeps a date known to the month or year."""

    kind: str
    effective_on: date
    stated: str
    lines: tuple[Line, ...]
    exporter: str = ""
    reverses: int = 0


_LINE_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "chip": identifier,
    "unit": word(*UNITS),
    "destination": country,
    "recipient": identifier,
    "authorization": identifier,
    "last_day": day,
    "of": lot,
    "cause": word(*CAUSES),
    "from_recipient": identifier,
    "from_destination": country,
    "activity": word(*ACTIVITIES),
    "exported_from": country,
    "owner": identifier,
    "operator": identifier,
    "booked_to": identifier,
    "end_use": identifier,
    "eccn": identifier,
    "facility": identifier,
    "lab": identifier,
    "evidence": evidence,
}
_HEAD_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "movement": word(*KINDS),
    "effective_on": day,
    "exporter": identifier,
    "reverses": whole,
    "source": free_text,
    "confidence": word(*CONFIDENCES),
    "note": free_text,
}
HEAD_FIELDS = tuple(_HEAD_READERS)
LINE_FIELDS = ("quantity", *_LINE_READERS)


def parse(raw: Mapping[str, Any]) -> tuple[Movement, dict[str, Any]]:
    """Return a movement and its body: what was asked, typed, blanks left out, before defaults.

    `raw` holds the head's fields and `lines`, a list of mappings; a value is text (or a whole number, or a mapping for
    evidence). Raises `Malformed` for the first field that cannot be read.
    """
    body: dict[str, Any] = {}
    head: dict[str, Any] = {}
    for field, value in raw.items():
        if field == "lines" or value is None or value == "":
            continue
        read = _HEAD_READERS.get(field)
        if read is None:
            raise Malformed(field, f"{field} is not a field of a movement.", f"Known: {', '.join(HEAD_FIELDS)}, lines.")
        head[field] = read(field, value if field == "reverses" else stated_text(field, value))
        body[field] = head[field] if field == "reverses" else value
    kind = _stated(head, "movement", "a movement")
    lines, body_lines = [], []
    raw_lines = raw.get("lines") or ()
    if not isinstance(raw_lines, (list, tuple)) or not all(isinstance(each, Mapping) for each in raw_lines):
        raise Malformed("lines", "lines is not a list of lines.", "Give a list; each line names its fields.")
    for raw_line in raw_lines:
        line, body_line = _line(kind, raw_line)
        lines.append(line)
        body_lines.append(body_line)
    if body_lines:
        body["lines"] = body_lines
    if kind == "reverse":
        _stated(head, "reverses", kind)
        if lines:
            raise Malformed("lines", "A reverse has no lines.", "Name the record in `reverses` and nothing else.")
    elif not lines or len(lines) > MOST_LINES:
        raise Malformed("lines", f"A {kind} has 1 to {MOST_LINES:,} lines, not {len(lines):,}.", "Split or fill it.")
    effective_on = _stated(head, "effective_on", kind)
    for line in lines:
        if line.last_day and line.last_day < effective_on:
            raise Malformed(
                "last_day", f"last_day {line.last_day} is before effective_on {effective_on}.", "Correct one of them."
            )
    movement = Movement(
        kind, effective_on, str(raw["effective_on"]), tuple(lines), head.get("exporter", ""), head.get("reverses", 0)
    )
    return movement, body


def _line(kind: str, raw: Mapping[str, Any]) -> tuple[Line, dict[str, Any]]:
    values: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for field, value in raw.items():
        if value is None or value == "" or field == "quantity":
            continue
        read = _LINE_READERS.get(field)
        if read is None:
            raise Malformed(field, f"{field} is not a field of a line.", f"Known: {', '.join(LINE_FIELDS)}.")
        values[field] = read(field, value if field == "evidence" else stated_text(field, value))
        body[field] = dict(values[field]) if field == "evidence" else value
    stated = raw.get("quantity")
    if stated is not None and stated != "":
        if values.get("unit") == "equivalents":
            number = values["quantity"] = equivalents("quantity", stated)
            body["quantity"] = int(number) if number == int(number) else plain(number)
        else:
            body["quantity"] = whole("quantity", stated)
            values["quantity"] = Decimal(body["quantity"])
    for field in NEEDS[kind]:
        if field not in values:
            _stated(values, field, kind)
    if _names_no_license(kind, values.get("authorization", "")):
        raise Malformed(
            "authorization",
            f"authorization is '{values['authorization']}', a kind; a {kind} under it names an issued one.",
            "Name the license by its id.",
        )
    leaves, goes = values.get("from_destination"), values.get("destination")
    if leaves and kind in ("transfer", "reexport") and (leaves == goes) != (kind == "transfer"):
        raise Malformed(
            "from_destination",
            f"A {kind} from {leaves} to {goes} is none.",
            "Within one country it is a transfer, into another a reexport.",
        )
    if kind in ("transfer", "reexport") and not ("of" in values or "from_recipient" in values):
        raise Malformed(
            "from_recipient",
            f"A {kind} must say where the chips are.",
            "Fill in from_recipient, or name the lot in of.",
        )
    if kind == "reexport" and not ("of" in values or "from_destination" in values):
        raise Malformed(
            "from_destination", "A reexport must say which country it leaves.", "Fill in from_destination, or of."
        )
    return Line(**values), body


def _names_no_license(kind: str, authorization: str) -> bool:
    """Whether a movement that needs an issued authorization states a kind only; a reservation may be for a kind."""
    return authorization in AUTHORIZATION_KINDS and (
        kind == "grant" or (authorization == "license" and kind in RULED_KINDS and kind != "reserve")
    )


def _stated(values: Mapping[str, Any], field: str, kind: str) -> Any:
    if field not in values:
        raise Malformed(field, f"{field} is missing.", f"A {kind} must state {field}.")
    return values[field]
