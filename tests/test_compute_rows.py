"""A row of a chip catalog: a dated rating, recomputed, or refused with the field and both figures."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ledger.core import compute
from ledger.core.errors import Malformed

H20 = {"chip_id": "nvidia-h20-96", "dense_tops_8bit": "296", "dense_tops_16bit": "148", "die_area_mm2": "814"}


def test_a_short_row_is_a_whole_rating() -> None:
    chip = compute.chip_from_row(H20 | {"data_center": "yes", "released": "2023-11", "valid_from": "2024-01-01"})
    assert (chip.chip, chip.name, chip.base_chip, chip.kind) == (
        "nvidia-h20-96",
        "nvidia-h20-96",
        "nvidia-h20-96",
        "accelerator",
    )
    assert chip.rates == ((8, Decimal(296)), (16, Decimal(148)))
    assert (chip.bits, chip.tpp_per_ic, chip.tpp, chip.control) == (16, Decimal(2368), Decimal(2368), "none")
    assert (chip.released, chip.valid_from) == (date(2023, 11, 30), date(2024, 1, 1))


def test_a_row_for_a_system_names_its_base_chip_and_sums() -> None:
    chip = compute.chip_from_row(H20 | {"chip_id": "hgx-h20-8", "base_chip_id": "nvidia-h20-96", "ic_count": "8"})
    assert (chip.kind, chip.base_chip, chip.ic_count) == ("system", "nvidia-h20-96", 8)
    assert (chip.tpp_per_ic, chip.tpp) == (Decimal(2368), Decimal(18944))
    assert chip.control == "none"  # The test is per circuit, though the system is over 4,800.


@pytest.mark.parametrize(
    ("changes", "control"),
    [
        ({"control": "unknown", "die_area_mm2": "", "data_center": "yes"}, "undetermined"),
        ({"control": "none", "data_center": "no", "die_area_mm2": ""}, "none"),
        ({"control": "", "data_center": "", "die_area_mm2": "unknown"}, "undetermined"),
    ],
)
def test_an_unknown_class_is_undetermined(changes: dict[str, str], control: str) -> None:
    assert compute.chip_from_row(H20 | changes).control == control


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"tpp_per_ic": "4736"}, "tpp_per_ic", "stated as 4736; the rates give 2368"),
        ({"tpp": "18944"}, "tpp", "stated as 18944; the rates give 2368"),
        ({"tpp_bits": "8"}, "tpp_bits", "stated as 8; the rates give 16"),
        ({"performance_density": "2.92"}, "performance_density", "stated as 2.92; the rates give 2.909091"),
        ({"performance_density": "2.91", "die_area_mm2": ""}, "performance_density", "die_area_mm2 is empty"),
        ({"control": "3A090.a"}, "control", "stated as '3A090.a'; the parameters give none"),
        ({"control": "unknown"}, "control", "stated as 'unknown'; the parameters give none"),
        ({"dense_tops_8bit": "", "dense_tops_16bit": ""}, "dense_tops", "No dense rate is given."),
        (
            {"dense_tops_8bit": "", "dense_tops_16bit": "", "tpp_per_ic": "2368", "tpp_bits": "8"},
            "dense_tops",
            "checked against them, not taken",
        ),
        ({"dense_tops_8bit": "592 sparse"}, "dense_tops_8bit", "sparse figure"),
        ({"dense_tops_8bit": "0"}, "dense_tops_8bit", "not above zero"),
        ({"dense_tops_5bit": "100"}, "dense_tops_5bit", "not a column of dense rates"),
        ({"dense_tops_8_bit": ""}, "dense_tops_8_bit", "not a column of dense rates"),
        ({"sparse_tops_8bit": "592"}, "sparse_tops_8bit", "not a column of dense rates"),
        ({"ic_count": "0"}, "ic_count", "not a whole number"),
        ({"die_area_mm2": "0"}, "die_area_mm2", "not above zero"),
        ({"dram_bandwidth_gb_s": "fast"}, "dram_bandwidth_gb_s", "not a number"),
        ({"data_center": "maybe"}, "data_center", "neither yes nor no"),
        ({"released": "last year"}, "released", "not a date"),
        ({"valid_from": "2025-02-30"}, "valid_from", "not a date"),
        ({"kind": "system"}, "base_chip_id", "is empty"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused(changes: dict[str, str], field: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        compute.chip_from_row(H20 | {"data_center": "yes"} | changes)
    assert refused.value.field == field
    assert reason in refused.value.message
    assert refused.value.where == "chip nvidia-h20-96"
    assert refused.value.remedy


@pytest.mark.parametrize("chip_id", ["", " ", "two words", "a\nb", "-h20", "x" * 101])
def test_a_row_without_an_id_is_refused(chip_id: str) -> None:
    with pytest.raises(Malformed, match="chip_id"):
        compute.chip_from_row(H20 | {"chip_id": chip_id})


def test_an_unconfirmed_die_area_is_kept_as_a_remark() -> None:
    remarks = {"notes": "China variant", "control_note": "by letter", "die_area_confidence": "unconfirmed"}
    assert compute.chip_from_row(H20 | remarks).note == "by letter; China variant; die area unconfirmed"
    assert compute.chip_from_row(H20 | remarks | {"die_area_mm2": ""}).note == "by letter; China variant"
