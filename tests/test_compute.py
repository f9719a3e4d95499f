"""TPP arithmetic: rates, sums and equivalents, and that nothing is ever rounded unseen."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import compute
from ledger.core.errors import Malformed

FIGURES = st.decimals(min_value=Decimal("0.001"), max_value=Decimal(10) ** 12, places=3)


@pytest.mark.parametrize(
    ("text", "tops"),
    [
        ("1979", "1979"),
        ("1,979 TOPS", "1979"),
        ("1979TOPS", "1979"),
        ("989.4 TFLOPS", "989.4"),
        ("989.4 tflops", "989.4"),
        ("1979 dense TOPS", "1979"),
        ("1.979 POPS", "1979"),
        ("15.28 PFLOPS", "15280"),
        ("0.0001 PFLOPS", "0.1"),
    ],
)
def test_a_rate_is_converted_exactly_to_tops(text: str, tops: str) -> None:
    assert compute.rate(text) == Decimal(tops)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3958 sparse", "sparse figure"),
        ("3,958 TOPS (with sparsity)", "sparse figure"),
        ("3958 Sparse TFLOPS", "sparse figure"),
        ("0", "not above zero"),
        ("0.0 TOPS", "not above zero"),
        ("-1979", "carries a sign"),
        ("3350 GB/s", "unknown unit, 'GB/s'"),
        ("3.35 TB/s", "unknown unit, 'TB/s'"),
        ("5 GFLOPS", "unknown unit"),
        ("5 EFLOPS", "unknown unit"),
        ("1e3 TOPS", "exponent"),
        ("TOPS", "not a number"),
        ("NaN", "not a number"),
        ("", "is empty"),
    ],
)
def test_a_rate_that_is_not_dense_tops_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        compute.rate(text, "dense_tops_8bit")
    assert refused.value.field == "dense_tops_8bit"
    assert reason in refused.value.message
    assert refused.value.remedy


@pytest.mark.parametrize("bits", [0, 3, 5, 7, 12, 19, 48, 128, -8])
def test_a_bit_length_nobody_computes_with_is_refused(bits: int) -> None:
    with pytest.raises(Malformed, match="Give one of 1, 2, 4, 6, 8, 16, 32, 64"):
        compute.rate_tpp(Decimal(1979), bits)


@pytest.mark.parametrize("bits", compute.BIT_LENGTHS)
def test_every_known_bit_length_is_read(bits: int) -> None:
    assert compute.bit_length(str(bits)) == bits
    assert compute.rate_tpp(Decimal("0.5"), bits) == Decimal(bits) / 2


@pytest.mark.parametrize("tops", ["0", "-1"])
def test_a_rate_not_above_zero_has_no_tpp(tops: str) -> None:
    with pytest.raises(Malformed, match="not above zero"):
        compute.rate_tpp(Decimal(tops), 8)


@pytest.mark.parametrize(
    ("name", "rates", "tpp", "bits"),
    [
        ("H100: 8 bits decide", [(8, "1979"), (16, "989.4")], "15832", 8),
        ("H200: a tie goes to the longer", [(8, "1979"), (16, "989.5")], "15832", 16),
        ("the same tie in the other order", [(16, "989.5"), (8, "1979")], "15832", 16),
        ("H20 is not doubled to 4,736", [(8, "296"), (16, "148")], "2368", 16),
        ("A100", [(8, "624"), (16, "312")], "4992", 16),
        ("GB300: 4 bits decide", [(4, "15000"), (8, "5000"), (16, "2500")], "60000", 4),
        ("MI355X: 6 bits decide", [(4, "10066"), (6, "10066"), (8, "5033"), (16, "2517")], "60396", 6),
        ("MI300X: not a whole number", [(8, "2614.9"), (16, "1307.4")], "20919.2", 8),
        ("the law's example at 8 bits", [(8, "600")], "4800", 8),
        ("the law's example at 16 bits", [(16, "300")], "4800", 16),
        ("two rates at one bit length", [(8, "1000"), (8, "1979")], "15832", 8),
    ],
)
def test_the_highest_rate_decides(name: str, rates: list[tuple[int, str]], tpp: str, bits: int) -> None:
    assert compute.tpp_per_ic((length, Decimal(tops)) for length, tops in rates) == (Decimal(tpp), bits), name


def test_a_chip_without_rates_has_no_tpp() -> None:
    with pytest.raises(Malformed, match="no dense rate"):
        compute.tpp_per_ic([])


def test_rates_and_bit_lengths_are_read_in_pairs() -> None:
    assert compute.rate_pairs(["1979", "989.4 TFLOPS"], ["8", "16"]) == ((8, Decimal(1979)), (16, Decimal("989.4")))
    with pytest.raises(Malformed, match="given were 2 and 1"):
        compute.rate_pairs(["1979", "989.4"], ["8"])


@pytest.mark.parametrize(
    ("tpp_per_ic", "ic_count", "tpp"),
    [("15832", 8, "126656"), ("40000", 72, "2880000"), ("20919.2", 8, "167353.6"), ("15832", 1, "15832")],
)
def test_a_system_is_the_sum_of_its_circuits(tpp_per_ic: str, ic_count: int, tpp: str) -> None:
    assert compute.system_tpp(Decimal(tpp_per_ic), ic_count) == Decimal(tpp)


@pytest.mark.parametrize("ic_count", [0, -8])
def test_a_system_of_no_circuits_is_refused(ic_count: int) -> None:
    with pytest.raises(Malformed, match="ic_count"):
        compute.system_tpp(Decimal(15832), ic_count)


@given(FIGURES, st.sampled_from(compute.BIT_LENGTHS), st.integers(1, 10**12))
def test_tpp_is_exact(tops: Decimal, bits: int, ic_count: int) -> None:
    per_ic = compute.rate_tpp(tops, bits)
    assert Fraction(per_ic) == Fraction(tops) * bits
    assert Fraction(compute.system_tpp(per_ic, ic_count)) == Fraction(tops) * bits * ic_count


@given(st.decimals(min_value=0, max_value=10**25, places=12), st.integers(1, 10**20))
def test_a_product_is_exact_or_refused_never_rounded(left: Decimal, right: int) -> None:
    exact = Fraction(left) * right
    significant = str(exact * 10**12).rstrip("0")
    if len(significant) <= 38:
        assert Fraction(compute.product(left, right)) == exact
    else:
        with pytest.raises(Malformed, match="38 digits"):
            compute.product(left, right)


def test_a_result_that_38_digits_cannot_hold_is_refused() -> None:
    with pytest.raises(Malformed, match="tpp cannot be held exactly in 38 digits"):
        compute.rate_tpp(Decimal("9" * 38), 8)
    with pytest.raises(Malformed, match="38 digits"):
        compute.equivalents(Decimal("9" * 38), Decimal("0.1"))


@given(st.lists(st.tuples(st.sampled_from(compute.BIT_LENGTHS), FIGURES), min_size=1, max_size=8))
def test_no_rate_is_above_the_one_that_decides(rates: list[tuple[int, Decimal]]) -> None:
    tpp, bits = compute.tpp_per_ic(rates)
    assert Fraction(tpp) == max(Fraction(tops) * length for length, tops in rates)
    assert bits == max(length for length, tops in rates if Fraction(tops) * length == Fraction(tpp))


def test_a_float_is_never_taken() -> None:
    with pytest.raises(TypeError):
        compute.product(Decimal(1), 0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        compute.equivalents_tpp(35_000.5, Decimal(60000))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tpp", "unit_tpp", "count"),
    [
        ("126656", "15832", "8"),
        ("2368", "15832", "0.14957"),
        ("1", "3", "0.333333"),
        ("2", "3", "0.666667"),
        ("0.0000005", "1", "0"),
        ("0.0000015", "1", "0.000002"),
        ("0.0000025", "1", "0.000002"),
        ("0.00000250000000000000000000000000000001", "1", "0.000003"),
        ("-15832", "15832", "-1"),
        ("0", "15832", "0"),
        ("790000000", "15825", "49921.011058"),
    ],
)
def test_equivalents_are_rounded_once_half_even_to_six_places(tpp: str, unit_tpp: str, count: str) -> None:
    assert compute.plain(compute.equivalents(Decimal(tpp), Decimal(unit_tpp))) == count


@pytest.mark.parametrize(
    ("count", "unit_tpp", "tpp"),
    [(35_000, "60000", "2100000000"), (60_400, "4992", "301516800"), (21_500, "4992", "107328000")],
)
def test_a_quantity_in_equivalents_has_an_exact_tpp(count: int, unit_tpp: str, tpp: str) -> None:
    assert compute.equivalents_tpp(count, Decimal(unit_tpp)) == Decimal(tpp)
    assert compute.equivalents_tpp(Decimal(count), Decimal(unit_tpp)) == Decimal(tpp)


@pytest.mark.parametrize("unit_tpp", ["0", "-1"])
def test_a_unit_not_above_zero_makes_no_equivalents(unit_tpp: str) -> None:
    with pytest.raises(Malformed, match="unit_tpp"):
        compute.equivalents(Decimal(1), Decimal(unit_tpp))
    with pytest.raises(Malformed, match="unit_tpp"):
        compute.equivalents_tpp(1, Decimal(unit_tpp))
