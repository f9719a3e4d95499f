"""What is read from a file's rows: an item for each request, and what the rows of all kinds of files share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ledger.core.errors import Malformed
from ledger.files.rows import Broken

if TYPE_CHECKING:
    from ledger.posting import Request

Cells = dict[str, str]  # the cells of a row that are not blank, by column
_BAD_ROW = "row"  # the field that is named where it is the whole row that cannot be read


class Item(NamedTuple):
    """What one row, or the adjacent rows of one movement, ask for: a request, or why it cannot be read.

    lines: the lines its rows begin on, rising. key: "" where it could not be made out.
    """

    lines: tuple[int, ...]
    request: Request | None
    problem: Malformed | None
    key: str


def stated(columns: Sequence[str], row: Sequence[str]) -> Cells:
    """Return the cells of a row that say something."""
    return {column: text for column, cell in zip(columns, row, strict=False) if (text := cell.strip())}


def made_out(row: Broken, columns: Sequence[str]) -> Cells:
    """Return what can be told of a broken row's cells; only its first ones are likely to be right."""
    return stated(columns, row.cells)


def unreadable(row: Broken, line: int) -> Malformed:
    """Return what to say of a row that cannot be read."""
    return Malformed(_BAD_ROW, row.message, row.remedy, where=f"line {line}")
