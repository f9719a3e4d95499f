"""Duties: who owes which notice by when, overdue ones first."""

from __future__ import annotations

from collections import Counter

from ledger.core.duties import Owed
from ledger.reports import View, duties
from ledger.web.asking import Asked
from ledger.web.desks import Door, Principal
from ledger.web.parts import Cell, Column, Figures, Page, Table, number, unconfirmed
from ledger.web.showing.standing import subject_path, subject_words

MOST_ROWS = 200
STATES = ("overdue", "due", "undetermined", "met")
OPTIONS = (("", "not done"), *((name, name) for name in STATES), ("all", "all"))


def all_duties(view: View, asked: Asked, *, wanted: str, named: str) -> Page:
    """Return the page of duties for officials. wanted: "" for what is not done, a state, or `all`; named: a party."""
    found = [each for each in duties(view, met=wanted in ("met", "all")) if named in each.party]
    page = _page(view, found, asked, wanted, is_own=False)
    return Page(page.title, page.lead, page.parts, extra={"options": OPTIONS, "wanted": wanted, "named": named})


def own_duties(view: View, asked: Asked, door: Door, principal: Principal, *, wanted: str) -> Page:
    """Return the page of what one exporter owes, and nobody else."""
    found = door.duties(principal, view, met=wanted in ("met", "all"))
    page = _page(view, found, asked, wanted, is_own=True)
    return Page(page.title, page.lead, page.parts, extra={"options": OPTIONS, "wanted": wanted})


def overdue_count(view: View) -> int:
    """Return how many duties are overdue on the view's day."""
    return sum(each.state == "overdue" for each in duties(view, met=False))


def _page(view: View, found: list[Owed], asked: Asked, wanted: str, *, is_own: bool) -> Page:
    counts = Counter[str](each.state for each in found)
    shown = [each for each in found if wanted in ("", "all", each.state)]
    columns = (
        Column("Duty"), Column("State"), Column("Due"), *(() if is_own else (Column("Who owes it"),)), Column("About"),
        Column("Came about"), Column("What to do"), Column("Done"), Column("Source in law"),
    )  # fmt: skip
    note = f"The first {MOST_ROWS} of {len(shown):,}." if len(shown) > MOST_ROWS else ""
    has_any = any(adoption.book.duties for _, adoption in view.position.timeline)
    empty = "Nothing is owed." if has_any else "No rulebook in force has duties."
    table = Table("Duties, overdue first", columns, tuple(_row(each, asked, is_own) for each in shown[:MOST_ROWS]),
                  empty, note)  # fmt: skip
    figures = Figures("At a glance", tuple((name, number(counts[name])) for name in STATES[:3]))
    return Page("Duties", "Who owes which notice, certificate or report, and by when.", (figures, table))


def _row(each: Owed, asked: Asked, is_own: bool) -> tuple[Cell, ...]:
    doubt = ", ".join(filter(None, ("late" if each.late else "", unconfirmed(each.confidence))))
    done = Cell("not yet")
    if each.met_by:
        done = Cell(f"{each.met_on}, record {each.met_by:,}", "" if is_own else asked.path("records", each.met_by))
    who = Cell(each.party, "" if each.party in ("", "unknown") else asked.path("recipients", each.party),
               note=each.role)  # fmt: skip
    return (
        Cell(each.duty, kind="title", note=each.note), Cell(each.state, kind="state", note=doubt),
        Cell(str(each.due_on) if each.due_on else "no day can be told"), *(() if is_own else (who,)),
        _about(each, asked, is_own), Cell(str(each.triggered_on)), Cell(each.do), done, Cell(each.law),
    )  # fmt: skip


def _about(each: Owed, asked: Asked, is_own: bool) -> Cell:
    subject, _, first = each.subject.partition(" ")
    words = f"{subject_words(subject)}{f' from {first}' if first else ''}" if "=" in subject else each.subject
    if each.record:
        line = f"record {each.record:,}, line {each.line}"
        return Cell(line, "" if is_own else asked.path("records", each.record), note=words)
    return Cell(words or "the calendar", subject_path(asked, subject) if "=" in subject and not is_own else "")
