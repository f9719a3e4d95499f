"""Checkpoints and proofs: what an auditor recomputes from hashes alone, by hand and on a real journal."""

from __future__ import annotations

import json
import re
import shlex
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from world import Ledger, party

from ledger.cli import app
from ledger.core.errors import NotFound
from ledger.core.merkle import (
    EMPTY_ROOT,
    audit_path,
    consistency_path,
    growth_ranges,
    leaf_hash,
    path_ranges,
    range_roots,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from ledger.reports import Reader, checkpoint, prove, prove_growth

DAY = date(2026, 1, 5)
# The classic leaves of the RFC 6962 tests.
CLASSIC = [
    leaf_hash(bytes.fromhex(text))
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
LEAVES = [leaf_hash(str(n).encode()) for n in range(70)]


def mth(leaves):
    """RFC 6962 section 2.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = largest_power(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def largest_power(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def path(m, leaves):
    """RFC 6962 section 2.1.1, word for word."""
    n = len(leaves)
    if n == 1:
        return []
    k = largest_power(n)
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m, leaves, is_whole=True):
    """RFC 6962 section 2.1.2, word for word."""
    n = len(leaves)
    if m == n:
        return [] if is_whole else [mth(leaves)]
    k = largest_power(n)
    if m <= k:
        return [*subproof(m, leaves[:k], is_whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


# The arithmetic


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 1, []),
        (0, 2, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"]),
        (1, 2, ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"]),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ],
)
def test_the_classic_leaves_give_the_classic_audit_paths(index, size, proof):
    found = audit_path(CLASSIC, index, size)
    assert [each.hex() for each in found] == proof
    assert verify_inclusion(CLASSIC[index], index, size, found, root_of(CLASSIC[:size]))


def test_the_classic_leaves_give_the_classic_consistency_proof():
    assert [each.hex() for each in consistency_path(CLASSIC, 1, 8)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


def test_paths_are_as_the_law_of_the_tree_says_for_every_leaf_of_every_small_tree():
    for size in range(1, 34):
        for index in range(size):
            assert audit_path(LEAVES, index, size) == path(index, LEAVES[:size])


def test_growth_is_proven_as_the_law_of_the_tree_says_for_every_two_small_trees():
    for new in range(1, 34):
        for old in range(1, new + 1):
            assert consistency_path(LEAVES, old, new) == subproof(old, LEAVES[:new])


def test_a_path_of_a_tree_of_a_million_leaves_names_twenty_subtrees():
    ranges = path_ranges(123_456, 1 << 20)
    assert len(ranges) == 20
    assert sorted([*ranges, (123_456, 123_457)])[0][0] == 0
    assert sum(high - low for low, high in ranges) == (1 << 20) - 1


@given(st.integers(1, 70), st.data())
def test_every_leaf_is_proven_and_no_other_place_leaf_size_root_or_path_is(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof, root = audit_path(LEAVES, index, size), root_of(LEAVES[:size])
    assert verify_inclusion(LEAVES[index], index, size, proof, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index)) if size > 1 else None
    if other is not None:
        assert not verify_inclusion(LEAVES[other], index, size, proof, root)
        assert not verify_inclusion(LEAVES[index], other, size, proof, root)
        assert not verify_inclusion(LEAVES[index], index, size, proof[:-1], root)
        assert not verify_inclusion(LEAVES[index], index, size, [*proof[1:], proof[0]], root) or len(set(proof)) == 1
    assert not verify_inclusion(LEAVES[index], index, size, [*proof, LEAVES[0]], root)
    assert not verify_inclusion(LEAVES[index], index, size, proof, LEAVES[0]) or size == 1
    assert not verify_inclusion(LEAVES[index], index - size, size, proof, root)
    assert not verify_inclusion(LEAVES[index], size, size, proof, root)


@given(st.integers(0, 70), st.integers(0, 70), st.data())
def test_growth_is_proven_and_a_changed_beginning_is_not(one, other, data):
    old, new = sorted((one, other))
    proof = consistency_path(LEAVES, old, new)
    old_root, new_root = root_of(LEAVES[:old]), root_of(LEAVES[:new])
    assert verify_consistency(old, new, old_root, new_root, proof)
    assert not verify_consistency(old, new, old_root, new_root, [*proof, LEAVES[0]])
    assert not verify_consistency(new + 1, new, old_root, new_root, proof)
    if 0 < old < new:
        changed = list(LEAVES)
        changed[data.draw(st.integers(0, old - 1))] = leaf_hash(b"changed")
        assert not verify_consistency(old, new, root_of(changed[:old]), new_root, proof)
        rewritten = consistency_path(changed, old, new)
        assert not verify_consistency(old, new, old_root, root_of(changed[:new]), rewritten)
        assert not verify_consistency(old, new, old_root, new_root, proof[:-1])


def test_every_journal_begins_with_the_empty_one_and_nothing_else_is_empty():
    root = root_of(LEAVES[:5])
    assert verify_consistency(0, 5, EMPTY_ROOT, root, [])
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not verify_consistency(0, 5, root, root, [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, root, [root])
    assert not verify_consistency(0, 0, EMPTY_ROOT, root, [])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_what_is_no_hash_proves_nothing(length):
    two = root_of(LEAVES[:2])
    assert not verify_inclusion(LEAVES[0], 0, 2, [b"x" * length], two)
    assert not verify_consistency(1, 2, LEAVES[0], two, [b"x" * length])


def test_ranges_may_overlap_and_an_empty_one_has_the_empty_root():
    ranges = [(0, 7), (3, 4), (2, 6), (5, 5)]
    assert range_roots(iter(LEAVES), ranges) == [mth(LEAVES[low:high]) for low, high in ranges]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: path_ranges(5, 5),
        lambda: path_ranges(-1, 5),
        lambda: growth_ranges(6, 5),
        lambda: growth_ranges(-1, 5),
        lambda: audit_path(LEAVES[:4], 0, 5),
    ],
)
def test_what_the_tree_does_not_hold_is_not_proven(ask):
    with pytest.raises(ValueError, match=r"leaf|leaves"):
        ask()


# On a journal


@pytest.fixture
def ledger(conn) -> Ledger:
    """A journal of thirteen records."""
    ledger = Ledger(conn)
    ledger.must(*(party(f"p{n}") for n in range(13)))
    return ledger


@pytest.fixture
def say(dsn, tmp_path):
    """Run a line of the command line with --json; return what it says, or fail unless it ends with the status."""

    def run(line: str, status: int = 0) -> Any:
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path)}
        result = CliRunner().invoke(app, shlex.split(line), env=env)
        assert result.exit_code == status, result.output
        return json.loads(result.stdout) if "--json" in line and not status else result

    return run


def leaves_of(ledger):
    return [bytes(leaf) for (leaf,) in ledger.rows("SELECT leaf_hash FROM journal ORDER BY seq")]


@pytest.mark.parametrize("known", [None, 0, 1, 8, 12, 13])
def test_a_checkpoint_of_any_record_has_the_root_that_its_leaves_give(ledger, conn, known):
    leaves = leaves_of(ledger)
    with Reader(conn).view(on=DAY, known=known) as view:
        found = checkpoint(view)
    assert (found.size, found.root) == (view.known, mth(leaves[: view.known]).hex())
    assert (found.recorded_at is None) == (known == 0)


def test_every_record_is_proven_from_its_envelope_alone(ledger, conn):
    for known in (9, 13):
        for seq in range(1, known + 1):
            with Reader(conn).view(on=DAY, known=known) as view:
                proof = prove(view, seq).body()
            leaf = sha256(b"\0" + proof["envelope"].encode()).digest()
            hashes = [bytes.fromhex(each) for each in proof["path"]]
            assert verify_inclusion(leaf, proof["index"], proof["size"], hashes, bytes.fromhex(proof["root"]))
            assert (leaf.hex(), json.loads(proof["envelope"])["seq"]) == (proof["leaf_hash"], seq)


def test_a_proof_checks_with_the_few_lines_that_the_documentation_prints(ledger, conn):
    text = (Path(__file__).parent.parent / "docs" / "statements.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    printed: dict[str, Any] = {}
    exec(code, printed)
    with Reader(conn).view(on=DAY, known=11) as view:
        proofs = [prove(view, seq).body() for seq in range(1, 12)]
    for proof in proofs:
        asked = {name: proof[name] for name in ("envelope", "index", "size", "path", "root")}
        assert printed["verify"](**asked)
        assert not printed["verify"](**asked | {"envelope": proof["envelope"] + " "})
        assert not printed["verify"](**asked | {"root": proofs[0]["leaf_hash"]})


@pytest.mark.parametrize("since", [0, 1, 4, 7, 13])
def test_an_earlier_checkpoint_is_proven_to_be_the_beginning(ledger, conn, since):
    with Reader(conn).view(on=DAY) as view:
        growth = prove_growth(view, since)
    hashes = [bytes.fromhex(each) for each in growth.path]
    roots = [bytes.fromhex(each.root) for each in (growth.old, growth.new)]
    assert verify_consistency(since, 13, *roots, hashes)
    assert roots[0] == mth(leaves_of(ledger)[:since])


@pytest.mark.parametrize(("known", "seq"), [(None, 14), (None, 0), (9, 10), (0, 1)])
def test_a_record_that_is_not_there_is_not_proven(ledger, conn, known, seq):
    with Reader(conn).view(on=DAY, known=known) as view, pytest.raises(NotFound):
        prove(view, seq)


def test_growth_from_what_never_was_is_not_proven(ledger, conn):
    with Reader(conn).view(on=DAY, known=9) as view, pytest.raises(NotFound):
        prove_growth(view, 10)


def test_the_command_line_gives_the_checkpoint_and_proofs(ledger, say):
    leaves = leaves_of(ledger)
    at = say("checkpoint --known 9 --json")
    assert (at["size"], at["root"], at["journal"]) == (9, mth(leaves[:9]).hex(), 13)
    assert say("checkpoint --json")["root"] == mth(leaves).hex()
    grown = say("checkpoint --since 9 --json")["since"]
    assert (grown["size"], grown["root"]) == (9, at["root"])
    assert [bytes.fromhex(each) for each in grown["path"]] == subproof(9, leaves)
    proof = say("prove 4 --known 9 --json")
    assert [bytes.fromhex(each) for each in proof["path"]] == path(3, leaves[:9])
    assert (proof["root"], proof["seq"], proof["journal"]) == (at["root"], 4, 13)


def test_the_command_line_says_the_same_to_people(ledger, say):
    root = mth(leaves_of(ledger)).hex()
    assert root in say("checkpoint").stdout
    assert "13 records" in say("checkpoint").stdout
    told = say("prove 4").stdout
    assert root in told
    assert "Record 4 is among" in told


def test_the_command_line_says_that_a_record_is_not_there(ledger, say):
    result = say("prove 14", status=2)
    assert "14 is not one of them" in result.stderr
    assert len(result.stderr.splitlines()) == 1
