"""One authorization: its terms, what is open, and its life, record by record."""

from __future__ import annotations

import json
from decimal import Decimal
from hashlib import sha256

from ledger.core.errors import NotFound
from ledger.core.knowledge import is_active
from ledger.reports import Happening, View, history, holdings, together
from ledger.web.asking import Asked
from ledger.web.parts import Cell, Column, Facts, Figures, Page, Part, Steps, Table, number, state, when
from ledger.web.showing.standing import country_name, party_cell, unsure
from schema.queries import SQL

MOST_RECORDS = 100
CODE_LENGTH = 12


def authorization(view: View, asked: Asked, name: str) -> Page:
    """Return one authorization's page. Raises `NotFound`."""
    knowledge = view.position.knowledge
    terms = knowledge.authorization(name, view.on) or knowledge.authorization(name)
    if terms is None:
        raise NotFound(f'No authorization "{name[:60]}" is known at record {view.known:,}.', "Search its records.")
    lived = history(view, name, moved=False)
    rows = {
        "Kind": Cell(terms.kind),
        "Recipient": party_cell(view, asked, terms.recipient),
        "Destination": Cell(f"{country_name(terms.destination)} ({terms.destination})",
                            asked.path("countries", terms.destination)),
        "Exporter": party_cell(view, asked, terms.exporter) if terms.exporter else Cell("any exporter"),
        "Chips allowed": Cell(", ".join(terms.chips) or "any"),
        "First day": Cell(str(terms.first_day or "")), "Last day": Cell(str(terms.last_day or "")),
        "As stated": Cell(f"{terms.quantity} {terms.unit}".strip() or "undetermined"),
        "Conditions": Cell(terms.conditions), "Overrides": Cell(terms.overrides), "Part of": Cell(terms.parent_deal),
        "Legal standing": Cell(terms.status), "Confidence": Cell(terms.confidence),
        "Source": Cell(terms.source), "Note": Cell(terms.note),
        "Stated by": number(terms.seq, href=asked.path("records", terms.seq), note="record"),
        "Check code": Cell(check_code(view, name), kind="code", note="for the public license checker"),
    }  # fmt: skip
    parts: list[Part] = [
        _figures(view, asked, name, state(terms.state if is_active(terms, view.on) or terms.state != "active"
                                   else "not in its days")),
        _life(lived, asked),
        _entries(view, name, asked),
        Facts("Terms", tuple((term, cell) for term, cell in rows.items() if cell.text)),
    ]  # fmt: skip
    return Page(f"Authorization {name}", "", tuple(parts), (Cell("Recipients", asked.path("recipients")),
                Cell(terms.recipient, asked.path("recipients", terms.recipient)), Cell(name)))  # fmt: skip


def check_code(view: View, name: str) -> str:
    """Return the code by which the holder of an authorization proves to know it; "" where none was issued so.

    It is made of the salt of the record that issued it, which nobody can guess.
    """
    row = view.conn.execute(SQL["issued"], {"authorization": name}).fetchone()
    if row is None or row[0] > view.known:
        return ""
    made = sha256(b"license-check:" + bytes(row[1]) + name.encode()).hexdigest()[:CODE_LENGTH]
    return "-".join((made[:4], made[4:8], made[8:]))


def _figures(view: View, asked: Asked, name: str, how: Cell) -> Figures:
    held = together(holdings(view, "authorization", [name]))
    rows: list[tuple[str, Cell]] = [("state", how)]
    for stage in ("licensed", "open", "shipped", "installed"):
        chips = f"{held.chips[stage]:,} chips" if held.chips.get(stage) else ""
        behind = asked.path("records", about=name) if held.tpp.get(stage) else ""
        note = "; ".join(filter(None, (chips, unsure(held, stage))))
        rows.append((f"{stage}, TPP", number(held.tpp.get(stage, Decimal(0)), href=behind, note=note)))
    return Figures(f"On {view.on}", tuple(rows))


def _life(lived: list[Happening], asked: Asked) -> Steps:
    """Return what was decided about it, in order; movements stand in the table."""
    rows = [
        (Cell(each.kind.replace(".", " ").replace("_", " "), asked.path("records", each.seq)),
         f"{each.day or when(each.recorded_at)}, record {each.seq:,}, by {each.actor}", each.what)
        for each in lived
    ]  # fmt: skip
    return Steps("Its life", tuple(rows[-MOST_RECORDS:]))


def _entries(view: View, name: str, asked: Asked) -> Table:
    stating = {"stated": json.dumps({"authorization": name}), "destinations": []}
    numbers = [number for (number,) in view.conn.execute(SQL["profiles_stating"], stating)]
    profiles = view.profiles.get(numbers)
    wanted = {"profiles": numbers, "known": view.known, "before": view.known + 1, "most": MOST_RECORDS}
    found = view.conn.execute(SQL["entries_of_profiles"], wanted)
    columns = (Column("Record", right=True), Column("Day"), Column("Stage"), Column("Why"), Column("Chip"),
               Column("Chips", right=True), Column("TPP", right=True))  # fmt: skip
    rows = tuple(
        (
            number(seq, href=asked.path("records", seq)), Cell(str(day)), Cell(stage), Cell(cause or "as asked"),
            Cell(profiles[profile].chip), number(chips, "equivalents"), number(tpp),
        )
        for seq, _, stage, cause, profile, _, day, _, chips, tpp in found
    )  # fmt: skip
    note = f"The newest {MOST_RECORDS} entries." if len(rows) == MOST_RECORDS else ""
    return Table("Entries, newest first", columns, rows, "Nothing was granted or shipped under it.", note)
