"""What recipients have, and how much of it is unconfirmed: by rating, by authorization, by the movement itself."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from ledger.reports import Reader, holdings, together
from tests.test_web_pages import as_, said
from tests.webworld import fill
from tests.world import A100, H100, Ledger, adopt, book, license_, move, party, rating, reverse

CAP = "name: watch, counts: granted, by: [destination], limit: none"
L1 = {"destination": "MY", "recipient": "dc", "authorization": "L1", "exporter": "ex"}
L2 = L1 | {"authorization": "L2"}
THERE = {name: L1[name] for name in ("destination", "recipient", "authorization")}
FEW, MORE = Decimal(15832) * 10, Decimal(15832) * 100


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    return Ledger(conn).begin(
        party("ex", roles="exporter"), party("dc", "MY"), adopt(book(CAP)),
        license_("L1", "dc", "MY", "ex"), license_("L2", "dc", "MY", "ex", confidence="unconfirmed"),
    )  # fmt: skip


def unsure(dsn: str, dimension: str = "destination", value: str = "MY", on: str = "2026-06-30") -> dict[str, str]:
    """What is unconfirmed and what there is, by stage."""
    with psycopg.connect(dsn) as conn, Reader(conn).view(on=date.fromisoformat(on)) as view:
        held = together(holdings(view, dimension, [value]))
        return {stage: f"{tpp:f} of {held.tpp[stage]:f}" for stage, tpp in sorted(held.unconfirmed.items())}


def of(part: Decimal, whole: Decimal) -> str:
    return f"{part:f} of {whole:f}"


def test_what_is_confirmed_is_not_told_as_unconfirmed(ledger, dsn):
    ledger.must(move("grant", "2026-01-05", 100, **L1))
    assert unsure(dsn) == {}


def test_a_movement_marked_unconfirmed_makes_what_it_brought_unconfirmed_and_what_comes_of_it(ledger, dsn):
    ledger.must(move("grant", "2026-01-05", 90, **L1), move("grant", "2026-01-05", 10, confidence="unconfirmed", **L1))
    for dimension, value in (("destination", "MY"), ("recipient", "dc"), ("authorization", "L1")):
        assert unsure(dsn, dimension, value) == {"licensed": of(FEW, MORE), "open": of(FEW, MORE)}
    assert unsure(dsn, "authorization", "L2") == {}


def test_a_shipment_marked_unconfirmed_leaves_its_license_as_sure_as_it_was(ledger, dsn):
    ledger.must(
        move("grant", "2026-01-05", 100, **L1), move("ship", "2026-02-05", 10, confidence="unconfirmed", **L1),
    )  # fmt: skip
    assert unsure(dsn) == {"shipped": of(FEW, FEW), "in_transit": of(FEW, FEW)}
    ledger.must(move("receive", "2026-03-05", 10, **THERE))
    assert "in_transit" not in unsure(dsn)


def test_what_is_reversed_is_unconfirmed_no_more(ledger, dsn):
    ledger.must(move("grant", "2026-01-05", 100, **L1))
    shipped = ledger.must(move("ship", "2026-02-05", 10, confidence="unconfirmed", **L1))
    ledger.must(reverse(shipped, "2026-02-06"))
    assert unsure(dsn) == {}


def test_an_unconfirmed_authorization_makes_all_under_it_unconfirmed(ledger, dsn):
    ledger.must(move("grant", "2026-01-05", 90, **L1), move("grant", "2026-01-05", 10, **L2))
    assert unsure(dsn)["licensed"] == of(FEW, MORE)


def test_an_unconfirmed_rating_makes_chips_unconfirmed_until_the_same_figure_is_confirmed(ledger, dsn):
    ledger.must(
        rating(H100, confidence="unconfirmed"), move("grant", "2026-01-05", 100, **L1),
        move("grant", "2026-01-05", 5, A100, **L1),
    )  # fmt: skip
    assert unsure(dsn)["licensed"] == of(MORE, MORE + 5 * Decimal(4992))
    ledger.must(rating(H100, confidence="confirmed"))
    assert unsure(dsn) == {}


def test_pages_of_a_country_a_recipient_and_an_authorization_say_how_much_is_unconfirmed(dsn, conn):
    world = fill(dsn)
    Ledger(conn).must(
        move("grant", "2026-06-01", 100, confidence="unconfirmed", exporter="nvidia", destination="MY",
             recipient="selangor-dc", authorization="MY-1"),
    )  # fmt: skip
    client = as_(world, "rita")
    for path in ("/countries/MY", "/recipients/selangor-dc", "/authorizations/MY-1"):
        words = said(client.get(path).text)
        assert "licensed, TPP 777,351,200" in words, path
        assert "of which unconfirmed 1,583,200" in words, path
        before = said(client.get(f"{path}?known={world.granted}").text)
        assert "of which unconfirmed" not in before, path
