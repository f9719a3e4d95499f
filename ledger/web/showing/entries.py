"""The entries behind a counter: which records moved it, on which day, by how much."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core import counters
from ledger.core.facts import UNKNOWN
from ledger.core.lens import Key, Lens
from ledger.core.rulebook import Cap, Rulebook, dimensions_of
from ledger.reports import View
from ledger.web.asking import Asked
from ledger.web.parts import Cell, Column, Table, change, number
from schema.queries import SQL

# Dimensions of a counter's subject that a profile states as they are, and how it calls them.
_STATED = {name: name for name in ("exporter", "recipient", "owner", "operator", "booked_to", "facility")}
_STATED["chip"] = "base_chip"
AT_ONCE = 200  # entries looked at; of those, the ones that touch the counter are shown


@dataclass(frozen=True, slots=True)
class Moved:
    """One entry that moved a counter: its record, the day it counts, what it was of, and the change in the unit."""

    seq: int
    day: date
    stage: str
    chip: str
    recipient: str
    chips: int | None
    tpp: Decimal
    change: Decimal


def touching(view: View, lens: Lens, cap: Cap, keys: Collection[Key], before: int) -> tuple[list[Moved], int | None]:
    """Return the newest entries before a record that move a counter, and where to go on; None where there are no more.

    It looks at entries of those profiles only that may ever touch the counter.
    """
    wanted = {(lens.seq, cap.name, key.subject) for key in keys}
    stating = sorted({number for key in keys for number in _stating(view, lens.book, key.subject)})
    profiles = view.profiles.get(stating)
    numbers = [number for number in stating if wanted & lens.ever_touched(profiles[number])]
    rows = view.conn.execute(
        SQL["entries_of_profiles"], {"profiles": numbers, "known": view.known, "before": before, "most": AT_ONCE}
    ).fetchall()
    found = [moved for row in rows for moved in _moved(row, profiles[row[4]], lens, cap, keys)]
    if len(rows) < AT_ONCE:
        return found, None
    last = rows[-1][0]  # a record's entries are shown together: the last may have more
    return [each for each in found if each.seq > last], last + 1


def _stating(view: View, book: Rulebook, subject: str) -> list[int]:
    """Return the profiles that state what a counter is kept for, as far as they state it in so many words."""
    dimensions = {name: value for name, value in dimensions_of(subject).items() if value != UNKNOWN}
    stated = {_STATED[name]: value for name, value in dimensions.items() if name in _STATED}
    country = dimensions.get("destination", "")
    places = [country, *(place for place, counts_as in book.places.items() if counts_as == country)] if country else []
    wanted = {"stated": json.dumps(stated), "destinations": places}
    return [number for (number,) in view.conn.execute(SQL["profiles_stating"], wanted)]


def _moved(row: tuple[Any, ...], profile: Any, lens: Lens, cap: Cap, keys: Collection[Key]) -> Iterator[Moved]:
    seq, _, stage, cause, _, lot_day, day, last_day, chips, tpp = row
    for effect in lens.effects(stage, cause, profile, lot_day, day, last_day, chips, tpp):
        if effect.key in keys:
            sure, doubt, _ = counters.measured(effect.amount, cap.limit.unit)
            words = stage if effect.day == day else f"{stage}, lapses"
            yield Moved(seq, effect.day, words, profile.chip, profile.recipient.party, chips, tpp, sure + doubt)


def entries_table(found: list[Moved], going_on: int | None, unit: str, asked: Asked, more: str) -> Table:
    """Return entries as a table. more: the path of the next ones."""
    columns = (
        Column("Record", right=True), Column("Day"), Column("What"), Column("Chip"), Column("Recipient"),
        Column("Chips", right=True), Column("TPP", right=True), Column("Change", unit, right=True),
    )  # fmt: skip
    rows = tuple(
        (
            number(each.seq, href=asked.path("records", each.seq)), Cell(each.day.isoformat()), Cell(each.stage),
            Cell(each.chip), Cell(each.recipient, asked.path("recipients", each.recipient)),
            number(each.chips, "equivalents"), number(each.tpp), change(each.change),
        )
        for each in found
    )  # fmt: skip
    return Table(
        "Entries behind the figure, newest first", columns, rows, "No entry moved this counter.",
        more=Cell("Earlier entries", more) if going_on else None,
    )  # fmt: skip
