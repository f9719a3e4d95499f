"""An exporter's question whether something would fit, of any recipient and any authorization."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from fastapi import Request
from fastapi.responses import Response

from ledger import reference
from ledger.core.compute import figures
from ledger.core.errors import Malformed, NotFound
from ledger.core.facts import AUTHORIZATION_KINDS
from ledger.reports import View
from ledger.web.asking import Asked, day_of
from ledger.web.parts import Page, Part
from ledger.web.showing import fitting as showing
from ledger.web.visits import EXPORTERS, Endpoint, Visit

FIELDS = ("authorization", "recipient", "destination", "chip", "quantity", "day")
_FIT = Page(
    "Does it fit?", "Whether so many chips to a recipient would fit on a day, what binds, and the most that fits."
)
_UNKNOWN = {  # how a refusal that names something unknown is told beside its field
    "unknown_party": ("recipient", "party"), "unknown_chip": ("chip", "chip"),
    "unknown_authorization": ("authorization", "authorization of yours"),
}  # fmt: skip


async def fit(request: Request) -> Response:
    """Show the fit form, and the answer where something was asked."""
    visit = await Visit.of(request, *EXPORTERS)
    query, door, principal = request.query_params, visit.site.door, visit.principal
    stated = {name: query.get(name, "").strip() for name in FIELDS}
    is_asked = "quantity" in query
    on, quantity, errors = _read(stated, visit.site.now().date(), is_asked=is_asked)
    if is_asked and not errors:
        visit.site.desk.pace(principal.party)

    def show(view: View) -> tuple[dict[str, str], showing.Choices, tuple[Part, ...]]:
        fields, choices = showing.read(view, door, principal, stated), showing.choices(view, door, principal)
        asked = _question(fields, quantity, errors) if is_asked and not errors else None
        if asked is None:
            return fields, choices, ()
        try:
            return fields, choices, showing.answer(view, door, principal, asked, stated["day"])
        except NotFound as unknown:
            name, what = _UNKNOWN.get(unknown.code, ("recipient", "party"))
            errors[name] = f'There is no {what} "{getattr(asked, name)[:60]}" on {view.on}.'
            return fields, choices, ()

    stamp, (fields, choices, parts) = await visit.read(show, Asked(on, None, ""))
    is_unknown = any(words.startswith("There is no ") for words in errors.values())
    status = 404 if is_unknown else 400 if errors else 200
    page = replace(_FIT, parts=parts, stamp=stamp if parts else None)
    title = f"Error: {page.title}" if errors else ""
    errors = {name: errors[name] for name in FIELDS if name in errors}
    return visit.answer(
        page, template="fit.html", status=status, fields=fields, errors=errors, choices=choices, title=title
    )


def _read(stated: dict[str, str], today: date, *, is_asked: bool) -> tuple[date, int, dict[str, str]]:
    """Return the day and the quantity asked, and what is wrong with what is stated: before anything is asked."""
    on, quantity, errors = today, 0, dict[str, str]()
    try:
        on = day_of(stated["day"], today)
    except Malformed as problem:
        errors["day"] = f"{problem.message} {problem.remedy}"
    try:
        quantity = figures.count(stated["quantity"].replace(",", ""), "quantity") if is_asked else 0
    except Malformed:
        errors["quantity"] = "Enter a whole number of chips, such as 2,000."
    try:
        if stated["destination"]:
            reference.country_code(stated["destination"], "destination")
    except Malformed as problem:
        errors["destination"] = f"{problem.message} {problem.remedy}"
    return on, quantity, errors


def _question(fields: dict[str, str], quantity: int, errors: dict[str, str]) -> showing.Question | None:
    """Return what is asked; None where something has to be named, which is added to the errors."""
    kind, recipient, destination = (fields[name] for name in ("authorization", "recipient", "destination"))
    if kind and kind not in AUTHORIZATION_KINDS and not (recipient and destination):
        errors["authorization"] = f'There is no authorization of yours "{kind[:60]}".'
        return None
    if not recipient:
        errors["recipient"] = "Name the recipient, or an authorization of yours."
    if not destination:
        errors["destination"] = "Name the country of destination, or an authorization of yours."
    if errors:
        return None
    code = reference.country_code(destination, "destination")
    return showing.Question(kind or showing.LICENSE, recipient, code, fields["chip"], quantity)


PAGES: tuple[tuple[str, str, Endpoint], ...] = (("GET", "/exporter/fit", fit),)
