"""What caps would stand at if all chips were rated as they are on a day, beside the ratings that were frozen.

A later rating changes no entry. Here it is applied to a copy: the chips stay, their TPP and what else a rating says
(control class, memory bandwidth, made for data centers, release) are those of the day. Equivalents stay as stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.core.facts import Chip
from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.lens import NOTHING, Amount, Key, Lens
from ledger.core.profile import Profile
from ledger.reports.reader import View
from ledger.reports.standings import CapStanding, amounts_on, of_amounts, total_on
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class Rerated:
    """A chip whose rating of the day is not the frozen one, each of one integrated circuit. seq: what rated it so."""

    chip: str
    frozen_tpp: Decimal
    revalued_tpp: Decimal
    frozen_control: str
    revalued_control: str
    valid_from: date | None
    seq: int

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "chip": self.chip,
            "frozen_tpp": plain(self.frozen_tpp),
            "revalued_tpp": plain(self.revalued_tpp),
            "frozen_control": self.frozen_control,
            "revalued_control": self.revalued_control,
            "valid_from": self.valid_from.isoformat() if self.valid_from else None,
            "seq": self.seq,
        }


@dataclass(frozen=True, slots=True)
class Revalued:
    """One counter with frozen and with revalued ratings; None where nothing counts in it that way."""

    frozen: CapStanding | None
    revalued: CapStanding | None

    @property
    def either(self) -> CapStanding:
        """Return whichever there is: for what both say alike."""
        found = self.frozen or self.revalued
        assert found
        return found

    @property
    def change(self) -> Decimal:
        """How much more is used as revalued, in the cap's unit."""
        after = self.revalued.used if self.revalued else Decimal(0)
        return after - (self.frozen.used if self.frozen else Decimal(0))

    @property
    def changes_state(self) -> bool:
        """Whether the cap's state would be another."""
        return _state(self.frozen) != _state(self.revalued)

    def body(self) -> dict[str, Any]:
        """Return both as JSON, with the difference."""
        return {
            "cap": self.either.cap,
            "subject": self.either.subject,
            "tier": self.either.tier,
            "window": self.either.window,
            "unit": self.either.unit,
            "change": plain(self.change),
            "changes_state": self.changes_state,
            "frozen": self.frozen.body() if self.frozen else None,
            "revalued": self.revalued.body() if self.revalued else None,
        }


@dataclass(frozen=True, slots=True)
class Revaluation:
    """Every counter of the book asked, in its order, and the chips that are rated otherwise on the day."""

    chips: tuple[Rerated, ...]
    counters: tuple[Revalued, ...]

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"chips": [each.body() for each in self.chips], "counters": [each.body() for each in self.counters]}


def revaluation(view: View) -> Revaluation:
    """Return the counters of the book in force on the view's day, frozen and revalued."""
    revalued, chips = _revalued(view)
    return Revaluation(chips, beside(view, view.adoption, {}, revalued) if view.adoption else ())


def beside(
    view: View, adoption: Adoption, before: Mapping[int, Profile], after: Mapping[int, Profile],
    known_before: Knowledge | None = None,
) -> tuple[Revalued, ...]:  # fmt: skip
    """Return a book's counters on the view's day, with some profiles in the place of frozen ones, before and after.

    known_before: what groups are owned by before; None is what the view knows.
    """
    frozen = amounts_on(view, adoption)
    caps = {cap.name: n for n, cap in enumerate(adoption.book.caps)}
    sides: list[dict[tuple[str, str, str], CapStanding]] = []
    knowledge = view.position.knowledge
    for profiles, known in ((before, known_before or knowledge), (after, knowledge)):
        amounts = dict(frozen)
        for key, change in _changes(view, adoption, profiles).items():
            amounts[key] = amounts.get(key, NOTHING).plus(change)
        found = of_amounts(amounts, adoption, known, view.on)
        sides.append({_name(each): each for each in found})
    names = sorted({**sides[0], **sides[1]}, key=lambda name: (caps[name[0]], *name[1:]))
    return tuple(Revalued(sides[0].get(name), sides[1].get(name)) for name in names)


def _revalued(view: View) -> tuple[dict[int, Profile], tuple[Rerated, ...]]:
    """Return the profiles that a rating of the day changes, as it would have them, and the chips."""
    found: dict[int, Profile] = {}
    chips: dict[tuple[object, ...], Rerated] = {}
    used = {number for (number,) in view.conn.execute(SQL["profiles_used"], {"known": view.known})}
    for number, frozen in view.profiles.all().items():
        chip = view.position.knowledge.chip(frozen.chip, view.on)
        if chip is None or number not in used:
            continue
        profile = _at(frozen, chip, view.position.knowledge, view.on)
        if profile.sha256 != frozen.sha256:
            found[number] = profile
            of = Rerated(
                frozen.chip, frozen.tpp_per_chip, profile.tpp_per_chip, frozen.meets, profile.meets, chip.valid_from,
                chip.seq,
            )  # fmt: skip
            chips[of.chip, of.frozen_tpp, of.frozen_control] = of
    return found, tuple(chips[key] for key in sorted(chips, key=str))


def _at(frozen: Profile, chip: Chip, knowledge: Knowledge, on: date) -> Profile:
    base = knowledge.chip(frozen.base_chip, on) or chip
    return replace(
        frozen, tpp_per_chip=chip.tpp_per_ic, meets=base.control, data_center=base.data_center,
        dram_bandwidth=base.dram_bandwidth_gb_s, released=base.released, content=b"", sha256=b"",
    )  # fmt: skip


def _changes(view: View, adoption: Adoption, revalued: Mapping[int, Profile]) -> dict[Key, Amount]:
    """Return what other profiles add to each counter on the view's day: their effects less those of the frozen."""
    if not revalued:
        return {}
    lens: Lens = view.position.lenses[adoption.seq]
    days: dict[Key, dict[date, Amount]] = {}
    wanted = {"known": view.known, "profiles": list(revalued)}
    for number, stage, cause, lot_day, day, last_day, unstated, chips, tpp in view.conn.execute(
        SQL["entry_sums_of"], wanted
    ):
        profile, frozen = revalued[number], view.profiles.by_id[number]
        count = None if unstated else chips
        again = tpp if unstated else chips * profile.tpp_per_chip
        effects = [
            *lens.effects(stage, cause, profile, lot_day, day, last_day, count, again),
            *lens.effects(stage, cause, frozen, lot_day, day, last_day, None if unstated else -chips, -tpp),
        ]
        for key, _, _, on, amount in effects:
            of = days.setdefault(key, {})
            of[on] = of.get(on, NOTHING).plus(amount)
    return {key: total_on(of, view.on) for key, of in days.items()}


def _name(standing: CapStanding) -> tuple[str, str, str]:
    return standing.cap, standing.subject, standing.window


def _state(standing: CapStanding | None) -> str:
    return standing.state if standing else "open"
