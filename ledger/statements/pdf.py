"""A statement as PDF/UA-1: tagged for screen readers, in fonts that come along, the same bytes for the same statement.

What people wrote goes to the template as data and is never read as markup.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ledger.core.compute import grouped
from ledger.core.errors import Unusable
from ledger.reports.statement import Balance, Change, Line, Statement
from ledger.reports.usage import SHOWN

Paper = Literal["a4", "us-letter"]
MOST_LINES = 10_000
LONGEST_TEXT = 600
_TEMPLATE = Path(__file__).parent / "statement.typ"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # of an empty journal, which has no moment of its own
# Letters that the fonts hold; a test draws them all. PDF/UA-1 does not admit a letter without a shape.
LETTERS = (
    "\u0020-\u007e\u00a0-\u017f\u0391-\u03a1\u03a3-\u03c9\u0400-\u045f"
    "\u2010-\u2015\u2018-\u201e\u2022\u2026\u20ac\ufffd"
)
_WITHOUT_SHAPE = re.compile(f"[^{LETTERS}]")
_WORD = re.compile(r"\S{18,}")
_BREAK = re.compile(r"([-_.:/+=,;]|[^-_.:/+=,;]{18})(?=\S)")


def pdf_of(statement: Statement, paper: Paper = "a4") -> bytes:
    """Return the statement as a tagged PDF.

    Letters that the fonts lack are shown as the replacement character, which the PDF then says.

    Raises:
        Unusable: it has more than MOST_LINES rows; CSV has no such limit.
    """
    rows = sum(len(line.changes) for line in statement.lines)
    if rows > MOST_LINES:
        raise Unusable(
            "too_long", f"The statement has {rows:,} rows; a PDF holds {MOST_LINES:,}.", "Ask for fewer days, or CSV."
        )  # fmt: skip
    import typst  # a large library, which only this needs

    document = json.dumps(_document(statement, paper), ensure_ascii=False)
    compiler = typst.Compiler(_template(), ignore_system_fonts=True, sys_inputs={"document": document})
    made = compiler.compile(
        format="pdf", pdf_standards="ua-1", timestamp=int((statement.recorded_at or _BEGINNING).timestamp())
    )
    assert isinstance(made, bytes)
    return made


@cache
def _template() -> bytes:
    return _TEMPLATE.read_bytes()


def _document(statement: Statement, paper: Paper) -> dict[str, Any]:
    """Return everything that the template lays out, as text."""
    fields = (("Exporter", statement.exporter), ("Recipient", statement.recipient), ("Country", statement.country))
    of = [(label, value) for label, value in fields if value]
    days = f"{statement.first} to {statement.last}"
    at = f"{statement.recorded_at:%Y-%m-%d %H:%M:%S} UTC" if statement.recorded_at else "no record yet"
    facts = [
        *((label, _named(value, statement.names.get(value, ""))) for label, value in of),
        ("Period", f"{days}, both days included"),
        ("Known at", f"record {statement.known:,} of {statement.journal:,}, {at}"),
        ("Rulebook", f"{statement.rulebook or 'none'} on {statement.last}"),
    ]
    document = {
        "paper": paper,
        "title": f"Statement of {', '.join(value for _, value in of)}, {days}",
        "facts": [[label, value] for label, value in facts],
        "balances": [_balances(statement, stage) for stage in SHOWN],
        "unstated": any(each[stage].unstated_tpp for each in (statement.opening, statement.closing) for stage in SHOWN),
        "lines": [row for line in statement.lines for row in _rows(line, statement)],
        "late": any(line.is_late for line in statement.lines),
        "caps": [_cap(each.body()) for each in statement.caps],
        "discrepancies": [_discrepancy(each.body()) for each in statement.discrepancies],
        "position": f"Known at record {statement.known:,}. Root {statement.root}",
    }
    shown, lacks = _drawable(document)
    return {**shown, "lacks": lacks}


def _named(value: str, name: str) -> str:
    return value if name in ("", value) else f"{value}: {name}"


def _balances(statement: Statement, stage: str) -> list[str]:
    before, after = statement.opening[stage], statement.closing[stage]
    change = Balance(after.tpp - before.tpp, after.chips - before.chips, after.unstated_tpp - before.unstated_tpp)
    return [_word(stage), *_figures(before, change, after)]


def _rows(line: Line, statement: Statement) -> list[list[str]]:
    """Return one row for each stage that a line changes; what they share stands in the first."""
    asked = (statement.exporter, statement.recipient, statement.country)
    rest = [each for each in (line.exporter, line.recipient, line.country) if each not in asked]
    details = " \N{EN DASH} ".join(filter(None, (line.chip, line.authorization, *rest)))
    late = f"late: recorded {line.recorded_at:%Y-%m-%d}" if line.is_late and line.recorded_at else ""
    record = f"{line.record}.{line.line}"
    rows = [
        [line.day.isoformat(), record, line.what, "", _word(change.stage), *_figures_of(change)]
        for change in line.changes
    ]
    rows[0][3] = "; ".join(filter(None, (details, late)))
    return rows


def _figures_of(change: Change) -> list[str]:
    return _figures(change.before, change.amount, change.after)


def _figures(before: Balance, change: Balance, after: Balance) -> list[str]:
    """Return chips, then TPP: before, change and after. A change in equivalents has no number of chips."""
    chips = "\N{EN DASH}" if change.unstated_tpp and not change.chips else _signed(change.chips)
    return [
        grouped(before.chips), chips, grouped(after.chips), grouped(before.tpp), _signed(change.tpp), grouped(after.tpp)
    ]  # fmt: skip


def _signed(amount: int | Decimal) -> str:
    return f"+{grouped(amount)}" if amount > 0 else grouped(amount)


def _cap(body: dict[str, Any]) -> list[str]:
    limit = "watched" if body["state"] == "watched" else "undetermined"
    notes = [body["status"], "flags only" if body["when_exceeded"] == "flag" else ""]
    notes.append(body["confidence"] if body["confidence"] != "confirmed" else "")
    return [
        f"{body['cap']} of {body['subject']}", body["window"], body["unit"], _figure(body["own"]),
        _figure(body["used"]), limit if body["limit"] is None else _figure(body["limit"]), _figure(body["left"]),
        body["state"],
        ", ".join([body["law"], *filter(None, notes)]),
    ]  # fmt: skip


def _discrepancy(body: dict[str, Any]) -> list[str]:
    amount = f"{_figure(body['amount'])} {body['unit']}" if body["amount"] else ""
    about = " ".join(filter(None, (body["cap"], body["subject"])))
    return [
        str(body["id"]), body["effective_on"], _word(body["class"]), about, amount, body["owner"], body["state"],
        body["note"],
    ]  # fmt: skip


def _figure(text: str | None) -> str:
    try:
        return "\N{EN DASH}" if text is None else grouped(Decimal(text))
    except ArithmeticError:
        return text or ""


def _word(name: str) -> str:
    return name.replace("_", " ")


def _breakable(word: re.Match[str]) -> str:
    """Return a long word that may be broken after its marks; a figure stays whole."""
    return _BREAK.sub("\\1\N{ZERO WIDTH SPACE}", word[0]) if any(map(str.isalpha, word[0])) else word[0]


def _drawable(document: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a document in letters that the fonts hold, long words breakable; and whether any letter was replaced."""
    lacks = False

    def draw(value: Any) -> Any:
        nonlocal lacks
        if isinstance(value, list):
            return [draw(each) for each in value]
        if not isinstance(value, str):
            return value
        text = unicodedata.normalize("NFC", value)
        text = " ".join(text.split()) if not text.isprintable() else text
        if len(text) > LONGEST_TEXT:
            text = f"{text[: LONGEST_TEXT - 1]}\N{HORIZONTAL ELLIPSIS}"
        shown = _WITHOUT_SHAPE.sub("\N{REPLACEMENT CHARACTER}", text)
        lacks = lacks or shown != text
        return _WORD.sub(_breakable, shown)

    # What is not drawn, or has no long word of letters, stays as it is.
    whole = {name: document[name] for name in ("paper", "title", "position")}
    return {
        **{name: draw(value) for name, value in document.items()},
        "heading": draw(document["title"]),
        **whole,
    }, lacks
