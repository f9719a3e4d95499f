"""The public record of deals as files that `capledger post` takes: parties, ratings, authorizations, movements.

Only what was licensed, with a chip and a quantity, becomes a grant. What was licensed without them becomes an
authorization of undetermined size, which grants nothing. The rest of the list never enters the journal.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ledger import reference
from ledger.core.facts import UNKNOWN, Party
from ledger.reference import Deal

GRANT, UNDETERMINED, LISTED = "grant", "authorization of undetermined size", "listed"  # what `counts` may say
CONFIRMED, UNCONFIRMED = "confirmed", "unconfirmed"
PARTIES, RATINGS, AUTHORIZATIONS, MOVEMENTS = FILES = (
    "parties.csv", "ratings.csv", "authorizations.csv", "movements.csv"
)  # fmt: skip

Row = Mapping[str, str]


def write(folder: Path) -> None:
    """Write the four files into a folder, in which they are posted in the order of FILES. The same every time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in zip(FILES, (parties(), ratings(), authorizations(), movements()), strict=True):
        unfinished = folder / f".{name}.{os.getpid()}"
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        unfinished.replace(folder / name)  # whoever reads the file meanwhile has one whole


def parties() -> Sequence[Row]:
    """Return the parties of the list, then one for each licensed recipient that it only describes."""
    rows = [
        {
            "party_id": party.party,
            "name": party.name,
            "roles": ";".join(party.roles),
            "headquarters": party.headquarters,
            "ultimate_parent": party.ultimate_parent,
            "from": party.valid_from.isoformat() if party.valid_from else "",
            "confidence": party.confidence,
            "source": "",
            "note": party.note,
        }
        for party in reference.parties()
    ]
    for deal in recorded():
        if not deal.party_id:
            party = _described(deal)
            rows.append(
                {
                    "party_id": party.party,
                    "name": party.name,
                    "roles": "recipient",
                    "headquarters": party.headquarters,
                    "ultimate_parent": party.ultimate_parent,
                    "from": "",
                    "confidence": party.confidence,
                    "source": deal.source,
                    "note": party.note,
                }
            )
    return rows


def ratings() -> Sequence[Row]:
    """Return the chip catalog; a first rating has no first day."""
    return reference.table("chips")


def authorizations() -> Sequence[Row]:
    """Return a license for each deal that was licensed; one of undetermined size states no quantity.

    A license in equivalents may be drawn by any chip, so that it names none. No last day was published of any.
    """
    return [
        {
            "authorization_id": deal.deal_id,
            "change": "issued",
            "kind": "license",
            "recipient": recipient(deal).party,
            "destination": deal.country,
            "chips": deal.chip_id if unit(deal) != "equivalents" else "",
            "first_day": deal.date,
            "quantity": deal.quantity if deal.counts == GRANT else "",
            "unit": unit(deal) if deal.counts == GRANT else "",
            "conditions": deal.terms,
            "parent_deal": deal.parent_deal,
            "stated_date": deal.date,
            "effective_on": deal.date,
            "status": deal.status,
            "confidence": confidence(deal),
            "source": deal.source,
            "note": _note(deal),
        }
        for deal in recorded()
    ]


def movements() -> Sequence[Row]:
    """Return an observed grant for each deal with a chip and a quantity; who exports was rarely published."""
    return [
        {
            "key": f"grant:{deal.deal_id}",
            "movement": "grant",
            "effective_on": deal.date,
            "chip": deal.chip_id,
            "quantity": deal.quantity,
            "unit": unit(deal),
            "destination": deal.country,
            "recipient": recipient(deal).party,
            "authorization": deal.deal_id,
            "source": deal.source,
            "confidence": confidence(deal),
            "note": _note(deal),
        }
        for deal in recorded()
        if deal.counts == GRANT
    ]


def recorded() -> Iterator[Deal]:
    """Yield the deals that enter the journal, in the order of the list."""
    return (deal for deal in reference.deals() if deal.counts in (GRANT, UNDETERMINED))


def listed() -> Iterator[Deal]:
    """Yield the plans, announcements and frameworks that are shown and never counted."""
    return (deal for deal in reference.deals() if deal.counts == LISTED)


def recipient(deal: Deal) -> Party:
    """Return the party that a deal licenses chips to."""
    return next((party for party in reference.parties() if party.party == deal.party_id), _described(deal))


def unit(deal: Deal) -> str:
    """Return the unit of a deal's quantity as the ledger counts it; "" where it counts none like it."""
    if deal.unit.endswith("-equivalent"):
        return "equivalents"
    return "chips" if deal.unit in ("chips", "GPUs") else ""


def confidence(deal: Deal) -> str:
    """Return the weakest of the marks that a deal rests on: its own, its recipient's, its chip's."""
    return UNCONFIRMED if doubts(deal) else CONFIRMED


def said(deal: Deal) -> str:
    """Return the quantity of a deal in its own words and unit, with thousands separated."""
    if not deal.quantity.isdigit():
        return deal.quantity or deal.unit or "no quantity"
    several = "s" if deal.unit.endswith("-equivalent") else ""
    return f"{int(deal.quantity):,} {deal.unit}{several}"


def _described(deal: Deal) -> Party:
    """Return a party of a deal's own for a recipient that is not named: that two deals describe one is not known."""
    return Party(
        party=f"{deal.deal_id}:recipient",
        name=deal.recipient,
        roles=("recipient",),
        headquarters=UNKNOWN,
        ultimate_parent=UNKNOWN,
        confidence=UNCONFIRMED,
        note="described in the deal, not named",
    )


def doubts(deal: Deal) -> list[str]:
    """Return what of a deal is not confirmed: itself, its recipient, its chip's rating."""
    party = recipient(deal) if deal.party_id or deal.counts != LISTED else None
    doubts = ["the deal"] if deal.confidence != CONFIRMED else []
    doubts += [f"the recipient, {party.note}"] if party and party.confidence != CONFIRMED else []
    doubts += ["the chip's rating"] if deal.chip_id and reference.chip(deal.chip_id).confidence != CONFIRMED else []
    return doubts


def _note(deal: Deal) -> str:
    """Return what else was published of a deal, and what of it is not confirmed."""
    told = {
        "hardware": deal.hardware,
        "published quantity": said(deal),
        "period": deal.period,
        "operator or exporter": deal.operator_or_exporter,
        "note": deal.note,
        "unconfirmed": "; ".join(doubts(deal)),
    }
    return _joined(f"{label}: {text}" for label, text in told.items() if text)


def _joined(parts: Iterable[str]) -> str:
    return ". ".join(part.rstrip(".") for part in parts) + "."
