"""Model weights: authorizations for so many models, judged when issued, counted until they lapse or are given up."""

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

from ledger.backtest import backtest
from ledger.cli import app
from ledger.core.errors import Malformed
from ledger.core.facts import Authorization
from ledger.core.registrations import authorization, from_body, to_body
from ledger.posting import Request
from ledger.reconcile import rebuild
from ledger.reports import Reader, history, standings, usage
from ledger.reports.exposure import exposure
from tests.world import AT, DIFFUSION, H100, Ledger, adopt, book, cap, change, closed, license_, move, party

FRONTIER = 'where: {control: [weights], training_operations: ">= 1e26"}'
LIMITED = f"name: models, counts: authorizations, by: [destination], {FRONTIER}, limit: 3 models"
CHIPS = "name: chips, counts: granted, by: [destination], limit: 10 chips"
RULES = """\
  - {name: open, law: test, where: {control: [weights], authorization: [AIA]}, answer: permit}
  - {name: presumed, law: test, where: {control: [weights]}, answer: presume_deny}
  - {name: anything, law: test, where: {control: [a, none]}, answer: permit}"""


def weights_book(*caps: str, name: str = "test-book") -> str:
    text = book(*caps, name=name, rules=RULES)
    return text.replace("  none: {meets: none", "  weights: {meets: 4E091, law: test}\n  none: {meets: none")


def models(name: str, quantity: int | str, day: str = "2025-06-01", **more: str) -> Request:
    """An authorization for models that the test's book permits, unless the test says otherwise."""
    terms = {"kind": "AIA", "unit": "models", "quantity": str(quantity), "eccn": "4E091",
             "training_operations": "1e26", "effective_on": day, "exporter": "lab"}  # fmt: skip
    return license_(name, **{"recipient": "gulf", "destination": "AE", **terms, **more})


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    """A lab, two firms in two countries, and a cap of three models for each country."""
    return Ledger(conn).begin(
        party("lab"), party("nvidia"), party("gulf", "AE"), party("malay", "MY"), adopt(weights_book(LIMITED, CHIPS))
    )


def used(ledger: Ledger, day: str, subject: str = "destination=AE") -> int:
    rows = ledger.rows(
        "SELECT coalesce(sum(chips), 0)::int, coalesce(sum(tpp), 0) FROM counter_day WHERE cap = 'models'"
        " AND subject = %s AND day <= %s", subject, date.fromisoformat(day))  # fmt: skip
    count, tpp = rows[0]
    assert tpp == 0
    return int(count)


def sound(ledger: Ledger) -> None:
    """What is kept is what the journal says: a rebuild finds no difference."""
    assert rebuild(ledger.conn).is_sound


@pytest.mark.parametrize(("operations", "counts"), [
    ("1e26", True),
    ("100000000000000000000000000", True),
    ("100_000_000_000_000_000_000_000_000", True),
    ("1.5e26", True),
    ("10e25", True),
    ("99999999999999999999999999", False),   # one below
    ("9.999e25", False),
    ("1e25", False),
])  # fmt: skip
def test_models_count_from_1e26_training_operations_on_exactly(ledger: Ledger, operations: str, counts: bool) -> None:
    ledger.must(models("M", 3, training_operations=operations))
    assert used(ledger, "2025-06-01") == (3 if counts else 0)
    assert ledger.ask(models("M2", 1, training_operations=operations)).code == ("cap_exceeded" if counts else "")


@pytest.mark.parametrize(("first", "then", "code"), [
    (1, 1, ""),              # below
    (1, 2, ""),              # at the limit
    (1, 3, "cap_exceeded"),  # above
    (3, 1, "cap_exceeded"),
])  # fmt: skip
def test_a_cap_of_models_admits_so_many_and_not_one_more(ledger: Ledger, first: int, then: int, code: str) -> None:
    ledger.must(models("M1", first))
    receipt = ledger.ask(models("M2", then, "2025-07-01"))
    assert receipt.code == code
    assert used(ledger, "2025-07-01") == first + (0 if code else then)
    if code:
        left = 3 - first
        assert (f"Ask for {left} models or fewer" if left else "Nothing more fits") in receipt.remedy
        looked = cap(ledger.judgment(receipt.seq), "models")
        assert (looked["limit"], looked["used"], looked["asked"], looked["unit"]) == (
            "3",
            str(first),
            str(then),
            "models",
        )
        assert ledger.rows("SELECT count(*) FROM fact WHERE subject = 'M2'") == [(0,)]
        assert ledger.ask(models("M3", then, destination="MY", recipient="malay")).code == ""
    sound(ledger)


def test_an_issue_dated_back_is_held_against_every_day_it_stands_on(ledger: Ledger) -> None:
    ledger.must(models("M1", 2, "2025-07-01"))
    ledger.refused(models("M2", 2, "2025-06-01"), "cap_exceeded")
    ledger.must(models("M3", 2, "2025-06-01", last_day="2025-06-30"))  # over before the other begins


def test_what_is_issued_counts_until_the_day_after_its_last_day_with_or_without_the_job(ledger: Ledger) -> None:
    ledger.must(models("M1", 3, last_day="2025-08-31"))
    assert [used(ledger, day) for day in ("2025-05-31", "2025-06-01", "2025-08-31", "2025-09-01")] == [0, 3, 3, 0]
    ledger.refused(models("M2", 1, "2025-08-31"), "cap_exceeded")
    assert ledger.writer.release_lapsed(on=date(2025, 9, 1), at=AT) == 1
    assert ledger.writer.release_lapsed(on=date(2025, 9, 1), at=AT) == 0
    assert [used(ledger, day) for day in ("2025-08-31", "2025-09-01", "2026-01-01")] == [3, 0, 0]
    ledger.must(models("M3", 3, "2025-09-01"))
    sound(ledger)


@pytest.mark.parametrize("what", ["revoked", "surrendered"])
def test_what_is_revoked_or_surrendered_gives_its_models_back_from_that_day_on(ledger: Ledger, what: str) -> None:
    ledger.must(models("M1", 3, last_day="2025-12-31"), change("M1", what, "2025-07-01"))
    assert [used(ledger, day) for day in ("2025-06-30", "2025-07-01", "2026-01-01")] == [3, 0, 0]
    ledger.refused(models("M2", 1, "2025-06-30"), "cap_exceeded")
    ledger.must(models("M3", 3, "2025-07-01"))
    sound(ledger)


def test_a_suspension_gives_nothing_back(ledger: Ledger) -> None:
    ledger.must(models("M1", 3), change("M1", "suspended", "2025-07-01"), change("M1", "reinstated", "2025-08-01"))
    assert used(ledger, "2025-07-01") == used(ledger, "2025-08-01") == 3


@pytest.mark.parametrize(("quantity", "code", "stands"), [
    ("3", "", 3), ("1", "", 1), ("2", "", 2), ("4", "cap_exceeded", 2),
])  # fmt: skip
def test_an_amended_quantity_counts_from_its_day_on(ledger: Ledger, quantity: str, code: str, stands: int) -> None:
    ledger.must(models("M1", 2))
    assert ledger.ask(change("M1", "amended", "2025-07-01", quantity=quantity)).code == code
    assert (used(ledger, "2025-06-30"), used(ledger, "2025-07-01")) == (2, stands)
    ledger.must(change("M1", "revoked", "2025-08-01"))
    assert used(ledger, "2025-08-01") == 0
    sound(ledger)


def test_raised_and_lowered_again_the_newest_models_go_first(ledger: Ledger) -> None:
    ledger.must(
        models("M1", 1, last_day="2025-12-31"), change("M1", "amended", "2025-07-01", quantity="3"),
        change("M1", "amended", "2025-08-01", quantity="1", last_day="2025-10-31"),
    )  # fmt: skip
    days = ("2025-06-30", "2025-07-01", "2025-08-01", "2025-10-31", "2025-11-01")
    assert [used(ledger, day) for day in days] == [1, 3, 1, 1, 0]
    assert [left for stage, left, _, _ in ledger.lots().values()] == ["1", "0"]
    sound(ledger)


@pytest.mark.parametrize("job_ran", [False, True])
def test_what_lapsed_is_authorized_anew_by_a_later_last_day_whether_or_not_the_job_ran(
    ledger: Ledger, job_ran: bool
) -> None:
    ledger.must(models("M1", 2, last_day="2025-06-30"))
    if job_ran:
        ledger.writer.release_lapsed(on=date(2025, 7, 10), at=AT)
    ledger.must(change("M1", "amended", "2025-07-10", status="as it was"))
    ledger.must(change("M1", "amended", "2025-07-10", quantity="1"))  # it is over: nothing changes
    assert used(ledger, "2025-07-10") == 0
    ledger.must(change("M1", "amended", "2025-07-11", quantity="3", last_day="2025-08-31"))
    days = ("2025-06-30", "2025-07-01", "2025-07-10", "2025-07-11", "2025-08-31", "2025-09-01")
    assert [used(ledger, day) for day in days] == [2, 0, 0, 3, 3, 0]
    ledger.writer.release_lapsed(on=date(2025, 7, 12), at=AT)
    assert [used(ledger, day) for day in days] == [2, 0, 0, 3, 3, 0]
    sound(ledger)


def test_a_last_day_in_the_past_ends_it_on_the_day_of_the_change(ledger: Ledger) -> None:
    ledger.must(models("M1", 2), change("M1", "amended", "2025-07-10", last_day="2025-07-01", quantity="3"))
    assert [used(ledger, day) for day in ("2025-07-09", "2025-07-10", "2025-12-31")] == [2, 0, 0]
    sound(ledger)


def test_a_later_last_day_is_asked_of_caps_and_rules_again(ledger: Ledger) -> None:
    ledger.must(models("M1", 2, last_day="2025-08-31"), models("M2", 2, "2025-09-01", last_day="2025-09-30"))
    ledger.refused(change("M1", "amended", "2025-07-01", last_day="2025-09-01"), "cap_exceeded")
    ledger.must(change("M2", "amended", "2025-09-02", last_day="2025-09-10"))
    assert (used(ledger, "2025-09-10"), used(ledger, "2025-09-11")) == (2, 0)
    ledger.must(change("M1", "amended", "2025-09-11", last_day="2025-10-31"))  # it had lapsed; there is room again
    assert [used(ledger, day) for day in ("2025-08-31", "2025-09-10", "2025-09-11", "2025-10-31", "2025-11-01")] == [
        2, 2, 2, 2, 0,
    ]  # fmt: skip
    ledger.must(adopt(weights_book(LIMITED).replace("name: open", "name: open, until: 2025-10-01"), "2025-09-15"))
    ledger.refused(change("M1", "amended", "2025-10-02", last_day="2025-11-30"), "not_permitted")
    ledger.must(change("M1", "amended", "2025-10-02", last_day="2025-10-15"))  # earlier: no rule is asked
    sound(ledger)


@pytest.mark.parametrize(("terms", "code", "says"), [
    ({}, "", ""),
    ({"kind": "license"}, "not_permitted", "presumed"),
    ({"kind": "license", "overrides": "presumed"}, "", ""),
    ({"kind": "license", "overrides": "open"}, "not_permitted", "presumed"),
    ({"recipient": "later"}, "unknown_party", "later"),
    ({"recipient": "nobody"}, "unknown_party", "nobody"),
])  # fmt: skip
def test_the_rules_are_asked_when_models_are_authorized(
    ledger: Ledger, terms: dict[str, str], code: str, says: str
) -> None:
    ledger.must(party("later", "AE", **{"from": "2025-12-01"}))
    receipt = ledger.ask(models("M1", 1, **terms))
    assert receipt.code == code
    assert says in receipt.message


def test_a_day_without_a_rulebook_is_undetermined_and_a_closed_period_takes_no_models(ledger: Ledger) -> None:
    ledger.refused(models("M1", 1, "2020-01-01"), "undetermined")
    ledger.must(closed("2025-06-30"))
    ledger.refused(models("M2", 1, "2025-06-30"), "period_closed")
    ledger.must(models("M3", 1, "2025-07-01"))


def test_a_cap_that_flags_opens_a_discrepancy(conn: Any) -> None:
    ledger = Ledger(conn).begin(
        party("lab"), party("gulf", "AE"), adopt(weights_book(f"{LIMITED}, when_exceeded: flag")), models("M1", 4)
    )
    assert ledger.discrepancies() == [("cap_exceeded", "models", "destination=AE")]
    sound(ledger)


EVIDENCE = {"kind": "AIA", "evidence": "supp-10-items-14-15-18=R-1"}


@pytest.mark.parametrize(("recipient", "destination", "terms", "code", "says"), [
    ("german", "DE", EVIDENCE, "", ""),
    ("german", "MY", EVIDENCE, "", ""),                                        # an allied firm abroad
    ("german", "DE", {"kind": "AIA"}, "not_permitted", "supp-10-items-14-15-18"),
    ("german", "CN", EVIDENCE, "undetermined", "no rule allows"),              # a denied destination
    ("malay", "MY", EVIDENCE, "not_permitted", "weights-outside-allied"),
    ("malay", "MY", {"kind": "license"}, "not_permitted", "742.6(b)(14)"),
    ("malay", "MY", {"kind": "license", "overrides": "weights-outside-allied"}, "", ""),
    ("german", "DE", {"kind": "license"}, "undetermined", "no rule allows"),
    ("somebody", "MY", {"kind": "license"}, "undetermined", "the ultimate parent of somebody"),
])  # fmt: skip
def test_the_framework_presumes_denial_of_weights_outside_of_allied_seats(
    conn: Any, recipient: str, destination: str, terms: dict[str, str], code: str, says: str
) -> None:
    ledger = Ledger(conn).begin(
        party("lab"), party("german", "DE"), party("malay", "MY"), party("somebody", "DE", "unknown"),
        adopt(DIFFUSION, "2025-01-13"),
    )  # fmt: skip
    receipt = ledger.ask(models("M1", 2, recipient=recipient, destination=destination, **terms))
    assert receipt.code == code, receipt
    assert says in receipt.message
    assert ledger.subjects("weights-licensed") == (set() if code else {f"destination={destination}"})
    sound(ledger)


def test_models_are_no_chips_anywhere(ledger: Ledger) -> None:
    ledger.must(models("M1", 3), license_("L1", "gulf", "AE"))
    there = {"exporter": "nvidia", "recipient": "gulf", "destination": "AE"}
    ledger.must(move("grant", "2025-06-02", 10, H100, authorization="L1", **there))  # the cap of chips is untouched
    with Reader(ledger.conn).view(on=date(2025, 6, 2)) as view:
        (total,) = usage(view, "destination")
        assert (total.chips["licensed"], total.tpp["licensed"]) == (10, 10 * 15_832)
        assert [each.subject for each in usage(view, "authorization")] == ["L1"]
        told = {each.cap: (each.unit, each.used, each.left, each.state) for each in standings(view)}
        assert told["models"] == ("models", 3, 0, "exhausted")
        assert any("models to gulf in AE under M1" in each.what for each in history(view, "gulf"))


def test_known_before_the_issue_nothing_stands(ledger: Ledger) -> None:
    before = ledger.size()
    ledger.must(models("M1", 2))
    for known, count in ((before, 0), (ledger.size(), 1)):
        with Reader(ledger.conn).view(on=date(2025, 6, 2), known=known) as view:
            assert len(standings(view)) == count


def test_no_chip_moves_under_an_authorization_for_models(ledger: Ledger) -> None:
    ledger.must(
        models("M1", 3, kind="license", overrides="presumed"), models("M2", 1, destination="MY", recipient="malay")
    )
    there = {"exporter": "lab", "recipient": "gulf", "destination": "AE", "authorization": "M1"}
    for kind in ("grant", "ship"):
        receipt = ledger.refused(move(kind, "2025-06-02", 1, H100, **there), "exceeds_authorization")
        assert "is for models 4E091, not nvidia-h100-sxm5-80" in receipt.message
    away = {**there, "recipient": "malay", "destination": "MY", "authorization": "M2"}
    ledger.refused(move("ship", "2025-06-02", 1, H100, **away), "exceeds_authorization")


def test_the_same_issue_twice_has_one_effect_and_a_refused_one_keeps_its_key(ledger: Ledger) -> None:
    asked = models("M1", 3)
    first = ledger.ask(asked)
    assert ledger.ask(asked).seq == first.seq
    assert used(ledger, "2025-06-01") == 3
    refused = models("M2", 1)
    assert ledger.ask(refused).seq == ledger.ask(refused).seq


def test_an_issue_can_be_undone_by_reversing_what_it_did(ledger: Ledger) -> None:
    seq = ledger.must(models("M1", 3))
    ledger.must(move("reverse", "2025-06-02", reverses=str(seq + 1)))
    assert used(ledger, "2025-06-01") == 0
    ledger.must(change("M1", "revoked", "2025-07-01"))
    assert used(ledger, "2025-07-01") == 0
    sound(ledger)


def test_a_backtest_holds_authorizations_for_models_against_another_book(ledger: Ledger, tmp_path: Any) -> None:
    ledger.must(models("M1", 2), models("M2", 1, "2025-06-02"))
    refused = ledger.refused(models("M3", 1, "2025-06-03"), "cap_exceeded")
    ledger.refused(models("M4", 1, "2025-06-03", kind="license"), "not_permitted")
    tight, wide = tmp_path / "tight.yaml", tmp_path / "wide.yaml"
    tight.write_text(weights_book(LIMITED.replace("3 models", "2 models"), name="tight"), "utf-8")
    wide.write_text(weights_book(LIMITED.replace("3 models", "4 models"), name="wide"), "utf-8")
    strict = tmp_path / "strict.yaml"
    strict.write_text(weights_book(name="strict").replace("authorization: [AIA]", "authorization: [LPP]"), "utf-8")
    one, two, three = backtest(ledger.conn, [str(tight), str(wide), str(strict)], on=date(2025, 6, 3)).books
    ledger.conn.isolation_level = ledger.conn.read_only = None
    assert [(each.asked.kind, each.asked.authorization, each.code) for each in one.refused] == [
        ("authorize", "M2", "cap_exceeded")
    ]
    assert one.subjects[0].counters[0].standing.used == 3
    assert one.subjects[0].binding
    assert [(each.asked.seq, each.code) for each in two.admitted] == [(refused.seq, "cap_exceeded")]
    assert two.refused_count == 0
    assert (three.refused_count, three.refused[0].code) == (2, "not_permitted")


@pytest.mark.parametrize(("terms", "field"), [
    ({"quantity": "1.5"}, "quantity"),
    ({"quantity": ""}, "quantity"),
    ({"eccn": ""}, "eccn"),
    ({"eccn": "3A090.a"}, "eccn"),
    ({"training_operations": ""}, "training_operations"),
    ({"training_operations": "0"}, "training_operations"),
    ({"training_operations": "1E26"}, "training_operations"),
    ({"training_operations": "many"}, "training_operations"),
    ({"chips": H100}, "chips"),
    ({"effective_on": ""}, "effective_on"),
    ({"unit": "chips"}, "eccn"),
    ({"unit": "chips", "eccn": ""}, "training_operations"),
])  # fmt: skip
def test_an_authorization_for_models_states_what_they_are(terms: dict[str, str], field: str) -> None:
    with pytest.raises(Malformed) as caught:
        authorization({**models("M1", 1).raw, **terms}, None)
    assert caught.value.field == field


@pytest.mark.parametrize(("terms", "field"), [
    ({"training_operations": "1e25"}, "training_operations"),
    ({"unit": "chips", "quantity": "5"}, "unit"),
    ({"quantity": "2.5"}, "quantity"),
])  # fmt: skip
def test_what_models_are_cannot_be_amended(ledger: Ledger, terms: dict[str, str], field: str) -> None:
    ledger.must(models("M1", 1))
    receipt = ledger.refused(change("M1", "amended", "2025-07-01", **terms), "malformed")
    assert field in receipt.message


def test_a_license_for_chips_does_not_become_one_for_models(ledger: Ledger) -> None:
    ledger.must(license_("L1", "gulf", "AE", quantity="5"))
    more = {"unit": "models", "eccn": "4E091", "training_operations": "1e26"}
    ledger.refused(change("L1", "amended", "2025-07-01", **more), "malformed")
    raw = {"movement": "ship", "effective_on": "2025-06-02", "exporter": "nvidia"}
    line = {"chip": H100, "quantity": "1", "unit": "models", "recipient": "gulf", "destination": "AE"}
    ledger.refused(Request("movement", "m", {**raw, "lines": [line]}), "malformed")


def test_the_first_day_counts_where_no_other_is_stated(ledger: Ledger) -> None:
    ledger.must(models("M1", 3, "", first_day="2025-07-01"))
    assert (used(ledger, "2025-06-30"), used(ledger, "2025-07-01")) == (0, 3)


def test_terms_of_models_read_back_as_they_were() -> None:
    terms, _, _ = authorization(models("M1", 2, evidence="a=1; b=2", training_operations="3.8e25").raw, None)
    body = to_body(terms)
    assert body["training_operations"] == "38000000000000000000000000"
    again = from_body("authorization", json.loads(json.dumps(body)), 0)
    assert again == terms
    assert isinstance(again, Authorization)
    assert again.training_operations == Decimal(38) * 10**24


def test_models_move_with_the_ultimate_parent_of_who_has_them(conn: Any) -> None:
    owners = LIMITED.replace("by: [destination]", "by: [ultimate_parent]")
    ledger = Ledger(conn).begin(
        party("lab"), party("gulf", "AE"), party("buyer", "AE"), adopt(weights_book(owners)),
        models("M1", 2), models("M2", 1, last_day="2025-06-30"), party("gulf", "AE", "buyer", **{"from": "2025-07-01"}),
    )  # fmt: skip
    with Reader(ledger.conn).view(on=date(2025, 7, 1)) as view:
        found = exposure(view)
    assert {(each.party, each.now, each.places[0].models) for each in found.parties} == {("gulf", ("gulf", "buyer"), 2)}
    assert [(each.either.subject, each.change) for each in found.counters] == [
        ("ultimate_parent=buyer", 2), ("ultimate_parent=gulf", -2),
    ]  # fmt: skip


@pytest.fixture
def say(dsn: str, tmp_path: Any) -> Callable[..., Result]:
    def run(line: str) -> Result:
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path), "COLUMNS": None}
        return CliRunner().invoke(app, shlex.split(line), env=env)

    return run


ASKED = "remaining --destination AE --recipient gulf --training-operations 1e26 --on 2025-06-02"


def test_what_remains_is_told_in_models(ledger: Ledger, say: Callable[..., Result]) -> None:
    ledger.must(models("M1", 2))
    said = say(f"{ASKED} --authorization AIA")
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith("1 model fit the caps; models of destination=AE binds.")
    found = json.loads(say(f"{ASKED} --authorization AIA --json").stdout)
    assert (found["remaining_models"], found["remaining_chips"], found["binding_cap"]) == (1, None, "models")
    assert (found["caps"][0]["unit"], found["caps"][0]["limit"], found["rules"]) == ("models", "3", ["open"])
    assert json.loads(say(f"{ASKED} --json").stdout)["binding_cap"] == "not_permitted"
    less = json.loads(say(ASKED.replace("1e26", "9e25") + " --authorization AIA --json").stdout)
    assert (less["remaining_models"], less["binding_cap"]) == (None, "unlimited")
    ledger.must(models("M2", 1))
    assert say(f"{ASKED} --authorization AIA").stdout.startswith("0 models fit the caps")


@pytest.mark.parametrize(("more", "says"), [
    ("--chip nvidia-h200-sxm-141", "--chip is not asked of model weights"),
    ("--recipient nobody", "nobody"),
    ("--training-operations some", "training_operations"),
])  # fmt: skip
def test_what_cannot_be_asked_of_models_is_told(
    ledger: Ledger, say: Callable[..., Result], more: str, says: str
) -> None:
    said = say(f"{ASKED} {more}")
    assert said.exit_code == 2
    assert says in said.output
