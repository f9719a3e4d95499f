"""Pages of proposals, duties and discrepancies: who may decide and settle there, and as whom."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from ledger.reconcile.checking import check, rebuild
from ledger.reports import Reader, usage
from ledger.web.showing.totals import STAGES, Totals
from tests.conftest import in_database
from tests.test_web_pages import as_, csrf, said
from tests.webworld import World, fill
from tests.world import Ledger, adopt, book


@pytest.fixture(scope="module")
def world(databases: Any, template: str) -> Iterator[World]:
    """A filled ledger for tests that post nothing but refusals."""
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


@pytest.fixture
def own_world(dsn: str) -> World:
    """A filled ledger of a test's own."""
    return fill(dsn)


def send(client: TestClient, path: str, **fields: str) -> Any:
    """Send the form of a page as a browser would: with its token and its key."""
    page = client.get(path).text
    found = re.search(r'name="key" value="([^"]+)"', page)
    key = found[1] if found else ""
    return client.post(path, data={"csrf": csrf(page), "key": key, **fields})


def newest(world: World) -> tuple[str, dict[str, Any]]:
    with psycopg.connect(world.dsn) as conn:
        row = conn.execute("SELECT kind, payload FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    assert row
    return row[0], json.loads(row[1])


# Proposals.


def test_a_proposal_says_what_it_would_come_to_and_waits_on_the_overview(world):
    page = said(as_(world, "rita").get(f"/proposals/{world.proposed}").text)
    assert f"reverse record {world.granted} on 2026-06-01" in page
    assert "a clerk's mistake" in page.replace("&#39;", "'")
    assert "proposals waiting 1" in said(as_(world, "rita").get("/").text)
    assert "A second person is needed for reversals." in said(as_(world, "aud").get("/proposals").text)


@pytest.mark.parametrize(
    ("person", "words", "choices"),
    [
        ("olga", "You made this proposal and cannot approve it", ["decline"]),
        ("otto", "It waits for a second person", ["approve", "decline"]),
        ("rita", "Only the operator decides", []),
        ("aud", "Only the operator decides", []),
    ],
)
def test_a_proposals_page_says_who_may_decide_before_anybody_tries(world, person, words, choices):
    page = as_(world, person).get(f"/proposals/{world.proposed}").text
    assert words in page
    assert re.findall(r'name="decision" value="(\w+)"', page) == choices


def test_another_person_approves_and_the_page_says_what_came_of_it(own_world):
    client, path = as_(own_world, "otto"), f"/proposals/{own_world.proposed}"
    page = client.get(path).text
    fields = {"csrf": csrf(page), "decision": "approve", "note": "it was booked twice",
              "key": re.findall(r'name="key" value="([^"]+)"', page)[0]}  # fmt: skip
    answer = client.post(path, data=fields)
    assert answer.status_code == 200, said(answer.text)
    assert "is approved by otto" in answer.text
    assert 'name="decision"' not in answer.text
    kind, payload = newest(own_world)
    assert (kind, payload["person"], payload["body"]["reverses"]) == ("movement.posted", "olga", own_world.granted)
    with psycopg.connect(own_world.dsn) as conn:
        size = "SELECT size FROM head"
        before = conn.execute(size).fetchone()
        assert client.post(path, data=fields).status_code == 200  # sent twice: one effect
        assert conn.execute(size).fetchone() == before
    listed = said(client.get("/proposals?state=approved").text)
    assert "it was booked twice" in said(client.get(path).text)
    assert "approved" in listed
    assert "Nothing waits for a second person" in client.get("/proposals").text


def test_whoever_made_it_cannot_approve_it_whatever_is_sent_and_may_withdraw_it(own_world):
    client, path = as_(own_world, "olga"), f"/proposals/{own_world.proposed}"
    answer = send(client, path, decision="approve")
    assert (answer.status_code, "cannot approve it" in answer.text) == (409, True)
    assert newest(own_world)[0] == "request.refused"
    assert send(client, path, decision="decline", note="withdrawn").status_code == 200
    kind, payload = newest(own_world)
    assert (kind, payload["person"], payload["body"]["decision"]) == ("proposal.decided", "olga", "decline")


@pytest.mark.parametrize(
    ("fields", "words"),
    [({}, "Choose to approve or to decline"), ({"decision": "perhaps"}, "Choose to approve or to decline"),
     ({"decision": "decline", "note": "x" * 2001}, "Write at most 2,000 characters")],
)  # fmt: skip
def test_a_decision_that_says_too_little_or_too_much_is_asked_for_again(world, fields, words):
    answer = send(as_(world, "otto"), f"/proposals/{world.proposed}", **fields)
    assert (answer.status_code, words in answer.text) == (400, True)
    assert "<title>Error: " in answer.text


@pytest.mark.parametrize("person", ["rita", "aud", "ned"])
@pytest.mark.parametrize("form", ["proposals", "discrepancies"])
def test_nobody_but_the_operator_decides_or_settles(world, person, form):
    path = f"/{form}/{world.proposed if form == 'proposals' else world.disputed}"
    client = as_(world, person)
    token = csrf(client.get("/exporter" if person == "ned" else path).text)
    fields = {"csrf": token, "decision": "decline", "change": "resolved", "note": "mine"}
    before = newest(world)
    answer = client.post(path, data=fields)
    assert (answer.status_code, newest(world) == before) == (403, True)


# Discrepancies.


def test_a_discrepancy_is_resolved_and_reopened_with_a_note_and_an_owner(own_world):
    client, path = as_(own_world, "olga"), f"/discrepancies/{own_world.disputed}"
    assert re.findall(r'name="change" value="(\w+)"', client.get(path).text) == ["explained", "resolved"]
    done = send(client, path, change="resolved", note="the framework was amended", owner="amd")
    assert (done.status_code, "is resolved: record" in done.text) == (200, True)
    assert re.findall(r'name="change" value="(\w+)"', done.text) == ["reopened"]
    kind, payload = newest(own_world)
    assert (kind, payload["person"], payload["body"]["owner"]) == ("discrepancy.resolved", "olga", "amd")
    assert "No discrepancy is open" in client.get("/discrepancies").text
    again = said(send(client, path, change="reopened", note="it was not").text)
    assert again.index("the framework was amended Owner: amd. By olga.") < again.index("it was not By olga.")


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"change": "resolved"}, "Say why"), ({"note": "why"}, "Choose what becomes of it"),
     ({"change": "resolved", "note": "x" * 2001}, "Write at most")],
)  # fmt: skip
def test_settling_without_saying_what_and_why_is_asked_for_again(world, fields, words):
    answer = send(as_(world, "otto"), f"/discrepancies/{world.disputed}", **fields)
    assert (answer.status_code, words in answer.text) == (400, True)


def test_a_past_page_shows_discrepancies_as_they_were_known_and_does_not_settle_them(world):
    browser, number = as_(world, "otto"), world.disputed
    assert said(browser.get("/discrepancies").text).count("a framework announced") == 1
    for path in ("/", "/discrepancies", "/caps/country-allocation"):
        told = browser.get(path, params={"known": str(number - 1), "subject": "destination=AE"}).text
        assert f"/discrepancies/{number}" not in told
        assert f"/records/{number}?" not in told
        assert "a framework announced" not in told
    then = browser.get(f"/discrepancies/{number}", params={"known": str(number)}).text
    assert "a framework announced" not in then
    assert "Record it" not in then
    assert "Record it" in browser.get(f"/discrepancies/{number}").text


def test_what_cannot_be_settled_so_is_refused_with_the_reason(world):
    answer = send(as_(world, "otto"), f"/discrepancies/{world.disputed}", change="reopened", note="again")
    assert (answer.status_code, "it cannot be reopened" in answer.text) == (409, True)
    assert as_(world, "otto").get("/discrepancies/999999").status_code == 404


# Duties.

DUTY = (
    "duties:\n"
    "  - {name: first-report, law: test, who: exporter, do: report it, when: {each: ship}, due: 30 days after}\n"
)


def test_overdue_duties_come_first_and_an_exporter_sees_its_own_only(own_world):
    with psycopg.connect(own_world.dsn) as conn:
        Ledger(conn).must(adopt(book() + DUTY, "2025-01-01"))
    official = said(as_(own_world, "rita").get("/duties").text)
    assert "overdue 1" in official
    assert "first-report" in official
    assert "duties overdue 1" in said(as_(own_world, "rita").get("/").text)
    assert "duties overdue 0" in said(as_(own_world, "rita").get("/?on=2025-07-12").text)
    assert "report it" in said(as_(own_world, "ned").get("/exporter/duties").text)
    assert "report it" not in said(as_(own_world, "amy").get("/exporter/duties").text)
    assert "due 1" in said(as_(own_world, "ned").get("/exporter/duties?on=2025-07-12").text)


# What stands in each stage, kept by day.


@pytest.mark.parametrize("on", [date(2025, 7, 5), date(2026, 7, 1), date(2026, 12, 31), date(2027, 1, 1)])
def test_a_first_look_reads_the_stages_by_day_and_finds_what_a_walk_finds(world, on):
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=on) as view:
        walked = {each.subject: each.tpp for each in usage(view, "destination")}
        kept = Totals().of(view)
        for country in walked.keys() | kept.keys():
            for stage in STAGES:
                assert kept[country][stage] == walked[country][stage], (country, stage)


def test_a_wrong_total_is_found_by_check_and_mended_by_rebuild(own_world):
    with psycopg.connect(own_world.dsn) as conn:
        assert check(conn).is_sound
        conn.execute("UPDATE stage_day SET tpp = tpp + 1 WHERE destination = 'MY' AND stage = 'licensed'")
        conn.commit()
        assert [each.projection for each in check(conn).differences] == ["stage_day"]
        rebuild(conn)
        assert check(conn).is_sound
