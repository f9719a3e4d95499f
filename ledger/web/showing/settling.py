"""One discrepancy: what it is, what was said of it, and what may be said of it next."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal

from ledger.core.errors import NotFound
from ledger.reports import View, discrepancies
from ledger.web.asking import Asked
from ledger.web.desks import Principal
from ledger.web.parts import Cell, Facts, Page, Steps, number, state, when
from ledger.web.showing.standing import cap_path, subject_path, subject_words
from schema.queries import SQL

CHANGES = (("explained", "Explain: it stays open to be resolved"), ("resolved", "Resolve: it is closed"))
REOPENED = (("reopened", "Reopen"),)


def one_discrepancy(view: View, asked: Asked, principal: Principal, number_: int, now: datetime) -> Page:
    """Return one discrepancy's page, and what whoever asks may do. Raises `NotFound`."""
    each = next((each for each in discrepancies(view, resolved=True) if each.id == number_), None)
    if each is None or each.id > view.known:
        raise NotFound(f"There is no discrepancy {number_:,}.", "Choose one of the list of discrepancies.")
    window = each.window.isoformat() if each.window else ""
    rows = {
        "What": Cell(each.class_.replace("_", " ")),
        "Cap or rule": Cell(each.cap, cap_path(asked, each.cap, each.subject, window) if each.book else ""),
        "About": Cell(subject_words(each.subject), subject_path(asked, each.subject)),
        "Amount": number(Decimal(each.amount), note=each.unit) if each.amount else Cell(""),
        "Of the day": Cell(each.effective_on.isoformat()), "State": state(each.state), "Owner": Cell(each.owner),
        "Opened": Cell(when(each.opened_at), note=f"{(view.moment(now) - each.opened_at).days:,} days ago"),
        "Record": number(each.id, href=asked.path("records", each.id)),
    }  # fmt: skip
    found = view.conn.execute(SQL["said_of_discrepancy"], {"id": number_, "known": view.known}).fetchall()
    steps = tuple(
        (Cell(kind.partition(".")[2], asked.path("records", seq)), when(at), _said(payload))
        for seq, kind, at, payload in found
    )  # fmt: skip
    parts = (Facts("The discrepancy", tuple((term, cell) for term, cell in rows.items() if cell.text)),
             Steps("What was said of it", steps))  # fmt: skip
    crumbs = (Cell("Discrepancies", asked.path("discrepancies")), Cell(f"{each.id:,}"))
    changes = REOPENED if each.state == "resolved" else CHANGES
    may: dict[str, object] = {
        "number": each.id,
        # What is known of the past is no ground to settle it on: then the form would offer what is done already.
        "changes": changes if principal.role == "operator" and view.known == view.size else (),
        "owner": each.owner,
    }
    return Page(f"Discrepancy {each.id:,}", "It is shown as it was known, whatever day is asked.", parts, crumbs,
                extra=may)  # fmt: skip


def _said(payload: bytes) -> str:
    document = json.loads(payload)
    body = document["body"]
    words = body.get("note") or body.get("message", "")
    owner = f"Owner: {body['owner']}." if body.get("owner") else ""
    person = f"By {document['person']}." if document.get("person") else ""
    return " ".join(filter(None, (words, owner, person)))
