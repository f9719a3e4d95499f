"""Settings: figures and lists that a rulebook leaves to the person asking, and readings chosen otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from ledger.core.compute import grouped, plain
from ledger.core.errors import Malformed
from ledger.core.rulebook import Parameter, Reading
from ledger.rulebooks.document import Piece, Wrong, choices
from ledger.rulebooks.draft import Draft
from ledger.rulebooks.geography import country
from ledger.rulebooks.words import SOURCE_KEYS, check_name, figure, one_of, source

PARAMETER_KEYS = ("unit", "between", "default", *SOURCE_KEYS)
UNITS = ("TPP", "chips", "models", "countries")
UNDETERMINED = "undetermined"

Settings = tuple[tuple[str, str], ...]  # parameter and value, or reading and option, as written


def settings_of(name_or_path: str | Path) -> tuple[str | Path, Settings]:
    """Return a rulebook's name or path, and what is set after it: `book?limit=5&list=AE,SA`.

    Errors: Malformed, for what is no setting. A file whose own name has a question mark is that file.
    """
    if isinstance(name_or_path, Path) or "?" not in name_or_path or Path(name_or_path).is_file():
        return name_or_path, ()
    name, _, query = name_or_path.partition("?")
    settings: dict[str, str] = {}
    for part in query.split("&"):
        parameter, sign, value = part.partition("=")
        if not parameter or not sign:
            raise Malformed(
                "set",
                f'"{part}" sets no parameter.',
                "Write NAME=VALUE, such as assured-list=AE,SA, or READING=OPTION.",
            )
        if parameter in settings:
            raise Malformed("set", f"The parameter {parameter} is set twice.", "Set it once.")
        settings[parameter] = value
    return name, tuple(settings.items())


def with_settings(name_or_path: str, stated: Iterable[str]) -> str:
    """Return a rulebook's name followed by settings, each `NAME=VALUE`, as `load` takes it."""
    added = "&".join(stated)
    return f"{name_or_path}{'&' if '?' in name_or_path else '?'}{added}" if added else name_or_path


def read_parameters(draft: Draft, piece: Piece | None, settings: Settings) -> dict[str, Parameter]:
    """Return the parameters with their values: as set, else by default.

    settings: those of readings are left to them (`draft.readings`). Errors: Malformed, for a setting.
    """
    found: dict[str, Parameter] = {}
    for key, part in piece.entries("`parameters`").items() if piece else ():
        with draft.findings.kept():
            assert piece
            if check_name(key, "The parameter", piece.lines[key]) == UNDETERMINED:
                raise Wrong(piece.lines[key], f'A parameter cannot be called "{key}".', "Give it another name.")
            found[key] = _parameter(draft, key, part)
    for name, text in settings:
        if name in found:
            found[name] = _set(draft, found[name], text)
        elif name not in draft.readings:
            raise Malformed(name, f'There is no parameter or reading "{name}" to set.', _known(draft, found, name))
    return found


def _known(draft: Draft, parameters: Mapping[str, Parameter], asked: str) -> str:
    """Return the remedy for what cannot be set: the parameters, and the readings with their options."""
    guess = choices(asked, [*parameters, *draft.readings], "").partition("Known")[0]
    options = [f"{each.name} ({' or '.join(each.options)})" for each in draft.readings.values()]
    figures = f"Known parameters: {', '.join(parameters)}." if parameters else "The book has no parameters."
    readings = f"Known readings: {', '.join(options)}." if options else "The book has no readings."
    return f"{guess}{figures} {readings}"


def query_of(parameters: Mapping[str, Parameter], readings: Mapping[str, Reading]) -> str:
    """Return what was set, in one spelling: "" where nothing was, else `?limit=5&list=AE,SA&reading=option`."""
    parts = [f"{each.name}={_plainly(each.value)}" for each in parameters.values() if each.is_set]
    parts += [f"{each.name}={each.chosen}" for each in readings.values() if each.is_set]
    return f"?{'&'.join(parts)}" if parts else ""


def value_in_words(parameter: Parameter) -> str:
    """Return a parameter's value for people."""
    if parameter.value is None:
        return UNDETERMINED
    if isinstance(parameter.value, Decimal):
        return f"{grouped(parameter.value)} {parameter.unit}"
    return ", ".join(parameter.value) or "nobody"


def bounds_in_words(parameter: Parameter) -> str:
    """Return a parameter's bounds for people; "" where it has none."""
    if not parameter.between:
        return ""
    least, most = parameter.between
    return f"{grouped(least)} to {grouped(most)} {parameter.unit}"


def _parameter(draft: Draft, key: str, piece: Piece) -> Parameter:
    table = piece.table(f"The parameter {key}", PARAMETER_KEYS, ("unit", "law"))
    unit = one_of(table["unit"], "`unit`", UNITS)
    parameter = Parameter(key, cast(Any, unit), **source(table))
    if unit == "countries":
        if "between" in table:
            table["between"].wrong("A list of countries has no bounds.", "Remove `between`.")
        if "default" not in table:
            piece.wrong(f"The parameter {key} is a list without a default.", "Write default: [].")
        codes = tuple(country(draft, part) for part in table["default"].items("`default`"))
        return replace(parameter, value=codes)
    if "between" in table:
        ends = [_amount(part, unit) for part in table["between"].items("`between`")]
        if len(ends) != 2 or ends[0] > ends[1]:
            table["between"].wrong("`between` is not a least and a most figure.", "Write [0, 26_900_000].")
        parameter = replace(parameter, between=(ends[0], ends[1]))
    if "default" not in table or table["default"].value == UNDETERMINED:
        return parameter
    value = _amount(table["default"], unit)
    if outside := _outside(parameter, value):
        table["default"].wrong(outside, "Give a default within the bounds.")
    return replace(parameter, value=value)


def _set(draft: Draft, parameter: Parameter, text: str) -> Parameter:
    """Return a parameter as the person asking sets it."""
    try:
        if parameter.unit == "countries":
            codes = {country(draft, Piece(code.strip(), 0)) for code in text.split(",") if code.strip()}
            return replace(parameter, value=tuple(sorted(codes)), is_set=True)
        value = _amount(Piece(text.strip().removesuffix(f" {parameter.unit}"), 0), parameter.unit)
    except Wrong as wrong:
        raise Malformed(parameter.name, f"{parameter.name}: {wrong.message}", wrong.remedy) from None
    if outside := _outside(parameter, value):
        raise Malformed(parameter.name, outside, f"Set it within {bounds_in_words(parameter)}.")
    return replace(parameter, value=value, is_set=True)


def _amount(piece: Piece, unit: str) -> Decimal:
    value = figure(piece.text("A figure"), piece)
    if unit != "TPP" and value != int(value):
        piece.wrong(f'"{piece.value}" is not a whole number of {unit}.', "Leave the fraction out.")
    return value


def _outside(parameter: Parameter, value: Decimal) -> str:
    if not parameter.between or parameter.between[0] <= value <= parameter.between[1]:
        return ""
    stated = f"{parameter.name} = {grouped(value)} {parameter.unit}"
    return f"{stated} is outside {bounds_in_words(parameter)} ({parameter.law})."


def _plainly(value: Decimal | tuple[str, ...] | None) -> str:
    assert value is not None  # only what was set
    return plain(value) if isinstance(value, Decimal) else ",".join(value)
