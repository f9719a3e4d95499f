"""Rulebooks as YAML documents: read, checked, and complete with the books they take lists from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from ledger.core.errors import BadRulebook, NotFound, Problem
from ledger.core.rulebook import Rulebook
from ledger.rulebooks.book import likes, read_book
from ledger.rulebooks.document import Finding, Findings, choices

__all__ = ["Finding", "bundle", "bundle_of", "lint", "load", "parse", "parse_bundle", "read", "shipped"]


def shipped() -> dict[str, Path]:
    """Return the rulebooks that come with the project, by name."""
    import schema

    folder = Path(schema.__file__).parent / "rulebooks"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(name_or_path: str | Path) -> Rulebook:
    """Return a shipped rulebook by its name, or one from a file.

    Errors: NotFound where there is neither, BadRulebook where it does not say what a rulebook must say.
    """
    path = _find(name_or_path)
    return parse(_text(path), where=_place(path), library=_library(path.parent))


def parse(text: str, *, where: str, library: Callable[[str], Rulebook]) -> Rulebook:
    """Return the rulebook of a document.

    where: how to call the document in an error, which gives `where:line`. library: returns the book of a name, for
    the sections that this one takes from others (`like`), or raises a Problem.
    Errors: BadRulebook.
    """
    books, absent = _books(text, library)
    if absent:
        findings = Findings(where)
        read_book(text, findings, books, absent)
        findings.refuse()
    texts = {name: body for book in books.values() for name, body in bundle_of(book).items()}
    return _parsed(text, where, tuple(texts.items()))


def lint(text: str, where: str) -> list[Finding]:
    """Return everything wrong or odd in a document, by line. Books it is like are shipped ones or stand beside it."""
    findings = Findings(where)
    books, absent = _books(text, _library(Path(where).parent))
    read_book(text, findings, books, absent)
    return findings.ordered()


def read(name_or_path: str | Path) -> tuple[str, str]:
    """Return the text of a shipped rulebook or of a file, and how to call it in an error. Errors: as `load`."""
    path = _find(name_or_path)
    return _text(path), _place(path)


def bundle(name_or_path: str | Path) -> dict[str, str]:
    """Return the texts that a rulebook needs to be read anywhere, by name: its own first, then those it is like."""
    return bundle_of(load(name_or_path))


def bundle_of(book: Rulebook) -> dict[str, str]:
    """Return the texts of a rulebook and of those it is like, by name, its own first."""
    return {book.name: book.text, **book.like}


def parse_bundle(bundle: Mapping[str, str], name: str = "") -> Rulebook:
    """Return a rulebook of a bundle, the first where none is named, using nothing but the bundle.

    Name it where the bundle comes out of the database: JSON keeps no order there. Errors: BadRulebook.
    """
    name = name or next(iter(bundle))
    return _parsed(bundle[name], name, tuple(other for other in bundle.items() if other[0] != name))


@lru_cache(maxsize=64)
def _parsed(text: str, where: str, others: tuple[tuple[str, str], ...]) -> Rulebook:
    """Read a book whose likes are among the others; each of them may be like those that are left."""
    left = dict(others)
    books = {
        name: _parsed(left[name], name, tuple(other for other in others if other[0] != name))
        for name in likes(text)
        if name in left
    }
    findings = Findings(where)
    book = read_book(text, findings, books, {})
    findings.refuse()
    assert book is not None  # no error, so there is a book
    return book


def _books(text: str, library: Callable[[str], Rulebook]) -> tuple[dict[str, Rulebook], dict[str, str]]:
    """Return the books that a document takes from, and why those that cannot be had cannot."""
    books: dict[str, Rulebook] = {}
    absent: dict[str, str] = {}
    for name in likes(text):
        try:
            book = library(name)
        except Problem as problem:
            absent[name] = str(problem)
            continue
        if book.name == name:
            books[name] = book
        else:
            absent[name] = f"It calls itself {book.name}."
    return books, absent


def _library(folder: Path, asked: tuple[str, ...] = ()) -> Callable[[str], Rulebook]:
    """Return a library of the shipped books, and of those in a folder under their own names."""

    def book(name: str) -> Rulebook:
        if name in asked:
            raise BadRulebook(
                f"The rulebook {name} is like itself: {' -> '.join((*asked, name))}.", "Break the circle."
            )
        path = shipped().get(name) or folder / f"{name}.yaml"
        if Path(name).name != name or not path.is_file():
            raise NotFound(f'There is no rulebook "{name}".', choices(name, shipped(), "names"))
        return parse(_text(path), where=_place(path), library=_library(path.parent, (*asked, name)))

    return book


def _find(name_or_path: str | Path) -> Path:
    if path := shipped().get(str(name_or_path)):
        return path
    path = Path(name_or_path)
    if not path.is_file():
        raise NotFound(
            f'There is no rulebook "{name_or_path}".', f"{choices(str(path), shipped(), 'names')} Or name a file."
        )
    return path


def _place(path: Path) -> str:
    return path.name if path.stem in shipped() and shipped()[path.stem] == path else str(path)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise BadRulebook("The file is not UTF-8 text.", "Save it as UTF-8.", where=f"{path}:1") from None
    except OSError as bad:
        raise NotFound(f"The file {path} cannot be read: {bad.strerror}.", "Name a readable file.") from None
