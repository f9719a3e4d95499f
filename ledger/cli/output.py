"""What all commands share: how they speak, how they fail, and with which exit status they end."""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import typer

from ledger.core.errors import Corrupt, Problem

ALL_WELL = 0
SAYS_NO = 1  # some rows were refused, or a check failed
UNUSABLE = 2  # what was given cannot be used: arguments, a file, a name, the database
DEFECT = 70
INTERRUPTED = 130
NO_READER = 141
DEBUG = "CAPLEDGER_DEBUG"
LOG = "errors.log"  # in the data folder
_asked: ContextVar[bool] = ContextVar("asked for JSON", default=False)


def say(text: str = "") -> None:
    """Print to standard output."""
    sys.stdout.write(f"{text}\n")


def say_json(value: Any) -> None:
    """Print one line of JSON. Figures that are not whole must be strings already."""
    utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(value, ensure_ascii=not utf8) + "\n")


def complain(text: str, code: str = "", remedy: str = "", **more: str) -> None:
    """Print one line to standard error: a sentence and its remedy after the program's name; JSON to who asked for it.

    Args:
        code: stable, for programs. more: what else programs are told, such as `field`.
    """
    line = f"capledger: {clean(f'{text} {remedy}'.rstrip())}"
    if _asked.get():
        told = {"code": code, "message": clean(text), "remedy": clean(remedy), **more}
        line = json.dumps({name: value for name, value in told.items() if value or name not in more})
    with suppress(OSError):  # nobody may be listening
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def unusable(problem: Problem, command: str) -> NoReturn:
    """Say what the ledger says no to, after the command's name, and end the command."""
    if _asked.get():
        _tell(problem)
    else:
        typer.echo(f"capledger {command}: {problem}", err=True)
    raise typer.Exit(UNUSABLE)


def clean(text: str) -> str:
    """Return text on one line, without what would move a terminal's cursor or change its colors."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in " ".join(text.split()))


def ended(command: Callable[[], Any], *, as_json: bool = False) -> int:
    """Run a command and return the exit status. What went wrong is said in a line or two, never as a traceback.

    as_json: whether JSON was asked for; then what went wrong is told in it, too.
    """
    asked = _asked.set(as_json)
    try:
        return _ended(command)
    finally:
        _asked.reset(asked)


def _ended(command: Callable[[], Any]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to fail
    try:
        status = command()
        sys.stdout.flush()
        return status if isinstance(status, int) else ALL_WELL
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return no_reader()
    except Exception as error:
        return failed(error)


def failed(error: Exception) -> int:
    """Say what went wrong and return the exit status for it."""
    with suppress(OSError):
        sys.stdout.flush()  # what was answered comes before why it ended
    if isinstance(error, Problem):
        _tell(error)
        return SAYS_NO if isinstance(error, Corrupt) else UNUSABLE
    if hasattr(error, "format_message"):  # what typer says of the arguments
        return _misused(error)
    if type(error).__name__ == "Abort":
        return INTERRUPTED
    psycopg = sys.modules.get("psycopg")
    if psycopg and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        reason = str(error).strip().rstrip(".") or "the connection is gone"
        remedy = "What was answered is kept; when it runs again, do the same."
        complain(f"The database failed: {reason}.", "database_failed", remedy)
        return UNUSABLE
    return _defect(error)


def _tell(problem: Problem) -> None:
    """Say what the ledger says no to: as it says itself, and to programs with its parts apart."""
    if _asked.get():
        complain(problem.message, problem.code, problem.remedy, where=problem.where,
                 field=getattr(problem, "field", ""))  # fmt: skip
    else:
        complain(str(problem))


def no_reader() -> int:
    """Let go of a standard output that nobody reads, quietly, and return the exit status for it."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return NO_READER


def _misused(error: Any) -> int:
    message = error.format_message().strip()
    if message:  # it is empty where help was shown instead
        path = getattr(getattr(error, "ctx", None), "command_path", "") or "capledger"
        complain(message if message.endswith((".", "?")) else f"{message}.", "malformed", f"Try '{path} --help'.")
    return int(getattr(error, "exit_code", UNUSABLE))


def _defect(error: Exception) -> int:
    what = f"internal error: {type(error).__name__}: {error}".rstrip(": ")
    if os.environ.get(DEBUG, "") not in ("", "0"):
        traceback.print_exception(error)
        complain(f"{what}; please report it", "internal_error")
    elif log := _logged(error):
        complain(f"{what}; please report it with the end of {log}", "internal_error")
    else:
        complain(f"{what}; please report it with what is shown when {DEBUG}=1 is set", "internal_error")
    return DEFECT


def _logged(error: Exception) -> Path | None:
    """Add an error's traceback to the log in the data folder, readable by its owner only; None where it cannot be."""
    from ledger.settings import Settings

    with suppress(OSError, Problem):
        folder = Settings.load().data_dir
        for made in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            made.mkdir(exist_ok=True)
            made.chmod(0o711)  # the embedded server's user may have to pass through
        handle = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(handle, "a", encoding="utf-8", errors="replace") as log:
            log.write(f"\n{datetime.now(UTC).isoformat()} {' '.join(sys.argv)}\n")
            traceback.print_exception(error, file=log)
        return folder / LOG
    return None
