"""`capledger demo`: the public record of deals through the commands that a user types, and what comes of it."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ledger.cli import asking, output
from ledger.cli.tables import fold, say_lines, screen_width
from ledger.core.errors import Malformed, Unusable

if TYPE_CHECKING:
    from ledger.demo.values import Overview

ADOPTED, ADOPTED_FROM = "us-licensing-2026", "2023-11-17"  # what was enforced, and since when
COMPARED = "us-diffusion-2025"
FOLDER = "demo"  # in the data folder
PROGRAM = "capledger"
NEXT = (
    "remaining --destination AE --recipient microsoft \\\n"
    f"      --chip nvidia-b200 --authorization license --rulebook {COMPARED}",
    "explain --movement ship --exporter nvidia \\\n"
    "      --destination AE --recipient microsoft --chip nvidia-b200 \\\n"
    "      --quantity 1000 --authorization uae-msft-2025-09",
    "history g42",
    f"usage --by destination --rulebook {COMPARED}",
    "discrepancies",
)


def demo(on: asking.On = "", as_json: asking.AsJson = False) -> None:
    """Show the ledger at work: post the public record of deals, reconcile it against the caps, and print a table.

    It writes the record as CSV files and runs the commands you would type yourself. A second run starts from what is
    there and adds nothing.
    """
    from ledger.demo.overview import overview
    from ledger.reports import Reader
    from ledger.settings import Settings

    day = asking.day_of(on)
    if day.isoformat() < ADOPTED_FROM:
        raise Malformed("on", f"--on {day} is before {ADOPTED} is in force.", f"Ask for {ADOPTED_FROM} or later.")
    folder = Settings.load().data_dir / FOLDER
    with asking.connected() as conn:  # keeps the server up between the commands
        _write(folder)
        steps = list(_Steps(folder, day.isoformat(), quiet=as_json).run())
        found = overview(Reader(conn), on=day, compared=COMPARED)
    if as_json:
        _say_as_json(found, steps)
    else:
        from ledger.cli.demo_table import lines

        say_lines(lines(found, screen_width()), ["", "What to type next:"])
        say_lines(f"  {_program()} {typed}" for typed in NEXT)
    if any(step["status"] for step in steps):
        raise typer.Exit(output.SAYS_NO)


class _Steps:
    """The commands of the demo, in order: each is shown as it would be typed, run, and answered in a line."""

    def __init__(self, folder: Path, day: str, *, quiet: bool) -> None:
        self._folder, self._day, self._quiet = folder, day, quiet

    def run(self) -> Iterator[dict[str, Any]]:
        """Run each command; yield what it was, its exit status and what it answered."""
        from ledger.cli.adopt import adopt
        from ledger.demo.record import AUTHORIZATIONS, MOVEMENTS, PARTIES, RATINGS

        yield self._post(PARTIES)
        yield self._post(RATINGS)
        yield self._step(
            f"rulebook adopt {ADOPTED} --from {ADOPTED_FROM}",
            lambda: adopt(ADOPTED, ADOPTED_FROM, until="", key="", as_json=True),
            lambda answers: f"{answers[0]['verdict']} as record {answers[0]['seq']:,}",
        )
        yield self._post(AUTHORIZATIONS)
        yield self._post(MOVEMENTS, "--observed")
        yield self._reconcile(f"reconcile --on {self._day}", "")
        yield self._reconcile(f"reconcile --on {self._day} --rulebook {COMPARED}", COMPARED)

    def _post(self, file: str, *options: str) -> dict[str, Any]:
        from ledger.cli.post import post

        path = str(self._folder / file)
        return self._step(
            shlex.join(("post", path, *options)),
            lambda: post(path, "operator", "--observed" in options, together=False, kind="", as_json=True),
            _verdicts,
        )

    def _reconcile(self, typed: str, book: str) -> dict[str, Any]:
        from ledger.cli.reconcile import reconcile

        return self._step(
            typed, lambda: reconcile(self._day, rulebook=book, as_json=True), lambda answers: _run(answers[0])
        )

    def _step(
        self, typed: str, command: Callable[[], None], told: Callable[[list[dict[str, Any]]], str]
    ) -> dict[str, Any]:
        status, heard = output.ALL_WELL, io.StringIO()
        if not self._quiet:
            output.say(f"$ {_program()} {typed}")
        with redirect_stdout(heard):
            try:
                command()
            except typer.Exit as ended:
                status = ended.exit_code
        answers = [json.loads(line) for line in heard.getvalue().splitlines()]
        if not self._quiet:
            say_lines(*(fold(f"  {line}", screen_width(), "  ") for line in (told(answers), *_refusals(answers))))
        return {"command": f"capledger {typed}", "status": status, "answers": answers}


def _verdicts(answers: list[dict[str, Any]]) -> str:
    counts = Counter(answer["verdict"] for answer in answers)
    told = ", ".join(f"{number:,} {verdict}" for verdict, number in sorted(counts.items()))
    return f"{len(answers):,} rows: {told}"


def _refusals(answers: list[dict[str, Any]]) -> list[str]:
    return [f"{answer['key']}: {answer['message']}" for answer in answers if answer.get("verdict") == "refused"]


def _run(answer: dict[str, Any]) -> str:
    counters = answer["report"]["counters"]
    states = Counter(each["state"] for each in answer["report"]["standings"])
    told = ", ".join(f"{number:,} {state}" for state, number in sorted(states.items())) or "no cap in use"
    same = "" if answer["is_new"] else ", the same as before"
    differ = f"; {len(counters['differences'])} counters differ from the journal" if counters["differences"] else ""
    return f"{told}{differ}; run {answer['seq']:,}{same}, digest {answer['digest'][:16]}"


def _write(folder: Path) -> None:
    """Write the record's files. The embedded server's own user must be able to pass through the folders above it."""
    from ledger.demo import record

    try:
        for made in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            made.mkdir(exist_ok=True)
            made.chmod(0o711)
        record.write(folder)
    except OSError as fault:
        raise Unusable(
            "no_data_folder", f"The record cannot be written: {fault.strerror}.", "Set CAPLEDGER_DATA_DIR to a folder.",
            where=str(folder),
        ) from None  # fmt: skip


def _program() -> str:
    """Return how to call this program where it was called from: by its path, if it is not among the commands there."""
    called = Path(sys.argv[0])
    if called.name != PROGRAM or shutil.which(PROGRAM):
        return PROGRAM
    here = Path.cwd()
    return str(called.absolute().relative_to(here) if called.absolute().is_relative_to(here) else called)


def _say_as_json(found: Overview, steps: list[dict[str, Any]]) -> None:
    from ledger.demo.values import body

    runs = [step["answers"][0] for step in steps if "digest" in (step["answers"] or [{}])[0]]
    output.say_json(
        {
            **body(found),
            "reconciliations": [
                {"rulebook": run["report"]["rulebook"]["name"], "seq": run["seq"], "digest": run["digest"]}
                for run in runs
            ],
            "commands": [
                {
                    "command": step["command"],
                    "status": step["status"],
                    "verdicts": dict(Counter(answer.get("verdict", "recorded") for answer in step["answers"])),
                }
                for step in steps
            ],
        }
    )
