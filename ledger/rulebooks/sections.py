"""Status, readings, control classes and rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from ledger.core.errors import Malformed
from ledger.core.rulebook import Answer, Control, Reading, RequiredParty, Rule, Span
from ledger.rulebooks.conditions import read_chip, read_eccn, read_where
from ledger.rulebooks.document import Piece, Wrong, choices
from ledger.rulebooks.draft import Draft
from ledger.rulebooks.geography import country, with_likes
from ledger.rulebooks.words import SOURCE_KEYS, check_name, name, one_of, source, span

STATES = ("codified", "compliance", "enforced", "not_enforced", "superseded", "proposed")
MEETS = ("3A090.a", "3A090.b", "4E091", "none")

STATE_KEYS = ("from", "until", *SOURCE_KEYS)
READING_KEYS = ("law", "options", "chosen", "confidence", "note")
CONTROL_KEYS = ("meets", "covers", "chips", *SOURCE_KEYS)
RULE_KEYS = ("name", "if", "from", "until", "where", "answer", "needs", "requires", "review", "turns_on", *SOURCE_KEYS)


def read_status(draft: Draft, piece: Piece) -> dict[str, str]:
    """Return where the document stands in law, in words: several dates, not one word."""
    status: dict[str, str] = {}
    for state, part in piece.table("`status`", STATES).items():
        if part.value == "none":
            status[state] = "none"
            continue
        table = part.table(f"`{state}`", STATE_KEYS, ("from",))
        days, law = span(table, part, f"`{state}`"), source(table)["law"]
        until = f" until {days.until}" if days.until else ""
        status[state] = f"from {days.first}{until}" + (f" ({law})" if law else "")
        if not law:
            draft.findings.add(piece.lines[state], "warning", f"`{state}` names no source.", "Add `law:` to it.")
    return status


def read_readings(draft: Draft, piece: Piece) -> None:
    """Read the texts that have two meanings, and which meaning the book chooses."""
    for key, part in piece.entries("`readings`").items():
        with draft.findings.kept():
            check_name(key, "The reading", piece.lines[key])
            table = part.table(f"The reading {key}", READING_KEYS, READING_KEYS[:3])
            options = table["options"].entries(f"The options of {key}")
            if len(options) < 2:
                table["options"].wrong(f"The reading {key} has fewer than two options.", "Name both meanings.")
            for option, line in table["options"].lines.items():
                check_name(option, "The option", line)
            words = {option: text.text(f"The option {option}") for option, text in options.items()}
            chosen = table["chosen"].text("`chosen`")
            if chosen not in words:
                table["chosen"].wrong(f'"{chosen}" is not an option of {key}.', choices(chosen, words, "options"))
            stated = chosen if key in draft.settings else ""
            chosen = _as_set(draft, key, words) if stated else chosen
            draft.readings[key] = Reading(key, options=words, chosen=chosen, stated=stated, **source(table))


def _as_set(draft: Draft, key: str, options: Mapping[str, str]) -> str:
    """Return the option that the person asking chooses of a reading. Errors: Malformed."""
    option = draft.settings[key].strip()
    if option not in options:
        raise Malformed(key, f'"{option}" is not an option of the reading {key}.', choices(option, options, "options"))
    return option


def read_controls(draft: Draft, piece: Piece) -> None:
    """Read the control classes; a chip is in one, by its parameters or by name."""
    entries = with_likes(draft, piece, "`controls`", lambda book: book.controls, draft.controls)
    draft.control_names = frozenset(draft.controls) | frozenset(entries)
    for key, part in entries.items():
        with draft.findings.kept():
            check_name(key, "The control class", piece.lines[key])
            table = part.table(f"The control class {key}", CONTROL_KEYS)
            if ("meets" in table) == ("chips" in table):
                part.wrong(
                    f"The class {key} must have either `meets` or `chips`.", "A class is by parameters or by name."
                )
            control = Control(
                key,
                meets=one_of(table["meets"], "`meets`", MEETS) if "meets" in table else "",
                covers=tuple(read_eccn(draft, each) for each in table["covers"].each()) if "covers" in table else (),
                chips=tuple(read_chip(draft, each) for each in table["chips"].each()) if "chips" in table else (),
                **source(table),
            )
            _refuse_second_class(draft, control, piece.lines[key])
            draft.controls[key] = control
            draft.want_source(control, piece.lines[key], f"The control class {key}")


def _refuse_second_class(draft: Draft, control: Control, line: int) -> None:
    for other in draft.controls.values():
        both = sorted(set(control.chips) & set(other.chips))
        if both or (control.meets and control.meets == other.meets):
            what = both[0] if both else f"What meets {control.meets}"
            raise Wrong(line, f"{what} is in the class {other.name} already.", "A chip is in one class.")


def read_rules(draft: Draft, piece: Piece) -> tuple[Rule, ...]:
    """Return the rules in order, without those that the chosen readings drop."""
    rules: list[Rule] = []
    spans: dict[str, list[Span]] = {}
    for part in piece.items("`rules`"):
        with draft.findings.kept():
            table = part.table("A rule", RULE_KEYS, ("name", "law", "answer"))
            draft.using = name(table["name"], "The rule")
            days = span(table, part, f"The rule {draft.using}")
            if any(days.meets(other) for other in spans.setdefault(draft.using, [])):
                message = f"There are two rules called {draft.using} on the same days."
                part.wrong(message, "An override names a rule: one name each, or days apart.")
            spans[draft.using].append(days)
            rule = _rule(draft, table, days)
            if draft.applies(table):
                rules.append(rule)
                draft.rule_lines.append(part.line)
            else:
                draft.left_out.append((len(rules), rule))
    draft.using = ""
    return tuple(rules)


def _rule(draft: Draft, table: Mapping[str, Piece], days: Span) -> Rule:
    answer = one_of(table["answer"], "`answer`", ("permit", "presume_deny", "deny", "undetermined"))
    if answer != "permit":
        for key in ("needs", "requires"):
            if key in table:
                table[key].wrong(f"`{key}` says what a permit takes; {draft.using} answers {answer}.", "Remove it.")
    if (answer == "undetermined") != ("turns_on" in table):
        table["answer"].wrong(
            f"{draft.using} answers {answer}: `turns_on` belongs to undetermined, and undetermined to it.",
            "Write turns_on: whether ... for what is undetermined, and for nothing else.",
        )
    asked = table["requires"].table("`requires`", ("evidence", "party")) if "requires" in table else {}
    return Rule(
        draft.using,
        where=read_where(draft, table.get("where")),
        answer=cast(Answer, answer),
        span=days,
        evidence=tuple(name(each, "The evidence") for each in asked["evidence"].each()) if "evidence" in asked else (),
        party=_party(draft, asked["party"]) if "party" in asked else None,
        needs=one_of(table["needs"], "`needs`", ("nothing",)) if "needs" in table else "",
        review=_review(draft, table["review"]) if "review" in table else "",
        turns_on=table["turns_on"].text("`turns_on`") if "turns_on" in table else "",
        **source(table),
    )


def _party(draft: Draft, piece: Piece) -> RequiredParty:
    table = piece.table("`party`", ("role", "headquarters"), ("role",))
    seats = table["headquarters"].each() if "headquarters" in table else []
    return RequiredParty(name(table["role"], "The role"), tuple(country(draft, seat) for seat in seats))


def _review(draft: Draft, piece: Piece) -> str:
    """Return the review policy in words; a reading's name stands for the words of its chosen option."""
    text = piece.text("`review`")
    if text in draft.readings:
        return draft.readings[text].options[draft.choose(piece, text)]
    return text
