"""Revaluation: what caps would stand at with the ratings of a day, beside those that were frozen."""

from __future__ import annotations

import json
import shlex
from datetime import date
from decimal import Decimal

import pytest
from typer.testing import CliRunner
from world import A100, GB300, H20, H100, HGX, Ledger, adopt, book, license_, move, party, rating

from ledger.cli import app
from ledger.reports import Reader
from ledger.reports.revaluation import revaluation

AE = {"exporter": "nvidia", "recipient": "azure", "destination": "AE", "authorization": "L1"}
COUNTRY = "name: country, counts: granted, by: [destination]"
BLANK = {"dense_tops_16bit": "", "tpp_bits": "", "tpp_per_ic": "", "tpp": "", "performance_density": "", "control": ""}
AGAIN = {"dense_tops_8bit": "1248", **BLANK}  # an A100 at 9,984 instead of 4,992


@pytest.fixture
def ledger(conn) -> Ledger:
    """A country cap of 150,000 TPP, and ten A100 licensed to it: 49,920 TPP, then rated at twice as much."""
    ledger = Ledger(conn).begin(party("nvidia"), party("azure", "AE"), license_("L1", "azure", "AE"))
    ledger.must(adopt(book(f"{COUNTRY}, limit: 150_000 TPP")), move("grant", "2025-06-02", 10, A100, **AE))
    return ledger


def on(ledger: Ledger, day: str, **more):
    """Return the revaluation of a day."""
    with Reader(ledger.conn).view(on=date.fromisoformat(day), **more) as view:
        found = revaluation(view)
    ledger.conn.isolation_level = ledger.conn.read_only = None
    return found


def told(found):
    """Return what each counter says: cap, used as frozen and as revalued, and both states."""
    return [
        (each.either.cap, *(one and f"{one.used:f}" for one in (each.frozen, each.revalued)),
         *(one and one.state for one in (each.frozen, each.revalued)))
        for each in found.counters
    ]  # fmt: skip


def rerate(ledger: Ledger, chip: str = A100, first: str = "2025-07-01", **more: str) -> int:
    return ledger.must(rating(chip, valid_from=first, **{**AGAIN, **more}))


def test_a_chip_rated_anew_shows_frozen_and_revalued_totals_side_by_side(ledger):
    seq = rerate(ledger)
    found = on(ledger, "2025-07-01")
    (chip,) = found.chips
    assert (chip.chip, chip.frozen_tpp, chip.revalued_tpp, chip.seq) == (A100, Decimal(4992), Decimal(9984), seq)
    (counter,) = found.counters
    assert (counter.frozen.used, counter.revalued.used, counter.change) == (49_920, 99_840, 49_920)
    assert not counter.changes_state


@pytest.mark.parametrize(("chips", "states", "changes"), [
    (5, ("open", "critical"), True),     # 74,880 and 149,760 of 150,000
    (6, ("open", "over"), True),         # 79,872 and 159,744
    (1, ("open", "open"), False),
    (21, ("over", "over"), False),
])  # fmt: skip
def test_the_caps_that_would_change_state_are_told(ledger, chips, states, changes):
    ledger.must(move("grant", "2025-06-03", chips, A100, **AE, observed=True))
    rerate(ledger)
    (counter,) = on(ledger, "2025-07-01").counters
    assert ((counter.frozen.state, counter.revalued.state), counter.changes_state) == (states, changes)


def test_before_the_new_rating_holds_or_is_known_nothing_is_revalued(ledger):
    known = ledger.size()
    rerate(ledger)
    assert on(ledger, "2025-06-30").chips == ()
    assert on(ledger, "2025-07-01", known=known).chips == ()
    assert told(on(ledger, "2025-06-30")) == [("country", "49920", "49920", "open", "open")]


def test_equivalents_stay_as_they_were_stated(ledger):
    ledger.must(move("grant", "2025-06-03", 10, A100, unit="equivalents", **AE))
    rerate(ledger)
    (counter,) = on(ledger, "2025-07-01").counters
    assert (counter.frozen.used, counter.revalued.used) == (2 * 49_920, 99_840 + 49_920)


def test_what_was_released_and_what_lapsed_is_revalued_with_its_lot(conn):
    ledger = Ledger(conn).begin(
        party("nvidia"), party("azure", "AE"), license_("L1", "azure", "AE"),
        adopt(book(f"{COUNTRY}, gives_back: [unshipped], limit: 1_000_000 TPP")),
        move("grant", "2025-06-02", 10, A100, **AE), move("release", "2025-06-05", 4, A100, **AE),
        move("grant", "2025-06-06", 3, A100, last_day="2025-06-20", **AE),
    )  # fmt: skip
    rerate(ledger)
    (counter,) = on(ledger, "2025-07-01").counters
    assert (counter.frozen.used, counter.revalued.used) == (6 * 4992, 6 * 9984)


def test_a_chip_that_moves_into_a_control_class_begins_to_count(conn):
    ledger = Ledger(conn).begin(
        party("nvidia"), party("azure", "AE"), license_("L1", "azure", "AE"),
        adopt(book(f"{COUNTRY}, where: {{control: [a]}}, limit: 10_000 TPP")),
        move("grant", "2025-06-02", 10, H20, **AE),
    )  # fmt: skip
    rerate(ledger, H20, dense_tops_8bit="600")
    found = on(ledger, "2025-07-01")
    assert [(each.frozen_control, each.revalued_control) for each in found.chips] == [("none", "3A090.a")]
    assert told(found) == [("country", None, "48000", None, "over")]
    assert found.counters[0].changes_state


def test_a_system_is_rated_by_its_own_rating_and_other_chips_stay(conn):
    ledger = Ledger(conn).begin(
        party("nvidia"), party("azure", "AE"), license_("L1", "azure", "AE"), adopt(book(f"{COUNTRY}, limit: none")),
        move("grant", "2025-06-02", 1, HGX, **AE), move("grant", "2025-06-02", 1, GB300, **AE),
    )  # fmt: skip
    rerate(ledger, H100, dense_tops_8bit="2000")
    assert on(ledger, "2025-07-01").chips == ()
    rerate(ledger, HGX, dense_tops_8bit="2000")
    assert [each.chip for each in on(ledger, "2025-07-01").chips] == [HGX]
    assert on(ledger, "2025-07-01").counters[0].change == 8 * (16_000 - 15_832)


def test_a_book_that_is_not_in_force_can_be_asked(ledger, tmp_path):
    rerate(ledger)
    path = tmp_path / "tight.yaml"
    path.write_text(book(f"{COUNTRY}, limit: 60_000 TPP", name="tight"), encoding="utf-8")
    found = on(ledger, "2025-07-01", rulebook=str(path))
    assert told(found) == [("country", "49920", "99840", "open", "over")]


def test_revaluing_adds_no_record_and_changes_no_counter(ledger):
    rerate(ledger)
    before = ledger.rows("SELECT size, root FROM head"), ledger.rows("SELECT * FROM counter_day")
    on(ledger, "2025-07-01")
    assert (ledger.rows("SELECT size, root FROM head"), ledger.rows("SELECT * FROM counter_day")) == before


@pytest.fixture
def say(dsn, tmp_path):
    def run(line, columns=None):
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path), "COLUMNS": columns}
        return CliRunner().invoke(app, shlex.split(line), env=env)

    return run


def test_the_command_puts_first_what_would_change_state(ledger, say):
    ledger.must(move("grant", "2025-06-03", 6, A100, **AE))
    rerate(ledger)
    said = say("revalue --on 2025-07-01")
    assert said.exit_code == 0
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]
    assert f"{A100} 4,992 9,984 3A090.a 3A090.a 2025-07-01 {ledger.size()}" in lines
    at = lines.index("Would change state:")
    assert lines[at + 3] == "country destination=AE always 150,000 TPP 79,872 159,744 79,872 open -> over"


def test_the_command_says_where_there_is_nothing_to_revalue(ledger, say):
    said = say("revalue --on 2025-07-01")
    assert "nothing to revalue" in said.stdout


def test_as_json_figures_are_exact_strings(ledger, say):
    rerate(ledger)
    found = json.loads(say("revalue --on 2025-07-01 --json").stdout)
    assert (found["rulebook"], found["chips"][0]["revalued_tpp"]) == ("test-book (revision 1)", "9984")
    (counter,) = found["counters"]
    assert (counter["frozen"]["used"], counter["revalued"]["used"], counter["change"]) == ("49920", "99840", "49920")
