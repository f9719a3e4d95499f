"""Countries, places, lists and tiers: who counts as what, and on which list on which day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar

from ledger.core.rulebook import Member, NamedList, Rulebook
from ledger.rulebooks.document import Piece, Wrong, choices
from ledger.rulebooks.draft import Draft, country_codes
from ledger.rulebooks.words import SOURCE_KEYS, check_name, near, source, span

EVERYONE_ELSE = "everyone else"
LIST_KEYS = ("any", "but_not", *SOURCE_KEYS)

T = TypeVar("T")


def read_countries(draft: Draft, piece: Piece | None) -> None:
    """Read which countries `everyone else` may mean: a list of codes, another book's, or all that are known."""
    draft.countries = country_codes()
    if piece is None:
        return
    if isinstance(piece.value, dict):
        draft.countries = draft.liked(piece.table("`countries`", ("like",), ("like",))["like"]).countries
        return
    codes = [_country(part, part.text("A country")) for part in piece.items("`countries`")]
    for part, code in zip(piece.each(), codes, strict=True):
        if codes.count(code) > 1:
            part.wrong(f"The country {code} stands twice.", "Remove one of them.")
    draft.countries = frozenset(codes)


def read_places(draft: Draft, piece: Piece) -> None:
    """Read which places count as another country: `CN: [HK]` has Hong Kong count as China."""
    entries = with_likes(draft, piece, "`places`", lambda book: book.territories, draft.territories)
    for code, territory in entries.items():
        with draft.findings.kept():
            table = _short(territory, f"The places of {code}")
            parts = [part.text("A place") for part in table["any"].items(f"The places of {code}")]
            for part in parts:
                _country(territory, part, draft)
                if part == code:
                    territory.wrong(f"{code} cannot count as itself.", "Leave it out.")
            members = tuple(Member(part) for part in parts)
            draft.territories[_country(territory, code, draft)] = NamedList(code, members, **source(table))
            draft.want_source(draft.territories[code], piece.lines[code], f"The line for the places of {code}")
    for code, named in draft.territories.items():
        for member in named.members:
            if member.name in draft.places or member.name in draft.territories:
                line = piece.lines.get(code, piece.line)
                message = f"{member.name} counts as {code} and also stands elsewhere under `places`."
                raise Wrong(line, message, "A place counts as one country, and no other place counts as it.")
            draft.places[member.name] = code


def read_lists(draft: Draft, piece: Piece) -> None:
    """Read the named lists: codes, dated codes, other lists, less other lists."""
    entries = with_likes(draft, piece, "`lists`", lambda book: book.lists, draft.lists)
    draft.list_names = frozenset(draft.lists) | frozenset(entries)
    draft.list_lines |= dict.fromkeys(draft.lists, piece.lines.get("like", piece.line))
    for name, part in entries.items():
        line = draft.list_lines[name] = piece.lines[name]
        with draft.findings.kept():
            if check_name(name, "The list", line) in country_codes():
                raise Wrong(line, f'A list cannot be called "{name}": that is a country.', "Give it another name.")
            draft.lists[name] = _named(draft, name, part, f"The list {name}")
            draft.want_source(draft.lists[name], line, f"The list {name}")
    for name, line in draft.list_lines.items():
        with draft.findings.kept():
            _refuse_circles(draft, name, (), set(), line)


def read_tiers(draft: Draft, piece: Piece) -> None:
    """Read the tiers: each a list, or everyone else."""
    for name, part in piece.entries("`tiers`").items():
        line = draft.tier_lines[name] = piece.lines[name]
        with draft.findings.kept():
            check_name(name, "The tier", line)
            draft.tiers[name] = _named(draft, name, part, f"The tier {name}", tier=True)
            draft.want_source(draft.tiers[name], line, f"The tier {name}")
    rest = [name for name, named in draft.tiers.items() if named.everyone_else]
    if len(rest) > 1:
        raise Wrong(piece.lines[rest[1]], "Two tiers hold everyone else.", "Only one tier can be the rest.")
    if not rest and draft.tiers:
        piece_line, message = piece.line, "No tier holds everyone else: a country on no list has no tier."
        draft.findings.add(piece_line, "warning", message, "Its caps by tier will be undetermined.")


def check_tiers(draft: Draft, book: Rulebook) -> None:
    """Refuse a country that is in two tiers on the same day."""
    tiers = [named for named in book.tiers.values() if not named.everyone_else]
    for day in (date.min, *book.boundaries):
        seen: dict[str, str] = {}
        for named in tiers:
            for code in sorted(book.resolve(named, day)):
                if code in seen:
                    message = f"{code} is in tier {seen[code]} and in tier {named.name}"
                    when = "" if day == date.min else f" on {day}"
                    raise Wrong(draft.tier_lines[named.name], f"{message}{when}.", "Name it with `but_not` in one.")
                seen[code] = named.name


def with_likes(
    draft: Draft, piece: Piece, what: str, section: Callable[[Rulebook], Mapping[str, T]], into: dict[str, T]
) -> dict[str, Piece]:
    """Put what a section takes from another book into the draft, and return the entries of its own."""
    entries = dict(piece.entries(what))
    if like := entries.pop("like", None):
        book = draft.liked(like)
        into.update(section(book))
        for name in entries:
            if name in into:
                message = f'"{name}" is taken from {book.name} and written here too.'
                raise Wrong(piece.lines[name], message, "Give it another name, or do not take the section.")
    return entries


def _short(piece: Piece, what: str) -> dict[str, Piece]:
    """Return the table of a list that may also be written as its members alone."""
    if not isinstance(piece.value, dict):
        return {"any": piece}
    return piece.table(what, LIST_KEYS, ("any",))


def _named(draft: Draft, name: str, piece: Piece, what: str, *, tier: bool = False) -> NamedList:
    table = _short(piece, what)
    everyone = tier and table["any"].value == EVERYONE_ELSE
    members = () if everyone else tuple(_member(draft, part, tier) for part in table["any"].each())
    if not tier and not isinstance(table["any"].value, list):
        table["any"].wrong(f"{what} must be a list.", "Write it as [one, two].")
    minus = tuple(_reference(draft, part) for part in table["but_not"].each()) if "but_not" in table else ()
    if everyone and minus:
        piece.wrong(f"{what} is the rest and cannot leave anyone out.", "Put them in a tier of their own.")
    return NamedList(name, members, minus, everyone, **source(table))


def _member(draft: Draft, piece: Piece, tier: bool) -> Member:
    if not isinstance(piece.value, dict):
        return Member(_reference(draft, piece))
    if tier or len(piece.value) != 1:
        piece.wrong("A dated member of a list has one code.", "Write {KH: {until: 2025-11-07}} in a list.")
    ((name, dates),) = piece.value.items()
    table = dates.table(f"The member {name}", ("from", "until", "law"))
    law = table["law"].text("`law`") if "law" in table else ""
    return Member(_reference(draft, Piece(name, piece.line)), span(table, dates, f"The member {name}"), law)


def _reference(draft: Draft, piece: Piece) -> str:
    """Return a list's name or a country's code."""
    text = piece.text("A member of a list")
    return text if text in draft.list_names else country(draft, piece)


def country(draft: Draft, piece: Piece) -> str:
    """Return the code of a country that the book holds and that does not count as another one."""
    code = _country(piece, piece.text("A country"), draft)
    if code in draft.places:
        piece.wrong(f"{code} counts as {draft.places[code]} in this book.", f"Name {draft.places[code]}.")
    return code


def _country(piece: Piece, code: str, draft: Draft | None = None) -> str:
    names = sorted(draft.list_names) if draft else []
    if code not in country_codes():
        hint = choices(code, names, "lists") if names else near(code, country_codes())
        piece.wrong(f'"{code}" is neither a list nor a country.' if names else f'"{code}" is not a country.', hint)
    if draft and code not in draft.countries:
        piece.wrong(f"{code} is not among the book's `countries`.", "Add it there.")
    return code


def _refuse_circles(draft: Draft, name: str, path: tuple[str, ...], clear: set[str], line: int) -> None:
    if name in path:
        circle = " -> ".join((*path[path.index(name) :], name))
        raise Wrong(line, f"The list {name} is made of itself: {circle}.", "Break the circle.")
    if name not in clear and (named := draft.lists.get(name)):
        for part in (*(member.name for member in named.members), *named.but_not):
            _refuse_circles(draft, part, (*path, name), clear, line)
    clear.add(name)
