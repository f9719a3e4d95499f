"""The tree arithmetic of RFC 6962, against the eight leaves that every implementation is tried with."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash, node_hash, root_of

# The classic eight leaves of Certificate Transparency's tests, and the root after each.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_classic_leaves_give_the_classic_roots(size):
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert root_of(leaves).hex() == ROOTS[size - 1]


def test_an_empty_tree_is_the_hash_of_nothing():
    assert root_of([]) == EMPTY_ROOT == sha256(b"").digest()
    assert Frontier().packed() == b""


def test_a_leaf_is_never_taken_for_a_node():
    left, right = leaf_hash(b"l"), leaf_hash(b"r")
    assert leaf_hash(left + right) != node_hash(left, right)


def recursive(leaves):
    """RFC 6962 section 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + recursive(leaves[:k]) + recursive(leaves[k:])).digest()


@given(st.integers(1, 200), st.integers(0, 200))
def test_a_frontier_kept_as_bytes_grows_as_the_whole_tree_does(size, kept_at):
    leaves = [leaf_hash(str(n).encode()) for n in range(size)]
    frontier = Frontier()
    for n, leaf in enumerate(leaves):
        if n == kept_at:
            frontier = Frontier(frontier.size, frontier.packed())
        frontier.append(leaf)
    assert (frontier.size, frontier.root()) == (size, recursive(leaves))
    assert len(frontier.packed()) == HASH_BYTES * size.bit_count()


def test_a_frontier_of_13_leaves_is_three_hashes_largest_first():
    leaves = [leaf_hash(str(n).encode()) for n in range(13)]
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert frontier.hashes == [recursive(leaves[:8]), recursive(leaves[8:12]), leaves[12]]


@pytest.mark.parametrize(("size", "length"), [(1, 0), (1, 64), (3, 32), (0, 32), (4, 31)])
def test_a_frontier_that_cannot_be_one_is_not_built_upon(size, length):
    with pytest.raises(ValueError, match="frontier"):
        Frontier(size, b"x" * length)
