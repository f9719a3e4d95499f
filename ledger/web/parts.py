"""What a page is made of, as values: facts, figures, tables, charts, alerts. Templates only lay them out.

Text is text: nothing here is HTML. A link is a path of this site.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from urllib.parse import quote, urlencode

from ledger.core.compute import grouped

Kind = Literal["", "number", "state", "code", "title", "meter"]
NOT_KNOWN = "unknown"
BRIEF = 16  # characters
SHAPES = {  # a state is told by its word and a shape, never by color alone
    "open": "\N{WHITE CIRCLE}", "critical": "\N{BLACK UP-POINTING TRIANGLE}", "exhausted": "\N{BLACK SQUARE}",
    "over": "\N{BLACK DIAMOND}", "undetermined": "?", "watched": "\N{FISHEYE}", "active": "\N{WHITE CIRCLE}",
    "suspended": "\N{DOUBLE VERTICAL LINE}", "revoked": "\N{MULTIPLICATION X}", "surrendered": "\N{MULTIPLICATION X}",
    "posted": "\N{CHECK MARK}", "replayed": "\N{CLOCKWISE OPEN CIRCLE ARROW}", "refused": "\N{MULTIPLICATION X}",
    "fits": "\N{CHECK MARK}", "exceeded": "\N{BLACK DIAMOND}", "explained": "\N{BLACK SQUARE}",
    "resolved": "\N{CHECK MARK}", "approved": "\N{CHECK MARK}", "declined": "\N{MULTIPLICATION X}",
    "due": "\N{WHITE CIRCLE}", "met": "\N{CHECK MARK}",
    "overdue": "\N{BLACK UP-POINTING TRIANGLE}", "on time": "\N{CHECK MARK}",
    "valid": "\N{CHECK MARK}", "not valid": "\N{MULTIPLICATION X}", "never ran": "?", "permit": "\N{CHECK MARK}",
    "deny": "\N{MULTIPLICATION X}", "presume_deny": "\N{BLACK UP-POINTING TRIANGLE}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing said. href: what stands behind it. note: what a reader must know besides, such as `unconfirmed`.

    kind: how to lay it out. A number's text has its thousands apart. share: of a meter, per mille, at most 1000.
    tone: how a figure that answers the first question is set: `alarm`, `watch` or `quiet`; of a meter, its cap's state.
    """

    text: str
    href: str = ""
    kind: Kind = ""
    note: str = ""
    share: int = 0
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head; unit: of its figures, shown in the head."""

    title: str
    unit: str = ""
    right: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption. empty: what is said where it has no rows. more: where the rest is."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "Nothing to show."
    note: str = ""
    more: Cell | None = None
    kind: Literal["table"] = "table"

    @property
    def brief(self) -> tuple[bool, ...]:
        """Which columns are short in every row and stand beside another such: on a narrow screen both share a line."""
        paired = [False] * len(self.columns)
        for n in range(2, len(self.columns)):
            if not paired[n - 1] and self._is_short(n - 1) and self._is_short(n):
                paired[n - 1] = paired[n] = True
        return tuple(paired)

    def _is_short(self, n: int) -> bool:
        return 0 < max((len(row[n].text) for row in self.rows), default=0) <= BRIEF


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what is said of each. Terms of which nothing is known are not there."""

    title: str
    rows: tuple[tuple[str, Cell], ...]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True, slots=True)
class Figures:
    """A few figures that answer the page's first question; each has a label, and a note below."""

    title: str
    rows: tuple[tuple[str, Cell], ...]
    kind: Literal["figures"] = "figures"

    @property
    def tone(self) -> str:
        """The tone of the figure that needs attention most."""
        tones = {cell.tone for _, cell in self.rows}
        return next((tone for tone in ("alarm", "watch") if tone in tones), "")


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to act on: info, warning, error or success; said in a heading and a sentence."""

    tone: Literal["info", "warning", "error", "success"]
    title: str
    text: str
    link: Cell | None = None
    kind: Literal["alert"] = "alert"


@dataclass(frozen=True, slots=True)
class Steps:
    """What happened, in order: each a title, a day, and words."""

    title: str
    rows: tuple[tuple[Cell, str, str], ...]
    empty: str = "Nothing is recorded."
    kind: Literal["steps"] = "steps"


@dataclass(frozen=True, slots=True)
class Text:
    """A heading and paragraphs, or a text in fixed width."""

    title: str
    paragraphs: tuple[str, ...] = ()
    fixed: str = ""
    items: tuple[str, ...] = ()
    kind: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Mark:
    """A line or a point of a chart, in its own units; label: what it is."""

    x: int
    y: int
    label: str
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Chart:
    """A step chart: paths in a box of 720 by 280, what is drawn beside them, and its sentence for those who hear it.

    labels: what stands on a line or in a band, at its height.
    """

    title: str
    says: str
    used: str
    limit: str
    bands: tuple[tuple[int, int, str], ...]
    levels: tuple[Mark, ...]
    days: tuple[Mark, ...]
    events: tuple[Mark, ...]
    today: int | None = None
    unit: str = ""
    labels: tuple[Mark, ...] = ()
    kind: Literal["chart"] = "chart"


@dataclass(frozen=True, slots=True)
class Land:
    """One country on the map: an outline, or a dot where it is too small for one. shade: the name of its color."""

    code: str
    name: str
    says: str
    shade: str
    path: str = ""
    at: tuple[int, int] | None = None
    href: str = ""
    mark: str = ""
    center: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Map:
    """The world: lands, and what their shades and marks mean."""

    title: str
    says: str
    lands: tuple[Land, ...]
    legend: tuple[tuple[str, str], ...]
    source: str
    marks: tuple[tuple[str, str], ...] = ()
    kind: Literal["map"] = "map"


Part = Table | Facts | Figures | Alert | Steps | Text | Chart | Map


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every answer carries: the day, the record it is known at, the journal's size, the rulebook."""

    on: date
    known: int
    journal: int
    rulebook: str
    is_asked: bool = False

    @property
    def is_newest(self) -> bool:
        """Whether it is known at the journal's end."""
        return self.known == self.journal


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its title (the one h1), a sentence below it, and its parts in order."""

    title: str
    lead: str = ""
    parts: tuple[Part, ...] = ()
    crumbs: tuple[Cell, ...] = ()
    stamp: Stamp | None = None
    extra: dict[str, object] = field(default_factory=dict)


def number(amount: Decimal | int | None, otherwise: str = NOT_KNOWN, *, href: str = "", note: str = "") -> Cell:
    """Return a figure with its thousands apart."""
    if amount is None:
        return Cell(otherwise, href, "", note)
    return Cell(grouped(amount), href, "number", note)


def change(amount: Decimal | int) -> Cell:
    """Return by how much something changed, with its sign."""
    return Cell(("+" if amount > 0 else "") + grouped(amount), kind="number")


def state(name: str, href: str = "") -> Cell:
    """Return a state as a tag: its word, and a shape."""
    return Cell(name, href, "state")


def toned(cell: Cell, tone: str) -> Cell:
    """Return a count in a tone; nothing counted is quiet."""
    return replace(cell, tone="quiet" if cell.text == "0" else tone)


def when(moment: datetime | date | None) -> str:
    """Return a moment or a day as people write it, UTC."""
    if moment is None:
        return ""
    if isinstance(moment, datetime):
        return f"{moment:%Y-%m-%d %H:%M} UTC"
    return moment.isoformat()


def path(*steps: str | int, **query: str) -> str:
    """Return a path of this site; what is not stated is left out of the query."""
    stated = {name: value for name, value in query.items() if value}
    return "/" + "/".join(quote(str(step), safe="") for step in steps) + (f"?{urlencode(stated)}" if stated else "")


def unconfirmed(confidence: str, status: str = "", when_exceeded: str = "") -> str:
    """Return what a reader must know of a figure besides the figure."""
    told = [
        confidence if confidence and confidence != "confirmed" else "",
        status,
        "flags only" if when_exceeded == "flag" else "",
    ]
    return ", ".join(filter(None, told))
