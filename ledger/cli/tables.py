"""Tables for a terminal: figures are never cut, long names are folded, and a narrow screen gets one row as a list."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import zip_longest

from ledger.cli import output

GAP = "  "
_INDENT = "    "
BAR_WIDTH = 10
NARROWEST = 30  # a terminal narrower than this is taken for one this wide
_PIECES = re.compile(r".*?(?:[ /;]+|[-=,:_.+]+(?!\d)|$)")  # a text may be broken after each; dates and figures stay


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Where the terminal is too narrow columns give way in this order, and figures stay whole.

    below: whether its text may stand below the row. least: how far its text may be folded, 0 for never. under: the
    title of the column under whose text it may stand. optional: whether it may be left out, which is then said.
    """

    title: str
    right: bool = False
    below: bool = False
    least: int = 0
    under: str = ""
    optional: bool = False


Row = Sequence[str]
Cell = tuple[str, ...]  # the lines of a cell


def screen_width() -> int | None:
    """Return how many columns the reader sees; None where the output goes to a file or another program."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit():
        return None
    return max(shutil.get_terminal_size().columns, NARROWEST)


def table(columns: Sequence[Column], rows: Iterable[Row], width: int | None) -> list[str]:
    """Return a table's lines, none of them wider than `width` where that can be. Rows have a cell for each column."""
    whole: list[list[Cell]] = [[(output.clean(text),) for text in row] for row in rows]
    if width is None or _width(_natural(columns, whole)) <= width:
        return list(_grid(columns, whole, _natural(columns, whole)))
    shown, cells, below, left_out = list(columns), whole, [""] * len(whole), list[str]()
    while (widths := _fitted(shown, _natural(shown, cells), width)) is None:
        if (at := _last(column.below for column in shown)) is not None:
            below = [row[at][0] for row in cells]
            shown, cells = _without(shown, cells, at)
        elif (at := _last(bool(column.under) for column in shown)) is not None:
            shown, cells = _folded_under(shown, cells, at)
        elif (at := _last(column.optional for column in shown)) is not None:
            left_out.insert(0, shown[at].title)
            shown, cells = _without(shown, cells, at)
        else:
            return list(_listed(columns, whole, width))
    lines = list(_grid(shown, cells, widths, below, width))
    return [*lines, *fold(f"Not shown here: {', '.join(left_out)}.", width)] if left_out else lines


def fold(text: str, width: int | None, indent: str = "") -> list[str]:
    """Return a sentence in lines of at most `width`; later ones are indented."""
    text = output.clean(text)
    if width is None:
        return [text]
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=True
    ) or [""]  # fmt: skip


def say_lines(*parts: Iterable[str]) -> None:
    """Print lines."""
    for part in parts:
        for line in part:
            output.say(line)


def bar(used: Decimal, limit: Decimal | None) -> str:
    """Return a fill bar with its percentage, readable without color; empty where there is no limit to fill."""
    if limit is None:
        return ""
    if limit <= 0:
        return f"[{'#' * BAR_WIDTH}]" if used > 0 else f"[{'.' * BAR_WIDTH}]"
    share = max(used, Decimal(0)) * 100 / limit
    filled = min(BAR_WIDTH, int(share * BAR_WIDTH / 100))
    percent = share.to_integral_value(ROUND_CEILING if share > 100 else ROUND_FLOOR)
    told = "<1" if 0 < share < 1 else f"{percent:,}"
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {told:>3}%"


def cells_wide(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_mark_width(mark) for mark in text)


def _mark_width(mark: str) -> int:
    if unicodedata.combining(mark):
        return 0
    return 2 if unicodedata.east_asian_width(mark) in "WF" else 1


def _natural(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    widths = [cells_wide(column.title) for column in columns]
    for row in rows:
        for n, cell in enumerate(row):
            widths[n] = max(widths[n], *map(cells_wide, cell))
    return widths


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _fitted(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int] | None:
    """Return widths that fit, taken from the widest column that may be folded; None where they cannot."""
    fitted = list(widths)
    while (excess := _width(fitted) - width) > 0:
        free = [n for n, column in enumerate(columns) if column.least and fitted[n] > column.least]
        if not free:
            return None
        at = max(free, key=lambda n: fitted[n])
        next_widest = max((fitted[n] for n in free if fitted[n] < fitted[at]), default=0)
        fitted[at] = max(columns[at].least, fitted[at] - excess, min(next_widest, fitted[at] - 1))
    return fitted


def _folded_under(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], at: int
) -> tuple[list[Column], list[list[Cell]]]:
    """Return the table with one column's text on lines of its own under another's."""
    moved = columns[at]
    above = next(n for n, column in enumerate(columns) if column.title == moved.under)
    merged = []
    for row in rows:
        cells = list(row)
        cells[above] = tuple(line for line in (*row[above], *row[at]) if line) or ("",)
        merged.append(cells)
    least = max(columns[above].least, moved.least) if columns[above].least else 0
    shown = [replace(column, least=least) if n == above else column for n, column in enumerate(columns)]
    return _without(shown, merged, at)


def _without(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], at: int
) -> tuple[list[Column], list[list[Cell]]]:
    return [*columns[:at], *columns[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]


def _last(truths: Iterable[bool]) -> int | None:
    """Return the place of the last that is true."""
    return max((n for n, truth in enumerate(truths) if truth), default=None)


def _grid(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], widths: Sequence[int], below: Sequence[str] = (),
    width: int = 0,
) -> Iterator[str]:  # fmt: skip
    """Yield a titled table, each row with what stands below it."""
    yield from _lines(columns, [(column.title,) for column in columns], widths)
    yield GAP.join("-" * width for width in widths)
    for n, row in enumerate(rows):
        yield from _lines(columns, row, widths)
        if below and below[n]:
            yield from (_INDENT + line for line in _wrapped(below[n], width - len(_INDENT)))


def _lines(columns: Sequence[Column], row: Sequence[Cell], widths: Sequence[int]) -> Iterator[str]:
    cells = [[part for line in cell for part in _wrapped(line, widths[n])] for n, cell in enumerate(row)]
    for parts in zip_longest(*cells, fillvalue=""):
        padded = (
            _padded(part, width, column.right) for part, width, column in zip(parts, widths, columns, strict=True)
        )
        yield GAP.join(padded).rstrip()


def _listed(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], width: int) -> Iterator[str]:
    """Yield each row as a list of titles and texts, for a screen that holds no table."""
    label = max(cells_wide(column.title) for column in columns)
    for n, row in enumerate(rows):
        if n:
            yield ""
        for column, cell in zip(columns, row, strict=True):
            lines = [part for line in cell for part in _wrapped(line, max(width - label - len(GAP), 8))]
            for m, line in enumerate(line for line in lines if line):
                yield f"{column.title if not m else '':<{label}}{GAP}{line}"


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - cells_wide(text))
    return space + text if right else text + space


def _wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width`, broken after a space or a mark such as - or = where it has one."""
    if cells_wide(text) <= width:
        return [text]
    lines = [""]
    for piece in _PIECES.findall(text):
        if cells_wide(lines[-1] + piece.rstrip()) <= width:
            lines[-1] += piece
            continue
        if lines[-1]:
            lines.append("")
        for mark in piece:
            if cells_wide(lines[-1] + mark) > width:
                if mark == " ":
                    continue
                lines.append("")
            lines[-1] += mark
    return [line.rstrip() for line in lines if line.rstrip()] or [""]
