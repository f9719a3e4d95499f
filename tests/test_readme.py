"""The README tells the truth: its tour runs as it stands, its floor plan is there, its laws are the ten."""

from __future__ import annotations

import re
from pathlib import Path

from tests import tour

README = tour.README.read_text(encoding="utf-8")


def test_the_tour_prints_what_the_readme_shows(run_folder: Path) -> None:
    data_dir = run_folder / "tour"
    data_dir.mkdir()
    data_dir.chmod(0o711)
    commands = tour.commands(README)
    assert len(commands) >= 8
    for command, shown in commands:
        assert tour.settled(tour.run(command, str(data_dir))) == tour.settled(shown), command


def test_the_back_test_of_the_public_record_prints_what_the_readme_shows(run_folder: Path) -> None:
    data_dir = run_folder / "record"
    data_dir.mkdir()
    data_dir.chmod(0o711)
    tour.run("capledger demo", str(data_dir))
    commands = tour.commands(README, "public-record")
    assert commands
    for command, shown in commands:
        assert tour.settled(tour.run(command, str(data_dir))) == tour.settled(shown), command


def test_every_place_of_the_floor_plan_is_there() -> None:
    plan = README.split("## Floor plan")[1].split("```")[1]
    places = re.findall(r"^([\w./-]+)", plan, flags=re.MULTILINE)
    assert len(places) > 20
    missing = [place for place in places if not (tour.ROOT / place).exists()]
    assert not missing
    rooms = [
        path.relative_to(tour.ROOT).as_posix()
        for house in ("ledger", "ledger/core")
        for path in (tour.ROOT / house).iterdir()
        if (path.suffix == ".py" and path.stem not in ("__init__", "__main__")) or (path / "__init__.py").exists()
    ]
    assert sorted(set(rooms) - set(places)) == [], "places that the plan does not show"


def test_the_first_two_commands_are_demo_and_test() -> None:
    first = README.split("```")[1]
    assert [line for line in first.splitlines() if line.startswith("make")][:2] == [
        line for line in first.splitlines() if line.startswith(("make demo", "make test"))
    ]


def test_there_are_ten_laws() -> None:
    laws = README.split("## The ten laws")[1].split("\n## ")[0]
    assert re.findall(r"^(\d+)\. ", laws, flags=re.MULTILINE) == [str(n) for n in range(1, 11)]
