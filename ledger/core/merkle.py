"""RFC 6962 tree arithmetic over hashes: leaves, nodes, the frontier that a growing tree needs, and proofs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import islice

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


Range = tuple[int, int]  # leaves from one index up to, and without, another


def path_ranges(index: int, size: int) -> list[Range]:
    """Return the subtrees beside the way from a leaf to the root of a tree of `size` leaves, lowest first.

    Errors: ValueError where the tree has no such leaf. Source: RFC 9162 section 2.1.3.1.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    ranges: list[Range] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def growth_ranges(old: int, new: int) -> list[Range]:
    """Return the subtrees that prove a tree of `old` leaves to be the beginning of one of `new`, in the proof's order.

    Nothing is needed where one of them is empty or they are the same. Errors: ValueError where the tree shrinks.
    Source: RFC 9162 section 2.1.4.1.
    """
    if not 0 <= old <= new:
        raise ValueError(f"A tree of {new} leaves did not grow out of one of {old}.")
    ranges: list[Range] = []
    low, high, is_whole = 0, new, True
    while old and low + old < high:
        middle = low + _split(high - low)
        if low + old <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            old, low, is_whole = old - (middle - low), middle, False
    if not is_whole:
        ranges.append((low, high))
    return ranges[::-1]


def range_roots(leaves: Iterable[bytes], ranges: Iterable[Range]) -> list[bytes]:
    """Return the Merkle tree hash of each range, in one pass over the leaf hashes and in little memory.

    Ranges may overlap. Errors: ValueError where there are fewer leaves than a range needs.
    """
    wanted = list(ranges)
    found: dict[Range, bytes] = {each: EMPTY_ROOT for each in wanted if each[0] == each[1]}
    waiting = sorted(set(wanted) - found.keys(), reverse=True)
    growing: list[tuple[Range, Frontier]] = []
    end = max((high for _, high in waiting), default=0)
    index = 0
    for leaf in islice(leaves, end):
        while waiting and waiting[-1][0] == index:
            growing.append((waiting.pop(), Frontier()))
        index += 1
        for span, frontier in growing:
            frontier.append(leaf)
            if span[1] == index:
                found[span] = frontier.root()
        growing = [each for each in growing if each[0][1] > index]
    if index < end:
        raise ValueError(f"There are {index} leaves, not {end}.")
    return [found[each] for each in wanted]


def audit_path(leaves: Iterable[bytes], index: int, size: int) -> list[bytes]:
    """Return the proof that a leaf is in the tree of the first `size` leaf hashes. Source: RFC 9162 section 2.1.3.1."""
    return range_roots(leaves, path_ranges(index, size))


def consistency_path(leaves: Iterable[bytes], old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `new` leaves begins with that of `old`. Source: RFC 9162 section 2.1.4.1."""
    return range_roots(leaves, growth_ranges(old, new))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Return whether a leaf hash is leaf `index` of the tree with that size and root.

    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size or not _are_hashes([leaf, root, *path]):
        return False
    position, last, hashed = index, size - 1, leaf
    for beside in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            hashed = node_hash(beside, hashed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            hashed = node_hash(hashed, beside)
        position, last = position >> 1, last >> 1
    return last == 0 and hashed == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Return whether the tree of `new` leaves and root begins with the tree of `old` leaves and root.

    Every tree begins with the empty one, whose root is known: that needs no path and allows none.
    Source: RFC 9162 section 2.1.4.2.
    """
    if not 0 <= old <= new or not _are_hashes([old_root, new_root, *path]):
        return False
    if old == 0:
        return not path and old_root == EMPTY_ROOT and (new > 0 or new_root == EMPTY_ROOT)
    if old == new:
        return not path and old_root == new_root
    hashes = list(path) if old & (old - 1) else [old_root, *path]  # a whole subtree proves itself
    if not hashes:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    before = after = hashes[0]
    for beside in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            before, after = node_hash(beside, before), node_hash(beside, after)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            after = node_hash(after, beside)
        position, last = position >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least two."""
    return 1 << (size - 1).bit_length() - 1


def _are_hashes(hashes: Iterable[bytes]) -> bool:
    return all(len(each) == HASH_BYTES for each in hashes)
