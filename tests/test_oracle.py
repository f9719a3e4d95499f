"""The real ledger against the slow oracle: random movements, the same answers, balances and totals on every day.

CAPLEDGER_TEST_EXAMPLES sets how many random worlds are tried (thousands are worth a night; the default fits a build).
"""

from __future__ import annotations

import ast
import itertools
import os
import sys
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import oracle as oracle_module
import psycopg
import pytest
from conftest import in_database
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import FOREVER, Oracle
from world import A100, AT, H100, HGX, Ledger, adopt, book, change, license_, move, party, reverse

from ledger.posting import Request

EXAMPLES = int(os.environ.get("CAPLEDGER_TEST_EXAMPLES", "60"))
FIRST, DAYS = date(2026, 12, 12), 40
END = FIRST + timedelta(days=DAYS + 30)
SOLD = FIRST + timedelta(days=20)  # the day on which p sells c to a
PARTIES = {name: {"seat": seat, "parents": [(date.min, parent)]} for name, seat, parent in
           [("a", "AE", "a"), ("b", "AE", "p"), ("c", "MY", "p"), ("p", "MY", "p"), ("x", "US", "x")]}  # fmt: skip
PARTIES["c"]["parents"].append((SOLD, "a"))
SITES = [("a", "AE"), ("b", "AE"), ("c", "MY"), ("b", "MY")]
RATED = {
    H100: {"base": H100, "tpp": Decimal(15832), "count": 1},
    A100: {"base": A100, "tpp": Decimal(4992), "count": 1},
    HGX: {"base": H100, "tpp": Decimal(15832), "count": 8},
}
LICENSES = {
    "LA": {"recipient": "a", "destination": "AE", "last": None, "chips": None},
    "LB": {"recipient": "b", "destination": "AE", "last": FIRST + timedelta(days=25), "chips": None},
    "LC": {"recipient": "c", "destination": "MY", "last": None, "chips": 12},
}


BACK = ["return", "unshipped", "loss", "failure", "relocation", "resale"]


def day(text):
    return text.isoformat()


# A book as plain values, and the same as YAML.


def amounts(unit):
    return st.integers(2, 30).map(lambda n: Decimal(n) * (15832 if unit == "TPP" else 1))


@st.composite
def caps(draw, name):
    unit = draw(st.sampled_from(["TPP", "TPP", "chips"]))
    steps = st.lists(st.tuples(st.integers(-5, DAYS).map(lambda n: FIRST + timedelta(days=n)), amounts(unit)),
                     min_size=2, max_size=3, unique_by=lambda step: step[0]).map(sorted)  # fmt: skip
    until = FIRST + timedelta(days=draw(st.integers(5, DAYS)))
    by = draw(st.sampled_from([(), ("destination",), ("recipient",), ("ultimate_parent",), ("chip",),
                               ("destination", "chip")]))  # fmt: skip
    paused = FIRST + timedelta(days=draw(st.integers(-5, DAYS)))
    who = draw(st.sampled_from([None, {"AE"}])) if "destination" in by else None
    return {
        "name": name,
        "counts": draw(st.sampled_from(["granted", "shipped", "held"])),
        "by": by,
        "where": draw(st.sampled_from([{}, {}, {"destination": ["AE"]}, {"chip": [H100]}, {"recipient": ["b", "c"]},
                                       {"authorization": ["license"]}])),
        "window": draw(st.sampled_from([None, None, "calendar year", (date(2026, 12, 1), until, "undetermined"),
                                        (date(2026, 12, 20), until + timedelta(days=9), "nothing")])),
        "days": None,
        "amended": [],
        "unit": unit,
        "limit": draw(st.one_of(st.none(), amounts(unit).map(lambda n: [(date.min, n)]), steps)),
        "gives_back": draw(st.sets(st.sampled_from(BACK))),
        "when_exceeded": draw(st.sampled_from(["refuse", "refuse", "refuse", "flag"])),
        "tolerance": draw(st.sampled_from([0, 0, 0, 10])),
        "paused": draw(st.sampled_from([None, None, None, (paused, paused + timedelta(days=9), who)])),
    }  # fmt: skip


def written(cap):
    """A cap as a rulebook writes it."""

    def listed(values):
        return "[" + ", ".join(sorted(values)) + "]"

    by = ["owner_group" if cap.get("grouped") and each == "owner" else each for each in cap["by"]]
    parts = [f"name: {cap['name']}", f"counts: {cap['counts']}", f"by: [{', '.join(by)}]"]
    parts += [f"gives_back: {listed(cap['gives_back'])}"]
    if cap["where"]:
        parts.append("where: {" + ", ".join(f"{name}: {listed(values)}" for name, values in cap["where"].items()) + "}")
    if isinstance(cap["window"], tuple):
        first, until, after = cap["window"]
        parts += [f"window: {{from: {first}, until: {until}}}", f"after: {after}"]
    elif cap["window"] or cap["days"]:
        parts.append(f"window: {cap['window'] or 'rolling {} days'.format(cap['days'])}")
    if cap["limit"] is None:
        parts.append("limit: none")
    else:
        steps = [(first, f"{amount:f} {cap['unit']}") for first, amount in cap["limit"]]
        if steps[0][0] == date.min:
            parts.append(f"limit: {steps[0][1]}")
        else:
            parts.append("limit: {schedule: {" + ", ".join(f"{first}: {amount}" for first, amount in steps) + "}}")
        parts.append(f"when_exceeded: {cap['when_exceeded']}")
        if cap["tolerance"]:
            parts.append(f"tolerance: {cap['tolerance']}%")
        if cap["paused"]:
            first, until, who = cap["paused"]
            whom = f", destination: {listed(who)}" if who else ""
            parts.append(f"suspended: [{{from: {first}, until: {until}, law: test{whom}}}]")
    return ", ".join(parts)


@st.composite
def rolling(draw, name):
    """A cap over the last days."""
    return {**draw(caps(name)), "window": None, "days": draw(st.integers(3, 20))}


@st.composite
def amended(draw, name):
    """A cap with another limit for a destination on some days, or with an exemption."""
    cap = {**draw(caps(name)), "by": ("destination",)}
    if cap["limit"] is None:
        cap["limit"] = [(date.min, draw(amounts(cap["unit"])))]
    first = FIRST + timedelta(days=draw(st.integers(0, 30)))
    until = first + timedelta(days=draw(st.integers(1, 30)))
    limit, who = draw(st.one_of(st.none(), amounts(cap["unit"]))), draw(st.sampled_from(["AE", "MY"]))
    return {**cap, "amended": [{"of": [who], "first": first, "until": until, "limit": limit}]}


@st.composite
def shares(draw, n):
    """Two caps: a base, and a share of it; the base by itself or written within the share."""
    inline = draw(st.booleans())
    name = f"cap-{n}"
    watched = {"unit": "TPP", "limit": None, "amended": [], "paused": None, "tolerance": 0}
    base = {**draw(caps(f"{name}.base" if inline else f"{name}-base")), **watched}
    base["by"] = draw(st.sampled_from([(), ("owner",), ("owner",), ("chip",), ("owner", "chip")]))
    base["grouped"] = "owner" in base["by"]
    more = draw(st.sampled_from([(), ("destination",)]))
    share = {**draw(caps(name)), **watched, "window": base["window"], "by": (*base["by"], *more)}
    share["grouped"], share["days"] = base["grouped"], base["days"]
    share["share"] = {"of": n + 1, "fraction": Decimal(draw(st.sampled_from(["0.25", "0.5", "1"]))),
                      "enlarges": draw(st.booleans()), "inline": inline}  # fmt: skip
    return share, base


def written_share(share, base):
    """A share as a rulebook writes it."""
    told = written({**share, "limit": None}).replace("limit: none", "")
    enlarges = "yes" if share["share"]["enlarges"] else "no"
    of = base["name"]
    if share["share"]["inline"]:
        of = "{" + written({**base, "window": None}).partition(", ")[2].replace(", limit: none", "") + "}"
    limit = f"limit: {{share: {share['share']['fraction']:%}, of: {of}, asked_chips_enlarge_base: {enlarges}}}"
    return f"{told.rstrip(', ')}, {limit}, when_exceeded: {share['when_exceeded']}"


def book_of(caps, name="test-book"):
    """The rulebook of some caps: shares with their bases, and amendments."""
    lines, bases = [], set()
    for cap in caps:
        if cap.get("share"):
            base = caps[cap["share"]["of"]]
            lines.append(written_share(cap, base))
            if cap["share"]["inline"]:
                bases.add(base["name"])
        elif cap["name"] not in bases:
            lines.append(written(cap))
    text = book(*lines, name=name)
    told = []
    for cap in caps:
        for each in cap["amended"]:
            change = "exempt: yes" if each["limit"] is None else f"limit: {each['limit']:f} {cap['unit']}"
            days = f"from: {each['first']}, until: {each['until']}"
            told.append(
                f"  - {{cap: {cap['name']}, subject: {{destination: {each['of'][0]}}}, {days}, law: test, {change}}}"
            )
    return text + ("amendments:\n" + "\n".join(told) + "\n" if told else "")


plain = st.integers(1, 3).flatmap(lambda n: st.tuples(*(caps(f"cap-{i}") for i in range(n))))
other = st.one_of(caps("cap-2"), rolling("cap-2"), amended("cap-2"))
books = st.one_of(
    plain, plain, st.tuples(rolling("cap-0"), amended("cap-1")), shares(0),
    st.builds(lambda pair, cap: (*pair, cap), shares(0), other),
)  # fmt: skip

# What is asked, as plain values. Numbers of lots and records are chosen when it is posted.

KINDS = ["reserve", "grant", "grant", "ship", "ship", "ship", "receive", "receive", "return", "retire", "transfer",
         "reexport", "release", "reverse", "amend"]  # fmt: skip
steps = st.fixed_dictionaries({
    "kind": st.sampled_from(KINDS),
    "on": st.integers(0, DAYS).map(lambda n: FIRST + timedelta(days=n)),
    "site": st.sampled_from(SITES),
    "other": st.sampled_from(SITES),
    "chip": st.sampled_from([H100, H100, A100, HGX]),
    "quantity": st.integers(1, 9),
    "unit": st.sampled_from(["", "", "", "chips", "equivalents"]),
    "under": st.sampled_from(["LA", "LB", "LC", ""]),
    "aim": st.sampled_from(["lot", "lot", "lot", "lot", "of", "wild"]),
    "pick": st.integers(0, 30),
    "lasts": st.one_of(st.none(), st.integers(0, 20)),
    "cause": st.sampled_from(["loss", "failure"]),
    "record": st.integers(0, 30),
    "observed": st.sampled_from([False, False, False, True]),
})  # fmt: skip


STAGES = {"grant": ("reserved",), "release": ("reserved", "licensed"), "ship": ("licensed",), "reserve": ()}


def aimed_at(step, oracle):
    """A lot that a step may well draw on, so that more than refusals comes of it; None for a wild one."""
    stages = STAGES.get(step["kind"], ("shipped",))
    lots = [lot for lot in oracle.lots if lot.stage in stages and lot.day <= step["on"]]
    return lots[step["pick"] % len(lots)] if lots and step["aim"] != "wild" else None


def concrete(step, oracle):
    """The movement that a step asks for, as the oracle takes it; None where it would be no request at all."""
    kind, (recipient, destination) = step["kind"], step["site"]
    if kind == "reverse":
        records = sorted(oracle.records)
        return {"kind": kind, "day": step["on"], "reverses": records[step["record"] % len(records)] if records else 1}
    under = step["under"] or ("LA" if kind == "grant" else "")
    lot, leaves = aimed_at(step, oracle), step["other"]
    chip = lot.facts["chip"] if lot else step["chip"]
    if step["aim"] != "wild" and under and kind in ("reserve", "grant", "reexport"):
        recipient, destination = LICENSES[under]["recipient"], LICENSES[under]["destination"]
    if lot and kind in ("transfer", "reexport"):
        leaves = lot.facts["recipient"], lot.facts["destination"]
        destination = destination if kind == "reexport" else leaves[1]
    elif lot and kind not in ("reserve", "grant"):
        recipient, destination, under = (lot.facts[each] for each in ("recipient", "destination", "authorization"))
    elif lot and kind == "grant":
        chip = lot.facts["chip"]
    asked = {"kind": kind, "day": step["on"], "recipient": recipient, "destination": destination,
             "chip": chip, "quantity": step["quantity"], "unit": step["unit"]}  # fmt: skip
    if kind in ("reserve", "grant", "release", "ship", "reexport"):
        asked["authorization"] = under
    if kind == "reserve" or (kind == "grant" and step["lasts"] is not None):
        asked["last_day"] = step["on"] + timedelta(days=step["lasts"] or 0)
    if kind == "retire":
        asked["cause"] = step["cause"]
    if kind in ("transfer", "reexport"):
        if (leaves[1] == destination) != (kind == "transfer"):
            return None
        asked["from_recipient"], asked["from_destination"] = leaves
    if step["aim"] == "of" and lot:
        asked["of"] = lot.ref
    elif step["aim"] == "wild" and oracle.lots and step["pick"] % 3 == 0:
        asked["of"] = oracle.lots[step["pick"] % len(oracle.lots)].ref
    asked["observed"] = step["observed"] or kind in ("receive", "return", "retire")
    return asked


def request_of(asked):
    """The same as a request."""
    if asked["kind"] == "reverse":
        return reverse(asked["reverses"], day(asked["day"]))
    more = {name: asked[name] for name in ("recipient", "destination", "unit", "authorization", "cause",
                                           "from_recipient", "from_destination") if asked.get(name)}  # fmt: skip
    if "last_day" in asked:
        more["last_day"] = day(asked["last_day"])
    if "of" in asked:
        more["of"] = "{}.{}".format(*asked["of"])
    if asked["kind"] in ("reserve", "grant", "ship"):
        more["exporter"] = "x"
    return move(asked["kind"], day(asked["day"]), asked["quantity"], asked["chip"], observed=asked["observed"], **more)


# Databases with the world in them, one for each ledger.


@pytest.fixture(scope="module")
def begun(databases, template):
    """The name of a database to copy: parties, ratings and licenses are registered, no book is adopted."""
    name = databases.make(template)
    with psycopg.connect(in_database(databases.server, name)) as conn:
        ledger = Ledger(conn).begin(chips=(H100, A100, HGX))
        for party_id in ("p", "a", "b", "c", "x"):
            for first, parent in PARTIES[party_id]["parents"]:
                since = {} if first == date.min else {"from": day(first)}
                whose = "self" if parent == party_id else parent
                ledger.must(party(party_id, PARTIES[party_id]["seat"], whose, **since))
        for licensed, terms in LICENSES.items():
            last = {"last_day": day(terms["last"])} if terms["last"] else {}
            size = {"quantity": str(terms["chips"]), "unit": "chips"} if terms["chips"] else {}
            ledger.must(license_(licensed, terms["recipient"], terms["destination"], "x", **last, **size))
    return name


@pytest.fixture(scope="module")
def ledgers(databases, begun):
    """Open a ledger of its own, under a book."""

    @contextmanager
    def open_ledger(caps):
        name = databases.make(begun)
        with psycopg.connect(in_database(databases.server, name)) as conn:
            ledger = Ledger(conn)
            adoption = adopt(book_of(caps), "2020-01-01")
            ledger.must(Request("rulebook", "adoption", adoption.raw))
            yield ledger
            conn.rollback()
        databases.done.append(name)

    return open_ledger


def oracle_of(caps):
    licenses = {name: {**terms, "last_days": [(date.min, terms["last"])]} for name, terms in LICENSES.items()}
    return Oracle(PARTIES, RATED, licenses, list(caps), FIRST, END)


def story(oracle, asked, receipt):
    """What was posted until both disagreed, for whoever has to find out why."""
    return "\n".join([book_of(oracle.caps), *(str(dict(request.raw)) for request in asked), str(receipt)])


def amend(step, oracle, ledger, asked):
    """Move a license's last day on both sides. It is amended while it is still good, so that no gap opens.

    Nor is it moved before a day on which something was drawn: see the limits in docs/ledger.md.
    """
    name = ["LA", "LB"][step["record"] % 2]
    terms = oracle.licenses[name]
    since, last = step["on"], step["on"] + timedelta(days=step["lasts"] or 0)
    before_since, before = terms["last_days"][-1]
    if since < before_since or (before and since > before) or last == before:
        return
    if any(entry.stage == "open" and entry.day > last for entry in oracle.entries
           if entry.lot.facts["authorization"] == name):  # fmt: skip
        return
    asked.append(change(name, "amended", day(since), last_day=day(last)))
    receipt = ledger.ask(asked[-1])
    code, _ = oracle.amend(name, last, since)
    assert receipt.code == code, story(oracle, asked, receipt)
    if not code:
        terms["last_days"].append((since, last))


def play(steps, oracle, ledger):
    """Ask both for every step, one by one; both must answer the same. Return the requests."""
    asked = []
    for step in steps:
        if step["kind"] == "amend":
            amend(step, oracle, ledger, asked)
            continue
        movement = concrete(step, oracle)
        if movement is None:
            continue
        asked.append(request_of(movement))
        code, lots, made = oracle.judge(movement)
        receipt = ledger.ask(asked[-1])
        assert receipt.code == code, story(oracle, asked, receipt)
        if not code:
            oracle.post(receipt.seq, movement, lots, made)
    return asked


def totals(ledger):
    """Every counter's running total on each of its days: TPP, chips, TPP without chips."""
    rows = ledger.rows("SELECT cap, subject, window_from, day, tpp + doubt_tpp, chips, unstated_tpp FROM counter_day"
                       " ORDER BY day")  # fmt: skip
    counters = {}
    for cap, subject, window, on, *amount in rows:
        counters.setdefault((cap, subject, window), []).append((on, *amount))
    return counters


def total_on(changes, on):
    found = [change[1:] for change in changes if change[0] <= on]
    return tuple(sum((change[n] for change in found), Decimal(0)) for n in range(3))


def compare(oracle, ledger, asked):
    lots = ledger.lots()
    assert set(lots) == {"{}.{}".format(*lot.ref) for lot in oracle.lots}
    for lot in oracle.lots:
        stage, *left = lots["{}.{}".format(*lot.ref)]
        expected = [oracle.left(lot, balance, END) for balance in ("open", "in_transit", "installed")]
        assert (stage, [Decimal(each) for each in left]) == (lot.stage, expected), story(oracle, asked, lot)
    compare_totals(oracle, ledger, asked)


def compare_totals(oracle, ledger, asked):
    kept = totals(ledger)
    for n, subject, window in oracle.counters():
        cap = oracle.caps[n]
        key = cap["name"], ",".join(subject) or "world", date.min if window == FOREVER else window[0]
        for on in oracle.days():
            if window[0] <= on < window[1]:
                used = oracle.used(cap, subject, window, on)
                assert total_on(kept.get(key, []), on) == used, story(oracle, asked, (key, on))


def journal(ledger):
    """Every record without what chance and the clock add."""
    return ledger.rows("SELECT seq, kind, actor, key, payload, judgment FROM journal ORDER BY seq")


def test_the_oracle_knows_nothing_of_the_ledger():
    source = ast.parse(Path(oracle_module.__file__).read_text())
    named = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in ast.walk(source)
             if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
    assert {str(name).split(".")[0] for name in named} <= sys.stdlib_module_names


@settings(max_examples=EXAMPLES)
@given(caps=books, steps=st.lists(steps, min_size=4, max_size=18))
def test_the_ledger_answers_as_the_slow_oracle_does(ledgers, caps, steps):
    oracle = oracle_of(caps)
    with ledgers(caps) as ledger:
        asked = play(steps, oracle, ledger)
        compare(oracle, ledger, asked)


@settings(max_examples=max(EXAMPLES // 2, 1))
@given(caps=books, steps=st.lists(steps, min_size=4, max_size=18), cuts=st.sets(st.integers(1, 17)))
def test_a_batch_gives_the_same_records_as_one_by_one_and_the_same_again_adds_nothing(ledgers, caps, steps, cuts):
    with ledgers(caps) as ledger:
        asked = play(steps, oracle_of(caps), ledger)
        one_by_one = journal(ledger)
        lots, counters = ledger.lots(), totals(ledger)
    with ledgers(caps) as ledger:
        edges = [0, *sorted(cut for cut in cuts if cut < len(asked)), len(asked)]
        answers = [receipt for i, j in itertools.pairwise(edges) if i < j for receipt in ledger.post(*asked[i:j])]
        assert [record[:4] for record in journal(ledger)] == [record[:4] for record in one_by_one]
        assert journal(ledger) == one_by_one
        assert (ledger.lots(), totals(ledger)) == (lots, counters)
        settled = [n for n, receipt in enumerate(answers) if not receipt.code.startswith(("unknown", "undetermined"))]
        for n in settled:
            again = ledger.ask(asked[n])
            assert (again.seq, again.code, again.leaf_hash) == (answers[n].seq, answers[n].code, answers[n].leaf_hash)
        assert journal(ledger) == one_by_one


@settings(max_examples=max(EXAMPLES // 2, 1))
@given(caps=books, steps=st.lists(steps, min_size=4, max_size=18), runs=st.lists(st.integers(0, DAYS + 25), max_size=3))
def test_what_lapses_counts_the_same_whether_or_not_the_job_has_run(ledgers, caps, steps, runs):
    from ledger.reconcile.lapsing import lapse

    oracle = oracle_of(caps)
    with ledgers(caps) as ledger:
        asked = play(steps, oracle, ledger)
        for run in sorted(runs):
            lapse(ledger.conn, on=FIRST + timedelta(days=run), at=AT)
        compare_totals(oracle, ledger, asked)


@settings(max_examples=max(EXAMPLES // 2, 1))
@given(caps=books, steps=st.lists(steps, min_size=4, max_size=18), later=books)
def test_every_projection_can_be_rebuilt_from_the_journal(ledgers, caps, steps, later):
    from ledger.reconcile.checking import check, rebuild

    with ledgers(caps) as ledger:
        play(steps, oracle_of(caps), ledger)
        ledger.must(adopt(book_of(later, name="later"), "2027-01-01"))
        report = check(ledger.conn)
        assert (report.faults, report.differences) == ((), ())
        assert rebuild(ledger.conn).differences == ()
        assert check(ledger.conn).is_sound


@settings(max_examples=max(EXAMPLES // 2, 1))
@given(caps=books, steps=st.lists(steps, min_size=4, max_size=18), ask=steps)
def test_what_remains_is_exactly_what_can_still_be_shipped(ledgers, caps, steps, ask):
    from ledger.reports import Reader, remaining

    with ledgers(caps) as ledger, psycopg.connect(ledger.conn.info.dsn) as conn:
        play(steps, oracle_of(caps), ledger)
        (recipient, destination), on = ask["site"], ask["on"]
        asked = {"recipient": recipient, "destination": destination, "authorization": ask["under"], "exporter": "x"}
        reader = Reader(conn)
        with reader.view(on=on) as view:
            left = remaining(view, chip=ask["chip"], **asked)
        with reader.view(on=on, rulebook="test-book") as view:  # the same book, asked about: nothing is kept for it
            assert remaining(view, chip=ask["chip"], **asked) == left
        what = {"chip": ask["chip"], "unit": "chips", **asked}
        if left.remaining_chips is None:
            ledger.must(move("ship", day(on), 10_000, **what))
            return
        more = ledger.ask(move("ship", day(on), left.remaining_chips + 1, **what))
        assert more.verdict == "refused", (left, more)
        if left.remaining_chips:
            ledger.must(move("ship", day(on), left.remaining_chips, **what))
