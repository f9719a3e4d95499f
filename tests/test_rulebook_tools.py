"""Tools for rulebooks: parameters, amendments, comparing, what lint finds, the JSON Schema, and the documentation."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import schema
from ledger import rulebooks
from ledger.cli.rulebook import app
from ledger.core.errors import BadRulebook, Malformed, NotFound
from ledger.core.facts import AUTHORIZATION_KINDS
from ledger.core.movements import ACTIVITIES, CAUSES, KINDS
from ledger.core.rulebook import Cap, Rulebook
from ledger.rulebooks import (
    amending,
    book,
    caps,
    conditions,
    duties,
    geography,
    liking,
    limiting,
    parameters,
    pausing,
    sections,
    words,
)
from ledger.rulebooks.comparing import compare
from ledger.rulebooks.document import compose

DOCS = Path(__file__).parent.parent / "docs" / "rulebooks.md"
SCHEMA = json.loads((Path(schema.__file__).parent / "rulebooks" / "rulebook.schema.json").read_text())
COMMENT = "anthropic-comment-2025"
TODAY, JUNE, AUGUST, LATER = date(2026, 1, 1), date(2026, 6, 1), date(2026, 8, 31), date(2026, 9, 1)

SMALL = """\
rulebook: small
revision: 1
title: Small
source: Gazette 1
status: {codified: {from: 2026-01-01, law: Gazette 1}}
countries: [AE, CN, HK, JP, KH, SA, US]
places: {CN: {any: [HK], law: art. 1}}
lists:
  allied: {any: [JP, US], law: annex A}
  denied: {any: [CN, {KH: {until: 2026-06-01}}], law: annex B}
  assured: {any: [], law: annex C}
tiers:
  1: {any: allied, law: art. 2}
  3: {any: denied, law: art. 2}
  2: {any: everyone else, law: art. 2}
controls:
  a: {meets: 3A090.a, law: annex C}
  none: {meets: none, law: annex C}
rules:
  - {name: first, law: art. 3, where: {destination: denied}, answer: deny}
  - {name: second, law: art. 4, where: {authorization: license}, answer: permit}
  - {name: third, law: art. 5, where: {authorization: [LPP, AIA]}, answer: permit}
caps:
  - {name: land, law: art. 6, counts: granted, by: [destination], limit: 790 TPP}
  - {name: world, law: art. 7, counts: shipped, limit: 100 chips}
"""
LAST = SMALL.count("\n")
PROPOSAL = """\
rulebook: proposal
revision: 1
title: Proposal
source: Comment 1
status: {proposed: {from: 2026-03-01, law: comment 1}}
like: {rulebook: small, revision: 1}
parameters:
  who: {unit: countries, default: [], law: names nobody}
  most: {unit: TPP, between: [790, 1580], law: no figure}
  boxes: {unit: chips, default: 50, law: a guess}
changes:
  - {list: assured, is: who, law: comment 2}
  - {cap: land, where: {destination: assured}, limit: most, law: comment 3}
  - {cap: world, limit: boxes, law: comment 4}
"""


def library(name: str) -> Rulebook:
    if name != "small":
        raise NotFound(f"There is no {name}.")
    return parse(SMALL)


def parse(text: str, **settings: str) -> Rulebook:
    return rulebooks.parse(text, where="book.yaml", library=library, settings=tuple(settings.items()))


def cap(found: Rulebook, name: str) -> Cap:
    return next(each for each in found.caps if each.name == name)


def amended(*lines: str) -> str:
    """Return the small book with amendments, each from `law` on; the first stands on line LAST + 2."""
    return SMALL + "amendments:\n" + "".join(f"  - {{law: notice, {line}}}\n" for line in lines)


# Amendments


@pytest.mark.parametrize(("amendments", "destination", "day", "words"), [
    (["cap: land, limit: 900 TPP"],                                                   "AE", TODAY, "900 TPP"),
    (["cap: land, where: {destination: AE}, limit: 900 TPP"],                         "AE", TODAY, "900 TPP"),
    (["cap: land, subject: {destination: AE}, limit: 900 TPP"],                       "AE", TODAY, "900 TPP"),
    (["cap: land, where: {destination: AE}, limit: 900 TPP"],                         "SA", TODAY, "790 TPP"),
    (["cap: land, where: {destination: AE}, from: 2026-09-01, limit: 900 TPP"],       "AE", AUGUST, "790 TPP"),
    (["cap: land, where: {destination: AE}, from: 2026-09-01, limit: 900 TPP"],       "AE", LATER, "900 TPP"),
    (["cap: land, where: {destination: AE}, until: 2026-09-01, limit: 900 TPP"],      "AE", LATER, "790 TPP"),
    (["cap: land, where: {destination: denied}, limit: 5 TPP"],                       "KH", date(2026, 5, 31), "5 TPP"),
    (["cap: land, where: {destination: denied}, limit: 5 TPP"],                       "KH", JUNE, "790 TPP"),
    (["cap: land, where: {destination: denied}, limit: 5 TPP"],                       "CN", LATER, "5 TPP"),
    (["cap: land, where: {destination: AE}, limit: 1 TPP", "cap: land, limit: 2 TPP"], "AE", TODAY, "1 TPP"),
    (["cap: land, where: {destination: AE}, limit: 1 TPP", "cap: land, limit: 2 TPP"], "SA", TODAY, "2 TPP"),
    (["cap: land, where: {destination: AE}, exempt: yes"],                            "AE", TODAY, "exempt"),
    (["cap: land, where: {destination: AE}, limit: undetermined"],                    "AE", TODAY, "undetermined"),
])  # fmt: skip
def test_the_first_amendment_that_names_a_destination_on_a_day_gives_its_limit(amendments, destination, day, words):
    land = cap(parse(amended(*amendments)), "land")
    assert land.limit_for(destination, day).words == words
    if words not in ("exempt", "undetermined"):
        assert land.kept_for(destination).limit.on(day) == land.limit_for(destination, day).on(day)


def test_a_cap_kept_for_a_destination_has_the_amended_steps():
    text = amended("cap: land, where: {destination: AE}, from: 2026-09-01, until: 2027-01-01, limit: 900 TPP")
    land = cap(parse(text), "land")
    assert land.kept_for("SA") is land
    kept = land.kept_for("AE")
    assert kept.limit.steps == ((None, Decimal(790)), (LATER, Decimal(900)), (date(2027, 1, 1), Decimal(790)))
    assert kept.limit.words == "790 TPP; 900 TPP from 2026-09-01; 790 TPP from 2027-01-01"
    assert kept.amended == ()
    assert land.of_subject("chip=x,destination=AE") == kept
    assert land.of_subject("destination=SA") is land.of_subject("world") is land


def test_an_exemption_is_read_on_the_day_of_what_would_count_and_moves_no_limit():
    found = parse(amended("cap: land, where: {destination: AE}, from: 2026-09-01, exempt: yes"))
    land = cap(found, "land")
    assert [land.exempts("AE", day) for day in (date(2026, 8, 31), LATER)] == [False, True]
    assert not land.exempts("SA", LATER)
    assert land.kept_for("AE").limit == land.limit
    assert LATER in found.boundaries


def test_an_amended_cap_that_is_undetermined_says_why():
    land = cap(parse(amended("cap: land, where: {destination: AE}, limit: undetermined")), "land").kept_for("AE")
    assert (land.limit.on(TODAY), land.limit.why) == (None, "the rulebook leaves it undetermined")


@pytest.mark.parametrize(("amendments", "line", "message"), [
    (["cap: lend, limit: 9 TPP"], LAST + 2, 'no cap "lend"'),
    (["cap: land"], LAST + 2, "one of `limit`, `at_most` and `exempt`"),
    (["cap: land, limit: 9 TPP, exempt: yes"], LAST + 2, "one of `limit`, `at_most` and `exempt`"),
    (["cap: land, exempt: no"], LAST + 2, "`exempt: no` says nothing"),
    (["cap: land, limit: 9 chips"], LAST + 2, "limited in TPP, not in chips"),
    (["cap: land, where: {recipient: x}, limit: 9 TPP"], LAST + 2, 'unknown key "recipient"'),
    (["cap: land, where: {destination: {not: AE}}, limit: 9 TPP"], LAST + 2, "one by one, or by a list"),
    (["cap: land, where: {destination: []}, limit: 9 TPP"], LAST + 2, "empty list"),
    (["cap: land, where: {destination: HK}, limit: 9 TPP"], LAST + 2, "HK counts as CN"),
    (["cap: land, where: {destination: AE}, subject: {destination: AE}, limit: 9 TPP"], LAST + 2, "the same thing"),
    (["cap: world, where: {destination: AE}, limit: 9 chips"], LAST + 2, "not kept by destination"),
    (["cap: land, at_most: 200%", "cap: land, where: {destination: AE}, limit: 1580.1 TPP"], LAST + 3,
     "1,580.1 TPP for AE is above 200% of 790 TPP (notice)"),
    (["cap: land, where: {destination: AE}, limit: 1581 TPP", "cap: land, at_most: 200%"], LAST + 2, "above 200%"),
    (["cap: land, where: {destination: [AE]}, at_most: 200%", "cap: land, limit: 1581 TPP"], LAST + 3, "for AE"),
    (["cap: land, at_most: 200%", "cap: land, where: {destination: AE}, exempt: yes"], LAST + 3, "an exemption for AE"),
])  # fmt: skip
def test_an_amendment_that_cannot_be_meant_is_an_error_on_its_line(amendments, line, message):
    with pytest.raises(BadRulebook) as caught:
        parse(amended(*amendments))
    assert caught.value.where == f"book.yaml:{line}"
    assert message in caught.value.message


@pytest.mark.parametrize("amendments", [
    ["cap: land, at_most: 200%", "cap: land, where: {destination: AE}, limit: 1580 TPP"],
    ["cap: land, where: {destination: SA}, at_most: 200%", "cap: land, where: {destination: AE}, limit: 9999 TPP"],
    ["cap: land, until: 2026-09-01, at_most: 200%", "cap: land, from: 2026-09-01, limit: 9999 TPP"],
])  # fmt: skip
def test_a_bound_binds_up_to_its_figure_whom_it_names_and_on_its_days(amendments):
    assert len(cap(parse(amended(*amendments)), "land").amended) == 1


# A whole book like another, with parameters


def test_a_book_like_another_is_that_book_but_for_its_changes():
    base, found = parse(SMALL), parse(PROPOSAL)
    assert (found.name, found.title, found.status) == (
        "proposal",
        "Proposal",
        {"proposed": "from 2026-03-01 (comment 1)"},
    )
    assert (found.rules, found.tiers, found.countries, found.places) == (
        base.rules, base.tiers, base.countries, base.places,
    )  # fmt: skip
    assert list(found.like) == ["small"]
    world = cap(found, "world")
    assert (world.limit.words, world.law) == ("50 chips", "art. 7; its limit: comment 4")


def test_a_limit_that_rests_on_a_parameter_without_a_value_is_undetermined_and_says_which():
    found = parse(PROPOSAL, who="AE")
    limit = cap(found, "land").limit_for("AE", TODAY)
    assert limit.on(TODAY) is None
    assert "the parameter most is not set" in limit.why
    assert cap(found, "land").limit_for("SA", TODAY).on(TODAY) == 790


def test_what_is_set_is_part_of_the_name_and_of_the_hash_in_one_spelling():
    found, same = parse(PROPOSAL, most="1_200", who="SA,AE"), parse(PROPOSAL, who="AE, SA", most="1200 TPP")
    assert found == same
    assert found.name == "proposal?who=AE,SA&most=1200"
    assert found.sha256 not in (parse(PROPOSAL).sha256, parse(PROPOSAL, most="1200").sha256)
    assert cap(found, "land").limit_for("SA", TODAY).words == "1,200 TPP"


def test_a_name_with_settings_loads_and_is_itself_again():
    found = rulebooks.load(f"{COMMENT}?lpp-limit=13_450_000&assured-list=AE,SA&assured-limit=1_580_000_000")
    assert rulebooks.load(found.name) == found
    assert cap(found, "lpp-year").limit.on(TODAY) == 13_450_000
    assert cap(found, "country-allocation").limit_for("SA", TODAY).on(TODAY) == 1_580_000_000
    assert cap(found, "country-allocation").limit_for("MY", TODAY).on(TODAY) == 790_000_000


def test_a_file_may_be_set_too_and_one_with_a_question_mark_in_its_name_is_that_file(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "proposal.yaml").write_text(PROPOSAL)
    (tmp_path / "what?who=AE").write_text(SMALL)
    assert rulebooks.load(f"{tmp_path / 'proposal.yaml'}?who=AE").name == "proposal?who=AE"
    assert rulebooks.load(f"{tmp_path / 'what?who=AE'}").name == "small"


@pytest.mark.parametrize(("query", "message"), [
    ("lpp-limit=26_900_001", "outside 0 to 26,900,000 TPP (lower the no-license threshold; no figure found)"),
    ("assured-limit=789_999_999", "outside 790,000,000 to 1,580,000,000 TPP"),
    ("assured-limit=1_580_000_001", "(no figure found; above 200% would need a rule change)"),
    ("assured-list=HK", "assured-list: HK counts as CN"),
    ("assured-list=UAE", '"UAE" is neither a list nor a country'),
    ("lpp-limit=", "lpp-limit"),
    ("lpp-limit=-1", "lpp-limit"),
    ("lpp-limit=5 chips", "lpp-limit"),
    ("lpp-limit", '"lpp-limit" sets no parameter'),
    ("=5", '"=5" sets no parameter'),
    ("lpp-limit=1&lpp-limit=2", "set twice"),
    ("lpp=5", "lpp-limit, assured-list, assured-limit"),
    ("", '"" sets no parameter'),
])  # fmt: skip
def test_a_setting_that_a_book_does_not_allow_is_refused_with_the_bound_and_its_law(query, message):
    with pytest.raises(Malformed) as caught:
        rulebooks.load(f"{COMMENT}?{query}")
    assert message in caught.value.message + caught.value.remedy


@pytest.mark.parametrize("value", ["0", "26_900_000", "26,900,000", "26900000 TPP"])
def test_both_ends_of_a_bound_may_be_set(value):
    assert rulebooks.load(f"{COMMENT}?lpp-limit={value}").parameters["lpp-limit"].is_set


def test_a_book_without_parameters_takes_no_settings():
    with pytest.raises(Malformed, match="no parameters"):
        rulebooks.load("us-diffusion-2025?lpp-limit=5")


@pytest.mark.parametrize(("old", "new", "line", "message"), [
    ("like: {rulebook: small, revision: 1}", "like: {rulebook: small, revision: 2}", 6, "in revision 1, not 2"),
    ("like: {rulebook: small, revision: 1}", "like: {rulebook: big, revision: 1}", 6, '"big" cannot be taken from'),
    ("changes:", "rules: []\nchanges:", 11, 'unknown key "rules"'),
    ("unit: TPP", "unit: TOPS", 9, '"TOPS" is not known'),
    ("unit: TPP, between: [790, 1580]", "unit: TPP, between: [1580, 790]", 9, "not a least and a most"),
    ("unit: TPP, between: [790, 1580]", "unit: TPP, between: [790, 1580], default: 5", 9, "outside 790 to 1,580"),
    ("unit: countries, default: []", "unit: countries", 8, "a list without a default"),
    ("unit: countries, default: []", "unit: countries, default: [HK]", 8, "HK counts as CN"),
    ("law: no figure", "note: no figure", 9, "has no `law`"),
    ("default: 50", "default: 1.5", 10, "not a whole number of chips"),
    ("list: assured", "list: asured", 12, 'no list "asured"'),
    ("is: who", "is: most", 12, "a figure in TPP, not a list"),
    ("is: who", "is: whom", 12, 'no parameter "whom"'),
    ("is: who, ", "", 12, "has no `is`"),
    ("is: who", "limit: most", 12, "has no `limit`"),
    ("limit: most", "limit: who", 13, "a list of countries, not a figure"),
    ("limit: most", "limit: boxes", 13, "limited in TPP, not in chips"),
    ("limit: most", "limit: 5", 13, "not an amount with a unit"),
    ("cap: land", "cap: lend", 13, 'no cap "lend"'),
    ("law: comment 3", "note: x", 13, "has no `law`"),
])  # fmt: skip
def test_an_error_in_a_book_like_another_is_on_its_own_line(old, new, line, message):
    assert old in PROPOSAL
    with pytest.raises(BadRulebook) as caught:
        parse(PROPOSAL.replace(old, new))
    assert caught.value.where == f"book.yaml:{line}"
    assert message in caught.value.message


def test_a_change_does_not_go_beyond_the_bound_of_the_book_it_changes():
    def bounded(name: str) -> Rulebook:
        return parse(amended("cap: land, where: {destination: assured}, at_most: 150%"))

    text = PROPOSAL.replace("between: [790, 1580], ", "")
    settings = (("who", "AE"), ("most", "1185.1"))
    with pytest.raises(BadRulebook, match="above 150% of 790 TPP"):
        rulebooks.parse(text, where="x", library=bounded, settings=settings)
    assert rulebooks.parse(text, where="x", library=bounded, settings=(("who", "AE"), ("most", "1185")))


def test_a_change_may_exempt_or_hold_for_some_days():
    text = PROPOSAL.replace("limit: most, law", "from: 2026-09-01, exempt: yes, law").replace("  most:", "  mist:")
    land = cap(parse(text, who="AE"), "land")
    assert [land.exempts("AE", day) for day in (TODAY, LATER)] == [False, True]


@pytest.mark.parametrize(("name", "message"), [
    (COMMENT, "is proposed, not law: it is compared, never adopted to judge"),
    (f"{COMMENT}?lpp-limit=5", "is proposed, not law"),
])  # fmt: skip
def test_what_is_only_proposed_is_not_adopted(name, message):
    with pytest.raises(Malformed, match=message):
        rulebooks.bundle(name)


def test_a_book_with_settings_is_not_adopted_even_where_it_is_law():
    text = PROPOSAL.replace("proposed", "codified")
    assert list(rulebooks.bundle_of(parse(text))) == ["proposal", "small"]
    with pytest.raises(Malformed, match="a book with settings"):
        rulebooks.bundle_of(parse(text, who="AE"))


def test_a_book_that_is_law_and_proposed_again_may_be_adopted():
    text = PROPOSAL.replace("{proposed", "{enforced: {from: 2026-04-01, law: x}, proposed")
    assert rulebooks.parse_bundle(rulebooks.bundle_of(parse(text))) == parse(text)


# Comparing


def differences(before: str, after: str) -> list[str]:
    return [each.words for each in compare(parse(before), parse(after))]


@pytest.mark.parametrize(("old", "new", "words"), [
    ("title: Small", "title: Tiny", ['The document: the title changes from "Small" to "Tiny".']),
    ("codified: {from: 2026-01-01, law: Gazette 1}", "codified: none",
     ['The document: the status codified changes from "from 2026-01-01 (Gazette 1)" to "none".']),
    ("KH: {until: 2026-06-01}", "KH: {until: 2026-07-01}",
     ["Cambodia is on the list denied from 2026-06-01 until 2026-07-01.",
      "Cambodia is in tier 3 from 2026-06-01 until 2026-07-01, instead of tier 2."]),
    ("{KH: {until: 2026-06-01}}", "KH",
     ["Cambodia joins the list denied on 2026-06-01.", "Cambodia moves from tier 2 to tier 3 on 2026-06-01."]),
    ("any: [JP, US]", "any: [US]",
     ["Japan leaves the list allied.", "Japan moves from tier 1 to tier 2."]),
    ("assured: {any: []", "assured: {any: [AE, SA]", ["Saudi Arabia and United Arab Emirates join the list assured."]),
    ("  assured: {any: [], law: annex C}\n", "", ["The list assured is removed."]),
    ("  assured: {any: [], law: annex C}\n", "  assured: {any: [], law: annex D}\n",
     ['The list assured: the source changes from "annex C" to "annex D".']),
    ("places: {CN: {any: [HK], law: art. 1}}\n", "",
     ["Hong Kong counts as itself, no longer as China.", "Hong Kong moves from tier 3 to tier 2."]),
    ("SA, US]", "US]", ["Saudi Arabia is no longer among the countries that everyone else may mean."]),
    ("meets: 3A090.a", "meets: 3A090.b",
     ['The control class a: the parameters changes from "3A090.a" to "3A090.b".']),
    ("answer: deny", "answer: presume_deny", ['The rule first: the answer changes from "deny" to "presume deny".']),
    ("name: second, law: art. 4", "name: second, law: art. 4, from: 2026-09-01",
     ['The rule second: the period is "from 2026-09-01"; there was none.']),
    ("[LPP, AIA]", "LPP", ['The rule third: the condition changes from "authorization: LPP or AIA" to '
     '"authorization: LPP".']),
    ("name: third", "name: fourth", ["The rule fourth is added after second: permit, authorization: LPP or AIA.",
     "The rule third is removed."]),
    ("790 TPP", "1_200 TPP", ["land: the limit rises from 790 TPP to 1,200 TPP."]),
    ("790 TPP", "5 TPP", ["land: the limit falls from 790 TPP to 5 TPP."]),
    ("790 TPP", "undetermined", ["land: the limit becomes undetermined; it was 790 TPP."]),
    ("790 TPP", "none", ["land: the limit of 790 TPP no longer holds.",
     'land: the answer to an excess "refuse" is removed.', 'land: the critical share "90%" is removed.']),
    ("790 TPP", "{schedule: {2020-01-01: 790 TPP, 2025-09-01: 800 TPP}}",
     ["land: the limit becomes undetermined until 2020-01-01; it was 790 TPP.",
      "land: the limit rises from 790 TPP to 800 TPP from 2025-09-01."]),
    ("100 chips", "100 TPP", ['world: the limit changes from "100 chips" to "100 TPP".']),
    ("by: [destination]", "by: [destination, chip]",
     ['land: the subject changes from "per destination" to "per destination and chip".']),
    ("counts: shipped", "counts: held", ['world: the count changes from "shipped" to "held".']),
    ("limit: 100 chips", "limit: 100 chips, when_exceeded: flag, critical_at: 80%, window: calendar year",
     ['world: the window changes from "always" to "calendar year".',
      'world: the answer to an excess changes from "refuse" to "flag".',
      'world: the critical share changes from "90%" to "80%".']),
    ("limit: 100 chips", "limit: 100 chips, gives_back: [loss], status: reported, when_exceeded: flag",
     ['world: the list of what gives room back is "loss"; there was none.',
      'world: the answer to an excess changes from "refuse" to "flag".',
      'world: the status is "reported"; there was none.']),
    ("name: world", "name: globe", ["globe is added: 100 chips of what is shipped, of the whole world, always.",
     "world is removed."]),
])  # fmt: skip
def test_a_difference_is_said_in_words(old, new, words):
    assert old in SMALL
    assert differences(SMALL, SMALL.replace(old, new)) == words


@pytest.mark.parametrize(("before", "after", "words"), [
    ([], ["cap: land, limit: 1_200 TPP, from: 2025-09-01"],
     ["land: the limit rises from 790 TPP to 1,200 TPP from 2025-09-01."]),
    ([], ["cap: land, where: {destination: [AE, SA]}, limit: 900 TPP"],
     ["land for Saudi Arabia and United Arab Emirates: the limit rises from 790 TPP to 900 TPP."]),
    (["cap: land, where: {destination: AE}, limit: 900 TPP"], ["cap: land, where: {destination: AE}, limit: 800 TPP"],
     ["land for United Arab Emirates: the limit falls from 900 TPP to 800 TPP."]),
    ([], ["cap: land, where: {destination: AE}, from: 2026-01-01, until: 2027-01-01, exempt: yes"],
     ["land for United Arab Emirates: the limit of 790 TPP no longer holds from 2026-01-01 until 2027-01-01."]),
    ([], ["cap: land, limit: 900 TPP", "cap: land, where: {destination: AE}, limit: 1 TPP"],
     ["land: the limit rises from 790 TPP to 900 TPP."]),
    ([], ["cap: land, where: {destination: AE}, limit: 790 TPP", "cap: land, limit: 900 TPP"],
     ["land: the limit rises from 790 TPP to 900 TPP.",
      "land for United Arab Emirates: the limit stays as it was."]),
    (["cap: land, at_most: 200%"], ["cap: land, at_most: 150%"],
     ["land may be amended to at most 150% of its limit: this bound is added.",
      "land may be amended to at most 200% of its limit: this bound is removed."]),
])  # fmt: skip
def test_an_amended_limit_is_compared_for_those_it_is_for(before, after, words):
    assert differences(amended(*before) if before else SMALL, amended(*after)) == words


def test_a_rule_that_is_asked_at_another_place_has_moved_and_the_others_have_not():
    lines = SMALL.splitlines(keepends=True)
    at = lines.index("rules:\n")
    moved = [*lines[: at + 1], lines[at + 3], lines[at + 1], lines[at + 2], *lines[at + 4 :]]
    assert differences(SMALL, "".join(moved)) == ["The rule third moves: it is asked first."]


def test_readings_duties_and_parameters_are_compared():
    reading = "readings: {rest: {law: x, options: {stays: one, returns: two}, chosen: stays}}\n"
    duty = "duties: [{name: notice, law: x, who: exporter, do: tell, due: 30 days after, when: {each: ship}}]\n"
    assert differences(SMALL, SMALL + reading) == ["The reading rest is added: stays (one) is chosen."]
    assert differences(SMALL + reading, SMALL + reading.replace("chosen: stays", "chosen: returns")) == [
        "The reading rest is chosen differently: returns (two), not stays (one)."
    ]
    assert differences(SMALL, SMALL + duty) == ["The duty notice is added: exporter must tell (each ship)."]
    assert differences(SMALL + duty, SMALL + duty.replace("30 days after", "on receipt")) == [
        'The duty notice: the `due` changes from "30 days after" to "on receipt".'
    ]
    was, now = parse(PROPOSAL), parse(PROPOSAL, most="800")
    assert [each.words for each in compare(was, now)] == [
        'The parameter most: the value changes from "undetermined" to "800 TPP".'
    ]


def test_between_two_revisions_cambodia_moves_on_its_day():
    text = rulebooks.shipped()["us-diffusion-2025"].read_text()
    earlier = re.sub(r"\{KH: \{until: [^}]*\}\}", "KH", text).replace("revision: 2", "revision: 1")
    assert earlier != text
    told = compare(parse(earlier), parse(text))
    assert "Cambodia moves from tier 3 to tier 2 on 2025-11-07." in [each.words for each in told]


@pytest.mark.parametrize("name", rulebooks.shipped())
def test_a_book_does_not_differ_from_itself(name):
    assert compare(rulebooks.load(name), rulebooks.load(name)) == []


def test_every_shipped_book_can_be_compared_with_every_other():
    books = [rulebooks.load(name) for name in rulebooks.shipped()]
    for before in books:
        for after in books:
            assert bool(compare(before, after)) == (before is not after)


# What lint finds


def found(text: str, where: str = "book.yaml") -> list[tuple[int, str, str]]:
    return [(each.line, each.level, each.message) for each in rulebooks.lint(text, where)]


def line_of(text: str, part: str) -> int:
    return 1 + text[: text.index(part)].count("\n")


NOBODY = "world, law: art. 7, counts: shipped, limit: 100 chips"


@pytest.mark.parametrize(("where", "message"), [
    ("authorization: NVEU", "world is for nobody: no rule opens a door to what it counts: authorization: NVEU."),
    ("destination: denied, authorization: AIA", None),  # the first rule denies, and a later one might have permitted
    ("authorization: LPP", None),
    ("destination: JP, destination_tier: 2", "world is for nobody: no destination meets"),
    ("destination: KH, destination_tier: 3", None),  # until June
    ("destination: assured", "world is for nobody: no destination meets destination: list assured."),
    ("chip: nvidia-h20-96, control: a", "world is for nobody: no chip of the catalog meets"),
    ('tpp: "> 999_999_999"', "world is for nobody: no chip of the catalog meets"),
    ('us_available_on: "< 1999-01-01"', None),  # since when some chips are sold is not known
    ('chip: nvidia-h100-sxm5-80, tpp: "< 21000"', None),
    ("any: [{authorization: NVEU}, {authorization: license}]", None),
    ("authorization: {not: [license, LPP, AIA]}", "no rule opens a door"),
    ("any_headquarters: assured", "world is for nobody: no any headquarters meets"),
    ("operator_holds: UVEU", None),
])  # fmt: skip
def test_lint_finds_a_cap_for_nobody(where, message):
    text = SMALL.replace(NOBODY, f"{NOBODY}, where: {{{where}}}")
    warnings = [told for line, level, told in found(text) if level == "warning" and line == line_of(text, "world")]
    assert len(warnings) == (message is not None)
    assert (message or "") in "".join(warnings)


def test_a_cap_on_model_weights_is_for_somebody_though_no_chip_is_in_their_class():
    text = SMALL.replace("  a: {meets: 3A090.a, law: annex C}", "  w: {meets: 4E091, law: annex C}")
    text = text.replace(NOBODY, "world, law: x, counts: authorizations, where: {control: w}, limit: none")
    assert [each for each in found(text) if each[1] == "warning"] == []


def test_a_cap_before_the_rule_that_would_open_its_door_is_for_nobody():
    text = SMALL.replace("art. 5, where", "art. 5, from: 2027-01-01, where")
    text = text.replace(
        NOBODY, f"{NOBODY}, where: {{authorization: LPP}}, window: {{from: 2026-01-01, until: 2027-01-01}}"
    )
    assert any("world is for nobody" in message for _, _, message in found(text))
    assert not any(
        "for nobody" in message for _, _, message in found(text.replace("until: 2027-01-01", "until: 2027-01-02"))
    )


@pytest.mark.parametrize(("old", "new", "level", "message"), [
    ("limit: 100 chips", "window: {from: 2026-01-01}, limit: {schedule: {2026-02-01: 5 chips, 2027-01-01: 6 chips}}",
     "warning", "world has no amount from 2026-01-01, when its window begins, until 2026-02-01."),
    ("limit: 100 chips", "limit: {schedule: {2026-02-01: 5 chips, 2026-03-01: undetermined, 2027-01-01: 6 chips}}",
     "warning", "world has a gap: no amount from 2026-03-01 until 2027-01-01."),
    ("limit: 100 chips", "window: {from: 2026-01-01, until: 2027-01-01}, after: nothing, "
     "limit: {schedule: {2026-01-01: 5 chips, 2027-01-01: 6 chips}}",
     "warning", "world has a step on 2027-01-01, which never holds: its window ends on 2027-01-01."),
    ("limit: 100 chips", "window: {from: 2026-01-01, until: 2027-01-01}, limit: 100 chips",
     "note", "world does not say what holds from 2027-01-01: nothing is taken to."),
    ("any: [JP, US]", "any: [JP, JP, US]", "warning", "JP is on the list allied twice on the same days."),
    ("any: [JP, US]", "any: [US, {JP: {until: 2026-02-02}}, {JP: {from: 2026-02-01}}]",
     "warning", "JP is on the list allied twice on the same days."),
    ("annex A}", "annex A}\n  gulf: [AE]", "warning", "The list gulf names no source."),
])  # fmt: skip
def test_lint_finds_periods_that_are_missing_and_what_stands_twice(old, new, level, message):
    assert (level, message) in [(level, message) for _, level, message in found(SMALL.replace(old, new))]


def test_a_country_that_leaves_and_comes_back_stands_on_a_list_once():
    text = SMALL.replace("any: [JP, US]", "any: [US, {JP: {until: 2026-02-01}}, {JP: {from: 2026-02-01}}]")
    assert found(text) == []


def test_rules_of_one_name_take_turns_and_a_day_between_them_is_found():
    old = "{name: third, law: art. 5, where"
    named = "{{name: third, law: art. 5, {}, where"
    turn = f"{named}: {{{{authorization: AIA}}}}, answer: permit}}}}\n  - {named}"
    right = SMALL.replace(old, turn.format("until: 2026-06-01", "from: 2026-06-01"))
    gap = SMALL.replace(old, turn.format("until: 2026-06-01", "from: 2026-07-01"))
    assert found(right) == []
    assert [rule.name for rule in parse(right).rules].count("third") == 2
    assert [message for _, _, message in found(gap)] == ["No rule third holds from 2026-06-01 until 2026-07-01."]
    with pytest.raises(BadRulebook, match="two rules called third on the same days"):
        parse(SMALL.replace(old, turn.format("until: 2026-06-02", "from: 2026-06-01")))


@pytest.mark.parametrize(("amendments", "line", "message"), [
    (["cap: land, where: {destination: AE}, limit: 1 TPP", "cap: land, limit: 2 TPP"], LAST + 3,
     "land is amended twice for AE on the same days: the first stands."),
    (["cap: land, limit: 1 TPP", "cap: land, limit: 2 TPP"], LAST + 3,
     "land is amended twice on the same days: the first stands."),
    (["cap: land, until: 2026-09-01, limit: 1 TPP", "cap: land, from: 2026-09-01, limit: 2 TPP"], 0, ""),
    (["cap: land, where: {destination: AE}, limit: 1 TPP", "cap: land, where: {destination: SA}, limit: 2 TPP"], 0, ""),
])  # fmt: skip
def test_lint_finds_a_destination_that_is_amended_twice_on_the_same_days(amendments, line, message):
    warnings = [(at, told) for at, level, told in found(amended(*amendments)) if level == "warning"]
    assert warnings == ([(line, message)] if message else [])


def test_lint_finds_an_amendment_for_whom_the_cap_does_not_count():
    text = amended("cap: land, where: {destination: JP}, limit: 1 TPP")
    text = text.replace("by: [destination]", "by: [destination], where: {destination_tier: 2}")
    assert (LAST + 2, "warning", "The amendment of land is for nobody: the cap does not count JP.") in found(text)


def test_lint_finds_a_country_on_a_list_that_counts_as_another_one_here(tmp_path):
    other = SMALL.replace("rulebook: small", "rulebook: other").replace("assured: {any: []", "assured: {any: [HK]")
    (tmp_path / "other.yaml").write_text(other.replace("places: {CN: {any: [HK], law: art. 1}}\n", ""))
    text = re.sub(r"lists:\n(  .*\n){3}", "lists: {like: {rulebook: other, revision: 1}}\n", SMALL)
    line = line_of(text, "lists:")
    assert found(text, str(tmp_path / "book.yaml")) == [
        (line, "warning", "HK is on the list assured and counts as CN: nothing meets it there.")
    ]


def test_lint_finds_a_parameter_that_nothing_uses(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    text = PROPOSAL.replace("  - {cap: world, limit: boxes, law: comment 4}\n", "")
    assert (10, "warning", "No change uses the parameter boxes: setting it changes no answer.") in found(
        text, str(tmp_path / "proposal.yaml")
    )


def test_every_finding_says_what_to_do():
    odd = blocks()["odd"]
    findings = [*rulebooks.lint(odd, "odd.yaml"), *rulebooks.lint(SMALL.replace("[JP, US]", "[UK]"), "book.yaml")]
    for path in rulebooks.shipped().values():
        findings += rulebooks.lint(path.read_text(), str(path))
    assert len(findings) > 12
    assert [str(each) for each in findings if not each.remedy] == []


# The JSON Schema


def wrong(value: Any, rule: Any, at: str = "") -> Iterator[str]:
    """Yield where a value breaks a schema: a small checker of the keywords that ours uses, and of no others."""
    if rule is True:
        return
    known = {"$schema", "$defs", "$ref", "title", "description", "examples", "type", "properties", "required",
             "items", "additionalProperties", "propertyNames", "enum", "const", "pattern", "anyOf", "oneOf", "minItems",
             "maxItems", "minProperties", "maxProperties", "if", "then", "else"}  # fmt: skip
    assert set(rule) <= known, set(rule) - known
    if ref := rule.get("$ref"):
        yield from wrong(value, SCHEMA["$defs"][ref.removeprefix("#/$defs/")], at)
    kinds = {"object": dict, "array": list, "string": str, "number": int, "integer": int, "boolean": bool}
    stated = rule.get("type", [])
    if stated and not isinstance(
        value, tuple(kinds[each] for each in ([stated] if isinstance(stated, str) else stated))
    ):
        yield f"{at}: not {stated}"
        return
    if "enum" in rule and value not in rule["enum"]:
        yield f"{at}: {value!r} is none of {rule['enum']}"
    if "const" in rule and value != rule["const"]:
        yield f"{at}: {value!r} is not {rule['const']}"
    if "pattern" in rule and isinstance(value, str) and not re.search(rule["pattern"], value):
        yield f"{at}: {value!r} is not like {rule['pattern']}"
    for key, fits in (("anyOf", lambda n: n > 0), ("oneOf", lambda n: n == 1)):
        if key in rule and not fits(sum(not any(wrong(value, each)) for each in rule[key])):
            yield f"{at}: {value!r} fits not {key} of {rule[key]}"
    if "if" in rule:
        yield from wrong(value, rule["else"] if any(wrong(value, rule["if"])) else rule["then"], at)
    if isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            yield f"{at}: {len(value)} items"
        for n, part in enumerate(value):
            yield from wrong(part, rule.get("items", True), f"{at}[{n}]")
    if isinstance(value, dict):
        if not rule.get("minProperties", 0) <= len(value) <= rule.get("maxProperties", len(value)):
            yield f"{at}: {len(value)} keys"
        yield from (f"{at}: no {key}" for key in rule.get("required", []) if key not in value)
        for key, part in value.items():
            yield from wrong(key, rule.get("propertyNames", True), f"{at}.{key}")
            further = rule.get("additionalProperties", True)
            inside = rule.get("properties", {}).get(key, further)
            if inside is False:
                yield f"{at}: unknown {key}"
            else:
                yield from wrong(part, inside, f"{at}.{key}")


def broken(text: str) -> list[str]:
    return list(wrong(compose(text).plain(), SCHEMA))


@pytest.mark.parametrize("name", rulebooks.shipped())
def test_a_shipped_book_fits_the_schema(name):
    assert broken(rulebooks.shipped()[name].read_text()) == []


@pytest.mark.parametrize(("old", "new"), [
    ("title: Small", "titel: Small"), ("title: Small\n", ""), ("revision: 1", "revision: [1]"),
    ("any: [JP, US]", "some: [JP, US]"), ("until: 2026-06-01", "until: June"), ("answer: deny", "answer: no"),
    ("authorization: license", "authorisation: license"), ("authorization: license", "authorization: licence"),
    ("790 TPP", "790"), ("counts: granted", "counts: sold"), ("by: [destination]", "by: [land]"),
    ("meets: 3A090.a", "meets: 3A090.d"), ("law: art. 6, ", ""), ("codified:", "forced:"),
    ("790 TPP", "{schedule: {soon: 5 TPP}}"), ("790 TPP", "{share: 0.5, of: world}"), ("caps:", "like: other\ncaps:"),
    ("790 TPP", "790 TPP, tolerance: 2"), ("790 TPP", "790 TPP, blocked: [{until: 2026-01-01, law: x}]"),
    ("790 TPP", "790 TPP, blocked: [{from: 2026-01-01}]"), ("100 chips", "{of_limit: land}"),
])  # fmt: skip
def test_the_schema_refuses_what_the_loader_refuses(old, new):
    assert old in SMALL
    assert broken(SMALL) == []
    text = SMALL.replace(old, new)
    assert broken(text) != []
    with pytest.raises(BadRulebook):
        parse(text)


@pytest.mark.parametrize("text", [
    SMALL, PROPOSAL, amended("cap: land, exempt: yes"), amended("cap: land, where: {destination: AE}, at_most: 5%"),
    SMALL.replace("790 TPP", "{share: 50%, of: {counts: shipped}}").replace("100 chips", "100 chips, after: nothing, "
                  "window: {from: 2026-01-01, until: 2027-01-01}"),
    SMALL.replace("790 TPP", "790 TPP, tolerance: 2%, suspended: [{from: 2026-01-01, until: 2026-02-01, law: x, "
                  "destination: [AE, allied]}], blocked: [{from: 2026-03-01, law: y}]"),
    SMALL.replace("100 chips", "{share: 20%, of_limit: land}"),
    SMALL.replace("by: [destination]", "by: {rest: [[destination], [destination, chip]]}")
    + "readings: {rest: {law: x, options: {one: a, two: b}, chosen: two}}\n",
])  # fmt: skip
def test_the_schema_takes_what_the_loader_takes(text):
    assert parse(text)
    assert broken(text) == []


def keys(*path: str) -> set[str]:
    """Return the keys that a definition of the schema knows."""
    rule = SCHEMA if not path else SCHEMA["$defs"][path[0]]
    for step in path[1:]:
        rule = rule["properties"][step]
    return set(rule["properties"])


def words_of(*path: str) -> set[Any]:
    rule = SCHEMA["$defs"][path[0]]
    for step in path[1:]:
        rule = rule["properties"][step]
    return set(rule["enum"])


@pytest.mark.parametrize(("path", "loader"), [
    ((), {*book.BOOK_KEYS, *liking.LIKING_KEYS}),
    (("list_table",), geography.LIST_KEYS),
    (("state",), sections.STATE_KEYS),
    (("reading",), sections.READING_KEYS),
    (("control",), sections.CONTROL_KEYS),
    (("rule",), sections.RULE_KEYS),
    (("cap",), caps.CAP_KEYS),
    (("counter",), caps.COUNTER_KEYS),
    (("schedule",), caps.LIMIT_KEYS[:1]),
    (("share",), caps.LIMIT_KEYS[1:]),
    (("share_of_limit",), limiting.OF_LIMIT_KEYS),
    (("pause",), pausing.PAUSE_KEYS),
    (("where",), (*conditions.DIMENSIONS, "any")),
    (("alternative",), (*conditions.DIMENSIONS, "any", "if")),
    (("amendment",), amending.AMENDMENT_KEYS),
    (("parameter",), parameters.PARAMETER_KEYS),
    (("change",), liking.CHANGE_KEYS),
    (("duty",), duties.DUTY_KEYS),
    (("when",), duties.WHEN_KEYS),
])  # fmt: skip
def test_schema_and_loader_know_the_same_keys_in_each_section(path, loader):
    assert keys(*path) == set(loader)


@pytest.mark.parametrize(("path", "loader"), [
    (("counts",), caps.COUNTS), (("gives_back",), caps.GIVES_BACK), (("by",), caps.BY),
    (("cap", "status"), caps.STATUSES), (("cap", "confidence"), words.CONFIDENCES),
    (("control", "meets"), sections.MEETS), (("parameter", "unit"), parameters.UNITS),
    (("authorization_kind",), AUTHORIZATION_KINDS), (("kind",), KINDS),
])  # fmt: skip
def test_schema_and_loader_know_the_same_words(path, loader):
    assert words_of(*path) == set(loader)


def test_schema_and_loader_ask_for_the_same_keys_of_a_book_and_know_the_same_states_causes_and_activities():
    assert SCHEMA["required"] == list(book.HEAD_KEYS)
    assert [*SCHEMA["required"], *SCHEMA["else"]["required"]] == list(book.REQUIRED_KEYS)
    assert set(SCHEMA["then"]["propertyNames"]["enum"]) == {*book.HEAD_KEYS, *liking.LIKING_KEYS}
    assert set(SCHEMA["else"]["propertyNames"]["enum"]) == set(book.BOOK_KEYS)
    assert set(SCHEMA["properties"]["status"]["properties"]) == set(sections.STATES)
    assert SCHEMA["$defs"]["where"]["properties"]["activity"]["anyOf"][0]["enum"] == list(ACTIVITIES)
    assert SCHEMA["$defs"]["when"]["properties"]["cause"]["anyOf"][0]["enum"] == [*CAUSES, "tampering"]


# The command line, and the documentation


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*words], env={"COLUMNS": "100"})
    return result.exit_code, result.stdout, result.stderr


def test_show_sets_parameters_and_shows_their_bounds_and_what_is_amended():
    status, out, _ = run("show", COMMENT, "--set", "assured-list=AE,SA", "--set", "assured-limit=1_580_000_000")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == f"{COMMENT}?assured-list=AE,SA&assured-limit=1580000000, revision 1"
    assert "lpp-limit: undetermined" in lines
    assert "  between      0 to 26,900,000 TPP" in lines
    assert "  amended      1,580,000,000 TPP for list assured: AE, SA (first proposal)" in lines


def test_show_as_json_has_parameters_changes_and_amended_limits():
    told = json.loads(run("show", f"{COMMENT}?assured-list=AE", "--set", "lpp-limit=5", "--json")[1])
    assert [(each["parameter"], each["value"], each["set"]) for each in told["parameters"]] == [
        ("lpp-limit", "5 TPP", True), ("assured-list", "AE", True), ("assured-limit", "undetermined", False),
    ]  # fmt: skip
    assert len(told["changes"]) == 3
    assert sum("amended" in each for each in told["caps"]) == 1


def test_diff_as_json_has_both_heads_and_each_difference_with_its_part():
    status, out, _ = run("diff", "us-diffusion-2025", f"{COMMENT}?lpp-limit=5", "--json")
    told = json.loads(out)
    assert (status, told["a"]["revision"], told["b"]["rulebook"]) == (0, 2, f"{COMMENT}?lpp-limit=5")
    assert {"part": "caps", "words": "lpp-year: the limit falls from 26,900,000 TPP to 5 TPP."} in told["differences"]


def test_diff_of_what_is_only_written_differently_says_so(tmp_path):
    (tmp_path / "a.yaml").write_text(SMALL)
    (tmp_path / "b.yaml").write_text(SMALL.replace("title: Small", "title:  Small  # the same"))
    status, out, _ = run("diff", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"))
    assert (status, out.splitlines()[1:]) == (0, ["The documents are written differently and say the same."])


@pytest.mark.parametrize("words", [
    ("diff", "nowhere.yaml", COMMENT), ("diff", COMMENT, f"{COMMENT}?x=1"), ("show", COMMENT, "--set", "lpp-limit=-1"),
])  # fmt: skip
def test_what_cannot_be_compared_or_set_is_one_line_and_status_2(words):
    status, out, err = run(*words)
    assert (status, out, err.count("\n")) == (2, "", 1)


def blocks() -> dict[str, str]:
    """Return the whole books of the documentation, by name; parts of one are named by their first section."""
    found = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return {re.match(r"(?:rulebook: )?([\w-]+)", text).group(1): text for text in found}  # type: ignore[union-attr]


def examples() -> list[tuple[str, str]]:
    """Return the commands of the documentation, each with what it prints."""
    return re.findall(r"```\n\$ capledger rulebook (.*?)\n(.*?)```", DOCS.read_text(), re.DOTALL)


def written(folder: Path) -> Path:
    for name, text in blocks().items():
        rest = re.sub(rf"^{name}:\n([ -].*\n)+", "", blocks()["example-2026"], flags=re.MULTILINE)
        whole = text if text.startswith("rulebook:") else rest + text
        (folder / f"{name}.yaml").write_text(whole)
    return folder


def test_every_book_in_the_documentation_fits_the_schema_and_has_no_errors(tmp_path):
    for path in written(tmp_path).iterdir():
        text = path.read_text()
        assert broken(text) == []
        assert [str(each) for each in rulebooks.lint(text, str(path)) if each.level == "error"] == []


def test_the_part_on_amendments_is_as_the_documentation_says(tmp_path):
    land = cap(rulebooks.load(written(tmp_path) / "amendments.yaml"), "country-allocation")
    assert [land.limit_for("AE", day).words for day in (TODAY, LATER)] == ["790,000,000 TPP", "1,200,000,000 TPP"]
    assert [land.exempts("KH", day) for day in (LATER, date(2027, 1, 1))] == [True, False]


def test_the_part_on_duties_is_as_the_documentation_says(tmp_path):
    told = {duty.name: duty for duty in rulebooks.load(written(tmp_path) / "duties.yaml").duties}
    assert [type(duty.when).__name__ for duty in told.values()] == [
        "Each", "Each", "Each", "First", "OneShipment", "Reaches", "Dates", "Every",
    ]  # fmt: skip
    assert [(duty.due.kind, duty.due.days) for duty in told.values()] == [
        ("before", 25), ("after", 30), ("after", 30), ("before", 180), ("before", 0), ("receipt", 0), ("day", 0),
        ("day", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(("command", "printed"), examples(), ids=[command[:40] for command, _ in examples()])
def test_every_command_in_the_documentation_prints_what_is_written_there(command, printed, tmp_path, monkeypatch):
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    _, out, err = run(*shlex.split(command))
    assert out + err == printed


def test_the_documentation_shows_every_tool():
    assert {command.split()[0] for command, _ in examples()} == {"diff", "lint", "show"}
