"""The reference data that come with the project: chips, countries, parties and deals, each figure with its source.

Read once and kept. What is not resolved exactly is an error: a destination is never guessed.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType

import schema
from ledger.core.compute import chip_from_row, last_day_of
from ledger.core.errors import Malformed, NotFound, Unusable
from ledger.core.facts import Chip, Party

REFERENCE_CHIP = "nvidia-h100-sxm5-80"
"""The chip whose equivalents are shown beside a TPP figure."""

_FOLDER = Path(schema.__file__).parent / "reference"

# Everyday names that are not the ones countries are listed under. A name that could mean two countries is not here.
_ALIASES = {
    "AE": ("UAE", "U.A.E."),
    "BN": ("Brunei",),
    "BO": ("Bolivia, Plurinational State of", "Plurinational State of Bolivia"),
    "BS": ("The Bahamas", "Bahamas, The"),
    "CD": ("DRC", "DR Congo", "D.R. Congo", "Congo-Kinshasa", "Democratic Republic of the Congo"),
    "CG": ("Congo-Brazzaville", "Republic of the Congo", "Congo, Republic of the"),
    "CI": ("Ivory Coast", "Cote d'Ivoire"),
    "CN": ("PRC", "P.R. China", "People's Republic of China", "China, People's Republic of"),
    "CV": ("Cape Verde",),
    "CW": ("Curacao",),
    "CZ": ("Czech Republic",),
    "FK": ("Falkland Islands",),
    "FM": ("Micronesia", "Federated States of Micronesia"),
    "GB": ("UK", "U.K.", "Great Britain", "United Kingdom of Great Britain and Northern Ireland"),
    "GM": ("The Gambia", "Gambia, The"),
    "HK": ("Hong Kong SAR", "Hong Kong, China"),
    "IR": ("Iran, Islamic Republic of", "Islamic Republic of Iran"),
    "KP": ("North Korea", "DPRK", "Democratic People's Republic of Korea", "Korea, North"),
    "KR": ("South Korea", "Republic of Korea", "Korea, South"),
    "LA": ("Lao People's Democratic Republic", "Lao PDR"),
    "MD": ("Moldova, Republic of", "Republic of Moldova"),
    "MM": ("Burma",),
    "MO": ("Macau", "Macao SAR", "Macau SAR"),
    "NL": ("The Netherlands", "Netherlands, The", "Netherlands, Kingdom of the"),
    "PH": ("The Philippines",),
    "PS": ("Palestine", "State of Palestine"),
    "RE": ("Reunion",),
    "RU": ("Russia",),
    "ST": ("São Tomé and Príncipe",),
    "SX": ("Sint Maarten",),
    "SY": ("Syrian Arab Republic",),
    "SZ": ("Swaziland",),
    "TL": ("East Timor",),
    "TR": ("Turkey", "Turkiye"),
    "TW": ("Taiwan, Province of China", "Chinese Taipei"),
    "TZ": ("Tanzania, United Republic of", "United Republic of Tanzania"),
    "US": ("U.S.", "U.S.A.", "United States of America"),
    "VA": ("Vatican", "Vatican City", "Holy See"),
    "VE": ("Venezuela, Bolivarian Republic of", "Bolivarian Republic of Venezuela"),
    "VG": ("British Virgin Islands",),
    "VI": ("U.S. Virgin Islands", "US Virgin Islands", "Virgin Islands of the United States"),
    "VN": ("Viet Nam",),
}

_AMBIGUOUS = {
    "korea": "KR (South Korea) or KP (North Korea)",
    "saint martin": "MF (French part) or SX (Dutch part)",
    "virgin islands": "VG (British) or VI (U.S.)",
}


@dataclass(frozen=True, slots=True)
class Country:
    """A country or territory as listed for export control.

    tier_2025_01_15: `1`, `2` or `3` under the framework of that day; a rulebook says it for any day. parent_iso2: the
    country a territory follows, "" for none. d5_from, d5_until: days in Country Group D:5 where not always.
    license_scope_2023_rule: whether licenses have been asked for since the rule of 2023, by destination.
    """

    iso2: str
    iso3: str
    name: str
    tier_2025_01_15: str
    basis: str
    country_groups: tuple[str, ...]
    parent_iso2: str
    d5_from: date | None
    d5_until: date | None
    license_scope_2023_rule: bool
    note: str
    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Deal:
    """A published deal, every column as written: unknowns stay blank or in words, dates may be months or years.

    counts: what it becomes in the ledger: `grant`, `authorization of undetermined size` or `listed`.
    parent_deal: the deal it is a part of, which must not be added twice.
    """

    deal_id: str
    date: str
    country: str
    recipient: str
    party_id: str
    chip_id: str
    parent_deal: str
    counts: str
    operator_or_exporter: str
    hardware: str
    quantity: str
    unit: str
    tpp_per_unit: str
    tpp_total: str
    period: str
    terms: str
    status: str
    note: str
    source: str
    confidence: str


@cache
def chips() -> tuple[Chip, ...]:
    """Return the catalog of chips and systems, in its order; each rating is the chip's first, without a first day."""
    return tuple(chip_from_row(row) for row in table("chips"))


def chip(chip_id: str) -> Chip:
    """Return one chip of the catalog. Errors: NotFound, with the ids that look like it."""
    found = _chips_by_id().get(chip_id)
    if found is None:
        text = chip_id[:60].casefold()
        near = [known for known in _chips_by_id() if text in known] or get_close_matches(
            text, _chips_by_id(), cutoff=0.5
        )
        raise NotFound(
            f"The chip catalog has no {chip_id[:60]!r}.", f"Ids look like {', '.join(near[:3] or [REFERENCE_CHIP])}."
        )
    return found


@cache
def countries() -> Mapping[str, Country]:
    """Return countries and territories by ISO 3166 alpha-2 code; Kosovo under the user-assigned XK."""
    return MappingProxyType({row["iso2"]: _country(row) for row in table("countries")})


@cache
def parties() -> tuple[Party, ...]:
    """Return the parties named in the deals; `unknown` where a seat or an owner was not checked."""
    return tuple(
        Party(
            party=row["party_id"],
            name=row["name"],
            roles=_several(row["roles"]),
            headquarters=row["headquarters"],
            ultimate_parent=row["ultimate_parent"],
            valid_from=_day(row["from"]),
            confidence=row["confidence"],
            note=row["note"],
        )
        for row in table("parties")
    )


@cache
def deals() -> tuple[Deal, ...]:
    """Return the published deals, in the order of the list."""
    return tuple(Deal(**row) for row in table("deals"))


def country_code(text: str, field: str = "country") -> str:
    """Return the ISO alpha-2 code of a country given by code in capitals, by listed name or by everyday name.

    Names are compared whole, without regard to case; nothing is ever guessed. Territories keep their own code.

    Errors: Malformed, naming `field` and what was not understood.
    """
    name = _folded(text)
    code = _codes().get(text.strip()) or _names().get(name)
    if code:
        return code
    if name in _AMBIGUOUS:
        raise Malformed(field, f"{field} {text.strip()!r} could be {_AMBIGUOUS[name]}.", "Give the code.")
    meant = _codes().get(name.upper())
    remedy = f"Write codes in capitals: {meant}." if meant else "Give an ISO 3166 code, such as AE, or the whole name."
    raise Malformed(field, f"{field} {text.strip()[:60]!r} is not a country that is listed.", remedy)


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of one reference file, as written. Errors: Unusable where it is missing or damaged."""
    path = _FOLDER / f"{name}.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = tuple(csv.DictReader(file, strict=True, restkey="", restval=None))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise Unusable("reference_data", f"{path} cannot be read: {fault}.", "Install the project again.") from None
    for number, row in enumerate(rows, start=1):
        if "" in row or None in row.values():
            raise Unusable("reference_data", f"{path} has a broken row {number}.", "Install the project again.")
    return rows


@cache
def _chips_by_id() -> Mapping[str, Chip]:
    return {chip.chip: chip for chip in chips()}


@cache
def _codes() -> Mapping[str, str]:
    """Return alpha-2 codes by alpha-2 and alpha-3 code."""
    return {code: country.iso2 for country in countries().values() for code in (country.iso2, country.iso3)}


@cache
def _names() -> Mapping[str, str]:
    """Return alpha-2 codes by folded name and alias."""
    names = {_folded(country.name): code for code, country in countries().items()}
    return names | {_folded(alias): code for code, aliases in _ALIASES.items() for alias in aliases}


def _folded(name: str) -> str:
    """Return a name without case, doubled spaces and typographic apostrophes; accents stay."""
    composed = unicodedata.normalize("NFC", name).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(composed.casefold().split())


def _country(row: Mapping[str, str]) -> Country:
    return Country(
        iso2=row["iso2"],
        iso3=row["iso3"],
        name=row["name"],
        tier_2025_01_15=row["tier_2025_01_15"],
        basis=row["basis"],
        country_groups=_several(row["country_groups"]),
        parent_iso2=row["parent_iso2"],
        d5_from=_day(row["d5_from"]),
        d5_until=_day(row["d5_until"]),
        license_scope_2023_rule=row["license_scope_2023_rule"] == "yes",
        note=row["note"],
        source=row["source"],
        confidence=row["confidence"],
    )


def _several(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split(";")))


def _day(cell: str) -> date | None:
    return last_day_of(cell) if cell else None
