"""Statements of account, as the one who asks may see them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from ledger.access import wall
from ledger.access.principal import Principal
from ledger.access.sight import hidden, may_ask, named_parties
from ledger.access.telling import is_trusted
from ledger.reference import countries
from ledger.reports import View
from ledger.reports.statement import Statement, statement


def statement_for(
    principal: Principal, view: View, *, exporter: str = "", recipient: str = "", country: str = "", first: date,
    last: date, most: int | None = None,
) -> Statement:  # fmt: skip
    """Return a statement as its asker may see it; first and last day are included; at most so many lines of it.

    An exporter gets its own, whether it says so or not: of a recipient that its records name, or in a country, if it
    likes; without the caps and discrepancies, which tell what others have used. It is drawn up of the chips that the
    database shows too, and there is none where it would name a record that the database hides.

    Raises:
        Problem: `forbidden`. Malformed: nobody is named, or the days are not in order.
        NotFound: who is named is not known, or may not be seen. Unusable: it would be too long.
    """
    exporter = may_ask(principal, view, exporter=exporter, at_the_end=False)
    if is_trusted(principal):
        return statement(
            view, exporter=exporter, recipient=recipient, country=country, first=first, last=last, most=most
        )
    if recipient and (
        recipient not in named_parties(principal, view) or not wall.shown(view.conn, principal, [recipient], "named")
    ):
        raise hidden("recipient", recipient)
    if country and country not in countries():  # a code that no list has is known by who used it
        raise hidden("country", country)
    found = statement(
        view, exporter=exporter, recipient=recipient, country=country, first=first, last=last, most=most,
        shown=lambda profiles: wall.shown(view.conn, principal, profiles, "profile"),
    )  # fmt: skip
    records = {line.record for line in found.lines}
    if wall.shown(view.conn, principal, records, "posted") < records:  # its balances would not add up without them
        raise hidden("exporter", exporter)
    return replace(found, caps=(), discrepancies=())
