"""A ledger with two exporters that have the same of everything, served with real keys to whoever asks.

All that is the first exporter's carries a mark: in ids, keys, names, notes, references. What does not exist is named
like it, in as many letters, with another mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient

from ledger.access import keys, sessions
from ledger.api.access import LedgerAccess
from ledger.api.app import create_app
from ledger.api.desk import Desk
from ledger.posting import Request
from ledger.reconcile import reconcile_caps
from ledger.web.app import router_of
from tests.world import AT, DIFFUSION, H100, Ledger, adopt, license_, move, party

NOW = datetime.now(UTC)  # the server asks the clock whether a key is still good
MARK, OWN, NONE, REGISTERED = (
    "zqxjkw",
    "own",
    "absent",
    "others",
)  # the last: parties that are known and have no business here
FIRST, SECOND = f"{MARK}-maker", f"{OWN}-maker"
PEOPLE = {
    "regulator": ("rita", "regulator", ""),
    "auditor": ("aud", "auditor", ""),
    "operator": ("olga", "operator", ""),
    "another operator": ("otto", "operator", ""),
    "first": (f"{MARK} person", "exporter", FIRST),
    "exporter": ("amy", "exporter", SECOND),
}
NOBODY = ("nobody", "an expired key", "a revoked key")
Ids = Mapping[str, str]


@dataclass(frozen=True)
class World:
    """Where it is, the key of each who asks, and what is whose: the name or number of each thing, by its mark."""

    dsn: str
    keys: Mapping[str, str]
    ids: Mapping[str, Ids]

    def head(self, who: str) -> dict[str, str]:
        """Return the header that somebody shows; nobody shows none."""
        return {"Authorization": f"Bearer {self.keys[who]}"} if who in self.keys else {}


def names(mark: str) -> dict[str, str]:
    """Return what the things of one mark are called."""
    return {
        "party": f"{mark}-maker", "recipient": f"{mark}-dc", "license": f"{mark}-L1", "site": f"{mark}-site",
        "key": f"{mark}-ship", "settled": f"{mark}-refused", "proposal key": f"{mark}-propose",
        "proposed key": f"{mark}-undo", "notice key": f"{mark}-notice", "subject": f"{mark}-subject",
    }  # fmt: skip


def fill(dsn: str) -> World:
    """Fill a ledger with two exporters to one country."""
    with psycopg.connect(dsn) as conn:
        ledger = Ledger(conn).begin(
            adopt(DIFFUSION, "2025-01-13"),
            party("free-dc", "MY"),
            party(f"{REGISTERED}-maker"),
            party(f"{REGISTERED}-dc", "MY"),
            chips=(H100,),
        )
        # Numbers that stand nowhere else: neither small ones, nor that of the journal at the end.
        ledger.post(*(party(f"early-{n}") for n in range(500)))
        ids = {mark: _exporter(ledger, mark) for mark in (MARK, OWN)}
        ledger.must(Request("four_eyes", "four-eyes", {"kinds": "reverse"}))
        for mark in (MARK, OWN):
            ids[mark] |= _proposed(ledger, ids[mark])
        run = reconcile_caps(conn, on=AT.date(), at=AT).seq
        absent = {
            thing: str(900_001 + n) for n, thing in enumerate(each for each in ids[OWN] if each not in names(OWN))
        }
        ids = {mark: {**each, "run": str(run)} for mark, each in ids.items()}
        ids[NONE] = {**names(NONE), **absent, "lot": "900001.1", "run": "900009"}
        ledger.post(*(party(f"late-{n}") for n in range(100)))
        conn.commit()
        return World(dsn, _keys(conn), ids)


def _exporter(ledger: Ledger, mark: str) -> dict[str, str]:
    """Post everything that an exporter may have; return what its things are called."""
    own = names(mark)
    exporter, recipient = own["party"], own["recipient"]
    ledger.must(
        party(exporter, name=f"{mark} Maker", note=f"{mark} note"),
        party(recipient, "MY", name=f"{mark} Data Center", source=f"{mark} source"),
        license_(own["license"], recipient, "MY", exporter, last_day="2026-12-31", conditions=f"{mark} condition"),
    )
    line = {"destination": "MY", "recipient": recipient, "authorization": own["license"]}
    made = {"exporter": exporter, "note": f"{mark} note", **line}
    ledger.must(move("grant", "2025-06-02", 1_000, **made))
    shipped = move("ship", "2025-06-10", 100, key=own["key"], facility=own["site"], end_use=f"{mark}-use", **made)
    record = ledger.must(shipped, actor=exporter)
    ledger.must(move("receive", "2025-06-20", 90, facility=own["site"], **line))
    ledger.must(move("ship", "2025-06-12", 1_000, observed=True, **made), move("grant", "2025-06-13", 2_000, **made))
    refused = ledger.refused(move("ship", "2025-06-11", 5_000, key=own["settled"], **made), "exceeds_authorization",
                             exporter).seq  # fmt: skip
    (disputed,) = ledger.rows("SELECT max(id) FROM discrepancy WHERE owner = %s", exporter)[0]
    filed = {"duty": "lpp-notice", "party": exporter, "filed_on": "2025-06-10", "subject": own["subject"],
             "reference": f"{mark}-reference"}  # fmt: skip
    ledger.must(Request("notice", own["notice key"], filed), actor=exporter)
    stock = {"party_id": exporter, "as_of": "2025-06-01", "note": f"{mark} stock",
             "lines": [{"destination": "US", "chip": H100, "quantity": "7"}]}  # fmt: skip
    ledger.must(Request("stock", f"{mark}-stock", stock), actor=exporter)
    return {**own, "record": str(record), "refused": str(refused), "discrepancy": str(disputed), "lot": f"{record}.1"}


def _proposed(ledger: Ledger, own: Ids) -> dict[str, str]:
    undone = {"movement": "reverse", "effective_on": "2025-06-30", "reverses": own["record"]}
    mark = own["party"].partition("-")[0]
    kept = {"kind": "movement", "key": own["proposed key"], "body": undone, "note": f"{mark} mistake"}
    asked = Request("proposal", own["proposal key"], kept)
    (made,) = ledger.writer.post([asked], actor=own["party"], person=f"{mark} clerk", at=AT)
    assert made.verdict == "posted", made
    return {"proposal": str(made.seq)}


def _keys(conn: psycopg.Connection[Any]) -> dict[str, str]:
    def issued(person: str, role: str, whose: str, days: int = 1) -> tuple[keys.Key, str]:
        expires_at = NOW + timedelta(days=days)
        return keys.issue(conn, person=person, role=role, party=whose, expires_at=expires_at,
                          at=min(NOW, expires_at) - timedelta(days=1))  # fmt: skip

    shown = {who: issued(*about)[1] for who, about in PEOPLE.items()}
    revoked, shown["a revoked key"] = issued("olga", "operator", "")
    keys.revoke(conn, revoked.id, at=NOW)
    shown["an expired key"] = issued("olga", "operator", "", -1)[1]
    conn.commit()
    return shown


@contextmanager
def served(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Serve a world, API and pages, as `capledger serve` does; keys that are not valid may be tried without end."""
    monkeypatch.setenv("CAPLEDGER_SIGN_IN_TRIES", "1000000")
    desk = Desk(world.dsn)
    app = create_app(desk, access=LedgerAccess(), pages=router_of(desk))
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def session_of(world: World, who: str) -> str:
    """Return the token of somebody who signed in to the pages."""
    with psycopg.connect(world.dsn) as conn:
        session = sessions.open_session(conn, world.keys[who], at=datetime.now(UTC))
        assert session
        return session.token


# What two answers have in common where only the name or number that was asked for differs.

_ALWAYS_OTHER = (
    (re.compile(r"[0-9a-f]{64}"), "<hash>"),
    (re.compile(r'"seq": ?\d+'), '"seq":<seq>'),
    (re.compile(r"\bProposal [\d,]+ by"), "Proposal <seq> by"),
    (re.compile(r"\b(?:ask|item|to-come)-\d+\b"), "<key>"),
    (re.compile(r"/v1/movements/\d+"), "/v1/movements/<seq>"),
    (re.compile(r'name="key" value="\w+"'), 'name="key"'),
)
_TAG = re.compile(r'"(\d+)-[0-9a-f]{20}"')  # the journal's number, and a hash of the question


def alike(answer: Any, *asked: str) -> tuple[int, dict[str, str], str]:
    """Return an answer's status, headers and body, with what was asked for and what no two answers share left out."""
    text = answer.content.decode("latin-1")
    headers = {name: value for name, value in answer.headers.items() if name not in ("content-length", "date")}
    if "etag" in headers:
        headers["etag"] = _TAG.sub(r"\1", headers["etag"])
    return answer.status_code, {name: _without(value, asked) for name, value in headers.items()}, _without(text, asked)


def _without(text: str, asked: tuple[str, ...]) -> str:
    for pattern, instead in _ALWAYS_OTHER:
        text = pattern.sub(instead, text)
    for each in asked:
        if each.isdecimal():
            grouped = f"{int(each):,}"
            text = re.sub(rf"(?<![\w.])(?:{grouped}|{each})(?!\w|\.\d)", "<it>", text)
        else:
            text = text.replace(each, "<it>")
    return text
