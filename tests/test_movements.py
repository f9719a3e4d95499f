"""What each kind of movement does: the entries it makes, the lots it opens and draws on, and what is then left."""

from __future__ import annotations

import pytest
from world import (
    A100,
    B200,
    GB300,
    H100,
    HGX,
    Ledger,
    adopt,
    book,
    change,
    license_,
    move,
    party,
    rating,
    reverse,
    settle,
)

from ledger.core.movements import Line
from ledger.posting import Writer
from ledger.reconcile.checking import check  # fmt: skip

TPP = 15_832  # of an H100
COUNTED = book(
    "name: granted, counts: granted, gives_back: [unshipped], by: [destination], limit: none",
    "name: shipped, counts: shipped, gives_back: [return], by: [destination], limit: none",
    "name: held, counts: held, gives_back: [return, loss, relocation, resale], by: [destination], limit: none",
    "name: gross, counts: held, by: [destination], limit: none",
)
HERE = {"recipient": "mydc", "destination": "MY"}
THERE = {"recipient": "saco", "destination": "SA"}
L1 = {"exporter": "nvidia", **HERE, "authorization": "L1"}


@pytest.fixture
def ledger(conn):
    return Ledger(conn).begin(
        adopt(COUNTED, "2020-01-01"),
        party("nvidia"), party("amd"), party("mydc", "MY"), party("myother", "MY"), party("saco", "SA"),
        license_("L1", "mydc", "MY"), license_("L2", "mydc", "MY"), license_("S1", "saco", "SA"),
    )  # fmt: skip


def totals(ledger, day="2030-01-01", subject="destination=MY"):
    """Chips' worth of granted, shipped, held and gross on a day."""
    return tuple(int(ledger.used(name, subject, day)) // TPP for name in ("granted", "shipped", "held", "gross"))


def entries(ledger, seq):
    """Stage, cause and chips of a record's entries, and the number of the record whose lot each is at."""
    return [(stage, cause, chips, lot) for stage, cause, chips, _, lot, _ in ledger.entries(seq)]


# Entries and lots, kind by kind


def test_a_reserve_opens_a_lot_that_counts_until_its_last_day(ledger):
    seq = ledger.must(move("reserve", "2026-01-10", 5, **L1, last_day="2026-02-10"))
    assert entries(ledger, seq) == [("reserved", "", 5, f"{seq}.1")]
    assert ledger.lots() == {f"{seq}.1": ("reserved", "5", "0", "0")}
    assert [totals(ledger, day)[0] for day in ("2026-01-09", "2026-01-10", "2026-02-10", "2026-02-11")] == [0, 5, 5, 0]


def test_a_grant_opens_a_lot_and_its_unshipped_rest_counts_until_its_last_day(ledger):
    seq = ledger.must(move("grant", "2026-01-10", 5, **L1, last_day="2026-02-10"))
    assert entries(ledger, seq) == [("licensed", "", 5, f"{seq}.1"), ("open", "", 5, f"{seq}.1")]
    ledger.must(move("ship", "2026-01-20", 2, **L1))
    assert [totals(ledger, day)[0] for day in ("2026-02-10", "2026-02-11")] == [5, 2]


@pytest.mark.parametrize("under", ["L1", "license", ""])
def test_a_grant_uses_up_the_reservation_that_it_names(ledger, under):
    reserved = ledger.must(move("reserve", "2026-01-10", 5, **{**L1, "authorization": under}, last_day="2026-06-30"))
    seq = ledger.must(move("grant", "2026-01-20", 3, **L1, of=f"{reserved}.1"))
    assert entries(ledger, seq) == [
        ("licensed", "", 3, f"{seq}.1"), ("open", "", 3, f"{seq}.1"), ("reserved", "used", -3, f"{reserved}.1"),
    ]  # fmt: skip
    assert totals(ledger)[0] == 3  # the reserved rest lapsed
    assert totals(ledger, "2026-06-30")[0] == 5


def test_a_grant_larger_than_its_reservation_uses_all_of_it(ledger):
    reserved = ledger.must(move("reserve", "2026-01-10", 5, **L1, last_day="2026-06-30"))
    ledger.must(move("grant", "2026-01-20", 8, **L1, of=f"{reserved}.1"))
    assert totals(ledger, "2026-06-30")[0] == 8


def test_a_grant_does_not_use_up_what_was_reserved_for_somebody_else(ledger):
    reserved = ledger.must(move("reserve", "2026-01-10", 5, exporter="nvidia", **THERE, last_day="2026-06-30"))
    ledger.must(move("grant", "2026-01-20", 5, **L1, of=f"{reserved}.1"))
    assert totals(ledger, "2026-06-30", "destination=SA")[0] == 5


def test_a_release_gives_back_the_unshipped_rest(ledger):
    grant = ledger.must(move("grant", "2026-01-10", 5, **L1))
    seq = ledger.must(move("release", "2026-01-20", 2, authorization="L1"))
    assert entries(ledger, seq) == [
        ("licensed", "unshipped", -2, f"{grant}.1"), ("open", "unshipped", -2, f"{grant}.1"),
    ]  # fmt: skip
    assert ledger.lots() == {f"{grant}.1": ("licensed", "3", "0", "0")}
    assert totals(ledger)[0] == 3


def test_a_release_of_a_reservation_always_gives_back(ledger):
    reserved = ledger.must(move("reserve", "2026-01-10", 5, exporter="nvidia", **HERE, last_day="2026-06-30"))
    seq = ledger.must(move("release", "2026-01-20", 5, of=f"{reserved}.1"))
    assert entries(ledger, seq) == [("reserved", "released", -5, f"{reserved}.1")]
    assert totals(ledger, "2026-01-20")[0] == 0


def test_a_shipment_draws_on_its_license_and_a_receipt_installs_it(ledger):
    grant = ledger.must(move("grant", "2026-01-10", 5, **L1))
    ship = ledger.must(move("ship", "2026-01-20", 3, **L1))
    assert entries(ledger, ship) == [("shipped", "", 3, f"{ship}.1"), ("open", "", -3, f"{grant}.1")]
    assert ledger.lots()[f"{ship}.1"] == ("shipped", "0", "3", "0")
    receipt = ledger.must(move("receive", "2026-01-25", 2, **HERE))
    assert entries(ledger, receipt) == [("received", "", 2, f"{ship}.1"), ("installed", "", 2, f"{ship}.1")]
    assert ledger.lots()[f"{ship}.1"] == ("shipped", "0", "1", "2")
    assert totals(ledger) == (5, 3, 3, 3)


def test_a_return_takes_what_is_in_transit_first_and_reopens_no_license(ledger):
    grant = ledger.must(move("grant", "2026-01-10", 5, **L1))
    ship = ledger.must(move("ship", "2026-01-20", 5, **L1))
    ledger.must(move("receive", "2026-01-25", 3, **HERE))
    back = ledger.must(move("return", "2026-02-01", 4, **HERE))
    assert entries(ledger, back) == [
        ("shipped", "return", -2, f"{ship}.1"),
        ("shipped", "return", -2, f"{ship}.1"), ("received", "return", -2, f"{ship}.1"),
        ("installed", "return", -2, f"{ship}.1"),
    ]  # fmt: skip
    assert ledger.lots() == {f"{grant}.1": ("licensed", "0", "0", "0"), f"{ship}.1": ("shipped", "0", "0", "1")}
    assert totals(ledger) == (5, 1, 1, 5)
    ledger.refused(move("ship", "2026-03-01", 1, **L1), "exceeds_authorization")


@pytest.mark.parametrize(("cause", "held"), [("loss", 1), ("failure", 3)])
def test_a_retirement_frees_room_only_for_a_cause_that_gives_back(ledger, cause, held):
    ship = ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE))
    ledger.must(move("receive", "2026-01-25", 3, **HERE))
    seq = ledger.must(move("retire", "2026-02-01", 2, **HERE, cause=cause))
    assert entries(ledger, seq) == [("installed", cause, -2, f"{ship}.1")]
    assert totals(ledger) == (0, 3, held, 3)


def test_a_transfer_moves_what_is_installed_to_a_lot_of_its_own(ledger):
    ship = ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE),
                       move("receive", "2026-01-25", 3, **HERE)) - 1  # fmt: skip
    seq = ledger.must(move("transfer", "2026-02-01", 2, recipient="myother", destination="MY", from_recipient="mydc"))
    assert entries(ledger, seq) == [("installed", "resale", -2, f"{ship}.1"), ("installed", "", 2, f"{seq}.1")]
    assert ledger.lots()[f"{seq}.1"] == ("shipped", "0", "0", "2")
    assert totals(ledger) == (0, 3, 3, 5)  # gross: a cap that nothing gives back to counts both
    ledger.must(move("retire", "2026-02-02", 2, recipient="myother", destination="MY", cause="loss"))


def test_a_reexport_leaves_one_country_and_is_shipped_to_another(ledger):
    ship = ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE),
                       move("receive", "2026-01-25", 3, **HERE)) - 1  # fmt: skip
    grant = ledger.must(move("grant", "2026-01-20", 2, exporter="nvidia", **THERE, authorization="S1"))
    seq = ledger.must(move("reexport", "2026-02-01", 2, **THERE, authorization="S1", from_recipient="mydc",
                           from_destination="MY"))  # fmt: skip
    assert entries(ledger, seq) == [
        ("installed", "resale", -2, f"{ship}.1"), ("shipped", "", 2, f"{seq}.1"), ("open", "", -2, f"{grant}.1"),
    ]  # fmt: skip
    assert totals(ledger)[2] == 1
    assert totals(ledger, subject="destination=SA") == (2, 2, 2, 2)
    ledger.must(move("receive", "2026-02-10", 2, **THERE))


def test_a_relocation_by_the_same_owner_is_no_resale(ledger):
    ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE), move("receive", "2026-01-25", 3, **HERE))
    seq = ledger.must(move("reexport", "2026-02-01", 1, recipient="saco", destination="SA", owner="mydc",
                           from_recipient="mydc", from_destination="MY"))  # fmt: skip
    assert entries(ledger, seq)[0][:2] == ("installed", "relocation")


@pytest.mark.parametrize(("kind", "places"), [
    ("transfer", {"destination": "SA", "from_destination": "MY"}),
    ("transfer", {"destination": "SA", "of": "lot"}),
    ("reexport", {"destination": "MY", "from_destination": "MY"}),
])  # fmt: skip
def test_a_transfer_stays_in_its_country_and_a_reexport_leaves_it(ledger, kind, places):
    lot = ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE),
                      move("receive", "2026-01-25", 3, **HERE))  # fmt: skip
    places = {name: f"{lot - 1}.1" if value == "lot" else value for name, value in places.items()}
    receipt = ledger.ask(move(kind, "2026-02-01", 1, recipient="myother", from_recipient="mydc", **places))
    assert receipt.verdict == "refused", receipt


# Several lines, units, lots


def test_a_movement_of_several_lines_posts_together_or_not_at_all(ledger):
    ledger.must(move("grant", "2026-01-10", 5, **L1))
    lines = [{"chip": H100, "quantity": "3"}, {"chip": A100, "quantity": "1"}]
    ledger.refused(move("ship", "2026-01-20", lines=lines, **L1), "exceeds_authorization")
    assert len(ledger.lots()) == 1
    ledger.must(move("grant", "2026-01-10", 1, A100, **L1))
    seq = ledger.must(move("ship", "2026-01-20", lines=lines, **L1))
    assert {f"{seq}.1", f"{seq}.2"} <= ledger.lots().keys()


def test_lines_of_one_movement_do_not_spend_the_same_chips_twice(ledger):
    ledger.must(move("grant", "2026-01-10", 5, **L1))
    twice = [{"chip": H100, "quantity": "3"}] * 2
    ledger.refused(move("ship", "2026-01-20", lines=twice, **L1), "exceeds_authorization")
    ledger.must(license_("SIZED", "mydc", "MY", quantity="5", unit="chips"))
    sized = {**L1, "authorization": "SIZED"}
    ledger.refused(move("grant", "2026-01-20", lines=twice, **sized), "exceeds_authorization")
    ledger.must(move("grant", "2026-01-20", lines=[{"chip": H100, "quantity": "3"}, {"chip": H100, "quantity": "2"}],
                     **sized))  # fmt: skip


@pytest.mark.parametrize(("quantity", "unit", "chips"), [
    ("2", "", 16), ("2", "systems", 16), ("5", "chips", 5), ("1,000", "chips", 1000),
])  # fmt: skip
def test_a_system_is_its_chips(ledger, quantity, unit, chips):
    seq = ledger.must(move("ship", "2026-01-20", quantity, HGX, exporter="nvidia", **HERE, unit=unit))
    assert ledger.entries(seq)[0][2:4] == (chips, str(chips * TPP))
    ledger.must(move("receive", "2026-01-21", chips, H100, **HERE))  # what arrives may be counted in chips


def test_equivalents_are_tpp_without_chips_and_any_chip_draws_its_own_rating(ledger):
    grant = ledger.must(move("grant", "2026-01-10", "10.5", GB300, **L1, unit="equivalents"))
    assert ledger.entries(grant)[0][2:4] == (None, "630000")
    ledger.must(move("ship", "2026-01-20", 10, B200, **L1))
    assert ledger.lots()[f"{grant}.1"] == ("licensed", "270000", "0", "0")
    ledger.refused(move("ship", "2026-01-20", 8, B200, **L1), "exceeds_authorization")
    ledger.must(move("ship", "2026-01-20", 7, B200, **L1))
    ledger.must(move("ship", "2026-01-20", 1, H100, **L1))
    assert ledger.lots()[f"{grant}.1"] == ("licensed", "2168", "0", "0")


def test_equivalents_cannot_be_drawn_from_a_number_of_chips(ledger):
    ledger.must(move("grant", "2026-01-10", 5, **L1))
    ledger.refused(move("ship", "2026-01-20", 1, **L1, unit="equivalents"), "exceeds_authorization")


def test_a_draw_takes_the_oldest_lot_first_and_splits(ledger):
    young = ledger.must(move("grant", "2026-01-12", 3, **L1))
    old = ledger.must(move("grant", "2026-01-10", 2, **L1))
    seq = ledger.must(move("ship", "2026-01-20", 4, **L1))
    assert entries(ledger, seq)[1:] == [("open", "", -2, f"{old}.1"), ("open", "", -2, f"{young}.1")]


def test_a_draw_dated_before_a_lot_does_not_touch_it(ledger):
    ledger.must(move("grant", "2026-01-12", 3, **L1))
    ledger.refused(move("ship", "2026-01-11", 1, **L1), "exceeds_authorization")


def test_of_names_the_lot(ledger):
    ledger.must(move("grant", "2026-01-10", 2, **L1))
    young = ledger.must(move("grant", "2026-01-12", 3, **L1))
    seq = ledger.must(move("ship", "2026-01-20", 3, **L1, of=f"{young}.1"))
    assert entries(ledger, seq)[1:] == [("open", "", -3, f"{young}.1")]
    ledger.refused(move("ship", "2026-01-20", 1, **L1, of=f"{young}.1"), "exceeds_authorization")


@pytest.mark.parametrize(("kind", "more"), [
    ("ship", {"authorization": "L2", "exporter": "nvidia", **HERE}),     # a lot of another license
    ("release", {"authorization": "L2"}),
    ("release", {"authorization": "L1", "exporter": "amd"}),             # another exporter's
    ("release", {"exporter": "amd"}),
])  # fmt: skip
def test_of_opens_no_door_to_another_license_or_exporter(ledger, kind, more):
    lot = ledger.must(move("grant", "2026-01-12", 3, **L1))
    receipt = ledger.ask(move(kind, "2026-01-20", 1, of=f"{lot}.1", **more))
    assert receipt.code in ("exceeds_authorization", "negative_stock")
    assert ledger.lots()[f"{lot}.1"][1] == "3"


def test_of_names_a_lot_at_the_stated_place_only(ledger):
    lot = ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE))
    ledger.must(move("receive", "2026-01-25", 1, **THERE, of=f"{lot}.1"))
    assert ledger.lots()[f"{lot}.1"] == ("shipped", "0", "3", "0")  # what arrived elsewhere is not this shipment
    assert ledger.discrepancies()[0][0] == "negative_stock"


@pytest.mark.parametrize("authorization", ["license", "LPP", "none_required"])
def test_a_grant_needs_an_issued_license(ledger, authorization):
    assert ledger.ask(move("grant", "2026-01-10", 2, **{**L1, "authorization": authorization})).verdict == "refused"
    assert ledger.lots() == {}


def test_nothing_is_shipped_under_a_license_that_is_not_named(ledger):
    receipt = ledger.ask(move("ship", "2026-01-10", 2, **{**L1, "authorization": "license"}))
    assert receipt.verdict == "refused", receipt


# Back-dating and stock by day


def test_installed_stock_is_looked_at_on_its_day_and_every_later_one(ledger):
    ship = dict(exporter="nvidia", **HERE)
    ledger.must(
        move("ship", "2026-01-01", 10, **ship),
        move("receive", "2026-01-10", 4, **HERE), move("retire", "2026-01-15", 4, **HERE, cause="loss"),
        move("receive", "2026-01-20", 4, **HERE),
    )  # fmt: skip
    leave = {"recipient": "myother", "destination": "MY", "from_recipient": "mydc"}
    ledger.refused(move("transfer", "2026-01-12", 1, **leave), "negative_stock")
    ledger.refused(move("transfer", "2026-01-16", 1, **leave), "negative_stock")
    ledger.must(move("transfer", "2026-01-20", 4, **leave))
    ledger.refused(move("transfer", "2026-01-21", 1, **leave), "negative_stock")


def test_a_lapsed_license_cannot_be_drawn_whether_or_not_a_job_has_run(ledger):
    ledger.must(move("grant", "2026-01-10", 5, **L1, last_day="2026-02-10"))
    ledger.must(move("ship", "2026-02-10", 1, **L1))
    ledger.refused(move("ship", "2026-02-11", 1, **L1), "exceeds_authorization")
    ledger.must(move("release", "2026-02-11", 4, authorization="L1"))
    ledger.refused(move("ship", "2026-02-12", 1, **L1), "exceeds_authorization")


# Reversing


def opposite(rows):
    return [(stage, cause, chips and -chips, "-" + tpp if not tpp.startswith("-") else tpp[1:], lot, day)
            for stage, cause, chips, tpp, lot, day in rows]  # fmt: skip


def test_a_reverse_is_the_exact_negative_on_the_original_day(ledger):
    grant = ledger.must(move("grant", "2026-01-10", 5, **L1))
    ship = ledger.must(move("ship", "2026-01-20", 3, **L1))
    before = ledger.lots(), totals(ledger)
    receipt = ledger.must(move("receive", "2026-01-25", 2, **HERE))
    undone = ledger.must(reverse(receipt, "2026-03-01"))
    assert ledger.entries(undone) == opposite(ledger.entries(receipt))
    assert (ledger.lots(), totals(ledger)) == before
    undone = ledger.must(reverse(ship, "2026-03-01"))
    assert ledger.entries(undone) == opposite(ledger.entries(ship))
    ledger.must(move("ship", "2026-03-02", 5, **L1))  # a reverse reopens what a return does not
    assert grant


def test_a_movement_is_reversed_once_and_a_reverse_can_be_reversed(ledger):
    ship = ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE))
    undone = ledger.must(reverse(ship, "2026-01-21"))
    receipt = ledger.refused(reverse(ship, "2026-01-21"), "unknown_movement")
    assert f"already reversed by {undone}" in receipt.message
    ledger.must(reverse(undone, "2026-01-22"))
    assert ledger.lots()[f"{ship}.1"] == ("shipped", "0", "3", "0")
    ledger.must(move("receive", "2026-01-25", 3, **HERE))


@pytest.mark.parametrize("later", [
    lambda seq: move("ship", "2026-01-20", 1, **L1),
    lambda seq: move("release", "2026-01-20", 1, authorization="L1"),
])  # fmt: skip
def test_a_movement_that_something_is_built_on_is_not_reversed(ledger, later):
    grant = ledger.must(move("grant", "2026-01-10", 5, **L1))
    built = ledger.must(later(grant))
    receipt = ledger.refused(reverse(grant, "2026-03-01"), "negative_stock")
    assert "built on it" in receipt.message
    ledger.must(reverse(built, "2026-03-01"), reverse(grant, "2026-03-01"))
    assert totals(ledger) == (0, 0, 0, 0)


def test_an_overdraw_that_was_reported_by_mistake_can_be_reversed(ledger):
    ledger.must(move("grant", "2026-01-10", 5, **L1))
    first = move("ship", "2026-01-20", 8, **L1)
    second = move("ship", "2026-01-21", 2, **L1)
    _, mistaken = (ledger.must(move("ship", each.raw["effective_on"], observed=True, exporter="nvidia",
                                    lines=each.raw["lines"])) for each in (first, second))  # fmt: skip
    ledger.must(reverse(mistaken, "2026-02-01"))  # open was -5 and is -3: less bad


@pytest.mark.parametrize("fresh", [False, True])
def test_what_a_reverse_restores_can_be_drawn_on_in_the_same_batch(ledger, fresh):
    ledger.must(move("grant", "2026-01-10", 5, **L1))
    ship = ledger.must(move("ship", "2026-01-20", 5, **L1))
    if fresh:
        ledger.writer = Writer(ledger.conn)  # which has not seen the emptied lot
    receipts = ledger.post(
        reverse(ship, "2026-01-21"), move("ship", "2026-01-22", 5, **L1), reverse(ship + 2, "2026-01-23")
    )
    assert [receipt.verdict for receipt in receipts] == ["posted"] * 3


@pytest.mark.parametrize("fresh", [False, True])
def test_what_overdraws_does_not_depend_on_what_a_writer_remembers(ledger, fresh):
    old = ledger.must(move("grant", "2026-01-10", 2, **L1))
    young = ledger.must(move("grant", "2026-01-12", 3, **L1))
    ledger.must(move("ship", "2026-01-20", 3, **L1, of=f"{young}.1"))  # emptied, and not the oldest
    if fresh:
        ledger.writer = Writer(ledger.conn)
    ledger.must(observed("ship", "2026-01-21", 4, **L1))
    assert {name: left[1] for name, left in ledger.lots().items() if left[0] == "licensed"} == {
        f"{old}.1": "-2", f"{young}.1": "0",
    }  # fmt: skip


def test_reversing_a_return_is_refused_where_its_room_was_used(conn):
    text = book(f"name: shipped, counts: shipped, gives_back: [return], limit: {5 * TPP} TPP")
    ledger = Ledger(conn).begin(adopt(text), party("nvidia"), party("mydc", "MY"))
    ship = dict(exporter="nvidia", **HERE)
    ledger.must(move("ship", "2026-01-01", 5, **ship))
    back = ledger.must(move("return", "2026-01-05", 2, **HERE))
    ledger.must(move("ship", "2026-01-06", 2, **ship))
    ledger.refused(reverse(back, "2026-01-07"), "cap_exceeded")


def test_a_reverse_belongs_in_the_scope_of_what_it_reverses(ledger):
    ship = ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE))
    undone = ledger.must(reverse(ship, "2026-01-21"))
    scopes = dict(ledger.rows("SELECT seq, scope FROM journal WHERE seq = ANY(%s)", [ship, undone]))
    assert scopes[ship] == scopes[undone] != "ledger"


# Authorizations


def test_a_new_last_day_moves_the_day_on_which_the_rest_lapses(ledger):
    ledger.must(license_("D1", "mydc", "MY", last_day="2026-06-30"))
    ledger.must(move("grant", "2026-01-10", 10, **{**L1, "authorization": "D1"}))
    ledger.must(move("ship", "2026-02-01", 4, **{**L1, "authorization": "D1"}))
    ledger.must(change("D1", "amended", "2026-03-01", last_day="2026-12-31"))
    ledger.must(move("ship", "2026-02-15", 1, **{**L1, "authorization": "D1"}))  # dated back
    days = ("2026-06-30", "2026-07-01", "2026-12-31", "2027-01-01")
    assert [totals(ledger, day)[0] for day in days] == [10, 10, 10, 5]
    ledger.must(change("D1", "amended", "2026-04-01", last_day="2026-05-31"))
    assert [totals(ledger, day)[0] for day in ("2026-05-31", "2026-06-01")] == [10, 5]


def test_an_extension_that_raises_a_counter_is_decided_like_a_movement(conn):
    text = book(f"name: granted, counts: granted, gives_back: [unshipped], limit: {10 * TPP} TPP")
    ledger = Ledger(conn).begin(
        adopt(text), party("nvidia"), party("mydc", "MY"),
        license_("D1", "mydc", "MY", last_day="2026-06-30"), license_("D2", "mydc", "MY"),
        move("grant", "2026-01-10", 10, **{**L1, "authorization": "D1"}),
        move("grant", "2026-07-01", 6, **{**L1, "authorization": "D2"}),
    )  # fmt: skip
    receipt = ledger.refused(change("D1", "amended", "2026-03-01", last_day="2026-12-31"), "cap_exceeded")
    assert "2026-07-01" in receipt.message
    ledger.must(change("D1", "amended", "2026-03-01", last_day="2026-05-31"))


@pytest.mark.parametrize("what", ["revoked", "surrendered"])
def test_revocation_and_surrender_release_the_rest_in_the_same_commit(ledger, what):
    grant = ledger.must(move("grant", "2026-01-10", 10, **L1), move("ship", "2026-01-20", 4, **L1)) - 1
    seq = ledger.must(change("L1", what, "2026-02-01"))
    assert entries(ledger, seq + 1) == [
        ("licensed", "unshipped", -6, f"{grant}.1"), ("open", "unshipped", -6, f"{grant}.1"),
    ]  # fmt: skip
    assert totals(ledger)[0] == 4
    ledger.refused(move("ship", "2026-02-01", 1, **L1), "authorization_not_active")
    ledger.refused(change("L1", "reinstated", "2026-03-01"), "authorization_not_active")


def test_a_suspended_license_ships_nothing_until_it_is_reinstated(ledger):
    ledger.must(move("grant", "2026-01-10", 10, **L1), change("L1", "suspended", "2026-02-01"))
    ledger.refused(move("ship", "2026-02-01", 1, **L1), "authorization_not_active")
    ledger.must(move("ship", "2026-01-31", 1, **L1))
    ledger.must(change("L1", "reinstated", "2026-03-01"))
    ledger.refused(move("ship", "2026-02-28", 1, **L1), "authorization_not_active")
    ledger.must(move("ship", "2026-03-01", 1, **L1))


@pytest.mark.parametrize(("more", "open_after"), [
    ({"quantity": "7"}, "3"),
    ({"quantity": "2"}, "0"),                               # no more than is open
    ({"quantity": "7", "last_day": "2026-12-31"}, "3"),     # and at once with another change
])  # fmt: skip
def test_a_reduction_releases_what_is_open_beyond_it(ledger, more, open_after):
    ledger.must(license_("Q1", "mydc", "MY", quantity="10", unit="chips"))
    sized = {**L1, "authorization": "Q1"}
    grant = ledger.must(move("grant", "2026-01-10", 10, **sized))
    ledger.must(move("ship", "2026-01-20", 4, **sized))
    ledger.must(change("Q1", "amended", "2026-02-01", **more))
    assert ledger.lots()[f"{grant}.1"][1] == open_after
    if "last_day" in more:
        assert [totals(ledger, day)[0] for day in ("2026-12-31", "2027-01-01")] == [7, 4]


def test_a_license_is_not_drawn_before_the_day_it_was_issued(ledger):
    ledger.must(license_("E1", "mydc", "MY", effective_on="2026-02-01"))
    early = {**L1, "authorization": "E1"}
    assert ledger.ask(move("grant", "2026-01-31", 1, **early)).code in ("outside_validity", "authorization_not_active")
    ledger.must(move("grant", "2026-02-01", 1, **early))


# Observations


def observed(kind, day, quantity, **more):
    return move(kind, day, quantity, observed=True, **more)


def test_an_observation_overdraws_and_opens_one_discrepancy_per_subject_and_window(ledger):
    grant = ledger.must(move("grant", "2026-01-10", 5, **L1))
    ledger.must(observed("ship", "2026-01-20", 8, **L1))
    assert ledger.lots()[f"{grant}.1"][1] == "-3"
    assert ledger.discrepancies() == [("exceeds_authorization", "", "authorization=L1")]
    ledger.must(observed("ship", "2026-01-21", 1, **L1))
    assert len(ledger.discrepancies()) == 1
    ledger.refused(move("ship", "2026-01-22", 1, **L1), "exceeds_authorization")


def test_a_breach_after_its_discrepancy_was_resolved_opens_another(ledger):
    ledger.must(move("grant", "2026-01-10", 5, **L1), observed("ship", "2026-01-20", 8, **L1))
    number = ledger.rows("SELECT max(id) FROM discrepancy")[0][0]
    ledger.must(settle(number, "explained"), settle(number, "resolved"))
    ledger.must(observed("ship", "2026-01-21", 1, **L1))
    assert len(ledger.discrepancies()) == 1
    receipt = ledger.ask(settle(number, "reopened"))  # the same thing is disputed already
    assert receipt.verdict == "refused"


def test_breaches_of_a_cap_are_kept_apart_by_window(conn):
    text = book(f"name: year, counts: shipped, window: calendar year, limit: {5 * TPP} TPP")
    ledger = Ledger(conn).begin(adopt(text), party("nvidia"), party("mydc", "MY"))
    for day in ("2026-03-01", "2026-04-01", "2027-03-01"):
        ledger.must(observed("ship", day, 6, exporter="nvidia", **HERE))
    assert ledger.rows("SELECT class, cap, window_from::text, amount FROM discrepancy ORDER BY id") == [
        ("cap_exceeded", "year", "2026-01-01", "15832"), ("cap_exceeded", "year", "2027-01-01", "15832"),
    ]  # fmt: skip


def test_a_long_receipt_is_kept_and_shows(ledger):
    ship = ledger.must(move("ship", "2026-01-20", 3, exporter="nvidia", **HERE))
    ledger.must(move("receive", "2026-01-25", 5, **HERE))
    assert ledger.lots()[f"{ship}.1"] == ("shipped", "0", "-2", "5")
    assert [kind for kind, _, _ in ledger.discrepancies()] == ["negative_stock"]


def test_chips_that_nobody_shipped_are_still_seen_to_arrive(ledger):
    seq = ledger.must(move("receive", "2026-01-25", 5, **HERE))
    assert ledger.lots() == {f"{seq}.1": ("shipped", "0", "-5", "5")}
    assert [kind for kind, _, _ in ledger.discrepancies()] == ["negative_stock"]


def test_an_exporters_late_report_shows_as_such(ledger):
    ledger.must(move("grant", "2026-01-10", 5, **L1))
    ledger.must(observed("ship", "2026-01-20", 1, **L1), actor="nvidia")
    assert ledger.discrepancies() == [("reported_after_the_fact", "", "exporter=nvidia")]


def test_what_a_rule_denies_is_kept_when_it_happened(conn):
    rules = "  - {name: never, law: test, where: {destination: [MY]}, answer: deny}"
    ledger = Ledger(conn).begin(adopt(book(rules=rules)), party("nvidia"), party("mydc", "MY"), party("saco", "SA"))
    ledger.must(observed("ship", "2026-01-20", 1, exporter="nvidia", **HERE))
    ledger.must(observed("ship", "2026-01-20", 1, exporter="nvidia", **THERE))
    assert ledger.discrepancies() == [
        ("not_permitted", "never", "recipient=mydc"), ("undetermined", "none", "recipient=saco"),
    ]  # fmt: skip


def test_a_shipment_of_many_small_lots_arrives_in_one_receipt(ledger):
    requests = [move("ship", "2026-01-20", 1, exporter="nvidia", **HERE) for _ in range(17_000)]
    assert all(receipt.verdict == "posted" for receipt in ledger.post(*requests))
    ledger.must(move("receive", "2026-01-25", 17_000, **HERE))
    assert totals(ledger)[1:] == (17_000, 17_000, 17_000)


def test_a_new_rating_changes_no_lot_that_is_there(ledger):
    grant = ledger.must(move("grant", "2026-01-10", 5, A100, **L1))
    twice = {"dense_tops_8bit": "1248", "dense_tops_16bit": "", "tpp_bits": "", "tpp_per_ic": "", "tpp": ""}
    ledger.must(rating(A100, valid_from="2026-01-15", performance_density="", **twice))
    ship = ledger.must(move("ship", "2026-01-20", 2, A100, **L1))
    assert ledger.entries(ship)[0][2:4] == (2, str(2 * 9_984))
    assert ledger.entries(ship)[1][2:4] == (-2, str(-2 * 4_992))  # drawn at the rating it was granted at
    assert ledger.lots()[f"{grant}.1"][1] == "3"


# Adopting


@pytest.mark.parametrize(
    ("shipped_on", "first", "found"),
    [
        ("2025-06-01", "2026-01-01", []),  # its window was over before the book came into force
        ("2025-06-01", "2025-12-31", [("cap_exceeded", "year", "world")]),
        ("2026-06-01", "2026-01-01", [("cap_exceeded", "year", "world")]),
    ],
)
def test_a_book_that_is_adopted_says_what_is_over_already_on_its_own_days(conn, shipped_on, first, found):
    ledger = Ledger(conn).begin(adopt(book(), "2020-01-01"), party("nvidia"), party("mydc", "MY"))
    ledger.must(move("ship", shipped_on, 10, exporter="nvidia", **HERE))
    later = book(f"name: year, counts: shipped, window: calendar year, limit: {9 * TPP} TPP", name="later")
    ledger.must(adopt(later, first))
    assert ledger.discrepancies() == found


def test_what_was_resolved_and_disputed_again_can_be_rebuilt(conn):
    text = book(f"name: all, counts: shipped, limit: {TPP} TPP")
    ledger = Ledger(conn).begin(adopt(text), party("nvidia"), party("mydc", "MY"))
    for _ in range(2):
        ledger.must(observed("ship", "2026-06-01", 2, exporter="nvidia", **HERE))
        number = ledger.rows("SELECT max(id) FROM discrepancy")[0][0]
        ledger.must(settle(number, "explained"), settle(number, "resolved"))
    ledger.must(settle(number, "reopened"))
    assert check(conn).is_sound
    assert (len(ledger.discrepancies()), len(ledger.discrepancies("resolved"))) == (1, 1)


def test_what_a_line_names_is_all_of_it_but_how_much_and_of_which_lot():
    """What is resolved is remembered by it: a field that stood elsewhere would be answered with another's facts."""
    told_apart = Line(**{field: field for field in Line._fields})  # type: ignore[arg-type]
    assert set(Line._fields) - set(told_apart.names) == {"quantity", "unit", "last_day", "of", "cause"}
