"""A connection that sends one statement and asks later what came of it, so that judging goes on meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus


class SendingConnection(psycopg.Connection[tuple[Any, ...]]):
    """One statement may be under way. Whatever else is executed waits for it first, and sees what it did."""

    _is_under_way = False
    _came: bytes | None = None
    _fault: psycopg.Error | None = None

    def send(self, statement: bytes, parameters: Sequence[bytes]) -> None:
        """Send a statement of one value, in a transaction of its own; parameters are text as PostgreSQL reads it.

        Raises:
            psycopg.OperationalError: the connection was lost.
        """
        self._settle()
        self._came = self._fault = None
        self.pgconn.send_query_params(statement, parameters)
        self._is_under_way = True
        self.wait(send(self.pgconn))

    def came(self) -> bytes | None:
        """Wait for the value, and return it as text.

        Raises:
            psycopg.Error: the statement failed. psycopg.OperationalError: the connection was lost; whether it did
            is not known.
        """
        self._settle()
        if self._fault:
            raise self._fault
        return self._came

    def cursor(self, *args: Any, **named: Any) -> Any:
        """Return a cursor, once nothing is under way."""
        self._settle()
        return super().cursor(*args, **named)

    def _settle(self) -> None:
        if not self._is_under_way:
            return
        self._is_under_way = False
        try:
            (result,) = self.wait(fetch_many(self.pgconn))
        except psycopg.Error as fault:
            self._fault = fault
            return
        if result.status == ExecStatus.TUPLES_OK:
            self._came = result.get_value(0, 0)
        else:
            self._fault = psycopg.errors.error_from_result(result)
