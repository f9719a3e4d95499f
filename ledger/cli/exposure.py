"""`capledger exposure`: whose ultimate parent is not the one that entries froze, and what stands there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing, output
from ledger.cli.asking import figure, limited_to
from ledger.cli.tables import Column, fold, say_lines, screen_width, table

if TYPE_CHECKING:
    from ledger.reports.exposure import Chain, Exposed
    from ledger.reports.revaluation import Revalued


def exposure(
    on: asking.On = "",
    known: asking.Known = "",
    party: Annotated[
        str,
        typer.Option(
            metavar="PARTY",
            autocompletion=completing.parties,
            help="Only this party, or those it was or is the ultimate parent of.",
        ),
    ] = "",
    since: Annotated[
        str,
        typer.Option(metavar="RECORD|TIME", help="Compare with the parent known at a record, not with the frozen one."),
    ] = "",
    rulebook: asking.Book = "",
    as_json: asking.AsJson = False,
) -> None:
    """Show whose ultimate parent on the day is not the one that entries froze, and the caps that would move with it.

    Nothing is posted: entries keep the parents they were judged with.
    """
    from ledger.reports.exposure import exposure as exposed

    record = asking.known_at(since, "--since")
    with asking.viewing(on, known, rulebook) as view:
        found = exposed(view, party=party, since=record)
        stamp, sentence = view.stamp(), asking.stamp_of(view)
    if as_json:
        output.say_json({**stamp, **found.body()})
        return
    width = screen_width()
    say_lines(fold(sentence, width), [""])
    before = "frozen" if found.since is None else f"at {found.since:,}"
    if not found.parties:
        compared = "as entries froze it" if found.since is None else f"as known at record {found.since:,}"
        say_lines(fold(f"Nothing moves: every ultimate parent is {compared}, or nothing stands under it.", width))
        return
    say_lines(_parties(found.parties, before, width), [""])
    if listed := _listed(found.parties):
        say_lines(["Owned by listed parties:"], *(fold(f"  {line}", width, "    ") for line in listed), [""])
    if not found.counters:
        say_lines(fold("No cap that is kept by ultimate parent or owner group would move.", width))
        return
    say_lines(["Caps that would move:"], _counters(found.counters, before, width))


def _parties(parties: Sequence[Exposed], before: str, width: int | None) -> list[str]:
    columns = [
        Column("party", least=12), Column("as"), Column(f"parent {before}", least=12), Column("parent now", least=12),
        Column("in"), Column("licensed TPP", right=True), Column("open TPP", right=True),
        Column("held TPP", right=True), Column("licensed chips", right=True, optional=True),
        Column("open chips", right=True, optional=True), Column("held chips", right=True, optional=True),
        Column("models", right=True, optional=True),
    ]  # fmt: skip
    rows = [
        [
            each.party, each.role, _chain(each.before), _chain(each.now), place.destination,
            *(figure(amount) for amount in place.tpp.values()), *(f"{count:,}" for count in place.chips.values()),
            f"{place.models:,}",
        ]
        for each in parties for place in each.places
    ]  # fmt: skip
    return table(columns, rows, width)


def _listed(parties: Sequence[Exposed]) -> list[str]:
    """Return how far listed parties own each party that they own otherwise than before, and by which shares."""
    lines = []
    for each in parties:
        if each.listed_before != each.listed_now:
            shares = ", ".join(f"{owner} {percentage}% of {owned}" for owner, percentage, owned in each.listed_by)
            was, now = figure(each.listed_before), figure(each.listed_now)
            lines.append(f"{each.party}: {was}% -> {now}%" + (f" by {shares}" if shares else ""))
    return list(dict.fromkeys(lines))


def _chain(chain: Chain) -> str:
    """Return the chain above a party, the ultimate parent last; a party without an owner is its own."""
    return " < ".join(chain[1:] or chain) or "unknown"


def _counters(counters: Sequence[Revalued], before: str, width: int | None) -> list[str]:
    columns = [
        Column("cap", least=12), Column("subject", least=14, under="cap"),
        Column("window", least=12, under="subject", optional=True), Column("limit", right=True),
        Column(before, right=True), Column("now", right=True), Column("change", right=True, optional=True),
        Column("state"),
    ]  # fmt: skip
    rows = []
    for each in counters:
        states = [one.state if one else "not counted" for one in (each.frozen, each.revalued)]
        rows.append([
            each.either.cap, each.either.subject, each.either.window,
            limited_to(each.either.limit, each.either.unit, each.either.state == "watched"),
            figure(each.frozen.used if each.frozen else None), figure(each.revalued.used if each.revalued else None),
            figure(each.change), states[0] if states[0] == states[1] else " -> ".join(states),
        ])  # fmt: skip
    return table(columns, rows, width)
