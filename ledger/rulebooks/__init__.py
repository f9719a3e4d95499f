"""Rulebooks as YAML documents: read, checked, and complete with the books they take lists from."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from ledger.core.errors import BadRulebook, Malformed, NotFound, Problem
from ledger.core.rulebook import Rulebook
from ledger.rulebooks.book import like_whole, likes, read_book
from ledger.rulebooks.document import Finding, Findings, choices
from ledger.rulebooks.parameters import Settings, settings_of, with_settings

__all__ = [
    "Finding", "bundle", "bundle_of", "lint", "load", "named", "parse", "parse_bundle", "read", "refuse_proposal",
    "shipped", "with_settings",
]  # fmt: skip


IN_LAW = ("codified", "compliance", "enforced")  # the states of a document, one of which an adoption needs


def shipped() -> dict[str, Path]:
    """Return the rulebooks that come with the project, by name."""
    import schema

    folder = Path(schema.__file__).parent / "rulebooks"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(name_or_path: str | Path) -> Rulebook:
    """Return a shipped rulebook by its name, or one from a file; `name?limit=5&list=AE,SA&reading=option` sets it.

    Errors: NotFound where there is neither, BadRulebook where it does not say what a rulebook must say, Malformed for
    a setting that it does not allow.
    """
    found, settings = settings_of(name_or_path)
    path = _find(found)
    return parse(_text(path), where=_place(path), library=_library(path.parent), settings=settings)


def parse(text: str, *, where: str, library: Callable[[str], Rulebook], settings: Settings = ()) -> Rulebook:
    """Return the rulebook of a document.

    where: how to call the document in an error, which gives `where:line`. library: returns the book of a name, for
    what this one takes from others (`like`), or raises a Problem. settings: parameters and values, as written.
    Errors: BadRulebook; Malformed for a setting.
    """
    books, absent = _books(text, library)
    if absent:
        findings = Findings(where)
        read_book(text, findings, books, absent, settings)
        findings.refuse()
    texts = {name: body for book in books.values() for name, body in {**book.like, book.name: book.text}.items()}
    return _parsed(text, where, tuple(texts.items()), settings)


def lint(text: str, where: str) -> list[Finding]:
    """Return everything wrong or odd in a document, by line. Books it is like are shipped ones or stand beside it."""
    findings = Findings(where)
    books, absent = _books(text, _library(Path(where).parent))
    read_book(text, findings, books, absent, linted=True)
    return findings.ordered()


def read(name_or_path: str | Path) -> tuple[str, str]:
    """Return the text of a shipped rulebook or of a file, and how to call it in an error. Errors: as `load`."""
    path = _find(name_or_path)
    return _text(path), _place(path)


def bundle(name_or_path: str | Path) -> dict[str, str]:
    """Return what an adoption of a rulebook carries: see `bundle_of`."""
    return bundle_of(load(name_or_path))


def bundle_of(book: Rulebook) -> dict[str, str]:
    """Return the texts of a rulebook and of those it is like, by name, its own first: what an adoption carries.

    Errors: Malformed, for a book that cannot be adopted.
    """
    refuse_proposal(book)
    return {book.name: book.text, **book.like}


def named(name: str, adopted: Iterable[Rulebook]) -> Rulebook:
    """Return the book that `--rulebook` names: an adopted one, of several the last, else as `load`; as set behind it.

    Errors: as `load`.
    """
    plain, settings = settings_of(name)
    book = next((each for each in reversed(list(adopted)) if each.name == plain), None)
    if book is None:
        return load(name)
    return _parsed(book.text, book.name, tuple(book.like.items()), settings) if settings else book


def refuse_proposal(book: Rulebook) -> None:
    """Refuse to adopt what is proposed and nothing more, or what is not itself without its settings.

    Errors: Malformed.
    """
    remedy = f"Ask it with --rulebook {shlex.quote(book.name)}, or back-test it."
    if "proposed" in book.status and not any(book.status.get(state, "none") != "none" for state in IN_LAW):
        message = f"{book.name} is proposed, not law: it is compared, never adopted to judge."
        raise Malformed("name", message, remedy)
    asked = [each.is_set for each in book.parameters.values()] + [each.is_set for each in book.readings.values()]
    if any(asked):
        message = f"{book.name} is a book with settings, which are no part of its document: it cannot be adopted."
        raise Malformed("name", message, remedy)


def parse_bundle(bundle: Mapping[str, str], name: str = "") -> Rulebook:
    """Return a rulebook of a bundle, the first where none is named, using nothing but the bundle.

    Name it where the bundle comes out of the database: JSON keeps no order there. Errors: BadRulebook.
    """
    name = name or next(iter(bundle))
    return _parsed(bundle[name], name, tuple(other for other in bundle.items() if other[0] != name))


@lru_cache(maxsize=64)
def _parsed(text: str, where: str, others: tuple[tuple[str, str], ...], settings: Settings = ()) -> Rulebook:
    """Read a book whose likes are among the others; each of them may be like those that are left."""
    left = dict(others)
    whole = like_whole(text)
    books = {
        name: _base(left[name], name, tuple(other for other in others if other[0] != name), name == whole, settings)
        for name in likes(text)
        if name in left
    }
    findings = Findings(where)
    book = read_book(text, findings, books, {}, settings)
    findings.refuse()
    assert book is not None  # no error, so there is a book
    return book


def _base(text: str, name: str, others: tuple[tuple[str, str], ...], whole: bool, settings: Settings) -> Rulebook:
    """Return a book that another one is like; as a whole, so its readings are chosen as the other's are."""
    book = _parsed(text, name, others)
    chosen = tuple(each for each in settings if each[0] in book.readings) if whole else ()
    return _parsed(text, name, others, chosen) if chosen else book


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
