"""Duties: what each rulebook asks of whom, by when, and how a notice or evidence meets it."""

from __future__ import annotations

import itertools
import json
import shlex
from datetime import date
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner
from world import A100, DIFFUSION, LICENSING, Ledger, adopt, book, change, license_, move, party, rating, reverse

from ledger.cli import app
from ledger.core.duties import Owed
from ledger.posting import Request
from ledger.reconcile.checking import check, rebuild
from ledger.reports import Reader, duties

# A chip of 10,000 TPP, so that the law's numbers are whole chips: 25,300, 320 and 2,690 of them.
ROUND = {"dense_tops_8bit": "1250", "dense_tops_16bit": "", "tpp_bits": "", "tpp_per_ic": "", "tpp": "",
         "performance_density": "", "control": ""}  # fmt: skip
TO = {"exporter": "nvidia", "recipient": "mydc", "destination": "MY", "observed": True}
_keys = (f"n{n}" for n in itertools.count(1))


def veu(name: str, holder: str, kind: str = "UVEU", first_day: str = "2025-03-01", **more: str) -> Request:
    """A validated end-user status."""
    raw = {"authorization_id": name, "recipient": holder, "destination": "MY", "kind": kind, "first_day": first_day}
    return Request("authorization", next(_keys), {**raw, **more})


def notice(duty: str, party_id: str, filed_on: str, about: int | str = "", **more: Any) -> Request:
    """A notice about a record, or about a subject."""
    of = {"record": str(about)} if isinstance(about, int) else {"subject": about}
    return Request("notice", next(_keys), {"duty": duty, "party": party_id, "filed_on": filed_on, **of, **more})


def ship(day: str, chips: int, authorization: str, **more: Any) -> Request:
    return move("ship", day, chips, A100, authorization=authorization, **{**TO, **more})


def receive(day: str, chips: int, **more: Any) -> Request:
    return move("receive", day, chips, A100, recipient="mydc", destination="MY", **more)


@pytest.fixture
def ledger(conn) -> Ledger:
    """Under the framework: parties, and a chip of 10,000 TPP."""
    parties = (party("nvidia"), party("amd"), party("mydc", "MY"), party("other", "MY"), party("lab-1", roles="lab"))
    return Ledger(conn).begin(rating(A100, **ROUND), *parties, adopt(DIFFUSION, "2025-01-13"), chips=())


def owed(ledger: Ledger, on: str, duty: str = "", **more: Any) -> list[Owed]:
    """Return what is owed on a day, by one duty or by any."""
    asked = {name: more.pop(name) for name in ("known", "rulebook") if name in more}
    with Reader(ledger.conn).view(on=date.fromisoformat(on), **asked) as view:
        found = duties(view, **more)
    ledger.conn.isolation_level = ledger.conn.read_only = None
    return [each for each in found if duty in ("", each.duty)]


def told(ledger: Ledger, on: str, duty: str = "", **more: Any) -> list[tuple[str, str, str]]:
    """Return state, due day and party of what is owed."""
    found = owed(ledger, on, duty, **more)
    return [(each.state, str(each.due_on or ""), each.party) for each in found]


def posted(ledger: Ledger, request: Request) -> int:
    return ledger.must(request)


# Each duty of the books, at its number, below it and above it, and on its first and last day.


@pytest.mark.parametrize(("chips", "is_owed"), [(25_299, False), (25_300, True), (25_301, True)])
def test_a_certificate_is_owed_before_the_first_shipment_where_a_consignee_receives_253_million(ledger, chips, is_owed):
    """15 CFR 740.27(c): the certification goes to BIS where the consignee receives a cumulative 253,000,000 TPP."""
    ledger.must(ship("2025-06-01", 10_000, "AIA"), ship("2025-07-01", chips - 10_000, "AIA"))
    due = [("overdue", "2025-06-01", "nvidia")] if is_owed else []
    assert told(ledger, "2025-07-01", "aia-certificate") == due
    if is_owed:
        (found,) = owed(ledger, "2025-07-01", "aia-certificate")
        assert (found.subject, str(found.triggered_on)) == ("owner=mydc 2025-01-13", "2025-07-01")
        ledger.must(notice("aia-certificate", "nvidia", "2025-06-01", found.subject))
        assert told(ledger, "2025-07-01", "aia-certificate") == [("met", "2025-06-01", "nvidia")]


def test_the_party_that_reaches_the_number_owes_the_certificate_before_its_own_first_shipment(ledger):
    """15 CFR 740.27(c): who exports certifies, whoever shipped to the consignee before."""
    ledger.must(ship("2025-06-01", 20_000, "AIA", exporter="amd"), ship("2025-07-01", 2_000, "AIA"))
    ledger.must(ship("2025-08-01", 4_000, "AIA"))
    assert told(ledger, "2025-07-01", "aia-certificate") == [("due", "2025-07-01", "nvidia")]
    assert told(ledger, "2025-07-02", "aia-certificate") == [("overdue", "2025-07-01", "nvidia")]


@pytest.mark.parametrize(("chips", "is_owed"), [(319, False), (320, True), (321, True)])
def test_a_shipment_of_3_2_million_tpp_is_told_before_it_is_made(ledger, chips, is_owed):
    """15 CFR 740.29(g)(3): notice before any shipment with an aggregate of 3,200,000 TPP."""
    lines = [{"chip": A100, "quantity": str(part)} for part in (chips - 100, 100)]
    ledger.must(move("ship", "2025-06-10", lines=lines, authorization="LPP", **TO))
    ledger.must(ship("2025-06-10", 400, "AIA"))  # not an LPP shipment
    assert told(ledger, "2025-06-01", "lpp-notice") == ([("due", "2025-06-10", "nvidia")] if is_owed else [])
    assert told(ledger, "2025-06-10", "lpp-notice") == ([("due", "2025-06-10", "nvidia")] if is_owed else [])
    assert told(ledger, "2025-06-11", "lpp-notice") == ([("overdue", "2025-06-10", "nvidia")] if is_owed else [])


def test_two_shipments_of_less_are_not_one_of_more(ledger):
    """15 CFR 740.29(g)(3): any *one* shipment."""
    ledger.must(ship("2025-06-10", 319, "LPP"), ship("2025-06-10", 319, "LPP"))
    assert told(ledger, "2025-06-11", "lpp-notice") == []


@pytest.mark.parametrize(("on", "state"), [
    ("2025-06-09", None), ("2025-06-10", "due"), ("2025-07-10", "due"), ("2025-07-11", "overdue"),
])  # fmt: skip
def test_a_copy_of_the_certification_is_sent_within_30_days_after_shipping(ledger, on, state):
    """15 CFR 740.29(g)(1): a copy to BIS within 30 days after."""
    ledger.must(ship("2025-06-10", 1, "LPP"))
    assert told(ledger, on, "lpp-copy") == ([(state, "2025-07-10", "nvidia")] if state else [])


@pytest.mark.parametrize(("chips", "is_owed"), [(2_689, False), (2_690, True), (2_691, True)])
def test_the_consignee_tells_on_receipt_that_the_yearly_limit_is_reached(ledger, chips, is_owed):
    """15 CFR 740.29(g)(2): the consignee notifies when 26,900,000 TPP of a calendar year are reached."""
    ledger.must(ship("2025-06-10", 1_000, "LPP"), ship("2025-06-20", chips - 1_000, "LPP"))
    assert told(ledger, "2025-06-20", "lpp-limit-reached") == ([("due", "", "mydc")] if is_owed else [])
    ledger.must(receive("2025-07-01", chips))
    assert told(ledger, "2025-07-01", "lpp-limit-reached") == ([("due", "2025-07-01", "mydc")] if is_owed else [])
    assert told(ledger, "2025-07-02", "lpp-limit-reached") == ([("overdue", "2025-07-01", "mydc")] if is_owed else [])


def test_a_new_year_counts_anew(ledger):
    """15 CFR 740.29(a): per calendar year."""
    ledger.must(ship("2025-12-31", 2_000, "LPP"), ship("2026-01-01", 2_000, "LPP"))
    assert told(ledger, "2026-02-01", "lpp-limit-reached") == []
    ledger.must(ship("2026-01-02", 690, "LPP"))
    (found,) = owed(ledger, "2026-02-01", "lpp-limit-reached")
    assert found.subject == "booked_to=mydc 2026-01-01"


@pytest.mark.parametrize(("on", "state"), [("2025-05-16", "due"), ("2025-05-17", "overdue"), ("2025-06-10", "overdue")])
def test_a_shipment_under_nac_is_told_25_days_before(ledger, on, state):
    """15 CFR 740.8(c)(1): 25 calendar days' prior notice."""
    ledger.must(ship("2025-06-10", 1, "NAC"))
    assert told(ledger, on, "nac-notice") == [(state, "2025-05-16", "nvidia")]


def moved(ledger: Ledger, authorization: str) -> int:
    """Move ten chips of an owner from Malaysia to the Emirates; return the record."""
    ledger.must(ship("2025-05-01", 10, authorization, facility="site-1"), receive("2025-05-02", 10))
    there = {"recipient": "mydc", "destination": "AE", "from_recipient": "mydc", "from_destination": "MY"}
    return ledger.must(
        move("reexport", "2025-08-01", 10, A100, authorization=authorization, observed=True, facility="site-2", **there)
    )


@pytest.mark.parametrize(("on", "state"), [("2025-06-02", "due"), ("2025-06-03", "overdue")])
def test_a_move_into_another_country_is_told_60_days_before(ledger, on, state):
    """Supp. 10 to part 748, item 5: notice 60 days before an inter-country transfer."""
    record = moved(ledger, "UVEU")
    (found,) = owed(ledger, on, "uveu-move")
    assert (found.state, str(found.due_on), found.party, found.record) == (state, "2025-06-02", "mydc", record)


def test_a_move_under_another_authorization_brings_no_notice_about(ledger):
    """Supp. 10 to part 748, item 5: of a universal validated end user."""
    moved(ledger, "NVEU")
    assert told(ledger, "2025-08-02", "uveu-move") == []


def test_the_first_shipment_to_a_new_site_is_told_180_days_before(ledger):
    """15 CFR 748.15(a)(2)(ii)(A): 180 days before shipping to a new site; a second shipment there is told no more."""
    ledger.must(ship("2025-09-01", 1, "UVEU", facility="site-1"), ship("2025-08-01", 1, "UVEU", facility="site-1"))
    ledger.must(ship("2025-08-15", 1, "UVEU", facility="site-2"), ship("2025-08-15", 1, "NVEU", facility="site-3"))
    assert [(each.subject, each.state, str(each.due_on)) for each in owed(ledger, "2025-02-02", "uveu-new-site")] == [
        ("facility=site-1", "due", "2025-02-02"), ("facility=site-2", "due", "2025-02-16"),
    ]  # fmt: skip
    assert [each.state for each in owed(ledger, "2025-02-03", "uveu-new-site")] == ["overdue", "due"]


def test_at_a_site_that_nobody_named_it_is_undetermined_whether_it_is_new(ledger):
    """15 CFR 748.15(a)(2)(ii)(A): a site that is not known cannot be told apart from another."""
    ledger.must(ship("2025-08-01", 1, "UVEU"))
    assert told(ledger, "2025-08-01", "uveu-new-site") == [("undetermined", "2025-02-02", "mydc")]


@pytest.mark.parametrize(("duty", "dates"), [
    ("veu-report", ["2025-07-15", "2026-01-15", "2026-07-15"]),
    ("veu-accounting", ["2025-08-01", "2026-02-01", "2026-08-01"]),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["UVEU", "NVEU"])
def test_who_holds_a_validated_end_user_status_reports_on_two_dates_of_each_year(ledger, duty, dates, kind):
    """15 CFR 748.15(f)(1)(iii); supp. 10 to part 748, item 10: who holds the status on the day, and the next date."""
    ledger.must(veu("V1", "mydc", kind), veu("L9", "other", "LPP"))
    assert told(ledger, "2026-03-01", duty) == [
        ("overdue", dates[0], "mydc"), ("overdue", dates[1], "mydc"), ("due", dates[2], "mydc"),
    ]  # fmt: skip
    assert told(ledger, dates[1], duty)[:2] == [("overdue", dates[0], "mydc"), ("due", dates[1], "mydc")]
    ledger.must(notice(duty, "mydc", dates[0], dates[0]), notice(duty, "mydc", dates[2], dates[1]))
    following = f"2027{dates[1][4:]}"
    assert [(each.subject, each.state, each.late) for each in owed(ledger, dates[2], duty)] == [
        (dates[2], "due", False), (following, "due", False), (dates[0], "met", False), (dates[1], "met", True),
    ]  # fmt: skip


@pytest.mark.parametrize(("last_day", "dates"), [("2025-07-14", []), ("2025-07-15", ["2025-07-15"])])
def test_a_status_that_ended_before_the_date_brings_no_report_about(ledger, last_day, dates):
    """15 CFR 748.15(f)(1)(iii): of who is a validated end user on the day."""
    ledger.must(veu("V1", "mydc", first_day="2025-07-01", last_day=last_day))
    assert [each.subject for each in owed(ledger, "2025-12-01", "veu-report")] == dates


def test_a_status_that_is_revoked_brings_no_report_about_from_that_day_on(ledger):
    """15 CFR 748.15(f)(1)(iii): of who is a validated end user on the day."""
    ledger.must(veu("V1", "mydc"), change("V1", "revoked", "2026-01-15"))
    assert [each.subject for each in owed(ledger, "2026-03-01", "veu-report")] == ["2025-07-15"]


@pytest.mark.parametrize(("cause", "authorization", "is_owed"), [
    ("theft", "NVEU", True), ("loss", "UVEU", True), ("damage", "NVEU", False), ("theft", "LPP", False),
])  # fmt: skip
def test_theft_and_loss_are_reported_within_30_days(ledger, cause, authorization, is_owed):
    """Supp. 10 to part 748, item 16: theft, loss or tampering within 30 days, of validated end users."""
    ledger.must(ship("2025-05-01", 10, authorization), receive("2025-05-02", 10))
    record = ledger.must(move("retire", "2025-06-10", 2, A100, cause=cause, recipient="mydc", destination="MY"))
    found = owed(ledger, "2025-07-10", "veu-theft")
    assert [(each.state, str(each.due_on), each.record) for each in found] == (
        [("due", "2025-07-10", record)] if is_owed else []
    )
    assert [each.state for each in owed(ledger, "2025-07-11", "veu-theft")] == (["overdue"] if is_owed else [])


def test_a_maker_accounts_for_its_facilities_every_six_months(ledger):
    """15 CFR 740.28(e): items in and out per facility, at least every six months, while there are any."""
    record = posted(ledger, ship("2025-02-28", 5, "ACM", facility="fab-1"))
    ledger.must(ship("2025-03-31", 5, "LPP", facility="fab-2"), receive("2025-03-31", 5, of=f"{record}.1"))
    assert [(each.state, each.subject, each.party) for each in owed(ledger, "2025-08-29", "acm-accounts")] == [
        ("overdue", "facility=fab-1 2025-08-28", "nvidia"), ("due", "facility=fab-1 2026-02-28", "nvidia"),
    ]  # fmt: skip
    assert told(ledger, "2025-08-27", "acm-accounts") == [("due", "2025-08-28", "nvidia")]
    gone = {"recipient": "mydc", "destination": "MY", "cause": "failure", "of": f"{record}.1"}
    ledger.must(move("retire", "2025-10-01", 5, A100, **gone))
    assert [str(each.due_on) for each in owed(ledger, "2027-01-01", "acm-accounts")] == ["2025-08-28", "2026-02-28"]


@pytest.mark.parametrize(("stated", "who"), [
    ({"lab": "lab-1"}, "unknown"), ({"lab": "lab-2"}, "lab-2"), ({}, "unknown"),
])  # fmt: skip
def test_an_approved_lab_certifies_what_goes_to_china_before_it_is_shipped(ledger, stated, who):
    """91 FR 1684 (dd)(3): a certificate to BIS before export, by the lab; evidence of it on the line is enough."""
    ledger.must(party("lab-2", roles="approved-lab"), party("cn", "CN"), adopt(LICENSING, "2026-01-01"))
    china = {**TO, "recipient": "cn", "destination": "CN", **stated}
    ledger.must(move("ship", "2026-02-01", 1, A100, **china))
    ledger.must(move("ship", "2026-02-01", 1, A100, **{**china, "evidence": {"lab-certificate": "LC-17"}}))
    ledger.must(move("ship", "2026-02-01", 1, A100, **{**TO, **stated}))  # to Malaysia
    assert told(ledger, "2026-02-02", "lab-certificate") == [("overdue", "2026-02-01", who), ("met", "2026-02-01", who)]
    assert told(ledger, "2026-02-02", "lab-certificate", met=False) == [("overdue", "2026-02-01", who)]
    record = owed(ledger, "2026-02-02", "lab-certificate")[0].record
    ledger.must(notice("lab-certificate", "lab-2", "2026-02-01", record))
    assert told(ledger, "2026-02-02", "lab-certificate", met=False) == []


def test_the_proposal_has_the_duties_of_the_book_that_it_is_like(ledger):
    """Public comment of 2025-04-30: no duty is proposed to change."""
    ledger.must(ship("2025-06-10", 320, "LPP"))
    found = owed(ledger, "2025-06-11", rulebook="anthropic-comment-2025?lpp-limit=3_200_000")
    assert [(each.duty, each.state) for each in found] == [
        ("lpp-notice", "overdue"), ("lpp-copy", "due"), ("lpp-limit-reached", "due"),
    ]  # fmt: skip
    unset = told(ledger, "2025-06-11", "lpp-limit-reached", rulebook="anthropic-comment-2025")
    assert unset == [("undetermined", "", "mydc")]


# Meeting a duty


@pytest.mark.parametrize(("filed_on", "on", "state", "late"), [
    ("2025-05-16", "2025-05-16", "met", False),
    ("2025-05-16", "2025-05-15", "due", False),      # it is not filed yet
    ("2025-05-17", "2025-05-17", "met", True),       # a day late
    ("2025-05-18", "2025-05-17", "overdue", False),
])  # fmt: skip
def test_a_notice_meets_its_duty_from_the_day_it_was_filed_and_late_after_the_due_day(
    ledger, filed_on, on, state, late
):
    record = posted(ledger, ship("2025-06-10", 1, "NAC"))
    seq = posted(ledger, notice("nac-notice", "nvidia", filed_on, record))
    (found,) = owed(ledger, on, "nac-notice")
    assert (found.state, found.late) == (state, late)
    assert (found.met_by, str(found.met_on)) == ((seq, filed_on) if state == "met" else (None, "None"))


def test_of_two_notices_the_earlier_counts(ledger):
    record = posted(ledger, ship("2025-06-10", 1, "NAC"))
    ledger.must(
        notice("nac-notice", "nvidia", "2025-05-20", record), notice("nac-notice", "nvidia", "2025-05-10", record)
    )
    assert [each.late for each in owed(ledger, "2025-06-10", "nac-notice")] == [False]


def test_a_notice_by_another_party_or_of_another_duty_or_record_meets_nothing(ledger):
    record = posted(ledger, ship("2025-06-10", 1, "NAC"))
    other = posted(ledger, ship("2025-06-11", 1, "LPP"))
    ledger.must(
        notice("nac-notice", "mydc", "2025-05-01", record), notice("lpp-notice", "nvidia", "2025-05-01", record),
        notice("nac-notice", "nvidia", "2025-05-01", other), notice("nac-notice", "nvidia", "2025-05-01", "a shipment"),
    )  # fmt: skip
    assert told(ledger, "2025-06-10", "nac-notice") == [("overdue", "2025-05-16", "nvidia")]


def test_evidence_on_some_lines_of_a_movement_is_not_enough(ledger):
    lines = [{"chip": A100, "quantity": "1", "evidence": {"nac-notice": "N-1"}}, {"chip": A100, "quantity": "1"}]
    some = posted(ledger, move("ship", "2025-06-10", lines=lines, authorization="NAC", **TO))
    every = posted(ledger, move("ship", "2025-06-10", lines=lines[:1] * 2, authorization="NAC", **TO))
    for met in (True, False):
        found = [(each.record, each.line, each.state) for each in owed(ledger, "2025-06-10", "nac-notice", met=met)]
        assert found[0] == (some, 2 if not met else 1, "overdue")
        assert found[1:] == ([(every, 1, "met")] if met else [])


def test_a_retirement_is_reported_by_evidence_on_its_own_line(ledger):
    ledger.must(ship("2025-05-01", 10, "NVEU"), receive("2025-05-02", 10))
    lost = {"cause": "loss", "recipient": "mydc", "destination": "MY"}
    record = posted(ledger, move("retire", "2025-06-10", 2, A100, **lost, evidence={"veu-theft": "R-1"}))
    (found,) = owed(ledger, "2025-12-01", "veu-theft")
    assert (found.state, found.met_by) == ("met", record)


def test_before_the_notice_was_recorded_the_duty_was_open(ledger):
    record = posted(ledger, ship("2025-06-10", 1, "NAC"))
    known = ledger.size()
    posted(ledger, notice("nac-notice", "nvidia", "2025-05-10", record))
    assert told(ledger, "2025-06-10", "nac-notice", known=known) == [("overdue", "2025-05-16", "nvidia")]
    assert told(ledger, "2025-06-10", "nac-notice", known=record - 1) == []
    assert told(ledger, "2025-06-10", "nac-notice") == [("met", "2025-05-16", "nvidia")]


def test_what_was_reversed_obliges_nobody_and_did_before_it_was(ledger):
    ledger.must(ship("2025-06-10", 2_000, "LPP"))
    record = posted(ledger, ship("2025-06-10", 690, "LPP"))
    before = ledger.size()
    ledger.must(reverse(record, "2025-06-12"))
    named = ("lpp-copy", "lpp-notice", "lpp-limit-reached")
    assert [len(owed(ledger, "2025-06-12", duty)) for duty in named] == [1, 1, 0]
    assert [len(owed(ledger, "2025-06-12", duty, known=before)) for duty in named] == [2, 2, 1]


def test_the_movement_that_reached_the_number_is_found_among_those_of_a_day(ledger):
    first = posted(ledger, ship("2025-06-10", 2_000, "LPP"))
    undone = posted(ledger, ship("2025-06-10", 1_000, "LPP"))
    ledger.must(reverse(undone, "2025-06-10"))
    second = posted(ledger, ship("2025-06-10", 690, "LPP"))
    posted(ledger, ship("2025-06-10", 5, "LPP"))
    (found,) = owed(ledger, "2025-06-10", "lpp-limit-reached")
    assert first < (found.record or 0) == second
    ledger.must(notice("lpp-limit-reached", "mydc", "2025-06-10", second))
    assert told(ledger, "2025-06-10", "lpp-limit-reached") == [("met", "", "mydc")]


def test_kept_counters_and_those_computed_anew_say_the_same(ledger):
    ledger.must(ship("2025-06-10", 2_000, "LPP"), ship("2025-06-12", 690, "LPP"), ship("2025-06-12", 25_300, "AIA"))
    now = owed(ledger, "2025-06-12")
    ledger.must(party("later"))
    assert owed(ledger, "2025-06-12", known=ledger.size() - 1) == now
    assert owed(ledger, "2025-06-12", rulebook=DIFFUSION) == now
    assert {each.duty for each in now} == {"aia-certificate", "lpp-notice", "lpp-copy", "lpp-limit-reached"}


# Which book, which day


def with_duty(when: str, due: str = "", who: str = "exporter", name: str = "test-book") -> str:
    """A small book that permits anything, with one duty."""
    due = f", due: {due}" if due else ""
    text = book("name: all, counts: shipped, by: [destination], limit: 100_000 TPP", name=name)
    return f"{text}duties:\n  - {{name: duty, law: test, who: {who}, do: tell, when: {when}{due}}}\n"


def test_each_movement_is_asked_of_the_book_in_force_on_its_day(conn):
    ledger = Ledger(conn).begin(rating(A100, **ROUND), party("nvidia"), party("mydc", "MY"), chips=())
    ledger.must(adopt(with_duty("{each: ship}", "1 day after"), "2025-01-01", "2025-07-01"))
    ledger.must(adopt(book(name="without"), "2025-07-01"))
    ledger.must(ship("2025-06-30", 1, ""), ship("2025-07-01", 1, ""))
    assert told(ledger, "2025-08-01") == [("overdue", "2025-07-01", "nvidia")]


@pytest.mark.parametrize(("kind", "found"), [
    ("reserve", ["2025-05-01"]), ("grant", ["2025-05-02"]), ("release", ["2025-05-03", "2025-05-04"]),
    ("ship", ["2025-06-01"]), ("receive", ["2025-06-02"]), ("return", ["2025-06-03"]), ("retire", ["2025-06-04"]),
    ("transfer", ["2025-06-05"]), ("reexport", ["2025-06-06"]),
])  # fmt: skip
def test_each_kind_of_movement_is_told_from_the_others(conn, kind, found):
    parties = (party("nvidia"), party("mydc", "MY"), party("sa", "SA"), license_("L1", "mydc", "MY"))
    ledger = Ledger(conn).begin(rating(A100, **ROUND), *parties, chips=())
    ledger.must(adopt(with_duty(f"{{each: {kind}}}", who="recipient"), "2025-01-01"))
    here = {"recipient": "mydc", "destination": "MY"}
    away = {"from_recipient": "mydc", "observed": True}
    reserved = ledger.must(move("reserve", "2025-05-01", 1, A100, last_day="2025-12-31", exporter="nvidia", **here))
    ledger.must(
        move("grant", "2025-05-02", 1, A100, exporter="nvidia", authorization="L1", **here),
        move("release", "2025-05-03", 1, A100, of=f"{reserved}.1"), change("L1", "revoked", "2025-05-04"),
        ship("2025-06-01", 10, ""), receive("2025-06-02", 8),
        move("return", "2025-06-03", 1, A100, **here), move("retire", "2025-06-04", 1, A100, cause="damage", **here),
        move("transfer", "2025-06-05", 1, A100, **here, **away),
        move("reexport", "2025-06-06", 1, A100, recipient="sa", destination="SA", from_destination="MY", **away),
        reverse(ledger.must(move("retire", "2025-06-07", 1, A100, cause="loss", **here)), "2025-06-08"),
    )  # fmt: skip
    assert [str(each.triggered_on) for each in owed(ledger, "2025-12-31")] == found


@pytest.mark.parametrize(("unit", "quantity", "state"), [
    ("chips", 9, None), ("chips", 10, "due"), ("equivalents", 9, "undetermined"),
])  # fmt: skip
def test_of_equivalents_a_number_of_chips_is_undetermined(conn, unit, quantity, state):
    ledger = Ledger(conn).begin(rating(A100, **ROUND), party("nvidia"), party("mydc", "MY"), chips=())
    ledger.must(adopt(with_duty("{one_shipment: 10 chips}"), "2025-01-01"))
    ledger.must(ship("2025-06-01", quantity, "", unit=unit))
    assert [each.state for each in owed(ledger, "2025-06-01")] == ([state] if state else [])


@pytest.mark.parametrize(("every", "due"), [
    ("6 months", "2026-02-28"), ("1 year", "2026-08-31"), ("2 weeks", "2025-09-14"), ("1 day", "2025-09-01"),
])  # fmt: skip
def test_a_span_ends_on_the_same_day_of_a_month_or_on_its_last(conn, every, due):
    ledger = Ledger(conn).begin(rating(A100, **ROUND), party("nvidia"), party("mydc", "MY"), chips=())
    ledger.must(adopt(with_duty(f"{{every: {every}}}"), "2025-01-01"), ship("2025-08-31", 1, ""))
    assert [str(each.due_on) for each in owed(ledger, "2025-08-31")] == [due]


def test_where_it_is_unknown_whether_a_duty_is_meant_it_is_undetermined(conn):
    ledger = Ledger(conn).begin(rating(A100, **ROUND), party("nvidia"), party("mydc", "MY", "unknown"), chips=())
    ledger.must(adopt(with_duty("{each: ship, where: {any_headquarters: [CN]}}", "1 day after"), "2025-01-01"))
    ledger.must(ship("2025-06-01", 1, ""))
    assert told(ledger, "2025-07-01") == [("undetermined", "2025-06-02", "nvidia")]


def test_at_the_ends_of_the_calendar_nothing_breaks(ledger):
    ledger.must(veu("V1", "mydc", first_day="9998-01-01"), ship("9998-12-30", 1, "LPP"), ship("9999-01-01", 1, "NAC"))
    ledger.must(ship("9998-12-30", 1, "ACM", facility="fab-1"))
    found = owed(ledger, "9999-12-31")
    assert max(str(each.due_on) for each in found) == "9999-12-31"


# Filing


def test_a_party_files_for_itself_and_for_nobody_else(ledger):
    record = posted(ledger, ship("2025-06-10", 1, "NAC"))
    ledger.must(notice("nac-notice", "nvidia", "2025-05-10", record), actor="nvidia")
    ledger.refused(notice("nac-notice", "nvidia", "2025-05-10", record), "forbidden", actor="amd")
    ledger.refused(notice("nac-notice", "amd", "2025-05-10", record), "unknown_movement", actor="amd")
    ledger.must(notice("nac-notice", "amd", "2025-05-10", "facility=site-1"), actor="amd")


@pytest.mark.parametrize(("request_", "code"), [
    (notice("nac-notice", "nobody", "2025-05-10", "x"), "unknown_party"),
    (notice("nac-notice", "nvidia", "2025-05-10", 999), "unknown_movement"),
    (notice("nac-notice", "nvidia", "2025-05-10", 2), "unknown_movement"),  # a party is no movement
    (notice("nac-notices", "nvidia", "2025-05-10", "x"), "malformed"),
    (notice("nac-notice", "nvidia", "soon", "x"), "malformed"),
    (notice("nac-notice", "nvidia", "2025-05-10"), "malformed"),
    (notice("nac-notice", "nvidia", "2025-05-10", 2, subject="x"), "malformed"),
])  # fmt: skip
def test_a_notice_that_names_what_is_not_there_is_refused(ledger, request_, code):
    ledger.refused(request_, code)


def test_the_same_notice_again_is_replayed_and_once_its_party_is_known_it_is_kept(ledger):
    asked = notice("nac-notice", "newcomer", "2025-05-10", "x")
    ledger.refused(asked, "unknown_party")
    ledger.must(party("newcomer"))
    seq = posted(ledger, asked)
    assert (ledger.ask(asked).verdict, ledger.ask(asked).seq) == ("replayed", seq)


def test_rebuilding_gives_the_same_and_checking_finds_nothing(ledger, dsn):
    record = posted(ledger, ship("2025-06-10", 320, "LPP"))
    posted(ledger, notice("lpp-notice", "nvidia", "2025-06-01", record, reference="N-1", note="by mail"))
    posted(ledger, notice("veu-report", "mydc", "2025-07-15", "2025-07-15"))
    before, facts = owed(ledger, "2025-07-01"), ledger.rows("SELECT * FROM fact WHERE kind = 'notice' ORDER BY seq")
    with psycopg.connect(dsn) as conn:
        assert check(conn).is_sound
        conn.execute("DELETE FROM fact WHERE kind = 'notice'")
        conn.commit()
        assert not check(conn).is_sound
        rebuild(conn)
        assert check(conn).is_sound
    assert (owed(ledger, "2025-07-01"), len(facts)) == (before, 2)
    assert ledger.rows("SELECT * FROM fact WHERE kind = 'notice' ORDER BY seq") == facts


# The command line


@pytest.fixture
def say(dsn, tmp_path):
    """Run a line of the command line; `columns` is how wide the terminal is."""

    def run(line: str, columns: int | None = None, given: str | None = None):
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path)}
        env["COLUMNS"] = None if columns is None else str(columns)
        return CliRunner().invoke(app, shlex.split(line), env=env, input=given)

    return run


def test_a_person_reads_what_is_overdue_first(ledger, say):
    record = posted(ledger, ship("2025-06-10", 320, "LPP"))
    lines = say("duties --on 2025-06-11").stdout.splitlines()
    assert lines[0].startswith("Owed: 1 overdue, 1 due. On 2025-06-11, as known at record")
    assert lines[4].split()[:5] == ["overdue", "2025-06-10", "lpp-notice", "nvidia", "exporter"]
    assert f"record {record}.1" in lines[4]
    assert lines[5].split()[:3] == ["due", "2025-07-10", "lpp-copy"]


@pytest.mark.parametrize("columns", [30, 80, 120])
def test_no_line_of_what_is_owed_is_wider_than_the_terminal(ledger, say, columns):
    ledger.must(ship("2025-06-10", 2_690, "LPP"), veu("V1", "mydc"))
    result = say("duties --all --on 2025-06-11", columns)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= columns


@pytest.mark.parametrize(("line", "said"), [
    ("duties --on 2025-06-11", "Nothing is owed. --all lists what was done, too. On 2025-06-11"),
    ("duties --all --on 2025-06-11 --party mydc", "Nothing was ever owed by mydc. On 2025-06-11"),
])  # fmt: skip
def test_where_nothing_is_owed_it_says_so(ledger, say, line, said):
    result = say(line)
    assert (result.exit_code, result.stdout.startswith(said)) == (0, True)


def test_without_a_book_that_has_duties_it_says_so(conn, say):
    Ledger(conn).begin(chips=())
    assert say("duties --on 2025-06-11").stdout.startswith("No rulebook that was asked has duties. On 2025-06-11")


def test_a_file_of_notices_is_posted_and_the_duties_are_met(ledger, say):
    record = posted(ledger, ship("2025-06-10", 320, "LPP"))
    rows = f"duty,party,filed_on,record,subject\nlpp-notice,nvidia,2025-06-12,{record},\n"
    assert "1 posted" in say("post - --as nvidia", given=rows).stdout
    assert "1 replayed" in say("post - --as nvidia", given=rows).stdout
    assert "forbidden" in say("post - --as amd", given=rows).stdout
    told = {name: json.loads(say(f"duties --on 2025-06-13 --json {name}").stdout) for name in ("", "--all")}
    assert [each["duty"] for each in told[""]["duties"]] == ["lpp-copy"]
    met = told["--all"]["duties"][-1]
    assert (met["state"], met["late"], met["met_on"], met["due_on"]) == ("met", True, "2025-06-12", "2025-06-10")
    assert (met["record"], met["line"], met["party"], met["role"]) == (record, 1, "nvidia", "exporter")
    assert (met["law"], met["book"]) == ("15 CFR 740.29(g)(3)", DIFFUSION)


def test_only_what_one_party_owes_is_listed_where_it_is_asked_for(ledger, say):
    ledger.must(ship("2025-06-10", 1, "LPP"), ship("2025-06-10", 1, "LPP", exporter="amd"))
    told = json.loads(say("duties --on 2025-06-11 --party amd --json").stdout)
    assert [each["party"] for each in told["duties"]] == ["amd"]
