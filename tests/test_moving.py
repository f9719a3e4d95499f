"""What is on its way is found by its place, whoever writes and whatever else arrived there before."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from ledger.posting import Writer
from ledger.store.source import DatabaseSource
from tests.world import H100, Ledger, adopt, book, license_, move, party, reverse

PLACE = ("dc", "MY", H100)
LINE = {"exporter": "nvidia", "destination": "MY", "recipient": "dc", "authorization": "L1"}


@pytest.fixture
def ledger(conn: psycopg.Connection[Any]) -> Ledger:
    """A license for 100 chips, of which two shipments of 10 arrived and one is on its way."""
    ledger = Ledger(conn).begin(party("nvidia"), party("dc", "MY"), license_("L1", "dc", "MY"), adopt(book()))
    ledger.must(move("grant", "2025-06-01", 100, **LINE))
    for day in ("2025-06-02", "2025-06-03"):
        ledger.must(move("ship", day, 10, **LINE))
        ledger.must(received(10, day))
    ledger.must(move("ship", "2025-06-04", 10, **LINE))
    return ledger


def received(quantity: int, day: str = "2025-06-10", **more: Any) -> Any:
    return move("receive", day, quantity, destination="MY", recipient="dc", **more)


def afresh(ledger: Ledger) -> Ledger:
    """The same ledger, written by a writer that remembers nothing."""
    ledger.writer = Writer(ledger.conn)
    return ledger


def in_transit(ledger: Ledger) -> list[int]:
    rows = ledger.rows("SELECT in_transit::int FROM lot WHERE stage = 'shipped' ORDER BY seq")
    return [each for (each,) in rows]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """By which names lots at places are asked of the database."""
    found: list[str] = []
    for name in ("lots_at_many", "lots_moving_at_many"):
        whole = getattr(DatabaseSource, name)
        monkeypatch.setattr(
            DatabaseSource, name, lambda self, places, n=name, w=whole: (found.append(n), w(self, places))[1]
        )
    return found


def test_a_receipt_needs_only_what_is_on_its_way(ledger, asked):
    afresh(ledger).must(received(4))
    afresh(ledger).post(received(1), received(2))
    assert asked == ["lots_moving_at_many"] * 2
    assert in_transit(ledger) == [0, 0, 3]


def test_what_is_reserved_granted_or_shipped_needs_nothing_that_stands_at_its_place(ledger, asked):
    reserved = {**LINE, "authorization": "", "last_day": "2025-12-31"}
    receipts = [
        *afresh(ledger).post(*(move("reserve", "2025-06-10", 1, **reserved) for _ in range(2))),
        *afresh(ledger).post(*(move(kind, "2025-06-10", 1, **LINE) for kind in ("grant", "ship"))),
    ]
    assert [receipt.verdict for receipt in receipts] == ["posted"] * 4, receipts
    assert asked == []


def test_more_than_is_on_its_way_is_seen_on_the_lot_that_arrived_last(ledger):
    ledger.must(received(10))
    afresh(ledger).must(received(5))
    assert in_transit(ledger) == [0, 0, -5]
    afresh(ledger).must(move("ship", "2025-06-11", 7, **LINE))
    afresh(ledger).must(received(7, "2025-06-12"))
    assert in_transit(ledger) == [0, 0, -5, 0]


def test_what_a_reverse_put_on_its_way_again_is_received_in_the_same_commit(ledger):
    (arrived,) = ledger.rows("SELECT min(seq) FROM entry WHERE stage = 'received'")[0]
    receipts = afresh(ledger).post(reverse(arrived, "2025-06-12"), received(4, "2025-06-13"))
    assert [each.verdict for each in receipts] == ["posted"] * 2
    assert in_transit(ledger) == [6, 0, 10], "oldest first"


def test_the_same_where_the_place_is_first_asked_after_the_reverse(ledger):
    """Who owns it is registered in the same commit, so that nothing of the receipt could be fetched before."""
    (arrived,) = ledger.rows("SELECT min(seq) FROM entry WHERE stage = 'received'")[0]
    asked = reverse(arrived, "2025-06-12"), party("owner"), received(4, "2025-06-13", owner="owner")
    receipts = afresh(ledger).post(*asked)
    assert [each.verdict for each in receipts] == ["posted"] * 3
    assert in_transit(ledger) == [6, 0, 10], "oldest first"


def test_what_is_shipped_after_a_place_was_asked_is_on_its_way_there(ledger):
    ledger.must(received(1), received(1))
    ledger.must(move("ship", "2025-06-01", 5, **LINE))  # dated before what is on its way: it is received first
    ledger.must(received(6))
    assert in_transit(ledger) == [0, 0, 7, 0]
