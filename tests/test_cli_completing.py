"""What a shell offers when a value is to be completed: asked as a shell asks, by the environment."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from world import DIFFUSION, H100, H200, Ledger, adopt, license_, party

from ledger import rulebooks
from ledger.cli import app, completing

ROOT = Path(__file__).parent.parent
NAMES = {"PARTY", "COUNTRY", "SUBJECT", "ID|KIND", "NAME|FILE"}  # what may be completed, as help calls it


@pytest.fixture
def ledger(conn) -> Ledger:
    return Ledger(conn).begin(
        adopt(DIFFUSION, "2025-01-13"), party("nvidia"), party("mydc", "MY"), party("my-holding", "MY"),
        license_("MY-1", "mydc", "MY"), chips=(H100, H200),
    )  # fmt: skip


@pytest.fixture
def offered(dsn, tmp_path):
    """Return what bash is offered for the last word of a line; another ledger where one is named."""

    def run(line: str, **env: str) -> list[str]:
        words = shlex.split(line) + ([""] if line.endswith(" ") else [])
        asked = {
            **os.environ, "CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path / "none"), **env,
            "PYTHONPATH": str(ROOT), "_CAPLEDGER_COMPLETE": "complete_bash", "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }  # fmt: skip
        command = [sys.executable, "-c", "from ledger.cli import main; main()"]
        done = subprocess.run(command, env=asked, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return run


@pytest.mark.parametrize(("line", "values"), [
    ("capledger remaining --recipient my", ["my-holding", "mydc"]),
    ("capledger remaining --chip nvidia-h", [H100, H200]),
    ("capledger remaining --destination M", ["MY", "MX"]),
    ("capledger explain --from-destination SA", ["SA"]),
    ("capledger explain --authorization M", ["MY-1"]),
    ("capledger explain --authorization l", ["license"]),
    ("capledger history M", ["MY", "MY-1"]),
    ("capledger history n", ["nvidia", H100, H200]),
    ("capledger usage --rulebook us-d", [DIFFUSION]),
    ("capledger rulebook show us-d", [DIFFUSION]),
    ("capledger rulebook adopt us-d", [DIFFUSION]),
    ("capledger post --as o", ["operator"]),
    ("capledger post --as nv", ["nvidia"]),
    ("capledger duties --party nv", ["nvidia"]),
    ("capledger statement --from 2025-01-01 --exporter nv", ["nvidia"]),
    ("capledger keys issue --role exporter --party nv", ["nvidia"]),
    ("capledger tpp --chip nvidia-gb", ["nvidia-gb300-gpu"]),
    ("capledger remaining --recipient nobody-of-this-name", []),
    ("capledger hist", ["history"]),
])  # fmt: skip
def test_a_shell_is_offered_the_names_that_begin_so(ledger, offered, line, values):
    found = offered(line)
    assert set(values) <= set(found)
    assert all(each.startswith(line.split()[-1]) for each in found)
    if not values:
        assert found == []


def test_without_a_database_nothing_is_offered_said_or_started(offered, tmp_path):
    gone = {"CAPLEDGER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    assert offered("capledger remaining --recipient ", **gone) == []
    assert offered("capledger remaining --recipient ", CAPLEDGER_DATABASE_URL="no address") == []
    assert offered("capledger remaining --recipient ", CAPLEDGER_DATABASE_URL="") == []
    assert not (tmp_path / "none").exists()
    assert "MY" in offered("capledger remaining --destination ", **gone)


def test_a_database_without_a_ledger_offers_nothing(offered, server, databases):
    assert offered("capledger remaining --recipient ", CAPLEDGER_DATABASE_URL=server) == []


def test_an_embedded_ledger_that_is_down_offers_what_the_last_command_left(ledger, offered, dsn, tmp_path):
    from ledger.settings import Settings

    settings = Settings.load({"CAPLEDGER_DATA_DIR": str(tmp_path)})
    completing.leave(dsn, settings)
    left = tmp_path / completing.LEFT
    assert left.stat().st_mode & 0o777 == 0o600
    down = {"CAPLEDGER_DATABASE_URL": "", "CAPLEDGER_DATA_DIR": str(tmp_path)}
    assert offered("capledger remaining --recipient my", **down) == ["my-holding", "mydc"]
    ledger.must(party("my-own"))
    completing.leave(dsn, settings)
    assert offered("capledger remaining --recipient my", **down) == ["my-holding", "my-own", "mydc"]
    kept = left.stat().st_mtime_ns
    completing.leave(dsn, settings)
    assert left.stat().st_mtime_ns == kept  # it has not grown: nothing is written
    left.write_text("[")
    assert offered("capledger remaining --recipient my", **down) == []


def test_what_a_shell_would_run_is_never_offered(offered, tmp_path):
    left = {kind: ["$(id)", "`id`", "a b", "a'b", "abc"] for kind in completing.KINDS}
    (tmp_path / completing.LEFT).write_text(json.dumps({"journal": 1, **left}))
    down = {"CAPLEDGER_DATABASE_URL": "", "CAPLEDGER_DATA_DIR": str(tmp_path)}
    assert offered("capledger remaining --recipient ", **down) == ["abc"]


def test_every_name_that_a_command_takes_is_completed():
    group: Any = typer.main.get_command(app)
    groups = [group, *(each for each in group.commands.values() if hasattr(each, "commands"))]
    commands = [each for of in groups for each in of.commands.values() if not hasattr(each, "commands")]
    named = [each for command in commands for each in command.params if each.metavar in NAMES]
    assert len(named) > 30
    assert [each.name for each in named if each._custom_shell_complete is None] == []


def test_shipped_rulebooks_are_offered_without_being_read():
    assert completing.documents("") == sorted(rulebooks.shipped())
