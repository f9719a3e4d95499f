"""What differs between two rulebooks, in words a lawyer reads: what each sentence means, and not how it is written."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.core.rulebook import Rulebook
from ledger.rulebooks.comparing.caps import caps
from ledger.rulebooks.comparing.geography import countries, lists, places, tiers
from ledger.rulebooks.comparing.parts import amendments, controls, duties, head, parameters, readings
from ledger.rulebooks.comparing.rules import rules

PARTS = {
    "document": head,
    "parameters": parameters,
    "countries": countries,
    "places": places,
    "lists": lists,
    "tiers": tiers,
    "readings": readings,
    "controls": controls,
    "rules": rules,
    "caps": caps,
    "amendments": amendments,
    "duties": duties,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One sentence on what is other in the second of two books, and the part of the book it is about."""

    part: str
    words: str


def compare(before: Rulebook, after: Rulebook) -> list[Difference]:
    """Return what differs, part by part in a book's order; nothing where both say the same."""
    return [
        Difference(part, words.replace("the ", "The ", 1) if words.startswith("the ") else words)
        for part, compared in PARTS.items()
        for words in compared(before, after)
    ]
