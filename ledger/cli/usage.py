"""`capledger usage`: what stands in each stage per country, tier, recipient or other subject, and its caps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import asking, output
from ledger.cli.asking import figure, marks
from ledger.cli.tables import Column, bar, fold, say_lines, screen_width, table
from ledger.core.errors import Malformed

if TYPE_CHECKING:
    from ledger.reports import CapStanding, Usage, View

_STAGES = ("reserved", "licensed", "open", "shipped", "in_transit", "installed")
_ALWAYS = ("licensed", "shipped")  # the other stages give way on a narrow screen
_NO_TIER = "-"  # of a cap that is not kept per country
_CAPS = (
    Column("cap", least=12),
    Column("subject", least=14),
    Column("window", under="subject", least=11),
    Column("used", right=True),
    Column("limit", right=True),
    Column("left", right=True, optional=True),
    Column("fill", optional=True),
    Column("state"),
    Column("marks", under="cap", least=11),
)


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
        tiers = _Tiers(view)
        kept = [cap for cap in reports.standings(view) if caps or by == "tier" or _is_kept_for(cap.subject, by)]
        if by == "tier":
            kept.sort(key=lambda cap: tiers.of(cap.subject))  # stable: within a tier in the book's order
        stamp, sentence, size = view.stamp(), asking.stamp_of(view), view.size
    if as_json:
        output.say_json({**stamp, "by": by, "totals": [each.body() for each in totals],
                         "caps": [_cap(cap, tiers if by == "tier" else None) for cap in kept]})  # fmt: skip
        return
    width = screen_width()
    if not totals and not kept:
        say_lines(*(fold(line, width) for line in _nothing(size, stamp, sentence)))
        return
    say_lines(fold(f"{'All caps' if caps else f'By {by}'}. {sentence}", width))
    if totals and not caps:
        say_lines(["", "In TPP, chips and equivalents together:"], _totals(by, totals, width))
    if kept:
        say_lines([""], _standings(kept, tiers if by == "tier" else None, width))
    else:
        say_lines([""], fold(f"No cap that is kept by {by} is in use. --caps lists every cap that is.", width))


class _Tiers:
    """The tier of a cap's destination, in the book asked on the day."""

    def __init__(self, view: View) -> None:
        self._adoption, self._on = view.adoption, view.on

    def of(self, subject: str) -> str:
        parts = _parts(subject)
        if self._adoption is None or not ("destination" in parts or "tier" in parts):
            return _NO_TIER
        return parts.get("tier") or self._adoption.book.tier(parts["destination"], self._on) or "unknown"


def _parts(subject: str) -> dict[str, str]:
    """Return what a counter is kept for, by dimension; nothing for the whole world."""
    return dict(part.split("=", 1) for part in subject.split(",") if "=" in part)


def _is_kept_for(subject: str, by: str) -> bool:
    """Return whether a counter is kept for that dimension alone; `world` is the one that is kept for none."""
    return list(_parts(subject)) == ([] if by == "world" else [by])


def _cap(cap: CapStanding, tiers: _Tiers | None) -> dict[str, Any]:
    return {**({"tier": tiers.of(cap.subject)} if tiers else {}), **cap.body()}


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


def _standings(caps: Sequence[CapStanding], tiers: _Tiers | None, width: int | None) -> list[str]:
    columns = [*([Column("tier", least=7)] if tiers else []), *_CAPS]
    return table(columns, [[*([tiers.of(cap.subject)] if tiers else []), *_row(cap)] for cap in caps], width)


def _row(cap: CapStanding) -> list[str]:
    limit = f"{figure(cap.limit)} {cap.unit}" if cap.limit is not None else _no_limit(cap)
    return [
        cap.cap, cap.subject, cap.window, figure(cap.used), limit, figure(cap.left), bar(cap.used, cap.limit),
        cap.state, marks(cap, cap.doubt),
    ]  # fmt: skip


def _no_limit(cap: CapStanding) -> str:
    return f"{'none' if cap.state == 'watched' else 'unknown'} ({cap.unit})"
