"""Whose yearly limit LPP is booked to: the owner's ultimate parent, or by an allied owner's election the operator's."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core import rulebook
from ledger.core.conditions import holds
from ledger.core.facts import UNKNOWN
from ledger.core.profile import Profile, Seat
from ledger.posting import Request
from ledger.rulebooks import load
from ledger.rulebooks.comparing import compare
from ledger.rulebooks.wording import condition
from tests.test_rules import DAY, facts
from tests.world import DIFFUSION, Ledger, adopt, move, party

BOTH = ("owner_parent", "operator_parent")


def booked(to: str, owner: str, operator: str) -> Profile:
    """A profile that is booked to a party, by the ultimate parents of its owner and operator."""
    seats = [Seat(name, "MY", parent, "MY") for name, parent in (("own", owner), ("run", operator))]
    return facts("MY", "MY", "LPP", owner=seats[0], operator=seats[1], booked_to=Seat(to))


@pytest.mark.parametrize(("profile", "words", "truth"), [
    (booked("a", "a", "b"), ("owner_parent",), True),
    (booked("a", "a", "b"), ("operator_parent",), False),
    (booked("b", "a", "b"), ("owner_parent",), False),
    (booked("b", "a", "b"), ("operator_parent",), True),
    (booked("c", "a", "b"), BOTH, False),
    (booked("a", "a", "a"), BOTH, True),
    (booked("b", UNKNOWN, "b"), ("owner_parent",), None),
    (booked("b", UNKNOWN, "b"), ("operator_parent",), True),   # what is not asked may be unknown
    (booked("b", UNKNOWN, "b"), BOTH, True),
    (booked("c", UNKNOWN, "b"), BOTH, None),
    (booked("c", "a", UNKNOWN), BOTH, None),
    (booked("c", "a", UNKNOWN), ("owner_parent",), False),
    (booked(UNKNOWN, "a", "a"), BOTH, None),
])  # fmt: skip
def test_whom_a_movement_is_booked_to_is_yes_no_or_unknown(
    profile: Profile, words: tuple[str, ...], truth: bool | None
) -> None:
    asked = rulebook.Test("booked_to_is", "in", words)
    assert holds(asked, profile, load(DIFFUSION), DAY) is truth
    other = rulebook.Test("booked_to_is", "not_in", words)
    assert holds(other, profile, load(DIFFUSION), DAY) is (None if truth is None else not truth)


def test_the_dimension_reads_as_words_in_show_and_diff() -> None:
    asked = rulebook.Test("booked_to_is", "not_in", BOTH)
    assert condition(asked) == "booked to: not the owner's ultimate parent or the operator's ultimate parent"
    book = load(DIFFUSION)
    without = rulebook.Rulebook(**{
        **{name: getattr(book, name) for name in book.__dataclass_fields__},
        "rules": tuple(rule for rule in book.rules if rule.name != "LPP-election"),
    })  # fmt: skip
    (told,) = compare(without, book)
    assert "LPP-election is added" in told.words
    assert "booked to: not the owner's ultimate parent" in told.words


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    """A Malaysian and a German group, each with a daughter; a firm of which nobody knows the parent."""
    return Ledger(conn).begin(
        adopt(DIFFUSION, "2025-01-13"), party("nvidia"), party("site", "MY"), party("other", "MY"),
        party("malay", "MY"), party("malay-east", "MY", "malay"),
        party("german", "DE"), party("german-cloud", "DE", "german"), party("orphan", "MY", "unknown"),
    )  # fmt: skip


def lpp(owner: str, operator: str, booked_to: str = "") -> Request:
    return move("ship", "2025-03-01", 100, exporter="nvidia", recipient="site", destination="MY", owner=owner,
                operator=operator, booked_to=booked_to, authorization="LPP",
                evidence="consignee-statement=S-1")  # fmt: skip


@pytest.mark.parametrize(("owner", "operator", "booked_to", "code", "says"), [
    ("malay-east", "german-cloud", "", "", "malay"),                    # filled in: the owner's ultimate parent
    ("malay-east", "german-cloud", "malay", "", "malay"),               # the same, stated
    ("german-cloud", "malay-east", "", "", "german"),
    ("german-cloud", "malay-east", "malay", "", "malay"),               # the election of an allied owner
    ("german-cloud", "malay-east", "malay-east", "not_permitted", "LPP-booked-to-neither"),  # no ultimate parent
    ("german-cloud", "malay-east", "other", "not_permitted", "LPP-booked-to-neither"),
    ("malay-east", "german-cloud", "german", "not_permitted", "LPP-election"),   # not allied: no election
    ("malay-east", "other", "other", "not_permitted", "LPP-election"),
    ("malay-east", "malay-east", "malay", "", "malay"),                 # one and the same parent: nothing to elect
    ("german-cloud", "orphan", "orphan", "undetermined", "ultimate parent of orphan"),
    ("orphan", "german-cloud", "", "undetermined", "ultimate parent of orphan"),
])  # fmt: skip
def test_lpp_is_booked_to_the_owners_parent_or_by_election_of_an_allied_owner_to_the_operators(
    ledger: Ledger, owner: str, operator: str, booked_to: str, code: str, says: str
) -> None:
    receipt = ledger.ask(lpp(owner, operator, booked_to))
    assert receipt.code == code, receipt
    if code:
        assert says in receipt.message
    else:
        assert ledger.subjects("lpp-year") == {f"booked_to={says}"}
        assert ledger.used("lpp-year", f"booked_to={says}", "2025-03-01") == "1583200"


def test_what_was_booked_by_election_leaves_the_owners_own_year_free(ledger: Ledger) -> None:
    ledger.must(lpp("german-cloud", "malay-east", "malay"))
    assert ledger.used("lpp-year", "booked_to=german", "2025-12-31") == "0"
