"""The named statements of queries.sql, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(text: str) -> Mapping[str, LiteralString]:
    """Return statements by name; each follows its `-- name:` line and a sentence that says what it is for."""
    parts = _NAME.split(text)
    statements = {name: body.strip().rstrip(";") for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    if len(statements) * 2 + 1 != len(parts):
        raise ValueError("queries.sql names a statement twice")
    return MappingProxyType(cast("dict[str, LiteralString]", statements))


SQL: Mapping[str, LiteralString] = load((Path(__file__).parent / "queries.sql").read_text(encoding="utf-8"))
