"""Pages of rulebooks: all, one, what differs, and back-tests."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request
from fastapi.responses import Response

from ledger.backtest import Backtest, backtest
from ledger.core.errors import Malformed
from ledger.reports import Reader, View
from ledger.web.parts import Page, Stamp
from ledger.web.showing import books
from ledger.web.visits import OFFICIALS, Endpoint, Visit, known_book, stamp_of

MOST_TESTED = 3


async def rulebooks(request: Request) -> Response:
    """Show all rulebooks, and the form of a back-test."""
    visit = await Visit.of(request, *OFFICIALS)
    asked = visit.asked()
    stamp, page = await visit.read(lambda view: books.all_books(view, asked))
    return visit.answer(replace(page, stamp=stamp), asked, template="rulebooks.html")


async def rulebook(request: Request) -> Response:
    """Show one rulebook, or what differs to another."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, name, other = visit.asked(), request.path_params["name"], request.query_params.get("with", "")

    def show(view: View) -> Page:
        known_book(view, name)
        if other:
            return books.difference(view, asked, name, known_book(view, other))
        return books.one_book(view, asked, name)

    stamp, page = await visit.read(show)
    return visit.answer(replace(page, stamp=stamp), asked, template="page.html" if other else "rulebook.html")


async def back_test(request: Request) -> Response:
    """Run the journal under some rulebooks, and show what comes of it."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, names = visit.asked(), request.query_params.getlist("book")[:MOST_TESTED]
    if not names:
        raise Malformed("book", "No rulebook was chosen.", "Choose one to three on the page of rulebooks.")

    def ask(reader: Reader) -> tuple[Stamp, Backtest]:
        with reader.view(on=asked.on, known=asked.known) as view:
            for name in names:
                known_book(view, name)
            stamp, conn = stamp_of(view), view.conn
        return stamp, backtest(conn, names, on=asked.on, known=stamp.known)  # it takes views of its own

    stamp, found = await visit.site.desk.read(ask)
    return visit.answer(replace(books.tested(found, asked), stamp=stamp), asked)


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/rulebooks", rulebooks),
    ("GET", "/back-test", back_test),
    ("GET", "/rulebooks/{name}", rulebook),
)
