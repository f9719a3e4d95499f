"""Adopting a rulebook: its counters are computed from every entry there is, and what is over already is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ledger.core.counters import Counter, tightest
from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.lens import Amount, Key
from ledger.core.position import Position
from ledger.core.refusals import Refusal
from ledger.core.tested import test_days, tested
from ledger.positions import Books, open_position
from ledger.store.source import Connection, DatabaseSource
from ledger.store.sums import counters_of


def adopt(
    conn: Connection, knowledge: Knowledge, source: DatabaseSource, books: Books, known: int, adoption: Adoption
) -> tuple[Position, dict[Key, dict[date, Amount]], list[Refusal]]:
    """Return the position under the adopted rulebooks, the new book's counters, and what it finds over already.

    Adopting un-posts nothing: a cap that is over already is a discrepancy, and refuses what would raise it further.
    """
    position = open_position(knowledge, source, books, knowledge.adoptions)
    counters = counters_of(conn, [position.lenses[adoption.seq]], source.profiles, known)
    again = open_position(knowledge, source, books, knowledge.adoptions)
    return position, counters, list(_over(counters, adoption, again))


def foresee(
    conn: Connection, knowledge: Knowledge, source: DatabaseSource, known: int, adoption: Adoption
) -> list[Refusal]:
    """Return what a book would find over already were it adopted after record `known`; nothing is changed."""
    position = open_position(knowledge, source, Books(), [*knowledge.adoptions, adoption])
    counters = counters_of(conn, [position.lenses[adoption.seq]], source.profiles, known)
    return list(_over(counters, adoption, position))


def _over(counters: dict[Key, dict[date, Amount]], adoption: Adoption, position: Position) -> Iterator[Refusal]:
    """Yield what is over already; the position, which holds the computed counters from now on, serves nothing else."""
    position.counters = {key: Counter(deltas=days.items()) for key, days in counters.items()}
    lens = position.lenses[adoption.seq]
    seen: set[Key] = set()
    for key, days in sorted(counters.items()):
        cap = lens.caps[key.cap].of_subject(key.subject)
        if cap.limit.unlimited:
            continue
        spans = position.spans_of(adoption.seq, lens.span_of(key))
        asked = [span for span in spans if not (span.first and span.until and span.first >= span.until)]
        if not asked:
            continue  # its window was over before the book came into force
        first = asked[0].first or min(days)
        whole = tested(key, cap, first, position, {})
        asked = test_days(cap.limit.share, asked, first, whole.counter, whole.cap)
        if not asked or whole.key in seen:
            continue
        seen.add(whole.key)
        standing = tightest(whole.counter, whole.cap, first, asked)
        if standing.limit is not None and standing.used > standing.limit:
            over = standing.used - standing.limit
            yield Refusal(
                "cap_exceeded",
                f"{adoption.book.name}: {cap.name} of {whole.key.subject} is over on {standing.day} as it is adopted: "
                f"limit {standing.limit:,f}, used {standing.used:,f} {cap.limit.unit}.",
                subject=whole.key.subject,
                cap=cap.name,
                book=adoption.book.name,
                window=key.window.isoformat() if key.window > date.min else "",
                amount=f"{over:f}",
                unit=cap.limit.unit,
            )
