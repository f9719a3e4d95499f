"""Pages as HTML: one environment of templates, and the headers that every answer carries."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ledger.core.errors import NotFound, Problem
from ledger.web.desks import Session
from ledger.web.parts import SHAPES, Alert, Page, path, when

FOLDER = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PRIVATE = "no-store"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MENUS = {
    "official": (
        ("Overview", "/"), ("Caps", "/caps"), ("Countries", "/countries"), ("Recipients", "/recipients"),
        ("Rulebooks", "/rulebooks"), ("Runs", "/runs"), ("Discrepancies", "/discrepancies"), ("Duties", "/duties"),
        ("Proposals", "/proposals"), ("Statements", "/statements"), ("Records", "/records"),
    ),
    "exporter": (
        ("What is left", "/exporter"), ("Does it fit?", "/exporter/fit"), ("Upload", "/exporter/upload"),
        ("Duties", "/exporter/duties"), ("History", "/exporter/history"), ("Statements", "/exporter/statements"),
    ),
    "public": (("Figures", "/public"), ("Check a license", "/public/license"), ("Open data", "/public/data")),
}  # fmt: skip
STATUSES = {
    "not_found": 404, "forbidden": 403, "malformed": 400, "bad_rulebook": 400, "busy": 503, "unavailable": 503,
    "unknown_party": 404, "unknown_chip": 404, "unknown_authorization": 404, "too_large": 413, "too_many": 429,
    "too_many_questions": 429, "sent_too_slowly": 408,
}  # fmt: skip


@cache
def environment() -> Environment:
    """Return the templates, read once. What a template does not know is an error, not a blank."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"when": when}
    made.filters["days"] = whole_days
    made.globals |= {
        "menu": menu,
        "title": "",
        "kept": (),
        "also": (),
        "path": path,
        "shape": lambda state: SHAPES.get(state, ""),
        "style": style_name(),
    }
    return made


def whole_days(text: str) -> Markup:
    """Return a text in which no line ends within a day."""
    return Markup(_DAY.sub(r'<span class="day">\g<0></span>', str(escape(text))))


def menu(session: Session | None, is_public: bool) -> tuple[tuple[str, str], ...]:
    """Return the links of the main menu, by role."""
    role = session.principal.role if session else "public"
    links = MENUS["exporter" if role == "exporter" else "public" if role == "public" else "official"]
    return tuple((text, to) for text, to in links if is_public or not to.startswith("/public"))


@cache
def style() -> bytes:
    """Return the style sheet."""
    return (FOLDER / "static" / "capledger.css").read_bytes()


@cache
def style_name() -> str:
    """Return the style sheet's name, which changes with its text, so that it may be kept for ever."""
    return f"capledger-{sha256(style()).hexdigest()[:12]}.css"


def html(template: str, context: dict[str, Any], *, status: int = 200, keep: str = PRIVATE) -> Response:
    """Return a page. keep: its Cache-Control."""
    text = environment().get_template(template).render(context)
    return HTMLResponse(text, status, headers={**HEADERS, "Cache-Control": keep})


def go(to: str) -> Response:
    """Return the answer that sends a browser to a path of this site, to be fetched by GET."""
    return RedirectResponse(to, 303, headers={**HEADERS, "Cache-Control": PRIVATE})


def status_of(problem: Problem) -> int:
    """Return the HTTP status of a problem; 422 for one that has none of its own."""
    return 404 if isinstance(problem, NotFound) else STATUSES.get(problem.code, 422)


def problem_page(request: Request, problem: Problem, visitor: dict[str, Any]) -> Response:
    """Return the page that says what is wrong, and what to do about it."""
    status = status_of(problem)
    titles = {404: "Not found", 403: "No access", 429: "Too many tries", 503: "Busy"}
    part = Alert("error", problem.message, problem.remedy)
    page = Page(titles.get(status, "This cannot be shown"), parts=(part,))
    response = html("page.html", {**visitor, "page": page, "here": request.url.path, "asked": None}, status=status)
    if status in (429, 503):
        response.headers["Retry-After"] = "5" if status == 503 else "60"
    return response
