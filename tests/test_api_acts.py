"""Statements, stock, notices, proposals and decisions over the API, with real keys and the ledger's own access."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from apiworld import MARK, OWN, SECOND, World, fill, served
from starlette.testclient import TestClient

from ledger.reports import Reader, statement
from ledger.statements import csv_of, pdf_of
from tests.conftest import Databases, in_database
from tests.world import DIFFUSION, H100, LICENSING

_numbers = itertools.count(1)
GRANT = {"movement": "grant", "effective_on": "2025-07-01", "exporter": SECOND}
LINE = {"destination": "MY", "recipient": "own-dc", "authorization": "own-L1", "chip": H100}
NOTICE = {"duty": "lpp-notice", "party": SECOND, "filed_on": "2025-07-01", "subject": "2025"}
STOCK = {"party_id": SECOND, "as_of": "2025-07-01", "lines": [{"destination": "US", "chip": H100, "quantity": 3}]}
DAYS = {"from": "2025-06-01", "to": "2025-07-31"}


@pytest.fixture(scope="module")
def world(databases: Databases, template: str) -> Iterator[World]:
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as monkeypatch, served(world, monkeypatch) as client:
        yield client


@pytest.fixture
def post(client, world):
    """Post as somebody, under a key of its own if none is said."""

    def post(path: str, body: Any, who: str = "operator", key: str = "") -> Any:
        headers = {**world.head(who), "Idempotency-Key": key or f"act-{next(_numbers)}"}
        return client.post(f"/v1/{path}", json=body, headers=headers)

    return post


@pytest.fixture
def draw(client, world):
    """Ask for a statement."""

    def draw(who: str = "auditor", accept: str = "*/*", **asked: str) -> Any:
        headers = {**world.head(who), "Accept": accept}
        return client.get("/v1/statements", params={**DAYS, **asked}, headers=headers)

    return draw


def grant(quantity: int = 5, **more: Any) -> dict[str, Any]:
    return {**GRANT, **more, "lines": [{**LINE, "quantity": quantity}]}


def proposal(body: dict[str, Any], kind: str = "movement", key: str = "") -> dict[str, Any]:
    return {"kind": kind, "key": key or f"later-{next(_numbers)}", "body": body}


def item(kind: str, key: str, body: Any) -> dict[str, Any]:
    return {"items": [{"kind": kind, "key": key, "body": body}]}


# Posting


@pytest.mark.parametrize(
    ("path", "kind", "body", "other"),
    [
        ("stock", "stock", STOCK, {**STOCK, "lines": []}),
        ("notices", "notice", NOTICE, {**NOTICE, "subject": "2026"}),
        ("proposals", "proposal", proposal(grant(), key="p"), proposal(grant(6), key="p")),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
@pytest.mark.parametrize("who", ["exporter", "operator"])
def test_a_route_of_its_own_and_a_batch_are_one_and_the_same_under_a_key(post, who, path, kind, body, other):
    if path == "proposals" and who == "exporter":
        body, other = ({**each, "body": {**each["body"], "movement": "ship"}} for each in (body, other))
    key = f"{who}-{path}"
    first, again = post(path, body, who, key), post(path, body, who, key)
    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert first.json() == again.json()
    (batched,) = post("batches", item(kind, key, body), who).json()["receipts"]
    assert batched == {**first.json(), "replayed": True}
    conflict = post(path, other, who, key)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "key_reused")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("stock", {**STOCK, "lines": 5}, 422), ("stock", {**STOCK, "lines": {"chip": H100}}, 422),
        ("stock", {**STOCK, "lines": [5]}, 422), ("stock", {**STOCK, "party_id": "nobody"}, 422),
        ("notices", {**NOTICE, "duty": "no-duty"}, 422), ("notices", {**NOTICE, "record": "7"}, 422),
        ("proposals", proposal(grant(), "party"), 422), ("proposals", proposal({}), 422), ("proposals", {}, 422),
        ("proposals", proposal({"name": "no-such-book", "from": "2026-01-01"}, "rulebook"), 404),
        ("proposals/1/decision", {"decision": "approve"}, 422), ("proposals/1/decision", {"decision": "yes"}, 422),
        ("proposals/one/decision", {"decision": "approve"}, 422),
        ("proposals/1/decision", {"decision": "approve", "proposal": "2"}, 422),
        ("discrepancies/1/changes", {"change": "explained", "note": "so", "id": "2"}, 422),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_is_not_known_is_refused_and_is_no_defect(post, path, body, status):
    answer = post(path, body)
    assert answer.status_code == status, answer.text


def test_a_proposal_is_approved_by_another_person_and_by_no_other_means(client, world, post):
    made = post("proposals", proposal(grant(), key="the-grant"), "operator").json()
    assert "waits for another person" in made["message"]
    path = f"proposals/{made['seq']}/decision"
    for who in ("exporter", "regulator", "auditor"):
        assert post(path, {"decision": "approve"}, who).status_code == 403
    alone = post(path, {"decision": "approve"}, "operator", "decide")
    assert (alone.status_code, alone.json()["code"]) == (403, "needs_second_person")
    done = post(path, {"decision": "approve", "note": "seen"}, "another operator", "decide")
    assert done.status_code == 201, "the key stayed open, for another person's answer"
    assert "under key 'the-grant'" in done.json()["message"]
    again = post(path, {"decision": "approve", "note": "seen"}, "another operator", "decide")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (done.json(), "true")
    late = post(path, {"decision": "decline"}, "another operator")
    assert (late.status_code, late.json()["code"]) == (409, "exceeds_authorization")
    known = client.get("/v1/proposals", params={"decided": "true"}, headers=world.head("auditor")).json()["items"]
    (told,) = [each for each in known if each["id"] == made["seq"]]
    assert (told["person"], told["decision"]["person"], told["decision"]["note"]) == ("olga", "otto", "seen")


def test_a_shipped_rulebook_is_proposed_by_its_name(post, client, world):
    asked = proposal({"name": LICENSING, "from": "2199-01-01"}, "rulebook")
    made = post("proposals", asked)
    assert made.status_code == 201, made.text
    known = client.get("/v1/proposals", headers=world.head("operator")).json()["items"]
    (told,) = [each for each in known if each["id"] == made.json()["seq"]]
    assert LICENSING in told["request"]["bundle"]
    assert post("batches", item("proposal", "b", {**asked, "key": "later"})).json()["posted"] == 1


def test_a_proposal_tells_an_exporter_no_totals_of_a_shared_cap(post, client, world):
    """It says what it would come to, which is the refusal that its exporter would get, and not the operator's."""
    line = {**LINE, "quantity": 60_000, "last_day": "2025-12-31"}
    asked = proposal({**GRANT, "movement": "reserve", "lines": [line]})
    operators, own = (post("proposals", {**asked, "key": who}, who, "over") for who in ("operator", "exporter"))
    assert "would be refused, cap_exceeded" in operators.json()["message"]
    assert re.search(r"limit 790,000,000 TPP, used [\d,]+", operators.json()["message"])
    assert own.status_code == 201
    assert own.json()["message"].endswith("of destination=MY has no room for it on 2025-07-01.")
    again = post("proposals", {**asked, "key": "exporter"}, "exporter", "over")
    assert again.json() == own.json()
    (batched,) = post("batches", item("proposal", "over", {**asked, "key": "exporter"}), "exporter").json()["receipts"]
    assert batched["message"] == own.json()["message"]


# Statements


def test_a_statement_is_the_ledgers_own_in_each_form(draw, world):
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=date(2025, 7, 31)) as view:
        found = statement(view, exporter=SECOND, country="MY", first=date(2025, 6, 1), last=date(2025, 7, 31))
    asked = {"exporter": SECOND, "country": "MY", "known": str(found.known)}
    as_json, as_csv, as_pdf = (draw(accept=f"{media}", **asked) for media in ("application/json", "text/csv",
                                                                                   "application/pdf"))  # fmt: skip
    assert as_json.json() == found.body()
    assert found.caps
    assert found.discrepancies
    assert as_csv.content == csv_of(found).encode()
    assert as_csv.headers["Content-Type"].startswith("text/csv")
    assert as_pdf.content == pdf_of(found)
    assert as_pdf.headers["Content-Type"] == "application/pdf"
    assert as_pdf.headers["Capledger-Known"] == str(found.known)
    assert draw(accept="application/vnd.apache.parquet", **asked).status_code == 406


def test_an_exporter_gets_its_own_statement_without_what_others_share(draw, client, world):
    own, named = draw("exporter"), draw("exporter", exporter=SECOND)
    assert own.json() == named.json()
    assert own.json()["exporter"] == SECOND
    assert own.json()["lines"]
    assert (own.json()["caps"], own.json()["discrepancies"]) == ([], [])
    whole = draw("auditor", exporter=SECOND).json()
    assert {**whole, "caps": [], "discrepancies": []} == own.json()
    part = draw("exporter", recipient="own-dc").json()
    assert (part["recipient"], part["lines"]) == ("own-dc", own.json()["lines"])
    past = draw("exporter", known=str(world.ids[OWN]["record"])).json()
    assert 0 < len(past["lines"]) < len(part["lines"])
    rows = list(csv.DictReader(io.StringIO(draw("exporter", accept="text/csv").text)))
    assert {row["exporter"] for row in rows} == {SECOND}
    assert MARK not in own.text


@pytest.mark.parametrize(
    ("who", "asked", "status"),
    [
        ("auditor", {}, 422), ("auditor", {"exporter": "nobody"}, 404), ("auditor", {"country": "XX"}, 404),
        ("auditor", {"country": "Malaysia"}, 422), ("exporter", {"country": "XX"}, 404),
        ("exporter", {"exporter": f"{MARK}-maker"}, 403), ("exporter", {"from": "2025-08-01"}, 422),
        ("exporter", {"to": "yesterday"}, 422), ("exporter", {"known": "999999"}, 404),
        ("exporter", {"on": "2025-07-01"}, 422), ("exporter", {"rulebook": DIFFUSION}, 422),
    ],
)  # fmt: skip
def test_a_statement_that_cannot_be_drawn_up_says_why(draw, who, asked, status):
    assert draw(who, **asked).status_code == status


def test_a_statement_that_has_not_changed_is_not_sent_again(draw, client, world):
    first = draw("exporter")
    asked = {"params": DAYS, "headers": {**world.head("exporter"), "If-None-Match": first.headers["ETag"]}}
    assert client.get("/v1/statements", **asked).status_code == 304
    assert draw("exporter", accept="text/csv").headers["ETag"] != first.headers["ETag"]
