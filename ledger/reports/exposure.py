"""Whose exposure moves: parties whose ultimate parent is not the one that their entries froze, and what stands there.

A later owner changes no entry. Here it is applied to a copy: the chips stay, the ultimate parents of recipient, owner
and operator are those of a day. A party that listed parties own more or less of than was frozen moves too. It only
reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.core.errors import NotFound
from ledger.core.facts import UNKNOWN
from ledger.core.knowledge import Knowledge
from ledger.core.listing import Shares
from ledger.core.profile import Profile, Seat
from ledger.positions import learn
from ledger.reports.reader import View, record_at
from ledger.reports.revaluation import Revalued, beside
from schema.queries import SQL

ROLES = ("recipient", "owner")
KEPT_BY = frozenset({"ultimate_parent", "owner_group"})
SHOWN = ("licensed", "open", "held")

Chain = tuple[str, ...]  # from a party to its ultimate parent, both included; empty where it is unknown
Reseat = Callable[[Seat], Seat]  # a seat with the ultimate parent that it had, or has


@dataclass(slots=True)
class Place:
    """What stands in one destination. TPP are exact; chips count what was stated in chips, the rest is unstated.

    What has lapsed by the day is left out of open and of models. held is in transit and installed; models are those
    that are authorized.
    """

    destination: str
    tpp: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(SHOWN, Decimal(0)))
    chips: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SHOWN, 0))
    unstated_tpp: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(SHOWN, Decimal(0)))
    models: int = 0

    @property
    def is_used(self) -> bool:
        """Whether anything stands here."""
        return any(self.tpp.values()) or any(self.chips.values()) or bool(self.models)

    def add(self, stage: str, tpp: Decimal, chips: int | None) -> None:
        """Add to what stands in a stage; chips is None for equivalents."""
        self.tpp[stage] += tpp
        if chips is None:
            self.unstated_tpp[stage] += tpp
        else:
            self.chips[stage] += chips

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        return {
            "destination": self.destination,
            **{f"{stage}_tpp": plain(self.tpp[stage]) for stage in SHOWN},
            **{f"{stage}_chips": self.chips[stage] for stage in SHOWN},
            **{f"{stage}_unstated_tpp": plain(self.unstated_tpp[stage]) for stage in SHOWN},
            "models": self.models,
        }


@dataclass(frozen=True, slots=True)
class Exposed:
    """One party in one role, with its chain before and now, and what stands where under it.

    listed_before, listed_now: how far listed parties own it, 0 to 100; the latter rests on the shares `listed_by`.
    """

    party: str
    role: str
    before: Chain
    now: Chain
    listed_before: Decimal
    listed_now: Decimal
    listed_by: Shares
    places: tuple[Place, ...] = ()

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "party": self.party,
            "role": self.role,
            "parent_before": parent_of(self.before),
            "path_before": list(self.before),
            "parent_now": parent_of(self.now),
            "path_now": list(self.now),
            "listed_share_before": plain(self.listed_before),
            "listed_share_now": plain(self.listed_now),
            "listed_by": [
                {"owner": owner, "percentage": percentage, "owned": owned}
                for owner, percentage, owned in self.listed_by
            ],
            "places": [place.body() for place in self.places],
        }


@dataclass(frozen=True, slots=True)
class Exposure:
    """The parties whose ultimate parent moved, and the counters that would move with them, in the book's order.

    since: the record whose knowledge is compared with; None compares with what the entries froze. Of a counter,
    `frozen` is before, `revalued` is now.
    """

    since: int | None
    parties: tuple[Exposed, ...]
    counters: tuple[Revalued, ...]

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        moved = []
        for each in self.counters:
            body = each.body()
            body["before"], body["now"] = body.pop("frozen"), body.pop("revalued")
            moved.append(body)
        return {"since": self.since, "parties": [each.body() for each in self.parties], "counters": moved}


def parent_of(chain: Chain) -> str:
    """Return the ultimate parent that a chain ends in."""
    return chain[-1] if chain else UNKNOWN


def exposure(view: View, *, party: str = "", since: int | datetime | None = None) -> Exposure:
    """Return whose ultimate parent, or share of listed owners, on the view's day is another than entries froze.

    Args:
        party: only this party, or those that it was or is the ultimate parent of.
        since: compare with the parent on the same day as it was known at this record instead; parties that were not
            registered then are left out.

    Raises:
        NotFound: there is no such party or record, or `since` comes after the record that is asked.
    """
    knowledge = view.position.knowledge
    if party and not knowledge.knows_party(party):
        raise NotFound(f"No party '{party}' is known at record {view.known:,}.", "Name a registered party.")
    record = None if since is None else _since(view, since)
    now = _as_known(knowledge, view.on)
    then = None if record is None else learn(view.conn, Knowledge(), record)
    before = _as_known(then, view.on, now) if then else _as_frozen
    asked = _Asked(before, now, party)
    used = {number for (number,) in view.conn.execute(SQL["profiles_used"], {"known": view.known})}
    moved = {number: each for number, each in view.profiles.all().items() if number in used and asked.touches(each)}
    counters: tuple[Revalued, ...] = ()
    if view.adoption and moved:
        was, become = ({number: _with(each, reseat) for number, each in moved.items()} for reseat in (before, now))
        kept = {cap.name for cap in view.adoption.book.caps if KEPT_BY & set(cap.by)}
        counters = tuple(
            each for each in beside(view, view.adoption, was, become, then)
            if each.either.cap in kept and each.frozen != each.revalued
        )  # fmt: skip
    return Exposure(record, _parties(view, moved, asked), counters)


def chain_of(seat: Seat) -> Chain:
    """Return the chain that a seat states, from its party to the ultimate parent."""
    if seat.parent == UNKNOWN:
        return ()
    return (seat.party,) if seat.parent == seat.party else (seat.party, *seat.path, seat.parent)


def _since(view: View, since: int | datetime) -> int:
    record = record_at(view.conn, since, view.size)
    if record > view.known:
        raise NotFound(
            f"Record {record:,}, since which is asked, comes after record {view.known:,}, as known at.",
            "Ask since an earlier one.",
        )
    return record


def _as_frozen(seat: Seat) -> Seat:
    return seat


def _as_known(knowledge: Knowledge, day: date, otherwise: Reseat = _as_frozen) -> Reseat:
    """Return what gives a seat the ultimate parent that is known on a day; `otherwise` is for unregistered parties."""
    known: dict[str, Seat | None] = {}

    def reseat(seat: Seat) -> Seat:
        if seat.party not in known:
            known[seat.party] = knowledge.seat(seat.party, day)
        found = known[seat.party]
        if found is None:
            return otherwise(seat)
        return replace(
            seat, parent=found.parent, parent_headquarters=found.parent_headquarters, path=found.path,
            listed_share=found.listed_share, listed_by=found.listed_by, listed_parent=found.listed_parent,
        )  # fmt: skip

    return reseat


@dataclass(frozen=True, slots=True)
class _Asked:
    """Two ways to seat parties, and the party that is asked about."""

    before: Reseat
    now: Reseat
    party: str

    def moves(self, seat: Seat) -> bool:
        """Return whether a seat's ultimate parent, or the share of listed owners, is another now, and it is asked."""
        before, now = self.before(seat), self.now(seat)
        moves = (before.parent, before.listed_share) != (now.parent, now.listed_share)
        return moves and self.party in ("", seat.party, before.parent, now.parent)

    def touches(self, profile: Profile) -> bool:
        """Return whether it is so of any seat whose parent a rulebook looks at."""
        return any(self.moves(seat) for seat in (profile.recipient, profile.owner, profile.operator))


def _with(profile: Profile, reseat: Reseat) -> Profile:
    """Return a profile whose every party is seated anew: a profile states each party once."""
    exporter, lab = profile.exporter, profile.lab
    return replace(
        profile, recipient=reseat(profile.recipient), owner=reseat(profile.owner), operator=reseat(profile.operator),
        booked_to=reseat(profile.booked_to), exporter=exporter and reseat(exporter), lab=lab and reseat(lab),
        content=b"", sha256=b"",
    )  # fmt: skip


def _parties(view: View, moved: Mapping[int, Profile], asked: _Asked) -> tuple[Exposed, ...]:
    """Return what stands under each moved party, role and pair of chains, on the view's day."""
    found: dict[Exposed, dict[str, Place]] = {}
    rows = view.conn.execute(SQL["stage_totals"], {"known": view.known, "day": view.on})
    for number, stage, has_lapsed, unstated, chips, tpp in rows:
        if number not in moved or (stage in ("open", "authorized") and has_lapsed):
            continue
        profile = moved[number]
        destination = view.adoption.book.place(profile.destination) if view.adoption else profile.destination
        for role in ROLES:
            seat: Seat = getattr(profile, role)
            if not asked.moves(seat):
                continue
            before, now = asked.before(seat), asked.now(seat)
            exposed = Exposed(
                seat.party, role, chain_of(before), chain_of(now), before.listed_share, now.listed_share, now.listed_by,
            )  # fmt: skip
            place = found.setdefault(exposed, {}).setdefault(destination, Place(destination))
            if stage == "authorized":
                place.models += chips
            for name, sign in _COUNTED.get(stage, ()):
                place.add(name, sign * tpp, None if unstated else sign * chips)
    used = {
        exposed: tuple(places[name] for name in sorted(places) if places[name].is_used)
        for exposed, places in found.items()
    }
    order = sorted(used, key=lambda each: (each.party, each.role, each.before, each.now, each.listed_before))
    return tuple(replace(exposed, places=used[exposed]) for exposed in order if used[exposed])


_COUNTED: dict[str, tuple[tuple[str, int], ...]] = {
    "licensed": (("licensed", 1),),
    "open": (("open", 1),),
    "shipped": (("held", 1),),
    "received": (("held", -1),),
    "installed": (("held", 1),),
}
