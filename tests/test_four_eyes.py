"""A second person: what is held back for one, proposals and decisions, and that nothing gets around them."""

from __future__ import annotations

import json
import threading
from decimal import Decimal

import psycopg
import pytest
from client import PATIENCE_SECONDS, connected, gate, pass_gate
from soundness import assert_sound
from world import AT, H100, Ledger, adopt, book, change, license_, move, party, reverse

from ledger.core import four_eyes
from ledger.core.errors import Malformed
from ledger.core.facts import FourEyes
from ledger.posting import Request, Writer, writer
from ledger.reconcile import check, rebuild
from ledger.store import writing

TPP = 15_832
HERE = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY"}
ALL = "adoption; grant; reverse; override"
PRESUMED = """
  - {name: closed-door, law: article 7, where: {destination: [CN]}, answer: presume_deny}
  - {name: open-door, law: article 8, where: {destination: [MY]}, answer: permit}"""
TEXT = book(f"name: country, counts: granted, by: [destination], limit: {10 * TPP} TPP", rules=PRESUMED[1:])
numbers = iter(range(1, 10_000))


@pytest.fixture
def ledger(conn):
    """A cap of 10 H100 on Malaysia, and a license for them."""
    return Ledger(conn).begin(
        adopt(TEXT, "2025-01-01"), party("nvidia"), party("mydc", "MY"), party("cnco", "CN"),
        license_("L1", "mydc", "MY"),
    )  # fmt: skip


def require(kinds=ALL, above="", key=""):
    return Request("four_eyes", key or f"four eyes {next(numbers)}", {"kinds": kinds, "grant_above": above})


def grant(chips, key="", **more):
    return move("grant", "2026-02-01", chips, key=key, **{**HERE, "authorization": "L1", **more})


def propose(request, key="", note=""):
    raw = {"kind": request.kind, "key": request.key, "body": request.raw, "note": note}
    if request.observed:
        raw["voice"] = "observation"
    return Request("proposal", key or f"propose {request.key}", raw)


def decision(number, word="approve", key="", note=""):
    raw = {"proposal": str(number), "decision": word, "note": note}
    return Request("decision", key or f"decide {number} {next(numbers)}", raw)


def by(ledger, person, *requests, actor="operator", together=False):
    receipts = ledger.writer.post(requests, actor=actor, at=AT, person=person, together=together)
    return receipts if len(receipts) > 1 else receipts[0]


def proposed(ledger, request, person="Nadia", actor="operator"):
    receipt = by(ledger, person, propose(request), actor=actor)
    assert receipt.verdict == "posted", receipt
    return receipt.seq


def approved(ledger, request, first="Nadia", second="Omar"):
    receipt = by(ledger, second, decision(proposed(ledger, request, first)))
    assert receipt.verdict == "posted", receipt
    return receipt


def came_of(ledger, receipt):
    return ledger.judgment(receipt.seq)["came_of"]


def payload(ledger, seq):
    return json.loads(ledger.rows("SELECT payload FROM journal WHERE seq = %s", seq)[0][0])


def overriding(name="OV", **more):
    return license_(name, "cnco", "CN", overrides="closed-door", **more)


def rebuilt_equal(conn):
    report = check(conn)
    assert report.is_sound, (report.faults, report.differences)
    assert rebuild(conn).is_sound


# What is asked, and the kind that holds it back.
HELD = {
    "a rulebook is adopted": (lambda first: adopt(TEXT, "2025-06-01"), "adoption"),
    "chips are granted": (lambda first: grant(1), "grant"),
    "a grant is reported": (lambda first: grant(1, observed=True), "grant"),
    "a movement is reversed": (lambda first: reverse(first, "2026-02-01"), "reverse"),
    "a presumption of denial is overridden": (lambda first: overriding(), "override"),
    "what overrides is amended": (lambda first: change("OLD", "amended", "2026-02-01", quantity="9"), "override"),
    "what overrides is reinstated": (lambda first: change("OLD", "reinstated", "2026-02-01"), "override"),
}  # fmt: skip
FREE = {
    "chips are reserved": lambda first: move("reserve", "2026-02-01", 1, last_day="2026-06-01", **HERE),
    "chips are shipped": lambda first: move("ship", "2026-02-01", 1, **HERE, authorization="L1"),
    "a license is issued": lambda first: license_("L2", "mydc", "MY"),
    "what overrides is revoked": lambda first: change("OLD", "revoked", "2026-02-01"),
    "a party is registered": lambda first: party("new"),
}  # fmt: skip


@pytest.fixture
def begun(ledger):
    """One grant, and an authorization that overrides, both from before anything was required."""
    first = ledger.must(grant(1))
    ledger.must(overriding("OLD"), change("OLD", "suspended", "2026-01-02"))
    return ledger, first


@pytest.mark.parametrize("kinds", ["", "itself", "the others", "all"])
@pytest.mark.parametrize("case", HELD)
def test_a_kind_is_held_back_where_it_is_required_and_nowhere_else(begun, case, kinds):
    ledger, first = begun
    ask, kind = HELD[case]
    others = [each for each in four_eyes.KINDS if each != kind]
    stated = {"": "", "itself": kind, "the others": ";".join(others), "all": ALL}[kinds]
    if stated:
        since = ledger.must(require(stated))
    if kind not in stated:
        ledger.must(ask(first))
        return
    refused = ledger.refused(ask(first), "needs_second_person")
    assert f"record {since}" in refused.message
    assert "Propose" in refused.remedy
    assert ledger.judgment(refused.seq)["refusal"]["code"] == "needs_second_person"


@pytest.mark.parametrize("case", FREE)
def test_nothing_else_is_held_back(begun, case):
    ledger, first = begun
    ledger.must(require())
    ledger.must(FREE[case](first))


@pytest.mark.parametrize("case", HELD)
def test_what_was_held_back_is_posted_under_its_own_key_once_another_person_approves(begun, case):
    ledger, first = begun
    ledger.must(require())
    request = HELD[case][0](first)
    ledger.refused(request, "needs_second_person")
    number = proposed(ledger, request)
    before = ledger.size()
    receipt = by(ledger, "Omar", decision(number))
    came = came_of(ledger, receipt)
    assert (came["verdict"], came["key"], came["seq"]) == ("posted", request.key, receipt.seq + 1)
    assert receipt.seq == before + 1
    assert f"record {came['seq']}" in receipt.message
    said = payload(ledger, came["seq"])
    assert (said["person"], said["proposal"], said["actor"], said["key"]) == (
        "Nadia", number, "operator", request.key)  # fmt: skip
    assert payload(ledger, receipt.seq)["person"] == "Omar"
    again = ledger.ask(request)
    assert (again.verdict, again.seq) == ("replayed", came["seq"])
    rebuilt_equal(ledger.conn)


@pytest.mark.parametrize(
    ("above", "chips", "held"),
    [("", 1, True), (str(2 * TPP), 1, False), (str(2 * TPP), 2, False), (str(2 * TPP), 3, True),
     (f"{2 * TPP - 1}.9", 2, True), ("0", 1, True)],
)  # fmt: skip
def test_a_grant_needs_a_second_person_above_the_threshold_and_not_at_it(ledger, above, chips, held):
    ledger.must(require("grant", above))
    receipt = ledger.ask(grant(chips))
    assert receipt.code == ("needs_second_person" if held else "")


def test_the_lines_of_one_grant_are_added_up_before_they_are_held_against_the_threshold(ledger):
    ledger.must(require("grant", str(2 * TPP)))
    line = {"chip": H100, "recipient": "mydc", "destination": "MY", "authorization": "L1"}
    lines = [{**line, "quantity": "2"}, {**line, "quantity": "1"}]
    refused = ledger.refused(move("grant", "2026-02-01", exporter="nvidia", lines=lines), "needs_second_person")
    assert "47,496" in refused.message
    assert "31,664" in refused.message


def test_grants_split_below_the_threshold_pass_and_the_journal_names_who_made_them(ledger):
    ledger.must(require("grant", str(2 * TPP)))
    receipts = [by(ledger, "Nadia", grant(2)), by(ledger, "Nadia", grant(2))]
    assert [receipt.verdict for receipt in receipts] == ["posted", "posted"]
    assert [payload(ledger, receipt.seq)["person"] for receipt in receipts] == ["Nadia", "Nadia"]


def test_a_young_ledger_needs_no_second_person_and_a_payload_without_one_is_as_it_was(ledger):
    seq = ledger.must(grant(1))
    assert payload(ledger, seq).keys() == {"actor", "body", "key", "kind", "voice"}
    raw = ledger.rows("SELECT payload FROM journal WHERE seq = %s", seq)[0][0]
    assert raw.startswith(b'{"actor":"operator","body":{')
    assert raw.endswith(b',"kind":"movement","voice":"request"}')


def test_a_payload_with_a_person_is_canonical_too(ledger):
    seq = by(ledger, 'Zoé "Z"', grant(1)).seq
    raw = bytes(ledger.rows("SELECT payload FROM journal WHERE seq = %s", seq)[0][0])
    assert raw == json.dumps(json.loads(raw), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert json.loads(raw)["person"] == 'Zoé "Z"'


SPELLINGS = ["Nadia Ali", "nadia ali", "NADIA ALI", "  Nadia   Ali ", "\N{MATHEMATICAL BOLD CAPITAL N}adia Ali"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_same_person_under_another_spelling_cannot_approve(ledger, spelling):
    number = proposed(ledger, grant(1), "Nadia Ali")
    request = decision(number)
    refused = by(ledger, spelling, request)
    assert (refused.verdict, refused.code) == ("refused", "needs_second_person")
    assert by(ledger, "Nadia B. Ali", request).verdict == "posted", "the key was left open"


@pytest.mark.parametrize("nobody", ["", "   "])
def test_nobody_can_neither_propose_nor_decide(ledger, nobody):
    before = ledger.size()
    assert by(ledger, nobody, propose(grant(1))).code == "malformed"
    assert ledger.size() == before
    number = proposed(ledger, grant(1))
    assert by(ledger, nobody, decision(number)).code == "malformed"
    assert by(ledger, nobody, decision(number, "decline")).code == "malformed"
    assert ledger.size() == before + 1


@pytest.mark.parametrize("name", ["a" * 101, "Nadia\N{ZERO WIDTH SPACE}", "Na\x00dia"])
def test_a_name_that_cannot_be_told_apart_by_eye_is_no_name(ledger, name):
    before = ledger.size()
    with pytest.raises(Malformed, match="person"):
        by(ledger, name, grant(1))
    assert ledger.size() == before


def test_who_proposed_may_withdraw_and_then_nothing_more_comes_of_it(ledger):
    number = proposed(ledger, grant(1))
    receipt = by(ledger, "Nadia", decision(number, "decline", note="a mistake"))
    assert receipt.message == f"Proposal {number} by Nadia is declined by Nadia."
    assert "came_of" not in ledger.judgment(receipt.seq)
    refused = by(ledger, "Omar", decision(number))
    assert refused.code == "exceeds_authorization"
    assert f"record {receipt.seq}" in refused.message
    assert ledger.rows("SELECT state, decided_by FROM proposal") == [("declined", receipt.seq)]
    rebuilt_equal(ledger.conn)


DECIDED_BY = {
    "a party": ("nvidia", "Omar", 0, "forbidden"),
    "a party, of no proposal": ("nvidia", "Omar", 999, "forbidden"),
    "the operator, of no proposal": ("operator", "Omar", 999, "unknown_movement"),
    "the operator, of a record that is none": ("operator", "Omar", 1, "unknown_movement"),
    "the same person, of one that is decided": ("operator", "nadia", -1, "needs_second_person"),
    "another, of one that is decided": ("operator", "Omar", -1, "exceeds_authorization"),
}


@pytest.mark.parametrize("case", DECIDED_BY)
def test_a_decision_is_refused_in_the_published_order(ledger, case):
    actor, person, which, code = DECIDED_BY[case]
    done = proposed(ledger, grant(1))
    by(ledger, "Omar", decision(done))
    number = {0: proposed(ledger, grant(1)), -1: done}.get(which, which)
    receipt = by(ledger, person, decision(number), actor=actor)
    assert (receipt.verdict, receipt.code) == ("refused", code)


def test_a_proposal_says_what_it_would_come_to_and_changes_nothing(ledger):
    ledger.must(require())
    before = ledger.rows("SELECT cap, subject, tpp FROM counter_day"), ledger.lots()
    fits = ledger.judgment(proposed(ledger, grant(10)))
    assert fits["would"]["verdict"] == "posted"
    assert fits["would"]["caps"][0]["used"] == "0"
    over = by(ledger, "Nadia", propose(grant(11)))
    assert "cap_exceeded" in over.message
    assert ledger.judgment(over.seq)["would"]["refusal"]["amount"] == str(TPP)
    assert (ledger.rows("SELECT cap, subject, tpp FROM counter_day"), ledger.lots()) == before
    assert_sound(ledger.conn)


def test_what_is_approved_is_judged_on_the_position_of_then(ledger):
    ledger.must(require("reverse"))
    number = proposed(ledger, grant(10))
    ledger.must(grant(1))
    receipt = by(ledger, "Omar", decision(number))
    came = came_of(ledger, receipt)
    assert (receipt.verdict, came["verdict"], came["code"]) == ("posted", "refused", "cap_exceeded")
    assert "cap_exceeded" in receipt.message
    assert ledger.judgment(came["seq"])["refusal"]["code"] == "cap_exceeded"
    assert ledger.rows("SELECT state FROM proposal") == [("approved",)]
    rebuilt_equal(ledger.conn)


def test_what_was_posted_meanwhile_under_the_same_key_is_not_posted_again(ledger):
    request = grant(1, key="once")
    number = proposed(ledger, request)
    seq = ledger.must(request)
    before = ledger.size()
    receipt = by(ledger, "Omar", decision(number))
    assert came_of(ledger, receipt) == {"key": "once", "seq": seq, "verdict": "replayed"}
    assert ledger.size() == before + 1


def test_another_body_under_the_same_key_meanwhile_is_a_conflict(ledger):
    number = proposed(ledger, grant(1, key="once"))
    ledger.must(grant(2, key="once"))
    came = came_of(ledger, by(ledger, "Omar", decision(number)))
    assert (came["verdict"], came["code"]) == ("refused", "key_reused")
    assert "quantity" in came["message"]


def test_what_is_settled_already_is_not_proposed(ledger):
    request = grant(1, key="once")
    ledger.must(request)
    before = ledger.size()
    assert by(ledger, "Nadia", propose(request)).code == "key_reused"
    together = by(ledger, "Nadia", grant(1, key="twice"), propose(grant(1, key="twice")))
    assert [receipt.code for receipt in together] == ["", "key_reused"]
    assert ledger.size() == before + 1


def test_a_party_proposes_only_what_it_may_ask(ledger):
    granted = ledger.must(grant(5))
    seq = ledger.must(move("ship", "2026-02-02", 1, **HERE, authorization="L1"), actor="nvidia")
    ledger.must(require())
    own = reverse(seq, "2026-02-03")
    assert ledger.ask(own, "nvidia").code == "needs_second_person"
    assert by(ledger, "Pia", propose(grant(1)), actor="nvidia").code == "forbidden"
    assert by(ledger, "Pia", propose(reverse(granted, "2026-02-03")), actor="nvidia").code == "forbidden"
    assert ledger.ask(grant(1), "nvidia").code == "forbidden", "it comes first in the published order"
    number = proposed(ledger, own, "Pia", actor="nvidia")
    came = came_of(ledger, by(ledger, "Omar", decision(number)))
    assert came["verdict"] == "posted"
    said = payload(ledger, came["seq"])
    assert (said["actor"], said["person"], said["proposal"]) == ("nvidia", "Pia", number)
    assert ledger.rows("SELECT 1 FROM request_key WHERE organization = 'nvidia' AND key = %s", own.key)
    rebuilt_equal(ledger.conn)


@pytest.mark.parametrize(
    ("before", "after", "alone"),
    [(("grant", ""), ("grant;reverse", ""), True), (("grant", ""), ("grant", "5"), False),
     (("grant", "5"), ("grant", "4"), True), (("grant", "5"), ("grant", ""), True),
     (("grant", "5"), ("grant", "5"), True),
     (("grant", "5"), ("grant", "5.5"), False), (("grant", "5"), ("reverse", ""), False),
     ((ALL, ""), ("nothing", ""), False), (("nothing", ""), (ALL, "7"), True)],
)  # fmt: skip
def test_asking_for_more_takes_one_person_and_asking_for_less_takes_two(ledger, before, after, alone):
    ledger.must(require(*before))
    request = require(*after)
    receipt = by(ledger, "Nadia", request)
    assert receipt.code == ("" if alone else "needs_second_person")
    if not alone:
        assert came_of(ledger, approved(ledger, request))["verdict"] == "posted"
    body = ledger.rows("SELECT body FROM fact WHERE kind = 'four_eyes' ORDER BY seq DESC LIMIT 1")[0][0]
    above = {"grant_above": after[1]} if after[1] else {}
    kinds = [] if after[0] == "nothing" else [kind for kind in four_eyes.KINDS if kind in after[0]]
    assert body == {"kinds": kinds, **above}
    rebuilt_equal(ledger.conn)


def test_only_the_operator_says_what_needs_a_second_person(ledger):
    ledger.refused(require(), "forbidden", "nvidia")


MALFORMED = {
    "no kind": ("four_eyes", {"kinds": ""}, "kinds"),
    "a kind there is not": ("four_eyes", {"kinds": "grant;lunch"}, "lunch"),
    "nothing and something": ("four_eyes", {"kinds": "nothing;grant"}, "nothing"),
    "a threshold without grants": ("four_eyes", {"kinds": "reverse", "grant_above": "5"}, "grant_above"),
    "a threshold that is no number": ("four_eyes", {"kinds": "grant", "grant_above": "much"}, "grant_above"),
    "a proposal of a proposal": ("proposal", {"kind": "proposal", "key": "a", "body": {}}, "proposal"),
    "a proposal of a party": ("proposal", {"kind": "party", "key": "a", "body": {}}, "party"),
    "a proposal of nothing": ("proposal", {}, "kind"),
    "a proposal without a body": ("proposal", {"kind": "movement", "key": "a"}, "body"),
    "a proposal of what cannot be read": ("proposal", {"kind": "movement", "key": "a", "body": {"movement": "steal"}},
                                          "movement"),
    "a proposal without a key": ("proposal", {"kind": "four_eyes", "body": {"kinds": "grant"}}, "key"),
    "a proposal under the key of what it proposes": ("proposal", {"kind": "four_eyes", "key": "the key",
                                                                  "body": {"kinds": "grant"}}, "key of its own"),
    "a field that is none": ("proposal", {"kind": "four_eyes", "key": "a", "body": {"kinds": "grant"}, "x": "1"}, "x"),
    "a voice that is none": ("proposal", {"kind": "four_eyes", "key": "a", "body": {"kinds": "grant"}, "voice": "x"},
                             "voice"),
    "a decision without a number": ("decision", {"decision": "approve"}, "proposal"),
    "a decision that is none": ("decision", {"proposal": "1", "decision": "maybe"}, "maybe"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_what_cannot_be_read_is_answered_and_not_recorded(ledger, case):
    kind, raw, named = MALFORMED[case]
    before = ledger.size()
    receipt = by(ledger, "Nadia", Request(kind, "the key", raw))
    assert receipt.code == "malformed"
    assert named in f"{receipt.message} {receipt.remedy}"
    assert ledger.size() == before


def test_a_decision_shares_its_commit_with_no_other_request(ledger):
    number = proposed(ledger, grant(1))
    one, other = by(ledger, "Omar", decision(number), grant(1))
    assert (one.code, other.verdict) == ("malformed", "posted")
    assert "alone" in one.remedy


def test_all_or_nothing_is_nothing_where_one_request_needs_a_second_person(ledger):
    ledger.must(require("reverse;grant", str(TPP)))
    ship = move("ship", "2026-02-02", 1, **HERE, authorization="L1")
    batch = [grant(1), ship, grant(2)]
    receipts = by(ledger, "Nadia", *batch, together=True)
    assert {(receipt.verdict, receipt.code) for receipt in receipts} == {("refused", "needs_second_person")}
    assert ledger.lots() == {}
    assert payload(ledger, receipts[0].seq)["person"] == "Nadia"
    each = by(ledger, "Nadia", *batch)
    assert [receipt.code for receipt in each] == ["", "", "needs_second_person"]
    rebuilt_equal(ledger.conn)


def test_a_requirement_holds_for_what_follows_it_in_the_same_commit(ledger):
    receipts = ledger.post(grant(1), require("grant"), grant(1))
    assert [receipt.code for receipt in receipts] == ["", "", "needs_second_person"]


def test_a_writer_that_wrote_last_and_alone_is_held_to_what_another_required(dsn):
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        first = Ledger(one).begin(adopt(TEXT, "2025-01-01"), party("nvidia"), party("mydc", "MY"),
                                  license_("L1", "mydc", "MY"))  # fmt: skip
        first.must(grant(1), grant(1))  # from here on it posts without locking first
        Ledger(other).must(require())
        first.refused(grant(1), "needs_second_person")


def test_what_is_asked_again_gets_the_receipt_it_got(ledger):
    ledger.must(require())
    request = propose(grant(1))
    made = by(ledger, "Nadia", request)
    decide = decision(made.seq)
    done = by(ledger, "Omar", decide)
    before = ledger.size()
    for person, asked, receipt in (("Nadia", request, made), ("Omar", decide, done), ("Pia", decide, done)):
        assert by(ledger, person, asked) == receipt._replace(verdict="replayed")
        ledger.writer = Writer(ledger.conn)
        assert by(ledger, person, asked) == receipt._replace(verdict="replayed")
    again = by(ledger, "Omar", decision(made.seq, "decline", key=decide.key))
    assert (again.code, "decision" in again.message) == ("key_reused", True)
    assert ledger.size() == before


def test_a_proposal_that_stands_twice_in_one_batch_is_made_once(ledger):
    request = propose(grant(1))
    one, other = by(ledger, "Nadia", request, request)
    assert other == one._replace(verdict="replayed")
    assert ledger.rows("SELECT count(*) FROM proposal") == [(1,)]


def test_of_two_who_approve_at_once_one_decides(dsn):
    answers: list[tuple[str, str]] = []

    def approve(person: str) -> None:
        with connected(dsn) as conn:
            pass_gate(conn)
            receipt = Writer(conn).post([decision(number, key=f"by {person}")], actor="operator", at=AT, person=person)[
                0
            ]
            answers.append((receipt.verdict, receipt.code))

    with psycopg.connect(dsn) as conn:
        ledger = Ledger(conn).begin(adopt(TEXT, "2025-01-01"), party("nvidia"), party("mydc", "MY"),
                                    license_("L1", "mydc", "MY"), require())  # fmt: skip
        number = proposed(ledger, grant(3, key="the grant"))
        with gate(dsn, 8):
            running = [threading.Thread(target=approve, args=(f"p{n}",), daemon=True) for n in range(8)]
            for thread in running:
                thread.start()
        for thread in running:
            thread.join(PATIENCE_SECONDS)
        assert sorted(answers) == [("posted", "")] + [("refused", "exceeds_authorization")] * 7
        assert ledger.rows("SELECT count(*) FROM journal WHERE key = 'the grant'") == [(1,)]
        assert [lot[1] for lot in ledger.lots().values()] == ["3"]
        assert_sound(conn)
        rebuilt_equal(conn)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_decision_cut_off_in_the_middle_leaves_nothing_half(ledger, dsn, monkeypatch, when):
    ledger.must(require())
    number = proposed(ledger, grant(3))
    request, before = decision(number), ledger.size()
    real = writing.write

    def cut(conn, rows):
        if when == "after":
            real(conn, rows)
        with psycopg.connect(dsn, autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
        real(conn, rows)

    with psycopg.connect(dsn) as conn, monkeypatch.context() as patched:
        patched.setattr(writer.writing, "write", cut)
        with pytest.raises(psycopg.Error):
            Writer(conn).post([request], actor="operator", at=AT, person="Omar")
    assert ledger.size() == before
    assert ledger.rows("SELECT state, decided_by FROM proposal") == [("open", None)]
    assert ledger.lots() == {}
    receipt = by(ledger, "Omar", request)
    assert came_of(ledger, receipt)["verdict"] == "posted"
    rebuilt_equal(ledger.conn)


def test_a_book_that_two_persons_adopt_is_counted_as_one_that_was_adopted_directly(ledger):
    ledger.must(grant(4), move("ship", "2026-02-02", 2, **HERE, authorization="L1"))
    smaller = book(f"name: country, counts: granted, by: [destination], limit: {TPP} TPP", name="smaller")
    ledger.must(require())
    request = adopt(smaller, "2025-03-01")
    number = proposed(ledger, request)
    foreseen = ledger.judgment(number)["would"]
    assert [(breach["cap"], breach["amount"]) for breach in foreseen["breaches"]] == [("country", str(3 * TPP))]
    assert ledger.discrepancies() == []
    came = came_of(ledger, by(ledger, "Omar", decision(number)))
    assert ledger.discrepancies() == [("cap_exceeded", "country", "destination=MY")]
    counted = "SELECT cap, subject, day, tpp, chips FROM counter_day WHERE book = %s ORDER BY 1, 2, 3"
    by_two = ledger.rows(counted, came["seq"])
    assert by_two
    ledger.must(move("ship", "2026-02-03", 1, **HERE, authorization="L1"))
    assert came_of(ledger, approved(ledger, require("nothing")))["verdict"] == "posted"
    direct = ledger.must(adopt(smaller, "2025-03-01"))
    assert ledger.rows(counted, direct) == by_two
    refused = ledger.refused(grant(1), "cap_exceeded")
    assert "smaller" in refused.message
    assert_sound(ledger.conn)
    rebuilt_equal(ledger.conn)


def test_what_was_approved_goes_on_in_the_same_writer_as_if_it_had_been_posted(ledger):
    ledger.must(require())
    approved(ledger, grant(4))
    ledger.must(move("ship", "2026-02-02", 4, **HERE, authorization="L1"))
    ledger.refused(move("ship", "2026-02-02", 1, **HERE, authorization="L1"), "exceeds_authorization")
    approved(ledger, overriding())
    assert came_of(ledger, approved(ledger, grant(7)))["code"] == "cap_exceeded"
    assert came_of(ledger, approved(ledger, grant(6)))["verdict"] == "posted"
    assert ledger.used("country", "destination=MY", "2026-03-01") == str(10 * TPP)
    rebuilt_equal(ledger.conn)


def test_a_proposal_is_left_with_its_state_where_the_kept_one_was_tampered_with(ledger):
    number = proposed(ledger, grant(1))
    ledger.conn.execute("UPDATE proposal SET state = 'approved', decided_by = 1")
    ledger.conn.commit()
    report = check(ledger.conn)
    assert [difference.projection for difference in report.differences] == ["proposal"]
    rebuild(ledger.conn)
    assert ledger.rows("SELECT seq, state FROM proposal") == [(number, "open")]


def test_a_requirement_and_its_body_are_the_inverse_of_each_other():
    for required in (FourEyes(), FourEyes(("grant",), Decimal("20919.2"), 0), FourEyes(four_eyes.KINDS)):
        assert four_eyes.from_body(four_eyes.to_body(required), 0) == required
