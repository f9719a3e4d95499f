"""Lists as JSON, CSV or Parquet: the same rows, amounts as exact text, cells that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
PDF = "application/pdf"
LISTED = (JSON, CSV, PARQUET)
_FIGURE = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Rows = Sequence[Mapping[str, Any]]


def chosen(accept: str, offers: Sequence[str]) -> str | None:
    """Return the media type to answer with: the offer that Accept likes best, the first of equals; None for none."""
    if not accept.strip():
        return offers[0]
    best, best_quality = None, 0.0
    ranges = [_range(part) for part in accept.split(",")]
    for offer in offers:
        kind = offer.partition("/")[0] + "/*"
        liked = [(exact, quality) for media, quality in ranges
                 if (exact := {offer: 2, kind: 1, "*/*": 0}.get(media, -1)) >= 0]  # fmt: skip
        quality = max(liked)[1] if liked else 0.0
        if quality > best_quality:
            best, best_quality = offer, quality
    return best


def _range(part: str) -> tuple[str, float]:
    media, *parameters = (each.strip().lower() for each in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return media, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return media, 0.0


def as_json(value: Any) -> bytes:
    """Return JSON bytes."""
    return _as_json(value).encode(errors="replace")


def as_csv(columns: Sequence[str], rows: Rows) -> bytes:
    """Return rows under a head, in UTF-8 with a line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode()


def as_parquet(columns: Mapping[str, str], rows: Rows) -> bytes:
    """Return rows as a Parquet file. columns: `text` or `whole` by name; amounts are exact text."""
    import polars

    kinds = {"text": polars.String(), "whole": polars.Int64()}
    data = {name: [_plain(row.get(name), kind) for row in rows] for name, kind in columns.items()}
    frame = polars.DataFrame(data, schema={name: kinds[kind] for name, kind in columns.items()})
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def columns_of(*text: str, whole: Iterable[str] = ()) -> dict[str, str]:
    """Return columns by name, in order; those named in `whole` hold integers."""
    are_whole = set(whole)
    return {name: "whole" if name in are_whole else "text" for name in text}


def _plain(value: Any, kind: str) -> Any:
    if value is None or (kind == "whole" and value == ""):
        return None
    if kind == "whole":
        return int(value)
    return _joined(value)


def _joined(value: Any) -> str:
    return ";".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _cell(value: Any) -> str:
    """Return a cell. One that a spreadsheet would run as a formula gets an apostrophe before it."""
    text = "" if value is None else _joined(value)
    return f"'{text}" if text.startswith(_STARTS_FORMULA) and not _FIGURE(text) else text
