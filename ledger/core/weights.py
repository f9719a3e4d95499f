"""Model weights: authorized by the number of models, without chips and TPP, and judged like a movement.

What an authorization for models does is one lot of the stage `authorized`, whose profile says what the law asks of
weights: who gets them where, their ECCN, and how many operations trained them. Rules and caps are asked of it as of any
movement (`ledger.core.deciding.judge_models`); it lapses with the authorization. Source: 15 CFR 742.6(a)(13).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from ledger.core.facts import MODELS, Authorization
from ledger.core.knowledge import Knowledge
from ledger.core.lens import ZERO, Entry
from ledger.core.lots import Lot
from ledger.core.movements import Line
from ledger.core.profile import Profile, Seat
from ledger.core.resolving import NO_SEAT, Missing, Resolved


def open_lot(asked: Resolved, day: date, last_day: date | None, seq: int) -> tuple[Lot, Entry]:
    """Return the lot of so many models more, authorized by record `seq` from a day on, and the entry that fills it."""
    assert asked.chips is not None
    lot = Lot((seq, 1), "authorized", asked.profile, day, last_day, "chips", Decimal(asked.chips))
    return lot, Entry(1, "authorized", "", lot.ref, asked.profile, day, day, last_day, asked.chips, ZERO)


def resolve(terms: Authorization, models: int, day: date, knowledge: Knowledge) -> Resolved | list[Missing]:
    """Return so many models under an authorization, with its parties as of a day, or the parties not known then.

    Owner and operator are the recipient; it is booked to the recipient's ultimate parent.
    """
    missing: list[Missing] = []
    recipient = _seat("recipient", terms.recipient, day, knowledge, missing)
    exporter = _seat("exporter", terms.exporter, day, knowledge, missing) if terms.exporter else None
    if missing:
        return missing
    profile = Profile(
        destination=terms.destination,
        recipient=recipient,
        owner=recipient,
        operator=recipient,
        booked_to=knowledge.seat(recipient.parent, day) or NO_SEAT,
        exporter=exporter,
        chip=MODELS,
        base_chip=MODELS,
        tpp_per_chip=ZERO,
        authorization=terms.authorization,
        authorization_kind=terms.kind,
        overrides=terms.overrides,
        eccn=terms.eccn,
        evidence=tuple(kind for kind, _ in terms.evidence),
        meets=terms.eccn,
        training_operations=terms.training_operations,
    )
    line = Line(chip=MODELS, quantity=Decimal(models), destination=terms.destination, recipient=terms.recipient)
    return Resolved(1, line, profile, terms, models, ZERO)


def _seat(role: str, name: str, day: date, knowledge: Knowledge, missing: list[Missing]) -> Seat:
    seat = knowledge.seat(name, day)
    if seat is None:
        missing.append(Missing("unknown_party", role, name))
    return seat or NO_SEAT
