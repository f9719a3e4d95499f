"""`--on` and `--known` on every command that reads, `--json` on every command, and errors in it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import typer
from typer.testing import CliRunner
from world import BOOK, DIFFUSION, H100, LICENSING, Ledger, adopt, license_, move, party

from ledger.cli import COMMANDS, app
from ledger.posting import Request
from ledger.reconcile import reconcile_caps

RUN_AT = datetime(2026, 2, 1, tzinfo=UTC)
LINE = {"exporter": "nvidia", "destination": "MY", "recipient": "mydc", "authorization": "L1"}
OF_RECORDS = "a journal is so many records, whatever days they are dated"
OF_NOW = "it looks at what is kept now"
# Each command that reads the ledger, and what it cannot be asked with why.
READS = {
    "proposals": {}, "remaining": {}, "explain": {}, "usage": {}, "history": {}, "backtest": {}, "revalue": {},
    "duties": {}, "exposure": {}, "reconcile": {}, "discrepancies": {}, "rulebook show": {},
    "statement": {"--on": "it is of two days: --from and --to"},
    "checkpoint": {"--on": OF_RECORDS}, "prove": {"--on": OF_RECORDS},
    "four-eyes": {"--on": "a requirement holds from its record on"},
    "rulebook diff": {"--on": "books are compared whole"},
    "check": {"--on": OF_NOW, "--known": OF_NOW},
    "keys list": {"--on": "keys are no records", "--known": "keys are no records"},
}  # fmt: skip
OTHERS = {
    "tpp", "rulebook lint", "rulebook adopt", "post", "propose", "decide", "settle", "close", "rebuild", "keys issue",
    "keys rotate", "keys revoke", "serve", "demo",
}  # fmt: skip


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its name, those of groups too."""
    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        command = group.commands[name]
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {each}", found) for each, found in inner.items()) if inner else ((name, command),)


EVERY = dict(commands())


@pytest.fixture
def ledger(conn) -> Ledger:
    """Chips granted in June, and more of them shipped in July than were granted."""
    ledger = Ledger(conn).begin(
        adopt(LICENSING, "2023-11-17", "2025-01-13"), adopt(DIFFUSION, "2025-01-13"), party("nvidia"),
        party("mydc", "MY"), license_("L1", "mydc", "MY", first_day="2025-06-01", last_day="2026-12-31"), chips=(H100,),
    )  # fmt: skip
    ledger.must(move("grant", "2025-06-02", 100, **LINE), move("ship", "2025-07-02", 500, observed=True, **LINE))
    return ledger


@pytest.fixture
def say(dsn, tmp_path):
    def run(line: str) -> Any:
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path), "COLUMNS": None}
        return CliRunner().invoke(app, shlex.split(line), env=env)

    return run


@pytest.fixture
def ask(say):
    def run(line: str, status: int = 0) -> dict[str, Any]:
        result = say(f"{line} --json")
        assert result.exit_code == status, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return run


def test_every_command_is_one_that_reads_or_one_of_the_others():
    assert set(EVERY) == {*READS, *OTHERS}


@pytest.mark.parametrize("name", READS)
def test_what_reads_is_asked_of_a_day_and_as_known_at_a_record_but_for_what_is_written_here(name):
    options = {option for each in EVERY[name].params for option in each.opts}
    assert {"--on", "--known"} - options == set(READS[name])


@pytest.mark.parametrize("name", EVERY)
def test_every_command_tells_programs_in_json(name):
    assert "--json" in {option for each in EVERY[name].params for option in each.opts}


@pytest.mark.parametrize(("line", "told"), [
    ("remaining --color blue", {"code": "malformed", "message": "No such option: --color."}),
    ("history nobody", {"code": "not_found"}),
    ("usage --on soon", {"code": "malformed", "field": "on", "remedy": "Write YYYY-MM-DD."}),
    ("rulebook show nothing-of-this-name", {"code": "not_found"}),
    ("rulebook diff nothing-of-this-name us-licensing-2026", {"code": "not_found"}),
    ("rulebook lint nothing-of-this-name", {"code": "not_found"}),
    ("tpp --chip nothing-of-this-name", {"code": "not_found"}),
    ("four-eyes --kinds reverse --known 3", {"code": "malformed", "field": "known"}),
])  # fmt: skip
def test_an_error_is_told_to_programs_in_json_on_standard_error(ledger, say, line, told):
    result = say(f"{line} --json")
    assert (result.exit_code, result.stdout) == (2, "")
    found = json.loads(result.stderr)
    assert {name: found[name] for name in told} == told
    assert found["message"]
    assert found["remedy"]


def test_an_error_is_a_sentence_to_people_also_after_a_program_asked(ledger, say):
    say("history nobody --json")
    assert say("history nobody").stderr.startswith("capledger: Nothing is recorded about 'nobody'")


def test_history_and_discrepancies_of_a_day_are_what_is_dated_up_to_it(ledger, ask, say):
    days = {each["day"] for each in ask("history mydc --on 2025-07-01")["history"]}
    assert max(day for day in days if day) == "2025-06-02"
    assert "2025-07-02" in {each["day"] for each in ask("history mydc")["history"]}
    assert ask("discrepancies --on 2025-07-01")["discrepancies"] == []
    assert [each["effective_on"] for each in ask("discrepancies --on 2025-07-02")["discrepancies"]] == ["2025-07-02"]
    assert "dated up to 2025-07-01" in say("history mydc --on 2025-07-01").stdout
    assert say("discrepancies --on 2025-07-01").stdout.startswith("0 unresolved discrepancies dated up to 2025-07-01")


def test_the_age_of_a_discrepancy_is_that_at_the_record_asked(ledger, conn, say):
    before = ledger.size()
    for n, day in enumerate((15, 16)):  # of what is known at the newest record, it is the age of now
        ledger.writer.post([party(f"later-{n}")], actor="operator", at=datetime(2026, 1, day, 10, tzinfo=UTC))

    def age(known: int) -> str:
        lines = say(f"discrepancies --known {known}").stdout.splitlines()
        title = next(line for line in lines if "age in days" in line)
        end = title.index("age in days") + len("age in days")
        return lines[lines.index(title) + 2][:end].split()[-1]

    assert (age(before), age(before + 1)) == ("0", "10")


def test_proposals_of_a_day_are_as_they_stood_when_it_ended(ledger, ask, say):
    grant = dict(move("grant", "2025-06-03", 1, **LINE).raw)
    made = Request("proposal", "p", {"kind": "movement", "key": "g", "body": grant})
    (receipt,) = ledger.writer.post([made], actor="operator", person="nadia", at=datetime(2026, 2, 1, tzinfo=UTC))
    decided = Request("decision", "d", {"proposal": str(receipt.seq), "decision": "decline"})
    ledger.writer.post([decided], actor="operator", person="olga", at=datetime(2026, 2, 3, tzinfo=UTC))

    def states(on: str) -> list[str]:
        return [each["state"] for each in ask(f"proposals --all {on}")["proposals"]]

    assert [states(f"--on 2026-{day}") for day in ("01-31", "02-01", "02-02", "02-03")] == [
        [], ["open"], ["open"], ["declined"],
    ]  # fmt: skip
    assert states("") == ["declined"]
    assert ask(f"proposals {receipt.seq} --on 2026-02-02")["proposals"][0]["state"] == "open"
    assert say(f"proposals {receipt.seq} --on 2026-01-31").exit_code == 2


def test_what_needed_a_second_person_is_shown_as_known_at_a_record(ledger, ask):
    before = ledger.size()
    ledger.must(Request("four_eyes", "four", {"kinds": "reverse"}))
    assert ask("four-eyes")["kinds"] == ["reverse"]
    assert ask(f"four-eyes --known {before}")["kinds"] == []


def test_a_run_of_a_past_record_is_told_and_leaves_no_trace(ledger, conn, ask, say):
    on = date(2025, 7, 31)
    run = reconcile_caps(conn, on=on, at=RUN_AT)
    ledger.must(move("grant", "2025-06-05", 7, **LINE))
    size = ledger.size()
    past = ask(f"reconcile --on {on} --known {run.report['number']}")
    assert (past["seq"], past["is_new"]) == (None, False)
    same = ("on", "number", "rulebook", "standings", "states", "predecessor")
    assert {name: past["report"][name] for name in same} == {name: run.report[name] for name in same}
    assert past["report"]["counters"] == {**run.report["counters"], "kept": False}
    text = say(f"reconcile --on {on} --known {size}")
    assert text.exit_code == 0
    assert f"Changed since run {run.seq}" in text.stdout
    assert "Nothing was recorded: a past record was asked." in text.stdout
    assert ledger.size() == size
    assert say(f"reconcile --on {on} --known {size + 1}").exit_code == 2


def test_a_rulebook_is_shown_and_compared_as_it_was_adopted_by_a_record(ledger, ask, say):
    def text(title: str) -> str:
        document = BOOK.format(name="own-book", rules="  - {name: anything, law: test, answer: deny}", caps="  []")
        return document.replace("title: A book for a test", f"title: {title}")

    first, second = (ledger.must(adopt(text(title), day)) for title, day in (
        ("The first", "2026-03-01"), ("The second", "2026-04-01")))  # fmt: skip
    assert ask(f"rulebook show own-book --known {second}")["title"] == "The second"
    told = ask(f"rulebook show own-book --known {first}")
    assert (told["title"], told["known"], told["journal"]) == ("The first", first, ledger.size())
    assert say(f"rulebook show own-book --known {first - 1}").exit_code == 2
    assert say("rulebook show own-book").exit_code == 2  # no document of that name is shipped
    assert f"As adopted by record {first}" in say(f"rulebook show own-book --known {first}").stdout
    compared = ask(f"rulebook diff own-book us-licensing-2026 --known {first}")
    assert (compared["a"]["rulebook"], compared["known"]) == ("own-book", first)


def test_findings_are_told_to_programs_too(ledger, ask):
    told = ask(f"rulebook lint {DIFFUSION}")
    assert (told["files"], told["errors"]) == (1, 0)
    assert len(told["findings"]) == told["warnings"] + told["notes"] > 0
    assert set(told["findings"][0]) == {"where", "line", "level", "message", "remedy"}
