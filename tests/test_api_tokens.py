"""Tokens from end to end: an issuer with its documents, `capledger serve` as a process, and what each token opens."""

from __future__ import annotations

import base64
import hmac
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from client import found
from joserfc import jwt
from joserfc.jwk import RSAKey

from ledger.access import keys
from tests.conftest import Databases, in_database

PROGRAM = Path(__file__).with_name("serving.py")
AUDIENCE = "capledger"
PATIENCE_SECONDS = 60


@dataclass
class Issuer:
    """A small issuer on the loopback: its discovery document, its key set, and tokens that it signs."""

    url: str = ""
    keys: list[Any] = field(default_factory=lambda: [RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})])
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> Any:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        return {"keys": [key.as_dict(private=False) for key in self.keys]} if path == "/keys" else None

    def token(self, key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a signed token of a regulator, unless claims say otherwise; one that is None is left out."""
        key, now = key or self.keys[-1], int(time.time())
        stated = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "capledger_role": "regulator", "iat": now,
                  "exp": now + 300, **claims}  # fmt: skip
        stated = {name: value for name, value in stated.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": key.kid, **(header or {})}, stated, key, algorithms=["RS256"])


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = issuer.answer(self.path)
            self.send_response(404 if told is None else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield issuer
    server.shutdown()
    thread.join()
    server.server_close()


def serving(dsn: str, issuer: str) -> Iterator[httpx2.Client]:
    """Start a server that accepts an issuer's tokens; yield a client of it, and stop it."""
    settings = {"CAPLEDGER_OIDC_ISSUER": issuer, "CAPLEDGER_OIDC_AUDIENCE": AUDIENCE,
                "CAPLEDGER_SIGN_IN_TRIES": "1000000"}  # fmt: skip
    path = os.pathsep.join([str(PROGRAM.parent), str(PROGRAM.parent.parent)])
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), dsn, "127.0.0.1", "0", "tokens"], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env={**os.environ, **settings, "PYTHONPATH": path},
    )  # fmt: skip
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.poll()
        with httpx2.Client(base_url=address, timeout=PATIENCE_SECONDS) as client:
            yield client
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def dsn_found(databases: Databases, template: str) -> Iterator[str]:
    name = databases.make(template)
    dsn = in_database(databases.server, name)
    found(dsn)
    yield dsn
    databases.done.append(name)


@pytest.fixture(scope="module")
def client(dsn_found: str, issuer: Issuer) -> Iterator[httpx2.Client]:
    yield from serving(dsn_found, issuer.url)


def show(client: httpx2.Client, token: str, path: str = "/v1/caps") -> Any:
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


def test_a_good_token_opens_what_its_role_may_see_and_nothing_more(client, issuer):
    regulator, exporter = issuer.token(), issuer.token(capledger_role="exporter", capledger_party="nvidia")
    assert show(client, regulator).status_code == 200
    assert show(client, exporter).status_code == 403
    assert [each["authorization"] for each in show(client, exporter, "/v1/authorizations").json()["items"]] == ["L1"]
    other = issuer.token(capledger_role="exporter", capledger_party="dc")
    assert show(client, other, "/v1/authorizations").json()["items"] == []
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"], "asked once"


def test_who_posts_is_the_person_and_party_of_the_token(client, issuer, dsn_found):
    shown = issuer.token(capledger_role="operator", sub="olaf")
    stated = {"party_id": "token-dc", "name": "Token"}
    headers = {"Authorization": f"Bearer {shown}", "Idempotency-Key": "by-token"}
    answer = client.post("/v1/parties", json=stated, headers=headers)
    assert answer.status_code == 201
    with psycopg.connect(dsn_found) as conn:
        row = conn.execute("SELECT payload FROM journal WHERE seq = %s", (answer.json()["seq"],)).fetchone()
    assert row
    said = json.loads(row[0])
    assert (said["actor"], said["person"]) == ("operator", "olaf")


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def unsigned(issuer: Issuer) -> str:
    return f"{part({'alg': 'none'})}.{issuer.token().split('.')[1]}."


def with_a_secret(issuer: Issuer) -> str:
    """A token with an HMAC of the provider's public key, which everybody has."""
    text = f"{part({'alg': 'HS256', 'kid': 'first'})}.{issuer.token().split('.')[1]}"
    secret = issuer.keys[0].as_pem(private=False)
    return f"{text}.{part(hmac.digest(secret, text.encode(), 'sha256'))}"


STRANGER = RSAKey.generate_key(2048, {"kid": "first"})
NOBODYS: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 60),
    "for somebody else": lambda issuer: issuer.token(aud="another"),
    "of another issuer": lambda issuer: issuer.token(iss="https://elsewhere.example"),
    "signed by a stranger": lambda issuer: issuer.token(STRANGER),
    "signed by nobody": unsigned,
    "a public key as a secret": with_a_secret,
    "no role": lambda issuer: issuer.token(capledger_role=None),
    "an exporter of no party": lambda issuer: issuer.token(capledger_role="exporter"),
    "no token at all": lambda issuer: "a.b.c",
}


@pytest.mark.parametrize("make", NOBODYS.values(), ids=NOBODYS)
def test_any_other_token_is_nobodys_and_is_not_told_why(client, issuer, make):
    assert show(client, issuer.token()).status_code == 200
    answer, unknown = show(client, make(issuer)), show(client, "no-such-key")
    assert answer.status_code == 401
    assert answer.content == unknown.content
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_that_the_issuer_turned_to_is_found_and_one_that_it_dropped_ends(client, issuer):
    assert show(client, issuer.token()).status_code == 200
    old, new = issuer.keys[-1], RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    early = issuer.token(new)
    assert show(client, early).status_code == 401, "nobody has published it"
    issuer.keys[:] = [new]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while show(client, issuer.token()).status_code != 200:
        assert time.monotonic() < deadline, "the new key was never looked for"
        time.sleep(0.1)
    late = issuer.token(old, jti="not one that was just shown: those are remembered for a second")
    assert show(client, late).status_code == 401
    assert show(client, early).status_code == 200


def test_while_the_issuer_was_never_there_tokens_wait_and_keys_work(dsn_found, issuer):
    nowhere = "http://127.0.0.1:1"
    with psycopg.connect(dsn_found) as conn:
        now = datetime.now(UTC)
        secret = keys.issue(conn, person="rita", role="regulator", expires_at=now + timedelta(days=1), at=now)[1]
    for client in serving(dsn_found, nowhere):
        answer = show(client, issuer.token(iss=nowhere))
        assert (answer.status_code, answer.json()["code"]) == (503, "no_signing_keys")
        assert int(answer.headers["Retry-After"]) >= 1
        assert show(client, secret).status_code == 200
        assert show(client, "no-such-key").status_code == 401
