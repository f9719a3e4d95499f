"""Rulebooks as a command names them: shipped, in a document, or as adopted by a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing

if TYPE_CHECKING:
    from ledger.core.rulebook import Rulebook

Named = Annotated[
    str,
    typer.Argument(metavar="NAME|FILE", autocompletion=completing.documents, help="A shipped rulebook, or a document."),
]
Adopted = Annotated[
    str,
    typer.Option("--known", metavar="RECORD|TIME", help="As adopted by a record, a moment or the end of a day (UTC)."),
]


def books_of(known: str, *names: str) -> tuple[list[Rulebook], dict[str, int]]:
    """Return the books of some names, and the record and the journal they are known at: shipped ones and documents;
    where a record is asked, those adopted by then, of several of a name the last, stand before them.
    """
    from ledger import rulebooks

    if not known:
        return [rulebooks.load(name) for name in names], {}
    with asking.viewing("", known, "") as view:
        adopted = [each.book for each in view.position.knowledge.adoptions]
        return [rulebooks.named(name, adopted) for name in names], {"known": view.known, "journal": view.size}


def say_known(at: Mapping[str, int]) -> None:
    """Tell which record books are known at, where one was asked."""
    if at:
        typer.echo(
            f"As adopted by record {at['known']:,} of {at['journal']:,}; what was not adopted by then as shipped."
        )
