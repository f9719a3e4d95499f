"""`capledger tpp` as a person types it."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from ledger.cli.tpp import tpp

APP = typer.Typer()
APP.command("tpp")(tpp)


def run(line: str) -> Result:
    return CliRunner().invoke(APP, line.split())


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("--tops 1979 --bits 8", {"tpp_per_chip": "15832", "tpp": "15832", "h100_equivalents": "1"}),
        ("--tops 1979 --bits 8 --ics 8", {"tpp_per_chip": "15832", "tpp": "126656", "h100_equivalents": "8"}),
        ("--tops 296 --bits 8", {"tpp_per_chip": "2368", "tpp": "2368", "h100_equivalents": "0.14957"}),
        ("--tops 2614.9 --bits 8", {"tpp_per_chip": "20919.2", "tpp": "20919.2", "h100_equivalents": "1.321324"}),
        (
            "--tops 15 --bits 4 --tops 10000 --bits 4 --tops 2.5POPS --bits 16",
            {"tpp_per_chip": "40000", "tpp": "40000", "h100_equivalents": "2.526529"},
        ),
        (
            "--tops 1979 --bits 8 --die-area 814",
            {"tpp_per_chip": "15832", "tpp": "15832", "h100_equivalents": "1", "control": "3A090.a"},
        ),
        (
            "--chip hgx-h100-8",
            {
                "tpp_per_chip": "15832",
                "tpp": "126656",
                "h100_equivalents": "8",
                "control": "3A090.a",
                "chip": "hgx-h100-8",
                "confidence": "confirmed",
            },
        ),
        (
            "--chip amd-mi308x --ics 2",
            {
                "tpp_per_chip": "1840",
                "tpp": "3680",
                "h100_equivalents": "0.232441",
                "control": "undetermined",
                "chip": "amd-mi308x",
                "confidence": "unconfirmed",
            },
        ),
    ],
)
def test_json_holds_exact_strings(line: str, shown: dict[str, str]) -> None:
    result = run(f"{line} --json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == shown
    assert result.stderr == ""


def test_a_person_sees_the_formula_and_that_nothing_is_doubled() -> None:
    result = run("--tops 1979 --bits 8 --ics 8")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "TPP per chip      15,832 = 1,979 dense TOPS x 8 bits",
        "TPP               126,656 = 8 x 15,832",
        "H100 equivalents  8 (one H100 SXM5 80GB is 15,832 TPP)",
        "TPP = 2 x MacTOPS x bits; the 2 is already inside a datasheet's dense TOPS.",
    ]


def test_a_person_sees_how_sure_the_catalog_is() -> None:
    lines = run("--chip nvidia-a30").stdout.splitlines()
    assert "Source            vendor datasheet, not checked (unconfirmed)" in lines
    assert "Note              die area unconfirmed" in lines


@pytest.mark.parametrize(
    ("line", "control"),
    [
        ("--tops 1979 --bits 8 --die-area 814", "3A090.a (by its parameters)"),
        ("--tops 296 --bits 8 --die-area 814", "none (by its parameters)"),
        ("--tops 330 --bits 8 --die-area 826 --data-center", "3A090.b (by its parameters)"),
        ("--tops 330 --bits 8 --die-area 826 --no-data-center", "none (by its parameters)"),
        ("--tops 330 --bits 8 --die-area 826", "undetermined: it turns on --data-center or --no-data-center"),
        ("--tops 330 --bits 8 --data-center", "undetermined: it turns on --die-area"),
        ("--tops 593.75 --bits 8 --no-data-center", "none (by its parameters)"),
        ("--chip amd-mi308x", "undetermined: it turns on --die-area"),
        ("--chip amd-mi308x --die-area 1200", "none (by its parameters)"),
    ],
)
def test_the_control_class_is_shown_where_it_can_be_told(line: str, control: str) -> None:
    result = run(line)
    assert result.exit_code == 0, result.output
    assert f"Control class     {control}" in result.stdout.splitlines()


def test_without_a_die_area_no_class_is_claimed() -> None:
    assert "Control class" not in run("--tops 330 --bits 8").stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Give --tops and --bits from its datasheet, or --chip."),
        ("--tops 3958 --bits 8 --sparse", "sparse"),
        ("--tops 3958sparse --bits 8", "sparse"),
        ("--chip nvidia-h100-sxm5-80 --sparse", "sparse"),
        ("--tops 1979", "one bit length for each rate"),
        ("--bits 8", "one bit length for each rate"),
        ("--tops 1979 --bits 8 --bits 16", "given were 1 and 2"),
        ("--tops 0 --bits 8", "above zero"),
        ("--tops -5 --bits 8", "carries a sign"),
        ("--tops NaN --bits 8", "is not a number"),
        ("--tops 1e3 --bits 8", "exponent"),
        ("--tops 3350GB/s --bits 8", "unknown unit"),
        ("--tops 1979 --bits 7", "Give one of 1, 2, 4"),
        ("--tops 1979 --bits eight", "bits 'eight' is not a number"),
        ("--tops 1979 --bits 8 --ics 0", "whole number of at least 1"),
        ("--tops 1979 --bits 8 --die-area 0", "above zero"),
        ("--chip h100", "nvidia-h100-sxm5-80"),
        ("--chip hgx-h100-8 --ics 2", "--chip nvidia-h100-sxm5-80"),
        ("--chip nvidia-h20-96 --tops 296 --bits 8", "Give either --chip, or --tops and --bits."),
    ],
)
@pytest.mark.parametrize("ending", ["", " --json"])
def test_what_cannot_be_computed_is_one_line_with_a_way_out(line: str, said: str, ending: str) -> None:
    result = run(line + ending)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
