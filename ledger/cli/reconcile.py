"""`capledger reconcile`, `check` and `rebuild`: totals against caps, and the journal against what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from ledger.cli import asking, output
from ledger.cli.caps import standings_table
from ledger.cli.tables import Column, fold, say_lines, screen_width, table

if TYPE_CHECKING:
    from ledger.reconcile import CheckReport, Run

# What needs a look comes first.
_STATES = ("over", "blocked", "suspended", "exhausted", "critical", "undetermined", "open", "watched")
_CHANGES = (
    Column("cap", least=12),
    Column("subject", least=14),
    Column("window", under="subject", least=11),
    Column("what"),
    Column("then", right=True),
    Column("now", right=True),
)


def reconcile(
    on: asking.On = "", known: asking.Known = "", rulebook: asking.Book = "", as_json: asking.AsJson = False
) -> None:
    """Recompute every total from the journal, hold it against its cap, and record the run.

    The same position gives the same digest and adds nothing. A rulebook that is not in force is compared and opens
    no discrepancy. With --known it is only told what a run at that record would have found: nothing is recorded, and
    no total that is kept is compared. Exit status 1: a total that is kept differs from the journal.
    """
    from ledger.reconcile import reconcile_caps, reconcile_past

    day, record = asking.day_of(on), asking.known_at(known)
    with asking.connected() as conn:
        if record is None:
            run = reconcile_caps(conn, on=day, at=datetime.now(UTC), rulebook=rulebook or None)
        else:
            run = reconcile_past(conn, on=day, known=record, rulebook=rulebook or None)
    if as_json:
        output.say_json({"seq": run.seq or None, "digest": run.digest, "is_new": run.is_new, "report": run.report})
    else:
        _say_run(run, screen_width())
    if run.report["counters"]["differences"]:
        raise typer.Exit(output.SAYS_NO)


def check(as_json: asking.AsJson = False) -> None:
    """Verify the journal's hashes and everything that is kept of it, and change nothing.

    Exit status 1: something differs.
    """
    from ledger import reconcile

    with asking.connected() as conn:
        report = reconcile.check(conn)
    _tell(report, as_json, "Nothing was changed. `capledger rebuild` makes everything anew from the journal.")


def rebuild(as_json: asking.AsJson = False) -> None:
    """Make everything that is kept of the journal anew, and say where it differed. Writers wait meanwhile.

    Exit status 1: something differed. A journal that does not match its own hashes is not built upon.
    """
    from ledger import reconcile

    with asking.connected() as conn:
        report = reconcile.rebuild(conn)
    mended = "Rebuilt: everything is now as the journal says."
    _tell(report, as_json, "The journal is not intact, so nothing was rebuilt." if report.faults else mended)


def _say_run(run: Run, width: int | None) -> None:
    report = run.report
    book, standings = report["rulebook"], report["standings"]
    force = "" if book["in_force"] else ", which is not in force"
    told = [
        f"{_several(len(standings), 'cap')} in use under {book['name']} (revision {book['revision']}{force}) on "
        f"{report['on']}, at record {report['number']:,}.",
        _in_states(report["states"]),
    ]
    say_lines(*(fold(line, width) for line in told if line))
    if standings:
        say_lines([""], standings_table(sorted(standings, key=_tier), width, by_tier=True))
    _say_changes(report, width)
    if not run.seq:
        computed = _several(report["counters"]["computed"], "counter")
        nothing = f"{computed} computed from the journal up to there. Nothing was recorded: a past record was asked."
        say_lines([""], fold(nothing, width), [f"Digest {run.digest}"])
        return
    _say_differences(report["counters"], width)
    new = "recorded" if run.is_new else "stands: the same position, so nothing was added"
    say_lines([""], fold(f"Run {run.seq:,} {new}.", width), [f"Digest {run.digest}"])


def _tier(body: Mapping[str, Any]) -> tuple[bool, str]:
    return not body["tier"], body["tier"]  # what has no tier comes last; within one, the book's order


def _in_states(states: Mapping[str, Mapping[str, int]]) -> str:
    """Return how many caps are in each state, over all tiers."""
    counts = {state: sum(of.get(state, 0) for of in states.values()) for state in _STATES}
    return f"{', '.join(f'{n:,} {state}' for state, n in counts.items() if n)}." if any(counts.values()) else ""


def _say_changes(report: Mapping[str, Any], width: int | None) -> None:
    before, changes = report["predecessor"], report["changes"]
    if before is None:
        say_lines([""], fold("No run came before it, so there is nothing to compare with.", width))
        return
    since = f"since run {before['seq']:,}, at record {before['number']:,}"
    if not changes:
        say_lines([""], fold(f"Nothing changed {since}.", width))
        return
    rows = [
        [each["cap"], each["subject"], each["window"], what, _shown(each[what]["then"]), _shown(each[what]["now"])]
        for each in changes
        for what in ("state", "used", "limit")
        if each[what]["then"] != each[what]["now"]
    ]
    say_lines([""], fold(f"Changed {since}:", width), table(_CHANGES, rows, width))


def _shown(value: str | None) -> str:
    """Return a state as it is, and a figure with its thousands apart."""
    from decimal import Decimal

    from ledger.core.compute import grouped

    if value is None:
        return "-"
    return grouped(Decimal(value)) if value.lstrip("-")[:1].isdigit() else value


def _say_differences(counters: Mapping[str, Any], width: int | None) -> None:
    differences, computed = counters["differences"], _several(counters["computed"], "counter")
    if not counters["kept"]:
        say_lines([""], fold(f"{computed} computed from the journal; none is kept for a book not in force.", width))
    elif not differences:
        say_lines([""], fold(f"{computed} computed from the journal, the same as those that are kept.", width))
    else:
        say_lines(["", f"{_several(len(differences), 'counter')} kept differently from the journal:"])
        columns = (Column("cap", least=12), Column("subject", least=14), Column("day"),
                   Column("kept", right=True), Column("journal", right=True))  # fmt: skip
        rows = [[each["cap"], each["subject"], each["day"], _shown(each["kept"]), _shown(each["computed"])]
                for each in differences]  # fmt: skip
        say_lines(table(columns, rows, width))


def _tell(report: CheckReport, as_json: bool, what_now: str) -> None:
    """Tell what a check found, and where it found something, what now."""
    if as_json:
        output.say_json(_body(report))
    else:
        _say_check(report, what_now, screen_width())
    if not report.is_sound:
        raise typer.Exit(output.SAYS_NO)


def _body(report: CheckReport) -> dict[str, Any]:
    return {
        "is_sound": report.is_sound,
        "records": report.records,
        "root": report.root,
        "faults": list(report.faults),
        "differences": [
            {"projection": each.projection, "kept": each.kept, "computed": each.computed, "wrong": list(each.wrong),
             "missing": list(each.missing)}
            for each in report.differences
        ],
        "rows": dict(report.rows),
    }  # fmt: skip


def _say_check(report: CheckReport, what_now: str, width: int | None) -> None:
    records = _several(report.records, "record")
    if report.is_sound:
        rows = f"{_several(sum(report.rows.values()), 'row')} in {len(report.rows)} tables"
        say_lines(fold(f"Sound: {records}, each as it was sealed; {rows}, each as the journal says.", width))
    else:
        say_lines(fold(f"Not sound: of {records}, or of what is kept of them, something differs.", width))
    for fault in report.faults:
        say_lines(fold(f"- journal: {fault}", width, "  "))
    for each in report.differences:
        say_lines(fold(f"- {each.projection}: {each.kept:,} kept, {each.computed:,} by the journal", width, "  "))
        for what, rows_quoted in (("kept, and wrong", each.wrong), ("missing", each.missing)):
            for row in rows_quoted:
                say_lines(fold(f"  {what}: {row}", width, "    "))
    if not report.is_sound:
        say_lines(fold(what_now, width))
    say_lines([f"Root {report.root}"])


def _several(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
