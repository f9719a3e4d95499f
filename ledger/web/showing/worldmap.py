"""The world by tier: outlines projected once, shaded by tier and by how much of it is used.

Source: Natural Earth, 1:50m countries, public domain; projected to Equal Earth and simplified. Ten units are one of
1,000 across. What is too small for an outline is a dot; a few territories are in neither, and stand in the table.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from ledger import reference
from ledger.core.rulebook import Rulebook
from ledger.reports import CapStanding, View
from ledger.web.asking import Asked
from ledger.web.parts import SHAPES, Land, Map
from ledger.web.showing.standing import NEAR, country_name, percent, tiers_of

WIDTH, HEIGHT = 10_000, 4_350
SOURCE = "Outlines: Natural Earth, public domain."
HUES = 4  # tiers with a color of their own; further ones share the last
_NUMBERS = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Outline:
    """One country's shape: a path, or the point of a dot. center: where a mark goes."""

    code: str
    path: str
    center: tuple[int, int]

    @property
    def is_dot(self) -> bool:
        """Whether it is too small for an outline."""
        return not self.path


@cache
def outlines() -> tuple[Outline, ...]:
    """Return the shapes of the world, in the order of their codes; one that is no listed country has no code."""
    with (Path(__file__).parent / "world.csv").open(encoding="ascii", newline="") as file:
        return tuple(_outline(row) for row in csv.DictReader(file))


def world_map(
    view: View, stages: Mapping[str, Mapping[str, Decimal]], caps: Mapping[str, CapStanding], asked: Asked
) -> Map | None:  # fmt: skip
    """Return the map: each country's tier, whether chips are licensed there, and the state of its own cap; each leads
    to the country's page.

    stages: TPP by country and stage. caps: the country's cap that needs attention most, where it has one.
    """
    adoption = view.adoption
    if adoption is None:
        return None
    book = adoption.book
    tiers = tiers_of(book)
    lands = tuple(_land(each, book, tiers, view, stages, caps, asked) for each in outlines())
    legend = []
    for n, tier in enumerate(tiers):
        shade, word = f"tier-{min(n, HUES - 1)}", _tier_word(tier)
        legend += [(f"{shade}-none", f"{word}, nothing licensed"), (f"{shade}-some", f"{word}, licensed")]
        if any(land.shade == f"{shade}-full" for land in lands):
            legend.append((f"{shade}-full", f"{word}, its cap critical, exhausted or over"))
    over = sum(1 for each in caps.values() if each.state in NEAR)
    says = (
        f"World map of {book.name} on {view.on}: countries shaded by tier, darker where chips are licensed. "
        f"{over:,} {'country has' if over == 1 else 'countries have'} a cap that is critical, exhausted or over. Each "
        "country leads to its page; the table of countries says the same."
    )
    marks = tuple((SHAPES[name], f"cap {name}") for name in NEAR if any(land.mark == SHAPES[name] for land in lands))
    return Map(f"Use by tier, {view.on}", says, lands, tuple(legend), SOURCE, marks)


def _land(
    outline: Outline, book: Rulebook, tiers: list[str], view: View, stages: Mapping[str, Mapping[str, Decimal]],
    caps: Mapping[str, CapStanding], asked: Asked,
) -> Land:  # fmt: skip
    code = outline.code
    country = book.place(code) if code else ""
    tier = book.tier(code, view.on) if code else None
    at = outline.center if outline.is_dot else None
    href = asked.path("countries", code) if code in reference.countries() else ""
    if tier is None:
        return Land(code, country_name(code), f"{country_name(code)}: no tier", "tier-none", outline.path, at, href)
    hue = min(tiers.index(tier), HUES - 1)
    licensed = stages.get(country, {}).get("licensed", Decimal(0))
    cap = caps.get(country)
    is_near = cap is not None and cap.state in NEAR
    level = "full" if is_near else "some" if licensed > 0 else "none"
    says = f"{country_name(code)}: {_tier_word(tier)}, {licensed:,.0f} TPP licensed"
    if cap:
        says += f", cap {cap.cap} {cap.state} {percent(cap.used, cap.limit)}".rstrip()
    mark = SHAPES[cap.state] if cap and is_near and country == code else ""
    return Land(code, country_name(code), says, f"tier-{hue}-{level}", outline.path, at, href, mark,
                outline.center)  # fmt: skip


def _tier_word(tier: str) -> str:
    return f"tier {tier}" if tier.isdecimal() else f'tier "{tier.replace("_", " ")}"'


def _outline(row: Mapping[str, str]) -> Outline:
    numbers = [int(each) for each in _NUMBERS.findall(row["shape"])]
    if row["kind"] == "dot":
        return Outline(row["iso2"], "", (numbers[0], numbers[1]))
    return Outline(row["iso2"], row["shape"], _center(row["shape"]))


def _center(shape: str) -> tuple[int, int]:
    """Return the middle of the box around a shape's widest part."""
    widest, center = -1, (0, 0)
    for part in shape.split("M")[1:]:
        numbers = [int(each) for each in _NUMBERS.findall(part)]
        x, y = numbers[0], numbers[1]
        xs, ys = [x], [y]
        for dx, dy in zip(numbers[2::2], numbers[3::2], strict=True):
            x, y = x + dx, y + dy
            xs.append(x)
            ys.append(y)
        size = (max(xs) - min(xs)) * (max(ys) - min(ys))
        if size > widest:
            widest, center = size, ((max(xs) + min(xs)) // 2, (max(ys) + min(ys)) // 2)
    return center
