"""How often an exporter may ask about caps that it shares, and how long those wait who try wrong secrets too often."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict

from ledger.core.errors import Problem

MOST_KEPT = 10_000
HELD_SECONDS = 1.0
MOST_HELD = 100


class TooOften(Problem):
    """An exporter asks more often than it may; nothing was told."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            "too_many_questions", "You ask more often than the caps that you share with others allow.",
            f"Ask again in {seconds} s. What you post is not counted.",
        )  # fmt: skip
        self.headers = {"Retry-After": str(seconds)}


class Pacing:
    """Counts questions by party, in this process: so many at once, refilled over a minute. Any thread may ask.

    a_minute: 0 where nobody is counted.
    """

    def __init__(self, a_minute: int) -> None:
        self._most = float(a_minute)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # by party: questions left, and as of when
        self._lock = threading.Lock()

    def take(self, party: str, now: float) -> None:
        """Count one question of a party, "" where who asks is none and is not counted. Raises `TooOften`.

        now: seconds of a clock that never goes back.
        """
        if not party or not self._most:
            return
        with self._lock:
            left, then = self._left.get(party, (self._most, now))
            left = min(self._most, left + (now - then) * self._most / 60)
            if left < 1:
                raise TooOften(int((1 - left) * 60 / self._most) + 1)
            self._left[party] = left - 1, now
            self._left.move_to_end(party)
            while len(self._left) > MOST_KEPT:  # whoever asked longest ago has its questions back
                self._left.popitem(last=False)


class HeldBack:
    """Keeps those waiting for a moment who try wrong secrets too often; not so many that they fill the server."""

    def __init__(self) -> None:
        self._held = 0

    async def wait(self) -> None:
        """Wait; where many wait already, do not."""
        if self._held >= MOST_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(HELD_SECONDS)
        finally:
            self._held -= 1
