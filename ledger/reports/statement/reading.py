"""What a statement reads: the entries of the profiles it is about, summed before its days and line by line in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.core.errors import Unusable
from ledger.core.profile import Profile
from ledger.core.records import MOVEMENT_POSTED
from ledger.reports.reader import View
from ledger.reports.statement.values import LAPSE, NOTHING, Balance, Balances, Change, Line
from ledger.reports.usage import COUNTED, SHOWN
from schema.queries import SQL

MOST_ENTRIES = 200_000
Shown = Callable[[Collection[int]], Collection[int]]


class Scope:
    """What a statement is about, as the ledger keeps it: the profiles that name its exporter, recipient and country."""

    def __init__(
        self, view: View, exporter: str, recipient: str, country: str, shown: Shown = frozenset
    ) -> None:  # fmt: skip
        self.view, self.exporter, self.recipient, self.country = view, exporter, recipient, country
        wanted = {"exporter": exporter, "recipient": recipient, "countries": _places(view, country)}
        self.ids = sorted(shown([number for (number,) in view.conn.execute(SQL["profiles_naming"], wanted)]))

    def rows(self, query: str, **wanted: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query about the profiles, up to the view's record."""
        yield from self.view.conn.execute(SQL[query], {"profiles": self.ids, "known": self.view.known, **wanted})


class _Group(NamedTuple):
    """What the entries of one line of a statement have in common; ordered as lines are."""

    day: date
    is_movement: bool  # what lapses has lapsed when the day begins
    record: int
    line: int
    exporter: str
    recipient: str
    country: str
    chip: str
    authorization: str


class _Entry(NamedTuple):
    group: _Group
    stage: str
    cause: str
    amount: Balance


def balances_on(scope: Scope, day: date) -> dict[str, Balance]:
    """Return what stands in each stage at the end of a day; what has lapsed by then is left out."""
    balances = dict.fromkeys(SHOWN, NOTHING)
    for stage, chips, tpp, unstated_tpp in scope.rows("balances_of", day=day):
        for name, amount in _shown(stage, Balance(tpp, chips or 0, unstated_tpp)):
            balances[name] = balances[name].plus(amount)
    return balances


def drawn_up(
    scope: Scope, opening: Balances, first: date, last: date, most: int | None = None
) -> tuple[tuple[Line, ...], int]:
    """Return the lines of some days in order, each with the balances before and after it, and how many more there are.

    most: so many lines; None is all.
    """
    groups: dict[_Group, list[_Entry]] = {}
    for entry in (*_lapses(scope, first, last), *_entries(scope, first, last)):
        groups.setdefault(entry.group, []).append(entry)
    wanted = sorted(groups)[:most]
    recorded = _recorded(scope, {group.record for group in wanted if group.is_movement})
    end = datetime.combine(last, datetime.max.time(), UTC)
    balances, lines = dict(opening), []
    for group in wanted:
        kind, by, at = recorded[group.record] if group.is_movement else (LAPSE, "", None)
        causes = ", ".join(dict.fromkeys(entry.cause for entry in groups[group] if entry.cause))
        changes = tuple(_changes(groups[group], balances))
        lines.append(
            Line(
                group.day, group.record, group.line, f"{kind} ({causes})" if causes else kind, by, group.exporter,
                group.recipient, group.country, group.chip, group.authorization, at, at is not None and at > end,
                changes,
            )
        )  # fmt: skip
    return tuple(lines), len(groups) - len(lines)


def _changes(entries: Iterable[_Entry], balances: dict[str, Balance]) -> Iterator[Change]:
    """Yield what entries change, stage by stage, and move the balances on."""
    amounts: dict[str, Balance] = {}
    for entry in entries:
        for name, amount in _shown(entry.stage, entry.amount):
            amounts[name] = amounts.get(name, NOTHING).plus(amount)
    changed = [name for name in SHOWN if any(amounts.get(name, NOTHING))]
    for name in changed or [name for name in SHOWN if name in amounts][:1]:
        before = balances[name]
        balances[name] = before.plus(amounts[name])
        yield Change(name, before, amounts[name], balances[name])


def _entries(scope: Scope, first: date, last: date) -> Iterator[_Entry]:
    rows = list(scope.rows("entries_between", first=first, last=last, most=MOST_ENTRIES + 1))
    if len(rows) > MOST_ENTRIES:
        raise Unusable(
            "too_long", f"More than {MOST_ENTRIES:,} entries fall between {first} and {last}.",
            "Ask for fewer days, or for one exporter or recipient.",
        )  # fmt: skip
    profiles = scope.view.profiles.get(row[4] for row in rows)
    for seq, line, stage, cause, number, day, last_day, chips, tpp in rows:
        lapsed = stage in ("reserved", "open") and last_day is not None and day > last_day
        amount = NOTHING if lapsed else _amount(chips, tpp)  # it lapsed before it came
        yield _Entry(_group(day, True, seq, line, profiles[number]), stage, cause, amount)


def _lapses(scope: Scope, first: date, last: date) -> Iterator[_Entry]:
    """Yield what lapses in some days, lot by lot: its last day was the day before."""
    before = timedelta(days=1)
    rows = list(scope.rows("lapsing_between", first=first - before, last=last - before))
    profiles = scope.view.profiles.get(row[3] for row in rows)
    for seq, line, stage, number, last_day, chips, tpp, unstated_tpp in rows:
        group = _group(last_day + before, False, seq, line, profiles[number])
        yield _Entry(group, stage, "", Balance(-tpp, -(chips or 0), -unstated_tpp))


def _recorded(scope: Scope, records: set[int]) -> dict[int, tuple[str, str, datetime]]:
    """Return what each record is called, who asked for it and when it was written."""
    found = {}
    for seq, kind, actor, at, payload in scope.view.conn.execute(SQL["recorded"], {"seqs": sorted(records)}):
        movement = json.loads(payload)["body"].get("movement") if kind == MOVEMENT_POSTED else None
        found[seq] = movement or kind, actor, at.astimezone(UTC)
    return found


def _group(day: date, is_movement: bool, seq: int, line: int, profile: Profile) -> _Group:
    exporter = profile.exporter.party if profile.exporter else ""
    return _Group(
        day, is_movement, seq, line, exporter, profile.recipient.party, profile.destination, profile.base_chip,
        profile.authorization,
    )  # fmt: skip


def _amount(chips: int | None, tpp: Decimal) -> Balance:
    return Balance(tpp, 0, tpp) if chips is None else Balance(tpp, chips)


def _shown(stage: str, amount: Balance) -> Iterator[tuple[str, Balance]]:
    """Yield what an amount in a stage of the journal adds to the stages that are shown."""
    for name, sign in COUNTED[stage]:
        yield name, amount if sign > 0 else Balance(-amount.tpp, -amount.chips, -amount.unstated_tpp)


def _places(view: View, country: str) -> list[str]:
    """Return the destinations that count as a country under the book of the day; none where no country is asked."""
    adoption = view.adoption or next((adoption for _, adoption in view.position.timeline), None)
    places = adoption.book.places if adoption else {}
    return [country, *sorted(code for code, counts_as in places.items() if counts_as == country)] if country else []
