"""Limits that are shares of another counter, groups as owned on a day, and stock that is declared.

Chips are rated in round figures of TPP per chip by the catalog; amounts are in chips of one kind unless said.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger.posting import Request
from ledger.reconcile import check
from ledger.reports import Reader, remaining, standings
from tests.world import (
    A100,
    DIFFUSION,
    H100,
    H200,
    LICENSING,
    Ledger,
    adopt,
    book,
    license_,
    move,
    party,
    reverse,
)

RATIO = (
    "name: ratio, counts: granted, by: [chip], where: {{destination: [CN]}}, window: {{from: 2026-01-15}},"
    " limit: {{share: 50%, of: {{counts: shipped, gives_back: [return], by: [chip],"
    " where: {{destination: [US], end_use: [US]}}}}, asked_chips_enlarge_base: no}}, when_base_shrinks: {shrinks}"
)


def ratio(shrinks: str = "flag") -> str:
    return RATIO.format(shrinks=shrinks)


def at_home(day: str, chips: int, chip: str = H200, **more: Any) -> Request:
    """A sale to a customer in the US, for use there."""
    return move(
        "ship", day, chips, chip, destination="US", recipient="cloud", exporter="nvidia", exported_from="US",
        end_use="US", activity="domestic", **more,
    )  # fmt: skip


def to_china(day: str, chips: int, chip: str = H200, **more: Any) -> Request:
    return move(
        "grant", day, chips, chip, destination="CN", recipient="buyer", authorization="lic", exporter="nvidia", **more
    )


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    """A ledger of a book with the ratio alone, and a license for any chip."""
    return _begun(conn, ratio())


def _begun(conn: Any, *caps: str) -> Ledger:
    return Ledger(conn).begin(
        party("nvidia"), party("cloud"), party("buyer", "CN"), adopt(book(*caps).replace("CN, DE", "CN, DE, MO")),
        license_("lic", "buyer", "CN", first_day="2025-01-01"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sold", "asked", "day", "fits"),
    [
        (100, 49, "2026-02-01", True),
        (100, 50, "2026-02-01", True),
        (100, 51, "2026-02-01", False),
        (0, 1, "2026-02-01", False),
        (100, 50, "2026-01-20", True),  # the day of the sale
        (100, 1, "2026-01-19", False),  # the day before it
    ],
)
def test_half_of_what_was_shipped_at_home_may_go_abroad(
    ledger: Ledger, sold: int, asked: int, day: str, fits: bool
) -> None:
    """91 FR 1684, supp. 2 to part 748 (dd)(1)(iii): at most half of the same product's TPP shipped for US end use."""
    if sold:
        ledger.must(at_home("2026-01-20", sold))
    receipt = ledger.ask(to_china(day, asked))
    assert (receipt.verdict, receipt.code) == (("posted", "") if fits else ("refused", "cap_exceeded"))


def test_each_product_has_a_base_of_its_own(ledger: Ledger) -> None:
    ledger.must(at_home("2026-01-20", 100, H100))
    ledger.refused(to_china("2026-02-01", 1, H200), "cap_exceeded")
    ledger.must(to_china("2026-02-01", 50, H100))


def test_what_was_sold_before_the_window_is_no_part_of_the_base(ledger: Ledger) -> None:
    ledger.must(at_home("2026-01-14", 100))
    ledger.refused(to_china("2026-02-01", 1), "cap_exceeded")
    ledger.must(at_home("2026-01-15", 2), to_china("2026-02-01", 1))


def test_a_refusal_names_the_share_and_what_fits(ledger: Ledger) -> None:
    ledger.must(at_home("2026-01-20", 100))
    receipt = ledger.refused(to_china("2026-02-01", 51), "cap_exceeded")
    assert "ratio of chip=nvidia-h200-sxm-141 would be over on 2026-02-01" in receipt.message
    assert receipt.remedy == "Ask for 50 chips or fewer under a new key."


def test_a_return_that_shrinks_the_base_undoes_nothing_and_opens_a_discrepancy(ledger: Ledger) -> None:
    ledger.must(at_home("2026-01-20", 100))
    granted = ledger.must(to_china("2026-02-01", 50))
    ledger.must(move("return", "2026-03-01", 10, H200, destination="US", recipient="cloud"))
    assert ledger.discrepancies() == [("cap_exceeded", "ratio", f"chip={H200}")]
    assert len(ledger.entries(granted)) == 2
    receipt = ledger.refused(to_china("2026-03-01", 1), "cap_exceeded")
    assert "left 0" in receipt.message
    ledger.must(at_home("2026-03-02", 12), to_china("2026-03-02", 1))


def test_a_base_that_shrinks_and_still_suffices_opens_nothing(ledger: Ledger) -> None:
    ledger.must(at_home("2026-01-20", 102), to_china("2026-02-01", 50))
    ledger.must(move("return", "2026-03-01", 2, H200, destination="US", recipient="cloud"))
    assert ledger.discrepancies() == []


@pytest.mark.parametrize(("shrinks", "verdict"), [("flag", "posted"), ("refuse", "refused")])
def test_a_reverse_that_shrinks_the_base_is_refused_only_where_the_book_says_so(
    conn: Any, shrinks: str, verdict: str
) -> None:
    ledger = _begun(conn, ratio(shrinks))
    sold = ledger.must(at_home("2026-01-20", 100))
    ledger.must(to_china("2026-02-01", 50))
    assert ledger.ask(reverse(sold, "2026-02-02")).verdict == verdict
    assert [each[1] for each in ledger.discrepancies()] == (["ratio"] if shrinks == "flag" else [])
    looked = {each["cap"]: each for each in ledger.judgment(ledger.size() - (shrinks == "flag"))["caps"]}
    assert (looked["ratio"]["finding"], looked["ratio"]["limit"]) == ("exceeded", "0")


def test_a_license_dated_before_a_return_is_held_against_the_day_of_the_return(ledger: Ledger) -> None:
    ledger.must(at_home("2026-01-20", 100))
    ledger.must(move("return", "2026-03-01", 60, H200, destination="US", recipient="cloud"))
    receipt = ledger.refused(to_china("2026-02-01", 21), "cap_exceeded")
    assert "on 2026-03-01" in receipt.message
    ledger.must(to_china("2026-02-01", 20))


def test_remaining_and_standings_say_the_same_of_a_share(ledger: Ledger) -> None:
    ledger.must(at_home("2026-01-20", 100), to_china("2026-02-01", 30))
    with Reader(ledger.conn).view(on=date(2026, 2, 1)) as view:
        left = remaining(
            view, destination="CN", recipient="buyer", chip=H200, authorization="license", exporter="nvidia"
        )
        found = {(each.cap, each.subject): each for each in standings(view)}
    shown = found["ratio", f"chip={H200}"]
    assert (left.remaining_chips, left.binding_cap) == (20, "ratio")
    assert (shown.limit, shown.left, shown.state) == (Decimal(50) * 15832, Decimal(20) * 15832, "open")
    assert found["ratio.base", f"chip={H200}"].state == "watched"


def test_the_enforced_book_holds_china_and_macau_to_half_of_sales_at_home(conn: Any) -> None:
    """91 FR 1684, (dd)(1)(iii), under the whole book: its other conditions met."""
    ledger = Ledger(conn).begin(
        party("nvidia"), party("cloud"), party("buyer", "CN"), party("lab", "US", roles="approved-lab"),
        adopt(LICENSING), license_("lic", "buyer", "CN", first_day="2026-01-15"),
    )  # fmt: skip
    evidence = ";".join(
        f"{kind}=r1" for kind in (
            "us-supply-sufficient", "no-foundry-diversion", "no-prohibited-end-use", "kyc-remote-access",
            "us-volume-stated", "lab-certificate",
        )
    )  # fmt: skip
    asked = {"exported_from": "US", "lab": "lab", "evidence": evidence}
    ledger.must(at_home("2026-02-01", 100))
    ledger.refused(to_china("2026-02-01", 51, **asked), "cap_exceeded")
    ledger.must(to_china("2026-02-01", 50, **asked))
    ledger.refused(to_china("2026-02-02", 1, **asked), "cap_exceeded")


# Groups as owned on a day: 25 % of what a group holds may stand outside its allies, and 7 % in one country.

TOTAL = (
    "name: total, counts: held, by: [owner_group], limit: none, gives_back: [loss, return, relocation, resale]{base}"
)
OUTSIDE = (
    "name: outside, counts: held, by: [owner_group], where: {{destination: [AE, MY, IN]}},"
    " gives_back: [loss, return, relocation, resale],"
    " limit: {{share: 25%, of: total, asked_chips_enlarge_base: {enlarge}}}"
)
EACH = (
    "name: each, counts: held, by: [owner_group, destination], where: {destination: [AE, MY, IN]},"
    " limit: {share: 7%, of: total, asked_chips_enlarge_base: yes}"
)


def group(conn: Any, *caps: str, base: str = "") -> Ledger:
    """A world of two groups, `top` with a daughter and `other`."""
    return Ledger(conn).begin(
        party("nvidia"), party("top"), party("daughter", "AE", "top"), party("other"),
        adopt(book(TOTAL.format(base=base), *caps)),
    )  # fmt: skip


def hold(day: str, chips: int, owner: str, destination: str, **more: Any) -> Request:
    return move("ship", day, chips, H100, destination=destination, recipient=owner, exporter="nvidia", **more)


@pytest.mark.parametrize(
    ("enlarge", "asked", "fits"), [("no", 25, True), ("no", 26, False), ("yes", 33, True), ("yes", 34, False)]
)
def test_what_is_asked_enlarges_the_base_only_where_the_book_says_so(
    conn: Any, enlarge: str, asked: int, fits: bool
) -> None:
    """Supp. 10 to part 748, item 6: 25 % of all that the group owns: 33 of 133 is less, 34 of 134 more."""
    ledger = group(conn, OUTSIDE.format(enlarge=enlarge))
    ledger.must(hold("2025-06-01", 100, "top", "DE"))
    receipt = ledger.ask(hold("2025-06-02", asked, "daughter", "AE"))
    assert receipt.verdict == ("posted" if fits else "refused")
    if not fits:
        assert receipt.remedy == f"Ask for {asked - 1} chips or fewer under a new key."


def test_a_share_of_all_of_itself_never_binds_since_its_limit_grows_by_what_is_asked(conn: Any) -> None:
    ledger = _begun(
        conn,
        "name: whole, counts: shipped, limit: {share: 100%, of: total, asked_chips_enlarge_base: yes}",
        "name: total, counts: shipped, limit: none",
    )
    line = {"destination": "CN", "recipient": "buyer", "authorization": "lic", "exporter": "nvidia"}
    ledger.must(to_china("2026-01-20", 7))
    with Reader(ledger.conn).view(on=date(2026, 2, 1)) as view:
        left = remaining(view, chip=H200, **line)
    assert (left.remaining_chips, left.binding_cap) == (7, "authorization")
    (whole,) = [cap for cap in left.caps if cap.cap == "whole"]
    assert "grows" in whole.body()["remark"]
    ledger.must(move("ship", "2026-02-01", 7, H200, **line))


@pytest.mark.parametrize(("enlarge", "left"), [("no", 25), ("yes", 33)])
def test_remaining_counts_what_is_asked_into_the_base(conn: Any, enlarge: str, left: int) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge=enlarge))
    ledger.must(hold("2025-06-01", 100, "top", "DE"))
    with Reader(ledger.conn).view(on=date(2025, 6, 2)) as view:
        found = remaining(view, destination="AE", recipient="daughter", chip=H100, exporter="nvidia")
    assert (found.remaining_chips, found.binding_cap) == (left, "outside")


def test_the_scarcer_of_two_shares_binds(conn: Any) -> None:
    """Supp. 10 to part 748, item 6: 7 % in any one country."""
    ledger = group(conn, OUTSIDE.format(enlarge="yes"), EACH)
    ledger.must(hold("2025-06-01", 100, "top", "DE"), hold("2025-06-02", 7, "daughter", "AE"))
    receipt = ledger.refused(hold("2025-06-02", 1, "daughter", "AE"), "cap_exceeded")
    assert "each of owner_group=top,destination=AE" in receipt.message
    ledger.must(hold("2025-06-02", 7, "daughter", "MY"))


def test_a_daughter_that_is_sold_takes_its_chips_along(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="no"))
    ledger.must(hold("2025-06-01", 100, "top", "DE"), hold("2025-06-01", 100, "other", "DE"))
    ledger.must(hold("2025-06-02", 20, "daughter", "AE"))
    ledger.must(party("daughter", "AE", "other", **{"from": "2025-07-01"}))
    ledger.must(hold("2025-06-30", 5, "top", "MY"))  # 25 of 125 until it is sold, 5 of 105 then
    ledger.refused(hold("2025-06-30", 7, "top", "MY"), "cap_exceeded")
    ledger.refused(hold("2025-07-01", 11, "other", "MY"), "cap_exceeded")  # it has 20 of 120 with the daughter
    ledger.must(hold("2025-07-01", 10, "other", "MY"))
    told = []
    for day in (date(2025, 6, 30), date(2025, 7, 1)):
        with Reader(ledger.conn).view(on=day) as view:
            told.append({each.subject: each.used_tpp / 15832 for each in standings(view) if each.cap == "outside"})
    assert told == [
        {"owner_group=top": 25},
        {"owner_group=other": 30, "owner_group=top": 5},
    ]


def test_what_was_known_before_a_sale_was_recorded_is_answered_as_before(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="no"))
    known = ledger.must(hold("2025-06-01", 100, "top", "DE"), hold("2025-06-02", 20, "daughter", "AE"))
    ledger.must(party("daughter", "AE", "other", **{"from": "2025-06-02"}))

    def told(known: int | None) -> set[str]:
        with Reader(ledger.conn).view(on=date(2025, 6, 3), known=known) as view:
            return {each.subject for each in standings(view) if each.cap == "outside"}

    assert (told(known), told(None)) == ({"owner_group=top"}, {"owner_group=other"})


def test_a_shipment_that_a_later_sale_makes_too_much_is_refused_for_the_day_of_the_sale(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="no"))
    ledger.must(hold("2025-06-01", 100, "daughter", "DE"), party("daughter", "AE", "other", **{"from": "2025-07-01"}))
    receipt = ledger.refused(hold("2025-06-15", 20, "top", "AE"), "cap_exceeded")
    assert "owner_group=top would be over on 2025-07-01" in receipt.message


def test_an_owner_whose_parent_is_not_known_is_undetermined(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="no"))
    ledger.must(party("stranger", "AE", "unknown"), hold("2025-06-01", 100, "stranger", "DE"))
    ledger.refused(hold("2025-06-02", 1, "stranger", "AE"), "undetermined")


# Declared stock.

DECLARED = ", base: {declared: semiannual, valid_until: next report}"


def stock(party_id: str, as_of: str, *lines: tuple[str, int], owner: str = "") -> Request:
    told = [{"destination": country, "chip": H100, "quantity": str(n), "owner": owner} for country, n in lines]
    return Request("stock", f"stock:{party_id}:{as_of}:{lines}", {"party_id": party_id, "as_of": as_of, "lines": told})


@pytest.mark.parametrize(
    ("day", "verdict"),
    [
        ("2025-01-31", "undetermined"),
        ("2025-02-01", "posted"),
        ("2025-07-31", "posted"),
        ("2025-08-01", "undetermined"),
    ],
)
def test_a_base_that_must_be_declared_is_undetermined_without_a_report_that_is_good(
    conn: Any, day: str, verdict: str
) -> None:
    """Supp. 10 to part 748, item 10: twice a year; without a report nobody knows the base."""
    ledger = group(conn, OUTSIDE.format(enlarge="no"), base=DECLARED)
    ledger.must(stock("top", "2025-02-01", ("US", 100)))
    receipt = ledger.ask(hold(day, 25, "daughter", "AE"))
    assert (receipt.code or receipt.verdict) == verdict
    if receipt.code:
        assert "top has declared no stock" in receipt.message


def test_declared_stock_counts_where_it_stands_and_is_replaced_by_the_next_declaration(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="no"), base=DECLARED)
    ledger.must(stock("top", "2025-02-01", ("US", 80), ("AE", 20)))
    ledger.refused(hold("2025-02-02", 6, "daughter", "MY"), "cap_exceeded")
    ledger.must(hold("2025-02-02", 5, "daughter", "MY"))
    ledger.must(stock("top", "2025-08-01", ("US", 80)))
    ledger.must(hold("2025-08-01", 15, "daughter", "MY"))
    ledger.refused(hold("2025-08-01", 6, "daughter", "MY"), "cap_exceeded")
    assert ledger.used("total", "owner=top", "2025-07-31") == str(100 * 15832)
    assert ledger.used("total", "owner=top", "2025-08-01") == str(80 * 15832)
    assert check(ledger.conn).is_sound


def test_a_declaration_that_shows_a_breach_is_kept_and_opens_a_discrepancy(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="no"), base=DECLARED)
    ledger.must(stock("top", "2025-02-01", ("US", 60), ("AE", 40)))
    assert ledger.discrepancies() == [("cap_exceeded", "outside", "owner_group=top")]


def test_declared_chips_can_be_retired_and_moved_on(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="no"), base=DECLARED)
    ledger.must(stock("top", "2025-02-01", ("US", 100)))
    ledger.must(move("retire", "2025-03-01", 10, H100, destination="US", recipient="top", cause="loss"))
    ledger.must(stock("top", "2025-08-01", ("US", 85)))
    assert ledger.used("total", "owner=top", "2025-03-01") == str(90 * 15832)
    assert ledger.used("total", "owner=top", "2025-08-01") == str(85 * 15832)


def test_nothing_can_be_declared_too(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="no"), base=DECLARED)
    ledger.must(stock("top", "2025-02-01"), hold("2025-02-02", 100, "top", "DE"), hold("2025-02-03", 25, "top", "AE"))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (stock("nobody", "2025-02-01"), "unknown_party"),
        (stock("top", "2025-02-01", ("US", 1), owner="nobody"), "unknown_party"),
        (stock("top", "2024-08-01"), "outside_validity"),
        (stock("top", "2025-13-01"), "malformed"),
        (stock("top", "2025-08-01", ("Nowhere", 1)), "malformed"),
        (stock("top", "2025-08-01", ("US", 0)), "malformed"),
    ],
)
def test_a_declaration_that_cannot_be_kept_is_refused_by_name(conn: Any, asked: Request, code: str) -> None:
    ledger = group(conn)
    ledger.must(stock("top", "2025-01-01"))
    ledger.refused(asked, code)


def test_a_party_declares_its_own_stock_and_no_other(conn: Any) -> None:
    ledger = group(conn)
    assert ledger.ask(stock("top", "2025-02-01", ("US", 1)), actor="top").verdict == "posted"
    ledger.refused(stock("other", "2025-02-01", ("US", 1)), "forbidden", actor="top")


def test_a_party_declares_for_its_own_group_and_learns_of_no_other(conn: Any) -> None:
    ledger = group(conn)
    assert ledger.ask(stock("top", "2025-02-01", ("AE", 1), owner="daughter"), actor="top").verdict == "posted"
    told = [
        ledger.refused(stock("top", "2025-02-02", ("AE", 1), owner=name), "unknown_party", actor="top").message
        for name in ("other", "nobody")
    ]
    assert told[0].replace("other", "nobody") == told[1]


# Shares that are tested on some days only.

ABROAD = (
    "name: abroad, counts: held, by: [owner_group], where: {destination: {not: [US]}}, when_exceeded: flag,"
    " tested_on: [02-01, 08-01], limit: {share: 50%, of: total}"
)


def test_a_share_tested_on_reporting_dates_is_flagged_for_the_first_of_them_that_would_be_over(conn: Any) -> None:
    """Supp. 10 to part 748, items 6 and 10: at least half at home, on the reporting dates."""
    ledger = group(conn, ABROAD)
    ledger.must(hold("2025-03-01", 10, "top", "US"), hold("2025-03-01", 10, "top", "DE"))
    assert ledger.discrepancies() == []
    ledger.must(hold("2025-03-02", 1, "top", "DE"))
    assert ledger.discrepancies() == [("cap_exceeded", "abroad", "owner_group=top")]
    (note,) = ledger.rows("SELECT note FROM discrepancy")[0]
    assert "on 2025-08-01" in note


def test_between_reporting_dates_a_share_is_only_watched(conn: Any) -> None:
    ledger = group(conn, ABROAD)
    ledger.must(hold("2025-03-01", 1, "top", "DE"))

    def state(day: str) -> str:
        with Reader(ledger.conn).view(on=date.fromisoformat(day)) as view:
            return next(each.state for each in standings(view) if each.cap == "abroad")

    assert [state(day) for day in ("2025-07-31", "2025-08-01", "2025-08-02")] == ["watched", "over", "watched"]


def test_the_framework_holds_a_validated_end_user_to_its_shares(conn: Any) -> None:
    """Supp. 10 to part 748, item 6, under the whole framework: 25 % outside the allies and 7 % in one country."""
    ledger = Ledger(conn).begin(
        party("nvidia"), party("cloud"), party("daughter", "US", "cloud"), adopt(DIFFUSION),
        *(
            Request(
                "authorization", f"veu:{name}",
                {"authorization_id": f"veu-{name}", "kind": "UVEU", "recipient": name, "destination": "US",
                 "effective_on": "2025-01-13"},
            )
            for name in ("cloud", "daughter")
        ),
    )  # fmt: skip
    ship = {"authorization": "UVEU", "exported_from": "US"}
    ledger.refused(hold("2025-06-01", 1, "daughter", "MY", **ship), "undetermined")
    ledger.must(stock("cloud", "2025-02-01", ("US", 1000)))
    ledger.refused(hold("2025-06-01", 76, "daughter", "MY", **ship), "cap_exceeded")  # 76 of 1,076 is over 7 %
    ledger.must(hold("2025-06-01", 75, "daughter", "MY", **ship))
    ledger.refused(hold("2025-06-01", 10, "daughter", "MY", **ship), "cap_exceeded")
    ledger.must(hold("2025-06-01", 75, "cloud", "IN", **ship))
    assert [each for each in ledger.discrepancies() if each[1].startswith("uveu")] == []


def test_counters_of_shares_are_rebuilt_the_same(conn: Any) -> None:
    ledger = group(conn, OUTSIDE.format(enlarge="yes"), EACH, ABROAD, base=DECLARED)
    ledger.must(stock("top", "2025-02-01", ("US", 100)), hold("2025-02-01", 7, "daughter", "AE"))
    ledger.must(party("daughter", "AE", "other", **{"from": "2025-03-01"}))
    assert check(ledger.conn).is_sound


def test_a100_is_its_own_product(ledger: Ledger) -> None:
    ledger.must(at_home("2026-01-20", 10, A100), to_china("2026-02-01", 5, A100))
    ledger.refused(to_china("2026-02-01", 1, A100), "cap_exceeded")


def test_a_share_of_everything_that_is_over_says_so_whatever_is_asked(conn: Any) -> None:
    base = "{counts: shipped, gives_back: [return]}"
    ledger = _begun(
        conn, f"name: all, counts: shipped, limit: {{share: 100%, of: {base}, asked_chips_enlarge_base: yes}}"
    )
    ledger.must(at_home("2026-01-20", 10))
    ledger.must(move("return", "2026-01-21", 5, H200, destination="US", recipient="cloud", exporter="nvidia"))
    receipt = ledger.refused(at_home("2026-01-22", 1), "cap_exceeded")
    assert receipt.remedy.startswith("Nothing more fits")
