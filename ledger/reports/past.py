"""What sums came to on a day as known at a past record: a few of the answers that were given last.

The past never changes, so an answer stays true for as long as the projections it was read from stand.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from threading import Lock
from typing import Any, TypeVar, cast

T = TypeVar("T", bound=Mapping[Any, Any])
MOST_ANSWERS = 48
MOST_AMOUNTS = 50_000  # of all answers together


class Past:
    """Answers by what was asked. Shared by all readers of one database, in threads of their own.

    Nothing is kept of a view that found the projections made anew: they may have been so since its snapshot was taken.
    """

    def __init__(self) -> None:
        self._made = 0
        self._answers: OrderedDict[Hashable, Mapping[Any, Any]] = OrderedDict()
        self._lock = Lock()

    def look(self, made: int) -> int:
        """Return under which making of the projections a view's answers may be kept: the one told, or 0 for none."""
        with self._lock:
            if made == self._made:
                return made
            self._made = made
            self._answers.clear()
            return 0

    def of(self, made: int, asked: Hashable, answer: Callable[[], T]) -> T:
        """Return the answer to what is asked, which nobody may change: the one given before, or one made now."""
        with self._lock:
            found = self._answers.get(asked) if made and made == self._made else None
            if found is not None:
                self._answers.move_to_end(asked)
                return cast("T", found)
        made_now = answer()
        with self._lock:
            if made and made == self._made:
                self._answers[asked] = made_now
                while len(self._answers) > MOST_ANSWERS or sum(map(len, self._answers.values())) > MOST_AMOUNTS:
                    self._answers.popitem(last=False)
        return made_now
