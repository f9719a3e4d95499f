"""What the ledger says on a day, as known on a day: remaining, usage, standings, history."""

from ledger.reports.checkpoint import Checkpoint, Growth, Inclusion, checkpoint, prove, prove_growth
from ledger.reports.discrepancies import Discrepancy, discrepancies
from ledger.reports.history import Happening, history
from ledger.reports.reader import Reader, View
from ledger.reports.remaining import CapLeft, Remaining, explain, remaining
from ledger.reports.standings import CapStanding, standings
from ledger.reports.statement import Statement, statement
from ledger.reports.usage import DIMENSIONS, Usage, usage

__all__ = [
    "DIMENSIONS",
    "CapLeft",
    "CapStanding",
    "Checkpoint",
    "Discrepancy",
    "Growth",
    "Happening",
    "Inclusion",
    "Reader",
    "Remaining",
    "Statement",
    "Usage",
    "View",
    "checkpoint",
    "discrepancies",
    "explain",
    "history",
    "prove",
    "prove_growth",
    "remaining",
    "standings",
    "statement",
    "usage",
]
