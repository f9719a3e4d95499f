"""`capledger statement`: what moved for an exporter, recipient or country, with old and new balances."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing, output
from ledger.cli.asking import figure
from ledger.cli.caps import standings_table
from ledger.cli.tables import Column, fold, screen_width, table
from ledger.core.compute import grouped
from ledger.core.errors import Malformed, Unusable

if TYPE_CHECKING:
    from decimal import Decimal

    from ledger.reports import Statement
    from ledger.reports.statement import Change, Concern, Line

FORMATS = ("text", "json", "csv", "pdf")
PAPERS = ("a4", "us-letter")
_STAGES = ("reserved", "licensed", "open", "shipped", "in_transit", "installed")
_BALANCES = (
    Column("stage"),
    Column("opening TPP", right=True),
    Column("closing TPP", right=True),
    Column("opening chips", right=True, optional=True),
    Column("closing chips", right=True, optional=True),
)
_LINES = (
    Column("day"),
    Column("record", right=True),
    Column("what", least=8),
    Column("stage"),
    Column("TPP before", right=True, optional=True),
    Column("TPP change", right=True),
    Column("TPP after", right=True),
    Column("chips change", right=True, optional=True),
    Column("chips after", right=True, optional=True),
    Column("about", below=True),
)
_DISCREPANCIES = (
    Column("id", right=True),
    Column("class", least=12),
    Column("subject", least=14),
    Column("amount", right=True),
    Column("day"),
    Column("state"),
    Column("note", below=True),
)


def statement(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="The first day.")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="The last day.")],
    exporter: asking.Exporter = "",
    recipient: asking.Recipient = "",
    country: Annotated[
        str,
        typer.Option(
            metavar="COUNTRY", autocompletion=completing.countries, help="The destination: code, or exact name."
        ),
    ] = "",
    known: asking.Known = "",
    rulebook: asking.Book = "",
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text, json, csv or pdf.")] = "text",
    paper: Annotated[str, typer.Option(metavar="SIZE", help="a4 or us-letter, for a PDF.")] = "a4",
    file: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write it there.")] = None,
    as_json: asking.AsJson = False,
) -> None:
    """Show what moved between two days: opening, old, new and closing balances, caps and discrepancies.

    At least one of --exporter, --recipient and --country says whose; of several, what they share.
    """
    from ledger import reports
    from ledger.reference import country_code

    form = _one_of("format", "json" if as_json else form, FORMATS)
    paper = _one_of("paper", paper, PAPERS)
    if form == "pdf" and file is None and sys.stdout.isatty():
        raise Malformed("output", "A PDF is not for a terminal.", "Name a file with --output.")
    days = asking.day_of(first, "--from"), asking.day_of(last, "--to")
    code = country_code(country) if country else ""
    with asking.viewing(last, known, rulebook) as view:
        found = reports.statement(
            view, exporter=exporter, recipient=recipient, country=code, first=days[0], last=days[1]
        )
        sentence = asking.stamp_of(view)
    content = _content(found, form, paper, sentence, file)
    if file:
        _write(file, content)
        output.say(f"{output.clean(str(file))}: {len(found.lines):,} lines. {sentence}")
    elif form == "pdf":
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    else:
        sys.stdout.write(content.decode())


def _content(found: Statement, form: str, paper: str, sentence: str, file: Path | None) -> bytes:
    if form in ("csv", "pdf"):
        from ledger import statements

        return statements.csv_of(found).encode() if form == "csv" else statements.pdf_of(found, paper)  # type: ignore[arg-type]
    if form == "json":
        return (json.dumps(found.body()) + "\n").encode()
    return "".join(f"{line}\n" for line in _text(found, sentence, None if file else screen_width())).encode()


def _write(file: Path, content: bytes) -> None:
    """Write a file whole or not at all; what is no file, such as a pipe, is written to."""
    try:
        target = file.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return
        with NamedTemporaryFile(dir=target.parent, prefix=".statement.", delete=False) as written:
            temporary = Path(written.name)
            try:
                written.write(content)
                written.flush()
                temporary.chmod(0o666 & ~_umask())
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as fault:
        shown, reason = output.clean(str(file)), fault.strerror or str(fault)
        raise Unusable(
            "not_written", f"{shown} cannot be written: {reason}.", "Name a file in a folder where you may write."
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _one_of(name: str, stated: str, allowed: tuple[str, ...]) -> str:
    if stated not in allowed:
        shown = output.clean(stated[:40])
        raise Malformed(name, f'--{name} "{shown}" is not one.', f"Use one of: {', '.join(allowed)}.")
    return stated


def _text(found: Statement, sentence: str, width: int | None) -> Iterator[str]:
    fields = (("exporter", found.exporter), ("recipient", found.recipient), ("country", found.country))
    of = ", ".join(f"{role} {value}" for role, value in fields if value)
    yield from fold(f"Statement of {of}, {found.first} to {found.last}. {sentence}", width)
    yield f"Root {found.root}"
    yield ""
    yield from table(_BALANCES, [_balance(found, stage) for stage in _STAGES], width)
    yield ""
    if found.lines:
        yield from table(_LINES, [row for line in found.lines for row in _rows(line, found)], width)
    else:
        yield "Nothing moved and nothing lapsed in the period."
    if found.caps:
        yield from ["", *fold("Caps that something of it counts in, as they stand on the last day:", width)]
        yield from standings_table([each.standing.body() for each in found.caps], width, by_tier=False)
    if found.discrepancies:
        yield from ["", "Discrepancies that concern it:"]
        yield from table(_DISCREPANCIES, [_discrepancy(each) for each in found.discrepancies], width)


def _balance(found: Statement, stage: str) -> list[str]:
    before, after = found.opening[stage], found.closing[stage]
    return [_word(stage), figure(before.tpp), figure(after.tpp), grouped(before.chips), grouped(after.chips)]


def _rows(line: Line, found: Statement) -> Iterator[list[str]]:
    """Yield one row for each stage that a line changes; what they share stands at the first."""
    asked = (found.exporter, found.recipient, found.country)
    rest = [each for each in (line.exporter, line.recipient, line.country) if each and each not in asked]
    late = f"late: recorded {line.recorded_at:%Y-%m-%d}" if line.is_late else ""
    about = ", ".join(filter(None, (line.chip, line.authorization, *rest, late)))
    for change in line.changes:
        row = [line.day.isoformat(), f"{line.record}.{line.line}", line.what, _word(change.stage)]
        yield [*row, *_figures(change), about]
        about = ""


def _figures(change: Change) -> list[str]:
    before, amount, after = change.before, change.amount, change.after
    chips = "-" if amount.unstated_tpp and not amount.chips else _signed(amount.chips)
    return [figure(before.tpp), _signed(amount.tpp), figure(after.tpp), chips, grouped(after.chips)]


def _discrepancy(each: Concern) -> list[str]:
    body = each.discrepancy.body()
    return [
        str(body["id"]), body["class"], " ".join(filter(None, (body["cap"], body["subject"]))),
        f"{body['amount']} {body['unit']}".strip(), body["effective_on"], body["state"], body["note"],
    ]  # fmt: skip


def _signed(amount: int | Decimal) -> str:
    return f"+{grouped(amount)}" if amount > 0 else grouped(amount)


def _word(stage: str) -> str:
    return stage.replace("_", " ")
