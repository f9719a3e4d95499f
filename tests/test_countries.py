"""A code that is written like a country's and is none: it is registered nowhere, and asked of nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from doorway import bearer, serving
from world import H100, Ledger, license_, move, party

from ledger.posting import Request
from ledger.posting.requests import read
from ledger.reference import countries

LINE = {"exporter": "nvidia", "recipient": "mydc", "authorization": "L1"}
NOWHERE = dict(move("grant", "2026-01-02", 1, destination="ZZ", **LINE).raw)
STOCK = {"party_id": "mydc", "as_of": "2026-01-01", "lines": [{"destination": "ZZ", "chip": H100, "quantity": "1"}]}


@pytest.fixture
def ledger(conn) -> Ledger:
    return Ledger(conn).begin(party("nvidia"), party("mydc", "MY"), license_("L1", "mydc", "MY"), chips=(H100,))


@pytest.mark.parametrize(("request_", "field"), [
    (party("new", "ZZ"), "headquarters"),
    (license_("L2", "mydc", "XX"), "destination"),
    (move("grant", "2026-01-02", 1, destination="QQ", **LINE), "destination"),
    (move("ship", "2026-01-02", 1, destination="MY", exported_from="ZZ", **LINE), "exported_from"),
    (move("receive", "2026-01-02", 1, destination="ZZ", recipient="mydc", observed=True), "destination"),
    (move("reexport", "2026-01-02", 1, destination="MY", from_destination="ZZ", from_recipient="x", **LINE),
     "from_destination"),
    (Request("stock", "stock", STOCK), "destination"),
    (Request("proposal", "p", {"kind": "movement", "key": "m", "body": NOWHERE}), "destination"),
], ids=lambda each: each.kind if isinstance(each, Request) else each)  # fmt: skip
def test_what_names_no_country_is_malformed_and_leaves_no_record(ledger, request_, field):
    size = ledger.size()
    (receipt,) = ledger.post(request_)
    assert (receipt.verdict, receipt.code, receipt.seq) == ("refused", "malformed", None)
    assert re.match(rf"{field} is '[A-Z]{{2}}', which is the code of no country\.", receipt.message)
    assert "ISO 3166" in receipt.remedy
    assert ledger.size() == size


def test_every_country_of_the_reference_may_be_a_seat_and_an_unknown_seat_too(ledger):
    found = ledger.post(*(party(f"in-{code}", code) for code in [*countries(), "unknown"]))
    assert {each.verdict for each in found} == {"posted"}


def test_what_stands_in_the_journal_is_read_whatever_it_names():
    assert read(party("old", "ZZ"), is_recorded=True).body["headquarters"] == "ZZ"


def test_what_is_left_of_no_country_is_told_with_a_remedy(ledger, dsn):
    asked = {"destination": "ZZ", "recipient": "mydc", "chip": H100}
    with serving(dsn) as client:
        told: Any = client.get("/v1/remaining", params=asked, headers=bearer("operator")).json()
    assert (told["status"], told["code"], told["errors"][0]["field"]) == (422, "malformed", "destination")
