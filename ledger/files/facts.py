"""Parties, authorizations, ratings, stock and notices out of rows, under a key that is stated or derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ledger.core.errors import Malformed
from ledger.core.registrations import STOCK_FIELDS, STOCK_LINE_FIELDS
from ledger.files.columns import Kind
from ledger.files.items import Cells, Item, made_out, stated, unreadable
from ledger.files.rows import Broken, Rows


def read_facts(rows: Rows, kind: Kind) -> Iterator[Item]:
    """Yield the facts of a file's rows."""
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


def read_stock(rows: Rows) -> Iterator[Item]:
    """Yield the declarations of a file: one for each run of adjacent rows of one party and day.

    A row without destination, chip and quantity states nothing: alone, it declares that there is no stock. A row that
    cannot be read spoils the declaration it stands in.
    """
    from ledger.posting import Request

    columns = rows.header
    run: list[tuple[int, Cells]] = []
    problem: Malformed | None = None

    def told() -> Iterator[Item]:
        if run:
            numbers, first = tuple(line for line, _ in run), run[0][1]
            key = first.get("key", "") or f"stock:{first.get('party_id', '')}:{first.get('as_of', '')}"
            raw: dict[str, Any] = {name: text for name, text in first.items() if name in STOCK_FIELDS}
            raw["lines"] = [
                line for _, cells in run
                if (line := {name: text for name, text in cells.items() if name in STOCK_LINE_FIELDS})
            ]  # fmt: skip
            yield Item(numbers, None if problem else Request("stock", key, raw), problem, key)

    for line, row in rows:
        cells = made_out(row, columns) if isinstance(row, Broken) else stated(columns, row)
        same = run and all(cells.get(name) == run[0][1].get(name) for name in ("party_id", "as_of", "key"))
        if not same:
            yield from told()
            run, problem = [], None
        run.append((line, cells))
        if isinstance(row, Broken):
            problem = problem or unreadable(row, line)
    yield from told()


def _party_key(cells: Cells) -> str:
    return f"party:{cells.get('party_id', '')}:{cells.get('from', 'first')}"


def _authorization_key(cells: Cells) -> str:
    day = cells.get("effective_on") or cells.get("first_day", "")
    return f"authorization:{cells.get('authorization_id', '')}:{cells.get('change', 'issued')}:{day}"


def _ownership_key(cells: Cells) -> str:
    return f"ownership:{cells.get('owner', '')}:{cells.get('owned', '')}:{cells.get('from', 'first')}"


def _rating_key(cells: Cells) -> str:
    return f"rating:{cells.get('chip_id', '')}:{cells.get('valid_from', 'first')}"


def _notice_key(cells: Cells) -> str:
    about = cells.get("record") or cells.get("subject", "")
    return f"notice:{cells.get('duty', '')}:{cells.get('party', '')}:{about}:{cells.get('filed_on', '')}"


_DERIVED_KEYS: Mapping[str, Callable[[Cells], str]] = {
    "parties": _party_key,
    "ownership": _ownership_key,
    "authorizations": _authorization_key,
    "ratings": _rating_key,
    "notices": _notice_key,
}
