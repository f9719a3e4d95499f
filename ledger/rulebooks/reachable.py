"""Can anybody come under a cap? Looked for among all countries, days, chips of the catalog and rules of the book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import product

from ledger import reference
from ledger.core.facts import AUTHORIZATION_KINDS, Chip
from ledger.core.movements import ACTIVITIES
from ledger.core.rulebook import ALWAYS, All, Cap, Condition, Rulebook, Span, Test
from ledger.core.rulebook import Any as AnyOf
from ledger.rulebooks.wording import condition

_PLACE = ("destination", "destination_tier")
_CHIP = ("chip", "control", "data_center", "tpp", "dram_bandwidth", "us_available_on")
_SEVERAL = ("evidence", "operator_holds", "owner_holds", "booked_to_is")  # one movement may have several of them
_KNOWN = {"authorization": AUTHORIZATION_KINDS, "activity": ACTIVITIES}
_MOST = 2_000  # alternatives; more are not looked at

Term = tuple[Test, ...]  # all of them must hold


def why_nobody(book: Rulebook, cap: Cap) -> str:
    """Return why nobody can come under a cap, in words; "" where somebody can, or that cannot be told."""
    own = _terms(cap.where)
    if len(own) > _MOST:
        return ""
    unmet = {_unmet(book, cap, term, ALWAYS) for term in own}
    if "" not in unmet:
        return f"{cap.name} is for nobody: {_in_words(unmet)} {condition(cap.where)}."
    doors = [
        (term, rule.span)
        for rule in book.rules
        if rule.answer not in ("deny", "undetermined")
        for term in _terms(rule.where)
    ]
    if len(own) * len(doors) > _MOST:
        return ""
    if any(not _unmet(book, cap, (*mine, *theirs), span) for mine in own for theirs, span in doors):
        return ""
    return f"{cap.name} is for nobody: no rule opens a door to what it counts: {condition(cap.where)}."


def is_under(book: Rulebook, cap: Cap, destination: str) -> bool:
    """Return whether anything that goes to a destination can come under a cap."""
    named = Test("destination", "in", (destination,))
    return any(not _unmet(book, cap, (*term, named), ALWAYS) for term in _terms(cap.where)[:_MOST])


def _terms(where: Condition) -> list[Term]:
    """Return a condition as alternatives, each of tests that must all hold."""
    match where:
        case Test():
            return [(where,)]
        case All(of=parts):
            found: list[Term] = [()]
            for part in parts:
                found = [(*left, *right) for left, right in product(found[:_MOST], _terms(part))]
            return found
        case AnyOf(of=parts):
            return [term for part in parts for term in _terms(part)]


def _unmet(book: Rulebook, cap: Cap, term: Term, span: Span) -> str:
    """Return the first dimension in which nothing can meet all tests; "" where something may."""
    days = list(_days(book, cap, span))
    if not days:
        return "days"
    place = [test for test in term if test.dimension in _PLACE]
    countries = [code for code in book.countries if book.place(code) == code]
    if place and not any(_at(book, place, code, day) for day in days for code in countries):
        return "destination"
    chips = [test for test in term if test.dimension in _CHIP]
    if cap.counts == "authorizations":  # of what is no chip: its class is a word
        chips = []
    if chips and not any(_is(book, chips, chip) for chip in reference.chips() if chip.base_chip == chip.chip):
        return "chip"
    rest = [test for test in term if test not in place and test not in chips]
    for dimension in dict.fromkeys(test.dimension for test in rest):
        if not _has(book, dimension, [test for test in rest if test.dimension == dimension], days):
            return dimension
    return ""


def _days(book: Rulebook, cap: Cap, span: Span) -> Iterator[date]:
    """Yield a day of every stretch on which nothing changes and both a rule and a cap's window hold."""
    for day in {date.min, *book.boundaries, *(each for each in (span.first, cap.window.span.first) if each)}:
        if span.covers(day) and cap.window.span.covers(day):
            yield day


def _at(book: Rulebook, tests: Iterable[Test], code: str, day: date) -> bool:
    stands = {"destination": code, "destination_tier": book.tier(code, day)}
    return all((stands[test.dimension] in _values(book, test, day)) == (test.op == "in") for test in tests)


def _is(book: Rulebook, tests: Iterable[Test], chip: Chip) -> bool:
    for test in tests:
        if test.op in ("in", "not_in"):
            data_center = None if chip.data_center is None else "yes" if chip.data_center else "no"
            named = {"chip": chip.chip, "control": book.control(chip.chip, chip.control), "data_center": data_center}
            value = named[test.dimension]
            if value is not None and (value in test.values) != (test.op == "in"):
                return False
        elif not _compares(test, chip):
            return False
    return True


def _compares(test: Test, chip: Chip) -> bool:
    bound = test.values[0]
    if isinstance(bound, date):
        return chip.released is None or _ordered(test.op, chip.released, bound)
    value = chip.tpp_per_ic if test.dimension == "tpp" else chip.dram_bandwidth_gb_s
    return value is None or not isinstance(bound, Decimal) or _ordered(test.op, value, bound)


def _ordered(op: str, left: date | Decimal, right: date | Decimal) -> bool:
    sign = (left > right) - (left < right)  # type: ignore[operator]
    return {"<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0, "==": not sign}[op]


def _has(book: Rulebook, dimension: str, tests: list[Test], days: list[date]) -> bool:
    """Return whether a value of a dimension may meet all its tests on some day."""
    asked = [test for test in tests if test.op == "in"]
    if dimension.endswith("_headquarters") or dimension in _SEVERAL:
        return any(all(_values(book, test, day) for test in asked) for day in days)
    barred = [test for test in tests if test.op == "not_in"]
    for day in days:
        left = [_values(book, test, day) for test in asked]
        left += [frozenset(_KNOWN[dimension])] if dimension in _KNOWN else []
        gone = frozenset(value for test in barred for value in _values(book, test, day))
        if not left or frozenset.intersection(*left) - gone:
            return True
    return False


def _values(book: Rulebook, test: Test, day: date) -> frozenset[str]:
    """Return what a test names on a day, lists followed."""
    found: set[str] = set()
    for value in map(str, test.values):
        found |= book.members(value[1:], day) if value.startswith("@") else {value}
    return frozenset(found)


def _in_words(unmet: set[str]) -> str:
    words = {"days": "no day is in its window and meets", "chip": "no chip of the catalog meets"}
    return " and ".join(words.get(each, f"no {each.replace('_', ' ')} meets") for each in sorted(unmet))
