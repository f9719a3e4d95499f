"""Answers to reads: one snapshot, stamped, tagged with the journal's number, in the form that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from starlette.responses import Response

from ledger import rulebooks
from ledger.api import formats
from ledger.api.answers import Asking, Filed, Listed, Ready, answered, asking, media_in
from ledger.api.door import Call
from ledger.api.parameters import Cursor, cursor_of, limit_of
from ledger.core.errors import NotFound
from ledger.reports import Reader, View


async def read(
    call: Call, ask: Callable[[View], dict[str, Any] | Listed | Filed], *, lists: bool = False,
    on: date | None = None, offers: Sequence[str] = (), pages: bool = False, at_the_end: bool = False,
) -> Response:  # fmt: skip
    """Answer a read: what `ask` makes of a view, under the stamp; 304 where the caller has it already.

    lists: whether `ask` returns a list, which may be had as CSV or Parquet. on: the day, where it is not asked for.
    offers: the media types that `ask` returns a file in. pages: whether it is a whole list, to be answered in parts.
    at_the_end: whether each part is of the ledger as it is then, and not all of one record.
    """
    how = asking_of(call, lists=lists, on=on, offers=offers)
    if pages:
        how, ask = _paged(call, how, ask, at_the_end)

    def answer(reader: Reader) -> Response:
        with viewing(reader, how.day, how.known, how.book) as view:
            return Ready(answered(how, view, ask))

    return await call.desk.read(answer)


def _paged(
    call: Call, how: Asking, ask: Callable[[View], dict[str, Any] | Listed | Filed], at_the_end: bool
) -> tuple[Asking, Callable[[View], Listed]]:
    """Return how a part of a list is asked, and what answers with it: parts of one position make up the whole list."""
    limit, begun, start = limit_of(call.asked), cursor_of(call.asked), 0
    if begun:
        start = begun.start
        how = how._replace(known=how.known if at_the_end else begun.known, day=begun.day)
    is_dated = begun.is_dated if begun else "on" in call.asked

    def part(view: View) -> Listed:
        found, end = ask(view), start + limit
        assert isinstance(found, Listed)
        going_on = str(Cursor(view.known, view.on, end, is_dated)) if len(found.items) > end else None
        return replace(found, items=found.items[start:end], beside={**(found.beside or {}), "next": going_on})

    return how, part


def asking_of(call: Call, *, lists: bool = False, on: date | None = None, offers: Sequence[str] = ()) -> Asking:
    """Return how a call asks; what cannot be read of it is raised."""
    request = call.request
    is_read = request.method == "GET"  # a dry run is not: what it answers is nobody's to keep
    return asking(
        call.asked, call.principal, path=request.scope["path"], query=request.scope["query_string"],
        accept=request.headers.get("accept", ""), has=request.headers.get("if-none-match", "") if is_read else "",
        is_read=is_read, on=on, offers=offers or (formats.LISTED if lists else formats.LISTED[:1]),
    )  # fmt: skip


def media_of(call: Call) -> str:
    """Return the media type to answer in. Raises `Said` where none that is offered is wanted."""
    return media_in(call.request.headers.get("accept", ""))


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
