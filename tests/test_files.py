"""What files are read into: whole requests with their lines, nothing lost, broken rows answered where they stand."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import Malformed, Unusable
from ledger.core.movements import MOST_LINES
from ledger.files import KINDS, Item, batches, post_each, post_together, read_requests
from ledger.files.rows import LONGEST_LINE_BYTES, LONGEST_ROW_LINES
from ledger.posting import Receipt, Request

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "files.md").read_text()
EXAMPLES = dict(re.findall(r"^```csv (\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
HEAD = "key,entry,movement,effective_on,chip,quantity,note\n"


class Trickle(io.BytesIO):
    """A stream that gives a few bytes at a time, as a slow pipe does."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__(content)
        self.size = size

    def read1(self, size: int | None = -1) -> bytes:
        return super().read1(self.size)


def items_of(content: str | bytes, **stated: str | bool) -> list[Item]:
    return list(read_requests(io.BytesIO(content.encode() if isinstance(content, str) else content), **stated))


def read(rows: str, head: str = HEAD) -> list[tuple[tuple[int, ...], str, object]]:
    """Return lines, key and what was read: the chips of a movement's lines, or the field that is malformed."""
    return [
        (
            item.lines,
            item.key,
            [line.get("chip", "") for line in item.request.raw["lines"]] if item.request else item.problem.field,
        )
        for item in items_of(head + rows)
    ]


def test_a_movement_is_read_as_the_core_takes_it():
    [item] = items_of(HEAD + "k1,, ship ,2026-01-31, nvidia-b200 ,5,\n", observed=True)
    raw = {"movement": "ship", "effective_on": "2026-01-31", "lines": [{"chip": "nvidia-b200", "quantity": "5"}]}
    assert item == ((2,), Request("movement", "k1", raw, observed=True), None, "k1")


def test_a_reverse_has_no_lines():
    [item] = items_of("key,movement,effective_on,reverses,chip\nk1,reverse,2026-01-31,17,\n")
    assert item.request.raw == {"movement": "reverse", "effective_on": "2026-01-31", "reverses": "17", "lines": []}


@pytest.mark.parametrize(
    ("rows", "cut"),
    [
        ("k,,ship,D,a,1,\nk,,ship,D,b,1,\n", [((2,), "k", ["a"]), ((3,), "k", ["b"])]),
        ("k,1,ship,D,a,1,\nk,2,,,b,1,\nl,1,ship,D,c,1,\n", [((2, 3), "k", ["a", "b"]), ((4,), "l", ["c"])]),
        ("k,1,ship,D,a,1,n\nk,2,ship,D,b,1,n\n", [((2, 3), "k", ["a", "b"])]),
        ("k,2,,,b,1,\nk,1,ship,D,a,1,\n", [((2, 3), "k", ["a", "b"])]),
        # The same request again.
        ("k,1,ship,D,a,1,\nk,1,ship,D,a,1,\n", [((2,), "k", ["a"]), ((3,), "k", ["a"])]),
        ("k,1,ship,D,a,1,\nk,1,ship,D,c,1,\n", [((2,), "k", ["a"]), ((3,), "k", ["c"])]),
        (
            "k,1,ship,D,a,1,\nk,2,,,b,1,\nk,1,ship,D,a,1,\nk,2,,,b,1,\n",
            [((2, 3), "k", ["a", "b"]), ((4, 5), "k", ["a", "b"])],
        ),
        (
            "k,1,ship,D,a,1,\nk,1,ship,D,a,1,\nk,2,,,b,1,\nk,2,,,b,1,\n",
            [((2, 4), "k", ["a", "b"]), ((3, 5), "k", ["a", "b"])],
        ),
        ("k,1,ship,D,a,1,\nk,2,,,b,1,\nk,2,,,c,1,\n", [((2, 3), "k", ["a", "b"]), ((4,), "k", ["a", "c"])]),
        (
            "k,1,ship,D,a,1,\nl,1,ship,D,b,1,\nk,1,ship,D,a,1,\n",
            [((2,), "k", ["a"]), ((3,), "l", ["b"]), ((4,), "k", ["a"])],
        ),
        ("k,1,ship,D,a,1,\nk,,ship,D,a,1,\n", [((2,), "k", ["a"]), ((3,), "k", ["a"])]),
        # Never in part.
        ("k,1,ship,D,a,1,\nk,3,,,b,1,\n", [((2, 3), "k", "entry")]),
        ("k,2,ship,D,a,1,\n", [((2,), "k", "entry")]),
        (
            "k,1,ship,D,a,1,\nl,,ship,D,b,1,\nk,2,,,c,1,\n",
            [((2,), "k", ["a"]), ((3,), "l", ["b"]), ((4,), "k", "entry")],
        ),
        ("k,1,ship,D,a,1,\nk,2,,,b\nk,3,,,c,1,\n", [((2, 4), "k", "entry"), ((3,), "k", "row")]),
        ("k,1,ship,D,a,1,\nk,2,,,b,1,\nk,3,,,c\n", [((2, 3), "k", "entry"), ((4,), "k", "row")]),
        ("k,1,ship,D,a,1,\n,2,,,b,1,\n", [((2,), "k", "entry"), ((3,), "", "key")]),
        ("k,1,ship,D,a,1,\nk,two,,,b,1,\n", [((2,), "k", "entry"), ((3,), "k", "entry")]),
        ("k,1,ship,D,a,1,\nl,two,,,b,1,\n", [((2,), "k", ["a"]), ((3,), "l", "entry")]),
        # One head.
        ("k,1,ship,D,a,1,n\nk,2,ship,D,b,1,m\n", [((2, 3), "k", "note")]),
        ("k,1,ship,D,a,1,\nk,2,,,b,1,m\n", [((2, 3), "k", "note")]),
        ("k,1,ship,D,a,1,\nk,2,grant,,b,1,\nl,,ship,D,c,1,\n", [((2, 3), "k", "movement"), ((4,), "l", ["c"])]),
        (",,ship,D,a,1,\n", [((2,), "", "key")]),
        ("k,0,ship,D,a,1,\n", [((2,), "k", "entry")]),
        ("\n,,,,,,\nk,,ship,D,a,1,\n", [((4,), "k", ["a"])]),
    ],
)  # fmt: skip
def test_rows_are_cut_into_movements(rows, cut):
    assert read(rows) == cut


def test_a_head_that_differs_is_named_with_both_lines():
    [item] = items_of(HEAD + "k,1,ship,2026-01-01,a,1,n\nk,2,,2026-01-02,b,1,\n")
    assert str(item.problem) == (
        "line 3: effective_on is '2026-01-02' on line 3 and '2026-01-01' on line 2; a movement has one. "
        "State it on the first row of the movement only, or the same on each."
    )


def test_a_key_with_too_many_rows_is_answered_row_by_row_and_never_posted_in_part():
    rows = "".join(f"k,{n},ship,D,a,1,\n" for n in range(1, MOST_LINES + 3))
    items = items_of(HEAD + rows + "l,,ship,D,a,1,\n")
    assert [len(item.lines) for item in items] == [MOST_LINES, 1, 1, 1]
    assert [item.request is None for item in items] == [True, True, True, False]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b"k2,,ship,D,a,1\n", "The row has 6 cells; the header has 7 columns."),
        (b"k2,,ship,D,a,1,,\n", "The row has 8 cells; the header has 7 columns."),
        (b"k2,,ship,D,a\xff,1,\n", "The row is not UTF-8 text: byte 13 of the line is 0xff."),
        (b"k2,,ship,D,a\0,1,\n", "The row holds a NUL character."),
        (b'k2,,ship,D,"a,1,\n', "A cell begins with a quote and is not closed."),
        (b'k2,,ship,D,"a"b,1,\n', "A quote stands where none can be: a quoted cell must end right before"),
        (b"k2,,ship,D,a,1," + b"n" * LONGEST_LINE_BYTES + b"\n", "The line is longer than 131,072 bytes."),
        (b"k2,,ship,D,a,1," + b"n" * 9 * LONGEST_LINE_BYTES + b"\n", "The line is longer than 131,072 bytes."),
    ],
)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("last", [False, True], ids=["amid", "last"])
def test_a_broken_row_is_answered_with_its_line_and_the_rest_goes_on(broken, said, ending, last):
    rest = b"" if last else b'k3,,ship,D,"a, b",1,\nk4,,ship,D,"a\nb",1,\nk5,,ship,D,a,1,\n'
    content = HEAD.encode() + b'k1,,ship,D,"a ""b""",1,\n' + broken + rest
    items = items_of(content.replace(b"\n", ending))
    assert [item.lines[0] for item in items] == ([2, 3] if last else [2, 3, 4, 5, 7])
    assert [item.key for item in items] == ["k1", "k2", "k3", "k4", "k5"][: len(items)]
    assert [item.problem is None for item in items] == [True, False, True, True, True][: len(items)]
    assert items[1].problem.message.startswith(said)
    assert items[1].problem.where == "line 3"


def test_a_quoted_cell_may_hold_line_breaks():
    [item, after] = items_of(HEAD + 'k1,,ship,D,a,1,"one\ntwo, three\n\nfour"\nk2,,ship,D,a,1,\n')
    assert item.request.raw["note"] == "one\ntwo, three\n\nfour"
    assert (item.lines, after.lines) == ((2,), (6,))


def test_an_unclosed_quote_swallows_no_row_however_the_quotes_below_it_pair():
    rows = 'k1,,ship,D,"a,1,\nk2,,ship,D,"a,1,\nk3,,ship,D,"a,b",1,\nk4,,ship,D,a",1,\nk5,,ship,D,a,1,\n'
    assert [(lines, key, what == "row") for lines, key, what in read(rows)] == [
        ((2,), "k1", True),
        ((3,), "k2", True),
        ((4,), "k3", False),
        ((5,), "k4", False),
        ((6,), "k5", False),
    ]


def test_rows_that_stray_quotes_would_join_into_one_are_taken_apart():
    # By the letter of CSV, the first two lines are one row whose chip has a line break in it.
    assert [item[1:] for item in read('k1,,ship,D,"a,1,\nk2,,ship,D,b",1,\nk3,,ship,D,c,1,\n')] == [
        ("k1", "row"),
        ("k2", ['b"']),
        ("k3", ["c"]),
    ]


def test_an_unclosed_quote_looks_ahead_a_bounded_way():
    rows = 'k0,,ship,D,a,1,"open\n' + "k,,ship,D,a,1,\n" * 3 * LONGEST_ROW_LINES
    items = items_of(HEAD + rows)
    assert [item.problem is None for item in items] == [False] + [True] * 3 * LONGEST_ROW_LINES


def rows_of(alphabet: str) -> st.SearchStrategy[list[tuple[str, ...]]]:
    return st.lists(st.tuples(*[st.text(st.sampled_from(alphabet), max_size=6)] * 3), max_size=20)


# Line breaks and commas in one row could make its lines look like rows, which is refused.
@given(
    rows_of('ab "\n\r;é\u2028') | rows_of('ab ",;é\u2028'),
    st.sampled_from([("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
    st.integers(1, 40),
)
def test_what_a_csv_writer_writes_is_read_back_row_by_row(rows, dialect, size):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=dialect[0], quoting=dialect[1])
    writer.writerow(["key", "party_id", "headquarters", "name", "source", "note"])
    for n, cells in enumerate(rows):
        writer.writerow([f"k{n}", "p", "US", *cells])
    content = b"\xef\xbb\xbf" + text.getvalue().encode()
    for n, (cells, item) in enumerate(zip(rows, read_requests(Trickle(content, size)), strict=True)):
        stated = dict(zip(("name", "source", "note"), map(str.strip, cells), strict=True))
        assert item.problem is None
        assert item.key == f"k{n}"
        assert item.request.raw == {"party_id": "p", "headquarters": "US"} | {k: v for k, v in stated.items() if v}


@given(st.binary(max_size=300), st.integers(1, 50))
def test_whatever_a_file_holds_each_line_is_answered_once(content, size):
    head = b"party_id,headquarters\n"
    lines = [line for item in read_requests(Trickle(head + content, size)) for line in item.lines]
    assert lines == sorted(set(lines))
    assert lines == [line for item in items_of(head + content) for line in item.lines]
    assert set(lines) <= set(range(2, 2 + len(content.splitlines())))


@pytest.mark.parametrize(
    ("head", "row", "kind", "key"),
    [
        ("party_id,headquarters,from", "g42,AE,", "party", "party:g42:first"),
        ("party_id,headquarters,from", "g42,AE,2025-01", "party", "party:g42:2025-01"),
        ("key,party_id,headquarters", "mine,g42,AE", "party", "mine"),
        ("key,party_id,headquarters", ",g42,AE", "party", "party:g42:first"),
        ("authorization_id", "L1", "authorization", "authorization:L1:issued:"),
        ("authorization_id,first_day", "L1,2025-01-01", "authorization", "authorization:L1:issued:2025-01-01"),
        (
            "authorization_id,change,first_day,effective_on",
            "L1,amended,2025-01-01,2025-02-01",
            "authorization",
            "authorization:L1:amended:2025-02-01",
        ),
        ("chip_id,dense_tops_8bit", "c,5", "rating", "rating:c:first"),
        ("chip_id,dense_tops_8bit,valid_from", "c,5,2025-01-01", "rating", "rating:c:2025-01-01"),
    ],
)
def test_facts_have_the_key_that_is_stated_or_one_made_of_what_they_are(head, row, kind, key):
    [item] = items_of(f"{head}\n{row}\n", observed=True)
    cells = {column: cell for column, cell in zip(head.split(","), row.split(","), strict=True) if cell}
    cells.pop("key", None)
    assert item == ((2,), Request(kind, key, cells), None, key)


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "empty_file", "The file is empty."),
        (b"\xef\xbb\xbf\n\r\n", "empty_file", "The file is empty."),
        (b"key,movement,effective_on,quantiy\n", "unknown_column", "'quantiy' is not a column of a movements file. Did"
         " you mean quantity? Known are key, entry, movement,"),
        (b"key,movement,effective_on,a,b\n", "unknown_column", "'a', 'b' is not a column"),
        (b"key,movement,effective_on,\n", "unknown_column", "Column 4 has no name."),
        (b"key,movement,effective_on,key\n", "duplicate_column", "The column 'key' is there twice."),
        (b"key,movement\n", "missing_column", "A movements file needs the column 'effective_on'. Known are key,"),
        (b"movement\n", "missing_column", "needs the column 'key', 'effective_on'."),
        (b"party_id,name\n", "unknown_file", "'party_id', 'name', is of no known kind of file. Movements have"),
        (b"chip_id,tpp\n", "unknown_file", "ratings chip_id and a rate such as dense_tops_8bit."),
        (b"key;movement;effective_on\n", "not_csv", "The columns are not separated by commas."),
        (b"PK\x03\x04....", "not_csv", "The file is not CSV in UTF-8."),
        ("key,movement\n".encode("utf-16"), "not_csv", "The file is not CSV in UTF-8."),
        (b"key,move\0ment\n", "not_csv", "The first line is not a row of column names."),
        (b'"key,movement\nk,ship\n', "not_csv", "The first line is not a row of column names."),
        (b"\x89PNG\r\n\x1a\n", "not_csv", "The first line is not a row of column names."),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_at_once_with_what_is_wrong(content, code, said):
    with pytest.raises(Unusable) as refused:
        read_requests(io.BytesIO(content))
    assert (refused.value.code, said in str(refused.value)) == (code, True), str(refused.value)


def test_the_kind_can_be_stated():
    [item] = items_of("party_id,name\ng42,G42\n", kind="parties")
    assert item.request == Request("party", "party:g42:first", {"party_id": "g42", "name": "G42"})
    with pytest.raises(Malformed, match="Use one of: movements, parties, ownership, stock, authorizations, ratings"):
        items_of("party_id,name\n", kind="party")


def test_the_reference_files_are_read_whole():
    for name, rows in (("parties", 10), ("chips", 61)):
        items = items_of((ROOT / "schema" / "reference" / f"{name}.csv").read_bytes())
        assert (len(items), [item for item in items if item.problem]) == (rows, [])


# Posting, with a stand-in for the ledger.


class Ledger:
    """Answers each request by its key, and remembers how many came together."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def post(self, requests: Sequence[Request]) -> list[Receipt]:
        self.batches.append(len(requests))
        return [
            Receipt("refused", request.key, None, "cap_exceeded", "Over.", "Ask for less.")
            if request.key == "over"
            else Receipt("posted", request.key, 7)
            for request in requests
        ]


def test_each_row_gets_the_answer_of_its_movement_in_the_order_of_the_lines():
    rows = "k,1,ship,D,a,1,\nk,1,ship,D,a,1,\nk,2,,,b,1,\nk,2,,,b,1,\nover,,ship,D,a,1,\nl,,ship\n"
    ledger = Ledger()
    [answers] = post_each(items_of(HEAD + rows), ledger.post)
    assert ledger.batches == [3]
    assert [tuple(answer)[:5] for answer in answers] == [
        (2, "k", "posted", 7, ""),
        (3, "k", "posted", 7, ""),
        (4, "k", "posted", 7, ""),
        (5, "k", "posted", 7, ""),
        (6, "over", "refused", None, "cap_exceeded"),
        (7, "l", "refused", None, "malformed"),
    ]
    assert answers[4].message == "Over. Ask for less."


def test_a_file_is_posted_in_batches_as_it_is_read():
    ledger = Ledger()
    taken = 0

    def counted():
        nonlocal taken
        for item in items_of(HEAD + "k,,ship,D,a,1,\n" * 2500):
            taken += 1
            yield item

    seen = [(taken, len(answers)) for answers in post_each(counted(), ledger.post)]
    assert seen == [(1000, 1000), (2000, 1000), (2500, 500)]
    assert ledger.batches == [1000, 1000, 500]


def test_a_batch_of_long_movements_ends_sooner(monkeypatch):
    monkeypatch.setattr(batches, "BATCH_ROWS", 4)
    rows = "".join(f"k{n},1,ship,D,a,1,\nk{n},2,,,a,1,\nk{n},3,,,a,1,\n" for n in range(3))
    ledger = Ledger()
    assert [len(answers) for answers in post_each(items_of(HEAD + rows), ledger.post)] == [6, 3]
    assert ledger.batches == [2, 1]


def test_a_batch_with_nothing_to_post_does_not_ask_the_ledger():
    ledger = Ledger()
    [[answer]] = post_each(items_of(HEAD + "k,,ship\n"), ledger.post)
    assert (answer.code, ledger.batches) == ("malformed", [])


def test_all_or_nothing_asks_nothing_of_the_ledger_where_a_row_cannot_be_read():
    ledger = Ledger()
    answers = post_together(items_of(HEAD + "k,,ship,D,a,1,\nl,,ship\n"), ledger.post)
    assert [(answer.line, answer.verdict, answer.code) for answer in answers] == [
        (2, "refused", "malformed"),
        (3, "refused", "malformed"),
    ]
    assert "Nothing was posted: all or nothing, and line 3 was refused" in answers[0].message
    assert ledger.batches == []


def test_all_or_nothing_is_bounded(monkeypatch):
    monkeypatch.setattr(batches, "MOST_TOGETHER", 2)
    ledger = Ledger()
    assert len(post_together(items_of(HEAD + "k,,ship,D,a,1,\n" * 2), ledger.post)) == 2
    with pytest.raises(Unusable, match=r"more than 2 rows.*without --together"):
        post_together(items_of(HEAD + "k,,ship,D,a,1,\n" * 3), ledger.post)
    assert ledger.batches == [2]


# The guide.


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_has_an_example_of_each_kind_that_reads_without_a_problem(kind):
    items = items_of(EXAMPLES[kind])
    assert items
    assert {item.request.kind for item in items} == {KINDS[kind].request}


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_tells_every_column_of_each_kind_and_no_other(kind):
    [section] = re.findall(rf"^## {kind}\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    told = {
        name for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    assert told == set(KINDS[kind].columns)


def test_adjacent_rows_of_a_party_and_day_are_one_declaration_of_stock():
    text = (
        "party_id,as_of,destination,chip,quantity,note\n"
        "a,2026-02-01,US,h100,10,\na,2026-02-01,DE,h100,5,\na,2026-08-01,,,,none left\nb,2026-08-01,US,h100,1,\n"
    )
    items = list(read_requests(io.BytesIO(text.encode())))
    assert [(item.lines, item.key) for item in items] == [
        ((2, 3), "stock:a:2026-02-01"), ((4,), "stock:a:2026-08-01"), ((5,), "stock:b:2026-08-01"),
    ]  # fmt: skip
    assert [len(item.request.raw["lines"]) for item in items] == [2, 0, 1]
    assert items[1].request.raw["note"] == "none left"


def test_a_row_that_cannot_be_read_spoils_the_declaration_it_stands_in():
    text = (
        "party_id,as_of,destination,chip,quantity\na,2026-02-01,US,h100,10\na,2026-02-01,DE,h100,5,7\nb,2026-02-01,,,\n"
    )
    first, second = read_requests(io.BytesIO(text.encode()))
    assert (first.lines, first.request, first.problem.where) == ((2, 3), None, "line 3")
    assert second.request is not None
