"""Total processing performance: figures as text, ratings of chips, control classes and equivalents, all exact.

TPP = 2 x MacTOPS x bit length of the operation, summed over the processing units of one integrated circuit
(technical note 1 to 3A090). A datasheet's dense TOPS already count one multiply-accumulate as two operations, so
TPP = dense TOPS x bits; the 2 is not applied again. No binary floating point and no silent rounding anywhere here.
"""

from __future__ import annotations

from ledger.core.compute.figures import count, grouped, last_day_of, number, plain, product
from ledger.core.compute.performance import (
    BIT_LENGTHS,
    ControlClass,
    Rate,
    bit_length,
    control_class,
    equivalents,
    equivalents_tpp,
    performance_density,
    rate,
    rate_pairs,
    rate_tpp,
    sparse_rate,
    system_tpp,
    tpp_per_ic,
)
from ledger.core.compute.rows import chip_from_row

__all__ = [
    "BIT_LENGTHS",
    "ControlClass",
    "Rate",
    "bit_length",
    "chip_from_row",
    "control_class",
    "count",
    "equivalents",
    "equivalents_tpp",
    "grouped",
    "last_day_of",
    "number",
    "performance_density",
    "plain",
    "product",
    "rate",
    "rate_pairs",
    "rate_tpp",
    "sparse_rate",
    "system_tpp",
    "tpp_per_ic",
]
