"""What each recipient has in each country, and how much of that rests on what is not confirmed.

Chips are unconfirmed where their rating is, where the authorization they stand under is, or where the movement that
brought them is marked so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from ledger.core.lens import ZERO
from ledger.reports.reader import View
from ledger.reports.usage import COUNTED
from schema.queries import SQL

UNCONFIRMED = "unconfirmed"


@dataclass(slots=True)
class Holding:
    """What stands in each stage, in TPP and, of what was stated in chips, in chips.

    unconfirmed: how much of the TPP rests on what is not confirmed. Stages in which nothing is are absent. What was
    received is told beside what is in transit.
    """

    recipient: str = ""
    destination: str = ""
    tpp: dict[str, Decimal] = field(default_factory=dict)
    chips: dict[str, int] = field(default_factory=dict)
    unconfirmed: dict[str, Decimal] = field(default_factory=dict)

    def add(self, stage: str, chips: int, tpp: Decimal, unconfirmed: Decimal) -> None:
        """Add what an amount of one stage of the journal comes to."""
        told = (*COUNTED.get(stage, ()), *([(stage, 1)] if stage == "received" else []))
        for name, sign in told:
            self.tpp[name] = self.tpp.get(name, ZERO) + sign * tpp
            self.chips[name] = self.chips.get(name, 0) + sign * chips
            if unconfirmed:
                self.unconfirmed[name] = self.unconfirmed.get(name, ZERO) + sign * unconfirmed

    def surely(self) -> Holding:
        """Return it with no more unconfirmed than there is."""
        self.unconfirmed = {
            name: min(tpp, self.tpp[name]) for name, tpp in self.unconfirmed.items() if min(tpp, self.tpp[name]) > 0
        }
        return self


def holdings(view: View, dimension: str, values: Collection[str]) -> list[Holding]:
    """Return what each recipient has in each country, of some countries, recipients or authorizations.

    dimension: `destination`, `recipient` or `authorization`.
    """
    found: dict[tuple[str, str], Holding] = {}
    wanted = {"name": dimension, "values": list(values), "known": view.known, "day": view.on}
    for party, code, chip, per_chip, named, stage, count, tpp, doubted in view.conn.execute(
        SQL["stage_totals_of"], wanted
    ):
        held = found.setdefault((party, code), Holding(party, code))
        if _is_unconfirmed(view, chip, Decimal(per_chip), named):
            doubted = tpp
        held.add(stage, count or 0, tpp, doubted or ZERO)
    return [held.surely() for held in found.values()]


def together(found: Iterable[Holding]) -> Holding:
    """Return the sum of what several have."""
    total = Holding()
    for each in found:
        for mine, its in ((total.tpp, each.tpp), (total.unconfirmed, each.unconfirmed)):
            for name, tpp in its.items():
                mine[name] = mine.get(name, ZERO) + tpp
        for name, count in each.chips.items():
            total.chips[name] = total.chips.get(name, 0) + count
    return total


def _is_unconfirmed(view: View, chip: str, per_chip: Decimal, authorization: str) -> bool:
    knowledge = view.position.knowledge
    terms = knowledge.authorization(authorization, view.on) or knowledge.authorization(authorization)
    if terms and terms.confidence == UNCONFIRMED:
        return True
    ratings = knowledge.ratings(chip)  # the one that the entry froze: what was stated last of that figure
    frozen = next((each for each in reversed(ratings) if each.tpp_per_ic == per_chip), None)
    rating = frozen or knowledge.chip(chip, view.on)
    return rating is not None and rating.confidence == UNCONFIRMED
