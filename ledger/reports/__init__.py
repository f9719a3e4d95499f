"""What the ledger says on a day, as known on a day: remaining, usage, standings, history, proposals."""

from ledger.core.duties import Owed
from ledger.reports.checkpoint import Checkpoint, Growth, Inclusion, checkpoint, prove, prove_growth
from ledger.reports.discrepancies import Discrepancy, discrepancies
from ledger.reports.duties import duties
from ledger.reports.history import Happening, history
from ledger.reports.proposals import Decision, Proposal, proposal, proposals, second_person, second_person_body
from ledger.reports.reader import Reader, View
from ledger.reports.remaining import CapLeft, Remaining, explain, remaining, remaining_models
from ledger.reports.standings import CapStanding, standings
from ledger.reports.statement import Statement, statement
from ledger.reports.usage import DIMENSIONS, Usage, usage

__all__ = [
    "DIMENSIONS",
    "CapLeft",
    "CapStanding",
    "Checkpoint",
    "Decision",
    "Discrepancy",
    "Growth",
    "Happening",
    "Inclusion",
    "Owed",
    "Proposal",
    "Reader",
    "Remaining",
    "Statement",
    "Usage",
    "View",
    "checkpoint",
    "discrepancies",
    "duties",
    "explain",
    "history",
    "proposal",
    "proposals",
    "prove",
    "prove_growth",
    "remaining",
    "remaining_models",
    "second_person",
    "second_person_body",
    "standings",
    "statement",
    "usage",
]
