"""An exporter's own pages: what is left for it, what became of a file, its own records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ledger import reference
from ledger.core.errors import Problem
from ledger.core.facts import Authorization
from ledger.files import Answer
from ledger.reports import Remaining, View
from ledger.web.desks import Door, Principal
from ledger.web.parts import Cell, Column, Page, Table, number, path, state, unconfirmed, when
from ledger.web.showing.standing import country_name
from schema.queries import SQL

MOST_ROWS = 100
MOST_HELD = 60  # authorizations of which what is left is asked on one page


def home(view: View, door: Door, principal: Principal, named: str) -> Page:
    """Return the exporter's first page: what is left of each authorization, chip by chip."""
    found = [
        each for each in door.authorizations(principal, view)
        if named.casefold() in f"{each.authorization} {each.recipient} {country_name(each.destination)}".casefold()
    ]  # fmt: skip
    found.sort(key=lambda each: (each.state != "active", each.recipient, each.authorization))
    rows = [row for each in found[:MOST_HELD] for row in _rows_of(view, door, principal, each)]
    columns = (
        Column("Recipient"), Column("Country"), Column("Authorization"), Column("State"), Column("Chip"),
        Column("Left", "chips", right=True), Column("Left", "TPP", right=True), Column("Days left", right=True),
        Column("What binds"),
    )  # fmt: skip
    note = "Of a shared cap you see what is left for you, rounded down; never what others have used."
    if len(found) > MOST_HELD:
        note += f" The first {MOST_HELD} of {len(found):,} authorizations: search for one."
    empty = "No authorization matches." if named else "No authorization names you as the exporter."
    table = Table("What may still be shipped", columns, tuple(rows), empty, note)
    return Page(f"What is left for {party_name(view, principal.party)}", "", (table,), extra={"named": named})


def _rows_of(view: View, door: Door, principal: Principal, terms: Authorization) -> Iterable[tuple[Cell, ...]]:
    days = (terms.last_day - view.on).days if terms.last_day else None
    last = Cell("no last day") if days is None else number(max(days, 0), note=f"until {terms.last_day}")
    for chip in _chips(view, terms):
        try:
            left = door.left(
                principal, view, destination=terms.destination, recipient=terms.recipient, chip=chip,
                authorization=terms.authorization,
            )  # fmt: skip
            told = (number(left.remaining_chips, "not limited"), number(left.remaining_tpp, "not limited"))
            why = Cell(left.binding_cap.replace("_", " "), note=notes_of(left))
        except Problem as problem:
            told = (Cell("undetermined"), Cell("undetermined"))
            why = Cell(problem.message)
        fit = path("exporter", "fit", authorization=terms.authorization, chip=chip)
        yield (
            Cell(party_name(view, terms.recipient), note=terms.recipient), Cell(country_name(terms.destination)),
            Cell(terms.authorization, fit, "title"), state(terms.state), Cell(chip), *told, last, why,
        )  # fmt: skip


def notes_of(left: Remaining) -> str:
    """Return why what binds does, or how sure its figure is."""
    binding = next((cap for cap in left.caps if cap.cap == left.binding_cap), None)
    marks = unconfirmed(binding.confidence, binding.status) if binding else ""
    return left.why or marks


def _chips(view: View, terms: Authorization) -> Sequence[str]:
    """Return the chips to ask about: those the terms allow, else those that were granted, else the reference chip."""
    if terms.chips:
        return terms.chips
    granted = {lot.profile.chip for lot in view.position.lots_of(terms.authorization)}
    return sorted(granted) or [reference.REFERENCE_CHIP]


def answers_table(answers: Sequence[Answer], *, is_trial: bool) -> Table:
    """Return what became, or would become, of a file's rows; only a trial's verdicts are in the conditional."""
    columns = (Column("Line", right=True), Column("Key"), Column("Verdict"), Column("Record", right=True),
               Column("Why"))  # fmt: skip
    rows = tuple(
        (number(each.line), Cell(each.key or "none"), state(each.verdict),
         number(each.seq) if each.seq else Cell("none yet" if is_trial else "none"),
         Cell(f"{each.code.replace('_', ' ')}: {each.message}" if each.code else each.message or "in order"))
        for each in answers
    )  # fmt: skip
    return Table("What would become of each row" if is_trial else "What became of each row", columns, rows,
                 "The file has no rows.")  # fmt: skip


def history(view: View, door: Door, principal: Principal, before: int) -> Page:
    """Return an exporter's own records, newest first: those of its scope, in which none can be missing."""
    wanted = {"party": principal.party, "known": view.known, "before": before, "most": MOST_ROWS}
    rows_read = view.conn.execute(SQL["records_of_party"], wanted).fetchall()
    shown = door.shown(principal, view, [row[0] for row in rows_read])
    found = [row for row in rows_read if row[0] in shown]
    columns = (Column("Number", right=True), Column("Record", right=True), Column("Recorded"), Column("Day"),
               Column("What"), Column("Verdict"), Column("Key"), Column("Why"))  # fmt: skip
    rows = tuple(_own(row, door, principal) for row in found)
    more = Cell("Earlier records", path("exporter", "history", before=str(found[-1][4]))) if (
        len(rows_read) == MOST_ROWS and found and found[-1][4] > 1) else None  # fmt: skip
    table = Table("Your records, newest first", columns, rows, "Nothing of yours is recorded yet.",
                  "They are numbered without gaps: a missing number would be a missing record.", more)  # fmt: skip
    return Page("Your history", "", (table,))


def _own(row: tuple[Any, ...], door: Door, principal: Principal) -> tuple[Cell, ...]:
    seq, kind, _, key, scope_seq, at, payload, judgment = row
    body = json.loads(payload)["body"]
    refusal = json.loads(judgment).get("refusal")
    why = ""
    if refusal:
        code, message, remedy = door.told(
            principal, refusal["code"], refusal["message"], refusal.get("remedy", "")
        )  # fmt: skip
        why = f"{code.replace('_', ' ')}: {message} {remedy}".strip()
    return (
        number(scope_seq), number(seq), Cell(when(at)), Cell(str(body.get("effective_on", ""))),
        Cell(_said(kind, body)), state("refused" if refusal else "posted"), Cell(key or "none"), Cell(why),
    )  # fmt: skip


def _said(kind: str, body: dict[str, Any]) -> str:
    lines = body.get("lines") or [body]
    first = lines[0]
    quantity = str(first.get("quantity", ""))
    quantity = f"{int(quantity):,}" if quantity.isascii() and quantity.isdecimal() else quantity
    words = [str(body.get("movement", kind)), quantity, str(first.get("chip", ""))]
    words += [f"to {first['recipient']}"] if "recipient" in first else []
    words += [f"under {first['authorization']}"] if "authorization" in first else []
    words += [f"and {len(lines) - 1:,} more lines"] if len(lines) > 1 else []
    words += [f"of record {body['reverses']}"] if "reverses" in body else []
    return " ".join(filter(None, words))


def party_name(view: View, party: str) -> str:
    """Return a party's name on the day, or its id."""
    knowledge = view.position.knowledge
    known = knowledge.party(party, view.on) or knowledge.parties.get(party)
    return known.name if known else party
