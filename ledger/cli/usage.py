"""`capledger usage`: what stands in each stage per country, tier, recipient or other subject, and its caps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import asking, output
from ledger.cli.asking import figure
from ledger.cli.caps import standings_table
from ledger.cli.tables import Column, fold, say_lines, screen_width, table
from ledger.core.errors import Malformed

if TYPE_CHECKING:
    from ledger.reports import Usage

_STAGES = ("reserved", "licensed", "open", "shipped", "in_transit", "installed")
_ALWAYS = ("licensed", "shipped")  # the other stages give way on a narrow screen


def usage(
    by: Annotated[
        str,
        typer.Option(
            metavar="DIMENSION",
            help="destination, tier, recipient, ultimate_parent, exporter, owner, operator, chip, authorization, "
            "facility or world.",
        ),
    ] = "destination",
    on: asking.On = "",
    known: asking.Known = "",
    rulebook: asking.Book = "",
    caps: Annotated[bool, typer.Option("--caps", help="List every cap in use, whatever it is kept for.")] = False,
    as_json: asking.AsJson = False,
) -> None:
    """Show totals per subject in each stage, then the caps kept for it: fill bar, state and what is left."""
    from ledger import reports

    if by not in reports.DIMENSIONS:
        raise Malformed(
            "by", f'--by "{output.clean(by[:40])}" is not a dimension.', f"Use one of: {', '.join(reports.DIMENSIONS)}."
        )
    with asking.viewing(on, known, rulebook) as view:
        totals = reports.usage(view, by)
        kept = [cap for cap in reports.standings(view) if caps or by == "tier" or _is_kept_for(cap.subject, by)]
        if by == "tier":
            kept.sort(key=lambda cap: (not cap.tier, cap.tier))  # within a tier, in the book's order
        stamp, sentence, size = view.stamp(), asking.stamp_of(view), view.size
    if as_json:
        bodies = [cap.body() for cap in kept]
        output.say_json({**stamp, "by": by, "totals": [each.body() for each in totals], "caps": bodies})
        return
    width = screen_width()
    if not totals and not kept:
        say_lines(*(fold(line, width) for line in _nothing(size, stamp, sentence)))
        return
    say_lines(fold(f"{'All caps' if caps else f'By {by}'}. {sentence}", width))
    if totals and not caps:
        say_lines(["", "In TPP, chips and equivalents together:"], _totals(by, totals, width))
    if kept:
        say_lines([""], standings_table([cap.body() for cap in kept], width, by_tier=by == "tier"))
    else:
        none = (
            "No cap is in use." if caps else f"No cap that is kept by {by} alone is in use. --caps lists all that are."
        )
        say_lines([""], fold(none, width))


def _is_kept_for(subject: str, by: str) -> bool:
    """Return whether a counter is kept for that dimension alone; `world` is the one that is kept for none."""
    dimensions = [part.split("=", 1)[0] for part in subject.split(",")]
    return dimensions == [by]


def _nothing(size: int, stamp: dict[str, Any], sentence: str) -> list[str]:
    if size:
        return [f"Nothing was granted or shipped by {stamp['on']}. {sentence}"]
    return [
        "The ledger is empty: nothing was recorded yet.",
        "To see it at work, type `capledger demo`. To begin, register parties and ratings, adopt a rulebook and post:",
        "  capledger post parties.csv",
        "  capledger post ratings.csv",
        "  capledger rulebook adopt us-licensing-2026 --from 2023-11-17",
        "  capledger post authorizations.csv",
        "  capledger post movements.csv",
    ]


def _totals(by: str, totals: Sequence[Usage], width: int | None) -> list[str]:
    named = _names(by, totals)
    stages = [Column(name.replace("_", " "), right=True, optional=name not in _ALWAYS) for name in _STAGES]
    columns = [Column(by.replace("_", " "), least=12), *([Column("name", least=12)] if named else []), *stages]
    rows = [
        [each.subject, *([named.get(each.subject, "")] if named else []), *(figure(each.tpp[name]) for name in _STAGES)]
        for each in totals
    ]
    return table(columns, rows, width)


def _names(by: str, totals: Sequence[Usage]) -> dict[str, str]:
    """Return the names of countries; other subjects are known by their ids."""
    if by != "destination":
        return {}
    from ledger.reference import countries

    known = countries()
    return {each.subject: known[each.subject].name for each in totals if each.subject in known}
