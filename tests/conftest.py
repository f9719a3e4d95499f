"""A real PostgreSQL for every test: one server a run, one migrated template, one database a test.

`dsn` is the connection string of a fresh, migrated database; `conn` an open connection to it. The server keeps its
files in memory where that is possible, and all workers share it. CAPLEDGER_TEST_DATABASE_URL names another server to
use: its user must be allowed to create databases and roles.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import psycopg
import pytest

from schema.embedded import EmbeddedPostgres
from schema.migrate import ensure_current
from schema.migrations import FOLDER

RUN_FOLDER = "CAPLEDGER_TEST_RUN_FOLDER"  # how the process that starts a run tells its workers
MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 << 30
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}

NO_BROWSER = "No Chromium: no page was looked at in a browser."

# A shared machine is slow at times, and a database per test is shared by its examples on purpose.
hypothesis.settings.register_profile(
    "capledger",
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("capledger")


def pytest_configure(config: pytest.Config) -> None:
    # One short path, which another user may pass through: a server started by root does not run as root.
    if not hasattr(config, "workerinput"):
        in_memory = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
        folder = Path(tempfile.mkdtemp(prefix="capledger-test-", dir=MEMORY if in_memory else None))
        folder.chmod(0o711)
        os.environ[RUN_FOLDER] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(RUN_FOLDER), ignore_errors=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly what did not run."""
    skipped = terminalreporter.stats.get("skipped", [])
    if count := sum(NO_BROWSER in str(each.longrepr) for each in skipped):
        terminalreporter.write_sep("!", f"{count} tests did NOT run", red=True, bold=True)
        terminalreporter.write_line(f"{NO_BROWSER} Install it (apt-get install chromium), or set CAPLEDGER_CHROMIUM.")


def in_database(dsn: str, name: str) -> str:
    """Return the same server's connection string for another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """A folder of this run that any user may pass through, removed when the run ends."""
    return Path(os.environ[RUN_FOLDER])


@pytest.fixture(scope="session")
def server(run_folder: Path) -> Iterator[str]:
    """The connection string of a server where a test may make databases."""
    if url := os.environ.get("CAPLEDGER_TEST_DATABASE_URL"):
        yield url
        return
    with EmbeddedPostgres(run_folder / "server", FAST) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def template(server: str) -> str:
    """The name of a migrated database to copy. It is named after the migrations, so that a kept one is never stale."""
    texts = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".py", ".sql"))
    name = "capledger_template_" + hashlib.sha256(b"".join(path.read_bytes() for path in texts)).hexdigest()[:12]
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(hashtext(%s))", (name,))
        known = "SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate"
        if admin.execute(known, (name,)).fetchone() is None:
            admin.execute(f"DROP DATABASE IF EXISTS {name}")
            admin.execute(f"CREATE DATABASE {name}")
            ensure_current(in_database(server, name))
            admin.execute(f"ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false")
    return name


class Databases:
    """Makes databases and drops them one late: dropping right after a disconnect makes the server wait."""

    def __init__(self, server: str, prefix: str) -> None:
        self.server, self.prefix = server, prefix
        self.numbers, self.done = itertools.count(), list[str]()

    def make(self, template: str) -> str:
        name = f"{self.prefix}_{next(self.numbers)}"
        with psycopg.connect(self.server, autocommit=True) as admin:
            while self.done:
                admin.execute(f"DROP DATABASE {self.done.pop()} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop_all(self) -> None:
        with psycopg.connect(self.server, autocommit=True) as admin:
            for name in self.done:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def databases(server: str) -> Iterator[Databases]:
    made = Databases(server, f"capledger_test_{os.getpid()}")
    yield made
    made.drop_all()


@pytest.fixture
def dsn(databases: Databases, template: str) -> Iterator[str]:
    """A fresh, migrated database with an empty journal."""
    name = databases.make(template)
    yield in_database(databases.server, name)
    databases.done.append(name)


@pytest.fixture
def empty_dsn(databases: Databases) -> Iterator[str]:
    """A fresh database with nothing in it."""
    name = databases.make("template0")
    yield in_database(databases.server, name)
    databases.done.append(name)


@pytest.fixture
def conn(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """An open connection to `dsn`, closed after the test; what it did not commit is rolled back."""
    with psycopg.connect(dsn) as connection:
        yield connection
        connection.rollback()
