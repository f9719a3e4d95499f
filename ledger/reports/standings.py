"""Every counter of a rulebook on a day, against its limit: what display, alert, reconciliation and export share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.core import counters
from ledger.core.compute import plain
from ledger.core.counters import negative
from ledger.core.knowledge import Adoption, Knowledge
from ledger.core.lens import NOTHING, Amount, Key, Lens, limit_on
from ledger.core.pausing import remark
from ledger.core.rulebook import PAUSED, dimensions_of
from ledger.core.shown import OnDay, on_day
from ledger.core.tested import is_tested_on
from ledger.reports.reader import View
from ledger.reports.remaining import window_text
from ledger.store.alike import used_on
from ledger.store.arrays import array, texts
from schema.queries import SQL


@dataclass(frozen=True, slots=True)
class CapStanding:
    """One counter on one day. Amounts are in `unit`; limit and left are None where undetermined or only watched.

    limit is the one enforced. left is a balance: of a cap that is suspended or blocked nothing of it can be drawn.
    remark: the limit as stated where it has a tolerance, and the period in which it is suspended or blocked.
    """

    book: str
    cap: str
    subject: str
    tier: str
    window: str
    unit: str
    limit: Decimal | None
    used: Decimal
    doubt: Decimal
    used_tpp: Decimal
    left: Decimal | None
    state: str
    law: str
    when_exceeded: str
    status: str
    confidence: str
    remark: str = ""

    def body(self) -> dict[str, Any]:
        """Return the standing as JSON, amounts as exact text."""
        amounts = {
            "limit": self.limit,
            "used": self.used,
            "doubt": self.doubt,
            "used_tpp": self.used_tpp,
            "left": self.left,
        }
        text = {name: None if amount is None else plain(amount) for name, amount in amounts.items()}
        return {
            "book": self.book, "cap": self.cap, "subject": self.subject, "tier": self.tier, "window": self.window,
            "unit": self.unit, **text, "state": self.state, "law": self.law, "when_exceeded": self.when_exceeded,
            "status": self.status, "confidence": self.confidence, **({"remark": self.remark} if self.remark else {}),
        }  # fmt: skip


def standings(
    view: View, *, limited: bool = False, caps: Sequence[str] = (), of: tuple[str, str] | None = None
) -> list[CapStanding]:
    """Return every counter of the book in force on the view's day that is in its window, by cap and subject.

    limited: leave out those that are only watched, of which there may be one for each party. caps: only of these. of:
    only those kept for a value of a dimension, such as ("destination", "AE"); "" is any dimension.
    """
    adoption = view.adoption
    if adoption is None:
        return []
    wanted = [
        cap.name for cap in adoption.book.caps
        if not (limited and cap.limit.unlimited) and (not caps or cap.name in caps)
    ]  # fmt: skip
    amounts: Mapping[Key, Amount]
    if of and view.is_kept:
        amounts = _amounts_of(view, adoption, *of)
    else:
        amounts = amounts_on(view, adoption, wanted if limited or caps else None)
    shares = {cap.name: cap.limit.share for cap in adoption.book.caps}
    bases = {share.of for key in amounts if (share := shares[key.cap])} - (set() if of else set(wanted))
    if bases:
        amounts = {**amounts, **amounts_on(view, adoption, list(bases))}
    found = of_amounts(amounts, adoption, view.position.knowledge, view.on)
    return [each for each in found if each.cap in wanted and (of is None or _is_of(each.subject, *of))]


def _is_of(subject: str, dimension: str, value: str) -> bool:
    """Return whether a subject names a value, in a dimension or, where none is named, in any."""
    return any(name in (dimension or name,) and said == value for name, said in dimensions_of(subject).items())


def _amounts_of(view: View, adoption: Adoption, dimension: str, value: str) -> dict[Key, Amount]:
    """Return what is used of the counters whose subject names a value, or an owner in the group that it names."""
    named = [f"{dimension}={value}"]
    if dimension in ("", "owner_group") and any(cap.is_grouped for cap in adoption.book.caps):
        knowledge = view.position.knowledge
        named += [f"owner={each}" for each in knowledge.parties if knowledge.groups.top(each, view.on) == value]
    wanted = {"book": adoption.seq, "day": view.on, "named": named}
    rows = view.conn.execute(SQL["counters_naming"], wanted)
    return {Key(adoption.seq, cap, subject, window): Amount(*rest) for cap, subject, window, *rest in rows}


def amounts_on(view: View, adoption: Adoption, caps: Sequence[str] | None = None) -> Mapping[Key, Amount]:
    """Return what is used of each counter of a book at the end of the view's day.

    caps: only of these; None is all.
    """
    if view.is_kept:
        query = SQL["counters_of_book" if caps is None else "counters_of_caps"]
        rows = view.conn.execute(query, {"book": adoption.seq, "day": view.on, "caps": list(caps or ())})
        return {Key(adoption.seq, cap, subject, window): Amount(*rest) for cap, subject, window, *rest in rows}
    names = frozenset(view.position.lenses[adoption.seq].caps if caps is None else caps)
    asked = adoption.seq, adoption.book.sha256, view.known, view.on, names
    return view.past.of(view.made, asked, lambda: _walked(view, adoption, names))


def amounts_of_keys(view: View, adoption: Adoption, keys: Iterable[Key]) -> Mapping[Key, Amount]:
    """Return the same of some counters only, as far as anything counted in them by then."""
    wanted = set(keys)
    if not view.is_kept:
        found = amounts_on(view, adoption, sorted({key.cap for key in wanted}))
        return {key: amount for key, amount in found.items() if key in wanted}
    of = {
        "book": adoption.seq, "day": view.on, "caps": texts([key.cap for key in wanted]),
        "subjects": texts([key.subject for key in wanted]), "windows": array([key.window for key in wanted]),
    }  # fmt: skip
    rows = view.conn.execute(SQL["counters_on"], of)
    return {Key(adoption.seq, cap, subject, window): Amount(*rest) for cap, subject, window, *rest in rows}


def _walked(view: View, adoption: Adoption, caps: Set[str]) -> dict[Key, Amount]:
    """Return the same from entries: all up to the view's record, or those after it taken off what is kept."""
    lens = view.position.lenses[adoption.seq]
    if not adoption.seq or view.known <= view.size - view.known:  # what is not adopted has no number
        return used_on(view.conn, lens, view.profiles, view.known, view.on, caps=caps)
    kept = amounts_on(replace(view, known=view.size), adoption, sorted(caps))
    later = used_on(view.conn, lens, view.profiles, view.size, view.on, caps=caps, after=view.known)
    return {**kept, **{key: kept.get(key, NOTHING).plus(negative(amount)) for key, amount in later.items()}}


def total_on(days: Mapping[date, Amount], on: date) -> Amount:
    """Return what daily changes add up to at the end of a day."""
    total = NOTHING
    for day, amount in days.items():
        if day <= on:
            total = total.plus(amount)
    return total


def of_amounts(amounts: Mapping[Key, Amount], adoption: Adoption, knowledge: Knowledge, on: date) -> list[CapStanding]:
    """Return how amounts stand against the limits of a book on a day, in the book's order of caps.

    amounts: of every counter of the book, as kept: a share is limited by another one's, a group is what its owners are.
    """
    order = {cap.name: n for n, cap in enumerate(adoption.book.caps)}
    found = on_day(amounts, Lens(adoption.book, adoption.seq), knowledge, on)
    return [_standing(adoption, each, on) for each in sorted(found, key=lambda each: (order[each.key.cap], each.key))]


def tier_of(subject: str, adoption: Adoption, on: date) -> str:
    """Return the tier that a counter's subject is in on a day: of its destination; "" where it has none."""
    dimensions = dict(part.split("=", 1) for part in subject.split(",") if "=" in part)
    if "tier" in dimensions:
        return dimensions["tier"]
    return adoption.book.tier(dimensions["destination"], on) or "" if "destination" in dimensions else ""


def _standing(adoption: Adoption, shown: OnDay, on: date) -> CapStanding:
    cap, subject, amount = shown.cap, shown.key.subject, shown.amount
    used, doubt, unstated = counters.measured(amount, cap.limit.unit)
    limit = None if cap.limit.unlimited else limit_on(cap, on)
    left = None if limit is None or unstated else limit - used - doubt
    state = counters.state(cap, used, doubt, limit, on)
    share = cap.limit.share
    if share and state == "over" and used <= share.fraction * (shown.base.tpp + shown.base.doubt_tpp):
        state = "undetermined"  # part of what it is a share of is in doubt
    if unstated and state not in ("watched", *PAUSED):
        state = "undetermined"
    if not is_tested_on(cap, on):
        state = "watched"
    return CapStanding(
        adoption.book.name, cap.name, subject, tier_of(subject, adoption, on), window_text(shown.span), cap.limit.unit,
        limit, used, doubt, amount.tpp + amount.doubt_tpp, left, state, cap.law, cap.when_exceeded, cap.status,
        cap.confidence, remark(cap, on),
    )  # fmt: skip
