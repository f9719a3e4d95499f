"""Which control class a circuit's parameters meet, and what is undetermined."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import compute
from ledger.core.errors import Malformed


@pytest.mark.parametrize(
    ("tpp", "die_area", "data_center", "control"),
    [
        # TPP alone decides, whatever else is unknown.
        ("4800", None, None, "3A090.a"),
        ("4800", None, False, "3A090.a"),
        ("5284.8", "608", False, "3A090.a"),
        ("1599.9", None, None, "none"),
        ("1599.9", "1", True, "none"),
        # 3A090.a by density from 1600 on.
        ("1600", "270", True, "3A090.a"),
        ("1936", "294", True, "3A090.a"),
        ("5.92", "1", True, "none"),
        ("1776", "300", True, "3A090.a"),
        ("1775.9", "300", True, "3A090.b"),
        # 3A090.b from 2400 on: density from 1.6.
        ("2400", "1500", True, "3A090.b"),
        ("2400", "1500.1", True, "none"),
        ("2399.9", "1499", True, "none"),
        ("4799.9", "2999", True, "3A090.b"),
        ("4799.9", "3000", True, "none"),
        # 3A090.b from 1600 on: density from 3.2.
        ("1600", "500", True, "3A090.b"),
        ("1600", "500.1", True, "none"),
        ("2368", "814", True, "none"),
        ("1912", "609", True, "none"),
        # The die area is unknown, and the answer turns on it.
        ("1600", None, True, "undetermined"),
        ("4799.9", None, True, "undetermined"),
        ("4799.9", None, None, "undetermined"),
        # Note 2: not for data centers and under 4800.
        ("4799.9", "750", False, "none"),
        ("4750", None, False, "none"),
        # The purpose is unknown: it matters only where the parameters meet a class.
        ("4750", "750", None, "undetermined"),
        ("2368", "814", None, "none"),
    ],
)
def test_the_control_class_follows_from_the_parameters(
    tpp: str, die_area: str | None, data_center: bool | None, control: str
) -> None:
    area = None if die_area is None else Decimal(die_area)
    assert compute.control_class(Decimal(tpp), area, data_center) == control


@given(
    st.decimals(min_value=1, max_value=10_000, places=1),
    st.decimals(min_value=Decimal("0.1"), max_value=5_000, places=1),
    st.booleans(),
)
def test_an_unknown_is_undetermined_exactly_where_the_answer_turns_on_it(
    tpp: Decimal, area: Decimal, data_center: bool
) -> None:
    known = compute.control_class(tpp, area, data_center)
    if (without_area := compute.control_class(tpp, None, data_center)) != "undetermined":
        assert without_area == known
    else:
        areas = (Decimal("0.1"), Decimal(100_000))
        assert len({compute.control_class(tpp, each, data_center) for each in areas}) == 2
    purposes = {compute.control_class(tpp, area, purpose) for purpose in (True, False)}
    unsaid = compute.control_class(tpp, area, None)
    assert unsaid == (purposes.pop() if len(purposes) == 1 else "undetermined")


@given(st.decimals(min_value=1, max_value=10_000, places=1), st.decimals(min_value=1, max_value=5_000, places=1))
def test_the_classes_are_those_of_the_law_in_exact_fractions(tpp: Decimal, area: Decimal) -> None:
    performance, density = Fraction(tpp), Fraction(tpp) / Fraction(area)
    is_a = performance >= 4800 or (performance >= 1600 and density >= Fraction("5.92"))
    is_b = (2400 <= performance < 4800 and Fraction("1.6") <= density < Fraction("5.92")) or (
        performance >= 1600 and Fraction("3.2") <= density < Fraction("5.92")
    )
    expected = "3A090.a" if is_a else "3A090.b" if is_b else "none"
    assert compute.control_class(tpp, area, True) == expected


@pytest.mark.parametrize("area", ["0", "-814"])
def test_a_die_area_not_above_zero_is_refused(area: str) -> None:
    with pytest.raises(Malformed, match="die_area_mm2"):
        compute.control_class(Decimal(15832), Decimal(area), True)
    with pytest.raises(Malformed, match="die_area_mm2"):
        compute.performance_density(Decimal(15832), Decimal(area))


def test_performance_density_is_tpp_per_square_millimeter() -> None:
    assert compute.performance_density(Decimal(15832), Decimal(814)) == Decimal("19.449631")
