"""Pages for everybody, where they are switched on: figures per country, open data, and the license checker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from fastapi import Request
from fastapi.responses import Response

from ledger.core.errors import Malformed, NotFound, Problem
from ledger.web.asking import Asked, day_of
from ledger.web.parts import Alert, Page, Stamp
from ledger.web.rendering import HEADERS
from ledger.web.showing import public as showing
from ledger.web.visits import FORM_COOKIE, Endpoint, Visit, new_form_token

KEEP = "public, max-age=300"
LONGEST = 200
_CHECK = Page("Check a license", "Enter the license's number and its code. The answer is valid or not valid.")


async def _visit(request: Request) -> Visit:
    visit = await Visit.of(request)
    if not visit.site.is_public:
        raise NotFound("There are no public pages here.", "Sign in to see what is yours.")
    return visit


def _asked(visit: Visit) -> Asked:
    """Return the day that is asked, no later than today; the ledger is always read as it is now."""
    text, today = visit.request.query_params.get("on", "").strip(), visit.site.now().date()
    on = day_of(text, today)
    if on > today:
        raise Malformed("on", f"{on} has not come yet.", "Ask for today, or a day before.")
    return Asked(on, None, "", text, now_only=True)


async def figures(request: Request) -> Response:
    """Show totals and states per country."""
    visit = await _visit(request)
    asked, totals = _asked(visit), visit.site.totals
    stamp, found = await visit.read(lambda view: showing.country_totals(view, totals), asked)
    response = visit.answer(showing.figures_page(found, stamp), asked, keep="no-store" if visit.session else KEEP)
    response.headers["Vary"] = "Cookie"
    return response


async def data(request: Request) -> Response:
    """Show where the open data are, and what they mean."""
    visit = await _visit(request)
    asked = _asked(visit)
    stamp, _ = await visit.read(lambda view: None, asked)
    return visit.answer(showing.data_page(stamp), asked)


async def data_csv(request: Request) -> Response:
    """Return the open data as CSV."""
    return await _file(request, showing.as_csv, "text/csv; charset=utf-8", "csv")


async def data_json(request: Request) -> Response:
    """Return the open data as JSON."""
    return await _file(request, showing.as_json, "application/json", "json")


async def _file(
    request: Request, write: Callable[[list[showing.CountryTotals], Stamp], str], kind: str, ending: str
) -> Response:
    visit = await _visit(request)
    asked, totals = _asked(visit), visit.site.totals
    stamp, found = await visit.read(lambda view: showing.country_totals(view, totals), asked)
    text = write(found, stamp)
    tag = f'"{stamp.journal}-{sha256(text.encode()).hexdigest()[:16]}"'
    headers = {**HEADERS, "Cache-Control": KEEP, "ETag": tag, "Access-Control-Allow-Origin": "*",
               "Cross-Origin-Resource-Policy": "cross-origin"}  # fmt: skip
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="licensed-compute-{stamp.on}.{ending}"'
    return Response(text, media_type=kind, headers=headers)


async def check(request: Request) -> Response:
    """Show the form of the license checker."""
    return _form(await _visit(request))


async def checked(request: Request) -> Response:
    """Say whether a license is valid, and nothing more."""
    visit = await _visit(request)
    form = await visit.form()
    site, now = visit.site, visit.site.now()
    asker = request.client.host if request.client else "unknown"
    if not await site.desk.run(lambda conn: site.door.may_try(conn, f"license:{asker}", at=now)):
        raise Problem("too_many", "There were too many tries from your address.", "Wait a while, then try again.")
    given = {name: str(form.get(name, "")).strip()[:LONGEST] for name in ("license", "code")}
    words = {"license": "Enter the license's number.", "code": "Enter the license's code."}
    errors = {name: words[name] for name, text in given.items() if not text}
    if errors:
        return _form(visit, given["license"], errors)
    asked = Asked(now.date(), None, "")
    _, valid = await visit.read(lambda view: showing.is_valid(view, given["license"], given["code"]), asked)
    return _form(visit, given["license"], {}, "valid" if valid else "not valid", f"{now:%Y-%m-%d}")


def _form(
    visit: Visit, number: str = "", errors: dict[str, str] | None = None, verdict: str = "", on: str = ""
) -> Response:  # fmt: skip
    token = visit.session.csrf if visit.session else visit.request.cookies.get(FORM_COOKIE) or new_form_token()
    parts = ()
    if verdict:
        tone = "success" if verdict == "valid" else "warning"
        parts = (Alert(tone, f"License {number}: {verdict}", f"As of {on}."),)  # type: ignore[assignment,arg-type]
    response = visit.answer(
        replace(_CHECK, parts=parts), template="check.html", status=400 if errors else 200, csrf=token,
        number=number, errors=errors or {}, title=f"Error: {_CHECK.title}" if errors else "",
    )  # fmt: skip
    if not visit.session:
        response.set_cookie(FORM_COOKIE, token, httponly=True, samesite="lax", path="/public",
                            secure=visit.request.url.scheme == "https")  # fmt: skip
    return response


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/public", figures),
    ("GET", "/public/data", data),
    ("GET", "/public/data.csv", data_csv),
    ("GET", "/public/data.json", data_json),
    ("GET", "/public/license", check),
    ("POST", "/public/license", checked),
)
