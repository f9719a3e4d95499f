"""What the ledger says on a day, as known on a day: remaining, usage, standings, history."""

from ledger.reports.discrepancies import Discrepancy, discrepancies
from ledger.reports.explaining import Explained, explained
from ledger.reports.history import Happening, history
from ledger.reports.reader import Reader, View
from ledger.reports.records import AskedMovement, movements_after
from ledger.reports.remaining import CapLeft, Remaining, explain, remaining
from ledger.reports.runs import RecordedRun, run, runs
from ledger.reports.standings import CapStanding, standings
from ledger.reports.usage import DIMENSIONS, Usage, usage

__all__ = [
    "DIMENSIONS",
    "AskedMovement",
    "CapLeft",
    "CapStanding",
    "Discrepancy",
    "Explained",
    "Happening",
    "Reader",
    "RecordedRun",
    "Remaining",
    "Usage",
    "View",
    "discrepancies",
    "explain",
    "explained",
    "history",
    "movements_after",
    "remaining",
    "run",
    "runs",
    "standings",
    "usage",
]
