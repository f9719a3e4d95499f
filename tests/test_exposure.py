"""Whose exposure moves: an owner that came after the entries, what stands there, and the caps that would move."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ledger.cli import app
from ledger.core.errors import NotFound
from ledger.posting import Request
from ledger.reports import Reader
from ledger.reports.exposure import Exposure, exposure
from tests.world import A100, H100, Ledger, adopt, book, license_, move, party

GROUP = "name: group, counts: granted, by: [ultimate_parent], limit: 150_000 TPP"
COUNTRY = "name: country, counts: granted, by: [destination], limit: 1_000_000 TPP"
GULF = {"exporter": "nvidia", "recipient": "gulf", "destination": "AE", "authorization": "L1"}


def own(owner: str, owned: str, percentage: str, since: str = "") -> Request:
    raw = {"owner": owner, "owned": owned, "percentage": percentage, "from": since}
    return Request("ownership", f"{owner}>{owned}:{since}:{percentage}", raw)


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    """Ten A100 (49,920 TPP) licensed and four shipped to a firm that is sold on 2025-07-01; a cap by parent."""
    ledger = Ledger(conn).begin(
        party("nvidia"), party("holding", "AE"), party("middle", "AE", "unknown"), party("shanghai", "CN"),
        party("gulf", "AE", "unknown"), own("holding", "gulf", "100"), adopt(book(GROUP, COUNTRY)),
        license_("L1", "gulf", "AE"),
    )  # fmt: skip
    ledger.must(move("grant", "2025-06-02", 10, A100, **GULF), move("ship", "2025-06-03", 4, A100, **GULF))
    return ledger


def sell(ledger: Ledger) -> int:
    """Let the firm be sold to a middle company that Shanghai owns."""
    ledger.must(own("shanghai", "middle", "60"), own("holding", "gulf", "0", "2025-07-01"))
    return ledger.must(own("middle", "gulf", "100", "2025-07-01"))


def on(ledger: Ledger, day: str, *, rulebook: str | None = None, known: int | None = None, **asked: Any) -> Exposure:
    with Reader(ledger.conn).view(on=date.fromisoformat(day), known=known, rulebook=rulebook) as view:
        found = exposure(view, **asked)
    ledger.conn.isolation_level = ledger.conn.read_only = None
    return found


def test_a_sale_moves_what_stands_under_the_firm_from_its_day_on(ledger: Ledger) -> None:
    sell(ledger)
    assert on(ledger, "2025-06-30") == Exposure(None, (), ())
    recipient, owner = sorted(on(ledger, "2025-07-01").parties, key=lambda each: each.role, reverse=True)
    assert (recipient.party, recipient.role, owner.role) == ("gulf", "recipient", "owner")
    assert recipient.before == ("gulf", "holding")
    assert recipient.now == ("gulf", "middle", "shanghai")
    (place,) = recipient.places
    assert place.destination == "AE"
    assert place.tpp == {"licensed": 49_920, "open": Decimal(6 * 4_992), "held": Decimal(4 * 4_992)}
    assert place.chips == {"licensed": 10, "open": 6, "held": 4}


def test_the_caps_kept_by_ultimate_parent_move_with_amounts_and_others_are_not_told(ledger: Ledger) -> None:
    ledger.must(
        party("dubai", "AE", "shanghai"), license_("L2", "dubai", "AE"),
        move("grant", "2025-06-02", 21, A100, **{**GULF, "recipient": "dubai", "authorization": "L2"}),  # 104,832
    )  # fmt: skip
    sell(ledger)
    told = {
        each.either.subject: tuple(side and (f"{side.used:f}", side.state) for side in (each.frozen, each.revalued))
        for each in on(ledger, "2025-07-01").counters
    }
    assert told == {
        "ultimate_parent=holding": (("49920", "open"), None),
        "ultimate_parent=shanghai": (("104832", "open"), ("154752", "over")),
    }


def test_what_lapsed_is_not_open_and_equivalents_have_no_chips(ledger: Ledger) -> None:
    ledger.must(
        move("grant", "2025-06-04", 3, A100, last_day="2025-06-20", **GULF),
        move("grant", "2025-06-04", 2, A100, unit="equivalents", **GULF),
    )
    sell(ledger)
    place = on(ledger, "2025-07-01").parties[0].places[0]
    assert place.tpp["open"] == (6 + 2) * 4_992
    assert (place.chips["open"], place.unstated_tpp["open"]) == (6, 2 * 4_992)
    assert place.chips["licensed"] == 13


def test_what_came_after_the_sale_froze_the_new_parent_and_does_not_move(ledger: Ledger) -> None:
    sell(ledger)
    ledger.must(move("grant", "2025-07-02", 1, A100, **GULF))
    assert on(ledger, "2025-07-02").parties[0].places[0].chips["licensed"] == 10


def test_an_owner_that_is_not_the_recipient_moves_alone(conn: Any) -> None:
    ledger = Ledger(conn).begin(
        party("nvidia"), party("site", "AE"), party("cloud", "AE"), party("buyer", "AE"), party("other", "AE"),
        adopt(book("name: owners, counts: shipped, by: [owner_group, destination], limit: none")),
        move("ship", "2025-06-03", 2, H100, exporter="nvidia", recipient="site", destination="AE", owner="cloud"),
        party("cloud", "AE", "buyer", **{"from": "2025-07-01"}),
    )  # fmt: skip
    before = ledger.size() - 1
    found = on(ledger, "2025-07-01", since=before)
    assert [(each.party, each.role, each.before, each.now) for each in found.parties] == [
        ("cloud", "owner", ("cloud",), ("cloud", "buyer"))
    ]
    assert [each.either.subject for each in found.counters] == [
        "owner_group=buyer,destination=AE", "owner_group=cloud,destination=AE",
    ]  # fmt: skip
    assert on(ledger, "2025-07-01", party="buyer", since=before) == found
    assert on(ledger, "2025-07-01", party="other").parties == ()


def test_since_a_record_compares_what_is_known_of_one_day_then_and_now(ledger: Ledger) -> None:
    last = sell(ledger)
    seq = ledger.must(own("shanghai", "middle", "40", "2025-08-01"))  # no majority any more: unknown
    assert [each.now for each in on(ledger, "2025-08-01", since=seq - 1).parties] == [(), ()]
    assert {each.before for each in on(ledger, "2025-08-01", since=seq - 1).parties} == {("gulf", "middle", "shanghai")}
    assert on(ledger, "2025-07-31", since=seq - 1).parties == ()  # on that day the record changed nothing
    assert on(ledger, "2025-07-01", since=seq).parties == ()
    moved = on(ledger, "2025-07-01", since=last - 2)
    assert (moved.parties[0].before, moved.parties[0].now) == (
        ("gulf", "holding"),
        ("gulf", "middle", "shanghai"),
    )
    assert moved.since == last - 2


def test_a_party_that_is_registered_later_is_no_change_since_then(ledger: Ledger) -> None:
    known = ledger.size()
    ledger.must(
        party("new", "AE", "shanghai"), license_("L3", "new", "AE"),
        move("grant", "2025-06-02", 1, A100, **{**GULF, "recipient": "new", "authorization": "L3"}),
    )  # fmt: skip
    assert on(ledger, "2025-07-01", since=known).parties == ()


def test_known_before_the_sale_was_recorded_nothing_moves(ledger: Ledger) -> None:
    known = ledger.size()
    sell(ledger)
    assert on(ledger, "2025-07-01", known=known) == Exposure(None, (), ())


def test_a_book_that_is_not_in_force_can_be_asked_of_exposure(ledger: Ledger, tmp_path: Any) -> None:
    known = ledger.size()
    sell(ledger)
    path = tmp_path / "tight.yaml"
    path.write_text(book("name: tight, counts: shipped, by: [owner_group], limit: 1 TPP", name="tight"), "utf-8")
    counters = on(ledger, "2025-07-01", rulebook=str(path), since=known).counters
    (there, gone) = sorted(counters, key=lambda each: each.change)[::-1]
    assert (there.either.subject, there.change, gone.change) == ("owner_group=shanghai", 4 * 4_992, -4 * 4_992)


@pytest.mark.parametrize(("asked", "said"), [
    ({"party": "nobody"}, "nobody"),
    ({"since": 999}, "999"),
    ({"known": 15, "since": 16}, "comes after record 15"),
])  # fmt: skip
def test_what_is_not_there_is_told(ledger: Ledger, asked: dict[str, Any], said: str) -> None:
    sell(ledger)
    with pytest.raises(NotFound, match=said):
        on(ledger, "2025-07-01", **asked)


def test_asking_for_exposure_adds_no_record(ledger: Ledger) -> None:
    sell(ledger)
    before = ledger.rows("SELECT size, root FROM head"), ledger.rows("SELECT * FROM counter_day")
    on(ledger, "2025-07-01", since=3)
    assert (ledger.rows("SELECT size, root FROM head"), ledger.rows("SELECT * FROM counter_day")) == before


@pytest.fixture
def say(dsn: str, tmp_path: Any) -> Callable[..., Result]:
    def run(line: str) -> Result:
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path), "COLUMNS": None}
        return CliRunner().invoke(app, shlex.split(line), env=env)

    return run


def test_the_exposure_command_shows_parties_places_and_caps(ledger: Ledger, say: Callable[..., Result]) -> None:
    sell(ledger)
    said = say("exposure --on 2025-07-01")
    assert said.exit_code == 0, said.output
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]
    assert "gulf recipient holding middle < shanghai AE 49,920 29,952 19,968 10 6 4 0" in lines
    assert "group ultimate_parent=holding always 150,000 TPP 49,920 - -49,920 open -> not counted" in lines
    assert "Nothing moves" in say("exposure --on 2025-06-30").stdout
    assert "--since" in say("exposure --since never").output


def test_the_exposure_as_json_has_exact_strings(ledger: Ledger, say: Callable[..., Result]) -> None:
    seq = sell(ledger)
    found = json.loads(say(f"exposure --on 2025-07-01 --since {seq - 3} --json").stdout)
    assert (found["since"], found["rulebook"]) == (seq - 3, "test-book (revision 1)")
    one = found["parties"][-1]
    assert (one["parent_before"], one["parent_now"], one["path_now"]) == (
        "holding", "shanghai", ["gulf", "middle", "shanghai"],
    )  # fmt: skip
    assert (one["places"][0]["held_tpp"], one["places"][0]["held_chips"]) == ("19968", 4)
    assert [each["change"] for each in found["counters"]] == ["-49920", "49920"]
    assert found["counters"][0]["now"] is None
