"""Rules: which are added, removed, moved, and what is other in those that stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ledger.core.rulebook import Rule, Rulebook
from ledger.rulebooks.comparing.parts import said, sources
from ledger.rulebooks.wording import condition, days


def rules(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say what is other about the rules, in the order in which they are asked."""
    was, now = _keyed(before.rules), _keyed(after.rules)
    names = list(now)
    for key, new in now.items():
        if key not in was:
            answer = new.answer.replace("_", " ")
            yield f"the rule {key} is added {_where(names, key)}: {answer}, {condition(new.where)}."
    for key in was:
        if key not in now:
            yield f"the rule {key} is removed."
    for key in _moved([key for key in was if key in now], [key for key in now if key in was]):
        yield f"the rule {key} moves: it is asked {_where(names, key)}."
    for key, new in now.items():
        if key in was:
            yield from _changed(key, was[key], new)


def _changed(key: str, old: Rule, new: Rule) -> Iterator[str]:
    what = f"the rule {key}"
    for word, text in _fields(old).items():
        yield from said(what, word, text, _fields(new)[word])
    yield from sources(what, old, new)


def _fields(rule: Rule) -> dict[str, str]:
    """Return what a rule says, in words, by what it is called."""
    party = ""
    if rule.party:
        seats = f" with headquarters in {' or '.join(rule.party.headquarters)}" if rule.party.headquarters else ""
        party = f"{rule.party.role}{seats}"
    return {
        "answer": rule.answer.replace("_", " "),
        "condition": condition(rule.where),
        "period": days(rule.span),
        "required evidence": ", ".join(rule.evidence),
        "required party": party,
        "authorization it needs": rule.needs,
        "review policy": rule.review,
        "open question": rule.turns_on,
    }


def _keyed(found: Sequence[Rule]) -> dict[str, Rule]:
    """Return the rules by name; a later one of the same name is told apart by its first day."""
    keyed: dict[str, Rule] = {}
    for rule in found:
        keyed[rule.name if rule.name not in keyed else f"{rule.name} ({days(rule.span)})"] = rule
    return keyed


def _where(names: list[str], key: str) -> str:
    at = names.index(key)
    return f"after {names[at - 1]}" if at else "first"


def _moved(old: list[str], new: list[str]) -> list[str]:
    """Return what is out of order, and as few of them as can be: all but the longest part that kept its order."""
    longest: list[list[str]] = []
    for n, key in enumerate(new):
        before = [longest[m] for m in range(n) if old.index(new[m]) < old.index(key)]
        longest.append([*max(before, key=len, default=[]), key])
    kept = max(longest, key=len, default=[])
    return [key for key in new if key not in kept]
