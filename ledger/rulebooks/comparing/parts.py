"""What a document says of itself, its parameters, readings, control classes, amendments and duties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ledger.core.rulebook import Rulebook
from ledger.rulebooks import parameters as asked
from ledger.rulebooks.comparing.days import in_row
from ledger.rulebooks.wording import in_words


class Sourced(Protocol):
    """A line of a book, with where it comes from."""

    @property
    def law(self) -> str:
        """Its source in law."""

    @property
    def confidence(self) -> str:
        """How sure that is."""

    @property
    def note(self) -> str:
        """What else a reader must know."""


def sources(what: str, before: Sourced, after: Sourced) -> Iterator[str]:
    """Say what is other about where a line comes from."""
    names = {"law": "source", "confidence": "confidence", "note": "note"}
    for key, word in names.items():
        yield from said(what, word, getattr(before, key), getattr(after, key))


def said(what: str, word: str, old: str, new: str) -> Iterator[str]:
    """Say that one thing is said of a line, where it was not, or another was."""
    if old == new:
        return
    if not old:
        yield f"{what}: the {word} is {_quoted(new)}; there was none."
    elif not new:
        yield f"{what}: the {word} {_quoted(old)} is removed."
    else:
        yield f"{what}: the {word} changes from {_quoted(old)} to {_quoted(new)}."


def head(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say what is other about the document itself."""
    for word in ("title", "source"):
        yield from said("the document", word, getattr(before, word), getattr(after, word))
    for state in dict.fromkeys((*before.status, *after.status)):
        old, new = (book.status.get(state, "") for book in (before, after))
        yield from said("the document", f"status {state.replace('_', ' ')}", old, new)


def parameters(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say which parameters there are, and what they are set to."""
    for name, new in after.parameters.items():
        old = before.parameters.get(name)
        bounds = f", from {text}" if (text := asked.bounds_in_words(new)) else ""
        if old is None:
            yield f"the parameter {name} is added{bounds}: {asked.value_in_words(new)}."
            continue
        yield from said(f"the parameter {name}", "value", asked.value_in_words(old), asked.value_in_words(new))
        yield from said(f"the parameter {name}", "bounds", asked.bounds_in_words(old), asked.bounds_in_words(new))
        yield from sources(f"the parameter {name}", old, new)
    for name in before.parameters:
        if name not in after.parameters:
            yield f"the parameter {name} is removed."


def readings(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say which texts have two meanings, and which of them is chosen."""
    for name, new in after.readings.items():
        old = before.readings.get(name)
        if old is None:
            yield f"the reading {name} is added: {_option(new.options, new.chosen)} is chosen."
            continue
        if old.chosen != new.chosen:
            instead = _option({**new.options, **old.options}, old.chosen)
            asked = ", as asked" if new.is_set or old.is_set else ""
            chosen = _option(new.options, new.chosen)
            yield f"the reading {name} is chosen differently{asked}: {chosen}, not {instead}."
        for option in dict.fromkeys((*old.options, *new.options)):
            texts = old.options.get(option, ""), new.options.get(option, "")
            yield from said(f"the reading {name}", f"option {option}", *texts)
        yield from sources(f"the reading {name}", old, new)
    for name in before.readings:
        if name not in after.readings:
            yield f"the reading {name} is removed."


def controls(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say which chips are in which control class."""
    for name, new in after.controls.items():
        old = before.controls.get(name)
        made_of = f"what meets {new.meets}" if new.meets else in_row(new.chips)
        if old is None:
            yield f"the control class {name} is added: {made_of}."
            continue
        yield from said(f"the control class {name}", "parameters", old.meets, new.meets)
        yield from said(f"the control class {name}", "chips", ", ".join(old.chips), ", ".join(new.chips))
        yield from said(f"the control class {name}", "ECCNs", ", ".join(old.covers), ", ".join(new.covers))
        yield from sources(f"the control class {name}", old, new)
    for name in before.controls:
        if name not in after.controls:
            yield f"the control class {name} is removed."


def amendments(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say how far amendments may go; what they change of a limit is said of the cap."""
    old, new = ([_bound(each) for each in book.amendments if "at_most" in each] for book in (before, after))
    for words in new:
        if words not in old:
            yield f"{words}: this bound is added."
    for words in old:
        if words not in new:
            yield f"{words}: this bound is removed."


def duties(before: Rulebook, after: Rulebook) -> Iterator[str]:
    """Say who owes what, by when."""
    was, now = ({each.name: each.written for each in book.duties} for book in (before, after))
    for name, new in now.items():
        if name not in was:
            who, do, when = (in_words(new[key]) for key in ("who", "do", "when"))
            yield f"the duty {name} is added: {who} must {do} ({when})."
            continue
        for key in dict.fromkeys((*was[name], *new)):
            texts = (in_words(each[key]) if key in each else "" for each in (was[name], new))
            yield from said(f"the duty {name}", {"law": "source"}.get(key, f"`{key}`"), *texts)
    for name in was:
        if name not in now:
            yield f"the duty {name} is removed."


def _bound(amendment: Mapping[str, Any]) -> str:
    who = amendment.get("where", amendment.get("subject"))
    whom = f" for {in_words(who)}" if who else ""
    return f"{amendment['cap']} may be amended{whom} to at most {amendment['at_most']} of its limit"


def _option(options: Mapping[str, str], option: str) -> str:
    return f"{option} ({options.get(option, 'no longer an option')})"


def _quoted(text: str) -> str:
    return text if '"' in text else f'"{text}"'
