"""Facts as they are asked to be registered: parties, ratings, authorizations, adoptions, closed periods.

Each reader takes plain text and returns the fact and its body: what was asked, blanks left out, before defaults.
"""

from ledger.core.registrations.authorizations import AUTHORIZATION_FIELDS, authorization
from ledger.core.registrations.bodies import from_body, to_body
from ledger.core.registrations.others import (
    ADOPTION_FIELDS,
    DISCREPANCY_FIELDS,
    NOTICE_FIELDS,
    PERIOD_FIELDS,
    notice,
    rating,
)
from ledger.core.registrations.parties import (
    OWNERSHIP_FIELDS,
    PARTY_FIELDS,
    STOCK_FIELDS,
    STOCK_LINE_FIELDS,
    ownership,
    party,
    stock,
)
from ledger.core.registrations.reading import Reader, read

__all__ = [
    "ADOPTION_FIELDS", "AUTHORIZATION_FIELDS", "DISCREPANCY_FIELDS", "NOTICE_FIELDS", "OWNERSHIP_FIELDS",
    "PARTY_FIELDS", "PERIOD_FIELDS", "STOCK_FIELDS", "STOCK_LINE_FIELDS", "Reader", "authorization", "from_body",
    "notice", "ownership", "party", "rating", "read", "stock", "to_body",
]  # fmt: skip
