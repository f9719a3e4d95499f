"""The data that come with the project: every figure recomputes, every name resolves, nothing is guessed."""

from __future__ import annotations

import unicodedata
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ledger import reference
from ledger.core import compute
from ledger.core.errors import Malformed, NotFound, Unusable
from ledger.core.facts import UNKNOWN

NVEU_UNIT_TPP = 15_825
CHIP_ROWS = reference.table("chips")


@pytest.mark.parametrize(("name", "rows"), [
    ("chips", 61), ("countries", 250), ("deals", 24), ("parties", 10), ("nveu_allocations", 12),
])  # fmt: skip
def test_every_table_is_whole(name: str, rows: int) -> None:
    assert len(reference.table(name)) == rows


@pytest.mark.parametrize("row", CHIP_ROWS, ids=lambda row: row["chip_id"])
def test_every_chip_of_the_catalog_recomputes(row: dict[str, str]) -> None:
    chip = reference.chip(row["chip_id"])
    assert compute.plain(chip.tpp_per_ic) == row["tpp_per_ic"]
    assert compute.plain(chip.tpp) == row["tpp"]
    assert str(chip.bits) == row["tpp_bits"]
    assert chip.control == {"unknown": "undetermined"}.get(row["control"], row["control"])
    assert chip.confidence in ("confirmed", "unconfirmed")
    assert chip.source
    assert chip.valid_from is None


@pytest.mark.parametrize(
    "row", [row for row in CHIP_ROWS if row["performance_density"]], ids=lambda row: row["chip_id"]
)
def test_a_stated_density_off_by_a_hundredth_is_refused(row: dict[str, str]) -> None:
    wrong = str(Decimal(row["performance_density"]) + Decimal("0.01"))
    with pytest.raises(Malformed, match="performance_density"):
        compute.chip_from_row(row | {"performance_density": wrong})


def test_every_system_has_the_rates_of_its_base_chip() -> None:
    systems = [chip for chip in reference.chips() if chip.kind == "system"]
    assert len(systems) == 10
    for system in systems:
        base = reference.chip(system.base_chip)
        assert base.kind == "accelerator"
        assert (system.rates, system.tpp_per_ic, system.control) == (base.rates, base.tpp_per_ic, base.control)
        assert system.tpp == base.tpp * system.ic_count


def test_chip_ids_are_used_once() -> None:
    assert len({chip.chip for chip in reference.chips()}) == len(reference.chips())


@pytest.mark.parametrize(
    ("chip_id", "tpp", "control", "released"),
    [
        ("nvidia-h100-sxm5-80", "15832", "3A090.a", date(2022, 9, 20)),
        ("nvidia-h20-96", "2368", "none", date(2023, 11, 9)),
        ("nvidia-a100-sxm4-80", "4992", "3A090.a", date(2020, 11, 16)),
        ("nvidia-l40", "2896", "3A090.b", date(2022, 10, 13)),
        ("nvidia-l20", "1912", "none", date(2023, 11, 9)),
        ("nvidia-l4", "1936", "3A090.a", date(2023, 3, 21)),
        ("nvidia-rtx5090d-v2", "4750", "none", date(2025, 8, 31)),
        ("nvidia-rubin-vr200", "140000", "3A090.a", date(2026, 12, 31)),
        ("nvidia-b30a", "30000", "3A090.a", None),
        ("amd-mi300x", "20919.2", "3A090.a", date(2023, 12, 6)),
        ("amd-mi308x", "1840", "undetermined", date(2023, 12, 6)),
        ("google-tpu-v4", "4400", "undetermined", date(2021, 5, 20)),
        ("hgx-h20-8", "18944", "none", None),
        ("gb300-nvl72", "4320000", "3A090.a", None),
    ],
)
def test_the_catalog_says_what_the_sources_say(chip_id: str, tpp: str, control: str, released: date | None) -> None:
    chip = reference.chip(chip_id)
    assert (compute.plain(chip.tpp), chip.control, chip.released) == (tpp, control, released)


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ("h100", "nvidia-h100-sxm5-80"),
        ("nvidia-h100-sxm5", "nvidia-h100-sxm5-80"),
        ("H20", "nvidia-h20-96"),
        ("zzz", "nvidia-h100-sxm5-80"),
    ],
)
def test_an_unknown_chip_is_not_found_and_others_are_offered(asked: str, offered: str) -> None:
    with pytest.raises(NotFound) as missing:
        reference.chip(asked)
    assert repr(asked) in missing.value.message
    assert offered in missing.value.remedy


@pytest.mark.parametrize("row", reference.table("nveu_allocations"), ids=lambda row: row["quarter"])
def test_every_allocation_of_a_national_validated_end_user_is_a_multiple_of_one_unit(row: dict[str, str]) -> None:
    chips, rest = divmod(int(row["cumulative_tpp"]), NVEU_UNIT_TPP)
    assert rest == 0
    assert compute.equivalents(Decimal(row["cumulative_tpp"]), Decimal(NVEU_UNIT_TPP)) == chips


@pytest.mark.parametrize("code", reference.countries())
def test_every_country_resolves_by_both_codes_and_by_name(code: str) -> None:
    country = reference.countries()[code]
    for text in (country.iso2, country.iso3, country.name, country.name.upper(), f" {country.name} "):
        assert reference.country_code(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("UAE", "AE"),
        ("U.A.E.", "AE"),
        ("UK", "GB"),
        ("U.K.", "GB"),
        ("Great Britain", "GB"),
        ("USA", "US"),
        ("U.S.", "US"),
        ("United States of America", "US"),
        ("South Korea", "KR"),
        ("Republic of Korea", "KR"),
        ("Korea, Republic of", "KR"),
        ("North Korea", "KP"),
        ("DPRK", "KP"),
        ("Democratic People's Republic of Korea", "KP"),
        ("Ivory Coast", "CI"),
        ("Cote d'Ivoire", "CI"),
        ("Côte d\N{RIGHT SINGLE QUOTATION MARK}Ivoire", "CI"),
        ("turkey", "TR"),
        (unicodedata.normalize("NFD", "Türkiye"), "TR"),
        ("Viet  Nam", "VN"),
        ("Macau", "MO"),
        ("Russia", "RU"),
        ("Czech Republic", "CZ"),
        ("DRC", "CD"),
        ("Kosovo", "XK"),
    ],
)
def test_everyday_names_resolve(text: str, code: str) -> None:
    assert reference.country_code(text) == code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Korea", "KR (South Korea) or KP (North Korea)"),
        ("Virgin Islands", "VG (British) or VI (U.S.)"),
        ("Saint Martin", "MF (French part) or SX (Dutch part)"),
        ("ae", "Write codes in capitals: AE."),
        ("no", "Write codes in capitals: NO."),
        ("usa", "Write codes in capitals: US."),
        ("Emirate", "Give an ISO 3166 code"),
        ("Republic of Kore", "Give an ISO 3166 code"),
        ("EU", "Give an ISO 3166 code"),
        ("ZZ", "Give an ISO 3166 code"),
        ("", "Give an ISO 3166 code"),
        ("\uff21\uff25", "Give an ISO 3166 code"),
    ],
)
def test_what_is_not_one_country_is_never_guessed(text: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        reference.country_code(text, "destination")
    assert refused.value.field == "destination"
    assert repr(text) in refused.value.message
    assert reason in str(refused.value)


def test_no_alias_is_the_name_or_code_of_another_country() -> None:
    for code, aliases in reference._ALIASES.items():
        for alias in aliases:
            assert reference.country_code(alias) == code
            assert reference._codes().get(alias, code) == code
    names = [reference._folded(country.name) for country in reference.countries().values()]
    folded = [reference._folded(alias) for aliases in reference._ALIASES.values() for alias in aliases]
    assert len({*names, *folded}) == len(names) + len(folded)


def test_countries_carry_their_lists_and_dates() -> None:
    countries = reference.countries()
    assert {country.tier_2025_01_15 for country in countries.values()} == {"1", "2", "3"}
    assert sum(country.license_scope_2023_rule for country in countries.values()) == 47
    assert countries["KH"].d5_until == date(2025, 11, 7)
    assert countries["NI"].d5_from == date(2024, 3, 15)
    assert countries["AE"].country_groups == ("D:4",)
    assert countries["AD"].country_groups == ()
    assert countries["KY"].parent_iso2 == "GB"
    assert countries["HK"].license_scope_2023_rule


def test_the_countries_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        reference.countries()["AE"] = reference.countries()["US"]  # type: ignore[index]


def test_parties_say_what_is_known_and_what_is_not() -> None:
    parties = {party.party: party for party in reference.parties()}
    assert parties["microsoft"].roles == ("exporter", "recipient")
    assert (parties["g42"].headquarters, parties["g42"].ultimate_parent) == ("AE", UNKNOWN)
    assert parties["nvidia"].ultimate_parent == "self"
    for party in parties.values():
        assert reference.country_code(party.headquarters) == party.headquarters
        assert party.ultimate_parent in {"self", UNKNOWN, *parties}


def test_every_deal_names_parties_chips_and_deals_that_exist() -> None:
    deals = {deal.deal_id: deal for deal in reference.deals()}
    parties = {party.party for party in reference.parties()}
    chips = {chip.chip for chip in reference.chips()}
    assert len(deals) == len(reference.deals())
    for deal in deals.values():
        assert deal.party_id in parties | {""}
        assert deal.chip_id in chips | {""}
        assert deal.parent_deal in deals.keys() | {""}
        assert deal.counts in ("grant", "authorization of undetermined size", "listed")
        assert compute.last_day_of(deal.date).year >= 2024


@pytest.mark.parametrize("deal", [deal for deal in reference.deals() if deal.tpp_total], ids=lambda deal: deal.deal_id)
def test_every_deal_with_a_total_is_its_quantity_at_the_unit_rating(deal: reference.Deal) -> None:
    unit_tpp = compute.number(deal.tpp_per_unit)
    assert compute.equivalents_tpp(compute.number(deal.quantity), unit_tpp) == compute.number(deal.tpp_total)
    if deal.chip_id:
        assert unit_tpp == reference.chip(deal.chip_id).tpp


@pytest.mark.parametrize("content", ["a,b\n1\n", "a,b\n1,2,3\n", 'a,b\n"1,2\n'])
def test_a_damaged_table_is_an_error_not_a_guess(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "damaged.csv").write_text(content, encoding="utf-8")
    monkeypatch.setattr(reference, "_FOLDER", tmp_path)
    for name in ("damaged", "missing"):
        with pytest.raises(Unusable, match=name):
            reference.table(name)
