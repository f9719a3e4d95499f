"""Answers to reads: one snapshot, stamped, tagged with the journal's number, in the form that was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from starlette.responses import Response

from ledger import rulebooks
from ledger.api import formats
from ledger.api.door import Call
from ledger.api.parameters import book_of, day_of, known_at
from ledger.api.problems import Said
from ledger.core.errors import NotFound
from ledger.reports import Reader, View

STAMPS = {"on": "Capledger-On", "known": "Capledger-Known", "journal": "Capledger-Journal",
          "rulebook": "Capledger-Rulebook"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """A list: its items as JSON, the rows they are as a table (the items themselves if not said), what goes beside.

    columns: of the table, `text` or `whole` by name.
    """

    items: list[dict[str, Any]]
    columns: Mapping[str, str]
    rows: Iterable[Mapping[str, Any]] | None = None
    beside: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """What may be had as one of several files: its body as JSON, and how each other media type is made of it."""

    body: dict[str, Any]
    files: Mapping[str, Callable[[], bytes]]


async def read(
    call: Call, ask: Callable[[View], dict[str, Any] | Listed | Filed], *, lists: bool = False,
    on: date | None = None, offers: Sequence[str] = (),
) -> Response:  # fmt: skip
    """Answer a read: what `ask` makes of a view, under the stamp; 304 where the caller has it already.

    lists: whether `ask` returns a list, which may be had as CSV or Parquet. on: the day, where it is not asked for.
    offers: the media types that `ask` returns a file in.
    """
    media = media_of(call, lists=lists, offers=offers)
    day, known, book = on or day_of(call.asked), known_at(call.asked), book_of(call.asked)
    question = "\n".join(
        [
            call.request.url.path,
            call.request.url.query,
            day.isoformat(),
            media,
            call.principal.role,
            call.principal.party,
        ]
    )
    is_read = call.request.method == "GET"  # a dry run is not: what it answers is nobody's to keep
    has = call.request.headers.get("if-none-match", "") if is_read else ""

    def answer(reader: Reader) -> Response:
        with viewing(reader, day, known, book) as view:
            tag = f'"{view.size}-{hashlib.sha256(question.encode()).hexdigest()[:20]}"'
            headers = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
            headers |= {"ETag": tag} if is_read else {}
            if _matches(has, tag):
                return Response(status_code=304, headers=headers)
            found, stamp = ask(view), view.stamp()
        headers |= {header: str(stamp[name] or "none") for name, header in STAMPS.items()}
        if isinstance(found, Listed):
            return Response(_listed(found, stamp, media), headers=headers, media_type=media)
        if isinstance(found, Filed):
            made = found.files.get(media)
            content = made() if made else formats.as_json({**stamp, **found.body})
            return Response(content, headers=headers, media_type=media)
        return Response(formats.as_json({**stamp, **found}), headers=headers, media_type=media)

    return await call.desk.read(answer)


def media_of(call: Call, *, lists: bool = False, offers: Sequence[str] = ()) -> str:
    """Return the media type to answer in. Raises `Said` where none that is offered is wanted."""
    offers = offers or (formats.LISTED if lists else formats.LISTED[:1])
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


def _matches(has: str, tag: str) -> bool:
    return has.strip() == "*" or any(each.strip().removeprefix("W/") == tag for each in has.split(","))


def _listed(found: Listed, stamp: Mapping[str, Any], media: str) -> bytes:
    if media == formats.JSON:
        return formats.as_json({**stamp, **(found.beside or {}), "items": found.items})
    rows = list(found.items if found.rows is None else found.rows)
    if media == formats.CSV:
        return formats.as_csv(list(found.columns), rows)
    return formats.as_parquet(found.columns, rows)
