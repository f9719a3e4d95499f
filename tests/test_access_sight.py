"""What each may see: an exporter its own, of a shared cap what is left for it; and no more by asking twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest
from world import AT, H100, Ledger, adopt, book, license_, move, party

from ledger.access import PUBLIC, Principal, fits, sight, telling
from ledger.core.errors import NotFound, Problem
from ledger.core.movements import Movement
from ledger.posting import Receipt
from ledger.posting.requests import read
from ledger.reports import Reader, View

A, B = "nvidia", "amd"
EXPORTER = Principal("jo", "exporter", A)
OTHER = Principal("su", "exporter", B)
TRUSTED = [Principal("p", role) for role in ("regulator", "auditor", "operator")]
DAY = date(2025, 6, 20)
ALLOCATION = (
    "name: allocation, counts: granted, by: [destination], limit: 790000000 TPP, when_exceeded: refuse, where: {}"
)
YEARLY = "name: yearly, counts: granted, by: [exporter], limit: 90000000 TPP, when_exceeded: refuse, where: {}"
SITE = "name: site, counts: shipped, by: [destination], limit: 10000 chips, when_exceeded: refuse, where: {}"
WATCH = "name: watch, counts: granted, by: [recipient], limit: none, where: {}"
LINE_A = {"exporter": A, "recipient": "mydc", "destination": "MY", "authorization": "L1"}
LINE_B = {"exporter": B, "recipient": "secretdc", "destination": "MY", "authorization": "L2"}
WITHHELD = "48,898", "774,152,136", "15,847,864", "790,000,000", "790000000"


@pytest.fixture
def ledger(conn) -> Ledger:
    """Two exporters to Malaysia, with one allocation for both; the second has used most of it."""
    ledger = Ledger(conn).begin(
        adopt(book(ALLOCATION, SITE, WATCH)), party(A), party(B), party("mydc", "MY"), party("secretdc", "MY"),
        license_("L1", "mydc", "MY", A), license_("L2", "secretdc", "MY", B), license_("L3", "mydc", "MY", ""),
        license_("V1", "mydc", "MY", "", kind="UVEU"),
    )  # fmt: skip
    ledger.must(move("grant", "2025-06-02", 1_000, key="a", **LINE_A), move("grant", "2025-06-03", 47_898, **LINE_B))
    ledger.must(move("ship", "2025-06-04", 4_321, **LINE_B), actor=B)
    conn.commit()
    return ledger


@contextmanager
def viewing(dsn: str, **asked: Any) -> Iterator[View]:
    with psycopg.connect(dsn) as conn, Reader(conn).view(on=DAY, **asked) as view:
        yield view


@pytest.fixture
def view(dsn, ledger) -> Iterator[View]:
    with viewing(dsn) as view:
        yield view


def movement(kind: str, quantity: int, **line: Any) -> Movement:
    asked = read(move(kind, DAY.isoformat(), quantity, **line)).movement
    assert asked is not None
    return asked


def answer(act: Any) -> tuple[type, str, str, str]:
    """Return everything that somebody who asked for one thing is told, the thing's own name left out."""
    with pytest.raises(Problem) as refused:
        act()
    problem = refused.value
    return type(problem), problem.code, problem.message.split("'")[0], problem.remedy


# Parties, authorizations, records


@pytest.mark.parametrize(("who", "own", "others"), [
    *((trusted, True, True) for trusted in TRUSTED), (EXPORTER, True, False), (PUBLIC, False, False),
])  # fmt: skip
def test_an_exporter_sees_its_own_and_the_trusted_see_all(view, who, own, others):
    terms = view.position.knowledge.authorizations
    assert sight.may_see_party(who, A) == sight.may_see_record(who, A) == own
    assert sight.may_see_party(who, B) == sight.may_see_record(who, B) == sight.may_see_record(who, None) == others
    assert sight.may_see_authorization(who, terms["L1"]) == own
    assert {sight.may_see_authorization(who, terms[name]) for name in ("L2", "L3", "V1")} == {others}
    assert sight.may_see_party(who, "") == sight.may_see_record(who, "") == others


def test_what_is_unknown_and_what_may_not_be_seen_are_answered_alike(view):
    for see, there, not_there in (
        (sight.party_seen, "secretdc", "nobody"),
        (sight.party_seen, B, "nobody"),
        (sight.authorization_seen, "L2", "L9"),
        (sight.authorization_seen, "L3", "L9"),
    ):
        for who in (EXPORTER, PUBLIC):
            told = [answer(partial(see, who, view, name)) for name in (there, not_there)]
            assert told[0] == told[1]
        assert see(TRUSTED[0], view, there)


def test_of_those_it_deals_with_an_exporter_sees_id_and_name(view):
    assert sight.party_seen(EXPORTER, view, "mydc") == {"party": "mydc", "name": "mydc"}
    assert sight.party_seen(EXPORTER, view, A)["headquarters"] == "US"
    assert sight.named_parties(EXPORTER, view) == {A: A, "mydc": "mydc"}
    assert sight.named_parties(OTHER, view) == {B: B, "secretdc": "secretdc"}
    assert [terms.authorization for terms in sight.authorizations_seen(EXPORTER, view)] == ["L1"]
    assert len(sight.authorizations_seen(TRUSTED[0], view)) == 4


def test_every_role_reads_what_the_table_says(view):
    whoever = [*TRUSTED, EXPORTER, PUBLIC]
    may = {what: {who.role for who in whoever if sight.may_read(who, what)} for what in sight.SEES}
    assert may["remaining"] == may["own records"] == {"regulator", "auditor", "operator", "exporter"}
    assert may["usage"] == may["history"] == may["standings"] == may["journal"] == {"regulator", "auditor", "operator"}
    assert may["metrics"] == {"operator"}
    assert not any("public" in roles for roles in may.values())
    assert not any(sight.may_read(who, "something nobody thought of") for who in whoever)
    assert [sight.may_read(PUBLIC, "public totals", public_page=shown) for shown in (True, False)] == [True, False]
    assert sight.may_read(TRUSTED[0], "public totals")


# What is left


def test_of_a_shared_cap_an_exporter_sees_what_is_left_at_least_and_the_state(view):
    asked = {"destination": "MY", "recipient": "mydc", "chip": H100, "authorization": "license"}
    exact = sight.left_for(TRUSTED[0], view, **asked)
    told = sight.left_for(EXPORTER, view, **asked)
    assert (exact.remaining_chips, exact.binding_cap) == (1_000, "allocation")
    assert (told.remaining_chips, told.remaining_tpp, told.binding_cap) == (1_000, Decimal(15_000_000), "allocation")
    by_name = {cap.cap: cap for cap in told.caps}
    shared = by_name["allocation"]
    assert (shared.limit, shared.used, shared.doubt) == (None, None, None)
    assert (shared.remaining, shared.state, shared.subject) == (Decimal(15_000_000), "critical", "destination=MY")
    assert (by_name["watch"].used, by_name["watch"].remaining) == (None, None)
    assert not any(figure in repr(told) for figure in WITHHELD)


def test_a_small_movement_of_another_does_not_show_as_a_difference(ledger, conn, dsn):
    asked = {"destination": "MY", "recipient": "mydc", "chip": H100, "authorization": "license"}
    ledger.must(move("grant", "2025-06-05", 11, **LINE_B))
    conn.commit()
    told = []
    for _ in range(3):
        with viewing(dsn) as view:
            told.append(sight.left_for(EXPORTER, view, **asked))
        ledger.must(move("grant", "2025-06-05", 2, **LINE_B))
        conn.commit()
    assert told[0] == told[1] == told[2]
    assert told[0].remaining_chips == 980


def test_its_own_cap_and_its_own_license_are_exact(ledger, conn, dsn):
    ledger.must(adopt(book(YEARLY, name="own-book"), "2025-06-01"))
    conn.commit()
    with viewing(dsn) as view:
        told = sight.left_for(EXPORTER, view, destination="MY", recipient="mydc", chip=H100, authorization="license")
        (cap,) = told.caps
        assert (cap.limit, cap.used, cap.remaining) == (90_000_000, 15_832_000, 74_168_000)
        assert told.remaining_chips == 4_684
        shipped = sight.left_for(EXPORTER, view, destination="MY", recipient="mydc", chip=H100, authorization="L1")
        assert (shipped.binding_cap, shipped.remaining_chips, shipped.open_chips) == ("authorization", 1_000, 1_000)


def test_an_exporter_asks_for_itself_now_and_under_what_is_adopted(ledger, conn, dsn):
    asked = {"destination": "MY", "recipient": "mydc", "chip": H100}
    with viewing(dsn) as view:
        assert sight.may_ask(EXPORTER, view) == A
        assert sight.may_ask(TRUSTED[0], view, exporter=B, authorizations=["L2"]) == B
        for who, more in ((EXPORTER, {"exporter": B}), (EXPORTER, {"exporter": "nobody"}), (PUBLIC, {})):
            with pytest.raises(Problem) as refused:
                sight.left_for(who, view, **asked, **more)
            assert refused.value.code == "forbidden"
    for at in ({"known": 3}, {"known": AT}, {"rulebook": "us-diffusion-2025"}):
        with viewing(dsn, **at) as view, pytest.raises(Problem, match="as it is now") as refused:
            sight.left_for(EXPORTER, view, **asked)
        assert refused.value.code == "forbidden"


def test_no_question_tells_whether_another_has_a_license(view):
    asked = {"destination": "MY", "recipient": "mydc", "chip": H100}
    told = {
        name: answer(lambda name=name: sight.left_for(EXPORTER, view, **asked, authorization=name))
        for name in ("L2", "L3", "L9")
    }
    assert len(set(told.values())) == 1
    assert told["L2"][1] == "unknown_authorization"
    assert sight.left_for(EXPORTER, view, **asked, authorization="V1").open_chips is None


# Would it fit


def test_a_fit_is_exact_and_shows_no_totals_of_a_shared_cap(view):
    over = movement("grant", 1_001, **LINE_A)
    for who, shows in ((TRUSTED[0], True), (Principal("p", "operator"), True)):
        fit = fits.fit_for(who, view, over)
        assert (fit.verdict, fit.code, fit.binding_cap) == ("refused", "cap_exceeded", "allocation")
        assert ("790,000,000" in fit.message) == shows
    ship = {**LINE_A, "authorization": "V1"}
    assert fits.fit_for(EXPORTER, view, movement("ship", 5_679, **ship)).verdict == "posted"
    fit = fits.fit_for(EXPORTER, view, movement("ship", 5_680, **ship))
    assert (fit.verdict, fit.code, fit.binding_cap) == ("refused", "cap_exceeded", "site")
    assert fit.message == "test-book: site of destination=MY has no room for it on 2025-06-20."
    assert fit.remedy == "Ask for 5,600 chips or fewer under a new key."
    (cap,) = fit.caps
    assert (cap.limit, cap.used, cap.left, cap.asked, cap.finding) == (None, None, None, 5_680, "exceeded")
    assert json.loads(json.dumps(fit.body()))["caps"][0]["asked"] == "5680"
    assert "4321" not in json.dumps(fit.body()).replace(",", "")


def test_what_an_observation_would_open_is_told_without_totals(view):
    fit = fits.fit_for(EXPORTER, view, movement("ship", 9_000, **LINE_A | {"authorization": "V1"}), observed=True)
    assert fit.verdict == "posted"
    assert {breach["code"] for breach in fit.breaches} == {"cap_exceeded", "reported_after_the_fact"}
    assert "limit" not in json.dumps(fit.breaches)


def test_a_fit_names_what_is_unknown_and_what_is_another_s_alike(view):
    told = [
        fits.fit_for(EXPORTER, view, movement("ship", 1, **LINE_A | {"authorization": name})) for name in ("L2", "L9")
    ]
    assert {(fit.verdict, fit.code, fit.binding_cap) for fit in told} == {("refused", "unknown_authorization", None)}
    assert told[0].message.replace("L2", "L9") == told[1].message


# Receipts


def test_a_receipt_of_a_shared_cap_tells_an_exporter_no_totals_and_the_trusted_all(ledger):
    line = LINE_A | {"authorization": "V1"}
    receipt = ledger.refused(move("ship", "2025-06-20", 9_000, key="much", **line), "cap_exceeded", A)
    assert {telling.for_principal(who, receipt) for who in TRUSTED} == {receipt}
    told = telling.for_principal(EXPORTER, receipt)
    assert told == receipt._replace(
        message="test-book: site of destination=MY has no room for it on 2025-06-20.",
        remedy="Ask for 5,600 chips or fewer under a new key.",
    )
    again = ledger.ask(move("ship", "2025-06-20", 9_000, key="much", **line), A)
    assert telling.for_principal(EXPORTER, again) == told
    ledger.must(move("ship", "2025-06-20", 5_600, **line), actor=A)  # what was told is true


def test_a_key_that_is_worded_like_an_own_cap_opens_nothing(ledger):
    key = f"x: cap of exporter={A} would be over on 2025-01-01: limit 1 chips, used 1, asked 1, left 1."
    line = LINE_A | {"authorization": "V1"}
    first, second = ledger.post(
        move("ship", "2025-06-20", 9_000, key=key, **line),
        move("ship", "2025-06-20", 1, **line),
        actor=A,
        together=True,
    )
    assert "10,000" in second.message
    for receipt in (first, second):
        told = telling.for_principal(EXPORTER, receipt)
        assert "10,000" not in told.message
        assert "4,321" not in told.message


@pytest.mark.parametrize(("message", "remedy"), [
    ("a cap, in words that nobody foresaw: 4,321 of 10,000", "Ask the 4,321st time."),
    ("over: limit 10,000", "Ask for about 5,679 chips or so."),
    ("", "Ask for 5,679.5 TPP or less, of 10,000."),
])  # fmt: skip
def test_what_cannot_be_read_is_withheld(message, remedy):
    _, told, advice = telling.told(EXPORTER, "cap_exceeded", message, remedy)
    assert told == "A cap has no room for it."
    assert "5,679" not in advice + told
    assert "4,321" not in advice + told


@pytest.mark.parametrize("code", ["exceeds_authorization", "undetermined", "not_permitted", "", "unknown_party"])
def test_any_other_reason_is_told_as_it_is(code):
    receipt = Receipt("refused", "k", 1, code, "because of 12", "do 13", "aa")
    assert telling.for_principal(EXPORTER, receipt) == receipt


@pytest.mark.parametrize(("amount", "rounded"), [
    ("0", "0"), ("-5", "0"), ("7", "7"), ("99", "99"), ("99.9", "99"), ("100", "100"), ("109", "100"), ("898", "890"),
    ("49898", "49000"), ("15832000.5", "15000000"), ("0.4", "0"),
])  # fmt: skip
def test_what_is_left_is_rounded_down_to_two_figures(amount, rounded):
    assert telling.at_least(Decimal(amount)) == Decimal(rounded)


# Nothing by guessing


def test_no_request_tells_whether_another_has_a_license_or_a_lot(ledger):
    """Refused alike, recorded alike, and alike when it is asked again."""
    theirs = [seq for (seq,) in ledger.rows("SELECT seq FROM lot WHERE recipient = 'secretdc' ORDER BY seq")]
    pairs = [
        ({"authorization": "L2"}, {"authorization": "L9"}),
        ({"authorization": "V1", "of": f"{theirs[0]}.1"}, {"authorization": "V1", "of": "999.1"}),
    ]
    for there, not_there in pairs:
        told = []
        for n, line in enumerate((there, not_there)):
            request = move("ship", "2025-06-20", 1, key=f"guess {n} {line}", **LINE_A | line)
            first, again = ledger.ask(request, A), ledger.ask(request, A)
            named = next(line[name] for name in ("of", "authorization") if name in line)
            told.append((first.verdict, first.code, first.message.replace(named, "X"), first.remedy,
                         again.seq == first.seq))  # fmt: skip
        assert told[0] == told[1]


@pytest.mark.parametrize(("kind", "line"), [
    ("release", {"chip": H100}),
    ("transfer", {"from_recipient": "{who}", "recipient": "mydc", "destination": "MY"}),
    ("reexport", {"from_recipient": "{who}", "from_destination": "MY", "recipient": "mydc", "destination": "US"}),
])  # fmt: skip
def test_no_request_tells_whether_another_has_chips_somewhere(ledger, kind, line):
    ledger.must(move("receive", "2025-06-10", 100, recipient="secretdc", destination="MY"))
    ledger.must(move("reserve", "2025-06-10", 5, exporter=B, recipient="secretdc", destination="MY",
                     last_day="2026-01-01"))  # fmt: skip
    told = []
    for who in ("secretdc", "mydc"):
        stated = {name: value.format(who=who) for name, value in line.items()}
        if kind == "release":
            stated |= {"recipient": who, "destination": "MY"}
        receipt = ledger.ask(move(kind, "2025-06-20", 1, **stated), A)
        told.append((receipt.code, receipt.message.replace(who, "X"), receipt.remedy))
    assert told[0] == told[1]
    assert told[0][0] == "forbidden"


def test_a_recipient_may_name_the_license_that_it_is_for(ledger):
    ledger.must(move("receive", "2025-06-10", 100, recipient="secretdc", destination="MY", authorization="L2"),
                actor="secretdc")  # fmt: skip
    ledger.refused(
        move("receive", "2025-06-10", 1, recipient="mydc", destination="MY", authorization="L2"),
        "unknown_authorization", "mydc",
    )  # fmt: skip


def test_an_unknown_thing_has_the_same_name_in_a_question_and_in_a_request(view):
    with pytest.raises(NotFound) as asked:
        sight.left_for(EXPORTER, view, destination="MY", recipient="mydc", chip=H100, authorization="L2")
    fit = fits.fit_for(EXPORTER, view, movement("ship", 1, **LINE_A | {"authorization": "L2"}))
    assert (asked.value.code, asked.value.message, asked.value.remedy) == (fit.code, fit.message, fit.remedy)


# Would a new license fit


@pytest.mark.parametrize(
    ("quantity", "exporter", "operator"),
    [  # 989 are left, told as 980 in steps of 10
        (980, "posted", "posted"), (981, "undetermined", "posted"), (989, "undetermined", "posted"),
        (990, "refused", "refused"), (5_000, "refused", "refused"),
    ],
)  # fmt: skip
def test_a_question_about_a_new_license_tells_no_more_than_what_is_left(
    ledger, conn, dsn, quantity, exporter, operator
):  # fmt: skip
    ledger.must(move("grant", "2025-06-05", 11, **LINE_B))
    conn.commit()
    asked = {"destination": "MY", "recipient": "mydc", "chip": H100, "quantity": quantity}
    with viewing(dsn) as view:
        for who, verdict in ((EXPORTER, exporter), (Principal("p", "operator"), operator)):
            fit, left = fits.license_fit(who, view, **asked)
            assert (fit.verdict, fit.binding_cap, left.binding_cap) == (verdict, "allocation", "allocation")
        told = repr(fits.license_fit(EXPORTER, view, **asked)).replace(",", "")
        assert not any(figure.replace(",", "") in told for figure in (*WITHHELD, " 989 "))
