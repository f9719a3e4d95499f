"""An exporter's statements of account, as files: its own movements between two days, without what caps others share."""

from __future__ import annotations

from datetime import date

from fastapi import Request
from fastapi.responses import Response

from ledger.core.errors import Malformed
from ledger.reports import View
from ledger.statements import csv_of, pdf_of
from ledger.web.asking import Asked, day_of
from ledger.web.parts import Page
from ledger.web.rendering import HEADERS, PRIVATE
from ledger.web.visits import EXPORTERS, Endpoint, Visit

KINDS = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}
_PAGE = Page("Statements", "Every movement of yours between two days, with the balance before and after it.")


async def statements(request: Request) -> Response:
    """Show the form, or return the statement that it asks for."""
    visit = await Visit.of(request, *EXPORTERS)
    today, query = visit.site.now().date(), request.query_params
    fields = {name: query.get(name, "").strip() for name in ("first", "last", "format")}
    errors: dict[str, str] = {}
    days: dict[str, date] = {}
    for name, otherwise in (("first", today.replace(month=1, day=1)), ("last", today)):
        try:
            days[name] = day_of(fields[name], otherwise)
        except Malformed as problem:
            errors[name] = f"{problem.message} {problem.remedy}"
    if not errors and days["first"] > days["last"]:
        errors["first"] = "The first day is after the last."
    if fields["format"] in KINDS and not errors:
        return await _file(visit, days["first"], days["last"], fields["format"])
    title = f"Error: {_PAGE.title}" if errors else ""
    fields = {name: fields[name] or str(days.get(name, "")) for name in ("first", "last")}
    return visit.answer(_PAGE, template="statements.html", status=400 if errors else 200, fields=fields, errors=errors,
                        title=title)  # fmt: skip


async def _file(visit: Visit, first: date, last: date, kind: str) -> Response:
    def draw_up(view: View) -> bytes:
        found = visit.site.door.statement(visit.principal, view, first=first, last=last)
        return pdf_of(found) if kind == "pdf" else csv_of(found).encode()

    _, content = await visit.read(draw_up, Asked(last, None, ""))
    named = f'attachment; filename="statement-{first}-{last}.{kind}"'
    headers = {**HEADERS, "Cache-Control": PRIVATE, "Content-Disposition": named}
    return Response(content, media_type=KINDS[kind], headers=headers)


PAGES: tuple[tuple[str, str, Endpoint], ...] = (("GET", "/exporter/statements", statements),)
