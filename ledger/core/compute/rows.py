"""One row of a chip catalog, read into a dated rating and recomputed from its dense rates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from ledger.core.compute.figures import count, last_day_of, number, plain, shown
from ledger.core.compute.performance import (
    BIT_LENGTHS,
    Rate,
    bit_length,
    control_class,
    performance_density,
    rate,
    system_tpp,
    tpp_per_ic,
)
from ledger.core.errors import Malformed
from ledger.core.facts import Chip

_RATE_COLUMNS = {f"dense_tops_{bits}bit": bits for bits in BIT_LENGTHS}
_LIKE_RATES = ("dense", "sparse", "tops")
_CHIP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}")
_YES_NO = {"yes": True, "no": False, "unknown": None, "": None}
_AS_COMPUTED = "Correct the rates, or leave it empty: it is computed."


def chip_from_row(row: Mapping[str, str]) -> Chip:
    """Return the rating that one catalog row states, its TPP and control class computed from its dense rates.

    Columns: chip_id, dense_tops_4bit and so on are needed; name, vendor, kind, base_chip_id, ic_count, die_area_mm2,
    die_area_confidence, dram_bandwidth_gb_s, data_center (yes, no, unknown), released, valid_from, source,
    confidence, notes, control_note may be absent or empty. tpp_bits, tpp_per_ic, tpp, performance_density and
    control are checked where stated (`unknown` is the class that is undetermined). Other columns are not read.

    Errors: Malformed, naming the chip, the field, what was stated and what the rates give.
    """
    chip = _cell(row, "chip_id")
    if not _CHIP_ID.fullmatch(chip):
        raise Malformed(
            "chip_id",
            f"chip_id {shown(chip)} is not an id." if chip else "chip_id is empty.",
            "Use 1 to 100 letters, digits or . _ : / + -, beginning with a letter or digit.",
        )
    try:
        rated = _rated(chip, row)
        _check_stated(rated, row)
    except Malformed as fault:
        raise Malformed(fault.field, fault.message, fault.remedy, where=f"chip {chip}") from None
    return rated


def _rated(chip: str, row: Mapping[str, str]) -> Chip:
    rates = _rates(row)
    per_ic, bits = tpp_per_ic(rates)
    ics = _cell(row, "ic_count")
    ic_count = count(ics, "ic_count") if ics else 1
    described = _described(chip, row)
    return replace(
        described,
        ic_count=ic_count,
        rates=rates,
        bits=bits,
        tpp_per_ic=per_ic,
        tpp=system_tpp(per_ic, ic_count),
        control=control_class(per_ic, described.die_area_mm2, described.data_center),
    )


def _described(chip: str, row: Mapping[str, str]) -> Chip:
    """Return what the row says of the chip beside its rates."""
    base = _cell(row, "base_chip_id")
    kind = _cell(row, "kind") or ("system" if base and base != chip else "accelerator")
    if kind == "system" and not base:
        raise Malformed("base_chip_id", "base_chip_id is empty.", "Name the chip that the system is built of.")
    return Chip(
        chip=chip,
        name=_cell(row, "name") or chip,
        vendor=_cell(row, "vendor"),
        kind=kind,
        base_chip=base or chip,
        die_area_mm2=_measure(row, "die_area_mm2"),
        dram_bandwidth_gb_s=_measure(row, "dram_bandwidth_gb_s"),
        data_center=_yes_no(row, "data_center"),
        released=last_day_of(released, "released") if (released := _cell(row, "released")) else None,
        valid_from=last_day_of(first, "valid_from") if (first := _cell(row, "valid_from")) else None,
        confidence=_cell(row, "confidence"),
        source=_cell(row, "source"),
        note=_note(row),
    )


def _rates(row: Mapping[str, str]) -> tuple[Rate, ...]:
    """Return the rates in rising bit length. A column that only looks like a rate would drop one: an error."""
    for column in row:
        if str(column).startswith(_LIKE_RATES) and column not in _RATE_COLUMNS:
            known = ", ".join(_RATE_COLUMNS)
            raise Malformed(column, f"{shown(str(column))} is not a column of dense rates.", f"Known are {known}.")
    rates = tuple((bits, rate(text, name)) for name, bits in _RATE_COLUMNS.items() if (text := _cell(row, name)))
    if not rates:
        stated = " A stated TPP is checked against them, not taken." if _cell(row, "tpp_per_ic") else ""
        raise Malformed("dense_tops", f"No dense rate is given.{stated}", "Fill in dense_tops_8bit or the like.")
    return rates


def _check_stated(chip: Chip, row: Mapping[str, str]) -> None:
    """Refuse a row whose stated results are not what its rates give."""
    if (text := _cell(row, "tpp_bits")) and bit_length(text, "tpp_bits") != chip.bits:
        raise _differs("tpp_bits", text, str(chip.bits))
    for field, computed in (("tpp_per_ic", chip.tpp_per_ic), ("tpp", chip.tpp)):
        if (text := _cell(row, field)) and number(text, field) != computed:
            raise _differs(field, text, plain(computed))
    if text := _cell(row, "performance_density"):
        _check_density(chip, text)
    stated = _cell(row, "control")
    if stated and {"unknown": "undetermined"}.get(stated, stated) != chip.control:
        raise Malformed(
            "control",
            f"control is stated as {shown(stated)}; the parameters give {chip.control}.",
            "Correct the rates, die_area_mm2 or data_center, or leave it empty: it is computed.",
        )


def _check_density(chip: Chip, text: str) -> None:
    """Refuse a stated density that is not the computed one, rounded to as many places as are stated."""
    stated = number(text, "performance_density")
    if chip.die_area_mm2 is None:
        raise Malformed(
            "performance_density",
            f"performance_density is stated as {text}; die_area_mm2 is empty.",
            "Give the die area, or leave both empty.",
        )
    places = len(text.partition(".")[2])
    off = abs(Fraction(stated) - Fraction(chip.tpp_per_ic) / Fraction(chip.die_area_mm2))
    if off > Fraction(1, 2 * 10**places):
        raise _differs("performance_density", text, plain(performance_density(chip.tpp_per_ic, chip.die_area_mm2)))


def _differs(field: str, stated: str, computed: str) -> Malformed:
    return Malformed(field, f"{field} is stated as {stated}; the rates give {computed}.", _AS_COMPUTED)


def _measure(row: Mapping[str, str], field: str) -> Decimal | None:
    """Return a measured figure above zero, None where the cell is empty or says unknown."""
    text = _cell(row, field)
    if text in ("", "unknown"):
        return None
    value = number(text, field)
    if value <= 0:
        raise Malformed(field, f"{field} {text} is not above zero.", "Leave it empty where it is not known.")
    return value


def _yes_no(row: Mapping[str, str], field: str) -> bool | None:
    text = _cell(row, field)
    if text not in _YES_NO:
        raise Malformed(field, f"{field} {shown(text)} is neither yes nor no.", "Write yes, no or unknown.")
    return _YES_NO[text]


def _note(row: Mapping[str, str]) -> str:
    """Return the row's remarks; an unconfirmed die area is one, for the control class may turn on it."""
    area = _cell(row, "die_area_mm2") and _cell(row, "die_area_confidence") == "unconfirmed"
    remarks = (_cell(row, "control_note"), _cell(row, "notes"), "die area unconfirmed" if area else "")
    return "; ".join(filter(None, remarks))


def _cell(row: Mapping[str, str], column: str) -> str:
    return (row.get(column) or "").strip()
