"""Duties: what brings one about, and by when it must be done, as a rulebook writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, cast

from ledger.core.movements import CAUSES, KINDS
from ledger.core.rulebook import Cap, Dates, Due, Duty, Each, Every, First, OneShipment, Reaches
from ledger.core.rulebook.duties import Per, Trigger
from ledger.rulebooks.conditions import read_where
from ledger.rulebooks.document import Piece, choices
from ledger.rulebooks.draft import Draft, base_chips
from ledger.rulebooks.words import amount, day_of_year, fraction, name, one_of, source

_TRIGGERS = ("counter", "one_shipment", "each", "first", "dates", "every")
_REQUIRED = ("name", "law", "who", "when", "do")
_PER = ("facility", "recipient", "owner", "exporter", "destination")
DUTY_KEYS = (*_REQUIRED, "due", "confidence", "note")
WHEN_KEYS = (*_TRIGGERS, "reaches", "where", "per", "cause")

_DAYS = re.compile(r"([1-9][0-9]{0,3}) days? (before|after)", re.ASCII).fullmatch
_SPAN = re.compile(r"([1-9][0-9]{0,2}) (day|week|month|year)s?", re.ASCII).fullmatch
_WORDS = {
    "before the first shipment": Due("first"),
    "before shipping": Due("before"),
    "on receipt": Due("receipt"),
}
_DUE = f"Write {', '.join(_WORDS)}, 30 days after or 25 days before, or leave `due` out."
_UNITS: Mapping[str, tuple[int, Literal["days", "months"]]] = {
    "day": (1, "days"), "week": (7, "days"), "month": (1, "months"), "year": (12, "months"),
}  # fmt: skip


def read_duties(draft: Draft, piece: Piece, caps: Iterable[Cap]) -> tuple[Duty, ...]:
    """Return who must do what, by when, at which number; a duty obliges and never refuses."""
    duties: dict[str, Duty] = {}
    for part in piece.items("`duties`"):
        with draft.findings.kept():
            table = part.table("A duty", DUTY_KEYS, _REQUIRED)
            draft.using = name(table["name"], "The duty")
            if draft.using in duties:
                part.wrong(f"There are two duties called {draft.using}.", "Give each its own name.")
            duties[draft.using] = Duty(
                name=draft.using,
                who=name(table["who"], "`who`"),
                do=table["do"].text("`do`"),
                when=_when(table["when"], {cap.name: cap for cap in caps}),
                due=_due(table["due"]) if "due" in table else Due(),
                where=read_where(draft, table["when"].table("`when`", WHEN_KEYS).get("where")),
                written=part.plain(),
                **source(table),
            )
    draft.using = ""
    return tuple(duties.values())


def _due(piece: Piece) -> Due:
    text = piece.text("`due`")
    if text in _WORDS:
        return _WORDS[text]
    if not (match := _DAYS(text)):
        piece.wrong(f'`due` says "{text}", from which no day can be told.', _DUE)
    return Due(cast(Literal["before", "after"], match[2]), int(match[1]))


def _when(piece: Piece, caps: Mapping[str, Cap]) -> Trigger:
    table = piece.table("`when`", WHEN_KEYS)
    triggers = [key for key in _TRIGGERS if key in table]
    if len(triggers) != 1:
        piece.wrong(
            f"`when` must say one thing that brings the duty about, not {len(triggers)}.",
            choices("", _TRIGGERS, "ones"),
        )
    if ("counter" in table) != ("reaches" in table):
        piece.wrong("`counter` and `reaches` go together.", "Write {counter: CAP, reaches: 100%}.")
    (trigger,) = triggers
    for key, fitting in (("cause", ("each",)), ("per", ("first", "every"))):
        if key in table and trigger not in fitting:
            piece.wrong(f"`{key}` says nothing beside `{trigger}`.", f"It goes with `{'` or `'.join(fitting)}`.")
    per = cast(Per, one_of(table["per"], "`per`", _PER)) if "per" in table else ""
    match trigger:
        case "counter":
            return _reaches(table["counter"], table["reaches"], caps)
        case "one_shipment":
            value, unit, _ = amount(table["one_shipment"], base_chips())
            return OneShipment(unit, value)
        case "each":
            causes = tuple(
                one_of(part, "`cause`", (*CAUSES, "tampering"))
                for part in (table["cause"].each() if "cause" in table else ())
            )
            return Each(_kind(table["each"], "`each`"), causes)
        case "first":
            return First(_kind(table["first"], "`first`"), per)
        case "dates":
            return Dates(tuple(day_of_year(part) for part in table["dates"].items("`dates`")))
    return _every(table["every"], per)


def _kind(piece: Piece, what: str) -> str:
    kind = one_of(piece, what, KINDS)
    if kind == "reverse":
        piece.wrong("A reverse undoes a movement, and the duty with it.", "Name the kind of movement that obliges.")
    return kind


def _every(piece: Piece, per: Per) -> Every:
    text = piece.text("`every`")
    if not (match := _SPAN(text)):
        piece.wrong(f'`every` says "{text}", which is no span of time.', "Write 6 months, 90 days, 2 weeks or 1 year.")
    times, unit = _UNITS[match[2]]
    return Every(int(match[1]) * times, unit, per)


def _reaches(counter: Piece, piece: Piece, caps: Mapping[str, Cap]) -> Reaches:
    """A duty begins at a share of a limit, or at an amount of its own."""
    text = counter.text("A cap")
    if text not in caps:
        counter.wrong(f'There is no cap "{text}".', choices(text, caps, "caps"))
    cap = caps[text]
    if cap.kept_by != cap.by:
        counter.wrong(f"{text} is of groups as owned on the day asked.", "Name a counter that is kept for one party.")
    if piece.text("`reaches`").endswith("%"):
        if cap.limit.unlimited:
            piece.wrong(f"{text} has no limit to reach a share of.", "Write an amount, such as 253_000_000 TPP.")
        if cap.limit.share:
            piece.wrong(f"{text} is limited to a share, which moves by itself.", "Write an amount, such as 5_000 TPP.")
        return Reaches(text, cap.limit.unit, share=fraction(piece, "`reaches`"))
    value, unit, _ = amount(piece, base_chips())
    return Reaches(text, unit, value)
