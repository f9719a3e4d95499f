"""The worked cases that the law's own numbers give, through the real writer on a real database."""

from __future__ import annotations

import pytest
from world import (
    A100,
    B200,
    DIFFUSION,
    GB300,
    H20,
    H100,
    H200,
    LICENSING,
    Ledger,
    adopt,
    book,
    cap,
    license_,
    move,
    party,
    rating,
)  # fmt: skip

YEAR = "2025-06-02"


@pytest.fixture
def framework(conn):
    """Under the framework: an American exporter, and data centers in Malaysia, the Emirates and elsewhere."""
    return Ledger(conn).begin(
        adopt(DIFFUSION, "2025-01-13"),
        party("nvidia"), party("amd"),
        party("mydc", "MY"), party("chinese-group", "CN"), party("emirati", "AE"),
        party("emirati-of-chinese-group", "AE", "chinese-group"), party("american", "US"),
        party("cambodian", "KH"), party("hongkonger", "HK"), party("puertorican", "PR"), party("german", "DE"),
    )  # fmt: skip


@pytest.fixture
def enforced(conn):
    """Under what is enforced since May 2025: G42, here with a known parent, and its license of 2026."""
    return Ledger(conn).begin(
        adopt(LICENSING), party("nvidia"), party("g42", "AE"), license_("G42-2026", "g42", "AE", chips="")
    )


def licensed(ledger, recipient, destination, quantity, chip=H100, day=YEAR, name="L1", **more):
    """Issue a license and ask for its grant; return the receipt."""
    ledger.must(license_(name, recipient, destination, **more))
    return ledger.ask(grant(recipient, destination, quantity, chip, day, name))


def grant(recipient, destination, quantity, chip=H100, day=YEAR, name="L1", **more):
    return move("grant", day, quantity, chip, exporter="nvidia", recipient=recipient, destination=destination,
                authorization=name, **more)  # fmt: skip


# us-diffusion-2025


def test_49_000_h100_to_malaysia_leave_14_232_000_tpp_and_898_h200(framework):
    assert licensed(framework, "mydc", "MY", 49_000).verdict == "posted"
    assert framework.used("country-allocation", "destination=MY", YEAR) == "775768000"

    too_many = framework.refused(grant("mydc", "MY", 899, H200), "cap_exceeded")
    assert "country-allocation of destination=MY" in too_many.message
    assert "left 14,232,000" in too_many.message
    assert "898 chips or fewer" in too_many.remedy

    assert framework.ask(grant("mydc", "MY", 898, H200)).verdict == "posted"
    framework.must(grant("mydc", "MY", 2, A100))  # 14,864 were left: a smaller chip still fits twice
    framework.refused(grant("mydc", "MY", 1, A100), "cap_exceeded")


def test_the_899th_is_refused_whichever_way_it_comes(framework):
    licensed(framework, "mydc", "MY", 49_000)
    framework.must(grant("mydc", "MY", 898, H200))
    framework.refused(grant("mydc", "MY", 1, H200), "cap_exceeded")
    framework.refused(grant("mydc", "MY", 1, H200, day="2025-01-20"), "cap_exceeded")  # also when dated back
    framework.refused(
        move("reserve", YEAR, 1, H200, exporter="nvidia", recipient="mydc", destination="MY", authorization="L1",
             last_day="2025-12-31"), "cap_exceeded")  # fmt: skip
    # A Malaysian license does not use up another country.
    assert licensed(framework, "emirati", "AE", 49_000, name="L2").verdict == "posted"


def test_a_refusal_keeps_every_cap_looked_at_with_its_numbers(framework):
    licensed(framework, "mydc", "MY", 49_000)
    refused = framework.refused(grant("mydc", "MY", 899, H200), "cap_exceeded")
    looked = cap(framework.judgment(refused.seq), "country-allocation")
    assert (looked["limit"], looked["used"], looked["asked"]) == ("790000000", "775768000", "14232968")
    assert (looked["finding"], looked["day"], looked["subject"]) == ("exceeded", YEAR, "destination=MY")


def test_a_recipient_in_the_emirates_whose_parent_is_in_china_is_not_permitted_and_the_rule_is_named(framework):
    receipt = licensed(framework, "emirati-of-chinese-group", "AE", 1)
    assert receipt.code == "not_permitted"
    assert "denied-parties" in receipt.message
    assert "742.6(b)(10)(iii)(A)(1)" in receipt.message
    # The same chips to an Emirati firm that nobody in China owns are.
    assert licensed(framework, "emirati", "AE", 1, name="L2").verdict == "posted"


def test_a_license_that_overrides_the_presumption_by_name_opens_that_door_and_no_other(framework):
    assert licensed(framework, "emirati-of-chinese-group", "AE", 1, overrides="denied-parties").verdict == "posted"
    receipt = licensed(framework, "emirati-of-chinese-group", "AE", 1, name="L2", overrides="license-other")
    assert receipt.code == "not_permitted"


@pytest.mark.parametrize(("parent", "code"), [
    ("unknown", "undetermined"),
    ("self", ""),
])  # fmt: skip
def test_an_unknown_parent_is_never_yes(framework, parent, code):
    framework.must(party("somebody", "AE", parent))
    assert licensed(framework, "somebody", "AE", 1).code == code


@pytest.mark.parametrize(("day", "code"), [
    ("2025-11-06", "not_permitted"),
    ("2025-11-07", ""),
])  # fmt: skip
def test_cambodia_is_tier_3_until_its_listing_ended_and_tier_2_after(framework, day, code):
    assert licensed(framework, "cambodian", "KH", 100, day=day).code == code
    assert framework.used("country-allocation", "destination=KH", day) == ("0" if code else "1583200")


def test_cambodias_allocation_is_as_large_as_any_other_once_it_is_tier_2(framework):
    licensed(framework, "cambodian", "KH", 1, day="2025-12-01")
    framework.refused(grant("cambodian", "KH", 49_900, day="2025-12-01"), "cap_exceeded")


def test_an_emirati_firms_site_in_germany_opens_no_counter_for_germany(framework):
    assert licensed(framework, "emirati", "DE", 60_000).verdict == "posted"  # more than any allocation
    assert framework.subjects("country-allocation") == set()


@pytest.mark.parametrize(("recipient", "destination", "code", "subject"), [
    ("hongkonger", "HK", "not_permitted", None),                # as China
    ("american", "HK", "not_permitted", None),
    ("hongkonger", "AE", "not_permitted", None),                # the seat, too
    ("puertorican", "PR", "", None),                            # as the United States: no allocation
    ("american", "PR", "", None),
    ("american", "MY", "", "destination=MY"),
])  # fmt: skip
def test_hong_kong_counts_as_china_and_puerto_rico_as_the_united_states(
    framework, recipient, destination, code, subject
):
    assert licensed(framework, recipient, destination, 1).code == code
    assert framework.subjects("country-allocation") == ({subject} if subject else set())


def lpp(exporter, recipient, quantity, day, chip=H100, destination="MY", **more):
    evidence = {"evidence": "consignee-statement=S-1"}
    return move("ship", day, quantity, chip, exporter=exporter, recipient=recipient, destination=destination,
                authorization="LPP", **{**evidence, **more})  # fmt: skip


def test_lpp_counts_per_ultimate_parent_across_all_exporters(framework):
    framework.must(
        party("group", "MY"), party("group-east", "MY", "group"), party("group-west", "MY", "group"),
        lpp("nvidia", "group-east", 1_000, "2025-03-01"),  # 15,832,000
        lpp("amd", "group-west", 600, "2025-04-01"),       # 25,331,200
    )  # fmt: skip
    assert framework.used("lpp-year", "booked_to=group", "2025-04-01") == "25331200"
    refused = framework.refused(lpp("nvidia", "group", 100, "2025-05-01"), "cap_exceeded")  # 99 fit
    assert "26,900,000" in refused.message
    assert "99 chips or fewer" in refused.remedy
    framework.must(lpp("nvidia", "group", 99, "2025-05-01"))
    framework.must(lpp("amd", "mydc", 1, "2025-05-01"))  # another parent has a year of its own


def test_lpp_resets_on_the_first_of_january(framework):
    full = 1_699  # 26,898,568 of 26,900,000
    framework.must(lpp("nvidia", "mydc", full, "2025-12-31"))
    framework.refused(lpp("nvidia", "mydc", 1, "2025-12-31"), "cap_exceeded")
    framework.must(lpp("nvidia", "mydc", full, "2026-01-01"))
    framework.refused(lpp("nvidia", "mydc", 1, "2026-12-31"), "cap_exceeded")
    framework.refused(lpp("nvidia", "mydc", 1, "2025-01-13"), "cap_exceeded")  # dated back into the full year


def test_lpp_counts_what_was_exported_even_if_it_comes_back(framework):
    framework.must(lpp("nvidia", "mydc", 1_699, "2025-03-01"))
    framework.must(move("return", "2025-04-01", 1_699, recipient="mydc", destination="MY", exporter="nvidia"))
    framework.refused(lpp("nvidia", "mydc", 1, "2025-05-01"), "cap_exceeded")


def test_lpp_needs_a_consignee_statement_and_says_so(framework):
    receipt = framework.refused(lpp("nvidia", "mydc", 1, YEAR, evidence=""), "not_permitted")
    assert "rule LPP " in receipt.message
    assert "consignee-statement" in receipt.message


def test_lpp_is_barred_where_the_chosen_reading_says_so(framework):
    receipt = framework.refused(lpp("nvidia", "emirati", 1, YEAR, destination="AE"), "not_permitted")
    assert "LPP-barred" in receipt.message


def test_an_h20_is_below_the_control_line_and_touches_no_cap(framework):
    ship = move("ship", YEAR, 100_000, H20, exporter="nvidia", recipient="mydc", destination="MY")
    seq = framework.must(ship)
    assert framework.judgment(seq)["rules"][0]["rules"] == ["not-covered"]
    assert framework.judgment(seq)["caps"] == []
    assert framework.rows("SELECT count(*) FROM counter_day") == [(0,)]


def test_the_nveu_ceiling_rises_by_its_schedule_and_a_later_step_does_not_help_an_earlier_day(framework):
    framework.must(
        license_("N1", "mydc", "MY", kind="NVEU", exporter="", effective_on="2025-01-13"),
    )
    chips_first_quarter = 633_000_000 // 15_832
    ship = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY", "authorization": "N1"}
    framework.must(move("ship", "2025-02-01", chips_first_quarter, **ship))
    framework.refused(move("ship", "2025-03-31", 1, **ship), "cap_exceeded")
    framework.must(move("ship", "2025-04-01", 1, **ship))
    framework.must(move("receive", "2025-04-02", 1000, recipient="mydc", destination="MY"))
    framework.refused(move("ship", "2025-03-31", 1, **ship), "cap_exceeded")
    framework.must(move("retire", "2025-04-02", 1000, recipient="mydc", destination="MY", cause="failure"))
    framework.must(move("ship", "2025-04-02", 1000, **ship))  # attrition does not count, so it frees room


def test_after_its_last_year_the_allocation_is_undetermined_and_refuses(framework):
    assert licensed(framework, "mydc", "MY", 1, day="2027-12-31").verdict == "posted"
    receipt = framework.refused(grant("mydc", "MY", 1, day="2028-01-01"), "undetermined")
    assert "country-allocation" in receipt.message


# us-licensing-2026


def test_35_000_gb300_equivalents_are_2_100_000_000_tpp_of_open_and_b200_draw_their_own_rating(enforced):
    seq = enforced.must(grant("g42", "AE", 35_000, GB300, "2026-01-10", "G42-2026", unit="equivalents"))
    assert enforced.lots() == {f"{seq}.1": ("licensed", "2100000000", "0", "0")}
    ship = move("ship", "2026-02-01", 1_000, B200, exporter="nvidia", recipient="g42", destination="AE",
                authorization="G42-2026")  # fmt: skip
    enforced.must(ship)
    assert enforced.lots()[f"{seq}.1"] == ("licensed", "2064000000", "0", "0")
    refused = enforced.refused(
        move("ship", "2026-02-01", 57_334, B200, exporter="nvidia", recipient="g42", destination="AE",
             authorization="G42-2026"), "exceeds_authorization")  # fmt: skip
    assert "57,334" in refused.message
    assert "57,333" in refused.message  # 2,064,000,000 / 36,000


def test_the_same_grant_under_the_framework_would_be_2_66_times_the_allocation(conn):
    ledger = Ledger(conn).begin(
        adopt(DIFFUSION, "2025-01-13"), party("nvidia"), party("g42", "AE"), license_("G42-2026", "g42", "AE")
    )
    asked = grant("g42", "AE", 35_000, GB300, "2026-01-10", "G42-2026", unit="equivalents")
    looked = cap(ledger.judgment(ledger.refused(asked, "cap_exceeded").seq), "country-allocation")
    assert looked["asked"] == "2100000000"
    assert round(100 * int(looked["asked"]) / int(looked["limit"])) == 266


def test_without_a_license_nothing_goes_where_the_scope_asks_for_one(enforced):
    ship = move("ship", "2026-02-01", 1, exporter="nvidia", recipient="g42", destination="AE")
    receipt = enforced.refused(ship, "not_permitted")
    assert "license-scope-none" in receipt.message


def test_a_framework_of_the_press_flags_and_never_refuses(enforced):
    # 500,000 chips a year to the Emirates, a fifth of them to G42: no law.
    enforced.must(grant("g42", "AE", 100_000, H100, "2026-01-10", "G42-2026"))
    assert enforced.discrepancies() == []
    enforced.must(grant("g42", "AE", 1, H100, "2026-01-11", "G42-2026"))
    assert enforced.discrepancies() == [("cap_exceeded", "uae-year-g42", "ultimate_parent=g42")]
    enforced.must(grant("g42", "AE", 1, H100, "2026-01-12", "G42-2026"))
    assert len(enforced.discrepancies()) == 1  # one per subject and window


# A book for a test


def test_a_release_cures_a_breach_and_is_refused_by_no_cap(conn):
    text = book(
        "name: country, counts: granted, by: [destination], gives_back: [unshipped], limit: 158_320 TPP",
        "name: chips, counts: granted, by: [recipient], gives_back: [unshipped], limit: 5 chips",
    )
    ledger = Ledger(conn).begin(adopt(text), party("nvidia"), party("mydc", "MY"), license_("L1", "mydc", "MY"))
    ledger.must(grant("mydc", "MY", 30, observed=True))  # it was granted all the same
    assert [cap for _, cap, _ in ledger.discrepancies()] == ["country", "chips"]
    ledger.refused(grant("mydc", "MY", 1), "cap_exceeded")
    release = {"exporter": "nvidia", "authorization": "L1", "recipient": "mydc", "destination": "MY"}
    ledger.must(move("release", "2025-07-01", 1, **release))  # still over by 19: less bad is no worse
    ledger.must(move("release", "2025-07-01", 25, **release))
    assert ledger.used("country", "destination=MY", "2025-07-01") == str(4 * 15_832)
    ledger.must(grant("mydc", "MY", 1, day="2025-07-01"))
    ledger.refused(grant("mydc", "MY", 1, day="2025-06-30"), "cap_exceeded")  # the breach of June stands in June


@pytest.mark.parametrize(("returned", "fits_in_december", "fits_in_february"), [
    ("2026-12-20", 10, 20),   # back within its year: its room is free again in that year
    ("2027-02-10", 0, 10),    # back in the new year: nothing is freed, neither there nor here
])  # fmt: skip
def test_a_december_shipment_returned_in_february_frees_nothing_in_the_new_year(
    conn, returned, fits_in_december, fits_in_february
):
    text = book(f"name: year, counts: shipped, gives_back: [return], window: calendar year, limit: {20 * 15_832} TPP")
    ledger = Ledger(conn).begin(adopt(text), party("nvidia"), party("mydc", "MY"))
    there = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY"}
    ledger.must(move("ship", "2026-12-01", 20, **there))
    if fits_in_february == 10:
        ledger.must(move("ship", "2027-01-15", 10, **there))
    ledger.must(move("return", returned, 10, **there))
    for day, fits in (("2026-12-31", fits_in_december), ("2027-03-01", fits_in_february)):
        ledger.refused(move("ship", day, fits + 1, **there), "cap_exceeded")
        if fits:
            ledger.must(move("ship", day, fits, **there))


def test_a_later_rating_changes_no_old_entry_and_counts_for_new_ones(conn):
    text = book("name: country, counts: granted, by: [destination], limit: 1_000_000 TPP")
    ledger = Ledger(conn).begin(adopt(text), party("nvidia"), party("mydc", "MY"), license_("L1", "mydc", "MY"))
    ledger.must(grant("mydc", "MY", 10, A100, "2025-06-02"))  # 4,992 each
    again = {"dense_tops_8bit": "1248", "dense_tops_16bit": "", "tpp_bits": "", "tpp_per_ic": "", "tpp": ""}
    ledger.must(rating(A100, valid_from="2025-07-01", performance_density="", **again))
    ledger.must(grant("mydc", "MY", 10, A100, "2025-06-30"))
    ledger.must(grant("mydc", "MY", 10, A100, "2025-07-01"))
    assert ledger.used("country", "destination=MY", "2025-06-30") == str(20 * 4_992)
    assert ledger.used("country", "destination=MY", "2025-07-01") == str(20 * 4_992 + 10 * 9_984)
