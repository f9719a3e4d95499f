"""The ordered rules: the first that matches answers, no match is no yes, and unknown is never taken for yes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import product

import pytest
from world import B200, DIFFUSION, H20, H100, H200, LICENSING, book

from ledger import reference
from ledger.core import rulebook
from ledger.core.conditions import holds
from ledger.core.facts import UNKNOWN
from ledger.core.profile import Profile, Seat
from ledger.core.rules import Rules
from ledger.rulebooks import load, parse_bundle

DAY = date(2026, 2, 1)
CHIPS = {chip.chip: chip for chip in reference.chips()}
RTX = next(chip.chip for chip in reference.chips() if chip.data_center is False and chip.control.startswith("3A090"))


def seat(headquarters, parent=None):
    """A party and the seat of its ultimate parent, which is its own unless said."""
    top = headquarters if parent is None else parent
    return Seat("firm", headquarters, "firm" if top == headquarters else "parent", top)


def facts(destination, headquarters, authorization="license", chip=H100, parent=None, **more):
    firm, rated = seat(headquarters, parent), CHIPS[chip]
    own = {
        "owner": firm, "operator": firm, "booked_to": firm, "exported_from": "US", "meets": rated.control,
        "data_center": rated.data_center, "dram_bandwidth": rated.dram_bandwidth_gb_s, "released": rated.released,
        "eccn": rated.control if rated.control.startswith("3A090") else "",
    }  # fmt: skip
    return Profile(destination=destination, recipient=firm, chip=chip, base_chip=chip, tpp_per_chip=rated.tpp_per_ic,
                   authorization_kind=authorization, **{**own, **more})  # fmt: skip


def answered(book_, profile, day=DAY):
    answer = Rules(book_).answer(profile, day)
    return answer.outcome, "+".join(answer.rules)


PERMIT, DENY, OPEN = "permit", "not_permitted", "undetermined"
STATED = {"evidence": ("consignee-statement",)}
CERTIFIED = {"evidence": ("consignee-certification", "designer-approved-or-authorized")}
OVERRIDE = {"overrides": "denied-parties"}


@pytest.mark.parametrize(("profile", "outcome", "rule"), [
    # what is not controlled needs nothing, wherever it goes and whoever owns it
    (facts("CN", "CN", "none_required", H20), PERMIT, "not-covered"),
    (facts("AE", UNKNOWN, "none_required", H20), PERMIT, "not-covered"),
    # at home
    (facts("US", "US", "none_required"), PERMIT, "home"),
    (facts("PR", "US", "none_required"), PERMIT, "home"),
    (facts("US", "US", "none_required", exported_from=""), OPEN, "home"),  # from where is not stated
    # the denied: by destination, by seat, by the seat of the ultimate parent, of any party, never of the exporter
    (facts("CN", "AE"), DENY, "denied-parties"),
    (facts("HK", "AE"), DENY, "denied-parties"),
    (facts("MO", "AE"), DENY, "denied-parties"),
    (facts("AE", "CN"), DENY, "denied-parties"),
    (facts("AE", "AE", parent="CN"), DENY, "denied-parties"),
    (facts("AE", "AE", parent="HK"), DENY, "denied-parties"),
    (facts("AE", "AE", owner=seat("RU")), DENY, "denied-parties"),
    (facts("AE", "AE", operator=seat("RU")), DENY, "denied-parties"),
    (facts("AE", "AE", exporter=seat("CN")), PERMIT, "license-other"),
    (facts("AE", "AE", parent="CN", **OVERRIDE), PERMIT, "denied-parties"),
    (facts("AE", "AE", parent="CN", overrides="license-other"), DENY, "denied-parties"),
    # a license
    (facts("AE", "AE"), PERMIT, "license-other"),
    (facts("DE", "AE"), PERMIT, "license-allied"),
    (facts("AE", "DE"), PERMIT, "license-allied"),
    (facts("AE", UNKNOWN), OPEN, "denied-parties+license-allied+license-other"),
    (facts("AE", "AE", "none_required"), OPEN, ""),
    # the exceptions
    (facts("DE", "DE", "AIA", **CERTIFIED), PERMIT, "AIA"),
    (facts("DE", "DE", "AIA"), DENY, "AIA"),                                # and says what it lacks
    (facts("DE", "DE", "AIA", parent="AE", **CERTIFIED), OPEN, ""),         # all seats, own and parents'
    (facts("AE", "DE", "AIA", **CERTIFIED), OPEN, ""),
    (facts("MY", "MY", "LPP", **STATED), PERMIT, "LPP"),
    (facts("MY", "MY", "LPP"), DENY, "LPP"),
    (facts("AE", "AE", "LPP", **STATED), DENY, "LPP-barred"),
    (facts("MY", "MY", "LPP", eccn="5A002.z", **STATED), DENY, "LPP-not-5A002"),
    (facts("MY", "MY", "LPP", activity="transfer", **STATED), OPEN, ""),
    # validated end users
    (facts("MY", "US", "UVEU", operator=Seat("firm", "US", "firm", "US", ("UVEU",))), PERMIT, "UVEU"),
    (facts("MY", "US", "UVEU"), OPEN, ""),                                  # it holds none
    (facts("MY", "MY", "UVEU", operator=Seat("firm", "MY", "firm", "MY", ("UVEU",))), OPEN, ""),
    (facts("MY", "MY", "NVEU", operator=Seat("firm", "MY", "firm", "MY", ("NVEU",))), PERMIT, "NVEU"),
    # not for data centers
    (facts("CN", "CN", "NAC", RTX, evidence=("nac-confirmation",)), PERMIT, "not-data-center-to-denied"),
    (facts("CN", "CN", "NAC", RTX), DENY, "not-data-center-to-denied"),
    (facts("AE", "AE", "ACA", RTX), PERMIT, "not-data-center-elsewhere"),
    (facts("CN", "CN", "NAC", H100, evidence=("nac-confirmation",)), DENY, "denied-parties"),
])  # fmt: skip
def test_the_framework_answers_by_its_first_rule_that_matches(profile, outcome, rule):
    assert answered(load(DIFFUSION), profile) == (outcome, rule)


RATIO = (
    "us-supply-sufficient", "no-foundry-diversion", "no-prohibited-end-use", "kyc-remote-access", "us-volume-stated",
    "lab-certificate",
)  # fmt: skip
LAB = Seat("lab", "US", "lab", "US", (), ("approved-lab",))


@pytest.mark.parametrize(("profile", "day", "outcome", "rule"), [
    (facts("CN", "CN", chip=H200, evidence=RATIO, lab=LAB), DAY, PERMIT, "h200-case-by-case"),
    (facts("HK", "CN", chip=H200, evidence=RATIO, lab=LAB), DAY, PERMIT, "h200-case-by-case"),
    (facts("CN", "CN", chip=H200, evidence=RATIO, lab=LAB), date(2026, 1, 14), DENY, "headquarters-clause"),
    (facts("CN", "CN", chip=H200, evidence=RATIO[1:], lab=LAB), DAY, DENY, "h200-case-by-case"),
    (facts("CN", "CN", chip=H200, evidence=RATIO), DAY, DENY, "h200-case-by-case"),
    (facts("CN", "CN", chip=H200, evidence=RATIO, lab=Seat("lab", "CN", "lab", "CN", (), ("approved-lab",))), DAY, DENY,
     "h200-case-by-case"),
    (facts("CN", "CN", chip=H200, evidence=RATIO, lab=Seat("lab", "US", "lab", "US", (), ("lab",))), DAY, DENY,
     "h200-case-by-case"),
    (facts("CN", "CN", chip=H200, evidence=RATIO, lab=LAB, exported_from="SG"), DAY, DENY, "headquarters-clause"),
    (facts("CN", "CN", chip=B200, evidence=RATIO, lab=LAB), DAY, DENY, "headquarters-clause"),  # 36,000 is too much
    (facts("CN", "CN", "none_required", H20), DAY, DENY, "letter-no-license"),
    (facts("CN", "CN", chip=H20), DAY, PERMIT, "letter"),
    (facts("MY", "MY", "none_required", H20), DAY, PERMIT, "not-covered"),
    (facts("AE", "AE"), DAY, PERMIT, "license-scope"),
    (facts("AE", "AE", "none_required"), DAY, DENY, "license-scope-none"),
    (facts("MY", "MY", "none_required"), DAY, PERMIT, "elsewhere"),
    (facts("MY", "MY", "none_required", parent="CN"), DAY, DENY, "headquarters-clause"),
    (facts("MY", UNKNOWN, "none_required"), DAY, OPEN, "headquarters-clause+elsewhere"),
])  # fmt: skip
def test_what_is_enforced_answers_by_its_first_rule_that_matches(profile, day, outcome, rule):
    assert answered(load(LICENSING), profile, day) == (outcome, rule)


def test_a_rule_that_lacks_evidence_names_itself_and_all_that_it_lacks():
    answer = Rules(load(DIFFUSION)).answer(facts("DE", "DE", "AIA", evidence=("consignee-certification",)), DAY)
    assert answer.missing == ("designer-approved-or-authorized",)
    assert "AIA" in answer.message
    assert "designer-approved-or-authorized" in answer.message
    lacks = Rules(load(LICENSING)).answer(facts("CN", "CN", chip=H200, evidence=RATIO[:-1]), DAY)
    assert lacks.missing == ("lab-certificate", "a party in the role approved-lab with headquarters in US")


def test_an_undetermined_answer_says_what_it_turns_on():
    message = Rules(load(DIFFUSION)).answer(facts("AE", "AE", parent=UNKNOWN), DAY).message
    assert "denied-parties" in message
    assert "the ultimate parent of firm" in message


@pytest.mark.parametrize("profile", [facts("ZZ", "AE"), facts("AE", "ZZ"), facts("AE", "AE", parent="ZZ")])
def test_a_code_that_is_no_country_of_the_book_is_never_taken_for_one_that_nobody_denies(profile):
    answer = Rules(load(DIFFUSION)).answer(profile, DAY)
    assert answer.outcome == OPEN
    assert "denied-parties" in answer.rules
    assert "turns on what country ZZ is, not known" in answer.message


# Unknown is undetermined only where the answers of the rules that may match would differ.

ORDER = """  - {{name: first, law: test, where: {{any_headquarters: [CN]}}, answer: {0}}}
  - {{name: second, law: test, where: {{destination: [AE]}}, answer: {1}}}"""


@pytest.mark.parametrize(("first", "second"), list(product(["permit", "deny", "presume_deny"], repeat=2)))
def test_an_unknown_matters_only_where_the_answers_differ(first, second):
    one = parse_bundle({"test-book": book(rules=ORDER.format(first, second))})
    outcomes = {"permit": PERMIT, "deny": DENY, "presume_deny": DENY}
    outcome, _ = answered(one, facts("AE", UNKNOWN))
    assert outcome == (outcomes[first] if outcomes[first] == outcomes[second] else OPEN)
    assert answered(one, facts("AE", "CN"))[0] == outcomes[first]
    assert answered(one, facts("AE", "AE"))[0] == outcomes[second]
    assert answered(one, facts("MY", "AE")) == (OPEN, "")
    assert answered(one, facts("MY", UNKNOWN))[0] == OPEN


def test_a_rule_holds_from_its_first_day_until_its_last_is_over():
    dated = "  - {name: dated, law: test, from: 2026-01-01, until: 2026-02-01, where: {}, answer: permit}"
    one = parse_bundle({"test-book": book(rules=dated)})
    rules = Rules(one)  # one set of rules for all days: what it remembers of one day is not told on another
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 31), date(2026, 2, 1), date(2025, 12, 31)]
    assert [rules.answer(facts("AE", "AE"), day).outcome for day in days] == [OPEN, PERMIT, PERMIT, OPEN, OPEN]


# Three-valued: Kleene's tables.

TRUTHS = {
    rulebook.Test("destination", "in", ("AE",)): True,
    rulebook.Test("destination", "in", ("MY",)): False,
    rulebook.Test("any_headquarters", "in", ("CN",)): None,
}


@pytest.mark.parametrize(("one", "other"), list(product(TRUTHS, repeat=2)), ids=str)
def test_conditions_are_joined_as_three_valued_logic_says(one, other):
    mine, theirs = TRUTHS[one], TRUTHS[other]
    profile, framework = facts("AE", UNKNOWN), load(DIFFUSION)
    both = False if False in (mine, theirs) else None if None in (mine, theirs) else True
    either = True if True in (mine, theirs) else None if None in (mine, theirs) else False
    assert holds(rulebook.All((one, other)), profile, framework, DAY) is both
    assert holds(rulebook.Any((one, other)), profile, framework, DAY) is either


@pytest.mark.parametrize(("dimension", "op", "values", "profile", "truth"), [
    ("any_headquarters", "in", ("CN",), facts("AE", "AE", parent="CN"), True),
    ("any_headquarters", "in", ("AE",), facts("AE", "AE", parent=UNKNOWN), True),
    ("any_headquarters", "in", ("CN",), facts("AE", "AE", parent=UNKNOWN), None),
    ("all_headquarters", "in", ("AE",), facts("AE", "AE", parent=UNKNOWN), None),
    ("all_headquarters", "in", ("CN",), facts("AE", "AE", parent=UNKNOWN), False),
    ("owner_headquarters", "in", ("US",), facts("AE", "AE", owner=seat("AE", "US")), True),
    ("owner_headquarters", "not_in", ("US",), facts("AE", "AE", owner=seat("AE", "US")), False),
    ("tpp", "<", (Decimal(21000),), facts("AE", "AE"), True),
    ("tpp", "<", (Decimal(15832),), facts("AE", "AE"), False),
    ("tpp", "<=", (Decimal(15832),), facts("AE", "AE"), True),
    ("dram_bandwidth", "<", (Decimal(6500),), facts("AE", "AE", dram_bandwidth=None), None),
    ("us_available_on", "<=", (date(2026, 1, 15),), facts("AE", "AE", released=None), None),
    ("us_available_on", "<=", (date(2026, 1, 15),), facts("AE", "AE"), True),
    ("data_center", "in", ("no",), facts("AE", "AE", data_center=None), None),
    ("exported_from", "in", ("US",), facts("AE", "AE", exported_from="PR"), True),
    ("exported_from", "in", ("US",), facts("AE", "AE", exported_from=""), None),
    ("destination_tier", "in", ("2",), facts("ZZ", "AE"), None),
    ("destination", "in", ("@denied",), facts("ZZ", "AE"), None),
    ("destination", "not_in", ("@denied",), facts("ZZ", "AE"), None),
    ("any_headquarters", "in", ("@denied",), facts("AE", "ZZ"), None),
    ("any_headquarters", "in", ("@denied",), facts("AE", "ZZ", parent="CN"), True),
    ("all_headquarters", "in", ("@allied",), facts("AE", "US", parent="ZZ"), None),
    ("exported_from", "in", ("US",), facts("AE", "AE", exported_from="ZZ"), None),
    ("control", "in", ("a",), facts("AE", "AE", meets="undetermined"), None),
    ("operator_holds", "in", ("UVEU",), facts("AE", "AE"), False),
    ("evidence", "not_in", ("x",), facts("AE", "AE"), True),
    ("facility", "in", ("s1",), facts("AE", "AE"), None),
    ("training_operations", ">=", (Decimal(10) ** 26,), facts("AE", "AE"), None),
])  # fmt: skip
def test_each_dimension_says_yes_no_or_unknown(dimension, op, values, profile, truth):
    assert holds(rulebook.Test(dimension, op, values), profile, load(DIFFUSION), DAY) is truth
