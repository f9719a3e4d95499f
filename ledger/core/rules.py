"""Which door is open: the first rule of a rulebook that matches a movement answers; no match is undetermined."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from ledger.core.conditions import Conditions, Truth, asks_for, unknown_in
from ledger.core.facts import UNKNOWN
from ledger.core.profile import Profile
from ledger.core.rulebook import Rule, Rulebook

Outcome = Literal["permit", "not_permitted", "undetermined"]


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What the rules of a book say: the outcome, the rule or rules that decided, and why in words.

    readings: those that it turns on, each with the option that the book chooses.
    """

    outcome: Outcome
    rules: tuple[str, ...]
    law: str
    message: str
    remedy: str = ""
    review: str = ""
    missing: tuple[str, ...] = ()
    readings: tuple[tuple[str, str], ...] = ()


class Rules:
    """The ordered rules of one book. Remembers the answer for each profile between two days of change."""

    def __init__(self, book: Rulebook) -> None:
        self.book = book
        self._answers: dict[tuple[bytes, int], RuleAnswer] = {}
        left_out = [rule for _, rule in book.left_out]
        self._conditions = Conditions(book, [rule.where for rule in (*book.rules, *left_out)])

    def answer(self, profile: Profile, day: date) -> RuleAnswer:
        """Return what the rules say of a movement on a day.

        An unknown condition makes the answer undetermined only where the rules that may match would differ.
        """
        key = (profile.sha256, bisect_right(self.book.boundaries, day))
        if key not in self._answers:
            truths = self._conditions.truths(profile, day)
            answer = self._ask(truths[: len(self.book.rules)], profile, day)
            if self.book.turning:
                answer = replace(answer, readings=self._readings(answer, truths[len(self.book.rules) :], day))
            self._answers[key] = answer
        return self._answers[key]

    def _readings(self, answer: RuleAnswer, left_out: Sequence[Truth], day: date) -> tuple[tuple[str, str], ...]:
        """Return the readings of the rules that answered, and of those left out that would have been asked first."""
        names = [*answer.rules]
        at = max((n for n, rule in enumerate(self.book.rules) if rule.name in names), default=len(self.book.rules))
        for (before, rule), truth in zip(self.book.left_out, left_out, strict=True):
            if before <= at and rule.span.covers(day) and truth is not False:
                names.append(rule.name)
        return tuple(dict.fromkeys(each for name in names for each in self.book.turning.get(name, ())))

    def _ask(self, truths: Sequence[Truth], profile: Profile, day: date) -> RuleAnswer:
        possible: list[RuleAnswer] = []
        unknown: list[str] = []
        for rule, truth in zip(self.book.rules, truths, strict=True):
            if truth is False or not rule.span.covers(day):
                continue
            possible.append(_outcome(rule, profile, self.book))
            if truth is True:
                break
            unknown += unknown_in(rule.where, profile, self.book, day)
        else:
            possible.append(_no_match(self.book, profile))
        outcomes = {answer.outcome for answer in possible}
        if len(outcomes) == 1:
            return possible[-1] if possible[-1].rules else possible[0]
        names = tuple(dict.fromkeys(name for answer in possible for name in answer.rules))
        turns_on = " and ".join(dict.fromkeys(_in_words(name, profile, self.book) for name in unknown))
        return RuleAnswer(
            "undetermined",
            names,
            possible[0].law,
            f"{self.book.name}: whether {' or '.join(names)} applies turns on {turns_on}, not known.",
            "State it, or register what is missing; then the same request can succeed.",
        )


def _outcome(rule: Rule, profile: Profile, book: Rulebook) -> RuleAnswer:
    named = f"{book.name}: rule {rule.name} ({rule.law})"
    if rule.answer == "presume_deny" and profile.overrides == rule.name:
        return RuleAnswer(
            "permit", (rule.name,), rule.law, f"{named} presumes denial; overridden by name.", review=rule.review
        )
    rests = _rests_on(profile) if rule.answer != "permit" and asks_for(rule.where, "any_owned") else ""
    if rule.answer == "undetermined":
        return RuleAnswer(
            "undetermined",
            (rule.name,),
            rule.law,
            f"{named} leaves this movement undetermined: {rule.turns_on} is not known.{rests}",
            "Adopt a rulebook that says it, once it is known; then the same request can succeed.",
        )
    if rule.answer != "permit":
        verb = "denies" if rule.answer == "deny" else "presumes denial of"
        remedy = (
            "Only an authorization that overrides this rule by name could."
            if rule.answer == "presume_deny"
            else "No authorization opens this door while the rule stands."
        )
        return RuleAnswer("not_permitted", (rule.name,), rule.law, f"{named} {verb} this movement.{rests}", remedy)
    missing = tuple(kind for kind in rule.evidence if kind not in profile.evidence) + _missing_party(
        rule, profile, book
    )
    if missing:
        return RuleAnswer(
            "not_permitted",
            (rule.name,),
            rule.law,
            f"{named} would permit this movement, but lacks {', '.join(missing)}.",
            "Name what is missing, with its reference, and ask again under a new key.",
            missing=missing,
        )
    return RuleAnswer("permit", (rule.name,), rule.law, f"{named} permits it.", review=rule.review)


def _missing_party(rule: Rule, profile: Profile, book: Rulebook) -> tuple[str, ...]:
    if rule.party is None:
        return ()
    lab = profile.lab
    fits = lab and (not rule.party.headquarters or book.place(lab.headquarters) in rule.party.headquarters)
    if lab and fits and rule.party.role in lab.roles:
        return ()
    seats = f" with headquarters in {' or '.join(rule.party.headquarters)}" if rule.party.headquarters else ""
    return (f"a party in the role {rule.party.role}{seats}",)


def _no_match(book: Rulebook, profile: Profile) -> RuleAnswer:
    return RuleAnswer(
        "undetermined",
        (),
        book.source,
        f"{book.name}: no rule allows {profile.authorization_kind} for {profile.base_chip} to {profile.destination}.",
        "What no rule allows is not allowed: name another authorization.",
    )


def _in_words(dimension: str, profile: Profile, book: Rulebook) -> str:
    """Return what is not known, as a person would ask for it."""
    if dimension.endswith("_headquarters"):
        seats = (
            [profile.owner]
            if dimension == "owner_headquarters"
            else [profile.recipient, profile.owner, profile.operator]
        )
        words = []
        for seat in seats:
            if seat.headquarters == UNKNOWN:
                words.append(f"the headquarters of {seat.party}")
            if seat.parent_headquarters == UNKNOWN:
                words.append(f"the ultimate parent of {seat.party}")
            for code in (seat.headquarters, seat.parent_headquarters):
                if code != UNKNOWN and not book.knows(code):
                    words.append(f"what country {code} is")
        return " and ".join(dict.fromkeys(words))
    return {
        "control": f"the control class of {profile.base_chip}",
        "data_center": f"whether {profile.base_chip} is made for data centers",
        "us_available_on": f"since when {profile.base_chip} is sold",
        "dram_bandwidth": f"the memory bandwidth of {profile.base_chip}",
        "destination": f"what country {profile.destination} is",
        "destination_tier": f"the tier of {profile.destination}",
        "exported_from": f"what country {profile.exported_from} is"
        if profile.exported_from
        else "which country it is exported from",
        "end_use": "its end use",
        "booked_to_is": f"the ultimate parent of {' or of '.join(_booking(profile))}",
        "any_owned": f"which share of {' or of '.join(_below_listed(profile))} its ultimate parent owns",
        "ultimate_parent": f"the ultimate parent of {profile.recipient.party}",
    }.get(dimension, f"its {dimension.replace('_', ' ')}")


def _booking(profile: Profile) -> list[str]:
    """Return the owner and the operator, those of them whose ultimate parent is not known."""
    unknown = [seat.party for seat in (profile.owner, profile.operator) if seat.parent == UNKNOWN]
    return list(dict.fromkeys(unknown)) or [profile.owner.party]


def _below_listed(profile: Profile) -> list[str]:
    """Return the parties whose ultimate parent is listed, or owned by listed parties, by a share that is not stated."""
    seats = (profile.recipient, profile.owner, profile.operator)
    return list(dict.fromkeys(seat.party for seat in seats if seat.listed_parent)) or [profile.recipient.party]


def _rests_on(profile: Profile) -> str:
    """Return the sentence that names the shares by which listed parties own a party of a movement."""
    found: dict[str, None] = {}
    for seat in (profile.recipient, profile.owner, profile.operator):
        if seat.listed_share and not seat.listed_by:
            found[f"{seat.party} is listed itself"] = None
        found.update(dict.fromkeys(f"{owner} owns {share}% of {owned}" for owner, share, owned in seat.listed_by))
    return f" As stated, {', '.join(found)}." if found else ""
