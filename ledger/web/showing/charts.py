"""Step charts: amounts by day against a limit, as paths in a box of 720 by 280. Whole numbers throughout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ledger.core.compute import grouped
from ledger.web.parts import Chart, Mark

WIDTH, HEIGHT = 720, 280
LEVELS = 4
ROOM = 18  # a label's height
_ROUND = ("1", "1.2", "1.6", "2", "2.4", "3", "4", "5", "6", "8", "10")
Step = tuple[date, Decimal]


@dataclass(frozen=True, slots=True)
class Box:
    """The days and amounts a chart covers, and where they are drawn."""

    first: date
    last: date
    top: Decimal

    def x(self, day: date) -> int:
        """Return where a day is, from the left."""
        days = max((self.last - self.first).days, 1)
        return max(0, min(WIDTH, (day - self.first).days * WIDTH // days))

    def y(self, amount: Decimal) -> int:
        """Return where an amount is, from the top."""
        return HEIGHT - max(0, min(HEIGHT, int(amount * HEIGHT / self.top)))


def step_chart(
    title: str, unit: str, used: Sequence[Step], limits: Sequence[tuple[date, Decimal | None]], *, first: date,
    last: date, on: date, critical_at: Decimal, events: Iterable[tuple[date, str]],
) -> Chart:  # fmt: skip
    """Return the chart of what was used at the end of each day, with the limit of each day where there is one.

    used, limits: from each day on, rising by day. events: what happened on a day, marked on the line of use.
    """
    amounts = [amount for _, amount in used] + [limit for _, limit in limits if limit is not None]
    box = Box(first, max(last, first), _round_up(max([*amounts, Decimal(1)])))
    now = _at(used, on)
    limit = next((each for day, each in reversed(limits) if day <= on), None)
    bands: list[tuple[int, int, str]] = []
    if limit is not None and limits and len({each for _, each in limits}) == 1:
        top, bottom = box.y(limit), box.y(limit * critical_at)
        bands = [(0, top, "over"), (top, bottom - top, "critical")]
    stated = f" of a limit of {grouped(limit)} {unit}" if limit is not None else ""
    says = f"Use by day from {box.first} to {box.last}: {grouped(now)} {unit} on {on}{stated}."
    return Chart(
        title, says, _path(used, box, min(box.last, max(on, box.first))),
        _limit_path(limits, box), tuple(bands), tuple(_levels(box)), tuple(_days(box)),
        tuple(Mark(box.x(day), box.y(_at(used, day)), f"{day}: {words}") for day, words in events
              if box.first <= day <= box.last),
        box.x(on) if box.first <= on <= box.last else None, unit, tuple(_labels(box, limits, limit, bands, on)),
    )  # fmt: skip


def _labels(
    box: Box, limits: Sequence[tuple[date, Decimal | None]], limit: Decimal | None,
    bands: Sequence[tuple[int, int, str]], on: date,
) -> Iterable[Mark]:  # fmt: skip
    """Yield what stands on the lines and in the bands, where there is room for it."""
    if limit is not None and limits:
        yield Mark(0, box.y(limit) - 6, f"limit {short(limit)}")
    for top, height, name in bands:
        if name == "critical" and height >= ROOM:
            yield Mark(0, top + height - 5, "critical")
    if box.first <= on <= box.last:
        yield Mark(box.x(on), HEIGHT - 6, f"{on}", "end" if box.x(on) > WIDTH // 2 else "start")


def _path(used: Sequence[Step], box: Box, until: date) -> str:
    at = box.y(_at(used, box.first))
    drawn = [f"M0 {at}"]
    for day, amount in used:
        if box.first < day <= until:
            drawn.append(f"H{box.x(day)}V{box.y(amount)}")
    return "".join([*drawn, f"H{box.x(until)}"])


def _limit_path(limits: Sequence[tuple[date, Decimal | None]], box: Box) -> str:
    drawn, is_down = "", False
    for n, (day, limit) in enumerate(limits):
        until = limits[n + 1][0] if n + 1 < len(limits) else box.last
        if limit is None or until < box.first or day > box.last:
            is_down = False
            continue
        start, y = box.x(max(day, box.first)), box.y(limit)
        drawn += f"V{y}" if is_down else f"M{start} {y}"
        drawn += f"H{box.x(min(until, box.last))}"
        is_down = True
    return drawn


def _levels(box: Box) -> Iterable[Mark]:
    for n in range(LEVELS + 1):
        amount = box.top * n / LEVELS
        yield Mark(0, box.y(amount), short(amount))


def _days(box: Box) -> Iterable[Mark]:
    yield Mark(0, 0, box.first.isoformat())
    middle = box.first + (box.last - box.first) // 2
    if (box.last - box.first).days > 60:
        yield Mark(box.x(middle), 0, middle.isoformat(), "middle")
    yield Mark(WIDTH, 0, box.last.isoformat(), "end")


def short(amount: Decimal) -> str:
    """Return an amount in few characters, for an axis: 790M, 1.5bn. Not exact: figures stand in the table."""
    for size, word in ((10**12, "tn"), (10**9, "bn"), (10**6, "M"), (10**3, "k")):
        if amount >= size:
            return f"{(amount / size).quantize(Decimal('0.01')).normalize():f}{word}"
    return f"{amount.quantize(Decimal('0.01')).normalize():f}"


def _round_up(amount: Decimal) -> Decimal:
    """Return a round amount that leaves some room above the greatest."""
    wanted = amount * Decimal("1.05")
    size = Decimal(10) ** wanted.adjusted()
    return next(size * Decimal(each) for each in _ROUND if size * Decimal(each) >= wanted)


def _at(used: Sequence[Step], on: date) -> Decimal:
    return next((amount for day, amount in reversed(used) if day <= on), Decimal(0))
