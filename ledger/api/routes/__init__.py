"""Every route of the server, in the order in which the documentation lists them."""

from ledger.api.door import Route
from ledger.api.routes import books, facts, posting, proving, reading, running, statements

ROUTES: tuple[Route, ...] = (
    *reading.ROUTES, *posting.ROUTES, *facts.ROUTES, *books.ROUTES, *running.ROUTES, *proving.ROUTES,
    *statements.ROUTES,
)  # fmt: skip
