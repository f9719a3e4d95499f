"""Figures as written and as shown: what is read, what is refused with which reason, and one form for each value."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import compute
from ledger.core.errors import Malformed

ANY_DECIMAL = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1979", "1979"),
        ("20,919.2", "20919.2"),
        ("790_000_000", "790000000"),
        ("1,234,567.890", "1234567.890"),
        ("0.5", "0.5"),
        ("0", "0"),
        ("007", "7"),
        (" 1979\t", "1979"),
        ("9" * 38, "9" * 38),
    ],
)
def test_a_figure_is_read_exactly(text: str, value: str) -> None:
    assert compute.number(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("NaN", "is not a number"),
        ("inf", "is not a number"),
        ("-Infinity", "is not a number"),
        ("1e3", "is written with an exponent"),
        ("1.5E-3", "is written with an exponent"),
        ("-5", "carries a sign"),
        ("+5", "carries a sign"),
        ("١٩٧٩", "has digits other than 0 to 9"),
        ("\uff11\uff19\uff17\uff19", "has digits other than 0 to 9"),
        ("3²", "has digits other than 0 to 9"),
        ("1,2", "separates its thousands unevenly"),
        ("0,123", "separates its thousands unevenly"),
        ("12,34,567", "separates its thousands unevenly"),
        ("1,234_567", "separates its thousands unevenly"),
        ("1__000", "separates its thousands unevenly"),
        ("1.000,5", "separates its thousands unevenly"),
        (".5", "is not a number"),
        ("5.", "is not a number"),
        ("1 979", "is not a number"),
        ("0x10", "is not a number"),
        ("1979\n", "is not a number"),
        ("9" * 39, "has more than 38 digits"),
        ("0." + "0" * 38, "has more than 38 digits"),
        ("x" * 5000, "is not a number"),
    ],
)
def test_what_is_not_a_plain_figure_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        compute.number(text, "quantity")
    assert refused.value.field == "quantity"
    assert refused.value.message.startswith("quantity ")
    assert reason in refused.value.message
    assert refused.value.remedy
    assert len(str(refused.value)) < 250
    assert "\n" not in str(refused.value)


def test_a_minus_is_read_only_where_it_is_asked_for() -> None:
    assert compute.number("-1,000.5", signed=True) == Decimal("-1000.5")
    for text in ("--5", "+5", "-", "- 5"):
        with pytest.raises(Malformed):
            compute.number(text, signed=True)


@pytest.mark.parametrize(("text", "value"), [("8", 8), ("1,000", 1000), ("72", 72)])
def test_a_count_is_a_whole_number_above_zero(text: str, value: int) -> None:
    assert compute.count(text) == value


@pytest.mark.parametrize("text", ["0", "8.0", "8.5", "-1", "", "eight", "1e1"])
def test_a_count_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="ics"):
        compute.count(text, "ics")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-08-22", date(2025, 8, 22)),
        ("2025-08", date(2025, 8, 31)),
        ("2024-02", date(2024, 2, 29)),
        ("2025-02", date(2025, 2, 28)),
        ("2026", date(2026, 12, 31)),
    ],
)
def test_a_date_known_to_the_month_or_year_counts_from_its_last_day(text: str, day: date) -> None:
    assert compute.last_day_of(text) == day


@pytest.mark.parametrize(
    "text", ["2025-13", "2025-00", "2025-02-29", "2025-08-00", "0000", "25-08", "2025-8", "2025/08", "soon", ""]
)
def test_what_is_not_a_date_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="released"):
        compute.last_day_of(text, "released")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("20919.2", "20919.2"),
        ("20919.200", "20919.2"),
        ("790000000", "790000000"),
        ("7.9E+8", "790000000"),
        ("1E-7", "0.0000001"),
        ("15832.0", "15832"),
        ("0", "0"),
        ("0E+5", "0"),
        ("0E-20", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("-0E-9", "0"),
        ("-1200.50", "-1200.5"),
        ("100", "100"),
        ("12345678901234567890123456789012345678.5", "12345678901234567890123456789012345678.5"),
    ],
)
def test_a_figure_is_shown_in_shortest_plain_form(value: str, text: str) -> None:
    assert compute.plain(Decimal(value)) == text


@given(ANY_DECIMAL)
def test_the_plain_form_reads_back_as_the_same_value(value: Decimal) -> None:
    text = compute.plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text == "0" or not text.startswith("-0") or text.startswith("-0.")
    assert "." not in text or text[-1] not in "0."


@given(st.integers(0, 10**30), st.integers(0, 6))
def test_equal_values_have_one_plain_form_however_they_are_written(digits: int, places: int) -> None:
    value = Decimal(f"{digits}E-{places}")
    padded = Decimal(f"{digits}000E-{places + 3}")
    assert compute.plain(padded) == compute.plain(value)
    assert compute.number(compute.plain(value)) == value


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "NaN123"])
def test_what_is_not_finite_has_no_plain_form(value: str) -> None:
    with pytest.raises(ValueError, match="not a figure"):
        compute.plain(Decimal(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [("20919.2", "20,919.2"), ("790000000", "790,000,000"), ("-1234.5", "-1,234.5"), ("0.149570", "0.14957")],
)
def test_a_figure_for_people_has_its_thousands_separated(value: str, text: str) -> None:
    assert compute.grouped(Decimal(value)) == text
