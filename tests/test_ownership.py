"""Who owns whom on a day, and which ultimate parent follows from it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger.core.facts import Ownership, Party
from ledger.core.knowledge import Knowledge
from ledger.posting import Request
from ledger.reconcile import check
from tests.world import DIFFUSION, Ledger, adopt, license_, move
from tests.world import party as registered

DAY, LATER = date(2026, 1, 1), date(2026, 7, 1)


def known(*facts: Party | Ownership) -> Knowledge:
    knowledge = Knowledge()
    for seq, fact in enumerate(facts, 1):
        knowledge.add(fact, seq)
    return knowledge


def party(name: str, parent: str = "unknown", seat: str = "AE") -> Party:
    return Party(name, name, headquarters=seat, ultimate_parent=parent)


def owns(owner: str, owned: str, percentage: str, since: date | None = None) -> Ownership:
    return Ownership(owner, owned, Decimal(percentage), since)


@pytest.mark.parametrize(("facts", "path"), [
    ([party("a", "self")], ("a",)),
    ([party("a", "b"), party("b", "self")], ("a", "b")),                        # stated outright
    ([party("a"), party("b", "self"), owns("b", "a", "50.1")], ("a", "b")),     # a majority makes a parent
    ([party("a"), party("b", "self"), owns("b", "a", "50")], ()),               # half does not
    ([party("a"), party("b"), party("c", "self"), owns("b", "a", "60"), owns("c", "b", "100")], ("a", "b", "c")),
    ([party("a"), party("b"), owns("b", "a", "60")], ()),                       # who owns the owner is not known
    ([party("a"), party("b"), owns("b", "a", "60"), owns("a", "b", "60")], ()),  # a circle has no top
    ([party("a", "b"), party("b", "self"), party("c", "self"), owns("c", "a", "99")], ("a", "b")),  # stated comes first
    ([party("a")], ()),
])  # fmt: skip
def test_the_ultimate_parent_follows_the_majority_upward(facts: list[Party | Ownership], path: tuple[str, ...]) -> None:
    assert known(*facts).ownership_path("a", DAY) == path


def test_a_sold_share_makes_no_parent_from_its_day_on() -> None:
    knowledge = known(
        party("a"), party("b", "self"), party("c", "self"),
        owns("b", "a", "80"), owns("b", "a", "0", LATER), owns("c", "a", "80", LATER),
    )  # fmt: skip
    assert knowledge.ownership_path("a", DAY) == ("a", "b")
    assert knowledge.ownership_path("a", LATER) == ("a", "c")


def test_a_seat_shows_the_path_between_a_party_and_its_ultimate_parent() -> None:
    knowledge = known(party("a"), party("b"), party("c", "self", "CN"), owns("b", "a", "60"), owns("c", "b", "100"))
    seat = knowledge.seat("a", DAY)
    assert seat
    assert (seat.parent, seat.parent_headquarters, seat.path) == ("c", "CN", ("b",))
    assert seat.body()["path"] == ["b"]


def own(owner: str, owned: str, percentage: str, since: str = "") -> Request:
    raw = {"owner": owner, "owned": owned, "percentage": percentage, "from": since}
    return Request("ownership", f"{owner}>{owned}:{since}", raw)


GRANT = {"exporter": "nvidia", "recipient": "gulf", "destination": "AE", "authorization": "L"}


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    return Ledger(conn).begin(
        registered("nvidia"), registered("holding", "AE"), registered("shanghai", "CN"),
        registered("gulf", "AE", "unknown"),
        adopt(DIFFUSION), license_("L", "gulf", "AE"),
    )  # fmt: skip


def test_a_request_that_turns_on_an_unknown_parent_succeeds_once_the_owner_is_known(ledger: Ledger) -> None:
    asked = move("grant", "2025-06-01", 100, key="same", **GRANT)
    ledger.refused(asked, "undetermined")
    ledger.must(own("holding", "gulf", "51"))
    assert ledger.ask(asked).verdict == "posted"
    check_sound(ledger)


def test_a_sale_to_an_owner_in_a_denied_country_denies_from_its_day_and_changes_no_old_entry(ledger: Ledger) -> None:
    ledger.must(own("holding", "gulf", "51"))
    seq = ledger.must(move("grant", "2025-06-01", 100, **GRANT))
    before = ledger.judgment(seq)
    ledger.must(own("holding", "gulf", "0", "2025-07-01"), own("shanghai", "gulf", "90", "2025-07-01"))
    assert ledger.ask(move("grant", "2025-06-30", 1, **GRANT)).verdict == "posted"
    assert "denied-parties" in ledger.refused(move("grant", "2025-07-01", 1, **GRANT), "not_permitted").message
    assert ledger.judgment(seq) == before
    check_sound(ledger)


@pytest.mark.parametrize(("request_", "code"), [
    (own("holding", "nobody", "10"), "unknown_party"),
    (own("nobody", "gulf", "10"), "unknown_party"),
    (own("gulf", "gulf", "10"), "malformed"),
    (own("holding", "gulf", "101"), "malformed"),
    (own("holding", "gulf", "-1"), "malformed"),
    (own("shanghai", "gulf", "50"), "exceeds_authorization"),  # 60 are stated already
])  # fmt: skip
def test_an_ownership_that_cannot_be_is_refused(ledger: Ledger, request_: Request, code: str) -> None:
    ledger.must(own("holding", "gulf", "60"))
    ledger.refused(request_, code)


def check_sound(ledger: Ledger) -> None:
    assert check(ledger.conn).is_sound
