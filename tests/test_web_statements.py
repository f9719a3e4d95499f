"""Statements on pages, and what pages ask for by what they are about: all of it, and nothing besides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from ledger.core.conditions import holds, may_hold
from ledger.core.rulebook import All, Condition
from ledger.core.rulebook import Any as AnyOf
from ledger.core.rulebook import Test as Asks
from ledger.posting import Request
from ledger.reports import Reader, history, standings
from ledger.reports.statement import statement
from ledger.statements import csv_of
from ledger.web.app import router_of
from ledger.web.asking import Asked
from ledger.web.showing import entries
from ledger.web.showing.entries import touching
from tests.conftest import in_database
from tests.test_web_pages import as_, said
from tests.webworld import NOW, Desk, World, fill
from tests.world import DIFFUSION, H100, Ledger, adopt, book, license_, move, party

ON = NOW.date()
DAYS = "first=2025-06-01&last=2026-06-30"
FIRST, LAST = date(2025, 6, 1), date(2026, 6, 30)


@pytest.fixture(scope="module")
def world(databases: Any, template: str) -> Iterator[World]:
    """A filled ledger for tests that only read."""
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


@pytest.mark.parametrize(
    ("asked", "of"),
    [
        ("recipient=selangor-dc", {"recipient": "selangor-dc"}),
        ("exporter=amd", {"exporter": "amd"}),
        ("country=Malaysia", {"country": "MY"}),
        ("exporter=nvidia&country=MY", {"exporter": "nvidia", "country": "MY"}),
    ],
)
@pytest.mark.parametrize("person", ["rita", "aud", "olga"])
def test_officials_get_the_statement_of_whoever_they_ask_with_caps_and_discrepancies(world, person, asked, of):
    client = as_(world, person)
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=LAST) as view:
        found = statement(view, **of, first=FIRST, last=LAST)
    assert found.lines
    assert found.caps
    page = client.get(f"/statements?{asked}&{DAYS}")
    assert page.status_code == 200
    for each in found.caps:
        assert f"/caps/{each.standing.cap}?" in page.text
    for each in found.discrepancies:
        assert f"/discrepancies/{each.discrepancy.id}?" in page.text
    for line in found.lines:
        assert f"/records/{line.record}?" in page.text
    assert client.get(f"/statements?{asked}&{DAYS}&format=csv").text == csv_of(found)
    assert client.get(f"/statements?{asked}&{DAYS}&format=json").json() == json.loads(json.dumps(found.body()))
    pdf = client.get(f"/statements?{asked}&{DAYS}&format=pdf")
    assert pdf.content.startswith(b"%PDF-")
    assert pdf.headers["content-disposition"].endswith('.pdf"')


def test_a_statement_is_as_it_was_known_at_a_record(world):
    client, of = as_(world, "rita"), f"/statements?exporter=nvidia&{DAYS}&format=json"
    then = client.get(f"{of}&known={world.granted - 1}").json()
    assert then["known"] == world.granted - 1
    assert len(then["lines"]) == len(
        [each for each in client.get(of).json()["lines"] if each["record"] <= then["known"]]
    )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("recipient=nobody", "No recipient &#39;nobody&#39; was registered"),
        ("country=Atlantis", "Give an ISO 3166 code"),
        ("recipient=selangor-dc&first=2026-02-30", "is not a day"),
        ("recipient=selangor-dc&first=2026-07-01&last=2026-06-01", "The first day is after the last."),
        ("format=pdf", "Name an exporter, a recipient or a country."),
    ],
)
def test_a_statement_that_cannot_be_drawn_up_says_why_at_its_field(world, asked, words):
    answer = as_(world, "rita").get(f"/statements?{asked}")
    assert answer.status_code == 400
    assert words in answer.text
    assert 'role="alert"' in answer.text


def test_an_exporters_statement_as_json_says_nothing_of_what_others_share(world):
    found = as_(world, "amy").get(f"/exporter/statements?{DAYS}&format=json").json()
    assert found["exporter"] == "amd"
    assert found["lines"]
    assert found["caps"] == found["discrepancies"] == []
    assert as_(world, "amy").get(f"/statements?exporter=nvidia&{DAYS}").status_code == 403


def test_the_map_leads_to_the_page_of_each_country_on_the_day_asked(world):
    text = as_(world, "rita").get("/?on=2026-06-01").text
    drawn = text[text.index('class="map"') : text.index("</figure>")]
    assert '<a href="/countries/MY?on=2026-06-01" aria-label="Malaysia: tier 2,' in drawn
    assert '<a href="/countries/SG?on=2026-06-01" aria-label="Singapore: ' in drawn
    assert len(set(re.findall(r'href="(/countries/..)\?', drawn))) > 220
    assert 'role="img"' not in drawn


def test_asking_for_another_day_keeps_what_is_filtered(world):
    text = as_(world, "rita").get("/caps?state=over&named=gulf&on=2026-06-01&after=5").text
    form = text[text.index('class="as-of"') : text.index("</form>", text.index('class="as-of"'))]
    assert re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', form) == [("state", "over"), ("named", "gulf")]


def test_standings_of_a_value_are_those_of_all_that_name_it(dsn):
    with psycopg.connect(dsn) as conn:
        ledger = Ledger(conn)
        ledger.begin(
            party("nvidia", roles="exporter"), party("top", "MY"), party("low", "MY", "top"), party("far", "AE"),
            Request("ownership", "own", {"owner": "top", "owned": "low", "percentage": "80"}),
            adopt(DIFFUSION, "2025-01-13"), license_("M", "low", "MY"), license_("T", "top", "MY"),
            license_("F", "far", "AE"),
            adopt(book(
                "name: total, counts: granted, by: [owner_group], where: {}, limit: none",
                "name: tenth, counts: granted, by: [owner_group, destination], where: {}, "
                "limit: {share: 10%, of: total}, when_exceeded: flag",
                "name: each, counts: granted, by: [recipient, chip], where: {}, limit: 9 TPP, when_exceeded: flag",
            ), "2025-01-14"),
        )  # fmt: skip
        for name, whose, where in (("M", "low", "MY"), ("T", "top", "MY"), ("F", "far", "AE")):
            to = {"exporter": "nvidia", "destination": where, "recipient": whose, "authorization": name}
            ledger.must(move("grant", "2025-06-02", 40, H100, **to))
        with Reader(conn).view(on=ON) as view:
            every = standings(view)
            for of in (("destination", "MY"), ("", "top"), ("", "low"), ("", "far"), ("recipient", "low")):
                wanted = [each for each in every if _names(each.subject, *of)]
                assert standings(view, of=of) == wanted, of
            assert standings(view, of=("recipient", "low")) != []


def _names(subject: str, dimension: str, value: str) -> bool:
    parts = [part.split("=", 1) for part in subject.split(",")]
    return any(said == value and dimension in ("", name) for name, said in parts)


def test_history_in_pages_is_the_whole_history(world):
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=ON) as view:
        for subject in ("MY", "nvidia", "MY-1", H100, "gulf-cloud"):
            whole = history(view, subject)
            assert [each.seq for each in whole] == sorted(each.seq for each in whole)
            assert history(view, subject, most=3) == whole[-3:]
            cut = whole[len(whole) // 2].seq
            assert history(view, subject, before=cut) == [each for each in whole if each.seq < cut]


def test_the_newest_records_about_something_lead_to_the_earlier_ones(world, monkeypatch):
    client, seen = as_(world, "rita"), list[str]()
    whole = set(re.findall(r"/records/(\d+)", client.get("/records?about=nvidia").text.partition("<table")[2]))
    monkeypatch.setattr("ledger.web.showing.records.MOST_ROWS", 4)
    where = "/records?about=nvidia"
    while where:
        text = client.get(where).text.partition("<table")[2]
        seen += set(re.findall(r"/records/(\d+)", text))
        more = re.search(r'class="more"><a href="([^"]+)">Earlier records', text.replace("&amp;", "&"))
        where = more[1] if more else ""
    assert sorted(seen) == sorted(whole)


@pytest.mark.parametrize("condition", [
    Asks("authorization", "in", ("LPP",)), Asks("authorization", "not_in", ("license",)),
    Asks("destination", "in", ("MY",)), Asks("destination_tier", "in", ("2",)),
    All((Asks("authorization", "in", ("license",)), Asks("destination", "not_in", ("MY",)))),
    AnyOf((Asks("authorization", "in", ("LPP",)), Asks("destination", "in", ("AE",)))),
    All((Asks("end_use", "in", ("military",)), Asks("destination", "in", ("AE",)))), All(()),
])  # fmt: skip
def test_profiles_are_left_out_only_where_a_condition_cannot_hold(world, condition: Condition):
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=ON) as view:
        assert view.adoption
        law = view.adoption.book
        for profile in view.profiles.all().values():
            may = may_hold(condition, profile.authorization_kind, profile.destination, law, ON)
            assert may or holds(condition, profile, law, ON) is False


@pytest.mark.parametrize("subject", ["destination=MY", "destination=AE"])
def test_entries_behind_a_figure_are_those_of_every_profile_that_touches_it(world, monkeypatch, subject):
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=ON) as view:
        assert view.adoption
        lens = view.position.lenses[view.adoption.seq]
        cap = lens.caps["country-allocation"]
        profiles = view.profiles.all().values()
        (key,) = {
            each for of in profiles for each in lens.keys(of, ON) if (each.cap, each.subject) == (cap.name, subject)
        }
        found = touching(view, lens, cap, [key], 2**62)
        monkeypatch.setattr(entries, "_stating", lambda view, law, subject: list(view.profiles.all()))
        assert touching(view, lens, cap, [key], 2**62) == found
        assert found[0]


def test_a_record_judged_under_a_cap_without_a_limit_is_shown(own_world):
    with psycopg.connect(own_world.dsn) as conn:
        ledger = Ledger(conn)
        ledger.must(adopt(book("name: seen, counts: granted, by: [destination], where: {}, limit: none"), "2026-01-01"))
        grant = {"exporter": "nvidia", "destination": "MY", "recipient": "selangor-dc", "authorization": "MY-1"}
        seq = ledger.must(move("grant", "2026-02-02", 5, H100, **grant))
    answer = as_(own_world, "rita").get(f"/records/{seq}")
    assert answer.status_code == 200
    assert "seen" in said(answer.text)
    assert "not limited" in said(answer.text)


@pytest.fixture
def own_world(dsn: str) -> World:
    """A filled ledger of a test's own."""
    return fill(dsn)


def test_a_server_looks_at_the_overview_before_it_takes_requests(world, monkeypatch):
    from fastapi import FastAPI

    looked: list[Asked] = []
    monkeypatch.setattr("ledger.web.app.overview", lambda view, totals, asked, now: looked.append(asked) or 1 / 0)
    app = FastAPI()
    app.include_router(router_of(Desk(world.dsn), is_public=False, now=lambda: NOW))
    with TestClient(app) as client:  # what fails then keeps nobody out
        assert {each.on for each in looked} == {ON}
        assert client.get("/sign-in").status_code == 200


def test_a_page_that_there_is_not_is_said_as_a_page_and_to_a_program_as_to_a_program(own_world):
    from ledger.api.app import create_app
    from ledger.api.desk import Desk as ServerDesk

    desk = ServerDesk(own_world.dsn)
    with TestClient(create_app(desk, pages=router_of(desk)), follow_redirects=False) as client:
        browser = {"Accept": "text/html,application/xhtml+xml"}
        for where in ("/nonsense", "/countries/AE/nonsense"):
            answer = client.get(where, headers=browser)
            assert (answer.status_code, f"There is no page at {where}." in answer.text) == (404, True)
            assert answer.headers["content-type"].startswith("text/html")
        for where, headers in (("/nonsense", {}), ("/v1/nonsense", browser)):
            answer = client.get(where, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert client.get("/v1/batches", headers=browser).status_code == 405
        assert client.get("/", headers=browser).status_code == 303, "who is not signed in is asked to"
