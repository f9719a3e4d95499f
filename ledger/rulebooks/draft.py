"""A rulebook while it is read: what is known so far, and what its names may refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from ledger import reference
from ledger.core.rulebook import Cap, Control, NamedList, Reading, Rule, Rulebook
from ledger.rulebooks.document import Findings, Piece, choices


@cache
def country_codes() -> frozenset[str]:
    """Return the codes of the countries and places that exist."""
    return frozenset(reference.countries())


@cache
def base_chips() -> frozenset[str]:
    """Return the chips of the catalog that are not systems of other chips."""
    return frozenset(chip.chip for chip in reference.chips() if chip.base_chip == chip.chip)


@dataclass(slots=True)
class Draft:
    """The parts read so far, the books that parts are taken from, and the findings.

    absent: why a book that it is like cannot be had, by name. using: the rule or cap that is being read, which a
    reading that it asks for is then used by.
    """

    findings: Findings
    library: Mapping[str, Rulebook] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    countries: frozenset[str] = frozenset()
    places: dict[str, str] = field(default_factory=dict)
    territories: dict[str, NamedList] = field(default_factory=dict)
    lists: dict[str, NamedList] = field(default_factory=dict)
    tiers: dict[str, NamedList] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    controls: dict[str, Control] = field(default_factory=dict)
    list_names: frozenset[str] = frozenset()  # those that are wrong too, so that one error is not told twice
    control_names: frozenset[str] = frozenset()
    list_lines: dict[str, int] = field(default_factory=dict)
    tier_lines: dict[str, int] = field(default_factory=dict)
    rule_lines: list[int] = field(default_factory=list)  # of the rules that are kept, in order
    left_out: list[tuple[int, Rule]] = field(default_factory=list)  # rules that the chosen readings drop
    cap_lines: dict[str, int] = field(default_factory=dict)
    amendment_lines: dict[str, list[int]] = field(default_factory=dict)  # by cap, in the order of its amendments
    pause_lines: dict[str, list[int]] = field(default_factory=dict)  # by cap, in the order of its periods
    settings: dict[str, str] = field(default_factory=dict)  # the option that the person asking chooses, by reading
    bases: dict[str, Cap] = field(default_factory=dict)  # of shares, by the share's cap; each only watched
    using: str = ""
    used: dict[str, list[str]] = field(default_factory=dict)

    def take(self, book: Rulebook, line: int) -> None:
        """Take every name that another book has, as if it were written on a line of this one."""
        self.countries, self.places, self.territories = book.countries, dict(book.places), dict(book.territories)
        self.lists, self.tiers, self.controls = dict(book.lists), dict(book.tiers), dict(book.controls)
        self.readings = dict(book.readings)
        self.list_names, self.control_names = frozenset(book.lists), frozenset(book.controls)
        self.list_lines, self.tier_lines = dict.fromkeys(book.lists, line), dict.fromkeys(book.tiers, line)

    def liked(self, piece: Piece) -> Rulebook:
        """Return the book that a `like` names; its revision must be the one asked for, where one is."""
        if isinstance(piece.value, str):
            name, revision = piece.text("`like`"), None
            self.findings.add(
                piece.line,
                "warning",
                f"`like: {name}` takes whatever revision is at hand.",
                f"Write like: {{rulebook: {name}, revision: N}}.",
            )
        else:
            table = piece.table("`like`", ("rulebook", "revision"), ("rulebook", "revision"))
            name, revision = table["rulebook"].text("`rulebook`"), table["revision"].text("`revision`")
        if name not in self.library:
            reason = self.absent.get(name, "It is not at hand.")
            remedy = "Name a shipped book, or put the file beside this one."
            piece.wrong(f'The rulebook "{name}" cannot be taken from. {reason}', remedy)
        book = self.library[name]
        if revision is not None and revision != str(book.revision):
            piece.wrong(
                f"{name} is at hand in revision {book.revision}, not {revision}.", "Name the one you have read."
            )
        return book

    def choose(self, reading: Piece, name: str) -> str:
        """Return the option that the book chooses of a reading, and note that an answer turns on it."""
        if name not in self.readings:
            reading.wrong(f'There is no reading "{name}".', choices(name, self.readings, "readings"))
        users = self.used.setdefault(name, [])
        if self.using and self.using not in users:
            users.append(self.using)
        return self.readings[name].chosen

    def chosen_part(self, piece: Piece, what: str) -> Piece:
        """Return the node, or of `{reading: [one, two]}` the part that stands where the chosen option stands."""
        if not isinstance(piece.value, dict):
            return piece
        if len(piece.value) != 1:
            piece.wrong(f"{what} must be chosen by one reading.", "Write {name-of-reading: [first, second]}.")
        ((name, parts),) = piece.value.items()
        chosen = self.choose(piece, name)
        options = list(self.readings[name].options)
        if len(parts.each()) != len(options):
            parts.wrong(f"{what} must give one value for each option of {name}.", f"In order: {', '.join(options)}.")
        return parts.each()[options.index(chosen)]

    def applies(self, table: Mapping[str, Piece]) -> bool:
        """Return whether every reading that an `if` names is chosen as it says."""
        if "if" not in table:
            return True
        answer = True
        for name, option in table["if"].entries("`if`").items():
            chosen = self.choose(table["if"], name)
            options = self.readings[name].options
            if option.text("An option") not in options:
                option.wrong(
                    f'"{option.value}" is not an option of {name}.', choices(str(option.value), options, "options")
                )
            answer = answer and chosen == option.value
        return answer

    def want_source(self, named: NamedList | Control, line: int, what: str) -> None:
        """Warn of a line that does not say where it comes from."""
        if not named.law:
            self.findings.add(line, "warning", f"{what} names no source.", "Add `law:` to it.")
