"""An exporter asks about caps that it shares so many times a minute; who may see totals asks as often as they like."""

from __future__ import annotations

import asyncio
import hashlib
import re

import apiworld
import pytest
from fastapi.testclient import TestClient

from ledger.access import Principal, pacing
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


# Wrong keys


def wrong_of(secret: str) -> str:
    """Return another secret of the same key, written as it has to be."""
    told = f"{secret.split('_')[1]}_{'A' * 43}"
    return f"capledger_{told}{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def test_many_addresses_try_a_key_no_more_than_one_and_its_owner_is_let_in_from_everywhere(dsn, monkeypatch):
    monkeypatch.setenv("CAPLEDGER_SIGN_IN_TRIES", "4")
    world, held = apiworld.fill(dsn), []
    desk = Desk(world.dsn)
    app = create_app(desk, access=LedgerAccess(), pages=router_of(desk))
    secret, other = world.keys["first"], world.keys["exporter"]

    async def hold_back() -> None:
        held.append(True)

    monkeypatch.setattr(desk, "hold_back", hold_back)

    def at(address: str) -> TestClient:
        return TestClient(app, follow_redirects=False, client=(address, 50_000))

    def asked(address: str, key: str) -> int:
        return at(address).get("/v1/checkpoint", headers={"Authorization": f"Bearer {key}"}).status_code

    def signed_in(address: str, key: str) -> int:
        client = at(address)
        token = re.findall(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)[-1]
        return client.post("/sign-in", data={"secret": key, "csrf": token}).status_code

    with TestClient(app):
        wrong = wrong_of(secret)
        tried = [asked("a1", wrong), signed_in("a2", wrong), asked("a3", wrong), signed_in("a4", wrong)]
        assert (tried, held) == ([401] * 4, [])
        assert [asked("a5", wrong), signed_in("a6", wrong)] == [429] * 2
        assert held == [True] * 2
        assert (asked("a7", secret), signed_in("a7", secret)) == (200, 303), "its owner is let in"
        assert asked("a5", wrong_of(other)) == 401, "another key is not in the way"
        assert [asked("b", "mistyped") for _ in range(5)] == [401] * 4 + [429]
        assert [signed_in("b", wrong_of(other)), asked("b", "mistyped")] == [429] * 2
        assert (asked("b", other), signed_in("b", other)) == (200, 303), "whoever else is at that address, too"


def test_who_is_held_back_waits_and_no_more_than_so_many_do(monkeypatch):
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.get_running_loop().create_future() if len(slept) <= pacing.MOST_HELD else None

    monkeypatch.setattr(pacing.asyncio, "sleep", sleep)

    async def many() -> None:
        held = pacing.HeldBack()
        waiting = [asyncio.ensure_future(held.wait()) for _ in range(pacing.MOST_HELD)]
        while len(slept) < pacing.MOST_HELD:
            await asyncio.wait(waiting, timeout=0.001)
        await held.wait()
        assert len(slept) == pacing.MOST_HELD
        waiting.pop().cancel()
        await asyncio.wait(waiting, timeout=0.001)
        await held.wait()
        assert len(slept) == pacing.MOST_HELD + 1, "who goes away makes room"
        for each in waiting:
            each.cancel()

    asyncio.run(many())
    assert set(slept) == {pacing.HELD_SECONDS}
