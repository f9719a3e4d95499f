"""How much stands in each stage, per country, tier, recipient or any other dimension, on a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.core.conditions import subject_value
from ledger.core.facts import UNKNOWN
from ledger.core.profile import Profile
from ledger.reports.reader import View
from schema.queries import SQL

DIMENSIONS = (
    "destination", "tier", "recipient", "ultimate_parent", "exporter", "owner", "operator", "chip", "authorization",
    "facility", "world",
)  # fmt: skip
SHOWN = ("reserved", "licensed", "open", "shipped", "in_transit", "installed")


@dataclass(slots=True)
class Usage:
    """Totals of one subject. TPP are exact; chips count what was stated in chips, the rest is in unstated_tpp.

    What has lapsed by the day (a reservation, the open rest of a license) is left out of reserved and open.
    """

    subject: str
    tpp: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(SHOWN, Decimal(0)))
    chips: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SHOWN, 0))
    unstated_tpp: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(SHOWN, Decimal(0)))

    def body(self) -> dict[str, Any]:
        """Return the totals as JSON, amounts as exact text."""
        return {
            "subject": self.subject,
            **{f"{stage}_tpp": plain(self.tpp[stage]) for stage in SHOWN},
            **{f"{stage}_chips": self.chips[stage] for stage in SHOWN},
            **{f"{stage}_unstated_tpp": plain(self.unstated_tpp[stage]) for stage in SHOWN},
        }


def usage(view: View, by: str) -> list[Usage]:
    """Return totals per subject of one dimension, greatest licensed TPP first; places count as their countries."""
    profiles = view.profiles.all()
    totals: dict[str, Usage] = {}
    for number, stage, has_lapsed, unstated, chips, tpp in view.conn.execute(
        SQL["stage_totals"], {"known": view.known, "day": view.on}
    ):
        if stage == "authorized":  # models are no chips
            continue
        if stage in ("reserved", "open") and has_lapsed:
            continue
        subject = _subject(view, profiles[number], by)
        total = totals.setdefault(subject, Usage(subject))
        for name, sign in COUNTED[stage]:
            total.tpp[name] += sign * tpp
            if unstated:
                total.unstated_tpp[name] += sign * tpp
            else:
                total.chips[name] += sign * chips
    return sorted(totals.values(), key=lambda each: (-each.tpp["licensed"], -each.tpp["shipped"], each.subject))


# What one chip of each stage of the journal adds to the stages that are shown.
COUNTED: dict[str, tuple[tuple[str, int], ...]] = {
    "reserved": (("reserved", 1),),
    "licensed": (("licensed", 1),),
    "open": (("open", 1),),
    "shipped": (("shipped", 1), ("in_transit", 1)),
    "received": (("in_transit", -1),),
    "installed": (("installed", 1),),
}


def _subject(view: View, profile: Profile, by: str) -> str:
    if by == "world":
        return "world"
    adoption = view.adoption or next((adoption for _, adoption in view.position.timeline), None)
    if adoption is None:
        return profile.destination if by == "destination" else UNKNOWN
    return subject_value(by, profile, adoption.book, view.on)
