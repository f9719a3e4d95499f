"""Caps that are suspended or blocked: what is dated in such a period and raises the counter is not admitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from ledger.core.counters import Counter, Standing, measured
from ledger.core.lens import NOTHING, Amount, Entry, limit_on
from ledger.core.position import Position
from ledger.core.refusals import Looked
from ledger.core.rulebook import Cap, Span


def held_back(looked: list[Looked], entries: Iterable[Entry], position: Position) -> list[Looked]:
    """Return caps that were looked at, those that admit nothing on the entries' day as suspended or blocked.

    A reverse is dated as what it takes back: it counts from that day.
    """
    if not any(each.cap.pauses for each in looked):
        return looked
    dated = max(entry.day for entry in entries)
    found = []
    for each in looked:
        if each.cap.pauses:
            spans = position.spans_of(each.key.book, each.span)
            each = each._replace(standing=paused(each.standing, each.counter, each.cap, each.changes, spans, dated))
        found.append(each)
    return found


def paused(
    standing: Standing, counter: Counter, cap: Cap, changes: Mapping[date, Amount], spans: Iterable[Span], dated: date
) -> Standing:
    """Return a standing; where the cap admits nothing on the day that what is asked is dated, that of this day.

    Only what raises the counter on that day is held back: what it changes later (a lapse that will not come) is not.
    """
    pause = cap.pause_on(dated)
    if pause is None or not any(span.covers(dated) for span in spans):
        return standing
    net = NOTHING
    for day, amount in changes.items():
        if day <= dated:
            net = net.plus(amount)
    asked, doubt, unstated = measured(net, cap.limit.unit)
    if asked + doubt <= 0 and not (unstated and net.unstated_tpp > 0):
        return standing
    used, used_doubt, _ = measured(counter.used(dated), cap.limit.unit)
    limit = None if cap.limit.unlimited else limit_on(cap, dated)
    return Standing(pause.kind, dated, limit, used, asked + doubt, used_doubt)


def remark(cap: Cap, day: date) -> str:
    """Return what a reader must know of a cap's limit on a day: its tolerance, and that it is suspended or blocked."""
    pause = cap.pause_on(day)
    return "; ".join([*([cap.limit_words] if cap.tolerance else []), *([pause.words()] if pause else [])])


def nothing_left(standing: Standing) -> Decimal:
    """Return what is left of a cap that admits nothing: nothing, or less where it is over."""
    return min(Decimal(0), standing.left or Decimal(0))
