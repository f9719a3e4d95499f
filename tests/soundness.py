"""What must hold in any ledger at any moment, whoever raced or was killed: recomputed here from the journal's bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

import psycopg

from ledger.core.knowledge import Knowledge
from ledger.core.lens import Lens
from ledger.positions import learn
from ledger.store.source import Profiles
from ledger.store.sums import counters_of

Connection = psycopg.Connection[Any]


@dataclass
class Lot:
    """A lot's facts and what its entries leave of it."""

    stage: str
    amount: Decimal
    unit: str
    open: Decimal = Decimal(0)
    in_transit: Decimal = Decimal(0)
    installed: Decimal = Decimal(0)


def assert_sound(conn: Connection) -> None:
    """Assert that the journal is whole and in order, and that every projection is what the journal makes of it."""
    conn.rollback()
    conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert_journal_whole(conn)
    assert_entries_and_lots_follow(conn)
    assert_counters_follow(conn)
    assert_keys_follow(conn)
    conn.rollback()


def assert_journal_whole(conn: Connection) -> None:
    """Numbers and scope numbers without gaps, moments in order, hashes that match, and a head over all of it."""
    size, root, recorded_at = conn.execute("SELECT size, root, recorded_at FROM head").fetchone()
    leaves, in_scope, moments = [], Counter[str](), []
    rows = conn.execute(
        "SELECT seq, scope, scope_seq, recorded_at, payload, payload_salt, judgment, judgment_salt, envelope, leaf_hash"
        " FROM journal ORDER BY seq"
    )
    for n, (seq, scope, scope_seq, at, payload, salt, judgment, judgment_salt, envelope, leaf) in enumerate(rows, 1):
        assert seq == n
        in_scope[scope] += 1
        assert scope_seq == in_scope[scope]
        stated = json.loads(envelope)
        assert stated["payload_sha256"] == sha256(salt + payload).hexdigest()
        assert stated["judged_sha256"] == sha256(judgment_salt + judgment).hexdigest()
        assert (stated["seq"], stated["scope"], stated["scope_seq"]) == (seq, scope, scope_seq)
        assert leaf == sha256(b"\0" + envelope).digest()
        leaves.append(leaf)
        moments.append(at)
    assert size == len(leaves)
    assert root == tree_hash(leaves)
    assert moments == sorted(moments)
    assert not moments or moments[-1] == recorded_at
    assert dict(conn.execute("SELECT scope, size FROM scope").fetchall()) == in_scope


def tree_hash(leaves: list[bytes]) -> bytes:
    """Return the hash of a tree from its definition. Source: RFC 6962 section 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1" + tree_hash(leaves[:half]) + tree_hash(leaves[half:])).digest()


def assert_entries_and_lots_follow(conn: Connection) -> None:
    """Entries and lots are those that the judgments state, all of them and no more."""
    lots: dict[str, Lot] = {}
    entries = []
    for seq, judgment in _judgments(conn):
        for stated in judgment.get("lots", ()):
            lots[f"{seq}.{stated['line']}"] = Lot(stated["stage"], Decimal(stated["amount"]), stated["unit"])
        for n, stated in enumerate(judgment.get("entries", ()), 1):
            chips, tpp = stated.get("chips"), Decimal(stated["tpp"])
            entries.append((seq, n, stated["line"], stated["stage"], stated.get("cause"), stated["lot"], chips, tpp))
            lot = lots[stated["lot"]]
            amount = Decimal(chips or 0) if lot.unit == "chips" else tpp
            if stated["stage"] in ("open", "reserved"):
                lot.open += amount
            elif stated["stage"] == "installed":
                lot.installed += amount
            elif stated["stage"] != "licensed":
                lot.in_transit += amount if stated["stage"] == "shipped" else -amount
    kept = conn.execute(
        "SELECT seq, n, line, stage, cause, lot_seq || '.' || lot_line, chips, tpp FROM entry ORDER BY seq, n"
    ).fetchall()
    assert kept == entries
    rows = conn.execute("SELECT seq || '.' || line, stage, amount, unit, open, in_transit, installed FROM lot")
    assert {name: Lot(*rest) for name, *rest in rows} == lots


def assert_counters_follow(conn: Connection) -> None:
    """Counters are what the lens makes of all entries, for every rulebook ever adopted."""
    known = conn.execute("SELECT size FROM head").fetchone()[0]
    lenses = [Lens(adoption.book, adoption.seq) for adoption in learn(conn, Knowledge(), known).adoptions]
    fresh = {
        (*key, day): tuple(amount)
        for key, days in counters_of(conn, lenses, Profiles(conn), known).items()
        for day, amount in days.items()
        if any(amount)
    }
    kept = {
        row[:5]: row[5:]
        for row in conn.execute(
            "SELECT book, cap, subject, window_from, day, tpp, chips, doubt_tpp, doubt_chips, unstated_tpp"
            " FROM counter_day"
        )
        if any(row[5:])
    }
    wrong = {
        key: (kept.get(key), fresh.get(key)) for key in kept.keys() | fresh.keys() if kept.get(key) != fresh.get(key)
    }
    assert wrong == {}, wrong


def assert_keys_follow(conn: Connection) -> None:
    """A key stands for the record that was made under it, and every posted record's key is kept."""
    rows = conn.execute(
        "SELECT k.organization, k.key, j.actor, j.key FROM request_key k LEFT JOIN journal j USING (seq)"
    ).fetchall()
    for organization, key, actor, recorded in rows:
        assert (organization, key) == (actor, recorded)
    posted = [tuple(row) for row in _posted(conn)]
    assert len(posted) == len(set(posted))
    assert set(posted) <= {(organization, key) for organization, key, _, _ in rows}


def recorded_keys(conn: Connection) -> Counter[str]:
    """Return how many movements were posted under each key."""
    found = Counter(key for _, key in conn.execute("SELECT actor, key FROM journal WHERE kind = 'movement.posted'"))
    conn.rollback()
    return found


def _posted(conn: Connection) -> Iterator[tuple[str, str]]:
    yield from conn.execute("SELECT actor, key FROM journal WHERE kind = 'movement.posted' AND key IS NOT NULL")


def _judgments(conn: Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    for seq, judgment in conn.execute(
        "SELECT seq, judgment FROM journal WHERE kind = 'movement.posted' ORDER BY seq"
    ).fetchall():
        yield seq, json.loads(judgment)
