"""Reconciling: the journal against its projections, totals against caps, and what lapsed."""

from ledger.reconcile.caps import Run, reconcile_caps, reconcile_past
from ledger.reconcile.checking import CheckReport, Difference, check, rebuild
from ledger.reconcile.lapsing import lapse

__all__ = ["CheckReport", "Difference", "Run", "check", "lapse", "rebuild", "reconcile_caps", "reconcile_past"]
