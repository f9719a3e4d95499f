"""The working tables: who may ask, and which jobs ran. No answer about chips reads them, no check rebuilds them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, Numeric, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

MOMENT: Any = DateTime(timezone=True)


class AccessKey(SQLModel, table=True):
    """Working: keys that were issued, their secrets as SHA-256. party is "" for all roles but an exporter's.

    replaces: the key that this one was made for when it was rotated.
    """

    __tablename__ = "access_key"
    __table_args__ = (
        CheckConstraint("octet_length(secret_sha256) = 32", name="access_key_secret_sha256_check"),
        CheckConstraint("role IN ('regulator', 'exporter', 'auditor', 'operator')", name="access_key_role_check"),
        CheckConstraint("(role = 'exporter') = (party <> '')", name="access_key_party_check"),
        CheckConstraint("expires_at > issued_at", name="access_key_expires_at_check"),
    )
    id: str = Field(primary_key=True, sa_type=Text)
    secret_sha256: bytes
    person: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    party: str = Field(sa_type=Text)
    issued_at: datetime = Field(sa_type=MOMENT)
    expires_at: datetime = Field(sa_type=MOMENT)
    revoked_at: datetime | None = Field(default=None, sa_type=MOMENT)
    replaces: str | None = Field(default=None, sa_type=Text)


class PartyRole(SQLModel, table=True):
    """Working: the database role that stands for a party; none where the server would not make one."""

    __tablename__ = "party_role"
    __table_args__ = (UniqueConstraint("role", name="party_role_role_key"),)
    party: str = Field(primary_key=True, sa_type=Text)
    role: str | None = Field(default=None, sa_type=Text)


class Session(SQLModel, table=True):
    """Working: who is signed in to the pages, by the hash of a token, until when at the latest."""

    __table_args__ = (CheckConstraint("octet_length(token_sha256) = 32", name="session_token_sha256_check"),)
    token_sha256: bytes = Field(primary_key=True)
    key_id: str = Field(sa_type=Text)
    opened_at: datetime = Field(sa_type=MOMENT)
    expires_at: datetime = Field(sa_type=MOMENT)


class Attempt(SQLModel, table=True):
    """Working: how many more times somebody may try at once. who is hashed; tries refill with time."""

    __table_args__ = (CheckConstraint("tries >= 0", name="attempt_tries_check"),)
    who: bytes = Field(primary_key=True)
    tries: Decimal = Field(sa_type=Numeric)
    tried_at: datetime = Field(sa_type=MOMENT)
    allowed: bool


class JobRun(SQLModel, table=True):
    """Working: the periods each job has claimed and finished, so that each runs once."""

    __tablename__ = "job_run"
    __table_args__ = (CheckConstraint("period_end > period_start", name="job_run_period_check"),)
    job: str = Field(primary_key=True, sa_type=Text)
    period_start: datetime = Field(primary_key=True, sa_type=MOMENT)
    period_end: datetime = Field(sa_type=MOMENT)
    started_at: datetime = Field(sa_type=MOMENT, sa_column_kwargs={"server_default": text("clock_timestamp()")})
    finished_at: datetime | None = Field(default=None, sa_type=MOMENT)
    worker: str = Field(sa_type=Text)
