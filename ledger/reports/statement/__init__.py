"""A statement of account: opening balances, every movement with old and new balance, closing balances.

It is read from the profiles that name its exporter, recipient or country, never from the whole journal. What lapses is
a line of its own, on the day after its last day, whether or not a job has released it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from ledger.core.errors import Malformed, NotFound
from ledger.reference import countries
from ledger.reports.checkpoint import checkpoint
from ledger.reports.reader import View
from ledger.reports.statement.concerning import caps_touched, concerns
from ledger.reports.statement.reading import MOST_ENTRIES, Scope, Shown, balances_on, drawn_up
from ledger.reports.statement.values import (
    LAPSE,
    NOTHING,
    Balance,
    Balances,
    CapTouched,
    Change,
    Concern,
    Line,
    Statement,
)
from ledger.reports.usage import SHOWN
from schema.queries import SQL

__all__ = [
    "LAPSE",
    "MOST_ENTRIES",
    "Balance",
    "Balances",
    "CapTouched",
    "Change",
    "Concern",
    "Line",
    "Statement",
    "statement",
]


def statement(
    view: View, *, exporter: str = "", recipient: str = "", country: str = "", first: date, last: date,
    most: int | None = None, shown: Shown = frozenset,
) -> Statement:  # fmt: skip
    """Return the statement of an exporter, a recipient or a country, or of what several of them share, for some days.

    Args:
        country: ISO code. Places count as the country they belong to; a place's own code asks for it alone.
        first, last: both included. The view's day does not matter: balances, caps and rulebook are of `last`.
        most: so many lines, for who shows no more; how many follow is counted. None is all.
        shown: tells of some profiles which ones the statement may be drawn up of.

    Raises:
        Malformed: nothing is named, or the days are not in order.
        NotFound: a party or country is not known.
        Unusable: the days hold more than MOST_ENTRIES entries.
    """
    _check(view, exporter, recipient, country, first, last)
    view = replace(view, on=last)
    scope = Scope(view, exporter, recipient, country, shown)
    opening = balances_on(scope, first - timedelta(days=1))
    lines, more = drawn_up(scope, opening, first, last, most)
    closing = balances_on(scope, last)
    if not more:
        added_up = {stage: sum_of(lines, stage, opening[stage]) for stage in SHOWN}
        assert added_up == closing, "opening and movements do not add up to closing"
    caps, touched = caps_touched(scope, last)
    at = checkpoint(view)
    return Statement(
        exporter, recipient, country, _names(view, exporter, recipient, country, last), first, last, at.size,
        view.size, at.recorded_at, at.root, view.stamp()["rulebook"], opening, lines, closing, caps,
        concerns(scope, touched, first, last), more,
    )  # fmt: skip


def sum_of(lines: tuple[Line, ...], stage: str, opening: Balance = NOTHING) -> Balance:
    """Return a stage's balance after some lines."""
    for line in lines:
        for change in line.changes:
            if change.stage == stage:
                opening = opening.plus(change.amount)
    return opening


def _check(view: View, exporter: str, recipient: str, country: str, first: date, last: date) -> None:
    if not (exporter or recipient or country):
        raise Malformed(
            "exporter", "Nothing says whose statement it is.", "Name an exporter, a recipient or a country."
        )  # fmt: skip
    if last < first or first == date.min:
        raise Malformed("first", f"A statement from {first} to {last} covers no day.", "Give the earlier day first.")
    for role, party in (("exporter", exporter), ("recipient", recipient)):
        if party and not view.position.knowledge.knows_party(party):
            raise NotFound(
                f"No {role} '{party}' was registered up to record {view.known:,}.", "Name a party as the ledger does."
            )  # fmt: skip
    if country and country not in countries() and not view.conn.execute(SQL["destination"], {"code": country}).rowcount:
        raise NotFound(
            f"'{country}' is not a country that is listed.", "Give an ISO 3166 code in capitals, such as AE."
        )


def _names(view: View, exporter: str, recipient: str, country: str, last: date) -> dict[str, str]:
    """Return what the parties are called on the last day, and the country."""
    knowledge, names = view.position.knowledge, dict[str, str]()
    for named in filter(None, (exporter, recipient)):
        party = knowledge.party(named, last) or knowledge.parties[named]
        names[named] = party.name
    if country in countries():
        names[country] = countries()[country].name
    return names
