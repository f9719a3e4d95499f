"""Countries, places, lists and tiers: who moves where, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import TypeVar

from ledger.core.rulebook import NamedList, Rulebook, Span
from ledger.rulebooks.comparing.days import both_boundaries, country, named, on_days, stretches
from ledger.rulebooks.comparing.parts import sources

T = TypeVar("T")


def countries(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say which countries a book now knows, or no longer."""
    if added := after.countries - before.countries:
        yield f"{named(added)} {_are(added)} among the countries that everyone else may mean."
    if gone := before.countries - after.countries:
        yield f"{named(gone)} {_are(gone)} no longer among the countries that everyone else may mean."


def places(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say which places count as another country."""
    for code in sorted({*before.places, *after.places}, key=country):
        old, new = before.place(code), after.place(code)
        if old != new:
            instead = f", no longer as {country(old)}" if old != code else ""
            yield f"{country(code)} counts as {country(new) if new != code else 'itself'}{instead}."
    for code, territory in after.territories.items():
        if code in before.territories:
            yield from sources(f"the places of {country(code)}", before.territories[code], territory)


def lists(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say who joins or leaves each list, on which day."""
    for name, new in after.lists.items():
        if name not in before.lists:
            yield f"the list {name} is added: {_members(after, name)}."
            continue
        old = before.lists[name]
        yield from _joining(before, after, old, new)
        yield from sources(f"the list {name}", old, new)
    for name in before.lists:
        if name not in after.lists:
            yield f"the list {name} is removed."


def tiers(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say which country moves from which tier to which, on which day; places move with the country they count as."""
    if list(before.tiers) != list(after.tiers):
        old, new = (", ".join(book.tiers) or "none" for book in (before, after))
        yield f"the tiers are {new}; they were {old}."
    days = both_boundaries(before, after)
    codes = [code for code in before.countries & after.countries if code in (before.place(code), after.place(code))]
    movers = _movers(days, codes, before.tier, after.tier)
    for moves, codes in movers.items():
        for span, was, becomes in moves:
            yield _move(codes, span, was, becomes)
    for name, tier in after.tiers.items():
        if name in before.tiers:
            yield from sources(f"tier {name}", before.tiers[name], tier)


def _move(codes: list[str], span: Span, was: str | None, becomes: str | None) -> str:
    who, several = named(codes), len(codes) > 1
    old, new = (f"tier {tier}" if tier else "no tier" for tier in (was, becomes))
    if span.until:
        return f"{who} {'are' if several else 'is'} in {new}{on_days(span)}, instead of {old}."
    return f"{who} {'move' if several else 'moves'} from {old} to {new}{on_days(span)}."


def _joining(before: Rulebook, after: Rulebook, old: NamedList, new: NamedList) -> Iterator[str]:
    days = both_boundaries(before, after)
    members = _ever(before, old) | _ever(after, new)
    movers = _movers(
        days,
        members,
        lambda code, day: code in before.resolve(old, day),
        lambda code, day: code in after.resolve(new, day),
    )
    for moves, codes in movers.items():
        for span, _, joins in moves:
            who, several = named(codes), len(codes) > 1
            if span.until:
                stands = ("are" if several else "is") + ("" if joins else " not")
                yield f"{who} {stands} on the list {new.name}{on_days(span)}."
            else:
                verb = ("join" if joins else "leave") + ("" if several else "s")
                yield f"{who} {verb} the list {new.name}{on_days(span)}."


def _movers(
    days: Iterable[date], codes: Iterable[str], before: Callable[[str, date], T], after: Callable[[str, date], T]
) -> dict[tuple[tuple[Span, T, T], ...], list[str]]:
    """Return the codes for which something differs, together where it differs alike: when, and from what to what."""
    movers: dict[tuple[tuple[Span, T, T], ...], list[str]] = {}
    for code in sorted(codes, key=country):

        def was(day: date, code: str = code) -> T:
            return before(code, day)

        def becomes(day: date, code: str = code) -> T:
            return after(code, day)

        if found := stretches(days, was, becomes):
            movers.setdefault(tuple(found), []).append(code)
    return movers


def _ever(book: Rulebook, listed: NamedList) -> set[str]:
    """Return every code that is on a list on some day."""
    return {code for day in (date.min, *book.boundaries) for code in book.resolve(listed, day)}


def _members(book: Rulebook, name: str) -> str:
    return named(_ever(book, book.lists[name]))


def _are(codes: frozenset[str]) -> str:
    return "are" if len(codes) > 1 else "is"
