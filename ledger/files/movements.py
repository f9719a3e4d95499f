"""Movements out of rows: one row each, or adjacent rows with one key, numbered in the column `entry`.

A movement posts whole or not at all, so one row of it that cannot be read spoils it. A number that comes a second time
among the adjacent rows is the same movement asked again, as that row states it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.core.errors import Malformed
from ledger.core.movements import HEAD_FIELDS, MOST_LINES
from ledger.files.items import Cells, Item, made_out, stated, unreadable
from ledger.files.rows import Broken, Rows

if TYPE_CHECKING:
    from ledger.posting import Request

_ENTRY = re.compile(r"[1-9][0-9]{0,8}", re.ASCII).fullmatch
Ask = Callable[[str, dict[str, Any]], "Request"]  # makes a request of a key and what is stated
_UNTOLD = "\N{REPLACEMENT CHARACTER}"  # stands where a byte could not be decoded


class _Row(NamedTuple):
    line: int
    head: Cells
    cells: Cells


@dataclass(slots=True)
class _Run:
    """Adjacent numbered rows of one key, dealt out: the first time a number comes, the second time, and so on."""

    key: str
    rounds: list[dict[int, _Row]] = field(default_factory=list)
    times: dict[int, int] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)
    spoilt_by: int = 0  # a line that may be part of it and cannot be read
    held: list[Item] = field(default_factory=list)  # what stands among its rows and is answered on its own

    def add(self, entry: int, row: _Row) -> None:
        times = self.times.get(entry, 0)
        self.times[entry] = times + 1
        if times == len(self.rounds):
            self.rounds.append({})
        self.rounds[times][entry] = row
        self.lines.append(row.line)

    def spoil(self, item: Item) -> Iterator[Item]:
        """Take in a row that cannot be used; yield it where too many are held already."""
        self.spoilt_by = self.spoilt_by or item.lines[0]
        if len(self.held) < MOST_LINES:
            self.held.append(item)
        else:
            yield item


def read_movements(rows: Rows, observed: bool) -> Iterator[Item]:
    """Yield the movements of a file's rows."""
    from ledger.posting import Request

    def ask(key: str, raw: dict[str, Any]) -> Request:
        return Request("movement", key, raw, observed)

    columns = rows.header
    heads = [name for name in HEAD_FIELDS if name in columns]
    run: _Run | None = None
    for line, row in rows:
        key, entry, cells, problem = _told(row, line, columns)
        if problem:
            item = Item((line,), None, problem, key)
            if run and (key in ("", run.key) or _UNTOLD in key):
                yield from run.spoil(item)
                continue
            if run:
                yield from _movements_of(run, ask)
                run = None
            yield item
            continue
        if run and (run.key != key or not entry):
            yield from _movements_of(run, ask)
            run = None
        head: dict[str, Any] = {name: cells.pop(name) for name in heads if name in cells}
        if entry:
            run = run or _Run(key)
            if len(run.lines) < MOST_LINES:
                run.add(entry, _Row(line, head, cells))
            else:
                yield from run.spoil(Item((line,), None, _too_many(key, line), key))
        else:
            head["lines"] = [cells] if cells else []
            yield Item((line,), ask(key, head), None, key)
    if run:
        yield from _movements_of(run, ask)


def _told(row: list[str] | Broken, line: int, columns: Sequence[str]) -> tuple[str, int, Cells, Malformed | None]:
    """Return a row's key, its entry (0 where blank) and its other cells, and why it cannot be used if it cannot."""
    if isinstance(row, Broken):
        cells = made_out(row, columns)
        return cells.get("key", ""), 0, cells, unreadable(row, line)
    cells = stated(columns, row)
    key, entry = cells.pop("key", ""), cells.pop("entry", "")
    if not key:
        return key, 0, cells, Malformed("key", "key is missing.", "Give each movement a key.", where=f"line {line}")
    if not entry or _ENTRY(entry):
        return key, int(entry or 0), cells, None
    remedy = "Number the rows of one movement 1, 2, 3; leave it blank where a movement has one row."
    return (
        key,
        0,
        cells,
        Malformed("entry", f"entry is '{entry[:60]}', which is not a number.", remedy, where=f"line {line}"),
    )


def _movements_of(run: _Run, ask: Ask) -> Iterator[Item]:
    """Yield the movement that a run states, and once more for each further round, what stands among them last."""
    first = run.rounds[0] if run.rounds else {}
    problem = _why_not_whole(run, first)
    for again in run.rounds:
        lines = tuple(sorted(row.line for row in again.values()))
        if problem:
            yield Item(lines, None, problem, run.key)
            continue
        try:
            yield Item(lines, ask(run.key, _movement({**first, **again}, list(again))), None, run.key)
        except Malformed as unequal:
            yield Item(lines, None, unequal, run.key)
    yield from run.held


def _why_not_whole(run: _Run, first: dict[int, _Row]) -> Malformed | None:
    where = f"line {run.lines[0]}" if run.lines else ""
    if run.spoilt_by:
        return Malformed(
            "entry",
            f"Line {run.spoilt_by} may be part of this movement and cannot be used, so none of it was posted.",
            "Correct that line and post the file again.",
            where=where,
        )
    if len(first) != max(first):
        absent = next(entry for entry in range(1, max(first)) if entry not in first)
        return Malformed(
            "entry",
            f"Entry {absent} of movement '{run.key[:60]}' is missing, so none of it was posted.",
            "Put the rows of a movement next to each other and number them 1, 2, 3.",
            where=where,
        )
    return None


def _movement(rows: dict[int, _Row], restated: Sequence[int]) -> dict[str, Any]:
    """Return what a movement's rows state, by entry. Only rows that are `restated` have a say in its head.

    Raises `Malformed` where a head's field is stated twice and differs.
    """
    begins = rows[1]
    for entry in sorted(restated):
        line, head, _ = rows[entry]
        for name, text in head.items():
            if begins.head.get(name) != text:
                raise Malformed(
                    name,
                    f"{name} is '{text[:60]}' on line {line} and '{begins.head.get(name, '')[:60]}' on line "
                    f"{begins.line}; a movement has one.",
                    "State it on the first row of the movement only, or the same on each.",
                    where=f"line {line}",
                )
    lines = [rows[entry].cells for entry in sorted(rows)]
    return {**begins.head, "lines": lines if any(lines) else []}


def _too_many(key: str, line: int) -> Malformed:
    return Malformed(
        "entry",
        f"More than {MOST_LINES:,} adjacent rows are numbered under key '{key[:60]}'.",
        "Split the movement, or post its repetition in a file of its own.",
        where=f"line {line}",
    )
