"""The tables, as SQLModel sees them. The migrations make them; a test holds the two together.

Each says what it is: the journal, the only truth; a projection, rebuilt from the journal at any time; or a working
table, which no answer about chips reads.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from schema.working import MOMENT  # and the working tables, among the others

_UNCONFIRMED = "kind = 'movement.posted' AND position('\"confidence\":\"unconfirmed\"'::bytea IN payload) > 0"
_SEATS = ("exporter", "recipient", "owner", "operator", "booked_to", "lab")
# The parties that a profile names.
_NAMES = Computed("ARRAY[" + ", ".join(f"(body ->> '{seat}'::text)" for seat in _SEATS) + "]", persisted=True)
NO_FIRST_DAY = "0001-01-01"  # window_from of a window without a first day


def _key(kind: Any) -> Any:
    """A column of the primary key whose value the writer states; no sequence ever makes one."""
    return Field(primary_key=True, sa_type=kind, sa_column_kwargs={"autoincrement": False})


class Journal(SQLModel, table=True):
    """Journal: every record ever accepted, in the order of commit, never changed.

    payload, judgment and envelope are the exact bytes that were hashed. scope is an exporter's opaque id or `ledger`.
    """

    __table_args__ = (
        CheckConstraint("seq > 0", name="journal_seq_check"),
        CheckConstraint("scope_seq > 0", name="journal_scope_seq_check"),
        CheckConstraint("octet_length(payload_salt) = 32", name="journal_payload_salt_check"),
        CheckConstraint("octet_length(judgment_salt) = 32", name="journal_judgment_salt_check"),
        CheckConstraint("octet_length(leaf_hash) = 32", name="journal_leaf_hash_check"),
        UniqueConstraint("scope", "scope_seq", name="journal_scope_key"),
        Index("journal_recorded_at", "recorded_at"),
        Index(
            "journal_facts",
            "kind",
            "seq",
            postgresql_where=text("kind NOT IN ('movement.posted', 'request.refused')"),
        ),
        Index("journal_refusals", "seq", postgresql_where=text("kind = 'request.refused'")),
        Index("journal_unconfirmed", "seq", postgresql_where=text(_UNCONFIRMED)),
    )
    seq: int = _key(BigInteger)
    kind: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    key: str | None = Field(default=None, sa_type=Text)
    scope: str = Field(sa_type=Text)
    scope_seq: int = Field(sa_type=BigInteger)
    recorded_at: datetime = Field(sa_type=MOMENT)
    payload: bytes
    payload_salt: bytes
    judgment: bytes
    judgment_salt: bytes
    envelope: bytes
    leaf_hash: bytes


class Head(SQLModel, table=True):
    """Projection: the journal's end, in one row that every writer locks first.

    frontier: the tree's 32-byte subtree hashes, largest subtree first. profiles: how many profiles there are.
    """

    __table_args__ = (
        CheckConstraint("one", name="head_one_check"),
        CheckConstraint("size >= 0", name="head_size_check"),
        CheckConstraint("octet_length(root) = 32", name="head_root_check"),
        CheckConstraint("octet_length(frontier) % 32 = 0", name="head_frontier_check"),
    )
    one: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    size: int = Field(sa_type=BigInteger)
    frontier: bytes
    root: bytes
    recorded_at: datetime | None = Field(default=None, sa_type=MOMENT)
    profiles: int


class Scope(SQLModel, table=True):
    """Projection: how many records each scope has. The scope `ledger` has no party."""

    __table_args__ = (
        CheckConstraint("size >= 0", name="scope_size_check"),
        UniqueConstraint("party", name="scope_party_key"),
    )
    scope: str = Field(primary_key=True, sa_type=Text)
    party: str | None = Field(default=None, sa_type=Text)
    size: int = Field(sa_type=BigInteger)


class RequestKey(SQLModel, table=True):
    """Projection: which record answered an organization's key for ever. A key left open is not in it."""

    __tablename__ = "request_key"
    organization: str = Field(primary_key=True, sa_type=Text)
    key: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(sa_type=BigInteger)
    fingerprint: bytes


class Fact(SQLModel, table=True):
    """Projection: what each record said of a party, chip, authorization or rulebook, and from which day."""

    __table_args__ = (Index("fact_subject", "kind", "subject"),)
    seq: int = _key(BigInteger)
    kind: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    valid_from: date | None = None
    body: dict[str, Any] = Field(sa_type=JSONB)


class Profile(SQLModel, table=True):
    """Projection: the frozen dimensions that entries share, each set once. sha256 is of their canonical bytes."""

    __table_args__ = (UniqueConstraint("sha256", name="profile_sha256_key"),)
    id: int = _key(Integer)
    sha256: bytes
    body: dict[str, Any] = Field(sa_type=JSONB)
    names: list[str | None] | None = Field(default=None, sa_column=Column(ARRAY(Text), _NAMES))


class Lot(SQLModel, table=True):
    """Projection: what each reserve, grant and ship line opened, and what is left of it.

    chip is the base chip. amount and the three balances are in `unit`: open may still be drawn, from a reservation or
    license; in_transit and installed are of a shipment. changed_on is the last day of any of its entries; emptied says
    that all three are zero.
    """

    __table_args__ = (
        CheckConstraint("stage IN ('reserved', 'licensed', 'shipped', 'authorized')", name="lot_stage_check"),
        CheckConstraint("unit IN ('chips', 'tpp')", name="lot_unit_check"),
        Index("lot_of_authorization", "authorization_id", postgresql_where=text("stage = 'licensed' AND NOT emptied")),
        Index(
            "lot_at_place",
            "recipient",
            "destination",
            "chip",
            postgresql_where=text("stage <> 'licensed' AND NOT emptied"),
        ),
    )
    seq: int = _key(BigInteger)
    line: int = _key(SmallInteger)
    stage: str = Field(sa_type=Text)
    profile: int
    authorization_id: str = Field(sa_type=Text)
    recipient: str = Field(sa_type=Text)
    destination: str = Field(sa_type=Text)
    chip: str = Field(sa_type=Text)
    day: date
    last_day: date | None = None
    unit: str = Field(sa_type=Text)
    amount: Decimal = Field(sa_type=Numeric)
    open: Decimal = Field(sa_type=Numeric)
    in_transit: Decimal = Field(sa_type=Numeric)
    installed: Decimal = Field(sa_type=Numeric)
    changed_on: date
    emptied: bool


class Reversal(SQLModel, table=True):
    """Projection: which record reversed which."""

    record: int = _key(BigInteger)
    reversed_by: int = Field(sa_type=BigInteger)


class Entry(SQLModel, table=True):
    """Projection: every signed change to a stage's total. last_day and lot_day are its lot's."""

    __table_args__ = (Index("entry_profile", "profile"), Index("entry_lot", "lot_seq", "lot_line"))
    seq: int = _key(BigInteger)
    n: int = _key(Integer)
    line: int = Field(sa_type=SmallInteger)
    stage: str = Field(sa_type=Text)
    cause: str | None = Field(default=None, sa_type=Text)
    lot_seq: int = Field(sa_type=BigInteger)
    lot_line: int = Field(sa_type=SmallInteger)
    profile: int
    lot_day: date
    effective_on: date
    last_day: date | None = None
    chips: int | None = Field(default=None, sa_type=BigInteger)
    tpp: Decimal = Field(sa_type=Numeric)


class CounterDay(SQLModel, table=True):
    """Projection: by how much each counter of an adopted rulebook changed on each day.

    book: the adoption's record. window_from is 0001-01-01 where the window has no first day. doubt: of entries that
    may or may not count, for want of a fact; unstated_tpp: of equivalents that state no chips.
    """

    __tablename__ = "counter_day"
    book: int = _key(BigInteger)
    cap: str = Field(primary_key=True, sa_type=Text)
    subject: str = Field(primary_key=True, sa_type=Text)
    window_from: date = Field(primary_key=True)
    day: date = Field(primary_key=True)
    tpp: Decimal = Field(sa_type=Numeric)
    chips: int = Field(sa_type=BigInteger)
    doubt_tpp: Decimal = Field(sa_type=Numeric)
    doubt_chips: int = Field(sa_type=BigInteger)
    unstated_tpp: Decimal = Field(sa_type=Numeric)


class StageDay(SQLModel, table=True):
    """Projection: by how much the TPP in each stage in each destination changed on each day; what lapses goes then."""

    __tablename__ = "stage_day"
    destination: str = Field(primary_key=True, sa_type=Text)
    stage: str = Field(primary_key=True, sa_type=Text)
    day: date = Field(primary_key=True)
    tpp: Decimal = Field(sa_type=Numeric)


class Discrepancy(SQLModel, table=True):
    """Projection: every unexplained difference or breach, one unresolved at a time for a subject and window.

    id is the record that opened it, last_seq the latest about it. amount is exact, in unit.
    """

    __table_args__ = (
        CheckConstraint("state IN ('open', 'explained', 'resolved')", name="discrepancy_state_check"),
        Index(
            "discrepancy_unresolved",
            text("class"),
            text("coalesce(book, ''::text)"),
            text("coalesce(cap, ''::text)"),
            "subject",
            text(f"coalesce(window_from, '{NO_FIRST_DAY}'::date)"),
            unique=True,
            postgresql_where=text("state <> 'resolved'"),
        ),
    )
    id: int = _key(BigInteger)
    class_: str = Field(sa_type=Text, sa_column_kwargs={"name": "class"})
    book: str | None = Field(default=None, sa_type=Text)
    cap: str | None = Field(default=None, sa_type=Text)
    subject: str = Field(sa_type=Text)
    window_from: date | None = None
    amount: str = Field(sa_type=Text)
    unit: str = Field(sa_type=Text)
    effective_on: date
    opened_at: datetime = Field(sa_type=MOMENT)
    owner: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    note: str = Field(sa_type=Text)
    last_seq: int = Field(sa_type=BigInteger)


class Reconciliation(SQLModel, table=True):
    """Projection: every reconciliation run. body is the report's canonical bytes, digest their fingerprint.

    number: the newest record that no reconciliation wrote when it ran.
    """

    seq: int = _key(BigInteger)
    number: int = Field(sa_type=BigInteger)
    effective_on: date
    rulebook: str = Field(sa_type=Text)
    inputs_sha256: str = Field(sa_type=Text)
    digest: str = Field(sa_type=Text)
    predecessor_seq: int | None = Field(default=None, sa_type=BigInteger)
    body: bytes


class Proposal(SQLModel, table=True):
    """Projection: every proposal by its record, and the record that decided it."""

    __table_args__ = (
        CheckConstraint("state IN ('open', 'approved', 'declined')", name="proposal_state_check"),
        CheckConstraint("(state = 'open') = (decided_by IS NULL)", name="proposal_decided_check"),
    )
    seq: int = _key(BigInteger)
    state: str = Field(sa_type=Text)
    decided_by: int | None = Field(default=None, sa_type=BigInteger)
