"""Readings: a text with two meanings, chosen by the book or by the person asking; a verdict says which it turns on."""

from __future__ import annotations

import json
import shlex
from datetime import date
from typing import Any

import pytest
from typer.testing import CliRunner

from ledger import rulebooks
from ledger.backtest import backtest
from ledger.cli.rulebook import app
from ledger.core.errors import Malformed
from ledger.core.records import canonical
from ledger.core.turning import in_words
from ledger.posting import Request
from ledger.reconcile import reconcile_caps
from ledger.reports import Reader, remaining
from ledger.rulebooks.comparing import compare
from ledger.rulebooks.parameters import settings_of
from tests.world import AT, DIFFUSION, H100, H200, LICENSING, Ledger, adopt, book, license_, move, party

LPP, ENDS, COMMENT = "lpp-in-d1-d4", "unshipped-when-license-ends", "anthropic-comment-2025"
TWO = """\
readings:
  rest: {law: article 5, options: {stays: licensed, returns: installed}, chosen: stays}
  door: {law: article 6, options: {open: one, shut: the other}, chosen: open}
  idle: {law: article 7, options: {one: "1", two: "2"}, chosen: one}
"""
DOOR = "  - {name: gate, law: test, if: {door: shut}, where: {destination: AE}, answer: deny}\n"


def doored(*caps: str, chosen: str = "open") -> str:
    text = book(*caps).replace("rules:\n", f"{TWO}rules:\n{DOOR}")
    return text.replace("chosen: open", f"chosen: {chosen}")


def parse(text: str, **settings: str) -> Any:
    return rulebooks.parse(text, where="book.yaml", library=rulebooks.load, settings=tuple(settings.items()))


LAND = "name: land, counts: granted, gives_back: {unshipped: rest}, by: [destination], limit: 10 chips"
WORLD = "name: world, counts: granted, limit: 100 chips"


def grant(day: str, chips: int, to: str = "ae", **more: Any) -> Request:
    where = {"destination": to.upper(), "recipient": to, "authorization": f"L-{to}", "exporter": "nvidia"}
    return move("grant", day, chips, chip=H200, **where, **more)


@pytest.fixture
def ledger(conn: Any) -> Ledger:
    return Ledger(conn).begin(
        party("nvidia"), *(party(each, each.upper()) for each in ("ae", "sa")),
        *(license_(f"L-{each}", each, each.upper()) for each in ("ae", "sa")),
    )  # fmt: skip


# Chosen behind the name


@pytest.mark.parametrize(("setting", "rules"), [
    ("", True), (f"?{LPP}=barred", True), (f"?{LPP}=open", False), (f"?{LPP}=open&nveu-base=all", False),
])  # fmt: skip
def test_a_reading_is_chosen_behind_a_book_s_name(setting: str, rules: bool) -> None:
    found = rulebooks.load(DIFFUSION + setting)
    assert any(rule.name == "LPP-barred" for rule in found.rules) == rules
    assert found.name == DIFFUSION + setting
    assert rulebooks.load(found.name) == found
    assert (found.sha256 == rulebooks.load(DIFFUSION).sha256) == (not setting)


def test_readings_are_named_in_one_order_and_one_spelling() -> None:
    one, other = parse(doored(LAND), rest="returns", door="shut"), parse(doored(LAND), door=" shut", rest="returns")
    assert one == other
    assert one.name == "test-book?rest=returns&door=shut"
    assert (one.readings["rest"].chosen, one.readings["rest"].stated) == ("returns", "stays")
    assert not one.readings["idle"].is_set


def test_a_book_like_another_takes_its_readings_with_its_parameters() -> None:
    found = rulebooks.load(f"{COMMENT}?{ENDS}=stays&lpp-limit=5")
    assert found.name == f"{COMMENT}?lpp-limit=5&{ENDS}=stays"
    allocation = next(each for each in found.caps if each.name == "country-allocation")
    assert allocation.gives_back == frozenset()
    assert list(found.like) == [DIFFUSION]
    assert rulebooks.load(found.name) == found


@pytest.mark.parametrize(("query", "message"), [
    (f"{LPP}=opened", f'"opened" is not an option of the reading {LPP}. Did you mean "open"? Known options: open, bar'),
    (f"{LPP}=", "Known options: open, barred."),
    ("lpp-in-d1=open", f'There is no parameter or reading "lpp-in-d1" to set. Did you mean "{LPP}"?'),
    ("x=1", f"Known readings: {LPP} (open or barred), lpp-year-of (shipment or receipt)"),
    (f"{LPP}=open&{LPP}=open", "set twice"),
    (LPP, "READING=OPTION"),
])  # fmt: skip
@pytest.mark.parametrize("name", [DIFFUSION, COMMENT])
def test_what_cannot_be_chosen_is_refused_with_the_readings_and_options_there_are(
    name: str, query: str, message: str
) -> None:
    with pytest.raises(Malformed) as caught:
        rulebooks.load(f"{name}?{query}")
    assert message in f"{caught.value.message} {caught.value.remedy}"


def test_a_book_without_readings_says_so() -> None:
    with pytest.raises(Malformed, match=r"The book has no parameters\. The book has no readings\."):
        parse(book(WORLD), x="1")


def test_a_parameter_cannot_be_called_as_a_reading_is() -> None:
    text = rulebooks.shipped()[COMMENT].read_text().replace("lpp-limit", LPP)
    found = [each.message for each in rulebooks.lint(text, "book.yaml")]
    assert found == [f"{DIFFUSION} has a reading called {LPP} already."]


@pytest.mark.parametrize("name", [f"{DIFFUSION}?{LPP}=open", f"{DIFFUSION}?{LPP}=barred"])
def test_a_book_with_a_reading_chosen_is_never_adopted(name: str) -> None:
    with pytest.raises(Malformed, match="a book with settings"):
        rulebooks.bundle(name)


def test_show_and_diff_say_which_reading_was_chosen_otherwise() -> None:
    def run(*words: str) -> str:
        return " ".join(CliRunner().invoke(app, [*words], env={"COLUMNS": "100"}).stdout.split())

    other = f"{DIFFUSION}?{LPP}=open"
    assert "set as asked; the document chooses barred" in run("show", other)
    assert "the document chooses" not in run("show", DIFFUSION)
    told = json.loads(run("show", DIFFUSION, "--set", f"{LPP}=open", "--json"))
    assert next(each for each in told["readings"] if each["reading"] == LPP)["document_chooses"] == "barred"
    words = [each.words for each in compare(rulebooks.load(DIFFUSION), rulebooks.load(other))]
    assert words[0].startswith(f"The reading {LPP} is chosen differently, as asked: open (740.29(c) bars only D:5")
    assert words[1:] == ["The rule LPP-barred is removed."]


def test_by_may_turn_on_a_reading() -> None:
    assert [
        next(each for each in rulebooks.load(LICENSING + query).caps if each.name == "china-ratio").by
        for query in ("", "?ratio-per=product", "?ratio-per=applicant")
    ] == [("chip",), ("chip",), ("chip", "exporter")]


def test_the_share_of_us_firms_is_a_cap_only_where_it_is_read_as_fixed() -> None:
    fixed = rulebooks.load(f"{LICENSING}?uae-us-share=fixed")
    (added,) = {each.name for each in fixed.caps} - {each.name for each in rulebooks.load(LICENSING).caps}
    cap = next(each for each in fixed.caps if each.name == added)
    assert (cap.limit.words, cap.when_exceeded, cap.status) == ("400,000 chips", "flag", "reported")


# Asked wherever a rulebook is


def test_a_back_test_compares_both_meanings(conn: Any) -> None:
    """15 CFR 742.6(b)(10)(iii)(B)(1): what was never shipped "was licensed", or "was never installed"."""
    ledger = Ledger(conn).begin(
        party("nvidia"), party("my", "MY"), adopt(DIFFUSION), license_("L", "my", "MY", last_day="2025-06-30")
    )
    where = {"destination": "MY", "recipient": "my", "authorization": "L", "exporter": "nvidia", "chip": H100}
    ledger.must(move("grant", "2025-06-01", 40_000, **where))
    ledger.must(license_("M", "my", "MY"))
    late = ledger.must(move("grant", "2025-07-01", 40_000, **where | {"authorization": "M"}))
    names = [DIFFUSION, f"{DIFFUSION}?{ENDS}=stays"]
    returns, stays = backtest(conn, names, on=date(2025, 7, 1)).books
    assert [book.name for book in (returns, stays)] == names
    assert (returns.refused_count, [each.asked.seq for each in stays.refused]) == (0, [late])


def test_an_adopted_book_may_be_read_otherwise_too(ledger: Ledger) -> None:
    ledger.must(adopt(doored(LAND), "2025-01-01"))
    asked = {"destination": "AE", "recipient": "ae", "chip": H200, "authorization": "license"}
    with Reader(ledger.conn).view(on=date(2026, 1, 1), rulebook="test-book?door=shut") as view:
        assert view.stamp()["rulebook"] == "test-book?door=shut (revision 1)"
        left = remaining(view, **asked)
    assert (left.remaining_chips, left.binding_cap) == (0, "not_permitted")
    assert left.why.endswith("It turns on the reading door: shut.")
    with Reader(ledger.conn).view(on=date(2026, 1, 1), rulebook="test-book") as view:
        assert remaining(view, **asked).remaining_chips == 10


def test_a_run_of_a_book_read_otherwise_is_of_that_book(conn: Any) -> None:
    Ledger(conn).begin(adopt(doored(LAND), "2025-01-01"))
    run = reconcile_caps(conn, on=date(2026, 1, 1), at=AT, rulebook="test-book?rest=returns")
    assert run.report["rulebook"]["name"] == "test-book?rest=returns"
    assert not run.report["rulebook"]["in_force"]


# What a verdict turns on


@pytest.mark.parametrize(("chosen", "to", "readings"), [
    ("open", "ae", {"rest": "stays", "door": "open"}),  # the rule left out would have answered
    ("open", "sa", {"rest": "stays"}),
    ("shut", "ae", {"rest": "stays", "door": "shut"}),
    ("shut", "sa", {"rest": "stays"}),
])  # fmt: skip
def test_a_judgment_has_the_readings_that_it_turns_on(
    ledger: Ledger, chosen: str, to: str, readings: dict[str, str]
) -> None:
    ledger.must(adopt(doored(LAND, WORLD, chosen=chosen), "2025-01-01"))
    receipt = ledger.ask(grant("2026-01-02", 1, to))
    assert receipt.code == ("not_permitted" if (chosen, to) == ("shut", "ae") else "")
    judgment = ledger.judgment(receipt.seq)
    assert judgment["readings"] == readings
    kept = ledger.rows("SELECT judgment FROM journal WHERE seq = %s", receipt.seq)[0][0]
    assert bytes(kept) == canonical(judgment)


def test_a_rule_that_is_left_out_after_the_one_that_answers_decides_nothing(ledger: Ledger) -> None:
    text = doored(WORLD)
    ledger.must(adopt(text.replace(DOOR, "").replace("caps:\n", f"{DOOR}caps:\n"), "2025-01-01"))
    assert "readings" not in ledger.judgment(ledger.must(grant("2026-01-02", 1, "ae")))


def test_a_judgment_that_turns_on_no_reading_has_none(ledger: Ledger) -> None:
    ledger.must(adopt(doored(WORLD), "2025-01-01"))
    assert "readings" not in ledger.judgment(ledger.must(grant("2026-01-02", 1, "sa")))


def test_a_later_book_that_chooses_otherwise_is_told_apart(ledger: Ledger) -> None:
    ledger.must(adopt(doored(LAND), "2025-01-01", "2026-02-01"))
    later = ledger.must(adopt(doored(LAND).replace("chosen: stays", "chosen: returns"), "2026-02-01"))
    judgment = ledger.judgment(ledger.must(grant("2026-01-02", 1, "sa", last_day="2026-03-01")))
    assert judgment["readings"] == {"rest": "stays", f"rest@{later}": "returns"}


def test_readings_are_said_in_words_with_their_law() -> None:
    assert in_words({"door": "shut", "rest@7": "stays"}, [parse(doored(LAND, chosen="shut"))]) == [
        "door (article 6): shut, not open", "rest@7 (article 5): stays, not returns",
    ]  # fmt: skip


def test_settings_are_taken_apart_as_they_are_written() -> None:
    assert settings_of(f"{DIFFUSION}?{LPP}=open&nveu-base=all") == (DIFFUSION, ((LPP, "open"), ("nveu-base", "all")))
    assert shlex.quote(f"{DIFFUSION}?{LPP}=open") == f"'{DIFFUSION}?{LPP}=open'"


# What is counted and not held against a limit: headquarters in an allied country, destinations elsewhere

OUTSIDE = "allied-headquarters-outside"
MOST = 49_898  # H200 of 15,832 TPP that fit 790,000,000 TPP


def abroad(conn: Any, chosen: str) -> Ledger:
    """The framework, read one way, with a recipient of a Japanese group and one of its own, both in Malaysia."""
    text = rulebooks.bundle(DIFFUSION)[DIFFUSION]
    assert "chosen: counts-and-binds" in text
    return Ledger(conn).begin(
        party("nvidia"), party("nippon", "JP"), party("japanese", "MY", "nippon"), party("local", "MY"),
        adopt(text.replace("chosen: counts-and-binds", f"chosen: {chosen}")),
        license_("L-japanese", "japanese", "MY"), license_("L-local", "local", "MY"),
    )  # fmt: skip


def licensed(to: str, chips: int) -> Request:
    where = {"destination": "MY", "recipient": to, "authorization": f"L-{to}", "exporter": "nvidia"}
    return move("grant", "2025-06-02", chips, chip=H200, **where)


@pytest.mark.parametrize(
    ("chosen", "to", "chips", "code"),
    [
        ("counts-and-binds", "japanese", MOST, ""),
        ("counts-and-binds", "japanese", MOST + 1, "cap_exceeded"),
        ("counts-only", "japanese", MOST + 1, ""),
        ("counts-only", "local", MOST, ""),
        ("counts-only", "local", MOST + 1, "cap_exceeded"),
    ],
)
def test_allied_headquarters_are_counted_and_bound_only_where_the_book_reads_it_so(
    conn: Any, chosen: str, to: str, chips: int, code: str
) -> None:
    """15 CFR 742.6(b)(10)(iii)(A)(2) against (B): approved without a ceiling, or counted by destination."""
    ledger = abroad(conn, chosen)
    receipt = ledger.ask(licensed(to, chips))
    assert receipt.code == code
    assert ledger.judgment(receipt.seq)["readings"][OUTSIDE] == chosen


def test_what_only_counts_takes_the_room_of_others_and_raises_no_discrepancy(conn: Any) -> None:
    ledger = abroad(conn, "counts-only")
    ledger.must(licensed("local", 10), licensed("japanese", MOST))
    assert ledger.discrepancies() == []
    assert ledger.used("country-allocation", "destination=MY", "2025-06-02") == str((MOST + 10) * 15832)
    ledger.refused(licensed("local", 1), "cap_exceeded")
    ledger.must(licensed("japanese", 1))


def test_what_is_left_says_that_it_is_only_counted(conn: Any) -> None:
    ledger = abroad(conn, "counts-only")
    ledger.must(licensed("local", MOST))
    with Reader(ledger.conn).view(on=date(2025, 6, 2)) as view:
        asked = {"destination": "MY", "chip": H200, "authorization": "license", "exporter": "nvidia"}
        left = {to: remaining(view, recipient=to, **asked) for to in ("japanese", "local")}
    assert (left["japanese"].remaining_chips, left["japanese"].binding_cap) == (None, "unlimited")
    assert (left["local"].remaining_chips, left["local"].binding_cap) == (0, "country-allocation")


def test_a_back_test_compares_whether_allied_headquarters_are_bound(conn: Any) -> None:
    ledger = abroad(conn, "counts-only")
    ledger.must(licensed("japanese", MOST + 1), licensed("japanese", 1))
    named = [f"{DIFFUSION}?{OUTSIDE}={option}" for option in ("counts-and-binds", "counts-only")]
    both = backtest(ledger.conn, named, on=date(2025, 6, 3))
    assert [under.refused_count for under in both.books] == [2, 0]
    assert [len(under.subjects) for under in both.books] == [len(both.books[0].subjects)] * 2
