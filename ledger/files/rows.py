"""Rows out of a CSV file that may be broken: each row stands alone, none is lost, and memory stays small."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from ledger.core.errors import Unusable

LONGEST_LINE_BYTES = 131_072  # no cell of one line passes the csv module's own limit
LONGEST_ROW_LINES = 100
_BLOCK_BYTES = 262_144
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"%PDF", b"PAR1")


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read, and what can be made out of its cells, by position."""

    message: str
    remedy: str
    cells: Sequence[str] = ()


class _StillOpen(Exception):
    """A quoted cell runs on into what cannot be part of it."""


class Rows:
    """The rows after the header, with the line each begins on; the header is line 1 unless blank lines precede it.

    A quoted cell may hold line breaks. Where its quotes do not fit together, only the line it begins on is broken:
    reading goes on with the next line, so an unclosed quote never swallows the rows below it.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Read the header. Raises `Unusable` where there is none."""
        self._source = _lines(stream)
        self._back: deque[str | Broken] = deque()
        self._taken: list[str | Broken] = []  # the lines of the row that is being read
        self._line = 0
        self.header: list[str] = []
        try:
            self._read_header()
        except OSError as fault:
            raise _unreadable(fault) from fault

    def __iter__(self) -> Iterator[tuple[int, list[str] | Broken]]:
        taken, width = self._taken, len(self.header)
        reader = csv.reader(self._fed(), strict=True)
        while True:
            taken.clear()
            line = self._line + 1
            broken: Broken | None = None
            try:
                row = next(reader)
            except StopIteration:
                return
            except OSError as fault:
                raise _unreadable(fault) from fault
            except (csv.Error, _StillOpen):
                broken = _bad_quotes(taken)
            else:
                if len(taken) > 1 and (len(row) != width or self._swallows(width)):
                    broken = _bad_quotes(taken)
                elif not row:
                    self._line = line
                    if isinstance(taken[0], Broken):
                        yield line, taken[0]
                    continue
            if broken:
                self._back.extendleft(reversed(taken[1:]))
                reader = csv.reader(self._fed(), strict=True)
                self._line = line
                yield line, broken
                continue
            self._line += len(taken)
            if len(row) == width:
                if row[0] or any(row):
                    yield line, row
            elif any(row):
                yield line, _wrong_width(row, width)

    def _read_header(self) -> None:
        with suppress(csv.Error, _StillOpen):
            for row in csv.reader(self._fed(), strict=True):
                if isinstance(self._taken[0], Broken) or len(self._taken) > 1:
                    break
                self._line += 1
                self._taken.clear()
                if any(row):
                    self.header = [name.strip() for name in row]
                    return
        if self._taken:
            raise Unusable("not_csv", "The first line is not a row of column names.", "Save the file as CSV in UTF-8.")
        raise Unusable("empty_file", "The file is empty.", "Begin it with a row of column names.")

    def _fed(self) -> Iterator[str]:
        """Yield lines to the csv reader, which takes as many as a row needs; `_taken` remembers them."""
        taken, back, source = self._taken, self._back, self._source
        while True:
            text = back.popleft() if back else next(source, None)
            if text is None:
                return
            taken.append(text)
            if isinstance(text, str):
                if len(taken) > LONGEST_ROW_LINES:
                    raise _StillOpen
                yield text
            elif len(taken) > 1:
                raise _StillOpen
            else:
                yield ""

    def _swallows(self, width: int) -> bool:
        """Return whether a row of several lines looks like several rows, joined by quotes that do not belong together.

        Then its first line, and another, have each as many commas as a whole row.
        """
        whole = [isinstance(text, str) and text.count(",") == width - 1 for text in self._taken]
        return whole[0] and any(whole[1:])


def _lines(stream: BinaryIO) -> Iterator[str | Broken]:
    """Yield a stream's lines with their ends; what is too long, holds a NUL or is not UTF-8 comes as broken."""
    read = getattr(stream, "read1", stream.read)  # what is there already, rather than waiting for a whole block
    rest, too_long = read(_BLOCK_BYTES), False
    while len(rest) < 4 and (more := read(_BLOCK_BYTES)):
        rest += more
    if rest.startswith(_NOT_TEXT):
        raise Unusable("not_csv", "The file is not CSV in UTF-8.", "Save it as CSV in UTF-8, not compressed.")
    rest = rest.removeprefix(_BYTE_ORDER_MARK)
    block = rest
    while block:
        lines = rest.splitlines(keepends=True)
        # A carriage return at the end may be half of a line's end: it waits for the next block.
        rest = b"" if not lines or rest.endswith(b"\n") else lines.pop()
        if too_long and lines:
            too_long = False
            del lines[0]
        for line in lines:
            yield _text(line)
        if len(rest) > LONGEST_LINE_BYTES or too_long:
            if not too_long:
                yield _text(rest)
            rest, too_long = rest[-1:], True
        block = read(_BLOCK_BYTES)
        rest += block
    if not too_long:
        for line in rest.splitlines(keepends=True):
            yield _text(line)


def _text(line: bytes) -> str | Broken:
    try:
        text = line.decode()
    except UnicodeDecodeError as fault:
        what = f"The row is not UTF-8 text: byte {fault.start + 1} of the line is 0x{line[fault.start]:02x}."
        return _flawed(what, "Save the file as UTF-8.", line)
    if len(line) > LONGEST_LINE_BYTES:
        return _flawed(f"The line is longer than {LONGEST_LINE_BYTES:,} bytes.", "Shorten it, or split the row.", line)
    if "\0" in text:
        return _flawed("The row holds a NUL character.", "Remove it.", line)
    return text


def _flawed(message: str, remedy: str, line: bytes) -> Broken:
    return Broken(message, remedy, _made_out(line[:4096].decode(errors="replace")))


def _bad_quotes(taken: Sequence[str | Broken]) -> Broken:
    first = taken[0]
    assert isinstance(first, str)  # a broken line is handed to the csv reader as a blank one
    if len(taken) == 1 and first.count('"') % 2 == 0:
        message = "A quote stands where none can be: a quoted cell must end right before a comma or the line's end."
    else:
        message = "A cell begins with a quote and is not closed."
    return Broken(message, "Quote the whole cell and double each quote inside it.", _made_out(first))


def _wrong_width(row: list[str], width: int) -> Broken:
    many = len(row) > width
    return Broken(
        f"The row has {len(row):,} cell{'s' * (len(row) != 1)}; the header has {width:,} columns.",
        "Quote a cell that holds a comma." if many else "Keep the commas of empty cells.",
        row,
    )


def _made_out(text: str) -> list[str]:
    return [cell.strip(' "\t\r\n\0') for cell in text.split(",")]


def _unreadable(fault: OSError) -> Unusable:
    return Unusable("unreadable_file", f"The file cannot be read: {fault.strerror or fault}.", "Name a readable file.")
