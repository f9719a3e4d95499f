"""Each cap of the shipped rulebooks as a table: at its limit, below, above, on the first and last days and beside them.

The docstring of a table is the law's sentence. Chips are of 10,000 TPP unless a row says so. What shares do when their
base moves stands in test_shares.py, who owes which notice in test_duties.py.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from shapes import (
    FITS,
    FLAGGED,
    OVER,
    ROUND,
    TABLES,
    UNCOUNTED,
    UNDETERMINED,
    Row,
    copied,
    counted,
    hold,
    prepared,
    reversed_on,
    round_chip,
    row,
    state,
    table,
)
from world import A100, DIFFUSION, H20, H100, H200, LICENSING, Ledger, adopt, license_, move, party, rating

from ledger import rulebooks
from ledger.posting import Request
from ledger.reports import Reader, remaining

COMMENT = "anthropic-comment-2025"
MI325X, HGX_H200 = "amd-mi325x", "hgx-h200-8"
DAY = "2025-06-02"

# The framework of 2025


@pytest.fixture(scope="module")
def framework(databases, template):
    """A database under the framework: parties at home and abroad, a license for each country, validated end users."""
    seats = {"my": "MY", "in": "IN", "br": "BR", "th": "TH", "de": "DE", "jp": "JP", "ae": "AE"}
    issued = {"veu-my": ("my", "NVEU"), "veu-my2": ("my2", "NVEU"), "veu-cloud": ("cloud", "UVEU"),
              "veu-cloud-east": ("cloud-east", "UVEU"), "veu-german": ("german-cloud", "UVEU")}  # fmt: skip
    return prepared(
        databases, template, round_chip(), rating(H100), rating(H200), b_chip(),
        party("nvidia"), party("amd"), *(party(name, seat) for name, seat in seats.items()), party("my2", "MY"),
        party("group", "MY"), party("east", "MY", "group"), party("west", "IN", "group"),
        party("cloud"), party("cloud-east", "US", "cloud"), party("german-cloud", "DE"),
        party("de-east", "DE", "de"),
        adopt(DIFFUSION, "2024-01-01"),
        *(license_(f"L-{name}", name, seat) for name, seat in seats.items()),
        license_("L-amd", "my", "MY", "amd"), license_("L-short", "my", "MY", last_day="2025-12-31"),
        *(license_(name, holder, "MY", "", kind=kind) for name, (holder, kind) in issued.items()),
    )  # fmt: skip


@pytest.fixture
def ledger(databases, framework):
    with copied(databases, framework) as opened:
        yield opened


def b_chip() -> Request:
    """A chip of 3,200 TPP and a performance density of 4: 3A090.b."""
    return rating(H20, **{**ROUND, "dense_tops_8bit": "400", "die_area_mm2": "800"})


def line(kind: str, day: str, chips: Any, to: str, chip: str = A100, **more: Any) -> Request:
    """A movement to the recipient who is called after a country, unless the row says where."""
    there = {"recipient": to, "destination": to[:2].upper(), "exporter": "nvidia"}
    return move(kind, day, chips, chip, **{**there, **more})


def grant(day: str, chips: Any, to: str = "my", chip: str = A100, **more: Any) -> Request:
    return line("grant", day, chips, to, chip, **{"authorization": f"L-{to}", **more})


def ship(day: str, chips: Any, to: str = "my", chip: str = A100, **more: Any) -> Request:
    return line("ship", day, chips, to, chip, **{"authorization": f"L-{to}", **more})


def reserve(day: str, chips: Any, last_day: str, to: str = "my") -> Request:
    return line("reserve", day, chips, to, authorization=f"L-{to}", last_day=last_day)


def receive(day: str, chips: Any, to: str = "my", **more: Any) -> Request:
    return line("receive", day, chips, to, **more)


def given_back(day: str, chips: Any, to: str = "my", **more: Any) -> Request:
    return line("return", day, chips, to, **more)


def retire(day: str, chips: Any, cause: str, to: str = "my", **more: Any) -> Request:
    return line("retire", day, chips, to, **{"exporter": "", "cause": cause, **more})


def release(day: str, chips: Any, to: str = "my") -> Request:
    return line("release", day, chips, to, authorization=f"L-{to}")


@table(
    DIFFUSION, "country-allocation",
    row("one below", grant(DAY, 78_999), FITS),
    row("at", grant(DAY, 79_000), FITS),
    row("above", grant(DAY, 79_001), "over on 2025-06-02"),
    row("one TPP below", grant(DAY, "78999.9999", unit="equivalents"), FITS),
    row("at, in equivalents", grant(DAY, 79_000, unit="equivalents"), FITS),
    row("one TPP above", grant(DAY, "79000.0001", unit="equivalents"), OVER),
    row("at, with an odd chip", grant(DAY, 49_898, chip=H100), FITS),
    row("above, with an odd chip", grant(DAY, 49_899, chip=H100), OVER),
    row("at, on top", grant("2025-03-01", 40_000), grant(DAY, 39_000), FITS),
    row("above, on top", grant("2025-03-01", 40_000), grant(DAY, 39_001), OVER),
    row("above, dated back", grant(DAY, 79_000), grant("2025-03-01", 1), "over on 2025-06-02"),
    row("first day, at", grant("2025-01-01", 79_000), FITS),
    row("first day, above", grant("2025-01-01", 79_001), "over on 2025-01-01"),
    row("day before the first", grant("2024-12-31", 79_001), UNCOUNTED),
    row("day before the first is not carried in", grant("2024-12-31", 50_000), grant("2025-01-01", 79_000), FITS),
    row("last day, at", grant("2027-12-31", 79_000), FITS),
    row("last day, above", grant("2027-12-31", 79_001), "over on 2027-12-31"),
    row("last day, above what the first day left", grant("2025-01-01", 78_000), grant("2027-12-31", 1_001), OVER),
    row("day after the last", grant("2028-01-01", 1), "undetermined on 2028-01-01"),
    row("another country has its own", grant(DAY, 79_000), grant(DAY, 79_000, "in"), FITS),
    row("another exporter has not", grant(DAY, 79_000), grant(DAY, 1, exporter="amd", authorization="L-amd"), OVER),
    row("a second chip has not", grant(DAY, 79_000), grant(DAY, 1, chip=H200), OVER),
    row("a reexport counts", grant(DAY, 79_001, activity="reexport"), OVER),
    row("a transfer does not", grant(DAY, 79_001, activity="transfer"), UNCOUNTED),
    row("no allied country", grant(DAY, 79_001, "de"), UNCOUNTED),
    row("no b chip", grant(DAY, 500_000, chip=H20), UNCOUNTED),
    row("nor a shipment under it", grant(DAY, 79_000), ship(DAY, 79_000), UNCOUNTED),
    row("nor under NVEU", ship(DAY, 1, authorization="NVEU"), UNCOUNTED),
    row("nor under LPP", ship(DAY, 1, authorization="LPP", evidence="consignee-statement=S"), UNCOUNTED),
)  # fmt: skip
def test_a_country_is_licensed_790_million_tpp_from_2025_to_2027(ledger, row):
    """15 CFR 742.6(b)(10)(iii)(B)(1), (2): 790,000,000 TPP per country for 2025-2027; BIS reviews later years."""
    hold(ledger, "country-allocation", row)


@table(
    DIFFUSION, "country-allocation",
    row("a reservation counts", reserve(DAY, 79_000, "2025-06-30"), grant("2025-06-30", 1), OVER),
    row("to its last day and no longer", reserve(DAY, 79_000, "2025-06-30"), grant("2025-07-01", 79_000), FITS),
    row("once, where it is used", reserve(DAY, 79_000, "2025-06-30"),
        lambda seqs: grant(DAY, 79_000, of=f"{seqs[-1]}.1"), FITS),
    row("a reservation that is released", reserve(DAY, 79_000, "2025-06-30"),
        lambda seqs: line("release", DAY, 79_000, "my", of=f"{seqs[-1]}.1"), grant(DAY, 79_000), FITS),
    row("the unshipped rest, released", grant(DAY, 79_000), release("2025-07-01", 100), grant("2025-07-01", 100), FITS),
    row("and no more than that", grant(DAY, 79_000), release("2025-07-01", 100), grant("2025-07-01", 101), OVER),
    row("and not before its day", grant(DAY, 79_000), release("2025-07-01", 100), grant("2025-06-30", 1),
        "over on 2025-06-30"),
    row("the unshipped rest of an expired license", grant(DAY, 79_000, authorization="L-short"),
        ship(DAY, 1_000, authorization="L-short"), grant("2026-01-01", 78_000), FITS),
    row("but not what was shipped under it", grant(DAY, 79_000, authorization="L-short"),
        ship(DAY, 1_000, authorization="L-short"), grant("2026-01-01", 78_001), OVER),
    row("and not on its last day", grant(DAY, 79_000, authorization="L-short"), grant("2025-12-31", 1),
        "over on 2025-12-31"),
    row("a return does not", grant(DAY, 79_000), ship(DAY, 10), given_back("2025-07-01", 10),
        grant("2025-07-02", 1), OVER),
    row("nor does a loss", grant(DAY, 79_000), ship(DAY, 10), receive(DAY, 10), retire("2025-07-01", 10, "loss"),
        grant("2025-07-02", 1), OVER),
    row("nor what leaves for another country", grant(DAY, 79_000), ship(DAY, 10), receive(DAY, 10),
        grant(DAY, 10, "in"), line("reexport", "2025-07-01", 10, "in", authorization="L-in", from_recipient="my",
                                   from_destination="MY"), grant("2025-07-02", 1), OVER),
    row("a reverse does", grant(DAY, 79_000), reversed_on("2025-07-01"), grant(DAY, 79_000), FITS),
)  # fmt: skip
def test_an_allocation_gets_back_what_was_never_shipped_and_nothing_else(ledger, row):
    """15 CFR 742.6(b)(10)(iii)(B)(1), as read: a "permitted cumulative installed base"; "licensed" stays counted."""
    hold(ledger, "country-allocation", row)


@pytest.mark.parametrize(("chips", "expected"), [
    (71_099, "open"), (71_100, "critical"), (78_999, "critical"), (79_000, "exhausted"), (79_001, "over"),
])  # fmt: skip
def test_an_allocation_is_critical_from_nine_tenths(ledger, chips, expected):
    """15 CFR 742.6(b)(10)(iii)(B)(1); that 90% is critical is tariff-quota practice."""
    ledger.must(line("grant", DAY, chips, "my", authorization="L-my", observed=True))
    assert state(ledger, "country-allocation", DAY) == {"destination=MY": expected}


# An allied owner may book to the limit of whom it lets operate the chips.
ELECTED = {"operator": "my", "booked_to": "my"}


def lpp(day: str, chips: Any, to: str = "my", **more: Any) -> Request:
    return ship(day, chips, to, **{"authorization": "LPP", "evidence": "consignee-statement=S", **more})


@table(
    DIFFUSION, "lpp-year",
    row("one below", lpp(DAY, 2_689), FITS),
    row("at", lpp(DAY, 2_690), FITS),
    row("above", lpp(DAY, 2_691), "over on 2025-06-02"),
    row("one TPP above", lpp(DAY, "2690.0001", unit="equivalents"), OVER),
    row("at, with an odd chip", lpp(DAY, 1_699, chip=H100), FITS),
    row("above, with an odd chip", lpp(DAY, 1_700, chip=H100), OVER),
    row("last day, at, on top", lpp("2025-01-01", 2_000), lpp("2025-12-31", 690), FITS),
    row("last day, above, on top", lpp("2025-01-01", 2_000), lpp("2025-12-31", 691), "over on 2025-12-31"),
    row("above, dated back to the first day", lpp("2025-12-31", 2_690), lpp("2025-01-01", 1), "over on 2025-12-31"),
    row("day before the first is another year", lpp("2025-01-01", 2_690), lpp("2024-12-31", 2_690), FITS),
    row("day after the last is another year", lpp("2025-12-31", 2_690), lpp("2026-01-01", 2_690), FITS),
    row("first day, above", lpp("2026-01-01", 2_691), "over on 2026-01-01"),
    row("all exporters together", lpp(DAY, 2_690), lpp(DAY, 1, exporter="amd"), OVER),
    row("a group together", lpp(DAY, 2_690, "east", destination="MY"), lpp(DAY, 1, "west", destination="IN"), OVER),
    row("another group has its own", lpp(DAY, 2_690), lpp(DAY, 2_690, "east", destination="MY"), FITS),
    row("booked to whom it is booked", lpp(DAY, 2_690, "de", **ELECTED), lpp(DAY, 1), OVER),
    row("and not to its owner", lpp(DAY, 2_690, "de", **ELECTED), lpp(DAY, 2_690, "de"), FITS),
    row("no shipment under a license", grant(DAY, 3_000), ship(DAY, 3_000), UNCOUNTED),
    row("a return gives nothing back", lpp(DAY, 2_690), given_back("2025-07-01", 2_690), lpp("2025-07-02", 1), OVER),
    row("nor does a loss", lpp(DAY, 2_690), receive(DAY, 10), retire("2025-07-01", 10, "loss"), lpp("2025-07-02", 1),
        OVER),
    row("a reverse does", lpp(DAY, 2_690), reversed_on("2025-07-01"), lpp(DAY, 2_690), FITS),
)  # fmt: skip
def test_a_consignee_gets_26_9_million_tpp_a_calendar_year_without_a_license(ledger, row):
    """15 CFR 740.29(a), (d), (h): 26,900,000 cumulative TPP per calendar year per ultimate consignee."""
    hold(ledger, "lpp-year", row)


def nveu(day: str, chips: Any, to: str = "my", **more: Any) -> Request:
    return ship(day, chips, to, **{"authorization": "NVEU", **more})


STEPS = [
    ("2025-01-01", 63_300), ("2025-04-01", 94_950), ("2025-07-01", 126_600), ("2025-10-01", 158_250),
    ("2026-01-01", 189_900), ("2026-04-01", 269_025), ("2026-07-01", 348_150), ("2026-10-01", 427_275),
    ("2027-01-01", 506_400),
]  # fmt: skip
EVES = ["2025-03-31", "2025-06-30", "2025-09-30", "2025-12-31", "2026-03-31", "2026-06-30", "2026-09-30",
        "2026-12-31", "2027-12-31"]  # fmt: skip


@table(
    DIFFUSION, "nveu-installed",
    *(
        each
        for (first, chips), last in zip(STEPS, EVES, strict=True)
        for each in (
            row(f"{first}, first day, at", nveu(first, chips), FITS),
            row(f"{first}, first day, above", nveu(first, chips + 1), f"over on {first}"),
            row(f"{last}, last day, at", nveu(last, chips), FITS),
            row(f"{last}, last day, above", nveu(last, chips + 1), f"over on {last}"),
        )
    ),
    row("2024-12-31, day before the first", nveu("2024-12-31", 1), "undetermined on 2024-12-31"),
    row("2028-01-01, day after the last", nveu("2028-01-01", 1), "undetermined on 2028-01-01"),
    row("one below", nveu("2025-03-31", 63_299), FITS),
    row("one TPP above", nveu("2025-03-31", "63300.0001", unit="equivalents"), OVER),
    row("at, on top of the step before", nveu("2025-03-31", 63_300), nveu("2025-04-01", 31_650), FITS),
    row("above, on top of the step before", nveu("2025-03-31", 63_300), nveu("2025-04-01", 31_651), OVER),
    row("dated back, into a step that has room", nveu("2025-04-01", 94_949), nveu("2025-03-31", 1), FITS),
    row("dated back, where the next step is full", nveu("2025-04-01", 94_950), nveu("2025-03-31", 1),
        "over on 2025-04-01"),
)  # fmt: skip
def test_what_a_national_end_user_holds_in_a_country_rises_by_quarters(ledger, row):
    """15 CFR 748.15(a)(2)(iii)(B), table 1: per company and country, cumulative; 2027 is printed as one row."""
    hold(ledger, "nveu-installed", row)


FULL = (nveu(DAY, 94_950), receive(DAY, 94_950))


@table(
    DIFFUSION, "nveu-installed",
    *(
        each
        for cause in ("loss", "damage", "failure")
        for each in (
            row(f"{cause}", *FULL, retire("2025-06-10", 100, cause), nveu("2025-06-10", 100), FITS),
            row(f"{cause}, above", *FULL, retire("2025-06-10", 100, cause), nveu("2025-06-10", 101), OVER),
            row(f"{cause}, day before", *FULL, retire("2025-06-10", 100, cause), nveu("2025-06-09", 1), OVER),
        )
    ),
    row("not theft", *FULL, retire("2025-06-10", 100, "theft"), nveu("2025-06-10", 1), OVER),
    row("not destruction", *FULL, retire("2025-06-10", 100, "destruction"), nveu("2025-06-10", 1), OVER),
    row("a return on the way", nveu(DAY, 94_950), given_back("2025-06-10", 100), nveu("2025-06-10", 100), FITS),
    row("a return on the way, above", nveu(DAY, 94_950), given_back("2025-06-10", 100), nveu("2025-06-10", 101), OVER),
    row("a return of what had arrived", *FULL, given_back("2025-06-10", 100), nveu("2025-06-10", 100), FITS),
    row("relocation", *FULL, line("reexport", "2025-06-10", 100, "my", authorization="NVEU", destination="IN",
                                  from_recipient="my", from_destination="MY"), nveu("2025-06-10", 100), FITS),
    row("relocation, above", *FULL, line("reexport", "2025-06-10", 100, "my", authorization="NVEU", destination="IN",
                                         from_recipient="my", from_destination="MY"), nveu("2025-06-10", 101), OVER),
    row("resale", *FULL, line("transfer", "2025-06-10", 100, "my2", destination="MY", authorization="NVEU",
                              from_recipient="my", from_destination="MY"), nveu("2025-06-10", 100), FITS),
    row("a receipt", *FULL, nveu("2025-06-10", 1), OVER),
    row("a reverse", nveu(DAY, 94_950), reversed_on("2025-06-10"), nveu(DAY, 94_950), FITS),
    row("another country", *FULL, nveu(DAY, 94_950, "my", destination="IN"), FITS),
    row("another company", *FULL, nveu(DAY, 94_950, "my2", destination="MY", authorization="NVEU"), FITS),
    row("who operates them counts", nveu(DAY, 94_950, "in", destination="MY", operator="my"), nveu(DAY, 1), OVER),
    row("not who receives them", nveu(DAY, 94_950, destination="MY", operator="my2"), nveu(DAY, 94_950), FITS),
    row("no license's chips", grant(DAY, 79_000), ship(DAY, 79_000), UNCOUNTED),
)  # fmt: skip
def test_attrition_of_a_national_end_user_frees_room_from_its_day_on(ledger, row):
    """15 CFR 748.15(a)(2)(iii)(B): loss, damage, failure, relocation and resale do not count toward the allocation."""
    hold(ledger, "nveu-installed", row)


# Universal validated end users: shares of all that the group owns, of which 1,000 chips stand at home.


def stock(day: str, chips: int, holder: str = "cloud", country: str = "US") -> Request:
    told = [{"destination": country, "chip": A100, "quantity": str(chips)}]
    return Request("stock", f"stock:{holder}:{day}", {"party_id": holder, "as_of": day, "lines": told})


def uveu(day: str, chips: Any, destination: str, to: str = "cloud", **more: Any) -> Request:
    return ship(day, chips, to, **{"authorization": "UVEU", "destination": destination, **more})


HOME = stock("2025-02-01", 1_000)
MARCH = "2025-03-03"


@table(
    DIFFUSION, "uveu-one-country",
    row("one below", HOME, uveu(MARCH, 74, "MY"), FITS),
    row("at", HOME, uveu(MARCH, 75, "MY"), FITS),  # 75 of 1,075 is 6.98%
    row("above", HOME, uveu(MARCH, 76, "MY"), OVER),  # 76 of 1,076 is 7.06%
    row("first day of the report", HOME, uveu("2025-02-01", 75, "MY"), FITS),
    row("day before the report", HOME, uveu("2025-01-31", 1, "MY"), "undetermined on 2025-01-31"),
    row("last day of the report", HOME, uveu("2025-07-31", 75, "MY"), FITS),
    row("day after the report", HOME, uveu("2025-08-01", 1, "MY"), "undetermined on 2025-08-01"),
    row("without a report", uveu(MARCH, 1, "MY"), UNDETERMINED),
    row("a daughter's count with it", HOME, uveu(MARCH, 75, "MY"), uveu(MARCH, 1, "MY", "cloud-east"), OVER),
    row("another country has its own", HOME, uveu(MARCH, 75, "MY"), uveu(MARCH, 80, "IN"), FITS),
    row("whatever authorization brought them", HOME, uveu(MARCH, 76, "MY", authorization="LPP",
                                                        evidence="consignee-statement=S"), OVER),
    row("no allied country", HOME, uveu(MARCH, 500, "DE"), UNCOUNTED),
)  # fmt: skip
def test_a_universal_end_user_holds_at_most_7_percent_in_one_country(ledger, row):
    """Supp. 10 to part 748, item 6: not more than 7% of its total AI computing power in any one country."""
    hold(ledger, "uveu-one-country", row)


SPREAD = (HOME, uveu(MARCH, 75, "MY"), uveu(MARCH, 80, "IN"), uveu(MARCH, 85, "TH"))  # 240 of 1,240


@table(
    DIFFUSION, "uveu-outside-allied",
    row("one below", *SPREAD, uveu(MARCH, 92, "BR"), FITS),
    row("at", *SPREAD, uveu(MARCH, 93, "BR"), FITS),  # 333 of 1,333 is 24.98%
    row("above", *SPREAD, uveu(MARCH, 93, "BR"), uveu(MARCH, 1, "KE"), OVER),  # 334 of 1,334 is 25.04%
    row("a daughter's count with it", *SPREAD, uveu(MARCH, 93, "BR"), uveu(MARCH, 1, "KE", "cloud-east"), OVER),
    row("what is held at home makes room", *SPREAD, uveu(MARCH, 93, "BR"), uveu(MARCH, 2, "US"), uveu(MARCH, 1, "KE"),
        FITS),
    row("what is lost makes room", *SPREAD, uveu(MARCH, 93, "BR"), receive(MARCH, 10, "cloud", destination="BR"),
        retire("2025-04-01", 10, "loss", "cloud", destination="BR"), uveu("2025-04-01", 5, "KE"), FITS),
    row("from its day on", *SPREAD, uveu(MARCH, 93, "BR"), receive(MARCH, 10, "cloud", destination="BR"),
        retire("2025-04-01", 10, "loss", "cloud", destination="BR"), uveu("2025-03-31", 5, "KE"), OVER),
    row("what came back makes room", *SPREAD, uveu(MARCH, 93, "BR"),
        given_back("2025-04-01", 10, "cloud", destination="BR"), uveu("2025-04-01", 5, "KE"), FITS),
    row("first day of the report", HOME, uveu("2025-02-01", 75, "MY"), FITS),
    row("day before the report", HOME, uveu("2025-01-31", 1, "MY"), "undetermined on 2025-01-31"),
    row("last day of the report", HOME, uveu("2025-07-31", 75, "MY"), FITS),
    row("day after the report", HOME, uveu("2025-08-01", 1, "MY"), "undetermined on 2025-08-01"),
    row("no allied country", *SPREAD, uveu(MARCH, 10_000, "JP"), UNCOUNTED),
    row("a German group too", stock("2025-02-01", 1_000, "german-cloud", "DE"),
        uveu(MARCH, 400, "MY", "german-cloud"), OVER),
    row("nobody who is no such end user", nveu(MARCH, 1), UNCOUNTED),
)  # fmt: skip
def test_a_universal_end_user_holds_at_most_25_percent_outside_allied_countries(ledger, row):
    """Supp. 10 to part 748, item 6: not more than 25% of its total AI computing power outside supp. 5(a)."""
    hold(ledger, "uveu-outside-allied", row)


AUGUST, ENOUGH, TOO_LITTLE = stock("2025-08-01", 1_000), stock("2026-02-01", 1_002), stock("2026-02-01", 1_000)


@table(
    DIFFUSION, "uveu-abroad",
    row("one below", HOME, AUGUST, uveu(MARCH, 999, "DE"), FITS),
    row("at", HOME, AUGUST, uveu(MARCH, 1_000, "DE"), FITS),
    row("above", HOME, AUGUST, uveu(MARCH, 1_001, "DE"), "flagged on 2025-08-01"),
    row("above, on top", HOME, AUGUST, uveu(MARCH, 1_000, "DE"), uveu("2025-07-31", 1, "JP"), "flagged on 2025-08-01"),
    row("first day of test, above", HOME, AUGUST, ENOUGH, uveu("2025-08-01", 1_001, "DE"), "flagged on 2025-08-01"),
    row("day after it, above", HOME, AUGUST, ENOUGH, uveu("2025-08-02", 1_001, "DE"), FITS),
    row("day after it, above on the next", HOME, AUGUST, TOO_LITTLE, uveu("2025-08-02", 1_001, "DE"),
        "flagged on 2026-02-01"),
    row("day before the next, above on it", HOME, AUGUST, TOO_LITTLE, uveu("2026-01-31", 1_001, "DE"),
        "flagged on 2026-02-01"),
    row("next day of test, above", HOME, AUGUST, TOO_LITTLE, uveu("2026-02-01", 1_001, "DE"), "flagged on 2026-02-01"),
    row("next day of test, at", HOME, AUGUST, TOO_LITTLE, uveu("2026-02-01", 1_000, "DE"), FITS),
    row("day after the next", HOME, AUGUST, TOO_LITTLE, stock("2026-08-01", 1_002), uveu("2026-02-02", 1_001, "DE"),
        FITS),
    row("not at home", HOME, AUGUST, uveu(MARCH, 1_001, "US"), UNCOUNTED),
    row("not a German group", stock("2025-02-01", 1_000, "german-cloud", "DE"),
        uveu(MARCH, 1_001, "JP", "german-cloud"), UNCOUNTED),
)  # fmt: skip
def test_an_american_end_user_holds_at_most_half_abroad_on_the_reporting_dates(ledger, row):
    """Supp. 10 to part 748, items 6 and 10: not more than 50% outside the US, on 1 February and 1 August."""
    hold(ledger, "uveu-abroad", row)


# Chips that are no longer held are in no share and in no base.

BACK_FROM_MALAYSIA = given_back("2025-04-01", 75, "cloud", destination="MY")
LOST = (receive(MARCH, 75, "cloud", destination="MY"), retire("2025-04-01", 75, "loss", "cloud", destination="MY"))
MOVED = (receive(MARCH, 75, "cloud", destination="MY"),
         line("reexport", "2025-04-01", 75, "cloud", destination="IN", authorization="UVEU", from_recipient="cloud",
              from_destination="MY"))  # fmt: skip


@table(
    DIFFUSION, "uveu-one-country",
    row("returned, at", HOME, uveu(MARCH, 75, "MY"), BACK_FROM_MALAYSIA, uveu("2025-04-01", 75, "MY"), FITS),
    row("returned, above", HOME, uveu(MARCH, 75, "MY"), BACK_FROM_MALAYSIA, uveu("2025-04-01", 76, "MY"), OVER),
    row("lost, at", HOME, uveu(MARCH, 75, "MY"), *LOST, uveu("2025-04-01", 75, "MY"), FITS),
    row("lost, above", HOME, uveu(MARCH, 75, "MY"), *LOST, uveu("2025-04-01", 76, "MY"), OVER),
    row("moved on, at", HOME, uveu(MARCH, 75, "MY"), *MOVED, uveu("2025-04-01", 80, "MY"), FITS),  # 80 of 1,155
    row("moved on, above", HOME, uveu(MARCH, 75, "MY"), *MOVED, uveu("2025-04-01", 81, "MY"), OVER),  # 81 of 1,156
)  # fmt: skip
def test_a_share_in_one_country_is_of_what_is_still_owned(ledger, row):
    """Supp. 10 to part 748, items 6 and 10: of the aggregate TPP "owned", with attrition accounted for."""
    hold(ledger, "uveu-one-country", row)


@table(
    DIFFUSION, "uveu-abroad",
    row("returned, at", HOME, AUGUST, uveu(MARCH, 1_000, "DE"), given_back("2025-04-01", 500, "cloud",
        destination="DE"), uveu("2025-04-01", 500, "DE"), FITS),
    row("returned, above", HOME, AUGUST, uveu(MARCH, 1_000, "DE"), given_back("2025-04-01", 500, "cloud",
        destination="DE"), uveu("2025-04-01", 501, "DE"), "flagged on 2025-08-01"),
    row("lost at home, above", HOME, AUGUST, uveu(MARCH, 10, "US"), receive(MARCH, 10, "cloud", destination="US"),
        retire("2025-04-01", 10, "loss", "cloud", destination="US"), uveu("2025-04-01", 1_001, "DE"), FLAGGED),
)  # fmt: skip
def test_what_is_held_abroad_is_what_is_still_owned(ledger, row):
    """Supp. 10 to part 748, items 6 and 10: tested on what the entity owns on the reporting dates."""
    hold(ledger, "uveu-abroad", row)


# What is only watched: any number is posted, and counted.


def watched(ledger: Ledger, cap: str, row: Row) -> None:
    """Post everything; the cap's counters have so many chips, and none is anything but watched."""
    hold(ledger, cap, row._replace(answer=FITS if row.answer else UNCOUNTED))
    assert counted(ledger, cap, "2027-12-31") == row.answer
    assert set(state(ledger, cap, "2027-12-31").values()) <= {"watched"}


@table(
    DIFFUSION, "uveu-total",
    row("any number", HOME, uveu(MARCH, 10**6, "US"), {"owner=cloud": 1_001_000}),
    row("abroad too", HOME, uveu(MARCH, 500, "DE"), {"owner=cloud": 1_500}),
    row("whoever holds them", nveu(MARCH, 7), {"owner=my": 7}),
    row("a license's too", grant(MARCH, 7), ship(MARCH, 7), {"owner=my": 7}),
    row("not those that are no a chip", ship(MARCH, 7, chip=H20, authorization=""), {}),
)  # fmt: skip
def test_the_base_of_the_shares_is_all_that_a_group_owns_and_only_watched(ledger, row):
    """Supp. 10 to part 748, items 6 and 10: the aggregate TPP of the chips that the entity owns."""
    watched(ledger, "uveu-total", row)


def acm(day: str, chips: Any, facility: str = "fab-1", **more: Any) -> Request:
    evidence = "designer-approved-or-authorized=D;private-sector-maker=M"
    return ship(day, chips, **{"authorization": "ACM", "end_use": "production", "evidence": evidence,
                               "facility": facility, **more})  # fmt: skip


@table(
    DIFFUSION, "acm-facility",
    row("any number", acm(DAY, 10**6), {"facility=fab-1": 10**6}),
    row("before the rule", acm("2024-12-31", 5), {"facility=fab-1": 5}),
    row("each facility by itself", acm(DAY, 5), acm(DAY, 7, "fab-2"), {"facility=fab-1": 5, "facility=fab-2": 7}),
    row("in and out", acm(DAY, 10), receive(DAY, 10), retire("2025-06-10", 4, "theft"), given_back("2025-06-10", 1),
        acm("2025-06-11", 2), {"facility=fab-1": 7}),
    row("b chips too", acm(DAY, 5, chip=H20), {"facility=fab-1": 5}),
    row("nothing but ACM", nveu(DAY, 5, facility="fab-1"), {}),
)  # fmt: skip
def test_a_makers_chips_are_watched_by_facility(ledger, row):
    """15 CFR 740.28(e): account for items in and out, per facility."""
    watched(ledger, "acm-facility", row)


def aia(day: str, chips: Any, to: str = "de", **more: Any) -> Request:
    evidence = "consignee-certification=C;designer-approved-or-authorized=D"
    return ship(day, chips, to, **{"authorization": "AIA", "evidence": evidence, **more})


@table(
    DIFFUSION, "aia-received",
    row("any number", aia(DAY, 10**6), {"owner=de": 10**6}),
    row("first day", aia("2025-01-13", 5), {"owner=de": 5}),
    row("day before the first", aia("2025-01-12", 5), {}),
    row("all exporters together", aia(DAY, 5), aia(DAY, 7, exporter="amd"), {"owner=de": 12}),
    row("each owner by itself, and not its parent", aia(DAY, 5), aia(DAY, 7, "de-east"),
        {"owner=de": 5, "owner=de-east": 7}),
    row("what came back stays received", aia(DAY, 5), given_back("2025-07-01", 3, "de"), aia("2025-07-01", 1),
        {"owner=de": 6}),
    row("nothing but AIA", grant(DAY, 5, "de"), ship(DAY, 5, "de"), {}),
)  # fmt: skip
def test_what_a_consignee_received_under_aia_is_watched(ledger, row):
    """15 CFR 740.27(b)(1): cumulative TPP per consignee; what 253,000,000 of it ask for is a duty, not a limit."""
    watched(ledger, "aia-received", row)


@table(
    DIFFUSION, "weights-licensed",
    row("no grant", grant(DAY, 5), {}),
    row("no shipment", acm(DAY, 5), {}),
)  # fmt: skip
def test_chips_are_no_model_weights(ledger, row):
    """15 CFR 742.6(a)(13): licenses for model weights are counted in models."""
    watched(ledger, "weights-licensed", row)


# What is enforced since May 2025


@pytest.fixture(scope="module")
def enforced(databases, template):
    """A database under what is enforced: buyers in China and the Emirates, licenses, and a lab."""
    licenses = {"buyer": "CN", "daughter": "CN", "second": "CN", "macanese": "MO", "g42": "AE", "g42-east": "AE",
                "emirati": "AE", "saudi": "SA", "hongkonger": "HK"}  # fmt: skip
    parents = {"daughter": "buyer", "g42-east": "g42"}
    return prepared(
        databases, template, round_chip(), *(rating(chip) for chip in (H200, MI325X, HGX_H200)),
        party("nvidia"), party("cloud"), party("lab", roles="approved-lab"),
        *(party(name, seat, parents.get(name, "self")) for name, seat in licenses.items()),
        adopt(LICENSING),
        *(license_(f"L-{name}", name, seat) for name, seat in licenses.items()),
        license_("L-override", "buyer", "CN", overrides="headquarters-clause"),
        license_("L-buyer-mo", "buyer", "MO"),
        license_("L-short", "g42", "AE", last_day="2026-06-30"),
    )  # fmt: skip


@pytest.fixture
def today(databases, enforced):
    with copied(databases, enforced) as opened:
        yield opened


SEATS = {"macanese": "MO", "g42": "AE", "g42-east": "AE", "emirati": "AE", "saudi": "SA", "hongkonger": "HK"}
KINDS = ("us-supply-sufficient", "no-foundry-diversion", "no-prohibited-end-use", "kyc-remote-access",
         "us-volume-stated", "lab-certificate")  # fmt: skip
MET = {"lab": "lab", "exported_from": "US", "evidence": ";".join(f"{kind}=R" for kind in KINDS)}


def sold(day: str, chips: Any, chip: str = A100, **more: Any) -> Request:
    """A sale to a customer in the US, for use there."""
    home = {"destination": "US", "exported_from": "US", "end_use": "US", "activity": "domestic", "authorization": ""}
    return line("ship", day, chips, "cloud", chip, **{**home, **more})


def licensed(day: str, chips: Any, to: str = "buyer", chip: str = A100, **more: Any) -> Request:
    return line("grant", day, chips, to, chip, **{"authorization": f"L-{to}", "destination": SEATS.get(to, "CN"),
                                                  **MET, **more})  # fmt: skip


FIRST = "2026-01-15"


@table(
    LICENSING, "china-ratio",
    row("one below", sold(FIRST, 100), licensed(FIRST, 49), FITS),
    row("at", sold(FIRST, 100), licensed(FIRST, 50), FITS),
    row("above", sold(FIRST, 100), licensed(FIRST, 51), f"over on {FIRST}"),
    row("one TPP below", sold(FIRST, 100), licensed(FIRST, "49.9999", unit="equivalents"), FITS),
    row("one TPP above", sold(FIRST, 100), licensed(FIRST, "50.0001", unit="equivalents"), OVER),
    row("at, of an odd number", sold(FIRST, 101), licensed(FIRST, 50), FITS),
    row("above, of an odd number", sold(FIRST, 101), licensed(FIRST, 51), OVER),
    row("first day of the base", sold(FIRST, 2), licensed(FIRST, 1), FITS),
    row("day before it", sold("2026-01-14", 2), licensed(FIRST, 1), f"over on {FIRST}"),
    row("day before the first is not counted", licensed("2026-01-14", 60, authorization="L-override"), UNCOUNTED),
    row("nor carried in", licensed("2026-01-14", 60, authorization="L-override"), sold(FIRST, 100),
        licensed(FIRST, 50), FITS),
    row("day before the first, by the rule", licensed("2026-01-14", 1), "refused: not_permitted"),
    row("years later", sold(FIRST, 100), licensed(FIRST, 50), licensed("2031-01-01", 1), "over on 2031-01-01"),
    row("Macau and Hong Kong with it, at", sold(FIRST, 100), licensed(FIRST, 30),
        licensed(FIRST, 10, "macanese"), licensed(FIRST, 10, "hongkonger"), FITS),
    row("Macau with it, above", sold(FIRST, 100), licensed(FIRST, 30), licensed(FIRST, 21, "macanese"), OVER),
    row("Hong Kong with it, above", sold(FIRST, 100), licensed(FIRST, 30), licensed(FIRST, 21, "hongkonger"), OVER),
    row("the Emirates not", licensed(FIRST, 51, "g42"), UNCOUNTED),
    row("boards of a chip are the chip, at", sold(FIRST, 10, HGX_H200), licensed(FIRST, 40, chip=H200), FITS),
    row("boards of a chip are the chip, above", sold(FIRST, 10, HGX_H200), licensed(FIRST, 41, chip=H200), OVER),
    row("another chip is not", sold(FIRST, 100), licensed(FIRST, 1, chip=H200), OVER),
    row("a sale for use elsewhere is none", sold(FIRST, 100, end_use="MY"), licensed(FIRST, 1), OVER),
    row("the unshipped rest is not given back", sold(FIRST, 100), licensed(FIRST, 50),
        line("release", FIRST, 50, "buyer", destination="CN", authorization="L-buyer"), licensed(FIRST, 1), OVER),
    row("a reverse is", sold(FIRST, 100), licensed(FIRST, 50), reversed_on(FIRST), licensed(FIRST, 50), FITS),
    row("what came back leaves the base", sold(FIRST, 100),
        given_back("2026-02-01", 10, "cloud", destination="US"), licensed("2026-02-01", 46), OVER),
    row("and no more than that", sold(FIRST, 100), given_back("2026-02-01", 10, "cloud", destination="US"),
        licensed("2026-02-01", 45), FITS),
)  # fmt: skip
def test_china_and_macau_get_at_most_half_of_what_was_shipped_at_home(today, row):
    """91 FR 1684, supp. 2 to part 748 (dd)(1)(iii): 50% of the aggregate TPP shipped to US customers, same product."""
    hold(today, "china-ratio", row)


MANY = (sold(FIRST, 3_000_000, H200), sold(FIRST, 3_000_000, MI325X))


@table(
    LICENSING, "china-buyer",
    row("one below", *MANY, licensed(FIRST, 74_999, chip=H200), FITS),
    row("at", *MANY, licensed(FIRST, 75_000, chip=H200), FITS),
    row("above", *MANY, licensed(FIRST, 75_001, chip=H200), f"flagged on {FIRST}"),
    row("two makers, at", *MANY, licensed(FIRST, 40_000, chip=H200), licensed(FIRST, 35_000, chip=MI325X), FITS),
    row("two makers, above", *MANY, licensed(FIRST, 40_000, chip=H200), licensed(FIRST, 35_001, chip=MI325X), FLAGGED),
    row("a group together", *MANY, licensed(FIRST, 75_000, chip=H200), licensed(FIRST, 1, "daughter", H200), FLAGGED),
    row("Macau with it", *MANY, licensed(FIRST, 75_000, chip=H200),
        licensed(FIRST, 1, chip=H200, destination="MO", authorization="L-buyer-mo"), FLAGGED),
    row("another buyer has its own", *MANY, licensed(FIRST, 75_000, chip=H200),
        licensed(FIRST, 75_000, "second", H200), FITS),
    row("years later", *MANY, licensed(FIRST, 75_000, chip=H200), licensed("2031-01-01", 1, chip=H200), FLAGGED),
    row("another chip", sold(FIRST, 200_000), licensed(FIRST, 75_001), UNCOUNTED),
    row("another country", licensed(FIRST, 75_001, "g42", H200), UNCOUNTED),
    row("the unshipped rest is not given back", *MANY, licensed(FIRST, 75_000, chip=H200),
        line("release", FIRST, 75_000, "buyer", H200, destination="CN", authorization="L-buyer"),
        licensed(FIRST, 1, chip=H200), FLAGGED),
    row("a reverse is", *MANY, licensed(FIRST, 75_000, chip=H200), reversed_on(FIRST),
        licensed(FIRST, 75_000, chip=H200), FITS),
)  # fmt: skip
def test_a_chinese_buyer_of_75_000_chips_is_flagged_and_never_refused(today, row):
    """Press reports of 2026-05: up to 75,000 H200 or MI325X for each buyer. Nobody found the condition itself."""
    hold(today, "china-buyer", row)


@table(
    LICENSING, "china-total",
    row("one below", *MANY, licensed(FIRST, 999_999, chip=H200), FITS),
    row("at", *MANY, licensed(FIRST, 1_000_000, chip=H200), FITS),
    row("above", *MANY, licensed(FIRST, 1_000_001, chip=H200), f"flagged on {FIRST}"),
    row("all buyers together, at", *MANY, licensed(FIRST, 400_000, chip=H200), licensed(FIRST, 500_000, "second", H200),
        licensed(FIRST, 100_000, "macanese", MI325X), FITS),
    row("all buyers together, above", *MANY, licensed(FIRST, 400_000, chip=H200),
        licensed(FIRST, 500_000, "second", H200), licensed(FIRST, 100_001, "macanese", MI325X), FLAGGED),
    row("another chip", sold(FIRST, 3_000_000), licensed(FIRST, 1_000_001), UNCOUNTED),
    row("another country", licensed(FIRST, 1_000_001, "g42", H200), UNCOUNTED),
    row("the unshipped rest is not given back", *MANY, licensed(FIRST, 1_000_000, chip=H200),
        line("release", FIRST, 9, "buyer", H200, destination="CN", authorization="L-buyer"),
        licensed(FIRST, 1, chip=H200), FLAGGED),
)  # fmt: skip
def test_a_million_chips_for_china_are_flagged_and_never_refused(today, row):
    """Press report of 2026-03-03: talk of 1,000,000 in total, with MI325X in the same count."""
    hold(today, "china-total", row)


def yearly(cap: str, most: int, to: str) -> pytest.MarkDecorator:
    """The table of a number of chips for the Emirates in a calendar year."""
    short = {"authorization": "L-short"}
    reserved = line("reserve", FIRST, most, to, destination="AE", authorization=f"L-{to}", last_day="2026-06-30")
    return table(
        LICENSING, cap,
        row("one below", licensed(FIRST, most - 1, to), FITS),
        row("at", licensed(FIRST, most, to), FITS),
        row("above", licensed(FIRST, most + 1, to), f"flagged on {FIRST}"),
        row("any chip, above", licensed(FIRST, most, to), licensed(FIRST, 1, to, H200), FLAGGED),
        row("first day, above", licensed("2026-01-01", most + 1, to), "flagged on 2026-01-01"),
        row("last day, at", licensed("2026-01-01", most - 1, to), licensed("2026-12-31", 1, to), FITS),
        row("last day, above", licensed("2026-01-01", most, to), licensed("2026-12-31", 1, to),
            "flagged on 2026-12-31"),
        row("day before the first is another year", licensed("2026-01-01", most, to), licensed("2025-12-31", most, to),
            FITS),
        row("day after the last is another year", licensed("2026-12-31", most, to), licensed("2027-01-01", most, to),
            FITS),
        row("another country", licensed(FIRST, most + 1, "saudi"), UNCOUNTED),
        row("a reservation counts", reserved, licensed("2026-06-30", 1, to), FLAGGED),
        row("to its last day", reserved, licensed("2026-07-01", most, to), FITS),
        row("an expired license counts on", licensed(FIRST, most, "g42", **short), licensed("2026-07-01", 1, "g42"),
            FLAGGED),
        row("a reverse gives back", licensed(FIRST, most, to), reversed_on(FIRST), licensed(FIRST, most, to), FITS),
    )  # fmt: skip


@yearly("uae-year", 500_000, "emirati")
def test_500_000_chips_a_year_for_the_emirates_are_flagged_and_never_refused(today, row):
    """Framework of 2025-05-15 (press): up to 500,000 chips a year. No license, and opens nothing."""
    hold(today, "uae-year", row)


@yearly("uae-year-g42", 100_000, "g42")
def test_a_fifth_of_them_for_g42_is_flagged_and_never_refused(today, row):
    """Framework of 2025-05-15 (press): 20% of the 500,000 to G42."""
    hold(today, "uae-year-g42", row)


@table(
    LICENSING, "uae-year-g42",
    row("a group together", licensed(FIRST, 100_000, "g42"), licensed(FIRST, 1, "g42-east"), FLAGGED),
    row("nobody else", licensed(FIRST, 100_001, "emirati"), UNCOUNTED),
)  # fmt: skip
def test_only_the_group_of_g42_draws_on_its_fifth(today, row):
    """Framework of 2025-05-15 (press): 20% of the 500,000 to G42."""
    hold(today, "uae-year-g42", row)


def test_what_goes_to_g42_draws_on_both_numbers(today):
    """Framework of 2025-05-15 (press): the fifth is part of the 500,000."""
    today.must(licensed(FIRST, 400_000, "emirati"), licensed(FIRST, 100_000, "g42"))
    assert today.discrepancies() == []
    today.must(licensed(FIRST, 1, "g42"))
    assert [cap for _, cap, _ in today.discrepancies()] == ["uae-year", "uae-year-g42"]


# The framework with the changes proposed in public comment, its parameters set. It is no law, so that the real one is
# only asked about; what a writer would do is seen under the same document as if it were in force.

TRIAL = {
    "codified: none": "codified: {from: 2024-01-01, law: a trial}",
    "default: []": "default: [AE]",
}
SET = {
    "between: [0, 26_900_000]\n    default: undetermined": "between: [0, 26_900_000]\n    default: 10_000_000",
    "1_580_000_000]\n    default: undetermined": "1_580_000_000]\n    default: 1_000_000_000",
}


def trial(databases: Any, framework: str, changed: dict[str, str]) -> str:
    """Return the name of a database under the comment's document with other words in some places."""
    text, under = (rulebooks.read(name)[0] for name in (COMMENT, DIFFUSION))
    for old, new in changed.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    raw = {"name": COMMENT, "from": "2024-01-01", "bundle": {COMMENT: text, DIFFUSION: under}}
    return prepared(databases, framework, Request("rulebook", "trial", raw))


@pytest.fixture(scope="module")
def commented(databases, framework):
    return trial(databases, framework, TRIAL | SET)


@pytest.fixture(scope="module")
def unset(databases, framework):
    return trial(databases, framework, TRIAL)


@table(
    COMMENT, "country-allocation",
    row("one below", grant(DAY, 99_999, "ae"), FITS),
    row("at", grant(DAY, 100_000, "ae"), FITS),
    row("above", grant(DAY, 100_001, "ae"), "over on 2025-06-02"),
    row("not assured, at", grant(DAY, 79_000), FITS),
    row("not assured, above", grant(DAY, 79_001), OVER),
    row("first day, at", grant("2025-01-01", 100_000, "ae"), FITS),
    row("first day, above", grant("2025-01-01", 100_001, "ae"), OVER),
    row("day before the first", grant("2024-12-31", 100_001, "ae"), UNCOUNTED),
    row("last day, above", grant("2025-01-01", 100_000, "ae"), grant("2027-12-31", 1, "ae"), "over on 2027-12-31"),
    row("day after the last", grant("2028-01-01", 1, "ae"), "undetermined on 2028-01-01"),
)  # fmt: skip
def test_an_assured_country_has_the_allocation_that_the_asker_sets(databases, commented, row):
    """Comment of 2025-04-30 on 90 FR 4544, first proposal: tier 2 states with strong security get more by agreement."""
    with copied(databases, commented) as ledger:
        hold(ledger, "country-allocation", row)


@table(
    COMMENT, "lpp-year",
    row("one below", lpp(DAY, 999), FITS),
    row("at", lpp(DAY, 1_000), FITS),
    row("above", lpp(DAY, 1_001), "over on 2025-06-02"),
    row("first day to last day, above", lpp("2025-01-01", 1_000), lpp("2025-12-31", 1), "over on 2025-12-31"),
    row("day before the first is another year", lpp("2025-01-01", 1_000), lpp("2024-12-31", 1_000), FITS),
    row("day after the last is another year", lpp("2025-12-31", 1_000), lpp("2026-01-01", 1_000), FITS),
)  # fmt: skip
def test_the_threshold_without_a_license_is_what_the_asker_sets(databases, commented, row):
    """Comment of 2025-04-30 on 90 FR 4544, second proposal: lower the no-license threshold."""
    with copied(databases, commented) as ledger:
        hold(ledger, "lpp-year", row)


@pytest.mark.parametrize(("cap", "row"), [
    ("lpp-year", row("a threshold that nobody set", lpp(DAY, 1), UNDETERMINED)),
    ("country-allocation", row("an allocation that nobody set", grant(DAY, 1, "ae"), UNDETERMINED)),
    ("country-allocation", row("of another country", grant(DAY, 79_000), FITS)),
], ids=lambda each: each.id if isinstance(each, Row) else "")  # fmt: skip
def test_what_nobody_set_is_undetermined(databases, unset, cap, row):
    """Comment of 2025-04-30 on 90 FR 4544: no figure was found for either proposal."""
    with copied(databases, unset) as ledger:
        hold(ledger, cap, row)


@pytest.mark.parametrize(("settings", "to", "kind", "chips"), [
    ("", "ae", "license", 78_990),
    ("?assured-list=AE", "ae", "license", 0),
    ("?assured-list=AE&assured-limit=1_000_000_000", "ae", "license", 99_990),
    ("?assured-list=AE&assured-limit=1_580_000_000", "ae", "license", 157_990),
    ("?assured-list=AE&assured-limit=1_000_000_000", "my", "license", 79_000),
    ("", "my", "LPP", 0),
    ("?lpp-limit=10_000_000", "my", "LPP", 980),
    ("?lpp-limit=26_900_000", "my", "LPP", 2_670),
    ("?lpp-limit=0", "my", "LPP", 0),
])  # fmt: skip
def test_the_comment_is_asked_with_its_parameters_set(ledger, settings, to, kind, chips):
    """Comment of 2025-04-30 on 90 FR 4544, asked about a ledger under the framework."""
    ledger.must(grant(DAY, 10, "ae"), lpp(DAY, 20))
    evidence = {"evidence": (("consignee-statement", "S"),)} if kind == "LPP" else {}
    asked = {"destination": to.upper(), "recipient": to, "chip": A100, "authorization": kind, "exporter": "nvidia"}
    with Reader(ledger.conn).view(on=date.fromisoformat(DAY), rulebook=f"{COMMENT}{settings}") as view:
        assert remaining(view, **asked, **evidence).remaining_chips == chips


# No cap without a table


def caps_of(name: str) -> dict[str, Any]:
    """Return the caps of a shipped book by name; of the comment, those that it changes. A share's own base is its."""
    found = {cap.name: cap for cap in rulebooks.load(name).caps}
    inline = {f"{cap}.base" for cap in found}
    if name == COMMENT:
        before = caps_of(DIFFUSION)
        return {cap: each for cap, each in found.items() if (each.limit, each.amended) != (
            before[cap].limit, before[cap].amended)}  # fmt: skip
    return {cap: each for cap, each in found.items() if cap not in inline}


CAPS = {f"{name}/{cap}": each for name in rulebooks.shipped() for cap, each in caps_of(name).items()}


def test_every_cap_of_the_shipped_books_has_a_table_and_no_table_is_of_another():
    assert set(TABLES) == set(CAPS)


@pytest.mark.parametrize("name", [name for name, cap in CAPS.items() if not cap.limit.unlimited])
def test_a_cap_that_limits_is_tried_at_its_limit_below_and_above(name):
    words = {"refuse": OVER, "flag": FLAGGED}[CAPS[name].when_exceeded]
    ids = [each.id for each in TABLES[name]]
    answers = {each.answer.partition(" on ")[0] for each in TABLES[name]}
    assert {FITS, words} <= answers
    assert all(any(word in each for each in ids) for word in ("one below", "at", "above"))


@pytest.mark.parametrize("name", [name for name, cap in CAPS.items() if cap.window.kind != "always"])
def test_a_window_is_tried_on_its_first_and_last_day_and_beside_them(name):
    window = CAPS[name].window
    beside = ["first day", "day before"]
    if window.kind == "calendar_year" or window.span.until:
        beside += ["last day", "day after"]
    ids = [each.id for each in TABLES[name]]
    assert [word for word in beside if not any(word in each for each in ids)] == []


def test_a_schedule_is_tried_on_the_first_day_of_each_step_and_the_day_before():
    (steps,) = [cap.limit.steps for cap in CAPS.values() if len(cap.limit.steps) > 1]
    ids = " ".join(each.id for each in TABLES[f"{DIFFUSION}/nveu-installed"])
    wanted = [day - timedelta(days=before) for day, _ in steps for before in (0, 1)]
    assert [str(day) for day in wanted if f"{day}, " not in ids] == []
