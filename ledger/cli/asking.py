"""What the reading commands share: the day, the record and the book that are asked, and a view of the ledger there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import completing, output
from ledger.core import asof
from ledger.core.compute import grouped, plain
from ledger.core.errors import Malformed

if TYPE_CHECKING:
    from decimal import Decimal

    import psycopg

    from ledger.core.movements import Movement
    from ledger.posting import Receipt, Request
    from ledger.reports import View

OPERATOR = "operator"

On = Annotated[str, typer.Option("--on", metavar="DAY", help="The day asked about; today (UTC) if not said.")]
Dated = Annotated[
    str, typer.Option("--on", metavar="DAY", help="Only what is dated up to this day; whatever day if not said.")
]
Known = Annotated[
    str,
    typer.Option("--known", metavar="RECORD|TIME", help="As known at a record, a moment or the end of a day (UTC)."),
]
Book = Annotated[
    str,
    typer.Option(
        "--rulebook",
        metavar="NAME|FILE",
        autocompletion=completing.rulebooks,
        help="Ask this rulebook; the adopted ones if not said.",
    ),
]
Person = Annotated[
    str, typer.Option("--person", metavar="NAME", help="Who you are; the name you are logged in by if not said.")
]
Propose = Annotated[bool, typer.Option("--propose", help="Only propose it, for another person to decide.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, figures as exact strings.")]

# What may be stated of a movement, for those commands that ask about one.
Destination = Annotated[
    str,
    typer.Option(
        metavar="COUNTRY", autocompletion=completing.countries, help="Where the chips go: code, or exact name."
    ),
]
Recipient = Annotated[
    str, typer.Option(metavar="PARTY", autocompletion=completing.parties, help="The ultimate consignee.")
]
Chip = Annotated[str, typer.Option(metavar="ID", autocompletion=completing.chips, help="A rated chip or system.")]
Authorization = Annotated[
    str,
    typer.Option(
        metavar="ID|KIND",
        autocompletion=completing.authorizations,
        help="An issued one, or a kind such as license or LPP; none if not said.",
    ),
]
Exporter = Annotated[str, typer.Option(metavar="PARTY", autocompletion=completing.parties, help="Who sends.")]
Owner = Annotated[
    str,
    typer.Option(
        metavar="PARTY", autocompletion=completing.parties, help="Who owns the chips; the recipient if not said."
    ),
]
Operator = Annotated[
    str,
    typer.Option(metavar="PARTY", autocompletion=completing.parties, help="Who runs them; the recipient if not said."),
]
BookedTo = Annotated[
    str, typer.Option(metavar="PARTY", autocompletion=completing.parties, help="Whose yearly limit it is booked to.")
]
ExportedFrom = Annotated[
    str, typer.Option(metavar="COUNTRY", autocompletion=completing.countries, help="The country it leaves.")
]
EndUse = Annotated[str, typer.Option(metavar="WORD", help="What the chips are for.")]
Eccn = Annotated[str, typer.Option(metavar="ECCN", help="The item's class; the chip's control if not said.")]
Facility = Annotated[str, typer.Option(metavar="ID", help="The site where they will stand.")]
Lab = Annotated[str, typer.Option(metavar="PARTY", autocompletion=completing.parties, help="The lab that tested them.")]
Activity = Annotated[str, typer.Option(metavar="WORD", help="export, reexport, transfer or domestic.")]
Evidence = Annotated[str, typer.Option(metavar="KIND[=REF];...", help="Evidence by kind and reference.")]

_COUNTRIES = ("destination", "exported_from", "from_destination")


def day_of(text: str, option: str = "--on") -> date:
    """Return a stated day, or today (UTC) where none is stated."""
    if not text:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Malformed(
            option.strip("-"), f'{option} "{output.clean(text[:40])}" is not a day.', "Write YYYY-MM-DD."
        ) from None


def known_at(text: str, option: str = "--known") -> int | datetime | None:
    """Return a journal number or a moment; None where not said."""
    return asof.known_at(output.clean(text), option) if text else None


@contextmanager
def connected() -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Yield a connection to the ledger, which is started and migrated where it has to be."""
    import psycopg

    from ledger.settings import Settings
    from schema.database import open_database

    settings = Settings.load()
    with open_database(settings) as dsn:
        with psycopg.connect(dsn) as conn:
            yield conn
        if not settings.database_url:
            completing.leave(dsn, settings)


@contextmanager
def viewing(on: str, known: str, rulebook: str) -> Iterator[View]:
    """Yield a view of the ledger on a day, as known then, under a rulebook, from what was written on the line."""
    from ledger.reports import Reader

    day, record = day_of(on), known_at(known)
    with connected() as conn, Reader(conn).view(on=day, known=record, rulebook=rulebook or None) as view:
        yield view


def post_one(request: Request, person: str = "") -> Receipt:
    """Post one request as the operator and return its receipt. person: as stated on the line."""
    with connected() as conn:
        return post_to(conn, request, person)


def post_to(conn: psycopg.Connection[tuple[Any, ...]], request: Request, person: str) -> Receipt:
    """Post one request as the operator to an open ledger and return its receipt."""
    from ledger.posting import Writer

    return Writer(conn).post([request], actor=OPERATOR, at=datetime.now(UTC), person=person_of(person))[0]


def person_of(text: str) -> str:
    """Return who is at the console: as stated, else the user's name; "" where the system has none."""
    import getpass

    from ledger.core.four_eyes import person_of as named

    if text:
        return named(text)
    try:
        return named(getpass.getuser())
    except (OSError, KeyError, ImportError, Malformed):
        return ""


def proposal_of(request: Request, note: str) -> Request:
    """Return the proposal of a request, under a key made of the request's own."""
    from ledger.posting import Request

    voice = "observation" if request.observed else "request"
    raw = {"kind": request.kind, "key": request.key, "voice": voice, "body": dict(request.raw), "note": note}
    return Request("proposal", f"propose:{request.key}", raw)


def answered(receipt: Receipt, as_json: bool, said: str) -> None:
    """Tell what became of a request; end with the status for it where it was refused."""
    if as_json:
        output.say_json({name: getattr(receipt, name) for name in type(receipt)._fields})
    elif receipt.verdict == "refused":
        output.complain(f"Refused, {receipt.code}: {receipt.message}", receipt.code, receipt.remedy)
    else:
        output.say(said)
    if receipt.verdict == "refused":
        raise typer.Exit(output.UNUSABLE if receipt.code in ("malformed", "key_reused") else output.SAYS_NO)


def movement_of(
    kind: str, on: date, head: Mapping[str, str], line: Mapping[str, str]
) -> tuple[Movement, dict[str, Any]]:
    """Return a movement that is only asked about, and its raw fields; countries may be stated by name."""
    from ledger.core import movements

    raw: dict[str, Any] = {"movement": kind, "effective_on": on.isoformat(), **head}
    if any(line.values()):
        raw["lines"] = [dict(line) | _coded(line)]
    return movements.parse(raw)[0], raw


def _coded(line: Mapping[str, str]) -> dict[str, str]:
    from ledger.reference import country_code

    return {name: country_code(line[name], name.replace("_", " ")) for name in _COUNTRIES if line.get(name)}


def stamp_of(view: View) -> str:
    """Return the sentence that every answer carries: the day, the record, and the rulebook asked."""
    stamp = view.stamp()
    of = "the newest" if stamp["known"] == stamp["journal"] else f"of {stamp['journal']:,}"
    under = f"under {stamp['rulebook']}" if stamp["rulebook"] else "with no rulebook in force"
    asked = ", asked by name" if view.book else ""
    return f"On {stamp['on']}, as known at record {stamp['known']:,} ({of}), {under}{asked}."


def figure(amount: Decimal | None, otherwise: str = "-") -> str:
    """Return an amount for people, with its thousands apart."""
    return otherwise if amount is None else grouped(amount)


def exact(amount: Decimal | None) -> str | None:
    """Return an amount for programs."""
    return None if amount is None else plain(amount)


def limited_to(limit: Decimal | None, unit: str, is_watched: bool) -> str:
    """Return a cap's limit with its unit, for people."""
    if limit is None:
        return f"{'none' if is_watched else 'unknown'} ({unit})"
    return f"{grouped(limit)} {unit}"


def marks(
    when_exceeded: str, status: str, confidence: str, doubt: Decimal | None, *, is_counted: bool = True,
    remark: str = "",
) -> str:  # fmt: skip
    """Return what a reader must know of a cap besides its figures.

    is_counted: whether all that counts against it has a number in its unit; equivalents have none in chips. remark:
    its tolerance, and the period in which it is suspended or blocked.
    """
    told = [
        remark,
        status,
        "flags only" if when_exceeded == "flag" else "",
        confidence if confidence != "confirmed" else "",
        f"{grouped(doubt)} in doubt" if doubt else "",
        "" if is_counted else "equivalents: no chip count",
    ]
    return ", ".join(filter(None, told))
