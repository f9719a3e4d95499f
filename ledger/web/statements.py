"""Statements of account: an exporter's own as files; for officials of whoever they ask, as a page and as files."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from ledger import reference
from ledger.core.errors import Malformed, Problem
from ledger.reports import Statement, View
from ledger.statements import csv_of, pdf_of
from ledger.web.asking import Asked, day_of
from ledger.web.parts import Cell, Page
from ledger.web.rendering import HEADERS, PRIVATE, status_of
from ledger.web.showing import statements as showing
from ledger.web.visits import EXPORTERS, OFFICIALS, Endpoint, Visit

KINDS = {"pdf": "application/pdf", "csv": "text/csv; charset=utf-8", "json": "application/json"}
FILES = (("pdf", "PDF, for people and archives"), ("csv", "CSV, for programs"), ("json", "JSON, for programs"))
WHOSE = ("exporter", "recipient", "country")
_OWN = Page("Statements", "Every movement of yours between two days, with the balance before and after it.")
_ANY = Page("Statements", "What moved between two days for an exporter, a recipient or a country, with the caps it "
            "counts in. Of several of them: what they share.")  # fmt: skip


async def own(request: Request) -> Response:
    """Show an exporter the form, or return the statement that it asks for: its own, without what caps others share."""
    visit = await Visit.of(request, *EXPORTERS)
    days, fields, errors = _period(visit)
    kind = request.query_params.get("format", "").strip()
    if kind not in KINDS or errors:
        return _form(visit, _OWN, fields, errors, action="/exporter/statements", whose=(), files=FILES)

    def draw_up(view: View) -> bytes:
        return _content(visit.site.door.statement(visit.principal, view, first=days[0], last=days[1]), kind)

    _, content = await visit.read(draw_up, Asked(days[1], None, ""))
    return _file(content, kind, days)


async def any_(request: Request) -> Response:
    """Show an official the form, and the statement that is asked for: on the page, or as a file."""
    visit = await Visit.of(request, *OFFICIALS)
    asked = visit.asked()
    days, fields, errors = _period(visit)
    fields |= {name: request.query_params.get(name, "").strip() for name in (*WHOSE, "format")}
    fields |= {"known": asked.known_text}
    of = {name: fields[name] for name in WHOSE}
    is_asked, kind = any(of.values()), fields["format"]
    try:
        of["country"] = reference.country_code(of["country"]) if of["country"] else ""
    except Problem as problem:
        errors["country"] = f"{problem.message} {problem.remedy}".strip()
    if is_asked and not errors:
        asked = Asked(days[1], asked.known, "", days[1].isoformat(), asked.known_text)

        def draw_up(view: View) -> Statement:
            return visit.site.door.statement(visit.principal, view, **of, first=days[0], last=days[1])

        try:
            if kind in KINDS:
                _, content = await visit.read(lambda view: _content(draw_up(view), kind), asked)
                return _file(content, kind, days)
            stamp, found = await visit.read(draw_up, asked)
        except Problem as problem:
            if status_of(problem) >= 500:
                raise
            errors[next(name for name in WHOSE if of[name])] = f"{problem.message} {problem.remedy}".strip()
        else:
            now = visit.site.now() if stamp.is_newest else found.recorded_at or visit.site.now()
            page = replace(_ANY, title=f"Statement of {showing.whose(found)}", stamp=stamp,
                           parts=showing.parts_of(found, asked, now))  # fmt: skip
            links = [Cell(words, f"/statements?{urlencode({**fields, 'format': name})}") for name, words in FILES]
            return _form(visit, page, fields, {}, action="/statements", whose=WHOSE, files=(), files_of=links)
    elif "format" in request.query_params and not errors:
        errors["exporter"] = "Name an exporter, a recipient or a country."
    return _form(visit, _ANY, fields, errors, action="/statements", whose=WHOSE, files=(("", "Page"), *FILES))


def _period(visit: Visit) -> tuple[tuple[date, date], dict[str, str], dict[str, str]]:
    """Return the days asked, what the form shows of them, and what is wrong with them. This month where not stated."""
    today, query = visit.site.now().date(), visit.request.query_params
    days = {"first": today.replace(day=1), "last": today}
    fields, errors = dict[str, str](), dict[str, str]()
    for name, otherwise in days.items():
        fields[name] = query.get(name, "").strip()
        try:
            days[name] = day_of(fields[name], otherwise)
            fields[name] = days[name].isoformat()
        except Malformed as problem:
            errors[name] = f"{problem.message} {problem.remedy}"
    if not errors and days["first"] > days["last"]:
        errors["first"] = "The first day is after the last."
    return (days["first"], days["last"]), fields, errors


def _content(found: Statement, kind: str) -> bytes:
    if kind == "pdf":
        return pdf_of(found)
    return (csv_of(found) if kind == "csv" else json.dumps(found.body(), ensure_ascii=False) + "\n").encode()


def _file(content: bytes, kind: str, days: tuple[date, date]) -> Response:
    named = f'attachment; filename="statement-{days[0]}-{days[1]}.{kind}"'
    headers = {**HEADERS, "Cache-Control": PRIVATE, "Content-Disposition": named}
    return Response(content, media_type=KINDS[kind], headers=headers)


def _form(visit: Visit, page: Page, fields: dict[str, str], errors: dict[str, str], **more: Any) -> Response:
    title = f"Error: {page.title}" if errors else ""
    return visit.answer(page, template="statements.html", status=400 if errors else 200, fields=fields, errors=errors,
                        title=title, **{"files_of": (), **more})  # fmt: skip


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/exporter/statements", own),
    ("GET", "/statements", any_),
)
