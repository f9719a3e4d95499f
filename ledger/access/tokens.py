"""Access tokens of an OpenID Connect provider: who asks is what the provider signed, never what the token claims.

A token counts where one of the provider's public keys signed it, with an algorithm that needs a private key, for this
ledger, and its time has come and not passed. Anything else is nobody: what was wrong with it is not told.
"""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ledger.access.principal import Principal
from ledger.core.errors import Unusable
from ledger.settings import Oidc

# Asymmetric only: `none` signs nothing, and an HMAC would take the provider's public key for a secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
PUBLIC_KINDS = ("RSA", "EC", "OKP")
LEEWAY_SECONDS = 30  # clocks differ
LONGEST_TOKEN = 16_384
KEPT = timedelta(minutes=10)  # so long fetched keys are used without asking
AGAIN = timedelta(seconds=30)  # a token of an unknown key has them fetched anew, but not more often than this
FETCH_SECONDS = 5
DISCOVERY = "/.well-known/openid-configuration"
LARGEST_BYTES = 1 << 20

Fetch = Callable[[str], bytes]


class Jwks:
    """A provider's signing keys, kept for a while. May be asked by several threads.

    place: a file or an https URL; where that is "", the discovery document of the issuer names it.
    """

    def __init__(self, place: str, fetch: Fetch | None = None, *, issuer: str = "") -> None:
        self._place, self._fetch, self._issuer = place, fetch or _fetched, issuer
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._tried_at: datetime | None = None
        self._failure = ""

    def keys(self, at: datetime, kid: str | None = None) -> KeySet:
        """Return the keys; those of a moment ago unless they are old or lack the one that is named.

        Raises:
            Unusable: there are none yet, and they cannot be fetched, or could not a moment ago.
        """
        with self._lock:
            age = None if self._tried_at is None else at - self._tried_at
            lacks = self._keys is None or (bool(kid) and kid not in _ids(self._keys))
            if age is None or age >= KEPT or (lacks and age >= AGAIN):
                try:
                    self._keys = _read(self._fetch(self._named() if self._issuer and not self._place else self._place))
                except (OSError, ValueError, HTTPException, JoseError) as error:
                    self._failure = type(error).__name__
                finally:
                    self._tried_at = at
            if self._keys is None:
                raise Unusable(
                    "no_signing_keys",
                    f"The provider's signing keys cannot be read: {self._failure}.",
                    "Check CAPLEDGER_OIDC_JWKS, or the provider's discovery document.",
                )
            return self._keys

    def _named(self) -> str:
        """Return where the provider says that its keys are. Source: OpenID Connect Discovery 1.0, section 4."""
        document = json.loads(self._fetch(f"{self._issuer.removesuffix('/')}{DISCOVERY}"))
        place = document.get("jwks_uri") if isinstance(document, dict) else None
        if not isinstance(place, str) or document.get("issuer") != self._issuer or not place.startswith("http"):
            raise ValueError("no discovery document of this issuer")
        return place


class Verifier:
    """Tells who asks with a bearer token of one provider."""

    def __init__(self, issuer: str, audience: str, jwks: Jwks, *, oidc: Oidc | None = None) -> None:
        self._issuer, self._audience, self._jwks = issuer, audience, jwks
        self._claims = oidc or Oidc(issuer, audience, "")
        self._roles = dict(self._claims.roles)

    @classmethod
    def of(cls, oidc: Oidc) -> Verifier:
        """Return the verifier that the settings describe."""
        return cls(oidc.issuer, oidc.audience, Jwks(oidc.jwks, issuer=oidc.issuer), oidc=oidc)

    def principal(self, token: str, at: datetime) -> Principal | None:
        """Return who asks with a token; None where it does not count, whatever the reason.

        Raises:
            Unusable: the provider's keys were never to be had.
        """
        claims = self._verified(token, at)
        if claims is None:
            return None
        person, party = claims.get(self._claims.person_claim), claims.get(self._claims.party_claim, "")
        role = self._role(claims.get(self._claims.role_claim))
        if role is None or not isinstance(person, str) or not person.strip() or not isinstance(party, str):
            return None
        if (role == "exporter") != bool(party):
            return None
        return Principal(person, role, party, "oidc")  # type: ignore[arg-type]

    def _verified(self, token: str, at: datetime) -> Mapping[str, Any] | None:
        if len(token) > LONGEST_TOKEN or token.count(".") != 2:
            return None
        try:
            kid = _header(token).get("kid")
            if kid is not None and not isinstance(kid, str):
                return None
            keys = self._jwks.keys(at, kid)
            read = jwt.decode(token, keys, algorithms=ALGORITHMS)
            jwt.JWTClaimsRegistry(
                now=int(at.timestamp()), leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": self._issuer}, aud={"essential": True, "value": self._audience},
                exp={"essential": True}, sub={"essential": True},
            ).validate(read.claims)  # fmt: skip
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        return read.claims

    def _role(self, stated: Any) -> str | None:
        """Return the one role that a claim gives: a word, or several of which exactly one is a role here."""
        words = stated if isinstance(stated, list) else [stated]
        found = {self._roles[word] for word in words if isinstance(word, str) and word in self._roles}
        return found.pop() if len(found) == 1 else None


def _header(token: str) -> dict[str, Any]:
    head = token.split(".", 1)[0]
    read = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if not isinstance(read, dict):
        raise ValueError("a header is an object")
    return read


def _read(text: bytes) -> KeySet:
    """Return the public signing keys of a set; a secret one in it would let its reader sign."""
    stated = json.loads(text)
    keys = stated.get("keys") if isinstance(stated, dict) else None
    found = [key for key in keys or () if isinstance(key, dict) and _is_public(key)]
    if not found:
        raise ValueError("no public signing key")
    return KeySet.import_key_set({"keys": found})


def _is_public(key: Mapping[str, Any]) -> bool:
    return key.get("kty") in PUBLIC_KINDS and "d" not in key and key.get("use", "sig") == "sig"


def _ids(keys: KeySet | None) -> set[str]:
    return {key.kid for key in keys.keys if key.kid} if keys else set()


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: it might lead to where anybody answers."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stays)


def _fetched(place: str) -> bytes:
    parts = urlsplit(place)
    if parts.scheme in ("http", "https"):
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("signing keys are fetched over https")
        with _OPENER.open(place, timeout=FETCH_SECONDS) as answer:
            text: bytes = answer.read(LARGEST_BYTES)
            return text
    return Path(place).read_bytes()
