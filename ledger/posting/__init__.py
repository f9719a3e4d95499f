"""The one door for writing."""

from ledger.posting.requests import Asker, Receipt, Request
from ledger.posting.writer import Writer

__all__ = ["Asker", "Receipt", "Request", "Writer"]
