"""How far listed parties own a party: shares in it, added up, through owners that are owned as far themselves.

One figure serves every threshold. A party is owned at least X in a hundred by listed parties, directly or through
chains each link of which is itself owned at least X in aggregate, exactly where its figure is X or more: it is the
greatest X for which that holds. Only stated shares count; a circle of owners holds up nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from ledger.core.compute import plain
from ledger.core.facts import Ownership

LISTED = "listed"  # the role of a party that is on the Entity List, or on another list that the rule names
WHOLE, NONE = Decimal(100), Decimal(0)
Shares = tuple[tuple[str, str, str], ...]


class Reach(NamedTuple):
    """How far listed parties own a party, 0 to 100, and the shares it rests on: (owner, percentage, owned).

    A party that is listed itself has 100, which rests on no share.
    """

    share: Decimal = NONE
    rests_on: Shares = ()


def reach(name: str, owners: Callable[[str], Sequence[Ownership]], is_listed: Callable[[str], bool]) -> Reach:
    """Return how far listed parties own a party. owners: who owns part of one, on the day; is_listed: on the day."""
    held = _upward(name, owners, is_listed)
    levels = {party: WHOLE if is_listed(party) else NONE for party in held}
    rises = True
    while rises:  # from below: what only holds itself up stays at nothing
        rises = False
        for party, shares in held.items():
            level = _level(shares, levels)
            if level > levels[party]:
                levels[party], rises = level, True
    return Reach(levels[name], _rests_on(name, held, levels) if levels[name] else ())


def _upward(
    name: str, owners: Callable[[str], Sequence[Ownership]], is_listed: Callable[[str], bool]
) -> dict[str, Sequence[Ownership]]:
    """Return the shares in a party and in each of its owners, up to those that are listed themselves."""
    held: dict[str, Sequence[Ownership]] = {}
    waiting = [name]
    while waiting:
        party = waiting.pop()
        if party not in held:
            held[party] = () if is_listed(party) else owners(party)
            waiting += [share.owner for share in held[party]]
    return held


def _level(shares: Sequence[Ownership], levels: Mapping[str, Decimal]) -> Decimal:
    """Return the greatest X for which owners of at least that level hold at least X together."""
    best = together = NONE
    for share in sorted(shares, key=lambda each: -levels[each.owner]):
        together += share.percentage
        best = max(best, min(levels[share.owner], together))
    return best


def _rests_on(name: str, held: Mapping[str, Sequence[Ownership]], levels: Mapping[str, Decimal]) -> Shares:
    found: dict[str, list[tuple[str, str, str]]] = {}
    waiting = [name]
    while waiting:
        party = waiting.pop(0)
        if party in found:
            continue
        counted = [share for share in held[party] if levels[share.owner] >= levels[name]]
        found[party] = [(share.owner, plain(share.percentage), party) for share in counted]
        waiting += [share.owner for share in counted]
    return tuple(share for shares in found.values() for share in shares)
