"""What a page puts first, and what helps whoever searches, compares and tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger.web.parts import BRIEF, Cell, Column, Figures, Table, number, toned
from ledger.web.showing.charts import step_chart
from tests.conftest import in_database
from tests.test_web_pages import CAP, as_, said
from tests.webworld import World, fill
from tests.world import DIFFUSION, LICENSING


@pytest.fixture(scope="module")
def world(databases: Any, template: str) -> Iterator[World]:
    """A filled ledger for tests that only read."""
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


def test_a_count_that_needs_attention_stands_out_and_nothing_counted_is_quiet():
    rows = (("caps over", toned(number(2), "alarm")), ("critical", toned(number(0), "watch")))
    assert [cell.tone for _, cell in rows] == ["alarm", "quiet"]
    assert Figures("At a glance", rows).tone == "alarm"
    assert Figures("At a glance", rows[1:]).tone == ""


def test_columns_that_are_short_in_every_row_share_a_line_on_a_narrow_screen():
    columns = tuple(map(Column, ("Cap", "Used", "Unit", "State", "Law", "Alone")))
    law = "x" * (BRIEF + 1)
    rows = tuple(tuple(map(Cell, row)) for row in (("a", "1", "TPP", "open", law, "1"), ("b", "2", "TPP", "", "", "2")))
    assert Table("t", columns, rows).brief == (False, True, True, False, False, False)
    assert Table("t", columns, ()).brief == (False,) * 6


def test_a_chart_names_its_unit_its_limit_its_critical_band_and_the_day():
    day = date(2026, 1, 1)
    chart = step_chart(
        "Use", "TPP", [(day, Decimal(50))], [(day, Decimal(100))], first=day, last=date(2026, 12, 31),
        on=date(2026, 7, 1), critical_at=Decimal("0.9"), events=(),
    )  # fmt: skip
    assert chart.unit == "TPP"
    assert [mark.label for mark in chart.labels] == ["limit 100", "critical", "2026-07-01"]


def test_a_chart_is_drawn_for_wide_and_for_narrow_screens(world):
    page = as_(world, "rita").get(CAP).text
    assert re.findall(r'<svg class="(\w+)" viewBox="0 0 (\d+) ', page) == [("wide", "800"), ("narrow", "380")]
    assert page.count(">limit 790M</text>") == 2


def test_the_marks_on_the_map_stand_in_its_legend(world):
    text = said(as_(world, "rita").get("/").text)
    assert "\u25c6 cap over \u25b2 cap critical" in text
    assert "cap exhausted" not in text


def test_a_bar_and_the_menu_tell_what_they_are_of(world):
    client = as_(world, "rita")
    assert 'class="meter over"' in client.get("/").text
    assert '<a href="/caps" aria-current="true">' in client.get(CAP).text
    assert '<a href="/" aria-current' not in client.get(CAP).text
    assert as_(world, "ned").get("/exporter/fit").text.count("aria-current") == 1


def test_what_differs_stands_by_part_with_the_way_back(world):
    client = as_(world, "rita")
    page = client.get(f"/rulebooks/{DIFFUSION}?with={LICENSING}").text
    count = int(re.search(r"(\d+) differences from", said(page))[1])
    headings = [int(each) for each in re.findall(r"<h2>\w+ \((\d+)\)</h2>", page)]
    assert sum(headings) == count > 0
    assert f'href="/rulebooks/{LICENSING}?with={DIFFUSION}"' in page
    assert f'href="/back-test?book={DIFFUSION}&amp;book={LICENSING}"' in page
    assert f'<option value="{LICENSING}" selected>' in page
    assert "Both say the same." in client.get(f"/rulebooks/{DIFFUSION}?with={DIFFUSION}").text


def test_a_back_test_is_chosen_where_it_is_shown_and_stands_side_by_side(world):
    client = as_(world, "rita")
    empty = client.get("/back-test")
    assert (empty.status_code, "What to test" in empty.text) == (200, True)
    page = client.get(f"/back-test?book={DIFFUSION}&book={LICENSING}&book={DIFFUSION}").text
    assert "Side by side" in page
    assert re.findall(r'value="([\w-]+)" checked', page) == [DIFFUSION, LICENSING]
    assert "Side by side" not in client.get(f"/back-test?book={DIFFUSION}").text
    many = client.get("/back-test?book=a&book=b&book=c&book=d")
    assert many.status_code == 400
    assert 'href="#book"' in many.text
    assert 'id="book"' in many.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("about=Malaysia", "MY Malaysia country"),
        ("about=selangor data", "selangor-dc Selangor Data Centre party"),
        ("about=gb300", "nvidia-gb300-gpu GB300 (per GPU) chip"),
        ("about=IN-", "IN-1 selangor-dc authorization"),
        ("about=MY-1&kind=authorization.issued", "Records of kind authorization.issued about MY-1, newest first"),
        ("about=MY-1&kind=request.refused", "Records of kind request.refused about MY-1, newest first"),
        ("key=ship-1&kind=request.refused", "No record matches."),
        ("key=ship-1&about=nobody", 'Records with the key "ship-1"'),
    ],
)
def test_a_search_finds_what_was_meant_and_keeps_to_all_that_is_asked(world, query, words):
    text = said(as_(world, "rita").get(f"/records?{query}").text).replace("&#34;", '"')
    assert words in text
    if "kind=authorization" in query:
        assert "movement.posted MY" not in text
        assert "nvidia-h100-sxm5-80 to selangor-dc" not in text


def test_nothing_is_suggested_where_nothing_is_like_it(world):
    assert "Did you mean" not in as_(world, "rita").get("/records?about=zzzz").text
