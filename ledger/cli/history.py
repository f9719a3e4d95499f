"""`capledger history`: everything that was recorded of one party, country, chip or authorization."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing, output
from ledger.cli.asking import figure
from ledger.cli.tables import Column, fold, say_lines, screen_width, table
from ledger.core.errors import Malformed, NotFound

if TYPE_CHECKING:
    from ledger.reports import Happening, View

_COLUMNS = (
    Column("record", right=True),
    Column("recorded", optional=True),
    Column("day"),
    Column("kind", least=12),
    Column("by", optional=True, least=8),
    Column("stage", under="kind"),
    Column("chips", right=True),
    Column("TPP", right=True),
    Column("what", below=True),
)


def history(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT",
            autocompletion=completing.subjects,
            help="A party, country, chip or authorization, by id or code.",
        ),
    ],
    on: asking.Dated = "",
    known: asking.Known = "",
    as_json: asking.AsJson = False,
) -> None:
    """Show everything recorded of a subject, refusals included, in the order of the journal."""
    with asking.viewing(on, known, "") as view:
        named, found = _found(view, subject, view.on if on else date.max)
        position, size = view.known, view.size
    if as_json:
        bodies = [each.body() for each in found]
        told = {"subject": named, "on": asking.day_of(on).isoformat(), "known": position, "journal": size}
        output.say_json({**told, "history": bodies})
        return
    width = screen_width()
    dated = f" dated up to {on}" if on else ""
    entries = f"{len(found):,} entr{'y' if len(found) == 1 else 'ies'}"
    say_lines(
        fold(f"{named}: {entries}{dated} up to record {position:,} of {size:,}.", width),
        [""],
        table(_COLUMNS, map(_row, found), width),
    )


def _found(view: View, subject: str, by: date) -> tuple[str, list[Happening]]:
    """Return the history of a subject as it is written; of a country by its name too."""
    from ledger import reports
    from ledger.reference import country_code

    try:
        return subject, reports.history(view, subject, by=by)
    except NotFound:
        try:
            code = country_code(subject)
        except Malformed:
            code = subject
        if code == subject:
            raise
        return code, reports.history(view, code, by=by)


def _row(each: Happening) -> list[str]:
    day = each.day.isoformat() if each.day else ""
    recorded = each.recorded_at.strftime("%Y-%m-%d %H:%M")
    chips = "" if each.chips is None else f"{each.chips:,}"
    return [str(each.seq), recorded, day, each.kind, each.actor, each.stage, chips, figure(each.tpp, ""), each.what]
