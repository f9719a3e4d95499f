"""Tokens of an identity provider: what it signed for this ledger, now, counts; anything else is nobody."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from ledger.access import Principal
from ledger.access.tokens import KEPT, Jwks, Verifier
from ledger.core.errors import Unusable
from ledger.settings import Oidc

NOW = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ISSUER, AUDIENCE = "https://identity.example", "capledger"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "capledger_role": "regulator"}


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def signed(key: Any = RSA, alg: str = "RS256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    stated = CLAIMS | {"exp": int(NOW.timestamp()) + 300, "iat": int(NOW.timestamp())} | claims
    stated = {name: value for name, value in stated.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": key.kid} | (header or {}), stated, key, algorithms=[alg])


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part(header)}.{part(CLAIMS | {'exp': int(NOW.timestamp()) + 300})}.{signature}"


def with_a_secret(secret: bytes) -> str:
    """A token with an HMAC; no library makes one of a public key."""
    text = unsigned({"alg": "HS256", "kid": "rsa"})
    tag = hmac.digest(secret, text.rstrip(".").encode(), "sha256")
    return text + base64.urlsafe_b64encode(tag).decode().rstrip("=")


def verifier(**stated: Any) -> Verifier:
    oidc = replace(Oidc(ISSUER, AUDIENCE, ""), **stated)
    return Verifier(ISSUER, AUDIENCE, Jwks("", lambda _: jwks(RSA, EC, ED)), oidc=oidc)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "Ed25519")])
def test_a_token_that_the_provider_signed_tells_who_asks(key, alg):
    assert verifier().principal(signed(key, alg), NOW) == Principal("ada", "regulator", "", "oidc")


def test_an_audience_may_be_one_of_several():
    assert verifier().principal(signed(aud=["another", AUDIENCE]), NOW) is not None


REJECTED: dict[str, Callable[[], str]] = {
    "wrong key": lambda: signed(STRANGER),
    "wrong issuer": lambda: signed(iss="https://elsewhere.example"),
    "issuer with something after it": lambda: signed(iss=ISSUER + "/"),
    "no issuer": lambda: signed(iss=None),
    "wrong audience": lambda: signed(aud="another"),
    "no audience": lambda: signed(aud=None),
    "expired": lambda: signed(exp=int(NOW.timestamp()) - 31),
    "never expires": lambda: signed(exp=None),
    "expires in words": lambda: signed(exp="tomorrow"),
    "not yet valid": lambda: signed(nbf=int(NOW.timestamp()) + 60),
    "issued in the future": lambda: signed(iat=int(NOW.timestamp()) + 60),
    "nobody's": lambda: signed(sub=None),
    "blank person": lambda: signed(sub=" "),
    "no role": lambda: signed(capledger_role=None),
    "a role that is none": lambda: signed(capledger_role="root"),
    "two roles": lambda: signed(capledger_role=["regulator", "operator"]),
    "a role that is no word": lambda: signed(capledger_role={"regulator": True}),
    "exporter of nobody": lambda: signed(capledger_role="exporter"),
    "party of no exporter": lambda: signed(capledger_party="nvidia"),
    "party that is no word": lambda: signed(capledger_role="exporter", capledger_party=["nvidia"]),
    "algorithm none": lambda: unsigned({"alg": "none"}),
    "algorithm None": lambda: unsigned({"alg": "None", "kid": "rsa"}),
    "no algorithm": lambda: unsigned({"kid": "rsa"}, "AAAA"),
    "public key as a secret": lambda: with_a_secret(RSA.as_pem(private=False)),
    "another algorithm than the key's": lambda: unsigned({"alg": "ES256", "kid": "rsa"}, "A" * 86),
    "a key of its own": lambda: signed(STRANGER, header={"jwk": STRANGER.as_dict(private=False)}),
    "a key set of its own": lambda: signed(STRANGER, header={"jku": "https://elsewhere.example"}),
    "an unknown key": lambda: signed(STRANGER, header={"kid": "other"}),
    "a key id that is no word": lambda: unsigned({"alg": "RS256", "kid": 1}, "AAAA"),
    "no signature": lambda: signed().rsplit(".", 1)[0] + ".",
    "changed claims": lambda: ".".join([signed().split(".")[0], unsigned({}).split(".")[1], signed().split(".")[2]]),
    "two parts": lambda: signed().rsplit(".", 1)[0],
    "four parts": lambda: signed() + ".x",
    "not base64": lambda: "%%%.%%%.%%%",
    "a list for a header": lambda: "W10.e30.AAAA",
    "nothing": lambda: "",
    "far too long": lambda: signed(note="x" * 20_000),
}


@pytest.mark.parametrize("make", REJECTED.values(), ids=REJECTED)
def test_any_other_token_is_nobodys(make):
    assert verifier().principal(make(), NOW) is None


def test_a_token_counts_until_it_expires_and_clocks_may_differ_a_little():
    token = signed(exp=int(NOW.timestamp()) + 10)
    assert [verifier().principal(token, NOW + n * SECOND) is not None for n in (0, 39, 41)] == [True, True, False]


def test_the_settings_say_which_claims_tell_who_it_is():
    asked = verifier(
        person_claim="email", role_claim="groups", party_claim="org",
        roles=(("staff", "regulator"), ("sellers", "exporter")),
    )  # fmt: skip
    seller = signed(email="jo@nv.example", groups=["everybody", "sellers"], org="nvidia", capledger_role="operator")
    assert asked.principal(seller, NOW) == Principal("jo@nv.example", "exporter", "nvidia", "oidc")
    assert asked.principal(signed(email="jo@nv.example"), NOW) is None  # the claim of another setting


# The provider's keys


class Provider:
    """Answers for a provider's keys; counts how often it is asked."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, _place: str) -> bytes:
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_keys_are_kept_for_a_while_and_then_asked_for_again():
    provider = Provider(jwks(RSA))
    keys = Jwks("", provider)
    for after in (0 * SECOND, SECOND, KEPT - SECOND):
        keys.keys(NOW + after, "rsa")
    assert provider.asked == 1
    keys.keys(NOW + KEPT, "rsa")
    assert provider.asked == 2


def test_a_new_key_is_fetched_when_a_token_names_it_but_not_for_every_token():
    provider = Provider(jwks(RSA), jwks(RSA, EC))
    asked = Verifier(ISSUER, AUDIENCE, Jwks("", provider))
    assert asked.principal(signed(), NOW) is not None
    late = signed(EC, "ES256")
    assert [asked.principal(late, NOW + n * SECOND) is not None for n in (1, 2, 29)] == [False] * 3
    assert provider.asked == 1
    assert asked.principal(late, NOW + 30 * SECOND) is not None
    for n in range(31, 50):
        asked.principal(signed(STRANGER, header={"kid": "other"}), NOW + n * SECOND)
    assert provider.asked == 2


@pytest.mark.parametrize("answer", [OSError("down"), b"<html>", b"{}", b'{"keys": []}', b"[]", b'{"keys": [1]}'])
def test_a_provider_that_is_down_is_believed_as_it_was_before(answer):
    provider = Provider(jwks(RSA), answer)
    asked = Verifier(ISSUER, AUDIENCE, Jwks("", provider))
    assert asked.principal(signed(), NOW) is not None
    later = NOW + KEPT
    assert asked.principal(signed(exp=int(later.timestamp()) + 60), later) is not None
    assert provider.asked == 2


def test_a_provider_that_never_answered_is_not_asked_for_every_token():
    """Else anybody could keep the server waiting for it, without any key."""
    provider = Provider(OSError("down"), jwks(RSA))
    asked = Verifier(ISSUER, AUDIENCE, Jwks("", provider))
    for n in range(30):
        with pytest.raises(Unusable):
            asked.principal(signed(), NOW + n * SECOND)
    assert provider.asked == 1
    assert asked.principal(signed(), NOW + 30 * SECOND) is not None


@pytest.mark.parametrize(
    ("document", "counts"),
    [
        ({"issuer": ISSUER, "jwks_uri": "https://identity.example/keys"}, True),
        ({"issuer": f"{ISSUER}/", "jwks_uri": "https://identity.example/keys"}, False),
        ({"jwks_uri": "https://identity.example/keys"}, False),
        ({"issuer": ISSUER}, False),
        ({"issuer": ISSUER, "jwks_uri": "/etc/keys.json"}, False),
        ({"issuer": ISSUER, "jwks_uri": "file:///etc/keys.json"}, False),
        (["https://identity.example/keys"], False),
    ],
)
def test_where_the_keys_are_is_told_by_the_issuers_own_document_and_is_no_file(document, counts):
    places = []

    def fetch(place: str) -> bytes:
        places.append(place)
        return json.dumps(document).encode() if place.endswith("openid-configuration") else jwks(RSA)

    asked = Verifier(ISSUER, AUDIENCE, Jwks("", fetch, issuer=ISSUER))
    if counts:
        assert asked.principal(signed(), NOW) is not None
        assert places == [f"{ISSUER}/.well-known/openid-configuration", "https://identity.example/keys"]
    else:
        with pytest.raises(Unusable):
            asked.principal(signed(), NOW)
        assert len(places) == 1


@pytest.mark.parametrize("answer", [OSError("down"), b"<html>", b'{"keys": []}', b"[]", b'{"keys": [1]}'])
def test_a_provider_that_never_answered_is_a_problem_and_not_a_yes(answer):
    with pytest.raises(Unusable) as refused:
        Verifier(ISSUER, AUDIENCE, Jwks("", Provider(answer))).principal(signed(), NOW)
    assert refused.value.code == "no_signing_keys"


def test_a_secret_key_or_one_for_encryption_in_the_set_signs_nothing():
    secret = OctKey.generate_key(256, {"kid": "oct"})
    sealing = RSAKey.generate_key(2048, {"kid": "enc", "use": "enc"})
    stated = [key.as_dict(private=True) for key in (secret, sealing)] + [RSA.as_dict(private=False)]
    asked = Verifier(ISSUER, AUDIENCE, Jwks("", lambda _: json.dumps({"keys": stated}).encode()))
    assert asked.principal(signed(), NOW) is not None
    assert asked.principal(signed(secret, "HS256"), NOW) is None
    free = RSAKey.import_key({k: v for k, v in sealing.as_dict(private=True).items() if k != "use"})
    assert asked.principal(signed(free), NOW) is None


def test_keys_are_read_from_a_file(tmp_path):
    place = tmp_path / "keys.json"
    place.write_bytes(jwks(RSA))
    asked = Verifier.of(Oidc(ISSUER, AUDIENCE, str(place)))
    assert asked.principal(signed(), NOW) is not None
    with pytest.raises(Unusable, match="CAPLEDGER_OIDC_JWKS"):
        Verifier.of(Oidc(ISSUER, AUDIENCE, str(tmp_path / "none.json"))).principal(signed(), NOW)


@pytest.fixture
def provider_url():
    """A provider on the loopback: /keys has the keys, /moved leads there."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/moved" else 200)
            self.send_header("Location", "/keys")
            self.end_headers()
            if self.path == "/keys":
                self.wfile.write(jwks(RSA))

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_are_fetched_from_an_address_and_from_nowhere_else(provider_url):
    assert isinstance(Jwks(f"{provider_url}/keys").keys(NOW), KeySet)
    for place in (f"{provider_url}/moved", "http://identity.example/keys"):
        with pytest.raises(Unusable):
            Jwks(place).keys(NOW)
