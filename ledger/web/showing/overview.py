"""The regulator's first page: which caps are over or near, what changed, what does not reconcile, what is late."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ledger.reports import CapStanding, Discrepancy, View, discrepancies, proposals, standings
from ledger.web.asking import Asked
from ledger.web.parts import (
    Alert,
    Cell,
    Column,
    Figures,
    Page,
    Part,
    Table,
    change,
    number,
    state,
    toned,
    unconfirmed,
    when,
)
from ledger.web.showing.duties import overdue_count
from ledger.web.showing.standing import (
    NEAR,
    cap_path,
    caps_table,
    country_name,
    meter,
    severity,
    subject_path,
    subject_words,
    tiers_of,
)
from ledger.web.showing.totals import Totals
from ledger.web.showing.worldmap import world_map
from schema.queries import SQL

MOST_CAPS, MOST_CHANGES, MOST_DISCREPANCIES, MOST_COUNTRIES = 15, 10, 10, 12
ON_TIME = timedelta(hours=26)  # a day after its period ended, and two hours to run
_TONES = {"over": "alarm", "exhausted": "alarm", "critical": "watch", "undetermined": "watch"}
TIER_STAGES = ("licensed", "open", "shipped", "installed")


@dataclass(frozen=True, slots=True)
class LastRun:
    """The reconciliation of the book in force that was recorded last."""

    seq: int
    on: date
    standings: Mapping[tuple[str, str, str], Mapping[str, Any]]


def overview(view: View, totals: Totals, asked: Asked, now: datetime) -> Page:
    """Return the page. now: what is late is late against this moment; on a past page, against its record's."""
    adoption, now = view.adoption, view.moment(now)
    if adoption is None:
        return Page("Overview", parts=(_no_book(view),))
    found = sorted(standings(view, limited=True), key=severity)
    stages = totals.of(view)
    last = _last_run(view, adoption.book.name)
    disputed = discrepancies(view)
    near = [each for each in found if each.state in NEAR]
    parts: list[Part] = [*_alerts(view, last, now, asked), _figures(view, found, disputed, asked)]
    parts.append(
        caps_table(
            "Caps over, exhausted or critical", near[:MOST_CAPS], asked, "No cap is over, exhausted or critical.",
            Cell(f"All caps in use ({len(found):,})", asked.path("caps")),
        )
    )  # fmt: skip
    parts.append(_changes(found, last, asked))
    parts.append(_disputed(disputed, asked, now))
    parts.append(_feeds(view, last, now, asked))
    parts.append(_tiers(view, found, stages, asked))
    by_country = _country_caps(found)
    if shown := world_map(view, stages, by_country, asked):
        parts.append(shown)
    parts.append(_countries(stages, by_country, view, asked))
    return Page("Overview", "How licensed chips stand against the caps.", tuple(parts))


def _no_book(view: View) -> Alert:
    if view.size == 0:
        return Alert(
            "info", "The ledger is empty", "Post parties and ratings, adopt a rulebook, then post what was licensed."
        )
    return Alert("warning", f"No rulebook is in force on {view.on}", "Ask for another day, or adopt one.")


def _alerts(view: View, last: LastRun | None, now: datetime, asked: Asked) -> list[Part]:
    if last is None:
        return [Alert("warning", "Never reconciled", "Totals were not yet held against the caps by a run.")]
    late = now.date() - last.on
    if view.book is None and late > timedelta(days=2):
        link = Cell(f"Run {last.seq:,}", asked.path("runs", last.seq))
        return [Alert("warning", "Reconciliation is overdue", f"The last run is of {last.on}, {late.days} days ago.",
                      link)]  # fmt: skip
    return []


def _figures(view: View, found: Sequence[CapStanding], disputed: Sequence[Discrepancy], asked: Asked) -> Figures:
    counts = {name: sum(1 for each in found if each.state == name) for name in (*NEAR, "undetermined")}
    rows = [
        (f"caps {name}", toned(number(count, href=asked.path("caps", state=name)), _TONES[name]))
        for name, count in counts.items()
    ]  # fmt: skip
    overdue = number(overdue_count(view), href=asked.path("duties", state="overdue"))
    rows.append(("discrepancies not resolved", toned(number(len(disputed), href=asked.path("discrepancies")), "watch")))
    rows.append(("duties overdue", toned(overdue, "watch")))
    rows.append(("proposals waiting", toned(number(len(proposals(view)), href=asked.path("proposals")), "")))
    return Figures("At a glance", tuple(rows))


def _last_run(view: View, book: str) -> LastRun | None:
    row = view.conn.execute(SQL["last_run_of"], {"rulebook": book, "known": view.known}).fetchone()
    if row is None:
        return None
    report = json.loads(row[5])
    return LastRun(row[0], row[2], {(b["cap"], b["subject"], b["window"]): b for b in report["standings"]})


def _changes(found: Sequence[CapStanding], last: LastRun | None, asked: Asked) -> Table:
    columns = (
        Column("Cap"), Column("Of"), Column("State then"), Column("State now"), Column("Used then", right=True),
        Column("Used now", right=True), Column("Change", right=True), Column("Unit"),
    )  # fmt: skip
    if last is None:
        return Table("Changes since the last run", columns, (), "There is no run to compare with.")
    changed = []
    for each in found:
        before = last.standings.get((each.cap, each.subject, each.window))
        used = Decimal(before["used"]) if before else Decimal(0)
        then = before["state"] if before else "open"
        if used != each.used or then != each.state:
            changed.append((then == each.state, -abs(each.used - used), each.cap, each.subject, each, then, used))
    changed.sort(key=lambda row: row[:4])
    rows = tuple(
        (
            Cell(each.cap, cap_path(asked, each.cap, each.subject, each.window), "title"),
            Cell(subject_words(each.subject), subject_path(asked, each.subject)),
            state(then), state(each.state), number(used), number(each.used),
            change(each.used - used), Cell(each.unit),
        )
        for _, _, _, _, each, then, used in changed[:MOST_CHANGES]
    )  # fmt: skip
    note = f"{len(changed):,} counters changed; the first {len(rows):,} are shown." if len(changed) > len(rows) else ""
    return Table(
        f"Changes since the last run, of {last.on}", columns, rows, "Nothing changed since the last run.", note,
        Cell(f"Run {last.seq:,}", asked.path("runs", last.seq)),
    )  # fmt: skip


def _disputed(disputed: Sequence[Discrepancy], asked: Asked, now: datetime) -> Table:
    shown = disputed[:MOST_DISCREPANCIES]
    return disputes_table(
        "Discrepancies not resolved, oldest first", shown, asked, now,
        Cell(f"All discrepancies ({len(disputed):,})", asked.path("discrepancies")),
    )  # fmt: skip


def disputes_table(
    caption: str, shown: Sequence[Discrepancy], asked: Asked, now: datetime, more: Cell | None = None
) -> Table:
    """Return discrepancies as a table, each with its age and owner."""
    columns = (
        Column("Record", right=True), Column("What"), Column("About"), Column("State"), Column("Amount", right=True),
        Column("Unit"), Column("Age", "days", right=True), Column("Owner"), Column("What was said"),
    )  # fmt: skip
    rows = tuple(
        (
            number(each.id, href=asked.path("discrepancies", each.id)),
            Cell(each.class_.replace("_", " "), note=each.cap),
            Cell(subject_words(each.subject), subject_path(asked, each.subject)),
            state(each.state),
            number(Decimal(each.amount)) if each.amount else Cell(""),
            Cell(each.unit),
            number((now - each.opened_at).days),
            Cell(each.owner),
            Cell(each.note),
        )
        for each in shown
    )  # fmt: skip
    return Table(caption, columns, rows, "No discrepancy is open.", more=more)


def _feeds(view: View, last: LastRun | None, now: datetime, asked: Asked) -> Table:
    columns = (Column("Feed"), Column("Last covered"), Column("State"), Column("Finished"))
    by = None if view.known == view.size else now
    jobs = view.conn.execute(SQL["periods_done"], {"by": by}).fetchall()
    rows = [
        (
            Cell(name), Cell(f"until {when(until)}"),
            state("overdue" if now - until > ON_TIME else "on time"), Cell(when(finished)),
        )
        for name, until, finished in jobs
    ]  # fmt: skip
    if last and not any(name == "reconcile-caps" for name, _, _ in jobs):
        late = now.date() - last.on > timedelta(days=2)
        rows.append((Cell("reconciliation, by hand", asked.path("runs", last.seq)), Cell(f"the day {last.on}"),
                     state("overdue" if late else "on time"), Cell("not by a job")))  # fmt: skip
    return Table("Feeds and jobs", columns, tuple(rows), "No job has run yet: nothing is reconciled by the clock.")


def _tiers(
    view: View, found: Sequence[CapStanding], stages: Mapping[str, Mapping[str, Decimal]], asked: Asked
) -> Table:
    adoption = view.adoption
    assert adoption
    sums: dict[str, dict[str, Decimal]] = {
        tier: dict.fromkeys(TIER_STAGES, Decimal(0)) for tier in tiers_of(adoption.book)
    }
    countries: dict[str, int] = {}
    for code, of in stages.items():
        tier = adoption.book.tier(code, view.on) or "no tier"
        countries[tier] = countries.get(tier, 0) + 1
        held = sums.setdefault(tier, dict.fromkeys(TIER_STAGES, Decimal(0)))
        for stage in TIER_STAGES:
            held[stage] += of[stage]
    columns = (
        Column("Tier"), Column("Countries with chips", right=True),
        *(Column(stage.capitalize(), "TPP", right=True) for stage in TIER_STAGES),
        *(Column(f"Caps {name}", right=True) for name in NEAR),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(tier.replace("_", " "), asked.path("countries", tier=tier), "title"), number(countries.get(tier, 0)),
            *(number(held[stage], href=asked.path("countries", tier=tier) if held[stage] else "")
              for stage in TIER_STAGES),
            *(number(sum(1 for each in found if each.tier == tier and each.state == name),
                     href=asked.path("caps", state=name)) for name in NEAR),
        )
        for tier, held in sums.items()
    )  # fmt: skip
    return Table("Totals per tier", columns, rows, "Nothing is licensed.",
                 "Chips and equivalents together; what has lapsed is left out of open.")  # fmt: skip


def _country_caps(found: Sequence[CapStanding]) -> dict[str, CapStanding]:
    """Return each country's own cap that needs attention most."""
    by_country: dict[str, CapStanding] = {}
    for each in found:  # worst first
        name, _, code = each.subject.partition("=")
        if name == "destination" and "," not in code:
            by_country.setdefault(code, each)
    return by_country


def _countries(
    stages: Mapping[str, Mapping[str, Decimal]], caps: Mapping[str, CapStanding], view: View, asked: Asked
) -> Table:
    ranked = sorted(
        stages, key=lambda code: severity(caps[code]) if code in caps else (9, -stages[code]["licensed"], "", "")
    )
    return Table(
        "Countries, fullest first", COUNTRY_COLUMNS,
        tuple(country_row(code, stages[code], caps.get(code), view, asked) for code in ranked[:MOST_COUNTRIES]),
        "Nothing is licensed to any country.", more=Cell("All countries", asked.path("countries")),
    )  # fmt: skip


COUNTRY_COLUMNS = (
    Column("Country"), Column("Tier"), Column("Licensed", "TPP", right=True), Column("Shipped", "TPP", right=True),
    Column("Installed", "TPP", right=True), Column("Cap"), Column("State"), Column("Share used"),
)  # fmt: skip


def country_row(
    code: str, of: Mapping[str, Decimal], cap: CapStanding | None, view: View, asked: Asked
) -> tuple[Cell, ...]:
    """Return one country as a row."""
    adoption = view.adoption
    tier = (adoption.book.tier(code, view.on) if adoption else None) or "no tier"
    behind = asked.path("records", about=code)
    return (
        Cell(f"{country_name(code)} ({code})", asked.path("countries", code), "title"), Cell(tier),
        *(number(of[stage], href=behind if of[stage] else "") for stage in ("licensed", "shipped", "installed")),
        Cell(cap.cap, cap_path(asked, cap.cap, cap.subject, cap.window),
             note=unconfirmed(cap.confidence, cap.status, cap.when_exceeded)) if cap else Cell("no cap of its own"),
        state(cap.state) if cap else Cell("no cap"),
        meter(cap.used, cap.limit, cap.state) if cap else Cell("no figure"),
    )  # fmt: skip
