"""`capledger demo`: the public record of deals, through the commands that a user types."""

from __future__ import annotations

import csv
import json
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from ledger import reference
from ledger.cli import app
from ledger.cli.demo import NEXT
from ledger.demo import record

DAY = "2026-06-30"


class Here:
    """Runs commands on one database, with a data folder of its own."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn, self.folder = dsn, folder
        self.env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(folder), "COLUMNS": "80"}

    def run(self, *args: str, **env: str) -> Result:
        return CliRunner().invoke(app, args, env=self.env | env, prog_name="capledger")

    def demo(self, *args: str) -> dict[str, Any]:
        done = self.run("demo", "--json", *(args or ("--on", DAY)))
        assert done.exit_code == 0, done.output
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def sealed(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as conn:
            return conn.execute("SELECT seq, kind, leaf_hash FROM journal ORDER BY seq").fetchall()


@pytest.fixture
def here(dsn: str, tmp_path: Path) -> Here:
    return Here(dsn, tmp_path)


def country(told: dict[str, Any], code: str) -> dict[str, Any]:
    return next(each for each in told["countries"] if each["country"] == code)


def under(told: dict[str, Any], code: str, book: str) -> dict[str, Any]:
    return next(each for each in country(told, code)["rulebooks"] if each["rulebook"] == book)


def licenses(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        each["authorization"]: each
        for of in told["countries"]
        for each in (*of["licenses"], *of["undetermined"])
    }  # fmt: skip


# The files.


def test_only_what_was_licensed_with_a_chip_and_a_quantity_becomes_a_grant():
    assert [(row["authorization"], row["quantity"], row["unit"]) for row in record.movements()] == [
        ("uae-msft-2024", "21500", "equivalents"),
        ("uae-msft-2025-09", "60400", "equivalents"),
        ("uae-g42-2025-11", "35000", "equivalents"),
        ("sau-humain-2025-11", "35000", "equivalents"),
    ]


def test_every_deal_is_either_recorded_or_listed():
    kinds = {deal.counts for deal in reference.deals()}
    assert kinds == {record.GRANT, record.UNDETERMINED, record.LISTED}
    assert len([*record.recorded(), *record.listed()]) == len(reference.deals()) == 24


def test_a_deal_that_is_counted_is_no_part_of_another_that_is():
    counted = {deal.deal_id for deal in reference.deals() if deal.counts == record.GRANT}
    parts = {deal.deal_id: deal.parent_deal for deal in reference.deals()}
    for deal in counted:
        parent = parts[deal]
        while parent:
            assert parent not in counted, f"{deal} is a part of {parent}"
            parent = parts[parent]


def test_a_license_of_undetermined_size_states_no_quantity_and_one_in_equivalents_names_no_chip():
    for row in record.authorizations():
        deal = next(deal for deal in reference.deals() if deal.deal_id == row["authorization_id"])
        assert bool(row["quantity"]) == bool(row["unit"]) == (deal.counts == record.GRANT)
        assert row["chips"] == ("" if deal.counts == record.GRANT else deal.chip_id)
        assert row["stated_date"] == row["first_day"] == deal.date
        assert row["status"] == deal.status
        assert row["source"] == deal.source != ""


@pytest.mark.parametrize(
    ("deal", "mark", "doubt"),
    [
        ("uae-msft-2024", "confirmed", []),
        ("uae-g42-2025-11", "unconfirmed", ["the recipient, Abu Dhabi company; ownership not checked"]),
        ("chn-mi308-2025-08", "unconfirmed", ["the recipient, described in the deal, not named", "the chip's rating"]),
        ("chn-h200-ten-firms", "unconfirmed", ["the deal", "the recipient, described in the deal, not named"]),
        ("uae-framework-2025-05", "confirmed", []),
        ("kor-260k-2025-10", "unconfirmed", ["the deal"]),
    ],
)
def test_of_the_marks_of_deal_recipient_and_chip_the_weakest_wins(deal, mark, doubt):
    stated = next(each for each in reference.deals() if each.deal_id == deal)
    assert (record.confidence(stated), record.doubts(stated)) == (mark, doubt)


def test_a_recipient_that_is_only_described_is_a_party_of_its_own_of_which_nothing_is_known():
    listed = {party.party for party in reference.parties()}
    described = [row for row in record.parties() if row["party_id"] not in listed]
    assert len(described) == 6
    assert {(row["headquarters"], row["ultimate_parent"], row["confidence"]) for row in described} == {
        ("unknown", "unknown", "unconfirmed")
    }
    assert [row["name"] for row in described].count("certain China customers") == 2  # whether they are one is not known


def test_the_files_are_what_the_rows_are_and_the_same_every_time(tmp_path):
    record.write(tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    record.write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == written
    assert set(written) == set(record.FILES)
    with (tmp_path / record.MOVEMENTS).open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == list(record.movements())


# The figures.


def test_each_grant_is_worth_what_the_record_says_it_is(here):
    told = licenses(here.demo())
    assert {name: each["licensed_tpp"] for name, each in told.items() if each["licensed_tpp"]} == {
        "uae-msft-2024": "107328000",
        "uae-msft-2025-09": "301516800",
        "uae-g42-2025-11": "2100000000",
        "sau-humain-2025-11": "2100000000",
    }
    for deal in reference.deals():
        if deal.counts == record.GRANT:
            assert Decimal(told[deal.deal_id]["licensed_tpp"]) == Decimal(deal.tpp_total)


def test_a_license_is_its_own_cap_and_what_is_open_of_it_is_left(here):
    g42 = licenses(here.demo())["uae-g42-2025-11"]
    assert (g42["limit_tpp"], g42["left_tpp"], g42["shipped_tpp"]) == ("2100000000", "2100000000", "0")
    assert (g42["binding_cap"], g42["state"], g42["confidence"]) == ("license", "open", "unconfirmed")
    assert g42["doubt"]


def test_the_same_licenses_are_over_the_framework_and_under_no_cap_of_what_is_enforced(here):
    told = here.demo()
    framework, enforced = under(told, "AE", "us-diffusion-2025"), under(told, "AE", "us-licensing-2026")
    assert (framework["tier"], framework["limit"], framework["used"]) == ("2", "790000000", "2401516800")
    assert (framework["left"], framework["state"]) == ("-1611516800", "over")
    assert framework["binding_cap"] == "country-allocation"
    assert framework["uncounted_tpp"] == "107328000"  # licensed in 2024, before the framework counts
    assert (enforced["tier"], enforced["licensed_tpp"]) == ("license", "2508844800")
    assert (enforced["binding_cap"], enforced["limit"], enforced["left"]) == ("unlimited", None, None)
    humain = under(told, "SA", "us-diffusion-2025")
    assert (humain["used"], humain["left"], humain["state"]) == ("2100000000", "-1310000000", "over")


@pytest.mark.parametrize(
    ("on", "used", "state", "uncounted"),
    [
        ("2025-06-01", "0", "open", "107328000"),
        ("2025-09-29", "0", "open", "107328000"),
        ("2025-09-30", "301516800", "open", "107328000"),  # a date known to the month counts from its last day
        ("2025-11-18", "301516800", "open", "107328000"),
        ("2025-11-19", "2401516800", "over", "107328000"),
    ],
)
def test_a_day_shows_what_was_licensed_by_then_and_nothing_later(here, on, used, state, uncounted):
    framework = under(here.demo("--on", on), "AE", "us-diffusion-2025")
    assert (framework["used"], framework["state"], framework["uncounted_tpp"]) == (used, state, uncounted)


def test_nothing_is_counted_twice(here):
    told = here.demo()
    for code in ("AE", "SA"):
        whole = Decimal(under(told, code, "us-licensing-2026")["licensed_tpp"])
        assert whole == sum(Decimal(each["licensed_tpp"]) for each in country(told, code)["licenses"])
    names = list(licenses(told)) + [each["deal"] for each in told["listed"]]
    assert sorted(names) == sorted(deal.deal_id for deal in reference.deals())


def test_announced_licensed_and_shipped_are_kept_apart(here):
    told = here.demo()
    assert {each["shipped_tpp"] for each in licenses(told).values()} == {"0"}
    assert {each["status"] for each in told["listed"]} & {"licensed", "authorised"} == set()
    with psycopg.connect(here.dsn) as conn:
        stages = conn.execute("SELECT DISTINCT stage FROM entry ORDER BY 1").fetchall()
    assert stages == [("licensed",), ("open",)]


def test_licenses_of_undetermined_size_are_shown_and_counted_nowhere(here):
    told = here.demo()
    unsized = {name for name, each in licenses(told).items() if each["licensed_tpp"] is None}
    assert unsized == {deal.deal_id for deal in reference.deals() if deal.counts == record.UNDETERMINED}
    assert len(unsized) == 7
    armenia = under(told, "AM", "us-diffusion-2025")
    assert (armenia["licensed_tpp"], armenia["used"], armenia["limit"]) == (None, "0", "790000000")


def test_a_country_without_a_cap_says_how_the_rules_answer_chip_by_chip(here):
    told = here.demo()
    answers = {
        (book["rulebook"], each["chip"]): (each["answer"], each["rules"])
        for book in country(told, "CN")["rulebooks"]
        for each in book["rules"]
    }
    assert answers["us-licensing-2026", "nvidia-h20-96"] == ("permit", "letter")
    assert answers["us-licensing-2026", "nvidia-h200-sxm-141"] == ("not_permitted", "headquarters-clause")
    assert answers["us-diffusion-2025", "nvidia-h20-96"] == ("permit", "not-covered")
    assert answers["us-diffusion-2025", "nvidia-h200-sxm-141"] == ("not_permitted", "denied-parties")


def test_every_figure_and_every_listed_deal_names_its_sources(here):
    told = here.demo()
    sources = {each["number"]: each["source"] for each in told["sources"]}
    assert list(sources) == list(range(1, len(sources) + 1))
    assert len(set(sources.values())) == len(sources)
    stated = {deal.deal_id: deal.source for deal in reference.deals()}
    shown = {**licenses(told), **{each["deal"]: each for each in told["listed"]}}
    for deal, each in shown.items():
        assert "; ".join(sources[number] for number in each["sources"]) == stated[deal]


def test_what_governments_did_is_kept_and_what_it_breaks_or_leaves_open_is_a_discrepancy(here):
    told = here.demo()["discrepancies"]
    assert [(each["subject"], each["cap"], each["window"]) for each in told] == [
        ("destination=AE", "uae-year", "2024-01-01"),
        ("destination=AE", "uae-year", "2025-01-01"),
        ("recipient=g42", "headquarters-clause+license-scope", ""),
        ("ultimate_parent=unknown", "uae-year-g42", "2025-01-01"),
        ("recipient=humain", "headquarters-clause+license-scope", ""),
    ]
    assert {each["kind"] for each in told} == {"undetermined"}


# The command.


def test_a_second_run_replays_everything_adds_no_record_and_shows_the_same(here):
    first = here.demo()
    sealed = here.sealed()
    second = here.demo()
    assert here.sealed() == sealed
    assert {name: first[name] for name in first if name != "commands"} == {
        name: second[name] for name in second if name != "commands"
    }
    told = [each["verdicts"] for each in second["commands"]]
    assert told == [{"replayed": 16}, {"replayed": 61}, {"replayed": 1}, {"replayed": 11}, {"replayed": 4},
                    {"recorded": 1}, {"recorded": 1}]  # fmt: skip
    assert {each["status"] for each in first["commands"] + second["commands"]} == {0}


def test_the_book_in_force_is_the_one_that_was_named_though_it_brings_another_with_it(here):
    told = here.demo()
    assert [(each["rulebook"], each["is_adopted"]) for each in told["rulebooks"]] == [
        ("us-licensing-2026", True),
        ("us-diffusion-2025", False),
    ]


def test_a_run_that_was_cut_off_is_completed_by_the_next(here):
    record.write(here.folder / "demo")
    assert here.run("post", str(here.folder / "demo" / record.PARTIES)).exit_code == 0
    told = here.demo()
    assert told["commands"][0]["verdicts"] == {"replayed": 16}
    assert under(told, "SA", "us-diffusion-2025")["state"] == "over"


def test_each_command_it_shows_can_be_typed_and_finds_everything_in(here):
    shown = here.run("demo", "--on", DAY)
    assert shown.exit_code == 0, shown.output
    sealed = here.sealed()
    typed = [line.removeprefix("$ capledger ") for line in shown.stdout.splitlines() if line.startswith("$ ")]
    assert len(typed) == 7
    for line in typed:
        done = here.run(*shlex.split(line))
        assert done.exit_code == 0, done.output
    assert here.sealed() == sealed


def test_each_command_it_says_to_type_next_works(here):
    here.demo()
    assert len(NEXT) == 5
    for typed in NEXT:
        done = here.run(*shlex.split(typed.replace("\\\n", " ")), "--json")
        assert done.exit_code == 0, f"{typed}: {done.output}"
        assert json.loads(done.stdout.splitlines()[0])


def test_the_table_shows_exact_figures_marks_and_states(here):
    shown = here.run("demo", "--on", DAY).stdout
    rows = [line.split() for line in shown.splitlines()]
    assert ["us-diffusion-2025", "2,401,516,800*+", "0", "790,000,000", "<=", "-1,611,516,800*"] in rows
    assert ["us-licensing-2026", "2,508,844,800*+", "0", "none", "it", "depends"] in rows
    assert ["G42", "2025-11-19", "2,100,000,000*", "0", "2,100,000,000*", "2,100,000,000*"] in rows
    assert ["Microsoft", "2024", "107,328,000", "0", "107,328,000", "107,328,000"] in rows
    assert "[##########] 304% OVER: country-allocation binds" in shown
    assert "United Arab Emirates 3.04 times* its cap" in shown
    assert "Saudi Arabia 2.66 times* its cap" in shown
    assert "nothing in this record is reported as shipped" in shown
    for deal in record.listed():
        assert deal.recipient.split(" ")[0] in shown


@pytest.mark.parametrize(("screen", "widest"), [("60", 80), ("80", 80), ("100", 100), ("140", 100)])
def test_no_line_but_a_source_is_wider_than_the_screen_or_80_columns(here, screen, widest):
    shown = here.run("demo", "--on", DAY, COLUMNS=screen).stdout
    table = shown[shown.index("LICENSED AI COMPUTE") : shown.index("SOURCES")]
    assert max(map(len, table.splitlines())) <= widest
    assert "\x1b" not in shown


def test_columns_stand_under_their_titles(here):
    lines = here.run("demo", "--on", DAY).stdout.splitlines()
    titles = next(line for line in lines if line.split() == ["licensed", "shipped", "cap", "left"])
    row = next(line for line in lines if line.lstrip().startswith("Microsoft 2024"))
    assert len(titles) == len(row) == 80
    assert titles.index("shipped") + len("shipped") == row.index(" 0 ") + 2


def test_it_can_be_asked_of_no_day_before_its_rulebook_is_in_force(here):
    done = here.run("demo", "--on", "2023-11-16")
    assert done.exit_code == 2
    assert "2023-11-17 or later" in done.output
    assert here.sealed() == []


def test_what_was_recorded_besides_is_shown_with_it(here):
    here.demo()
    folder = here.folder / "more"
    folder.mkdir()
    (folder / "a.csv").write_text(
        "authorization_id,kind,recipient,destination,first_day,quantity,unit,source,confidence\n"
        "MY-1,license,microsoft,MY,2026-01-05,49000,chips,letter,confirmed\n"
    )
    (folder / "m.csv").write_text(
        "key,movement,effective_on,destination,recipient,authorization,chip,quantity,exporter\n"
        "m1,grant,2026-01-05,MY,microsoft,MY-1,nvidia-h100-sxm5-80,49000,nvidia\n"
        "m2,ship,2026-02-05,MY,microsoft,MY-1,nvidia-h100-sxm5-80,1000,nvidia\n"
    )
    for name in ("a.csv", "m.csv"):
        done = here.run("post", str(folder / name))
        assert done.exit_code == 0, done.output
    told = here.demo()
    malaysia = under(told, "MY", "us-diffusion-2025")
    assert (malaysia["used"], malaysia["left"], malaysia["state"]) == ("775768000", "14232000", "critical")
    license = licenses(told)["MY-1"]
    assert (license["shipped_tpp"], license["left_tpp"], license["stated"]) == ("15832000", "759936000", "49000 chips")
    assert "nothing in this record is reported as shipped" not in here.run("demo", "--on", DAY).stdout
