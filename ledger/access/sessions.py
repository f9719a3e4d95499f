"""Signing in to the pages with an access key, and how often somebody may try."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.access.keys import authenticate, named
from ledger.access.principal import Principal
from ledger.settings import Settings
from ledger.store.source import Connection
from schema.queries import SQL

KEPT = timedelta(days=1)  # a bucket that nobody drew on for so long is full again, and forgotten


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. token goes into a cookie that scripts cannot read, csrf into every form."""

    token: str
    csrf: str
    principal: Principal
    expires_at: datetime


def open_session(conn: Connection, secret: str, *, at: datetime, length: timedelta | None = None) -> Session | None:
    """Sign in with an access key; None where nobody asks with it. length: as the settings say, where not stated.

    A session ends after its length, with its key, or when it is closed. Only a hash of its token is kept.
    """
    with conn.transaction():
        principal = authenticate(conn, secret, at=at)
        if principal is None:
            return None
        token = secrets.token_urlsafe(32)
        expires_at = at + (length or Settings.load().session_length)
        conn.execute(SQL["forget_sessions"], {"at": at})
        stated = {"token": _hash(token), "key_id": principal.key_id, "at": at, "expires_at": expires_at}
        conn.execute(SQL["open_session"], stated)
        return session(conn, token, at=at)


def session(conn: Connection, token: str, *, at: datetime) -> Session | None:
    """Return who is signed in under a token; None where nobody is, or not any more."""
    row = conn.execute(SQL["session"], {"token": _hash(token), "at": at}).fetchone()
    if row is None:
        return None
    *who, expires_at = row
    return Session(token, _csrf(token), Principal(*who), expires_at)


def close_session(conn: Connection, token: str) -> None:
    """Sign out."""
    with conn.transaction():
        conn.execute(SQL["close_session"], {"token": _hash(token)})


def may_try(
    conn: Connection, who: str, *, at: datetime, most: int = 0, over: timedelta = timedelta(0)
) -> bool:  # fmt: skip
    """Take one try of somebody; False where there is none left for now.

    Args:
        who: an address, a key's id, or whatever the tries are counted for; kept as a hash.
        most, over: so many tries at once, refilled over so long; where not stated, the settings' for signing in.
    """
    if not (most and over):
        settings = Settings.load()
        most, over = most or settings.sign_in_tries, over or settings.sign_in_period
    wanted = {"who": _hash(who), "most": most, "at": at, "seconds": int(over.total_seconds()) or 1}
    with conn.transaction():
        row = conn.execute(SQL["try"], wanted).fetchone()
        conn.execute(SQL["forget_tries"], {"before": at - max(over, KEPT)})
    return bool(row and row[0])


def may_fail(conn: Connection, secret: str, *, address: str, at: datetime) -> bool:
    """Count a secret that nobody asks with: for the address that it came from, and for the key that it names.

    False where one of the two has no try left for now. Whether there is such a key makes no difference. What comes from
    an address that has none left counts for no key: nobody makes rows without end.
    """
    if not may_try(conn, f"address:{address}", at=at):
        return False
    key_id = named(secret)
    return key_id is None or may_try(conn, f"key:{key_id}", at=at)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", errors="replace")).digest()


def _csrf(token: str) -> str:
    """Return what a form must send back: made from the token, which it does not tell."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"csrf {token}".encode()).digest()).decode().rstrip("=")
