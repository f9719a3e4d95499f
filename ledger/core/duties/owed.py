"""What somebody owes by a duty, by which day, and whether it was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from ledger.core.conditions import Truth, holds
from ledger.core.facts import UNKNOWN, Notice
from ledger.core.profile import Profile
from ledger.core.rulebook import Duty, Rulebook
from ledger.core.rulebook.duties import PARTIES, shifted

State = Literal["met", "due", "overdue", "undetermined"]


class Act(NamedTuple):
    """One line of a posted movement: what it did, at which lot's facts, on which day, with which evidence by kind.

    received_on: the first day on which chips of it arrived, None where none did.
    """

    record: int
    line: int
    kind: str
    cause: str
    profile: Profile
    day: date
    chips: int | None
    tpp: Decimal
    evidence: frozenset[str] = frozenset()
    received_on: date | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing that one party owes by a duty.

    role, party: who, `unknown` where the ledger does not know. record, line: the movement it is about, None where it
    comes by the calendar. subject: what else it is about: `facility=site-1`, a counter's subject and the first day of
    its window, or a date; a notice may name it in place of the record. due_on: None where no day can be told yet.
    state: `undetermined` where it turns on something unknown whether it is owed at all. late: done after the due day.
    met_by, met_on: the record that met it, and the day for which that says so.
    """

    duty: str
    law: str
    do: str
    book: str
    role: str
    party: str
    record: int | None
    line: int | None
    subject: str
    triggered_on: date
    due_on: date | None
    state: State = "due"
    late: bool = False
    met_by: int | None = None
    met_on: date | None = None
    confidence: str = ""
    note: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done, or may be."""
        return self.state != "met"

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__}


def owed_by(
    duty: Duty, book: Rulebook, party: str, triggered_on: date, due_on: date | None, *, act: Act | None = None,
    subject: str = "", doubt: bool = False,
) -> Owed:  # fmt: skip
    """Return what a duty asks of a party, not looked at yet whether it was done."""
    return Owed(
        duty.name, duty.law, duty.do, book.name, duty.who, party, act.record if act else None,
        act.line if act else None, subject, triggered_on, due_on, "undetermined" if doubt else "due",
        confidence=duty.confidence, note=duty.note,
    )  # fmt: skip


def due_on(duty: Duty, act: Act, first_on: date | None = None) -> date | None:
    """Return the last day on which it is done in time; None where none is named, or chips have not arrived.

    What is due before a shipment may still be done on its day. first_on: the first shipment, where that is meant.
    """
    match duty.due.kind:
        case "before":
            return shifted(act.day, -duty.due.days)
        case "after":
            return shifted(act.day, duty.due.days)
        case "first":
            return first_on or act.day
        case "receipt":
            return act.day if act.kind == "receive" else act.received_on
    return None


def calendar_due_on(duty: Duty, day: date) -> date:
    """Return the last day on which what comes by the calendar is done in time: the day itself if nothing is said."""
    return shifted(day, {"before": -duty.due.days, "after": duty.due.days}.get(duty.due.kind, 0))


def party_of(duty: Duty, profile: Profile) -> str:
    """Return who owes a duty of a movement: a party of it, or the lab if it has the role that is asked for."""
    if duty.who in PARTIES:
        seat = getattr(profile, duty.who)
        return seat.party if seat else UNKNOWN
    lab = profile.lab
    return lab.party if lab and (duty.who == "lab" or duty.who in lab.roles) else UNKNOWN


def applies(duty: Duty, profile: Profile, book: Rulebook, day: date) -> Truth:
    """Return whether a duty's `where` holds; None where that turns on something unknown."""
    return holds(duty.where, profile, book, day)


class Notices:
    """The notices that were filed by a day, found by what they are about."""

    def __init__(self, notices: Iterable[Notice], on: date) -> None:
        self._by: dict[tuple[str, str, int | str], Notice] = {}
        for notice in sorted(notices, key=lambda each: (each.filed_on, each.seq), reverse=True):
            if notice.filed_on <= on:  # the earliest comes last and stays
                for party in (notice.party, UNKNOWN):
                    self._by[notice.duty, party, notice.record or notice.subject] = notice

    def about(self, owed: Owed) -> Notice | None:
        """Return the earliest notice of what is owed; anybody's where it is not known who owes it."""
        found = [self._by.get((owed.duty, owed.party, of)) for of in (owed.record, owed.subject) if of]
        return min((each for each in found if each), key=lambda each: each.filed_on, default=None)


def settled(owed: Owed, notices: Notices, on: date, evidence: int | None = None) -> Owed:
    """Return what is owed with its state on a day. evidence: the record that carries evidence of it."""
    if evidence is not None:
        return replace(owed, state="met", met_by=evidence, met_on=owed.triggered_on)
    if notice := notices.about(owed):
        late = owed.due_on is not None and notice.filed_on > owed.due_on
        return replace(owed, state="met", late=late, met_by=notice.seq, met_on=notice.filed_on)
    if owed.state != "undetermined" and owed.due_on is not None and owed.due_on < on:
        return replace(owed, state="overdue")
    return owed


def in_order(owed: Iterable[Owed]) -> list[Owed]:
    """Return what is owed: overdue first, then due, undetermined and met; in each the earliest due day first."""
    return sorted(
        owed,
        key=lambda each: (
            _ORDER[each.state], each.due_on or date.max, each.duty, each.party, each.record or 0, each.subject,
        ),
    )  # fmt: skip


_ORDER: Mapping[str, int] = {"overdue": 0, "due": 1, "undetermined": 2, "met": 3}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
