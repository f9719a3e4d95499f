"""A past answer, on a day as known at a record, never changes, whatever is posted later.

Random worlds are told step by step: movements dated back and forth, chips rated anew, parents changed, shares of
ownership sold, stock declared, licenses amended, rulebooks adopted, movements reversed. After each step the ledger is
asked; at the end it is asked the same again, as known then.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.errors import NotFound
from ledger.core.movements import Line, Movement
from ledger.posting import Request
from ledger.reports import Reader, View, explain, history, remaining, standings, usage
from tests.conftest import Databases, in_database
from tests.world import H100, H200, Ledger, adopt, book, change, license_, move, party, rating, reverse

EXAMPLES = int(os.environ.get("CAPLEDGER_TEST_EXAMPLES", "12"))
FIRST = date(2026, 1, 10)
ASKED = (FIRST - timedelta(days=1), FIRST + timedelta(days=15), FIRST + timedelta(days=60))
GROUP = (
    "name: total, counts: held, by: [owner_group], limit: none",
    "name: abroad, counts: held, by: [owner_group], where: {destination: [AE, MY]}, limit: {share: 60%, of: total}",
)
BOOKS = {
    "plain": book("name: all, counts: granted, by: [destination], limit: 400_000 TPP", name="plain"),
    "groups": book(*GROUP, "name: parents, counts: granted, by: [ultimate_parent], limit: 30 chips", name="groups"),
    "ratio": book(
        "name: ratio, counts: granted, by: [chip], limit: {share: 50%, of: {counts: shipped, gives_back: [return],"
        " by: [chip], where: {destination: [US]}}}, gives_back: [unshipped]", name="ratio"),
}  # fmt: skip

days = st.integers(-5, 40).map(lambda n: (FIRST + timedelta(days=n)).isoformat())
parties = st.sampled_from(["a", "b", "c"])
places = st.sampled_from(["AE", "MY", "US"])
counts = st.integers(1, 12)
chips = st.sampled_from([H100, H200])


@st.composite
def movements(draw: Any) -> Request:
    kind = draw(st.sampled_from(["grant", "ship", "ship", "receive", "return", "retire"]))
    more: dict[str, Any] = {"destination": draw(places), "recipient": draw(parties)}
    if kind == "grant":
        more |= {"recipient": "a", "destination": "AE", "authorization": "lic"}
    if kind == "retire":
        more["cause"] = "loss"
    if kind in ("grant", "ship"):
        more |= {"exporter": "x", "observed": draw(st.booleans())}
    return move(kind, draw(days), draw(counts), draw(chips), **more)


def rerated(chip: str, first: str, tops: int) -> Request:
    computed = ("dense_tops_16bit", "dense_tops_4bit", "tpp_per_ic", "tpp", "tpp_bits", "performance_density")
    blank = dict.fromkeys(computed, "")
    return rating(chip, valid_from=first, dense_tops_8bit=str(tops), **blank)


steps = st.one_of(
    movements(),
    movements(),
    movements(),
    st.builds(lambda name, parent, first: party(name, "AE", parent, **{"from": first}), parties, st.sampled_from(
        ["self", "a", "b", "unknown"]), days),
    st.builds(lambda owner, owned, share, first: Request("ownership", f"o{owner}{owned}{first}{share}", {
        "owner": owner, "owned": owned, "percentage": str(share), "from": first}), parties, parties,
        st.sampled_from([0, 49, 51, 100]), days),
    st.builds(rerated, chips, days, st.sampled_from([1000, 2000])),
    st.builds(lambda last, first: change("lic", "amended", first, last_day=last), days, days),
    st.builds(lambda name, first: adopt(BOOKS[name], first), st.sampled_from(sorted(BOOKS)), days),
    st.builds(lambda name, n, first: Request("stock", f"s{name}{n}{first}", {
        "party_id": name, "as_of": first, "lines": [{"destination": "US", "chip": H100, "quantity": str(n)}]}),
        parties, counts, days),
    st.integers(0, 20),  # reverse a movement, counted from the newest
)  # fmt: skip


@pytest.fixture(scope="module")
def begun(databases: Databases, template: str) -> str:
    """The name of a database to copy: parties, ratings, a license and a book."""
    name = databases.make(template)
    with psycopg.connect(in_database(databases.server, name)) as conn:
        Ledger(conn).begin(
            party("x"), party("a", "AE"), party("b", "AE", "a"), party("c", "MY", "unknown"),
            license_("lic", "a", "AE", "x"), adopt(BOOKS["plain"], "2025-01-01"), chips=(H100, H200),
        )  # fmt: skip
    return name


def told(view: View) -> list[Any]:
    """Everything the ledger says on a day."""
    line = Line(chip=H100, quantity=Decimal(3), unit="chips", destination="AE", recipient="a", owner="b")
    found: list[Any] = [
        [each.body() for each in standings(view)],
        [each.body() for each in usage(view, "destination")],
        [each.body() for each in usage(view, "ultimate_parent")],
        [str(each) for each in history(view, "a")],
    ]
    try:
        asked = {"destination": "AE", "recipient": "a", "chip": H100, "exporter": "x"}
        found.append(str(remaining(view, authorization="lic", **asked)))
        judged = explain(view, Movement("ship", view.on, view.on.isoformat(), (line,), "x"))
        found.append([str(judged.refusal), [(each.key, each.standing) for each in judged.looked]])
    except NotFound as problem:
        found.append(str(problem))
    return found


def asked(reader: Reader, known: int | None = None) -> list[Any]:
    found = []
    for day in ASKED:
        with reader.view(on=day, known=known) as view:
            found.append(told(view))
    with reader.view(on=ASKED[1], known=known, rulebook="us-diffusion-2025") as view:
        found.append(told(view))
    return found


@settings(max_examples=EXAMPLES)
@given(story=st.lists(steps, min_size=4, max_size=14))
def test_a_past_answer_never_changes(databases: Databases, begun: str, story: list[Any]) -> None:
    name = databases.make(begun)
    with (
        psycopg.connect(in_database(databases.server, name)) as conn,
        psycopg.connect(in_database(databases.server, name)) as reading,
    ):
        ledger, reader = Ledger(conn), Reader(reading)
        answers: dict[int, list[Any]] = {}
        for step in story:
            if isinstance(step, int):
                posted = ledger.rows("SELECT seq FROM journal WHERE kind = 'movement.posted' ORDER BY seq DESC")
                if not posted:
                    continue
                step = reverse(posted[step % len(posted)][0], FIRST.isoformat())
            ledger.ask(step)
            answers[ledger.size()] = asked(reader)
        for known, then in answers.items():
            assert asked(reader, known) == then, known
        conn.rollback()
    databases.done.append(name)
