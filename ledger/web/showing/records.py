"""Runs, discrepancies and records of the journal: what they say, and where to go from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ledger import reference
from ledger.core import records
from ledger.core.errors import NotFound
from ledger.reports import View, discrepancies, history
from ledger.web.asking import Asked
from ledger.web.parts import Alert, Cell, Column, Facts, Figures, Page, Part, Table, Text, number, state, when
from ledger.web.showing.overview import disputes_table
from ledger.web.showing.standing import WORST_FIRST, cap_path, meter, subject_path, subject_words
from schema.queries import SQL

MOST_ROWS, MOST_MEANT = 100, 10
RECORD_COLUMNS = (
    Column("Record", right=True), Column("Recorded"), Column("Kind"), Column("By"), Column("Key"),
)  # fmt: skip


def runs(view: View, asked: Asked) -> Page:
    """Return the page of reconciliations."""
    columns = (Column("Run", right=True), Column("Of the day"), Column("Rulebook"), Column("Position", right=True),
               Column("Recorded"), Column("By"), Column("Digest"))  # fmt: skip
    found = view.conn.execute(SQL["runs"], {"known": view.known, "most": MOST_ROWS})
    rows = tuple(
        (number(seq, href=asked.path("runs", seq)), Cell(str(day)), Cell(book, asked.path("rulebooks", book)),
         number(position, href=asked.path("records", position) if position else ""), Cell(when(at)), Cell(actor),
         Cell(digest[:16], kind="code"))
        for seq, position, day, book, digest, at, actor in found
    )  # fmt: skip
    table = Table("Reconciliations, newest first", columns, rows,
                  "Nothing was reconciled yet: run capledger reconcile, or the jobs.")  # fmt: skip
    return Page("Runs", "Each run recomputes every counter from the journal and holds it against its limit.", (table,))


def run(view: View, asked: Asked, seq: int) -> Page:
    """Return one reconciliation's page. Raises `NotFound`."""
    row = view.conn.execute(SQL["run"], {"seq": seq}).fetchone()
    if row is None or seq > view.known:
        raise NotFound(f"Record {seq:,} is not a reconciliation.", "Choose one of the list of runs.")
    _, position, day, book, _, digest, before, body = row
    report = json.loads(body)
    differing = report["counters"]["differences"]
    parts: list[Part] = []
    if differing:
        parts.append(Alert("error", f"{len(differing):,} counters are not what the journal says",
                           "Run capledger check, and believe no total until it passes."))  # fmt: skip
    parts.append(Figures("What it found", (
        ("counters recomputed", number(report["counters"]["computed"])), ("that differ", number(len(differing))),
        ("changes since the run before", number(len(report["changes"]))),
        *((f"caps {name}", number(sum(of.get(name, 0) for of in report["states"].values())))
          for name in WORST_FIRST[:4]),
    )))  # fmt: skip
    parts += [_states(report), _changes(report, asked), _standings(report, asked)]
    rows = {
        "Of the day": Cell(str(day)), "Rulebook": Cell(book, asked.path("rulebooks", book)),
        "Position": number(position, href=asked.path("records", position) if position else "", note="record"),
        "Digest": Cell(digest, kind="code"),
        "Run before": number(before, href=asked.path("runs", before)) if before else Cell("none"),
        "Record": number(seq, href=asked.path("records", seq)),
    }  # fmt: skip
    parts.append(Facts("The run", tuple(rows.items())))
    return Page(f"Run {seq:,}, of {day}", "", tuple(parts), (Cell("Runs", asked.path("runs")), Cell(f"{seq:,}")))


def _states(report: Mapping[str, Any]) -> Table:
    columns = (Column("Tier"), *(Column(name, right=True) for name in WORST_FIRST))
    rows = tuple((Cell(tier), *(number(of.get(name, 0)) for name in WORST_FIRST))
                 for tier, of in sorted(report["states"].items()))  # fmt: skip
    return Table("States per tier", columns, rows, "No cap was in use.")


def _changes(report: Mapping[str, Any], asked: Asked) -> Table:
    columns = (Column("Cap"), Column("Of"), Column("State then"), Column("State now"), Column("Used then", right=True),
               Column("Used now", right=True))  # fmt: skip
    rows = tuple(
        (
            Cell(each["cap"], cap_path(asked, each["cap"], each["subject"], each["window"]), "title"),
            Cell(subject_words(each["subject"]), subject_path(asked, each["subject"])),
            _state(each["state"]["then"]), _state(each["state"]["now"]),
            _amount(each["used"]["then"], "none"), _amount(each["used"]["now"], "none"),
        )
        for each in report["changes"][:MOST_ROWS]
    )  # fmt: skip
    more = f"The first {MOST_ROWS} of {len(report['changes']):,}." if len(report["changes"]) > MOST_ROWS else ""
    return Table("Changes since the run before", columns, rows, "Nothing changed.", more)


def _standings(report: Mapping[str, Any], asked: Asked) -> Table:
    columns = (Column("Cap"), Column("Of"), Column("State"), Column("Used", right=True), Column("Limit", right=True),
               Column("Unit"), Column("Share used"))  # fmt: skip
    found = sorted(report["standings"], key=lambda each: WORST_FIRST.index(each["state"]))
    rows = tuple(
        (
            Cell(each["cap"], cap_path(asked, each["cap"], each["subject"], each["window"]), "title"),
            Cell(subject_words(each["subject"]), subject_path(asked, each["subject"])), state(each["state"]),
            _amount(each["used"]), _amount(each["limit"], "not limited" if each["state"] == "watched" else
            "undetermined"), Cell(each["unit"]),
            meter(Decimal(each["used"]), Decimal(each["limit"]) if each["limit"] else None, each["state"]),
        )
        for each in found[:MOST_ROWS]
    )  # fmt: skip
    note = f"The first {MOST_ROWS} of {len(found):,}." if len(found) > MOST_ROWS else ""
    return Table("How caps stood, what needs attention first", columns, rows, "No cap was in use.", note)


def _state(name: str | None) -> Cell:
    return state(name) if name else Cell("not in use")


def _amount(text: str | None, otherwise: str = "unknown") -> Cell:
    return number(Decimal(text) if text is not None else None, otherwise)


def _limit(text: str | None) -> Cell:
    """Return a limit as a judgment states it: an amount, `none` of a cap that is only watched, or `undetermined`."""
    words = {"none": "not limited", "undetermined": "undetermined", None: "none"}
    return Cell(words[text]) if text in words else _amount(text)


def disputes(view: View, asked: Asked, now: datetime, *, wanted: str, owner: str) -> Page:
    """Return the page of discrepancies. wanted: `unresolved`, `all` or a state; owner: part of an owner's id."""
    found = discrepancies(view, resolved=wanted not in ("", "unresolved"))
    shown = [each for each in found if wanted in ("", "unresolved", "all", each.state) and owner in each.owner]
    parts = (disputes_table("Discrepancies, oldest first", shown[:MOST_ROWS], asked, view.moment(now)),)
    options = [("unresolved", "not resolved"), *((name, name) for name in ("open", "explained", "resolved", "all"))]
    return Page(
        "Discrepancies", f"{len(shown):,} found. They are shown as they were known, whatever day they are of.", parts,
        extra={"options": options, "wanted": wanted or "unresolved", "owner": owner},
    )  # fmt: skip


def journal(view: View, asked: Asked, *, about: str, key: str, kind: str, before: int) -> Page:
    """Return the page that searches the journal: by subject, by key, or by kind, newest first."""
    parts: list[Part] = []
    if about and not key:
        table = _about(view, asked, about, kind, before)
        if not table.rows and not kind and before > view.known and (meant := _meant(view, asked, about)):
            parts.append(meant)
    else:
        if key:
            rows = view.conn.execute(SQL["records_with_key"], {"key": key, "known": view.known}).fetchall()
            rows = [row for row in rows if kind in ("", row[1])]
        else:
            wanted = {"kind": kind, "known": view.known, "before": before, "most": MOST_ROWS}
            rows = view.conn.execute(SQL["records_of_kind"], wanted).fetchall()
        more = None
        if not key and len(rows) == MOST_ROWS:
            more = Cell("Earlier records", asked.path("records", kind=kind, before=str(rows[-1][0])))
        caption = (
            f'Records with the key "{key[:60]}"' if key else f"Records{f' of kind {kind}' * bool(kind)}, newest first"
        )
        table = Table(caption, RECORD_COLUMNS, tuple(_record_row(row, asked) for row in rows),
                      "No record matches." if key or kind else "The journal is empty.", more=more)  # fmt: skip
    options = [("", "any kind"), *((name, name) for name in records.KINDS)]
    return Page("Records", f"The journal has {view.size:,} records.", (table, *parts),
                extra={"options": options, "about": about, "key": key, "of_kind": kind})  # fmt: skip


def _record_row(row: tuple[Any, ...], asked: Asked) -> tuple[Cell, ...]:
    seq, kind, actor, key, at = row
    return (number(seq, href=asked.path("records", seq)), Cell(when(at)), Cell(kind), Cell(actor), Cell(key or "none"))


def _meant(view: View, asked: Asked, about: str) -> Table | None:
    """Return what somebody may have meant who typed a name and not an id."""
    knowledge, wanted = view.position.knowledge, about.casefold()
    named = [
        *((code, each.name, "country") for code, each in reference.countries().items()),
        *((each.party, each.name, "party") for each in knowledge.parties.values()),
        *((each.chip, each.name, "chip") for each in knowledge.chips.values()),
        *((name, each.recipient, "authorization") for name, each in knowledge.authorizations.items()),
    ]
    found = [each for each in named if wanted in each[0].casefold() or wanted in each[1].casefold()]
    if not found:
        return None
    found.sort(key=lambda each: (wanted not in (each[0].casefold(), each[1].casefold()), len(each[1]), each[0]))
    rows = tuple(
        (Cell(name, asked.path("records", about=name), "title"), Cell(words or name), Cell(what))
        for name, words, what in found[:MOST_MEANT]
    )
    note = f"The first {MOST_MEANT} of {len(found):,}." if len(found) > MOST_MEANT else ""
    return Table("Did you mean", (Column("Id"), Column("Name"), Column("What it is")), rows, note=note)


def _about(view: View, asked: Asked, about: str, kind: str, before: int) -> Table:
    columns = (Column("Record", right=True), Column("Recorded"), Column("Kind"), Column("By"), Column("Day"),
               Column("What"), Column("Stage"), Column("Chips", right=True), Column("TPP", right=True))  # fmt: skip
    try:
        found = history(view, about, before=before, most=MOST_ROWS)
    except NotFound:
        found = []
    more = None
    if len(found) == MOST_ROWS:  # what a record did is shown together: of the oldest there may be more
        oldest = found[0].seq
        whole = [each for each in found if each.seq > oldest]
        found, going_on = (whole, oldest + 1) if whole else (found, oldest)
        more = Cell("Earlier records", asked.path("records", about=about, kind=kind, before=str(going_on)))
    rows = tuple(
        (
            number(each.seq, href=asked.path("records", each.seq)), Cell(when(each.recorded_at)), Cell(each.kind),
            Cell(each.actor), Cell(str(each.day or "none")), Cell(each.what), Cell(each.stage or "none"),
            number(each.chips, "none"), number(each.tpp, "none"),
        )
        for each in reversed(found) if kind in ("", each.kind)
    )  # fmt: skip
    earlier = "" if before > view.known else f" before record {before:,}"
    of_kind = f" of kind {kind}" if kind else ""
    return Table(f"Records{of_kind} about {about[:60]}{earlier}, newest first", columns, rows,
                 f'Nothing{of_kind} is recorded about "{about[:60]}" up to record {min(view.known, before):,}.',
                 more=more)  # fmt: skip


def record(view: View, asked: Asked, seq: int) -> Page:
    """Return one record's page, its two documents as they were hashed. Raises `NotFound`."""
    row = view.conn.execute(SQL["record"], {"seq": seq, "known": view.known}).fetchone()
    if row is None:
        raise NotFound(f"The journal has no record {seq:,} up to record {view.known:,}.", "Ask for an earlier one.")
    _, kind, actor, key, scope, scope_seq, at, payload, judgment, envelope, leaf = row
    asked_for, judged = json.loads(payload), json.loads(judgment)
    rows = {
        "Kind": Cell(kind), "By": Cell(actor), "Key": Cell(key or ""), "Recorded": Cell(when(at)),
        "Scope": Cell(f"{scope}, number {scope_seq:,} of it"), "Leaf hash": Cell(bytes(leaf).hex(), kind="code"),
        "Record before": number(seq - 1, href=asked.path("records", seq - 1)) if seq > 1 else Cell(""),
        "Record after": number(seq + 1, href=asked.path("records", seq + 1)) if seq < view.known else Cell(""),
    }  # fmt: skip
    parts: list[Part] = []
    if refusal := judged.get("refusal"):
        parts.append(Alert("warning", f"Refused, {refusal['code'].replace('_', ' ')}",
                           f"{refusal['message']} {refusal.get('remedy', '')}".strip()))  # fmt: skip
    parts.append(Facts("The record", tuple((term, cell) for term, cell in rows.items() if cell.text)))
    if judged.get("caps"):
        parts.append(_looked(judged["caps"], asked))
    parts += [
        Text("What was asked", fixed=_pretty(asked_for)), Text("What the ledger added", fixed=_pretty(judged)),
        Text("The envelope, whose hash is the leaf", fixed=bytes(envelope).decode()),
    ]  # fmt: skip
    crumbs = (Cell("Records", asked.path("records")), Cell(f"{seq:,}"))
    return Page(f"Record {seq:,}", "", tuple(parts), crumbs)


def _looked(caps: list[Mapping[str, Any]], asked: Asked) -> Table:
    columns = (Column("Cap"), Column("Of"), Column("Finding"), Column("Limit", right=True), Column("Used", right=True),
               Column("Asked", right=True), Column("Unit"))  # fmt: skip
    rows = tuple(
        (
            Cell(each["cap"], cap_path(asked, each["cap"], each["subject"], each.get("window", "")), "title"),
            Cell(subject_words(each["subject"]), subject_path(asked, each["subject"])),
            state(each.get("finding", "undetermined")),
            _limit(each.get("limit")), _amount(each.get("used")), _amount(each.get("asked")),
            Cell(each.get("unit", "")),
        )
        for each in caps
    )  # fmt: skip
    return Table("Caps looked at, before it", columns, rows)


def _pretty(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return text if len(text) <= 60_000 else text[:60_000] + "\n... cut here: the whole of it is in the export"
