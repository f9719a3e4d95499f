"""Would it fit: what an exporter's question offers to choose from, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ledger import reference
from ledger.core.compute import grouped
from ledger.core.facts import AUTHORIZATION_KINDS
from ledger.core.movements import Line, Movement
from ledger.reports import Remaining, View
from ledger.web.desks import Door, Fit, Principal
from ledger.web.parts import Alert, Cell, Column, Figures, Part, Table, number, path, state, unconfirmed
from ledger.web.showing.exporter import notes_of, party_name
from ledger.web.showing.standing import country_name, subject_words, window_words

LICENSE = "license"  # a new one
MOST_OFFERED = 300
Choices = dict[str, list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. authorization: an issued one, a kind, or `license` for a new one."""

    authorization: str
    recipient: str
    destination: str
    chip: str
    quantity: int

    def again(self, quantity: int, day: str) -> str:
        """Return where the same is asked of another quantity."""
        return path(
            "exporter", "fit", authorization=self.authorization, recipient=self.recipient,
            destination=self.destination, chip=self.chip, quantity=str(quantity), day=day,
        )  # fmt: skip


def choices(view: View, door: Door, principal: Principal) -> Choices:
    """Return what the form offers: the exporter's authorizations and kinds, those it deals with, places and chips."""
    held = door.authorizations(principal, view)
    kinds = [(kind, _KINDS.get(kind, "an exception")) for kind in AUTHORIZATION_KINDS]
    offered = [
        (each.authorization, f"{party_name(view, each.recipient)}, {country_name(each.destination)}")
        for each in held[:MOST_OFFERED]
    ]  # fmt: skip
    recipients = dict.fromkeys(each.recipient for each in held)
    chips = sorted((each.chip, each.name or each.chip) for each in view.position.knowledge.chips.values())
    return {
        "authorization": [*offered, *kinds],
        "recipient": [(each, party_name(view, each)) for each in list(recipients)[:MOST_OFFERED]],
        "destination": [(listed.name, code) for code, listed in reference.countries().items()],
        "chip": chips,
    }


def read(view: View, door: Door, principal: Principal, fields: dict[str, str]) -> dict[str, str]:
    """Return the fields with what is left blank taken from the exporter's authorization, and a name as its id."""
    terms = next(
        (each for each in door.authorizations(principal, view) if each.authorization == fields["authorization"]), None
    )
    found = dict(fields)
    if terms:
        found["recipient"] = found["recipient"] or terms.recipient
        found["destination"] = found["destination"] or country_name(terms.destination)
    for party, name in choices(view, door, principal)["recipient"] if found["recipient"] else ():
        if found["recipient"].casefold() == name.casefold():
            found["recipient"] = party
    return found


def answer(view: View, door: Door, principal: Principal, asked: Question, day: str) -> tuple[Part, ...]:
    """Return the answer: would it fit on the view's day, which cap binds, the most that would, and what to do next.

    Raises:
        NotFound: something named is not known, or may not be seen.
    """
    place, party, chip = asked.destination, asked.recipient, asked.chip
    if asked.authorization == LICENSE:
        verdict, left = door.license_fit(
            principal, view, destination=place, recipient=party, chip=chip, quantity=asked.quantity
        )
    else:
        left = door.left(
            principal, view, destination=place, recipient=party, chip=chip, authorization=asked.authorization
        )
        line = Line(
            chip=chip, quantity=Decimal(asked.quantity), unit="chips", destination=place, recipient=party,
            authorization=asked.authorization,
        )  # fmt: skip
        verdict = door.fit(principal, view, Movement("ship", view.on, view.on.isoformat(), (line,), principal.party))
    return _verdict(view, verdict, left, asked, day), _figures(verdict, left), _caps(left)


def _verdict(view: View, verdict: Fit, left: Remaining, asked: Question, day: str) -> Alert:
    is_new = asked.authorization == LICENSE
    to = f"{party_name(view, asked.recipient)} in {country_name(asked.destination)}"
    what = f"{'A new license' if is_new else 'A shipment'} of {grouped(asked.quantity)} {asked.chip} to {to}"
    if not is_new:
        what += f" under {asked.authorization}"
    most = left.remaining_chips
    if verdict.verdict == "posted":
        if is_new:
            words = f"{what} on {view.on} would have room. Only the operator grants: ask the licensing agency for it."
            return Alert("success", "It would fit the caps", words, Cell("What is left for you", path("exporter")))
        words = f"{what} on {view.on} would be posted."
        return Alert("success", "It would fit the caps", words, Cell("Post it from a file", path("exporter", "upload")))
    link = Cell("What is left for you", path("exporter"))
    if most and most < asked.quantity:
        link = Cell(f"Ask for {grouped(most)} chips", asked.again(most, day))
    if verdict.verdict == "undetermined":
        words = f"{what} on {view.on}: {verdict.message} {verdict.remedy}"
        return Alert("warning", "It is not sure to fit", words, link)
    words = f"{what} on {view.on} would be refused: {verdict.message} {verdict.remedy}".strip()
    return Alert("warning", f"It would not fit: {verdict.code.replace('_', ' ')}", words, link)


def _figures(verdict: Fit, left: Remaining) -> Figures:
    binding = left.binding_cap if left.binding_cap != "unlimited" else "nothing limits it"
    named = {"posted": "fits"}.get(verdict.verdict, verdict.verdict)
    return Figures("The answer", (
        ("verdict", state(named)),
        ("what binds", Cell(binding.replace("_", " "), note=notes_of(left))),
        ("the most that would fit, chips", number(left.remaining_chips, "not limited")),
        ("the most that would fit, TPP", number(left.remaining_tpp, "not limited")),
        ("TPP of one chip", number(left.tpp_per_chip)),
    ))  # fmt: skip


def _caps(left: Remaining) -> Table:
    columns = (Column("Cap"), Column("Of"), Column("State"), Column("Window"), Column("Left for you", right=True),
               Column("Unit"), Column("Source in law"))  # fmt: skip
    rows = tuple(
        (Cell(cap.cap, kind="title", note=unconfirmed(cap.confidence, cap.status, cap.when_exceeded)),
         Cell(subject_words(cap.subject)), state(cap.state), Cell(window_words(cap.window)),
         number(cap.remaining, "not told"), Cell(cap.unit), Cell(cap.law))
        for cap in left.caps
    )  # fmt: skip
    return Table("Caps it would touch", columns, rows, "It changes no cap's counter.")


_KINDS = {LICENSE: "a new license", "none_required": "no authorization is needed"}
