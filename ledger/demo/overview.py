"""What the ledger says of each country with licenses, under the adopted rulebook and, by the same lens, another.

Amounts and states are those of the ledger's own reports; here they are only put beside each other. What is merely
listed never entered the journal: it comes from the list of deals itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ledger import reference
from ledger.core import counters
from ledger.core.compute import last_day_of
from ledger.core.facts import Authorization
from ledger.core.lens import EVERYONE, limit_on
from ledger.core.rulebook import All, Cap, Limit
from ledger.demo import record
from ledger.demo.values import (
    UNLIMITED,
    Answer,
    Beside,
    Book,
    Country,
    Dispute,
    License,
    Listed,
    Overview,
    Source,
    Sources,
    UnderBook,
)
from ledger.reports import (
    CapLeft,
    CapStanding,
    Reader,
    Remaining,
    Usage,
    View,
    discrepancies,
    remaining,
    standings,
    usage,
)  # fmt: skip
from ledger.reports.remaining import BLOCKING

LICENSE = "license"  # the kind of authorization, and what binds a recipient's row: the quantity it was licensed
PERMIT = "permit"
NO_CAP = "no cap"  # the state of a country under a book of which no cap that refuses is kept for it
NOTHING = Decimal(0)

# A license as a cap on what is shipped under it, so that the one function that tells states tells this one too.
_DRAWN = Cap(name=LICENSE, law="", counts="shipped", where=All(), limit=Limit())


def overview(reader: Reader, *, on: date, compared: str) -> Overview:
    """Return what is licensed on a day in every country, under the adopted rulebook and under the one compared."""
    sources = Sources()
    with reader.view(on=on) as view:
        licensed = _licensed(view, sources)
        day = _Day.of(view)
        adopted = {code: _under(day, code, licenses) for code, licenses in licensed.items()}
        books = [_book(view)]
        disputes = tuple(
            Dispute(
                each.id, each.class_, each.subject, each.cap, each.window.isoformat() if each.window else "",
                each.effective_on, each.note,
            )
            for each in discrepancies(view)
            if each.effective_on <= on
        )  # fmt: skip
        journal = view.known
    with reader.view(on=on, known=journal, rulebook=compared) as view:
        day = _Day.of(view)
        beside = {code: _under(day, code, licenses) for code, licenses in licensed.items()}
        books.append(_book(view))
    countries = tuple(_country(code, (adopted[code], beside[code]), licensed[code]) for code in licensed)
    listed = tuple(_listed(on, sources))
    numbered = tuple(Source(number, text) for text, number in sources.numbers.items())
    return Overview(on, journal, tuple(book for book in books if book), countries, listed, disputes, numbered)


def _book(view: View) -> Book | None:
    adoption = view.adoption
    if adoption is None:
        return None
    return Book(adoption.book.name, adoption.book.revision, adoption.book.title, view.book is None)


def _country(code: str, books: tuple[UnderBook, ...], licenses: Sequence[License]) -> Country:
    counted = tuple(each for each in licenses if each.licensed_tpp is not None)
    confirmed = all(each.confidence == record.CONFIRMED for each in counted)
    known = reference.countries().get(code)
    return Country(
        code,
        known.name if known else code,
        record.CONFIRMED if confirmed else record.UNCONFIRMED,
        books,
        counted,
        tuple(each for each in licenses if each.licensed_tpp is None),
    )


def _licensed(view: View, sources: Sources) -> dict[str, list[License]]:
    """Return the licenses issued by the view's day, by country, the country with the most TPP first."""
    totals = {each.subject: each for each in usage(view, "authorization")}
    adoption = view.adoption
    found: dict[str, list[License]] = {each.subject: [] for each in usage(view, "destination")}
    for terms in _issued(view):
        country = adoption.book.place(terms.destination) if adoption else terms.destination
        license = _license(view, terms, country, totals.get(terms.authorization), sources)
        found.setdefault(country, []).append(license)
    return {country: licenses for country, licenses in found.items() if licenses}


def _issued(view: View) -> Iterator[Authorization]:
    knowledge = view.position.knowledge
    for name in knowledge.authorizations:
        terms = knowledge.authorization(name, view.on)
        if terms and terms.kind == LICENSE and (terms.first_day is None or terms.first_day <= view.on):
            yield terms


def _license(view: View, terms: Authorization, country: str, total: Usage | None, sources: Sources) -> License:
    deal = next((deal for deal in reference.deals() if deal.deal_id == terms.authorization), None)
    party = view.position.knowledge.party(terms.recipient, view.on)
    licensed = left = None
    shipped, state = NOTHING, "undetermined"
    if total is not None:
        licensed, shipped, left = total.tpp["licensed"], total.tpp["shipped"], total.tpp["open"]
        state = counters.state(_DRAWN, shipped, NOTHING, licensed) if terms.state == "active" else terms.state
    return License(
        authorization=terms.authorization,
        country=country,
        recipient=terms.recipient,
        name=party.name if party else terms.recipient,
        stated_date=terms.stated_date or str(terms.first_day or ""),
        stated=record.said(deal) if deal else f"{terms.quantity} {terms.unit}".strip(),
        status=terms.status or terms.state,
        licensed_tpp=licensed,
        shipped_tpp=shipped,
        limit_tpp=licensed,
        left_tpp=left,
        binding_cap=LICENSE,
        state=state,
        confidence=terms.confidence or record.UNCONFIRMED,
        doubt="; ".join(record.doubts(deal)) if deal else "",
        sources=sources.of(terms.source),
    )


@dataclass(frozen=True, slots=True)
class _Day:
    """What a view's reports say of its day, each asked once."""

    view: View
    totals: Mapping[str, Usage]
    standings: Mapping[tuple[str, str], CapStanding]

    @classmethod
    def of(cls, view: View) -> _Day:
        totals = {each.subject: each for each in usage(view, "destination")}
        return cls(view, totals, {(each.cap, each.subject): each for each in standings(view)})

    def at(self, cap: CapLeft) -> Beside:
        """Return how a cap stands on the day itself; `remaining` tells the worst day from then on."""
        told = self.standings.get((cap.cap, cap.subject))
        adoption = self.view.adoption
        assert adoption  # a cap is of a book
        if told:
            used, limit, left, state = told.used + told.doubt, told.limit, told.left, told.state
        else:
            written = next(each for each in adoption.book.caps if each.name == cap.cap).of_subject(cap.subject)
            used, limit = NOTHING, None if written.limit.unlimited else limit_on(written, self.view.on)
            left, state = limit, str(counters.state(written, NOTHING, NOTHING, limit, self.view.on))
        return Beside(
            cap.cap, cap.subject, cap.law, cap.status, cap.when_exceeded, cap.window, cap.unit, used, limit, left,
            state, cap.confidence,
        )  # fmt: skip


def _under(day: _Day, code: str, licenses: Sequence[License]) -> UnderBook:
    """Return how a country stands under the view's rulebook, and what one more license would meet there."""
    view, total, own = day.view, day.totals.get(code), f"destination={code}"
    answers = list(_asked(view, code, licenses))
    touched = {(cap.cap, cap.subject): cap for _, left in answers for cap in left.caps if _is_of_all(cap.subject)}
    kept = {key: day.at(cap) for key, cap in touched.items()}
    binding = [kept[key] for key, cap in touched.items() if cap.binds and cap.subject == own]
    bound = min(binding, key=_room, default=None)
    licensed = counted = total.tpp["licensed"] if total else None
    if bound and bound.unit == "TPP" and total:
        counted = bound.used
    adoption = view.adoption
    return UnderBook(
        rulebook=adoption.book.name if adoption else "",
        is_adopted=view.book is None,
        tier=(adoption.book.tier(code, view.on) if adoption else None) or "unknown",
        licensed_tpp=counted,
        uncounted_tpp=(licensed or NOTHING) - (counted or NOTHING),
        shipped_tpp=total.tpp["shipped"] if total else NOTHING,
        binding_cap=bound.cap if bound else UNLIMITED,
        law=bound.law if bound else "",
        window=bound.window if bound else "",
        unit=bound.unit if bound else "TPP",
        used=bound.used if bound else NOTHING,
        limit=bound.limit if bound else None,
        left=bound.left if bound else None,
        state=bound.state if bound else NO_CAP,
        rules=tuple(
            Answer(asked, chip, recipient, _answer(left), "+".join(left.rules))
            for (asked, chip, recipient), left in answers
        ),
        beside=tuple(cap for cap in kept.values() if cap is not bound),
    )


def _is_of_all(subject: str) -> bool:
    """Return whether a counter is kept for no party: what it says holds for whoever asks."""
    return {part.partition("=")[0] for part in subject.split(",")} <= {"destination", "tier", "chip", EVERYONE}


def _asked(view: View, code: str, licenses: Sequence[License]) -> Iterator[tuple[tuple[str, str, str], Remaining]]:
    """Yield what is left of one more license for each recipient there: of the chips of its license, if it names any."""
    knowledge = view.position.knowledge
    asked: dict[tuple[str, str, str], None] = {}
    for license in licenses:
        terms = knowledge.authorization(license.authorization)
        if terms and terms.chips:
            asked |= dict.fromkeys((chip, chip, license.recipient) for chip in terms.chips)
        else:
            asked[license.name, reference.REFERENCE_CHIP, license.recipient] = None
    for named, chip, recipient in asked:
        left = remaining(view, destination=code, recipient=recipient, chip=chip, authorization=LICENSE)
        yield (named, chip, recipient), left


def _answer(left: Remaining) -> str:
    if not left.why:
        return PERMIT
    return left.binding_cap if left.binding_cap in BLOCKING else "undetermined"


def _room(cap: Beside) -> Decimal:
    return Decimal("-Infinity") if cap.left is None else cap.left


def _listed(on: date, sources: Sources) -> Iterator[Listed]:
    for deal in record.listed():
        if last_day_of(deal.date) <= on:
            yield Listed(
                deal.deal_id, deal.date, deal.country, deal.recipient, record.said(deal), deal.hardware, deal.status,
                deal.parent_deal, record.confidence(deal), sources.of(deal.source),
            )  # fmt: skip
