"""A rulebook as people and programs read it: every part in words, in the book's order, as of a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core.compute import grouped, plain
from ledger.core.rulebook import (
    PAUSED,
    All,
    Amendment,
    Cap,
    Condition,
    Control,
    NamedList,
    Parameter,
    Pause,
    Reading,
    Rule,
    Rulebook,
    Span,
    Test,
    Window,
)
from ledger.core.rulebook import Any as AnyOf
from ledger.rulebooks.parameters import bounds_in_words, value_in_words

# A test of headquarters is kept by its negation; people read what the document says.
_OUTSIDE = {"any_headquarters": "all headquarters", "all_headquarters": "any headquarters"}
_WORDS = {"owner_parent": "the owner's ultimate parent", "operator_parent": "the operator's ultimate parent"}


def describe(book: Rulebook, on: date) -> dict[str, Any]:
    """Return a rulebook as JSON: its parts in order, figures as strings, tiers and lists as of a day."""
    rest = {code: book.tier(code, on) for code in sorted(book.countries)}
    return {
        "rulebook": book.name,
        "revision": book.revision,
        "title": book.title,
        "source": book.source,
        "sha256": book.sha256,
        "like": sorted(book.like),
        "status": dict(book.status),
        "on": on.isoformat(),
        "parameters": [_parameter(parameter) for parameter in book.parameters.values()],
        "changes": [dict(change) for change in book.changes],
        "countries": len(book.countries),
        "places": [_territory(named) for named in book.territories.values()],
        "lists": [_list(book, named, on) for named in book.lists.values()],
        "tiers": [
            _sourced(
                {"tier": name, "is": members(named), "countries": [c for c, tier in rest.items() if tier == name]},
                named,
            )
            for name, named in book.tiers.items()
        ],
        "readings": [_reading(reading) for reading in book.readings.values()],
        "controls": [_control(control) for control in book.controls.values()],
        "rules": [_rule(rule) for rule in book.rules],
        "caps": [_cap(cap) for cap in book.caps],
        "amendments": [dict(amendment) for amendment in book.amendments],
        "duties": [dict(duty.written) for duty in book.duties],
    }


def condition(where: Condition) -> str:
    """Return a condition in words: `destination: list denied; control: a or b`."""
    match where:
        case Test():
            return _test(where)
        case All(of=parts):
            return "; ".join(condition(part) for part in parts) or "every movement"
        case AnyOf(of=parts):
            return f"({', or '.join(condition(part) for part in parts)})"


def members(named: NamedList) -> str:
    """Return what a list or tier is made of, in words."""
    if named.everyone_else:
        return "everyone else"
    words = ", ".join(f"{member.name}{days(member.span, brackets=True)}" for member in named.members) or "nobody"
    return f"{words}; but not {', '.join(named.but_not)}" if named.but_not else words


def days(span: Span, *, brackets: bool = False) -> str:
    """Return a span of days in words; "" where it has neither end."""
    ends = [f"from {span.first}"] if span.first else []
    ends += [f"until {span.until}"] if span.until else []
    return f" ({' '.join(ends)})" if ends and brackets else " ".join(ends)


def window(value: Window) -> str:
    """Return a window in words."""
    if value.kind == "rolling":
        return f"rolling {value.days} days"
    if value.kind in ("calendar_year", "calendar_quarter"):
        return value.kind.replace("_", " ")
    then = f", then {value.after}" if value.span.until else ""
    return (days(value.span) or "always") + then


def in_words(value: Any) -> str:
    """Return text, a list or a table of a document as one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {in_words(part)}" for key, part in value.items())
    if isinstance(value, list):
        return " or ".join(in_words(part) for part in value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _test(test: Test) -> str:
    dimension = test.dimension.replace("_", " ").removesuffix(" is")
    if test.dimension == "any_owned":
        least, role = test.values
        return f"any party {role}, or owned at least {plain(Decimal(str(least)))}% by {role} parties"
    if test.op not in ("in", "not_in"):
        bound = test.values[0]
        return f"{dimension} {test.op} {plain(bound) if isinstance(bound, Decimal) else bound}"
    if test.op == "not_in":
        dimension = _OUTSIDE.get(test.dimension, dimension)
    named = [_WORDS.get(text := str(value), text) for value in test.values]
    values = " or ".join(f"list {text[1:]}" if text.startswith("@") else text for text in named)
    return f"{dimension}: {'not ' if test.op == 'not_in' else ''}{values}"


def _sourced(body: dict[str, Any], part: NamedList | Reading | Control | Rule | Cap | Parameter) -> dict[str, Any]:
    """Add where a line comes from; what is not said is left out."""
    source = {"law": part.law, "confidence": part.confidence, "note": part.note}
    return body | {key: text for key, text in source.items() if text}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    body: dict[str, Any] = {
        "parameter": parameter.name,
        "unit": parameter.unit,
        "value": value_in_words(parameter),
        "set": parameter.is_set,
    }
    if bounds := bounds_in_words(parameter):
        body["between"] = bounds
    return _sourced(body, parameter)


def _territory(named: NamedList) -> dict[str, Any]:
    return _sourced({"country": named.name, "places": [member.name for member in named.members]}, named)


def _list(book: Rulebook, named: NamedList, on: date) -> dict[str, Any]:
    body = {"list": named.name, "is": members(named), "countries": sorted(book.members(named.name, on))}
    dated = [f"{member.name} {days(member.span)}: {member.law}" for member in named.members if member.law]
    return _sourced(body | ({"dated": dated} if dated else {}), named)


def _reading(reading: Reading) -> dict[str, Any]:
    body: dict[str, Any] = {"reading": reading.name, "options": dict(reading.options), "chosen": reading.chosen}
    if reading.is_set:
        body["document_chooses"] = reading.stated
    return _sourced(body | {"used_by": list(reading.used_by)}, reading)


def _control(control: Control) -> dict[str, Any]:
    body: dict[str, Any] = {"control": control.name}
    stated = {"meets": control.meets, "covers": list(control.covers), "chips": list(control.chips)}
    return _sourced(body | {key: value for key, value in stated.items() if value}, control)


def _rule(rule: Rule) -> dict[str, Any]:
    body: dict[str, Any] = {"rule": rule.name, "answer": rule.answer, "where": condition(rule.where)}
    party = rule.party and {"role": rule.party.role, "headquarters": list(rule.party.headquarters)}
    stated = {
        "days": days(rule.span),
        "needs": rule.needs,
        "evidence": list(rule.evidence),
        "party": party,
        "review": rule.review,
        "turns_on": rule.turns_on,
    }
    return _sourced(body | {key: value for key, value in stated.items() if value}, rule)


def _cap(cap: Cap) -> dict[str, Any]:
    limit = cap.limit
    body: dict[str, Any] = {
        "cap": cap.name,
        "counts": cap.counts,
        "by": list(cap.by),
        "where": condition(cap.where),
        "window": window(cap.window),
        "limit": cap.limit_words,
        "unit": limit.unit,
        "gives_back": sorted(cap.gives_back),
    }
    if not limit.unlimited:
        body |= {"when_exceeded": cap.when_exceeded, "critical_at": plain(cap.critical_at)}
    if len(limit.steps) > 1:
        body["steps"] = [
            {"from": str(first), "amount": "undetermined" if amount is None else plain(amount)}
            for first, amount in limit.steps
        ]
    if share := limit.share:
        body["share"] = {
            "fraction": plain(share.fraction),
            "of": share.of,
            "asked_chips_enlarge_base": share.asked_chips_enlarge_base,
            "tested_on": list(share.tested_on) or "every day",
        }
        if share.when_base_shrinks:
            body["share"]["when_base_shrinks"] = share.when_base_shrinks
    if limit.of_limit:
        body["comes_to"] = "; ".join(_step(*step, limit.unit) for step in limit.steps)
    undetermined = limit.why if all(amount is None for _, amount in limit.steps) else ""
    if cap.amended:
        body["amended"] = [_amended(each) for each in cap.amended]
    for kind in PAUSED:
        if pauses := [pause_in_words(each) for each in cap.pauses if each.kind == kind]:
            body[kind] = pauses
    if cap.counts_only:
        body["counts_only"] = condition(cap.counts_only)
    if cap.tolerance:
        body["tolerance"] = plain(cap.tolerance)
    stated = {"undetermined": undetermined, "base": dict(cap.base), "status": cap.status}
    return _sourced(body | {key: value for key, value in stated.items() if value}, cap)


def pause_in_words(pause: Pause) -> str:
    """Return a period without its kind: `from 2026-03-01 until 2026-04-01 for AE (notice 1)`."""
    who = _whom(pause)
    return f"{days(pause.span)}{f' for {who}' if who else ''} ({pause.law})"


def _whom(part: Amendment | Pause) -> str:
    lists = " or ".join(f"list {name[1:]}" if name.startswith("@") else name for name in part.of)
    codes = ", ".join(dict.fromkeys(member.name for member in part.destinations)) or "nobody yet"
    return f"{lists}: {codes}" if "list " in lists else lists


def _step(first: date | None, amount: Decimal | None, unit: str) -> str:
    words = "undetermined" if amount is None else f"{grouped(amount)} {unit}"
    return f"{words} from {first}" if first else words


def _amended(amendment: Amendment) -> str:
    """Return an amendment in words: `1,200,000,000 TPP for AE from 2025-09-01 (notice 1)`."""
    who = _whom(amendment)
    when = f" {text}" if (text := days(amendment.span)) else ""
    why = f" because {amendment.limit.why}" if amendment.limit.why else ""
    return f"{amendment.limit.words}{f' for {who}' if who else ''}{when}{why} ({amendment.law})"
