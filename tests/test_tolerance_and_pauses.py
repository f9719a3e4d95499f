"""What passes above a limit, and periods in which a cap admits nothing: as tariff-quota practice has both."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ledger import rulebooks
from ledger.backtest import backtest
from ledger.core import counters
from ledger.core.errors import BadRulebook
from ledger.core.lens import limit_on
from ledger.core.rulebook import Cap
from ledger.posting import Request
from ledger.reconcile import reconcile_caps
from ledger.reports import Reader, explain, remaining, standings
from ledger.rulebooks.comparing import compare
from ledger.rulebooks.wording import describe
from tests.world import H200, Ledger, adopt, book, cap, license_, move, party, reverse

DAY = date(2026, 1, 1)
MARCH = "{from: 2026-03-01, until: 2026-04-01, law: notice 7"
PLACES = ("ae", "sa")


def grant(day: str, chips: int, to: str = "ae", **more: Any) -> Request:
    where = {"destination": to.upper(), "recipient": to, "authorization": f"L-{to}", "exporter": "nvidia"}
    return move("grant", day, chips, chip=H200, **where, **more)


def ship(day: str, chips: int, to: str = "ae", **more: Any) -> Request:
    where = {"destination": to.upper(), "recipient": to, "authorization": f"L-{to}", "exporter": "nvidia"}
    return move("ship", day, chips, chip=H200, **where, **more)


def begun(conn: Any, *caps: str) -> Ledger:
    return Ledger(conn).begin(
        party("nvidia"), *(party(each, each.upper()) for each in PLACES), adopt(book(*caps), "2025-01-01"),
        *(license_(f"L-{each}", each, each.upper()) for each in PLACES),
    )  # fmt: skip


def land(more: str, limit: str = "10 chips") -> str:
    return f"name: land, counts: granted, by: [destination], limit: {limit}, {more}"


def read(*caps: str) -> dict[str, Cap]:
    found = rulebooks.parse(book(*caps), where="book.yaml", library=rulebooks.load)
    return {each.name: each for each in found.caps}


# Tolerance


@pytest.mark.parametrize(("limit", "tolerance", "enforced"), [
    ("790_000_000 TPP", "2%",   "805800000"),
    ("790_000_000 TPP", "0.5%", "793950000"),
    ("20919.2 TPP",     "2.5%", "21442.18"),   # exact, to the last digit
    ("100 chips",       "2%",   "102"),
    ("149 chips",       "2%",   "151"),        # 151.98: whole chips, never rounded up
    ("49 chips",        "2%",   "49"),         # 49.98
    ("0 chips",         "100%", "0"),
])  # fmt: skip
def test_a_tolerance_is_what_still_passes_above_a_limit(limit: str, tolerance: str, enforced: str) -> None:
    """Tariff-quota practice: a tolerance is a percentage of the volume, and what it comes to may still be drawn."""
    found = read(land(f"tolerance: {tolerance}", limit))["land"]
    assert limit_on(found, DAY) == Decimal(enforced)
    assert found.limit_words == f"{found.limit.words}, with {tolerance} tolerance"


def test_a_tolerance_is_of_each_step_and_of_what_is_amended() -> None:
    steps = "{schedule: {2026-01-01: 100 chips, 2026-02-01: 50 chips}}"
    text = book(land("tolerance: 10%", steps)) + (
        "amendments:\n  - {cap: land, law: notice, where: {destination: AE}, limit: 200 chips}\n"
    )
    (found,) = rulebooks.parse(text, where="book.yaml", library=rulebooks.load).caps
    limits = [limit_on(found.kept_for(to), day) for to in ("AE", "SA") for day in (DAY, date(2026, 2, 1))]
    assert limits == [220, 220, 110, 55]


@pytest.mark.parametrize(("chips", "code"), [(9, ""), (10, ""), (11, ""), (12, "cap_exceeded")])
def test_what_is_within_the_tolerance_is_admitted_and_one_chip_more_is_not(conn: Any, chips: int, code: str) -> None:
    ledger = begun(conn, land("tolerance: 10%"))
    receipt = ledger.ask(grant("2026-02-01", chips))
    assert receipt.code == code
    if code:
        assert "limit 11 chips (10 chips, with 10% tolerance)" in receipt.message
        assert "Ask for 11 chips or fewer" in receipt.remedy


@pytest.mark.parametrize(("used", "state"), [(8, "open"), (10, "critical"), (11, "exhausted"), (12, "over")])
def test_a_state_is_that_of_the_limit_that_is_enforced(used: int, state: str) -> None:
    found = read(land("tolerance: 10%"))["land"]
    assert counters.state(found, Decimal(used), Decimal(0), limit_on(found, DAY)) == state


def test_every_face_tells_the_limit_that_is_enforced_and_the_one_that_is_stated(conn: Any) -> None:
    ledger = begun(conn, land("tolerance: 10%"))
    ledger.must(grant("2026-02-01", 5))
    asked = {"destination": "AE", "recipient": "ae", "chip": H200, "authorization": "license"}
    with Reader(conn).view(on=date(2026, 2, 2)) as view:
        (standing,), left = standings(view), remaining(view, **asked)
    assert (standing.limit, standing.left, standing.remark) == (11, 6, "10 chips, with 10% tolerance")
    assert standing.body()["remark"] == "10 chips, with 10% tolerance"
    assert (left.remaining_chips, left.caps[0].limit, left.caps[0].remark) == (6, 11, "10 chips, with 10% tolerance")


@pytest.mark.parametrize(("text", "message"), [
    (land("tolerance: 2"), "is not a percentage"),
    (land("tolerance: 0%"), "is not a percentage"),
    (land("tolerance: 101%"), "is not a percentage"),
    ("name: x, counts: granted, limit: none, tolerance: 2%", "has no limit"),
    ("name: x, counts: granted, limit: {share: 5%, of: {counts: granted}}, tolerance: 2%", "a share of what is used"),
])  # fmt: skip
def test_a_tolerance_that_cannot_be_meant_is_an_error(text: str, message: str) -> None:
    with pytest.raises(BadRulebook, match=message):
        read(text)


# Suspended and blocked


@pytest.mark.parametrize(("kind", "day", "code"), [
    ("suspended", "2026-02-28", ""),              # the day before
    ("suspended", "2026-03-01", "cap_exceeded"),  # the first day
    ("suspended", "2026-03-31", "cap_exceeded"),  # the last day
    ("suspended", "2026-04-01", ""),              # the day after
    ("blocked",   "2026-02-28", ""),
    ("blocked",   "2026-03-01", "cap_exceeded"),
    ("blocked",   "2026-03-31", "cap_exceeded"),
    ("blocked",   "2026-04-01", ""),
])  # fmt: skip
def test_what_is_dated_in_a_period_is_not_admitted(conn: Any, kind: str, day: str, code: str) -> None:
    """Tariff-quota practice: while a quota is suspended or blocked, no request dated then is allocated from it."""
    ledger = begun(conn, land(f"{kind}: [{MARCH}}}]"))
    receipt = ledger.ask(grant(day, 1))
    assert receipt.code == code
    if code:
        assert f"is {kind} from 2026-03-01 through 2026-03-31 (notice 7)" in receipt.message
        assert receipt.remedy == "Date it 2026-04-01 or later, under a new key."
        assert cap(ledger.judgment(receipt.seq), "land")["finding"] == kind


def test_a_period_for_a_destination_is_for_no_other(conn: Any) -> None:
    ledger = begun(conn, land(f"blocked: [{MARCH}, destination: [AE]}}]"))
    ledger.refused(grant("2026-03-10", 1, "ae"), "cap_exceeded")
    ledger.must(grant("2026-03-10", 1, "sa"))


def test_what_was_dated_before_a_period_counts_on_and_may_be_asked_late(conn: Any) -> None:
    ledger = begun(conn, land(f"suspended: [{MARCH}}}]"))
    ledger.must(grant("2026-02-01", 4))
    ledger.refused(grant("2026-03-10", 1), "cap_exceeded")
    ledger.must(grant("2026-02-02", 3))  # asked after the refusal, dated before the period
    ledger.refused(grant("2026-04-01", 4), "cap_exceeded")
    ledger.must(grant("2026-04-01", 3))


def test_what_raises_nothing_passes_in_a_period(conn: Any) -> None:
    ledger = begun(conn, land(f"gives_back: [unshipped], suspended: [{MARCH}}}]"))
    seq = ledger.must(grant("2026-02-01", 4, last_day="2026-03-20"))
    ledger.must(ship("2026-03-02", 1))  # drawn on what was granted: it would only not lapse on 2026-03-21
    ledger.must(move("release", "2026-03-10", 1, chip=H200, of=f"{seq}.1", authorization="L-ae", exporter="nvidia",
                     recipient="ae", destination="AE"))  # fmt: skip
    assert ledger.discrepancies() == []


def test_a_shipment_before_a_period_is_not_held_back_by_what_would_have_lapsed_in_it(conn: Any) -> None:
    ledger = begun(conn, land(f"gives_back: [unshipped], suspended: [{MARCH}}}]"))
    ledger.must(grant("2026-02-01", 4, last_day="2026-03-10"))
    ledger.must(ship("2026-02-20", 4))


def test_a_reverse_is_dated_as_what_it_takes_back(conn: Any) -> None:
    ledger = begun(conn, land(f"gives_back: [unshipped], suspended: [{MARCH}}}]"))
    granted = ledger.must(grant("2026-02-01", 4))
    about = {"authorization": "L-ae", "exporter": "nvidia", "recipient": "ae", "destination": "AE"}
    before = ledger.must(move("release", "2026-02-10", 1, chip=H200, of=f"{granted}.1", **about))
    within = ledger.must(move("release", "2026-03-10", 1, chip=H200, of=f"{granted}.1", **about))
    ledger.refused(reverse(within, "2026-03-12"), "cap_exceeded")
    ledger.must(reverse(before, "2026-03-12"))


def test_an_observation_in_a_period_is_kept_and_opens_a_discrepancy(conn: Any) -> None:
    ledger = begun(conn, land(f"blocked: [{MARCH}}}]"))
    ledger.must(grant("2026-03-10", 1, observed=True))
    assert ledger.discrepancies() == [("cap_exceeded", "land", "destination=AE")]


def test_a_cap_that_only_flags_posts_in_a_period_and_opens_a_discrepancy(conn: Any) -> None:
    ledger = begun(conn, land(f"when_exceeded: flag, blocked: [{MARCH}}}]"))
    ledger.must(grant("2026-03-10", 1))
    assert ledger.discrepancies() == [("cap_exceeded", "land", "destination=AE")]


def test_periods_that_follow_each_other_name_the_day_after_the_last(conn: Any) -> None:
    until = "{from: 2026-04-01, until: 2026-05-01, law: notice 8}"
    ledger = begun(conn, land(f"suspended: [{MARCH}}}], blocked: [{until}]"))
    assert "2026-05-01 or later" in ledger.refused(grant("2026-03-10", 1), "cap_exceeded").remedy


def test_a_period_without_an_end_holds_until_further_notice(conn: Any) -> None:
    ledger = begun(conn, land("suspended: [{from: 2026-03-01, law: notice 9}]"))
    receipt = ledger.refused(grant("2030-01-01", 1), "cap_exceeded")
    assert "suspended from 2026-03-01 until further notice (notice 9)" in receipt.message
    assert "wait until the period is ended" in receipt.remedy


def test_a_fitting_amount_is_not_offered_while_another_cap_is_blocked(conn: Any) -> None:
    ledger = begun(conn, land("tolerance: 10%"), f"name: world, counts: granted, limit: 9 chips, blocked: [{MARCH}}}]")
    receipt = ledger.refused(grant("2026-03-10", 20), "cap_exceeded")
    assert receipt.remedy == "Date it 2026-04-01 or later, under a new key."


@pytest.mark.parametrize(("used", "day", "state"), [
    (5,  "2026-02-28", "open"),
    (5,  "2026-03-01", "suspended"),
    (5,  "2026-03-31", "suspended"),
    (5,  "2026-04-01", "open"),
    (10, "2026-03-01", "suspended"),
    (11, "2026-03-01", "over"),       # a breach is never hidden
])  # fmt: skip
def test_a_state_says_that_a_cap_is_suspended_and_hides_no_breach(used: int, day: str, state: str) -> None:
    found = read(land(f"suspended: [{MARCH}}}]"))["land"].kept_for("AE")
    on = date.fromisoformat(day)
    assert counters.state(found, Decimal(used), Decimal(0), limit_on(found, on), on) == state


def test_remaining_explain_standings_and_reconciliation_tell_the_period(conn: Any) -> None:
    ledger = begun(conn, land(f"suspended: [{MARCH}}}]"))
    ledger.must(grant("2026-02-01", 4))
    asked = {"destination": "AE", "recipient": "ae", "chip": H200, "authorization": "license"}
    run = reconcile_caps(conn, on=date(2026, 3, 10), at=datetime(2026, 3, 11, tzinfo=UTC))
    words = "suspended from 2026-03-01 through 2026-03-31 (notice 7)"
    with Reader(conn).view(on=date(2026, 3, 10)) as view:
        left, (standing,) = remaining(view, **asked), standings(view)
        judged = explain(view, _movement(grant("2026-03-10", 1)))
    assert (left.remaining_chips, left.remaining_tpp, left.binding_cap) == (0, 0, "land")
    assert words in left.why
    assert "2026-04-01" in left.remedy
    assert (left.caps[0].state, left.caps[0].remaining, left.caps[0].remark) == ("suspended", 0, words)
    assert (standing.state, standing.left, standing.remark) == ("suspended", 6, words)
    assert judged.binding
    assert judged.binding.standing.finding == "suspended"
    assert run.report["states"] == {"2": {"suspended": 1}}
    assert run.report["standings"][0]["remark"] == words
    with Reader(conn).view(on=date(2026, 4, 1)) as view:
        assert remaining(view, **asked).remaining_chips == 6


def _movement(request: Request) -> Any:
    from ledger.posting.requests import read as read_request

    return read_request(request).movement


def test_a_back_test_finds_what_a_period_would_have_refused(conn: Any, tmp_path: Any) -> None:
    ledger = begun(conn, land("critical_at: 90%"))
    before = ledger.must(grant("2026-02-28", 1))
    within = ledger.must(grant("2026-03-31", 1, "sa"))
    ledger.must(grant("2026-04-01", 1))
    path = tmp_path / "paused.yaml"
    path.write_text(book(land(f"suspended: [{MARCH}}}]"), name="paused"))
    (found,) = backtest(conn, [str(path)], on=date(2026, 3, 31)).books
    assert [each.asked.seq for each in found.refused] == [within]
    assert within > before
    assert "is suspended from 2026-03-01" in found.refused[0].findings[0].message
    assert {each.standing.state for subject in found.subjects for each in subject.counters} == {"suspended"}


# The document


@pytest.mark.parametrize(("text", "message"), [
    (land("suspended: [{from: 2026-03-01}]"), "has no `law`"),
    (land("suspended: [{until: 2026-03-01, law: x}]"), "has no `from`"),
    (land("suspended: [{from: 2026-03-01, until: 2026-03-01, law: x}]"), "ends on 2026-03-01, before it has begun"),
    (land("suspended: {from: 2026-03-01, law: x}"), "must be a list"),
    (land(f"blocked: [{MARCH}, destination: [XX]}}]"), "neither a list nor a country"),
    (land(f"blocked: [{MARCH}, recipient: ae}}]"), 'unknown key "recipient"'),
    ("name: x, counts: granted, limit: none, blocked: [{from: 2026-03-01, law: x}]", "has no limit"),
    ("name: x, counts: granted, limit: 5 TPP, blocked: [{from: 2026-03-01, law: x, destination: AE}]",
     "not kept by destination"),
])  # fmt: skip
def test_a_period_that_cannot_be_meant_is_an_error(text: str, message: str) -> None:
    with pytest.raises(BadRulebook, match=message):
        read(text)


@pytest.mark.parametrize(("more", "message"), [
    ("suspended: [{from: 2026-03-01, until: 2026-04-01, law: x}, {from: 2026-03-31, law: y}]",
     "land is suspended twice for all on the same days: the first stands."),
    (f"suspended: [{MARCH}, destination: AE}}], blocked: [{MARCH}, destination: [SA, AE]}}]",
     "land is suspended and blocked for AE on the same days: the first stands."),
    (f"suspended: [{MARCH}, destination: AE}}], blocked: [{MARCH}, destination: [SA]}}]", ""),
    ("suspended: [{from: 2026-03-01, until: 2026-04-01, law: x}, {from: 2026-04-01, law: y}]", ""),
    (f"where: {{destination: SA}}, suspended: [{MARCH}, destination: AE}}]",
     "land is suspended for nobody: it does not count AE."),
    (f"window: {{from: 2026-04-01}}, suspended: [{MARCH}}}]",
     "land is never suspended then: the period is outside of its window."),
])  # fmt: skip
def test_lint_finds_periods_that_overlap_are_for_nobody_or_never_hold(more: str, message: str) -> None:
    found = [each.message for each in rulebooks.lint(book(land(more)), "book.yaml") if each.level == "warning"]
    assert found == ([message] if message else [])


def test_a_list_that_a_period_names_is_meant_on_the_days_on_which_a_country_is_on_it() -> None:
    text = book(land(f"blocked: [{MARCH}, destination: gulf}}]")).replace(
        "lists:\n", "lists:\n  gulf: {any: [SA, {AE: {until: 2026-03-10}}], law: x}\n"
    )
    (found,) = rulebooks.parse(text, where="book.yaml", library=rulebooks.load).caps
    held = [bool(found.kept_for("AE").pause_on(date(2026, 3, day))) for day in (9, 10)]
    assert held == [True, False]
    assert found.of_subject("destination=SA").pause_on(date(2026, 3, 31))
    assert not found.of_subject("destination=MY").pause_on(date(2026, 3, 31))


def test_both_are_described_and_compared_in_words() -> None:
    def parsed(more: str) -> Any:
        return rulebooks.parse(book(land(more)), where="book.yaml", library=rulebooks.load)

    plain, told = parsed("critical_at: 90%"), parsed(f"tolerance: 2%, blocked: [{MARCH}, destination: [AE]}}]")
    (described,) = describe(told, DAY)["caps"]
    assert described["limit"] == "10 chips, with 2% tolerance"
    assert described["blocked"] == ["from 2026-03-01 until 2026-04-01 for AE (notice 7)"]
    assert [each.words for each in compare(plain, told)] == [
        "land is blocked from 2026-03-01 until 2026-04-01 for AE (notice 7).",
        'land: the tolerance is "2%"; there was none.',
    ]
    assert [each.words for each in compare(told, plain)] == [
        "land is no longer blocked from 2026-03-01 until 2026-04-01 for AE (notice 7).",
        'land: the tolerance "2%" is removed.',
    ]
