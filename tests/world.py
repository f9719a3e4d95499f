"""A small world for tests: parties, chips, rulebooks, licenses and movements as requests, and a ledger to post to.

Builders take what a test is about and fill in the rest. Times are fixed: the ledger never asks a clock.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg

from ledger import reference, rulebooks
from ledger.posting import Receipt, Request, Writer

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
H100, H200, H20, A100 = "nvidia-h100-sxm5-80", "nvidia-h200-sxm-141", "nvidia-h20-96", "nvidia-a100-sxm4-40"
B200, GB300, HGX = "nvidia-b200", "nvidia-gb300-gpu", "hgx-h100-8"
CHIPS = (A100, H100, H200, H20, B200, GB300, HGX)
DIFFUSION, LICENSING = "us-diffusion-2025", "us-licensing-2026"
HEAD = ("exporter", "reverses", "source", "confidence", "note")

_keys = (f"k{n}" for n in itertools.count(1))


def party(party_id: str, headquarters: str = "US", ultimate_parent: str = "self", **more: str) -> Request:
    """A party whose seat and ultimate parent are known, unless the test says otherwise."""
    raw = {"party_id": party_id, "name": party_id, "headquarters": headquarters, "ultimate_parent": ultimate_parent}
    return Request("party", next(_keys), {**raw, **more})


def rating(chip: str, **more: str) -> Request:
    """A chip as the catalog rates it."""
    row = next(row for row in reference.table("chips") if row["chip_id"] == chip)
    return Request("rating", next(_keys), {**row, **more})


def adopt(name_or_text: str, first: str = "2023-11-17", until: str = "") -> Request:
    """The adoption of a shipped rulebook by its name, or of a book as text."""
    if "\n" in name_or_text:
        name = name_or_text.split("rulebook:", 1)[1].split("\n", 1)[0].strip()
        bundle = {name: name_or_text}
    else:
        name, bundle = name_or_text, rulebooks.bundle(name_or_text)
    return Request("rulebook", next(_keys), {"name": name, "from": first, "until": until, "bundle": bundle})


def license_(name: str, recipient: str, destination: str, exporter: str = "nvidia", **more: str) -> Request:
    """An issued license."""
    terms = {"recipient": recipient, "destination": destination, "exporter": exporter, "kind": "license"}
    return Request("authorization", next(_keys), {"authorization_id": name, **terms, **more})


def change(name: str, what: str, effective_on: str, **more: str) -> Request:
    """A change of an authorization: amended, suspended, reinstated, revoked or surrendered."""
    raw = {"authorization_id": name, "change": what, "effective_on": effective_on}
    return Request("authorization", next(_keys), {**raw, **more})


def move(kind: str, day: str, quantity: Any = None, chip: str = H100, *, key: str = "", observed: bool = False,
         lines: list[dict[str, Any]] | None = None, **more: Any) -> Request:  # fmt: skip
    """A movement of one line, or of `lines`; fields of the head go to the head."""
    raw: dict[str, Any] = {"movement": kind, "effective_on": day, **{n: more.pop(n) for n in HEAD if n in more}}
    if lines is not None:
        raw["lines"] = [{**more, **line} for line in lines]
    elif quantity is not None:
        raw["lines"] = [{"chip": chip, "quantity": str(quantity), **more}]
    return Request("movement", key or next(_keys), raw, observed)


def reverse(record: int, day: str, **more: Any) -> Request:
    """The reverse of a record."""
    return move("reverse", day, reverses=str(record), **more)


def closed(until: str) -> Request:
    """The closing of a period."""
    return Request("period", next(_keys), {"closed_until": until})


def settle(number: int, what: str, note: str = "looked at") -> Request:
    """A change of a discrepancy."""
    return Request("discrepancy", next(_keys), {"id": str(number), "change": what, "note": note})


BOOK = """
rulebook: {name}
revision: 1
title: A book for a test
source: this test
status: {{enforced: {{from: 2020-01-01, law: test}}}}
countries: [AE, CN, DE, HK, IN, MY, SA, US]
lists:
  denied: {{any: [CN], law: test}}
tiers:
  2: {{any: everyone else, law: test}}
controls:
  a: {{meets: 3A090.a, covers: [3A090.a], law: test}}
  none: {{meets: none, law: test}}
rules:
{rules}
caps:
{caps}
"""
ANYTHING = "  - {name: anything, law: test, where: {control: [a, none]}, answer: permit}"


def book(*caps: str, name: str = "test-book", rules: str = ANYTHING) -> str:
    """A small rulebook that permits anything, with caps as YAML flow mappings; each gets a law."""
    lines = [f"  - {{law: test, {cap}}}" for cap in caps]
    return BOOK.format(name=name, rules=rules, caps="\n".join(lines) if lines else "  []")


class Ledger:
    """Posts requests through a real writer, and looks at what came of them."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self.conn, self.writer = conn, Writer(conn)

    def post(self, *requests: Request, actor: str = "operator", together: bool = False) -> list[Receipt]:
        """Post in one commit; return the receipts."""
        return self.writer.post(requests, actor=actor, at=AT, together=together)

    def ask(self, request: Request, actor: str = "operator") -> Receipt:
        """Post one request; return its receipt."""
        return self.post(request, actor=actor)[0]

    def must(self, *requests: Request, actor: str = "operator") -> int:
        """Post each in a commit of its own; fail unless all are posted. Return the last one's number."""
        seq = 0
        for request in requests:
            receipt = self.ask(request, actor)
            assert receipt.verdict == "posted", receipt
            seq = receipt.seq or 0
        return seq

    def refused(self, request: Request, code: str, actor: str = "operator") -> Receipt:
        """Post one request; fail unless it is refused with this code."""
        receipt = self.ask(request, actor)
        assert (receipt.verdict, receipt.code) == ("refused", code), receipt
        return receipt

    def begin(self, *requests: Request, chips: tuple[str, ...] = CHIPS) -> Ledger:
        """Rate the chips and register what else the world has, before any movement; return the ledger."""
        self.must(*(rating(chip) for chip in chips), *requests)
        return self

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what the database says, outside of any transaction of the writer's."""
        found = self.conn.execute(query, values).fetchall()  # type: ignore[call-overload]
        self.conn.rollback()
        return found

    def lots(self) -> dict[str, tuple[str, str, str, str]]:
        """Return what each lot has: stage, open, in transit, installed; by `record.line`."""
        rows = self.rows("SELECT seq, line, stage, open, in_transit, installed FROM lot ORDER BY seq, line")
        return {f"{seq}.{line}": (stage, *(short(each) for each in left)) for seq, line, stage, *left in rows}

    def entries(self, seq: int) -> list[tuple[Any, ...]]:
        """Return a record's entries: stage, cause, chips, TPP, lot, day."""
        rows = self.rows(
            "SELECT stage, coalesce(cause, ''), chips, tpp, lot_seq, lot_line, effective_on FROM entry"
            " WHERE seq = %s ORDER BY n", seq)  # fmt: skip
        return [(stage, cause, chips, short(tpp), f"{a}.{b}", str(day)) for stage, cause, chips, tpp, a, b, day in rows]

    def used(self, cap: str, subject: str, day: str, window: str = "") -> str:
        """Return the TPP that a counter has used on a day, added up over adoptions and, unless said, windows."""
        rows = self.rows(
            "SELECT coalesce(sum(tpp), 0) FROM counter_day WHERE cap = %s AND subject = %s AND day <= %s"
            " AND (%s = '' OR window_from::text = %s)",
            cap, subject, date.fromisoformat(day), window, window)  # fmt: skip
        return short(rows[0][0])

    def subjects(self, cap: str) -> set[str]:
        """Return every subject that a cap has a counter for."""
        return {subject for (subject,) in self.rows("SELECT DISTINCT subject FROM counter_day WHERE cap = %s", cap)}

    def judgment(self, seq: int | None) -> dict[str, Any]:
        """Return a record's judgment."""
        found: dict[str, Any] = json.loads(self.rows("SELECT judgment FROM journal WHERE seq = %s", seq)[0][0])
        return found

    def discrepancies(self, state: str = "open") -> list[tuple[str, str, str]]:
        """Return class, cap and subject of the discrepancies in a state, in order."""
        rows = "SELECT class, coalesce(cap, ''), subject FROM discrepancy WHERE state = %s ORDER BY id"
        return [(a, b, c) for a, b, c in self.rows(rows, state)]

    def size(self) -> int:
        """Return how many records there are."""
        return int(self.rows("SELECT count(*) FROM journal")[0][0])


def short(number: Decimal) -> str:
    """Return a figure in shortest plain form."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def cap(looked: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a judgment says of a cap."""
    return next(each for each in looked["caps"] if each["cap"] == name)
