"""Deciding: one movement on one position, to a judgment. Pure; nothing is posted here.

Both voices meet the same rules in the same order. A request that meets a reason to refuse is refused with the first of
them; an observation is kept, and each thing it broke is named so that a discrepancy can be opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from ledger.core.lens import Entry, Key
from ledger.core.looking import look
from ledger.core.lots import Lot
from ledger.core.movements import OBSERVED_KINDS, RULED_KINDS, Movement
from ledger.core.pausing import held_back
from ledger.core.planning import Plan, Planner
from ledger.core.position import Merged, Position
from ledger.core.profile import Profile
from ledger.core.refusals import (
    ALWAYS_REFUSES,
    OPERATOR,
    PRECEDENCE,
    REASONS,
    Case,
    Looked,
    Refusal,
    caps_are_exceeded,
    of_cap,
    of_shrunk,
)  # fmt: skip
from ledger.core.refusals.reasons import names_something_unknown, period_is_closed, rules_do_not_permit
from ledger.core.resolving import Missing, Resolved, resolve
from ledger.core.rulebook import PAUSED
from ledger.core.rules import RuleAnswer
from ledger.core.theirs import is_theirs, not_theirs

Voice = Literal["request", "observation"]
LOTS_AHEAD = 3  # lots of which counters are fetched ahead
NO_BOOK = RuleAnswer(
    "undetermined", (), "", "No rulebook is in force on that day.", "Adopt one that covers the day, then ask again."
)


@dataclass(slots=True)
class Judged:
    """What deciding found. refusal is None where the movement is posted; breaches open discrepancies.

    rulebook: the adoption in force on the movement's day, 0 where none is. Its readings are the ones chosen.
    """

    movement: Movement
    refusal: Refusal | None
    breaches: list[Refusal]
    entries: list[Entry]
    opened: list[Lot]
    effects: Merged
    looked: list[Looked]
    answers: list[tuple[Resolved, RuleAnswer]]
    lines: list[Resolved] = field(default_factory=list)
    rulebook: int = 0
    shrunk: list[Looked] = field(default_factory=list)

    @property
    def caps(self) -> list[Looked]:
        """Every cap that was looked at: those that it changes, and the shares whose base it lowers too far."""
        return [*self.looked, *self.shrunk] if self.shrunk else self.looked

    @property
    def binding(self) -> Looked | None:
        """The refusing cap that admits fewest of the movement's chips; ties by rulebook order."""
        limited = [each for each in self.looked if each.cap.when_exceeded == "refuse" and not each.cap.limit.unlimited]
        return min(limited, key=_room, default=None)


def voice_of(movement: Movement, observed: bool) -> Voice:
    """Return the voice of a movement: receipts, returns and retirements are observations, whoever reports them."""
    return "observation" if observed or movement.kind in OBSERVED_KINDS else "request"


def judge(movement: Movement, *, observed: bool, asker: str, position: Position, seq: int) -> Judged:
    """Return the judgment of a movement that would become record `seq`. The position is not changed."""
    observed = voice_of(movement, observed) == "observation"
    missing: list[Missing] = []
    lines: list[Resolved] = []
    for number, line in enumerate(movement.lines, 1):
        known = resolve(movement, number, line, position)
        if isinstance(known, list):
            missing += known
        else:
            lines.append(known)
            missing += not_theirs(asker, known, position.lot(line.of) if line.of else None)
        if line.of and position.lot(line.of) is None:
            missing.append(Missing("unknown_movement", "of", f"{line.of[0]}.{line.of[1]}"))
    exporter = "" if movement.lines else movement.exporter  # of a reverse; else its lines ask for it
    if exporter and position.knowledge.party(exporter, movement.effective_on) is None:
        missing.append(Missing("unknown_party", "exporter", exporter))
    plan, restored = _plan(movement, lines, missing, position, seq, asker)
    effects = position.effects(plan.entries)
    case = Case(movement, observed and not restored, asker, position, missing, lines, plan, [], [])
    if not missing:
        case.answers = _ask_rules(movement, lines, position)
        case.looked, case.shrunk = look(effects, position)
        case.looked = held_back(case.looked, plan.entries, position)
    found = [refusal for reason in REASONS for refusal in reason(case)]
    flagged = [of_cap(each, case) for each in case.looked if _is_flagged(each, case)]
    refusal = None
    if found and not case.observed:
        refusal = min(found, key=_precedence)
    elif found:
        refusal = next((each for each in found if each.code in ALWAYS_REFUSES), None)
    breaches = [] if refusal else _breaches(case, [*found, *flagged, *map(of_shrunk, case.shrunk)])
    return Judged(
        movement, refusal, breaches, plan.entries, plan.opened, effects, case.looked, case.answers, lines,
        _in_force(movement, position), case.shrunk,
    )  # fmt: skip


def judge_entries(
    movement: Movement, entries: list[Entry], position: Position, *, opened: list[Lot] | None = None,
    observed: bool = False,
) -> Judged:  # fmt: skip
    """Return the judgment of entries that follow from another record: only caps may refuse them.

    Those that are observed are kept, and what they break is named.
    """
    effects = position.effects(entries)
    looked, shrunk = look(effects, position)
    looked = held_back(looked, entries, position)
    case = Case(movement, observed, OPERATOR, position, [], [], Plan(), [], looked, shrunk)
    found = list(caps_are_exceeded(case))
    flagged = [of_cap(each, case) for each in looked if _is_flagged(each, case)]
    refusal = None if observed else min(found, key=_precedence, default=None)
    breaches = [] if refusal else _breaches(case, [*found, *flagged, *map(of_shrunk, shrunk)])
    return Judged(
        movement, refusal, breaches, entries, opened or [], effects, looked, [],
        rulebook=_in_force(movement, position), shrunk=shrunk,
    )  # fmt: skip


def judge_models(
    movement: Movement, asked: Resolved | list[Missing] | None, entries: list[Entry], opened: list[Lot],
    position: Position,
) -> Judged:  # fmt: skip
    """Return the judgment of what an authorization for models does. Rules are asked only of what is `asked` for."""
    missing = asked if isinstance(asked, list) else []
    lines = [asked] if isinstance(asked, Resolved) else []
    day = movement.effective_on
    adoption = position.book_on(day)
    rules = position.rules[adoption.seq] if adoption else None
    answers = [(line, rules.answer(line.profile, day) if rules else NO_BOOK) for line in lines]
    effects = position.effects(entries)
    looked, shrunk = look(effects, position)
    case = Case(movement, False, OPERATOR, position, missing, lines, Plan(), answers, looked, shrunk)
    reasons = (names_something_unknown, period_is_closed, rules_do_not_permit, caps_are_exceeded)
    refusal = min((found for reason in reasons for found in reason(case)), key=_precedence, default=None)
    flagged = [each for each in looked if each.cap.when_exceeded == "flag" and each.standing.finding == "exceeded"]
    breaches = [] if refusal else _breaches(case, [of_cap(each, case) for each in flagged])
    return Judged(
        movement, refusal, breaches, entries, opened, effects, looked, answers, lines, _in_force(movement, position)
    )


def keys_of(known: Resolved, day: date, position: Position) -> set[Key]:
    """Return the counters that judging a line may look at: its own, and those of the lots it may draw on.

    What was returned for a profile and day, or for a lot, is not returned again.
    """
    keys: set[Key] = set()
    foreseen, profile = position.foreseen, known.profile
    if (profile.sha256, day) not in foreseen:
        foreseen.add((profile.sha256, day))
        _foresee(profile, day, position, keys)
    lots = position.by_authorization.get(known.line.authorization) or position.moving.get(known.place) or ()
    for lot in lots[:LOTS_AHEAD]:
        if lot.ref not in foreseen:
            foreseen.add(lot.ref)
            _foresee(lot.profile, lot.day, position, keys)
    return keys


def _foresee(profile: Profile, day: date, position: Position, keys: set[Key]) -> None:
    for lens in position.lenses.values():
        seen = (profile.sha256, lens.seq, lens.era(day))
        if seen not in position.foreseen:
            position.foreseen.add(seen)
            keys.update(lens.keys(profile, day))


def _plan(
    movement: Movement, lines: list[Resolved], missing: list[Missing], position: Position, seq: int, asker: str
) -> tuple[Plan, bool]:
    """Return the plan, and whether it restores what an earlier movement did (which is always a request)."""
    if movement.kind != "reverse":
        return (Plan(), False) if missing else (Planner(movement, position, seq).run(lines), False)
    entries = position.entries_of(movement.reverses)
    if entries is None or not is_theirs(asker, entries):
        missing.append(Missing("unknown_movement", "reverses", str(movement.reverses)))
        return Plan(), True
    if position.reversed_by(movement.reverses):
        missing.append(Missing("unknown_movement", "reverses", _why_not(movement, position)))
        return Plan(), True
    return Planner(movement, position, seq).reverse(entries), True


def _why_not(movement: Movement, position: Position) -> str:
    return f"{movement.reverses}, already reversed by {position.reversed_by(movement.reverses)}"


def _ask_rules(movement: Movement, lines: list[Resolved], position: Position) -> list[tuple[Resolved, RuleAnswer]]:
    if movement.kind not in RULED_KINDS:
        return []
    adoption = position.book_on(movement.effective_on)
    if adoption is None:
        return [(line, NO_BOOK) for line in lines]
    rules = position.rules[adoption.seq]
    return [(line, rules.answer(line.profile, movement.effective_on)) for line in lines]


def _in_force(movement: Movement, position: Position) -> int:
    adoption = position.book_on(movement.effective_on)
    return adoption.seq if adoption else 0


def _is_flagged(looked: Looked, case: Case) -> bool:
    flagging = ("exceeded", *PAUSED, "undetermined") if case.observed else ("exceeded", *PAUSED)
    return looked.cap.when_exceeded == "flag" and looked.standing.finding in flagging


def _breaches(case: Case, found: list[Refusal]) -> list[Refusal]:
    """Return one breach per subject and window, with an exporter's late report among them."""
    late = case.observed and case.asker == case.movement.exporter and case.movement.kind == "ship"
    if late:
        found = [
            *found,
            Refusal("reported_after_the_fact", f"{case.asker} reported this shipment after it was made.", "",
                    f"exporter={case.asker}"),
        ]  # fmt: skip
    once = {(each.code, each.book, each.cap, each.subject, each.window): each for each in reversed(found)}
    return list(reversed(once.values()))


def _precedence(refusal: Refusal) -> int:
    return PRECEDENCE.index(refusal.code)


def _room(looked: Looked) -> tuple[int, object]:
    if looked.standing.finding in PAUSED:
        return (-1, date.min)
    left = looked.standing.left
    return (0, date.min) if left is None else (1, left - looked.standing.asked)
