"""Requests out of the rows of a file, each with the lines it stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ledger.core.errors import Malformed
from ledger.files.columns import Kind, recognize
from ledger.files.rows import Broken, Rows

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


def read_requests(stream: BinaryIO, kind: str = "", observed: bool = False) -> Iterator[Item]:
    """Return the requests of a CSV file, in its order, read as they are taken. The header is read at once.

    kind: movements, parties, authorizations or ratings; "" tells it by the header. observed: movements are
    observations; it says nothing about the other kinds.

    Errors: Unusable where the file or its header cannot be used, Malformed for a kind there is not.
    """
    rows = Rows(stream)
    found = recognize(rows.header, kind)
    if found.name == "movements":
        from ledger.files.movements import read_movements  # it builds on this module

        return read_movements(rows, observed)
    return _facts(rows, found)


def _facts(rows: Rows, kind: Kind) -> Iterator[Item]:
    from ledger.posting import Request

    columns, derived = rows.header, _DERIVED_KEYS[kind.name]
    for line, row in rows:
        if isinstance(row, Broken):
            key = derived(cells) if kind.required[0] in (cells := made_out(row, columns)) else ""
            yield Item((line,), None, unreadable(row, line), cells.get("key", key))
            continue
        cells = stated(columns, row)
        key = cells.pop("key", "") or derived(cells)
        yield Item((line,), Request(kind.request, key, cells), None, key)


def stated(columns: Sequence[str], row: Sequence[str]) -> Cells:
    """Return the cells of a row that say something."""
    return {column: text for column, cell in zip(columns, row, strict=False) if (text := cell.strip())}


def made_out(row: Broken, columns: Sequence[str]) -> Cells:
    """Return what can be told of a broken row's cells; only its first ones are likely to be right."""
    return stated(columns, row.cells)


def unreadable(row: Broken, line: int) -> Malformed:
    """Return what to say of a row that cannot be read."""
    return Malformed(_BAD_ROW, row.message, row.remedy, where=f"line {line}")


def _party_key(cells: Mapping[str, Any]) -> str:
    return f"party:{cells.get('party_id', '')}:{cells.get('from', 'first')}"


def _authorization_key(cells: Mapping[str, Any]) -> str:
    day = cells.get("effective_on") or cells.get("first_day", "")
    return f"authorization:{cells.get('authorization_id', '')}:{cells.get('change', 'issued')}:{day}"


def _rating_key(cells: Mapping[str, Any]) -> str:
    return f"rating:{cells.get('chip_id', '')}:{cells.get('valid_from', 'first')}"


_DERIVED_KEYS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "parties": _party_key,
    "authorizations": _authorization_key,
    "ratings": _rating_key,
}
