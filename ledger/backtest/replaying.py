"""Replaying the journal under one rulebook: each posting judged where it stands, then counted all the same.

Whether a posting fits is asked of the core, record by record, but only where the answer can be no: entries are taken
in at some thousands together, and a counter that all of their rises together do not bring to its limit is not asked
about each of them.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger.backtest.rows import Row, lowest, resolved
from ledger.core import counters
from ledger.core.counters import Counter, Standing
from ledger.core.facts import UNKNOWN
from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.lens import ZERO, Amount, Effect, Key, Lens
from ledger.core.movements import Movement
from ledger.core.pausing import paused
from ledger.core.planning import Plan
from ledger.core.position import Position, Source
from ledger.core.profile import Profile
from ledger.core.refusals import OPERATOR, PRECEDENCE, Case, Looked, Refusal, caps_are_exceeded
from ledger.core.refusals.reasons import rules_do_not_permit
from ledger.core.rulebook import Cap, Span
from ledger.core.rules import RuleAnswer, Rules
from ledger.core.tested import is_plain, stand, test_days, tested
from ledger.positions import timeline_of

RULED = frozenset(
    {"reserved", "licensed", "shipped", "installed", "authorized"}
)  # what a movement that rules are asked of opens


class Why(NamedTuple):
    """Why a posting would have been refused: each reason, the one that posting would answer first, and its day."""

    seq: int
    found: list[tuple[Refusal, date | None]]


@dataclass(slots=True)
class _Kept:
    """One counter as far as the journal was read. `rise`, `days`: what the entries at hand add to it, net by day.

    lowest: the least limit it ever has; None where one is undetermined. asked: whether it can refuse anything.
    """

    counter: Counter
    span: Span
    spans: list[Span]
    cap: Cap
    key: Key
    lowest: Decimal | None
    asked: bool
    in_chips: bool
    rise: Decimal = ZERO
    days: dict[date, Amount] = field(default_factory=dict)


@dataclass(slots=True)
class _Case:
    """What one record meets: what the rules said of lines that they do not permit, and the caps that do not fit.

    rows: its entries, where a cap does not fit.
    """

    answers: list[tuple[Row, RuleAnswer]] = field(default_factory=list)
    looked: list[Looked] = field(default_factory=list)
    rows: Sequence[Row] = ()


class Replaying:
    """The journal under one book, as far as it was read.

    knowledge: what is known by then; `learn` takes in what was recorded before a record. nothing: a source of counters
    that are not used yet.
    """

    def __init__(
        self, adoption: Adoption, lens: Lens, rules: Rules, profiles: dict[int, Profile], knowledge: Knowledge,
        learn: Callable[[int], None], nothing: Source, most: int,
    ) -> None:  # fmt: skip
        self.adoption, self.lens, self.rules, self.knowledge = adoption, lens, rules, knowledge
        self._profiles, self._learn, self._most = profiles, learn, most
        self.counters: dict[Key, Counter] = {}
        self.refused: list[Why] = []
        self.refused_seqs: list[int] = []
        self.refused_for: Tally[tuple[str, str]] = Tally()
        self._kept: dict[Key, _Kept] = {}
        self._timeline = timeline_of([adoption])
        self._here = self.position(nothing)

    def position(self, source: Source, knowledge: Knowledge | None = None) -> Position:
        """Return the position as far as the journal was read; knowledge: another than what was known by then."""
        return Position(
            knowledge or self.knowledge, source, self._timeline, {self.adoption.seq: self.lens},
            {self.adoption.seq: self.rules}, counters=self.counters,
        )  # fmt: skip

    def used(self) -> Iterator[tuple[Key, Counter, Cap, Span]]:
        """Yield each counter that anything counted in, with its cap and window."""
        for kept in self._kept.values():
            yield kept.key, kept.counter, kept.cap, kept.span

    def take(self, rows: Sequence[Row]) -> None:
        """Take in the entries of the next records, all of each."""
        effects, touched = self._effects(rows)
        cases = self._ask_rules(rows)
        risky = {id(kept) for kept in touched if self._may_refuse(kept)}
        bases = {kept.cap.limit.share.of for kept in touched if id(kept) in risky and kept.cap.limit.share}
        risky |= {id(kept) for kept in touched if kept.cap.name in bases}  # counted in the order of records, too
        if risky:
            self._ask_caps(rows, effects, risky, cases)
        for kept in touched:
            if id(kept) not in risky:
                for day, amount in kept.days.items():
                    kept.counter.add(day, amount)
            kept.rise, kept.days = ZERO, {}
        for seq in sorted(cases):
            self._note(seq, cases[seq])

    def _effects(self, rows: Sequence[Row]) -> tuple[list[list[Effect]], list[_Kept]]:
        """Return what each entry does, and the counters they touch, with all that they do to each."""
        found, touched = [], []
        lens, profiles, known = self.lens.effects, self._profiles, self._kept
        for _, _, stage, cause, _, profile, lot_day, on, last_day, chips, tpp in rows:
            effects = lens(stage, cause, profiles[profile], lot_day, on, last_day, chips, tpp)
            found.append(effects)
            for effect in effects:
                key, _, _, day, amount = effect
                kept = known.get(key)
                if kept is None:
                    kept = known[key] = self._keep(effect)
                days = kept.days
                if not days:
                    touched.append(kept)
                before = days.get(day)
                days[day] = amount if before is None else before.plus(amount)
                if kept.asked:
                    size = amount.chips + amount.doubt_chips if kept.in_chips else amount.tpp + amount.doubt_tpp
                    if size > 0:
                        kept.rise += size
        return found, touched

    def _keep(self, effect: Effect) -> _Kept:
        key, cap, span, _, _ = effect
        if cap.counts_only is not None:
            cap = self.lens.caps[key.cap].of_subject(key.subject)  # as it is for what does not only count
        counter = self.counters.get(key)
        if counter is None:
            counter = self.counters[key] = Counter()
        asked = cap.when_exceeded == "refuse" and not cap.limit.unlimited
        spans = self._here.spans_of(key.book, span)
        least = None if f"={UNKNOWN}" in key.subject else lowest(cap, span)
        return _Kept(counter, span, spans, cap, key, least, asked, cap.limit.unit != "TPP")

    def _may_refuse(self, kept: _Kept) -> bool:
        """Whether any of the entries at hand may bring a counter over, or meet something undetermined there."""
        if not kept.asked:
            return False
        if kept.lowest is None or kept.cap.pauses:
            return True
        if kept.in_chips and (kept.counter.has_unstated or any(each.unstated_tpp for each in kept.days.values())):
            return True
        if kept.counter.peak() + kept.rise <= kept.lowest:
            return False
        kept.counter.settle()  # the bound only ever grew
        return kept.counter.peak() + kept.rise > kept.lowest

    def _ask_rules(self, rows: Sequence[Row]) -> dict[int, _Case]:
        """Ask the rules of each line that opened a lot, as posting does; return where they do not permit."""
        cases: dict[int, _Case] = {}
        answer, profiles = self.rules.answer, self._profiles
        received: tuple[int, int] | None = None
        for row in rows:
            seq, line, stage, cause, lot_seq, profile, lot_day, _, _, chips, tpp = row
            if lot_seq != seq or cause or (tpp <= 0 and not (stage == "authorized" and (chips or 0) > 0)):
                continue
            if stage == "received":  # reported without a shipment: it opened a lot, and no rule is asked of it
                received = seq, line
            elif stage in RULED and (seq, line) != received:
                said = answer(profiles[profile], lot_day)
                if said.outcome != "permit":
                    cases.setdefault(seq, _Case()).answers.append((row, said))
        return cases

    def _ask_caps(
        self, rows: Sequence[Row], effects: list[list[Effect]], risky: set[int], cases: dict[int, _Case]
    ) -> None:
        """Ask the caps that may refuse about each record in turn, and count it."""
        at, count = 0, len(rows)
        while at < count:
            seq, first = rows[at].seq, at
            changes: dict[Key, dict[date, Amount]] = {}
            held: dict[Key, None] = {}  # to a limit
            while at < count and rows[at].seq == seq:
                for key, cap, _, day, amount in effects[at]:
                    if id(self._kept[key]) in risky:
                        if not cap.limit.unlimited:
                            held[key] = None
                        days = changes.setdefault(key, {})
                        before = days.get(day)
                        days[day] = amount if before is None else before.plus(amount)
                at += 1
            dated = max(row.day for row in rows[first:at])
            for key in held:
                looked = self._look(seq, key, changes, dated)
                if looked and looked.standing.finding != "fits":
                    case = cases.setdefault(seq, _Case())
                    if all(each.key != looked.key for each in case.looked):
                        case.looked.append(looked)
                    case.rows = rows[first:at]
            for key, days in changes.items():
                for day, amount in days.items():
                    self._kept[key].counter.add(day, amount)

    def _look(self, seq: int, key: Key, changes: Mapping[Key, Mapping[date, Amount]], dated: date) -> Looked | None:
        """Look at one cap whose counter a record changes, as posting does; None where it is not asked."""
        looked = self._looked_at(seq, key, changes)
        if looked is None or not looked.cap.pauses:
            return looked
        spans = self._kept[key].spans
        return looked._replace(
            standing=paused(looked.standing, looked.counter, looked.cap, looked.changes, spans, dated)
        )

    def _looked_at(self, seq: int, key: Key, changes: Mapping[Key, Mapping[date, Amount]]) -> Looked | None:
        kept, days = self._kept[key], changes[key]
        if not kept.asked:
            return None
        if is_plain(kept.cap):
            standing = _known(counters.test(kept.counter, kept.cap, days, kept.spans), key)
            return Looked(self.adoption, kept.cap, key, kept.span, standing, days, kept.counter)
        self._learn(seq)
        first = min(days)
        whole = tested(key, kept.cap, first, self._here, changes)
        spans = test_days(kept.cap.limit.share, kept.spans, first, whole.counter, whole.cap)
        if not spans or not whole.changes:
            return None
        standing = _known(stand(whole, spans), whole.key)
        return Looked(
            self.adoption, whole.cap, whole.key, kept.span, standing, whole.changes, whole.counter, whole.gain
        )

    def _note(self, seq: int, met: _Case) -> None:
        self.refused_for.update(_reasons(met))
        self.refused_seqs.append(seq)
        if len(self.refused) < self._most:
            self.refused.append(self._why(seq, met))

    def _why(self, seq: int, met: _Case) -> Why:
        """Return what posting would have found, in the order in which it answers."""
        answers = [(resolved(row, self._profiles[row.profile]), said) for row, said in met.answers]
        once = {row.line: row for row in reversed(met.rows)}
        lines = [resolved(row, self._profiles[row.profile]) for row in once.values()]
        case = Case(_NOTHING, False, OPERATOR, self._here, [], lines, Plan(), answers, met.looked)
        found = [*rules_do_not_permit(case), *caps_are_exceeded(case)]
        days = {(looked.cap.name, looked.key.subject): looked.standing.day for looked in met.looked}
        found.sort(key=lambda refusal: PRECEDENCE.index(refusal.code))
        return Why(seq, [(refusal, days.get((refusal.cap, refusal.subject))) for refusal in found])


def _known(standing: Standing, key: Key) -> Standing:
    return counters.of_nobody(standing) if f"={UNKNOWN}" in key.subject else standing


_NOTHING = Movement("", date.min, "", ())


def _reasons(met: _Case) -> dict[tuple[str, str], int]:
    """Return code and rule or cap of everything that `_why` finds, once each and without its words."""
    found = {(str(said.outcome), "+".join(said.rules) or "none"): 1 for _, said in met.answers}
    if any(code == "not_permitted" for code, _ in found):
        return found  # what a rule denies is not held against caps
    for each in met.looked:
        code = "undetermined" if each.standing.finding == "undetermined" else "cap_exceeded"
        found[code, each.cap.name] = 1
    return found
