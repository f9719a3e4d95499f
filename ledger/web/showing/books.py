"""Rulebooks: which there are, what one says, what differs between two, and what one would have made of the journal."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from ledger import rulebooks
from ledger.backtest import Backtest, Subject, UnderBook
from ledger.core.compute import grouped
from ledger.core.knowledge import Adoption
from ledger.core.rulebook import Cap, Duty, Rulebook
from ledger.reports import View
from ledger.rulebooks.comparing import compare
from ledger.web.asking import Asked
from ledger.web.parts import (
    Alert,
    Cell,
    Column,
    Facts,
    Figures,
    Page,
    Part,
    Table,
    Text,
    number,
    path,
    state,
    unconfirmed,
)
from ledger.web.showing.standing import meter, subject_words

MOST_DIFFERENCES, MOST_SUBJECTS = 300, 25
UNTESTED = Page(
    "Back-test", "What rulebooks would have said of all in the journal. It may take a while, and changes nothing.",
    crumbs=(Cell("Rulebooks", "/rulebooks"), Cell("back-test")),
)  # fmt: skip


def named_books(view: View) -> tuple[str, ...]:
    """Return the names of all rulebooks that can be asked: adopted ones first."""
    adopted = [each.book.name for each in view.position.knowledge.adoptions]
    return tuple(dict.fromkeys([*reversed(adopted), *rulebooks.shipped()]))


def book_of(view: View, name: str) -> tuple[Rulebook, Adoption | None]:
    """Return a book by a name that was checked before, as adopted last if it was adopted."""
    adoption = next((each for each in reversed(view.position.knowledge.adoptions) if each.book.name == name), None)
    return (adoption.book, adoption) if adoption else (rulebooks.load(name), None)


def all_books(view: View, asked: Asked) -> Page:
    """Return the page of all rulebooks."""
    columns = (
        Column("Rulebook"), Column("Revision", right=True), Column("Title"), Column("Adopted from"),
        Column("Adopted until"), Column("Source"), Column("Caps", right=True), Column("Rules", right=True),
    )  # fmt: skip
    in_force = view.position.knowledge.in_force(view.on)
    rows = []
    for name in named_books(view):
        book, adoption = book_of(view, name)
        note = "in force" if adoption and in_force and adoption.seq == in_force.seq else ""
        rows.append((
            Cell(name, asked.path("rulebooks", name), "title", note), number(book.revision), Cell(book.title),
            Cell(str(adoption.first)) if adoption else Cell("not adopted"),
            Cell(str(adoption.until or "open")) if adoption else Cell("not adopted"), Cell(book.source),
            number(len(book.caps)), number(len(book.rules)),
        ))  # fmt: skip
    lead = "A rulebook is a dated policy document. Any of them, adopted or not, can be asked about and back-tested."
    return Page("Rulebooks", lead, (Table("Rulebooks", columns, tuple(rows)),),
                extra={"books": named_books(view)})  # fmt: skip


def one_book(view: View, asked: Asked, name: str) -> Page:
    """Return the page of one rulebook."""
    book, adoption = book_of(view, name)
    rows = {
        "Title": Cell(book.title), "Revision": number(book.revision), "Source": Cell(book.source),
        **{key.replace("_", " ").capitalize(): Cell(str(value)) for key, value in book.status.items()},
        "Adopted": Cell(f"from {adoption.first} until {adoption.until or 'further notice'}", note="") if adoption
        else Cell("not adopted: it can be asked about"),
        "Adopted by": number(adoption.seq, href=asked.path("records", adoption.seq), note="record") if adoption
        else Cell(""),
        "SHA-256 of the document": Cell(book.sha256, kind="code"),
    }  # fmt: skip
    parts: list[Part] = [
        Facts("The document", tuple((term, cell) for term, cell in rows.items() if cell.text)),
        _caps(book, asked), _rules(book), _tiers(book, view), _readings(book),
    ]  # fmt: skip
    if book.parameters:
        parts.append(_parameters(book))
    if book.duties:
        parts.append(_duties(book))
    others = [(each, each) for each in named_books(view) if each != name]
    return Page(name, book.title, tuple(parts), (Cell("Rulebooks", asked.path("rulebooks")), Cell(name)),
                extra={"name": name, "others": others, "compared": "", "also": _asks(asked, name)})  # fmt: skip


def _asks(asked: Asked, name: str) -> tuple[Cell, ...]:
    """Return where a rulebook is asked about and tested."""
    return (
        Cell("The overview under this rulebook", asked.path(rulebook=name)),
        Cell("Back-test it", path("back-test", book=name, on=asked.on_text, known=asked.known_text)),
    )


def difference(view: View, asked: Asked, name: str, other: str) -> Page:
    """Return what differs between two rulebooks, in sentences."""
    found = compare(book_of(view, name)[0], book_of(view, other)[0])
    by_part: dict[str, list[str]] = {}
    for each in found[:MOST_DIFFERENCES]:
        by_part.setdefault(each.part, []).append(each.words)
    parts: list[Part] = [
        Text(f"{part.capitalize()} ({len(words):,})", items=tuple(words)) for part, words in by_part.items()
    ]
    if len(found) > MOST_DIFFERENCES:
        cut = f"The first {MOST_DIFFERENCES} of {len(found):,} are shown."
        parts.append(Alert("info", "There are more", f"{cut} capledger rulebook compare tells all."))
    crumbs = (Cell("Rulebooks", asked.path("rulebooks")), Cell(name, asked.path("rulebooks", name)), Cell("difference"))
    lead = f"{len(found):,} differences from {name} to {other}." if found else "Both say the same."
    also = (
        Cell("The other way round", asked.path("rulebooks", other, **{"with": name})),
        Cell(f"All of {other}", asked.path("rulebooks", other)),
        Cell("Back-test both", path("back-test", on=asked.on_text, known=asked.known_text)
             + f"{'&' if asked.on_text or asked.known_text else '?'}{urlencode([('book', name), ('book', other)])}"),
    )  # fmt: skip
    others = [(each, each) for each in named_books(view) if each != name]
    return Page(f"What differs: {name}, {other}", lead, tuple(parts), crumbs,
                extra={"name": name, "others": others, "compared": other, "also": also})  # fmt: skip


def tested(found: Backtest, asked: Asked) -> Page:
    """Return the page of a back-test."""
    parts: list[Part] = [_compared(found)] if len(found.books) > 1 else []
    for book in found.books:
        parts.append(_summary(book))
        parts.append(_subjects(book, asked))
        parts.append(_refused(book, asked))
    crumbs = (Cell("Rulebooks", asked.path("rulebooks")), Cell("back-test"))
    lead = (f"The whole journal up to record {found.known:,}, as if each rulebook had been in force from the "
            f"beginning, on {found.on}. What happened is not undone.")  # fmt: skip
    return Page("Back-test", lead, tuple(parts), crumbs)


def _compared(found: Backtest) -> Table:
    columns = (
        Column("Rulebook"), Column("Postings", right=True), Column("It would have refused", right=True),
        Column("Refusals it would have admitted", right=True), Column("Counters over", right=True),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(book.name, kind="title", note=f"revision {book.revision}"), number(book.postings_count),
            number(book.refused_count), number(book.admitted_count), number(book.over_count),
        )
        for book in found.books
    )  # fmt: skip
    return Table("Side by side", columns, rows)


def _summary(book: UnderBook) -> Figures:
    rows = (
        ("postings", number(book.postings_count)), ("it would have refused", number(book.refused_count)),
        ("refusals it would have admitted", number(book.admitted_count)), ("counters over", number(book.over_count)),
    )  # fmt: skip
    return Figures(f"{book.name}, revision {book.revision}", rows)


def _subjects(book: UnderBook, asked: Asked) -> Table:
    columns = (
        Column("Subject"), Column("Tier"), Column("Binding cap"), Column("State"), Column("Used", right=True),
        Column("Limit", right=True), Column("Unit"), Column("Share used"), Column("First over"),
    )  # fmt: skip
    shown = sorted(book.subjects, key=lambda each: (each.first_over is None, each.subject))
    rows = tuple(_subject(each) for each in shown[:MOST_SUBJECTS])
    note = f"The first {MOST_SUBJECTS} of {len(shown):,}." if len(shown) > MOST_SUBJECTS else ""
    return Table(f"{book.name}: subjects, those that were over first", columns, rows,
                 "Nothing counts against its caps.", note)  # fmt: skip


def _subject(each: Subject) -> tuple[Cell, ...]:
    stood = each.binding or each.counters[0]
    now = stood.standing
    return (
        Cell(subject_words(each.subject)), Cell(each.tier or "no tier"),
        Cell(now.cap, note=unconfirmed(now.confidence, now.status, now.when_exceeded)), state(now.state),
        number(now.used), number(now.limit, "not limited" if now.state == "watched" else "undetermined"),
        Cell(now.unit), meter(now.used, now.limit, now.state), Cell(str(each.first_over or "never")),
    )  # fmt: skip


def _refused(book: UnderBook, asked: Asked) -> Table:
    columns = (Column("Record", right=True), Column("Day"), Column("What"), Column("Recipient"), Column("Code"),
               Column("Why"))  # fmt: skip
    rows = tuple(
        (
            number(each.asked.seq, href=asked.path("records", each.asked.seq)), Cell(each.asked.effective_on),
            Cell(" ".join(filter(None, (each.asked.kind, each.asked.quantity, each.asked.chip)))),
            Cell(each.asked.recipient), Cell(each.code.replace("_", " ")), Cell(each.findings[0].message),
        )
        for each in book.refused
    )  # fmt: skip
    note = f"The first {len(rows)} of {book.refused_count:,}." if book.refused_count > len(rows) else ""
    return Table(f"{book.name}: postings it would have refused", columns, rows,
                 "It would have refused none of the postings.", note)  # fmt: skip


def _caps(book: Rulebook, asked: Asked) -> Table:
    columns = (Column("Cap"), Column("Counts"), Column("Kept by"), Column("Limit"), Column("When exceeded"),
               Column("Source in law"), Column("Note"))  # fmt: skip
    rows = tuple(
        (
            Cell(each.name, asked.path("caps", each.name, rulebook=book.name), "title",
                 unconfirmed(each.confidence, each.status)),
            Cell(each.counts), Cell(", ".join(each.by) or "the whole world"), Cell(_limit(each)),
            Cell({"refuse": "refuses", "flag": "flags only"}[each.when_exceeded]), Cell(each.law), Cell(each.note),
        )
        for each in book.caps
    )  # fmt: skip
    return Table("Caps", columns, rows, "It has no caps.")


def _limit(cap: Cap) -> str:
    return "none: only watched" if cap.limit.unlimited else cap.limit.words or "undetermined"


def _rules(book: Rulebook) -> Table:
    columns = (Column("Rule"), Column("Answer"), Column("From"), Column("Until"), Column("Source in law"),
               Column("Note"))  # fmt: skip
    rows = tuple(
        (Cell(each.name, kind="title", note=unconfirmed(each.confidence)), state(each.answer),
         Cell(str(each.span.first or "always")), Cell(str(each.span.until or "open")), Cell(each.law),
         Cell(each.review or each.note))
        for each in book.rules
    )  # fmt: skip
    return Table("Rules, in order: the first that matches answers", columns, rows, "It has no rules.")


def _tiers(book: Rulebook, view: View) -> Table:
    members: dict[str, list[str]] = {tier: [] for tier in book.tiers}
    for code in sorted(book.countries):
        if tier := book.tier(code, view.on):
            members[tier].append(code)
    columns = (Column("Tier"), Column("Countries", right=True), Column("Which"), Column("Source in law"))
    rows = tuple(
        (Cell(tier), number(len(codes)), Cell(", ".join(codes)), Cell(book.tiers[tier].law))
        for tier, codes in members.items()
    )  # fmt: skip
    return Table(f"Tiers on {view.on}", columns, rows, "It has no tiers.")


def _readings(book: Rulebook) -> Table:
    columns = (Column("Reading"), Column("Chosen"), Column("Other meanings"), Column("Source in law"))
    rows = tuple(
        (
            Cell(each.name, note=unconfirmed(each.confidence)),
            Cell(f"{each.chosen}: {each.options[each.chosen]}"),
            Cell("; ".join(f"{name}: {words}" for name, words in each.options.items() if name != each.chosen)),
            Cell(each.law),
        )
        for each in book.readings.values()
    )  # fmt: skip
    return Table("Readings: one text, several meanings", columns, rows, "No text of it is read in more than one way.")


def _parameters(book: Rulebook) -> Table:
    columns = (Column("Parameter"), Column("Value"), Column("Unit"), Column("Source"), Column("Note"))
    rows = tuple(
        (
            Cell(each.name, note=unconfirmed(each.confidence)),
            Cell(", ".join(each.value)) if isinstance(each.value, tuple)
            else Cell("undetermined" if each.value is None else grouped(each.value)),
            Cell(each.unit), Cell(each.law), Cell(each.note),
        )
        for each in book.parameters.values()
    )  # fmt: skip
    return Table("Parameters, which whoever asks may set", columns, rows)


def _duties(book: Rulebook) -> Text:
    return Text("Duties: numbers that oblige and never refuse", items=tuple(map(_duty, book.duties)))


def _duty(duty: Duty) -> str:
    told: Iterable[str] = (
        f"{name}: {duty.written[name]}" for name in ("who", "do", "due", "law") if name in duty.written
    )
    return f"{duty.name}: " + "; ".join(told)
