"""What is owed by duties, as the one who asks may see it."""

from __future__ import annotations

from ledger.access import wall
from ledger.access.principal import Principal
from ledger.access.sight import may_ask
from ledger.access.telling import is_trusted
from ledger.core.duties import Owed
from ledger.reports import View, duties

EXPORTER = "exporter"  # the role in which a party owes what comes of its own chips


def duties_for(principal: Principal, view: View, *, met: bool = True) -> list[Owed]:
    """Return what is owed, as its asker may see it: an exporter sees what it owes itself.

    Of that the database is asked whether the party is the one who asks, and, of what it owes as the exporter, whether
    the records are its own. What it owes as the owner or recipient of another's chips is about a record of the other's.

    A duty may come about when a shared counter reaches an amount: as known at past records, or under another book, it
    would tell by what others moved.

    Args:
        met: what was done, too.

    Raises:
        Problem: `forbidden`.
    """
    found = duties(view, party=may_ask(principal, view), met=met)
    if is_trusted(principal):
        return found
    own = wall.shown(view.conn, principal, {each.party for each in found}, "party")
    records = {number for each in found if each.role == EXPORTER for number in _records(each)}
    shown = wall.shown(view.conn, principal, records, "posted")
    return [each for each in found if each.party in own and (each.role != EXPORTER or shown.issuperset(_records(each)))]


def _records(owed: Owed) -> list[int]:
    return [number for number in (owed.record, owed.met_by) if number]
