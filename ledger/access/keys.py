"""Access keys: issued once, shown once, kept as a hash.

A secret reads `capledger_<key id>_<43 characters><8 characters>`: a leaked one can be searched for, its last characters
tell a mistyped one without asking the database, and the key id tells which to revoke.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

from ledger.access.principal import Principal, Role
from ledger.access.wall import raise_wall
from ledger.core.errors import Malformed, NotFound, Problem
from ledger.settings import ROLES
from ledger.store.source import Connection
from schema.queries import SQL

GRACE = timedelta(days=1)  # so long an old key works beside the one that replaces it
LONGEST_NAME = 200
SECRET = re.compile(r"capledger_([0-9a-f]{12})_([\w-]{43})([0-9a-f]{8})", re.ASCII)
_NOBODY = bytes(32)  # compared with where there is no such key, so that this takes as long


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was issued, without its secret. It works before expires_at, and before revoked_at where that is set.

    replaces: the key that it was made for when that one was rotated.
    """

    id: str
    person: str
    role: Role
    party: str
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    replaces: str | None = None

    def state(self, at: datetime) -> str:
        """Return whether it is `active`, `expired` or `revoked` at a moment."""
        if self.revoked_at and at >= self.revoked_at:
            return "revoked"
        return "active" if at < self.expires_at else "expired"

    @property
    def principal(self) -> Principal:
        """Who asks with it."""
        return Principal(self.person, self.role, self.party, self.id)

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "id": self.id, "person": self.person, "role": self.role, "party": self.party,
            "issued_at": self.issued_at.isoformat(), "expires_at": self.expires_at.isoformat(),
            "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None, "replaces": self.replaces,
        }  # fmt: skip


def issue(
    conn: Connection, *, person: str, role: str, party: str = "", expires_at: datetime, at: datetime,
    wall: bool = True,
) -> tuple[Key, str]:  # fmt: skip
    """Return a new key and its secret, which is not kept and cannot be shown again.

    Args:
        wall: False issues an exporter's key even where the server makes no role for its party; then only the program
            keeps its rows apart from another's.

    Raises:
        Malformed: who it is for cannot be read. NotFound: the party is not registered.
        Unusable: the server does not let this login make the party's role.
    """
    _check(person, role, party, expires_at, at)
    with conn.transaction():
        if party:
            row = conn.execute(SQL["knows_party"], {"party": party}).fetchone()
            if not (row and row[0]):
                raise NotFound(f"There is no party '{party}'.", "Register it first.")
            raise_wall(conn, party, must=wall)
        return _add(conn, person, role, party, at, expires_at, None)


def rotate(
    conn: Connection, key_id: str, *, at: datetime, expires_at: datetime, grace: timedelta = GRACE
) -> tuple[Key, str]:
    """Return a key in the place of another, which works on for `grace` and then no more, and its secret.

    Raises:
        NotFound: there is no such key. Problem: it does not work any more.
    """
    with conn.transaction():
        old = _to_change(conn, key_id)
        if (state := old.state(at)) != "active":
            raise Problem("key_not_active", f"Key {key_id} is {state}.", "Issue a new one.")
        _check(old.person, old.role, old.party, expires_at, at)
        conn.execute(SQL["expire_key"], {"id": key_id, "expires_at": min(old.expires_at, at + grace)})
        return _add(conn, old.person, old.role, old.party, at, expires_at, key_id)


def revoke(conn: Connection, key_id: str, *, at: datetime) -> None:
    """End a key at once, and every session that was opened with it; doing it again changes nothing.

    Raises:
        NotFound: there is no such key.
    """
    with conn.transaction():
        if _to_change(conn, key_id).revoked_at is None:
            conn.execute(SQL["revoke_key"], {"id": key_id, "at": at})
        conn.execute(SQL["close_sessions_of"], {"id": key_id})


def keys(conn: Connection) -> list[Key]:
    """Return every key that was ever issued, oldest first."""
    return [Key(*row) for row in conn.execute(SQL["keys"])]


def authenticate(conn: Connection, secret: str, *, at: datetime) -> Principal | None:
    """Return who asks with a secret; None where nobody does: mistyped, unknown, expired or revoked, all alike."""
    key_id = named(secret)
    if key_id is None:
        return None
    row = conn.execute(SQL["key_secret"], {"id": key_id}).fetchone()
    is_right = compare_digest(row[0] if row else _NOBODY, _hash(secret))
    if row is None or not is_right:
        return None
    key = Key(*row[1:])
    return key.principal if key.state(at) == "active" else None


def named(secret: str) -> str | None:
    """Return the id of the key that a secret names, None where it is not written like one."""
    parts = SECRET.fullmatch(secret)
    if parts is None or not compare_digest(parts[3], _check_of(parts[1], parts[2])):
        return None
    return parts[1]


def _check_of(key_id: str, random: str) -> str:
    return hashlib.sha256(f"{key_id}_{random}".encode()).hexdigest()[:8]


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _add(
    conn: Connection, person: str, role: str, party: str, at: datetime, expires_at: datetime, replaces: str | None
) -> tuple[Key, str]:
    key_id, random = secrets.token_hex(6), secrets.token_urlsafe(32)
    secret = f"capledger_{key_id}_{random}{_check_of(key_id, random)}"
    stated = {"id": key_id, "person": person, "role": role, "party": party, "at": at, "expires_at": expires_at}
    conn.execute(SQL["add_key"], {**stated, "secret": _hash(secret), "replaces": replaces})
    return Key(key_id, person, role, party, at, expires_at, None, replaces), secret  # type: ignore[arg-type]


def _to_change(conn: Connection, key_id: str) -> Key:
    row = conn.execute(SQL["key_to_change"], {"id": key_id}).fetchone()
    if row is None:
        raise NotFound(f"There is no key '{key_id[:40]}'.", "Look at the list of keys.")
    return Key(*row)


def _check(person: str, role: str, party: str, expires_at: datetime, at: datetime) -> None:
    if not person.strip() or len(person) > LONGEST_NAME or not person.isprintable():
        raise Malformed(
            "person",
            f"person is '{person[:40]}'.",
            f"Name who will use it, in 1 to {LONGEST_NAME} printable characters.",
        )
    if role not in ROLES:
        raise Malformed("role", f"There is no role '{role[:40]}'.", f"Use one of: {', '.join(ROLES)}.")
    if (role == "exporter") != bool(party):
        raise Malformed("party", "A party goes with the role exporter, and with no other.", "Name it there only.")
    if expires_at <= at:
        raise Malformed("expires_at", f"It would have expired at {expires_at.isoformat()}.", "Name a later moment.")
