"""What the ledger says on a day, as known on a day: remaining, usage, standings, history, proposals."""

from ledger.core.duties import Owed
from ledger.reports.discrepancies import Discrepancy, discrepancies
from ledger.reports.duties import duties
from ledger.reports.history import Happening, history
from ledger.reports.proposals import Decision, Proposal, proposal, proposals, second_person, second_person_body
from ledger.reports.reader import Reader, View
from ledger.reports.remaining import CapLeft, Remaining, explain, remaining
from ledger.reports.standings import CapStanding, standings
from ledger.reports.usage import DIMENSIONS, Usage, usage

__all__ = [
    "DIMENSIONS",
    "CapLeft",
    "CapStanding",
    "Decision",
    "Discrepancy",
    "Happening",
    "Owed",
    "Proposal",
    "Reader",
    "Remaining",
    "Usage",
    "View",
    "discrepancies",
    "duties",
    "explain",
    "history",
    "proposal",
    "proposals",
    "remaining",
    "second_person",
    "second_person_body",
    "standings",
    "usage",
]
