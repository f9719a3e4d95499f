"""From a document to a rulebook: the sections in their order, then what holds between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256

from ledger.core.rulebook import Reading, Rulebook
from ledger.rulebooks.amending import read_amendments, renewed
from ledger.rulebooks.caps import read_caps
from ledger.rulebooks.checks import check
from ledger.rulebooks.document import Findings, Piece, Wrong, compose
from ledger.rulebooks.draft import Draft
from ledger.rulebooks.duties import read_duties
from ledger.rulebooks.geography import check_tiers, read_countries, read_lists, read_places, read_tiers
from ledger.rulebooks.liking import LIKING_KEYS, read_liking
from ledger.rulebooks.limiting import with_fractions
from ledger.rulebooks.parameters import Settings, query_of, read_parameters
from ledger.rulebooks.sections import read_controls, read_readings, read_rules, read_status
from ledger.rulebooks.words import name

HEAD_KEYS = ("rulebook", "revision", "title", "source", "status")
REQUIRED_KEYS = (*HEAD_KEYS, "rules", "caps")
BOOK_KEYS = (*REQUIRED_KEYS, "countries", "places", "lists", "tiers", "readings", "controls", "amendments", "duties")
_LIKING = ("countries", "places", "lists", "controls")


def read_book(
    text: str,
    findings: Findings,
    library: Mapping[str, Rulebook],
    absent: Mapping[str, str],
    settings: Settings = (),
    *,
    linted: bool = False,
) -> Rulebook | None:
    """Return the rulebook of a document, None where it is none; what is wrong or odd goes to the findings.

    library: the books it is like, by name. absent: why one of them cannot be had. linted: look at what the book as a
    whole can mean, too. Errors: Malformed, for a setting that its parameters do not allow.
    """
    before = len(findings.found)
    book = None
    with findings.kept():
        root = compose(text)
        draft = Draft(findings, library, absent, settings=dict(settings))
        book = _read(root, text, draft, settings)
        if linted and not findings.has_errors():
            check(draft, book)
    errors = any(finding.level == "error" for finding in findings.found[before:])
    return None if errors else book


@lru_cache(maxsize=64)
def like_whole(text: str) -> str:
    """Return the name of the book that a document is a changed one of; "" where it is none."""
    try:
        root = compose(text)
    except Wrong:
        return ""
    like = root.value.get("like") if isinstance(root.value, dict) else None
    named = like.value.get("rulebook") if like and isinstance(like.value, dict) else like
    return named.value if named and isinstance(named.value, str) else ""


@lru_cache(maxsize=64)
def likes(text: str) -> tuple[str, ...]:
    """Return the names of the books that a document takes sections from, each once; none where it is no YAML."""
    try:
        root = compose(text)
    except Wrong:
        return ()
    names: list[str] = []
    sections = root.value if isinstance(root.value, dict) else {}
    for section in ("like", *_LIKING):
        if section in sections:
            value = sections[section].value
            like = sections[section] if section == "like" else value.get("like") if isinstance(value, dict) else None
            named = like.value.get("rulebook") if like and isinstance(like.value, dict) else like
            if named and isinstance(named.value, str) and named.value not in names:
                names.append(named.value)
    return tuple(names)


def _read(root: Piece, text: str, draft: Draft, settings: Settings) -> Rulebook:
    findings = draft.findings
    if "like" in root.entries("The rulebook"):
        table = root.table("A rulebook like another one", (*HEAD_KEYS, *LIKING_KEYS), (*HEAD_KEYS, "like"))
        status = read_status(draft, table["status"])
        return replace(read_liking(draft, table, _head(table, text), settings), status=status)
    table = root.table("The rulebook", BOOK_KEYS, REQUIRED_KEYS)

    def section(key: str, read: Callable[[Draft, Piece], None]) -> None:
        if key in table:
            with findings.kept():
                read(draft, table[key])

    with findings.kept():
        read_countries(draft, table.get("countries"))
    if "countries" not in table:
        message = "The book does not say which countries `everyone else` may mean."
        findings.add(1, "warning", message, "Before it is adopted, list them under `countries:`.")
    section("places", read_places)
    section("lists", read_lists)
    section("tiers", read_tiers)
    section("readings", read_readings)
    read_parameters(draft, None, settings)  # there are none: what is set is a reading
    section("controls", read_controls)
    rules = read_rules(draft, table["rules"])
    caps = read_caps(draft, table["caps"])
    head, query = _head(table, text), query_of({}, draft.readings)
    book = Rulebook(
        name=head["name"] + query,
        revision=int(head["revision"]),
        title=head["title"],
        source=head["source"],
        status=read_status(draft, table["status"]),
        countries=draft.countries,
        places=draft.places,
        lists=draft.lists,
        tiers=draft.tiers,
        readings=_used(draft, table.get("readings")),
        controls=draft.controls,
        rules=rules,
        caps=caps,
        duties=read_duties(draft, table["duties"], caps) if "duties" in table else (),
        territories=draft.territories,
        left_out=tuple(draft.left_out),
        sha256=sha256((text + query).encode()).hexdigest(),
        text=text,
        like={
            key: body for each in draft.library.values() for key, body in {each.name: each.text, **each.like}.items()
        },
    )
    book = with_fractions(draft, renewed(book))
    if "amendments" in table:
        book = with_fractions(draft, read_amendments(draft, table["amendments"], book))
    if not findings.has_errors():
        check_tiers(draft, book)
    return book


def _head(table: Mapping[str, Piece], text: str) -> dict[str, str]:
    """Return what a document says of itself, with its text."""
    return {
        "name": name(table["rulebook"], "The rulebook's name"),
        "revision": str(_revision(table["revision"])),
        "title": table["title"].text("`title`"),
        "source": table["source"].text("`source`"),
        "text": text,
    }


def _revision(piece: Piece) -> int:
    text = piece.text("`revision`")
    if not (text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 10):
        raise Wrong(piece.line, f'The revision "{text}" is not a whole number of at least 1.', "Count from 1.")
    return int(text)


def _used(draft: Draft, piece: Piece | None) -> dict[str, Reading]:
    """Return the readings with the rules and caps that turn on each, and note those on which nothing does."""
    for key in draft.readings:
        if piece and not draft.used.get(key):
            message = f"Nothing in the book turns on the reading {key}: choosing another option changes no answer."
            draft.findings.add(piece.lines[key], "note", message, "Let a rule or a cap turn on it with `if`.")
    return {key: replace(each, used_by=tuple(draft.used.get(key, ()))) for key, each in draft.readings.items()}
