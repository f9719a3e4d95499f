"""Positions out of the database: what is known as of a record, and which rulebooks are asked on which days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ledger.core import four_eyes
from ledger.core.deciding import keys_of
from ledger.core.facts import Authorization, Chip, FourEyes, Notice, Ownership, Party, Stock
from ledger.core.knowledge import EVER, Adoption, Knowledge
from ledger.core.lens import Key, Lens
from ledger.core.lots import Place
from ledger.core.movements import Movement
from ledger.core.position import Pending, Position, Source
from ledger.core.registrations import from_body
from ledger.core.resolving import Resolved, resolve
from ledger.core.rulebook import Span
from ledger.core.rules import Rules
from ledger.rulebooks import parse_bundle
from ledger.store.source import Connection, DatabaseSource
from schema.queries import SQL

DRAWS_ON_NO_PLACE = ("reserve", "grant", "ship")  # but on a license, or on what is named by its record
Fact = Party | Ownership | Stock | Chip | Authorization | Notice | Adoption | FourEyes | date


def learn(conn: Connection, knowledge: Knowledge, known: int, adopted: Iterable[Adoption] = ()) -> Knowledge:
    """Take in the facts of the records after what is known already, up to record `known`.

    adopted: rulebooks that were read before, so that they are the same and what is remembered of them holds.
    """
    take_in(conn, knowledge, known, adopted)
    return knowledge


def take_in(conn: Connection, knowledge: Knowledge, known: int, adopted: Iterable[Adoption] = ()) -> int:
    """Do the same, and return how many they were."""
    count, held = 0, {adoption.seq: adoption for adoption in adopted}
    for seq, kind, _, _, body in conn.execute(SQL["facts"], {"after": knowledge.seq, "known": known}):
        knowledge.add(held.get(seq) or fact_of(kind, body, seq), seq)
        count += 1
    knowledge.seq = known
    return count


def fact_of(kind: str, body: dict[str, Any], seq: int) -> Fact:
    """Return a fact as the core's value, from its row."""
    if kind == "rulebook":
        until = date.fromisoformat(body["until"]) if "until" in body else None
        return Adoption(seq, parse_bundle(body["bundle"], body["name"]), date.fromisoformat(body["from"]), until)
    if kind == "period":
        return date.fromisoformat(body["closed_until"])
    if kind == "four_eyes":
        return four_eyes.from_body(body, seq)
    return from_body(kind, body, seq)


@dataclass(slots=True)
class Books:
    """Lenses and rules by adoption, kept so that what they remember is not computed anew for each position."""

    lenses: dict[int, Lens] = field(default_factory=dict)
    rules: dict[int, Rules] = field(default_factory=dict)

    def of(self, adoptions: Sequence[Adoption]) -> tuple[dict[int, Lens], dict[int, Rules]]:
        """Return the lens and the rules of each adoption."""
        for adoption in adoptions:
            held = self.lenses.get(adoption.seq)
            if held is None or held.book is not adoption.book:
                self.lenses[adoption.seq] = Lens(adoption.book, adoption.seq)
                self.rules[adoption.seq] = Rules(adoption.book)
        numbers = [adoption.seq for adoption in adoptions]
        return {n: self.lenses[n] for n in numbers}, {n: self.rules[n] for n in numbers}


def open_position(knowledge: Knowledge, source: Source, books: Books, adoptions: Sequence[Adoption]) -> Position:
    """Return a position on which each day is asked of the latest of some adoptions that covers it."""
    lenses, rules = books.of(adoptions)
    return Position(knowledge, source, timeline_of(adoptions), lenses, rules)


def timeline_of(adoptions: Sequence[Adoption]) -> tuple[tuple[Span, Adoption], ...]:
    """Return which adoption is in force on which days: on each, the latest that covers it."""
    edges = sorted({day for adoption in adoptions for day in (adoption.first, adoption.until) if day})
    spans: list[tuple[Span, Adoption]] = []
    for first, until in zip(edges, [*edges[1:], None], strict=False):
        latest = next((adoption for adoption in reversed(adoptions) if adoption.covers(first)), None)
        if latest is None:
            continue
        if spans and spans[-1][1] is latest and spans[-1][0].until == first:
            spans[-1] = (Span(spans[-1][0].first, until), latest)
        else:
            spans.append((Span(None if first == EVER else first, until), latest))
    return tuple(spans)


@dataclass(frozen=True, slots=True)
class Beside:
    """A second source, for what some changes leave as it is: it may have them already, or not yet."""

    source: DatabaseSource
    changes: Pending

    def for_lots(self, source: DatabaseSource, owners: Collection[str | Place]) -> DatabaseSource:
        """Return the source to ask about lots of authorizations and places: the first where a change touches one."""
        changed = self.changes.changed.values()
        touched = any(lot.place in owners or lot.profile.authorization in owners for lot in changed)
        return source if touched else self.source

    def for_counters(self, source: DatabaseSource, keys: Iterable[Key]) -> DatabaseSource:
        """Return the source to ask about counters: the first where a change touches one."""
        return source if any(key in self.changes.counters for key in keys) else self.source


def fetch_ahead(
    position: Position, source: DatabaseSource, movements: Sequence[Movement], beside: Beside | None = None
) -> None:
    """Fetch the lots and counters that judging movements looks at, as far as they are not held: all at once."""
    lines = [
        (movement, known)
        for movement in movements
        for number, line in enumerate(movement.lines, 1)
        if isinstance(known := resolve(movement, number, line, position), Resolved)
    ]
    _fetch_lots(position, source, lines, beside)
    first = min((movement.effective_on for movement, _ in lines), default=date.min)
    keys = {key for movement, known in lines for key in keys_of(known, movement.effective_on, position)}
    fetch = [key for key in keys if key not in position.counters or position.counters[key].exact_from > first]
    if fetch:
        asked = beside.for_counters(source, fetch) if beside else source
        for key, counter in asked.counters(fetch, first).items():
            position.hold(key, counter)


def _fetch_lots(
    position: Position, source: DatabaseSource, lines: Sequence[tuple[Movement, Resolved]], beside: Beside | None
) -> None:
    names: dict[str, None] = {}
    places: dict[Place, None] = {}
    moving: dict[Place, None] = {}
    for movement, known in lines:
        if known.authorization and known.authorization.authorization not in position.by_authorization:
            names[known.authorization.authorization] = None
        if movement.kind == "receive":
            if known.place not in position.moving:
                moving[known.place] = None
        elif movement.kind not in DRAWS_ON_NO_PLACE and known.place not in position.by_place:
            places[known.place] = None
    if beside:
        source = beside.for_lots(source, {*names, *places, *moving})
    if names:
        position.hold_lots(names, source.lots_of_many(list(names)))
    if places:
        position.hold_lots(places, source.lots_at_many(list(places)))
    if moving:
        position.hold_moving(moving, source.lots_moving_at_many(list(moving)))
