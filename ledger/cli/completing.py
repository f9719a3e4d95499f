"""What a shell offers as the values of arguments and options: ids of the ledger, countries, chips, rulebooks.

Only what is there at once is told: no server is started, nothing is waited for, and what goes wrong is silent. An
embedded ledger is down between commands: then it is what the last command left in a file beside it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from ledger.settings import Settings

MOST, MOST_LEFT = 200, 5_000  # names offered at once, and left in the file of each kind
MILLISECONDS = 200  # that the database may take; to reach it, two seconds, the least that can be asked for
LEFT = "completion.json"  # in the data folder, for its owner only
KINDS = ("party", "authorization", "chip", "rulebook")
_plain = re.compile(r"[A-Za-z0-9._:/+-]+").fullmatch  # nothing that a shell would run


def parties(incomplete: str) -> list[str]:
    """Offer registered parties."""
    return _of_ledger(incomplete, "party")


def actors(incomplete: str) -> list[str]:
    """Offer who may ask: registered parties and the operator."""
    return [*_beginning(incomplete, ["operator"]), *parties(incomplete)]


def authorizations(incomplete: str) -> list[str]:
    """Offer issued authorizations and kinds of them."""
    from ledger.core.facts import AUTHORIZATION_KINDS

    return [*_of_ledger(incomplete, "authorization"), *_beginning(incomplete, AUTHORIZATION_KINDS)]


def chips(incomplete: str) -> list[str]:
    """Offer rated chips and systems."""
    return _of_ledger(incomplete, "chip")


def catalog(incomplete: str) -> list[str]:
    """Offer the chips and systems of the catalog, which needs no ledger."""
    with suppress(Exception):
        from ledger.reference import table

        return _beginning(incomplete, (row["chip_id"] for row in table("chips")))
    return []


def countries(incomplete: str) -> list[str]:
    """Offer countries by their codes."""
    with suppress(Exception):
        from ledger.reference import table

        return _beginning(incomplete, (row["iso2"] for row in table("countries")))
    return []


def rulebooks(incomplete: str) -> list[str]:
    """Offer rulebooks that are shipped or were adopted."""
    return sorted({*documents(incomplete), *_of_ledger(incomplete, "rulebook")})


def documents(incomplete: str) -> list[str]:
    """Offer shipped rulebooks: where a document may be named, and no ledger is asked."""
    import schema

    return sorted(_beginning(incomplete, (p.stem for p in (Path(schema.__file__).parent / "rulebooks").glob("*.yaml"))))


def subjects(incomplete: str) -> list[str]:
    """Offer what a history may be asked of: parties, authorizations, chips, countries."""
    return [*_of_ledger(incomplete, "party", "authorization", "chip"), *countries(incomplete)]


def leave(dsn: str, settings: Settings) -> None:
    """Leave the names of an embedded ledger beside it, where it has grown since; whatever goes wrong is silent."""
    with suppress(Exception):
        import psycopg

        file = settings.data_dir / LEFT
        with psycopg.connect(dsn) as conn:
            size = _size(conn)
            if file.exists() and json.loads(file.read_text()).get("journal") == size:
                return
            found = {kind: _names(conn, "", MOST_LEFT, kind) for kind in KINDS}
        made = file.with_name(f".{LEFT}.{os.getpid()}")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
            json.dump({"journal": size, **found}, written)
        made.replace(file)


def _of_ledger(incomplete: str, *kinds: str) -> list[str]:
    """Return names that the ledger has, of some kinds of facts; none where it does not answer at once."""
    with suppress(Exception):
        from ledger.settings import Settings

        settings = Settings.load()
        if dsn := settings.database_url or _running(settings):
            return _beginning(incomplete, _asked(dsn, incomplete, *kinds))
        left = json.loads((settings.data_dir / LEFT).read_text())
        return _beginning(incomplete, (name for kind in kinds for name in left[kind]))
    return []


def _running(settings: Settings) -> str:
    """Return the embedded server's address, "" where it is down: nothing is started, and no library loaded for it."""
    if not (settings.data_dir / "postgres" / "data" / "postmaster.pid").exists():
        return ""
    from schema.embedded import EmbeddedPostgres

    return EmbeddedPostgres(settings.data_dir / "postgres").address() or ""


def _asked(dsn: str, incomplete: str, *kinds: str) -> list[str]:
    import psycopg

    options = f"-c statement_timeout={MILLISECONDS} -c default_transaction_read_only=on"
    with psycopg.connect(dsn, connect_timeout=2, options=options) as conn:
        return _names(conn, incomplete, MOST, *kinds)


def _names(conn: psycopg.Connection[Any], begin: str, most: int, *kinds: str) -> list[str]:
    from schema.queries import SQL

    wanted = {"kinds": list(kinds), "begin": begin, "most": most}
    return [name for (name,) in conn.execute(SQL["subjects_beginning"], wanted)]


def _size(conn: psycopg.Connection[Any]) -> int:
    from schema.queries import SQL

    row = conn.execute(SQL["head"]).fetchone()
    return int(row[0]) if row else 0


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete) and _plain(name)][:MOST]
