"""Requests out of a file, each with the lines it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from ledger.files.columns import recognize
from ledger.files.facts import read_facts, read_stock
from ledger.files.items import Item
from ledger.files.movements import read_movements
from ledger.files.rows import Rows


def read_requests(stream: BinaryIO, kind: str = "", observed: bool = False) -> Iterator[Item]:
    """Return the requests of a CSV file, in its order, read as they are taken. The header is read at once.

    kind: movements, parties, ownership, stock, authorizations, ratings or notices; "" tells it by the header. observed:
    movements are observations; it says nothing about the other kinds.

    Errors: Unusable where the file or its header cannot be used, Malformed for a kind there is not.
    """
    rows = Rows(stream)
    found = recognize(rows.header, kind)
    if found.name == "movements":
        return read_movements(rows, observed)
    return read_stock(rows) if found.name == "stock" else read_facts(rows, found)
