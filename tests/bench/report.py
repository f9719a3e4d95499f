"""Figures as aligned text."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a head: the first column to the left, figures to the right."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, *rows):
        print(
            "  ".join(text.ljust(widths[n]) if n == 0 else text.rjust(widths[n]) for n, text in enumerate(row)).rstrip()
        )


def line(name: str, what: str) -> None:
    """Print one named figure."""
    print(f"{name}: {what}", flush=True)
