"""What a party may name: an authorization, a lot or a record that is not its own is not known to it.

Answered like what nobody knows, so that no party finds out by guessing what another has. The operator may name all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.core.lens import Entry
from ledger.core.lots import Lot
from ledger.core.profile import Profile
from ledger.core.refusals.case import OPERATOR
from ledger.core.resolving import Missing, Resolved


def not_theirs(asker: str, asked: Resolved, lot: Lot | None) -> Iterator[Missing]:
    """Yield what a line names that is another party's: a license of others, a lot in which the asker has no part."""
    if asker == OPERATOR:
        return
    terms, of = asked.authorization, asked.line.of
    if terms and terms.exporter and asker not in (terms.exporter, terms.recipient):
        yield Missing("unknown_authorization", "authorization", asked.line.authorization)
    if lot and of and not _has_part(asker, lot.profile):
        yield Missing("unknown_movement", "of", f"{of[0]}.{of[1]}")


def is_theirs(asker: str, entries: Iterable[Entry]) -> bool:
    """Return whether a party may name a movement's record, to reverse it: one in which it has a part."""
    return asker == OPERATOR or any(_has_part(asker, entry.profile) for entry in entries)


def _has_part(asker: str, facts: Profile) -> bool:
    seats = (facts.exporter, facts.recipient, facts.owner, facts.operator)
    return any(seat is not None and seat.party == asker for seat in seats)
