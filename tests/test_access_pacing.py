"""An exporter asks about caps that it shares so many times a minute; who may see totals asks as often as they like."""

from __future__ import annotations

import apiworld
import pytest
from fastapi.testclient import TestClient

from ledger.access import Principal
from ledger.access.pacing import MOST_KEPT, Pacing, TooOften
from ledger.api.access import LedgerAccess
from ledger.api.app import create_app
from ledger.api.desk import Desk
from ledger.web.app import router_of
from ledger.web.visits import COOKIE

ANNE, BEN = Principal("Anne", "exporter", "nvidia"), Principal("Ben", "exporter", "amd")


def asked(pacing: Pacing, who: Principal, *moments: float) -> list[bool]:
    """Return of each moment whether a question was let through."""
    found = []
    for now in moments:
        try:
            pacing.take(who.party, now)
        except TooOften:
            found.append(False)
        else:
            found.append(True)
    return found


def test_so_many_questions_at_once_and_then_one_whenever_one_has_come_back():
    assert asked(Pacing(6), ANNE, *[0.0] * 7, 9.9, 10.1, 10.2, 20.3) == [True] * 6 + [False, False, True, False, True]


def test_after_a_minute_of_silence_no_more_may_be_asked_at_once_than_at_first():
    assert asked(Pacing(3), ANNE, *[0.0] * 3, *[600.0] * 4) == [True] * 6 + [False]


def test_persons_of_one_party_share_its_questions_and_parties_do_not():
    pacing = Pacing(2)
    assert asked(pacing, ANNE, 0.0) + asked(pacing, Principal("Carl", "exporter", "nvidia"), 0.0, 0.0) == [
        True,
        True,
        False,
    ]
    assert asked(pacing, BEN, 0.0, 0.0, 0.0) == [True, True, False]


@pytest.mark.parametrize("role", ["regulator", "auditor", "operator"])
def test_who_may_see_totals_is_not_counted(role):
    assert asked(Pacing(1), Principal("Olga", role), *[0.0] * 50) == [True] * 50


def test_the_refusal_says_when_to_come_back_and_that_moment_is_enough():
    pacing = Pacing(1)
    pacing.take(ANNE.party, 0.0)
    with pytest.raises(TooOften) as refused:
        pacing.take(ANNE.party, 30.5)
    seconds = int(refused.value.headers["Retry-After"])
    assert (refused.value.code, seconds) == ("too_many_questions", 30)
    assert f"{seconds} s" in refused.value.remedy
    pacing.take(ANNE.party, 30.5 + seconds)


def test_what_is_kept_does_not_grow_without_end():
    pacing = Pacing(1)
    for n in range(MOST_KEPT + 10):
        pacing.take(f"party-{n}", float(n) / 1_000)
    assert len(pacing._left) == MOST_KEPT


def test_over_http_and_on_pages_an_exporter_asks_so_often_and_posts_all_the_same(dsn, monkeypatch):
    monkeypatch.setenv("CAPLEDGER_SIGN_IN_TRIES", "1000000")
    world = apiworld.fill(dsn)
    desk = Desk(world.dsn, questions_a_minute=3)
    app = create_app(desk, access=LedgerAccess(), pages=router_of(desk))
    left = "/v1/remaining?destination=MY&recipient=free-dc&chip=nvidia-h100-sxm5-80&authorization=license"
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        first = {"Authorization": f"Bearer {world.keys['first']}"}
        second = {"Authorization": f"Bearer {world.keys['exporter']}"}
        regulator = {"Authorization": f"Bearer {world.keys['regulator']}"}
        page = {"Cookie": f"{COOKIE}={apiworld.session_of(world, 'first')}"}
        asked = [client.get(left, headers=first).status_code for _ in range(2)]
        asked.append(client.get("/exporter", headers=page).status_code)
        assert 429 not in asked
        refused = client.get(left, headers=first)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_questions")
        assert 1 <= int(refused.headers["Retry-After"]) <= 20
        on_page = client.get("/exporter", headers=page)
        assert (on_page.status_code, "more often than" in on_page.text) == (429, True)
        tried = client.post("/v1/movements?dry_run=true", headers=first, json={"movement": "ship"})
        assert tried.status_code == 429
        posted = client.post("/v1/movements", headers={**first, "Idempotency-Key": "k"}, json={"movement": "ship"})
        assert posted.status_code == 422, "it was read"
        assert client.get(left, headers=second).status_code != 429
        assert {client.get(left, headers=regulator).status_code for _ in range(9)} <= {200, 404}
