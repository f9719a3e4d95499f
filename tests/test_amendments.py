"""What raises a cap, or exempts from it, for some countries and some days; and windows that roll."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import rulebooks
from ledger.posting import Request
from tests.world import H200, Ledger, adopt, book, license_, move, party

AMENDED = """\
rulebook: trial
revision: 1
title: A trial
source: this test
status: {enforced: {from: 2024-01-01, law: test}}
controls:
  a: {meets: 3A090.a, law: test}
rules:
  - {name: all, law: test, answer: permit}
caps:
  - {name: land, law: test, counts: granted, by: [destination], limit: 15832 TPP}
amendments:
  - {cap: land, law: notice, where: {destination: AE}, from: 2026-02-01, limit: 47496 TPP}
  - {cap: land, law: notice, where: {destination: SA}, from: 2026-02-01, until: 2026-03-01, exempt: yes}
"""


def grant(day: str, chips: int, to: str) -> Request:
    where = {"destination": to.upper(), "recipient": to, "authorization": f"L-{to}", "exporter": "nvidia"}
    return move("grant", day, chips, chip=H200, **where)


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    places = ("ae", "sa", "my")
    return Ledger(conn).begin(
        party("nvidia"), *(party(each, each.upper()) for each in places), adopt(AMENDED, "2025-01-01"),
        *(license_(f"L-{each}", each, each.upper()) for each in places),
    )  # fmt: skip


@pytest.mark.parametrize(("day", "to", "fits"), [
    ("2026-01-31", "ae", 1),  # the day before it is raised
    ("2026-02-01", "ae", 3),
    ("2026-02-01", "my", 1),  # raised for another
    ("2026-01-31", "sa", 1),
    ("2026-03-01", "sa", 1),  # the exemption is over
])  # fmt: skip
def test_the_limit_that_holds_for_a_country_on_a_day_is_the_one_asked(
    ledger: Ledger, day: str, to: str, fits: int
) -> None:
    ledger.refused(grant(day, fits + 1, to), "cap_exceeded")
    ledger.must(grant(day, fits, to))


def test_what_is_exempt_counts_for_nothing(ledger: Ledger) -> None:
    ledger.must(grant("2026-02-28", 1000, "sa"))
    assert ledger.used("land", "destination=SA", "2026-12-31") == "0"
    ledger.must(grant("2026-03-01", 1, "sa"))


def test_a_proposal_is_never_adopted_to_judge(ledger: Ledger) -> None:
    name = "anthropic-comment-2025"
    bundle = {each: rulebooks.read(each)[0] for each in (name, "us-diffusion-2025")}
    receipt = ledger.refused(
        Request("rulebook", "no", {"name": name, "from": "2026-01-01", "bundle": bundle}), "malformed"
    )
    assert "never adopted" in receipt.message


ROLLING = "name: lately, counts: shipped, by: [destination], window: rolling 30 days, limit: 10 chips"


def ship(day: str, chips: int) -> Request:
    return move("ship", day, chips, exporter="nvidia", recipient="my", destination="MY")


@pytest.fixture
def lately(conn: Any) -> Ledger:
    return Ledger(conn).begin(party("nvidia"), party("my", "MY"), adopt(book(ROLLING)))


@pytest.mark.parametrize(("day", "fits"), [
    ("2026-03-01", 4),  # the same day
    ("2026-03-30", 4),  # the last of 30 days
    ("2026-03-31", 10),  # it has left the window
    ("2026-02-01", 10),  # 28 days before: they never stand in one window of 30 days with 2026-03-03
    ("2026-01-30", 10),
])  # fmt: skip
def test_a_rolling_window_holds_the_last_days_and_no_more(lately: Ledger, day: str, fits: int) -> None:
    first = "2026-03-01" if day >= "2026-03-01" else "2026-03-03"
    lately.must(ship(first, 6))
    lately.refused(ship(day, fits + 1), "cap_exceeded")
    assert lately.ask(ship(day, fits)).verdict == "posted"


def test_a_shipment_dated_earlier_is_held_against_every_window_it_stands_in(lately: Ledger) -> None:
    lately.must(ship("2026-03-20", 8))
    assert "2026-03-20" in lately.refused(ship("2026-03-01", 3), "cap_exceeded").message
    lately.must(ship("2026-03-01", 2))
