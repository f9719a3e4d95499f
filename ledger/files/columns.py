"""What a file is about, told by its column names, and the columns each kind of file may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ledger.core.compute import BIT_LENGTHS
from ledger.core.errors import Malformed, Unusable
from ledger.core.movements import HEAD_FIELDS, LINE_FIELDS
from ledger.core.registrations import (
    AUTHORIZATION_FIELDS,
    NOTICE_FIELDS,
    OWNERSHIP_FIELDS,
    PARTY_FIELDS,
    STOCK_FIELDS,
    STOCK_LINE_FIELDS,
)

RATE_COLUMNS = tuple(f"dense_tops_{bits}bit" for bits in BIT_LENGTHS)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file: its name, the kind of request a row makes, its columns, and those it cannot be without."""

    name: str
    request: str
    columns: tuple[str, ...]
    required: tuple[str, ...]


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "movements",
            "movement",
            ("key", "entry", *HEAD_FIELDS, *LINE_FIELDS),
            ("key", "movement", "effective_on"),
        ),
        Kind("parties", "party", ("key", *PARTY_FIELDS), ("party_id",)),
        Kind("ownership", "ownership", ("key", *OWNERSHIP_FIELDS), ("owner", "owned", "percentage")),
        Kind("stock", "stock", ("key", *STOCK_FIELDS, *STOCK_LINE_FIELDS), ("party_id", "as_of")),
        Kind("authorizations", "authorization", ("key", *AUTHORIZATION_FIELDS), ("authorization_id",)),
        Kind(
            "ratings",
            "rating",
            (
                "key", "chip_id", "vendor", "name", "kind", "base_chip_id", "ic_count", "released", "valid_from",
                *RATE_COLUMNS, "tpp_bits", "tpp_per_ic", "tpp", "die_area_mm2", "die_area_confidence",
                "performance_density", "process_node", "memory_gb", "dram_bandwidth_gb_s", "data_center", "control",
                "control_note", "notes", "source", "confidence",
            ),
            ("chip_id",),
        ),
        Kind("notices", "notice", ("key", *NOTICE_FIELDS), ("duty", "party", "filed_on")),
    )
}  # fmt: skip


def recognize(header: Sequence[str], stated: str = "") -> Kind:
    """Return the kind of file a header belongs to, or the one that is stated, if its columns are all known.

    Errors: Malformed for a kind there is not, Unusable for a header that fits none or has a wrong column.
    """
    if stated and stated not in KINDS:
        raise Malformed("kind", f"There is no kind of file '{stated[:60]}'.", f"Use one of: {', '.join(KINDS)}.")
    columns = set(header)
    for name, found in (
        ("movements", "movement" in columns),
        ("authorizations", "authorization_id" in columns),
        ("ratings", "chip_id" in columns and not columns.isdisjoint(RATE_COLUMNS)),
        ("ownership", {"owner", "owned"} <= columns),
        ("notices", {"duty", "filed_on"} <= columns),
        ("parties", {"party_id", "headquarters"} <= columns),
        ("stock", {"party_id", "as_of"} <= columns),
    ):
        if name == stated or (found and not stated):
            _check(header, KINDS[name])
            return KINDS[name]
    raise _not_recognized(header)


def _check(header: Sequence[str], kind: Kind) -> None:
    known = f"Known are {', '.join(kind.columns)}."
    unknown = [name for name in header if name not in kind.columns]
    if "" in unknown:
        raise Unusable(
            "unknown_column", f"Column {header.index('') + 1} has no name.", f"Name it or remove it. {known}"
        )
    if unknown:
        near = get_close_matches(unknown[0], kind.columns, n=1)
        remedy = f"Did you mean {near[0]}? {known}" if near else known
        raise Unusable("unknown_column", f"{_named(unknown)} is not a column of a {kind.name} file.", remedy)
    if twice := [name for name, times in Counter(header).items() if times > 1]:
        raise Unusable("duplicate_column", f"The column {_named(twice)} is there twice.", f"Remove one. {known}")
    if missing := [name for name in kind.required if name not in header]:
        raise Unusable("missing_column", f"A {kind.name} file needs the column {_named(missing)}.", known)


def _not_recognized(header: Sequence[str]) -> Unusable:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        return Unusable("not_csv", "The columns are not separated by commas.", "Save the file as CSV with commas.")
    return Unusable(
        "unknown_file",
        f"The first line, {_named(header[:6])}{', ...' * (len(header) > 6)}, is of no known kind of file.",
        "Movements have a column movement, parties party_id and headquarters, stock party_id and as_of, authorizations "
        "authorization_id, notices duty and filed_on, ratings chip_id and a rate such as dense_tops_8bit.",
    )


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"'{name[:60]}'" for name in names)
