"""One cap of one subject: its law, its use over time, what it bound, and the entries behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ledger.core import counters
from ledger.core.errors import NotFound
from ledger.core.knowledge import Adoption
from ledger.core.lens import NOTHING, Amount, Key, limit_on, window_of
from ledger.core.rulebook import Cap, Span
from ledger.core.shown import shown_subject
from ledger.reports import CapStanding, Discrepancy, View, discrepancies, standings
from ledger.reports.remaining import window_text
from ledger.reports.standings import amounts_on
from ledger.web.asking import Asked
from ledger.web.parts import Cell, Column, Facts, Figures, Page, Part, Table, change, number, state, unconfirmed
from ledger.web.showing.charts import Step, step_chart
from ledger.web.showing.entries import entries_table, touching
from ledger.web.showing.standing import (
    WORST_FIRST,
    caps_table,
    percent,
    severity,
    subject_words,
    window_words,
)
from schema.queries import SQL

MOST_ROWS = 100
MOST_REFUSALS = 20
MOST_DAYS = 30


def all_caps(view: View, asked: Asked, *, wanted: str, named: str, after: int) -> Page:
    """Return the page of every cap in use. named: part of a cap's name or subject.

    wanted: a state, `all`, or "" for those with a limit: of what is only watched there may be one for each party.
    """
    found = sorted(standings(view, limited=wanted not in ("all", "watched")), key=severity)
    shown = [
        each for each in found
        if wanted in ("", "all", each.state)
        and named.casefold() in f"{each.cap} {subject_words(each.subject)}".casefold()
    ]  # fmt: skip
    rest = shown[after + MOST_ROWS :]
    more = Cell(f"The next of {len(rest):,} more", asked.path("caps", state=wanted, named=named,
                after=str(after + MOST_ROWS))) if rest else None  # fmt: skip
    empty = "No cap matches." if wanted or named else "No cap is in use: nothing that counts was posted."
    parts = (
        caps_table("Caps in use, what needs attention first", shown[after : after + MOST_ROWS], asked, empty, more),
    )
    options = [("", "any, with a limit"), *((name, name) for name in WORST_FIRST), ("all", "any, watched ones too")]
    of = {"all": "counters", "watched": "counters that are only watched"}.get(wanted, "counters with a limit")
    lead = f"{len(shown):,} {of}." if not named else f'{len(shown):,} {of} that match "{named[:60]}".'
    return Page(
        "Caps", lead, parts,
        extra={"options": options, "wanted": wanted, "named": named},
    )  # fmt: skip


def one_cap(view: View, asked: Asked, name: str, subject: str, window: str, before: int) -> Page:
    """Return the page of one counter; without a subject, of the cap's law and its subjects.

    Raises:
        NotFound: the rulebook asked has no such cap.
    """
    adoption = view.adoption
    written = next((cap for cap in (adoption.book.caps if adoption else ()) if cap.name == name), None)
    if adoption is None or written is None:
        raise NotFound(f'The rulebook asked has no cap "{name[:60]}" on {view.on}.', "Choose one of the list of caps.")
    crumbs = (Cell("Caps", asked.path("caps")), Cell(name))
    if not subject:
        found = sorted(standings(view, caps=[name]), key=severity)
        table = caps_table("Its subjects", found[:MOST_ROWS], asked, "Nothing counts against it yet.",
                           Cell("All of them", asked.path("caps", named=name)))  # fmt: skip
        return Page(f"Cap {name}", written.note, (_law(written, adoption, asked), table), crumbs)
    cap = written.of_subject(subject)
    key, span = _key(cap, adoption, subject, window, view.on)
    now = next(
        (s for s in standings(view, caps=[name]) if (s.cap, s.subject, s.window) == (name, subject, window_text(span))),
        None,
    )
    bound = _bound(view, name, subject)
    disputed = [each for each in discrepancies(view, resolved=True) if (each.cap, each.subject) == (name, subject)]
    parts: list[Part] = [_figures(cap, span, now, view, asked)]
    keys = _kept(view, adoption, cap, key)
    parts += _over_time(view, cap, keys, span, now, bound, disputed)
    parts += [_binding(bound, disputed, asked), _law(cap, adoption, asked)]
    moved, going_on = touching(view, view.position.lenses[adoption.seq], cap, keys, before)
    more = asked.path("caps", name, subject=subject, window=window, before=str(going_on))
    parts.append(entries_table(moved, going_on, cap.limit.unit, asked, more))
    title = f"{name}: {subject_words(subject)}"
    return Page(title, f"Window: {window_words(window_text(span))}.", tuple(parts), crumbs)  # fmt: skip


def _key(cap: Cap, adoption: Adoption, subject: str, window: str, on: date) -> tuple[Key, Span]:
    try:
        day = date.fromisoformat(window) if window else on
    except ValueError:
        raise NotFound(f'There is no window "{window[:40]}".', "Choose one of the list of caps.") from None
    span = window_of(cap, day) or cap.window.span
    return Key(adoption.seq, cap.name, subject, span.first or date.min), span


def _kept(view: View, adoption: Adoption, cap: Cap, key: Key) -> list[Key]:
    """Return the counters that a shown one is the sum of: of a group, one for each owner in it on the day."""
    if not cap.is_grouped:
        return [key]
    groups = view.position.knowledge.groups
    found = amounts_on(view, adoption, [cap.name])
    return [
        each for each in found
        if (each.cap, each.window) == (key.cap, key.window)
        and shown_subject(each.subject, cap, groups, view.on) == key.subject
    ]  # fmt: skip


def _figures(cap: Cap, span: Span, now: CapStanding | None, view: View, asked: Asked) -> Figures:
    unit, zero = cap.limit.unit, Decimal(0)
    limit = now.limit if now else None if cap.limit.unlimited else limit_on(cap, view.on)
    used = now.used if now else zero
    left = now.left if now else limit
    name = now.state if now else str(counters.state(cap, zero, zero, limit))
    without = "not limited" if cap.limit.unlimited else "undetermined"
    note = unconfirmed(cap.confidence, cap.status, cap.when_exceeded)
    share = percent(used, limit)
    rows = [
        ("state", state(name)),
        (f"used, {unit}", number(used, note=", ".join(filter(None, (share and f"{share} of the limit", note))))),
        (f"limit, {unit}", number(limit, without, note=now.remark if now else "")),
        (f"left, {unit}", number(left, without)),
    ]  # fmt: skip
    if now and now.doubt:
        rows.append((f"in doubt, {unit}", number(now.doubt)))
    return Figures(f"On {view.on}", tuple(rows))


def _law(cap: Cap, adoption: Adoption, asked: Asked) -> Facts:
    book = adoption.book
    named = Cell(f"{book.name}, revision {book.revision}", asked.path("rulebooks", book.name))
    adopted = number(adoption.seq, href=asked.path("records", adoption.seq)) if adoption.seq else Cell("not adopted")
    rows = {
        "Source in law": cap.law,
        "Counts": cap.counts,
        "Kept by": ", ".join(cap.by) or "the whole world",
        "Limit as written": cap.limit.words,
        "Window": window_words(window_text(cap.window.span)) if cap.window.kind == "span"
        else cap.window.kind.replace("_", " "),
        "When exceeded": "requests are refused" if cap.when_exceeded == "refuse" else "posted, and a discrepancy opens",
        "Gives room back": ", ".join(sorted(cap.gives_back)) or "only a reverse",
        "Legal standing": cap.status,
        "Confidence": cap.confidence,
        "Note": cap.note,
    }  # fmt: skip
    written = ((term, Cell(text)) for term, text in rows.items() if text)
    return Facts("The cap as written", (("Rulebook", named), ("Adopted by record", adopted), *written))


def _over_time(
    view: View, cap: Cap, keys: Sequence[Key], span: Span, now: CapStanding | None, bound: Sequence[dict[str, Any]],
    disputed: Sequence[Discrepancy],
) -> list[Part]:  # fmt: skip
    changes: dict[date, Amount] = {}
    for key in keys:
        for day, amount in view.position.counter(key, date.min).deltas.items():
            changes[day] = changes.get(day, NOTHING).plus(amount)
    total, used = NOTHING, list[Step]()
    for day in sorted(changes):
        total = total.plus(changes[day])
        sure, doubt, _ = counters.measured(total, cap.limit.unit)
        used.append((day, sure + doubt))
    if not used:
        return []
    first = span.first or used[0][0]
    last = max(view.on, min(used[-1][0], view.on + timedelta(days=366)))
    if span.until:
        last = min(max(last, view.on), span.until)
    days = sorted({first, *(day for day, _ in cap.limit.steps if day and first < day <= last)})
    limits = [] if cap.limit.unlimited else [(day, limit_on(cap, day)) for day in days]
    if cap.limit.share:  # of what another counter has used: drawn as it is on the day
        limits = [(first, now.limit)] if now else []
    events = [(date.fromisoformat(each["day"]), "refused") for each in bound if each["day"]]
    events += [(each.effective_on, each.class_.replace("_", " ")) for each in disputed]
    chart = step_chart(
        "Use over time", cap.limit.unit, used, limits, first=first, last=last, on=view.on,
        critical_at=cap.critical_at, events=events,
    )  # fmt: skip
    steps = [(day, amount, amount - (used[n - 1][1] if n else Decimal(0))) for n, (day, amount) in enumerate(used)]
    rows = tuple(
        (Cell(day.isoformat(), note="to come" if day > view.on else ""), change(by), number(amount),
         number(_limit(cap, day, now), "none"))
        for day, amount, by in reversed(steps[-MOST_DAYS:])
    )  # fmt: skip
    unit = cap.limit.unit
    columns = (Column("Day"), Column("Change", unit, right=True), Column("Used", unit, right=True),
               Column("Limit", unit, right=True))  # fmt: skip
    note = f"The last {MOST_DAYS} of {len(used):,} days with a change." if len(used) > MOST_DAYS else ""
    return [chart, Table("Use by day, newest first", columns, rows, note=note)]


def _limit(cap: Cap, day: date, now: CapStanding | None) -> Decimal | None:
    if cap.limit.unlimited:
        return None
    return (now.limit if now else None) if cap.limit.share else limit_on(cap, day)


def _bound(view: View, cap: str, subject: str) -> list[dict[str, Any]]:
    """Return the newest refusals of which the cap was the reason."""
    wanted = {
        "cap": f'"cap":{json.dumps(cap)}'.encode(), "subject": f'"subject":{json.dumps(subject)}'.encode(),
        "known": view.known, "most": MOST_REFUSALS,
    }  # fmt: skip
    found = []
    for seq, actor, at, payload, judgment in view.conn.execute(SQL["refusals_bound_by"], wanted):
        refusal = json.loads(judgment)["refusal"]
        if (refusal.get("cap"), refusal.get("subject")) == (cap, subject):
            day = json.loads(payload)["body"].get("effective_on", "")
            found.append({"seq": seq, "actor": actor, "at": at, "day": day, "message": refusal["message"]})
    return found


def _binding(bound: Sequence[dict[str, Any]], disputed: Sequence[Discrepancy], asked: Asked) -> Table:
    columns = (Column("Record", right=True), Column("Day"), Column("What"), Column("Who"), Column("In words"))
    rows = [
        (each["seq"], each["day"], state("refused"), each["actor"], each["message"]) for each in bound
    ]  # fmt: skip
    rows += [(each.id, str(each.effective_on), Cell(each.class_.replace("_", " ")), each.owner, each.note)
             for each in disputed]  # fmt: skip
    rows.sort(key=lambda row: -row[0])
    return Table(
        "When it bound", columns,
        tuple((number(seq, href=asked.path("records", seq)), Cell(day), what, Cell(who), Cell(words))
              for seq, day, what, who, words in rows),
        "It never refused a request, and no discrepancy names it.",
    )  # fmt: skip
