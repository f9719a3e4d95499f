"""What was judged on what a writer remembers, before anybody has looked whether that is still so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.posting.batch import Batch
from ledger.posting.judging import Outcome
from ledger.posting.requests import Receipt
from ledger.store.writing import Rows


@dataclass(frozen=True, slots=True)
class Ahead:
    """What some requests come to, and the statement's parameters that write it, if the journal has not grown since."""

    outcomes: Sequence[Outcome]
    batch: Batch
    rows: Rows
    parameters: Sequence[str]

    def receipts(self) -> list[Receipt]:
        """Return the receipts of the requests, in order; they are true once it is written."""
        return receipts_of(self.outcomes, self.batch)


def receipts_of(outcomes: Sequence[Outcome], batch: Batch) -> list[Receipt]:
    """Return receipts with the leaf hash of each record that was just written."""
    return [_receipt(outcome, batch) for outcome in outcomes]


def _receipt(outcome: Outcome, batch: Batch) -> Receipt:
    receipt = outcome if isinstance(outcome, Receipt) else Receipt("posted", outcome[0].request.key, outcome[1])
    if receipt.seq is None or receipt.seq <= batch.size:
        return receipt
    said = receipt.message or batch.said.get(receipt.seq, "")
    return receipt._replace(message=said, leaf_hash=batch.leaves[receipt.seq - batch.size - 1].hex())
