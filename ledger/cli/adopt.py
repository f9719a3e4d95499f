"""`capledger rulebook adopt`: put a rulebook in force for a span of days, by a record."""

from __future__ import annotations

from typing import Annotated

import typer

from ledger.cli import asking
from ledger.cli.books import Named


def adopt(
    name: Named,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="The first day it is in force.")],
    until: Annotated[str, typer.Option(metavar="DAY", help="The day it ends, itself excluded; open if not said.")] = "",
    key: Annotated[
        str, typer.Option(metavar="KEY", help="Makes repeating it safe; by name, revision and day if not said.")
    ] = "",
    person: asking.Person = "",
    only_propose: asking.Propose = False,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever decides.")] = "",
    as_json: asking.AsJson = False,
) -> None:
    """Adopt a rulebook from a day on: it is asked of whatever is dated there, and its totals are kept from now on.

    Nothing that was posted is taken back: what is over already opens a discrepancy. Exit status 1: it is refused.
    """
    from ledger import rulebooks
    from ledger.core.errors import Malformed
    from ledger.posting import Request

    day, end = asking.day_of(first, "--from"), asking.day_of(until, "--until") if until else None
    if end and end <= day:
        raise Malformed("until", f"--until {end} is not after --from {day}.", "Give a later day: it is excluded.")
    book = rulebooks.load(name)
    raw = {
        "name": book.name, "from": day.isoformat(), "until": end.isoformat() if end else "",
        "bundle": rulebooks.bundle_of(book),
    }  # fmt: skip
    request = Request(
        "rulebook", key or f"adopt:{book.name}:{book.revision}:{day}", raw | ({"note": note} if note else {})
    )
    if only_propose:
        receipt = asking.post_one(asking.proposal_of(request, note), person)
        asking.answered(receipt, as_json, receipt.message)
        return
    receipt = asking.post_one(request, person)
    verb = "was adopted already" if receipt.verdict == "replayed" else "is adopted"
    days = f"from {day}{f' until {end} (excluded)' if end else ''}"
    said = f"{book.name} (revision {book.revision}) {verb} {days}: record {receipt.seq}."
    asking.answered(receipt, as_json, f"{said}\nWhat it finds over already is listed by `capledger discrepancies`.")
