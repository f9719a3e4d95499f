"""Parties, authorizations, ratings and notices out of rows, each a request under a key that is stated or derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

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
