"""`capledger explain`: the verdict that posting a movement would come to now, with every rule and cap looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing, output
from ledger.cli.asking import figure, limited_to, marks
from ledger.cli.tables import Column, fold, say_lines, screen_width, table

if TYPE_CHECKING:
    from ledger.core.refusals import Looked
    from ledger.reports import Explained

_COLUMNS = (
    Column("cap", least=12),
    Column("subject", least=14),
    Column("window", under="subject", least=12),
    Column("limit", right=True),
    Column("used", right=True, optional=True),
    Column("asked", right=True),
    Column("left", right=True),
    Column("finding"),
    Column("day", optional=True),
    Column("marks", under="cap", least=11),
)


def explain(
    movement: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="reserve, grant, release, ship, receive, return, retire, transfer, reexport or reverse.",
        ),
    ],
    quantity: Annotated[str, typer.Option(metavar="NUMBER", help="How many.")] = "",
    unit: Annotated[
        str, typer.Option(metavar="UNIT", help="chips, systems or equivalents; items as named if not said.")
    ] = "",
    chip: asking.Chip = "",
    destination: asking.Destination = "",
    recipient: asking.Recipient = "",
    authorization: asking.Authorization = "",
    exporter: asking.Exporter = "",
    on: asking.On = "",
    observed: Annotated[bool, typer.Option("--observed", help="A fact reported from outside, not a request.")] = False,
    party: Annotated[
        str, typer.Option("--as", metavar="PARTY", autocompletion=completing.actors, help="Who asks: a party's id.")
    ] = asking.OPERATOR,
    known: asking.Known = "",
    rulebook: asking.Book = "",
    last_day: Annotated[str, typer.Option(metavar="DAY", help="The last day of a reservation or grant.")] = "",
    of: Annotated[str, typer.Option(metavar="RECORD.LINE", help="The lot that is drawn on.")] = "",
    cause: Annotated[str, typer.Option(metavar="WORD", help="Why chips are retired.")] = "",
    from_recipient: Annotated[
        str, typer.Option(metavar="PARTY", autocompletion=completing.parties, help="Who has the chips now.")
    ] = "",
    from_destination: Annotated[
        str, typer.Option(metavar="COUNTRY", autocompletion=completing.countries, help="Where the chips are now.")
    ] = "",
    reverses: Annotated[str, typer.Option(metavar="RECORD", help="The record that a reverse takes back.")] = "",
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
    as_json: asking.AsJson = False,
) -> None:
    """Tell whether a movement would be posted or refused, and why. Nothing is posted.

    Exit status 0: it would be posted; 1: it would be refused; 2: it cannot be read.
    """
    line = {
        "chip": chip, "quantity": quantity, "unit": unit, "destination": destination, "recipient": recipient,
        "authorization": authorization, "last_day": last_day, "of": of, "cause": cause,
        "from_recipient": from_recipient, "from_destination": from_destination, "owner": owner, "operator": operator,
        "booked_to": booked_to, "exported_from": exported_from, "end_use": end_use, "eccn": eccn,
        "facility": facility, "lab": lab, "activity": activity, "evidence": evidence,
    }  # fmt: skip
    day = asking.day_of(on)
    _, raw = asking.movement_of(movement, day, {"exporter": exporter, "reverses": reverses}, line)
    with asking.viewing(day.isoformat(), known, rulebook) as view:
        from ledger.posting.requests import Request, read
        from ledger.reports import explained

        asked = read(Request("movement", "explain", raw, observed)).movement
        assert asked is not None  # every request of that kind has one
        told = explained(view, asked, observed=observed, asker=party)
        stamp, sentence = view.stamp(), asking.stamp_of(view)
    if as_json:
        output.say_json({**stamp, **told.body()})
    else:
        what = f"{movement} of {quantity} {unit} {chip}" if chip else f"{movement} of record {reverses}"
        _say(told, what, sentence)
    if told.code:
        raise typer.Exit(output.SAYS_NO)


def _say(told: Explained, what: str, stamp: str) -> None:
    """Say it in sentences, then as a table of caps."""
    width = screen_width()
    what = " ".join(what.split())
    lines = [f"Would be {told.verdict}{f', {told.code}' if told.code else ''}: {told.message or f'{what}.'}"]
    lines += [told.remedy] if told.remedy else []
    if (judged := told.judged) is not None:
        lines += [f"Rule: {_rule(answer.message, answer.review)}" for _, answer in judged.answers]
        lines += [f"It turns on the reading {words}." for words in told.reading_words]
        lines += [f"Binding: {told.binding}."] if judged.looked else ["It changes no cap's counter."]
    say_lines(*(fold(line, width) for line in [*lines, stamp]))
    if judged and judged.looked:
        say_lines([""], table(_COLUMNS, map(_row, judged.looked), width))
    if judged and judged.breaches:
        say_lines(["", "It would open:"])
        say_lines(*(fold(f"- {breach.code}: {breach.message}", width, "  ") for breach in judged.breaches))


def _rule(message: str, review: str) -> str:
    return f"{message} Review: {review}." if review else message


def _row(looked: Looked) -> list[str]:
    from ledger.core.pausing import remark
    from ledger.reports.remaining import window_text

    cap, standing = looked.cap, looked.standing
    limit = limited_to(standing.limit, cap.limit.unit, cap.limit.unlimited)
    return [
        cap.name, looked.key.subject, window_text(looked.span), limit, figure(standing.used),
        figure(standing.asked), figure(standing.left), standing.finding, standing.day.isoformat(),
        marks(cap.when_exceeded, cap.status, cap.confidence, standing.doubt, remark=remark(cap, standing.day)),
    ]  # fmt: skip
