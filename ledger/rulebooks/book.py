"""From a document to a rulebook: the sections in their order, then what holds between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256

from ledger.core.rulebook import Reading, Rulebook
from ledger.rulebooks.caps import read_caps
from ledger.rulebooks.document import Findings, Piece, Wrong, compose
from ledger.rulebooks.draft import Draft
from ledger.rulebooks.duties import read_amendments, read_duties
from ledger.rulebooks.geography import check_tiers, read_countries, read_lists, read_places, read_tiers
from ledger.rulebooks.sections import read_controls, read_readings, read_rules, read_status
from ledger.rulebooks.words import name

_REQUIRED = ("rulebook", "revision", "title", "source", "status", "rules", "caps")
_KEYS = (*_REQUIRED, "countries", "places", "lists", "tiers", "readings", "controls", "amendments", "duties")
_LIKING = ("countries", "places", "lists", "controls")


def read_book(
    text: str, findings: Findings, library: Mapping[str, Rulebook], absent: Mapping[str, str]
) -> Rulebook | None:
    """Return the rulebook of a document, None where it is none; what is wrong or odd goes to the findings.

    library: the books it is like, by name. absent: why one of them cannot be had.
    """
    before = len(findings.found)
    book = None
    with findings.kept():
        root = compose(text)
        book = _read(root, text, Draft(findings, library, absent))
    errors = any(finding.level == "error" for finding in findings.found[before:])
    return None if errors else book


@lru_cache(maxsize=64)
def likes(text: str) -> tuple[str, ...]:
    """Return the names of the books that a document takes sections from, each once; none where it is no YAML."""
    try:
        root = compose(text)
    except Wrong:
        return ()
    names: list[str] = []
    for section in _LIKING:
        if isinstance(root.value, dict) and section in root.value:
            value = root.value[section].value
            like = value.get("like") if isinstance(value, dict) else None
            named = like.value.get("rulebook") if like and isinstance(like.value, dict) else like
            if named and isinstance(named.value, str) and named.value not in names:
                names.append(named.value)
    return tuple(names)


def _read(root: Piece, text: str, draft: Draft) -> Rulebook:
    table = root.table("The rulebook", _KEYS, _REQUIRED)
    findings = draft.findings

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
    section("controls", read_controls)
    rules = read_rules(draft, table["rules"])
    caps = read_caps(draft, table["caps"])
    names = [cap.name for cap in caps]
    book = Rulebook(
        name=name(table["rulebook"], "The rulebook's name"),
        revision=_revision(table["revision"]),
        title=table["title"].text("`title`"),
        source=table["source"].text("`source`"),
        status=read_status(draft, table["status"]),
        countries=draft.countries,
        places=draft.places,
        lists=draft.lists,
        tiers=draft.tiers,
        readings=_used(draft, table.get("readings")),
        controls=draft.controls,
        rules=rules,
        caps=caps,
        duties=read_duties(draft, table["duties"], names) if "duties" in table else (),
        amendments=read_amendments(draft, table["amendments"], names) if "amendments" in table else (),
        territories=draft.territories,
        sha256=sha256(text.encode()).hexdigest(),
        text=text,
        like={
            key: body for each in draft.library.values() for key, body in {each.name: each.text, **each.like}.items()
        },
    )
    if not any(finding.level == "error" for finding in findings.found):
        check_tiers(draft, book)
    return book


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
            draft.findings.add(piece.lines[key], "note", message)
    return {key: replace(each, used_by=tuple(draft.used.get(key, ()))) for key, each in draft.readings.items()}
