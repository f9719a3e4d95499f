"""Amendments: another limit of a cap for some destinations, an exemption, or how far either may go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date

from ledger.core.compute import grouped, plain
from ledger.core.rulebook import Amendment, Bound, Cap, Limit, Member, Rulebook, Span
from ledger.rulebooks.conditions import read_seat
from ledger.rulebooks.document import Piece, Wrong, choices
from ledger.rulebooks.draft import Draft, base_chips
from ledger.rulebooks.words import SOURCE_KEYS, amount, flag, fraction, one_of_keys, source, span

WHO_KEYS = ("where", "subject")  # one thing, in two words
CHANGE_KEYS = ("limit", "at_most", "exempt")
AMENDMENT_KEYS = ("cap", *WHO_KEYS, "from", "until", *CHANGE_KEYS, *SOURCE_KEYS)

ReadLimit = Callable[[Cap, Piece], Limit]


def read_amendments(draft: Draft, piece: Piece, book: Rulebook) -> Rulebook:
    """Return the book with what raises, bounds or exempts from its caps."""
    kept: list[Mapping[str, object]] = []
    lines: list[tuple[int, Amendment, str]] = []
    for part in piece.items("`amendments`"):
        with draft.findings.kept():
            table = part.table("An amendment", AMENDMENT_KEYS, ("cap", "law"))
            one_of_keys(part, "An amendment", CHANGE_KEYS)
            cap = cap_of(book, table["cap"])
            if "at_most" in table:
                book = with_cap(book, replace(cap, bounds=(*cap.bounds, _bound(draft, table, part, book, cap))))
            else:
                amendment = read_amendment(draft, table, part, book, read_limit)
                book = with_cap(book, replace(cap, amended=(*cap.amended, amendment)))
                lines.append((part.line, amendment, cap.name))
                draft.amendment_lines.setdefault(cap.name, []).append(part.line)
            kept.append(part.plain())
    for line, amendment, name in lines:
        with draft.findings.kept():
            check_bounds(draft, book, name, amendment, line)
    return replace(book, amendments=(*book.amendments, *kept))


def read_amendment(
    draft: Draft, table: Mapping[str, Piece], piece: Piece, book: Rulebook, limit: ReadLimit
) -> Amendment:
    """Return what a table changes of a cap: `limit` or `exempt`, for whom, and on which days."""
    cap = cap_of(book, table["cap"])
    of = _who(draft, table)
    if cap.limit.unlimited:
        piece.wrong(f"{cap.name} has no limit to amend.", "Amend a cap that limits something.")
    if "limit" in table and of and "destination" not in cap.by:
        piece.wrong(f"{cap.name} is not kept by destination: all share one limit.", "Leave `where` out, or exempt.")
    if "exempt" in table and not flag(table["exempt"], "`exempt`"):
        table["exempt"].wrong("`exempt: no` says nothing.", "Remove the amendment.")
    amended = limit(cap, table["limit"]) if "limit" in table else Limit(cap.limit.unit, unlimited=True, words="exempt")
    days = span(table, piece, "The amendment")
    return Amendment(limit=amended, of=of, destinations=members_of(book, of), span=days, **source(table))


def read_limit(cap: Cap, piece: Piece) -> Limit:
    """Return an amount as another limit of a cap."""
    value, unit, words = amount(piece, base_chips())
    if value is None:
        unit = cap.limit.unit
    why = "" if value is not None else "the rulebook leaves it undetermined"
    return fitting(cap, Limit(unit, ((None, value),), words=words, why=why), piece)


def fitting(cap: Cap, limit: Limit, piece: Piece) -> Limit:
    """Return a limit that may stand in the place of a cap's own: in the same unit, and of the same kind."""
    if cap.limit.share:
        piece.wrong(f"{cap.name} is limited to a share, which no amount can replace.", "Change the cap itself.")
    if limit.unit != cap.limit.unit and not cap.limit.unlimited:
        piece.wrong(f"{cap.name} is limited in {cap.limit.unit}, not in {limit.unit}.", "Use its unit.")
    return limit


def check_bounds(draft: Draft, book: Rulebook, name: str, amendment: Amendment, line: int) -> None:
    """Refuse an amendment that goes further than the law lets it."""
    cap = next(cap for cap in book.caps if cap.name == name)
    for bound in cap.bounds:
        for code, day in _both(cap, amendment, bound):
            own, asked = cap.limit.on(day), amendment.limit.on(day)
            if own is None or not (amendment.limit.unlimited or (asked is not None and asked > bound.at_most * own)):
                continue
            who = f" for {code}" if code else ""
            words = "an exemption" if asked is None else f"{grouped(asked)} {cap.limit.unit}"
            most = f"{plain(bound.at_most * 100)}% of {grouped(own)} {cap.limit.unit}"
            raise Wrong(line, f"{name}: {words}{who} is above {most} ({bound.law}).", "Stay within it.")


def renewed(book: Rulebook) -> Rulebook:
    """Return a book whose lists were changed with its amendments, bounds and periods meant for those now on them."""
    caps = [
        replace(
            cap,
            amended=tuple(replace(each, destinations=members_of(book, each.of)) for each in cap.amended),
            bounds=tuple(replace(each, destinations=members_of(book, each.of)) for each in cap.bounds),
            pauses=tuple(replace(each, destinations=members_of(book, each.of)) for each in cap.pauses),
        )
        for cap in book.caps
    ]
    return replace(book, caps=tuple(caps))


def members_of(book: Rulebook, of: tuple[str, ...]) -> tuple[Member, ...]:
    """Return the codes that lists (`@name`) and codes come to, each with the days on which it is one of them."""
    edges: tuple[date | None, ...] = (None, *book.boundaries)
    found: dict[str, list[Span]] = {}
    for first, until in zip(edges, (*edges[1:], None), strict=True):
        codes: set[str] = set()
        for name in of:
            codes |= book.members(name[1:], first or date.min) if name.startswith("@") else {name}
        for code in codes:
            spans = found.setdefault(code, [])
            if spans and spans[-1].until == first:
                spans[-1] = Span(spans[-1].first, until)
            else:
                spans.append(Span(first, until))
    return tuple(Member(code, each) for code, spans in sorted(found.items()) for each in spans)


def cap_of(book: Rulebook, piece: Piece) -> Cap:
    """Return the cap that a text names."""
    text = piece.text("A cap")
    for cap in book.caps:
        if cap.name == text:
            return cap
    piece.wrong(f'There is no cap "{text}".', choices(text, [cap.name for cap in book.caps], "caps"))


def with_cap(book: Rulebook, changed: Cap) -> Rulebook:
    """Return the book with one cap in the place of that of its name."""
    return replace(book, caps=tuple(changed if cap.name == changed.name else cap for cap in book.caps))


def _bound(draft: Draft, table: Mapping[str, Piece], piece: Piece, book: Rulebook, cap: Cap) -> Bound:
    of = _who(draft, table)
    if of and "destination" not in cap.by:
        piece.wrong(f"{cap.name} is not kept by destination: all share one limit.", "Leave `where` out.")
    most = fraction(table["at_most"], "`at_most`", most=1000)
    return Bound(source(table)["law"], most, of, members_of(book, of), span(table, piece, "The bound"))


def _who(draft: Draft, table: Mapping[str, Piece]) -> tuple[str, ...]:
    """Return the destinations that `where`, or `subject`, names: lists as `@name`, and codes; () is every one."""
    stated = [table[key] for key in WHO_KEYS if key in table]
    if len(stated) > 1:
        stated[1].wrong("`where` and `subject` say the same thing.", "Write one of them.")
    if not stated:
        return ()
    part = stated[0].table("`where` of an amendment", ("destination",), ("destination",))["destination"]
    if isinstance(part.value, dict):
        part.wrong("An amendment names its destinations one by one, or by a list.", "Write {destination: [AE, SA]}.")
    if not part.each():
        part.wrong("`destination` is an empty list, which nothing can be on.", "Name a value, or leave it out.")
    return tuple(read_seat(draft, each) for each in part.each())


def _both(cap: Cap, amendment: Amendment, bound: Bound) -> Iterator[tuple[str, date]]:
    """Yield each destination and each day of change on which both an amendment and a bound are meant."""
    spans = [amendment.span, bound.span, *(each.span for each in (*amendment.destinations, *bound.destinations))]
    days = {day for each in spans for day in (each.first, each.until) if day}
    days |= {day for day, _ in (*cap.limit.steps, *amendment.limit.steps) if day}
    named = {each.name for each in (amendment.destinations if amendment.of else bound.destinations)}
    for code in sorted(named) if amendment.of or bound.of else [""]:
        for day in (date.min, *sorted(days)):
            if amendment.meets(code, day) and bound.meets(code, day):
                yield code, day
