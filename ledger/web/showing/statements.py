"""A statement of account as a page: balances, movements with old and new balance, caps and discrepancies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ledger.reports.statement import Line, Statement
from ledger.reports.usage import SHOWN
from ledger.web.asking import Asked
from ledger.web.parts import Cell, Column, Part, Table, change, number, state, unconfirmed
from ledger.web.showing.overview import disputes_table
from ledger.web.showing.standing import cap_path, country_name, subject_path, subject_words

MOST_LINES = 100
MOST_ROWS = 100


def parts_of(found: Statement, asked: Asked, now: datetime) -> tuple[Part, ...]:
    """Return what a page shows of a statement, of which no more than MOST_LINES lines are asked; the files hold all."""
    return _balances(found), _lines(found, asked), _caps(found, asked), _discrepancies(found, asked, now)


def whose(found: Statement) -> str:
    """Return whose statement it is, in words."""
    named = (("exporter", found.exporter), ("recipient", found.recipient), ("country", found.country))
    return ", ".join(f"{role} {found.names.get(of, of)}" for role, of in named if of)


def _balances(found: Statement) -> Table:
    columns = (
        Column("Stage"), Column("Opening", "TPP", right=True), Column("Change", "TPP", right=True),
        Column("Closing", "TPP", right=True), Column("Opening", "chips", right=True),
        Column("Closing", "chips", right=True),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(stage.replace("_", " "), kind="title"), number(found.opening[stage].tpp),
            change(found.closing[stage].tpp - found.opening[stage].tpp),
            number(found.closing[stage].tpp, note=_equivalents(found, stage)), number(found.opening[stage].chips),
            number(found.closing[stage].chips),
        )
        for stage in SHOWN
    )  # fmt: skip
    note = f"Opening at the end of the day before {found.first}, closing at the end of {found.last}."
    return Table(f"Balances, {found.first} to {found.last}", columns, rows, note=note)


def _equivalents(found: Statement, stage: str) -> str:
    unstated = found.closing[stage].unstated_tpp
    return f"{unstated:,f} of it without a number of chips" if unstated else ""


def _lines(found: Statement, asked: Asked) -> Table:
    columns = (
        Column("Day"), Column("Record", right=True), Column("What"), Column("Stage"),
        Column("Before", "TPP", right=True), Column("Change", "TPP", right=True), Column("After", "TPP", right=True),
        Column("Change", "chips", right=True), Column("Of"),
    )  # fmt: skip
    rows = tuple(row for line in found.lines for row in _rows(line, found, asked))
    note = "Late is what was recorded after the last day." if any(line.is_late for line in found.lines) else ""
    if found.more:
        shown = len(found.lines)
        note += f" The first {shown:,} of {shown + found.more:,} lines: the files have all of them."
    return Table("Movements, each stage with its old and new balance", columns, rows, "Nothing moved in these days.",
                 note)  # fmt: skip


def _rows(line: Line, found: Statement, asked: Asked) -> Iterable[tuple[Cell, ...]]:
    to = "" if found.recipient and found.country else f"{line.recipient}, {country_name(line.country)}"
    under = asked.path("authorizations", line.authorization) if line.authorization else ""
    about = Cell(line.authorization or "no authorization", under, note=", ".join(filter(None, (line.chip, to))))
    for each in line.changes:
        yield (
            Cell(line.day.isoformat()), number(line.record, href=asked.path("records", line.record)),
            Cell(line.what, note="late" if line.is_late else ""),
            Cell(each.stage.replace("_", " ")), number(each.before.tpp),
            change(each.amount.tpp), number(each.after.tpp),
            change(each.amount.chips) if each.amount.chips else Cell("none"),
            about,
        )  # fmt: skip


def _caps(found: Statement, asked: Asked) -> Table:
    columns = (
        Column("Cap"), Column("Of"), Column("State"), Column("Used by all", right=True),
        Column("Of it this statement", right=True), Column("Limit", right=True), Column("Left", right=True),
        Column("Unit"), Column("Source in law"),
    )  # fmt: skip
    rows = []
    for each in found.caps[:MOST_ROWS]:
        now = each.standing
        behind = cap_path(asked, now.cap, now.subject, now.window)
        without = "not limited" if now.state == "watched" else "undetermined"
        note = unconfirmed(now.confidence, now.status, now.when_exceeded)
        rows.append((
            Cell(now.cap, behind, "title"), Cell(subject_words(now.subject), subject_path(asked, now.subject)),
            state(now.state), number(now.used, href=behind, note=note), number(each.own), number(now.limit, without),
            number(now.left, without), Cell(now.unit), Cell(now.law),
        ))  # fmt: skip
    note = f"The first {MOST_ROWS} of {len(found.caps):,}." if len(found.caps) > MOST_ROWS else ""
    return Table(f"Caps it counts in, on {found.last}", columns, tuple(rows), "It counts in no cap.", note)


def _discrepancies(found: Statement, asked: Asked, now: datetime) -> Table:
    table = disputes_table(
        "Discrepancies that concern it", [each.discrepancy for each in found.discrepancies[:MOST_ROWS]], asked, now
    )
    note = f"The first {MOST_ROWS} of {len(found.discrepancies):,}." if len(found.discrepancies) > MOST_ROWS else ""
    return Table(table.caption, table.columns, table.rows, "No discrepancy concerns it.", note)
