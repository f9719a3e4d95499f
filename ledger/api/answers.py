"""What an answer looks like: stamped, tagged with the journal's number, in the form that was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from starlette.responses import Response

from ledger.access import Principal
from ledger.api import formats
from ledger.api.parameters import book_of, day_of, known_at
from ledger.api.problems import Said
from ledger.reports import View

STAMPS = (("on", b"capledger-on"), ("known", b"capledger-known"), ("journal", b"capledger-journal"),
          ("rulebook", b"capledger-rulebook"))  # fmt: skip
NEXT = b"capledger-next"
ALWAYS = ((b"cache-control", b"private, no-cache"), (b"vary", b"Accept, Authorization"))


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


class Asking(NamedTuple):
    """How something is asked: day, record and book; the form; what the answer is tagged by, and the tag they have."""

    day: date
    known: int | datetime | None
    book: str | None
    media: str
    question: str
    has: str
    is_read: bool


def asking(
    asked: Mapping[str, str], principal: Principal, *, path: str, query: bytes, accept: str, has: str,
    is_read: bool = True, on: date | None = None, offers: Sequence[str] = formats.LISTED[:1],
) -> Asking:  # fmt: skip
    """Return how somebody asks; what cannot be read of it is raised.

    on: the day, where it is not asked for. offers: the media types that the answer may be had in.
    """
    media = media_in(accept, offers)
    day, known, book = on or day_of(asked), known_at(asked), book_of(asked)
    question = "\n".join([path, query.decode("latin-1"), day.isoformat(), media, principal.role, principal.party])
    return Asking(day, known, book, media, question, has, is_read)


def media_in(accept: str, offers: Sequence[str] = formats.LISTED[:1]) -> str:
    """Return the media type to answer in. Raises `Said` where none that is offered is wanted."""
    media = formats.chosen(accept, offers)
    if media is None:
        raise Said("not_acceptable", "The answer cannot be had in that form.", f"Accept one of: {', '.join(offers)}.")
    return media


class Told(NamedTuple):
    """An answer as it goes out. status 0: a defect, whose trace is the body."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Ready(Response):
    """An answer that is complete."""

    def __init__(self, told: Told) -> None:
        self.status_code, headers, self.body = told
        self.raw_headers, self.background = list(headers), None


def answered(asking: Asking, view: View, ask: Callable[[View], dict[str, Any] | Listed | Filed]) -> Told:
    """Return the answer that `ask` makes of a view, in the form that is asked for."""
    tag = f'"{view.size}-{hashlib.sha256(asking.question.encode()).hexdigest()[:20]}"'.encode()
    headers = [*ALWAYS, (b"etag", tag)] if asking.is_read else [*ALWAYS]
    if _matches(asking.has, tag.decode()):
        return Told(304, headers, b"")
    found, stamp = ask(view), view.stamp()
    headers += [(header, str(stamp[name] or "none").encode("latin-1")) for name, header in STAMPS]
    beside = (found.beside if isinstance(found, Listed) else None) or {}
    if beside.get("next") is not None and beside.get("has_more", True):
        headers.append((NEXT, str(beside["next"]).encode()))  # a table has no other place for it
    body = _body(found, stamp, asking.media)
    media = f"{asking.media}; charset=utf-8" if asking.media.startswith("text/") else asking.media
    return Told(200, [*headers, (b"content-length", b"%d" % len(body)), (b"content-type", media.encode())], body)


def _matches(has: str, tag: str) -> bool:
    return bool(has) and (has.strip() == "*" or any(each.strip().removeprefix("W/") == tag for each in has.split(",")))


def _body(found: dict[str, Any] | Listed | Filed, stamp: Mapping[str, Any], media: str) -> bytes:
    if isinstance(found, Listed):
        return _listed(found, stamp, media)
    if isinstance(found, Filed):
        made = found.files.get(media)
        return made() if made else formats.as_json({**stamp, **found.body})
    return formats.as_json({**stamp, **found})


def _listed(found: Listed, stamp: Mapping[str, Any], media: str) -> bytes:
    if media == formats.JSON:
        return formats.as_json({**stamp, **(found.beside or {}), "items": found.items})
    rows = list(found.items if found.rows is None else found.rows)
    if media == formats.CSV:
        return formats.as_csv(list(found.columns), rows)
    return formats.as_parquet(found.columns, rows)
