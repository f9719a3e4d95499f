"""Each shape that a cap can have in a rulebook as a table, whether or not a shipped book uses it.

Where a shape comes from a policy, the docstring names it; else it is the grammar's own sentence (docs/rulebooks.md).
The ledger is an ordinary one with a book of a single cap; a chip is of 10,000 TPP.
"""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from shapes import (
    FITS,
    FLAGGED,
    OVER,
    UNCOUNTED,
    UNDETERMINED,
    UNSURE,
    Row,
    copied,
    counted,
    hold,
    prepared,
    reversed_on,
    round_chip,
    row,
    state,
)
from world import A100, H100, HGX, Ledger, adopt, book, license_, move, party, rating

from ledger import rulebooks
from ledger.core.errors import BadRulebook
from ledger.core.groups import PERIODS
from ledger.core.rulebook import Cap, Window
from ledger.posting import Request
from ledger.rulebooks.amending import CHANGE_KEYS
from ledger.rulebooks.caps import BY, CAP_KEYS, COUNTS, GIVES_BACK, LIMIT_KEYS, STATUSES
from ledger.rulebooks.words import SOURCE_KEYS

TIERS = "  2: {any: everyone else, law: test}"
CAPS: list[Cap] = []  # every cap that a table below is of


@pytest.fixture(scope="module")
def world(databases, template):
    """A database with parties, chips and licenses, and no book."""
    seats = {"my": "MY", "my2": "MY", "in": "IN", "ae": "AE", "de": "DE", "sa": "SA", "hk": "HK"}
    return prepared(
        databases, template, round_chip(), rating(H100), rating(HGX), party("nvidia"), party("amd"), party("group"),
        party("east", "MY", "group"), party("west", "IN", "group"),
        *(party(name, seat) for name, seat in seats.items()),
        *(license_(f"L-{name}", name, seat) for name, seat in seats.items()),
        license_("L-my-2", "my", "MY"), license_("L-short", "my", "MY", last_day="2026-03-31"),
    )  # fmt: skip


@pytest.fixture
def under(databases, world):
    """Open a ledger under a book of some caps."""
    opened = []

    def begin(*caps: str, amendments: str = "") -> Ledger:
        opened.append(copied(databases, world))
        ledger: Ledger = opened[-1].__enter__()
        ledger.must(adopt(text_of(caps, amendments), "2020-01-01"))
        return ledger

    yield begin
    for each in opened:
        each.__exit__(None, None, None)


def text_of(caps: tuple[str, ...], amendments: str = "") -> str:
    """Return a book of some caps: Germany and the US are of tier 1, all others of tier 2."""
    text = book(*caps).replace(TIERS, "  1: {any: [DE, US], law: test}\n" + TIERS)
    return text + (f"amendments:\n{amendments}" if amendments else "")


def shape(*caps: str, rows: tuple[Row, ...], amendments: str = "") -> pytest.MarkDecorator:
    """Parametrize a test by (caps, amendments, row); the caps are known to have a table from then on."""
    CAPS.extend(rulebooks.parse_bundle({"test-book": text_of(caps, amendments)}, "test-book").caps)
    return pytest.mark.parametrize(
        ("caps", "amendments", "row"), [(caps, amendments, each) for each in rows], ids=[each.id for each in rows]
    )


def shapes(*tables: tuple[str | tuple[str, ...], tuple[Row, ...]]) -> pytest.MarkDecorator:
    """As `shape`, for several books, each of a cap or of some, with rows of its own."""
    marks = [shape(*((caps,) if isinstance(caps, str) else caps), rows=rows) for caps, rows in tables]
    return pytest.mark.parametrize(
        marks[0].args[0],
        [each for mark in marks for each in mark.args[1]],
        ids=[each for mark in marks for each in mark.kwargs["ids"]],
    )


def line(kind: str, day: str, chips: Any, to: str = "my", chip: str = A100, **more: Any) -> Request:
    seat = {"my2": "MY", "east": "MY", "west": "IN"}.get(to, to.upper())
    return move(kind, day, chips, chip, **{"recipient": to, "destination": seat, "exporter": "nvidia", **more})


def ship(day: str, chips: Any, to: str = "my", **more: Any) -> Request:
    return line("ship", day, chips, to, **more)


def grant(day: str, chips: Any, to: str = "my", **more: Any) -> Request:
    return line("grant", day, chips, to, **{"authorization": f"L-{to}", **more})


def receive(day: str, chips: Any, **more: Any) -> Request:
    return line("receive", day, chips, **more)


def retire(day: str, chips: Any, cause: str) -> Request:
    return line("retire", day, chips, cause=cause, exporter="")


DAY = "2026-02-02"

# Windows

QUARTER = "name: cap, counts: shipped, gives_back: [return], window: calendar quarter, limit: 10 chips"
QUARTERS = [("2026-01-01", "2026-03-31"), ("2026-04-01", "2026-06-30"), ("2026-07-01", "2026-09-30"),
            ("2026-10-01", "2026-12-31")]  # fmt: skip


@shape(
    QUARTER,
    rows=(
        row("below", ship(DAY, 9), FITS),
        row("at", ship(DAY, 10), FITS),
        row("above", ship(DAY, 11), f"over on {DAY}"),
        *(
            each
            for first, last in QUARTERS
            for each in (
                row(f"{first} to {last}, at", ship(first, 9), ship(last, 1), FITS),
                row(f"{first} to {last}, above", ship(first, 10), ship(last, 1), f"over on {last}"),
                row(f"{first} to {last}, dated back", ship(last, 10), ship(first, 1), f"over on {last}"),
            )
        ),
        row("day before the first", ship("2026-01-01", 10), ship("2025-12-31", 10), FITS),
        *(
            row(f"day after {last}", ship(last, 10), ship(first, 10), FITS)
            for (_, last), (first, _) in zip(QUARTERS, [*QUARTERS[1:], ("2027-01-01", "")], strict=True)
        ),
        row("returned within it", ship(DAY, 10), line("return", "2026-03-31", 4), ship("2026-03-31", 4), FITS),
        row("returned after it, into it", ship(DAY, 10), line("return", "2026-04-01", 4), ship("2026-03-31", 1), OVER),
        row("returned after it, into the next", ship(DAY, 10), line("return", "2026-04-01", 4),
            ship("2026-04-01", 11), OVER),
    ),
)  # fmt: skip
def test_a_calendar_quarter_counts_its_own_days(under, caps, amendments, row):
    """Grammar: a counter per calendar quarter; what gives back does so in the window of its lot's day."""
    hold(under(*caps), "cap", row)


LOWERED = (
    "name: cap, counts: shipped, window: calendar {window}, limit: {{schedule: {{2026-01-01: 10 chips,"
    " {day}: 5 chips}}}}"
)


@shapes(
    (LOWERED.format(window="quarter", day="2026-04-01"), (
        row("quarter, last day, at", ship("2026-03-31", 10), FITS),
        row("quarter, day after, at", ship("2026-03-31", 10), ship("2026-04-01", 5), FITS),
        row("quarter, day after, above", ship("2026-04-01", 6), "over on 2026-04-01"),
    )),
    (LOWERED.format(window="quarter", day="2026-03-31"), (
        row("quarter, lowered on its last day", ship("2026-03-30", 6), "over on 2026-03-31"),
    )),
    (LOWERED.format(window="year", day="2027-01-01"), (
        row("year, last day, at", ship("2026-12-31", 10), FITS),
        row("year, day after, at", ship("2026-12-31", 10), ship("2027-01-01", 5), FITS),
        row("year, day after, above", ship("2027-01-01", 6), "over on 2027-01-01"),
    )),
    (LOWERED.format(window="year", day="2026-12-31"), (
        row("year, lowered on its last day", ship("2026-01-01", 6), "over on 2026-12-31"),
    )),
)  # fmt: skip
def test_a_window_is_held_against_no_limit_of_a_day_after_it(under, caps, amendments, row):
    """Grammar: a counter is asked on the days of its window."""
    hold(under(*caps), "cap", row)


ROLLING = "name: cap, counts: shipped, gives_back: [return], window: rolling 30 days, limit: 10 chips"


@shape(
    ROLLING,
    rows=(
        row("below", ship(DAY, 9), FITS),
        row("at", ship(DAY, 10), FITS),
        row("above", ship(DAY, 11), f"over on {DAY}"),
        row("last day in it, at", ship("2026-03-01", 6), ship("2026-03-30", 4), FITS),
        row("last day in it, above", ship("2026-03-01", 6), ship("2026-03-30", 5), "over on 2026-03-30"),
        row("day after it", ship("2026-03-01", 6), ship("2026-03-31", 10), FITS),
        row("first day in it, above", ship("2026-03-30", 6), ship("2026-03-01", 5), "over on 2026-03-30"),
        row("day before it", ship("2026-03-30", 6), ship("2026-02-28", 10), FITS),
        row("over the new year", ship("2026-12-20", 6), ship("2027-01-18", 5), "over on 2027-01-18"),
        row("day after it, in the new year", ship("2026-12-20", 6), ship("2027-01-19", 10), FITS),
        row("over the end of February", ship("2028-02-10", 6), ship("2028-03-10", 5), "over on 2028-03-10"),
        row("day after it, in a leap year", ship("2028-02-10", 6), ship("2028-03-11", 10), FITS),
        row("between two", ship("2026-03-01", 6), ship("2026-04-10", 6), ship("2026-03-20", 4), FITS),
        row("between two, above", ship("2026-03-01", 6), ship("2026-04-10", 6), ship("2026-03-20", 5), OVER),
        row("returned within it", ship("2026-03-01", 10), line("return", "2026-03-10", 4), ship("2026-03-10", 4), FITS),
        row("returned within it, above", ship("2026-03-01", 10), line("return", "2026-03-10", 4),
            ship("2026-03-10", 5), OVER),
        row("returned after it", ship("2026-03-01", 10), line("return", "2026-04-10", 4), ship("2026-04-10", 11), OVER),
    ),
)  # fmt: skip
def test_a_rolling_window_counts_the_last_days(under, caps, amendments, row):
    """Grammar: what counts on a day counts on that day and the 29 after it."""
    hold(under(*caps), "cap", row)


SPAN = "name: cap, counts: shipped, window: {{from: 2026-01-01, until: 2026-07-01}}, after: {after}, limit: 10 chips"


@shapes(
    (SPAN.format(after="nothing"), (
        row("at", ship("2026-01-01", 9), ship("2026-06-30", 1), FITS),
        row("above", ship("2026-01-01", 10), ship("2026-06-30", 1), "over on 2026-06-30"),
        row("dated back", ship("2026-06-30", 10), ship("2026-01-01", 1), "over on 2026-06-30"),
        row("day before the first", ship("2025-12-31", 99), UNCOUNTED),
        row("day before the first is not carried in", ship("2025-12-31", 99), ship("2026-01-01", 10), FITS),
        row("day after the last: nothing", ship("2026-07-01", 99), UNCOUNTED),
    )),
    (SPAN.format(after="undetermined"), (
        row("last day, at", ship("2026-06-30", 10), FITS),
        row("last day, above", ship("2026-06-30", 11), "over on 2026-06-30"),
        row("day after the last: undetermined", ship("2026-07-01", 1), "undetermined on 2026-07-01"),
        row("years after the last: undetermined", ship("2031-07-01", 1), UNDETERMINED),
        row("day before the first: nothing", ship("2025-12-31", 99), UNCOUNTED),
    )),
    ("name: cap, counts: shipped, window: {from: 2026-01-01}, limit: 10 chips", (
        row("since a day, day before", ship("2025-12-31", 99), UNCOUNTED),
        row("since a day, first day", ship("2026-01-01", 11), "over on 2026-01-01"),
        row("since a day, for ever", ship("2026-01-01", 10), ship("2199-12-31", 1), "over on 2199-12-31"),
    )),
    ("name: cap, counts: shipped, limit: 10 chips", (
        row("always", ship("2020-01-01", 10), ship("2199-12-31", 1), "over on 2199-12-31"),
    )),
)  # fmt: skip
def test_a_span_counts_its_days_and_says_what_holds_after(under, caps, amendments, row):
    """Grammar: `from` is included, `until` excluded; `after` says whether nothing holds, or nobody knows what does."""
    hold(under(*caps), "cap", row)


# Limits


@shapes(
    ("name: cap, counts: granted, limit: 100_000 TPP", (
        row("TPP, one below", grant(DAY, "9.9999", unit="equivalents"), FITS),
        row("TPP, at", grant(DAY, 10), FITS),
        row("TPP, one above", grant(DAY, "10.0001", unit="equivalents"), OVER),
        row("TPP, at, with an odd chip", grant(DAY, 6, chip=H100), FITS),
        row("TPP, above, with an odd chip", grant(DAY, 7, chip=H100), OVER),
        row("TPP, at, two chips", grant(DAY, 3), grant(DAY, 4, chip=H100), FITS),
        row("TPP, above, two chips", grant(DAY, 4), grant(DAY, 4, chip=H100), OVER),
    )),
    ("name: cap, counts: granted, limit: 20919.2 TPP", (
        row("a fraction, at", grant(DAY, "2.09192", unit="equivalents"), FITS),
        row("a fraction, above", grant(DAY, "2.091921", unit="equivalents"), OVER),
    )),
    ("name: cap, counts: granted, limit: 10 chips", (
        row("chips, below", grant(DAY, 9), FITS),
        row("chips, at", grant(DAY, 10), FITS),
        row("chips, above", grant(DAY, 11), f"over on {DAY}"),
        row("chips of any kind, at", grant(DAY, 4), grant(DAY, 6, chip=H100), FITS),
        row("chips of any kind, above", grant(DAY, 4), grant(DAY, 7, chip=H100), OVER),
        row("chips of a board, at", grant(DAY, 2), grant(DAY, 1, chip=HGX), FITS),
        row("chips of a board, above", grant(DAY, 3), grant(DAY, 1, chip=HGX), OVER),
        row("chips, equivalents", grant(DAY, 1, unit="equivalents"), f"undetermined on {DAY}"),
    )),
    ("name: cap, counts: granted, limit: 35 x nvidia-gb300-gpu @ 60_000 TPP", (
        row("equivalents, one TPP below", grant(DAY, "209.9999", unit="equivalents"), FITS),
        row("equivalents, at", grant(DAY, 210), FITS),  # 35 x 60,000 is 2,100,000, whatever the catalog says of it
        row("equivalents, above", grant(DAY, 211), OVER),
    )),
    ("name: cap, counts: shipped, limit: 0 chips", (
        row("nothing at all, above", ship(DAY, 1), OVER),
    )),
    ("name: cap, counts: shipped, limit: undetermined", (
        row("a limit that is undetermined", ship(DAY, 1), f"undetermined on {DAY}"),
    )),
    ("name: cap, counts: shipped, limit: undetermined, when_exceeded: flag", (
        row("a limit that is undetermined, asked", ship(DAY, 1), UNSURE),
        row("a limit that is undetermined, reported", ship(DAY, 1, observed=True), f"flagged on {DAY}"),
    )),
    ("name: cap, counts: shipped, limit: none", (
        row("no limit", ship(DAY, 10**9), FITS),
    )),
)  # fmt: skip
def test_a_limit_admits_what_it_says_and_not_one_more(under, caps, amendments, row):
    """Grammar: TPP, chips, N of a named chip at a pinned rating, none, or undetermined, which refuses."""
    hold(under(*caps), "cap", row)


@shapes(
    ("name: cap, counts: shipped, limit: {schedule: {2026-01-01: 10 chips, 2026-04-01: 20 chips, 2026-07-01: 5 chips}}",
        (
            row("day before the first step", ship("2025-12-31", 1), "undetermined on 2025-12-31"),
            row("first step, at", ship("2026-01-01", 10), "over on 2026-07-01"),  # five will be too many by then
            row("first step, at what the last admits", ship("2026-01-01", 5), FITS),
            row("second step, above what the last admits", ship("2026-04-01", 6), "over on 2026-07-01"),
            row("last step, at", ship("2026-07-01", 5), FITS),
            row("last step, above", ship("2026-07-01", 6), "over on 2026-07-01"),
        )),
    ("name: cap, counts: shipped, limit: {schedule: {2026-01-01: 100_000 TPP, 2026-04-01: 200_000 TPP,"
        " 2026-07-01: undetermined}}", (
            row("a step, at", ship("2026-03-31", 10), FITS),
            row("a step, above", ship("2026-03-31", 11), "over on 2026-03-31"),
            row("next step, at", ship("2026-03-31", 10), ship("2026-04-01", 10), FITS),
            row("next step, above", ship("2026-03-31", 10), ship("2026-04-01", 11), "over on 2026-04-01"),
            row("day before nobody knows", ship("2026-06-30", 20), FITS),
            row("day from which nobody knows", ship("2026-07-01", 1), "undetermined on 2026-07-01"),
        )),
)  # fmt: skip
def test_a_schedule_holds_from_each_day_until_the_next(under, caps, amendments, row):
    """Grammar: steps by date; what is cumulative is held against every later step as well."""
    hold(under(*caps), "cap", row)


YEARLY = "name: cap, counts: granted, by: [destination], limit: 100_000 TPP"


@shape(
    YEARLY,
    amendments="""\
  - {cap: cap, law: notice, where: {destination: [AE, SA]}, from: 2026-02-01, until: 2026-05-01, limit: 200_000 TPP}
  - {cap: cap, law: notice, subject: {destination: IN}, from: 2026-02-01, until: 2026-05-01, exempt: yes}
  - {cap: cap, law: notice, where: {destination: HK}, from: 2026-02-01, limit: undetermined}
  - {cap: cap, law: notice, where: {destination: DE}, from: 2026-02-01, limit: 50_000 TPP}
""",
    rows=(
        row("another country, at", grant(DAY, 10), FITS),
        row("another country, above", grant(DAY, 11), OVER),
        row("raised, day before", grant("2026-01-31", 11, "ae"), "over on 2026-01-31"),
        row("raised, first day, but over once it ends", grant("2026-02-01", 20, "ae"), "over on 2026-05-01"),
        row("raised, day after the last, above", grant("2026-05-01", 11, "sa"), "over on 2026-05-01"),
        row("raised, day after the last, at", grant("2026-05-01", 10, "sa"), FITS),
        row("exempt, day before", grant("2026-01-31", 11, "in"), "over on 2026-01-31"),
        row("exempt, first day", grant("2026-02-01", 99, "in"), UNCOUNTED),
        row("exempt, last day", grant("2026-04-30", 99, "in"), UNCOUNTED),
        row("exempt, day after the last, above", grant("2026-05-01", 11, "in"), "over on 2026-05-01"),
        row("exempt, not counted later", grant("2026-04-30", 99, "in"), grant("2026-05-01", 10, "in"), FITS),
        row("undetermined, day before", grant("2026-01-31", 10, "hk"), FITS),
        row("undetermined, first day", grant("2026-02-01", 1, "hk"), "undetermined on 2026-02-01"),
        row("lowered, first day, at", grant("2026-02-01", 5, "de"), FITS),
        row("lowered, first day, above", grant("2026-02-01", 6, "de"), "over on 2026-02-01"),
        row("lowered, day before, above what will hold", grant("2026-01-31", 6, "de"), "over on 2026-02-01"),
    ),
)  # fmt: skip
def test_an_amendment_holds_for_its_countries_on_its_days(under, caps, amendments, row):
    """15 CFR 742.6(b)(10)(iii)(C): an allocation may be raised by assurances; and what a notice may do besides."""
    hold(under(*caps, amendments=amendments), "cap", row)


@shape(
    YEARLY,
    amendments="  - {cap: cap, law: notice, where: {destination: AE}, from: 2026-02-01, limit: 200_000 TPP}\n",
    rows=(
        row("at", grant("2026-02-01", 20, "ae"), FITS),
        row("above", grant("2026-02-01", 21, "ae"), "over on 2026-02-01"),
        row("day before, at", grant("2026-01-31", 10, "ae"), FITS),
        row("day before, above", grant("2026-01-31", 11, "ae"), "over on 2026-01-31"),
        row("on top, at", grant("2026-01-31", 10, "ae"), grant("2026-02-01", 10, "ae"), FITS),
        row("on top, above", grant("2026-01-31", 10, "ae"), grant("2026-02-01", 11, "ae"), OVER),
    ),
)
def test_a_raise_without_an_end_holds_for_good(under, caps, amendments, row):
    """15 CFR 742.6(b)(10)(iii)(C): an allocation may be raised by assurances."""
    hold(under(*caps, amendments=amendments), "cap", row)


@pytest.mark.parametrize(("limit", "is_read"), [
    ("199_999 TPP", True), ("200_000 TPP", True), ("200_001 TPP", False), ("undetermined", True),
])  # fmt: skip
def test_no_amendment_raises_a_cap_above_what_the_law_lets_it(limit, is_read):
    """15 CFR 742.6(b)(10)(iii)(C): by up to 100%."""
    raised = f"  - {{cap: cap, law: notice, where: {{destination: AE}}, limit: {limit}}}\n"
    text = text_of((YEARLY,), raised + "  - {cap: cap, law: C, at_most: 200%}\n")
    try:
        rulebooks.parse_bundle({"test-book": text}, "test-book")
    except BadRulebook:
        assert not is_read
    else:
        assert is_read


CRITICAL = "name: cap, counts: shipped, gives_back: [return], critical_at: {at}, limit: 1000 chips"


@pytest.mark.parametrize(("at", "chips", "expected"), [
    ("80%", 799, "open"), ("80%", 800, "critical"), ("80%", 999, "critical"), ("80%", 1000, "exhausted"),
    ("80%", 1001, "over"), ("99.9%", 998, "open"), ("99.9%", 999, "critical"), ("100%", 999, "open"),
    ("100%", 1000, "exhausted"),
])  # fmt: skip
def test_a_cap_is_critical_from_its_own_threshold(under, at, chips, expected):
    """Grammar: `critical_at`, as in tariff-quota practice; it refuses nothing."""
    ledger = under(CRITICAL.format(at=at))
    ledger.must(ship(DAY, chips, observed=True))
    assert state(ledger, "cap", DAY) == {"world": expected}
    assert set(state(ledger, "cap", "2026-02-01").values()) <= {"open"}
    ledger.must(line("return", "2026-02-03", 500))
    assert state(ledger, "cap", "2026-02-03") == {"world": "open"}


# Shares


BASE = "counts: {counts}, gives_back: [return, relocation, resale, loss], where: {{destination: [DE, US]}}"
SHARE = (
    "name: cap, counts: granted, where: {{destination: [MY, IN]}}, limit: {{share: 50%, of: {{" + BASE + "}},"
    " asked_chips_enlarge_base: no}}, when_base_shrinks: {shrinks}"
)
REFUSES, FLAGS = (SHARE.format(counts="held", shrinks=each) for each in ("refuse", "flag"))
HALF = (ship(DAY, 20, "de"), receive(DAY, 20, to="de"), grant(DAY, 9))
LEAVES = {"from_recipient": "de", "from_destination": "DE"}


def leave(day: str, chips: int) -> Request:
    return line("reexport", day, chips, "ae", **LEAVES)


@shapes(
    (REFUSES, (
        row("refuse: below", *HALF, grant(DAY, 1), FITS),
        row("refuse: above", *HALF, grant(DAY, 2), OVER),
        row("refuse: the base shrinks to what suffices", *HALF, leave("2026-03-01", 2), UNCOUNTED),
        row("refuse: the base shrinks by one more", *HALF, leave("2026-03-01", 3), "over on 2026-03-01"),
        row("refuse: within the base it does not shrink", *HALF, line("transfer", "2026-03-01", 20, "group",
            destination="DE", **LEAVES), UNCOUNTED),
        row("refuse: a return is a fact", *HALF, line("return", "2026-03-01", 3, "de"), FLAGGED),
        row("refuse: so is a loss", *HALF, line("retire", "2026-03-01", 3, "de", cause="loss", exporter=""), FLAGGED),
        row("refuse: a reverse", *HALF, reversed_on("2026-03-01", 0), "refused: negative_stock"),
    )),
    (FLAGS, (
        row("flag: the base shrinks to what suffices", *HALF, leave("2026-03-01", 2), UNCOUNTED),
        row("flag: the base shrinks by one more", *HALF, leave("2026-03-01", 3), FLAGGED),
    )),
)  # fmt: skip
def test_what_shrinks_a_base_is_refused_only_where_the_book_says_so(under, caps, amendments, row):
    """Grammar: `when_base_shrinks`; a fact from outside is kept in any case, and opens a discrepancy."""
    hold(under(*caps), "cap", row)


TESTED_ON = (
    "name: cap, counts: held, where: {destination: [MY]}, when_exceeded: flag, tested_on: [03-01], limit: {share: 50%,"
    " of: {counts: held, where: {destination: [MY, DE]}}}"
)


@shape(
    TESTED_ON,
    rows=(
        row("at, on the day of test", ship(DAY, 10, "de"), ship("2026-03-01", 10), FITS),
        row("above, on the day of test", ship(DAY, 10, "de"), ship("2026-03-01", 11), "flagged on 2026-03-01"),
        row("above, for the day of test", ship(DAY, 10, "de"), ship(DAY, 11), "flagged on 2026-03-01"),
        row("above, the day after, for that of the next year", ship(DAY, 10, "de"), ship("2026-03-02", 11),
            "flagged on 2027-03-01"),
        row("above, until the day before", ship("2026-03-01", 10, "de"), ship(DAY, 10), FITS),
        row("above, the day after, until the next", ship(DAY, 10, "de"), ship("2027-02-28", 20, "de"),
            ship("2026-03-02", 11), FITS),
    ),
)  # fmt: skip
def test_a_share_may_be_tested_on_some_days_only(under, caps, amendments, row):
    """Supp. 10 to part 748, items 6 and 10: tested on the reporting dates."""
    hold(under(*caps), "cap", row)


PERIOD = (
    "name: total, counts: held, by: [owner_group], base: {{declared: {period}}}, limit: none",
    "name: cap, counts: held, by: [owner_group], where: {{destination: [MY]}}, limit: {{share: 50%, of: total}}",
)
LAST = {"annual": ("2026-12-31", "2027-01-01"), "semiannual": ("2026-06-30", "2026-07-01"),
        "quarterly": ("2026-03-31", "2026-04-01")}  # fmt: skip


def declared(day: str) -> Request:
    told = [{"destination": "DE", "chip": A100, "quantity": "10"}]
    return Request("stock", f"stock:{day}", {"party_id": "my", "as_of": day, "lines": told})


@shapes(
    *((tuple(each.format(period=period) for each in PERIOD), (
        row(f"{period}, day before the first", declared("2026-01-01"), ship("2025-12-31", 1), UNDETERMINED),
        row(f"{period}, first day, at", declared("2026-01-01"), ship("2026-01-01", 5), FITS),
        row(f"{period}, first day, above", declared("2026-01-01"), ship("2026-01-01", 6), "over on 2026-01-01"),
        row(f"{period}, last day, at", declared("2026-01-01"), ship(LAST[period][0], 5), FITS),
        row(f"{period}, last day, above", declared("2026-01-01"), ship(LAST[period][0], 6), OVER),
        row(f"{period}, day after the last", declared("2026-01-01"), ship(LAST[period][1], 1), UNDETERMINED),
        row(f"{period}, declared again", declared("2026-01-01"), declared(LAST[period][1]), ship(LAST[period][1], 5),
            FITS),
    )) for period in PERIODS),
)  # fmt: skip
def test_a_declared_base_is_good_for_its_period(under, caps, amendments, row):
    """Supp. 10 to part 748, item 10: twice a year; the grammar knows once and four times, too."""
    hold(under(*caps), "cap", row)


# What counts


COUNTED = "name: cap, counts: {counts}, limit: 10 chips"
LICENSED = (grant(DAY, 10), ship(DAY, 4), receive(DAY, 2))


@shapes(
    (COUNTED.format(counts="granted"), (
        row("granted: a grant, at", grant(DAY, 10), FITS),
        row("granted: a grant, above", grant(DAY, 11), OVER),
        row("granted: a reservation, above", line("reserve", DAY, 11, last_day="2026-03-31"), OVER),
        row("granted: both, above", line("reserve", DAY, 6, last_day="2026-03-31"), grant("2026-03-31", 5), OVER),
        row("granted: a reservation until its last day", line("reserve", DAY, 6, last_day="2026-03-31"),
            grant("2026-04-01", 10), FITS),
        row("granted: no shipment", *LICENSED, ship(DAY, 6), UNCOUNTED),
    )),
    (COUNTED.format(counts="shipped"), (
        row("shipped: at", ship(DAY, 10), FITS),
        row("shipped: above", ship(DAY, 11), OVER),
        row("shipped: no grant", grant(DAY, 11), UNCOUNTED),
        row("shipped: no reservation", line("reserve", DAY, 11, last_day="2026-03-31"), UNCOUNTED),
        row("shipped: a receipt is no second one", *LICENSED, receive(DAY, 2), UNCOUNTED),
        row("shipped: a reexport is, above", ship(DAY, 6), receive(DAY, 6),
            line("reexport", DAY, 5, "in", from_recipient="my", from_destination="MY"), OVER),
        row("shipped: a transfer is not", ship(DAY, 6), receive(DAY, 6),
            line("transfer", DAY, 6, "my2", from_recipient="my", from_destination="MY"), UNCOUNTED),
    )),
    (COUNTED.format(counts="held"), (
        row("held: in transit, at", ship(DAY, 10), FITS),
        row("held: in transit, above", ship(DAY, 11), OVER),
        row("held: installed, above", ship(DAY, 10), receive(DAY, 10), ship(DAY, 1), OVER),
        row("held: no grant", grant(DAY, 11), UNCOUNTED),
        row("held: a receipt is no second one", ship(DAY, 10), receive(DAY, 10), FITS),
        row("held: a transfer within it, above no limit", ship(DAY, 10), receive(DAY, 10),
            line("transfer", DAY, 10, "my2", from_recipient="my", from_destination="MY"), OVER),
    )),
    ("name: cap, counts: authorizations, limit: 1 models", (
        row("authorizations: no chips", grant(DAY, 11), UNCOUNTED),
    )),
)  # fmt: skip
def test_a_cap_counts_one_thing_and_no_other(under, caps, amendments, row):
    """Grammar: `granted` (reserved and licensed), `shipped`, `held` (in transit and installed), or `authorizations`."""
    hold(under(*caps), "cap", row)


BACK = "name: cap, counts: {counts}, by: [recipient, destination], gives_back: [{words}], limit: 10 chips"
ARRIVED = (ship(DAY, 10), receive(DAY, 10))
GONE = {"loss", "theft", "damage", "destruction", "failure"}
GIVING: dict[str, tuple[Any, ...]] = {
    "return": (ship(DAY, 10), line("return", "2026-02-10", 4)),
    "unshipped": (grant(DAY, 10), line("release", "2026-02-10", 4, authorization="L-my")),
    **{cause: (*ARRIVED, retire("2026-02-10", 4, cause)) for cause in sorted(GONE)},
    "relocation": (
        *ARRIVED,
        line("reexport", "2026-02-10", 4, destination="IN", from_recipient="my", from_destination="MY"),
    ),
    "resale": (*ARRIVED, line("transfer", "2026-02-10", 4, "my2", from_recipient="my", from_destination="MY")),
}


def giving(word: str) -> tuple[str, tuple[Row, ...]]:
    """The table of one word of `gives_back`: with it, the room is free from its day on."""
    counts, again = ("granted", grant) if word == "unshipped" else ("held", ship)
    return BACK.format(counts=counts, words=word), (
        row(f"{word}, at", *GIVING[word], again("2026-02-10", 4), FITS),
        row(f"{word}, above", *GIVING[word], again("2026-02-10", 5), OVER),
        row(f"{word}, day before", *GIVING[word], again("2026-02-09", 1), "over on 2026-02-09"),
    )


def keeping(word: str) -> tuple[str, tuple[Row, ...]]:
    """The table of a cap that every other word gives back to."""
    counts, again = ("granted", grant) if word == "unshipped" else ("held", ship)
    others = ", ".join(each for each in GIVES_BACK if each != word)
    return BACK.format(counts=counts, words=others), (
        row(f"{word}, not said", *GIVING[word], again("2026-02-10", 1), OVER),
    )


@shapes(*(each(word) for word in GIVES_BACK for each in (giving, keeping)))
def test_what_gives_room_back_is_what_the_book_says(under, caps, amendments, row):
    """Grammar: `gives_back`, each word by itself; 15 CFR 748.15(a)(2)(iii)(B) is where most of them come from."""
    hold(under(*caps), "cap", row)


@shapes(
    (BACK.format(counts="held", words=""), (
        row("a reverse, at", ship(DAY, 10), reversed_on("2026-02-10"), ship(DAY, 10), FITS),
        row("a reverse, above", ship(DAY, 10), reversed_on("2026-02-10"), ship(DAY, 11), OVER),
    )),
    (BACK.format(counts="granted", words="unshipped"), (
        row("a license that ended", grant(DAY, 10, authorization="L-short"), grant("2026-04-01", 10), FITS),
        row("on its last day", grant(DAY, 10, authorization="L-short"), grant("2026-03-31", 1), "over on 2026-03-31"),
        row("what was shipped under it stays", grant(DAY, 10, authorization="L-short"),
            ship(DAY, 4, authorization="L-short"), grant("2026-04-01", 7), OVER),
    )),
    (BACK.format(counts="granted", words=""), (
        row("a license that ended, not said", grant(DAY, 10, authorization="L-short"), grant("2026-04-01", 1), OVER),
    )),
)  # fmt: skip
def test_a_reverse_always_gives_back_and_what_lapses_only_where_it_is_said(under, caps, amendments, row):
    """Grammar: none gives back but a reverse, unless said."""
    hold(under(*caps), "cap", row)


# Subjects: what has the same one shares the room, what has another has room of its own.

AS = {"facility": "fab-1", "authorization": "AIA"}
SUBJECTS: dict[str, tuple[Request, Request, Request]] = {
    "destination": (ship(DAY, 3), ship(DAY, 1, "my2"), ship(DAY, 1, destination="IN")),
    "recipient": (ship(DAY, 3), ship(DAY, 1, destination="IN"), ship(DAY, 1, "my2")),
    "owner": (ship(DAY, 3, owner="ae"), ship(DAY, 1, "my2", owner="ae"), ship(DAY, 1)),
    "operator": (ship(DAY, 3, operator="ae"), ship(DAY, 1, "my2", operator="ae"), ship(DAY, 1)),
    "ultimate_parent": (ship(DAY, 3, "east"), ship(DAY, 1, "west"), ship(DAY, 1)),
    "owner_group": (ship(DAY, 3, owner="east"), ship(DAY, 1, owner="west"), ship(DAY, 1)),
    "booked_to": (ship(DAY, 3, booked_to="ae"), ship(DAY, 1, "my2", booked_to="ae"), ship(DAY, 1)),
    "exporter": (ship(DAY, 3), ship(DAY, 1, "in"), ship(DAY, 1, exporter="amd")),
    "chip": (ship(DAY, 3, chip=H100), ship(DAY, 1, "in", chip=H100), ship(DAY, 1)),
    "tier": (ship(DAY, 3), ship(DAY, 1, "in"), ship(DAY, 1, "de")),
    "facility": (ship(DAY, 3, **AS), ship(DAY, 1, "in", **AS), ship(DAY, 1, facility="fab-2")),
    "authorization": (ship(DAY, 3, **AS), ship(DAY, 1, "in", **AS), ship(DAY, 1, authorization="LPP")),
}


def subject(by: str) -> tuple[str, tuple[Row, ...]]:
    """The table of a dimension that counters may be kept by."""
    first, same, other = SUBJECTS[by]
    return f"name: cap, counts: shipped, by: [{by}], limit: 3 chips", (
        row(f"{by}: at", first, FITS),
        row(f"{by}: the same, above", first, same, OVER),
        row(f"{by}: another", first, other, FITS),
    )


@shapes(
    *(subject(by) for by in BY),
    ("name: cap, counts: shipped, limit: 3 chips", (
        row("the world: above", ship(DAY, 3), ship(DAY, 1, "de", exporter="amd", chip=H100), OVER),
    )),
    ("name: cap, counts: shipped, by: [destination, exporter], limit: 3 chips", (
        row("two: the same, above", ship(DAY, 3), ship(DAY, 1, "my2"), OVER),
        row("two: one differs", ship(DAY, 3), ship(DAY, 1, exporter="amd"), FITS),
        row("two: the other differs", ship(DAY, 3), ship(DAY, 1, "in"), FITS),
    )),
    ("name: cap, counts: shipped, by: [facility], limit: 3 chips", (
        row("a site that nobody named", ship(DAY, 1), UNDETERMINED),
    )),
)  # fmt: skip
def test_a_counter_is_kept_per_subject(under, caps, amendments, row):
    """Grammar: `by`, each dimension by itself; 15 CFR 740.29 and 748.15 count by company, group and country."""
    hold(under(*caps), "cap", row)


def test_a_board_is_counted_with_the_chips_on_it(under):
    """91 FR 1684, supp. 2 to part 748 (dd)(1)(iii): "same product", alone or in boards."""
    ledger = under("name: cap, counts: shipped, by: [chip], limit: none")
    ledger.must(ship(DAY, 1, chip=HGX), ship(DAY, 1, chip=H100), ship(DAY, 1))
    assert counted(ledger, "cap", DAY) == {f"chip={H100}": 9, f"chip={A100}": 1}


# What an excess does


EXCESS = "name: cap, counts: shipped, limit: 10 chips, when_exceeded: "


@shapes(
    (EXCESS + "refuse", (
        row("refuse: at", ship(DAY, 10), FITS),
        row("refuse: above", ship(DAY, 11), OVER),
        row("refuse: above, reported", ship(DAY, 11, observed=True), f"flagged on {DAY}"),
        row("refuse: after a breach", ship(DAY, 11, observed=True), ship(DAY, 1), OVER),
    )),
    (EXCESS + "flag", (
        row("flag: at", ship(DAY, 10), FITS),
        row("flag: above", ship(DAY, 11), f"flagged on {DAY}"),
        row("flag: above, reported", ship(DAY, 11, observed=True), f"flagged on {DAY}"),
    )),
    *((f"{EXCESS}flag, status: {status}", (
        row(f"{status}: at", ship(DAY, 10), FITS),
        row(f"{status}: above", ship(DAY, 11), f"flagged on {DAY}"),
    )) for status in STATUSES),
)  # fmt: skip
def test_an_excess_is_refused_or_flagged(under, caps, amendments, row):
    """Grammar: `when_exceeded`; what is reported from outside is kept in any case, and opens a discrepancy."""
    hold(under(*caps), "cap", row)


@pytest.mark.parametrize("status", STATUSES)
def test_what_is_no_law_cannot_refuse(status):
    """Grammar: a framework, a report or a discussion is no law."""
    with pytest.raises(BadRulebook):
        rulebooks.parse_bundle({"test-book": text_of((f"{EXCESS}refuse, status: {status}",))}, "test-book")


# No word of the grammar without a table


def kinds(cap: Cap) -> set[str]:
    """Return the words of the grammar that a cap is written with."""
    limit, window = cap.limit, cap.window
    found = {f"counts {cap.counts}", f"window {window.kind}", f"excess {cap.when_exceeded}", f"status {cap.status}"}
    found |= {f"by {each}" for each in cap.by} | {f"gives back {each}" for each in cap.gives_back}
    found |= {f"after {window.after}"} if window.span.until else set()
    found |= {f"declared {period}" for name, period in cap.base if name == "declared"}
    if limit.unlimited or limit.share:
        found.add("limit none" if limit.unlimited else "limit share")
    else:
        found |= {f"limit {limit.unit}"} | {"limit undetermined" for _, amount in limit.steps if amount is None}
        found |= {"limit equivalents"} if " x " in limit.words else set()
        found |= {"limit schedule"} if len(limit.steps) > 1 else set()
    if share := limit.share:
        found |= {f"base shrinks {share.when_base_shrinks}"} if share.when_base_shrinks else set()
        found |= {f"asked chips enlarge {share.asked_chips_enlarge_base}"}
        found |= {"tested on days"} if share.tested_on else set()
    found |= {"amended exempt" if each.limit.unlimited else "amended limit" for each in cap.amended}
    return found | ({"amended at most"} if cap.bounds else set())


WORDS = {
    *(f"counts {each}" for each in COUNTS), *(f"by {each}" for each in BY),
    *(f"gives back {each}" for each in GIVES_BACK),
    *(f"status {each}" for each in ("", *STATUSES)), *(f"declared {each}" for each in PERIODS),
    *(f"window {each}" for each in get_args(get_type_hints(Window)["kind"])),
    *(f"after {each}" for each in get_args(get_type_hints(Window)["after"])),
    *(f"excess {each}" for each in get_args(get_type_hints(Cap)["when_exceeded"])),
    "limit TPP", "limit chips", "limit models", "limit equivalents", "limit schedule", "limit share", "limit none",
    "limit undetermined", "base shrinks refuse", "base shrinks flag", "asked chips enlarge True",
    "asked chips enlarge False", "tested on days", "amended limit", "amended exempt", "amended at most",
}  # fmt: skip


def test_every_word_of_the_grammar_of_caps_has_a_table():
    """The caps above, and those of the shipped books, each of which has a table in test_shapes.py."""
    shipped = [cap for name in rulebooks.shipped() for cap in rulebooks.load(name).caps]
    assert set().union(*(kinds(cap) for cap in (*CAPS, *shipped))) == WORDS


def test_every_key_of_a_cap_is_among_those_words_or_says_where_it_comes_from():
    of_words = {"counts", "by", "gives_back", "status", "base", "window", "after", "when_exceeded", "limit",
                "tested_on", "when_base_shrinks", "critical_at"}  # fmt: skip
    of_words |= {"tolerance", "suspended", "blocked"}  # their tables are in test_tolerance_and_pauses.py
    of_words |= {"counts_only"}  # its table is in test_readings.py
    assert set(CAP_KEYS) - of_words - set(SOURCE_KEYS) == {"name", "if", "where"}
    assert set(LIMIT_KEYS) == {"schedule", "share", "of", "asked_chips_enlarge_base"}
    assert set(CHANGE_KEYS) == {"limit", "at_most", "exempt"}
