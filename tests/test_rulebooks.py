"""Reading a rulebook: what is text, what is an error and on which line, and what travels with a book."""

from __future__ import annotations

import json
import re
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger import rulebooks
from ledger.cli.rulebook import app
from ledger.core.errors import BadRulebook, NotFound
from ledger.core.rulebook import All, Any, Rulebook
from ledger.core.rulebook import Test as Condition

DOCS = Path(__file__).parent.parent / "docs" / "rulebooks.md"

SMALL = """\
rulebook: small
revision: 1
title: Small
source: Gazette 1
status: {codified: {from: 2026-01-01, law: Gazette 1}}
countries: [AE, CN, HK, JP, KH, NO, US]
places: {CN: {any: [HK], law: art. 1}}
lists:
  allied: {any: [JP, NO, US], law: annex A}
  denied: {any: [CN, {KH: {until: 2026-06-01}}], law: annex B}
tiers:
  1: {any: allied, law: art. 2}
  3: {any: denied, law: art. 2}
  2: {any: everyone else, law: art. 2}
readings:
  rest: {law: art. 5, options: {stays: one, returns: two}, chosen: returns}
controls:
  a: {meets: 3A090.a, covers: [3A090.a], law: annex C}
rules:
  - {name: door, law: art. 3, where: {control: [a]}, answer: permit}
caps:
  - {name: cap, law: art. 4, counts: granted, gives_back: {unshipped: rest}, by: [destination], limit: 5 TPP}
"""
LINES = SMALL.splitlines()
LIST, TIER, READING, CONTROL, RULE, CAP = 9, 12, 16, 18, 20, 22


def with_line(number: int, text: str) -> str:
    """Return the small book with one line replaced, or one more at its end."""
    lines = [*LINES]
    lines[number - 1 : number] = [text]
    return "\n".join(lines) + "\n"


def with_rule(rest: str) -> str:
    return with_line(RULE, f"  - {{name: door, law: art. 3, {rest}}}")


def with_where(where: str) -> str:
    return with_rule(f"answer: permit, where: {where}")


def with_cap(rest: str) -> str:
    return with_line(CAP, f"  - {{name: cap, law: art. 4, {rest}}}")


def with_limit(limit: str) -> str:
    return with_cap(f"counts: granted, limit: {limit}")


def with_more(text: str) -> str:
    return SMALL + text + "\n"


def with_duty(when: str) -> str:
    return with_more(f"duties: [{{name: duty, law: art. 6, who: exporter, do: report, when: {when}}}]")


def no_library(name: str) -> Rulebook:
    raise NotFound(f"There is no {name}.")


def parse(text: str) -> Rulebook:
    return rulebooks.parse(text, where="book.yaml", library=no_library)


# What it reads


def test_every_scalar_is_text():
    book = parse(SMALL.replace("title: Small", "title: yes").replace("source: Gazette 1", "source: 2026-01-01"))
    assert (book.title, book.source) == ("yes", "2026-01-01")
    assert "NO" in book.members("allied", date(2026, 1, 1))
    assert list(book.tiers) == ["1", "3", "2"]


@pytest.mark.parametrize(("limit", "unit", "steps", "words"), [
    ("790_000_000 TPP", "TPP", ((None, Decimal(790_000_000)),), "790,000,000 TPP"),
    ("20919.2 TPP", "TPP", ((None, Decimal("20919.2")),), "20,919.2 TPP"),
    ("0 TPP", "TPP", ((None, Decimal(0)),), "0 TPP"),
    ("75_000 chips", "chips", ((None, Decimal(75_000)),), "75,000 chips"),
    ("35_000 x nvidia-gb300-gpu @ 60000 TPP", "TPP", ((None, Decimal(2_100_000_000)),),
     "35,000 x nvidia-gb300-gpu @ 60,000 TPP"),
    ("undetermined", "TPP", ((None, None),), "undetermined"),
    ("{schedule: {2026-01-01: 5 chips, 2027-01-01: undetermined}}", "chips",
     ((date(2026, 1, 1), Decimal(5)), (date(2027, 1, 1), None)),
     "5 chips from 2026-01-01; undetermined from 2027-01-01"),
])  # fmt: skip
def test_an_amount_is_exact_and_keeps_its_unit(limit, unit, steps, words):
    found = parse(with_limit(limit)).caps[0].limit
    assert (found.unit, found.steps, found.words, found.unlimited) == (unit, steps, words, False)


def test_a_limit_of_none_is_only_watched():
    limit = parse(with_limit("none")).caps[0].limit
    assert limit.unlimited


@pytest.mark.parametrize(("window", "kind", "days"), [
    ("calendar year", "calendar_year", None),
    ("calendar quarter", "calendar_quarter", None),
    ("rolling 365 days", "rolling", 365),
    ("{from: 2026-01-01}", "span", None),
])  # fmt: skip
def test_a_window_is_one_of_four_kinds(window, kind, days):
    found = parse(with_cap(f"counts: granted, window: {window}, limit: 5 TPP")).caps[0].window
    assert (found.kind, found.days) == (kind, days)


def test_what_holds_after_a_window_is_kept():
    cap = parse(
        with_cap("counts: granted, window: {from: 2026-01-01, until: 2027-01-01}, after: undetermined, limit: 5 TPP")
    )
    assert cap.caps[0].window.after == "undetermined"


@pytest.mark.parametrize(("where", "test"), [
    ("{destination: allied}", Condition("destination", "in", ("@allied",))),
    ("{destination: [US, denied]}", Condition("destination", "in", ("US", "@denied"))),
    ("{destination: {not: denied}}", Condition("destination", "not_in", ("@denied",))),
    ("{destination_tier: [2]}", Condition("destination_tier", "in", ("2",))),
    ("{data_center: no}", Condition("data_center", "in", ("no",))),
    ("{chip: [nvidia-b200]}", Condition("chip", "in", ("nvidia-b200",))),
    ('{tpp: "< 21000"}', Condition("tpp", "<", (Decimal(21_000),))),
    ('{us_available_on: "<= 2026-01-15"}', Condition("us_available_on", "<=", (date(2026, 1, 15),))),
    ('{training_operations: ">= 1e26"}', Condition("training_operations", ">=", (Decimal(10) ** 26,))),
    ("{any: [{destination: US}, {owner: g42}]}",
     Any((All((Condition("destination", "in", ("US",)),)), All((Condition("owner", "in", ("g42",)),))))),
])  # fmt: skip
def test_a_condition_names_lists_by_a_mark_and_everything_else_as_it_is(where, test):
    assert parse(with_where(where)).rules[0].where == All((test,))


def test_a_reading_chooses_a_rule_a_value_a_review_and_what_gives_back():
    chosen = with_cap(
        "if: {rest: returns}, counts: {rest: [shipped, granted]}, gives_back: {unshipped: rest}, limit: 5 TPP"
    )
    other = chosen.replace("chosen: returns", "chosen: stays")
    cap = parse(chosen).caps[0]
    assert (cap.counts, cap.gives_back) == ("granted", {"unshipped"})
    assert parse(other).caps == ()
    cap = parse(other.replace("if: {rest: returns}, ", "")).caps[0]
    assert (cap.counts, cap.gives_back) == ("shipped", frozenset())
    assert parse(with_rule("answer: permit, review: rest")).rules[0].review == "two"
    assert parse(with_rule("answer: deny, if: {rest: stays}")).rules == ()


def test_an_alternative_may_hold_for_one_option_only():
    where = (
        parse(with_where("{any: [{if: {rest: stays}, owner: g42}, {if: {rest: returns}, operator: g42}]}"))
        .rules[0]
        .where
    )
    assert where == All((Any((All((Condition("operator", "in", ("g42",)),)),)),))


def test_a_reading_knows_what_turns_on_it():
    assert parse(SMALL).readings["rest"].used_by == ("cap",)


# What it refuses


@pytest.mark.parametrize(("text", "line", "message"), [
    # the document
    ("", 1, "empty"),
    ("rulebook: [", 2, "not YAML"),
    ("- a list", 1, "must be a table"),
    ("rulebook: a\x07b", 1, "character"),
    (with_line(3, 'title: "a\\eb"'), 3, "control character"),
    (with_more("---\nrulebook: b"), 23, "second document"),
    (with_line(3, "title: &t Small"), 3, "Anchors"),
    (with_line(3, "title: !!str Small"), 3, "Explicit types"),
    (with_line(3, "title: " + "[" * 30 + "]" * 30), 3, "nested more than"),
    (with_more("? [a]\n: b"), 23, "key must be text"),
    (with_line(3, "titel: Small"), 3, 'unknown key "titel"'),
    (with_more("title: Again"), 23, 'key "title" stands twice: first on line 3'),
    (with_line(3, ""), 1, "has no `title`"),
    (with_line(3, "title:"), 3, "is empty"),
    (with_line(3, "title: [a]"), 3, "must be text, not a list"),
    (with_line(1, "rulebook: two words"), 1, "is not a name"),
    (with_line(2, "revision: 1.0"), 2, "not a whole number"),
    (with_line(2, "revision: 0"), 2, "not a whole number"),
    # status
    (with_line(5, "status: {forced: none}"), 5, 'unknown key "forced"'),
    (with_line(5, "status: {enforced: {from: 2026-13-01}}"), 5, "is not a date"),
    (with_line(5, "status: {enforced: {from: 2026-01-02, until: 2026-01-02}}"), 5, "ends on 2026-01-02"),
    (with_line(5, "status: {enforced: {from: 2026-01-01, law: a, b}}"), 5, 'unknown key "b"'),
    # countries, places, lists, tiers
    (with_line(6, "countries: [AE, ZZ]"), 6, '"ZZ" is not a country'),
    (with_line(6, "countries: [AE, CN, HK, JP, KH, NO, US, US]"), 6, "US stands twice"),
    (with_line(6, "countries: [AE, CN, HK, KH, NO, US]"), 9, "JP is not among the book's `countries`"),
    (with_line(7, "places: {CN: [CN]}"), 7, "CN cannot count as itself"),
    (with_line(7, "places: {CN: [HK], HK: [AE]}"), 7, "HK counts as CN and also stands elsewhere"),
    (with_line(7, "places: {CN: HK}"), 7, "must be a list"),
    (with_line(LIST, "  allied: {any: [JP, NO, UK], law: x}"), LIST, '"UK" is neither a list nor a country'),
    (with_line(LIST, "  allied: {any: [JP, HK], law: x}"), LIST, "HK counts as CN in this book"),
    (with_line(LIST, "  allied: {some: [JP], law: x}"), LIST, 'unknown key "some"'),
    (with_line(LIST, "  allied: {any: JP, law: x}"), LIST, "must be a list"),
    (with_line(LIST, "  AE: {any: [JP], law: x}"), LIST, "cannot be called"),
    (with_line(LIST, "  allied: {any: [{KH: {til: 2026-01-01}}], law: x}"), LIST, 'unknown key "til"'),
    (with_line(LIST, "  allied: {any: [{KH: {from: 1 May}}], law: x}"), LIST, "is not a date"),
    (with_line(LIST, "  allied: {any: [allied], law: x}"), LIST, "made of itself: allied -> allied"),
    (with_line(LIST, "  allied: {any: [JP], law: x}\n  x: {any: [y], law: x}\n  y: {any: [x], law: x}"), LIST + 1,
     "x -> y -> x"),
    (with_line(LIST, "  allied: {any: [JP, CN], law: x}"), 13, "CN is in tier 1 and in tier 3"),
    (with_line(LIST, "  allied: {any: [JP, {KH: {from: 2026-05-01}}], law: x}"), 13,
     "KH is in tier 1 and in tier 3 on 2026-05-01"),
    (with_line(TIER, "  1: {any: alied, law: x}"), TIER, '"alied" is neither a list'),
    (with_line(TIER, "  1: {any: everyone else, law: x}"), 14, "Two tiers hold everyone else"),
    (with_line(TIER + 2, "  2: {any: everyone else, but_not: allied, law: x}"), 14, "cannot leave anyone out"),
    # readings
    (with_line(READING, "  rest: {law: x, options: {a: one, returns: two}, chosen: b}"), READING,
     '"b" is not an option'),
    (with_line(READING, "  rest: {law: x, options: {returns: two}, chosen: returns}"), READING, "fewer than two"),
    (with_line(READING, "  rest: {options: {a: one, returns: two}, chosen: a}"), READING, "has no `law`"),
    (with_line(READING, "  rest: {law: x, options: {a: one, b: two}, chosen: a}"), CAP,
     "No option of rest is called `returns`"),
    # controls
    (with_line(CONTROL, "  a: {meets: 3A090.d, law: x}"), CONTROL, '"3A090.d" is not known'),
    (with_line(CONTROL, "  a: {law: x}"), CONTROL, "either `meets` or `chips`"),
    (with_line(CONTROL, "  a: {chips: [nvidia-h21], law: x}"), CONTROL, '"nvidia-h21" is not a chip of the catalog'),
    (with_line(CONTROL, "  a: {meets: 3A090.a, covers: [3A], law: x}"), CONTROL, '"3A" is not an ECCN'),
    (with_line(CONTROL, "  a: {meets: none, law: x}\n  b: {meets: none, law: x}"), CONTROL + 1,
     "in the class a already"),
    # rules
    (with_rule("answer: maybe"), RULE, '`answer` "maybe" is not known'),
    (with_rule("where: {}"), RULE, "has no `answer`"),
    (with_line(RULE, "  - {name: door, answer: permit}"), RULE, "has no `law`"),
    (with_rule("answer: deny, needs: nothing"), RULE, "answers deny"),
    (with_rule("answer: permit, if: {rset: stays}"), RULE, 'no reading "rset"'),
    (with_rule("answer: permit, if: {rest: goes}"), RULE, '"goes" is not an option of rest'),
    (with_rule("answer: permit, confidence: sure"), RULE, '"sure" is not known'),
    (with_rule("answer: permit, requires: {paper: x}"), RULE, 'unknown key "paper"'),
    (with_rule("answer: permit, requires: {party: {role: lab, approved: yes}}"), RULE, 'unknown key "approved"'),
    (with_line(RULE, LINES[RULE - 1] + "\n" + LINES[RULE - 1]), RULE + 1, "two rules called door"),
    # conditions
    (with_where("{desination: allied}"), RULE, 'unknown key "desination"'),
    (with_where("{if: {rest: stays}}"), RULE, 'unknown key "if"'),
    (with_where("{destination: alied}"), RULE, '"alied" is neither a list nor a country'),
    (with_where("{destination: []}"), RULE, "empty list"),
    (with_where("{destination: {none_of: allied}}"), RULE, 'unknown key "none_of"'),
    (with_where("{destination_tier: [4]}"), RULE, 'no tier "4"'),
    (with_where("{control: [b]}"), RULE, 'no control class "b"'),
    (with_where("{authorization: [licence]}"), RULE, '"licence" is not known'),
    (with_where("{operator_holds: license}"), RULE, '"license" is not known'),
    (with_where("{data_center: true}"), RULE, '"true" is not known'),
    (with_where("{activity: import}"), RULE, '"import" is not known'),
    (with_where("{chip: hgx-h100-8}"), RULE, "not a chip of the catalog"),
    (with_where('{owner: "@allied"}'), RULE, "cannot begin with @"),
    (with_where("{tpp: 21000}"), RULE, "must be a comparison"),
    (with_where('{tpp: "< many"}'), RULE, "many"),
    (with_where('{us_available_on: "<= 2026"}'), RULE, "is not a date"),
    (with_where("{any: {destination: US}}"), RULE, "must be a list"),
    (with_where("{any: []}"), RULE, "no alternative left"),
    # caps
    (with_cap("counts: sold, limit: none"), CAP, '"sold" is not known'),
    (with_cap("counts: granted"), CAP, "has no `limit`"),
    (with_cap("counts: {rest: [shipped]}, limit: none"), CAP, "one value for each option"),
    (with_cap("counts: granted, by: [land], limit: none"), CAP, '"land" is not known'),
    (with_cap("counts: granted, by: [chip, chip], limit: none"), CAP, "a dimension twice"),
    (with_cap("counts: granted, gives_back: [sale], limit: none"), CAP, '"sale" is not known'),
    (with_cap("counts: granted, gives_back: {unshipped: rst}, limit: none"), CAP, 'no reading "rst"'),
    (with_cap("counts: granted, window: weekly, limit: none"), CAP, '"weekly" is not a window'),
    (with_cap("counts: granted, window: {until: 2026-01-01}, limit: none"), CAP, "has no `from`"),
    (with_cap("counts: granted, after: undetermined, limit: none"), CAP, "needs a window that ends"),
    (with_limit("5"), CAP, "not an amount with a unit"),
    (with_limit("790_00_000 TPP"), CAP, "790_00_000"),
    (with_limit("-5 TPP"), CAP, "not an amount with a unit"),
    (with_limit("1.5 chips"), CAP, "not a whole number of chips"),
    (with_limit("5 x nvidia-gb301 @ 60000 TPP"), CAP, '"nvidia-gb301" is not in the catalog'),
    (with_limit("9999999999999999999 x nvidia-b200 @ 99999999999999999999.9 TPP"), CAP, "38 digits"),
    (with_limit("{steps: {}}"), CAP, 'unknown key "steps"'),
    (with_limit("{schedule: {2027-01-01: 5 TPP, 2026-01-01: 6 TPP}}"), CAP, "does not come after"),
    (with_limit("{schedule: {2026-01-01: 5 TPP, 2027-01-01: 6 chips}}"), CAP, "steps in one unit"),
    (with_limit("{schedule: {soon: 5 TPP}}"), CAP, "is not a date"),
    (with_limit("5 models"), CAP, "counts granted and is limited in models"),
    (with_limit("{share: 25%, of: total}"), CAP, "no other cap"),
    (with_limit("{share: 25%, of: cap}"), CAP, "no other cap"),
    (with_limit("{share: 0.25, of: {counts: shipped}}"), CAP, "not a percentage"),
    (with_limit("{share: 125%, of: {counts: shipped}}"), CAP, "not a percentage"),
    (with_limit("{share: 25%, of: {counts: shipped, by: [chip]}}"), CAP, "kept by chip too"),
    (with_limit("{share: 25%, of: {counts: shipped, window: always}}"), CAP, 'unknown key "window"'),
    (with_cap("counts: held, tested_on: [02-01], limit: 5 TPP"), CAP, "belongs to a limit that is a share"),
    (with_cap("counts: held, tested_on: [02-30], limit: {share: 5%, of: {counts: held}}"), CAP,
     "not a day of every year"),
    (with_cap("counts: granted, limit: 5 TPP, critical_at: high"), CAP, "not a percentage"),
    (with_cap("counts: granted, limit: 5 TPP, when_exceeded: warn"), CAP, '"warn" is not known'),
    (with_cap("counts: granted, limit: none, when_exceeded: flag"), CAP, "no limit to exceed"),
    (with_cap("counts: granted, limit: 5 TPP, status: reported"), CAP, "is reported, not law: it cannot refuse"),
    (with_cap("counts: granted, limit: 5 TPP, base: {stated: yearly}"), CAP, 'unknown key "stated"'),
    (with_line(CAP, LINES[CAP - 1] + "\n" + LINES[CAP - 1]), CAP + 1, "two caps called cap"),
    # duties and amendments
    (with_duty("{each: sell}"), 23, '"sell" is not known'),
    (with_duty("{each: ship, first: ship}"), 23, "one thing that brings the duty about, not 2"),
    (with_duty("{counter: cap}"), 23, "go together"),
    (with_duty("{counter: caps, reaches: 100%}"), 23, 'no cap "caps"'),
    (with_duty("{counter: cap, reaches: 100%}").replace("limit: 5 TPP", "limit: none"), 23, "no limit to reach"),
    (
        with_duty("{counter: cap, reaches: 100%}").replace("limit: 5 TPP", "limit: {share: 5%, of: {counts: granted}}"),
        23,
        "limited to a share",
    ),
    (with_duty("{counter: cap, reaches: 5 TPP}").replace("by: [destination]", "by: [owner_group]"), 23, "of groups"),
    (with_duty("{each: reverse}"), 23, "undoes a movement"),
    (with_duty("{each: ship, per: facility}"), 23, "`per` says nothing beside `each`"),
    (with_duty("{first: ship, cause: loss}"), 23, "`cause` says nothing beside `first`"),
    (with_duty("{every: now and then}"), 23, "no span of time"),
    (with_duty("{each: ship}, due: soon"), 23, '`due` says "soon"'),
    (with_duty("{each: ship}, due: 30 days later"), 23, "from which no day can be told"),
    (with_duty("{each: ship, were: {}}"), 23, 'unknown key "were"'),
    (with_duty("{each: ship, where: {destination: nowhere}}"), 23, '"nowhere" is neither'),
    (with_more("duties: [{name: duty, who: exporter, do: report, when: {each: ship}}]"), 23, "has no `law`"),
    (with_more("amendments: [{cap: cap, law: x}]"), 23, "one of `limit`, `at_most` and `exempt`"),
    (with_more("amendments: [{cap: cop, law: x, exempt: yes}]"), 23, 'no cap "cop"'),
    (with_more("amendments: [{cap: cap, law: x, limit: 5 TPP, subject: AE}]"), 23, "must be a table"),
    # other books
    (with_line(7, "places: {like: {rulebook: other, revision: 1}}"), 7,
     '"other" cannot be taken from. There is no other.'),
])  # fmt: skip
def test_an_error_says_what_is_wrong_and_on_which_line(text, line, message):
    with pytest.raises(BadRulebook) as caught:
        parse(text)
    assert caught.value.where == f"book.yaml:{line}"
    assert message in caught.value.message + caught.value.remedy


@pytest.mark.parametrize(("text", "remedy"), [
    (with_line(3, "titel: Small"), 'Did you mean "title"? Known keys: rulebook, revision, title'),
    (with_rule("answer: permit, where: {desination: US}"), 'Did you mean "destination"?'),
    (with_rule("answer: permit, where: {destination: alied}"), 'Did you mean "allied"? Known lists: allied, denied.'),
    (with_rule("answer: permit, where: {chip: nvidia-h10-sxm5-80}"), 'Did you mean "nvidia-h100-sxm5-80"?'),
    (with_limit("5"), "Write 790_000_000 TPP, 75_000 chips, or 35_000 x CHIP @ 60000 TPP."),
    (with_line(5, "status: {enforced: {from: 2026-01-01, law: a, b}}"), "quote the text"),
])  # fmt: skip
def test_an_error_says_what_would_be_right(text, remedy):
    with pytest.raises(BadRulebook) as caught:
        parse(text)
    assert remedy in caught.value.remedy


def test_an_error_tells_how_many_more_there_are():
    text = with_line(LIST, "  allied: [UK]").replace("counts: granted", "counts: sold").replace("[3A090.a]", "[x]")
    with pytest.raises(BadRulebook, match="2 more errors") as caught:
        parse(text)
    assert caught.value.where == f"book.yaml:{LIST}"


# Lint


def found(text: str) -> list[tuple[int, str, str]]:
    return [(finding.line, finding.level, finding.message) for finding in rulebooks.lint(text, "book.yaml")]


def test_a_book_that_is_right_and_names_its_sources_has_no_findings():
    assert found(SMALL) == []


@pytest.mark.parametrize(("text", "line", "level", "message"), [
    (with_line(LIST, "  allied: [JP, NO, US]"), LIST, "warning", "The list allied names no source."),
    (with_line(TIER, "  1: allied"), TIER, "warning", "The tier 1 names no source."),
    (with_line(7, "places: {CN: [HK]}"), 7, "warning", "The line for the places of CN names no source."),
    (with_line(CONTROL, "  a: {meets: 3A090.a}"), CONTROL, "warning", "The control class a names no source."),
    (with_line(5, "status: {enforced: {from: 2026-01-01}}"), 5, "warning", "`enforced` names no source."),
    (with_line(6, ""), 1, "warning", "The book does not say which countries `everyone else` may mean."),
    (with_line(14, ""), 12, "warning", "No tier holds everyone else: a country on no list has no tier."),
    (with_cap("counts: granted, limit: 5 TPP, gives_back: {unshipped: rest}, confidence: unconfirmed"), CAP, "warning",
     "cap is unconfirmed and refuses."),
    (with_limit("5 TPP"), READING, "note",
     "Nothing in the book turns on the reading rest: choosing another option changes no answer."),
])  # fmt: skip
def test_lint_points_at_what_is_odd_and_the_book_can_still_be_used(text, line, level, message):
    assert (line, level, message) in found(text)
    assert parse(text).name == "small"


def test_lint_finds_every_error_at_once_and_in_the_order_of_the_lines():
    text = with_line(LIST, "  allied: {any: [UK], law: x}").replace("answer: permit", "answer: maybe")
    text = text.replace("counts: granted", "counts: sold")
    errors = [(line, level) for line, level, _ in found(text) if level == "error"]
    assert errors == [(LIST, "error"), (RULE, "error"), (CAP, "error")]


def test_lint_says_of_a_file_that_is_not_yaml_where_it_ends_being_so():
    assert [(line, level) for line, level, _ in found("rulebook: [")] == [(2, "error")]


@pytest.mark.parametrize("name", rulebooks.shipped())
def test_a_shipped_book_has_no_errors_and_no_warnings(name):
    path = rulebooks.shipped()[name]
    assert rulebooks.load(name).name == name
    assert [finding for finding in rulebooks.lint(path.read_text(), path.name) if finding.level != "note"] == []


def test_the_book_in_the_documentation_is_right():
    example = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)[0]
    assert found(example) == []


# Finding books, and taking them along


def test_a_book_is_found_by_name_or_by_path(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    assert rulebooks.load(path) == rulebooks.load(str(path)) == parse(SMALL)
    assert rulebooks.load("us-diffusion-2025").revision == 2


@pytest.mark.parametrize("name", ["us-difusion-2025", "/nowhere/book.yaml", "", "."])
def test_a_book_that_is_not_there_is_said_so(name):
    with pytest.raises(NotFound, match="There is no rulebook"):
        rulebooks.load(name)


def test_a_file_that_is_not_text_is_said_so(tmp_path):
    path = tmp_path / "book.yaml"
    path.write_bytes(b"title: \xff")
    with pytest.raises(BadRulebook, match="not UTF-8"):
        rulebooks.load(path)


def like(section: str, name: str, revision: int, own: str = "") -> str:
    return f"{section}: {{like: {{rulebook: {name}, revision: {revision}}}{own}}}"


def test_a_book_may_take_sections_from_a_book_beside_it(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    text = SMALL.replace("rulebook: small", "rulebook: bigger")
    text = text.replace(LINES[6], like("places", "small", 1)).replace(LINES[5], like("countries", "small", 1))
    text = text.replace("lists:\n", "lists:\n  like: {rulebook: small, revision: 1}\n  gulf: {any: [AE], law: x}\n")
    text = text.replace(LINES[8] + "\n", "").replace(LINES[9] + "\n", "")
    (tmp_path / "bigger.yaml").write_text(text)
    book = rulebooks.load(tmp_path / "bigger.yaml")
    assert list(book.lists) == ["allied", "denied", "gulf"]
    assert (book.place("HK"), len(book.countries), book.lists["allied"].law) == ("CN", 7, "annex A")
    assert [
        finding for finding in rulebooks.lint(text, str(tmp_path / "bigger.yaml")) if finding.level == "error"
    ] == []


@pytest.mark.parametrize(("line", "message"), [
    (like("places", "us-diffusion-2025", 1), "at hand in revision 2, not 1"),
    (like("places", "us-diffusion-2025", 2, ", CN: [HK]"), '"CN" is taken from us-diffusion-2025 and written here too'),
    (like("places", "nobody", 1), 'There is no rulebook "nobody"'),
    (like("places", "../small", 1), 'There is no rulebook "../small"'),
    (like("places", "small", 1), "small is like itself"),
    (like("places", "misnamed", 1), "It calls itself other"),
    (like("places", "broken", 1), "broken.yaml:1"),
])  # fmt: skip
def test_what_cannot_be_taken_from_another_book_is_an_error_on_its_line(tmp_path, line, message):
    text = with_line(7, line)
    (tmp_path / "small.yaml").write_text(text)
    (tmp_path / "misnamed.yaml").write_text(SMALL.replace("rulebook: small", "rulebook: other"))
    (tmp_path / "broken.yaml").write_text("rulebook: broken\n")
    with pytest.raises(BadRulebook) as caught:
        rulebooks.load(tmp_path / "small.yaml")
    assert caught.value.where == f"{tmp_path / 'small.yaml'}:7"
    assert message in caught.value.message
    assert message in "".join(finding.message for finding in rulebooks.lint(text, str(tmp_path / "small.yaml")))


@pytest.mark.parametrize("name", ["us-diffusion-2025", "us-licensing-2026"])
def test_a_bundle_is_all_that_a_book_needs(name):
    bundle = rulebooks.bundle(name)
    assert next(iter(bundle)) == name
    assert rulebooks.parse_bundle(bundle) == rulebooks.load(name)
    assert rulebooks.parse_bundle(json.loads(json.dumps(bundle))) == rulebooks.load(name)


def test_a_bundle_uses_no_book_but_its_own():
    bundle = rulebooks.bundle("us-licensing-2026")
    changed = {name: text.replace("any: [HK], law", "any: [HK, XK], law") for name, text in bundle.items()}
    assert list(bundle) == ["us-licensing-2026", "us-diffusion-2025"]
    assert rulebooks.parse_bundle(changed).place("XK") == "CN"
    with pytest.raises(BadRulebook, match="cannot be taken from"):
        rulebooks.parse_bundle({"us-licensing-2026": bundle["us-licensing-2026"]})


def test_a_book_is_named_by_the_hash_of_its_bytes(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_bytes(SMALL.replace("\n", "\r\n").encode())
    book = rulebooks.load(path)
    assert book.sha256 != parse(SMALL).sha256
    assert book.text.encode() == path.read_bytes()


def test_the_same_text_is_read_once():
    assert rulebooks.load("us-diffusion-2025") is rulebooks.load("us-diffusion-2025")


# The command line


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*words], env={"COLUMNS": "80"})
    return result.exit_code, result.stdout, result.stderr


def test_lint_of_a_right_file_ends_well(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    assert run("lint", str(path), "us-diffusion-2025")[0] == 0
    assert run("lint", str(path)) == (0, "1 file: 0 errors, 0 warnings, 0 notes.\n", "")


def test_lint_of_a_wrong_file_names_file_line_and_remedy(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(with_line(3, "titel: Small"))
    status, out, _ = run("lint", str(path))
    assert status == 1
    assert out.startswith(f'{path}:3: error: The rulebook has an unknown key "titel". Did you mean "title"?')


@pytest.mark.parametrize(
    "words", [("lint", "nowhere.yaml"), ("show", "nowhere.yaml"), ("show", "us-diffusion-2025", "--on", "May")]
)
def test_what_cannot_be_read_is_one_line_and_status_2(words):
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"capledger rulebook {words[0]}: ")


@pytest.mark.parametrize("name", rulebooks.shipped())
def test_show_fits_80_columns_and_says_what_a_lawyer_asks(name):
    status, out, _ = run("show", name, "--on", "2026-02-01")
    book = rulebooks.load(name)
    lines = out.splitlines()
    assert status == 0
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []
    for n, rule in enumerate(book.rules, 1):
        assert f"{n}. {rule.name}: {rule.answer.replace('_', ' ')}" in lines
    for part in (*book.caps, *book.readings.values()):
        assert part.name in lines
    chosen = [line for line in lines if line.startswith("  * chosen")]
    assert [line.split()[2].rstrip(":") for line in chosen] == [reading.chosen for reading in book.readings.values()]
    parts = (*book.parameters.values(), *book.rules, *book.caps, *book.readings.values(), *book.territories.values(),
             *book.controls.values())  # fmt: skip
    unsure = [part.name for part in parts if part.confidence in ("unconfirmed", "secondary source")]
    assert sum("UNCONFIRMED: " in line or "SECONDARY SOURCE: " in line for line in lines) == len(unsure) > 0


def test_show_counts_tiers_as_of_a_day():
    before, after = (run("show", "us-diffusion-2025", "--on", day)[1] for day in ("2025-11-06", "2025-11-07"))
    assert "3: 25 countries" in before
    assert "3: 24 countries" in after
    assert "KH (until 2025-11-07)" in after


def test_show_as_json_gives_figures_as_strings_and_every_part():
    status, out, _ = run("show", "us-diffusion-2025", "--on", "2025-06-01", "--json")
    told = json.loads(out)
    caps = {cap["cap"]: cap for cap in told["caps"]}
    assert status == 0
    assert (told["rulebook"], told["revision"], told["on"]) == ("us-diffusion-2025", 2, "2025-06-01")
    assert {tier["tier"]: len(tier["countries"]) for tier in told["tiers"]} == {"1": 63, "2": 162, "3": 25}
    assert caps["country-allocation"]["limit"] == "790,000,000 TPP"
    assert caps["nveu-installed"]["steps"][0] == {"from": "2025-01-01", "amount": "633000000"}
    assert caps["uveu-abroad"]["share"]["tested_on"] == ["02-01", "08-01"]
    assert {key: len(told[key]) for key in ("rules", "caps", "duties", "amendments", "readings", "lists")} == {
        "rules": 20, "caps": 10, "duties": 11, "amendments": 1, "readings": 8, "lists": 7,
    }  # fmt: skip


def test_importing_the_package_does_not_import_yaml():
    import subprocess

    program = "import sys, ledger.rulebooks, ledger.cli.rulebook; print('yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
