"""`capledger revalue`: every cap as its chips were rated when they moved, and as they are rated on the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ledger.cli import asking, output
from ledger.cli.asking import figure, limited_to
from ledger.cli.tables import Column, fold, say_lines, screen_width, table

if TYPE_CHECKING:
    from ledger.reports.revaluation import Rerated, Revalued


def revalue(
    on: asking.On = "", known: asking.Known = "", rulebook: asking.Book = "", as_json: asking.AsJson = False
) -> None:
    """Show what caps would stand at with the ratings of the day: frozen and revalued totals side by side.

    Nothing is posted: entries keep the rating they were judged with. Equivalents stay as stated.
    """
    from ledger.reports.revaluation import revaluation

    with asking.viewing(on, known, rulebook) as view:
        found = revaluation(view)
        stamp, sentence = view.stamp(), asking.stamp_of(view)
    if as_json:
        output.say_json({**stamp, **found.body()})
        return
    width = screen_width()
    say_lines(fold(sentence, width), [""])
    if not found.chips:
        say_lines(fold("Every chip in the ledger is rated as it was when it moved: nothing to revalue.", width))
        return
    say_lines(_chips(found.chips, width), [""])
    if not found.counters:
        say_lines(fold("No cap is in use.", width))
        return
    changed = [each for each in found.counters if each.changes_state]
    same = [each for each in found.counters if not each.changes_state]
    if changed:
        say_lines(["Would change state:"], _counters(changed, width))
    else:
        say_lines(fold("No cap would change state.", width))
    if same:
        say_lines(["", "Would not:"], _counters(same, width))


def _chips(chips: Sequence[Rerated], width: int | None) -> list[str]:
    columns = [
        Column("chip", least=12), Column("frozen TPP", right=True), Column("revalued TPP", right=True),
        Column("frozen class"), Column("revalued class"), Column("since"), Column("record", right=True, optional=True),
    ]  # fmt: skip
    rows = [
        [
            each.chip, figure(each.frozen_tpp), figure(each.revalued_tpp), each.frozen_control, each.revalued_control,
            each.valid_from.isoformat() if each.valid_from else "ever", f"{each.seq:,}",
        ]
        for each in chips
    ]  # fmt: skip
    return table(columns, rows, width)


def _counters(counters: Sequence[Revalued], width: int | None) -> list[str]:
    columns = [
        Column("cap", least=12), Column("subject", least=14, under="cap"),
        Column("window", least=12, under="subject", optional=True), Column("limit", right=True),
        Column("frozen", right=True), Column("revalued", right=True), Column("change", right=True, optional=True),
        Column("state"),
    ]  # fmt: skip
    rows = []
    for each in counters:
        either, frozen, after = each.either, each.frozen, each.revalued
        states = [one.state if one else "not counted" for one in (frozen, after)]
        rows.append([
            either.cap, either.subject, either.window,
            limited_to(either.limit, either.unit, either.state == "watched"),
            figure(frozen.used if frozen else None), figure(after.used if after else None), figure(each.change),
            states[0] if states[0] == states[1] else f"{states[0]} -> {states[1]}",
        ])  # fmt: skip
    return table(columns, rows, width)
