"""Rulebooks: which there are, what one says, what is other in another, and what it would have done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from ledger import rulebooks
from ledger.api import formats
from ledger.api.answering import media_of, read, viewing
from ledger.api.answers import Listed
from ledger.api.door import ANYONE, SEES_ALL, Call, Route
from ledger.api.formats import columns_of
from ledger.api.parameters import PARTS, book_of, day_of, known_at, number_of
from ledger.core.errors import Malformed, NotFound
from ledger.core.rulebook import Rulebook
from ledger.reports import Reader, View
from ledger.rulebooks.comparing import compare
from ledger.rulebooks.wording import describe

MOST_BOOKS, MOST_LISTED, USUAL_LISTED = 5, 1_000, 20
BACKTEST = {"rulebooks": ["us-diffusion-2025", "us-licensing-2026"], "on": "2025-08-01"}


async def list_rulebooks(call: Call) -> Response:
    """Return the rulebooks that are shipped or were adopted, the days of the adopted ones, and which is in force on
    the day asked."""

    def ask(view: View) -> Listed:
        in_force = view.adoption
        items = [_head(rulebooks.load(name), is_shipped=True) for name in sorted(rulebooks.shipped())]
        items += [
            {**_head(each.book), "adopted_by": each.seq, "from": each.first.isoformat(),
             "until": each.until.isoformat() if each.until else None,
             "is_in_force": in_force is not None and in_force.seq == each.seq}
            for each in view.position.knowledge.adoptions
        ]  # fmt: skip
        columns = columns_of(
            "rulebook", "revision", "title", "source", "sha256", "is_shipped", "adopted_by", "from", "until",
            "is_in_force", whole=["revision", "adopted_by"],
        )  # fmt: skip
        return Listed(items, columns)

    return await read(call, ask, lists=True, pages=True)


async def show_rulebook(call: Call) -> Response:
    """Return what a rulebook says, tiers and lists as of the day."""
    return await read(call, lambda view: {"book": describe(_book(view, call.asked, "name"), view.on)})


async def compare_rulebooks(call: Call) -> Response:
    """Return in words what is other in the second rulebook than in the first."""

    def ask(view: View) -> dict[str, Any]:
        books = [_book(view, call.asked, name) for name in ("name", "other")]
        told = [{"part": each.part, "words": each.words} for each in compare(*books)]
        return {"a": _head(books[0]), "b": _head(books[1]), "differences": told}

    return await read(call, ask)


async def run_backtest(call: Call) -> Response:
    """Replay the journal under other rulebooks. It changes nothing."""
    from ledger.backtest import backtest

    raw = await call.body()
    named = raw.pop("rulebooks", None)
    is_list = isinstance(named, list) and all(isinstance(name, str) for name in named)
    if not is_list or not named or len(named) > MOST_BOOKS:
        raise Malformed(
            "rulebooks", f"rulebooks is not a list of 1 to {MOST_BOOKS} names.", "Name shipped or adopted ones."
        )
    asked = asked_of(raw, ("on", "known", "most"))
    media = media_of(call)
    day, known = day_of(asked), known_at(asked)
    most = number_of(asked, "most", most=MOST_LISTED)

    def check(reader: Reader) -> None:
        for name in named:
            with viewing(reader, day, known, book_of({"rulebooks": name}, "rulebooks")):
                pass

    await call.desk.read(check)
    found = await call.desk.apart(
        lambda conn: backtest(conn, named, on=day, known=known, most=USUAL_LISTED if most is None else most).body()
    )
    return Response(formats.as_json(found), media_type=media)


def asked_of(raw: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, str]:
    """Return what was sent beside as text, each of a name that is known."""
    for name, value in raw.items():
        if name not in known:
            raise Malformed(name[:60], f"{name[:60]} is not a field of this.", f"Known: {', '.join(known)}.")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Malformed(name, f"{name} is {value!r:.40}.", "Write it as text, or as a whole number.")
    return {name: str(value) for name, value in raw.items()}


def _book(view: View, asked: Mapping[str, str], name: str) -> Rulebook:
    """Return a shipped or adopted rulebook; an adopted one stands before a shipped one of its name."""
    named = book_of(asked, name)
    assert named is not None  # a part of the address
    adopted = [each.book for each in view.position.knowledge.adoptions if each.book.name == named]
    if adopted:
        return adopted[-1]
    if named.partition("?")[0] not in rulebooks.shipped():
        raise NotFound(f'There is no rulebook "{named}".', "Look at the list of rulebooks first.")
    return rulebooks.load(named)


def _head(book: Rulebook, *, is_shipped: bool = False) -> dict[str, Any]:
    return {
        "rulebook": book.name, "revision": book.revision, "title": book.title, "source": book.source,
        "sha256": book.sha256, "is_shipped": is_shipped,
    }  # fmt: skip


ROUTES = (
    Route("list_rulebooks", "GET", "/v1/rulebooks", ANYONE, "Rulebooks, shipped and adopted", list_rulebooks,
          "Rulebooks", ("on", "known", *PARTS), lists=True,
          about={"on": "The day of which `is_in_force` is told; today (UTC) if not said."}),
    Route("compare_rulebooks", "GET", "/v1/rulebooks/{name}/differences/{other}", ANYONE,
          "What is other in one than in another", compare_rulebooks, "Differences", ("known",),
          dayless="two rulebooks are compared whole, and what differs says from which day."),
    Route("show_rulebook", "GET", "/v1/rulebooks/{name}", ANYONE, "What a rulebook says", show_rulebook, "BookAnswer",
          ("on", "known"), about={"on": "The day of which tiers and lists are told; today (UTC) if not said."}),
    Route("run_backtest", "POST", "/v1/backtests", SEES_ALL, "Replay the journal under other rulebooks", run_backtest,
          "Backtest", body="backtest", example=BACKTEST),
)  # fmt: skip
