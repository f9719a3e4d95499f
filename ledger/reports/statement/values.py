"""A statement's values: whose it is and for which days, balances, lines with old and new balances, what concerns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.core.compute import plain
from ledger.reports.discrepancies import Discrepancy
from ledger.reports.standings import CapStanding
from ledger.reports.usage import SHOWN

LAPSE = "lapse"  # what a line is called that no movement made: a last day went by


class Balance(NamedTuple):
    """So much in one stage, or a change of it. chips count what was stated in chips; the rest is in unstated_tpp."""

    tpp: Decimal = Decimal(0)
    chips: int = 0
    unstated_tpp: Decimal = Decimal(0)

    def plus(self, other: Balance) -> Balance:
        """Return the sum."""
        return Balance(self.tpp + other.tpp, self.chips + other.chips, self.unstated_tpp + other.unstated_tpp)

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        return {"tpp": plain(self.tpp), "chips": self.chips, "unstated_tpp": plain(self.unstated_tpp)}


NOTHING = Balance()
Balances = Mapping[str, Balance]  # of every stage that is shown, in their order


class Change(NamedTuple):
    """What one line changes in one stage, between the old and the new balance of the whole statement."""

    stage: str
    before: Balance
    amount: Balance
    after: Balance

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        balances = {"before": self.before.body(), "change": self.amount.body(), "after": self.after.body()}
        return {"stage": self.stage, **balances}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a movement, as far as it is about one exporter, recipient, country, chip and authorization.

    record and line: of the movement; for a lapse, of what opened the lot that lapsed. what: the kind of movement, with
    its cause, or `lapse`. recorded_at: None for a lapse, which nobody records. is_late: recorded after the last day of
    the statement (UTC). changes: one for each stage that it changes; a line that nets to nothing keeps its first stage.
    """

    day: date
    record: int
    line: int
    what: str
    by: str
    exporter: str
    recipient: str
    country: str
    chip: str
    authorization: str
    recorded_at: datetime | None
    is_late: bool
    changes: tuple[Change, ...]

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "day": self.day.isoformat(), "record": self.record, "line": self.line, "what": self.what, "by": self.by,
            "exporter": self.exporter, "recipient": self.recipient, "country": self.country, "chip": self.chip,
            "authorization": self.authorization,
            "recorded_at": self.recorded_at.isoformat() if self.recorded_at else None, "late": self.is_late,
            "changes": [change.body() for change in self.changes],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class CapTouched:
    """A cap that something of the statement counts in: how it stands on the last day, and how much of it is its own.

    own: in the cap's unit. The standing is of the whole counter, whoever uses it.
    """

    standing: CapStanding
    own: Decimal
    own_tpp: Decimal

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self.standing.body(), "own": plain(self.own), "own_tpp": plain(self.own_tpp)}


@dataclass(frozen=True, slots=True)
class Concern:
    """A discrepancy that concerns the statement. is_own: a record with chips of the statement caused it."""

    discrepancy: Discrepancy
    is_own: bool

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self.discrepancy.body(), "own": self.is_own}


@dataclass(frozen=True, slots=True)
class Statement:
    """What moved between two days for one exporter, recipient or country, or for what several of these share.

    exporter, recipient, country: whose it is, "" where that is not asked; names: what they are called, by id or code.
    opening: at the end of the day before `first`; closing: at the end of `last`. known: the journal number it is known
    at, of `journal` records; recorded_at: when that record was written (None for 0); root: the tree's, as hex.
    more: how many lines follow that were not asked for; never in a file.
    """

    exporter: str
    recipient: str
    country: str
    names: Mapping[str, str]
    first: date
    last: date
    known: int
    journal: int
    recorded_at: datetime | None
    root: str
    rulebook: str | None
    opening: Balances
    lines: tuple[Line, ...]
    closing: Balances
    caps: tuple[CapTouched, ...]
    discrepancies: tuple[Concern, ...]
    more: int = 0

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        return {
            "exporter": self.exporter, "recipient": self.recipient, "country": self.country, "names": dict(self.names),
            "first": self.first.isoformat(), "last": self.last.isoformat(), "on": self.last.isoformat(),
            "known": self.known, "journal": self.journal,
            "recorded_at": self.recorded_at.isoformat() if self.recorded_at else None, "root": self.root,
            "rulebook": self.rulebook,
            "opening": {stage: self.opening[stage].body() for stage in SHOWN},
            "lines": [line.body() for line in self.lines],
            "closing": {stage: self.closing[stage].body() for stage in SHOWN},
            "caps": [cap.body() for cap in self.caps],
            "discrepancies": [each.body() for each in self.discrepancies],
        }  # fmt: skip
