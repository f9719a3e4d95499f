"""Every step from an empty database to today's: one file a step in `versions`, its SQL beside it in `sql`.

A step's file is named like its revision, so that names sort in the order of the steps. There is no way back: a
ledger that was written to is never migrated down.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def revisions() -> tuple[str, ...]:
    """Return the names of all steps, oldest first."""
    return tuple(sorted(path.stem for path in (FOLDER / "versions").glob("[0-9]*.py")))


def run_sql(*names: str) -> None:
    """Run files of `sql` in the migration under way, as they stand: no character of theirs is a placeholder."""
    from alembic import op

    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for name in names:
        driver.execute((FOLDER / "sql" / name).read_text(encoding="utf-8"))
