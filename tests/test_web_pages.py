"""Every page: who gets it, with which headers, and that it says what the ledger says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from tests.webworld import app_of, fill


@pytest.fixture(scope="module")
def world(databases: Any, template: str) -> Iterator[tuple[str, dict[str, int]]]:
    name = databases.make(template)
    from tests.conftest import in_database

    dsn = in_database(databases.server, name)
    with psycopg.connect(dsn) as conn:
        yield dsn, fill(conn)
    databases.done.append(name)


def signed(dsn: str, key: str) -> TestClient:
    client = TestClient(app_of(dsn), follow_redirects=False)
    form = client.get("/sign-in").text
    token = re.search(r'name="csrf" value="([^"]+)"', form).group(1)
    done = client.post("/sign-in", data={"secret": key, "csrf": token, "to": ""})
    assert done.status_code == 303, done.text
    return client


def test_it_is_shown_to_who_may_see_it(world):
    dsn, of = world
    client = signed(dsn, "key-of-rita")
    for path in (
        "/",
        "/caps",
        "/caps/country-allocation",
        "/caps/country-allocation?subject=destination%3DMY",
        "/countries",
        "/countries/MY",
        "/recipients",
        "/recipients/selangor-dc",
        "/authorizations/MY-1",
        "/rulebooks",
        "/rulebooks/us-diffusion-2025",
        "/rulebooks/us-diffusion-2025?with=us-licensing-2026",
        "/back-test?book=us-licensing-2026",
        "/runs",
        f"/runs/{of['run']}",
        "/discrepancies",
        "/discrepancies?state=all",
        "/records",
        "/records?about=MY-1",
        "/records?key=ship-1",
        f"/records/{of['refused']}",
        f"/records/{of['granted']}",
        "/public",
        "/public/data",
        "/public/data.csv",
        "/public/data.json",
        "/public/license",
        "/?rulebook=us-licensing-2026",
        "/?on=2025-07-05&known=20",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
    client = signed(dsn, "key-of-ned")
    for path in (
        "/exporter",
        "/exporter/fit",
        "/exporter/fit?authorization=MY-1&chip=nvidia-h100-sxm5-80&quantity=2000",
        "/exporter/upload",
        "/exporter/history",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
