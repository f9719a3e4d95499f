"""The language of the tables of caps: what was posted before, what is asked on top, and what must come of it.

A row is an id, the movements, and the answer. All but the last movement must be posted; the last is asked, and the
answer says how the table's cap stands to it:

    fits            posted, and the cap was looked at
    over            refused, and the cap would be over; "over on 2025-01-01" names the day as well
    undetermined    refused, and the cap's answer turns on something that is not known
    flagged         posted, and a discrepancy of this cap opened
    unsure          posted under a cap that flags, and whether it is over is not known
    uncounted       posted, and the cap was not even looked at
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, NamedTuple

import psycopg
import pytest
from conftest import Databases, in_database
from world import A100, Ledger, move, rating

from ledger.posting import Receipt, Request
from ledger.reports import Reader, standings

FITS, OVER, UNDETERMINED, FLAGGED = "fits", "over", "undetermined", "flagged"
UNSURE, UNCOUNTED = "unsure", "uncounted"

# A chip of 10,000 TPP, so that the law's numbers are whole chips.
ROUND = {"dense_tops_8bit": "1250", "dense_tops_16bit": "", "tpp_bits": "", "tpp_per_ic": "", "tpp": "",
         "performance_density": "", "control": ""}  # fmt: skip

Step = Request | Callable[[list[int]], Request]  # a step may need the record numbers of those before it


class Row(NamedTuple):
    """One line of a table."""

    id: str
    before: tuple[Step, ...]
    asked: Step
    answer: str


def row(name: str, *steps_and_answer: Any) -> Row:
    """Return a line of a table: its id, the movements, the answer."""
    *before, asked, answer = steps_and_answer
    return Row(name, tuple(before), asked, answer)


TABLES: dict[str, list[Row]] = {}  # the rows of each shipped cap, by "book/cap"
SHAPES: list[str] = []  # the caps of the grammar's tables, as YAML


def table(book: str, cap: str, *rows: Row) -> pytest.MarkDecorator:
    """Parametrize a test by `row`; the rows are known to be of this shipped cap from then on."""
    TABLES.setdefault(f"{book}/{cap}", []).extend(rows)
    return pytest.mark.parametrize("row", rows, ids=[each.id for each in rows])


def round_chip() -> Request:
    """The rating of a chip of 10,000 TPP."""
    return rating(A100, **ROUND)


def prepared(databases: Databases, template: str, *world: Request) -> str:
    """Return the name of a database to copy: the world of a book, registered."""
    name = databases.make(template)
    with psycopg.connect(in_database(databases.server, name)) as conn:
        Ledger(conn).must(*world)
    return name


@contextmanager
def copied(databases: Databases, prepared: str) -> Iterator[Ledger]:
    """Open a ledger on a copy of a prepared database."""
    name = databases.make(prepared)
    with psycopg.connect(in_database(databases.server, name)) as conn:
        yield Ledger(conn)
        conn.rollback()
    databases.done.append(name)


def hold(ledger: Ledger, cap: str, row: Row) -> None:
    """Post what was before, ask, and fail unless the cap answers as the row says."""
    records: list[int] = []
    for step in row.before:
        records.append(ledger.must(step(records) if callable(step) else step))
    flagged = breaches(ledger, cap)
    receipt = ledger.ask(row.asked(records) if callable(row.asked) else row.asked)
    told = answer(ledger, cap, receipt, flagged)
    assert told == row.answer or told.partition(" on ")[0] == row.answer, (told, receipt)


def answer(ledger: Ledger, cap: str, receipt: Receipt, flagged: int) -> str:
    """Return how a cap answered, in the words of the tables; else what else came of the request."""
    looked = [each for each in ledger.judgment(receipt.seq)["caps"] if each["cap"] == cap]
    found = {each["finding"] for each in looked}
    days = [each["day"] for each in looked if each["finding"] != "fits"]
    if receipt.verdict == "refused":
        if receipt.code == "cap_exceeded" and not looked:  # a share whose base is less
            shrunk = re.search(rf": {cap} of \S+ is over on ([0-9-]+),", receipt.message)
            days, found = ([shrunk[1]], {"exceeded"}) if shrunk else ([], found)
        if receipt.code not in ("cap_exceeded", "undetermined") or not days:
            return f"refused: {receipt.code}"
        return f"{OVER if 'exceeded' in found else UNDETERMINED} on {min(days)}"
    if breaches(ledger, cap) > flagged:
        return f"{FLAGGED} on {min(days)}" if days else FLAGGED
    if not looked:
        return UNCOUNTED
    return {frozenset({"fits"}): FITS, frozenset({"undetermined"}): UNSURE}.get(frozenset(found), f"posted: {looked}")


def breaches(ledger: Ledger, cap: str) -> int:
    """Return how many discrepancies of a cap are open."""
    return [name for _, name, _ in ledger.discrepancies()].count(cap)


def state(ledger: Ledger, cap: str, on: str) -> dict[str, str]:
    """Return the state of each counter of a cap on a day, by subject."""
    with Reader(ledger.conn).view(on=date.fromisoformat(on)) as view:
        return {each.subject: each.state for each in standings(view) if each.cap == cap}


def counted(ledger: Ledger, cap: str, on: str) -> dict[str, int]:
    """Return the chips that each counter of a cap has used at the end of a day, by subject."""
    found = ledger.rows(
        "SELECT subject, sum(chips + doubt_chips)::int FROM counter_day WHERE cap = %s AND day <= %s GROUP BY subject",
        cap, date.fromisoformat(on),
    )  # fmt: skip
    return {subject: chips for subject, chips in found if chips}


def reversed_on(day: str, nth: int = -1) -> Callable[[list[int]], Request]:
    """The reverse of the movement posted as the nth before."""
    return lambda records: move("reverse", day, reverses=str(records[nth]))
