"""Does a rule or cap apply to a movement? Yes, no, or unknown: three-valued, so that unknown is never taken for yes."""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any as AnyType

from ledger.core.facts import UNKNOWN
from ledger.core.profile import Profile, Seat
from ledger.core.rulebook import All, Condition, Rulebook, Test
from ledger.core.rulebook import Any as AnyOf

Truth = bool | None  # None is unknown
Value = str | Decimal | date | bool | None
_NUMBERS = frozenset({"tpp", "dram_bandwidth", "us_available_on", "training_operations"})

_COMPARE: Mapping[str, Callable[[AnyType, AnyType], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq,
}  # fmt: skip


def holds(condition: Condition, profile: Profile, book: Rulebook, day: date) -> Truth:
    """Return whether a condition holds for a profile on a day, or None where that turns on something unknown."""
    match condition:
        case Test():
            return _test(condition, profile, book, day)
        case All(of=parts):
            return _all(holds(part, profile, book, day) for part in parts)
        case AnyOf(of=parts):
            return _any(holds(part, profile, book, day) for part in parts)


def may_hold(condition: Condition, kind: str, destination: str, book: Rulebook, day: date) -> bool:
    """Return whether a condition may hold, by an authorization's kind and a destination alone: False is certain.

    What else it asks is not looked at, so that profiles for which it cannot hold need not be fetched.
    """
    if isinstance(condition, All):
        return all(may_hold(part, kind, destination, book, day) for part in condition.of)
    if isinstance(condition, AnyOf):
        return any(may_hold(part, kind, destination, book, day) for part in condition.of)
    looked_at: dict[str, str | None] = {
        "authorization": kind, "destination": book.place(destination), "destination_tier": book.tier(destination, day),
    }  # fmt: skip
    if condition.dimension not in looked_at:
        return True
    truth = _member((looked_at[condition.dimension],), _codes(condition, book, day))
    return truth is not (condition.op == "not_in")


class Conditions:
    """The conditions of a book's rules, or of its caps, asked together.

    Remembers what came of them for all that they look at, between two days on which the book changes: recipients that
    differ in nothing that the book names are asked once.
    """

    def __init__(self, book: Rulebook, conditions: Iterable[Condition]) -> None:
        self._book = book
        self._conditions = tuple(conditions)
        self._dimensions = sorted({test.dimension for condition in self._conditions for test in _tests(condition)})
        self._truths: dict[tuple[object, ...], tuple[Truth, ...]] = {}

    def truths(self, profile: Profile, day: date) -> tuple[Truth, ...]:
        """Return whether each condition holds, in their order."""
        book = self._book
        looked_at = [_looked_at(dimension, profile, book, day) for dimension in self._dimensions]
        key = (bisect_right(book.boundaries, day), *looked_at)
        known = self._truths.get(key)
        if known is None:
            known = self._truths[key] = tuple([holds(each, profile, book, day) for each in self._conditions])
        return known


def asks_for(condition: Condition, dimension: str) -> bool:
    """Return whether a condition asks for a dimension."""
    return any(test.dimension == dimension for test in _tests(condition))


def unknown_in(condition: Condition, profile: Profile, book: Rulebook, day: date) -> list[str]:
    """Return the dimensions on which a condition that is unknown turns, in its order."""
    if isinstance(condition, Test):
        return [condition.dimension] if _test(condition, profile, book, day) is None else []
    return [name for part in condition.of for name in unknown_in(part, profile, book, day)]


def subject_value(dimension: str, profile: Profile, book: Rulebook, day: date) -> str:
    """Return what a counter is kept for in one dimension of `by`; `unknown` where it is not known."""
    match dimension:
        case "destination":
            return book.place(profile.destination)
        case "tier":
            return book.tier(profile.destination, day) or UNKNOWN
        case "chip":
            return profile.base_chip
        case "ultimate_parent":
            return profile.recipient.parent
        case "exporter":
            return profile.exporter.party if profile.exporter else UNKNOWN
        case "recipient" | "owner" | "operator" | "booked_to":
            return _seat(profile, dimension).party
        case "facility":
            return profile.facility or UNKNOWN
        case "authorization":
            return profile.authorization or profile.authorization_kind
    raise AssertionError(f"no such dimension: {dimension}")


def _test(test: Test, profile: Profile, book: Rulebook, day: date) -> Truth:
    if test.dimension == "any_owned":
        return _any(_is_owned(seat, test.values[0]) for seat in (profile.recipient, profile.owner, profile.operator))
    if test.op in _COMPARE:
        known = _number(test.dimension, profile)
        return None if known is None else _COMPARE[test.op](known, test.values[0])
    allowed = _codes(test, book, day)
    if test.dimension.endswith("_headquarters"):
        truth = _headquarters(test.dimension, profile, book, allowed)
    elif test.dimension == "booked_to_is":
        truth = _any(_is_booked_to(profile, word) for word in sorted(allowed))
    else:
        truth = _member(_values(test.dimension, profile, book, day), allowed)
    if test.op == "not_in":
        return None if truth is None else not truth
    return truth


def _codes(test: Test, book: Rulebook, day: date) -> frozenset[str]:
    codes: set[str] = set()
    for value in test.values:
        text = str(value)
        codes |= book.members(text[1:], day) if text.startswith("@") else {text}
    return frozenset(codes)


def _tests(condition: Condition) -> Iterator[Test]:
    if isinstance(condition, Test):
        yield condition
    else:
        for part in condition.of:
            yield from _tests(part)


def _looked_at(dimension: str, profile: Profile, book: Rulebook, day: date) -> object:
    """Return all that a test of one dimension looks at."""
    if dimension.endswith("_headquarters"):
        return _seats_of(dimension, profile)
    if dimension == "any_owned":
        seats = (profile.recipient, profile.owner, profile.operator)
        return tuple([(seat.listed_share, seat.listed_parent) for seat in seats])
    if dimension == "booked_to_is":  # not who they are: else everyone would be asked anew
        return _is_booked_to(profile, "owner_parent"), _is_booked_to(profile, "operator_parent")
    if dimension in _NUMBERS:
        return _number(dimension, profile)
    return _values(dimension, profile, book, day)


def _seats_of(dimension: str, profile: Profile) -> tuple[str, ...]:
    """Return the codes of the seats that a dimension is about; `unknown` among them where one is not known."""
    if dimension in ("any_headquarters", "all_headquarters"):
        seats = [profile.recipient, profile.owner, profile.operator]
    else:
        seats = [_seat(profile, dimension.removesuffix("_headquarters"))]
    return tuple([code for seat in seats for code in (seat.headquarters, seat.parent_headquarters)])


def _headquarters(dimension: str, profile: Profile, book: Rulebook, allowed: frozenset[str]) -> Truth:
    """The law asks for any of the seats to deny, and for all of them to exempt; never the exporter's."""
    truths = [_member((_country(code, book),), allowed) for code in _seats_of(dimension, profile)]
    return _all(truths) if dimension == "all_headquarters" else _any(truths)


def _is_owned(seat: Seat, least: AnyType) -> Truth:
    """Return whether listed parties own so much of a party; unknown where only its parent's share is missing."""
    if seat.listed_share >= least:
        return True
    return None if seat.listed_parent >= least else False


def _is_booked_to(profile: Profile, word: str) -> Truth:
    """Return whether a movement is booked to its owner's (`owner_parent`) or operator's ultimate parent."""
    parent = _seat(profile, word.removesuffix("_parent")).parent
    return None if UNKNOWN in (profile.booked_to.party, parent) else profile.booked_to.party == parent


def _values(dimension: str, profile: Profile, book: Rulebook, day: date) -> tuple[str | None, ...]:
    """Return what the profile says in a dimension; a None among them is unknown."""
    match dimension:
        case "destination":
            return (_country(profile.destination, book),)
        case "destination_tier":
            return (book.tier(profile.destination, day),)
        case "authorization":
            return (profile.authorization_kind,)
        case "control":
            return (book.control(profile.base_chip, profile.meets),)
        case "data_center":
            return (None if profile.data_center is None else "yes" if profile.data_center else "no",)
        case "exported_from":
            return (_country(profile.exported_from, book),)
        case "booked_to_is":
            return profile.booked_to.party, profile.owner.parent, profile.operator.parent
        case "operator_holds":
            return profile.operator.holds
        case "owner_holds":
            return profile.owner.holds
        case "evidence":
            return profile.evidence
        case "eccn" | "activity" | "end_use":
            return (str(getattr(profile, dimension)) or None,)
    value = subject_value(dimension, profile, book, day)
    return (None if value == UNKNOWN else value,)


def _country(code: str, book: Rulebook) -> str | None:
    """Return the country that a code counts as. Whether one that the book does not know is on a list is unknown."""
    return book.place(code) if book.knows(code) else None


def _number(dimension: str, profile: Profile) -> Value:
    match dimension:
        case "tpp":  # per integrated circuit
            return profile.tpp_per_chip
        case "dram_bandwidth":
            return profile.dram_bandwidth
        case "us_available_on":
            return profile.released
        case "training_operations":
            return profile.training_operations
    return None


def _seat(profile: Profile, role: str) -> Seat:
    seat: Seat = getattr(profile, role)
    return seat


def _member(values: tuple[str | None, ...], allowed: frozenset[str]) -> Truth:
    if any(value in allowed for value in values if value is not None):
        return True
    return None if None in values else False


def _all(truths: Iterable[Truth]) -> Truth:
    answer: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            answer = None
    return answer


def _any(truths: Iterable[Truth]) -> Truth:
    answer: Truth = False
    for truth in truths:
        if truth is True:
            return True
        if truth is None:
            answer = None
    return answer
