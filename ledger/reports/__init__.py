"""What the ledger says on a day, as known on a day: remaining, usage, standings, history."""

from ledger.reports.discrepancies import Discrepancy, discrepancies
from ledger.reports.explaining import Explained, explained
from ledger.reports.history import Happening, history
from ledger.reports.reader import Reader, View
from ledger.reports.remaining import CapLeft, Remaining, explain, remaining
from ledger.reports.standings import CapStanding, standings
from ledger.reports.usage import DIMENSIONS, Usage, usage

__all__ = [
    "DIMENSIONS",
    "CapLeft",
    "CapStanding",
    "Discrepancy",
    "Explained",
    "Happening",
    "Reader",
    "Remaining",
    "Usage",
    "View",
    "discrepancies",
    "explain",
    "explained",
    "history",
    "remaining",
    "standings",
    "usage",
]
