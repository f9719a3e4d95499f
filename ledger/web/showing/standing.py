"""Caps in use as rows of a table: which are over, near, open; the same words and links on every page."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ledger import reference
from ledger.core.compute import grouped
from ledger.core.rulebook import Rulebook
from ledger.reports import CapStanding, Holding, View
from ledger.web.asking import Asked
from ledger.web.parts import Cell, Column, Table, number, state, unconfirmed

WORST_FIRST = ("over", "exhausted", "critical", "undetermined", "open", "watched")
NEAR = ("over", "exhausted", "critical")
COLUMNS = (
    Column("Cap"), Column("Of"), Column("State"), Column("Used", right=True), Column("Limit", right=True),
    Column("Left", right=True), Column("Unit"), Column("Share used"), Column("Source in law"),
)  # fmt: skip


def severity(standing: CapStanding) -> tuple[int, Decimal, str, str]:
    """Return a key that sorts what needs attention first: by state, then the fullest."""
    share = standing.used / standing.limit if standing.limit else Decimal(0)
    return WORST_FIRST.index(standing.state), -share, standing.cap, standing.subject


def per_mille(used: Decimal, limit: Decimal | None) -> int:
    """Return how full a cap is in thousandths, 1,000 for all that is full or over."""
    if limit is None or limit <= 0:
        return 1000 if limit is not None and used > 0 else 0
    return max(0, min(1000, int(used * 1000 // limit)))


def percent(used: Decimal, limit: Decimal | None) -> str:
    """Return how full a cap is, as text: whole percent, rounded down; "" where it has no limit."""
    if limit is None or limit <= 0:
        return ""
    return f"{int(used * 100 // limit):,}%"


def meter(used: Decimal, limit: Decimal | None, state: str = "") -> Cell:
    """Return how full a cap is, as a bar and in words; the state shades the bar."""
    if limit is None or limit <= 0:
        return Cell("no figure")
    return Cell(percent(used, limit), kind="meter", share=per_mille(used, limit), tone=state)


def subject_words(subject: str) -> str:
    """Return a counter's subject for people: `destination=AE` is the country's name and code."""
    if subject == "world":
        return "the whole world"
    return ", ".join(_words(*part.partition("=")[::2]) for part in subject.split(","))


def country_name(code: str) -> str:
    """Return a country's listed name, or its code."""
    known = reference.countries().get(code)
    return known.name if known else code


def tiers_of(book: Rulebook) -> list[str]:
    """Return a book's tiers in the order in which people look for them: by number, or as the book has them."""
    return sorted(book.tiers, key=int) if all(tier.isdecimal() for tier in book.tiers) else list(book.tiers)


def party_cell(view: View, asked: Asked, party: str) -> Cell:
    """Return a party by its name on the day, with its id where that is another, and the way to its page."""
    knowledge = view.position.knowledge
    known = knowledge.party(party, view.on)
    name = known.name if known and known.name else party
    return Cell(name, asked.path("recipients", party), note=party if name != party else "")


def cap_path(asked: Asked, cap: str, subject: str, window: str = "") -> str:
    """Return where a cap's page is, for one subject and window."""
    return asked.path("caps", cap, subject=subject, window=window[:10] if window[:1].isdigit() else "")


def subject_path(asked: Asked, subject: str) -> str:
    """Return the page of what a counter is kept for; "" where it has none of its own."""
    parts = dict(part.partition("=")[::2] for part in subject.split(","))
    if "destination" in parts and len(parts) == 1:
        return asked.path("countries", parts["destination"])
    for name in ("recipient", "ultimate_parent", "booked_to", "owner", "operator", "owner_group"):
        if parts.get(name) and parts[name] != "unknown":
            return asked.path("recipients", parts[name])
    return asked.path("authorizations", parts["authorization"]) if "authorization" in parts else ""


def window_words(window: str) -> str:
    """Return a window in words: its end is not part of it."""
    first, _, until = window.partition("/")
    return f"{first.replace('..', 'always')} until {until.replace('..', 'open')}" if until else window


def unsure(held: Holding, stage: str) -> str:
    """Return how much of a total is unconfirmed, in words; "" where nothing is."""
    tpp = held.unconfirmed.get(stage)
    return f"of which unconfirmed {grouped(tpp)}" if tpp else ""


def rows_of(found: Iterable[CapStanding], asked: Asked) -> tuple[tuple[Cell, ...], ...]:
    """Return caps as rows."""
    return tuple(_row(each, asked) for each in found)


def caps_table(caption: str, found: Iterable[CapStanding], asked: Asked, empty: str, more: Cell | None = None) -> Table:
    """Return caps as a table."""
    return Table(caption, COLUMNS, rows_of(found, asked), empty, more=more)


def _row(each: CapStanding, asked: Asked) -> tuple[Cell, ...]:
    window = "" if each.window == "always" else window_words(each.window)
    doubt = f"{each.doubt:,f} in doubt" if each.doubt else ""
    note = ", ".join(filter(None, (unconfirmed(each.confidence, each.status, each.when_exceeded), doubt)))
    without = "not limited" if each.state == "watched" else "undetermined"
    behind = cap_path(asked, each.cap, each.subject, each.window)
    return (
        Cell(each.cap, behind, "title", window),
        Cell(subject_words(each.subject), subject_path(asked, each.subject)),
        state(each.state),
        number(each.used, href=behind, note=note),
        number(each.limit, without, href=asked.path("caps", each.cap), note=each.remark),
        number(each.left, "not limited" if each.state == "watched" else "undetermined"),
        Cell(each.unit),
        meter(each.used, each.limit, each.state),
        Cell(each.law),
    )


def _words(name: str, value: str) -> str:
    if name == "destination":
        return f"{country_name(value)} ({value})"
    return f"{name.replace('_', ' ')} {value}"
