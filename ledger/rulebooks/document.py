"""A YAML document as text, lists and tables that know their line; every scalar stays the text it was written as."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal, NoReturn

from ledger.core.errors import BadRulebook

Level = Literal["error", "warning", "note"]

_DEEPEST = 20
_LONGEST = 1_000_000  # characters
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]").search


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of a rulebook found: an error (it cannot be used), a warning (look at it), or a note."""

    where: str
    line: int
    level: Level
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}:{self.line}: {self.level}: {self.message} {self.remedy}".rstrip()


class Wrong(Exception):
    """One error in a document, on its way to the findings. Never leaves this package."""

    def __init__(self, line: int, message: str, remedy: str = "") -> None:
        super().__init__(line, message, remedy)
        self.line, self.message, self.remedy = line, message, remedy


@dataclass(slots=True)
class Findings:
    """Everything found in one document, in the order found."""

    where: str
    found: list[Finding] = field(default_factory=list)

    def add(self, line: int, level: Level, message: str, remedy: str = "") -> None:
        """Keep one finding."""
        self.found.append(Finding(self.where, line, level, message, remedy))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is wrong inside the block as an error and go on after it."""
        try:
            yield
        except Wrong as wrong:
            self.add(wrong.line, "error", wrong.message, wrong.remedy)

    def ordered(self) -> list[Finding]:
        """Return the findings by line."""
        return sorted(self.found, key=lambda finding: finding.line)

    def has_errors(self) -> bool:
        """Return whether an error is among them."""
        return any(finding.level == "error" for finding in self.found)

    def refuse(self) -> None:
        """Raise the first error, if there is one. Errors: BadRulebook, its place as `file:line`."""
        errors = [finding for finding in self.ordered() if finding.level == "error"]
        if not errors:
            return
        first, more = errors[0], len(errors) - 1
        rest = f"({more} more error{'s' * (more > 1)}: lint the file to see all.)" if more else ""
        raise BadRulebook(first.message, f"{first.remedy} {rest}".strip(), where=f"{first.where}:{first.line}")


@dataclass(frozen=True, slots=True)
class Piece:
    """One node of the document: text, a list or a table, with the line it starts on; lines: those of a table's keys."""

    value: str | list[Piece] | dict[str, Piece]
    line: int
    lines: dict[str, int] = field(default_factory=dict)

    def wrong(self, message: str, remedy: str = "") -> NoReturn:
        """Say that this node is wrong."""
        raise Wrong(self.line, message, remedy)

    def text(self, what: str) -> str:
        """Return the node's text, which must not be empty."""
        if not isinstance(self.value, str):
            kind = "list" if isinstance(self.value, list) else "table"
            self.wrong(f"{what} must be text, not a {kind}.", "Write one value, without brackets or braces.")
        if not self.value:
            self.wrong(f"{what} is empty.", "Write it, or leave the key out.")
        return self.value

    def items(self, what: str) -> list[Piece]:
        """Return the parts of a list."""
        if not isinstance(self.value, list):
            self.wrong(f"{what} must be a list.", "Write it as [one, two] or as lines that begin with a dash.")
        return self.value

    def each(self) -> list[Piece]:
        """Return the parts of a list, or the node itself where it is not one."""
        return self.value if isinstance(self.value, list) else [self]

    def entries(self, what: str) -> dict[str, Piece]:
        """Return a table whose keys are names of the document's own."""
        if not isinstance(self.value, dict):
            self.wrong(f"{what} must be a table.", "Write it as `name: value` lines or as {name: value}.")
        return self.value

    def table(self, what: str, known: Iterable[str], required: Iterable[str] = ()) -> dict[str, Piece]:
        """Return a table, each of whose keys must be a known one and which must have the required ones."""
        entries, known = self.entries(what), tuple(known)
        for key in entries:
            if key not in known:
                comma = "" if entries[key].value else "A comma ends a text in braces: quote the text. "
                raise Wrong(self.lines[key], f'{what} has an unknown key "{key}".', comma + choices(key, known, "keys"))
        for key in required:
            if key not in entries:
                self.wrong(f"{what} has no `{key}`.", f"Add `{key}:` to it.")
        return entries

    def plain(self) -> Any:
        """Return the node as strings, lists and dicts, as written."""
        if isinstance(self.value, list):
            return [part.plain() for part in self.value]
        if isinstance(self.value, dict):
            return {key: part.plain() for key, part in self.value.items()}
        return self.value


def choices(asked: str, known: Iterable[str], what: str) -> str:
    """Return the remedy for a word that is not known: the nearest one, and which ones are."""
    names = [str(name) for name in known]
    near = get_close_matches(asked, names, 1)
    guess = f'Did you mean "{near[0]}"? ' if near else ""
    return f"{guess}Known {what}: {', '.join(names) or 'none'}."


def compose(text: str) -> Piece:
    """Return the document's root. Errors: Wrong, for what is not one plain YAML document.

    Aliases and explicit types are refused: a reader of the file must see each value where it stands, as it is meant.
    """
    import yaml

    if len(text) > _LONGEST:
        raise Wrong(1, f"The document has more than {_LONGEST:,} characters.", "A rulebook is some hundred lines.")
    try:
        events: list[Any] = list(yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)))
    except yaml.MarkedYAMLError as bad:
        line = bad.problem_mark.line + 1 if bad.problem_mark else 1
        raise Wrong(
            line, f"This is not YAML: {bad.problem or bad.context}.", "Check quotes, colons and indents."
        ) from None
    except yaml.YAMLError:
        line = 1 + text.count("\n", 0, found.start()) if (found := _CONTROL(text)) else 1
        raise Wrong(line, "The document holds a character that YAML does not allow.", "Remove it.") from None
    starts: list[Any] = [event for event in events if isinstance(event, yaml.DocumentStartEvent)]
    if len(starts) > 1:
        raise Wrong(starts[1].start_mark.line + 1, "The file holds a second document.", "Keep one rulebook to a file.")
    if not starts:
        raise Wrong(1, "The document is empty.", "Begin with `rulebook: name-of-the-book`.")
    return _node(iter(events[2:]), 0)


def _node(events: Iterator[Any], depth: int) -> Piece:
    """Read one node from the stream of the parser's events."""
    event = next(events)
    line, kind = event.start_mark.line + 1, type(event).__name__
    _refuse_tricks(event, line, kind, depth)
    if kind == "ScalarEvent":
        return Piece(event.value, line)
    if kind == "SequenceStartEvent":
        parts: list[Piece] = []
        while (part := _node(events, depth + 1)) is not _END:
            parts.append(part)
        return Piece(parts, line)
    if kind != "MappingStartEvent":
        return _END
    entries: dict[str, Piece] = {}
    lines: dict[str, int] = {}
    while (key := _node(events, depth + 1)) is not _END:
        if not isinstance(key.value, str):
            raise Wrong(key.line, "A key must be text.", "Write it as `name: value`.")
        if key.value in entries:
            message = f'The key "{key.value}" stands twice: first on line {lines[key.value]}.'
            raise Wrong(key.line, message, "Remove one of them.")
        lines[key.value] = key.line
        entries[key.value] = _node(events, depth + 1)
    return Piece(entries, line, lines)


_END = Piece("", 0)


def _refuse_tricks(event: Any, line: int, kind: str, depth: int) -> None:
    if kind == "AliasEvent" or getattr(event, "anchor", None):
        raise Wrong(line, "Anchors and aliases (& and *) are not read.", "Write the value where it is meant.")
    if getattr(event, "tag", None):
        raise Wrong(line, "Explicit types (!) are not read: every value is text.", "Write the value without a type.")
    if depth > _DEEPEST:
        raise Wrong(line, f"The document is nested more than {_DEEPEST} deep.", "A rulebook needs far less.")
    if kind == "ScalarEvent" and _CONTROL(event.value):
        raise Wrong(line, "The text holds a control character.", "Remove it.")
