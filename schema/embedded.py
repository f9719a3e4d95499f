"""An embedded PostgreSQL that any number of processes share.

Two file locks carry it. `start.lock` is held by whoever is making, starting or stopping the server. `users.lock` is
held in share by every process that uses it, so the kernel counts the users, and forgets one that was killed. The last
one out stops the server.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg

from ledger.core.errors import Unusable
from schema.binaries import Account, bindir

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",  # a socket in a folder of our own is the only way in
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "jit": "off",
}
START_SECONDS = 60
RETRIES = 25
SOCKET_PATH_BYTES = 85  # a socket's whole path may have about 107


class EmbeddedPostgres:
    """One server in one folder, used by this process from `start()` to `stop()` or in a `with` block."""

    def __init__(self, base: Path, settings: Mapping[str, str] | None = None) -> None:
        """Name the server; nothing is touched yet.

        Args:
            base: the folder it lives in, its own; made where it does not exist.
            settings: server settings on top of SETTINGS; only the process that starts the server sets them.
        """
        self.base = base.expanduser().resolve()
        self.data, self.log = self.base / "data", self.base / "server.log"
        self.settings = {**SETTINGS, **(settings or {})}
        self._users: int | None = None

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> str:
        """Make the server if need be, start it or join it, and return its connection string.

        Raises:
            Unusable: the folder belongs to somebody else or cannot be used, or the server does not start.
        """
        try:
            self._make_base()
            with self._starting():
                if self._users is None:
                    users = self._open("users.lock")
                    fcntl.flock(users, fcntl.LOCK_SH)
                    self._users = users
                try:
                    return self._running() or self._start()
                except BaseException:
                    self._leave()
                    raise
        except OSError as error:
            raise Unusable(
                "data_folder_unusable",
                f"The embedded database cannot use {self.base}: {error.strerror or error}.",
                "Use the folder as the user it belongs to, or set CAPLEDGER_DATA_DIR to one of your own.",
            ) from error

    def stop(self) -> bool:
        """Leave the server, and stop it if nobody else uses it; return whether that was so."""
        if self._users is None:
            return False
        if not self.base.is_dir():  # its folder was removed: the server ends by itself when it notices
            self._leave()
            return False
        with self._starting():
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                self._leave()
            if self._postmaster():
                account = Account.owning(self.base)
                account.run(bindir(account, self.base) / "pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")
                if self._socket_folder() != self.base:
                    with contextlib.suppress(OSError):
                        self._socket_folder().rmdir()
            return True

    def _leave(self) -> None:
        if self._users is not None:
            os.close(self._users)
        self._users = None

    def _make_base(self) -> None:
        account = Account.owning(self.base)
        for folder in reversed([path for path in (self.base, *self.base.parents) if not path.exists()]):
            folder.mkdir(exist_ok=True)
            if account.change:
                folder.chmod(0o711)  # whatever the umask: the server's user must get through
        if account.change and self.base.stat().st_uid != account.uid:
            os.chown(self.base, account.uid, account.gid)
        if stat.S_IMODE(self.base.stat().st_mode) != 0o700:
            self.base.chmod(0o700)  # who reaches the socket is let in without a password

    def _open(self, name: str) -> int:
        descriptor = os.open(self.base / name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        if os.geteuid() == 0:  # a lock that root makes must not shut out the folder's owner
            owner = self.base.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        descriptor = self._open("start.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _postmaster(self) -> list[str]:
        """Return the lines of the server's pid file: pid, folder, start, port, socket folder; empty without one."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
        return lines if len(lines) > 4 else []

    def address(self) -> str | None:
        """Return the connection string of a server that seems to run; nothing is asked of it, and nothing started."""
        lines = self._postmaster()
        return f"postgresql://postgres@/postgres?host={quote(lines[4], safe='')}&port={lines[3]}" if lines else None

    def _running(self) -> str | None:
        """Return the connection string of a server that answers, or None.

        Asked of the server itself: its pid file outlives it, and a killed process still looks alive for a while.
        """
        dsn = self.address()
        if not dsn:
            return None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                psycopg.connect(dsn, connect_timeout=10).close()
                return dsn
            except psycopg.OperationalError as error:
                if "too many clients" in str(error):
                    return dsn
                if "the database system is" not in str(error):  # ... starting up, in recovery, shutting down
                    return None
            time.sleep(0.05)
        return None

    def _start(self) -> str:
        account = Account.owning(self.base)
        programs = bindir(account, self.base)
        if account.change and account.run("/bin/sh", "-c", 'cd "$1"', "sh", str(self.base)).returncode:
            raise Unusable(
                "data_folder_unusable",
                f"PostgreSQL runs as user {account.uid} here, who cannot enter {self.base}.",
                "Set CAPLEDGER_DATA_DIR to a folder outside root's home, or run capledger as an ordinary user.",
            )
        self._make_cluster(account, programs)
        self._configure(account)
        for _ in range(RETRIES):
            self._forget_the_dead()
            # A shell inside pg_ctl reads these paths and trips over quotes: relative ones have none.
            start = ("-D", ".", "-l", f"../{self.log.name}", "-w", "-t", str(START_SECONDS), "start")
            done = account.run(programs / "pg_ctl", *start, cwd=self.data)
            if dsn := self._running():
                return dsn
            time.sleep(0.2)  # a killed server's last processes may hold its memory for a moment more
        said = self.log.read_text(errors="replace") if self.log.exists() else done.stdout
        raise Unusable(
            "server_not_started",
            f"PostgreSQL in {self.base} did not start: {said.strip()[-1000:]}",
            f"See {self.log}.",
        )

    def _make_cluster(self, account: Account, programs: Path) -> None:
        version = self.data / "PG_VERSION"
        if version.exists():
            found, runs = version.read_text().strip(), account.run(programs / "postgres", "--version").stdout.split()[2]
            if found != runs.split(".")[0]:
                raise Unusable(
                    "other_server_version",
                    f"The database in {self.data} was made by PostgreSQL {found}; this is {runs}.",
                    f"Dump it with PostgreSQL {found} and restore it into a new folder.",
                )
            return
        half = self.base / "data.half"  # renamed when whole: a killed initdb leaves nothing that looks like a cluster
        shutil.rmtree(half, ignore_errors=True)
        done = account.run(
            programs / "initdb", "-D", str(half), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--data-checksums",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
        )  # fmt: skip
        if done.returncode:
            raise Unusable(
                "server_not_made",
                f"PostgreSQL could not make its files in {self.base}: {done.stdout.strip()[-1000:]}",
                "Set CAPLEDGER_DATA_DIR to a folder with room, or CAPLEDGER_DATABASE_URL to a running server.",
            )
        with (half / "postgresql.conf").open("a") as file:
            file.write("include_if_exists = 'capledger.conf'\n")
        half.rename(self.data)

    def _configure(self, account: Account) -> None:
        """Write the settings to a file: on pg_ctl's command line a shell would read them, and trip over quotes."""
        folder = self._socket_folder()
        if folder != self.base:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (account.uid, os.geteuid()):
                raise Unusable(
                    "data_folder_unusable",
                    f"{folder}, which the embedded database needs for its socket, belongs to somebody else.",
                    "Set CAPLEDGER_DATA_DIR to a folder with a shorter path.",
                )
            if account.change:
                os.chown(folder, account.uid, account.gid)
        settings = self.settings | {"unix_socket_directories": '"{}"'.format(str(folder).replace('"', '""'))}
        descriptor, name = tempfile.mkstemp(dir=self.data, prefix="capledger.conf.")
        with os.fdopen(descriptor, "w") as file:
            file.writelines("{} = '{}'\n".format(key, value.replace("'", "''")) for key, value in settings.items())
            os.fchmod(descriptor, 0o644)
        os.replace(name, self.data / "capledger.conf")

    def _socket_folder(self) -> Path:
        if len(os.fsencode(self.base)) <= SOCKET_PATH_BYTES:
            return self.base
        return Path("/tmp") / f"capledger-{hashlib.sha256(os.fsencode(self.base)).hexdigest()[:16]}"

    def _forget_the_dead(self) -> None:
        """Remove the pid file of a server that is gone, where its number now belongs to another program.

        After a container restarts, numbers repeat; PostgreSQL would take any process of the same user for itself.
        """
        lines = self._postmaster()
        with contextlib.suppress(OSError):
            if lines and Path(f"/proc/{int(lines[0])}/comm").read_text().strip() != "postgres":
                (self.data / "postmaster.pid").unlink()
