"""`capledger demo`: the public record of deals through the commands that a user types, and what comes of it."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ledger.cli import asking, output
from ledger.cli.tables import fold, say_lines, screen_width

if TYPE_CHECKING:
    from ledger.demo.values import Overview

ADOPTED, ADOPTED_FROM = "us-licensing-2026", "2023-11-17"  # what was enforced, and since when
COMPARED = "us-diffusion-2025"
FOLDER = "demo"  # in the data folder


def demo(on: asking.On = "", as_json: asking.AsJson = False) -> None:
    """Show the ledger at work: post the public record of deals, reconcile it against the caps, and print a table.

    It writes the record as CSV files and runs the commands you would type yourself. A second run starts from what is
    there and adds nothing.
    """
    from ledger.demo import record
    from ledger.demo.overview import overview
    from ledger.reports import Reader
    from ledger.settings import Settings

    day = asking.day_of(on)
    folder = Settings.load().data_dir / FOLDER
    with asking.connected() as conn:  # keeps the server up between the commands
        _make(folder)
        record.write(folder)
        steps = list(_Steps(folder, day.isoformat(), quiet=as_json).run())
        found = overview(Reader(conn), on=day, compared=COMPARED)
    if as_json:
        _say_as_json(found, steps)
        return
    from ledger.cli.demo_table import lines

    say_lines(lines(found, screen_width()))
    say_lines(_next(day.isoformat()))


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
            " ".join(("post", path, *options)),
            lambda: post(path, "operator", "--observed" in options, together=False, kind="", as_json=True),
            _verdicts,
        )

    def _reconcile(self, typed: str, book: str) -> dict[str, Any]:
        from ledger.cli.reconcile import reconcile

        return self._step(typed, lambda: reconcile(self._day, book, as_json=True), lambda answers: _run(answers[0]))

    def _step(
        self, typed: str, command: Callable[[], None], told: Callable[[list[dict[str, Any]]], str]
    ) -> dict[str, Any]:
        status, heard = output.ALL_WELL, io.StringIO()
        if not self._quiet:
            output.say(f"$ capledger {typed}")
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


def _make(folder: Path) -> None:
    """Make the folder so that the embedded server's own user may pass through what is above it."""
    for made in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        made.mkdir(exist_ok=True)
        made.chmod(0o711)


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


def _next(day: str) -> list[str]:
    return ["", "What to type next:", *(f"  {line}" for line in NEXT)]


NEXT = (
    "capledger remaining --destination AE --recipient microsoft --chip nvidia-h100-sxm5-80 \\\n"
    "    --authorization license --rulebook us-diffusion-2025",
    "capledger history g42",
    "capledger discrepancies",
    "capledger usage --by destination --rulebook us-diffusion-2025",
    "capledger rulebook show us-licensing-2026",
)
