"""Countries and recipients: who they are, what stands there, which caps are kept for them, what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from ledger import reference
from ledger.core.errors import NotFound
from ledger.core.facts import UNKNOWN, Authorization
from ledger.reports import CapStanding, Holding, View, holdings, standings, together
from ledger.web.asking import Asked
from ledger.web.parts import Cell, Column, Facts, Figures, Page, Part, Steps, Table, number, path, state
from ledger.web.showing.overview import COUNTRY_COLUMNS, country_row
from ledger.web.showing.standing import caps_table, country_name, party_cell, severity, unsure
from ledger.web.showing.totals import STAGES, ZERO, Totals

EARLIEST = "2020-01-01"  # no chip was licensed before
MOST_ROWS = 250
MOST_HELD = 100
AUTHORIZATION_COLUMNS = (
    Column("Authorization"), Column("Kind"), Column("Recipient"), Column("Country"), Column("Exporter"),
    Column("State"), Column("Last day"), Column("As stated"),
)  # fmt: skip


def countries(view: View, totals: Totals, asked: Asked, *, named: str, tier: str) -> Page:
    """Return the page of all listed countries that match, those with chips first."""
    stages, caps = totals.of(view), _own_caps(standings(view, limited=True))
    none = dict.fromkeys(STAGES, Decimal(0))
    adoption = view.adoption
    found = []
    for code, listed in reference.countries().items():
        of_tier = (adoption.book.tier(code, view.on) if adoption else None) or "no tier"
        if named.casefold() in f"{listed.name} {code} {listed.iso3}".casefold() and tier in ("", of_tier):
            found.append(code)
    found.sort(key=lambda code: (-stages.get(code, none)["licensed"], country_name(code)))
    rows = tuple(country_row(code, stages.get(code, none), caps.get(code), view, asked) for code in found[:MOST_ROWS])
    tiers = [("", "any tier"), *((name, f"tier {name}") for name in (adoption.book.tiers if adoption else ()))]
    table = Table("Countries, those with most licensed first", COUNTRY_COLUMNS, rows, "No country matches.")
    return Page("Countries", f"{len(found):,} countries and territories.", (table,),
                extra={"options": tiers, "tier": tier, "named": named})  # fmt: skip


def country(view: View, totals: Totals, asked: Asked, code: str) -> Page:
    """Return one country's page. Raises `NotFound` for a code that is not listed."""
    listed = reference.countries().get(code)
    if listed is None:
        raise NotFound(f'"{code[:20]}" is not the code of a listed country.', "Choose one of the list of countries.")
    adoption = view.adoption
    counts_as = adoption.book.place(code) if adoption else code
    stages = totals.of(view).get(counts_as, dict.fromkeys(STAGES, Decimal(0)))
    tier = (adoption.book.tier(code, view.on) if adoption else None) or UNKNOWN
    rows = {
        "Tier": tier, "Code": f"{listed.iso2}, {listed.iso3}", "Country groups": ", ".join(listed.country_groups),
        "Counts as": country_name(counts_as) if counts_as != code else "",
        "Basis": listed.basis, "Note": listed.note, "Source": listed.source, "Confidence": listed.confidence,
    }  # fmt: skip
    caps = sorted(standings(view, of=("destination", counts_as)), key=severity)
    alike = [each for each in reference.countries() if adoption and adoption.book.place(each) == counts_as] or [code]
    held = holdings(view, "destination", alike)
    own = [each for each in held if each.destination == code]
    parts: list[Part] = [
        _stages(stages, together(held), view, asked.path("records", about=code)),
        caps_table("Caps kept for the country", caps[:MOST_ROWS], asked, "No cap of the rulebook counts it."),
        _held(view, asked, own, "Recipients, most licensed first", by_recipient=True),
        _authorizations(view, asked, "Authorizations", lambda each: each.destination == code),
        Facts("The country as listed", tuple((term, Cell(text)) for term, text in rows.items() if text)),
    ]  # fmt: skip
    return Page(listed.name, "", tuple(parts), (Cell("Countries", asked.path("countries")), Cell(listed.name)),
                extra={"also": _also(view, asked, code, "country")})  # fmt: skip


def _also(view: View, asked: Asked, name: str, role: str) -> tuple[Cell, ...]:
    """Return where more of a country or a party is told: its records, and its statement of the year so far."""
    days = {"first": view.on.replace(month=1, day=1).isoformat(), "last": view.on.isoformat()}
    return (
        Cell("Every record about it", asked.path("records", about=name)),
        Cell(f"Statement of {view.on.year} so far", path("statements", **{role: name}, **days, known=asked.known_text)),
    )


def recipients(view: View, asked: Asked, *, named: str) -> Page:
    """Return the page of parties whose name or id matches."""
    known = view.position.knowledge.parties.values()
    wanted = named.casefold()
    found = sorted(
        (each for each in known if wanted in f"{each.party} {each.name}".casefold()), key=lambda each: each.name
    )
    columns = (Column("Party"), Column("Id"), Column("Roles"), Column("Headquarters"), Column("Confidence"))
    rows = tuple(
        (
            Cell(each.name, asked.path("recipients", each.party), "title"), Cell(each.party, kind="code"),
            Cell(", ".join(each.roles) or "not stated"), Cell(_seat(each.headquarters)),
            Cell(each.confidence or "not stated"),
        )
        for each in found[:MOST_HELD]
    )  # fmt: skip
    note = f"The first {MOST_HELD} of {len(found):,}: search for a name." if len(found) > MOST_HELD else ""
    empty = "No party matches." if named else "No party is registered."
    return Page("Recipients and other parties", f"{len(found):,} parties.",
                (Table("Parties", columns, rows, empty, note),), extra={"named": named})  # fmt: skip


def recipient(view: View, asked: Asked, name: str) -> Page:
    """Return one party's page. Raises `NotFound` where nothing is known of it."""
    knowledge = view.position.knowledge
    party = knowledge.party(name, view.on) or knowledge.parties.get(name)
    if party is None:
        raise NotFound(f'No party "{name[:60]}" is known at record {view.known:,}.', "Search for its name.")
    caps = sorted(standings(view, of=("", name)), key=severity)
    own = holdings(view, "recipient", [name])
    held = together(own)
    rows = {
        "Id": Cell(party.party, kind="code"),
        "Roles": Cell(", ".join(party.roles)),
        "Headquarters": Cell(_seat(party.headquarters)),
        "Ultimate parent as stated": Cell("itself" if party.ultimate_parent == "self" else party.ultimate_parent),
        "Holds from": Cell(str(party.valid_from or "")),
        "Source": Cell(party.source), "Confidence": Cell(party.confidence), "Note": Cell(party.note),
        "Stated by": number(party.seq, href=asked.path("records", party.seq), note="record") if party.seq else Cell(""),
    }  # fmt: skip
    parts: list[Part] = [
        *([_stages(held.tpp, held, view, asked.path("records", about=name))] if own else []),
        _held(view, asked, own, "What stands with it, by country", by_recipient=False),
        caps_table("Caps kept for it", caps, asked, "No cap of the rulebook is kept for it by name."),
        _path(view, asked, name),
        _owners(view, asked, name),
        _authorizations(view, asked, "Authorizations", lambda each: name in (each.recipient, each.exporter)),
        Facts("The party as registered", tuple((term, cell) for term, cell in rows.items() if cell.text)),
    ]  # fmt: skip
    lead = "" if knowledge.party(name, view.on) else f"Nothing was stated of it for {view.on}; this is what was last."
    role = "exporter" if "exporter" in party.roles else "recipient"
    return Page(party.name, lead, tuple(parts), (Cell("Recipients", asked.path("recipients")), Cell(party.name)),
                extra={"also": _also(view, asked, name, role)})  # fmt: skip


def _seat(code: str) -> str:
    return "unknown" if code == UNKNOWN else f"{country_name(code)} ({code})"


def _stages(stages: Mapping[str, Decimal], held: Holding, view: View, behind: str) -> Figures:
    rows = tuple(
        (
            f"{stage.replace('_', ' ')}, TPP",
            number(stages.get(stage, ZERO), href=behind if stages.get(stage) else "", note=unsure(held, stage)),
        )
        for stage in STAGES
    )
    return Figures(f"On {view.on}", rows)


def _held(view: View, asked: Asked, found: Sequence[Holding], caption: str, *, by_recipient: bool) -> Table:
    """Return what each recipient has in each stage in each country, of one country or one recipient."""
    ranked = sorted(found, key=lambda each: (-each.tpp.get("licensed", ZERO), each.recipient, each.destination))
    shown = ("licensed", "open", "shipped", "received", "installed")
    columns = (
        Column("Recipient" if by_recipient else "Country"), Column("Licensed", "chips", right=True),
        *(Column(stage.capitalize(), "TPP", right=True) for stage in shown),
    )  # fmt: skip
    rows = tuple(
        (
            party_cell(view, asked, each.recipient) if by_recipient
            else Cell(_seat(each.destination), asked.path("countries", each.destination)),
            number(each.chips.get("licensed"), "none"),
            *(_amount(each, stage, view, asked) for stage in shown),
        )
        for each in ranked[:MOST_HELD]
    )  # fmt: skip
    note = "Chips count what was stated in chips; equivalents are in the TPP only." if rows else ""
    if len(ranked) > MOST_HELD:
        note += f" The first {MOST_HELD} of {len(ranked):,}."
    return Table(caption, columns, rows, "Nothing was licensed or shipped.", note)


def _amount(held: Holding, stage: str, view: View, asked: Asked) -> Cell:
    """Return a figure that leads to the movements it is the sum of: a statement from the first day on."""
    tpp = held.tpp.get(stage)
    if not tpp:
        return number(ZERO)
    whose = {"recipient": held.recipient, "country": held.destination}
    days = {"first": EARLIEST, "last": view.on.isoformat()}
    return number(tpp, href=path("statements", **whose, **days, known=asked.known_text), note=unsure(held, stage))


def _path(view: View, asked: Asked, name: str) -> Steps:
    knowledge = view.position.knowledge
    upward = knowledge.ownership_path(name, view.on)
    rows = []
    for n, each in enumerate(upward):
        party = knowledge.party(each, view.on)
        words = "The ultimate parent." if n == len(upward) - 1 else ""
        rows.append((Cell(party.name if party else each, asked.path("recipients", each)),
                     _seat(party.headquarters) if party else "not registered", words))  # fmt: skip
    empty = "The ultimate parent is unknown: what turns on it is undetermined, and refuses."
    return Steps("Ownership path, upward", tuple(rows), empty)


def _owners(view: View, asked: Asked, name: str) -> Table:
    columns = (Column("Owner"), Column("Share", "%", right=True), Column("From"), Column("Source"), Column("Record"))
    rows = tuple(
        (
            party_cell(view, asked, each.owner),
            Cell(f"{each.percentage:f}", kind="number", note=each.confidence if each.confidence != "confirmed" else ""),
            Cell(str(each.valid_from or "always")), Cell(each.source or "not stated"),
            number(each.seq, href=asked.path("records", each.seq)),
        )
        for each in view.position.knowledge.owners(name, view.on)
    )  # fmt: skip
    return Table("Owners on the day", columns, rows, "No share in it was stated.")


def _authorizations(view: View, asked: Asked, caption: str, wanted: object) -> Table:
    assert callable(wanted)
    found = [each for each in view.position.knowledge.authorizations.values() if wanted(each)]
    found.sort(key=lambda each: (each.state != "active", each.authorization))
    note = f"The first {MOST_HELD} of {len(found):,}." if len(found) > MOST_HELD else ""
    return Table(caption, AUTHORIZATION_COLUMNS, tuple(authorization_rows(found[:MOST_HELD], view, asked)),
                 "There is none.", note)  # fmt: skip


def authorization_rows(found: Iterable[Authorization], view: View, asked: Asked) -> Iterable[tuple[Cell, ...]]:
    """Yield authorizations as rows."""
    for each in found:
        yield (
            Cell(each.authorization, asked.path("authorizations", each.authorization), "title"), Cell(each.kind),
            party_cell(view, asked, each.recipient),
            Cell(_seat(each.destination), asked.path("countries", each.destination)),
            party_cell(view, asked, each.exporter) if each.exporter else Cell("any exporter"),
            state(each.state), Cell(str(each.last_day or "none")),
            Cell(f"{each.quantity} {each.unit}".strip() or "undetermined",
                 note=each.confidence if each.confidence not in ("", "confirmed") else ""),
        )  # fmt: skip


def _own_caps(found: Iterable[CapStanding]) -> dict[str, CapStanding]:
    own: dict[str, CapStanding] = {}
    for each in sorted(found, key=severity):
        name, _, code = each.subject.partition("=")
        if name == "destination" and "," not in code:
            own.setdefault(code, each)
    return own
