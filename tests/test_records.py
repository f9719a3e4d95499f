"""The hash format, recomputed by hand with nothing but hashlib and json, and the order that the journal keeps."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from world import AT, DIFFUSION, H100, Ledger, adopt, closed, license_, move, party, reverse, settle

from ledger.core import records
from ledger.core.records import canonical, fingerprint, next_moment

HERE = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY"}
L1 = {**HERE, "authorization": "L1"}
COLUMNS = "seq, kind, actor, key, scope, scope_seq, recorded_at, payload, payload_salt, judgment, judgment_salt"


@pytest.fixture
def ledger(conn):
    """A ledger with records of many kinds, of two exporters and the ledger's own, in single commits and batches."""
    ledger = Ledger(conn).begin(
        adopt(DIFFUSION, "2025-01-13"), party("nvidia"), party("amd"), party("mydc", "MY"),
        license_("L1", "mydc", "MY"),
    )  # fmt: skip
    grant = ledger.must(move("grant", "2025-06-01", 100, **L1))
    ledger.post(*(move("ship", "2025-06-02", n, **L1) for n in range(1, 40)), move("ship", "2025-06-02", 1, **L1))
    ledger.must(
        move("ship", "2025-06-03", 2_000, **L1, observed=True, note='quotes " and é 漢 \u2028', source="a\tb"),
        move("ship", "2025-06-03", 5, H100, exporter="amd", recipient="mydc", destination="MY", authorization="LPP",
             evidence="consignee-statement=S-1"),
        move("receive", "2025-06-04", 3, recipient="mydc", destination="MY"),
        closed("2025-01-31"),
    )  # fmt: skip
    ledger.ask(move("ship", "2025-06-03", 1, **{**L1, "recipient": "ghost"}))
    ledger.ask(reverse(grant, "2025-07-01"))
    ledger.must(settle(ledger.rows("SELECT min(id) FROM discrepancy")[0][0], "explained"))
    return ledger


def test_every_record_hashes_to_what_anyone_can_recompute_by_hand(ledger):
    leaves = []
    rows = ledger.rows(f"SELECT {COLUMNS}, envelope, leaf_hash FROM journal ORDER BY seq")  # type: ignore[arg-type]
    assert len(rows) > 60
    for seq, _, _, _, scope, scope_seq, at, payload, salt, judgment, judgment_salt, envelope, leaf in rows:
        stated = {
            "v": 1,
            "seq": seq,
            "scope": scope,
            "scope_seq": scope_seq,
            "recorded_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "payload_sha256": sha256(salt + payload).hexdigest(),
            "judged_sha256": sha256(judgment_salt + judgment).hexdigest(),
        }
        assert envelope == json.dumps(stated, sort_keys=True, separators=(",", ":")).encode()
        assert leaf == sha256(b"\x00" + envelope).digest()
        assert len(salt) == len(judgment_salt) == 32
        leaves.append(leaf)
    salts = [salt for row in rows for salt in (row[8], row[10])]
    assert len(set(salts)) == len(salts)

    def root(part):
        if len(part) == 1:
            return part[0]
        k = 1
        while 2 * k < len(part):
            k *= 2
        return sha256(b"\x01" + root(part[:k]) + root(part[k:])).digest()

    assert ledger.rows("SELECT size, root FROM head") == [(len(leaves), root(leaves))]


def test_a_payload_and_a_judgment_are_canonical_json_without_any_fraction(ledger):
    def no_fraction(text):
        raise AssertionError(f"a binary fraction: {text}")

    for payload, judgment in ledger.rows("SELECT payload, judgment FROM journal"):
        for content in (payload, judgment):
            value = json.loads(content, parse_float=no_fraction)
            assert content == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_payload_says_who_asked_for_what_in_which_voice_and_no_more(ledger):
    seq, payload = ledger.rows("SELECT seq, payload FROM journal WHERE actor = 'operator' AND kind = 'movement.posted'"
                               " ORDER BY seq LIMIT 1")[0]  # fmt: skip
    asked = json.loads(payload)
    assert set(asked) == {"actor", "body", "key", "kind", "voice"}
    assert (asked["actor"], asked["kind"], asked["voice"]) == ("operator", "movement", "request")
    assert asked["body"] == {
        "movement": "grant", "effective_on": "2025-06-01", "exporter": "nvidia",
        "lines": [{"chip": H100, "quantity": 100, "destination": "MY", "recipient": "mydc", "authorization": "L1"}],
    }  # fmt: skip
    assert ledger.judgment(seq)["verdict"] == "posted"


def test_numbers_are_dense_and_times_rise(ledger):
    rows = ledger.rows("SELECT seq, recorded_at FROM journal ORDER BY seq")
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    times = [at for _, at in rows]
    assert times == sorted(times)
    assert times[0] == AT
    commits = sorted(set(times))
    assert len(commits) > 15  # one moment for a commit, another for the next
    assert all(later > earlier for earlier, later in itertools.pairwise(commits))


def test_each_scope_has_numbers_of_its_own_without_gaps_and_says_nothing_of_its_exporter(ledger):
    scopes: dict[str, list[int]] = {}
    for scope, scope_seq in ledger.rows("SELECT scope, scope_seq FROM journal ORDER BY seq"):
        scopes.setdefault(scope, []).append(scope_seq)
    assert len(scopes) == 3
    for numbers in scopes.values():
        assert numbers == list(range(1, len(numbers) + 1))
    kept = {party: (scope, size) for scope, party, size in ledger.rows("SELECT scope, party, size FROM scope")}
    assert dict(kept.values()) == {scope: len(each) for scope, each in scopes.items()}
    assert kept[None][0] == "ledger"
    assert not {"nvidia", "amd"} & scopes.keys()
    for exporter in ("nvidia", "amd"):
        actors = "SELECT payload FROM journal WHERE scope = %s"
        bodies = [json.loads(payload)["body"] for (payload,) in ledger.rows(actors, kept[exporter][0])]
        assert {body.get("exporter", exporter) for body in bodies} == {exporter}


def test_a_clock_that_goes_back_or_stands_still_does_not_turn_the_journal_around(conn):
    ledger = Ledger(conn)
    for at in (AT, AT, AT - timedelta(days=1), AT + timedelta(seconds=1)):
        ledger.writer.post([party(f"p{ledger.size()}")], actor="operator", at=at)
    times = [at for (at,) in ledger.rows("SELECT recorded_at FROM journal ORDER BY seq")]
    step = timedelta(microseconds=1)
    assert times == [AT, AT + step, AT + 2 * step, AT + timedelta(seconds=1)]


@pytest.mark.parametrize(("at", "last", "moment"), [
    (AT, None, AT),
    (AT, AT - timedelta(microseconds=1), AT),
    (AT, AT, AT + timedelta(microseconds=1)),
    (AT, AT + timedelta(hours=1), AT + timedelta(hours=1, microseconds=1)),
])  # fmt: skip
def test_a_commit_is_dated_after_the_one_before(at, last, moment):
    assert next_moment(at, last) == moment


def test_a_moment_is_written_in_utc_to_the_microsecond():
    from datetime import timezone

    eastern = datetime(2026, 1, 5, 4, 0, 0, 7, tzinfo=timezone(timedelta(hours=-5)))
    assert records.moment(eastern) == "2026-01-05T09:00:00.000007Z"


@pytest.mark.parametrize(("value", "text"), [
    ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
    ({"é": "é"}, '{"é":"é"}'),
    ("\u2028\x7f/\"\\\n\t\x01", '"\u2028\x7f/\\"\\\\\\n\\t\\u0001"'),
    ({}, "{}"), (10**30, "1" + "0" * 30),
])  # fmt: skip
def test_canonical_json_is_what_rfc_8785_says_for_what_the_ledger_writes(value, text):
    assert canonical(value) == text.encode()


def test_a_fingerprint_is_of_kind_voice_and_body_whatever_the_order_of_fields():
    one = fingerprint("movement", "request", {"a": 1, "b": {"c": "x", "d": 2}})
    assert one == fingerprint("movement", "request", {"b": {"d": 2, "c": "x"}, "a": 1})
    others = [("party", "request", {"a": 1}), ("movement", "observation", {"a": 1}), ("movement", "request", {"a": 2})]
    assert len({fingerprint(*each) for each in others} | {one}) == 4
