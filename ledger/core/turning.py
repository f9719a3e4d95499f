"""Which readings a verdict turns on: those of the rules that answered, and of the caps that were looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledger.core.refusals import Looked
from ledger.core.rulebook import Rulebook
from ledger.core.rules import RuleAnswer

NOTHING: Mapping[str, str] = {}


def turned_on(answers: Iterable[RuleAnswer], looked: Iterable[Looked]) -> Mapping[str, str]:
    """Return the option chosen of each reading that a verdict turns on, by the reading's name; mostly none.

    Where a cap of another book in force later chooses otherwise, that reading's name is followed by `@` and the record
    that adopted the book.
    """
    found: dict[str, str] = {}
    for answer in answers:
        if answer.readings:
            found.update(answer.readings)
    for each in looked:
        for name, chosen in each.adoption.book.turning.get(each.cap.name, ()):
            other = found.setdefault(name, chosen) != chosen
            if other:
                found[f"{name}@{each.adoption.seq}"] = chosen
    return found or NOTHING


def in_words(readings: Mapping[str, str], books: Iterable[Rulebook]) -> list[str]:
    """Return words for each reading that a verdict turns on: `rest (article 5): returns, not stays`."""
    known = {(each.name, each.chosen): each for book in books for each in book.readings.values()}
    words = []
    for name, chosen in readings.items():
        reading = known[name.partition("@")[0], chosen]
        others = " or ".join(option for option in reading.options if option != chosen)
        words.append(f"{name} ({reading.law}): {chosen}, not {others}")
    return words
