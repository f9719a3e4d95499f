"""Lists as PostgreSQL reads them, many values in one parameter: made in one step, since a commit sends thousands."""

from __future__ import annotations

from collections.abc import Iterable


def array(values: Iterable[object]) -> str:
    """Return numbers, days or truths as the text of an array; None is NULL."""
    return "{" + ",".join(["NULL" if each is None else str(each) for each in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Return texts as the text of an array; None is NULL."""
    return "{" + ",".join(["NULL" if each is None else _quoted(each) for each in values]) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
