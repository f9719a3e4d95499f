"""What is known as of a journal number: parties, chips, authorizations and adopted rulebooks, each on any day.

A fact is dated (the day it holds from) and numbered (the record that stated it). On a day holds the statement with the
latest first day; among equals, the one recorded last.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

from ledger.core.facts import UNKNOWN, Authorization, Chip, FourEyes, Notice, Ownership, Party, Stock
from ledger.core.groups import Groups
from ledger.core.listing import LISTED, NONE, Reach, reach
from ledger.core.profile import Seat
from ledger.core.rulebook import Rulebook

EVER = date.min
Fact = TypeVar("Fact")
Numbered = TypeVar("Numbered", Party, Chip, Authorization)
MAJORITY = Decimal(50)  # more than this share makes a parent


@dataclass(frozen=True, slots=True)
class Adoption:
    """A rulebook adopted by record `seq` for the days from `first` until `until` (excluded, None = open)."""

    seq: int
    book: Rulebook
    first: date
    until: date | None = None

    def covers(self, day: date) -> bool:
        """Return whether the adoption covers a day."""
        return self.first <= day and (self.until is None or day < self.until)


@dataclass(slots=True)
class _Dated(Generic[Fact]):
    """Statements about one subject, in order of first day, then of record."""

    days: list[date] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def add(self, first: date | None, fact: Fact) -> None:
        at = bisect_right(self.days, first or EVER)
        self.days.insert(at, first or EVER)
        self.facts.insert(at, fact)

    def on(self, day: date) -> Fact | None:
        at = bisect_right(self.days, day)
        return self.facts[at - 1] if at else None


class Knowledge:
    """Facts up to record `seq`. Grows by `add`, in the journal's order; reading never changes it."""

    def __init__(self) -> None:
        self.seq = 0
        self.adoptions: list[Adoption] = []
        self.closed_until: date | None = None
        self.four_eyes = FourEyes()
        self._parties: dict[str, _Dated[Party]] = {}
        self._chips: dict[str, _Dated[Chip]] = {}
        self._authorizations: dict[str, _Dated[Authorization]] = {}
        self._holders: dict[str, set[str]] = {}
        self._owners: dict[str, dict[str, _Dated[Ownership]]] = {}
        self._edges: list[date] = []
        self._stocks: dict[str, list[Stock]] = {}
        self.groups = Groups(self._top)
        self._any_listed = False

    def add(
        self, fact: Party | Ownership | Stock | Chip | Authorization | Notice | Adoption | FourEyes | date, seq: int
    ) -> None:
        """Take in one fact; a bare day is the last day of a closed period. Notices are many, and are not kept here."""
        match fact:
            case Party():
                self._parties.setdefault(fact.party, _Dated()).add(fact.valid_from, fact)
                self._changes_on(fact.valid_from)
                self.groups.state(fact.party, fact.valid_from)
                self._any_listed = self._any_listed or LISTED in fact.roles
            case Ownership():
                owners = self._owners.setdefault(fact.owned, {})
                owners.setdefault(fact.owner, _Dated()).add(fact.valid_from, fact)
                self._changes_on(fact.valid_from)
                self.groups.change(fact.valid_from)
            case Stock():
                self._stocks.setdefault(fact.party, []).append(fact)
                self.groups.declare(fact)
            case Chip():
                self._chips.setdefault(fact.chip, _Dated()).add(fact.valid_from, fact)
                self._changes_on(fact.valid_from)
            case Authorization():
                self._authorizations.setdefault(fact.authorization, _Dated()).add(fact.state_from, fact)
                self._changes_on(fact.state_from)
                if fact.kind in ("UVEU", "NVEU"):
                    self._holders.setdefault(fact.recipient, set()).add(fact.authorization)
                    self._changes_on(fact.first_day, fact.last_day and fact.last_day + timedelta(days=1))
            case Adoption():
                self.adoptions.append(fact)
            case FourEyes():
                self.four_eyes = fact
            case date():
                self.closed_until = max(fact, self.closed_until or fact)
        self.seq = max(self.seq, seq)

    def _changes_on(self, *days: date | None) -> None:
        for day in days:
            if day is not None and (at := bisect_right(self._edges, day)) and self._edges[at - 1] == day:
                continue
            if day is not None:
                insort(self._edges, day)

    def segment(self, day: date) -> int:
        """Return a number that two days share where nothing known of parties, chips or authorizations differs."""
        return bisect_right(self._edges, day)

    def knows_party(self, name: str) -> bool:
        """Return whether a party was ever registered."""
        return name in self._parties

    def knows_chip(self, name: str) -> bool:
        """Return whether a chip was ever rated."""
        return name in self._chips

    def party(self, name: str, day: date) -> Party | None:
        """Return what is known of a party on a day."""
        dated = self._parties.get(name)
        return dated.on(day) if dated else None

    def chip(self, name: str, day: date) -> Chip | None:
        """Return a chip's rating on a day."""
        dated = self._chips.get(name)
        return dated.on(day) if dated else None

    def ratings(self, name: str) -> tuple[Chip, ...]:
        """Return every rating of a chip, by the day from which it holds, then by record."""
        dated = self._chips.get(name)
        return tuple(dated.facts) if dated else ()

    def authorization(self, name: str, day: date | None = None) -> Authorization | None:
        """Return an authorization's terms and state on a day, or as last changed."""
        dated = self._authorizations.get(name)
        if not dated:
            return None
        return dated.on(day) if day else dated.facts[-1]

    def statements(self, name: str) -> tuple[Authorization, ...]:
        """Return every statement about an authorization, by the day from which it holds, then by record."""
        dated = self._authorizations.get(name)
        return tuple(dated.facts) if dated else ()

    @property
    def parties(self) -> dict[str, Party]:
        """Every party as last stated."""
        return {name: dated.facts[-1] for name, dated in self._parties.items()}

    @property
    def chips(self) -> dict[str, Chip]:
        """Every chip as last rated."""
        return {name: dated.facts[-1] for name, dated in self._chips.items()}

    @property
    def authorizations(self) -> dict[str, Authorization]:
        """Every authorization as last changed."""
        return {name: dated.facts[-1] for name, dated in self._authorizations.items()}

    def in_force(self, day: date) -> Adoption | None:
        """Return the adoption in force on a day: the latest one that covers it."""
        return next((adoption for adoption in reversed(self.adoptions) if adoption.covers(day)), None)

    def seat(self, name: str, day: date, *, with_roles: bool = False) -> Seat | None:
        """Return a party's seats on a day, its ultimate parent's included; None where the party is not known."""
        party = self.party(name, day)
        if party is None:
            return None
        path = self.ownership_path(name, day)
        known = self.party(path[-1], day) if path else None
        listed = self.listed(name, day)
        return Seat(
            name,
            party.headquarters,
            path[-1] if path else UNKNOWN,
            known.headquarters if known else UNKNOWN,
            self._holds(name, day),
            party.roles if with_roles else (),
            path[1:-1],
            *listed,
            self._listed_parent(path, listed, day),
        )

    def listed(self, name: str, day: date) -> Reach:
        """Return how far listed parties own a party on a day, by the shares that are stated."""
        if not self._any_listed:
            return Reach()

        def is_listed(party: str) -> bool:
            known = self.party(party, day)
            return known is not None and LISTED in known.roles

        return reach(name, lambda party: self.owners(party, day), is_listed)

    def _listed_parent(self, path: tuple[str, ...], listed: Reach, day: date) -> Decimal:
        """Return how far listed parties own an ultimate parent that is stated without its share, where that is more."""
        if (
            not self._any_listed
            or len(path) < 2
            or any(share.owner == path[-1] for share in self.owners(path[-2], day))
        ):
            return NONE
        above = self.listed(path[-1], day).share
        return above if above > listed.share else NONE

    def ownership_path(self, name: str, day: date) -> tuple[str, ...]:
        """Return the chain from a party to its ultimate parent on a day, both included; empty where it is unknown.

        What a party states of its ultimate parent (`self`, or another party) comes first; else the owner of more than
        half of it is followed upward. A chain that ends in a party of which neither is known, or in a circle, ends in
        nothing: unknown.
        """
        path = [name]
        while True:
            party = self.party(path[-1], day)
            stated = party.ultimate_parent if party else UNKNOWN
            if stated == "self" or stated == path[-1]:
                return tuple(path)
            if stated != UNKNOWN:
                return (*path, stated)
            owner = self._majority_owner(path[-1], day)
            if owner is None or owner in path:
                return ()
            path.append(owner)

    def owners(self, name: str, day: date) -> list[Ownership]:
        """Return who owns part of a party on a day, greatest share first."""
        found = [dated.on(day) for dated in self._owners.get(name, {}).values()]
        held = [share for share in found if share and share.percentage > 0]
        return sorted(held, key=lambda share: (-share.percentage, share.owner))

    def stock(self, name: str) -> Stock | None:
        """Return the newest declaration of a party's stock."""
        declared = self._stocks.get(name)
        return declared[-1] if declared else None

    def _top(self, name: str, day: date) -> str:
        path = self.ownership_path(name, day)
        return path[-1] if path else UNKNOWN

    def _majority_owner(self, name: str, day: date) -> str | None:
        owners = self.owners(name, day)
        return owners[0].owner if owners and owners[0].percentage > MAJORITY else None

    def _holds(self, name: str, day: date) -> tuple[str, ...]:
        held = self._holders.get(name)
        if not held:
            return ()
        return tuple(
            sorted({known.kind for each in held if (known := self.authorization(each, day)) and is_active(known, day)})
        )


def is_active(authorization: Authorization, day: date) -> bool:
    """Return whether an authorization is active on a day: in its state, and between its first and last day."""
    return authorization.state == "active" and is_within(authorization, day)


def is_within(authorization: Authorization, day: date) -> bool:
    """Return whether a day lies between an authorization's first and last day, both included."""
    first, last = authorization.first_day, authorization.last_day
    return (first is None or day >= first) and (last is None or day <= last)


def numbered(fact: Numbered, seq: int) -> Numbered:
    """Return a fact with the number of the record that stated it."""
    return replace(fact, seq=seq)
