"""The console with a second person: propose, proposals, decide, four-eyes, and who is at the console."""

from __future__ import annotations

import json
import shlex

import pytest
from typer.testing import CliRunner
from world import Ledger, adopt, book, license_, party

from ledger.cli import app

TPP = 15_832
TEXT = book(f"name: country, counts: granted, by: [destination], limit: {10 * TPP} TPP")
HEAD = "key,movement,effective_on,exporter,recipient,destination,authorization,chip,quantity,reverses\n"


@pytest.fixture
def ledger(conn):
    return Ledger(conn).begin(adopt(TEXT, "2025-01-01"), party("nvidia"), party("mydc", "MY"),
                              license_("L1", "mydc", "MY"))  # fmt: skip


@pytest.fixture
def say(dsn, tmp_path):
    """Run a line of the command line as a user of the system, whose name is Nadia unless said."""

    def run(line, user="Nadia"):
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path), "COLUMNS": None, "LOGNAME": user}
        return CliRunner().invoke(app, shlex.split(line), env=env)

    return run


@pytest.fixture
def ask(say):
    """Run a line with --json and return what it says, line by line."""

    def run(line, status=0, user="Nadia"):
        result = say(f"{line} --json", user)
        assert result.exit_code == status, result.output
        found = [json.loads(each) for each in result.stdout.splitlines()]
        return found[0] if len(found) == 1 else found

    return run


@pytest.fixture
def grants(tmp_path):
    """A file of grants, by key and number of chips."""

    def write(**chips):
        rows = [f"{key},grant,2026-02-01,nvidia,mydc,MY,L1,nvidia-h100-sxm5-80,{n},\n" for key, n in chips.items()]
        path = tmp_path / "grants.csv"
        path.write_text(HEAD + "".join(rows))
        return path

    return write


def persons(ledger):
    rows = ledger.rows("SELECT payload FROM journal ORDER BY seq DESC LIMIT 1")
    return json.loads(rows[0][0]).get("person")


def test_a_grant_is_required_proposed_listed_approved_and_then_posted_under_its_own_key(ledger, ask, say, grants):
    assert ask("four-eyes") == {"kinds": [], "grant_above": None, "record": None}
    since = ask(f"four-eyes --kinds grant,reverse --grant-above {2 * TPP} --note policy")["seq"]
    file = grants(small=2, large=3)
    small, large = ask(f"post {file}", 1)
    assert (small["verdict"], large["code"]) == ("posted", "needs_second_person")
    already, made = ask(f"propose {file} --note 'as agreed'", 1)
    assert already["code"] == "key_reused"
    assert made["message"].startswith(f"Proposal {made['seq']} by Nadia waits for another person.")

    listed = ask("proposals")
    assert listed["four_eyes"] == {"kinds": ["grant", "reverse"], "grant_above": str(2 * TPP), "record": since}
    [found] = listed["proposals"]
    assert (found["id"], found["state"], found["person"], found["note"], found["key"]) == (
        made["seq"], "open", "Nadia", "as agreed", "large")  # fmt: skip
    assert found["what"] == "grant 3 nvidia-h100-sxm5-80 to mydc in MY under L1 on 2026-02-01"
    assert found["would"]["verdict"] == "posted"
    assert found["decision"] is None

    assert ask(f"decide {made['seq']} --approve", 1)["code"] == "needs_second_person"
    done = ask(f"decide {made['seq']} --approve --note fine --person Omar --key mine")
    after = f"record {done['seq'] + 1} posts it under key 'large'."
    assert done["message"] == f"Proposal {made['seq']} by Nadia is approved by Omar; {after}"
    same = ask(f"decide {made['seq']} --approve --note fine --key mine", user="Omar")
    assert same == {**done, "verdict": "replayed"}
    again = ask(f"decide {made['seq']} --approve", 1, user="Omar")
    assert f"is approved already, by record {done['seq']}" in again["message"]
    assert ask("proposals")["proposals"] == []
    [found] = ask("proposals --all")["proposals"]
    assert found["state"] == "approved"
    assert found["decision"]["came_of"] == {"key": "large", "seq": done["seq"] + 1, "verdict": "posted"}
    assert (found["decision"]["person"], found["decision"]["note"]) == ("Omar", "fine")
    assert [answer["verdict"] for answer in ask(f"post {file}")] == ["replayed", "replayed"]

    before = ask(f"proposals {made['seq']} --known {made['seq']}")
    assert before["proposals"][0]["state"] == "open", "as it was known then"
    assert ask(f"proposals --known {made['seq'] - 1}")["proposals"] == []

    told = say("proposals --all").stdout
    assert f"A second person is needed for: grant above {2 * TPP:,} TPP, reverse (record {since})." in told
    assert "approved by Omar" in told
    assert say("four-eyes").stdout.startswith("A second person is needed for: grant above")


def test_a_proposal_that_comes_to_nothing_says_why_and_ends_with_a_status(ledger, ask, say, grants):
    made = ask(f"propose {grants(over=11)}")
    assert "cap_exceeded" in made["message"]
    result = say(f"decide {made['seq']} --approve --person Omar")
    assert result.exit_code == 1
    assert "it is refused by record" in result.stdout
    assert "cap_exceeded" in result.stdout
    assert ask("proposals --all")["proposals"][0]["decision"]["came_of"]["code"] == "cap_exceeded"


def test_a_rulebook_is_adopted_by_two_persons(ledger, ask, say):
    ask("four-eyes --kinds adoption")
    refused = say("rulebook adopt us-licensing-2026 --from 2026-01-01")
    assert refused.exit_code == 1
    assert "needs_second_person" in refused.stderr
    made = ask("rulebook adopt us-licensing-2026 --from 2026-01-01 --propose --note 'in force'")
    [found] = ask("proposals")["proposals"]
    assert found["what"] == "adopt us-licensing-2026 from 2026-01-01"
    assert len(found["request"]["bundle"]["us-licensing-2026"]) == 64, "its hash, not its text"
    assert "posts it under key 'adopt:us-licensing-2026:" in say(f"decide {made['seq']} --approve", "Omar").stdout
    assert ledger.rows("SELECT count(*) FROM fact WHERE subject = 'us-licensing-2026'") == [(1,)]


def test_to_ask_for_less_is_proposed_too_and_may_be_declined(ledger, ask, say):
    ask("four-eyes --kinds grant")
    assert ask("four-eyes --kinds nothing", 1)["code"] == "needs_second_person"
    made = ask("four-eyes --kinds nothing --propose")
    assert say(f"decide {made['seq']} --decline --note no", "Omar").stdout == (
        f"Proposal {made['seq']} by Nadia is declined by Omar.\n")  # fmt: skip
    assert ask("four-eyes")["kinds"] == ["grant"]
    assert "second person for nothing" in say("proposals --all").stdout


def test_a_reversal_is_proposed_from_a_file(ledger, ask, tmp_path, grants):
    seq = ask(f"post {grants(one=1)}")["seq"]
    ask("four-eyes --kinds reverse")
    file = tmp_path / "reverse.csv"
    file.write_text(f"{HEAD}back,reverse,2026-02-02,,,,,,,{seq}\n")
    assert ask(f"post {file}", 1)["code"] == "needs_second_person"
    made = ask(f"propose {file}")
    assert ask("proposals")["proposals"][0]["what"] == f"reverse record {seq} on 2026-02-02"
    ask(f"decide {made['seq']} --approve", user="Omar")
    assert ledger.rows("SELECT record FROM reversal") == [(seq,)]


def test_one_proposal_is_told_in_full(ledger, ask, say, grants):
    made = say(f"propose {grants(over=11)} --note 'for the new hall'")
    assert made.stdout.endswith("capledger proposals, capledger decide.\n")
    number = ask("proposals")["proposals"][0]["id"]
    told = say(f"proposals {number}").stdout
    assert f"Proposal {number:,} by Nadia" in told
    assert "grant 11 nvidia-h100-sxm5-80 to mydc in MY" in told
    assert "Why: for the new hall" in told
    assert "would have been refused, cap_exceeded: test-book: country of destination=MY would be over" in told
    assert "It is open" in told
    say(f"decide {number} --approve --note 'we shall see' --person Omar")
    told = say(f"proposals {number}").stdout
    assert "approved by Omar: refused, cap_exceeded, record" in told
    assert "Why: we shall see" in told
    assert "It is open" not in told


@pytest.mark.parametrize(
    ("line", "user", "recorded"),
    [("close 2025-12-31", "Nadia", "Nadia"), ("close 2025-12-31 --person 'Omar  B.'", "Nadia", "Omar B."),
     ("four-eyes --kinds grant", "Zoe", "Zoe"), ("rulebook adopt us-licensing-2026 --from 2026-01-01", "Zoe", "Zoe"),
     ("settle 999 explained --note n", "Zoe", "Zoe")],
)  # fmt: skip
def test_whoever_is_at_the_console_is_recorded(ledger, say, line, user, recorded):
    say(line, user)
    assert persons(ledger) == recorded


def test_a_posted_file_records_who_posted_it(ledger, ask, grants):
    ask(f"post {grants(one=1)}", user="Zoe")
    assert persons(ledger) == "Zoe"


@pytest.mark.parametrize(
    ("line", "said"),
    [("decide 1", "What is decided is not said. Add --approve or --decline."),
     ("decide one --approve --person Omar", "proposal is 'one'"),
     ("decide 1 --approve --person 'a\tb\x1b'", "person is"),
     ("proposals 999", "There is no proposal 999 up to record"),
     ("proposals one", "NUMBER is 'one'"),
     ("four-eyes --kinds lunch", "kinds is 'lunch'"),
     ("four-eyes --grant-above 5", "no kinds are")],
)  # fmt: skip
def test_what_cannot_be_used_is_said_on_one_line(ledger, say, line, said):
    result = say(line)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_of_what_is_not_proposed_is_refused_row_by_row(ledger, ask, tmp_path):
    file = tmp_path / "parties.csv"
    file.write_text("party_id,name,headquarters\nnew,New,US\n")
    answer = ask(f"propose {file}", 1)
    assert (answer["code"], answer["seq"]) == ("malformed", None)
    assert ledger.rows("SELECT count(*) FROM proposal") == [(0,)]
