"""The one door for writing."""

from ledger.posting.requests import Receipt, Request
from ledger.posting.writer import Writer

__all__ = ["Receipt", "Request", "Writer"]
