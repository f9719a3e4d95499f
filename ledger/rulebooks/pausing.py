"""Periods in which a cap is suspended or blocked, and the tolerance above its limit."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ledger.core.rulebook import PAUSED, Cap, Pause, PauseKind, Rulebook
from ledger.rulebooks.conditions import read_seat
from ledger.rulebooks.document import Piece
from ledger.rulebooks.draft import Draft
from ledger.rulebooks.reachable import is_under
from ledger.rulebooks.words import SOURCE_KEYS, fraction, source, span

PAUSE_KEYS = ("from", "until", "destination", *SOURCE_KEYS)


def read_tolerance(table: Mapping[str, Piece]) -> Decimal:
    """Return what passes above a limit, as a fraction of it."""
    return fraction(table["tolerance"], "`tolerance`") if "tolerance" in table else Decimal(0)


def read_pauses(draft: Draft, table: Mapping[str, Piece]) -> tuple[Pause, ...]:
    """Return the periods in which a cap is suspended, then those in which it is blocked, as written."""
    return tuple(
        _pause(draft, kind, part) for kind in PAUSED if kind in table for part in table[kind].items(f"`{kind}`")
    )


def check_fit(cap: Cap, table: Mapping[str, Piece]) -> None:
    """Refuse a tolerance or a period that the cap can have no use for."""
    for key in ("tolerance", *PAUSED):
        if key in table and cap.limit.unlimited:
            table[key].wrong(f"{cap.name} has no limit: it is only watched.", f"Remove `{key}`.")
    if "tolerance" in table and cap.limit.share:
        table["tolerance"].wrong(f"{cap.name} is limited to a share of what is used.", "Write the greater share.")
    for kind in PAUSED:
        if kind in table and cap.limit.share and cap.limit.share.tested_on:
            table[kind].wrong(f"{cap.name} is tested on some days of the year only.", f"Remove `{kind}`.")
        if "destination" not in cap.by and any(pause.of for pause in cap.pauses if pause.kind == kind):
            table[kind].wrong(
                f"{cap.name} is not kept by destination: all share one limit.", "Leave `destination` out."
            )


def check_pauses(draft: Draft, book: Rulebook, cap: Cap) -> None:
    """Add what is odd about the periods of a cap: those that overlap, are for nobody, or never hold."""
    lines = draft.pause_lines.get(cap.name, [])
    known = list(zip(cap.pauses, lines, strict=False))
    for n, (pause, line) in enumerate(known):
        codes = sorted({member.name for member in pause.destinations})
        if pause.of and not any(is_under(book, cap, code) for code in codes):
            whom = ", ".join(codes) or "nobody"
            message = f"{cap.name} is {pause.kind} for nobody: it does not count {whom}."
            draft.findings.add(line, "warning", message, "Name destinations that come under the cap.")
        if not pause.span.meets(cap.window.span):
            message = f"{cap.name} is never {pause.kind} then: the period is outside of its window."
            draft.findings.add(line, "warning", message, "Correct the days, or remove the period.")
        for other, _ in known[:n]:
            if who := _overlap(other, pause):
                twice = f"{pause.kind} twice" if other.kind == pause.kind else f"{other.kind} and {pause.kind}"
                message = f"{cap.name} is {twice}{who} on the same days: the first stands."
                draft.findings.add(line, "warning", message, "End the first before the second begins.")


def _pause(draft: Draft, kind: PauseKind, piece: Piece) -> Pause:
    table = piece.table(f"A period of `{kind}`", PAUSE_KEYS, ("from", "law"))
    of: tuple[str, ...] = ()
    if "destination" in table:
        parts = table["destination"].each()
        if isinstance(table["destination"].value, dict) or not parts:
            table["destination"].wrong("A period names its destinations one by one, or by a list.", "Write [AE, SA].")
        of = tuple(read_seat(draft, part) for part in parts)
    draft.pause_lines.setdefault(draft.using, []).append(piece.line)
    return Pause(kind, span(table, piece, "The period"), of=of, **source(table))


def _overlap(one: Pause, other: Pause) -> str:
    """Return for whom two periods share a day: " for all", " for AE"; "" where they share none."""
    if not one.span.meets(other.span):
        return ""
    if not one.of and not other.of:
        return " for all"
    both = {
        mine.name
        for mine in (one.destinations if one.of else other.destinations)
        for theirs in (other.destinations if other.of else one.destinations)
        if mine.name == theirs.name and mine.span.meets(theirs.span)
    }
    return f" for {', '.join(sorted(both))}" if both else ""
