"""The journal and its guards, the projections, the roles and what each may see."""

from __future__ import annotations

from schema.migrations import run_sql

revision = "0001_journal"
down_revision = None


def upgrade() -> None:
    run_sql("0001_tables.sql", "0001_guards.sql", "0001_posting.sql", "0001_roles.sql", "0001_wall.sql")
