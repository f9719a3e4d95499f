"""What the ledger knows about parties, chips and authorizations on a day: frozen, dated, numbered values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

UNKNOWN = "unknown"
MODELS = "models"  # the unit of an authorization for model weights; it stands where a chip would
AUTHORIZATION_KINDS = ("license", "UVEU", "NVEU", "LPP", "AIA", "ACM", "NAC", "ACA", "none_required")

VALIDATED_END_USERS = ("UVEU", "NVEU")


@dataclass(frozen=True, slots=True)
class Party:
    """One dated statement about a party.

    headquarters: ISO 3166 code, or `unknown`. ultimate_parent: another party's id, `self` or `unknown`.
    valid_from: first day it holds; None where it always held. seq: its journal number, 0 for one not yet recorded.
    """

    party: str
    name: str
    roles: tuple[str, ...] = ()
    headquarters: str = UNKNOWN
    ultimate_parent: str = UNKNOWN
    valid_from: date | None = None
    confidence: str = ""
    source: str = ""
    note: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Ownership:
    """One dated statement that a party owns part of another: percentage, 0 to 100, from a day until another statement.

    valid_from: first day it holds; None where it always held. A share that was sold is stated again with 0.
    """

    owner: str
    owned: str
    percentage: Decimal
    valid_from: date | None = None
    confidence: str = ""
    source: str = ""
    note: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class StockLine:
    """Chips of one kind that stand in one country. unit: `chips`, `systems`, or "" for items as named."""

    destination: str
    chip: str
    quantity: Decimal
    unit: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Stock:
    """A declaration of all chips that a party's group owns and the ledger never saw move, as of a day.

    owner of a line: the party, unless another of its group is named. It replaces the party's declaration before.
    """

    party: str
    as_of: date
    lines: tuple[StockLine, ...] = ()
    confidence: str = ""
    source: str = ""
    note: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Chip:
    """One dated rating of a chip or a system of chips.

    rates: (bit length, dense TOPS) pairs of one integrated circuit. tpp_per_ic is of one circuit, tpp of the whole
    item (`ic_count` circuits). base_chip is the chip a system is built of, and the chip itself where it is not a
    system. control is the class its parameters meet: `3A090.a`, `3A090.b`, `none` or `undetermined`.
    released is the day it was (a date known to the month counts from the month's last day), None where unknown.
    """

    chip: str
    name: str
    vendor: str = ""
    kind: str = "accelerator"
    base_chip: str = ""
    ic_count: int = 1
    rates: tuple[tuple[int, Decimal], ...] = ()
    bits: int = 0
    tpp_per_ic: Decimal = Decimal(0)
    tpp: Decimal = Decimal(0)
    die_area_mm2: Decimal | None = None
    dram_bandwidth_gb_s: Decimal | None = None
    data_center: bool | None = None
    control: str = "undetermined"
    released: date | None = None
    valid_from: date | None = None
    confidence: str = ""
    source: str = ""
    note: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Authorization:
    """The terms of a permission to ship, as of its latest change.

    chips: the base chips it allows; empty = any. quantity and unit are as stated, "" where its size is undetermined.
    exporter may be empty (any exporter). state: `active`, `suspended`, `revoked` or `surrendered`.
    overrides: the rule whose presumption of denial it overrides, by name.
    eccn, training_operations, evidence (kind, reference): of model weights only, whose unit is `models`.
    """

    authorization: str
    kind: str
    recipient: str
    destination: str
    exporter: str = ""
    chips: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    quantity: str = ""
    unit: str = ""
    conditions: str = ""
    overrides: str = ""
    parent_deal: str = ""
    stated_date: str = ""
    status: str = ""
    state: str = "active"
    state_from: date | None = None
    eccn: str = ""
    training_operations: Decimal | None = None
    evidence: tuple[tuple[str, str], ...] = ()
    confidence: str = ""
    source: str = ""
    note: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """What a party filed because a duty asks for it, and on which day.

    It is about a movement (record, by its number) or about a subject: `facility=site-1`, a date, a counter's subject.
    """

    duty: str
    party: str
    filed_on: date
    record: int | None = None
    subject: str = ""
    reference: str = ""
    confidence: str = ""
    source: str = ""
    note: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class FourEyes:
    """What needs a second person from record `seq` on: `adoption`, `grant`, `reverse`, `override`, or nothing.

    grant_above: in TPP, a grant of more needs one; None: every grant does, where grants are among the kinds.
    """

    kinds: tuple[str, ...] = ()
    grant_above: Decimal | None = None
    seq: int = 0
