"""Counters that are wanted, computed from entries that the database adds up wherever they count alike.

What an entry does turns on what its profile touches, on its stage and cause, and on which side of a few days it, its
lot and its last day are: days on which the book or a window changes, and those that are asked about. Entries alike in
all of it are one sum, of which the lens is asked once; so a walk of a million entries comes to some hundred questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from ledger.core.lens import NOTHING, WEIGHTS, Amount, Key, Lens
from ledger.core.profile import Profile
from ledger.core.rulebook import Cap
from ledger.store.arrays import array
from ledger.store.source import Connection, Profiles
from ledger.store.sums import Days
from schema.queries import SQL

Wanted = Callable[[int, str, str], bool]  # whether a counter is wanted, by its book, cap and subject
ONE_DAY = timedelta(days=1)
MONTHS = {"calendar_year": 12, "calendar_quarter": 3}


STAGES = {"reserved": 1, "licensed": 2, "open": 4, "shipped": 8, "received": 16, "installed": 32, "authorized": 64}


class Alike(NamedTuple):
    """Profiles that touch counters that are wanted, and the caps of these. Two lists by a profile's number, from 1 on:
    which profile stands for all that do the same to these counters, and the stages that count in them, as bits."""

    profiles: list[int]
    classes: list[int]
    stages: list[int]
    caps: list[Cap]


def days_of(
    conn: Connection, lenses: Sequence[Lens], profiles: Profiles, known: int, wanted: Wanted, *,
    first: date | None = None, until: date | None = None, after: int = 0, only: Iterable[int] | None = None,
) -> dict[Key, Days]:  # fmt: skip
    """Return the counters of some books that are wanted, from the entries after one record and up to record `known`.

    Args:
        first: from this day on each day is told apart. What is before it, and all where it is None, may be told of an
            earlier or later day than its own, between the same two edges; the sum of all before `first` is exact.
        until: what is dated later is left out, so that what is told comes to what is used at the end of this day.
        only: of these profiles; None is all.
    """
    by_id, numbers = _profiles(profiles, only)
    alike = _alike(lenses, by_id, numbers, wanted)
    if not alike.profiles:
        return {}
    is_rolling = any(cap.window.days is not None for cap in alike.caps)
    if is_rolling:  # what leaves a rolling window does so a number of days after its lot's
        first = date.min
    asked = [day + more for day, more in ((first, 0 * ONE_DAY), (until, ONE_DAY)) if day and day < date.max]
    edges = _edges(lenses, alike.caps, asked)
    of = {
        "profiles": array(alike.profiles), "classes": array(alike.classes), "stages": array(alike.stages),
        "edges": array(edges), "eves": array([day - ONE_DAY for day in edges if day > date.min]), "lots": is_rolling,
        "first": first, "until": until.isoformat() if until else "infinity", "after": after, "known": known,
    }  # fmt: skip
    counters: dict[Key, Days] = {}
    conn.execute(SQL["room_to_add_up"])
    # A plan made for few profiles would serve all of them badly: it is made anew each time.
    for number, stage, cause, lot_day, day, last_day, unstated, chips, tpp in conn.execute(
        SQL["entry_sums_alike"], of, prepare=False
    ):
        for lens in lenses:
            effects = lens.effects(
                stage, cause, by_id[number], lot_day, day, last_day, None if unstated else chips, tpp
            )
            for key, _, _, on, amount in effects:
                if (until is None or on <= until) and wanted(key.book, key.cap, key.subject):
                    days = counters.setdefault(key, {})
                    before = days.get(on)
                    days[on] = amount if before is None else before.plus(amount)
    return counters


def used_on(
    conn: Connection, lens: Lens, profiles: Profiles, known: int, day: date, *, caps: Iterable[str] | None = None,
    after: int = 0, only: Iterable[int] | None = None,
) -> dict[Key, Amount]:  # fmt: skip
    """Return what is used of each counter of a book at the end of a day; of all that anything counted in by then.

    caps: of these; None is all. after, only: of the entries after a record, and of some profiles.
    """
    names = set(lens.caps if caps is None else caps)
    found = days_of(
        conn, [lens], profiles, known, lambda _, cap, __: cap in names, until=day, after=after, only=only
    )  # fmt: skip
    totals: dict[Key, Amount] = {}
    for key, days in found.items():
        total = NOTHING
        for amount in days.values():
            total = total.plus(amount)
        totals[key] = total
    return totals


def _profiles(profiles: Profiles, only: Iterable[int] | None) -> tuple[dict[int, Profile], list[int]]:
    if only is None:
        by_id = profiles.all()
        return by_id, list(by_id)
    numbers = list(only)
    return profiles.get(numbers), numbers


def _alike(lenses: Sequence[Lens], by_id: Mapping[int, Profile], numbers: Sequence[int], wanted: Wanted) -> Alike:
    """Return the profiles that touch counters that are wanted, with what they have in common."""
    size = max(numbers, default=0)
    found = Alike([], [0] * size, [0] * size, [])
    classes: dict[tuple[object, ...], tuple[int, int]] = {}
    caps: dict[tuple[int, str], Cap] = {}
    for number in numbers:
        touched = tuple(
            tuple([each for each in touches if wanted(lens.seq, each[0], each[1])])
            for lens in lenses
            for touches in lens.touches(by_id[number])
        )
        if not any(touched):
            continue
        known = classes.get(touched)
        if known is None:
            names = {each[0] for touches in touched for each in touches}
            kept = {(n, name): lens.caps[name] for n, lens in enumerate(lenses) for name in names & lens.caps.keys()}
            caps |= kept
            known = classes[touched] = number, sum({STAGES[stage] for cap in kept.values() for stage in _stages(cap)})
        found.profiles.append(number)
        found.classes[number - 1], found.stages[number - 1] = known
    found.caps.extend(caps.values())
    return found


def _stages(cap: Cap) -> list[str]:
    """Return the stages that count in a cap."""
    return [stage for stage in WEIGHTS[cap.counts] if stage != "open" or "unshipped" in cap.gives_back]


def _edges(lenses: Iterable[Lens], caps: Iterable[Cap], asked: Iterable[date]) -> list[date]:
    """Return every day on which something changes for the counters of some caps, rising."""
    days = {day for lens in lenses for day in lens.edges} | set(asked)
    for months in {MONTHS[cap.window.kind] for cap in caps if cap.window.kind in MONTHS}:
        days.update(_starts(months))
    return sorted(days)


@lru_cache
def _starts(months: int) -> tuple[date, ...]:
    """Return the first day of every year, or quarter, that there is."""
    return tuple(
        date(year, month, 1) for year in range(date.min.year, date.max.year + 1) for month in range(1, 13, months)
    )
