"""Asking a rulebook again what was refused: on the position as it was at that record, by the code that posts."""

from __future__ import annotations

import json
from typing import Any

from ledger.core.deciding import judge
from ledger.core.position import Position
from ledger.core.refusals import Refusal
from ledger.posting import Request, authorizing
from ledger.posting.registering import register
from ledger.posting.requests import read

# A refusal for any other reason comes before these, and no rulebook changes it.
TURNS_ON_A_BOOK = frozenset({"undetermined", "not_permitted", "cap_exceeded"})


def refusal_in(judgment: bytes) -> tuple[str, str]:
    """Return code and message of a recorded refusal."""
    refusal = json.loads(judgment)["refusal"]
    return refusal["code"], refusal["message"]


def admits(payload: dict[str, Any], position: Position, seq: int) -> bool:
    """Return whether what record `seq` asked for is admitted on a position."""
    actor, observed = payload["actor"], payload["voice"] == "observation"
    asked = read(Request(payload["kind"], payload["key"], payload["body"], observed), is_recorded=True)
    if asked.movement:
        return judge(asked.movement, observed=observed, asker=actor, position=position, seq=seq).refusal is None
    registered = register(asked, actor, position.knowledge)
    if isinstance(registered, Refusal):
        return False
    moves = authorizing.moves(registered, position, seq)
    return moves is not None and moves.judged.refusal is None
