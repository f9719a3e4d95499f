"""Files in: CSV of movements, parties, authorizations, ratings and notices, read row by row and posted in batches."""

from ledger.files.batches import Answer, post_each, post_together
from ledger.files.columns import KINDS
from ledger.files.items import Item
from ledger.files.requests import read_requests

__all__ = ["KINDS", "Answer", "Item", "post_each", "post_together", "read_requests"]
