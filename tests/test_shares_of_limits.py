"""Limits that are a share of another cap's limit: "20% of the yearly 500,000", step by step and amended with it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger import rulebooks
from ledger.core.errors import BadRulebook
from ledger.core.lens import limit_on
from ledger.core.rulebook import Cap, Rulebook
from ledger.rulebooks.comparing import compare
from ledger.rulebooks.wording import describe
from tests.world import H200, LICENSING, Ledger, adopt, book, license_, move, party

TODAY, LATER = date(2026, 1, 1), date(2026, 9, 1)
YEAR = "name: year, counts: granted, by: [destination], where: {destination: AE}, limit: 500_000 chips"
FIRM = "name: firm, counts: granted, by: [ultimate_parent], where: {destination: AE}"
SHARE = FIRM + ", limit: {share: 20%, of_limit: year}"


def parse(*caps: str, amendments: str = "") -> Rulebook:
    text = book(*caps) + (f"amendments:\n{amendments}" if amendments else "")
    return rulebooks.parse(text, where="book.yaml", library=rulebooks.load)


def amended(line: str) -> str:
    return f"  - {{law: notice, {line}}}\n"


def cap(found: Rulebook, name: str) -> Cap:
    return next(each for each in found.caps if each.name == name)


@pytest.mark.parametrize(("limit", "share", "comes_to"), [
    ("500_000 chips", "20%",   "100000"),
    ("7 chips",       "20%",   "1"),        # 1.4: whole chips, never rounded up
    ("20919.2 TPP",   "12.5%", "2614.9"),
    ("undetermined",  "20%",   None),
])  # fmt: skip
def test_a_share_of_a_limit_is_an_ordinary_limit(limit: str, share: str, comes_to: str | None) -> None:
    found = parse(YEAR.replace("500_000 chips", limit), SHARE.replace("20%", share))
    firm = cap(found, "firm").limit
    assert firm.on(TODAY) == (None if comes_to is None else Decimal(comes_to))
    assert (firm.unit, firm.words) == (cap(found, "year").limit.unit, f"{share} of year's limit")
    assert bool(firm.why) == (comes_to is None)


def test_a_share_may_stand_before_what_it_is_a_share_of_and_be_shared_again() -> None:
    found = parse(SHARE, "name: half, counts: granted, limit: {share: 50%, of_limit: firm}", YEAR)
    assert [each.limit.on(TODAY) for each in found.caps] == [100_000, 50_000, 500_000]


def test_a_share_follows_a_schedule_step_by_step_and_has_its_own_tolerance() -> None:
    steps = "{schedule: {2026-01-01: 100 chips, 2026-09-01: 200 chips, 2027-01-01: undetermined}}"
    found = parse(f"{YEAR.replace('500_000 chips', steps)}, tolerance: 50%", f"{SHARE}, tolerance: 10%")
    days = (date(2025, 12, 31), TODAY, LATER, date(2027, 1, 1))
    assert [limit_on(cap(found, "firm"), day) for day in days] == [None, 22, 44, None]


@pytest.mark.parametrize(("amendment", "on", "comes_to"), [
    ("cap: year, limit: 600_000 chips", TODAY, 120_000),
    ("cap: year, from: 2026-09-01, limit: 600_000 chips", date(2026, 8, 31), 100_000),
    ("cap: year, from: 2026-09-01, limit: 600_000 chips", LATER, 120_000),
    ("cap: year, where: {destination: AE}, limit: 600_000 chips", TODAY, 120_000),
    ("cap: year, where: {destination: SA}, limit: 600_000 chips", TODAY, 100_000),
    ("cap: year, where: {destination: AE}, exempt: yes", TODAY, 100_000),  # of that cap, and of no other
    ("cap: firm, limit: 7 chips", TODAY, 7),
])  # fmt: skip
def test_a_share_is_amended_with_what_it_is_a_share_of(amendment: str, on: date, comes_to: int) -> None:
    firm = cap(parse(YEAR, SHARE, amendments=amended(amendment)), "firm")
    assert limit_on(firm.of_subject("ultimate_parent=g42"), on) == comes_to
    assert limit_on(firm.kept_for("AE"), on) == comes_to


def test_a_share_kept_by_destination_is_amended_for_the_same_destinations() -> None:
    by = "name: firm, counts: granted, by: [destination], limit: {share: 20%, of_limit: year}"
    year = YEAR.replace("where: {destination: AE}, ", "")
    found = parse(year, by, amendments=amended("cap: year, where: {destination: AE}, limit: 600_000 chips"))
    limits = [limit_on(cap(found, "firm").kept_for(to), TODAY) for to in ("AE", "SA")]
    assert limits == [120_000, 100_000]
    assert cap(found, "firm").limit_for("AE", TODAY).words == "20% of 600,000 chips"


@pytest.mark.parametrize(("caps", "amendments", "message"), [
    ([YEAR, SHARE.replace("of_limit: year", "of_limit: yaer")], "",
     'firm is a share of the limit of "yaer", which is no cap of the book. Did you mean "year"?'),
    ([SHARE.replace("of_limit: year", "of_limit: firm")], "", "is a share of itself: firm -> firm."),
    ([SHARE, "name: year, counts: granted, limit: {share: 5%, of_limit: firm}"], "",
     "The limit of firm is a share of itself: firm -> year -> firm."),
    (["name: year, counts: granted, limit: none", SHARE], "", "the limit of year, which has no limit."),
    (["name: year, counts: granted, limit: {share: 5%, of: {counts: granted}}", SHARE], "",
     "which is limited to a share of what is used."),
    (["name: year, counts: authorizations, limit: 5 models", SHARE], "", "limited in models, as year is."),
    ([YEAR, FIRM + ", limit: {share: 20%, of_limit: year, of: year}"], "", 'unknown key "of"'),
    ([YEAR, FIRM + ", limit: {of_limit: year}"], "", "has no `share`"),
    ([YEAR, FIRM + ", limit: {share: 0%, of_limit: year}"], "", "is not a percentage"),
    ([YEAR, SHARE + ", tested_on: [02-01]"], "", "`tested_on` belongs to a share of what is used"),
    ([YEAR.replace("where: {destination: AE}, ", ""), SHARE.replace(", where: {destination: AE}", "")],
     "cap: year, where: {destination: AE}, limit: 600_000 chips",
     "The limit of year is amended for AE; firm, a share of it, is not kept by destination."),
])  # fmt: skip
def test_a_share_of_no_limit_is_an_error(caps: list[str], amendments: str, message: str) -> None:
    with pytest.raises(BadRulebook) as caught:
        parse(*caps, amendments=amended(amendments) if amendments else "")
    assert message in f"{caught.value.message} {caught.value.remedy}"


def test_an_error_stands_on_the_line_of_the_share() -> None:
    text = book(YEAR, SHARE.replace("year}", "years}"))
    with pytest.raises(BadRulebook) as caught:
        rulebooks.parse(text, where="book.yaml", library=rulebooks.load)
    assert caught.value.where == f"book.yaml:{1 + text[: text.index('firm')].count(chr(10))}"


def test_a_book_that_changes_a_limit_changes_its_shares() -> None:
    text = (
        "rulebook: more\nrevision: 1\ntitle: More\nsource: x\nstatus: {proposed: {from: 2026-01-01, law: x}}\n"
        "like: {rulebook: test-book, revision: 1}\nchanges:\n"
        "  - {cap: year, limit: 1_000_000 chips, law: x}\n"
    )

    def read(changes: str) -> Rulebook:
        return rulebooks.parse(text + changes, where="more.yaml", library=lambda name: parse(YEAR, SHARE))

    assert cap(read(""), "firm").limit.on(TODAY) == 200_000
    fixed = read("  - {cap: firm, limit: 7 chips, law: x}\n")
    assert (cap(fixed, "firm").limit.on(TODAY), cap(fixed, "firm").limit.of_limit) == (7, None)


def test_a_share_is_described_and_compared_in_words() -> None:
    shared, fixed = parse(YEAR, SHARE), parse(YEAR, f"{FIRM}, limit: 100_000 chips")
    told = describe(shared, TODAY)["caps"][1]
    assert (told["limit"], told["comes_to"]) == ("20% of year's limit", "100,000 chips")
    assert [each.words for each in compare(fixed, shared)] == [
        'firm: the limit that it is a share of is "20% of year\'s limit"; there was none.'
    ]
    more = parse(YEAR.replace("500_000", "600_000"), SHARE)
    assert [each.words for each in compare(shared, more)] == [
        "year: the limit rises from 500,000 chips to 600,000 chips.",
        "firm: the limit rises from 100,000 chips to 120,000 chips.",
    ]


@pytest.mark.parametrize(("chips", "breached"), [(99_999, False), (100_000, False), (100_001, True)])
def test_one_firm_may_have_a_fifth_of_the_yearly_five_hundred_thousand(conn: Any, chips: int, breached: bool) -> None:
    """Framework of 2025-05-15, as the press reported it: 500,000 chips a year, 20% of them for G42."""
    ledger = Ledger(conn).begin(
        party("nvidia"), party("g42", "AE"), adopt(LICENSING), license_("L", "g42", "AE"),
    )  # fmt: skip
    where = {"destination": "AE", "recipient": "g42", "authorization": "L", "exporter": "nvidia"}
    ledger.must(move("grant", "2025-06-01", chips, chip=H200, **where))
    firm = ("cap_exceeded", "uae-year-g42", "ultimate_parent=g42")
    assert ledger.discrepancies() == ([firm] if breached else [])
