"""The shipped rulebooks say what the reference data say, and their values answer as the law does."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import schema
from ledger import rulebooks
from ledger.core.conditions import holds
from ledger.core.profile import Profile, Seat
from ledger.core.rulebook import Cap, Limit, NamedList, Rule, Rulebook, Share, Span, Window
from ledger.core.rulebook import Test as Condition

REFERENCE = Path(schema.__file__).parent / "reference"
DIFFUSION = rulebooks.load("us-diffusion-2025")
LICENSING = rulebooks.load("us-licensing-2026")
BOOKS = [DIFFUSION, LICENSING]
MIDDLE_OF_2025 = date(2025, 6, 1)
THREE_YEARS = Window("span", Span(date(2025, 1, 1), date(2028, 1, 1)))


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def cap(book: Rulebook, name: str) -> Cap:
    return next(cap for cap in book.caps if cap.name == name)


def rule(book: Rulebook, name: str) -> Rule:
    return next(rule for rule in book.rules if rule.name == name)


def profile(seat: str, parent_seat: str) -> Profile:
    party = Seat("somebody", headquarters=seat, parent="somebody", parent_headquarters=parent_seat)
    chip = "nvidia-b200"
    return Profile("SG", party, party, party, party, chip, chip, tpp_per_chip=Decimal(36_000), meets="3A090.a")


# Countries


def test_every_country_has_the_tier_of_the_reference_list():
    stated = {row["iso2"]: row["tier_2025_01_15"] for row in rows("countries")}
    assert {code: DIFFUSION.tier(code, MIDDLE_OF_2025) for code in stated} == stated
    assert len(stated) == len(DIFFUSION.countries) == 250


def test_the_license_scope_of_2023_is_the_47_codes_of_the_reference_list():
    stated = {row["iso2"] for row in rows("countries") if row["license_scope_2023_rule"] == "yes"}
    for book in BOOKS:
        scope = book.members("scope_2023", date(2024, 1, 1))
        assert {code for code in book.countries if book.place(code) in scope} == stated
    assert len(stated) == 47


def test_the_arms_embargo_group_had_23_members_in_january_2025():
    assert len(DIFFUSION.members("D5", date(2025, 1, 15))) == 23


def test_every_territory_follows_the_parent_of_the_reference_list():
    assert DIFFUSION.places == {row["iso2"]: row["parent_iso2"] for row in rows("countries") if row["parent_iso2"]}
    assert DIFFUSION.place("HK") == "CN"
    assert DIFFUSION.place("JP") == "JP"


@pytest.mark.parametrize(("day", "tier"), [
    (date(2025, 1, 13), "3"), (date(2025, 11, 6), "3"), (date(2025, 11, 7), "2"), (date(2026, 2, 3), "2"),
])  # fmt: skip
def test_cambodia_is_in_tier_3_until_the_day_state_lifted_the_embargo(day, tier):
    assert DIFFUSION.tier("KH", day) == tier


def test_cambodia_leaves_every_list_made_of_the_embargo_group_on_the_same_day():
    for book in BOOKS:
        assert "KH" in book.members("denied", date(2025, 11, 6))
        assert "KH" not in book.members("denied", date(2025, 11, 7))
        assert "KH" in book.members("D1_D4_D5", date(2025, 11, 7))  # still D:1
    assert LICENSING.tier("KH", date(2025, 11, 6)) == "denied"
    assert LICENSING.tier("KH", date(2025, 11, 7)) == "license"


def test_a_code_that_the_book_does_not_hold_has_no_tier():
    assert DIFFUSION.tier("QQ", MIDDLE_OF_2025) is None


def test_days_of_change_are_those_on_which_a_list_or_a_rule_changes():
    assert DIFFUSION.boundaries == (date(2025, 11, 7),)
    assert LICENSING.boundaries == (
        date(2025, 9, 29), date(2025, 11, 7), date(2025, 11, 10), date(2026, 1, 15), date(2026, 11, 10),
    )  # fmt: skip


# Caps


@pytest.mark.parametrize("row", rows("nveu_allocations"), ids=lambda row: row["quarter"])
def test_the_nveu_schedule_is_the_table_of_the_rule(row):
    limit = cap(DIFFUSION, "nveu-installed").limit
    for day in (row["first"], row["last"]):
        assert limit.on(date.fromisoformat(day)) == Decimal(row["cumulative_tpp"])


@pytest.mark.parametrize("day", [date(2024, 12, 31), date(2028, 1, 1)])
def test_the_nveu_allocation_is_undetermined_outside_the_table(day):
    assert cap(DIFFUSION, "nveu-installed").limit.on(day) is None


@pytest.mark.parametrize(("book", "name", "unit", "amount", "when"), [
    (DIFFUSION, "country-allocation", "TPP",   790_000_000, "refuse"),
    (DIFFUSION, "lpp-year",           "TPP",   26_900_000,  "refuse"),
    (LICENSING, "china-buyer",        "chips", 75_000,      "flag"),
    (LICENSING, "china-total",        "chips", 1_000_000,   "flag"),
    (LICENSING, "uae-year",           "chips", 500_000,     "flag"),
    (LICENSING, "uae-year-g42",       "chips", 100_000,     "flag"),
])  # fmt: skip
def test_a_fixed_limit_holds_on_every_day(book, name, unit, amount, when):
    found = cap(book, name)
    assert (found.limit.unit, found.limit.steps, found.when_exceeded) == (unit, ((None, Decimal(amount)),), when)


@pytest.mark.parametrize(("book", "name", "fraction", "of", "enlarge", "tested_on"), [
    (DIFFUSION, "uveu-outside-allied", "0.25", "uveu-total", True,  ()),
    (DIFFUSION, "uveu-one-country",    "0.07", "uveu-total", True,  ()),
    (DIFFUSION, "uveu-abroad",         "0.5",  "uveu-total", True,  ("02-01", "08-01")),
])  # fmt: skip
def test_a_share_says_what_it_is_a_share_of_and_has_no_amount_of_its_own(book, name, fraction, of, enlarge, tested_on):
    limit = cap(book, name).limit
    assert limit.on(MIDDLE_OF_2025) is None
    assert not limit.unlimited
    assert limit.share == Share(Decimal(fraction), of, enlarge, tested_on)


def test_the_china_ratio_is_half_of_what_is_shipped_for_use_in_the_us_per_product():
    ratio = cap(LICENSING, "china-ratio")
    base = cap(LICENSING, ratio.limit.share.of)
    assert (ratio.counts, ratio.by, ratio.limit.share.fraction) == ("granted", ("chip",), Decimal("0.5"))
    assert base.limit.unlimited
    assert (base.counts, base.by, base.gives_back) == ("shipped", ("chip",), frozenset({"return"}))
    assert base.where.of == (Condition("destination", "in", ("US",)), Condition("end_use", "in", ("US",)))
    assert ratio.limit.share.when_base_shrinks == "flag"


def test_what_is_no_law_never_refuses():
    unlawful = [cap for book in BOOKS for cap in book.caps if cap.status]
    assert {cap.when_exceeded for cap in unlawful} == {"flag"}
    assert [cap.name for cap in unlawful] == ["china-buyer", "china-total", "uae-year", "uae-year-g42"]


def test_only_the_unshipped_rest_gives_back_country_allocation_and_only_attrition_and_return_nveu():
    assert cap(DIFFUSION, "country-allocation").gives_back == {"unshipped"}
    attrition = {"loss", "damage", "failure", "relocation", "resale", "return"}
    assert cap(DIFFUSION, "nveu-installed").gives_back == attrition
    assert cap(DIFFUSION, "lpp-year").gives_back == frozenset()


@pytest.mark.parametrize(("window", "day", "span"), [
    (Window("calendar_year"),    date(2025, 12, 31), (date(2025, 1, 1), date(2026, 1, 1))),
    (Window("calendar_quarter"), date(2025, 12, 31), (date(2025, 10, 1), date(2026, 1, 1))),
    (Window("calendar_quarter"), date(2026, 1, 1),   (date(2026, 1, 1), date(2026, 4, 1))),
    (Window("calendar_quarter"), date(2024, 2, 29),  (date(2024, 1, 1), date(2024, 4, 1))),
    (THREE_YEARS, date(2024, 12, 31), None),
    (THREE_YEARS, date(2027, 12, 31), (date(2025, 1, 1), date(2028, 1, 1))),
    (THREE_YEARS, date(2028, 1, 1), None),
    (Window(),                   date(2025, 6, 1),   (None, None)),
])  # fmt: skip
def test_a_day_falls_in_one_window_or_in_none(window, day, span):
    found = window.on(day)
    assert (found and (found.first, found.until)) == span


def test_a_schedule_holds_each_step_until_the_next():
    limit = Limit("TPP", ((date(2025, 1, 1), Decimal(5)), (date(2026, 1, 1), None)))
    days = [date(2024, 12, 31), date(2025, 1, 1), date(2025, 12, 31), date(2026, 1, 1)]
    assert [limit.on(day) for day in days] == [None, 5, 5, None]


# Rules and conditions


@pytest.mark.parametrize(("dimension_and_value", "seat", "parent_seat", "truth"), [
    ("any_headquarters: allied",        "AE", "US",      True),
    ("any_headquarters: allied",        "AE", "SG",      False),
    ("any_headquarters: allied",        "AE", "unknown", None),
    ("any_headquarters: {not: allied}", "US", "AE",      True),   # some seat is outside
    ("any_headquarters: {not: allied}", "US", "JP",      False),
    ("any_headquarters: {not: allied}", "US", "unknown", None),
    ("all_headquarters: allied",        "US", "JP",      True),
    ("all_headquarters: allied",        "US", "AE",      False),
    ("all_headquarters: {not: denied}", "US", "AE",      True),   # every seat is outside
    ("all_headquarters: {not: denied}", "US", "CN",      False),
    ("all_headquarters: {not: denied}", "US", "HK",      False),  # Hong Kong counts as China
    ("all_headquarters: {not: denied}", "US", "unknown", None),
    ("owner_headquarters: allied",      "AE", "US",      True),   # its own or its ultimate parent's
    ("owner_headquarters: {not: denied}", "US", "CN",    False),
])  # fmt: skip
def test_the_law_asks_for_any_or_for_all_headquarters(dimension_and_value, seat, parent_seat, truth):
    text = DIFFUSION.text.replace("{control: [weights], any_headquarters: {not: allied}}", f"{{{dimension_and_value}}}")
    book = rulebooks.parse(text, where="book", library=rulebooks.load)
    where = rule(book, "weights-outside-allied").where
    assert holds(where, profile(seat, parent_seat), book, MIDDLE_OF_2025) is truth


@pytest.mark.parametrize(("chip", "meets", "diffusion", "licensing"), [
    ("nvidia-h100-sxm5-80", "3A090.a",      "a",    "a"),
    ("nvidia-l40",          "3A090.b",      "b",    "b"),
    ("nvidia-h20-96",       "none",         "none", "letter-2025-04"),
    ("amd-mi308x",          "undetermined", None,   "letter-2025-04"),  # a name comes before parameters
    ("amd-mi300x",          "undetermined", None,   None),
])  # fmt: skip
def test_a_chip_is_in_the_class_that_names_it_or_else_in_that_of_its_parameters(chip, meets, diffusion, licensing):
    assert DIFFUSION.control(chip, meets) == diffusion
    assert LICENSING.control(chip, meets) == licensing


def test_the_rules_stand_in_the_order_of_the_law():
    assert [rule.name for rule in DIFFUSION.rules] == [
        "not-covered", "home", "not-data-center-to-denied", "not-data-center-elsewhere", "denied-parties",
        "b-outside-scope", "b-license", "AIA", "ACM", "LPP-barred", "LPP-not-5A002",
        "LPP-booked-to-neither", "LPP-election", "LPP", "UVEU", "NVEU", "license-allied", "license-other",
        "weights-AIA", "weights-outside-allied",
    ]  # fmt: skip
    assert [rule.name for rule in LICENSING.rules] == [
        "home", "affiliates", "affiliates-after-suspension", "letter", "letter-no-license", "not-covered",
        "not-data-center-to-denied", "not-data-center-elsewhere", "h200-case-by-case", "headquarters-clause",
        "license-scope", "license-scope-none", "elsewhere",
    ]  # fmt: skip


def test_the_review_of_a_rule_may_be_the_words_of_a_reading():
    assert rule(LICENSING, "license-scope").review == "presumption of approval"
    assert LICENSING.readings["review-d1-d4"].used_by == ("license-scope",)


def test_the_case_by_case_rule_of_2026_begins_on_its_day_and_asks_for_an_approved_us_lab():
    found = rule(LICENSING, "h200-case-by-case")
    assert found.span == Span(date(2026, 1, 15), None)
    assert (found.party.role, found.party.headquarters) == ("approved-lab", ("US",))
    assert len(found.evidence) == 6


@pytest.mark.parametrize(("changes", "what"), [
    ("tpp_per_chip", "20999.9 True"), ("tpp_per_chip", "21000 False"),
    ("dram_bandwidth", "6499 True"), ("dram_bandwidth", "6500 False"),
])  # fmt: skip
def test_the_bounds_of_2026_are_per_circuit_and_exclusive(changes, what):
    number, truth = what.split()
    stated = {"tpp_per_chip": Decimal(15_832), "dram_bandwidth": Decimal(4_800)} | {changes: Decimal(number)}
    china = Seat("buyer", "CN", "buyer", "CN")
    asked = Profile(
        "CN", china, china, china, china, "nvidia-h200-sxm-141", "nvidia-h200-sxm-141", authorization_kind="license",
        exported_from="US", meets="3A090.a", released=date(2024, 11, 18), **stated,
    )  # fmt: skip
    assert str(holds(rule(LICENSING, "h200-case-by-case").where, asked, LICENSING, date(2026, 2, 1))) == truth


# Sources


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_every_line_of_a_shipped_book_names_its_source(book):
    parts = [*book.rules, *book.caps, *book.readings.values(), *book.controls.values(), *book.lists.values(),
             *book.tiers.values(), *book.territories.values()]  # fmt: skip
    assert [part.name for part in parts if not part.law] == []
    assert [duty.name for duty in book.duties if not duty.law] == []
    assert [amendment["cap"] for amendment in book.amendments if not amendment["law"]] == []
    assert {state for state, text in book.status.items() if text != "none" and "(" not in text} == set()


def test_what_is_unconfirmed_is_marked_so():
    def unsure(parts: list[Cap] | list[NamedList]) -> set[str]:
        return {part.name for part in parts if part.confidence in ("unconfirmed", "secondary source")}

    assert unsure([*DIFFUSION.territories.values()]) == set(DIFFUSION.territories) - {"CN"}
    assert unsure([*DIFFUSION.caps]) == {"weights-licensed"}
    assert unsure([*LICENSING.caps]) == {"china-buyer", "china-total", "uae-year", "uae-year-g42"}
    assert unsure([*LICENSING.readings.values()]) == {"review-d1-d4", "uae-us-share"}
    stated = {row["iso2"]: row["confidence"] for row in rows("countries") if row["parent_iso2"]}
    marks = {member.name: named.confidence for named in DIFFUSION.territories.values() for member in named.members}
    assert marks == stated


def test_duties_and_amendments_are_kept_as_written():
    duties = {duty.name: duty.written for duty in DIFFUSION.duties}
    assert len(duties) == 11
    assert duties["aia-certificate"]["when"] == {"counter": "aia-received", "reaches": "253_000_000 TPP"}
    assert duties["veu-theft"]["when"] == {
        "each": "retire", "cause": ["theft", "loss", "tampering"], "where": {"authorization": ["UVEU", "NVEU"]},
    }  # fmt: skip
    assert [amendment["at_most"] for amendment in DIFFUSION.amendments] == ["200%"]
    assert [duty.name for duty in LICENSING.duties] == ["lab-certificate"]
