"""Back-testing: the whole journal under another rulebook, as if it had been in force from the beginning."""

from ledger.backtest.running import LISTED, backtest
from ledger.backtest.values import Admitted, Asked, Backtest, Finding, Refused, Stood, Subject, TierTotal, UnderBook

__all__ = [
    "LISTED", "Admitted", "Asked", "Backtest", "Finding", "Refused", "Stood", "Subject", "TierTotal", "UnderBook",
    "backtest",
]  # fmt: skip
