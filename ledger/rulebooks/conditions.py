"""`where`: a table of conditions on a movement, all of which must hold, with `any` for alternatives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from ledger.core.facts import AUTHORIZATION_KINDS
from ledger.core.listing import LISTED
from ledger.core.movements import ACTIVITIES
from ledger.core.rulebook import All, Any, Condition, Test
from ledger.rulebooks.document import Piece, choices
from ledger.rulebooks.draft import Draft, base_chips
from ledger.rulebooks.geography import country
from ledger.rulebooks.words import day_of, figure, fraction, near, one_of

VALIDATED_END_USERS = ("UVEU", "NVEU")
BOOKED_TO = ("owner_parent", "operator_parent")

_COMPARISON = re.compile(r"(<=|>=|==|<|>) *(\S+)").fullmatch
_POWER = re.compile(r"([0-9]+)e([0-9]{1,2})").fullmatch
_ECCN = re.compile(r"[0-9][A-E][0-9]{3}(\.[a-z])?").fullmatch

# Every seat is outside a list exactly if it is not so that any is on it, and the other way round. A test's `not_in` is
# the plain negation of `in`, so the two swap names; a reader of the document sees the law's words.
_OUTSIDE = {"any_headquarters": "all_headquarters", "all_headquarters": "any_headquarters"}


def read_where(draft: Draft, piece: Piece | None, *, keys: tuple[str, ...] = ()) -> Condition:
    """Return the condition that a table states; none at all always holds. keys: further ones, read elsewhere."""
    if piece is None:
        return All()
    parts: list[Condition] = []
    for key, part in piece.table("`where`", (*DIMENSIONS, "any", *keys)).items():
        if key == "any":
            parts.append(_alternatives(draft, part))
        elif key not in keys:
            parts.append(_test(draft, key, part))
    return All(tuple(parts))


def _alternatives(draft: Draft, piece: Piece) -> Condition:
    found: list[Condition] = []
    for part in piece.items("`any`"):
        table = part.entries("An alternative of `any`")
        condition = read_where(draft, part, keys=("if",))
        if draft.applies(table):
            found.append(condition)
    if not found:
        piece.wrong("`any` has no alternative left.", "Write at least one that the chosen readings keep.")
    return Any(tuple(found))


def _test(draft: Draft, dimension: str, piece: Piece) -> Test:
    if dimension in COMPARED:
        return _comparison(dimension, piece)
    if dimension == "any_owned":
        return _owned(piece)
    op = "in"
    if isinstance(piece.value, dict):
        piece = piece.table(f"`{dimension}`", ("not",), ("not",))["not"]
        op, dimension = "not_in", _OUTSIDE.get(dimension, dimension)
    parts = piece.each()
    if not parts:
        piece.wrong(f"`{dimension}` is an empty list, which nothing can be on.", "Name a value, or leave it out.")
    return Test(dimension, op, tuple(_VALUES[dimension](draft, part) for part in parts))


def _comparison(dimension: str, piece: Piece) -> Test:
    text = piece.text(f"`{dimension}`")
    example = "<= 2026-01-15" if dimension == "us_available_on" else "< 21000"
    if not (match := _COMPARISON(text)):
        piece.wrong(f'`{dimension}` must be a comparison, not "{text}".', f'Write it as "{example}", in quotes.')
    op, bound = match.groups()
    if dimension == "us_available_on":
        return Test(dimension, op, (day_of(bound, "The date", piece),))
    if power := _POWER(bound):
        return Test(dimension, op, (Decimal(power[1]).scaleb(int(power[2])),))
    return Test(dimension, op, (figure(bound, piece),))


def _owned(piece: Piece) -> Test:
    """Return the test of `{by: listed, at_least: 50%}`: how much of a party's owners must be listed, in a hundred."""
    table = piece.table("`any_owned`", ("by", "at_least"), ("by", "at_least"))
    least = fraction(table["at_least"], "`at_least`").scaleb(2)
    return Test("any_owned", ">=", (least, one_of(table["by"], "`by`", (LISTED,))))


def _seat(draft: Draft, piece: Piece) -> str:
    text = piece.text("A country")
    return f"@{text}" if text in draft.list_names else country(draft, piece)


def _tier(draft: Draft, piece: Piece) -> str:
    text = piece.text("A tier")
    if text not in draft.tier_lines:
        piece.wrong(f'There is no tier "{text}".', choices(text, draft.tier_lines, "tiers"))
    return text


def _control(draft: Draft, piece: Piece) -> str:
    text = piece.text("A control class")
    if text not in draft.control_names:
        piece.wrong(f'There is no control class "{text}".', choices(text, sorted(draft.control_names), "classes"))
    return text


def _chip(draft: Draft, piece: Piece) -> str:
    text = piece.text("A chip")
    if text not in base_chips():
        piece.wrong(f'"{text}" is not a chip of the catalog.', near(text, base_chips()))
    return text


def _eccn(draft: Draft, piece: Piece) -> str:
    text = piece.text("An ECCN")
    if not _ECCN(text):
        piece.wrong(f'"{text}" is not an ECCN.', "Write it as 3A090.a.")
    return text


def _free(draft: Draft, piece: Piece) -> str:
    text = piece.text("A value")
    if text.startswith("@"):
        piece.wrong(f'"{text}" cannot begin with @.', "Write a list's name without a mark.")
    return text


def _word(*known: str) -> Callable[[Draft, Piece], str]:
    def check(draft: Draft, piece: Piece) -> str:
        text = piece.text("A value")
        if text not in known:
            piece.wrong(f'"{text}" is not known here.', choices(text, known, "words"))
        return text

    return check


_VALUES: Mapping[str, Callable[[Draft, Piece], str]] = {
    "destination": _seat,
    "destination_tier": _tier,
    "any_headquarters": _seat,
    "all_headquarters": _seat,
    "owner_headquarters": _seat,
    "recipient_headquarters": _seat,
    "exporter": _free,
    "recipient": _free,
    "owner": _free,
    "operator": _free,
    "booked_to": _free,
    "booked_to_is": _word(*BOOKED_TO),
    "ultimate_parent": _free,
    "authorization": _word(*AUTHORIZATION_KINDS),
    "control": _control,
    "eccn": _eccn,
    "data_center": _word("yes", "no"),
    "activity": _word(*ACTIVITIES),
    "exported_from": _seat,
    "end_use": _free,
    "facility": _free,
    "evidence": _free,
    "chip": _chip,
    "operator_holds": _word(*VALIDATED_END_USERS),
    "owner_holds": _word(*VALIDATED_END_USERS),
}
COMPARED = ("tpp", "dram_bandwidth", "us_available_on", "training_operations")
DIMENSIONS = (*_VALUES, *COMPARED, "any_owned")

# Shared: a control class names chips and ECCNs, and an amendment destinations, as a condition does.
read_chip, read_eccn, read_seat = _chip, _eccn, _seat
