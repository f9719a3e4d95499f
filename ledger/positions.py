"""Positions out of the database: what is known as of a record, and which rulebooks are asked on which days."""

from __future__ import annotations

from datetime import date
from typing import Any

from ledger.core.facts import Authorization, Chip, Party
from ledger.core.knowledge import EVER, Adoption, Knowledge
from ledger.core.lens import Lens
from ledger.core.position import Position, Source
from ledger.core.registrations import from_body
from ledger.core.rulebook import Rulebook, Span
from ledger.core.rules import Rules
from ledger.rulebooks import parse_bundle
from ledger.store.source import Connection
from schema.queries import SQL

Fact = Party | Chip | Authorization | Adoption | date


def learn(conn: Connection, knowledge: Knowledge, known: int) -> Knowledge:
    """Take in the facts of the records after what is known already, up to record `known`."""
    for seq, kind, _, _, body in conn.execute(SQL["facts"], {"after": knowledge.seq, "known": known}):
        knowledge.add(fact_of(kind, body, seq), seq)
    knowledge.seq = known
    return knowledge


def fact_of(kind: str, body: dict[str, Any], seq: int) -> Fact:
    """Return a fact as the core's value, from its row."""
    if kind == "rulebook":
        until = date.fromisoformat(body["until"]) if "until" in body else None
        return Adoption(seq, parse_bundle(body["bundle"]), date.fromisoformat(body["from"]), until)
    if kind == "period":
        return date.fromisoformat(body["closed_until"])
    return from_body(kind, body, seq)


def open_position(knowledge: Knowledge, source: Source, book: Rulebook | None = None) -> Position:
    """Return a position under the adopted rulebooks, or under one `book` on all days, adopted or not.

    A book that is asked about has counters of its own, under adoption 0: the source has to compute them.
    """
    adoptions = [Adoption(0, book, EVER)] if book else knowledge.adoptions
    return Position(
        knowledge,
        source,
        timeline_of(adoptions),
        {adoption.seq: Lens(adoption.book, adoption.seq) for adoption in adoptions},
        {adoption.seq: Rules(adoption.book) for adoption in adoptions},
    )


def timeline_of(adoptions: list[Adoption]) -> tuple[tuple[Span, Adoption], ...]:
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
