"""The reading commands as a person types them, and as a program reads them, on a real database."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from world import DIFFUSION, GB300, H20, H100, H200, Ledger, adopt, book, license_, move, party

from ledger import rulebooks
from ledger.cli import COMMANDS, app
from ledger.cli.tables import Column, bar, table

LONG = "a" * 100
AT_MYDC = "--destination MY --recipient mydc --chip"
MALAYSIA = f"remaining {AT_MYDC} {H200} --authorization license --on 2025-06-05"
GRANT = f"explain --movement grant {AT_MYDC} {H200} --authorization L1 --exporter nvidia --on 2025-06-05"

# What a license to a tier 2 country turns on, under the framework.
READINGS = {"unshipped-when-license-ends": "returns", "allied-headquarters-outside": "counts-and-binds"}


@pytest.fixture
def ledger(conn) -> Ledger:
    """Under the framework: 49,000 H100 licensed to Malaysia, some of them shipped; a deal that broke a cap."""
    ledger = Ledger(conn).begin(
        adopt(DIFFUSION, "2025-01-13"),
        party("nvidia"), party("mydc", "MY"), party("g42", "AE", "unknown"), party(LONG, "DE"),
        party("chinese-group", "CN"), party("emirati-of-chinese-group", "AE", "chinese-group"),
        license_("L1", "mydc", "MY", last_day="2026-12-31"), license_("G1", "g42", "AE"), license_("D1", LONG, "DE"),
    )  # fmt: skip
    line = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY", "authorization": "L1"}
    deal = {"exporter": "nvidia", "recipient": "g42", "destination": "AE", "authorization": "G1"}
    ledger.must(move("grant", "2025-06-02", 49_000, **line))
    ledger.refused(move("grant", "2025-06-03", 899, H200, **line), "cap_exceeded")
    ledger.must(
        move("ship", "2025-07-01", 1_000, **line),
        move("receive", "2025-07-10", 600, recipient="mydc", destination="MY"),
        move("grant", "2025-11-19", 35_000, GB300, unit="equivalents", observed=True, **deal),
        move("grant", "2025-11-19", 100, **{**line, "recipient": LONG, "destination": "DE", "authorization": "D1"}),
    )
    return ledger


@pytest.fixture
def say(dsn, tmp_path):
    """Run a line of the command line; `columns` is how wide the terminal is, and is not said where output is piped."""

    def run(line: str, columns: int | None = None) -> Result:
        width = None if columns is None else str(columns)
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path), "COLUMNS": width}
        return CliRunner().invoke(app, shlex.split(line), env=env)

    return run


@pytest.fixture
def ask(say):
    """Run a line with --json; return what it says, or fail unless it ends with the status expected."""

    def run(line: str, status: int = 0) -> dict[str, Any]:
        result = say(f"{line} --json")
        assert result.exit_code == status, result.output
        assert len(result.stdout.splitlines()) == 1
        return json.loads(result.stdout)

    return run


def one_line(result: Result) -> str:
    """Return the one line that says why a command could not do what it was asked."""
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


# remaining


def test_what_is_left_is_told_exactly_with_every_cap_that_was_looked_at(ledger, ask):
    assert ask(MALAYSIA) == {
        "on": "2025-06-05",
        "known": ledger.size(),
        "journal": ledger.size(),
        "rulebook": "us-diffusion-2025 (revision 2)",
        "remaining_tpp": "14232000",
        "remaining_chips": 898,
        "remaining_h100_equivalents": "898.938858",
        "binding_cap": "country-allocation",
        "why": "",
        "remedy": "",
        "rules": ["license-other"],
        "review": "presumption of approval up to the country allocation, then policy of denial",
        "readings": READINGS,
        "caps": [
            {
                "cap": "country-allocation",
                "subject": "destination=MY",
                "window": "2025-01-01/2028-01-01",
                "unit": "TPP",
                "limit": "790000000",
                "used": "775768000",
                "doubt": "0",
                "remaining": "14232000",
                "state": "critical",
                "limit_tpp": "790000000",
                "used_tpp": "775768000",
                "remaining_tpp": "14232000",
                "day": "2025-06-05",
                "when_exceeded": "refuse",
                "law": "15 CFR 742.6(b)(10)(iii)(B)(1), (2)",
                "confidence": "confirmed",
                "status": "",
                "book": "us-diffusion-2025",
            }
        ],
        "open_tpp": None,
        "open_chips": None,
    }


def test_a_person_reads_one_sentence_first_and_then_the_caps(ledger, say):
    lines = say(MALAYSIA).stdout.splitlines()
    assert lines[0] == "898 chips (14,232,000 TPP) fit the caps; country-allocation of destination=MY binds."
    assert f"On 2025-06-05, as known at record {ledger.size()} (the newest), under us-diffusion-2025" in lines[3]
    assert lines[5].split() == ["cap", "subject", "window", "limit", "used", "left", "state", "marks"]
    assert lines[7].split()[:2] == ["country-allocation", "destination=MY"]
    assert "790,000,000 TPP" in lines[7]
    assert lines[7].endswith("critical")


def test_what_fits_is_never_called_allowed(ledger, say):
    lines = [MALAYSIA, f"remaining {AT_MYDC} {H20}", f"{GRANT} --quantity 1", f"{GRANT} --quantity 900"]
    said = "".join(say(line).output for line in lines)
    assert "allowed" not in said
    assert "fit" in said


def test_of_a_shipment_the_license_s_open_is_a_limit_too(ledger, ask, say):
    line = f"remaining {AT_MYDC} {H100} --authorization L1 --on 2025-08-01"
    left = ask(line)
    assert (left["binding_cap"], left["remaining_chips"]) == ("authorization", 48_000)
    assert (left["open_chips"], left["open_tpp"]) == (48_000, "759936000")
    assert say(line).stdout.startswith("48,000 chips (759,936,000 TPP) fit the caps; the authorization's open binds.\n")


def test_with_a_bare_kind_the_open_is_left_out(ledger, ask):
    left = ask(f"remaining {AT_MYDC} {H100} --authorization LPP --evidence consignee-statement=CS-1")
    assert (left["open_chips"], left["open_tpp"]) == (None, None)
    assert (left["binding_cap"], left["remaining_tpp"], left["remaining_chips"]) == ("lpp-year", "26900000", 1_699)


def test_a_chip_below_the_control_line_is_unlimited(ledger, ask, say):
    left = ask(f"remaining {AT_MYDC} {H20}")
    assert (left["binding_cap"], left["remaining_tpp"], left["remaining_chips"]) == ("unlimited", None, None)
    assert (left["remaining_h100_equivalents"], left["caps"]) == (None, [])
    assert say(f"remaining {AT_MYDC} {H20}").stdout.startswith("Unlimited: no cap that refuses is touched by")


def test_what_a_rule_denies_leaves_nothing_and_says_which_rule(ledger, ask, say):
    line = f"remaining --destination AE --recipient emirati-of-chinese-group --chip {H100} --authorization license"
    left = ask(f"{line} --on 2025-08-05")
    assert (left["remaining_tpp"], left["remaining_chips"], left["binding_cap"]) == ("0", 0, "not_permitted")
    assert left["rules"] == ["denied-parties"]
    assert "denied-parties" in left["why"]
    assert "overrides this rule by name" in left["remedy"]
    assert say(f"{line} --on 2025-08-05").stdout.startswith("0 chips fit, not_permitted: us-diffusion-2025: rule")


def test_a_cap_in_chips_has_no_figures_in_tpp_and_shows_what_it_is(conn, ask, say):
    caps = "name: deal, counts: granted, by: [destination], where: {destination: [MY]}, limit: 100 chips, "
    caps += "when_exceeded: flag, status: framework, confidence: unconfirmed"
    Ledger(conn).begin(adopt(book(caps)), party("nvidia"), party("mydc", "MY"))
    left = ask(MALAYSIA)
    assert left["binding_cap"] == "unlimited"
    assert left["caps"][0] == left["caps"][0] | {
        "unit": "chips", "limit": "100", "remaining": "100", "limit_tpp": None, "used_tpp": None, "remaining_tpp": None,
    }  # fmt: skip
    row = say(MALAYSIA).stdout.splitlines()[-1]
    assert "100 chips" in row
    assert row.endswith("framework, flags only, unconfirmed")


def test_a_day_that_is_not_said_is_today_and_is_told(ledger, ask):
    before = datetime.now(UTC).date()
    told = ask(f"remaining {AT_MYDC} {H100}")["on"]
    assert before.isoformat() <= told <= datetime.now(UTC).date().isoformat()


@pytest.mark.parametrize("known", ["{first}", "0", "2026-01-05", "2026-01-05T09:00:01", "2026-01-05T10:00:01+01:00"])
def test_a_record_or_a_moment_says_as_of_when_it_is_known(ledger, say, ask, known):
    # Everything but what `before` is asked was recorded at nine o'clock.
    size, first = ledger.size(), ledger.size() - 8
    if known == "0":
        assert "not known" in one_line(say(f"{MALAYSIA} --known 0"))
        return
    left = ask(f"{MALAYSIA} --known {known.format(first=first)}")
    assert left["journal"] == size
    if known == "{first}":
        assert (left["known"], left["remaining_tpp"]) == (first, "790000000")
        assert f"as known at record {first} (of {size})" in say(f"{MALAYSIA} --known {first}").stdout
    else:
        assert (left["known"], left["remaining_tpp"]) == (size, "14232000")


def test_the_end_of_the_day_before_the_first_record_knows_nothing(ledger, say):
    assert "not known" in one_line(say(f"{MALAYSIA} --known 2026-01-04"))


def test_another_rulebook_can_be_asked_by_name(ledger, ask, say):
    line = f"remaining --destination 'United Arab Emirates' --recipient mydc --chip {H100} --authorization license"
    left = ask(f"{line} --on 2026-06-30 --rulebook us-licensing-2026")
    assert left["rulebook"] == "us-licensing-2026 (revision 1)"
    assert {cap["book"] for cap in left["caps"]} == {"us-licensing-2026"}
    assert {cap["subject"] for cap in left["caps"] if cap["cap"] == "uae-year"} == {"destination=AE"}
    assert "asked by name" in say(f"{line} --rulebook us-licensing-2026").stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"remaining --destination Nowhere --recipient mydc --chip {H100}", "not a country that is listed"),
        (f"remaining --destination my --recipient mydc --chip {H100}", "Write codes in capitals: MY."),
        (f"remaining --destination MY --recipient nobody --chip {H100}", "Register the party first"),
        ("remaining --destination MY --recipient mydc --chip h100", "chip 'h100', which is not known"),
        (f"remaining {AT_MYDC} {H100} --authorization L9", "authorization 'L9', which is not known"),
        (f"remaining {AT_MYDC} {H100} --owner 'two words'", "owner is 'two words', which is not an id"),
        (f"remaining {AT_MYDC} {H100} --on tomorrow", '--on "tomorrow" is not a day. Write YYYY-MM-DD.'),
        (f"remaining {AT_MYDC} {H100} --known 999", "999 is not one of them"),
        (f"remaining {AT_MYDC} {H100} --known yesterday", "neither a record nor a moment"),
        (f"remaining {AT_MYDC} {H100} --known 2026-13-01", "neither a record nor a moment"),
        (f"remaining {AT_MYDC} {H100} --rulebook nope", 'no rulebook "nope"'),
        (f"remaining --recipient mydc --chip {H100}", "Missing option '--destination'"),
        ("usage --by planet", "Use one of: destination, tier, recipient"),
        ("history nobody", "Nothing is recorded about 'nobody'"),
        ("explain --movement jump", "movement is 'jump'"),
        (f"explain --movement grant {AT_MYDC} {H100} --authorization L1 --quantity 1", "exporter is missing"),
        (f"{GRANT} --quantity 0", "must be above zero"),
        (f"{GRANT} --quantity 1 --on soon", "is not a day"),
        ("rulebook adopt nope --from 2025-01-01", 'no rulebook "nope"'),
        ("rulebook adopt us-licensing-2026 --from soon", '--from "soon" is not a day'),
        ("rulebook adopt us-licensing-2026 --from 2025-02-01 --until 2025-02-01", "is not after --from"),
        ("reconcile --on 2020-01-01", "No rulebook is in force on 2020-01-01"),
        ("settle 1 forgotten --note x", "Use one of: explained, resolved, reopened"),
        ("settle one explained --note x", "id is 'one'"),
        ("close tomorrow", 'DAY "tomorrow" is not a day'),
    ],
)
@pytest.mark.parametrize("ending", ["", " --json"])
def test_what_cannot_be_read_is_one_line_with_a_way_out(ledger, say, line, said, ending):
    result = say(line + ending)
    if ending and line.startswith("settle"):  # a receipt is the answer, whatever it says
        assert (result.exit_code, json.loads(result.stdout)["code"]) == (2, "malformed")
        return
    told = one_line(result)
    if ending:
        problem = json.loads(told)
        assert problem["code"]
        told = f"{problem['message']} {problem['remedy']}"
    assert said in told


# usage


def test_totals_and_caps_are_shown_per_country(ledger, ask, say):
    told = ask("usage --on 2026-06-30")
    assert [each["subject"] for each in told["totals"]] == ["AE", "MY", "DE"]
    assert told["totals"][1] == told["totals"][1] | {
        "licensed_tpp": "775768000", "open_tpp": "759936000", "shipped_tpp": "15832000", "in_transit_tpp": "6332800",
        "installed_tpp": "9499200", "licensed_chips": 49_000,
    }  # fmt: skip
    assert [(cap["subject"], cap["state"]) for cap in told["caps"]] == [
        ("destination=AE", "over"),
        ("destination=MY", "critical"),
    ]
    lines = say("usage --on 2026-06-30").stdout.splitlines()
    assert any(line.startswith("AE") and "United Arab Emirates" in line for line in lines)
    assert any("destination=AE" in line and "[##########] 266%" in line and "-1,310,000,000" in line for line in lines)
    assert any("destination=MY" in line and "[#########.]  98%" in line and "critical" in line for line in lines)


def test_by_tier_every_cap_stands_with_the_tier_of_its_country(ledger, ask):
    told = ask("usage --by tier --on 2026-06-30")
    assert [(each["subject"], each["licensed_tpp"]) for each in told["totals"]] == [
        ("2", "2875768000"),
        ("1", "1583200"),
    ]
    assert [(cap["tier"], cap["subject"]) for cap in told["caps"]] == [
        ("2", "destination=AE"),
        ("2", "destination=MY"),
        ("", "owner_group=mydc"),
    ]


def test_other_caps_are_told_of_and_listed_when_they_are_asked_for(ledger, ask, say):
    assert "--caps lists all that are" in say("usage --by recipient --on 2026-06-30").stdout
    told = say("usage --caps --on 2026-06-30").stdout
    assert "owner_group=mydc" in told
    assert "destination=AE" in told
    assert len(ask("usage --caps --on 2026-06-30")["caps"]) == 3


def test_an_empty_ledger_says_what_to_type(say, ask):
    result = say("usage")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("The ledger is empty")
    for command in ("capledger demo", "capledger post parties.csv", "capledger rulebook adopt us-licensing-2026"):
        assert command in result.stdout
    told = ask("usage")
    assert (told["journal"], told["rulebook"], told["totals"], told["caps"]) == (0, None, [], [])


def test_before_the_first_movement_nothing_is_shown_as_used(ledger, say):
    assert say("usage --on 2025-02-01").stdout.startswith("Nothing was granted or shipped by 2025-02-01.")


# history


def test_a_history_holds_facts_movements_and_refusals_in_order(ledger, ask):
    told = ask("history mydc")
    assert told["subject"] == "mydc"
    assert [each["kind"] for each in told["history"]] == [
        "party.registered", "authorization.issued", *["movement.posted"] * 2, "request.refused",
        *["movement.posted"] * 4,
    ]  # fmt: skip
    assert sorted(told["history"], key=lambda each: each["seq"]) == told["history"]
    assert told["history"][2] == told["history"][2] | {"stage": "licensed", "chips": 49_000, "tpp": "775768000"}
    assert "cap_exceeded" in told["history"][4]["what"]


def test_a_history_holds_what_was_stated_of_others_and_names_its_subject(ledger, ask):
    ledger.must(license_("AE-2", "mydc", "AE", chips=H200))

    def stated(subject: str) -> list[tuple[str, str]]:
        told = ask(f"history {subject}")["history"]
        return [(each["kind"], each["what"].split("authorization ")[-1]) for each in told if not each["stage"]]

    assert ("authorization.issued", "AE-2") in stated("mydc")
    assert [each for each in stated("AE") if each[1] in ("G1", "AE-2")] == [
        ("authorization.issued", "G1"), ("authorization.issued", "AE-2"),
    ]  # fmt: skip
    assert ("authorization.issued", "AE-2") in stated(H200)
    assert [kind for kind, _ in stated("chinese-group")] == ["party.registered", "party.registered"]  # and what it owns
    assert ("authorization.issued", "G1") not in stated("mydc")


def test_a_history_holds_what_was_found_wrong_and_what_was_said_of_it(ledger, ask):
    wrong = ask("discrepancies")["discrepancies"]
    found = next(each for each in wrong if each["subject"] == "destination=AE")
    ask(f"settle {found['id']} explained --note 'the deal of November'")
    for subject in ("AE", "g42", "G1"):  # the country by name, its recipient and license by the record that broke it
        told = {each["seq"]: each for each in ask(f"history {subject}")["history"]}
        assert (told[found["id"]]["kind"], told[found["id"]]["day"]) == ("discrepancy.opened", "2025-11-19")
        assert "country-allocation" in told[found["id"]]["what"]
        said = told[max(told)]
        assert (said["kind"], said["day"]) == ("discrepancy.explained", "2025-11-19")
        assert said["what"] == f"discrepancy {found['id']}: the deal of November"
    assert not [each for each in ask("history mydc")["history"] if each["kind"].startswith("discrepancy.")]


def test_a_country_is_found_by_its_name_too(ledger, ask):
    assert ask("history Malaysia")["subject"] == "MY"
    assert ask("history Malaysia")["history"] == ask("history MY")["history"]


def test_a_history_as_it_was_known_then_is_shorter(ledger, ask):
    known = next(each["seq"] for each in ask("history mydc")["history"] if each["kind"] == "request.refused")
    told = ask(f"history mydc --known {known}")
    assert (told["known"], len(told["history"])) == (known, 5)


# explain


@pytest.mark.parametrize("quantity", [898, 899])
def test_the_verdict_explained_is_the_verdict_that_posting_gives(ledger, ask, quantity):
    size = ledger.size()
    told = ask(f"{GRANT} --quantity {quantity}", status=0 if quantity == 898 else 1)
    assert ledger.size() == size  # nothing was posted
    receipt = ledger.ask(
        move("grant", "2025-06-05", quantity, H200, exporter="nvidia", recipient="mydc", destination="MY",
             authorization="L1")
    )  # fmt: skip
    assert {name: told[name] for name in ("verdict", "code", "message", "remedy")} == {
        "verdict": receipt.verdict, "code": receipt.code, "message": receipt.message, "remedy": receipt.remedy,
    }  # fmt: skip
    assert told["binding_cap"] == "country-allocation"
    looked = next(cap for cap in told["caps"] if cap["cap"] == "country-allocation")
    assert looked == looked | {
        "limit": "790000000", "used": "775768000", "asked": str(quantity * 15832), "left": "14232000",
        "finding": "fits" if quantity == 898 else "exceeded",
    }  # fmt: skip


def test_a_person_reads_the_verdict_the_reason_and_the_way_out_first(ledger, say):
    result = say(f"{GRANT} --quantity 899")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("Would be refused, cap_exceeded: us-diffusion-2025: country-")
    assert result.stdout.splitlines()[1] == "Ask for 898 chips or fewer under a new key."
    assert say(f"{GRANT} --quantity 898").stdout.startswith(f"Would be posted: grant of 898 {H200}.")


def test_an_observation_is_posted_and_says_what_it_would_open(ledger, ask, say):
    told = ask(f"{GRANT} --quantity 899 --observed")
    assert (told["verdict"], [each["code"] for each in told["breaches"]]) == ("posted", ["cap_exceeded"])
    assert "It would open:\n- cap_exceeded" in say(f"{GRANT} --quantity 899 --observed").stdout


def test_who_asks_is_a_part_of_the_question(ledger, ask):
    assert ask(f"{GRANT} --quantity 1 --as mydc", status=1)["code"] == "forbidden"


def test_what_names_an_unknown_party_would_be_refused_for_it(ledger, ask):
    told = ask(GRANT.replace("mydc", "nobody") + " --quantity 1", status=1)
    assert (told["verdict"], told["code"], told["caps"]) == ("refused", "unknown_party", [])


def test_a_reverse_is_explained_by_its_record(ledger, ask):
    grant = next(each["seq"] for each in ask("history mydc")["history"] if each["stage"] == "licensed")
    told = ask(f"explain --movement reverse --reverses {grant} --on 2025-08-01", status=1)
    assert told["code"] == "negative_stock"  # it was shipped from meanwhile


# adopting


def test_adopting_twice_adopts_once_and_says_so(ledger, ask, say):
    line = "rulebook adopt us-licensing-2026 --from 2025-05-13"
    first, second = ask(line), ask(line)
    assert (first["verdict"], second["verdict"]) == ("posted", "replayed")
    assert first["key"] == "adopt:us-licensing-2026:1:2025-05-13"
    assert second["seq"] == first["seq"]
    assert f"was adopted already from 2025-05-13: record {first['seq']}." in say(line).stdout
    assert ask("usage --on 2025-05-13")["rulebook"] == "us-licensing-2026 (revision 1)"
    assert ask("usage --on 2025-05-12")["rulebook"] == "us-diffusion-2025 (revision 2)"


def test_a_book_in_a_file_is_adopted_under_its_own_name(tmp_path, ask, say):
    (tmp_path / "draft.yaml").write_text(book(name="my-book"))
    assert ask(f"rulebook adopt {tmp_path}/draft.yaml --from 2025-01-01 --until 2026-01-01")["verdict"] == "posted"
    assert ask("usage --on 2025-12-31")["rulebook"] == "my-book (revision 1)"
    assert ask("usage --on 2026-01-01")["rulebook"] is None


def test_the_same_key_for_other_days_is_not_adopted(ledger, ask):
    line = "rulebook adopt us-licensing-2026 --from 2025-05-13"
    ask(line)
    assert ask(f"{line} --until 2026-05-13", status=2)["code"] == "key_reused"


# reconciling


def test_a_run_is_recorded_once_for_a_position(ledger, ask, say):
    size = ledger.size()
    first = ask("reconcile --on 2026-06-30")
    second = ask("reconcile --on 2026-06-30")
    assert (first["is_new"], second["is_new"]) == (True, False)
    assert (first["seq"], first["digest"], first["report"]) == (second["seq"], second["digest"], second["report"])
    assert first["report"]["number"] == size
    assert first["report"]["states"]["2"] == {"critical": 1, "over": 1}
    told = say("reconcile --on 2026-06-30").stdout
    assert "1 over, 1 critical, 1 watched." in told
    assert f"Run {first['seq']} stands: the same position, so nothing was added." in told
    assert f"Digest {first['digest']}" in told


def test_a_run_says_what_changed_since_the_one_before(ledger, ask, say):
    ask("reconcile --on 2026-06-30")
    ledger.must(move("grant", "2025-06-05", 898, H200, exporter="nvidia", recipient="mydc", destination="MY",
                     authorization="L1"))  # fmt: skip
    told = say("reconcile --on 2026-06-30").stdout
    changed = told[told.index("Changed since") :]
    assert ["775,768,000", "789,985,136"] in [line.split()[-2:] for line in changed.splitlines()]
    ledger.must(party("another"))
    assert "Nothing changed since run" in say("reconcile --on 2026-06-30").stdout


def test_a_book_that_is_not_in_force_is_compared_and_says_so(ledger, ask, say):
    report = ask("reconcile --on 2025-11-30 --rulebook us-licensing-2026")["report"]
    assert (report["rulebook"]["in_force"], report["counters"]["kept"]) == (False, False)
    assert "which is not in force" in say("reconcile --on 2025-11-30 --rulebook us-licensing-2026").stdout


def test_a_sound_ledger_is_checked_and_rebuilt_with_status_zero(ledger, ask, say):
    ask("reconcile --on 2026-06-30")
    told = ask("check")
    assert (told["is_sound"], told["records"], told["faults"], told["differences"]) == (True, ledger.size(), [], [])
    assert say("check").stdout.startswith(f"Sound: {ledger.size()} records, each as it was sealed;")
    assert ask("rebuild") == told


def test_a_tampered_total_is_found_and_rebuilt(ledger, ask, say):
    ledger.conn.execute("UPDATE counter_day SET tpp = tpp + 1 WHERE subject = 'destination=MY'")
    ledger.conn.commit()
    assert ask("reconcile --on 2026-06-30", status=1)["report"]["counters"]["differences"][0]["cap"]
    told = ask("check", status=1)
    assert told["is_sound"] is False
    assert "counter_day" in [each["projection"] for each in told["differences"]]
    assert say("check").exit_code == 1
    rebuilt = say("rebuild")
    assert rebuilt.exit_code == 1  # it says where they differed
    assert "Rebuilt: everything is now as the journal says." in rebuilt.stdout
    assert say("check").exit_code == 0


def test_a_head_that_forgets_records_is_found_and_no_record_is_lost_by_rebuilding(ledger, ask, say):
    size = ledger.size()
    ledger.conn.execute("UPDATE head SET size = 5")
    ledger.conn.commit()
    told = ask("check", status=1)
    assert (told["is_sound"], told["records"]) == (False, size)
    assert [each["projection"] for each in told["differences"]] == ["head"]
    assert "Rebuilt: everything is now as the journal says." in say("rebuild").stdout
    assert ask("check")["records"] == ledger.size() == size


def test_a_journal_that_lost_its_newest_record_is_found_and_not_built_upon(ledger, ask, say):
    size = ledger.size()
    ledger.conn.execute("ALTER TABLE journal DISABLE TRIGGER ALL")
    ledger.conn.execute("DELETE FROM journal WHERE seq = %s", [size])
    ledger.conn.commit()
    assert ask("check", status=1)["faults"] == [f"the head counts {size} records; the journal has {size - 1}"]
    assert "Rebuilt" not in say("rebuild").stdout
    assert ledger.rows("SELECT size FROM head") == [(size,)]


@pytest.mark.parametrize("change", [
    "actor = 'somebody'", "key = 'another'", "key = NULL", "kind = 'authorization.issued'", "kind = 'request.refused'",
])  # fmt: skip
def test_a_record_that_is_filed_otherwise_than_it_was_sealed_is_found(ledger, ask, change):
    seq = ledger.rows("SELECT max(seq) FROM journal WHERE kind = 'movement.posted'")[0][0]
    ledger.conn.execute("ALTER TABLE journal DISABLE TRIGGER ALL")
    ledger.conn.execute(f"UPDATE journal SET {change} WHERE seq = {seq}")
    ledger.conn.commit()
    said = f"record {seq} is filed under another kind, actor or key than it was sealed"
    assert ask("check", status=1)["faults"] == [said]


# discrepancies, periods


def test_a_discrepancy_is_settled_by_records_and_opened_again(ledger, ask, say):
    listed = ask("discrepancies")["discrepancies"]
    assert [(each["class"], each["subject"]) for each in listed] == [
        ("undetermined", "recipient=g42"),
        ("cap_exceeded", "destination=AE"),
    ]
    number = listed[1]["id"]
    assert (listed[1]["amount"], listed[1]["unit"]) == ("1310000000", "TPP")
    told = say(f"settle {number} explained --note 'an agreement of 2025-11-19' --owner desk-3")
    assert told.stdout == f"Discrepancy {number} is explained: record {ledger.size()}.\n"
    ask(f"settle {number} resolved --note 'a waiver was published'")
    assert [each["id"] for each in ask("discrepancies")["discrepancies"]] == [listed[0]["id"]]
    every = {each["id"]: each for each in ask("discrepancies --all")["discrepancies"]}
    assert every[number] == every[number] | {"state": "resolved", "owner": "desk-3", "note": "a waiver was published"}
    ask(f"settle {number} reopened --note 'it was not for this'")
    assert len(ask("discrepancies")["discrepancies"]) == 2


def test_discrepancies_as_known_then_are_what_was_listed_then(ledger, ask, say):
    before = {size: ask(f"discrepancies --known {size}")["discrepancies"] for size in range(ledger.size())}
    assert before[1] == []
    number = ask("discrepancies")["discrepancies"][1]["id"]
    assert [each["id"] for each in before[number - 1]] != [each["id"] for each in before[number]]
    then = {}
    for change in ("explained", "resolved", "reopened", "resolved"):
        ask(f"settle {number} {change} --note '{change} here' --owner desk-{change}")
        then[ledger.size()] = [ask(f"discrepancies {every}")["discrepancies"] for every in ("", "--all")]
    for size, listed in then.items():
        assert [ask(f"discrepancies {every} --known {size}")["discrepancies"] for every in ("", "--all")] == listed
    assert {size: ask(f"discrepancies --known {size}")["discrepancies"] for size in before} == before
    told = say(f"discrepancies --known {min(then)}").stdout
    assert told.startswith(f"2 unresolved discrepancies at record {min(then)}.")


def test_a_discrepancy_can_be_explained_again_in_the_same_words(ledger, ask):
    number = ask("discrepancies")["discrepancies"][0]["id"]
    first = ask(f"settle {number} explained --note same")
    ask(f"settle {number} resolved --note done")
    ask(f"settle {number} reopened --note again")
    assert ask(f"settle {number} explained --note same")["seq"] > first["seq"]
    kept = [ask(f"settle {number} explained --note same --key once")["seq"] for _ in range(2)]
    assert kept[0] == kept[1]


def test_a_discrepancy_that_is_not_there_is_not_settled(ledger, say):
    result = say("settle 999 explained --note x")
    assert result.exit_code == 1
    assert "There is no discrepancy 999." in result.stderr


def test_a_closed_period_takes_no_more_requests(ledger, ask, say):
    assert say("close 2025-12-31 --note 'year end'").stdout.startswith("The period to 2025-12-31 is closed: record")
    assert say("close 2025-12-31 --note 'year end'").stdout.startswith("The period to 2025-12-31 was closed already")
    assert ask(f"{GRANT} --quantity 1", status=1)["code"] == "period_closed"


# on any terminal


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 140])
@pytest.mark.parametrize(
    "line",
    [
        MALAYSIA, f"{GRANT} --quantity 899", "usage --on 2026-06-30", "usage --by tier --on 2026-06-30",
        "usage --by recipient --on 2026-06-30", "usage --caps --on 2025-12-31 --rulebook us-licensing-2026",
        "history mydc", f"history {LONG}", "history AE", "reconcile --on 2026-06-30", "discrepancies",
    ],
)  # fmt: skip
def test_no_line_is_wider_than_the_terminal(ledger, say, line, columns):
    result = say(line, columns)
    assert result.exit_code in (0, 1), result.output
    digest = "Digest "  # is never broken, so that it can be copied
    assert [each for each in result.stdout.splitlines() if len(each) > columns and not each.startswith(digest)] == []
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("name", [*COMMANDS, "rulebook adopt"])
def test_every_command_has_help(say, name):
    result = say(f"{name} --help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


COLUMNS = (
    Column("country", least=10), Column("name", least=8), Column("window", least=12, under="name"),
    Column("used", right=True, optional=True), Column("limit", right=True), Column("what", below=True),
)  # fmt: skip
ROWS = [
    [f"destination=C{n}", "A country with a name", "2025-01-01/2028-01-01", f"{n:,}", "790,000,000 TPP", "as licensed"]
    for n in range(200)
]


def test_piped_rows_stay_on_one_line_each_and_are_never_cut():
    lines = table(COLUMNS, [*ROWS, [LONG, *ROWS[0][1:]]], None)
    assert len(lines) == 2 + 201
    assert lines[-1].startswith(LONG)
    assert all(line.endswith("as licensed") for line in lines[2:])


@pytest.mark.parametrize("width", range(30, 140, 7))
def test_a_narrow_table_keeps_every_figure_and_every_day_whole(width):
    lines = table(COLUMNS, ROWS, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert text.count("790,000,000 TPP") == 200
    assert text.count("2025-01-01") == text.count("2028-01-01") == 200
    assert " ".join(text.split()).count("as licensed") == 200


def test_what_is_left_out_for_want_of_room_is_told():
    columns = [Column("a"), Column("b", optional=True), Column("c", optional=True)]
    lines = table(columns, [["12345678901234567890", "1234567890", "1234567890"]], 36)
    assert lines[-1] == "Not shown here: c."
    assert table(columns, [["12345678901234567890", "1234567890", "1234567890"]], 60)[-1].endswith("1234567890")


def test_a_screen_that_holds_no_table_gets_each_row_as_a_list():
    columns = [Column("cap"), Column("limit", right=True), Column("state")]
    rows = [["country-allocation", "790,000,000 TPP", "open"], ["uae-year", "500,000 chips", ""]]
    assert table(columns, rows, 30) == [
        "cap    country-allocation",
        "limit  790,000,000 TPP",
        "state  open",
        "",
        "cap    uae-year",
        "limit  500,000 chips",
    ]


def test_letters_that_take_two_columns_and_none_are_counted_so():
    lines = table([Column("name"), Column("n", right=True)], [["\u4e0a\u6d77", "1"], ["Ange\u0301", "22"]], 40)
    assert lines[2:] == ["\u4e0a\u6d77   1", "Ange\u0301  22"]


def test_control_characters_never_reach_the_terminal():
    assert "\x1b" not in "".join(table([Column("name")], [["\x1b[31mred"]], 40))


@pytest.mark.parametrize(
    ("used", "limit", "shown"),
    [
        ("0", "100", "[..........]   0%"),
        ("1", "1000", "[..........]  <1%"),
        ("775768000", "790000000", "[#########.]  98%"),
        ("999", "1000", "[#########.]  99%"),
        ("100", "100", "[##########] 100%"),
        ("100.01", "100", "[##########] 101%"),
        ("2100000000", "790000000", "[##########] 266%"),
        ("-5", "100", "[..........]   0%"),
        ("5", "0", "[##########]"),
        ("0", "0", "[..........]"),
        ("5", None, ""),
    ],
)
def test_a_bar_is_full_only_where_the_limit_is_reached(used, limit, shown):
    assert bar(Decimal(used), None if limit is None else Decimal(limit)) == shown


# Readings, and caps that are suspended


def test_a_verdict_says_which_readings_it_turns_on(ledger, ask, say):
    assert ask(GRANT + " --quantity 1")["readings"] == READINGS
    law = "15 CFR 742.6(b)(10)(iii)(B)(1)"
    words = f"It turns on the reading unshipped-when-license-ends ({law}): returns, not stays."
    assert words in say(GRANT + " --quantity 1").stdout
    otherwise = " --rulebook us-diffusion-2025?unshipped-when-license-ends=stays"
    assert f"({law}): stays, not returns." in say(f"{GRANT} --quantity 1{otherwise}").stdout


def test_what_cannot_be_chosen_of_a_book_is_one_line_with_the_options(ledger, say):
    said = one_line(say(MALAYSIA + " --rulebook us-diffusion-2025?lpp-in-d1-d4=opened"))
    assert "Known options: open, barred." in said


def test_a_cap_that_is_suspended_leaves_nothing_and_every_command_says_until_when(ledger, ask, say, tmp_path):
    text = rulebooks.shipped()[DIFFUSION].read_text().replace(f"rulebook: {DIFFUSION}", "rulebook: paused-2025")
    period = "suspended: [{from: 2025-06-01, until: 2025-07-01, law: notice 7}]"
    path = tmp_path / "paused.yaml"
    path.write_text(text.replace("    limit: 790_000_000 TPP\n", f"    limit: 790_000_000 TPP\n    {period}\n"))
    words, book = "suspended from 2025-06-01 through 2025-06-30 (notice 7)", f" --rulebook {path}"
    left = say(MALAYSIA + book).stdout.splitlines()
    assert left[0].startswith("0 chips fit, country-allocation: paused-2025: country-allocation of destination=MY")
    assert (words in left[0], left[1]) == (True, "Date it 2025-07-01 or later, under a new key.")
    assert [each["state"] for each in ask(MALAYSIA + book)["caps"]] == ["suspended"]
    told = ask(GRANT + " --quantity 1" + book, status=1)
    assert (told["code"], told["caps"][0]["finding"], told["caps"][0]["remark"]) == ("cap_exceeded", "suspended", words)
    usage = say("usage --on 2025-06-05" + book).stdout
    assert "suspended" in usage
    assert words in usage
    assert "1 suspended" in say("reconcile --on 2025-06-05" + book).stdout
