"""The lens: what one entry does to the counters of a rulebook, on which days, and that it is linear."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import H100, H200, HGX, book

from ledger import reference
from ledger.core.facts import UNKNOWN
from ledger.core.lens import Entry, Lens
from ledger.core.profile import Profile, Seat, from_body
from ledger.rulebooks import load, parse_bundle

DAY, LAST, LATER = date(2026, 3, 1), date(2026, 6, 30), date(2026, 7, 1)
RATING = Decimal(15_832)


G42 = Seat("g42", "AE", "g42", "AE")


def profile(destination="AE", recipient=G42, **more):
    chip = {chip.chip: chip for chip in reference.chips()}[H100]
    facts = {"owner": recipient, "operator": recipient, "booked_to": recipient, "authorization_kind": "license",
             "authorization": "L1", "exporter": Seat("nvidia", "US", "nvidia", "US")}  # fmt: skip
    rated = {"chip": H100, "base_chip": H100, "tpp_per_chip": RATING, "meets": chip.control}
    return Profile(destination=destination, recipient=recipient, **{**rated, **facts, **more})


def entry(stage="licensed", cause="", chips=1, day=DAY, last_day=None, lot_day=DAY, of=None):
    of = of or profile()
    return Entry(1, stage, cause, (1, 1), of, lot_day, day, last_day, chips, chips * RATING)


def lens(*caps, **more):
    return Lens(parse_bundle({"test-book": book(*caps, **more)}))


def effects(lens, *entries):
    """Subject, window, day and chips of everything that entries do."""
    return [
        (each.key.subject, each.key.window, each.day, each.amount.chips) for one in entries for each in lens.of(one)
    ]


# What counts, and what gives back


@pytest.mark.parametrize(("counts", "gives_back", "stage", "cause", "weight"), [
    ("granted", "", "reserved", "", 1), ("granted", "", "licensed", "", 1), ("granted", "", "shipped", "", None),
    ("granted", "", "reserved", "used", 1), ("granted", "", "reserved", "released", 1),
    ("granted", "", "licensed", "unshipped", None), ("granted", "unshipped", "licensed", "unshipped", 1),
    ("shipped", "", "shipped", "", 1), ("shipped", "", "shipped", "return", None),
    ("shipped", "return", "shipped", "return", 1), ("shipped", "", "licensed", "", None),
    ("shipped", "", "received", "", None),
    ("held", "", "shipped", "", 1), ("held", "", "received", "", -1), ("held", "", "installed", "", 1),
    ("held", "return", "received", "return", -1), ("held", "", "received", "return", None),
    ("held", "loss", "installed", "loss", 1), ("held", "loss", "installed", "theft", None),
    ("held", "resale", "installed", "relocation", None), ("held", "relocation", "installed", "relocation", 1),
])  # fmt: skip
def test_a_stage_counts_as_the_cap_says_and_gives_back_only_for_its_causes(counts, gives_back, stage, cause, weight):
    found = effects(lens(f"name: c, counts: {counts}, gives_back: [{gives_back}], limit: none"), entry(stage, cause))
    assert found == ([("world", date.min, DAY, weight)] if weight else [])


@pytest.mark.parametrize(("gives_back", "stage", "last_day", "day", "expected"), [
    ("unshipped", "open", LAST, DAY, [(LATER, -1)]),                   # lapses the day after
    ("unshipped", "open", LAST, date(2026, 8, 1), [(date(2026, 8, 1), -1)]),   # or at once, where that has passed
    ("unshipped", "open", None, DAY, []),
    ("", "open", LAST, DAY, []),                                       # stays licensed
    ("", "reserved", LAST, DAY, [(DAY, 1), (LATER, -1)]),              # a reservation always lapses
    ("", "licensed", LAST, DAY, [(DAY, 1)]),
])  # fmt: skip
def test_what_lapses_stops_counting_the_day_after_its_last_day(gives_back, stage, last_day, day, expected):
    found = effects(lens(f"name: c, counts: granted, gives_back: [{gives_back}], limit: none"),
                    entry(stage, day=day, last_day=last_day))  # fmt: skip
    assert [(on, chips) for _, _, on, chips in found] == expected


# Windows


@pytest.mark.parametrize(("window", "lot_day", "day", "expected"), [
    ("window: calendar year", date(2026, 12, 31), date(2026, 12, 31), date(2026, 1, 1)),
    ("window: calendar year", date(2026, 12, 31), date(2027, 1, 1), None),       # gives back only in its lot's year
    ("window: calendar quarter", DAY, date(2026, 3, 31), date(2026, 1, 1)),
    ("window: calendar quarter", DAY, date(2026, 4, 1), None),
    ("window: {from: 2026-03-01, until: 2026-04-01}", DAY, DAY, date(2026, 3, 1)),
    ("window: {from: 2026-03-02}", DAY, date(2026, 5, 1), None),
    ("window: {from: 2026-01-01, until: 2026-03-01}", DAY, DAY, None),
    ("window: {from: 2026-01-01, until: 2026-03-01}, after: undetermined", DAY, DAY, date(2026, 3, 1)),
])  # fmt: skip
def test_a_lot_counts_in_the_window_of_its_own_day(window, lot_day, day, expected):
    found = effects(lens(f"name: c, counts: shipped, gives_back: [return], {window}, limit: none"),
                    entry("shipped", "return", -1, day=day, lot_day=lot_day))  # fmt: skip
    assert [window for _, window, _, _ in found] == ([expected] if expected else [])


# Where and by


@pytest.mark.parametrize(("by", "subject"), [
    ("destination", "destination=AE"), ("recipient", "recipient=g42"), ("ultimate_parent", "ultimate_parent=mgx"),
    ("chip", f"chip={H100}"), ("exporter", "exporter=nvidia"), ("tier", "tier=2"),
    ("authorization", "authorization=L1"),
    ("facility", "facility=site-1"), ("owner", "owner=g42"), ("operator", "operator=khazna"),
    ("recipient, chip", f"recipient=g42,chip={H100}"), ("", "world"),
])  # fmt: skip
def test_a_counter_is_kept_for_what_by_names(by, subject):
    facts = profile(
        recipient=Seat("g42", "AE", "mgx", "AE"), operator=Seat("khazna", "AE", "g42", "AE"), facility="site-1"
    )
    found = effects(lens(f"name: c, counts: shipped, by: [{by}], limit: none"), entry("shipped", of=facts))
    assert [subject for subject, *_ in found] == [subject]


def test_a_board_counts_as_its_chips():
    facts = profile(chip=HGX)
    one = lens(f"name: c, counts: shipped, by: [chip], where: {{chip: [{H100}]}}, limit: none")
    assert effects(one, entry("shipped", of=facts, chips=8)) == [(f"chip={H100}", date.min, DAY, 8)]
    assert effects(one, entry("shipped", of=replace(facts, chip=H200, base_chip=H200, content=b""))) == []


@pytest.mark.parametrize(("where", "certain"), [
    ("destination: [AE]", True), ("destination: [MY]", None), ("ultimate_parent: [mgx]", False),
    ("any_headquarters: [CN]", False), ("any_headquarters: [AE]", True), ("all_headquarters: [AE]", False),
    ("destination: [MY], any_headquarters: [CN]", None), ("any: [{destination: [AE]}, {any_headquarters: [CN]}]", True),
])  # fmt: skip
def test_what_is_unknown_is_kept_apart_as_doubt_and_only_where_the_answer_turns_on_it(where, certain):
    facts = profile(recipient=Seat("g42", "AE", UNKNOWN, UNKNOWN))
    found = [each.amount for each in lens(f"name: c, counts: shipped, where: {{{where}}}, limit: none").of(
        entry("shipped", of=facts, chips=3))]  # fmt: skip
    if certain is None:
        assert found == []
    else:
        assert [(amount.chips, amount.doubt_chips) for amount in found] == [(3, 0) if certain else (0, 3)]


def test_hong_kong_is_counted_as_china_and_the_tier_is_of_the_lots_day():
    one = Lens(load("us-diffusion-2025"))
    cambodia = profile("KH", Seat("kh", "KH", "kh", "KH"))
    listed, ended = date(2025, 11, 6), date(2025, 11, 7)
    assert effects(one, entry(of=cambodia, lot_day=listed, day=listed)) == []
    assert [subject for subject, *_ in effects(one, entry(of=cambodia, lot_day=ended, day=ended))] == ["destination=KH"]
    hong_kong = profile("HK", Seat("hk", "HK", "hk", "HK"))
    two = lens("name: c, counts: granted, by: [destination], limit: none")
    assert [subject for subject, *_ in effects(two, entry(of=hong_kong))] == ["destination=HK"]
    three = Lens(load("us-licensing-2026"))
    found = effects(three, entry(of=replace(hong_kong, chip=H200, base_chip=H200, content=b"")))
    assert "ultimate_parent=hk" in [subject for subject, *_ in found]


# Linear: whatever is added up first, the counters are the same.

entries = st.builds(
    entry, st.sampled_from(["reserved", "licensed", "open", "shipped", "received", "installed"]),
    st.sampled_from(["", "unshipped", "return", "loss"]), st.integers(-9, 9),
    st.dates(DAY, date(2027, 2, 1)), st.sampled_from([None, LAST, date(2026, 12, 31)]), st.sampled_from([DAY, LATER]),
)  # fmt: skip
ALL = lens("name: a, counts: granted, gives_back: [unshipped], window: calendar year, limit: none",
           "name: b, counts: shipped, by: [recipient], gives_back: [return], limit: none",
           "name: c, counts: held, gives_back: [return, loss], window: {from: 2026-06-01}, limit: none")  # fmt: skip


def totals(found):
    sums = {}
    for key, _, _, day, amount in found:
        sums[key, day] = sums[key, day].plus(amount) if (key, day) in sums else amount
    return {where: amount for where, amount in sums.items() if any(amount)}


@given(st.lists(entries, max_size=12))
def test_a_sum_of_entries_does_what_the_entries_do_one_by_one(several):
    one_by_one = totals(each for one in several for each in ALL.of(one))
    alike = {}
    for one in several:
        alike.setdefault((one.stage, one.cause, one.lot_day, one.day, one.last_day), []).append(one)
    summed = totals(
        effect
        for (stage, cause, lot_day, day, last_day), group in alike.items()
        for effect in ALL.effects(stage, cause, profile(), lot_day, day, last_day, sum(one.chips for one in group),
                                  sum((one.tpp for one in group), Decimal(0)))
    )  # fmt: skip
    assert summed == one_by_one


@given(st.lists(entries, max_size=12))
def test_entries_and_their_negatives_leave_nothing(several):
    negatives = [one._replace(chips=-one.chips, tpp=-one.tpp) for one in several]
    assert totals(each for one in [*several, *negatives] for each in ALL.of(one)) == {}


def test_every_counter_that_a_lot_may_change_is_known_beforehand():
    keys = set(ALL.keys(profile(), DAY))
    assert {each.key for stage in ("reserved", "shipped", "installed") for each in ALL.of(entry(stage))} <= keys
    assert {key.cap for key in keys} == {"a", "b"}  # the third has no window on that day


def test_a_profile_comes_back_from_its_bytes_the_same():
    full = profile(
        recipient=Seat("g42", "AE", "mgx", "AE", ("UVEU",), ("recipient",)),
        lab=Seat("lab", "US", "lab", "US", (), ("lab",)),
        evidence=("a", "b"),
        facility="s1",
        eccn="3A090.a",
        released=date(2022, 9, 20),
        dram_bandwidth=Decimal("3352.5"),
    )
    again = from_body(full.body())
    assert (again.content, again.sha256) == (full.content, full.sha256)
    assert from_body(profile(exporter=None).body()).exporter is None
