"""What the ledger says on a day, as known on a day: remaining, usage, standings, history, proposals."""

from ledger.core.duties import Owed
from ledger.reports.ahead import fetch_together
from ledger.reports.checkpoint import Checkpoint, Growth, Inclusion, checkpoint, prove, prove_growth
from ledger.reports.discrepancies import Discrepancy, discrepancies
from ledger.reports.duties import duties
from ledger.reports.explaining import Explained, explained
from ledger.reports.history import Happening, history
from ledger.reports.holdings import Holding, holdings, together
from ledger.reports.proposals import Decision, Proposal, proposal, proposals, second_person, second_person_body
from ledger.reports.reader import Reader, View
from ledger.reports.records import AskedMovement, movements_after, party_of
from ledger.reports.remaining import CapLeft, Remaining, asked_of, explain, remaining, remaining_models
from ledger.reports.remembering import Moved
from ledger.reports.runs import RecordedRun, run, runs
from ledger.reports.standings import CapStanding, standings
from ledger.reports.statement import Statement, statement
from ledger.reports.usage import DIMENSIONS, Usage, usage

__all__ = [
    "DIMENSIONS",
    "AskedMovement",
    "CapLeft",
    "CapStanding",
    "Checkpoint",
    "Decision",
    "Discrepancy",
    "Explained",
    "Growth",
    "Happening",
    "Holding",
    "Inclusion",
    "Moved",
    "Owed",
    "Proposal",
    "Reader",
    "RecordedRun",
    "Remaining",
    "Statement",
    "Usage",
    "View",
    "asked_of",
    "checkpoint",
    "discrepancies",
    "duties",
    "explain",
    "explained",
    "fetch_together",
    "history",
    "holdings",
    "movements_after",
    "party_of",
    "proposal",
    "proposals",
    "prove",
    "prove_growth",
    "remaining",
    "remaining_models",
    "run",
    "runs",
    "second_person",
    "second_person_body",
    "standings",
    "statement",
    "together",
    "usage",
]
