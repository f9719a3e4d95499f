"""What concerns a statement besides its movements: the caps that it counts in, and discrepancies as they were known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date

from ledger.core import counters
from ledger.core.facts import UNKNOWN
from ledger.core.lens import NOTHING, Amount, Key, Lens
from ledger.core.rulebook import dimensions_of
from ledger.core.shown import part_of, shown_subject, window_in
from ledger.reports.discrepancies import Discrepancy, said_by
from ledger.reports.reader import View
from ledger.reports.remaining import window_text
from ledger.reports.standings import amounts_of_keys, of_amounts
from ledger.reports.statement.reading import Scope
from ledger.reports.statement.values import CapTouched, Concern
from ledger.store.alike import used_on
from schema.queries import SQL

Touched = frozenset[tuple[str, str]]  # caps and the subjects they are kept for


def caps_touched(scope: Scope, last: date) -> tuple[tuple[CapTouched, ...], Touched]:
    """Return the counters of the book of the last day in which something of the statement counts by then."""
    view = scope.view
    adoption = view.adoption
    if adoption is None or not scope.ids:
        return (), frozenset()
    lens = view.position.lenses[adoption.seq]
    own = used_on(view.conn, lens, view.profiles, view.known, last, only=scope.ids)
    named: dict[tuple[str, str, str], Amount] = {}  # by cap, subject and window, groups as owned on the day
    for key, amount in own.items():
        subject = shown_subject(key.subject, lens.caps[key.cap], view.position.knowledge.groups, last)
        shown = key.cap, subject, window_text(lens.span_of(key))
        named[shown] = named.get(shown, NOTHING).plus(amount)
    used = amounts_of_keys(view, adoption, {*own, *_kin(view, lens, own)})
    caps = []
    for standing in of_amounts(used, adoption, view.position.knowledge, last):
        touched = named.get((standing.cap, standing.subject, standing.window))
        if touched is not None:
            certain, _, _ = counters.measured(touched, lens.caps[standing.cap].limit.unit)
            caps.append(CapTouched(standing, certain, touched.tpp + touched.doubt_tpp))
    return tuple(caps), frozenset((cap, subject) for cap, subject, _ in named)


def _kin(view: View, lens: Lens, own: Iterable[Key]) -> Iterator[Key]:
    """Yield the counters of whoever is in a group with an owner of some, and of what these are a share of."""
    groups = view.position.knowledge.groups
    unknown: set[str] = set()  # caps of owners whose group nobody knows: they are shown as one
    for key in own:
        cap = lens.caps[key.cap]
        kept = {key}
        if cap.limit.share:
            base = lens.caps[cap.limit.share.of]
            kept.add(Key(key.book, base.name, part_of(key.subject, base), window_in(base, key.window)))
        for each in kept:
            if not lens.caps[each.cap].is_grouped:
                yield each
                continue
            dimensions = dimensions_of(each.subject)
            if groups.top(dimensions["owner"], view.on) == UNKNOWN:
                unknown.add(each.cap)
                continue
            for owner in groups.memberships(dimensions["owner"], view.on)[0].owners:
                yield each._replace(subject=_subject(dimensions | {"owner": owner}))
    for name in unknown:
        for key in view.position.keys_of(lens.seq, name):
            if groups.top(dimensions_of(key.subject)["owner"], view.on) == UNKNOWN:
                yield key


def _subject(dimensions: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in dimensions.items())


def concerns(scope: Scope, touched: Touched, first: date, last: date) -> tuple[Concern, ...]:
    """Return the discrepancies that concern a statement, as they were known: dated by its last day, and not resolved
    or dated in its days.

    One concerns it where a record with chips of its own caused it, where it is about a cap that they count in, or where
    it names the exporter, recipient, country or an authorization of the statement. One that is about another exporter,
    recipient or country does not.
    """
    view = scope.view
    rows = view.conn.execute(SQL["discrepancies_opened"], {"known": view.known, "day": last}).fetchall()
    caused = {row[0]: json.loads(row[-1])["body"].get("by") for row in rows}
    wanted = [by for by in caused.values() if by is not None]
    own = {seq for (seq,) in scope.rows("records_touching", seqs=wanted)} if wanted else set()
    profiles = view.profiles.get(scope.ids)
    licenses = {profiles[number].authorization for number in scope.ids} - {""}
    known = said_by(view, rows)
    found = []
    for row in rows:
        id_, class_, book, cap, subject, window, amount, unit, day, opened_at, *_ = row
        state, owner, note = known[id_]
        if state == "resolved" and day < first:
            continue
        named = dict(part.split("=", 1) for part in subject.split(",") if "=" in part)
        is_own = caused[id_] in own
        about = _is_about(scope, named)
        if about is False or not (
            is_own or about or (cap, subject) in touched or named.get("authorization") in licenses
        ):
            continue
        told = Discrepancy(
            id_,
            class_,
            book or "",
            cap or "",
            subject,
            window,
            amount,
            unit,
            day,
            opened_at.astimezone(UTC),
            owner,
            state,
            note,
        )
        found.append(Concern(told, is_own))
    return tuple(found)


def _is_about(scope: Scope, named: dict[str, str]) -> bool | None:
    """Return whether a discrepancy's subject names what the statement is of; None where it names neither."""
    asked = {"exporter": scope.exporter, "recipient": scope.recipient, "destination": scope.country}
    answers = [named[name] == value for name, value in asked.items() if value and name in named]
    return all(answers) if answers else None
