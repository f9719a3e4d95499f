"""Answers to reads: one snapshot, stamped, tagged with the journal's number, in the form that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from starlette.responses import Response

from ledger import rulebooks
from ledger.api import formats
from ledger.api.answers import Asking, Listed, answered
from ledger.api.door import Call
from ledger.api.parameters import book_of, day_of, known_at
from ledger.api.problems import Said
from ledger.core.errors import NotFound
from ledger.reports import Reader, View


async def read(
    call: Call, ask: Callable[[View], dict[str, Any] | Listed], *, lists: bool = False, on: date | None = None
) -> Response:
    """Answer a read: what `ask` makes of a view, under the stamp; 304 where the caller has it already.

    lists: whether `ask` returns a list, which may be had as CSV or Parquet. on: the day, where it is not asked for.
    """
    asking = asking_of(call, lists=lists, on=on)

    def answer(reader: Reader) -> Response:
        with viewing(reader, asking.day, asking.known, asking.book) as view:
            return answered(asking, view, ask)

    return await call.desk.read(answer)


def asking_of(call: Call, *, lists: bool = False, on: date | None = None) -> Asking:
    """Return how a call asks; what cannot be read of it is raised."""
    media = media_of(call, lists=lists)
    day, known, book = on or day_of(call.asked), known_at(call.asked), book_of(call.asked)
    request, principal = call.request, call.principal
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    question = "\n".join([path, query, day.isoformat(), media, principal.role, principal.party])
    is_read = request.method == "GET"  # a dry run is not: what it answers is nobody's to keep
    has = request.headers.get("if-none-match", "") if is_read else ""
    return Asking(day, known, book, media, question, has, is_read)


def media_of(call: Call, *, lists: bool = False) -> str:
    """Return the media type to answer in. Raises `Said` where none that is offered is wanted."""
    offers = formats.LISTED if lists else formats.LISTED[:1]
    media = formats.chosen(call.request.headers.get("accept", ""), offers)
    if media is None:
        raise Said("not_acceptable", "The answer cannot be had in that form.", f"Accept one of: {', '.join(offers)}.")
    return media


@contextmanager
def viewing(reader: Reader, day: date, known: int | datetime | None, book: str | None) -> Iterator[View]:
    """Yield a view under a rulebook that is shipped or was adopted: a file of the server's is never read."""
    if book is not None and book.partition("?")[0] not in rulebooks.shipped():
        with reader.view(on=day, known=known) as view:
            adopted = {each.book.name for each in view.position.knowledge.adoptions}
        if book not in adopted:
            raise NotFound(f'There is no rulebook "{book}".', "Look at the list of rulebooks first.")
    with reader.view(on=day, known=known, rulebook=book) as view:
        yield view
