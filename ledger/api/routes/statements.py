"""Statements of account: what moved between two days, as JSON, as CSV for programs, as PDF for people and archives."""

from __future__ import annotations

from starlette.responses import Response

from ledger.api import formats
from ledger.api.answering import read
from ledger.api.answers import Filed
from ledger.api.door import ANYONE, Call, Route
from ledger.api.parameters import day_of, id_of
from ledger.core.movements import fields
from ledger.reports import View


async def draw_statement(call: Call) -> Response:
    """Return the statement of an exporter, a recipient or a country, or of what several of them share.

    An exporter gets its own, without the caps and discrepancies that others have a part in.
    """
    asked = call.asked
    last = day_of(asked, "to")
    first = day_of(asked, "from") if "from" in asked else last.replace(month=1, day=1)
    country = fields.country("country", asked["country"]) if "country" in asked else ""
    exporter, recipient = id_of(asked, "exporter"), id_of(asked, "recipient")

    def ask(view: View) -> Filed:
        from ledger.statements import csv_of, pdf_of

        found = call.access.statement_for(
            call.principal, view, exporter=exporter, recipient=recipient, country=country, first=first, last=last
        )
        return Filed(found.body(), {formats.CSV: lambda: csv_of(found).encode(), formats.PDF: lambda: pdf_of(found)})

    return await read(call, ask, on=last, offers=(formats.JSON, formats.CSV, formats.PDF))


ROUTES = (
    Route("draw_statement", "GET", "/v1/statements", ANYONE, "What moved between two days, with balances",
          draw_statement, "StatementAnswer", ("exporter", "recipient", "country", "from", "to", "known"),
          files=(formats.CSV, formats.PDF), omits=("recipient",),
          dayless="a statement is of two days and stands at the last: `from` and `to`."),
)  # fmt: skip
