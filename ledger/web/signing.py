"""Signing in with an access key, signing out, and the style sheet."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request
from fastapi.responses import Response

from ledger.core.errors import NotFound, Problem
from ledger.web.parts import Page, path
from ledger.web.rendering import HEADERS, go, style, style_name
from ledger.web.visits import COOKIE, FORM_COOKIE, Endpoint, Visit, new_form_token

LONGEST_KEY = 500
_PAGE = Page("Sign in", "Use the access key that the operator of the ledger gave you.")
_WRONG = "This access key is not valid. It may be mistyped, expired or revoked."


async def sign_in(request: Request) -> Response:
    """Show the form."""
    visit = await Visit.of(request)
    if visit.session:
        return go(_home(visit.principal.role))
    return _form(visit)


async def signed_in(request: Request) -> Response:
    """Take an access key, and begin a session."""
    visit = await Visit.of(request)
    visit.session = None  # whoever was signed in before: this form belongs to nobody yet
    try:
        form = await visit.form()
    except Problem as problem:
        if problem.code != "forbidden":
            raise
        return _form(visit, "The form was out of date. Enter the key again.", status=403)
    site, now = visit.site, visit.site.now()
    secret = form.get("secret")
    if not isinstance(secret, str) or not secret.strip() or len(secret) > LONGEST_KEY:
        return _form(visit, "Enter your access key.", status=400)
    session = await site.desk.run(lambda conn: site.door.open_session(conn, secret.strip(), at=now))
    if session is None:  # one that is valid is let in whatever was tried before: to guess one is hopeless
        address = request.client.host if request.client else ""
        if await site.desk.run(
            lambda conn: site.door.may_fail(conn, secret.strip(), address=address, at=now)
        ):  # fmt: skip
            return _form(visit, _WRONG, status=401)
        await site.desk.hold_back()
        raise Problem(
            "too_many", "This access key is not valid, and there were too many tries from your address or of this key.",
            "Wait a minute, then try again. A key that is valid works meanwhile.",
        )  # fmt: skip
    response = go(_safe(form.get("to")) or _home(session.principal.role))
    response.set_cookie(
        COOKIE, session.token, max_age=max(int((session.expires_at - now).total_seconds()), 0), httponly=True,
        samesite="lax", secure=request.url.scheme == "https", path="/",
    )  # fmt: skip
    response.delete_cookie(FORM_COOKIE, path="/sign-in")
    return response


async def signed_out(request: Request) -> Response:
    """End the session."""
    visit = await Visit.of(request)
    if visit.session:
        await visit.form()
        token, site = visit.session.token, visit.site
        await site.desk.run(lambda conn: site.door.close_session(conn, token))
    response = go("/sign-in")
    response.delete_cookie(COOKIE, path="/")
    return response


async def sheet(request: Request) -> Response:
    """Return the style sheet, under a name that changes with its text."""
    if request.path_params["name"] != style_name():
        raise NotFound("There is no such file.", "Load the page again.")
    keep = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(style(), media_type="text/css", headers={**HEADERS, **keep})


def _form(visit: Visit, error: str = "", status: int = 200) -> Response:
    token = visit.request.cookies.get(FORM_COOKIE) or new_form_token()
    to = _safe(visit.request.query_params.get("to"))
    title = f"Error: {_PAGE.title}" if error else ""
    page = replace(_PAGE, extra={"error": error, "csrf": token, "to": to, "title": title})
    response = visit.answer(page, template="sign-in.html", status=status)
    response.set_cookie(
        FORM_COOKIE, token, httponly=True, samesite="lax", secure=visit.request.url.scheme == "https", path="/sign-in"
    )
    return response


def _home(role: str) -> str:
    return path("exporter") if role == "exporter" else "/"


def _safe(to: object) -> str:
    """Return a path of this site, "" for anything else."""
    is_path = isinstance(to, str) and to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return str(to) if is_path else ""


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/sign-in", sign_in),
    ("POST", "/sign-in", signed_in),
    ("POST", "/sign-out", signed_out),
    ("GET", "/static/{name}", sheet),
)
