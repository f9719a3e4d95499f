"""Role by route by object: what everybody is answered everywhere, about what is theirs, another's, and nobody's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from apiworld import MARK, NOBODY, NONE, OWN, Ids, World, alike, fill, served
from starlette.testclient import TestClient

from ledger.api.door import OPEN, Route
from ledger.api.routes import ROUTES
from ledger.api.watching import WATCHING
from tests.conftest import Databases, in_database
from tests.world import DIFFUSION, H100, LICENSING

EVERY = {route.name: route for route in (*ROUTES, *WATCHING)}
ROLES = ("exporter", "regulator", "auditor", "operator")
OBJECTS = (OWN, MARK, NONE)  # the asking exporter's, the other one's, nobody's
Of = Callable[[Ids], Any]
ASIDE = "403 403 403"


@dataclass(frozen=True)
class Row:
    """What a route answers each role about each object: three statuses, or one where it is about none.

    thing: what it is about. query, body and part: what is sent, by the names and numbers of one object's owner.
    """

    route: str
    thing: str
    exporter: str
    regulator: str
    auditor: str
    operator: str
    query: Of = field(default=lambda of: {})
    body: Of = field(default=lambda of: None)
    part: Of = field(default=lambda of: {})


def line(of: Ids) -> dict[str, Any]:
    return {"destination": "MY", "recipient": "own-dc", "authorization": of["license"], "chip": H100}


def shipped(of: Ids, exporter: str = "own-maker", **more: Any) -> dict[str, Any]:
    return {"movement": "ship", "effective_on": "2025-07-01", "exporter": exporter,
            "lines": [{**line(of), "quantity": 1, **more}]}  # fmt: skip


def reversed_(of: Ids) -> dict[str, Any]:
    return {"movement": "reverse", "effective_on": "2025-07-01", "reverses": int(of["record"])}


def proposed(of: Ids, body: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "movement", "key": f"to-come-{next(_numbers)}", "body": body}


def item(kind: str, body: dict[str, Any], key: str = "") -> dict[str, Any]:
    return {"items": [{"kind": kind, "key": key or f"item-{next(_numbers)}", "body": body}]}


def filed(of: Ids, party: str, **about: str) -> dict[str, Any]:
    return {"duty": "lpp-notice", "party": party, "filed_on": "2025-07-01", **about}


_numbers = itertools.count(1)
_left = {"destination": "MY", "chip": H100, "on": "2025-07-01"}
_days = {"from": "2025-06-01", "to": "2025-07-31"}
ROWS = [
    # route, what it is about: exporter, regulator, auditor, operator, of own, another's and nobody's
    Row("ask_remaining", "license", "200 404 404", "200 200 404", "200 200 404", "200 200 404",
        query=lambda of: {**_left, "recipient": "free-dc", "authorization": of["license"]}),
    Row("ask_remaining", "exporter", "200 403 403", "200 200 404", "200 200 404", "200 200 404",
        query=lambda of: {**_left, "recipient": "free-dc", "authorization": "license", "exporter": of["party"]}),
    Row("list_usage", "", "403", "200", "200", "200"),
    Row("list_caps", "", "403", "200", "200", "200"),
    Row("list_history", "party", ASIDE, "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"subject": of["party"]}),
    Row("list_movements", "", "200", "200", "200", "200"),
    Row("show_movement", "posted", "200 404 404", "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"seq": of["record"]}),
    Row("show_movement", "refused", "200 404 404", "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"seq": of["refused"]}),
    Row("list_discrepancies", "", "403", "200", "200", "200"),
    Row("post_movement", "license", "201 422 422", ASIDE, ASIDE, "201 409 422", body=shipped),
    Row("post_movement", "exporter", "201 403 403", ASIDE, ASIDE, "201 409 422",
        body=lambda of: shipped(of, of["party"])),
    Row("post_movement", "lot", "201 422 422", "201 201 422", ASIDE, "201 201 422",
        body=lambda of: {"movement": "return", "effective_on": "2025-07-01", "exporter": "own-maker",
                         "lines": [{"destination": "MY", "recipient": "own-dc", "chip": H100, "quantity": 1,
                                    "of": of["lot"]}]}),
    Row("post_movement", "reversed", ASIDE, ASIDE, ASIDE, ASIDE, body=reversed_),  # it takes two, whosever it is
    Row("post_movement", "dry run of a reverse", "200 200 200", ASIDE, ASIDE, "200 200 200", body=reversed_,
        query=lambda of: {"dry_run": "true"}),
    Row("post_movement", "dry run", "200 200 200", ASIDE, ASIDE, "200 200 200", body=shipped,
        query=lambda of: {"dry_run": "true"}),
    Row("post_batch", "license", "200 200 200", ASIDE, ASIDE, "200 200 200",
        body=lambda of: item("movement", shipped(of))),
    Row("post_batch", "dry run", "200 200 200", ASIDE, ASIDE, "200 200 200", query=lambda of: {"dry_run": "true"},
        body=lambda of: item("movement", shipped(of))),
    Row("post_batch", "key", "200 200 200", ASIDE, ASIDE, "200 200 200",
        body=lambda of: item("movement", shipped({**of, "license": "nil-L9"}), of["key"])),
    Row("post_party", "party", ASIDE, ASIDE, ASIDE, "201 201 201",
        body=lambda of: {"party_id": of["site"], "name": of["site"]}),
    Row("post_ownership", "party", ASIDE, ASIDE, ASIDE, "201 201 422",
        body=lambda of: {"owner": of["party"], "owned": "free-dc", "percentage": "1", "from": "2025-07-01"}),
    Row("post_rating", "", "403", "403", "403", "201",
        body=lambda of: {"chip_id": "matrix-chip", "dense_tops_8bit": "1000"}),
    Row("post_authorization", "license", ASIDE, ASIDE, ASIDE, "201 201 422",
        body=lambda of: {"authorization_id": of["license"], "change": "amended", "effective_on": "2025-07-01",
                         "note": "looked at"}),
    Row("post_adoption", "", "403", "403", "403", "201", body=lambda of: {"name": LICENSING, "from": "2199-01-01"}),
    Row("post_period", "", "403", "403", "403", "201", body=lambda of: {"closed_until": "2000-01-31"}),
    Row("post_discrepancy_change", "discrepancy", ASIDE, ASIDE, ASIDE, "201 201 422",
        part=lambda of: {"seq": of["discrepancy"]}, body=lambda of: {"change": "explained", "note": "looked at"}),
    Row("post_stock", "party", "201 403 403", ASIDE, ASIDE, "201 201 422",
        body=lambda of: {"party_id": of["party"], "as_of": "2025-07-01", "lines": []}),
    Row("post_notice", "party", "201 403 403", ASIDE, ASIDE, "201 201 422",
        body=lambda of: filed(of, of["party"], subject="2025")),
    Row("post_notice", "record", "201 422 422", ASIDE, ASIDE, "201 201 422",
        body=lambda of: filed(of, "own-maker", record=of["record"])),
    Row("post_proposal", "license", "201 201 201", ASIDE, ASIDE, "201 201 201",
        body=lambda of: proposed(of, shipped(of))),
    Row("post_proposal", "reversed", "201 201 201", ASIDE, ASIDE, "201 201 201",
        body=lambda of: proposed(of, reversed_(of))),
    Row("post_decision", "proposal", ASIDE, ASIDE, ASIDE, "201 201 422", part=lambda of: {"seq": of["proposal"]},
        body=lambda of: {"decision": "decline", "note": "not now"}),
    Row("list_parties", "", "200", "200", "200", "200"),
    Row("show_party", "party", "200 404 404", "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"party": of["party"]}),
    Row("show_party", "recipient", "200 404 404", "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"party": of["recipient"]}),
    Row("list_authorizations", "", "200", "200", "200", "200"),
    Row("show_authorization", "license", "200 404 404", "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"authorization_id": of["license"]}),
    Row("list_rulebooks", "", "200", "200", "200", "200"),
    Row("compare_rulebooks", "", "200", "200", "200", "200", part=lambda of: {"name": DIFFUSION, "other": LICENSING}),
    Row("show_rulebook", "", "200", "200", "200", "200", part=lambda of: {"name": DIFFUSION}),
    Row("run_backtest", "", "403", "200", "200", "200",
        body=lambda of: {"rulebooks": [DIFFUSION], "on": "2025-07-01", "most": 1}),
    Row("list_reconciliations", "", "403", "200", "200", "200"),
    Row("show_reconciliation", "run", ASIDE, "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"seq": of["run"]}),
    Row("run_reconciliation", "", "403", "201", "403", "201",
        body=lambda of: {"on": f"2025-07-{next(_numbers) % 20 + 10}"}),
    Row("show_checkpoint", "", "200", "200", "200", "200"),
    Row("prove_record", "record", "200 404 404", "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"seq": of["record"]}),
    Row("prove_record", "proposal", "404 404 404", "200 200 404", "200 200 404", "200 200 404",
        part=lambda of: {"seq": of["proposal"]}),
    Row("list_proposals", "", "403", "200", "200", "200"),
    Row("list_duties", "", "200", "200", "200", "200"),
    Row("draw_statement", "exporter", "200 403 403", "200 200 404", "200 200 404", "200 200 404",
        query=lambda of: {**_days, "exporter": of["party"]}),
    Row("draw_statement", "recipient", "200 404 404", "200 200 404", "200 200 404", "200 200 404",
        query=lambda of: {**_days, "recipient": of["recipient"]}),
    Row("tell_health", "", "200", "200", "200", "200"),
    Row("tell_readiness", "", "200", "200", "200", "200"),
    Row("show_metrics", "", "403", "403", "403", "200"),
]  # fmt: skip
NAMED = [f"{row.route} {row.thing}".strip() for row in ROWS]


@pytest.fixture(scope="module")
def world(databases: Databases, template: str) -> Iterator[World]:
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as monkeypatch, served(world, monkeypatch) as client:
        yield client


def ask(client: TestClient, world: World, row: Row, who: str, of: Ids) -> Any:
    """Ask a route as somebody, about one object; each time under a key of its own."""
    route: Route = EVERY[row.route]
    path = route.path.replace(":path", "").format_map({**dict.fromkeys(route.parts, "1"), **row.part(of)})
    headers = {**world.head(who), "Idempotency-Key": f"ask-{next(_numbers)}"}
    return client.request(route.method, path, params=row.query(of), json=row.body(of), headers=headers)


def test_every_route_has_a_row_and_every_row_a_route():
    assert {row.route for row in ROWS} == set(EVERY)
    assert len(set(NAMED)) == len(NAMED)


@pytest.mark.parametrize("row", ROWS, ids=NAMED)
def test_each_role_is_answered_about_each_object_as_the_table_says(client, world, row):
    for role in ROLES:
        statuses = getattr(row, role).split()
        marks = OBJECTS[: len(statuses)]
        told = [ask(client, world, row, role, world.ids[mark]) for mark in marks]
        assert [str(each.status_code) for each in told] == statuses, (role, [each.text[:300] for each in told])


@pytest.mark.parametrize("row", [row for row in ROWS if len(row.exporter.split()) > 1], ids=lambda row: row.route)
def test_what_is_anothers_is_answered_in_the_very_words_of_what_there_is_not(client, world, row):
    def told(mark: str) -> Any:
        of = world.ids[mark]
        return alike(ask(client, world, row, "exporter", of), *of.values())

    assert told(MARK) == told(NONE)


@pytest.mark.parametrize("who", NOBODY)
@pytest.mark.parametrize("row", ROWS, ids=NAMED)
def test_who_has_no_good_key_is_told_the_same_about_everything(client, world, row, who):
    told = {str(alike(ask(client, world, row, who, world.ids[mark]))) for mark in OBJECTS}
    assert len(told) == 1
    status = ask(client, world, row, who, world.ids[OWN]).status_code
    assert status == (200 if EVERY[row.route].roles is OPEN else 401)


def test_an_expired_key_a_revoked_one_and_a_made_up_one_are_told_alike(client, world):
    made_up = {"Authorization": f"Bearer {world.keys['operator'][:-1]}x"}
    shown = [world.head("an expired key"), world.head("a revoked key"), made_up]
    assert len({str(alike(client.get("/v1/parties", headers=each))) for each in shown}) == 1


def test_no_method_that_no_route_has_is_answered_to_anybody(client, world):
    methods: Mapping[str, set[str]] = {}
    for route in EVERY.values():
        methods = {**methods, route.path: {*methods.get(route.path, set()), route.method}}
    for path, known in methods.items():
        asked = path.replace(":path", "").replace("{", "").replace("}", "")
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - known:
            for who in (*ROLES, *NOBODY):
                answer = client.request(method, asked, headers=world.head(who))
                assert answer.status_code == 405, (method, path, who, answer.text)
