"""Who owes which notice by when, under the rulebook in force on each day, as known at a record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger.core import duties as core
from ledger.core.conditions import Conditions, may_hold
from ledger.core.duties import Act, Met, Owed
from ledger.core.knowledge import EVER, Adoption
from ledger.core.lens import NOTHING, Amount, Key
from ledger.core.profile import Profile
from ledger.core.rulebook import (
    Cap,
    Condition,
    Dates,
    Duty,
    Each,
    Every,
    First,
    OneShipment,
    Reaches,
    Span,
    Test,
)
from ledger.reports.reader import View
from ledger.store.acts import Wanted, acts, acts_on, first_acts, notices
from ledger.store.alike import days_of
from schema.queries import SQL

SHIPPING = ("ship", "reexport")  # what ships chips
_OWN_EVIDENCE = ("reserve", "grant", "ship", "transfer", "reexport")  # its lots have the evidence of its lines


class _Alike(NamedTuple):
    """Profiles that share the kind of their authorization and their destination."""

    kind: str
    destination: str
    profiles: list[int]


def duties(view: View, *, party: str = "", met: bool = True) -> list[Owed]:
    """Return what is owed by the duties of the books asked: overdue first, then due, undetermined and met.

    What is due before a shipment is told as soon as a shipment is posted, however far ahead it is dated; of duties that
    come by the calendar the next one is told.

    Args:
        party: only what this party owes. met: what was done, too.
    """
    adoptions = {adoption.seq: adoption for _, adoption in view.position.timeline if adoption.book.duties}
    names = sorted({duty.name for adoption in adoptions.values() for duty in adoption.book.duties})
    filed = core.Notices(notices(view.conn, names, view.known), view.on) if names else core.Notices((), view.on)
    alike = _alike(view) if names else []
    owed = [
        core.settled(each.owed, filed, view.on, each.evidence)
        for adoption in adoptions.values()
        for duty in adoption.book.duties
        for each in _of(view, adoption, duty, met, alike)
    ]
    return core.in_order(each for each in owed if (met or each.is_open) and party in ("", each.party))


def _of(view: View, adoption: Adoption, duty: Duty, met: bool, alike: Sequence[_Alike]) -> Iterator[Met]:
    """Yield what one duty of a book brings about on the days on which the book is the one asked."""
    book, when = adoption.book, duty.when
    match when:
        case Dates():
            for span, asked in view.position.timeline:
                if asked is adoption:
                    days = Span(None if span.first == EVER else span.first, span.until)
                    yield from core.of_dates(duty, book, view.position.knowledge, days, view.on)
            return
        case Reaches():
            found = _by_counters(view, adoption, duty, when)
        case First():
            wanted = _wanted(view, duty, _profiles(view, adoption, duty, alike))
            lines = first_acts(view.conn, view.profiles, when.kind, wanted, book.boundaries)
            found = core.of_first(duty, book, lines)
        case Every():
            found = core.of_every(duty, book, _changes(view, adoption, duty, alike), view.on)
        case OneShipment():
            found = core.of_one_shipment(duty, book, _shipments(view, adoption, duty, when, alike))
        case Each():
            without = "" if met or when.kind not in _OWN_EVIDENCE else duty.name
            wanted = _wanted(view, duty, _profiles(view, adoption, duty, alike, without), when.causes)
            found = core.of_each(duty, book, acts(view.conn, view.profiles, when.kind, wanted))
    for each in found:
        if _is_asked(view, adoption, each.owed.triggered_on):
            yield each


def _is_asked(view: View, adoption: Adoption, day: date) -> bool:
    asked = view.position.book_on(day)
    return asked is not None and asked.seq == adoption.seq


def _wanted(view: View, duty: Duty, profiles: list[int], causes: tuple[str, ...] = ()) -> Wanted:
    until = None if duty.due.looks_ahead else view.on
    return Wanted(profiles, view.known, until, causes, arrivals=duty.due.kind == "receipt")


def _alike(view: View) -> list[_Alike]:
    return [_Alike(*row) for row in view.conn.execute(SQL["profiles_alike"])]


def _profiles(
    view: View, adoption: Adoption, duty: Duty, alike: Sequence[_Alike], without: str = ""
) -> list[int]:  # fmt: skip
    """Return the profiles that a duty's `where` may hold for on some day; not those with a kind of evidence."""
    book = adoption.book
    asked = Conditions(book, [duty.where])
    days = (date.min, *book.boundaries) if _is_dated(duty.where) else (date.min,)
    numbers = [
        number
        for each in alike
        if any(may_hold(duty.where, each.kind, each.destination, book, day) for day in days)
        for number in each.profiles
    ]
    by_id = view.profiles.get(numbers)
    return [
        number
        for number in sorted(numbers)
        if not (without and without in by_id[number].evidence)
        and any(asked.truths(by_id[number], day)[0] is not False for day in days)
    ]


def _is_dated(where: Condition) -> bool:
    """Return whether a condition names a list or a tier, whose members come and go."""
    if isinstance(where, Test):
        return "tier" in where.dimension or any(str(value).startswith("@") for value in where.values)
    return any(_is_dated(part) for part in where.of)


def _shipments(view: View, adoption: Adoption, duty: Duty, when: OneShipment, alike: Sequence[_Alike]) -> list[Act]:
    wanted = _wanted(view, duty, _profiles(view, adoption, duty, alike))
    least = {"least_tpp" if when.unit == "TPP" else "least_chips": when.amount}
    sized = Wanted(wanted.profiles, wanted.known, wanted.until, arrivals=wanted.arrivals, **least)  # type: ignore[arg-type]
    return [act for kind in SHIPPING for act in acts(view.conn, view.profiles, kind, sized)]


def _changes(
    view: View, adoption: Adoption, duty: Duty, alike: Sequence[_Alike]
) -> Iterator[tuple[Profile, date, Decimal]]:
    """Yield how what is in transit or installed changed, by profile and day."""
    wanted = {"profiles": _profiles(view, adoption, duty, alike), "known": view.known, "until": view.on}
    for number, day, tpp in view.conn.execute(SQL["held_by_profile"], wanted).fetchall():
        yield view.profiles.by_id[number], day, tpp


def _by_counters(view: View, adoption: Adoption, duty: Duty, when: Reaches) -> Iterator[Met]:
    lens = view.position.lenses[adoption.seq]
    cap = next(cap for cap in adoption.book.caps if cap.name == when.counter)
    touching: dict[str, list[int]] | None = None
    for key, days in _counters(view, adoption, cap, when).items():
        kept = cap.of_subject(key.subject)
        found = core.reached(when, kept, days)
        if found is None or (found.day > view.on and not duty.due.looks_ahead):
            continue
        touching = touching or _touching(view, adoption, cap)  # asks the lens of every profile: only where it must
        wanted = _wanted(view, duty, touching[key.subject])
        day = list(acts_on(view.conn, view.profiles, lens, key, found.moved_on, wanted))
        act = core.reaching(when, kept, found, day)
        first_on = _first_on(view, duty, key, lens.span_of(key), wanted, act) if duty.due.kind == "first" else None
        yield from core.of_counter(duty, adoption.book, key, found, act, first_on)


def _first_on(view: View, duty: Duty, key: Key, span: Span, wanted: Wanted, act: Act | None) -> date | None:
    """Return when the party that owes a duty first shipped what the counter counts, in its window."""
    if act is None:
        return None
    edges = [day for day in (span.first, span.until) if day]
    return min(
        (
            each.day
            for kind in SHIPPING
            for each in first_acts(view.conn, view.profiles, kind, wanted, edges)
            if span.covers(each.day) and core.party_of(duty, each.profile) == core.party_of(duty, act.profile)
        ),
        default=None,
    )


def _touching(view: View, adoption: Adoption, cap: Cap) -> dict[str, list[int]]:
    """Return the profiles that may touch one cap's counters, by subject."""
    lens = view.position.lenses[adoption.seq]
    found: dict[str, list[int]] = {}
    for number, profile in view.profiles.all().items():
        for _, name, subject in lens.ever_touched(profile):
            if name == cap.name:
                found.setdefault(subject, []).append(number)
    return found


def _counters(view: View, adoption: Adoption, cap: Cap, when: Reaches) -> dict[Key, dict[date, Amount]]:
    """Return one cap's counters by day, of those that may ever have reached what a duty names."""
    if not view.is_kept:
        lens = view.position.lenses[adoption.seq]
        return days_of(
            view.conn, [lens], view.profiles, view.known, lambda _, name, __: name == cap.name, first=date.min
        )  # fmt: skip
    least = _least(cap, when)
    of = {
        "book": adoption.seq,
        "cap": cap.name,
        "least_tpp": least if when.unit == "TPP" else None,
        "least_chips": least if when.unit != "TPP" else None,
    }
    kept: dict[Key, dict[date, Amount]] = {}
    for subject, window, day, *amount in view.conn.execute(SQL["counter_days_reaching"], of):
        if Amount(*amount) != NOTHING:
            kept.setdefault(Key(adoption.seq, cap.name, subject, window), {})[day] = Amount(*amount)
    return kept


def _least(cap: Cap, when: Reaches) -> Decimal | None:
    """Return the least amount that a duty may begin at, None where it may be any."""
    if when.share is None:
        return when.amount
    limits = [step for limit in (cap.limit, *(each.limit for each in cap.amended)) for _, step in limit.steps]
    known = [limit for limit in limits if limit is not None]
    return when.share * min(known) if known and len(known) == len(limits) else None
