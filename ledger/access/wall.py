"""The second wall: a transaction in which the database shows only what the one who asks may see.

Every exporter has a role in the database, without a login, named by an opaque id. Row-level security lets it read its
own rows and no other's, whatever is asked. It keeps queries apart, not programs: a statement that changes the role
leaves it, so nothing that a person types is ever run as SQL.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus

from ledger.access.principal import Principal
from ledger.access.telling import told
from ledger.core.errors import Unusable
from ledger.core.judgments import refusal_of
from ledger.core.records import REQUEST_REFUSED
from ledger.store.source import Connection
from schema.queries import SQL

ROLES = {"regulator": "capledger_regulator", "operator": "capledger_regulator", "auditor": "capledger_auditor"}
MOST = 1_000  # records in one answer
# What the database can be asked about, by what it is named by, with the words for it in the log.
THINGS = {
    "record": "records",  # of its own scope, by number
    "fact": "facts",  # of its own party and authorizations, by the record that stated them
    "posted": "records of entries and facts",  # that made an entry of its own chips, or stated a fact of its own
    "profile": "profiles",  # of its own chips
    "party": "parties",  # itself
    "named": "parties that are named",  # by its own authorizations and chips, itself included
}
MOST_REMEMBERED, MOST_LOGGED = 100_000, 20
LOG = logging.getLogger(__name__)
_SAID: set[str] = set()  # what the log said once since this program began
# Facts that a database showed to a party once: neither changes. A changed authorization is another fact.
_SHOWN: WeakKeyDictionary[Connection, set[tuple[str, Hashable]]] = WeakKeyDictionary()
T = TypeVar("T", int, str)


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """One record of an exporter's: what was asked, by whom, and what became of it, with what proves it.

    scope_seq: its number among the exporter's records, without gaps. verdict: `posted` or `refused`; code, message and
    remedy say why, as the exporter was told. payload, payload_salt and envelope are the bytes that were hashed.
    """

    seq: int
    scope_seq: int
    recorded_at: datetime
    kind: str
    actor: str
    key: str | None
    verdict: str
    code: str
    message: str
    remedy: str
    payload: bytes
    payload_salt: bytes
    envelope: bytes
    leaf_hash: str

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "seq": self.seq, "scope_seq": self.scope_seq, "recorded_at": self.recorded_at.isoformat(),
            "kind": self.kind, "actor": self.actor, "key": self.key, "verdict": self.verdict, "code": self.code,
            "message": self.message, "remedy": self.remedy, "payload": json.loads(self.payload),
            "payload_salt": self.payload_salt.hex(), "envelope": self.envelope.decode(), "leaf_hash": self.leaf_hash,
        }  # fmt: skip


@contextmanager
def behind(conn: Connection, principal: Principal) -> Iterator[Connection]:
    """Run a transaction that only reads, from one snapshot, in the database role of whoever asks.

    The connection must not be in a transaction. Afterwards it has its own role again, whatever happened.

    Raises:
        Unusable: the public has no role, or the server has none for this exporter.
    """
    if conn.info.transaction_status is not TransactionStatus.IDLE:
        raise RuntimeError("a transaction is under way: its end, not the wall's, would end the role")
    with conn.transaction():
        conn.execute(SQL["snapshot"])
        if role := _role_of(conn, principal):
            _become(conn, role, principal)
        yield conn


def shown(conn: Connection, principal: Principal, asked: Collection[T], thing: str = "record") -> frozenset[T]:
    """Return which of some things may be told to whoever asks: of an exporter, those that the database shows its role.

    Asked in the open transaction, so from the snapshot that they were read in, which has its own role again afterwards,
    whatever happened. What the program would have told and the database hides is an error in the log. Where an exporter
    has no role, all of them may be told: the program alone keeps rows apart, and the log says so once, but for who was
    let in without a wall on purpose.

    Args:
        thing: what they are, one of THINGS. Facts that were shown once are not asked about again on a connection.
    """
    wanted = frozenset(asked)
    if principal.role != "exporter" or not wanted:
        return wanted
    kept = _SHOWN.setdefault(conn, set()) if thing == "fact" else set[tuple[str, Hashable]]()
    new = frozenset(each for each in wanted if (principal.party, each) not in kept)
    if not new:
        return wanted
    try:
        role = _role_of(conn, principal)
        if not role:
            return wanted
        with conn.transaction(force_rollback=True):  # what is set in it ends with it
            _become(conn, role, principal)
            found = frozenset(each for (each,) in conn.execute(SQL[f"shown_{thing}"], {"asked": list(new)}))
    except Unusable as problem:
        _say_once(f"{problem.message} The program alone keeps them apart. {problem.remedy}")
        return wanted
    if hidden := new - found:  # a name would tell the log whose it is
        numbers = [] if thing in ("party", "named") else sorted(hidden)[:MOST_LOGGED]
        LOG.error("The two walls disagree: the database hides from %s what the program would have shown: %d %s %s.",
                  principal.party, len(hidden), THINGS[thing], numbers or "")  # fmt: skip
    if len(kept) > MOST_REMEMBERED:
        kept.clear()
    kept.update((principal.party, each) for each in found)
    return wanted - hidden


def own_records(conn: Connection, principal: Principal, after: int = 0, limit: int = 100) -> list[OwnRecord]:
    """Return an exporter's own records after a journal number, oldest first, at most `limit` (and 1,000).

    The rows come from behind the wall. Why one of them was refused is looked up afterwards, for those alone, and told
    as the exporter was told it.
    """
    wanted = {"party": principal.party, "after": after, "limit": max(0, min(limit, MOST))}
    with behind(conn, principal):
        rows = conn.execute(SQL["own_records"], wanted).fetchall()
    refused = [row[0] for row in rows if row[1] == REQUEST_REFUSED]
    with conn.transaction():
        answers = conn.execute(SQL["answers"], {"seqs": refused}).fetchall() if refused else []
    why = {seq: told(principal, *refusal_of(judgment)) for seq, _, judgment in answers}
    return [
        OwnRecord(
            seq, scope_seq, at, kind, actor, key, "refused" if kind == REQUEST_REFUSED else "posted",
            *why.get(seq, ("", "", "")), payload, salt, envelope, leaf_hash.hex(),
        )
        for seq, kind, actor, key, scope_seq, at, payload, salt, envelope, leaf_hash in rows
    ]  # fmt: skip


def raise_wall(conn: Connection, party: str, *, must: bool = True) -> None:
    """Make sure that a party has a role in this database, in the open transaction.

    Args:
        must: False lets a party go without one where the server makes none, and notes that this was chosen.

    Raises:
        Unusable: the server does not let this login make roles.
    """
    if _stands(conn, party):
        return
    conn.execute(SQL["one_wall_at_a_time"])
    if _stands(conn, party):  # by who was first
        return
    role = f"capledger_x_{secrets.token_hex(8)}"
    try:
        with conn.transaction():
            conn.execute(SQL["make_party_role"], {"role": role})
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
        if must:
            reason = (error.diag.message_primary or "no reason was given").rstrip(".")
            raise Unusable(
                "no_second_wall",
                f"The database server did not make the role that keeps {party}'s rows apart: {reason}.",
                "Connect as a user with CREATEROLE, or issue the key with --without-wall: then the program alone keeps "
                "them apart.",
            ) from error
        role = ""
    conn.execute(SQL["name_party_role"], {"party": party, "role": role or None})


def raise_for_token(conn: Connection, principal: Principal) -> None:
    """Make sure that the party of a token has a role, in the open transaction, as a first key would have made it.

    Where this login may not make it, that is said in the log once, and not tried again. A party that is not registered
    has no rows to be kept apart; one that was let in without a wall on purpose stays so.
    """
    party = principal.party
    if principal.role != "exporter" or f"token {party}" in _SAID:
        return
    row = conn.execute(SQL["party_role"], {"party": party}).fetchone()
    if row and (row[0] is None or row[1]):
        return
    known = conn.execute(SQL["knows_party"], {"party": party}).fetchone()
    if not (known and known[0]):
        return
    try:
        with conn.transaction():
            raise_wall(conn, party)
    except (Unusable, psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as error:
        _SAID.add(f"token {party}")
        LOG.warning("A token came for %s, which has no role in the database, and none was made: %s", party, error)


def _become(conn: Connection, role: str, principal: Principal) -> None:
    try:
        conn.execute(SQL["become"], {"role": role})
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue) as error:
        raise _no_role(principal.party or principal.role) from error


def _say_once(words: str) -> None:
    if words not in _SAID:
        _SAID.add(words)
        LOG.warning(words)


def _role_of(conn: Connection, principal: Principal) -> str:
    """Return the role to act as; "" where a party goes without one by choice."""
    if principal.role != "exporter":
        if principal.role not in ROLES:
            raise _no_role(principal.role)
        return ROLES[principal.role]
    row = conn.execute(SQL["party_role"], {"party": principal.party}).fetchone()
    if row is None or (row[0] and not row[1]):
        raise _no_role(principal.party)
    return row[0] or ""


def _stands(conn: Connection, party: str) -> bool:
    row = conn.execute(SQL["party_role"], {"party": party}).fetchone()
    return bool(row and row[0] and row[1])


def _no_role(whose: str) -> Unusable:
    return Unusable(
        "no_second_wall",
        f"The database has no role for {whose}, which would keep its rows apart.",
        "Issue a key for it: that makes the role.",
    )
