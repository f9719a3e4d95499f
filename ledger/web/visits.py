"""One visit to a page: who comes, what day and record are asked, and how the page is answered."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from hmac import compare_digest
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response

from ledger import rulebooks
from ledger.core.errors import NotFound, Problem
from ledger.reports import Reader, View
from ledger.web.asking import Asked, day_of, known_at
from ledger.web.desks import Desk, Door, Principal, Session
from ledger.web.parts import Page, Stamp
from ledger.web.rendering import html
from ledger.web.showing.totals import Totals

T = TypeVar("T")
COOKIE, FORM_COOKIE = "capledger_session", "capledger_form"
OFFICIALS = ("regulator", "auditor", "operator")
EXPORTERS = ("exporter",)
_DROPPED = ("on", "known", "rulebook", "before", "after")  # asked again, or of another day
MOST_FORM_BYTES = 2_000_000


class SignInFirst(Exception):
    """Nobody is signed in: the answer is the sign-in page."""


@dataclass(frozen=True)
class Site:
    """What every page is served with. is_public: whether the pages for everybody are switched on."""

    desk: Desk
    door: Door
    totals: Totals
    is_public: bool
    now: Callable[[], datetime]


@dataclass(slots=True)
class Visit:
    """A request, the session it belongs to, and the site."""

    request: Request
    site: Site
    session: Session | None

    @classmethod
    async def of(cls, request: Request, *roles: str) -> Visit:
        """Return the visit of somebody with one of some roles; with none named, of anybody.

        Raises:
            SignInFirst: nobody is signed in. Problem: the page is for others.
        """
        site: Site = request.state.site
        token = request.cookies.get(COOKIE, "")
        session = None
        if token:
            session = await site.desk.run(lambda conn: site.door.session(conn, token, at=site.now()))
        request.state.session = session
        visit = cls(request, site, session)
        if roles and session is None:
            raise SignInFirst
        if roles and visit.principal.role not in roles:
            raise Problem(
                "forbidden", "This page is not for your role.", "Use the links above, or sign in with another key."
            )
        return visit

    @property
    def principal(self) -> Principal:
        """Who is signed in."""
        assert self.session
        return self.session.principal

    def asked(self) -> Asked:
        """Return the day and record asked, from the page's parameters; today (UTC) and the newest if not said."""
        query = self.request.query_params
        on, known = query.get("on", "").strip(), query.get("known", "").strip()
        return Asked(day_of(on, self.site.now().date()), known_at(known), query.get("rulebook", "").strip(), on, known)

    async def read(self, show: Callable[[View], T], asked: Asked | None = None) -> tuple[Stamp, T]:
        """Return what a presenter shows of the ledger, and the stamp of the view it was shown from."""
        what = asked or self.asked()

        def ask(reader: Reader) -> tuple[Stamp, T]:
            with reader.view(on=what.on, known=what.known) as view:
                pass
            if what.rulebook:
                known_book(view, what.rulebook)
            with reader.view(on=what.on, known=view.known, rulebook=what.rulebook or None) as view:
                return stamp_of(view), show(view)

        def ask_once(reader: Reader) -> tuple[Stamp, T]:
            with reader.view(on=what.on, known=what.known) as view:
                return stamp_of(view), show(view)

        return await self.site.desk.read(ask if what.rulebook else ask_once)

    async def page(self, show: Callable[[View], Page], asked: Asked | None = None) -> Response:
        """Return the page that a presenter makes."""
        what = asked or self.asked()
        stamp, page = await self.read(show, what)
        return self.answer(replace(page, stamp=stamp), what)

    def answer(
        self, page: Page, asked: Asked | None = None, *, template: str = "page.html", status: int = 200,
        keep: str = "no-store", **more: Any,
    ) -> Response:  # fmt: skip
        """Return a page as HTML."""
        keep_asked = [(name, value) for name, value in self.request.query_params.multi_items() if name not in _DROPPED]
        context = {**visitor(self.site, self.session), "page": page, "here": self.request.url.path, "asked": asked,
                   "kept": keep_asked}  # fmt: skip
        return html(template, {**context, **page.extra, **more}, status=status, keep=keep)

    async def form(self) -> Any:
        """Return the fields of a form that was sent from one of our own pages.

        Raises:
            Problem: it is too large, or came from elsewhere.
        """
        length = self.request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MOST_FORM_BYTES:
            raise Problem("too_large", "The form is larger than 2 MB.", "Send fewer rows at once, or use the API.")
        form = await self.request.form(max_files=1, max_fields=40, max_part_size=MOST_FORM_BYTES)
        expected = self.session.csrf if self.session else self.request.cookies.get(FORM_COOKIE, "")
        given = form.get("csrf")
        from_elsewhere = self.request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if not expected or not isinstance(given, str) or from_elsewhere or not _same(given, expected):
            raise Problem("forbidden", "The form was not sent from this site, or is out of date.", "Load it again.")
        return form


def visitor(site: Site, session: Session | None) -> dict[str, Any]:
    """Return what a page's frame tells of who is signed in."""
    return {"session": session, "is_public": site.is_public}


def known_book(view: View, name: str) -> str:
    """Return a rulebook's name as asked, if it is shipped or adopted: never a file of this machine.

    Raises:
        NotFound: it is neither.
    """
    plain = name.partition("?")[0]
    adopted = {adoption.book.name for adoption in view.position.knowledge.adoptions}
    if plain not in rulebooks.shipped() and plain not in adopted:
        raise NotFound(f'There is no rulebook "{plain[:60]}".', "Choose one of the list of rulebooks.")
    return name


def stamp_of(view: View) -> Stamp:
    """Return what every answer carries."""
    stamp = view.stamp()
    return Stamp(view.on, view.known, view.size, stamp["rulebook"] or "", view.book is not None)


def new_form_token() -> str:
    """Return a secret for a form of somebody who is not signed in."""
    return secrets.token_urlsafe(24)


def _same(given: str, expected: str) -> bool:
    return compare_digest(given.encode(), expected.encode())


Endpoint = Callable[[Request], Awaitable[Response]]
