"""An exporter's pages: what is left, uploading a file, its own history."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from ledger.core.errors import Malformed, Problem
from ledger.files import Answer, Item, post_each, read_requests
from ledger.posting import Receipt
from ledger.posting import Request as Asking
from ledger.posting.trying import try_out
from ledger.web.asking import Asked, record_of
from ledger.web.parts import Alert, Cell, Page
from ledger.web.showing import exporter as showing
from ledger.web.visits import EXPORTERS, Endpoint, Visit

MOST_ROWS = 1_000
NEWEST = 2**62
_UPLOAD = Page("Upload movements", "A CSV file is tried out first; nothing is posted until you say so.")


async def home(request: Request) -> Response:
    """Show what is left."""
    visit = await Visit.of(request, *EXPORTERS)
    visit.site.desk.pace(visit.principal.party)
    asked, named = _own(visit.asked()), request.query_params.get("named", "").strip()
    stamp, page = await visit.read(lambda view: showing.home(view, visit.site.door, visit.principal, named), asked)
    return visit.answer(replace(page, stamp=stamp), asked, template="exporter.html")


async def upload(request: Request) -> Response:
    """Show the upload form."""
    return _upload(await Visit.of(request, *EXPORTERS))


async def uploaded(request: Request) -> Response:
    """Try a file out, or post what was tried out."""
    visit = await Visit.of(request, *EXPORTERS)
    form = await visit.form()
    try:
        text = await _text_of(form)
        items = _items(text)
    except Problem as problem:
        return _upload(visit, f"{problem.message} {problem.remedy}".strip())
    principal, door = visit.principal, visit.site.door
    requests = [item.request for item in items if item.request]
    barred = next((why for each in requests if (why := door.may_post(principal, each))), "")
    if barred:
        return _upload(visit, barred)
    if form.get("step") == "post":
        receipts = await visit.site.desk.post(requests, actor=principal.actor, person=principal.person)
        return _answered(visit, _answers(items, receipts, visit), "")
    visit.site.desk.pace(principal.party)
    asked = Asked(visit.site.now().date(), None, "")

    def tell(code: str, message: str) -> str:
        return door.told(principal, code, message, "")[1]

    stamp, receipts = await visit.read(lambda view: try_out(view, requests, actor=principal.actor, tell=tell), asked)
    return _answered(visit, _answers(items, receipts, visit), text, stamp)


async def history(request: Request) -> Response:
    """Show the exporter's own records."""
    visit = await Visit.of(request, *EXPORTERS)
    asked, before = _own(visit.asked()), record_of(request.query_params.get("before", ""), NEWEST)
    stamp, page = await visit.read(lambda view: showing.history(view, visit.site.door, visit.principal, before), asked)
    return visit.answer(replace(page, stamp=stamp))  # all of it, whatever day it was dated


def _own(asked: Asked) -> Asked:
    """Return what an exporter may ask: any day, but the ledger as it is now, under the adopted rulebooks."""
    return Asked(asked.on, None, "", asked.on_text, now_only=True)


def _upload(visit: Visit, error: str = "") -> Response:
    title = f"Error: {_UPLOAD.title}" if error else ""
    errors = {"file": error} if error else {}
    return visit.answer(_UPLOAD, template="upload.html", status=400 if error else 200, errors=errors, title=title,
                        text="", summary=None)  # fmt: skip


def _answered(visit: Visit, answers: Sequence[Answer], text: str, stamp: Any = None) -> Response:
    """Show the verdicts. text: the file that was only tried out, "" once it was posted."""
    bad = sum(not each.is_in for each in answers)
    rows = f"{len(answers):,} row{'s' * (len(answers) != 1)}"
    if text:
        words = "Nothing is posted yet. Rows that would be refused are recorded as refusals if you post them."
        title = f"{rows} tried out: {len(answers) - bad:,} would be in, {bad:,} would be refused"
    else:
        words = "Posting the same file again changes nothing: what is in is replayed."
        title = f"{rows} answered: {len(answers) - bad:,} in, {bad:,} refused"
    link = None if text else Cell("Your history", "/exporter/history")
    summary = Alert("warning" if bad else "info" if text else "success", title, words, link)
    page = replace(_UPLOAD, title="Check the file" if text else "What became of the file", lead="",
                   parts=(showing.answers_table(answers, is_trial=bool(text)),), stamp=stamp)  # fmt: skip
    return visit.answer(page, template="upload.html", errors={}, text=text, summary=summary)


async def _text_of(form: Any) -> str:
    given = form.get("text")
    if form.get("step") == "post" and isinstance(given, str):
        return given
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise Malformed("file", "No file was chosen.", "Choose a CSV file of movements.")
    content = await file.read()
    await file.close()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed("file", "The file is not UTF-8 text.", "Save it as CSV in UTF-8.") from None


def _items(text: str) -> list[Item]:
    """Return the requests of a file. Raises `Problem` where it cannot be used, or is too long."""
    items = list(islice(read_requests(io.BytesIO(text.encode()), "movements"), MOST_ROWS + 1))
    if sum(len(item.lines) for item in items) > MOST_ROWS:
        raise Problem("too_large", f"The file has more than {MOST_ROWS:,} rows.", "Split it, or use the API.")
    if not items:
        raise Malformed("file", "The file has no rows below its header.", "Add the movements, one row each.")
    return items


def _answers(items: Sequence[Item], receipts: Sequence[Receipt], visit: Visit) -> list[Answer]:
    """Return what became of each row, as the exporter may read it."""
    told = iter([_told(receipt, visit) for receipt in receipts])

    def answer(requests: Sequence[Asking]) -> list[Receipt]:
        return list(islice(told, len(requests)))

    return [each for answers in post_each(items, answer) for each in answers]


def _told(receipt: Receipt, visit: Visit) -> Receipt:
    code, message, remedy = visit.site.door.told(visit.principal, receipt.code, receipt.message, receipt.remedy)
    return receipt._replace(code=code, message=message, remedy=remedy)


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/exporter", home),
    ("GET", "/exporter/upload", upload),
    ("POST", "/exporter/upload", uploaded),
    ("GET", "/exporter/history", history),
)
