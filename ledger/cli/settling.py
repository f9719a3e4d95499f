"""`capledger discrepancies`, `settle` and `close`: what does not reconcile, what is said of it, and closed periods."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, output
from ledger.cli.tables import Column, fold, say_lines, screen_width, table
from ledger.core.compute import grouped

if TYPE_CHECKING:
    from ledger.reports import Discrepancy

_COLUMNS = (
    Column("id", right=True),
    Column("class", least=12),
    Column("subject", least=14),
    Column("cap or rule", under="subject", least=12),
    Column("amount", right=True),
    Column("day"),
    Column("age in days", right=True, optional=True),
    Column("state"),
    Column("owner", under="state", least=8),
    Column("note", below=True),
)


def discrepancies(
    every: Annotated[bool, typer.Option("--all", help="Those that are resolved, too.")] = False,
    on: asking.Dated = "",
    known: asking.Known = "",
    as_json: asking.AsJson = False,
) -> None:
    """List what does not reconcile or broke a rule: amount, age, owner, state and what is said of it."""
    from ledger import reports

    with asking.viewing(on, known, "") as view:
        found = reports.discrepancies(view, resolved=every, by=view.on if on else date.max)
        at, journal, now = view.known, view.size, view.moment(datetime.now(UTC))
    if as_json:
        told = {"on": asking.day_of(on).isoformat(), "known": at, "journal": journal}
        output.say_json({**told, "discrepancies": [each.body() for each in found]})
        return
    width = screen_width()
    kind = "" if every else "unresolved "
    count = f"{len(found):,} {kind}discrepanc{'y' if len(found) == 1 else 'ies'}"
    say_lines(fold(f"{count}{f' dated up to {on}' if on else ''} at record {at:,}.", width))
    if found:
        say_lines([""], table(_COLUMNS, [_row(each, now) for each in found], width))


def settle(
    number: Annotated[str, typer.Argument(metavar="ID", help="The discrepancy's number.")],
    change: Annotated[str, typer.Argument(metavar="CHANGE", help="explained, resolved or reopened.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever reads the record.")],
    owner: Annotated[str, typer.Option(metavar="NAME", help="Who looks after it from now on.")] = "",
    key: Annotated[str, typer.Option(metavar="KEY", help="Makes repeating this command safe; new if not said.")] = "",
    person: asking.Person = "",
    as_json: asking.AsJson = False,
) -> None:
    """Explain, resolve or reopen a discrepancy by a record.

    Exit status 1: it is refused.
    """
    from ledger.posting import Request

    stated = {"id": number, "change": change, "note": note, "owner": owner}
    key = key or f"settle:{number}:{change}:{datetime.now(UTC).isoformat()}"[:200]
    receipt = asking.post_one(Request("discrepancy", key, stated), person)
    asking.answered(receipt, as_json, f"Discrepancy {number} is {change}: record {receipt.seq}.")


def close(
    day: Annotated[str, typer.Argument(metavar="DAY", help="The last day of the period.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever reads the record.")] = "",
    person: asking.Person = "",
    as_json: asking.AsJson = False,
) -> None:
    """Close every day up to DAY: no request can be dated there any more; observations can, and are marked late."""
    from ledger.posting import Request

    last = asking.day_of(day, "DAY").isoformat()
    receipt = asking.post_one(Request("period", f"close:{last}", {"closed_until": last, "note": note}), person)
    verb = "was closed already" if receipt.verdict == "replayed" else "is closed"
    asking.answered(receipt, as_json, f"The period to {last} {verb}: record {receipt.seq}.")


def _row(each: Discrepancy, now: datetime) -> list[str]:
    from decimal import Decimal

    amount = f"{grouped(Decimal(each.amount))} {each.unit}".rstrip() if each.amount else ""
    days = f"{(now - each.opened_at).days:,}"
    return [
        str(each.id), each.class_, each.subject, each.cap, amount, each.effective_on.isoformat(), days, each.state,
        each.owner, each.note,
    ]  # fmt: skip
