"""What brings a duty about: movements, counters that reach a number, and the calendar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ledger.core import counters
from ledger.core.conditions import Truth, subject_value
from ledger.core.duties.owed import Act, Owed, applies, calendar_due_on, due_on, owed_by, party_of
from ledger.core.facts import UNKNOWN, VALIDATED_END_USERS, Authorization, Chip
from ledger.core.knowledge import Knowledge, is_active
from ledger.core.lens import NOTHING, Amount, Key, limit_on
from ledger.core.profile import Profile, Seat
from ledger.core.rulebook import Cap, Dates, Duty, Every, First, OneShipment, Reaches, Rulebook, Span
from ledger.core.rulebook.duties import shifted

ONE_YEAR = 365  # days


@dataclass(frozen=True, slots=True)
class Met:
    """What is owed, and the record that carries evidence of it, None where none does."""

    owed: Owed
    evidence: int | None = None


def of_each(duty: Duty, book: Rulebook, acts: Iterable[Act]) -> Iterator[Met]:
    """Yield what is owed for each movement, once for each party that owes it.

    Evidence on every line that matches meets it; on some of them it does not.
    """
    groups: dict[tuple[int, str], list[tuple[Act, Truth]]] = {}
    for act, truth in _matching(duty, book, acts):
        groups.setdefault((act.record, party_of(duty, act.profile)), []).append((act, truth))
    for (_, party), lines in groups.items():
        doubt = all(truth is None for _, truth in lines)
        yield _of_lines(duty, book, party, [act for act, _ in lines], doubt)


def of_one_shipment(duty: Duty, book: Rulebook, acts: Iterable[Act]) -> Iterator[Met]:
    """Yield what is owed for each movement that ships so much in one, its lines that match taken together."""
    assert isinstance(duty.when, OneShipment)
    records: dict[int, list[tuple[Act, Truth]]] = {}
    for act, truth in _matching(duty, book, acts):
        records.setdefault(act.record, []).append((act, truth))
    for lines in records.values():
        amounts = [_amount(act) if truth else _doubtful(_amount(act)) for act, truth in lines]
        reached = _is_reached(_sum(amounts), duty.when.amount, duty.when)
        if reached is False:
            continue
        for party in dict.fromkeys(party_of(duty, act.profile) for act, _ in lines):
            own = [act for act, _ in lines if party_of(duty, act.profile) == party]
            yield _of_lines(duty, book, party, own, reached is None)


def of_first(duty: Duty, book: Rulebook, acts: Iterable[Act]) -> Iterator[Met]:
    """Yield what is owed for the first movement per facility, party or destination."""
    assert isinstance(duty.when, First)
    seen: set[str] = set()
    for act, truth in sorted(_matching(duty, book, acts), key=lambda each: (each[0].day, *each[0][:2])):
        subject = _per(duty.when.per, act.profile, book, act.day) or f"{duty.who}={party_of(duty, act.profile)}"
        if subject not in seen:
            seen.add(subject)
            doubt = truth is None or subject.endswith(f"={UNKNOWN}")
            owed = owed_by(
                duty, book, party_of(duty, act.profile), act.day, due_on(duty, act), act=act, subject=subject,
                doubt=doubt,
            )  # fmt: skip
            yield Met(owed, act.record if duty.name in act.evidence else None)


def of_every(duty: Duty, book: Rulebook, changes: Iterable[tuple[Profile, date, Decimal]], on: date) -> Iterator[Met]:
    """Yield what is owed again and again, up to the next time after a day.

    changes: how what is in transit or stands somewhere changed, by day. The first day begins the first span; a span in
    which nothing was there and nothing moved brings nothing about.
    """
    assert isinstance(duty.when, Every)
    days: dict[tuple[str, str], dict[date, Decimal]] = {}
    unsure: set[tuple[str, str]] = set()
    for profile, day, tpp in changes:
        truth = applies(duty, profile, book, day)
        if truth is False or day > on:
            continue
        key = party_of(duty, profile), _per(duty.when.per, profile, book, day)
        of = days.setdefault(key, {})
        of[day] = of.get(day, Decimal(0)) + tpp
        if truth is None or key[1].endswith(f"={UNKNOWN}"):
            unsure.add(key)
    for (party, per), of in days.items():
        first, held = min(of), Decimal(0)
        start, times = first, 0
        while start <= on and start < date.max:
            times += 1
            end = duty.when.after(first, times)
            moved = [tpp for day, tpp in of.items() if start <= day < end]
            if held or moved:
                due, subject = calendar_due_on(duty, end), f"{per} {end}".strip()
                yield Met(owed_by(duty, book, party, start, due, subject=subject, doubt=(party, per) in unsure))
            held += sum(moved, Decimal(0))
            start = end


def of_dates(duty: Duty, book: Rulebook, knowledge: Knowledge, days: Span, on: date) -> Iterator[Met]:
    """Yield what whoever holds a validated end-user status owes on each date, up to the next one after a day.

    days: when the book is asked. Where nothing says since when a status is held, only the last year is looked at.
    """
    assert isinstance(duty.when, Dates)
    owing: dict[tuple[str, date], bool] = {}
    for name, last in knowledge.authorizations.items():
        if last.kind not in VALIDATED_END_USERS:
            continue
        first = knowledge.statements(name)[0]
        since = max(day for day in (first.first_day or first.state_from or shifted(on, -ONE_YEAR), days.first) if day)
        for day in _dates(duty.when.days, since, on):
            terms = knowledge.authorization(name, day)
            if terms is None or not is_active(terms, day) or not days.covers(day):
                continue
            truth = applies(duty, _as_holder(terms, knowledge, day), book, day)
            if truth is not False:
                key = terms.recipient, day
                owing[key] = owing.get(key, True) and truth is None
    for (party, day), doubt in owing.items():
        due = calendar_due_on(duty, day)
        yield Met(owed_by(duty, book, party, day, due, subject=day.isoformat(), doubt=doubt))


@dataclass(frozen=True, slots=True)
class Reached:
    """A counter stood at a duty's number for the first time on a day; doubt: it turns on something unknown.

    before: what was used before what counts from `moved_on`, the day of the change that did it.
    """

    day: date
    moved_on: date
    before: Amount
    doubt: bool


def reached(when: Reaches, cap: Cap, days: Mapping[date, Amount]) -> Reached | None:
    """Return when a counter first reached an amount or a share of its limit, None where it never did."""
    steps = {day for day, _ in cap.limit.steps if day and day > min(days)} if when.share is not None else set()
    before, total, moved_on, found = NOTHING, NOTHING, min(days), None
    for day in sorted({*days, *steps}):
        if day in days:
            before, moved_on = total, day
            total = total.plus(days[day])
        answer = _is_reached(total, _threshold(when, cap, day), when)
        if answer:
            return Reached(day, moved_on, before, doubt=False)
        if answer is None and found is None and any(total):
            found = Reached(day, moved_on, before, doubt=True)
    return found


def reaching(when: Reaches, cap: Cap, found: Reached, acts: Iterable[tuple[Act, Amount]]) -> Act | None:
    """Return which of the day's movements, in the order in which they were recorded, made the counter reach it."""
    total, last = found.before, None
    for act, amount in acts:
        total = total.plus(amount)
        last = act
        if _is_reached(total, _threshold(when, cap, found.day), when) is not False:
            break
    return last


def of_counter(
    duty: Duty, book: Rulebook, key: Key, found: Reached, act: Act | None, first_on: date | None
) -> Iterator[Met]:
    """Yield what is owed for a counter that reached a number, by the movement that made it."""
    truth: Truth = applies(duty, act.profile, book, act.day) if act else None
    if truth is False:
        return
    subject = f"{key.subject} {key.window}" if key.window > date.min else key.subject
    party = party_of(duty, act.profile) if act else UNKNOWN
    due = due_on(duty, act, first_on) if act else None
    owed = owed_by(duty, book, party, found.day, due, act=act, subject=subject, doubt=found.doubt or truth is None)
    yield Met(owed, act.record if act and duty.name in act.evidence else None)


def _of_lines(duty: Duty, book: Rulebook, party: str, acts: list[Act], doubt: bool) -> Met:
    first = min(acts, key=lambda act: act.line)
    evident = all(duty.name in act.evidence for act in acts)
    arrived = min((act.received_on for act in acts if act.received_on), default=None)
    due = due_on(duty, first._replace(received_on=arrived))
    owed = owed_by(duty, book, party, first.day, due, act=first, doubt=doubt)
    return Met(owed, first.record if evident else None)


def _matching(duty: Duty, book: Rulebook, acts: Iterable[Act]) -> Iterator[tuple[Act, Truth]]:
    for act in acts:
        truth = applies(duty, act.profile, book, act.day)
        if truth is not False:
            yield act, truth


def _per(per: str, profile: Profile, book: Rulebook, day: date) -> str:
    return f"{per}={subject_value(per, profile, book, day)}" if per else ""


def _amount(act: Act) -> Amount:
    return Amount(act.tpp, act.chips or 0, unstated_tpp=act.tpp if act.chips is None else Decimal(0))


def _doubtful(amount: Amount) -> Amount:
    return Amount(doubt_tpp=amount.tpp, doubt_chips=amount.chips, unstated_tpp=amount.unstated_tpp)


def _sum(amounts: Iterable[Amount]) -> Amount:
    total = NOTHING
    for amount in amounts:
        total = total.plus(amount)
    return total


def _threshold(when: Reaches, cap: Cap, day: date) -> Decimal | None:
    if when.share is None:
        return when.amount
    limit = None if cap.limit.unlimited else limit_on(cap, day)
    return None if limit is None else limit * when.share


def _is_reached(total: Amount, threshold: Decimal | None, when: Reaches | OneShipment) -> Truth:
    """Return whether a total is at a number; None where that turns on what is in doubt, or the number is unknown."""
    if threshold is None:
        return None
    certain, doubt, unstated = counters.measured(total, when.unit)
    if certain >= threshold:
        return True
    return None if unstated or certain + doubt >= threshold else False


def _dates(days: Iterable[str], since: date, on: date) -> Iterator[date]:
    """Yield the days of each year from one day up to the next of them after another."""
    years = range(since.year, min(max(on, since).year + 1, date.max.year) + 1)
    every = sorted(date.fromisoformat(f"{year:04}-{day}") for year in years for day in days)
    for day in every:
        if day >= since:
            yield day
        if day > max(on, since):
            return


def _as_holder(terms: Authorization, knowledge: Knowledge, day: date) -> Profile:
    """Return the facts that a duty of a holder may be asked about: of a movement to it under its status."""
    seat = knowledge.seat(terms.recipient, day) or Seat(terms.recipient)
    parent = knowledge.seat(seat.parent, day) or Seat(UNKNOWN)
    nothing = Chip("", "")
    return Profile(
        terms.destination, seat, seat, seat, parent, nothing.chip, nothing.base_chip, nothing.tpp,
        authorization=terms.authorization, authorization_kind=terms.kind,
    )  # fmt: skip
