"""Every reason to refuse: reached, in its published order, with its numbers and a way out, kept or not."""

from __future__ import annotations

import pytest
from world import (
    A100,
    AT,
    DIFFUSION,
    GB300,
    H20,
    H100,
    Ledger,
    adopt,
    book,
    change,
    closed,
    license_,
    move,
    party,
    rating,
    reverse,
    settle,
)  # fmt: skip

from ledger.core.refusals import LEAVES_KEY_OPEN, NOT_RECORDED, PRECEDENCE
from ledger.posting import Request

TPP = 15_832
PUBLISHED = (
    "malformed", "forbidden", "needs_second_person", "key_reused", "unknown_party", "unknown_chip",
    "unknown_authorization", "unknown_movement", "authorization_not_active", "outside_validity",
    "exceeds_authorization", "negative_stock", "period_closed", "undetermined", "not_permitted", "cap_exceeded",
)  # fmt: skip
RULES = """
  - {name: closed-door, law: article 7, where: {destination: [CN]}, answer: deny}
  - {name: paper, law: article 8, where: {destination: [SA]}, requires: {evidence: [end-use-statement]}, answer: permit}
  - {name: parents, law: article 9, where: {destination: [AE], any_headquarters: denied}, answer: presume_deny}
  - {name: open-door, law: article 10, where: {destination: [AE, MY]}, answer: permit}"""
HERE = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY"}
L1 = {**HERE, "authorization": "L1"}


@pytest.fixture
def ledger(conn):
    """A cap of 10 H100 on Malaysia, rules for five countries, licenses in every state, a closed year."""
    text = book(f"name: country, counts: granted, by: [destination], limit: {10 * TPP} TPP",
                f"name: sent, counts: shipped, by: [destination], limit: {100 * TPP} TPP", rules=RULES[1:])  # fmt: skip
    return Ledger(conn).begin(
        adopt(text, "2025-01-01"),
        party("nvidia"), party("amd"), party("mydc", "MY"), party("saco", "SA"), party("aeco", "AE", "unknown"),
        party("cnco", "CN"), party("dated", "MY", **{"from": "2026-03-01"}),
        license_("L1", "mydc", "MY", first_day="2026-01-01", last_day="2026-12-31", chips=f"{H100};{GB300}"),
        license_("SIZED", "mydc", "MY", quantity="4", unit="chips"),
        license_("STOPPED", "mydc", "MY"), change("STOPPED", "suspended", "2026-01-01"),
        license_("VEU", "mydc", "MY", kind="NVEU"),
        closed("2025-12-31"), Request("four_eyes", "four eyes", {"kinds": "override"}),
    )  # fmt: skip


def ship(quantity=1, day="2026-02-01", chip=H100, **more):
    return move("ship", day, quantity, chip, **{**HERE, **more})


def grant(quantity=1, day="2026-02-01", chip=H100, **more):
    return move("grant", day, quantity, chip, **{**L1, **more})


def test_the_order_of_refusals_is_the_published_one():
    assert PRECEDENCE == PUBLISHED
    assert frozenset({"malformed", "key_reused"}) == NOT_RECORDED
    assert frozenset({"needs_second_person", "unknown_party", "unknown_chip", "unknown_authorization",
                      "unknown_movement", "undetermined"}) == LEAVES_KEY_OPEN  # fmt: skip


# The code, and what its message must say. Amounts are those of the request.
REACHED = {
    "a party asks for another's exports": ("amd", ship(), "forbidden", ["amd", "nvidia"]),
    "a party grants to itself": ("nvidia", grant(), "forbidden", ["nvidia", "operator"]),
    "a party registers a party": ("nvidia", party("friend"), "forbidden", ["nvidia"]),
    "one person overrides a presumption of denial": ("operator", license_("OV", "aeco", "AE", overrides="parents"),
                                                     "needs_second_person", ["parents", "record"]),
    "the recipient is not known": ("operator", ship(recipient="ghost"), "unknown_party", ["recipient", "ghost"]),
    "the owner is not known": ("operator", ship(owner="ghost"), "unknown_party", ["owner", "ghost"]),
    "the recipient is not known yet": ("operator", ship(recipient="dated"), "unknown_party", ["dated", "2026-02-01"]),
    "the parent is not known": ("operator", party("child", "MY", "ghost"), "unknown_party", ["ghost"]),
    "the chip has no rating": ("operator", ship(chip="nvidia-x1"), "unknown_chip", ["nvidia-x1"]),
    "the license is not known": ("operator", ship(authorization="L9"), "unknown_authorization", ["L9"]),
    "a change of what was never issued": ("operator", change("L9", "revoked", "2026-01-01"), "unknown_authorization",
                                          ["L9"]),
    "the lot is not known": ("operator", ship(authorization="L1", of="999.1"), "unknown_movement", ["999.1"]),
    "the reversed record is not there": ("operator", reverse(999, "2026-02-01"), "unknown_movement", ["999"]),
    "the reversed record moved nothing": ("operator", reverse(1, "2026-02-01"), "unknown_movement", ["1"]),
    "the license is suspended": ("operator", grant(authorization="STOPPED"), "authorization_not_active",
                                 ["STOPPED", "suspended", "2026-01-01"]),
    "before the first day": ("operator", grant(day="2025-12-31"), "outside_validity", ["2026-01-01", "2025-12-31"]),
    "after the last day": ("operator", grant(day="2027-01-01"), "outside_validity", ["2026-12-31", "2027-01-01"]),
    "another exporter": ("operator", grant(exporter="amd"), "exceeds_authorization", ["exporter", "nvidia", "amd"]),
    "another recipient": ("operator", grant(recipient="saco"), "exceeds_authorization", ["recipient", "mydc", "saco"]),
    "another destination": ("operator", grant(destination="AE"), "exceeds_authorization", ["destination", "MY", "AE"]),
    "another chip": ("operator", grant(chip=A100), "exceeds_authorization", [H100, A100]),
    "more than the license is for": ("operator", grant(5, authorization="SIZED"), "exceeds_authorization",
                                     ["4 chips", "63,328", "79,160"]),
    "a grant under a validated end user": ("operator", grant(authorization="VEU"), "exceeds_authorization", ["NVEU"]),
    "more than was granted": ("operator", ship(3, authorization="L1"), "exceeds_authorization", ["3 chips", "0 open"]),
    "a license issued twice": ("operator", license_("L1", "mydc", "MY"), "exceeds_authorization", ["L1"]),
    "chips that are not there": ("operator", move("transfer", "2026-02-01", 3, recipient="saco", destination="MY",
                                                  from_recipient="mydc"), "negative_stock", ["3 chips", "0 installed"]),
    "more released than is open": ("operator", move("release", "2026-02-01", 2, authorization="L1"), "negative_stock",
                                   ["2 chips", "0 open"]),
    "a closed period": ("operator", ship(day="2025-12-31"), "period_closed", ["2025-12-31"]),
    "no rule says anything": ("operator", ship(destination="IN", recipient="cnco"), "undetermined", ["IN"]),
    "a rule turns on an unknown parent": ("operator", ship(destination="AE", recipient="aeco"), "undetermined",
                                          ["parents", "aeco"]),
    "no rulebook is in force": ("operator", ship(day="2024-06-01"), "period_closed", ["2025-12-31"]),
    "a rule denies": ("operator", ship(destination="CN", recipient="cnco"), "not_permitted",
                      ["closed-door", "article 7"]),
    "evidence is missing": ("operator", ship(destination="SA", recipient="saco"), "not_permitted",
                            ["paper", "article 8", "end-use-statement"]),
    "a cap is full": ("operator", grant(11), "cap_exceeded",
                      ["country", "destination=MY", "158,320", "174,152", "2026-02-01"]),
}  # fmt: skip


@pytest.mark.parametrize(("actor", "request_", "code", "facts"), REACHED.values(), ids=REACHED)
def test_each_reason_is_reached_with_its_numbers_and_a_way_out(ledger, actor, request_, code, facts):
    receipt = ledger.refused(request_, code, actor)
    assert [fact for fact in facts if fact not in receipt.message] == []
    assert receipt.remedy
    assert receipt.message.endswith(".")
    row = ledger.rows("SELECT kind, key, encode(leaf_hash, 'hex') FROM journal WHERE seq = %s", receipt.seq)
    assert row == [("request.refused", request_.key, receipt.leaf_hash)]
    judged = ledger.judgment(receipt.seq)
    assert (judged["verdict"], judged["refusal"]["code"]) == ("refused", code)


def test_every_recorded_reason_stands_in_the_table_above():
    assert {code for _, _, code, _ in REACHED.values()} == set(PRECEDENCE) - NOT_RECORDED


# Malformed: answered, not recorded, and it says which field.
MALFORMED = {
    "no quantity": (move("ship", "2026-02-01", lines=[{"chip": H100}], **HERE), "quantity"),
    "a negative quantity": (ship("-1"), "quantity"),
    "nothing": (ship("0"), "quantity"),
    "half a chip": (ship("1.5"), "quantity"),
    "a number in another script": (ship("١٢"), "quantity"),
    "too many": (ship(10**13), "quantity"),
    "a figure instead of text": (move("ship", "2026-02-01", lines=[{"chip": H100, "quantity": 1.0}], **HERE),
                                 "quantity"),
    "a truth instead of a number": (move("ship", "2026-02-01", lines=[{"chip": H100, "quantity": True}], **HERE),
                                    "quantity"),
    "a number instead of an id": (move("ship", "2026-02-01", lines=[{"chip": 100, "quantity": "1"}], **HERE), "chip"),
    "a list instead of a day": (Request("movement", "m", {"movement": "ship", "effective_on": ["2026"], **HERE}),
                                "effective_on"),
    "lines that are no table": (Request("movement", "m", {"movement": "ship", "effective_on": "2026", "lines": ["x"]}),
                                "line"),
    "lines that are no list": (Request("movement", "m", {"movement": "ship", "effective_on": "2026", "lines": 7}),
                               "lines"),
    "no such day": (ship(day="2026-02-30"), "effective_on"),
    "no such kind": (move("teleport", "2026-02-01", 1, **HERE), "movement"),
    "a country in words": (ship(destination="Malaysia"), "destination"),
    "an id with a blank": (ship(recipient="my dc"), "recipient"),
    "an unknown field": (ship(colour="red"), "colour"),
    "a request without its exporter": (ship(exporter=""), "exporter"),
    "a reverse with lines": (move("reverse", "2026-02-01", 1, reverses="1"), "lines"),
    "a reverse of nothing": (move("reverse", "2026-02-01"), "reverses"),
    "a movement without lines": (move("ship", "2026-02-01", exporter="nvidia"), "lines"),
    "a reservation without an end": (move("reserve", "2026-02-01", 1, **HERE), "last_day"),
    "a reservation that ends before it begins": (move("reserve", "2026-02-01", 1, last_day="2026-01-31", **HERE),
                                                 "last_day"),
    "a retirement without a cause": (move("retire", "2026-02-01", 1, recipient="mydc", destination="MY"), "cause"),
    "a retirement for fun": (move("retire", "2026-02-01", 1, recipient="mydc", destination="MY", cause="fun"), "cause"),
    "evidence named twice": (ship(evidence="a=1;a=2"), "evidence"),
    "a lot that is no lot": (ship(of="17"), "of"),
    "a unit of its own": (ship(unit="pallets"), "unit"),
    "a kind of request that there is not": (Request("wish", "w", {}), "kind"),
    "no key": (Request("movement", "", ship().raw), "key"),
    "a key of several lines": (Request("movement", "a\nb", ship().raw), "key"),
    "a key too long": (Request("movement", "k" * 201, ship().raw), "key"),
    "a party without a name": (Request("party", "p", {"party_id": "x"}), "name"),
    "a party called operator": (party("operator"), "party_id"),
    "a party called unknown": (party("unknown"), "party_id"),
    "a party called self": (party("self"), "party_id"),
    "a seat in words": (party("x", "Malaysia"), "headquarters"),
    "a license that ends before it begins": (license_("X", "mydc", "MY", first_day="2026-02-01", last_day="2026-01-01"),
                                             "last_day"),
    "a license for nobody": (license_("X", "", "MY"), "recipient"),
    "a change without a day": (Request("authorization", "c", {"authorization_id": "L1", "change": "revoked"}),
                               "effective_on"),
    "a rating that does not follow from its rates": (rating(H100, tpp="15833", tpp_per_ic="15833"), "tpp"),
    "a book that is not there": (Request("rulebook", "r", {"name": "x", "from": "2026-01-01"}), "bundle"),
    "a bundle that is no table": (Request("rulebook", "r", {"name": "x", "from": "2026-01-01", "bundle": "x"}),
                                  "bundle"),
    "a book under another's name": (Request("rulebook", "r", {"name": "x", "from": "2026-01-01",
                                                              "bundle": {"x": book(name="y")}}), "name"),
    "a book that ends before it begins": (adopt(book(), "2026-01-01", until="2026-01-01"), "until"),
    "a settlement of nothing": (Request("discrepancy", "d", {"id": "1", "change": "forgotten", "note": "-"}), "change"),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "field"), MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_is_answered_with_the_field_and_not_recorded(ledger, request_, field):
    before = ledger.size()
    receipt = ledger.refused(request_, "malformed")
    assert field in receipt.message.lower()
    assert receipt.seq is None
    assert ledger.size() == before


@pytest.mark.parametrize("more", [{"kind": "NVEU"}, {"recipient": "saco"}, {"last_day": "2025-12-31"}])
def test_an_amendment_that_makes_no_sense_takes_nothing_else_of_its_batch_with_it(ledger, more):
    receipts = ledger.post(ship(), change("L1", "amended", "2026-02-01", **more), ship())
    assert [receipt.verdict for receipt in receipts] == ["posted", "refused", "posted"]
    assert (receipts[1].code, receipts[1].seq) == ("malformed", None)


@pytest.mark.parametrize("together", [False, True])
def test_what_cannot_be_read_takes_nothing_else_of_its_batch_with_it_unless_asked_to(ledger, together):
    receipts = ledger.post(ship(), ship("0"), ship(), together=together)
    verdicts = [receipt.verdict for receipt in receipts]
    assert verdicts == (["refused"] * 3 if together else ["posted", "refused", "posted"])


# Precedence: a request that meets two reasons gets the first.
BOTH = [
    ("forbidden", "unknown_party", "amd", ship(recipient="ghost")),
    ("unknown_party", "unknown_chip", "operator", ship(recipient="ghost", chip="nvidia-x1")),
    ("unknown_chip", "unknown_authorization", "operator", ship(chip="nvidia-x1", authorization="L9")),
    ("unknown_authorization", "unknown_movement", "operator", ship(authorization="L9", of="999.1")),
    ("unknown_movement", "authorization_not_active", "operator", ship(authorization="STOPPED", of="999.1")),
    ("authorization_not_active", "exceeds_authorization", "operator", ship(authorization="STOPPED")),
    ("outside_validity", "exceeds_authorization", "operator", grant(day="2027-01-01", recipient="saco")),
    ("exceeds_authorization", "period_closed", "operator", grant(9, day="2025-12-31", authorization="SIZED")),
    ("negative_stock", "period_closed", "operator", move("release", "2025-06-01", 1, authorization="L1")),
    ("period_closed", "undetermined", "operator", ship(day="2025-06-01", destination="IN", recipient="cnco")),
    ("period_closed", "not_permitted", "operator", ship(day="2025-06-01", destination="CN", recipient="cnco")),
    ("not_permitted", "cap_exceeded", "operator", ship(101, destination="CN", recipient="cnco")),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "actor", "request_"), BOTH, ids=[f"{a}-{b}" for a, b, _, _ in BOTH])
def test_the_first_reason_that_applies_is_the_answer(ledger, first, second, actor, request_):
    assert PUBLISHED.index(first) < PUBLISHED.index(second)
    ledger.refused(request_, first, actor)


# Keys


def test_an_unknown_party_leaves_the_key_open_and_the_same_request_succeeds_later(ledger):
    request = ship(recipient="newco", key="order-7")
    first = ledger.refused(request, "unknown_party")
    ledger.must(party("newco", "MY"))
    posted = ledger.ask(request)
    assert posted.verdict == "posted"
    assert posted.seq > first.seq
    again = ledger.ask(request)
    assert (again.verdict, again.seq, again.leaf_hash) == ("replayed", posted.seq, posted.leaf_hash)


def test_an_undetermined_answer_leaves_the_key_open(ledger):
    request = ship(destination="AE", recipient="aeco", key="order-8")
    ledger.refused(request, "undetermined")
    ledger.must(party("aeco", "AE", "self"))
    assert ledger.ask(request).verdict == "posted"


@pytest.mark.parametrize("request_", [
    ship(3, authorization="L1", key="a"), ship(destination="CN", recipient="cnco", key="b"), grant(11, key="c"),
    ship(day="2025-12-31", key="d"),
], ids=["exceeds_authorization", "not_permitted", "cap_exceeded", "period_closed"])  # fmt: skip
def test_any_other_refusal_settles_its_key_for_ever(ledger, request_):
    first = ledger.ask(request_)
    size = ledger.size()
    ledger.must(license_("L2", "mydc", "MY"), grant(4))
    again = ledger.ask(request_)
    assert again == first
    assert ledger.size() == size + 2


@pytest.mark.parametrize(("more", "field"), [
    ({"quantity": 2}, "line 1: quantity"),
    ({"day": "2026-02-02"}, "effective_on"),
    ({"recipient": "saco"}, "line 1: recipient"),
    ({"facility": "site-1"}, "line 1: facility"),
    ({"note": "urgent"}, "note"),
])  # fmt: skip
def test_the_same_key_with_another_body_is_a_conflict_that_names_the_field(ledger, more, field):
    first = ledger.ask(ship(key="order-9"))
    size = ledger.size()
    receipt = ledger.refused(ship(key="order-9", **more), "key_reused")
    assert f"record {first.seq} with another {field}" in receipt.message
    assert receipt.remedy
    assert ledger.size() == size


def test_the_same_key_in_the_other_voice_is_a_conflict(ledger):
    ledger.must(ship(key="order-10"))
    raw = ship().raw
    receipt = ledger.ask(Request("movement", "order-10", raw, observed=True))
    assert receipt.code == "key_reused"
    assert "voice" in receipt.message


def test_the_same_request_written_another_way_is_the_same_request(ledger):
    first = ledger.ask(ship("1,000", key="order-11", unit="", note=""))
    again = ledger.ask(ship("1000", key="order-11"))
    assert (first.verdict, again.verdict, again.seq) == ("refused", "refused", first.seq)  # 100 fit: settled


def test_keys_are_unique_per_organization(ledger):
    assert ledger.ask(ship(key="order-1"), "nvidia").verdict == "posted"
    assert ledger.ask(ship(2, key="order-1", exporter="amd"), "amd").verdict == "posted"
    assert ledger.ask(ship(3, key="order-1")).verdict == "posted"


def test_a_key_that_stands_twice_in_a_batch_is_answered_as_in_two(ledger):
    once, other = ship(key="twice"), ship(2, key="twice")
    receipts = ledger.post(once, once, other, ship(101, key="no"), ship(101, key="no"))
    assert [receipt.verdict for receipt in receipts] == ["posted", "replayed", "refused", "refused", "refused"]
    assert receipts[1].seq == receipts[0].seq
    assert receipts[1].leaf_hash == receipts[0].leaf_hash
    assert receipts[2].code == "key_reused"
    assert receipts[3] == receipts[4]


def test_a_batch_that_fails_together_keeps_one_refusal_and_settles_no_key(ledger):
    before = ledger.size()
    good, bad = ship(key="good"), ship(101, key="bad")
    receipts = ledger.post(good, bad, together=True)
    assert [receipt.code for receipt in receipts] == ["cap_exceeded"] * 2
    assert ledger.size() == before + 1
    assert ledger.lots() == {}
    assert [receipt.verdict for receipt in ledger.post(good)] == ["posted"]
    assert ledger.ask(ship(100, key="bad")).code == "cap_exceeded"  # another body: the key was not settled


def test_a_batch_that_fits_together_is_posted_whole(ledger):
    receipts = ledger.post(ship(50, key="a"), ship(50, key="b"), together=True)
    assert [receipt.verdict for receipt in receipts] == ["posted", "posted"]


# Who may


@pytest.mark.parametrize(("actor", "request_", "verdict"), [
    ("nvidia", ship(), "posted"),
    ("mydc", ship(), "refused"),                                                        # a recipient cannot ship
    ("mydc", move("receive", "2026-02-03", 1, recipient="mydc", destination="MY"), "posted"),
    ("saco", move("receive", "2026-02-03", 1, recipient="mydc", destination="MY"), "refused"),
    ("nvidia", Request("movement", "og", grant().raw, observed=True), "refused"),       # nor by reporting it
    ("nvidia", adopt(book()), "refused"),
    ("nvidia", rating(H100, valid_from="2026-01-01"), "refused"),
    ("nvidia", license_("OWN", "mydc", "MY"), "refused"),
    ("nvidia", change("L1", "amended", "2026-02-01", last_day="2030-01-01"), "refused"),
    ("nvidia", closed("2026-01-31"), "refused"),
    ("nvidia", settle(1, "resolved"), "refused"),
])  # fmt: skip
def test_a_party_asks_only_for_what_is_its_own(ledger, actor, request_, verdict):
    receipt = ledger.ask(request_, actor)
    assert (receipt.verdict, receipt.code) == (verdict, "forbidden" if verdict == "refused" else "")


def test_a_party_reverses_what_it_posted_and_nothing_else(ledger):
    granted = ledger.must(grant(5))
    theirs = ledger.must(ship(3, authorization="L1"), actor="nvidia")
    for asker, record in (("mydc", theirs), ("nvidia", granted)):
        ledger.refused(reverse(record, "2026-02-02"), "forbidden", asker)
    for asker, record in (("amd", theirs), ("amd", 1), ("amd", 999_999)):  # it has no part in them: all alike
        ledger.refused(reverse(record, "2026-02-02"), "unknown_movement", asker)
    ledger.must(reverse(theirs, "2026-02-02"), actor="nvidia")
    ledger.must(reverse(granted, "2026-02-02"))


def test_a_party_releases_and_moves_on_only_what_is_its_own(ledger):
    ledger.must(grant(5), ship(3, authorization="L1"))
    ledger.must(move("receive", "2026-02-02", 3, recipient="mydc", destination="MY"))
    release = move("release", "2026-02-03", 1, authorization="L1")
    assert ledger.ask(release, "amd").verdict == "refused"
    ledger.refused(move("release", "2026-02-03", 1, authorization="L1", exporter="amd"), "unknown_authorization", "amd")
    away = {"recipient": "saco", "destination": "MY", "from_recipient": "mydc"}
    ledger.refused(move("transfer", "2026-02-03", 1, exporter="amd", **away), "forbidden", "amd")
    ledger.must(move("release", "2026-02-03", 1, authorization="L1", exporter="nvidia"), actor="nvidia")
    ledger.must(move("transfer", "2026-02-03", 1, exporter="mydc", **away), actor="mydc")


def test_nobody_outside_gets_a_scope_by_being_named(ledger):
    shipped = ledger.must(ship())
    assert ledger.ask(reverse(shipped, "2026-02-02", exporter="ghost")).code == "unknown_party"
    assert ledger.rows("SELECT count(*) FROM scope WHERE party = 'ghost'") == [(0,)]


# What a refusal of a cap says can be done, can be done.


@pytest.mark.parametrize("caps", [
    ["name: low, counts: shipped, limit: {schedule: {2026-01-01: 1_000_000 TPP, 2026-03-01: 100_000 TPP}}"],
    ["name: loose, counts: shipped, limit: 900_000 TPP", "name: tight, counts: shipped, by: [chip], limit: 90_000 TPP"],
    ["name: pieces, counts: shipped, limit: 7 chips", "name: all, counts: shipped, limit: 500_000 TPP"],
    ["name: fractions, counts: shipped, limit: 15_832.5 TPP"],
])  # fmt: skip
def test_as_many_chips_as_the_remedy_says_do_fit_and_one_more_does_not(conn, caps):
    ledger = Ledger(conn).begin(adopt(book(*caps)), party("nvidia"), party("mydc", "MY"))
    receipt = ledger.refused(ship(1_000), "cap_exceeded")
    fits = int(receipt.remedy.split("Ask for ")[1].split(" chips")[0].replace(",", ""))
    ledger.refused(ship(fits + 1), "cap_exceeded")
    ledger.must(ship(fits))


def test_a_message_is_short_and_its_numbers_are_grouped(ledger):
    message = ledger.refused(grant(11), "cap_exceeded").message
    assert message == (
        "test-book: country of destination=MY would be over on 2026-02-01: limit 158,320 TPP, used 0, asked 174,152, "
        "left 158,320."
    )


def test_a_book_that_nobody_adopted_leaves_every_request_undetermined(conn):
    ledger = Ledger(conn).begin(party("nvidia"), party("mydc", "MY"))
    receipt = ledger.refused(ship(key="early"), "undetermined")
    assert "No rulebook" in receipt.message
    ledger.must(adopt(DIFFUSION, "2025-01-13"))
    assert ledger.ask(ship(key="early", chip=H20)).code == ""  # the key was left open
    assert AT.tzinfo is not None


def test_a_cap_kept_for_somebody_unknown_is_undetermined_even_where_it_would_fit(conn):
    ledger = Ledger(conn).begin(
        party("nvidia"), party("gulf", "AE", "unknown"),
        adopt(book("name: each, counts: granted, by: [ultimate_parent], limit: 900_000_000 TPP")),
        license_("L", "gulf", "AE"),
    )  # fmt: skip
    asked = move("grant", "2026-01-05", 1, exporter="nvidia", recipient="gulf", destination="AE", authorization="L")
    assert "ultimate_parent=unknown" in ledger.refused(asked, "undetermined").message


def test_an_authorization_is_not_changed_before_its_latest_change_or_in_a_closed_period(conn):
    ledger = Ledger(conn).begin(party("nvidia"), party("gulf", "AE"), license_("L", "gulf", "AE"))
    ledger.must(change("L", "suspended", "2026-06-01"))
    refused = ledger.refused(change("L", "amended", "2026-02-01", last_day="2027-01-01"), "outside_validity")
    assert "2026-06-01" in refused.message
    ledger.must(closed("2026-07-31"))
    ledger.refused(change("L", "reinstated", "2026-07-31"), "period_closed")
    ledger.must(change("L", "reinstated", "2026-08-01"))
