"""From what a line states to what is known of it on its day: parties, chip, authorization, and the frozen profile.

Posting fills in the activity from the kind of movement (else export), the owner and operator (the recipient), the
party it is booked to (the owner's ultimate parent), and what the chip's rating says. Nothing else is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger.core.facts import AUTHORIZATION_KINDS, UNKNOWN, Authorization, Chip
from ledger.core.knowledge import Knowledge
from ledger.core.lens import made
from ledger.core.lots import Place
from ledger.core.movements import Line, Movement
from ledger.core.position import Position
from ledger.core.profile import Profile, Seat

ACTIVITY = {"transfer": "transfer", "reexport": "reexport"}
NO_SEAT = Seat(UNKNOWN)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something a line names that the ledger does not know: the refusal's code, the field and what it says."""

    code: str
    field: str
    named: str


class Resolved(NamedTuple):
    """A line with what is known of it. chips is None for equivalents. authorization is None for a bare kind."""

    number: int
    line: Line
    profile: Profile
    authorization: Authorization | None
    chips: int | None
    tpp: Decimal

    @property
    def place(self) -> Place:
        """Where chips that it draws on are."""
        line, profile = self.line, self.profile
        recipient = line.from_recipient or profile.recipient.party
        return recipient, line.from_destination or line.destination, profile.base_chip


def resolve(movement: Movement, number: int, line: Line, position: Position) -> Resolved | list[Missing]:
    """Return a line with its facts as of the movement's day, or everything it names that is not known."""
    key = movement.kind, movement.exporter, position.knowledge.segment(movement.effective_on), line.names
    known = position.resolved.get(key)
    if known is None:
        found = _look_up(movement, line, position)
        if isinstance(found, list):  # not remembered: it may be known the next time
            return found
        known = position.resolved[key] = found
    profile, authorization, chip = known
    chips, tpp = count(line, chip)
    return made(Resolved, (number, line, profile, authorization, chips, tpp))


def _look_up(
    movement: Movement, line: Line, position: Position
) -> tuple[Profile, Authorization | None, Chip] | list[Missing]:
    day, knowledge = movement.effective_on, position.knowledge
    missing: list[Missing] = []
    chip = knowledge.chip(line.chip, day)
    if chip is None:
        missing.append(Missing("unknown_chip", "chip", line.chip))
    authorization, kind = None, line.authorization or "none_required"
    if line.authorization and line.authorization not in AUTHORIZATION_KINDS:
        authorization = knowledge.authorization(line.authorization, day) or knowledge.authorization(line.authorization)
        if authorization is None:
            missing.append(Missing("unknown_authorization", "authorization", line.authorization))
        else:
            kind = authorization.kind
    seats = {
        role: _seat(knowledge, role, getattr(line, role), day, missing)
        for role in ("recipient", "owner", "operator", "booked_to", "lab", "from_recipient")
    }
    exporter = _seat(knowledge, "exporter", movement.exporter, day, missing)
    if missing or chip is None:
        return missing
    recipient = seats["recipient"] or NO_SEAT
    owner = seats["owner"] or recipient
    base = knowledge.chip(chip.base_chip or chip.chip, day) or chip
    profile = Profile(
        destination=line.destination,
        recipient=recipient,
        owner=owner,
        operator=seats["operator"] or recipient,
        booked_to=seats["booked_to"] or knowledge.seat(owner.parent, day) or NO_SEAT,
        exporter=exporter,
        chip=chip.chip,
        base_chip=chip.base_chip or chip.chip,
        tpp_per_chip=chip.tpp_per_ic,
        authorization=authorization.authorization if authorization else "",
        authorization_kind=kind,
        overrides=authorization.overrides if authorization else "",
        activity=line.activity or ACTIVITY.get(movement.kind, "export"),
        exported_from=line.exported_from,
        end_use=line.end_use,
        eccn=line.eccn or (base.control if base.control.startswith("3A090") else ""),
        facility=line.facility,
        evidence=tuple(kind for kind, _ in line.evidence),
        lab=seats["lab"],
        meets=base.control,
        data_center=base.data_center,
        dram_bandwidth=base.dram_bandwidth_gb_s,
        released=base.released,
    )
    return position.profiles.setdefault(profile.sha256, profile), authorization, chip


def count(line: Line, chip: Chip) -> tuple[int | None, Decimal]:
    """Return the chips and TPP that a stated quantity is: systems by their circuits, equivalents in TPP only."""
    if line.unit == "equivalents":
        return None, line.quantity * chip.tpp
    chips = int(line.quantity) * (1 if line.unit == "chips" else chip.ic_count)
    return chips, chips * chip.tpp_per_ic


def _seat(knowledge: Knowledge, role: str, name: str, day: date, missing: list[Missing]) -> Seat | None:
    if not name:
        return None
    seat = knowledge.seat(name, day, with_roles=role == "lab")
    if seat is None:
        missing.append(Missing("unknown_party", role, name))
    return seat
