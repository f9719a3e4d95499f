"""How far listed parties own a party, and the 50 % rule that asks it: shares, chains, days, and what is not stated."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger.core import movements, rulebook
from ledger.core.conditions import holds
from ledger.core.errors import BadRulebook
from ledger.core.facts import Ownership, Party
from ledger.core.knowledge import Knowledge
from ledger.core.listing import Reach
from ledger.core.profile import Profile, Seat, from_body
from ledger.posting import Request
from ledger.reconcile import check, rebuild
from ledger.reports import Reader
from ledger.reports.exposure import exposure
from ledger.reports.remaining import explain
from ledger.rulebooks import load, parse_bundle
from ledger.rulebooks.wording import condition
from tests.test_ownership import own
from tests.test_rules import DAY, facts
from tests.world import LICENSING, Ledger, adopt, book, license_, move, party

ON = date(2025, 10, 1)
LISTED = ("listed",)
HALF = rulebook.Test("any_owned", ">=", (Decimal(50), "listed"))


def known(listed: str, *shares: str, circle: str = "") -> Knowledge:
    """Parties a to f, those in `listed` listed, with shares such as `a 25 c`."""
    knowledge = Knowledge()
    facts: list[Party | Ownership] = [Party(name, name, LISTED if name in listed else ()) for name in "abcdef"]
    for share in shares:
        owner, percentage, owned = share.split()
        facts.append(Ownership(owner, owned, Decimal(percentage)))
    for seq, fact in enumerate(facts, 1):
        knowledge.add(fact, seq)
    return knowledge


@pytest.mark.parametrize(("listed", "shares", "reach"), [
    ("a", ["a 49.99 f"], "49.99"),
    ("a", ["a 50 f"], "50"),
    ("ab", ["a 25 f", "b 25 f"], "50"),                           # two that hold half together
    ("ab", ["a 25 f", "b 24.99 f"], "49.99"),
    ("ab", ["a 25 f", "c 25 f"], "25"),                           # the other one is not listed
    ("f", [], "100"),                                             # listed itself
    ("f", ["a 100 f"], "100"),
    ("", ["a 100 f"], "0"),
    ("a", ["a 50 b", "b 50 f"], "50"),                            # a chain, each link half
    ("a", ["a 60 b", "b 50 f"], "50"),
    ("a", ["a 49.99 b", "b 100 f"], "49.99"),                     # a link that is short
    ("a", ["a 100 b", "b 49.99 f"], "49.99"),
    ("a", ["a 100 b", "b 60 c", "c 55 f"], "55"),
    ("ab", ["a 25 c", "b 25 c", "c 25 f", "a 25 f"], "50"),       # an affiliate counts beside a listed owner
    ("ab", ["a 25 c", "b 24 c", "c 25 f", "a 25 f"], "49"),       # c is owned 49: at 50 only a's quarter is left
    ("a", ["a 10 b", "b 90 f", "a 5 f"], "10"),
    ("a", ["b 60 c", "c 60 b", "b 60 f"], "0"),                   # a circle that nobody listed is in
    ("a", ["b 60 c", "c 60 b", "a 30 b", "b 60 f"], "30"),        # a circle does not hold itself up
    ("a", ["b 45 c", "c 45 b", "a 55 b", "c 50 f"], "45"),
])  # fmt: skip
def test_how_far_listed_parties_own_a_party(listed: str, shares: list[str], reach: str) -> None:
    assert known(listed, *shares).listed("f", ON).share == Decimal(reach)


@pytest.mark.parametrize("least", ["25", "30", "49", "50", "50.01", "75"])
@pytest.mark.parametrize("shares", [
    ["a 25 c", "b 25 c", "c 25 f", "a 25 f"], ["a 30 f", "c 30 f", "a 40 c"], ["a 60 c", "c 51 d", "d 50 f", "b 1 f"],
    ["b 60 c", "c 60 b", "a 30 b", "b 60 f"], ["a 26 c", "a 26 d", "c 26 f", "d 26 f", "e 48 f", "f 60 e"],
])  # fmt: skip
def test_the_figure_says_for_every_threshold_what_following_the_shares_says(shares: list[str], least: str) -> None:
    """Mark as listed who is owned enough by the marked, until nobody more is: the rule as it reads."""
    edges = [(owner, Decimal(percentage), owned) for owner, percentage, owned in map(str.split, shares)]
    marked = {"a", "b"}
    while more := {
        party for party in "abcdef"
        if sum(each for owner, each, owned in edges if owned == party and owner in marked) >= Decimal(least)
    } - marked:  # fmt: skip
        marked |= more
    assert (known("ab", *shares).listed("f", ON).share >= Decimal(least)) is ("f" in marked)


def test_the_shares_it_rests_on_are_named_up_to_those_who_are_listed() -> None:
    knowledge = known("ab", "a 30 c", "b 30 c", "d 40 c", "c 50 f", "e 50 f", "a 100 d")
    assert knowledge.listed("f", ON) == Reach(
        Decimal(50), (("c", "50", "f"), ("d", "40", "c"), ("a", "30", "c"), ("b", "30", "c"), ("a", "100", "d"))
    )


def test_a_listing_and_a_share_hold_from_their_day_on() -> None:
    knowledge = known("", "a 50 f")
    knowledge.add(Party("a", "a", LISTED, valid_from=date(2025, 10, 2)), 20)
    knowledge.add(Ownership("a", "f", Decimal(40), date(2025, 11, 1)), 21)
    days = [date(2025, 10, 1), date(2025, 10, 2), date(2025, 10, 31), date(2025, 11, 1)]
    assert [str(knowledge.listed("f", day).share) for day in days] == ["0", "50", "50", "40"]


def test_a_profile_keeps_how_far_it_is_owned_and_one_without_listed_owners_is_as_it_was() -> None:
    owned = Seat("f", "AE", "f", "AE", listed_share=Decimal("50.5"), listed_by=(("a", "50.5", "f"),))
    profile = facts("AE", "AE", owner=owned, operator=owned, booked_to=owned)
    again = from_body(json.loads(profile.content))
    assert (again.owner, again.sha256) == (owned, profile.sha256)
    assert b"listed" not in facts("AE", "AE").content


def seated(share: str, parent: str = "0") -> Seat:
    return Seat("f", "AE", "f", "AE", listed_share=Decimal(share), listed_parent=Decimal(parent))


@pytest.mark.parametrize(("profile", "truth"), [
    (facts("AE", "AE"), False),
    (facts("AE", "AE", owner=seated("49.99")), False),
    (facts("AE", "AE", owner=seated("50")), True),
    (facts("AE", "AE", operator=seated("50")), True),
    (facts("AE", "AE", exporter=seated("100")), False),             # never the exporter
    (facts("AE", "AE", owner=seated("0", "100")), None),            # its parent is listed, by which share is not stated
    (facts("AE", "AE", owner=seated("0", "49")), False),
    (facts("AE", "AE", owner=seated("0", "100"), operator=seated("50")), True),
])  # fmt: skip
def test_any_owned_asks_recipient_owner_and_operator(profile: Profile, truth: bool | None) -> None:
    assert holds(HALF, profile, load(LICENSING), DAY) is truth


@pytest.mark.parametrize(("facts_", "parent"), [
    ([Party("f", "f", ultimate_parent="a")], "100"),
    ([Party("f", "f", ultimate_parent="a"), Ownership("a", "f", Decimal(30))], "0"),  # the share is stated
    ([Party("f", "f", ultimate_parent="b"), Ownership("a", "b", Decimal(60))], "60"),
    ([Ownership("b", "f", Decimal(60)), Party("b", "b", ultimate_parent="a")], "100"),
    ([Ownership("a", "f", Decimal(60))], "0"),
    ([Party("f", "f", ultimate_parent="c")], "0"),
])  # fmt: skip
def test_an_ultimate_parent_that_is_listed_and_whose_share_is_not_stated_is_kept_apart(
    facts_: list[Party | Ownership], parent: str
) -> None:
    knowledge = known("a")
    knowledge.add(Party("a", "a", LISTED, ultimate_parent="self"), 20)
    for seq, fact in enumerate(facts_, 21):
        knowledge.add(fact, seq)
    seat = knowledge.seat("f", ON)
    assert seat
    assert seat.listed_parent == Decimal(parent)


# The rule in the book.


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    """What is enforced; a listed group, and firms in the Emirates that it owns to different parts."""
    shares = {"less": "49.99", "half": "50"}
    return Ledger(conn).begin(
        adopt(LICENSING), party("nvidia"), party("bad", "AE", roles="listed"), party("worse", "AE", roles="listed"),
        *(party(name, "AE") for name in ("less", "half", "two", "chain", "free", "child")),
        party("child", "AE", "bad", **{"from": "2020-01-01"}),
        *(own("bad", name, share) for name, share in shares.items()),
        own("bad", "two", "25"), own("worse", "two", "25"), own("half", "chain", "50"),
        *(license_(f"L-{name}", name, "AE") for name in ("less", "half", "two", "chain", "free", "child", "bad")),
    )  # fmt: skip


def grant(name: str, day: str, **more: Any) -> Request:
    return move("grant", day, 1, exporter="nvidia", recipient=name, destination="AE", authorization=f"L-{name}", **more)


IN_FORCE = "2025-10-01"


@pytest.mark.parametrize(("name", "day", "code", "says"), [
    ("less", IN_FORCE, "", ""),
    ("half", IN_FORCE, "not_permitted", "bad owns 50% of half"),
    ("two", IN_FORCE, "not_permitted", "bad owns 25% of two, worse owns 25% of two"),
    ("chain", IN_FORCE, "not_permitted", "half owns 50% of chain, bad owns 50% of half"),
    ("bad", IN_FORCE, "not_permitted", "bad is listed itself"),
    ("free", IN_FORCE, "", ""),
    ("child", IN_FORCE, "undetermined", "which share of child its ultimate parent owns"),
    ("half", "2025-09-28", "", ""),                             # the day before it came into force
    ("half", "2025-09-29", "not_permitted", "affiliates"),
    ("half", "2025-11-09", "not_permitted", "affiliates"),
    ("half", "2025-11-10", "", ""),                             # suspended
    ("half", "2026-11-09", "", ""),
    ("half", "2026-11-10", "undetermined", "whether the suspension was extended is not known"),
    ("free", "2026-11-10", "", ""),
    ("child", "2026-11-09", "", ""),
])  # fmt: skip
def test_who_is_owned_by_half_is_treated_as_listed_on_the_days_of_the_rule(
    ledger: Ledger, name: str, day: str, code: str, says: str
) -> None:
    receipt = ledger.ask(grant(name, day))
    assert receipt.code == code, receipt
    assert says in receipt.message


def test_an_owner_or_operator_that_is_owned_by_half_denies_too(ledger: Ledger) -> None:
    for role in ("owner", "operator"):
        ledger.refused(grant("free", IN_FORCE, **{role: "half"}), "not_permitted")


def test_a_license_overrides_the_presumption_by_name_and_never_what_is_not_known(ledger: Ledger) -> None:
    ledger.must(license_("L-over", "half", "AE", overrides="affiliates"))
    over = {"exporter": "nvidia", "recipient": "half", "destination": "AE", "authorization": "L-over"}
    ledger.must(move("grant", IN_FORCE, 1, **over))
    ledger.must(license_("L-later", "half", "AE", overrides="affiliates-after-suspension"))
    ledger.refused(move("grant", "2026-11-10", 1, **{**over, "authorization": "L-later"}), "undetermined")


def test_what_is_undetermined_leaves_its_key_open_and_succeeds_under_a_book_that_knows(ledger: Ledger) -> None:
    asked = grant("half", "2026-11-10", key="same")
    ledger.refused(asked, "undetermined")
    ledger.must(adopt(book(), "2026-11-10"))
    assert ledger.ask(asked).verdict == "posted"


def test_the_share_is_frozen_with_the_entry_and_as_it_was_known_then(ledger: Ledger) -> None:
    known_at = ledger.size()
    seq = ledger.must(grant("free", IN_FORCE))
    ledger.must(own("worse", "free", "60", "2025-01-01"))
    ledger.refused(grant("free", IN_FORCE), "not_permitted")
    assert "listed_share" not in json.dumps(ledger.judgment(seq))
    with Reader(ledger.conn).view(on=date.fromisoformat(IN_FORCE), known=known_at) as view:
        assert explain(view, moved("free")).refusal is None
    with Reader(ledger.conn).view(on=date.fromisoformat(IN_FORCE)) as view:
        refusal = explain(view, moved("free")).refusal
        found = exposure(view).parties
    assert refusal
    assert "worse owns 60% of free" in refusal.message
    assert {(each.party, each.listed_before, each.listed_now, each.listed_by) for each in found} == {
        ("free", Decimal(0), Decimal(60), (("worse", "60", "free"),))
    }
    ledger.conn.isolation_level = ledger.conn.read_only = None
    ledger.must(grant("free", "2025-12-01"))
    frozen = ledger.judgment(ledger.size())["profiles"][0]["parties"]["free"]
    assert (frozen["listed_share"], frozen["listed_by"]) == ("60", [["worse", "60", "free"]])
    assert check(ledger.conn).is_sound
    assert rebuild(ledger.conn).is_sound


def moved(name: str) -> movements.Movement:
    return movements.parse(grant(name, IN_FORCE).raw)[0]


# The words of it.


def rules(line: str) -> str:
    return book(rules=f"  - {{name: one, law: test, {line}}}")


@pytest.mark.parametrize(("line", "message"), [
    ("answer: undetermined", "answers undetermined"),
    ("answer: deny, turns_on: whether it rains", "answers deny"),
    ("answer: deny, where: {any_owned: {by: listed}}", "no `at_least`"),
    ("answer: deny, where: {any_owned: {by: banks, at_least: 50%}}", '"banks" is not known'),
    ("answer: deny, where: {any_owned: {by: listed, at_least: half}}", "not a percentage"),
    ("answer: deny, where: {any_owned: {by: listed, at_least: 101%}}", "not a percentage"),
    ("answer: deny, where: {any_owned: listed}", "must be a table"),
])  # fmt: skip
def test_a_line_that_does_not_say_it_right_is_an_error(line: str, message: str) -> None:
    with pytest.raises(BadRulebook) as caught:
        parse_bundle({"test-book": rules(line)})
    assert message in str(caught.value)


def test_the_rule_reads_in_words() -> None:
    (rule,) = parse_bundle(
        {"test-book": rules("answer: deny, where: {any_owned: {by: listed, at_least: 33.3%}}")}
    ).rules
    assert condition(rule.where) == "any party listed, or owned at least 33.3% by listed parties"
