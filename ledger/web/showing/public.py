"""What everybody may see: totals and states per country, never who has what; and whether a license is valid."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hmac import compare_digest
from typing import Any

from ledger import reference
from ledger.core.compute import plain
from ledger.core.knowledge import is_active
from ledger.reports import CapStanding, View, standings
from ledger.web.parts import Cell, Column, Page, Stamp, Table, number, path, state, unconfirmed
from ledger.web.showing.authorizations import check_code
from ledger.web.showing.standing import country_name, meter, severity
from ledger.web.showing.totals import Totals

FIELDS: Mapping[str, str] = {
    "on": "The day the figures are of, YYYY-MM-DD.",
    "journal": "The number of the ledger's newest record when they were read.",
    "rulebook": "The rulebook in force on the day, by name; blank where none was.",
    "country": "ISO 3166-1 alpha-2 code; Kosovo is XK.",
    "name": "The country's name as listed.",
    "tier": "The country's tier under the rulebook on the day; blank where it has none.",
    "licensed_tpp": "TPP licensed up to the day, less what was released. Exact decimal text.",
    "shipped_tpp": "TPP shipped up to the day, less what came back. Exact decimal text.",
    "installed_tpp": "TPP installed on the day. Exact decimal text.",
    "cap": "The cap kept for the country that needs attention most, by name; blank where there is none.",
    "cap_used": "How much of it is used, in its unit. Exact decimal text.",
    "cap_limit": "Its limit, in its unit; blank where it is undetermined or the cap is only watched.",
    "cap_unit": "TPP or chips.",
    "state": "open, critical, exhausted, over, undetermined, watched, or `no cap`.",
    "confidence": "How sure the limit is: confirmed, or what is not.",
}


@dataclass(frozen=True, slots=True)
class CountryTotals:
    """One country's figures."""

    code: str
    tier: str
    stages: Mapping[str, Decimal]
    cap: CapStanding | None


def country_totals(view: View, totals: Totals) -> list[CountryTotals]:
    """Return every country with chips or a cap in use, by name. Caps of parties are not among them."""
    caps: dict[str, CapStanding] = {}
    for each in sorted(standings(view, limited=True), key=severity):
        name, _, code = each.subject.partition("=")
        if name == "destination" and "," not in code:
            caps.setdefault(code, each)
    stages, adoption = totals.of(view), view.adoption
    none = {stage: Decimal(0) for stage in ("licensed", "shipped", "installed")}
    codes = sorted({*stages, *caps} & reference.countries().keys(), key=country_name)
    return [
        CountryTotals(code, (adoption.book.tier(code, view.on) if adoption else None) or "", stages.get(code, none),
                      caps.get(code))
        for code in codes
    ]  # fmt: skip


def figures_page(found: list[CountryTotals], stamp: Stamp) -> Page:
    """Return the public page of countries."""
    columns = (
        Column("Country"), Column("Tier"), Column("Licensed", "TPP", right=True), Column("Shipped", "TPP", right=True),
        Column("Installed", "TPP", right=True), Column("Cap"), Column("Used", right=True),
        Column("Limit", right=True), Column("Unit"), Column("State"), Column("Share used"),
    )  # fmt: skip
    rows = tuple(_row(each) for each in found)
    table = Table(
        f"Licensed compute per country on {stamp.on}", columns, rows, "Nothing is licensed to any country.",
        "Totals per country only. Who holds what is not public.",
        Cell("Open data: CSV, JSON and what the columns mean", path("public", "data")),
    )  # fmt: skip
    return Page("Licensed AI compute per country", "Totals against the caps, in TPP.", (table,), stamp=stamp)


def _row(each: CountryTotals) -> tuple[Cell, ...]:
    cap = each.cap
    begin = (
        Cell(f"{country_name(each.code)} ({each.code})", kind="title"), Cell(each.tier or "no tier"),
        number(each.stages["licensed"]), number(each.stages["shipped"]), number(each.stages["installed"]),
    )  # fmt: skip
    if cap is None:
        return (*begin, Cell("no cap"), Cell("none"), Cell("none"), Cell("none"), state("no cap"), Cell("no figure"))
    return (
        *begin, Cell(cap.cap, note=unconfirmed(cap.confidence, cap.status, cap.when_exceeded)), number(cap.used),
        number(cap.limit, "undetermined"), Cell(cap.unit), state(cap.state), meter(cap.used, cap.limit),
    )  # fmt: skip


def data_page(stamp: Stamp) -> Page:
    """Return the page of the open data: where they are, and what each column means."""
    files = Table("Files", (Column("Format"), Column("What it is")), (
        (Cell("CSV", path("public", "data.csv")), Cell("UTF-8, one row a country, a row of column names first")),
        (Cell("JSON", path("public", "data.json")), Cell("one object with the stamp, the columns and the rows")),
    ))  # fmt: skip
    words = Table("Data dictionary", (Column("Column"), Column("What it means")),
                  tuple((Cell(name, kind="code"), Cell(means)) for name, means in FIELDS.items()))  # fmt: skip
    lead = "Free to use. Figures are exact decimal text: read them as decimals, not as floating-point numbers."
    return Page("Open data", lead, (files, words), stamp=stamp)


def as_csv(found: list[CountryTotals], stamp: Stamp) -> str:
    """Return the totals as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(FIELDS), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_body(each, stamp) for each in found)
    return text.getvalue()


def as_json(found: list[CountryTotals], stamp: Stamp) -> str:
    """Return the totals as JSON, with what the columns mean."""
    body = {"on": stamp.on.isoformat(), "journal": stamp.journal, "rulebook": stamp.rulebook, "columns": dict(FIELDS)}
    return json.dumps({**body, "rows": [_body(each, stamp) for each in found]}, ensure_ascii=False)


def _body(each: CountryTotals, stamp: Stamp) -> dict[str, Any]:
    cap = each.cap
    return {
        "on": stamp.on.isoformat(), "journal": stamp.journal, "rulebook": stamp.rulebook, "country": each.code,
        "name": country_name(each.code), "tier": each.tier,
        **{f"{stage}_tpp": plain(each.stages[stage]) for stage in ("licensed", "shipped", "installed")},
        "cap": cap.cap if cap else "", "cap_used": plain(cap.used) if cap else "",
        "cap_limit": plain(cap.limit) if cap and cap.limit is not None else "", "cap_unit": cap.unit if cap else "",
        "state": cap.state if cap else "no cap", "confidence": cap.confidence if cap else "",
    }  # fmt: skip


def is_valid(view: View, name: str, code: str) -> bool:
    """Return whether an authorization is active on the view's day and the code is its own."""
    terms = view.position.knowledge.authorization(name, view.on)
    expected = check_code(view, name) if terms else ""
    given = code.strip().casefold().replace(" ", "").replace("-", "")
    is_code = compare_digest(given.encode(), expected.replace("-", "").encode()) and bool(expected)
    return is_code and terms is not None and is_active(terms, view.on)
