"""A whole book like another one: its parameters, and what it changes of lists and caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from ledger.core.compute import grouped
from ledger.core.rulebook import Amendment, Cap, Limit, Member, NamedList, Parameter, Rulebook
from ledger.rulebooks.amending import (
    WHO_KEYS,
    cap_of,
    check_bounds,
    fitting,
    read_amendment,
    read_limit,
    renewed,
    with_cap,
)
from ledger.rulebooks.document import Piece, Wrong, choices
from ledger.rulebooks.draft import Draft
from ledger.rulebooks.geography import check_tiers, country
from ledger.rulebooks.limiting import with_fractions
from ledger.rulebooks.parameters import Settings, query_of, read_parameters
from ledger.rulebooks.words import SOURCE_KEYS, one_of_keys, source

LIKING_KEYS = ("like", "parameters", "changes")
CHANGE_KEYS = ("list", "is", "cap", *WHO_KEYS, "from", "until", "limit", "exempt", *SOURCE_KEYS)


def read_liking(draft: Draft, table: Mapping[str, Piece], head: Mapping[str, str], settings: Settings) -> Rulebook:
    """Return the book that another one becomes by the changes. Errors: Malformed, for a setting; Wrong."""
    base = draft.liked(table["like"])
    draft.take(base, table["like"].line)
    parameters = read_parameters(draft, table.get("parameters"), settings)
    for name in parameters:
        if name in draft.readings:
            line = table["parameters"].lines[name]
            raise Wrong(line, f"{base.name} has a reading called {name} already.", "Give the parameter another name.")
    book = replace(base, parameters=parameters, changes=())
    if "changes" in table:
        book = _changed(draft, book, table["changes"])
    _note_unused(draft, parameters, table)
    query = query_of(parameters, book.readings)
    text = head["text"]
    book = replace(
        book,
        name=head["name"] + query,
        revision=int(head["revision"]),
        title=head["title"],
        source=head["source"],
        sha256=sha256((text + query).encode()).hexdigest(),
        text=text,
        like={base.name.partition("?")[0]: base.text, **base.like},
    )
    if not draft.findings.has_errors():
        check_tiers(draft, book)
    return book


def _changed(draft: Draft, book: Rulebook, piece: Piece) -> Rulebook:
    """Apply the changes: first those of lists, so that a cap's `where` means the changed ones."""
    kept: list[tuple[Piece, dict[str, Piece], str]] = []
    for part in piece.items("`changes`"):
        with draft.findings.kept():
            table = part.table("A change", CHANGE_KEYS, ("law",))
            kept.append((part, table, one_of_keys(part, "A change", ("list", "cap"))))
    for part, table, what in kept:
        if what == "list":
            with draft.findings.kept():
                named = _list(draft, book, part, table)
                book = replace(book, lists={**book.lists, named.name: named})
    book = renewed(book)
    amended: list[tuple[int, str, Amendment]] = []
    for part, table, what in kept:
        if what == "cap":
            with draft.findings.kept():
                cap = _cap(draft, book, part, table)
                book = with_cap(book, cap)
                draft.cap_lines[cap.name] = part.line
                amended += [(part.line, cap.name, each) for each in cap.amended]
    book = with_fractions(draft, book)
    for line, name, amendment in amended:
        with draft.findings.kept():
            check_bounds(draft, book, name, amendment, line)
    return replace(book, changes=tuple(part.plain() for part, _, _ in kept))


def _list(draft: Draft, book: Rulebook, piece: Piece, table: Mapping[str, Piece]) -> NamedList:
    """Return a list as a change says it is: a parameter's countries, or countries."""
    _only(piece, table, ("list", "is"))
    name = table["list"].text("A list")
    if name not in book.lists:
        table["list"].wrong(f'There is no list "{name}".', choices(name, book.lists, "lists"))
    stated = table["is"]
    if isinstance(stated.value, list):
        codes = tuple(country(draft, part) for part in stated.value)
    else:
        parameter = _parameter(draft, book, stated)
        if not isinstance(parameter.value, tuple):
            stated.wrong(f"{parameter.name} is a figure in {parameter.unit}, not a list.", "Name a list of countries.")
        codes = parameter.value
    return NamedList(name, tuple(Member(code) for code in codes), **source(table))


def _cap(draft: Draft, book: Rulebook, piece: Piece, table: Mapping[str, Piece]) -> Cap:
    """Return a cap as a change says it is: with another limit for all, or for some destinations or days."""
    _only(piece, table, ("cap", *WHO_KEYS, "from", "until", "limit", "exempt"))
    one_of_keys(piece, "A change of a cap", ("limit", "exempt"))
    cap = cap_of(book, table["cap"])
    draft.using = cap.name

    def limit(cap: Cap, part: Piece) -> Limit:
        if isinstance(part.value, str) and part.value in book.parameters:
            return fitting(cap, _limit_of(_parameter(draft, book, part), part), part)
        return read_limit(cap, part)

    if {*WHO_KEYS, "from", "until", "exempt"} & set(table):
        amendment = read_amendment(draft, table, piece, book, limit)
        draft.amendment_lines.setdefault(cap.name, []).insert(0, piece.line)
        return replace(cap, amended=(amendment, *cap.amended))
    stated = source(table)
    law = f"{cap.law}; its limit: {stated['law']}"
    note = "; ".join(filter(None, (cap.note, stated["note"])))
    return replace(cap, limit=limit(cap, table["limit"]), law=law, confidence=stated["confidence"], note=note)


def _limit_of(parameter: Parameter, piece: Piece) -> Limit:
    """Return the limit that rests on a parameter; undetermined, and saying why, where it is not set."""
    if parameter.unit == "countries":
        piece.wrong(f"{parameter.name} is a list of countries, not a figure.", "Name a parameter in TPP or chips.")
    if isinstance(parameter.value, Decimal):
        words = f"{grouped(parameter.value)} {parameter.unit}"
        return Limit(parameter.unit, ((None, parameter.value),), words=words)
    why = f"the parameter {parameter.name} is not set (set it behind the book's name: ?{parameter.name}=FIGURE)"
    return Limit(parameter.unit, ((None, None),), words="undetermined", why=why)


def _parameter(draft: Draft, book: Rulebook, piece: Piece) -> Parameter:
    name = piece.text("A parameter")
    if name not in book.parameters:
        piece.wrong(f'There is no parameter "{name}".', choices(name, book.parameters, "parameters"))
    draft.used.setdefault(name, []).append(draft.using)
    return book.parameters[name]


def _only(piece: Piece, table: Mapping[str, Piece], keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in (*keys, *SOURCE_KEYS):
            piece.wrong(f"A change of a {keys[0]} has no `{key}`.", choices(key, (*keys, *SOURCE_KEYS), "keys"))
    if keys[0] == "list" and "is" not in table:
        piece.wrong("A change of a list has no `is`.", "Name a parameter, or write the countries.")


def _note_unused(draft: Draft, parameters: Mapping[str, Parameter], table: Mapping[str, Piece]) -> None:
    for name in parameters:
        if name not in draft.used:
            message = f"No change uses the parameter {name}: setting it changes no answer."
            draft.findings.add(table["parameters"].lines[name], "warning", message, "Use it, or remove it.")
