"""Reading: one snapshot, on a day, as known at a record, under the adopted rulebooks or one that is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, TypeVar, cast

from psycopg import IsolationLevel

from ledger import rulebooks
from ledger.core.errors import NotFound, Unusable
from ledger.core.knowledge import EVER, Adoption, Knowledge
from ledger.core.position import Position
from ledger.core.rulebook import Rulebook
from ledger.positions import Books, learn, open_position
from ledger.reports.remembering import Moved, Remembered
from ledger.store.past import PastSource
from ledger.store.source import Connection, DatabaseSource, Profiles
from schema.queries import SQL

T = TypeVar("T")
MOST_ASKED = 32  # books asked by name that a reader remembers: their parameters make any number of them


@dataclass(slots=True)
class View:
    """What one read sees: the day asked about, the record it is known at, the journal's size, and the book asked.

    book is None where the adopted rulebooks are asked, each on its days; adoption is what is in force on the day.
    """

    conn: Connection
    on: date
    known: int
    size: int
    position: Position
    profiles: Profiles
    book: Rulebook | None

    @property
    def adoption(self) -> Adoption | None:
        """The rulebook asked on the day."""
        return self.position.book_on(self.on)

    @property
    def is_kept(self) -> bool:
        """Whether counters are kept for what is asked: at the journal's end, under adopted books."""
        return self.book is None and self.known == self.size

    def on_day(self, day: date) -> View:
        """Return the same view of another day."""
        return self if day == self.on else replace(self, on=day)

    def moment(self, now: datetime) -> datetime:
        """Return the moment that ages are counted against: of what is known at a past record, that record's."""
        if self.known == self.size:
            return now
        row = self.conn.execute(SQL["recorded_at"], {"seq": self.known}).fetchone()
        return row[0] if row else now

    def stamp(self) -> dict[str, Any]:
        """Return what every answer carries: day, record, journal size and rulebook."""
        adoption = self.adoption
        named = f"{adoption.book.name} (revision {adoption.book.revision})" if adoption else None
        return {"on": self.on.isoformat(), "known": self.known, "journal": self.size, "rulebook": named}


class Reader:
    """Reads through one connection. Remembers facts, profiles and what books say of them; amounts where it is told to.

    remembers: whether amounts at the journal's end are kept from view to view, and follow what is recorded since. The
    position of such a view must not be changed: nothing is tried out on it.
    """

    def __init__(self, conn: Connection, *, remembers: bool = False) -> None:
        if not remembers:
            conn.isolation_level, conn.read_only = IsolationLevel.REPEATABLE_READ, True
        self._conn = conn
        self._profiles = Profiles(conn)
        self._knowledge, self._books = Knowledge(), Books()
        self._asked: dict[str, tuple[Rulebook, Books]] = {}
        self._remembered = Remembered(conn) if remembers else None

    @contextmanager
    def view(self, *, on: date, known: int | datetime | None = None, rulebook: str | None = None) -> Iterator[View]:
        """Yield a view from one snapshot.

        Args:
            known: a journal number, or a moment, which means the last record at or before it; None is now.
            rulebook: a shipped or adopted book's name, or a file; None asks the adopted books.

        Raises:
            NotFound: there is no such record or rulebook.
            Unusable: row-level security hides the ledger from this login.
        """
        kept = self._remembered
        try:
            end = kept.snapshot.open() if kept else self._conn.execute(SQL["end_kept"]).fetchone()
            yield self._view(end, on, known, rulebook)
        finally:
            if kept:
                kept.snapshot.close()
            else:
                self._conn.rollback()

    def at_end(self, on: date, ask: Callable[[View], T]) -> T:
        """Return what `ask` makes of a view at the journal's end; where the journal grows meanwhile, it is asked again.

        Raises what `view` does.
        """
        kept = self._remembered
        if kept is not None:
            try:
                end = kept.snapshot.look()
                if end and (found := kept.at(end)):
                    return ask(View(cast("Connection", kept.snapshot), on, end[0], end[0], *found, None))
            except Moved:
                pass
            finally:
                kept.snapshot.close()
        with self.view(on=on) as view:
            return ask(view)

    def _view(self, end: tuple[int, int] | None, on: date, known: int | datetime | None, rulebook: str | None) -> View:
        conn = self._conn
        if end is None:  # an empty ledger has room for everything: what is hidden must not look like one
            raise Unusable(
                "rows_hidden",
                "The database shows this login nothing of the ledger.",
                "Connect as the owner of its tables, or be granted capledger_reader.",
            )
        size = end[0]
        if self._remembered and known is None and not rulebook:
            return View(conn, on, size, size, *self._remembered.position(*end), None)
        at = record_at(conn, known, size)
        if at < self._knowledge.seq:
            knowledge, books = learn(conn, Knowledge(), at), Books()
        else:
            knowledge, books = learn(conn, self._knowledge, at), self._books
        book = None
        adoptions = list(knowledge.adoptions)
        if rulebook:
            book, books = self._book(rulebook, knowledge)
            adoptions = [Adoption(0, book, EVER)]
        source: DatabaseSource = DatabaseSource(conn, self._profiles)
        if book or at < size:
            source = PastSource(conn, self._profiles, at, list(books.of(adoptions)[0].values()))
        position = open_position(knowledge, source, books, adoptions)
        return View(conn, on, at, size, position, self._profiles, book)

    def _book(self, named: str, knowledge: Knowledge) -> tuple[Rulebook, Books]:
        book = rulebooks.named(named, [each.book for each in knowledge.adoptions])
        held = self._asked.get(named)
        if held is None or held[0].sha256 != book.sha256:
            held = self._asked[named] = book, Books()
            if len(self._asked) > MOST_ASKED:
                del self._asked[next(iter(self._asked))]
        return held


def record_at(conn: Connection, known: int | datetime | None, size: int) -> int:
    """Return the record that a journal number or a moment names, the newest where neither is said.

    Raises:
        NotFound: the journal has no such record.
    """
    if known is None:
        return size
    if isinstance(known, datetime):
        row = conn.execute(SQL["position_at"], {"moment": known}).fetchone()
        return int(row[0] or 0) if row else 0
    if not 0 <= known <= size:
        raise NotFound(f"The journal has {size:,} records; {known:,} is not one of them.", "Ask for an earlier one.")
    return known
