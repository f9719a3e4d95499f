"""What a writer remembers between commits: facts, lots and counters as of the journal's end that it last wrote."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.movements import Movement
from ledger.core.refusals import Refusal
from ledger.positions import Beside, Books, fetch_ahead, learn, open_position
from ledger.posting import adopting
from ledger.posting.batch import Batch, Scopes, scopes_of
from ledger.posting.disputing import Disputed
from ledger.store.source import Connection, DatabaseSource

MOST_HELD = 200_000  # lots and counters remembered before a writer starts afresh


class Memory:
    """Valid for one journal size. Another writer's commit moves it on: then all but the facts is fetched anew."""

    def __init__(self, conn: Connection, aside: Connection | None = None) -> None:
        self.conn, self._aside = conn, aside
        self.forget()

    def forget(self) -> None:
        """Remember nothing: what was held may not have been committed."""
        self.knowledge, self.books = Knowledge(), Books()
        self.forget_movements()

    def forget_movements(self) -> None:
        """Remember facts only: movements that were judged here were not written, and they change no fact."""
        self.source = DatabaseSource(self.conn)
        self.position = open_position(self.knowledge, self.source, self.books, ())
        self.scopes = Scopes()
        self._disputed: Disputed | None = None
        self._beside: Beside | None = None
        self.size = -1

    @property
    def is_full(self) -> bool:
        """Whether so much is remembered that it is time to start afresh."""
        return len(self.position.lots) + len(self.position.counters) >= MOST_HELD

    def catch_up(self, size: int, profiles: int) -> None:
        """Learn what other writers recorded since; forget what they may have changed."""
        if size == self.size and not self.is_full:
            return
        learn(self.conn, self.knowledge, size)
        self.source.profiles.learn(profiles)
        self.position = open_position(self.knowledge, self.source, self.books, self.knowledge.adoptions)
        self.scopes = scopes_of(self.conn)
        self._disputed = None
        self.size = size

    def committed(self, size: int, *, is_sure: bool = True) -> None:
        """Take the journal's new end, written from this memory; or about to be, and then without new facts.

        Where it is not sure, somebody else's facts may come to stand there: they are looked for from the last sure end.
        """
        if self._aside:
            source = DatabaseSource(self._aside, self.source.profiles.through(self._aside))
            self._beside = Beside(source, self.position.pending)
        self.position.committed()
        self.size = size
        if is_sure:
            self.knowledge.seq = size

    def fetch_ahead(self, movements: Sequence[Movement]) -> None:
        """Fetch what judging movements looks at; beside the last commit, as far as that touches nothing of it."""
        fetch_ahead(self.position, self.source, movements, self._beside)

    def adopt(self, adoption: Adoption, batch: Batch) -> list[Refusal]:
        """Ask an adopted book from now on; return what it finds over already."""
        self.position, batch.counters, breaches = adopting.adopt(
            self.conn, self.knowledge, self.source, self.books, batch.size, adoption
        )
        return breaches

    @property
    def disputed(self) -> Disputed:
        """What is disputed already."""
        if self._disputed is None:
            self._disputed = Disputed(self.conn)
        return self._disputed
