"""Rulebook values: lists, tiers, rules, caps, windows and limits, as a dated policy document states them.

A value here is what a document says once its readings are chosen and its references are resolved. Reading YAML is
`ledger.rulebooks`; asking what a movement touches is `ledger.core.lens`. `from` is included, `until` is excluded.
"""

from __future__ import annotations

from ledger.core.rulebook.book import Parameter, Rulebook
from ledger.core.rulebook.caps import (
    Amendment,
    Bound,
    Cap,
    Counts,
    Limit,
    LimitShare,
    Share,
    Unit,
    Window,
    dimensions_of,
)
from ledger.core.rulebook.duties import Dates, Due, Duty, Each, Every, First, OneShipment, Reaches
from ledger.core.rulebook.lists import ALWAYS, Member, NamedList, Span
from ledger.core.rulebook.pauses import PAUSED, Pause, PauseKind
from ledger.core.rulebook.rules import All, Answer, Any, Condition, Control, Reading, RequiredParty, Rule, Test

__all__ = [
    "ALWAYS", "PAUSED", "All", "Amendment", "Answer", "Any", "Bound", "Cap", "Condition", "Control", "Counts",
    "Dates", "Due", "Duty", "Each", "Every", "First", "Limit", "LimitShare", "Member", "NamedList", "OneShipment",
    "Parameter", "Pause", "PauseKind", "Reaches", "Reading", "RequiredParty", "Rule", "Rulebook", "Share", "Span",
    "Test", "Unit", "Window", "dimensions_of",
]  # fmt: skip
