"""A writer in a process of its own: judging takes no turns with the network, nor with whoever answers there."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg

from ledger.api.apart import asked_by, framed, receive, served, start
from ledger.posting.relay import Asked, Came, Relay
from ledger.store.sending import SendingConnection

if TYPE_CHECKING:
    from ledger.store.source import Connection

CONNECT_SECONDS = 5
LONGEST_STATEMENT = "120s"  # an adoption computes every counter anew
PROGRAM = "from ledger.api.scribe import serve; serve()"


class Scribe:
    """A relay on connections of its own, which are made when it is first asked.

    Whoever posts gets what came of each group, in the order in which they were given; of the last one it may have to
    ask by `end`. What was posted where the database was lost in the middle is not known.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._relay: Relay | None = None
        self._opened: list[Connection] = []

    def post(self, asked: Asked, at: datetime, together: bool) -> list[Came]:
        """Post a group, and return what came of those that are through."""
        try:
            if self._relay is None:
                options = f"-c statement_timeout={LONGEST_STATEMENT} -c lock_timeout={LONGEST_STATEMENT}"
                how: dict[str, Any] = {"options": options, "connect_timeout": CONNECT_SECONDS}
                conn = SendingConnection.connect(self._dsn, **how)
                self._opened.append(conn)
                aside = psycopg.connect(self._dsn, **how)
                self._opened.append(aside)
                self._relay = Relay(conn, aside)
        except psycopg.Error as fault:
            self.close()
            return [Came(fault=fault)]
        return self._through(self._relay.post(asked, at=at, together=together))

    def end(self) -> list[Came]:
        """Wait for the group that is under way, if any, and return what came of it."""
        return self._through(self._relay.end()) if self._relay else []

    def close(self) -> None:
        """Close the connections; the next post makes others."""
        for conn in self._opened:
            conn.close()
        self._opened.clear()
        self._relay = None

    def _through(self, came: list[Came]) -> list[Came]:
        if any(isinstance(each.fault, psycopg.Error) for each in came):  # then nothing is under way
            self.close()
        return came


class ScribeProcess:
    """The same in a process of its own, which is started here and ended by `close`.

    Raises:
        psycopg.OperationalError: it cannot be started, so that nothing can be posted for now.
    """

    def __init__(self, dsn: str) -> None:
        try:
            self._process, self._there = start(PROGRAM)
            self._there.sendall(framed(dsn))
        except OSError as fault:
            raise psycopg.OperationalError(f"the writer process cannot be started: {fault}") from fault

    def post(self, asked: Asked, at: datetime, together: bool) -> list[Came]:
        """Post a group, and return what came of those that are through.

        Raises:
            psycopg.OperationalError: the process was lost, with all that is under way: what of it was posted is not
            known.
        """
        return self._ask((asked, at, together))

    def end(self) -> list[Came]:
        """Wait for the group that is under way, and return what came of it. Raises what `post` raises."""
        return self._ask(())

    def close(self) -> None:
        """End the process, once it is through with what it was asked."""
        self._there.close()
        self._process.wait()

    def _ask(self, what: tuple[object, ...]) -> list[Came]:
        try:
            self._there.sendall(framed(what))
            told: list[Came] | None = receive(self._there)
        except OSError as fault:
            raise psycopg.OperationalError(f"the writer process was lost: {fault}") from fault
        if told is None:
            raise psycopg.OperationalError("the writer process ended")
        return told


def serve() -> None:
    """Be a writer process: where the database is first, then groups, until the server at standard input hangs up."""
    with served() as server:
        dsn = receive(server)
        assert isinstance(dsn, str)
        scribe = Scribe(dsn)
        for asked in asked_by(server):
            came = scribe.post(*asked) if asked else scribe.end()
            try:
                server.sendall(framed([each._replace(fault=each.fault and sendable(each.fault)) for each in came]))
            except OSError:  # the server is gone
                break
        scribe.end()
        scribe.close()


def sendable(fault: Exception) -> Exception:
    """Return a fault as it is, or its words, where it is of a kind that cannot be sent."""
    try:
        pickle.loads(pickle.dumps(fault))
    except Exception:
        return RuntimeError(f"{type(fault).__name__}: {fault}")
    return fault
