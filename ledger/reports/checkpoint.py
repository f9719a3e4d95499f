"""The journal's size and root at a record, and proofs against them that need nothing but hashes to check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ledger.core import merkle
from ledger.core.errors import NotFound
from ledger.reports.reader import View
from ledger.store.stream import leaf_hashes
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How many records there are, and the root of their tree as hex. recorded_at: of the last one, None for none."""

    size: int
    root: str
    recorded_at: datetime | None

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        at = self.recorded_at
        return {"size": self.size, "root": self.root, "recorded_at": at.isoformat() if at else None}


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The proof that a record is in the journal as it was at a checkpoint. Hashes are hex; index is seq - 1.

    Anyone can check it: the leaf hash is SHA-256 of a zero byte and the envelope's bytes, and the path leads from it to
    the root (RFC 9162 section 2.1.3.2).
    """

    seq: int
    envelope: str
    leaf_hash: str
    path: tuple[str, ...]
    checkpoint: Checkpoint

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "seq": self.seq, "index": self.seq - 1, **self.checkpoint.body(), "envelope": self.envelope,
            "leaf_hash": self.leaf_hash, "path": list(self.path),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Growth:
    """The proof that the journal at one checkpoint begins with all that it held at an earlier one (RFC 9162 2.1.4)."""

    old: Checkpoint
    new: Checkpoint
    path: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"old": self.old.body(), "new": self.new.body(), "path": list(self.path)}


def checkpoint(view: View) -> Checkpoint:
    """Return the checkpoint of the view's record. At the journal's end it is kept; before, leaf hashes are read."""
    return _checkpoint(view, view.known)


def prove(view: View, seq: int) -> Inclusion:
    """Return the proof that a record is among those up to the view's record.

    Raises:
        NotFound: it is not.
    """
    _must_be_there(seq, view.known, first=1)
    row = view.conn.execute(SQL["sealed"], {"seq": seq}).fetchone()
    assert row
    envelope, leaf = row
    path = merkle.audit_path(_leaves(view), seq - 1, view.known)
    at = checkpoint(view)
    assert merkle.verify_inclusion(leaf, seq - 1, at.size, path, bytes.fromhex(at.root)), "the journal is not intact"
    return Inclusion(seq, bytes(envelope).decode(), leaf.hex(), tuple(each.hex() for each in path), at)


def prove_growth(view: View, since: int) -> Growth:
    """Return the proof that the journal up to the view's record begins with its first `since` records.

    Raises:
        NotFound: it was never so long by then.
    """
    _must_be_there(since, view.known, first=0)
    path = merkle.consistency_path(_leaves(view), since, view.known)
    return Growth(_checkpoint(view, since), checkpoint(view), tuple(each.hex() for each in path))


def _checkpoint(view: View, size: int) -> Checkpoint:
    at = view.conn.execute(SQL["recorded_at"], {"seq": size}).fetchone()
    if size == view.size:
        row = view.conn.execute(SQL["head"]).fetchone()
        root = bytes(row[4]) if row else merkle.EMPTY_ROOT
    else:
        root = merkle.root_of(leaf_hashes(view.conn, size))
    return Checkpoint(size, root.hex(), at[0].astimezone(UTC) if at else None)


def _leaves(view: View) -> Iterator[bytes]:
    return leaf_hashes(view.conn, view.known)


def _must_be_there(seq: int, known: int, *, first: int) -> None:
    if not first <= seq <= known:
        raise NotFound(
            f"The journal has {known:,} records there; {seq:,} is not one of them.",
            "Ask for an earlier one, or for a later --known.",
        )
