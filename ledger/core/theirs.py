"""What a party may name: an authorization or a lot that is not its own is not known to it.

Answered like what nobody knows, so that no party finds out by guessing what another has. The operator may name all.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.core.lots import Lot
from ledger.core.refusals.case import OPERATOR
from ledger.core.resolving import Missing, Resolved


def not_theirs(asker: str, asked: Resolved, lot: Lot | None) -> Iterator[Missing]:
    """Yield what a line names that is another party's: a license of others, a lot in which the asker has no part."""
    if asker == OPERATOR:
        return
    terms, of = asked.authorization, asked.line.of
    if terms and terms.exporter and asker not in (terms.exporter, terms.recipient):
        yield Missing("unknown_authorization", "authorization", asked.line.authorization)
    if lot and of:
        facts = lot.profile
        if all(
            seat is None or seat.party != asker
            for seat in (facts.exporter, facts.recipient, facts.owner, facts.operator)
        ):
            yield Missing("unknown_movement", "of", f"{of[0]}.{of[1]}")
