"""Four eyes: what needs a second person, why, and when two names are one person."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ledger.core.compute import grouped, number, plain
from ledger.core.deciding import Judged
from ledger.core.errors import Malformed
from ledger.core.facts import FourEyes
from ledger.core.movements import Movement
from ledger.core.movements.fields import free_text, whole, word
from ledger.core.refusals import PRECEDENCE, Refusal

KINDS = ("adoption", "grant", "reverse", "override")
NOTHING = "nothing"  # how to say that no kind needs a second person any more
NEEDS = "needs_second_person"
LONGEST_NAME = 100
PROPOSABLE = ("movement", "authorization", "rulebook", "four_eyes")
PERMITTING = ("issued", "amended", "reinstated")  # changes of an authorization that let more happen under it


def _kinds(field: str, text: str) -> tuple[str, ...]:
    stated = [part.strip() for part in text.replace(",", ";").split(";") if part.strip()]
    if stated == [NOTHING]:
        return ()
    wrong = [each for each in stated if each not in KINDS]
    if wrong or not stated:
        raise Malformed(
            field, f"{field} is '{text[:60]}'.", f"Name any of {', '.join(KINDS)}, with ; between, or {NOTHING}."
        )
    return tuple(kind for kind in KINDS if kind in stated)


def _tpp(field: str, text: str) -> Decimal:
    return number(text, field)


REQUIREMENT_FIELDS = {"kinds": _kinds, "grant_above": _tpp, "note": free_text}
DECISION_FIELDS = {"proposal": whole, "decision": word("approve", "decline"), "note": free_text}


def of_movement(required: FourEyes, movement: Movement, asked_tpp: Decimal) -> Refusal | None:
    """Granting more than is stated and reversing need a second person, asked for or reported."""
    if movement.kind == "reverse" and "reverse" in required.kinds:
        return _needs(required, "Reversing a record")
    if movement.kind != "grant" or "grant" not in required.kinds:
        return None
    above = required.grant_above
    if above is None:
        return _needs(required, "A grant")
    if asked_tpp > above:
        return _needs(required, f"A grant of {grouped(asked_tpp)} TPP", f" above {grouped(above)} TPP")
    return None


def hold(judged: Judged, required: FourEyes) -> None:
    """Refuse a judged movement for want of a second person, unless an earlier reason refuses it."""
    if not required.kinds:
        return
    asked_tpp = sum((line.tpp for line in judged.lines), Decimal(0))
    needed = first(judged.refusal, of_movement(required, judged.movement, asked_tpp))
    if needed is not judged.refusal:
        judged.refusal, judged.breaches = needed, []


def first(one: Refusal | None, other: Refusal | None) -> Refusal | None:
    """Return the refusal that comes first in the published order."""
    return min((each for each in (one, other) if each), key=lambda each: PRECEDENCE.index(each.code), default=None)


def of_adoption(required: FourEyes, name: str) -> Refusal | None:
    """Adopting a rulebook needs a second person."""
    return _needs(required, f"Adopting {name}") if "adoption" in required.kinds else None


def of_authorization(required: FourEyes, change: str, overrides: str) -> Refusal | None:
    """What overrides a presumption of denial by name is issued, amended or reinstated by two persons."""
    if not overrides or change not in PERMITTING or "override" not in required.kinds:
        return None
    return _needs(required, f"An authorization that overrides '{overrides}' and is {change}")


def of_loosening(before: FourEyes, after: FourEyes) -> Refusal | None:
    """To ask a second person for less needs a second person; to ask for more does not."""
    dropped = [kind for kind in before.kinds if kind not in after.kinds]
    if dropped:
        return _needs(before, f"To ask no second person for {' and '.join(dropped)} any more")
    above = after.grant_above
    if "grant" in before.kinds and above is not None and (before.grant_above is None or above > before.grant_above):
        return _needs(before, f"To let grants of up to {grouped(above)} TPP pass")
    return None


def _needs(required: FourEyes, what: str, above: str = "") -> Refusal:
    return Refusal(
        NEEDS,
        f"{what} needs a second person: record {required.seq:,} requires one{above}.",
        "Propose it, under the same key if you like; once another person approves, it is judged anew.",
    )


def to_body(required: FourEyes) -> dict[str, Any]:
    """Return a requirement as JSON, without its record."""
    above = {} if required.grant_above is None else {"grant_above": plain(required.grant_above)}
    return {**above, "kinds": list(required.kinds)}


def from_body(body: Mapping[str, Any], seq: int) -> FourEyes:
    """Return the requirement that a body states; the inverse of `to_body`."""
    above = Decimal(body["grant_above"]) if "grant_above" in body else None
    return FourEyes(tuple(body["kinds"]), above, seq)


def requirement(values: Mapping[str, Any]) -> FourEyes:
    """Return the requirement that typed values state. Raises `Malformed` for a threshold without grants."""
    if "grant_above" in values and "grant" not in values["kinds"]:
        raise Malformed("grant_above", "grant_above is stated, but grant is not among the kinds.", "Name grant too.")
    return FourEyes(values["kinds"], values.get("grant_above"))


def person_of(text: str) -> str:
    """Return a person's name as it is recorded: on one line, blanks single; empty stays empty. Raises `Malformed`."""
    name = " ".join(text.split())
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise Malformed(
            "person", f"person is '{name[:60]}'.", f"Use a name of at most {LONGEST_NAME} printable characters."
        )
    return name


def is_same_person(one: str, other: str) -> bool:
    """Return whether two names are spellings of one: capitals, blanks and forms of a letter make no difference."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
