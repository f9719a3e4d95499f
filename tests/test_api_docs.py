"""The document of the API: complete, true, and every example of it works."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
import schemathesis
from client import ALLOCATION_H100, found
from doorway import StandIn, bearer, serving
from schemathesis.specs.openapi import checks
from starlette.testclient import TestClient

from ledger.api import problems
from ledger.api.app import create_app
from ledger.api.desk import Desk
from ledger.api.routes import ROUTES
from ledger.api.watching import WATCHING
from ledger.posting import Writer
from tests.conftest import Databases, in_database
from tests.world import AT, party

Document = dict[str, Any]


@pytest.fixture
def small(dsn: str) -> str:
    """A ledger with what the examples refer to and do not make themselves."""
    with psycopg.connect(dsn) as conn:
        facts = [party("nvidia"), party("shanghai-holding", "CN"), party("gulf-cloud", "AE")]
        receipts = Writer(conn).post(facts, actor="operator", at=AT)
        assert {receipt.verdict for receipt in receipts} == {"posted"}
    return dsn


@pytest.fixture
def client(small: str) -> Iterator[TestClient]:
    with serving(small) as client:
        yield client


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


# In this order the examples make a small ledger; the others are asked of it.
ORDER = (
    "post_party", "post_ownership", "post_rating", "post_adoption", "post_authorization", "post_period",
    "post_movement", "post_batch", "post_stock", "post_notice", "post_proposal", "run_reconciliation",
)  # fmt: skip


def asked(client: TestClient, method: str, path: str, operation: Document, seq: int = 0) -> Any:
    """Send an operation's example: those of its parameters that have one, and its body. seq: the record it is about."""
    query, headers = {}, {}
    for parameter in operation.get("parameters", ()):
        name, example = parameter["name"], parameter.get("example")
        if parameter["in"] == "path":
            value = seq if name == "seq" else example
            path = path.replace(f"{{{name}}}", str(value))
        elif parameter["in"] == "header" and example is not None:
            headers[name] = example
        elif example is not None:
            query[name] = example
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    return client.request(method.upper(), path, params=query, headers=headers, json=body)


def test_every_example_of_the_document_works(client):
    document = client.get("/v1/openapi.json").json()
    by_name = {operation["operationId"]: (method, path, operation) for method, path, operation in operations(document)}
    answers = {name: asked(client, *by_name[name]) for name in ORDER}
    about = {
        "show_movement": answers["post_movement"].json()["seq"],
        "prove_record": answers["post_movement"].json()["seq"],
        "show_reconciliation": answers["run_reconciliation"].json()["seq"],
        "post_decision": answers["post_proposal"].json()["seq"],
        "post_discrepancy_change": client.get("/v1/discrepancies").json()["items"][0]["id"],
    }
    for name in by_name.keys() - set(ORDER):
        client.headers.update(bearer("second" if name == "post_decision" else "operator"))
        answers[name] = asked(client, *by_name[name], seq=about.get(name, 0))
    wrong = {name: answer.text for name, answer in answers.items() if answer.status_code not in (200, 201)}
    assert wrong == {}
    assert answers["ask_remaining"].json()["remaining_chips"] == ALLOCATION_H100 - 49_000
    receipts = answers["post_batch"].json()["receipts"]
    assert [receipt["verdict"] for receipt in receipts] == ["posted", "posted"]
    assert answers["post_discrepancy_change"].status_code == 201


DOCUMENT = create_app(Desk(""), access=StandIn()).openapi()
OPERATIONS = {each.ok().definition.raw["operationId"]: each.ok() for each in
              schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()}  # fmt: skip
EXAMPLES = int(os.environ.get("CAPLEDGER_TEST_API_EXAMPLES", "10"))  # of each operation, well-formed and not
CHECKS = [
    schemathesis.checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_schema_conformance, checks.response_headers_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def asked_anything(databases: Databases, template: str) -> Iterator[TestClient]:
    """A server that is asked all sorts of things, one after the other."""
    name = databases.make(template)
    dsn = in_database(databases.server, name)
    found(dsn)
    with serving(dsn) as client:
        yield client
    databases.done.append(name)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_is_asked_the_answer_is_one_that_the_document_tells_of(asked_anything, name, mode):
    operation = OPERATIONS[name]
    strategy = operation.as_strategy(generation_mode=mode)

    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck),
                         phases=[hypothesis.Phase.generate])  # fmt: skip
    @hypothesis.given(case=strategy)
    def ask(case: schemathesis.Case) -> None:
        case.headers = {**(case.headers or {}), **bearer("operator")}
        how = case.as_transport_kwargs(base_url="http://testserver")
        how.pop("cookies", None)
        if isinstance(how.get("data"), str | bytes):
            how["content"] = how.pop("data")
        response = asked_anything.request(**how)
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:  # it takes nothing, so nothing wrong can be asked of it
        assert mode is schemathesis.GenerationMode.NEGATIVE
        assert not list(operation.iter_parameters())
        assert not operation.body


PAGE = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("codes", [problems.STATUS_OF_REFUSAL, problems.STATUS_OF_PROBLEM], ids=["refusals", "others"])
def test_the_page_about_the_api_names_every_code_beside_its_status(codes):
    lines = [line for line in PAGE.splitlines() if re.match(r"\| \d{3}", line)]
    missing = [(status, code) for code, status in codes.items() if code != "internal_error" and
               not any(str(status) in line.split("|")[1] and f"`{code}`" in line for line in lines)]  # fmt: skip
    assert missing == []


def test_the_page_about_the_api_names_every_route():
    named = re.sub(r"[`,|]", " ", PAGE).split()
    for route in (*ROUTES, *WATCHING):
        first, *rest = (part for part in route.path.removeprefix("/v1").split("/") if part and not part.startswith("{"))
        assert any(word.endswith(f"/{first}") or f"/{first}/" in word for word in named), route.path
        assert all(part in PAGE for part in rest), route.path


def test_every_operation_tells_of_every_answer_that_a_stranger_may_get():
    for _, path, operation in operations(DOCUMENT):
        if path not in ("/health", "/ready"):
            assert {"401", "403", "404", "406", "422", "429", "503", "504"} <= operation["responses"].keys(), path
            assert operation["security"] == [{"key": []}]
    assert DOCUMENT["openapi"].startswith("3.1")
