"""Pages of rulebooks: all, one, what differs, and back-tests."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Request
from fastapi.responses import Response

from ledger.backtest import Backtest, backtest
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
    return visit.answer(replace(page, stamp=stamp), asked, template="rulebook.html")


async def back_test(request: Request) -> Response:
    """Run the journal under some rulebooks, and show what comes of it."""
    visit = await Visit.of(request, *OFFICIALS)
    asked, names = visit.asked(), list(dict.fromkeys(request.query_params.getlist("book")))
    if not names or len(names) > MOST_TESTED:
        many = f"{len(names)} rulebooks were chosen. Choose three at the most."
        errors = {"book": many} if names else {}
        stamp, named = await visit.read(books.named_books)
        page = replace(books.UNTESTED, stamp=stamp)
        return visit.answer(page, asked, template="back-test.html", status=400 if errors else 200, books=named,
                            chosen=names, errors=errors, title=f"Error: {page.title}" if errors else "")  # fmt: skip

    def ask(reader: Reader) -> tuple[Stamp, Backtest, tuple[str, ...]]:
        with reader.view(on=asked.on, known=asked.known) as view:
            for name in names:
                known_book(view, name)
            stamp, conn, named = stamp_of(view), view.conn, books.named_books(view)
        found = backtest(conn, names, on=asked.on, known=stamp.known)  # it takes views of its own
        return stamp, found, named

    stamp, found, named = await visit.site.desk.read(ask)
    page = replace(books.tested(found, asked), stamp=stamp)
    return visit.answer(page, asked, template="back-test.html", books=named, chosen=names, errors={})


PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/rulebooks", rulebooks),
    ("GET", "/back-test", back_test),
    ("GET", "/rulebooks/{name}", rulebook),
)
