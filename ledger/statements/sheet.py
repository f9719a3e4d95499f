"""A statement as CSV: one row for each stage that a line changes, between rows of opening and closing balances."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from ledger.core.compute import plain
from ledger.reports.statement import Balance, Change, Line, Statement
from ledger.reports.usage import SHOWN

COLUMNS = (
    "row", "day", "record", "line", "what", "by", "exporter", "recipient", "country", "chip", "authorization", "stage",
    "chips_before", "chips_change", "chips_after", "tpp_before", "tpp_change", "tpp_after", "unstated_tpp_before",
    "unstated_tpp_change", "unstated_tpp_after", "recorded_at", "late", "known", "root",
)  # fmt: skip
_FIGURE = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch
_FORMULA = tuple("=+-@\t\r\n\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}")


def csv_of(statement: Statement) -> str:
    """Return the statement as CSV with a header, lines ended by CR LF (RFC 4180), amounts in plain digits.

    row is `opening`, `movement`, `lapse` or `closing`. An opening or closing balance is of the end of its day and
    stands in the columns of what is after.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([guarded(cell) for cell in row] for row in _rows(statement))
    return text.getvalue()


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: text that begins like one gets a quotation mark first."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _FIGURE(cell) else cell


def _rows(statement: Statement) -> Iterator[Sequence[str]]:
    position = str(statement.known), statement.root
    whose = "", "", "", "", statement.exporter, statement.recipient, statement.country, "", ""
    opening = (statement.first - timedelta(days=1)).isoformat()
    for stage in SHOWN:
        yield "opening", opening, *whose, stage, *_balance(statement.opening[stage]), "", "", *position
    for line in statement.lines:
        row = "movement" if line.recorded_at else "lapse"
        for change in line.changes:
            yield row, *_line(line), change.stage, *_amounts(change), *_recorded(line), *position
    closing = statement.last.isoformat()
    for stage in SHOWN:
        yield "closing", closing, *whose, stage, *_balance(statement.closing[stage]), "", "", *position


def _line(line: Line) -> Sequence[str]:
    return (
        line.day.isoformat(), str(line.record), str(line.line), line.what, line.by, line.exporter, line.recipient,
        line.country, line.chip, line.authorization,
    )  # fmt: skip


def _recorded(line: Line) -> Sequence[str]:
    return line.recorded_at.isoformat() if line.recorded_at else "", "yes" if line.is_late else ""


def _amounts(change: Change) -> Sequence[str]:
    three = change.before, change.amount, change.after
    return (
        *(str(each.chips) for each in three), *(plain(each.tpp) for each in three),
        *(plain(each.unstated_tpp) for each in three),
    )  # fmt: skip


def _balance(balance: Balance) -> Sequence[str]:
    return "", "", str(balance.chips), "", "", plain(balance.tpp), "", "", plain(balance.unstated_tpp)
