"""The one way to a usable database: found or started, and migrated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.settings import Settings
from schema.migrate import ensure_current


@contextmanager
def open_database(settings: Settings) -> Iterator[str]:
    """Yield the connection string of a migrated database: the stated one, or the embedded server's.

    The embedded server runs at least until the block ends; other processes may keep it up longer.

    Raises:
        Unusable: it cannot be reached, started or migrated.
    """
    if settings.database_url:
        ensure_current(settings.database_url)
        yield settings.database_url
        return
    from schema.embedded import EmbeddedPostgres

    with EmbeddedPostgres(settings.data_dir / "postgres") as dsn:
        ensure_current(dsn)
        yield dsn
