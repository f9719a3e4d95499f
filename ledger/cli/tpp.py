"""`capledger tpp`: what a chip or a system counts, from its datasheet or from the catalog."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated

import typer

from ledger import reference
from ledger.cli import completing, output
from ledger.core import compute
from ledger.core.errors import Malformed, Problem
from ledger.core.facts import Chip

_LABEL_WIDTH = 18
_FORMULA = "TPP = 2 x MacTOPS x bits; the 2 is already inside a datasheet's dense TOPS."


def tpp(
    tops: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RATE", help="Dense rate of one chip, in TOPS (or TFLOPS, POPS, PFLOPS). May be repeated."
        ),
    ] = None,
    bits: Annotated[
        list[str] | None,
        typer.Option(metavar="BITS", help="Bit length of the operation, one for each --tops; the highest TPP counts."),
    ] = None,
    chip: Annotated[
        str,
        typer.Option(
            metavar="ID",
            autocompletion=completing.catalog,
            help="A chip or system of the catalog, such as nvidia-h100-sxm5-80.",
        ),
    ] = "",
    ics: Annotated[str, typer.Option(metavar="COUNT", help="How many of the chips (integrated circuits).")] = "",
    die_area: Annotated[
        str, typer.Option(metavar="MM2", help="Applicable die area of one chip: shows the control class too.")
    ] = "",
    data_center: Annotated[
        bool | None,
        typer.Option("--data-center/--no-data-center", help="Whether it is designed or marketed for data centers."),
    ] = None,
    sparse: Annotated[bool, typer.Option("--sparse", hidden=True, help="Refused: only dense rates count.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, figures as exact strings.")] = False,
) -> None:
    """Compute total processing performance (TPP): dense TOPS x bits, the sum over all chips."""
    try:
        if sparse:
            raise compute.sparse_rate()
        rated = _listed(chip, tops, bits, ics) if chip else _stated(tops or [], bits or [], ics)
        asked_class = bool(die_area) or data_center is not None
        if asked_class:
            rated = _classed(rated, die_area, data_center)
        unit = reference.chip(reference.REFERENCE_CHIP)
        show = _as_json if as_json else _as_lines
        typer.echo(show(rated, unit, with_control=bool(chip) or asked_class))
    except Problem as problem:
        output.unusable(problem, "tpp")


def _stated(tops: list[str], bits: list[str], ics: str) -> Chip:
    """Return a chip as its datasheet's rates on the command line describe it."""
    if not tops and not bits:
        raise Malformed("tops", "No chip is given.", "Give --tops and --bits from its datasheet, or --chip.")
    rates = compute.rate_pairs(tops, bits)
    per_ic, decisive_bits = compute.tpp_per_ic(rates)
    ic_count = compute.count(ics, "ics") if ics else 1
    total = compute.system_tpp(per_ic, ic_count)
    return Chip(chip="", name="", ic_count=ic_count, rates=rates, bits=decisive_bits, tpp_per_ic=per_ic, tpp=total)


def _listed(chip: str, tops: list[str] | None, bits: list[str] | None, ics: str) -> Chip:
    """Return a chip of the catalog, or several of it."""
    if tops or bits:
        raise Malformed("chip", "--chip already names its rates.", "Give either --chip, or --tops and --bits.")
    listed = reference.chip(chip)
    if not ics:
        return listed
    if listed.ic_count > 1:
        remedy = f"Leave --ics out, or name its chip: --chip {listed.base_chip}."
        raise Malformed("ics", f"{listed.chip} is a system of {listed.ic_count} chips already.", remedy)
    ic_count = compute.count(ics, "ics")
    return replace(listed, ic_count=ic_count, tpp=compute.system_tpp(listed.tpp_per_ic, ic_count))


def _classed(chip: Chip, die_area: str, data_center: bool | None) -> Chip:
    """Return the chip with its control class under the die area and purpose that were stated."""
    area_mm2 = compute.number(die_area, "die-area") if die_area else chip.die_area_mm2
    purpose = chip.data_center if data_center is None else data_center
    control = compute.control_class(chip.tpp_per_ic, area_mm2, purpose)
    return replace(chip, die_area_mm2=area_mm2, data_center=purpose, control=control)


def _as_json(chip: Chip, unit: Chip, *, with_control: bool) -> str:
    shown = {
        "tpp_per_chip": compute.plain(chip.tpp_per_ic),
        "tpp": compute.plain(chip.tpp),
        "h100_equivalents": compute.plain(compute.equivalents(chip.tpp, unit.tpp)),
    }
    if with_control:
        shown["control"] = chip.control
    if chip.chip:
        shown |= {"chip": chip.chip, "confidence": chip.confidence}
    return json.dumps(shown, ensure_ascii=False)


def _as_lines(chip: Chip, unit: Chip, *, with_control: bool) -> str:
    per_chip = compute.grouped(chip.tpp_per_ic)
    equivalents = compute.grouped(compute.equivalents(chip.tpp, unit.tpp))
    lines = [
        ("Chip", f"{chip.name} ({chip.chip})") if chip.chip else None,
        ("TPP per chip", f"{per_chip} = {_formula(chip)}"),
        ("TPP", f"{compute.grouped(chip.tpp)} = {chip.ic_count:,} x {per_chip}") if chip.ic_count > 1 else None,
        ("H100 equivalents", f"{equivalents} (one {unit.name} is {compute.grouped(unit.tpp)} TPP)"),
        ("Control class", _control(chip)) if with_control else None,
        ("Source", f"{chip.source} ({chip.confidence})") if chip.chip else None,
        ("Note", chip.note) if chip.note else None,
    ]
    shown = [f"{label:<{_LABEL_WIDTH}}{text}" for label, text in filter(None, lines)]
    return "\n".join([*shown, _FORMULA])


def _formula(chip: Chip) -> str:
    """Return the product that decided, and among how many rates."""
    decisive_tops = max(tops for bits, tops in chip.rates if bits == chip.bits)
    among = f", the highest of {len(chip.rates)} rates" if len(chip.rates) > 1 else ""
    return f"{compute.grouped(decisive_tops)} dense TOPS x {chip.bits} bits{among}"


def _control(chip: Chip) -> str:
    if chip.control != "undetermined":
        return f"{chip.control} (by its parameters)"
    missing = [] if chip.die_area_mm2 is not None else ["--die-area"]
    missing += [] if chip.data_center is not None else ["--data-center or --no-data-center"]
    return f"undetermined: it turns on {', '.join(missing)}"
