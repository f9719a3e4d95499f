"""From datasheet rates to TPP, and from TPP to control classes and equivalents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from string import ascii_letters
from typing import Literal

from ledger.core.compute.figures import DIGITS, count, number, plain, product, shown, too_long
from ledger.core.errors import Malformed

BIT_LENGTHS = (1, 2, 4, 6, 8, 16, 32, 64)

Rate = tuple[int, Decimal]
"""Bit length of the operation and its dense TOPS, on one integrated circuit."""

ControlClass = Literal["3A090.a", "3A090.b", "none", "undetermined"]

_UNITS = {"": 1, "tops": 1, "tflops": 1, "pops": 1000, "pflops": 1000}
_UNIT_LETTERS = ascii_letters + "/ \t"

_LOWEST_TPP, _MIDDLE_TPP, _HIGHEST_TPP = Decimal(1600), Decimal(2400), Decimal(4800)
_LOWEST_DENSITY, _MIDDLE_DENSITY, _HIGHEST_DENSITY = Decimal("1.6"), Decimal("3.2"), Decimal("5.92")


def rate(text: str, field: str = "tops") -> Decimal:
    """Return a written dense rate in TOPS: `1979`, `1,979 TOPS`, `989.4 TFLOPS`, `4.5 POPS`, `10 PFLOPS`.

    Errors: Malformed, naming `field`, for sparse figures, other units, and rates that are not above zero.
    Source: technical notes to 3A090: the rate is the dense one, not one reached with sparsity.
    """
    if "spars" in text.casefold():
        raise sparse_rate(field)
    figure = text.rstrip(_UNIT_LETTERS)
    unit = text[len(figure) :].strip()
    scale = _UNITS.get(unit.casefold().removeprefix("dense").strip())
    if figure and scale is None:
        raise Malformed(field, f"{field} has an unknown unit, {shown(unit)}.", "Give TOPS, TFLOPS, POPS or PFLOPS.")
    tops = product(number(figure or text, field), scale or 1, field)
    if tops <= 0:
        raise _not_positive(field, tops, "dense TOPS")
    return tops


def sparse_rate(field: str = "tops") -> Malformed:
    """Return the refusal of a rate that counts on sparsity."""
    return Malformed(
        field,
        f"{field} is a sparse figure; TPP counts dense operations only.",
        "Give the dense figure: with 2:4 structured sparsity, half of the sparse one.",
    )


def bit_length(text: str, field: str = "bits") -> int:
    """Return a written bit length of an operation. Errors: Malformed, naming `field`, for an unknown one."""
    return _known_bits(count(text, field), field)


def rate_pairs(tops: Sequence[str], bits: Sequence[str]) -> tuple[Rate, ...]:
    """Return the rates written as equally long rows of TOPS and bit lengths. Errors: Malformed."""
    if len(tops) != len(bits):
        raise Malformed(
            "bits",
            f"Rates and bit lengths come in pairs; given were {len(tops)} and {len(bits)}.",
            "Give one bit length for each rate, in the same order.",
        )
    return tuple((bit_length(length), rate(text)) for text, length in zip(tops, bits, strict=True))


def rate_tpp(tops: Decimal, bits: int) -> Decimal:
    """Return the TPP of one dense rate at one bit length. Errors: Malformed.

    Source: technical note 1 to 3A090: 2 x MacTOPS x bit length; dense TOPS are already 2 x MacTOPS.
    """
    if tops <= 0:
        raise _not_positive("tops", tops, "dense TOPS")
    return product(tops, _known_bits(bits, "bits"), "tpp")


def tpp_per_ic(rates: Iterable[Rate]) -> tuple[Decimal, int]:
    """Return the TPP of one integrated circuit and the bit length that decides it: the highest, at a tie the longer.

    That the highest of several bit lengths counts is unconfirmed: published ratings do so.

    Errors: Malformed where there is no rate.
    """
    found = [(rate_tpp(tops, bits), bits) for bits, tops in rates]
    if not found:
        raise Malformed("tops", "There is no dense rate to compute TPP from.", "Give one, with its bit length.")
    return max(found)


def system_tpp(tpp_per_ic: Decimal, ic_count: int = 1) -> Decimal:
    """Return the aggregate TPP of an item: the sum over its integrated circuits.

    Source: 15 CFR part 748 supp. 2 (c)(4).
    """
    if ic_count < 1:
        raise Malformed("ic_count", f"ic_count {ic_count} is not a number of integrated circuits.", "Give 1 or more.")
    return product(tpp_per_ic, ic_count, "tpp")


def performance_density(tpp: Decimal, die_area_mm2: Decimal) -> Decimal:
    """Return TPP per mm2 of applicable die area, rounded half-even to 6 places: to show, not to compare with.

    The area covers all logic dies made on a non-planar transistor process.
    """
    return _ratio(tpp, _area(die_area_mm2))


def control_class(tpp: Decimal, die_area_mm2: Decimal | None, data_center: bool | None) -> ControlClass:
    """Return the class that one integrated circuit's parameters meet; unknown only where the answer turns on it.

    Args:
        tpp: of one circuit, never of a system.
        die_area_mm2: applicable die area, None where unknown.
        data_center: designed or marketed for data centers, None where unknown.

    Source: 3A090.a (TPP >= 4800, or TPP >= 1600 and density >= 5.92), 3A090.b (2400 <= TPP < 4800 and
    1.6 <= density < 5.92, or TPP >= 1600 and 3.2 <= density < 5.92), Note 2 (not for data centers and TPP < 4800: out).
    """
    area_mm2 = None if die_area_mm2 is None else _area(die_area_mm2)
    if tpp >= _HIGHEST_TPP:
        return "3A090.a"
    if tpp < _LOWEST_TPP or data_center is False:
        return "none"
    if area_mm2 is None:
        return "undetermined"
    met = _class_by_density(tpp, area_mm2)
    return met if met == "none" or data_center else "undetermined"


def equivalents(tpp: Decimal, unit_tpp: Decimal) -> Decimal:
    """Return how many units of a chip make that TPP, rounded half-even to 6 places: to show, never to post."""
    return _ratio(tpp, _unit(unit_tpp))


def equivalents_tpp(count: Decimal | int, unit_tpp: Decimal) -> Decimal:
    """Return the exact TPP of a quantity stated in equivalents of a chip. Errors: Malformed."""
    return product(_unit(unit_tpp), count, "tpp")


def _class_by_density(tpp: Decimal, area_mm2: Decimal) -> ControlClass:
    """Compare densities without dividing: TPP / area >= bound is TPP >= bound x area. 1600 <= tpp < 4800."""

    def reaches(bound: Decimal) -> bool:
        return tpp >= product(bound, area_mm2, "die_area_mm2")

    if reaches(_HIGHEST_DENSITY):
        return "3A090.a"
    return "3A090.b" if reaches(_LOWEST_DENSITY if tpp >= _MIDDLE_TPP else _MIDDLE_DENSITY) else "none"


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    """Return part / whole rounded once, half-even, to 6 places."""
    (over, under), (by, of) = part.as_integer_ratio(), whole.as_integer_ratio()
    millionths, rest = divmod(over * of * 1_000_000, under * by)
    millionths += 2 * rest > under * by or (2 * rest == under * by and millionths % 2)
    if abs(millionths) >= 10**DIGITS:
        raise too_long("ratio")
    return Decimal(f"{millionths}E-6")


def _known_bits(bits: int, field: str) -> int:
    if bits not in BIT_LENGTHS:
        known = ", ".join(map(str, BIT_LENGTHS))
        raise Malformed(field, f"{field} {bits} is not a bit length of an operation.", f"Give one of {known}.")
    return bits


def _area(die_area_mm2: Decimal) -> Decimal:
    if die_area_mm2 <= 0:
        raise _not_positive("die_area_mm2", die_area_mm2, "mm2")
    return die_area_mm2


def _unit(unit_tpp: Decimal) -> Decimal:
    if unit_tpp <= 0:
        raise _not_positive("unit_tpp", unit_tpp, "TPP")
    return unit_tpp


def _not_positive(field: str, value: Decimal, unit: str) -> Malformed:
    return Malformed(field, f"{field} {plain(value)} is not above zero.", f"Give a figure above zero, in {unit}.")
