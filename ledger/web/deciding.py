"""Pages of proposals and duties, and the forms of the operator: to decide a proposal, to settle a discrepancy."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from ledger.core.errors import Problem
from ledger.posting import Receipt
from ledger.posting import Request as Asking
from ledger.web.asking import record_of
from ledger.web.parts import Alert, Page
from ledger.web.showing import duties as showing_duties
from ledger.web.showing import proposals as showing
from ledger.web.showing import settling
from ledger.web.visits import EXPORTERS, OFFICIALS, Endpoint, Visit

LONGEST_NOTE, LONGEST_KEY = 2_000, 100


async def proposals(request: Request) -> Response:
    """Show what waits for a second person, or what was decided."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, wanted = visit.asked(), request.query_params.get("state", "")
    stamp, page = await visit.read(lambda view: showing.all_proposals(view, asked, wanted))
    return visit.answer(replace(page, stamp=stamp), asked, template="proposals.html")


async def proposal(request: Request) -> Response:
    """Show one proposal, with the form to decide it."""
    visit = await Visit.of(request, *OFFICIALS)
    return await _proposal(visit, record_of(request.path_params["seq"], 0))


async def decided(request: Request) -> Response:
    """Approve or decline a proposal, and show what came of it. The person is the session's."""
    visit = await Visit.of(request, *OFFICIALS)
    number = record_of(request.path_params["seq"], 0)
    form = await visit.form()
    note, decision = _text(form, "note"), _text(form, "decision")
    errors = {} if decision in ("approve", "decline") else {"decision": "Choose to approve or to decline."}
    if len(note) > LONGEST_NOTE:
        errors["note"] = f"Write at most {LONGEST_NOTE:,} characters."
    if errors:
        return await _proposal(visit, number, errors=errors, note=note)
    raw = {"proposal": str(number), "decision": decision, "note": note}
    receipt = await _posted(visit, Asking("decision", _key(form), {name: said for name, said in raw.items() if said}))
    return await _proposal(visit, number, told=_told(receipt, f"Proposal {number:,} is decided"))


async def duties(request: Request) -> Response:
    """Show who owes what."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, query = visit.asked(), request.query_params
    wanted, named = query.get("state", ""), query.get("named", "").strip()
    stamp, page = await visit.read(
        lambda view: showing_duties.all_duties(view, asked, wanted=wanted, named=named)
    )  # fmt: skip
    return visit.answer(replace(page, stamp=stamp), asked, template="duties.html", where="/duties")


async def own_duties(request: Request) -> Response:
    """Show an exporter what it owes itself."""
    visit = await Visit.of(request, *EXPORTERS)
    asked = replace(visit.asked(), known=None, known_text="", rulebook="", now_only=True)
    wanted = request.query_params.get("state", "")
    door, principal = visit.site.door, visit.principal
    stamp, page = await visit.read(
        lambda view: showing_duties.own_duties(view, asked, door, principal, wanted=wanted), asked
    )  # fmt: skip
    return visit.answer(replace(page, stamp=stamp), asked, template="duties.html", where="/exporter/duties", named=None)


async def discrepancy(request: Request) -> Response:
    """Show one discrepancy, what was said of it, and the form to settle it."""
    visit = await Visit.of(request, *OFFICIALS)
    return await _discrepancy(visit, record_of(request.path_params["id"], 0))


async def settled(request: Request) -> Response:
    """Explain, resolve or reopen a discrepancy by a record."""
    visit = await Visit.of(request, *OFFICIALS)
    number = record_of(request.path_params["id"], 0)
    form = await visit.form()
    said = {name: _text(form, name) for name in ("change", "note", "owner")}
    errors = {}
    if said["change"] not in ("explained", "resolved", "reopened"):
        errors["change"] = "Choose what becomes of it."
    if not said["note"]:
        errors["note"] = "Say why, for whoever reads the record."
    elif len(said["note"]) > LONGEST_NOTE:
        errors["note"] = f"Write at most {LONGEST_NOTE:,} characters."
    if errors:
        return await _discrepancy(visit, number, errors=errors, said=said)
    raw = {"id": str(number), **{name: text for name, text in said.items() if text}}
    receipt = await _posted(visit, Asking("discrepancy", _key(form), raw))
    return await _discrepancy(visit, number, told=_told(receipt, f"Discrepancy {number:,} is {said['change']}"))


async def _proposal(
    visit: Visit, number: int, *, told: Alert | None = None, errors: dict[str, str] | None = None, note: str = ""
) -> Response:
    asked = visit.asked()
    stamp, page = await visit.read(lambda view: showing.one_proposal(view, asked, visit.principal, number))
    return _answer(visit, replace(page, stamp=stamp), "proposal.html", told, errors or {}, note=note)


async def _discrepancy(
    visit: Visit, number: int, *, told: Alert | None = None, errors: dict[str, str] | None = None,
    said: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    asked, now = visit.asked(), visit.site.now()
    stamp, page = await visit.read(lambda view: settling.one_discrepancy(view, asked, visit.principal, number, now))
    said = said or {"change": "", "note": "", "owner": ""}
    return _answer(visit, replace(page, stamp=stamp), "discrepancy.html", told, errors or {}, said=said)


def _answer(
    visit: Visit, page: Page, template: str, told: Alert | None, errors: dict[str, str], **more: Any
) -> Response:
    if told:
        page = replace(page, parts=(told, *page.parts))
    is_refused = told is not None and told.tone == "error"
    title = f"Error: {page.title}" if errors or is_refused else ""
    status = 400 if errors else 409 if is_refused else 200
    return visit.answer(page, template=template, status=status, errors=errors, title=title,
                        key=secrets.token_hex(12), **more)  # fmt: skip


async def _posted(visit: Visit, request: Asking) -> Receipt:
    """Post what an operator asks. Raises `Problem` where the asker may not even ask."""
    principal, site = visit.principal, visit.site
    if why := site.door.may_post(principal, request):
        raise Problem("forbidden", why, "Sign in with an operator's key.")
    return (await site.desk.post([request], actor=principal.actor, person=principal.person))[0]


def _told(receipt: Receipt, done: str) -> Alert:
    if receipt.verdict == "refused":
        words = f"{receipt.message} {receipt.remedy}".strip()
        return Alert("error", f"Refused, {receipt.code.replace('_', ' ')}", words)
    return Alert("success", f"{done}: record {receipt.seq:,}", receipt.message)


def _key(form: object) -> str:
    """Return the form's own key, so that sending it twice has one effect."""
    key = _text(form, "key")
    return f"page:{key}" if key.isalnum() and len(key) <= LONGEST_KEY else f"page:{secrets.token_hex(12)}"


def _text(form: object, name: str) -> str:
    value = form.get(name)  # type: ignore[attr-defined]
    return value.strip() if isinstance(value, str) else ""


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/proposals", proposals),
    ("GET", "/proposals/{seq}", proposal),
    ("POST", "/proposals/{seq}", decided),
    ("GET", "/duties", duties),
    ("GET", "/exporter/duties", own_duties),
    ("GET", "/discrepancies/{id}", discrepancy),
    ("POST", "/discrepancies/{id}", settled),
)
