"""Looking at caps: how each that a movement touches stands before and after it, and which shares it leaves short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from ledger.core import counters
from ledger.core.facts import UNKNOWN
from ledger.core.groups import Membership
from ledger.core.lens import ZERO, Amount, Key
from ledger.core.position import Merged, Position
from ledger.core.refusals import Looked
from ledger.core.tested import is_plain, shares_of, shrinks, stand, test_days, tested


def look(merged: Merged, position: Position) -> tuple[list[Looked], list[Looked]]:
    """Look at every cap whose counter a movement changes, in rulebook order, where its book is in force.

    Besides them, the shares that stand over their limit since the movement lowers what they are a share of.
    """
    looked: list[Looked] = []
    groups_seen: set[tuple[Key, tuple[Membership, ...]]] = set()
    changes: Mapping[date, Amount]
    for key, (effect, changes) in merged.items():
        spans = position.spans_of(key.book, effect.span)
        first = min(changes)
        if not any(span.until is None or span.until > first for span in spans):
            continue
        adoption = next(adoption for _, adoption in position.timeline if adoption.seq == key.book)
        cap, gain = effect.cap, ZERO
        if is_plain(cap):
            counter = position.counter(key, first)
            standing = counters.test(counter, cap, changes, spans)
        else:
            asked = {each: of for each, (_, of) in merged.items()}
            whole = tested(key, cap, first, position, asked)
            spans = test_days(cap.limit.share, spans, first, whole.counter, whole.cap)
            if not spans or not whole.changes or (whole.kin and (whole.key, whole.kin) in groups_seen):
                continue  # never tested, or changed by another owner of the same group just as much
            groups_seen.add((whole.key, whole.kin))
            key, cap, counter, changes, gain = whole.key, whole.cap, whole.counter, whole.changes, whole.gain
            standing = stand(whole, spans)
        if f"={UNKNOWN}" in key.subject and cap.when_exceeded == "refuse" and not cap.limit.unlimited:
            standing = counters.of_nobody(standing)  # it might belong to a subject that has no room
        looked.append(Looked(adoption, cap, key, effect.span, standing, changes, counter, gain))
    shrunk = list(_shrunk(merged, position))
    if shrunk:
        seen = {each.key for each in looked}
        shrunk = [each for each in shrunk if each.key not in seen]
    return looked, shrunk


def _shrunk(merged: Merged, position: Position) -> Iterator[Looked]:
    """Yield each share that a movement brings over its limit by lowering its base, without raising the share itself."""
    seen: set[Key] = set()
    for key, (_, changes) in merged.items():
        lens = position.lenses[key.book]
        if key.cap not in lens.shares_of or not shrinks(changes):
            continue
        asked = {each: of for each, (_, of) in merged.items()}
        first = min(changes)
        for other, cap in shares_of(key, lens, position):
            whole = tested(other, cap, first, position, asked)
            if whole.key in seen:
                continue
            seen.add(whole.key)
            span = lens.span_of(other)
            spans = test_days(cap.limit.share, position.spans_of(key.book, span), first, whole.counter, whole.cap)
            standing = counters.first_over(whole.counter, whole.cap, first, spans)
            if standing:
                adoption = next(adoption for _, adoption in position.timeline if adoption.seq == key.book)
                yield Looked(adoption, whole.cap, whole.key, span, standing, changes, whole.counter, whole.gain)
