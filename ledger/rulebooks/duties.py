"""Duties: read and checked, kept as written so that they can be shown; not evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ledger.core.movements import CAUSES, KINDS
from ledger.rulebooks.conditions import read_where
from ledger.rulebooks.document import Piece, choices
from ledger.rulebooks.draft import Draft, base_chips
from ledger.rulebooks.words import amount, day_of_year, fraction, name, one_of, source

_TRIGGERS = ("counter", "one_shipment", "each", "first", "dates", "every")
_REQUIRED = ("name", "law", "who", "when", "do")
DUTY_KEYS = (*_REQUIRED, "due", "confidence", "note")
WHEN_KEYS = (*_TRIGGERS, "reaches", "where", "per", "cause")


def read_duties(draft: Draft, piece: Piece, caps: Iterable[str]) -> tuple[Mapping[str, Any], ...]:
    """Return who must do what, by when, at which number; a duty obliges and never refuses."""
    duties: dict[str, Mapping[str, Any]] = {}
    for part in piece.items("`duties`"):
        with draft.findings.kept():
            table = part.table("A duty", DUTY_KEYS, _REQUIRED)
            draft.using = name(table["name"], "The duty")
            if draft.using in duties:
                part.wrong(f"There are two duties called {draft.using}.", "Give each its own name.")
            name(table["who"], "`who`")
            for key in {"do", "due"} & set(table):
                table[key].text(f"`{key}`")
            source(table)
            _check_when(draft, table["when"], caps)
            duties[draft.using] = part.plain()
    draft.using = ""
    return tuple(duties.values())


def _check_when(draft: Draft, piece: Piece, caps: Iterable[str]) -> None:
    table = piece.table("`when`", WHEN_KEYS)
    triggers = [key for key in _TRIGGERS if key in table]
    if len(triggers) != 1:
        piece.wrong(
            f"`when` must say one thing that brings the duty about, not {len(triggers)}.",
            choices("", _TRIGGERS, "ones"),
        )
    if ("counter" in table) != ("reaches" in table):
        piece.wrong("`counter` and `reaches` go together.", "Write {counter: CAP, reaches: 100%}.")
    if "counter" in table:
        _check_cap(table["counter"], caps)
        _check_number(table["reaches"])
    if "one_shipment" in table:
        amount(table["one_shipment"], base_chips())
    for key in {"each", "first"} & set(table):
        one_of(table[key], f"`{key}`", KINDS)
    for part in table["dates"].items("`dates`") if "dates" in table else ():
        day_of_year(part)
    if "every" in table:
        table["every"].text("`every`")
    for part in table["cause"].each() if "cause" in table else ():
        one_of(part, "`cause`", (*CAUSES, "tampering"))
    if "per" in table:
        one_of(table["per"], "`per`", ("facility", "recipient", "owner", "exporter", "destination"))
    read_where(draft, table.get("where"))


def _check_number(piece: Piece) -> None:
    """A duty begins at a share of a limit, or at an amount of its own."""
    if piece.text("`reaches`").endswith("%"):
        fraction(piece, "`reaches`")
    else:
        amount(piece, base_chips())


def _check_cap(piece: Piece, caps: Iterable[str]) -> None:
    text = piece.text("A cap")
    if text not in caps:
        piece.wrong(f'There is no cap "{text}".', choices(text, caps, "caps"))
