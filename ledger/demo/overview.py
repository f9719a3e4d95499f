"""What the ledger says of every country and license it holds, under the adopted rulebook and by the same lens another.

Figures come from the ledger's own reports; nothing is computed here but which of them stand together. The deals that
are only listed never entered the journal: they come from the list itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from ledger import reference
from ledger.core import counters
from ledger.core.compute import last_day_of, plain
from ledger.core.facts import Authorization
from ledger.core.rulebook import All, Cap, Limit
from ledger.demo import record
from ledger.reports import CapLeft, Reader, Remaining, Usage, View, remaining, usage
from ledger.reports.remaining import BLOCKING
from schema.queries import SQL

UNLIMITED, NO_CAP = "unlimited", "no cap"
LICENSE = "license"  # what binds a recipient's row: the quantity it was licensed


@dataclass(frozen=True, slots=True)
class UnderBook:
    """One country under one rulebook.

    licensed_tpp is what the cap counts, or all of it where no cap binds. limit, left: in the cap's unit, None where
    undetermined. rules: how the rules answer another license there, `permit` or the refusal's code, and who is asked
    about. flags: caps that only flag.
    """

    rulebook: str
    is_adopted: bool
    tier: str
    licensed_tpp: Decimal
    shipped_tpp: Decimal
    binding_cap: str
    unit: str
    limit: Decimal | None
    left: Decimal | None
    state: str
    uncounted_tpp: Decimal
    rules: tuple[tuple[str, str, str], ...]
    flags: tuple[CapLeft, ...]

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        return {
            "rulebook": self.rulebook,
            "adopted": self.is_adopted,
            "tier": self.tier,
            "licensed_tpp": plain(self.licensed_tpp),
            "shipped_tpp": plain(self.shipped_tpp),
            "binding_cap": self.binding_cap,
            "unit": self.unit,
            "limit": _exact(self.limit),
            "left": _exact(self.left),
            "state": self.state,
            "uncounted_tpp": plain(self.uncounted_tpp),
            "rules": [{"asked": asked, "answer": answer, "rules": rules} for asked, answer, rules in self.rules],
            "flags": [
                {"cap": cap.cap, "status": cap.status, "unit": cap.unit, "limit": _exact(cap.limit),
                 "used": plain(cap.used), "left": _exact(cap.remaining), "state": cap.state, "window": cap.window,
                 "confidence": cap.confidence}
                for cap in self.flags
            ],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class License:
    """One authorization: what was licensed is its cap, what is open is left. Amounts are None where undetermined."""

    authorization: str
    recipient: str
    name: str
    stated_date: str
    stated: str
    status: str
    licensed_tpp: Decimal | None
    shipped_tpp: Decimal
    open_tpp: Decimal | None
    state: str
    confidence: str
    sources: tuple[int, ...]

    def body(self) -> dict[str, Any]:
        """Return it as JSON, amounts as exact text."""
        return {
            "authorization": self.authorization,
            "recipient": self.recipient,
            "name": self.name,
            "date": self.stated_date,
            "stated": self.stated,
            "status": self.status,
            "licensed_tpp": _exact(self.licensed_tpp),
            "shipped_tpp": plain(self.shipped_tpp),
            "limit_tpp": _exact(self.licensed_tpp),
            "left_tpp": _exact(self.open_tpp),
            "binding_cap": LICENSE,
            "state": self.state,
            "confidence": self.confidence,
            "sources": list(self.sources),
        }


@dataclass(frozen=True, slots=True)
class Country:
    """One country: under each rulebook, and license by license."""

    code: str
    name: str
    books: tuple[UnderBook, ...]
    licenses: tuple[License, ...]

    @property
    def is_confirmed(self) -> bool:
        """Whether every license that is counted is confirmed."""
        counted = [each for each in self.licenses if each.licensed_tpp is not None]
        return all(each.confidence == record.CONFIRMED for each in counted)

    @property
    def undetermined(self) -> tuple[License, ...]:
        """The licenses of undetermined size: they come on top of what is counted."""
        return tuple(each for each in self.licenses if each.licensed_tpp is None)

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "country": self.code,
            "name": self.name,
            "confidence": record.CONFIRMED if self.is_confirmed else record.UNCONFIRMED,
            "rulebooks": [book.body() for book in self.books],
            "licenses": [each.body() for each in self.licenses],
            "licenses_of_undetermined_size": len(self.undetermined),
        }


@dataclass(frozen=True, slots=True)
class Listed:
    """A deal that is shown and never counted. part_of: the deal that it is a part of."""

    deal: str
    date: str
    country: str
    recipient: str
    stated: str
    status: str
    part_of: str
    confidence: str
    sources: tuple[int, ...]

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "deal": self.deal, "date": self.date, "country": self.country, "recipient": self.recipient,
            "stated": self.stated, "status": self.status, "part_of": self.part_of, "confidence": self.confidence,
            "sources": list(self.sources),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dispute:
    """A discrepancy that is not resolved."""

    id: int
    kind: str
    subject: str
    cap: str
    window: str
    day: date
    note: str

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "id": self.id, "class": self.kind, "subject": self.subject, "cap": self.cap, "window": self.window,
            "day": self.day.isoformat(), "note": self.note,
        }  # fmt: skip


@dataclass(slots=True)
class Sources:
    """Where figures come from, numbered in the order in which they are first named."""

    texts: dict[str, int] = field(default_factory=dict)

    def of(self, stated: str) -> tuple[int, ...]:
        """Return the numbers of the sources that a text names, separated by semicolons."""
        parts = [part.strip() for part in stated.split("; ") if part.strip()]
        return tuple(self.texts.setdefault(part, len(self.texts) + 1) for part in parts)


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it, with the day, the journal number and both rulebooks."""

    on: date
    journal: int
    adopted: str
    compared: str
    countries: tuple[Country, ...]
    listed: tuple[Listed, ...]
    disputes: tuple[Dispute, ...]
    sources: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "on": self.on.isoformat(),
            "journal": self.journal,
            "adopted": self.adopted,
            "compared": self.compared,
            "countries": [country.body() for country in self.countries],
            "listed": [each.body() for each in self.listed],
            "discrepancies": [each.body() for each in self.disputes],
            "sources": [{"number": n, "source": text} for n, text in enumerate(self.sources, 1)],
        }


def overview(reader: Reader, *, on: date, compared: str) -> Overview:
    """Return what is licensed on a day in every country, under the adopted rulebook and under the compared one."""
    sources = Sources()
    with reader.view(on=on) as view:
        licenses = _licenses(view, sources)
        under_adopted = {code: _under(view, code, of_it) for code, of_it in licenses.items()}
        disputes = tuple(_disputes(view))
        adopted, journal = str(view.stamp()["rulebook"]), view.known
    with reader.view(on=on, rulebook=compared, known=journal) as view:
        under_compared = {code: _under(view, code, of_it) for code, of_it in licenses.items()}
        named = str(view.stamp()["rulebook"])
    names = reference.countries()
    countries = tuple(
        Country(
            code,
            names[code].name if code in names else code,
            (under_adopted[code], under_compared[code]),
            tuple(license for _, license in of_it),
        )
        for code, of_it in licenses.items()
    )
    return Overview(
        on, journal, adopted, named, countries, tuple(_listed(on, sources)), disputes, tuple(sources.texts)
    )


Licensed = tuple[Authorization, License]


def _licenses(view: View, sources: Sources) -> dict[str, list[Licensed]]:
    """Return the licenses issued by the view's day, by country, the country with the most TPP first."""
    totals = {each.subject: each for each in usage(view, "authorization")}
    knowledge, place = view.position.knowledge, view.adoption.book.place if view.adoption else str
    found: dict[str, list[Licensed]] = {}
    for name in knowledge.authorizations:
        terms = knowledge.authorization(name, view.on)
        if terms is None or terms.kind != LICENSE or (terms.first_day and terms.first_day > view.on):
            continue
        party = knowledge.party(terms.recipient, view.on)
        license = _license(terms, party.name if party else terms.recipient, totals.get(name), sources)
        found.setdefault(place(terms.destination), []).append((terms, license))
    order = [each.subject for each in usage(view, "destination")]
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _license(terms: Authorization, name: str, total: Usage | None, sources: Sources) -> License:
    deal = next((deal for deal in reference.deals() if deal.deal_id == terms.authorization), None)
    licensed = open_tpp = None
    shipped, state = Decimal(0), "undetermined"
    if total is not None:
        licensed, shipped, open_tpp = total.tpp["licensed"], total.tpp["shipped"], total.tpp["open"]
        state = counters.state(_DRAWN, shipped, Decimal(0), licensed) if terms.state == "active" else terms.state
    return License(
        terms.authorization,
        terms.recipient,
        name,
        terms.stated_date or (terms.first_day.isoformat() if terms.first_day else ""),
        record.said(deal) if deal else " ".join(filter(None, (terms.quantity, terms.unit))),
        terms.status or terms.state,
        licensed,
        shipped,
        open_tpp,
        state,
        terms.confidence,
        sources.of(terms.source),
    )


# A license as a cap on what is shipped under it, so that the one function that tells states tells this one too.
_DRAWN = Cap(name=LICENSE, law="", counts="shipped", where=All(), limit=Limit())


def _under(view: View, code: str, licenses: Sequence[Licensed]) -> UnderBook:
    """Return how a country stands under the view's rulebook: what one more license would meet there."""
    total = next((each for each in usage(view, "destination") if each.subject == code), Usage(code))
    licensed_tpp = total.tpp["licensed"]
    answers = list(_asked(view, code, licenses))
    caps = {cap.cap: cap for _, answer in answers for cap in answer.caps if cap.subject == f"destination={code}"}
    bound = min((cap for cap in caps.values() if cap.binds), key=_room, default=None)
    adoption = view.adoption
    named = adoption.book.name if adoption else ""
    told = {
        "rulebook": named,
        "is_adopted": view.book is None,
        "tier": (adoption.book.tier(code, view.on) if adoption else None) or "unknown",
        "shipped_tpp": total.tpp["shipped"],
        "rules": tuple((asked, _answer(answer), "+".join(answer.rules)) for asked, answer in answers),
        "flags": tuple(cap for cap in caps.values() if not cap.binds),
    }
    if bound is None:
        return UnderBook(
            licensed_tpp=licensed_tpp, binding_cap=UNLIMITED, unit="TPP", limit=None, left=None, state=NO_CAP,
            uncounted_tpp=Decimal(0), **told,
        )  # fmt: skip
    counted = bound.used + bound.doubt if bound.unit == "TPP" else licensed_tpp
    return UnderBook(
        licensed_tpp=counted, binding_cap=bound.cap, unit=bound.unit, limit=bound.limit, left=bound.remaining,
        state=bound.state, uncounted_tpp=licensed_tpp - counted, **told,
    )  # fmt: skip


def _asked(view: View, code: str, licenses: Sequence[Licensed]) -> Iterator[tuple[str, Remaining]]:
    """Yield what is left of one more license for each recipient there, of its chip or else of the reference chip."""
    asked = dict.fromkeys((terms.recipient, (*terms.chips, reference.REFERENCE_CHIP)[0]) for terms, _ in licenses)
    for recipient, chip in asked:
        answer = remaining(view, destination=code, recipient=recipient, chip=chip, authorization=LICENSE)
        yield f"{chip} for {recipient}", answer


def _answer(answer: Remaining) -> str:
    if not answer.why:
        return "permit"
    return answer.binding_cap if answer.binding_cap in BLOCKING else "undetermined"


def _room(cap: CapLeft) -> Decimal:
    return Decimal("-Infinity") if cap.remaining is None else cap.remaining


def _listed(on: date, sources: Sources) -> Iterator[Listed]:
    for deal in record.listed():
        if last_day_of(deal.date) <= on:
            yield Listed(
                deal.deal_id, deal.date, deal.country, deal.recipient, record.said(deal), deal.status,
                deal.parent_deal, record.confidence(deal), sources.of(deal.source),
            )  # fmt: skip


def _disputes(view: View) -> Iterator[Dispute]:
    for number, kind, _, cap, subject, window, _, _, day, _, _, _, note in view.conn.execute(SQL["open_discrepancies"]):
        yield Dispute(number, kind, subject, cap or "", window.isoformat() if window else "", day, note)


def _exact(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
