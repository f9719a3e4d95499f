"""What deciding knows about a movement, and what it may say of it; the order in which reasons are answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger.core.counters import Counter, Standing
from ledger.core.knowledge import Adoption
from ledger.core.lens import ZERO, Amount, Key
from ledger.core.movements import Movement
from ledger.core.planning import Plan
from ledger.core.position import Position
from ledger.core.resolving import Missing, Resolved
from ledger.core.rulebook import Cap, Span
from ledger.core.rules import RuleAnswer

OPERATOR = "operator"
PRECEDENCE = (
    "malformed",
    "forbidden",
    "needs_second_person",
    "key_reused",
    "unknown_party",
    "unknown_chip",
    "unknown_authorization",
    "unknown_movement",
    "authorization_not_active",
    "outside_validity",
    "exceeds_authorization",
    "negative_stock",
    "period_closed",
    "undetermined",
    "not_permitted",
    "cap_exceeded",
)
NOT_RECORDED = frozenset({"malformed", "key_reused"})
LEAVES_KEY_OPEN = frozenset(code for code in PRECEDENCE if code.startswith("unknown_")) | {
    "needs_second_person", "undetermined",
}  # fmt: skip
ALWAYS_REFUSES = frozenset({"forbidden"}) | (LEAVES_KEY_OPEN - {"undetermined"})  # observations too


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason to say no, or, for an observation, one thing it broke.

    subject, cap, book and window say what it is about, so that a breach opens one discrepancy per subject and window.
    """

    code: str
    message: str
    remedy: str = ""
    subject: str = ""
    cap: str = ""
    book: str = ""
    window: str = ""
    amount: str = ""
    unit: str = ""


class Looked(NamedTuple):
    """One cap that was looked at: whose, for which subject and window, how it stands before and after, what changes.

    counter: what it was tested on. gain: what each unit that is asked adds to its limit, where that is a share.
    """

    adoption: Adoption
    cap: Cap
    key: Key
    span: Span
    standing: Standing
    changes: Mapping[date, Amount]
    counter: Counter
    gain: Decimal = ZERO

    def room(self, left: Decimal, asked: Decimal = ZERO) -> Decimal:
        """Return how much more fits where so much is left, what is asked having enlarged the limit already."""
        if self.gain == 1:  # each unit adds as much as it uses: what is over stays over, whatever is asked
            return left - asked
        return (left - self.gain * asked) / (1 - self.gain) if self.gain else left


@dataclass(slots=True)
class Case:
    """A movement with everything that deciding needs to know about it."""

    movement: Movement
    observed: bool
    asker: str
    position: Position
    missing: list[Missing]
    lines: list[Resolved]
    plan: Plan
    answers: list[tuple[Resolved, RuleAnswer]]
    looked: list[Looked]
    shrunk: list[Looked] = field(default_factory=list)  # shares that are over since their base is smaller
