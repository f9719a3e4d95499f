"""`capledger duties`: who owes which notice by when, overdue ones first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing, output
from ledger.cli.tables import Column, fold, say_lines, screen_width, table

if TYPE_CHECKING:
    from ledger.core.duties import Owed

_COLUMNS = (
    Column("state"),
    Column("due"),
    Column("duty", least=18),
    Column("party", least=10),
    Column("role", under="party", least=8),
    Column("about", least=10),
    Column("came about", optional=True),
    Column("do", least=16, under="duty"),
    Column("law", below=True),
)
_STATES = ("overdue", "due", "undetermined", "met")


def duties(
    on: asking.On = "",
    known: asking.Known = "",
    rulebook: asking.Book = "",
    party: Annotated[
        str, typer.Option(metavar="PARTY", autocompletion=completing.parties, help="Only what this party owes.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="List what was done, too.")] = False,
    as_json: asking.AsJson = False,
) -> None:
    """List who owes which notice, certificate or report by when: overdue first, then what is due.

    A notice that was filed is posted as a file with the columns duty, party, filed_on, and record or subject.
    """
    from ledger import reports

    with asking.viewing(on, known, rulebook) as view:
        owed = reports.duties(view, party=party, met=every)
        has_book = any(adoption.book.duties for _, adoption in view.position.timeline)
        stamp, sentence = view.stamp(), asking.stamp_of(view)
    if as_json:
        output.say_json({**stamp, "duties": [each.body() for each in owed]})
        return
    width = screen_width()
    say_lines(fold(f"{_told(owed, party, every, has_book)} {sentence}", width))
    if owed:
        say_lines([""], table(_COLUMNS, [_row(each) for each in owed], width))


def _told(owed: Sequence[Owed], party: str, every: bool, has_book: bool) -> str:
    """Return what there is in a sentence."""
    who = f" by {output.clean(party[:60])}" if party else ""
    if owed:
        counts = Counter[str](each.state for each in owed)
        return f"Owed{who}: {', '.join(f'{counts[state]:,} {state}' for state in _STATES if counts[state])}."
    if not has_book:
        return "No rulebook that was asked has duties."
    return f"Nothing was ever owed{who}." if every else f"Nothing is owed{who}. --all lists what was done, too."


def _row(each: Owed) -> list[str]:
    state = f"{each.state}, late" if each.late else each.state
    about = [f"record {each.record}.{each.line}" if each.record else "", each.subject]
    done = f"done {each.met_on}, record {each.met_by}" if each.met_by else ""
    return [
        state, each.due_on.isoformat() if each.due_on else "-", each.duty, each.party, each.role,
        "; ".join(filter(None, (*about, done))), each.triggered_on.isoformat(), each.do, each.law,
    ]  # fmt: skip
