"""`capledger remaining`: how much of a chip still fits, which limit binds, and every cap that was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import asking, output
from ledger.cli.asking import exact, figure, limited_to, marks
from ledger.cli.tables import Column, fold, say_lines, screen_width, table
from ledger.core.errors import Malformed

if TYPE_CHECKING:
    from ledger.reports import CapLeft, Remaining

LICENSE = "license"  # asks about a grant
_COLUMNS = (
    Column("cap", least=12),
    Column("subject", least=14),
    Column("window", under="subject", least=11),
    Column("limit", right=True),
    Column("used", right=True, optional=True),
    Column("left", right=True),
    Column("state"),
    Column("marks", under="cap", least=11),
)


def remaining(
    destination: asking.Destination,
    recipient: asking.Recipient,
    chip: asking.Chip = "",
    authorization: asking.Authorization = "",
    exporter: asking.Exporter = "",
    on: asking.On = "",
    known: asking.Known = "",
    rulebook: asking.Book = "",
    owner: asking.Owner = "",
    operator: asking.Operator = "",
    booked_to: asking.BookedTo = "",
    exported_from: asking.ExportedFrom = "",
    end_use: asking.EndUse = "",
    eccn: asking.Eccn = "",
    facility: asking.Facility = "",
    lab: asking.Lab = "",
    activity: asking.Activity = "",
    evidence: asking.Evidence = "",
    training_operations: Annotated[
        str,
        typer.Option(metavar="NUMBER", help="Of model weights, not of a chip: the operations they took, as 1e26."),
    ] = "",
    as_json: asking.AsJson = False,
) -> None:
    """Tell how much still fits the caps: of a grant for --authorization license, else of a shipment.

    The least over all limits touched, an issued license's open included, in TPP and whole chips. It says what fits
    the caps and no more: other parts of the law are outside. With --training-operations it is asked of model weights.
    """
    if training_operations:
        terms = {
            "destination": destination, "recipient": recipient, "kind": authorization, "exporter": exporter,
            "eccn": eccn, "evidence": evidence, "training_operations": training_operations,
        }  # fmt: skip
        unused = {"--chip": chip, "--owner": owner, "--operator": operator, "--booked-to": booked_to,
                  "--exported-from": exported_from, "--end-use": end_use, "--facility": facility, "--lab": lab,
                  "--activity": activity}  # fmt: skip
        of_models(terms, [name for name, value in unused.items() if value], on, known, rulebook, as_json)
        return
    if not chip:
        raise Malformed("chip", "--chip is missing.", "Name a chip; or --training-operations, of model weights.")
    line = {
        "destination": destination, "recipient": recipient, "chip": chip, "quantity": "1",
        "authorization": authorization, "owner": owner, "operator": operator, "booked_to": booked_to,
        "exported_from": exported_from, "end_use": end_use, "eccn": eccn, "facility": facility, "lab": lab,
        "activity": activity, "evidence": evidence,
    }  # fmt: skip
    # Read as a shipment's line is; the word `license` is none that a shipment may name.
    read = line | {"authorization": "" if authorization == LICENSE else authorization}
    movement, _ = asking.movement_of("ship", asking.day_of(on), {"exporter": exporter}, read)
    asked = movement.lines[0]
    stated: dict[str, Any] = {name: value for name in line if name not in _NAMED and (value := getattr(asked, name))}
    with asking.viewing(on, known, rulebook) as view:
        from ledger import reports

        left = reports.remaining(
            view, destination=asked.destination, recipient=asked.recipient, chip=asked.chip,
            authorization=authorization, exporter=movement.exporter, **stated,
        )  # fmt: skip
        if as_json:
            output.say_json({**view.stamp(), **_body(left)})
            return
        what = f"{asked.chip} for {asked.recipient} in {asked.destination}"
        stamp = asking.stamp_of(view)
    width = screen_width()
    say_lines(fold(_sentence(left, what), width), *(fold(line, width) for line in [*_details(left), stamp]))
    if left.caps:
        say_lines([""], table(_COLUMNS, map(_row, left.caps), width))


def of_models(
    terms: Mapping[str, str], unused: Sequence[str], on: str, known: str, rulebook: str, as_json: bool
) -> None:
    """Tell how many models may still be authorized on such terms."""
    from ledger.core import registrations
    from ledger.core.facts import MODELS
    from ledger.reference import country_code

    if unused:
        raise Malformed(unused[0].strip("-"), f"{unused[0]} is not asked of model weights.", "Leave it out.")
    day = asking.day_of(on)
    raw = {**terms, "destination": country_code(terms["destination"], "destination"), "unit": MODELS, "quantity": "1",
           "authorization_id": MODELS, "effective_on": day.isoformat(), "eccn": terms["eccn"] or "4E091",
           "kind": terms["kind"] or LICENSE}  # fmt: skip
    asked, _, _ = registrations.authorization(raw, None)
    with asking.viewing(on, known, rulebook) as view:
        from ledger import reports

        left = reports.remaining_models(view, asked)
        stamp, sentence = view.stamp(), asking.stamp_of(view)
    if as_json:
        body = _body(left)
        nothing = {"remaining_tpp": None, "remaining_h100_equivalents": None, "remaining_chips": None}
        output.say_json({**stamp, **body, **nothing, "remaining_models": left.remaining_chips})
        return
    width = screen_width()
    what = f"models for {asked.recipient} in {asked.destination}"
    says = _sentence(left, what, "model")
    say_lines(fold(says, width), *(fold(line, width) for line in [*_details(left), sentence]))
    if left.caps:
        say_lines([""], table(_COLUMNS, map(_row, left.caps), width))


_NAMED = ("destination", "recipient", "chip", "quantity", "authorization")  # asked by name, the rest is stated


def _body(left: Remaining) -> dict[str, Any]:
    return {
        "remaining_tpp": exact(left.remaining_tpp),
        "remaining_chips": left.remaining_chips,
        "remaining_h100_equivalents": exact(_equivalents(left.remaining_tpp)),
        "binding_cap": left.binding_cap,
        "why": left.why,
        "remedy": left.remedy,
        "rules": list(left.rules),
        "review": left.review,
        "readings": dict(left.readings),
        "caps": [_cap(cap) for cap in left.caps],
        "open_tpp": exact(left.open_tpp),
        "open_chips": left.open_chips,
    }


def _cap(cap: CapLeft) -> dict[str, Any]:
    in_tpp = cap.unit == "TPP"
    return {
        "cap": cap.cap,
        "subject": cap.subject,
        "window": cap.window,
        "unit": cap.unit,
        "limit": exact(cap.limit),
        "used": exact(cap.used),
        "doubt": exact(cap.doubt),
        "remaining": exact(cap.remaining),
        "state": cap.state,
        "limit_tpp": exact(cap.limit) if in_tpp else None,
        "used_tpp": exact(cap.used) if in_tpp else None,
        "remaining_tpp": exact(cap.remaining) if in_tpp else None,
        "day": cap.day.isoformat(),
        "when_exceeded": cap.when_exceeded,
        "law": cap.law,
        "confidence": cap.confidence,
        "status": cap.status,
        "book": cap.book,
        **({"remark": cap.remark} if cap.remark else {}),
    }


def _equivalents(tpp: Decimal | None) -> Decimal | None:
    """Return how many H100 a TPP is: to show, never counted."""
    from ledger.core.compute import equivalents
    from ledger.reference import REFERENCE_CHIP, chip

    return None if tpp is None else equivalents(tpp, chip(REFERENCE_CHIP).tpp)


def _sentence(left: Remaining, what: str, unit: str = "chip") -> str:
    if left.why:
        return f"0 {unit}s fit, {left.binding_cap}: {left.why}"
    if left.remaining_chips is None:
        return f"Unlimited: no cap that refuses is touched by {what}."
    binds = _binding(left)
    in_tpp = f" ({figure(left.remaining_tpp)} TPP)" if unit == "chip" else ""
    if not left.remaining_chips:
        return f"0 {unit}s{in_tpp} fit the caps: {binds} binds."
    count = f"{left.remaining_chips:,} {unit}{'s' * (left.remaining_chips != 1)}"
    return f"{count}{in_tpp} fit the caps; {binds} binds."


def _binding(left: Remaining) -> str:
    if left.binding_cap == "authorization":
        return "the authorization's open"
    cap = next((cap for cap in left.caps if cap.cap == left.binding_cap and cap.binds), None)
    return f"{cap.cap} of {cap.subject}" if cap else left.binding_cap


def _details(left: Remaining) -> list[str]:
    details = [left.remedy]
    if left.open_chips is not None and left.binding_cap != "authorization":
        details.append(f"Open under the authorization: {left.open_chips:,} chips ({figure(left.open_tpp)} TPP).")
    if left.remaining_tpp:
        details.append(f"{figure(_equivalents(left.remaining_tpp))} H100 equivalents: shown, never counted.")
    if left.rules and not left.why:
        details.append(f"Rule: {', '.join(left.rules)}{f' (review: {left.review})' if left.review else ''}.")
    return [detail for detail in details if detail]


def _row(cap: CapLeft) -> list[str]:
    is_counted = cap.limit is None or cap.remaining is not None
    return [
        cap.cap, cap.subject, cap.window, limited_to(cap.limit, cap.unit, cap.state == "watched"), figure(cap.used),
        figure(cap.remaining), cap.state,
        marks(cap.when_exceeded, cap.status, cap.confidence, cap.doubt, is_counted=is_counted, remark=cap.remark),
    ]  # fmt: skip
