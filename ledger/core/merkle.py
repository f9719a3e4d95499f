"""RFC 6962 tree arithmetic over hashes: leaves, nodes, and the frontier that a growing tree needs."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf. Source: RFC 6962 section 2.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node. Source: RFC 6962 section 2.1."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the full subtrees that make up a tree, largest first: all that appending needs.

    A tree of 13 leaves keeps three hashes, of 8, 4 and 1 leaves. Its bytes are those hashes one after another.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, packed: bytes = b"") -> None:
        if len(packed) != HASH_BYTES * size.bit_count():
            raise ValueError(f"A frontier of {size} leaves has {size.bit_count()} hashes, not {len(packed)} bytes.")
        self.size = size
        self.hashes = [packed[i : i + HASH_BYTES] for i in range(0, len(packed), HASH_BYTES)]

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right end."""
        size, hashes = self.size, self.hashes
        while size & 1:
            leaf = node_hash(hashes.pop(), leaf)
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the Merkle tree hash."""
        if not self.hashes:
            return EMPTY_ROOT
        *rest, root = self.hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root

    def packed(self) -> bytes:
        """Return the frontier as bytes, 32 for each set bit of the size."""
        return b"".join(self.hashes)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the Merkle tree hash of a sequence of leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()
