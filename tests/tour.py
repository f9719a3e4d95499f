"""The README's tours: their commands run as they stand, and what they print.

The first runs on an empty ledger; `console public-record` marks what runs on the ledger of `capledger demo`.
`python -m tests.tour` writes the output of each command into the README anew; a test holds the two together.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"```console( public-record)?\n(.*?)```", re.DOTALL)
WIDTH = "100"
# What differs from run to run: hashes, and the moment of recording.
CHANGING = ((re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"), (re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d\b"), "<moment>"))


def commands(text: str, marked: str = "") -> list[tuple[str, str]]:
    """Return a tour's commands in order, each with the output that the README shows for it."""
    found = []
    for mark, block in BLOCK.findall(text):
        if mark.strip() != marked:
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command = command[:-1] + more.strip()
            found.append((command, output.rstrip()))
    return found


def run(command: str, data_dir: str) -> str:
    """Return what a command of the tour prints, on a ledger of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAPLEDGER_")}
    environment |= {"CAPLEDGER_DATA_DIR": data_dir, "COLUMNS": WIDTH}
    program, *words = shlex.split(command)
    assert program == "capledger"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("capledger")), *words], cwd=ROOT, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout.rstrip()


def settled(text: str) -> str:
    """Return text without what differs from run to run."""
    for pattern, name in CHANGING:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def rewrite() -> None:
    """Write the commands' real output into the README."""
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as record:
        for folder in (empty, record):
            os.chmod(folder, 0o711)
        run("capledger demo", record)

        def fill(block: re.Match[str]) -> str:
            parts = []
            data_dir = record if block[1] else empty
            for part in re.split(r"^\$ ", block[2], flags=re.MULTILINE)[1:]:
                lines = part.splitlines()
                last = next(n for n, line in enumerate(lines) if not line.endswith("\\"))
                command = "".join(line.rstrip("\\").strip() + " " for line in lines[: last + 1])
                parts.append("$ " + "\n".join(lines[: last + 1]) + "\n" + run(command, data_dir) + "\n")
            return f"```console{block[1] or ''}\n" + "\n".join(parts) + "```"

        README.write_text(BLOCK.sub(fill, README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
