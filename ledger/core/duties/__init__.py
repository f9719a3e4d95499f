"""Who owes which notice by when: from postings, counters and authorizations, by the duties of a rulebook."""

from ledger.core.duties.owed import Act, Notices, Owed, in_order, party_of, settled
from ledger.core.duties.triggers import (
    Met,
    Reached,
    of_counter,
    of_dates,
    of_each,
    of_every,
    of_first,
    of_one_shipment,
    reached,
    reaching,
)

__all__ = [
    "Act", "Met", "Notices", "Owed", "Reached", "in_order", "of_counter", "of_dates", "of_each", "of_every", "of_first",
    "of_one_shipment", "party_of", "reached", "reaching", "settled",
]  # fmt: skip
