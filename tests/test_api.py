"""The API, route by route: who may call it, what it answers, what it refuses and how."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars
import psycopg
import pytest
from client import ALLOCATION_H100, found, movement
from doorway import PEOPLE, ROLES, StandIn, bearer, serving
from starlette.testclient import TestClient

from ledger.api import door, problems
from ledger.api.door import OPEN
from ledger.api.formats import chosen
from ledger.api.routes import ROUTES
from ledger.api.watching import WATCHING
from ledger.core.refusals import PRECEDENCE
from ledger.posting import Writer
from tests.world import AT, adopt, book, license_, party

H100 = "nvidia-h100-sxm5-80"
LINE = {"destination": "MY", "recipient": "dc", "authorization": "L1", "chip": H100}


@pytest.fixture
def founded(dsn: str) -> str:
    found(dsn)
    with psycopg.connect(dsn) as conn:
        Writer(conn).post([party("amd"), license_("A1", "dc", "MY", "amd")], actor="operator", at=AT)
    return dsn


@pytest.fixture
def client(founded: str) -> Iterator[TestClient]:
    with serving(founded) as client:
        yield client


def grant(quantity: Any = 100, **more: Any) -> dict[str, Any]:
    head = {"movement": "grant", "effective_on": "2025-06-02", "exporter": "nvidia", **more}
    return {**head, "lines": [{**LINE, "quantity": quantity}]}


def ship(quantity: Any = 10, **more: Any) -> dict[str, Any]:
    return grant(quantity, movement="ship", **more)


def post(client: TestClient, body: Any, key: str = "k", role: str = "operator", path: str = "/v1/movements") -> Any:
    return client.post(path, json=body, headers={**bearer(role), "Idempotency-Key": key})


def get(client: TestClient, path: str, role: str = "operator", accept: str = "*/*", **query: Any) -> Any:
    return client.get(path, params=query, headers={**bearer(role), "Accept": accept})


# Who may call what

EVERY = [*ROUTES, *WATCHING]


def sent(client: TestClient, route: door.Route, headers: dict[str, str]) -> Any:
    path = route.path.replace(":path", "").format_map(dict.fromkeys(route.parts, "1"))
    return client.request(route.method, path, headers=headers, json={} if route.method == "POST" else None)


def test_each_route_is_open_to_its_roles_and_closed_to_all_others(client):
    for route in EVERY:
        nobody = sent(client, route, {"Authorization": ""})
        assert (nobody.status_code == 401) == (route.roles is not OPEN), route.name
        for role in ROLES:
            told = sent(client, route, bearer(role))
            is_closed = told.status_code == 403 and told.json()["detail"].startswith("This is not for the role")
            assert is_closed == (route.roles is not OPEN and role not in route.roles), (route.name, role)


# What nobody else may call: written out, so that opening one more is seen.
@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("auditor", {"post_movement", "post_batch", "run_reconciliation", "post_stock", "post_notice",
                     "post_proposal"}),
        ("exporter", {"list_usage", "list_caps", "list_history", "list_discrepancies", "list_reconciliations",
                      "show_reconciliation", "run_backtest", "run_reconciliation", "list_proposals"}),
        ("regulator", {"post_stock", "post_notice", "post_proposal"}),
    ],
)  # fmt: skip
def test_what_a_role_may_not_call_is_what_is_written_here(role, names):
    of_the_operator = {"post_party", "post_ownership", "post_rating", "post_authorization", "post_adoption",
                       "post_period", "post_discrepancy_change", "post_decision", "show_metrics"}  # fmt: skip
    assert {route.name for route in EVERY if route.roles is not OPEN and role not in route.roles} == (
        names | of_the_operator
    )


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Basic key-of-operator", "Bearer no-such-key", "Bearer é"])
def test_who_shows_no_valid_key_is_told_so_and_nothing_else(client, shown):
    answer = client.get("/v1/parties", headers={"Authorization": shown.encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "items" not in answer.text


def test_keys_that_are_not_valid_over_and_over_are_told_to_wait(founded):
    with serving(founded, StandIn(tries=3)) as client:
        statuses = [client.get("/v1/parties", headers=bearer(f"thief-{n}")).status_code for n in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        assert get(client, "/v1/parties").status_code == 200, "who has a key goes on"


def test_a_key_that_many_show_at_once_is_looked_up_once(founded, monkeypatch):
    monkeypatch.setattr(door, "KEPT_SECONDS", 60)

    class Slow(StandIn):
        def authenticate(self, conn, secret, *, at):
            time.sleep(0.3)
            return super().authenticate(conn, secret, at=at)

    access = Slow()
    with serving(founded, access) as client, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.get, "/v1/rulebooks", headers=bearer("auditor")) for _ in range(8)]
        wrong = pool.submit(client.get, "/v1/rulebooks", headers={"Authorization": "Bearer no-such-key"})
        assert {each.result().status_code for each in asked} == {200}
        assert wrong.result().status_code == 401
    assert access.looked_up == 2


def test_a_key_is_looked_up_once_a_moment_and_a_revoked_one_ends(founded, monkeypatch):
    access = StandIn()
    with serving(founded, access) as client:
        assert [get(client, "/v1/rulebooks").status_code for _ in range(5)] == [200] * 5
        assert access.looked_up < 5
        del access.people["key-of-operator"]
        monkeypatch.setattr(door, "KEPT_SECONDS", 0)
        assert get(client, "/v1/rulebooks").status_code == 401


# Posting

POSTINGS = [
    (grant(), 201, ""),
    (grant(observed=True), 201, ""),
    (grant("49_898"), 201, ""),
    (grant(ALLOCATION_H100 + 1), 409, "cap_exceeded"),
    (grant(0), 422, "malformed"),
    (grant(1.5), 422, "malformed"),
    (grant(True), 422, "malformed"),
    (grant([1]), 422, "malformed"),
    (grant(effective_on="2025-02-30"), 422, "malformed"),
    (grant(color="blue"), 422, "malformed"),
    (grant(observed="yes"), 422, "malformed"),
    (grant(exporter="nobody"), 422, "unknown_party"),
    ({**grant(), "lines": [{**LINE, "quantity": 1, "chip": "no-chip"}]}, 422, "unknown_chip"),
    ({**grant(), "lines": [{**LINE, "quantity": 1, "authorization": "L9"}]}, 422, "unknown_authorization"),
    (grant(effective_on="2026-07-01"), 409, "outside_validity"),
    (ship(), 409, "exceeds_authorization"),
    ({"movement": "reverse", "effective_on": "2025-06-02", "reverses": 999_999}, 422, "unknown_movement"),
    ({}, 422, "malformed"),
]


@pytest.mark.parametrize(("body", "status", "code"), POSTINGS)
def test_a_posting_is_answered_with_its_status_and_code(client, body, status, code):
    answer = post(client, body)
    assert (answer.status_code, answer.json().get("code", "")) == (status, code), answer.text
    if status == 201:
        assert answer.json()["verdict"] == "posted"
        assert get(client, answer.headers["Location"]).json()["record"]["leaf_hash"] == answer.json()["leaf_hash"]
    else:
        told = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert told["status"] == status
        assert told["detail"]
        assert told["type"].endswith(code)
        (receipt,) = told.get("receipts") or [None]
        assert receipt is None or (receipt["seq"] is None) == (code in ("malformed", "key_reused"))


def test_every_reason_to_refuse_has_a_status():
    assert set(problems.STATUS_OF_REFUSAL) == set(PRECEDENCE)


@pytest.mark.parametrize(("body", "status"), [(grant(), 201), (grant(ALLOCATION_H100 + 1), 409)])
def test_the_same_request_again_gets_the_same_answer_and_is_marked(client, body, status):
    first, again = post(client, body), post(client, body)
    assert (first.status_code, again.status_code) == (status, status)
    assert first.json() == again.json()
    assert ("Idempotent-Replayed" in first.headers, again.headers.get("Idempotent-Replayed")) == (False, "true")


def test_the_same_key_for_something_else_is_a_conflict_that_names_the_field(client):
    post(client, grant())
    answer = post(client, grant(101))
    assert (answer.status_code, answer.json()["code"]) == (409, "key_reused")
    assert "quantity" in answer.json()["detail"]


def test_two_organizations_may_use_the_same_key(client):
    post(client, grant(100), "before")
    assert [post(client, ship(), "same", role).status_code for role in ("operator", "exporter")] == [201, 201]


def test_a_posting_without_a_key_is_not_read(client):
    answer = client.post("/v1/movements", json=grant())
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_who_posts_is_told_by_the_key_and_by_nothing_that_is_sent(client):
    post(client, grant(100), "g")
    answer = client.post("/v1/movements", json=ship(), headers={**bearer("exporter"), "Idempotency-Key": "s",
                                                                "X-Actor": "operator"})  # fmt: skip
    assert get(client, answer.headers["Location"]).json()["record"]["actor"] == "nvidia"


def test_what_the_access_layer_does_not_let_them_post_is_forbidden_and_not_recorded(client):
    before = get(client, "/v1/parties").json()["journal"]
    answer = post(client, grant(), role="regulator")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert get(client, "/v1/parties").json()["journal"] == before
    assert post(client, grant(observed=True), role="regulator").status_code == 201


def test_a_dry_run_tells_the_verdict_and_posts_nothing(client):
    for body, verdict in ((grant(), "posted"), (grant(ALLOCATION_H100 + 1), "refused")):
        answer = client.post("/v1/movements?dry_run=true", json=body)
        told = answer.json()
        assert (answer.status_code, told["verdict"]) == (200, verdict)
        assert told["caps"][0]["cap"] == "country-allocation"
        assert told["on"] == "2025-06-02"
    assert get(client, "/v1/movements").json()["items"] == []
    again = client.post("/v1/movements?dry_run=true", json=grant(), headers={"If-None-Match": "*"})
    assert (again.status_code, "ETag" in again.headers) == (200, False)


def item(key: str, body: Any, kind: str = "movement", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "key": key, "body": body, **more}


def test_a_batch_gives_each_its_verdict_in_order(client):
    items = [item("a", grant(50)), item("b", ship(60)), item("a", grant(50)), item("c", ship(20)), item("d", {}),
             item("e", {"name": "us-licensing-2026", "from": "2026-01-01"}, "rulebook")]  # fmt: skip
    answer = client.post("/v1/batches", json={"items": items}).json()
    told = [(each["code"] or each["verdict"], each["replayed"]) for each in answer["receipts"]]
    assert told == [("posted", False), ("exceeds_authorization", False), ("posted", True), ("posted", False),
                    ("malformed", False), ("malformed", False)]  # fmt: skip
    assert (answer["posted"], answer["refused"]) == (3, 3)


def test_a_batch_is_tried_out_in_order_and_leaves_no_trace(client):
    post(client, grant(1), "known")
    items = [item("a", grant(50)), item("b", ship(60)), item("a", grant(50)), item("c", ship(20)), item("d", {}),
             item("e", {"party_id": "x", "name": "x"}, "party"), item("known", grant(2)),
             item("f", grant(10**6))]  # fmt: skip
    before = get(client, "/v1/parties").json()["journal"]
    tried = client.post("/v1/batches?dry_run=true", json={"items": items})
    assert get(client, "/v1/parties").json()["journal"] == before
    told = [(each["code"] or each["verdict"], each["replayed"]) for each in tried.json()["receipts"]]
    assert told == [("posted", False), ("exceeds_authorization", False), ("posted", True), ("posted", False),
                    ("malformed", False), ("malformed", False), ("key_reused", False),
                    ("cap_exceeded", False)]  # fmt: skip
    del items[5], told[5]
    posted = client.post("/v1/batches", json={"items": items}).json()["receipts"]
    assert [each["code"] or each["verdict"] for each in posted] == [code for code, _ in told]


def test_what_needs_a_second_person_is_tried_out_as_it_would_be_answered(client):
    client.post("/v1/batches", json={"items": [item("four", {"kinds": "reverse"}, "four_eyes")]})
    seq = post(client, grant(50), "g").json()["seq"]
    items = [item("r", {"movement": "reverse", "effective_on": "2025-06-02", "reverses": seq}), item("s", ship(20))]
    tried, posted = (client.post(f"/v1/batches?dry_run={dry}", json={"items": items}).json()["receipts"]
                     for dry in ("true", "false"))  # fmt: skip
    assert [each["code"] for each in tried] == [each["code"] for each in posted] == ["needs_second_person", ""]
    assert tried[0]["message"] == posted[0]["message"]
    alone = client.post("/v1/movements?dry_run=true", json=items[0]["body"]).json()
    assert (alone["verdict"], alone["code"], alone["message"]) == ("refused", *list(posted[0].values())[3:5])


def test_a_batch_that_is_tried_out_tells_an_exporter_no_totals(client):
    items = [item("a", grant(ALLOCATION_H100 + 1, observed=True)), item("b", grant(ALLOCATION_H100 + 1))]
    items[0]["observed"] = items[0]["body"].pop("observed")
    mine = client.post("/v1/batches?dry_run=true", json={"items": items}, headers=bearer("exporter"))
    everybodys = client.post("/v1/batches?dry_run=true", json={"items": items})
    assert ["limit" in each["message"] for each in mine.json()["receipts"]] == [False, False]
    assert ["limit" in each["message"] for each in everybodys.json()["receipts"]] == [True, True]


@pytest.mark.parametrize("asked", [{"together": True, "items": [item("a", {})]}, {"items": [item("a", {})] * 1_001}])
def test_a_dry_run_of_what_cannot_be_tried_out_is_told_so(client, asked):
    told = client.post("/v1/batches?dry_run=true", json=asked)
    assert (told.status_code, told.json()["code"]) == (422, "malformed")


def test_a_batch_all_or_nothing_posts_nothing_if_one_is_refused(client):
    items = [item("a", grant(50)), item("b", ship(60))]
    answer = client.post("/v1/batches", json={"items": items, "together": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "exceeds_authorization")
    assert len(answer.json()["receipts"]) == 2
    assert {each["verdict"] for each in get(client, "/v1/movements").json()["items"]} <= {"refused"}
    good = client.post("/v1/batches", json={"items": [item("a", grant(50)), item("c", ship(20))], "together": True})
    assert (good.status_code, good.json()["posted"]) == (200, 2)


@pytest.mark.parametrize(
    "body",
    [{}, {"items": []}, {"items": {}}, {"items": [1]}, {"items": [{"kind": "movement"}]}, {"items": [], "more": 1},
     {"items": [{"kind": 1, "key": "k", "body": {}}]}, {"items": [{**item("k", {}), "color": "blue"}]},
     {"items": [item(str(n), {}) for n in range(10_001)]}, {"items": [item("k", {})], "together": 1}],
)  # fmt: skip
def test_a_batch_that_is_none_is_refused_whole(client, body):
    answer = client.post("/v1/batches", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")


def test_facts_are_stated_and_a_discrepancy_is_settled(client):
    assert post(client, {"party_id": "new", "name": "New"}, "p", path="/v1/parties").status_code == 201
    assert post(client, {"party_id": "x" * 101, "name": "New"}, "q", path="/v1/parties").status_code == 422
    shares = {"owner": "new", "owned": "dc", "percentage": "60"}
    assert post(client, shares, "o", path="/v1/ownership").status_code == 201
    terms = {"authorization_id": "L2", "kind": "license", "recipient": "dc", "destination": "MY"}
    assert post(client, terms, "l", path="/v1/authorizations").status_code == 201
    assert post(client, terms, "m", path="/v1/authorizations").status_code == 409
    for stated in ({"chip_id": "new-chip", "dense_tops_8bit": "1000"}, {"chip_id": "other", "dense_tops_8bit": 1000}):
        assert post(client, stated, stated["chip_id"], path="/v1/ratings").status_code == 201
    assert post(client, {"chip_id": "new-chip", "dense_tops_8bit": [1]}, "c", path="/v1/ratings").status_code == 422
    adopted = post(client, {"name": "us-licensing-2026", "from": "2026-01-13"}, "a", path="/v1/adoptions")
    assert adopted.status_code == 201
    missing = post(client, {"name": "no-such-book", "from": "2026-01-13"}, "b", path="/v1/adoptions")
    assert missing.status_code == 404
    post(client, ship(observed=True), "s")
    number = get(client, "/v1/discrepancies").json()["items"][0]["id"]
    told = {"change": "resolved", "note": "looked at"}
    assert post(client, told, "d", path=f"/v1/discrepancies/{number}/changes").status_code == 201
    states = {each["id"]: each["state"] for each in get(client, "/v1/discrepancies", resolved="true").json()["items"]}
    assert states[number] == "resolved"
    asked = ({"known": number - 1}, {"known": number}, {"on": "2025-06-30"}, {"on": "2024-12-31"})
    answers = [get(client, "/v1/discrepancies", resolved="true", **when).json()["items"] for when in asked]
    seen = [[each["state"] for each in answer] for answer in answers]
    assert (seen[0], seen[1][:1], seen[2][:1], seen[3]) == ([], ["open"], ["resolved"], [])
    assert post(client, {"closed_until": "2025-05-31"}, "e", path="/v1/periods").status_code == 201
    late = post(client, grant(effective_on="2025-05-30"), "f")
    assert (late.status_code, late.json()["code"]) == (409, "period_closed")


# Reading

LEFT = {"destination": "MY", "recipient": "dc", "chip": H100, "authorization": "license", "exporter": "nvidia",
        "on": "2025-06-02"}  # fmt: skip


def test_every_read_carries_its_day_its_record_the_journal_and_the_rulebook(client):
    told = get(client, "/v1/remaining", **LEFT).json()
    assert (told["on"], told["known"], told["journal"]) == ("2025-06-02", told["journal"], told["known"])
    assert told["rulebook"].startswith("us-diffusion-2025")
    assert (told["remaining_chips"], told["binding_cap"]) == (ALLOCATION_H100, "country-allocation")
    assert told["remaining_tpp"] == "790000000"


def test_a_read_is_of_the_record_that_is_asked_and_not_of_one_that_came_later(client):
    before = get(client, "/v1/remaining", **LEFT).json()["journal"]
    post(client, grant(100))
    chips = [get(client, "/v1/remaining", **LEFT, **known).json()["remaining_chips"]
             for known in ({}, {"known": before}, {"known": before + 1})]  # fmt: skip
    assert chips == [ALLOCATION_H100 - 100, ALLOCATION_H100, ALLOCATION_H100 - 100]


@pytest.mark.parametrize(
    ("path", "query", "status", "field"),
    [
        ("/v1/remaining", {}, 422, "destination"),
        ("/v1/remaining", {**LEFT, "color": "blue"}, 422, "color"),
        ("/v1/remaining", {**LEFT, "destination": "Malaysia"}, 422, "destination"),
        ("/v1/remaining", {**LEFT, "recipient": "nobody"}, 404, None),
        ("/v1/remaining", {**LEFT, "chip": "no-chip"}, 404, None),
        ("/v1/remaining", {**LEFT, "on": "yesterday"}, 422, "on"),
        ("/v1/remaining", {**LEFT, "on": "0001-01-01"}, 422, "on"),
        ("/v1/remaining", {**LEFT, "known": "then"}, 422, "known"),
        ("/v1/remaining", {**LEFT, "known": "999999"}, 404, None),
        ("/v1/remaining", {**LEFT, "rulebook": "no-such-book"}, 404, None),
        ("/v1/remaining", {**LEFT, "rulebook": "/etc/passwd"}, 422, "rulebook"),
        ("/v1/remaining", {**LEFT, "rulebook": "../../README.md"}, 422, "rulebook"),
        ("/v1/parties", {"limit": "0"}, 422, "limit"),
        ("/v1/parties", {"limit": "1001"}, 422, "limit"),
        ("/v1/parties", {"limit": ["1", "2"]}, 422, "limit"),
        ("/v1/movements", {"after": "-1"}, 422, "after"),
        ("/v1/usage", {"by": "color"}, 422, "by"),
        ("/v1/discrepancies", {"resolved": "perhaps"}, 422, "resolved"),
        ("/v1/parties/nobody", {}, 404, None),
        ("/v1/authorizations/L9", {}, 404, None),
        ("/v1/movements/1", {}, 404, None),
        ("/v1/movements/999999", {}, 404, None),
        ("/v1/movements/one", {}, 422, "seq"),
        ("/v1/history/nobody", {}, 404, None),
        ("/v1/rulebooks/no-such-book", {}, 404, None),
        ("/v1/rulebooks/us-diffusion-2025/differences/no-such-book", {}, 404, None),
        ("/v1/reconciliations/1", {}, 404, None),
        ("/v1/nothing", {}, 404, None),
        ("/v1/parties/", {}, 422, "party"),
    ],
)
def test_a_question_that_cannot_be_answered_says_what_is_wrong(client, path, query, status, field):
    answer = get(client, path, **query)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    errors = [each["field"] for each in answer.json().get("errors", [])]
    assert errors == ([field] if field else [])
    assert "root:" not in answer.text


def test_unknown_parameters_are_told_which_ones_are_known(client):
    answer = get(client, "/v1/parties", party="dc")
    assert answer.json()["remedy"] == "Known: on, known, after_id, limit."


def test_facts_are_listed_and_shown_as_they_stand_on_the_day(client):
    items = {each["party"] for each in get(client, "/v1/parties").json()["items"]}
    assert items == {"amd", "dc", "nvidia"}
    pages = get(client, "/v1/parties", limit=2).json()
    assert (len(pages["items"]), pages["next"]) == (2, "dc")
    assert [each["party"] for each in get(client, "/v1/parties", after_id="dc").json()["items"]] == ["nvidia"]
    assert get(client, "/v1/parties/dc").json()["ownership_path"] == ["dc"]
    terms = get(client, "/v1/authorizations/L1", on="2025-06-02").json()["authorization"]
    assert (terms["recipient"], terms["is_active"]) == ("dc", True)
    assert get(client, "/v1/authorizations/L1", on="2026-06-02").json()["authorization"]["is_active"] is False


def test_usage_caps_and_history_show_what_was_posted(client):
    post(client, grant(100))
    usage = get(client, "/v1/usage", by="destination", on="2025-06-02").json()["items"]
    assert [(each["subject"], each["licensed_chips"], each["licensed_tpp"]) for each in usage] == [
        ("MY", 100, "1583200")
    ]
    caps = get(client, "/v1/caps", on="2025-06-02").json()["items"]
    assert [each["used"] for each in caps if each["cap"] == "country-allocation"] == ["1583200"]
    assert get(client, "/v1/history/dc").json()["items"][-1]["stage"] in ("licensed", "open")


def test_a_reconciliation_is_recorded_once_and_shown(client):
    post(client, grant(100))
    first, again = (client.post("/v1/reconciliations", json={"on": "2025-06-02"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["digest"] == again.json()["digest"]
    (run,) = get(client, "/v1/reconciliations").json()["items"]
    shown = get(client, f"/v1/reconciliations/{run['seq']}").json()["run"]
    assert (shown["digest"], shown["report"]["on"]) == (first.json()["digest"], "2025-06-02")
    for body in ({"rulebook": "/etc/passwd"}, {"on": 3}, {"color": "blue"}):
        assert client.post("/v1/reconciliations", json=body).status_code == 422
    assert client.post("/v1/reconciliations", json={"rulebook": "no-such-book"}).status_code == 404


def test_rulebooks_are_listed_shown_compared_and_tried_out(client):
    post(client, grant(100))
    listed = get(client, "/v1/rulebooks").json()["items"]
    assert {each["rulebook"] for each in listed if each["is_shipped"]} >= {"us-diffusion-2025", "us-licensing-2026"}
    assert [each["from"] for each in listed if "from" in each] == ["2025-01-13"]
    assert get(client, "/v1/rulebooks/us-licensing-2026").json()["book"]["rulebook"] == "us-licensing-2026"
    told = get(client, "/v1/rulebooks/us-diffusion-2025/differences/us-licensing-2026").json()
    assert told["differences"]
    names = ["us-diffusion-2025", "us-licensing-2026"]
    tried = client.post("/v1/backtests", json={"rulebooks": names, "on": "2025-06-02", "most": 5})
    assert tried.status_code == 200, tried.text
    for body in ({}, {"rulebooks": []}, {"rulebooks": ["x"] * 6}, {"rulebooks": ["/etc/passwd"]},
                 {"rulebooks": names, "most": 1_001}, {"rulebooks": names, "color": 1}):  # fmt: skip
        assert client.post("/v1/backtests", json=body).status_code == 422, body
    assert client.post("/v1/backtests", json={"rulebooks": ["no-such-book"]}).status_code == 404


# Exporters


def test_an_exporter_sees_its_own_and_what_is_not_is_answered_as_what_is_not_there(client):
    mine = post(client, grant(100), "g").json()["seq"]
    shipped = post(client, ship(5), "s", "exporter").json()["seq"]
    for role, seqs in (("exporter", [mine, shipped]), ("other", []), ("auditor", [mine, shipped])):
        assert [each["seq"] for each in get(client, "/v1/movements", role).json()["items"]] == seqs
    hidden, missing = (get(client, f"/v1/movements/{seq}", "other") for seq in (mine, mine + 900))
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.json()["detail"].replace(str(mine), "N") == missing.json()["detail"].replace(str(mine + 900), "N")
    assert [each["authorization"] for each in get(client, "/v1/authorizations", "other").json()["items"]] == ["A1"]
    assert get(client, "/v1/authorizations/L1", "other").status_code == 404
    assert {each["party"] for each in get(client, "/v1/parties", "other").json()["items"]} == {"amd", "dc"}
    dc = get(client, "/v1/parties/dc", "exporter").json()
    assert (dc["party"], dc["ownership_path"]) == ({"party": "dc", "name": "Data center"}, [])


def test_an_exporter_asks_for_itself_and_reads_no_totals_of_a_shared_cap(client):
    own = get(client, "/v1/remaining", "exporter", **LEFT)
    assert own.json()["remaining_chips"] == ALLOCATION_H100
    assert {(cap["limit"], cap["used"]) for cap in own.json()["caps"]} == {(None, None)}
    assert get(client, "/v1/remaining", "other", **LEFT).status_code == 403
    assert get(client, "/v1/remaining", "exporter", **LEFT, known="3").status_code == 403


def test_refusals_are_told_in_words_that_the_access_layer_chose(client, founded):
    few = (
        "name: few, counts: shipped, by: [destination], window: {from: 2025-01-01, until: 2026-01-01}, limit: 10 chips"
    )
    with psycopg.connect(founded) as conn:
        Writer(conn).post([adopt(book(few), "2025-01-13")], actor="operator", at=AT)
    post(client, grant(100), "g")
    told = post(client, ship(11), "s", "exporter").json()
    assert (told["code"], told["detail"]) == ("cap_exceeded", "A cap has no room for it.")
    assert told["receipts"][0]["message"] == told["detail"]
    own, operators = (get(client, "/v1/movements", role).json()["items"][-1] for role in ("exporter", "operator"))
    assert (own["seq"], own["message"]) == (operators["seq"], told["detail"])
    assert "limit 10" in operators["message"]


# Tags, pages, forms


def test_what_has_not_changed_is_not_sent_again(client):
    first = get(client, "/v1/parties")
    tag = first.headers["ETag"]
    same = client.get("/v1/parties", headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert client.get("/v1/parties", headers={"If-None-Match": f'"old", W/{tag}'}).status_code == 304
    post(client, grant())
    assert client.get("/v1/parties", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    "other",
    [{"headers": bearer("auditor")}, {"headers": bearer("exporter")}, {"headers": {"Accept": "text/csv"}},
     {"params": {"limit": 2}}, {"params": {"on": "2025-06-02"}}],
)  # fmt: skip
def test_another_question_has_another_tag(client, other):
    tags = {client.get("/v1/parties", **each).headers["ETag"] for each in ({}, other)}
    assert len(tags) == 2


def test_pages_pass_over_nothing_while_others_post(client, founded):
    post(client, grant(1_000), "g")
    done = threading.Event()

    def others() -> None:
        with psycopg.connect(founded) as conn:
            writer = Writer(conn)
            for n in range(60):
                writer.post([movement("ship", f"o{n}", 1 if n % 3 else 5_000)], actor="nvidia", at=AT)
        done.set()

    thread = threading.Thread(target=others)
    thread.start()
    seen = walked(client, done)
    thread.join()
    with psycopg.connect(founded) as conn:
        kinds = "SELECT seq FROM journal WHERE kind IN ('movement.posted', 'request.refused') ORDER BY seq"
        assert seen == [seq for (seq,) in conn.execute(kinds)]
    assert len(seen) == 61
    assert walked(client, done) == walked(client, done, "auditor") == seen, "full pages, too"


def walked(client: TestClient, done: threading.Event, role: str = "exporter") -> list[int]:
    """Return the records that pages of seven show, one after the other, until nothing more comes."""
    seen: list[int] = []
    after = 0
    while True:
        is_last = done.is_set()
        page = get(client, "/v1/movements", role, after=after, limit=7).json()
        seen += [each["seq"] for each in page["items"]]
        assert page["next"] >= after
        after = page["next"]
        if is_last and not page["has_more"]:
            return seen


def test_a_list_is_the_same_as_json_csv_and_parquet(client):
    post(client, grant(100, note="=HYPERLINK(1)"), "=key")
    post(client, {**grant(7), "lines": [{**LINE, "quantity": "7"}, {**LINE, "quantity": 8}]}, "two")
    items = get(client, "/v1/movements").json()["items"]
    lines = [(each["seq"], line["quantity"]) for each in items for line in each["movement"]["lines"]]
    as_csv = get(client, "/v1/movements", accept="text/csv")
    rows = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert as_csv.headers["Content-Type"].startswith("text/csv")
    assert [(int(row["seq"]), row["quantity"]) for row in rows] == [(seq, str(quantity)) for seq, quantity in lines]
    assert rows[0]["key"] == "'=key", "a spreadsheet would run it"
    as_parquet = get(client, "/v1/movements", accept="application/vnd.apache.parquet")
    frame = polars.read_parquet(io.BytesIO(as_parquet.content))
    assert frame["seq"].to_list() == [seq for seq, _ in lines]
    assert frame["quantity"].to_list() == [str(quantity) for _, quantity in lines]
    assert frame["key"].to_list()[0] == "=key"
    assert as_parquet.headers["Capledger-Journal"] == str(get(client, "/v1/movements").json()["journal"])


@pytest.mark.parametrize("path", [route.path for route in ROUTES if route.lists and not route.parts])
@pytest.mark.parametrize("media", ["text/csv", "application/vnd.apache.parquet"])
def test_a_list_with_little_in_it_has_its_columns_all_the_same(client, path, media):
    post(client, grant())
    answer = (
        get(client, path, accept=media, on="2025-06-02") if "on" in _asks(path) else get(client, path, accept=media)
    )
    assert answer.status_code == 200, answer.text
    items = get(client, path, **({"on": "2025-06-02"} if "on" in _asks(path) else {})).json()["items"]
    if media == "text/csv":
        columns = next(csv.reader(io.StringIO(answer.text)))
    else:
        columns = polars.read_parquet(io.BytesIO(answer.content)).columns
    told = {name for each in items for name in each} - {"movement", "leaf_hash", "remedy", "stated_date", "status"}
    assert told <= set(columns)


def _asks(path: str) -> tuple[str, ...]:
    return next(route.asks for route in ROUTES if route.path == path)


PARTED = [
    "/v1/usage",
    "/v1/caps",
    "/v1/history/dc",
    "/v1/discrepancies",
    "/v1/duties",
    "/v1/proposals",
    "/v1/rulebooks",
]


@pytest.mark.parametrize("path", PARTED)
def test_parts_make_up_the_list_that_it_was_when_the_first_was_asked(client, path):
    for n, place in enumerate(("MY", "IN", "BR")):
        terms = {"authorization_id": f"P{n}", "kind": "license", "recipient": "dc", "destination": place,
                 "exporter": "nvidia"}  # fmt: skip
        assert post(client, terms, f"l{n}", path="/v1/authorizations").status_code == 201
        line = {**LINE, "destination": place, "authorization": f"P{n}"}
        assert post(client, {**grant(), "lines": [{**line, "quantity": 10}]}, f"g{n}").status_code == 201
        late = {**ship(observed=True), "lines": [{**line, "quantity": 50}]}
        assert post(client, late, f"s{n}").status_code == 201
    get_all = {"on": "2026-06-01"} if path != "/v1/proposals" else {}
    whole = get(client, path, **get_all).json()
    if path in PARTED[:4]:
        assert len(whole["items"]) > 1
    asked, items = {**get_all, "limit": "1"}, []
    while True:
        told = get(client, path, **asked)
        items += told.json()["items"]
        assert told.json()["known"] == whole["known"]
        assert told.headers.get("capledger-next") == told.json()["next"]
        if told.json()["next"] is None:
            break
        post(client, grant(1), f"meanwhile {len(items)}".replace(" ", "-"))
        asked["cursor"] = told.json()["next"]
    assert items == whole["items"]


@pytest.mark.parametrize(
    "cursor", ["", "1", "1.2", "x.2026-06-01.0", "1.yesterday.0", "1.2026-06-01.0.0", "+1.2026-06-01.0"]
)
def test_a_cursor_that_no_answer_gave_is_told_so(client, cursor):
    told = get(client, "/v1/usage", cursor=cursor)
    assert (told.status_code, told.json()["errors"][0]["field"]) == (422, "cursor")


def test_a_table_that_is_cut_says_where_it_goes_on(client):
    told = client.get("/v1/parties", params={"limit": "2"}, headers={"Accept": "text/csv"})
    assert told.headers["capledger-next"] == get(client, "/v1/parties", limit="2").json()["next"]
    post(client, grant(1), "a")
    post(client, grant(1), "b")
    told = client.get("/v1/movements", params={"limit": "1"}, headers={"Accept": "text/csv"})
    assert told.headers["capledger-next"] == str(get(client, "/v1/movements", limit="1").json()["next"])
    for path in ("/v1/parties", "/v1/movements"):
        assert "capledger-next" not in client.get(path, headers={"Accept": "text/csv"}).headers


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"), ("*/*", "application/json"), ("text/csv", "text/csv"), ("text/*", "text/csv"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv"), ("application/json, text/csv", "application/json"),
        ("text/html", None), ("application/json;q=0, text/html", None), ("*/*, application/json;q=0", "text/csv"),
        ("text/csv;q=nonsense", None),
    ],
)  # fmt: skip
def test_the_form_that_is_liked_best_is_answered(accept, media):
    assert chosen(accept, ("application/json", "text/csv")) == media


def test_a_form_that_there_is_not_is_not_acceptable(client):
    assert get(client, "/v1/parties", accept="text/html").status_code == 406
    assert get(client, "/v1/parties/dc", accept="text/csv").status_code == 406


# Limits and faults


def test_more_than_the_server_takes_is_too_large_whatever_the_head_says(founded):
    with serving(founded, most_bytes=10_000) as client:
        big = json.dumps({"note": "x" * 20_000}).encode()
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
        stated = client.post("/v1/movements", content=big, headers=headers)
        unstated = client.post("/v1/movements", content=iter([big[:9_000], big[9_000:]]), headers=headers)
        assert (stated.status_code, unstated.status_code) == (413, 413)
        assert {stated.json()["code"], unstated.json()["code"]} == {"too_large"}
        assert post(client, grant()).status_code == 201


def test_who_begins_to_send_and_never_ends_is_not_waited_for(client, monkeypatch):
    monkeypatch.setattr("ledger.api.app.MOST_SECONDS", 0.05)
    path, head = "/v1/movements", {**bearer("operator"), "Idempotency-Key": "k", "Content-Type": "application/json"}
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "root_path": "", "scheme": "http", "http_version": "1.1", "client": ("there", 1), "server": ("here", 1),
             "headers": [(name.lower().encode(), value.encode()) for name, value in head.items()]}  # fmt: skip
    told = []

    async def ask() -> None:
        begun = False

        async def receive() -> dict[str, Any]:
            nonlocal begun
            if begun:
                await asyncio.Event().wait()
            begun = True
            return {"type": "http.request", "body": b"{", "more_body": True}

        async def send(message: Any) -> None:
            told.append(message)

        await asyncio.wait_for(client.app(scope, receive, send), 30)

    client.portal.call(ask)
    assert told[0]["status"] == 408
    assert (b"connection", b"close") in told[0]["headers"]
    assert json.loads(told[1]["body"])["code"] == "sent_too_slowly"
    assert post(client, grant()).status_code == 201


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 422), (b"{", "application/json", 422), (b"[]", "application/json", 422),
        (b"\xff", "application/json", 422), (b'{"a": NaN}', "application/json", 422),
        (b'{"note": "\\ud800"}', "application/json", 422), (b'{"note": "\\u0000"}', "application/json", 422),
        (b"[" * 100_000, "application/json", 422), (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"<a/>", "text/xml", 415), (b"{}", "application/json; charset=utf-8", 422),
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_refused(client, content, kind, status):
    answer = client.post("/v1/movements", content=content, headers={"Content-Type": kind, "Idempotency-Key": "k"})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_text_that_is_no_text_is_answered_all_the_same(client):
    answer = client.post("/v1/batches", content=b'{"items": [{"kind": "movement", "key": "\\ud800", "body": {}}]}',
                         headers={"Content-Type": "application/json"})  # fmt: skip
    assert [each["code"] for each in answer.json()["receipts"]] == ["malformed"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/v1/movements"), ("DELETE", "/v1/movements/1"),
                                              ("POST", "/v1/remaining"), ("PATCH", "/v1/parties/dc")])  # fmt: skip
def test_nothing_is_changed_or_removed(client, method, path):
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"]


def test_a_read_that_takes_too_long_is_given_up_and_says_so(founded, monkeypatch):
    from ledger.api.routes import reading

    def slow(view: Any) -> None:
        view.conn.execute("SELECT pg_sleep(30)")

    monkeypatch.setattr(reading.reports, "standings", slow)
    with serving(founded, read_seconds=1) as client:
        answer = get(client, "/v1/caps")
        assert (answer.status_code, answer.json()["code"]) == (504, "too_slow")
        assert get(client, "/v1/parties").status_code == 200


def test_a_full_queue_says_when_to_come_again(founded):
    with serving(founded, queue=3) as client, psycopg.connect(founded) as holder:
        holder.execute("SELECT * FROM head FOR UPDATE")
        answers: list[Any] = []
        threads = [
            threading.Thread(target=lambda n=n: answers.append(post(client, grant(1), f"q{n}"))) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        while not answers:
            threads[0].join(0.05)
        holder.rollback()
        for thread in threads:
            thread.join()
        busy = [answer for answer in answers if answer.status_code == 503]
        assert busy
        assert {(answer.json()["code"], answer.headers["Retry-After"]) for answer in busy} == {("busy", "1")}
        assert {answer.status_code for answer in answers} == {201, 503}


def test_without_a_database_the_server_lives_and_is_not_ready():
    with serving("postgresql://nobody@127.0.0.1:1/nothing") as client:
        assert client.get("/health").json() == {"status": "ok"}
        for answer in (client.get("/ready"), get(client, "/v1/parties"), post(client, grant())):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) >= 1


def test_a_defect_is_told_without_its_insides(founded, monkeypatch):
    from ledger.api.routes import reading

    monkeypatch.setattr(reading.reports, "standings", lambda view: 1 / 0)
    with serving(founded) as client:
        answer = get(client, "/v1/caps")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "ZeroDivision" not in answer.text


# Watching


def test_the_figures_count_what_was_posted_refused_and_asked(client):
    assert client.get("/ready").json() == {"status": "ready"}
    for key in ("a", "a", "b"):
        post(client, grant(100), key)
    post(client, ship(10), "s")
    post(client, grant(ALLOCATION_H100), "c")
    get(client, "/v1/parties/dc")
    text = get(client, "/metrics").text
    for line in (
        "capledger_posted_total 3.0",
        "capledger_replayed_total 1.0",
        'capledger_refused_total{code="cap_exceeded"} 1.0',
        "capledger_queue_requests 0.0",
        'capledger_request_seconds_count{method="GET",route="/v1/parties/{party:path}",status="200"} 1.0',
        'capledger_cap_counters{book="us-diffusion-2025",cap="country-allocation",state="open"} 1.0',
    ):
        assert line in text.splitlines(), line
    assert '"dc"' not in text
    assert "capledger_posted_total 3.0" in get(client, "/metrics").text, "nothing is counted twice"


def test_the_log_has_a_line_for_each_request_and_no_secret_or_question(client, caplog):
    with caplog.at_level(logging.INFO, logger="capledger.requests"):
        get(client, "/v1/remaining", "auditor", **LEFT)
        client.get("/v1/parties", headers=bearer("thief"))
        client.get("/no/such/place?password=1")
    told = [json.loads(record.getMessage()) for record in caplog.records if record.name == "capledger.requests"]
    assert [(each["route"], each["status"], each["key"]) for each in told] == [
        ("/v1/remaining", 200, "k-auditor"), ("/v1/parties", 401, ""), ("other", 404, ""),
    ]  # fmt: skip
    assert all(set(each) == {"at", "method", "route", "status", "ms", "key"} for each in told)
    for secret in (*PEOPLE, "thief", "selangor", "recipient", "password"):
        assert secret not in caplog.text


def test_no_answer_is_guessed_at_by_a_browser(client):
    for path in ("/health", "/v1/parties", "/nothing"):
        assert client.get(path).headers["X-Content-Type-Options"] == "nosniff"


def test_a_record_is_proved_to_whom_it_belongs_and_to_nobody_else(client):
    keyed = {**bearer("operator"), "Idempotency-Key": "to-be-proved"}
    own = client.post("/v1/movements", json=grant(), headers=keyed).json()["seq"]
    proof = client.get(f"/v1/records/{own}/proof", headers=bearer("exporter"))
    root = client.get("/v1/checkpoint", headers=bearer("auditor")).json()["checkpoint"]["root"]
    assert (proof.status_code, proof.json()["proof"]["root"]) == (200, root)
    assert client.get("/v1/records/1/proof", headers=bearer("auditor")).status_code == 200
    hidden = client.get("/v1/records/1/proof", headers=bearer("exporter"))
    absent = client.get("/v1/records/999999/proof", headers=bearer("exporter"))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    assert hidden.json()["detail"].replace("1", "999,999", 1) == absent.json()["detail"]
