"""The page where an exporter asks whether something would fit: any recipient, any authorization, any day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from ledger.core.errors import Problem
from tests.conftest import in_database
from tests.test_web_pages import as_, said
from tests.webworld import Desk, World, fill
from tests.world import GB300, H100

MALAYSIA = {"recipient": "selangor-dc", "destination": "Malaysia", "chip": GB300}
GULF = {"recipient": "gulf-cloud", "destination": "AE", "chip": H100}


@pytest.fixture(scope="module")
def world(databases: Any, template: str) -> Iterator[World]:
    """A filled ledger for tests that only read."""
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


def ask(world: World, **asked: str) -> Any:
    return as_(world, "ned").get(f"/exporter/fit?{urlencode(asked)}")


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        # A new license: 14,232,000 TPP are left in Malaysia, room for 237 of these chips, told as 230.
        (MALAYSIA | {"quantity": "230"}, 200, "It would fit the caps"),
        (MALAYSIA | {"quantity": "235"}, 200, "It is not sure to fit"),
        (MALAYSIA | {"quantity": "237"}, 200, "It is not sure to fit"),
        (MALAYSIA | {"quantity": "239"}, 200, "It is not sure to fit"),
        (MALAYSIA | {"quantity": "240"}, 200, "It would not fit: cap exceeded"),
        (MALAYSIA | {"quantity": "2,000"}, 200, "country-allocation of destination=MY has no room for it."),
        (MALAYSIA | {"quantity": "2,000"}, 200, "Ask for 230 chips or fewer."),
        (MALAYSIA | {"quantity": "5", "authorization": "license"}, 200, "ask the licensing agency for it"),
        (MALAYSIA | {"quantity": "5", "recipient": "Selangor Data Centre"}, 200, "to Selangor Data Centre in Malaysia"),
        (GULF | {"quantity": "1"}, 200, "It would not fit: cap exceeded"),
        # A shipment under a kind, or under another authorization than the recipient's.
        (MALAYSIA | {"quantity": "1", "authorization": "LPP"}, 200, "lacks consignee-statement"),
        (GULF | {"quantity": "1", "authorization": "none_required"}, 200, "no rule allows none_required"),
        (GULF | {"quantity": "1", "authorization": "MY-1"}, 200, "is for recipient selangor-dc, not gulf-cloud"),
        # What an authorization says may stay blank.
        ({"authorization": "MY-1", "chip": H100, "quantity": "41,000"}, 200, "It would fit the caps"),
        ({"authorization": "MY-1", "chip": H100, "quantity": "41,001"}, 200, "Ask for 41,000 chips"),
        # What has to be corrected stands beside its field.
        ({"chip": H100, "quantity": "5"}, 400, "Name the recipient, or an authorization of yours."),
        ({"chip": H100, "quantity": "5"}, 400, "Name the country of destination"),
        (GULF | {"quantity": "5", "destination": "Atlantis"}, 400, "is not a country that is listed"),
        (GULF | {"quantity": "x"}, 400, "Enter a whole number of chips"),
        (GULF | {"quantity": "5", "recipient": "nobody"}, 404, 'There is no party "nobody" on 2026-07-01'),
        (GULF | {"quantity": "5", "chip": "abacus"}, 404, 'There is no chip "abacus" on 2026-07-01'),
    ],
)  # fmt: skip
def test_any_recipient_and_any_authorization_may_be_asked_about(world, asked, status, words):
    answer = ask(world, **asked)
    text = said(answer.text).replace("&#34;", '"')
    assert (answer.status_code, words in text) == (status, True), text


def test_another_exporters_license_is_answered_like_none_also_with_a_recipient(world):
    client, rest = as_(world, "ned"), urlencode(GULF | {"quantity": "1"})
    answers = [client.get(f"/exporter/fit?authorization={name}&{rest}") for name in ("AE-1", "ZZ-9")]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].text.replace("AE-1", "ZZ-9") == answers[1].text


def test_the_answer_shows_no_total_of_a_shared_cap_and_suggests_nobody_elses(world):
    for quantity in ("1", "235", "99999"):
        text = said(ask(world, **MALAYSIA, quantity=quantity).text)
        assert [each for each in ("775,768,000", "14,232,000", " 237 ", "790,000,000") if each in text] == []
    form = as_(world, "ned").get("/exporter/fit").text
    assert '<option value="MY-1" label="Selangor Data Centre, Malaysia">' in form
    assert "AE-1" not in form
    assert "gulf-cloud" not in form


def test_what_to_do_next_is_a_link(world):
    assert "quantity=230" in ask(world, **MALAYSIA, quantity="500").text
    assert (
        'href="/exporter/upload">Post it from a file' in ask(world, authorization="MY-1", chip=H100, quantity="5").text
    )


def test_only_what_can_be_answered_counts_as_a_question(world, monkeypatch):
    paced: list[str] = []

    def pace(desk: Desk, party: str) -> None:
        paced.append(party)
        raise Problem("too_many_questions", "Too many.", "Wait.")

    monkeypatch.setattr(Desk, "pace", pace)
    assert ask(world).status_code == 200
    assert ask(world, **GULF, quantity="x").status_code == 400
    assert paced == []
    assert ask(world, **GULF, quantity="5").status_code == 429
    assert ask(world, **GULF | {"recipient": "nobody"}, quantity="5").status_code == 429
    assert paced == ["nvidia", "nvidia"]
