"""The lens: (rulebook, entry) to the counters it touches, per day, with amounts.

Pure and linear: it may be applied to one proposed entry or to the sum of many old ones that share a profile. What an
entry does to its lot's counters uses the lot's facts as of the lot's day; what gives room back does so only in the
window of the lot's day. Posting, remaining, as-of, reconciliation and rebuild all use this one function.

Expiry keeps it linear: each entry that changes what is open or reserved also emits the opposite change the day after
the last day (on its own day if that is later), so that nothing has to happen for a license to lapse.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from ledger.core.conditions import Conditions, holds, subject_value
from ledger.core.facts import UNKNOWN
from ledger.core.profile import Profile
from ledger.core.rulebook import Cap, Rulebook, Span

Stage = Literal["reserved", "licensed", "open", "shipped", "received", "installed", "authorized"]
EVERYONE = "world"
ONE_DAY = timedelta(days=1)
ZERO = Decimal(0)
made = tuple.__new__  # a named tuple from its fields, in a third of the time: for those made many times a movement

# What one chip of each stage adds to a counter. `open` counts nothing by itself; it only lapses.
WEIGHTS = {
    "granted": {"reserved": 1, "licensed": 1, "open": 0},
    "shipped": {"shipped": 1},
    "held": {"shipped": 1, "received": -1, "installed": 1},
    "authorizations": {"authorized": 1},
}
# No cause, a reservation used or released, or stock as it is declared, which replaces what was declared before.
ALWAYS_BACK = frozenset({"", "used", "released", "declared"})


class Entry(NamedTuple):
    """One line of what happened to chips: a stage and a signed number of chips, at one lot.

    lot: (record, line) that opened it; record 0 is the movement being judged. profile and lot_day are the lot's.
    chips is None for equivalents, and of the stage `authorized` a number of models; tpp is always exact. cause says why
    a negative entry gives back, or is "".
    last_day: the lot's, after which what is open or reserved counts no more.
    """

    line: int
    stage: Stage
    cause: str
    lot: tuple[int, int]
    profile: Profile
    lot_day: date
    day: date
    last_day: date | None
    chips: int | None
    tpp: Decimal


class Key(NamedTuple):
    """A counter: whose book (number of its adoption, 0 for a book only asked about), which cap, subject, window."""

    book: int
    cap: str
    subject: str
    window: date


class Amount(NamedTuple):
    """How much of a counter is used. What may or may not belong to it is kept apart as doubt.

    unstated_tpp came as equivalents, without a number of chips: a cap in chips is then undetermined.
    """

    tpp: Decimal = ZERO
    chips: int = 0
    doubt_tpp: Decimal = ZERO
    doubt_chips: int = 0
    unstated_tpp: Decimal = ZERO

    def plus(self, other: Amount) -> Amount:
        """Return the sum."""
        tpp, chips, doubt_tpp, doubt_chips, unstated_tpp = self
        more, more_chips, more_doubt, more_doubt_chips, more_unstated = other
        return made(
            Amount,
            (tpp + more, chips + more_chips, doubt_tpp + more_doubt, doubt_chips + more_doubt_chips,
             unstated_tpp + more_unstated),
        )  # fmt: skip


NOTHING = Amount()


class Effect(NamedTuple):
    """One change to one counter on one day, by one cap of one book, in the window `span`."""

    key: Key
    cap: Cap
    span: Span
    day: date
    amount: Amount


class _Touch(NamedTuple):
    cap: Cap
    subject: str
    doubt: bool
    windows: dict[date, Span | None]


class Lens:
    """One rulebook's lens. Remembers what each profile touches between two days on which the book changes."""

    def __init__(self, book: Rulebook, seq: int = 0) -> None:
        self.book, self.seq = book, seq
        self._touched: dict[tuple[bytes, int], tuple[_Touch, ...]] = {}
        self._changed: dict[tuple[bytes, int, str, str], tuple[tuple[_Touch, int, int], ...]] = {}
        self._conditions = Conditions(book, [cap.where for cap in book.caps])
        ends = {day for cap in book.caps for day in (cap.window.span.first, cap.window.span.until) if day}
        self.edges = sorted({*book.boundaries, *ends})  # days on which the book or a window of it changes
        self._windows: list[dict[date, Span | None]] = [{} for _ in book.caps]
        self.caps = {cap.name: cap for cap in book.caps}
        self.shares_of: dict[str, list[Cap]] = {}  # by base
        for cap in book.caps:
            if cap.limit.share:
                self.shares_of.setdefault(cap.limit.share.of, []).append(cap)

    def effects(
        self, stage: str, cause: str, profile: Profile, lot_day: date, day: date, last_day: date | None,
        chips: int | None, tpp: Decimal,
    ) -> list[Effect]:  # fmt: skip
        """Return what an entry, or a sum of entries alike in all else, does to the counters of this book."""
        segment = bisect_right(self.book.boundaries, lot_day)
        changed = self._changed.get((profile.sha256, segment, stage, cause))
        if changed is None:
            changed = self._change(profile, lot_day, stage, cause)
            self._changed[profile.sha256, segment, stage, cause] = changed
        effects: list[Effect] = []
        for (cap, subject, doubt, windows), now, later in changed:
            if lot_day in windows:
                span = windows[lot_day]
            else:
                span = windows[lot_day] = window_of(cap, lot_day)
            if span is None:
                continue
            key = made(Key, (self.seq, cap.name, subject, span.first or date.min))
            changes = [(day, now)] if now else []
            if later and last_day is not None:
                changes.append((max(last_day + ONE_DAY, day), later))
            if cap.window.days is not None:
                changes = _rolled(changes, lot_day + timedelta(days=cap.window.days))
            for on, sign in changes:
                if span.covers(on):
                    effects.append(made(Effect, (key, cap, span, on, _amount(sign, chips, tpp, doubt))))
        return effects

    def of(self, entry: Entry) -> list[Effect]:
        """Return what one entry does."""
        return self.effects(
            entry.stage, entry.cause, entry.profile, entry.lot_day, entry.day, entry.last_day, entry.chips, entry.tpp
        )

    def era(self, day: date) -> tuple[int, int]:
        """Return what two days share where the book and every window of it are the same."""
        return bisect_right(self.edges, day), day.year * 4 + (day.month - 1) // 3

    def keys(self, profile: Profile, lot_day: date) -> list[Key]:
        """Return every counter that a lot of a profile and day may ever change."""
        keys = []
        for touch in self._touches(profile, lot_day):
            if lot_day not in touch.windows:
                touch.windows[lot_day] = window_of(touch.cap, lot_day)
            span = touch.windows[lot_day]
            if span and touch.cap.counts != "authorizations":
                keys.append(Key(self.seq, touch.cap.name, touch.subject, span.first or date.min))
        return keys

    def ever_touched(self, profile: Profile) -> set[tuple[int, str, str]]:
        """Return (book, cap, subject) of every counter that a profile may touch, whatever its lot's day."""
        return {(self.seq, cap, subject) for touched in self.touches(profile) for cap, subject, _ in touched}

    def touches(self, profile: Profile) -> list[tuple[tuple[str, str, bool], ...]]:
        """Return what lots of a profile touch, for each stretch of days between two on which the book changes.

        That is cap, subject and whether it is in doubt: profiles alike in this do the same to every counter.
        """
        found = []
        for segment, day in enumerate((date.min, *self.book.boundaries)):
            touched = self._touched.get((profile.sha256, segment))
            if touched is None:
                touched = self._touched[profile.sha256, segment] = self._touch(profile, day)
            found.append(tuple([(each.cap.name, each.subject, each.doubt) for each in touched]))
        return found

    def span_of(self, key: Key) -> Span:
        """Return the window of a counter."""
        cap = self.caps[key.cap]
        return (window_of(cap, key.window) if key.window > date.min else None) or cap.window.span

    def _touches(self, profile: Profile, lot_day: date) -> tuple[_Touch, ...]:
        segment = profile.sha256, bisect_right(self.book.boundaries, lot_day)
        touched = self._touched.get(segment)
        if touched is None:
            touched = self._touched[segment] = self._touch(profile, lot_day)
        return touched

    def _change(self, profile: Profile, lot_day: date, stage: str, cause: str) -> tuple[tuple[_Touch, int, int], ...]:
        """Return the counters that entries of a stage and cause change, each with what one chip adds now and later."""
        found = [(touch, *signs(touch.cap, stage, cause)) for touch in self._touches(profile, lot_day)]
        return tuple((touch, now, later) for touch, now, later in found if now or later)

    def _touch(self, profile: Profile, lot_day: date) -> tuple[_Touch, ...]:
        touched = []
        destination = self.book.place(profile.destination)
        for n, (cap, truth) in enumerate(zip(self.book.caps, self._conditions.truths(profile, lot_day), strict=True)):
            if truth is False or cap.exempts(destination, lot_day):
                continue
            values = [(name, subject_value(name, profile, self.book, lot_day)) for name in cap.kept_by]
            subject = ",".join(f"{name}={value}" for name, value in values) or EVERYONE
            doubt = truth is None or any(value == UNKNOWN for _, value in values)
            kept = cap.kept_for(destination)
            if cap.counts_only is not None and holds(cap.counts_only, profile, self.book, lot_day) is True:
                kept = kept.watched()
            touched.append(_Touch(kept, subject, doubt, self._windows[n]))
        return tuple(touched)


def signs(cap: Cap, stage: str, cause: str) -> tuple[int, int]:
    """Return what one chip of an entry adds to a cap's counter on its day, and after its lot's last day."""
    weight = WEIGHTS[cap.counts].get(stage)
    if weight is None or not (cause in ALWAYS_BACK or cause in cap.gives_back or stage == "open"):
        return 0, 0
    if stage == "authorized":
        return 1, -1
    if cap.counts != "granted":
        return weight, 0
    if stage == "reserved":
        return 1, -1
    if stage == "open":
        return 0, -1 if "unshipped" in cap.gives_back else 0
    return weight, 0


def window_of(cap: Cap, lot_day: date) -> Span | None:
    """Return the window that a lot of that day is counted in; past the last one, the undetermined time after it."""
    span = cap.window.on(lot_day)
    until = cap.window.span.until
    if span is None and cap.window.after == "undetermined" and until is not None and lot_day >= until:
        return Span(until, None)
    return span


def limit_on(cap: Cap, day: date) -> Decimal | None:
    """Return a cap's limit on a day in its unit, tolerance included; None where it is undetermined.

    Not to be asked of an unlimited one.
    """
    until = cap.window.span.until
    if until is not None and day >= until:
        return None
    amount = cap.limit.on(day)
    return amount if amount is None or not cap.tolerance else cap.enforced(amount)


def _rolled(changes: list[tuple[date, int]], until: date) -> list[tuple[date, int]]:
    """Return changes in a rolling window: what is before its end is taken back on the day the lot leaves it."""
    kept = [(day, sign) for day, sign in changes if day < until]
    return [*kept, *((until, -sign) for _, sign in kept)]


def _amount(sign: int, chips: int | None, tpp: Decimal, doubt: bool) -> Amount:
    if sign < 0:
        chips, tpp = None if chips is None else -chips, -tpp
    if chips is None:
        return Amount(ZERO, 0, tpp, 0, tpp) if doubt else Amount(tpp, 0, ZERO, 0, tpp)
    return made(Amount, (ZERO, 0, tpp, chips, ZERO) if doubt else (tpp, chips, ZERO, 0, ZERO))
