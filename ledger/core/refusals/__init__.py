"""Every reason to refuse, in the order in which they are answered: the first that applies is the answer.

Each reason is one function; its docstring is the rule in a sentence, its message has the numbers in it, and its remedy
is something the asker can do.
"""

from ledger.core.refusals.capped import of_cap, of_shrunk, paused
from ledger.core.refusals.case import (
    ALWAYS_REFUSES,
    LEAVES_KEY_OPEN,
    NOT_RECORDED,
    OPERATOR,
    PRECEDENCE,
    Case,
    Looked,
    Refusal,
)
from ledger.core.refusals.reasons import REASONS, caps_are_exceeded

__all__ = [
    "ALWAYS_REFUSES",
    "LEAVES_KEY_OPEN",
    "NOT_RECORDED",
    "OPERATOR",
    "PRECEDENCE",
    "REASONS",
    "Case",
    "Looked",
    "Refusal",
    "caps_are_exceeded",
    "of_cap",
    "of_shrunk",
    "paused",
]
