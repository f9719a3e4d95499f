"""A second exporter tries everything of the first's, everywhere, and is told no more than of what there is not."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from apiworld import FIRST, MARK, NONE, OWN, REGISTERED, SECOND, World, alike, fill, served, session_of
from starlette.testclient import TestClient

from ledger.api.door import EXPORTER, Route
from ledger.api.parameters import ID, PARAMETERS, RECORD
from ledger.api.routes import ROUTES
from ledger.core.movements import HEAD_FIELDS, LINE_FIELDS
from ledger.core.registrations import NOTICE_FIELDS, STOCK_FIELDS
from ledger.web.app import PAGES
from tests.conftest import Databases, in_database
from tests.world import DIFFUSION, H100, LICENSING, Ledger, move

# No names: how far a list was read already, and the journal's number, which is everybody's (docs/access.md).
NO_NAMES = {"after", "after_id", "before", "known"}
# That a party is registered is told to who names it (docs/access.md): then it is held against one that is, too.
NAME_PARTIES = {"recipient", "from_recipient", "owner", "operator", "booked_to", "lab", "ultimate_parent"}
PARTIES = ("party", "recipient")
KEYS = ("key", "settled", "proposal key", "proposed key", "notice key")
_left = {"destination": "MY", "recipient": "own-dc", "chip": H100, "authorization": "own-L1", "on": "2025-07-01"}
ASKED: Mapping[str, Mapping[str, str]] = {
    "ask_remaining": _left,
    "draw_statement": {"from": "2025-06-01", "to": "2025-07-31"},
    "show_rulebook": {"name": DIFFUSION},
    "compare_rulebooks": {"name": DIFFUSION, "other": LICENSING},
    "list_duties": {"met": "true", "on": "2025-07-01"},
    "list_parties": {"on": "2025-07-01"},
    "list_authorizations": {"on": "2025-07-01"},
}
READS = [route for route in ROUTES if route.method == "GET" and EXPORTER in route.roles]
LISTS = [route for route in READS if not route.parts or route.name in ASKED]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def world(databases: Databases, template: str) -> Iterator[World]:
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as monkeypatch, served(world, monkeypatch) as client:
        yield client


@pytest.fixture(scope="module")
def tried(databases: Databases, template: str) -> Iterator[World]:
    """A world in which the second exporter has posted what it likes: what it named stands in its own records."""
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


@pytest.fixture(scope="module")
def poster(tried: World) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as monkeypatch, served(tried, monkeypatch) as client:
        yield client


@pytest.fixture
def own(databases: Databases, template: str) -> Iterator[World]:
    """A world that a test may change."""
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


def get(client: TestClient, world: World, route: Route, asked: Mapping[str, str], **headers: str) -> Any:
    """Ask a route as the second exporter."""
    path = route.path.replace(":path", "").format_map({name: asked.get(name, "1") for name in route.parts})
    query = {name: value for name, value in asked.items() if name not in route.parts}
    return client.get(path, params=query, headers={**world.head("exporter"), **headers})


def post(client: TestClient, world: World, path: str, body: Any, key: str = "") -> Any:
    """Post as the second exporter, under a key of its own if none is said."""
    headers = {**world.head("exporter"), "Idempotency-Key": key or f"ask-{next(_numbers)}"}
    return client.post(path, json=body, headers=headers)


def twins(world: World, field: str = "", *, is_number: bool | None = None) -> Iterator[tuple[str, str]]:
    """Yield what the first exporter's things are called, each with the name of what it must not be told from."""
    for thing, name in world.ids[MARK].items():
        if is_number is not None and name.isdecimal() is not is_number:
            continue
        is_party = field in NAME_PARTIES and thing in PARTIES
        yield name, name.replace(MARK, REGISTERED) if is_party else world.ids[NONE][thing]


def assert_alike(one: Any, other: Any, asked: tuple[str, str], where: str) -> None:
    """Fail unless two answers are the same but for what was asked, and tell nothing that is the first's."""
    told, otherwise = alike(one, asked[0]), alike(other, asked[1])
    assert told == otherwise, (where, asked)
    assert MARK not in str(told).casefold(), (where, asked, told)


def shape_of(name: str) -> str:
    """Return whether a parameter takes a name, a number, or neither."""
    schema = PARAMETERS[name].schema
    if name in NO_NAMES:
        return ""
    is_number = schema.get("maximum") == RECORD["maximum"]
    return "number" if is_number else "name" if schema.get("pattern") == ID["pattern"] else ""


@pytest.mark.parametrize("route", [each for each in READS if any(map(shape_of, (*each.parts, *each.asks)))],
                         ids=lambda route: route.name)  # fmt: skip
def test_no_question_tells_a_thing_of_the_firsts_from_one_that_there_is_not(client, world, route):
    for name in (*route.parts, *route.asks):
        if shape := shape_of(name):
            for there, not_there in twins(world, name, is_number=shape == "number"):
                one, other = (get(client, world, route, {**ASKED.get(route.name, {}), name: each})
                              for each in (there, not_there))  # fmt: skip
                assert_alike(one, other, (there, not_there), f"{route.name} {name}")


@pytest.mark.parametrize("media", ["application/json", "text/csv"])
@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.name)
def test_nothing_that_is_asked_about_oneself_has_the_firsts_mark(client, world, route, media):
    answer = get(client, world, route, ASKED.get(route.name, {}), Accept=media)
    assert answer.status_code in (200, 406), answer.text
    assert MARK not in f"{answer.headers} {answer.text}".casefold()


def test_the_mark_is_there_to_be_found(client, world):
    """Else no test here could fail."""
    for name in ("list_movements", "list_parties", "list_authorizations", "draw_statement"):
        route = next(each for each in READS if each.name == name)
        assert MARK in client.get(route.path, params=ASKED.get(name, {}), headers=world.head("first")).text


# Posting

_line = {"destination": "MY", "recipient": "own-dc", "authorization": "own-L1", "chip": H100, "quantity": 1}
_ship = {"movement": "ship", "effective_on": "2025-07-01", "exporter": SECOND}
_BY_KIND: Mapping[str, Mapping[str, Any]] = {
    "ship": _ship,
    "receive": {"movement": "receive", "effective_on": "2025-07-01"},
    "retire": {"movement": "retire", "effective_on": "2025-07-01"},
    "release": {"movement": "release", "effective_on": "2025-07-01", "exporter": SECOND},
    "return": {"movement": "return", "effective_on": "2025-07-01", "exporter": SECOND},
}
_SAID = {"movement", "effective_on", "observed", "lines", "unit", "cause", "activity", "confidence", "quantity",
         "destination", "from_destination", "exported_from", "last_day"}  # fmt: skip


def movements(there: str, field: str, kind: str) -> dict[str, Any]:
    """Return a movement of the second exporter's in which one field names something."""
    head, line = dict(_BY_KIND[kind]), dict(_line)
    if field in HEAD_FIELDS:
        head[field] = there
    else:
        line[field] = there
    return {**head, "lines": [line]}


@pytest.mark.parametrize(("path", "kind"), [
    *(("/v1/movements?dry_run=true", kind) for kind in _BY_KIND),
    ("/v1/movements", "ship"), ("/v1/movements", "receive"),
])  # fmt: skip
def test_no_movement_tells_a_thing_of_the_firsts_from_one_that_there_is_not(poster, tried, path, kind):
    for field in (*HEAD_FIELDS, *LINE_FIELDS):
        if field in _SAID:
            continue
        takes_numbers = field in ("of", "reverses", "authorization")
        for there, not_there in twins(tried, field, is_number=None if takes_numbers else False):
            one, other = (post(poster, tried, path, movements(each, field, kind)) for each in (there, not_there))
            assert_alike(one, other, (there, not_there), f"{kind} {field}")


def test_no_reverse_notice_or_stock_tells_a_thing_of_the_firsts_from_one_that_there_is_not(poster, tried):
    reverse = {"movement": "reverse", "effective_on": "2025-07-01", "reverses": "1"}
    notice = {"duty": "lpp-notice", "party": SECOND, "filed_on": "2025-07-01", "subject": "2025"}
    stock = {"party_id": SECOND, "as_of": "2025-07-01"}
    asked = [("/v1/movements", reverse, ["reverses", "exporter"]), ("/v1/notices", notice, NOTICE_FIELDS),
             ("/v1/stock", stock, STOCK_FIELDS)]  # fmt: skip
    for path, body, fields in asked:
        for field in set(fields) - _SAID - {"filed_on", "as_of"}:
            for there, not_there in twins(tried, field):
                sent = [{**body, field: each} for each in (there, not_there)]
                if field == "record":
                    sent = [{name: value for name, value in each.items() if name != "subject"} for each in sent]
                one, other = (post(poster, tried, path, each) for each in sent)
                assert_alike(one, other, (there, not_there), f"{path} {field}")
    lines = [{"destination": "US", "chip": H100, "quantity": 1}]
    for there, not_there in twins(tried, "owner"):
        one, other = (post(poster, tried, "/v1/stock", {**stock, "lines": [{**lines[0], "owner": each}]})
                      for each in (there, not_there))  # fmt: skip
        assert_alike(one, other, (there, not_there), "stock owner")


def test_no_proposal_or_batch_tells_a_thing_of_the_firsts_from_one_that_there_is_not(poster, tried):
    def proposed(body: dict[str, Any]) -> dict[str, Any]:
        return {"kind": "movement", "key": f"to-come-{next(_numbers)}", "body": body}

    def batched(body: dict[str, Any]) -> dict[str, Any]:
        kept = {"kind": "proposal", "key": f"item-{next(_numbers)}", "body": proposed(body)}
        return {"items": [{"kind": "movement", "key": f"item-{next(_numbers)}", "body": body}, kept]}

    def alone(body: dict[str, Any]) -> dict[str, Any]:
        return {"items": [{"kind": "movement", "key": f"item-{next(_numbers)}", "body": body}]}

    trial = "/v1/batches?dry_run=true"
    for there, not_there in twins(tried, "reverses", is_number=True):
        reverses = ({"movement": "reverse", "effective_on": "2025-07-01", "reverses": each}
                    for each in (there, not_there))  # fmt: skip
        one, other = (post(poster, tried, trial, alone(each)) for each in reverses)
        assert_alike(one, other, (there, not_there), "reverse, tried out")
    for path, wrapped in (("/v1/proposals", proposed), ("/v1/batches", batched), (trial, alone)):
        for field in ("authorization", "of", "recipient", "exporter", "facility", "reverses"):
            for there, not_there in twins(tried, field):
                one, other = (post(poster, tried, path, wrapped(movements(each, field, "ship")))
                              for each in (there, not_there))  # fmt: skip
                assert_alike(one, other, (there, not_there), f"{path} {field}")


def test_what_needs_another_role_tells_a_thing_of_the_firsts_from_nothing_either(poster, tried):
    for route in ROUTES:
        if route.method == "POST" and EXPORTER not in route.roles and route.parts:
            for there, not_there in twins(tried, is_number=True):
                one, other = (post(poster, tried, route.path.replace("{seq}", each), route.example)
                              for each in (there, not_there))  # fmt: skip
                assert_alike(one, other, (there, not_there), route.name)


@pytest.mark.parametrize("thing", KEYS)
def test_a_key_that_the_first_used_is_as_good_as_a_new_one(own, monkeypatch, thing):
    body = {**_ship, "lines": [{**_line, "quantity": 1}]}
    key, fresh = own.ids[MARK][thing], own.ids[NONE][thing]
    with served(own, monkeypatch) as client:
        one, other = (post(client, own, "/v1/movements", body, each) for each in (key, fresh))
        assert one.status_code == 201
        assert_alike(one, other, (key, fresh), thing)
        again = post(client, own, "/v1/movements", body, key)
        assert (again.json(), again.headers["Idempotent-Replayed"]) == (one.json(), "true")
        assert "Idempotent-Replayed" not in one.headers
        proposals = [{"kind": "movement", "key": each, "body": body} for each in (f"{key}+", f"{fresh}+")]
        one, other = (post(client, own, "/v1/proposals", each) for each in proposals)
        assert_alike(one, other, (key, fresh), f"proposed {thing}")


# Totals

_MOVES_ON = re.compile(
    r"""(?:"(?:journal|known|size|next)": ?|'capledger-(?:journal|known)': ')\d+"""
    r"""|"recorded_at": ?"[^"]+"|'etag': '[^']+'"""
)


def everything(client: TestClient, world: World) -> dict[str, str]:
    """Return what the second exporter reads of itself everywhere, but for the journal's number, root and moment."""
    told = {route.name: str(alike(get(client, world, route, ASKED.get(route.name, {})))) for route in LISTS}
    return {name: _MOVES_ON.sub("", text) for name, text in told.items()}


def test_what_the_first_posts_moves_nothing_but_what_is_left_of_a_shared_cap_in_steps(own, monkeypatch):
    grant = {"exporter": FIRST, "destination": "MY", "recipient": f"{MARK}-dc", "authorization": f"{MARK}-L1"}
    with served(own, monkeypatch) as client, psycopg.connect(own.dsn) as conn:
        ledger = Ledger(conn)

        def posted(*requests: Any) -> dict[str, str]:
            ledger.must(*requests)
            return everything(client, own)

        left = {**_left, "authorization": "license"}  # of the shared allocation, not of a license of its own
        before = everything(client, own)
        remaining = get(client, own, READS[0], left).json()["remaining_chips"]
        assert posted(move("ship", "2025-06-20", 10, **grant)) == before
        assert posted(move("grant", "2025-06-20", 10, **grant)) == before
        assert get(client, own, READS[0], left).json()["remaining_chips"] == remaining
        assert posted(move("grant", "2025-06-20", 9_000, **grant)) == before
        after = get(client, own, READS[0], left).json()
        assert after["remaining_chips"] < remaining
        assert after["remaining_chips"] % 1_000 == 0, "two figures"
        assert {each["used"] for each in after["caps"]} == {None}


# Pages

QUERIES = ("named", "authorization", "chip", "before", "about", "key", "owner", "subject", "to", "book", "with")


def signed_in(client: TestClient, world: World) -> dict[str, str]:
    return {"Cookie": f"capledger_session={session_of(world, 'exporter')}"}


def test_no_page_tells_a_thing_of_the_firsts_from_one_that_there_is_not(client, world):
    cookie = signed_in(client, world)
    seen = set()
    for method, path, _ in PAGES:
        for there, not_there in twins(world) if method == "GET" else ():
            one, other = (
                client.get(re.sub(r"\{\w+\}", each, path), params=dict.fromkeys(QUERIES, each), headers=cookie)
                for each in (there, not_there)
            )
            assert_alike(one, other, (there, not_there), path)
            seen.add(one.status_code)
    assert {200, 403} <= seen


def test_no_file_tells_a_thing_of_the_firsts_from_one_that_there_is_not(client, world):
    cookie = signed_in(client, world)
    token = re.findall(r'name="csrf" value="([^"]+)"', client.get("/exporter/upload", headers=cookie).text)[-1]

    def uploaded(field: str, named: str) -> Any:
        row = {"key": f"item-{next(_numbers)}", **_ship, **_line} | {field: named}
        text = io.StringIO()
        writer = csv.DictWriter(text, row)
        writer.writeheader()
        writer.writerow(row)
        files = {"file": ("a.csv", text.getvalue(), "text/csv")}
        return client.post("/exporter/upload", data={"csrf": token, "step": "check"}, files=files, headers=cookie)

    for field in ("authorization", "of", "recipient", "exporter", "facility", "owner", "reverses", "key"):
        for there, not_there in twins(world, field):
            one, other = (uploaded(field, each) for each in (there, not_there))
            assert_alike(one, other, (there, not_there), f"upload {field}")


@pytest.mark.parametrize("path", [path for method, path, _ in PAGES if method == "GET" and "{" not in path])
def test_no_page_has_the_firsts_mark(client, world, path):
    answer = client.get(path, headers=signed_in(client, world))
    assert MARK not in f"{answer.headers} {answer.text}".casefold()
    statement = {"first": "2025-06-01", "last": "2025-07-31", "format": "csv"}
    if path == "/exporter/statements":
        answer = client.get(path, params=statement, headers=signed_in(client, world))
        assert OWN in answer.text
        assert MARK not in answer.text.casefold()


@pytest.mark.parametrize("how", [{"known": "600"}, {"rulebook": LICENSING}])
def test_duties_of_a_past_record_and_of_another_book_are_not_told_to_an_exporter(client, world, how):
    # What a duty counts may be others' too: by stepping through records one could tell which of them moved it.
    query = {**how, "on": "2025-07-01"}
    told, seen = (client.get("/v1/duties", params=query, headers=world.head(who)) for who in ("exporter", "regulator"))
    assert (told.status_code, told.json()["code"], seen.status_code) == (403, "forbidden", 200)


def test_a_cursor_of_a_past_record_tells_an_exporter_duties_of_now(client, world):
    def asked(who: str) -> dict[str, Any]:
        told = client.get("/v1/duties", params={"cursor": "600.2025-07-01.0"}, headers=world.head(who))
        assert told.status_code == 200, told.text
        found: dict[str, Any] = told.json()
        return found

    assert asked("regulator")["known"] == 600
    own = asked("exporter")
    assert own["known"] == own["journal"] > 600
    assert own["on"] == "2025-07-01"
