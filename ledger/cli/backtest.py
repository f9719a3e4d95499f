"""`capledger backtest`: the whole journal under one rulebook or several, side by side. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing, output
from ledger.cli.asking import figure, limited_to
from ledger.cli.tables import Column, fold, say_lines, screen_width, table

if TYPE_CHECKING:
    from ledger.backtest import Asked, Backtest, Stood, Subject, UnderBook

SHOWN = 20  # subjects, postings and refusals listed of each book, unless all are asked for
_STAGES = ("licensed", "open", "shipped", "installed")


def backtest(
    rulebook: Annotated[
        list[str],
        typer.Option(
            "--rulebook",
            metavar="NAME|FILE",
            autocompletion=completing.rulebooks,
            help="A rulebook to replay the journal under; may be repeated.",
        ),
    ],
    on: asking.On = "",
    known: asking.Known = "",
    everything: Annotated[bool, typer.Option("--all", help="List every subject, posting and refusal.")] = False,
    as_json: asking.AsJson = False,
) -> None:
    """Replay the journal under other rulebooks: who would be over, since when, and what would have been refused.

    What happened is counted, whether or not a book would have refused it; what was refused is not. Nothing is posted.
    """
    from ledger.backtest import backtest as run

    day, record = asking.day_of(on), asking.known_at(known)
    with asking.connected() as conn:
        found = run(conn, rulebook, on=day, known=record, most=None if everything else SHOWN)
    if as_json:
        output.say_json(found.body())
        return
    width = screen_width()
    say_lines(
        _summary(found, width),
        _subjects(found, width, None if everything else SHOWN),
        *(part for book in found.books for part in (_refused(book, width), _admitted(book, width))),
        _tiers(found, width),
    )


def _summary(found: Backtest, width: int | None) -> Iterator[str]:
    of = "the newest" if found.known == found.journal else f"of {found.journal:,}"
    yield from fold(f"On {found.on}, as known at record {found.known:,} ({of}). Nothing was recorded.", width)
    yield ""
    columns = [
        Column("rulebook", least=12), Column("postings", right=True, optional=True),
        Column("would be refused", right=True), Column("of them reported", right=True, optional=True),
        Column("refusals", right=True, optional=True), Column("would be admitted", right=True),
        Column("counters over", right=True),
    ]  # fmt: skip
    rows = [
        [
            _named(book), f"{book.postings_count:,}", f"{book.refused_count:,}", f"{book.reported_count:,}",
            f"{book.refusals_count:,}", f"{book.admitted_count:,}", f"{book.over_count:,}",
        ]
        for book in found.books
    ]  # fmt: skip
    yield from table(columns, rows, width)


def _subjects(found: Backtest, width: int | None, most: int | None) -> Iterator[str]:
    by_book = [{each.subject: each for each in book.subjects} for book in found.books]
    names = {name for subjects in by_book for name in subjects}
    ranked = sorted(names, key=lambda name: (min(_rank(subjects.get(name)) for subjects in by_book), name))
    yield ""
    if not ranked:
        yield "No cap is in use under any of them."
        return
    columns = [
        Column("subject", least=14), Column("rulebook", least=12),
        Column("cap", least=12, under="rulebook"), Column("used", right=True), Column("limit", right=True),
        Column("left", right=True, optional=True), Column("state"), Column("first over"),
    ]  # fmt: skip
    rows = []
    for name in ranked[:most]:
        for n, (book, subjects) in enumerate(zip(found.books, by_book, strict=True)):
            rows.append([name if not n else "", book.name, *_row(subjects.get(name))])
    yield "Subject by subject, the cap that binds:"
    yield from table(columns, rows, width)
    if most is not None and len(ranked) > most:
        yield from fold(f"The {most} fullest of {len(ranked):,} subjects; --all lists every one.", width)


def _row(subject: Subject | None) -> list[str]:
    shown = _shown(subject)
    if shown is None:
        return ["no cap", "", "", "", "", ""]
    standing = shown.standing
    flags = "" if subject and subject.binding is shown else " (flags only)" if standing.when_exceeded == "flag" else ""
    ended = f" (window {standing.window})" if shown.has_ended else ""
    return [
        f"{standing.cap}{flags}{ended}", figure(standing.used),
        limited_to(standing.limit, standing.unit, standing.state == "watched"), figure(standing.left), standing.state,
        shown.first_over.isoformat() if shown.first_over else "never" if standing.limit is not None else "",
    ]  # fmt: skip


def _shown(subject: Subject | None) -> Stood | None:
    """Return the counter to show of a subject: the binding one, else the first that was over, else the first."""
    if subject is None:
        return None
    was_over = next((each for each in subject.counters if each.first_over), None)
    return subject.binding or was_over or subject.counters[0]


def _rank(subject: Subject | None) -> tuple[int, Decimal]:
    """Return how soon to show a subject: what was over first, then what cannot be told, then the fullest."""
    shown = _shown(subject)
    if subject is None or shown is None or shown.standing.state == "watched":
        return 4, Decimal(0)
    limit = shown.standing.limit
    share = shown.standing.used / limit if limit else Decimal(0)
    if subject.first_over:
        return 0 if shown.standing.state == "over" else 1, -share
    return (2 if limit is None else 3), -share


def _refused(book: UnderBook, width: int | None) -> Iterator[str]:
    yield ""
    if not book.refused_count:
        yield from fold(f"{book.name} would have refused none of the postings.", width)
        return
    told = ", ".join(f"{count:,} {code} by {reason}" for (code, reason), count in book.refused_for.items())
    reported = f"; {book.reported_count:,} were reported as facts" if book.reported_count else ""
    yield from fold(
        f"{book.name} would have refused {book.refused_count:,} of the postings{reported}. All of them happened, and "
        f"are counted. Found: {told}.",
        width,
    )
    rows = [
        [f"{each.asked.seq:,}", *_asked(each.asked), each.code, " ".join(found.message for found in each.findings)]
        for each in book.refused
    ]
    yield from table([*_ASKED, Column("code", least=12), Column("why", below=True, least=30)], rows, width)
    yield from _rest(len(book.refused), book.refused_count, width)


def _admitted(book: UnderBook, width: int | None) -> Iterator[str]:
    if not book.admitted_count:
        return
    yield ""
    yield from fold(
        f"{book.name} would have admitted {book.admitted_count:,} of {book.refusals_count:,} recorded refusals that "
        "turn on a rulebook; none of them happened, and none is counted:",
        width,
    )
    rows = [[f"{each.asked.seq:,}", *_asked(each.asked), each.code, each.message] for each in book.admitted]
    yield from table([*_ASKED, Column("refused for", least=12), Column("why", below=True, least=30)], rows, width)
    yield from _rest(len(book.admitted), book.admitted_count, width)


_ASKED = (Column("record", right=True), Column("day"), Column("voice", optional=True), Column("what", least=24))


def _asked(asked: Asked) -> list[str]:
    what = [asked.kind, asked.quantity, asked.chip]
    what += [f"to {asked.recipient}" if asked.recipient else "", f"in {asked.destination}" if asked.destination else ""]
    what += [f"under {asked.authorization}" if asked.authorization else ""]
    what += [f"and {asked.lines - 1:,} more" if asked.lines > 1 else ""]
    return [asked.effective_on, asked.voice, " ".join(filter(None, what))]


def _rest(listed: int, count: int, width: int | None) -> list[str]:
    return fold(f"The first {listed:,} of {count:,}; --all lists every one.", width) if listed < count else []


def _tiers(found: Backtest, width: int | None) -> Iterator[str]:
    rows = [
        [book.name, tier.tier, f"{tier.countries:,}", *(figure(tier.tpp[stage]) for stage in _STAGES), f"{tier.over:,}"]
        for book in found.books
        for tier in book.tiers
    ]
    if not rows:
        return
    yield ""
    yield "Totals per tier, in TPP, chips and equivalents together:"
    columns = [
        Column("rulebook", least=12), Column("tier", least=8), Column("countries", right=True, optional=True),
        *(Column(stage, right=True, optional=stage not in ("licensed", "shipped")) for stage in _STAGES),
        Column("over", right=True),
    ]  # fmt: skip
    yield from table(columns, rows, width)


def _named(book: UnderBook) -> str:
    return f"{book.name} (revision {book.revision})"
