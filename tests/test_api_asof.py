"""`on` and `known`, read by read: what each of them means, and where a day means nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from doorway import bearer, serving
from starlette.testclient import TestClient

from ledger.api.door import OPEN
from ledger.api.routes import ROUTES
from ledger.posting import Request, Writer
from ledger.reconcile import reconcile_caps
from tests.world import DIFFUSION, H100, LICENSING, Ledger, adopt, license_, move, party

READS = [route for route in ROUTES if route.method == "GET" and route.roles is not OPEN]
MADE, MADE_LATER, DECIDED = (datetime(2026, 2, day, 12, tzinfo=UTC) for day in (1, 5, 10))
LINE = {"exporter": "nvidia", "destination": "MY", "recipient": "dc", "authorization": "L1"}


@pytest.fixture
def ledger(dsn: str) -> Iterator[Ledger]:
    """Movements of June, July and August, one of them refused; two runs; two proposals, one of them decided."""
    with psycopg.connect(dsn) as conn:
        ledger = Ledger(conn).begin(party("nvidia"), party("dc", "MY"), chips=(H100,))
        ledger.must(adopt(LICENSING, "2023-11-17", "2025-01-13"), adopt(DIFFUSION, "2025-01-13"))
        ledger.must(license_("L1", "dc", "MY", first_day="2025-06-01", last_day="2026-12-31"))
        ledger.must(move("grant", "2025-06-02", 100, **LINE), move("grant", "2025-08-04", 10, **LINE))
        ledger.refused(move("grant", "2025-07-01", 10**9, **LINE), "cap_exceeded")
        ledger.must(move("ship", "2025-07-02", 500, observed=True, **LINE))
        for day in ("2025-06-30", "2025-08-31"):
            reconcile_caps(conn, on=date.fromisoformat(day), at=MADE)
            ledger.must(party("dc", "MY"))  # so that the next run is of another position
        grant = dict(move("grant", "2025-06-03", 1, **LINE).raw)
        first, _ = (_post(ledger.writer, Request("proposal", f"propose-{n}", {"kind": "movement", "key": f"g-{n}",
                          "body": grant}), at) for n, at in enumerate((MADE, MADE_LATER)))  # fmt: skip
        _post(ledger.writer, Request("decision", "decide", {"proposal": str(first), "decision": "decline"}), DECIDED)
        yield ledger


@pytest.fixture
def client(ledger: Ledger, dsn: str) -> Iterator[TestClient]:
    with serving(dsn) as client:
        yield client


def _post(writer: Writer, request: Request, at: datetime) -> int:
    (receipt,) = writer.post([request], actor="operator", person="olga", at=at)
    assert receipt.verdict == "posted", receipt
    return receipt.seq or 0


def get(client: TestClient, path: str, role: str = "operator", **query: Any) -> Any:
    return client.get(path, params=query, headers=bearer(role))


def items(client: TestClient, path: str, **query: Any) -> list[dict[str, Any]]:
    told = get(client, path, **query)
    assert told.status_code == 200, told.text
    found: list[dict[str, Any]] = told.json()["items"]
    return found


def days(client: TestClient, path: str, field: str, **query: Any) -> list[str]:
    return [each[field] for each in items(client, path, **query)]


def test_every_read_is_asked_as_known_at_a_record_and_on_a_day_or_says_why_a_day_means_nothing():
    for route in READS:
        assert "known" in route.asks, route.name
        assert ("on" in route.asks) != bool(route.dayless), route.name


@pytest.mark.parametrize("route", [route for route in READS if route.dayless], ids=lambda route: route.name)
def test_a_day_that_means_nothing_is_refused_with_the_reason_and_told_in_the_document(client, route):
    path = route.path.format(seq=1, name=DIFFUSION, other=LICENSING)
    told = get(client, path, on="2025-06-02").json()
    assert (told["status"], told["code"], told["errors"][0]["field"]) == (422, "malformed", "on")
    assert told["detail"] == f"on means nothing here: {route.dayless}"
    document = client.get("/v1/openapi.json").json()
    assert route.dayless in document["paths"][route.path]["get"]["description"]


def test_movements_of_a_day_are_those_dated_up_to_it_refused_ones_too_however_they_are_paged(client):
    def asked(**query: Any) -> list[str]:
        return [each["movement"]["effective_on"] for each in items(client, "/v1/movements", **query)]

    assert asked() == ["2025-06-02", "2025-08-04", "2025-07-01", "2025-07-02"]
    assert asked(on="2025-07-01") == ["2025-06-02", "2025-07-01"]
    assert asked(on="2025-06-01") == []
    found, after = [], 0
    while True:
        told = get(client, "/v1/movements", on="2025-07-01", after=after, limit=1)
        assert told.headers.get("capledger-next") == (str(told.json()["next"]) if told.json()["has_more"] else None)
        found += told.json()["items"]
        after = told.json()["next"]
        if not told.json()["has_more"]:
            break
    assert found == items(client, "/v1/movements", on="2025-07-01")


def test_one_movement_is_told_from_the_day_on_that_it_is_dated(client):
    seq = items(client, "/v1/movements")[1]["seq"]
    assert get(client, f"/v1/movements/{seq}", on="2025-08-04").json()["record"]["seq"] == seq
    assert get(client, f"/v1/movements/{seq}", on="2025-08-03").status_code == 404


def test_reconciliations_are_those_of_days_up_to_the_day(client):
    assert days(client, "/v1/reconciliations", "day") == ["2025-08-31", "2025-06-30"]
    assert days(client, "/v1/reconciliations", "day", on="2025-08-30") == ["2025-06-30"]
    seq = items(client, "/v1/reconciliations")[0]["seq"]
    assert get(client, f"/v1/reconciliations/{seq}", on="2025-08-31").status_code == 200
    assert get(client, f"/v1/reconciliations/{seq}", on="2025-08-30").status_code == 404


@pytest.mark.parametrize(("on", "waits", "all_"), [
    ("2026-01-31", [], []),
    ("2026-02-01", ["open"], ["open"]),
    ("2026-02-09", ["open", "open"], ["open", "open"]),
    ("2026-02-10", ["open"], ["declined", "open"]),
])  # fmt: skip
def test_proposals_of_a_day_are_as_they_stood_when_it_ended(client, on, waits, all_):
    assert days(client, "/v1/proposals", "state", on=on) == waits
    assert days(client, "/v1/proposals", "state", on=on, decided="true") == all_


def test_proposals_of_no_day_are_those_of_now(client):
    assert days(client, "/v1/proposals", "state", decided="true") == ["declined", "open"]


@pytest.mark.parametrize(("on", "in_force"), [
    ("2023-11-16", []), ("2025-01-12", [LICENSING]), ("2025-01-13", [DIFFUSION]),
])  # fmt: skip
def test_rulebooks_of_a_day_say_which_is_in_force_then(client, on, in_force):
    found = items(client, "/v1/rulebooks", on=on)
    assert [each["rulebook"] for each in found if each.get("is_in_force")] == in_force
    assert [each["rulebook"] for each in found if "adopted_by" in each] == [LICENSING, DIFFUSION]


def test_rulebooks_known_at_a_record_are_those_adopted_by_then(client):
    first = next(each["adopted_by"] for each in items(client, "/v1/rulebooks") if "adopted_by" in each)
    found = items(client, "/v1/rulebooks", on="2025-02-01", known=first)
    assert [(each["rulebook"], each["is_in_force"]) for each in found if "adopted_by" in each] == [(LICENSING, False)]


def test_history_of_a_day_is_what_is_dated_up_to_it(client):
    found = {each["day"] for each in items(client, "/v1/history/dc", on="2025-07-01")}
    assert "2025-06-02" in found
    assert max(day for day in found if day) == "2025-07-01"
    assert len(items(client, "/v1/history/dc")) > len(items(client, "/v1/history/dc", on="2025-07-01"))
    assert None in found  # what holds of every day is among it


@pytest.mark.parametrize("path", ["/v1/history/dc", "/v1/discrepancies", "/v1/proposals"])
@pytest.mark.parametrize("on", [None, "2025-07-01", "2026-02-05"])
def test_a_cursor_alone_goes_on_with_the_days_that_were_asked(client, path, on):
    asked = {"on": on} if on else {}
    whole = items(client, path, **asked)
    told = get(client, path, limit=1, **asked).json()
    found = told["items"]
    while told["next"]:
        told = get(client, path, limit=1, cursor=told["next"]).json()
        found += told["items"]
    assert found == whole
