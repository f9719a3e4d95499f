"""Caps: which are added and removed, whose limit rises or falls from which day, and what else is other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from ledger.core.compute import grouped, plain
from ledger.core.rulebook import Cap, Limit, Rulebook, Span
from ledger.rulebooks.comparing.days import from_days, in_row, named, stretches
from ledger.rulebooks.comparing.parts import said, sources
from ledger.rulebooks.wording import condition, pause_in_words, window

Amount = Decimal | str  # a figure, or a word that stands for one


def caps(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say what is other about the caps, field by field."""
    was, now = ({cap.name: cap for cap in book.caps} for book in (before, after))
    for name, new in now.items():
        if name not in was:
            yield f"{name} is added: {new.limit_words} of what is {new.counts}, {_per(new)}, {window(new.window)}."
            continue
        yield from _limits(was[name], new)
        yield from _pauses(was[name], new)
        for word, text in _fields(was[name]).items():
            yield from said(name, word, text, _fields(new)[word])
        yield from sources(name, was[name], new)
    for name in was:
        if name not in now:
            yield f"{name} is removed."


def _limits(old: Cap, new: Cap) -> Iterator[str]:
    """Say how the limit of all changes, and then those of the destinations that are amended otherwise."""
    if old.limit.share or new.limit.share or old.limit.unit != new.limit.unit:
        yield from said(old.name, "limit", old.limit.words, new.limit.words)
        return
    everybody = _differences(old, new, None)
    yield from (_sentence(old, None, each) for each in everybody)
    apart: dict[tuple[tuple[Span, Amount, Amount], ...], list[str]] = {}
    codes = {member.name for cap in (old, new) for each in cap.amended for member in each.destinations}
    for code in sorted(codes):
        found = _differences(old, new, code)
        if found != everybody:
            apart.setdefault(tuple(found), []).append(code)
    for differences, who in apart.items():
        yield from (_sentence(old, who, each) for each in differences)
        if not differences:
            yield f"{old.name} for {named(who)}: the limit stays as it was."


def _pauses(old: Cap, new: Cap) -> Iterator[str]:
    """Say which periods there are no longer, and which are new."""
    was, now = ([f"{each.kind} {pause_in_words(each)}" for each in cap.pauses] for cap in (old, new))
    yield from (f"{new.name} is {words}." for words in now if words not in was)
    yield from (f"{new.name} is no longer {words}." for words in was if words not in now)


def _differences(old: Cap, new: Cap, code: str | None) -> list[tuple[Span, Amount, Amount]]:
    days: list[date | None] = [day for cap in (old, new) for day, _ in cap.limit.steps]
    for each in (*old.amended, *new.amended):
        days += [day for day, _ in each.limit.steps]
        days += [
            day for span in (each.span, *(each.span for each in each.destinations)) for day in (span.first, span.until)
        ]
    return stretches(days, lambda day: _amount(old, code, day), lambda day: _amount(new, code, day))


def _amount(cap: Cap, code: str | None, day: date) -> Amount:
    """Return a limit on a day: for a destination, or for all that no amendment names."""
    limit: Limit = cap.limit_for(code or "", day)
    if limit.unlimited:
        return "none"
    amount = limit.on(day)
    return "undetermined" if amount is None else amount


def _sentence(cap: Cap, codes: list[str] | None, difference: tuple[Span, Amount, Amount]) -> str:
    span, old, new = difference
    who = f"{cap.name} for {named(codes)}" if codes else cap.name
    unit = cap.limit.unit
    if new == "none":
        return f"{who}: the limit of {_words(old, unit)} no longer holds{from_days(span)}."
    if isinstance(old, Decimal) and isinstance(new, Decimal):
        verb = "rises" if new > old else "falls"
        return f"{who}: the limit {verb} from {_words(old, unit)} to {_words(new, unit)}{from_days(span)}."
    return f"{who}: the limit becomes {_words(new, unit)}{from_days(span)}; it was {_words(old, unit)}."


def _words(amount: Amount, unit: str) -> str:
    return f"{grouped(amount)} {unit}" if isinstance(amount, Decimal) else amount


def _per(cap: Cap) -> str:
    return f"per {in_row(each.replace('_', ' ') for each in cap.by)}" if cap.by else "of the whole world"


def _fields(cap: Cap) -> dict[str, str]:
    """Return what a cap says besides its limit, in words, by what it is called."""
    share = cap.limit.share
    tested = "" if share is None else ", ".join(share.tested_on) or "every day"
    return {
        "count": cap.counts,
        "subject": _per(cap),
        "condition": condition(cap.where),
        "window": window(cap.window),
        "list of what gives room back": ", ".join(sorted(cap.gives_back)),
        "answer to an excess": "" if cap.limit.unlimited else cap.when_exceeded,
        "limit that it is a share of": cap.limit.words if cap.limit.of_limit else "",
        "tolerance": f"{plain(cap.tolerance * 100)}%" if cap.tolerance else "",
        "critical share": "" if cap.limit.unlimited else f"{plain(cap.critical_at * 100)}%",
        "day of testing": tested,
        "answer to a shrinking base": share.when_base_shrinks if share else "",
        "enlarging of the base by what is asked": ("yes" if share.asked_chips_enlarge_base else "no") if share else "",
        "condition of what only counts": condition(cap.counts_only) if cap.counts_only else "",
        "declared stock": ", ".join(f"{key} {text}" for key, text in cap.base),
        "status": cap.status,
    }
