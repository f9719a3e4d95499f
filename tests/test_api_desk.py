"""The desk: what arrives together shares a commit, and everybody gets the answer that posting alone would give."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import psycopg
import pytest
from client import ALLOCATION_H100, found, movement
from soundness import assert_sound

from ledger.api import scribe
from ledger.api.desk import Desk
from ledger.api.scribe import ScribeProcess, sendable
from ledger.api.writing import Busy, Down
from ledger.posting import Asker, Receipt, Request, Writer
from ledger.posting.judging import Judging
from ledger.reports import remaining
from tests.conftest import in_database
from tests.world import AT, adopt, book, move, party

PATIENCE_SECONDS = 120


WRITES_APART = ContextVar("WRITES_APART", default=False)


@pytest.fixture
def founded(dsn: str) -> str:
    found(dsn)
    return dsn


@pytest.fixture(params=[False, True], ids=["writer in a thread", "writer in a process"])
def either(request: pytest.FixtureRequest) -> Iterator[None]:
    """Do the whole test with a writer in a thread, and again with one in a process of its own."""
    WRITES_APART.set(request.param)
    yield
    WRITES_APART.set(False)


def at_desk(dsn: str, do: Callable[[Desk], Coroutine[Any, Any, Any]], **how: int) -> Any:
    """Open a desk, do something there, and close it."""

    async def day() -> Any:
        desk = Desk(dsn, writes_apart=WRITES_APART.get(), **how)
        await desk.start()
        try:
            return await asyncio.wait_for(do(desk), PATIENCE_SECONDS)
        finally:
            await desk.stop()

    return asyncio.run(day())


def commits(dsn: str) -> int:
    """Return how many moments there are in the journal: one for each commit."""
    with psycopg.connect(dsn) as conn:
        return conn.execute("SELECT count(DISTINCT recorded_at) FROM journal").fetchone()[0]


@pytest.mark.usefixtures("either")
def test_what_arrives_together_shares_commits_and_spends_a_cap_to_its_last_chip(founded):
    left = 30
    with psycopg.connect(founded) as conn:
        Writer(conn).post([movement("grant", "before", ALLOCATION_H100 - left)], actor="operator", at=AT)
    before = commits(founded)

    async def ask(desk: Desk) -> list[list[Receipt]]:
        asked = (desk.post([movement("grant", f"g{n}", 1)], actor="operator") for n in range(60))
        return await asyncio.gather(*asked)

    answers = at_desk(founded, ask)
    assert Counter(receipt.code or receipt.verdict for (receipt,) in answers) == {"posted": left, "cap_exceeded": 30}
    assert [receipt.key for (receipt,) in answers] == [f"g{n}" for n in range(60)]
    assert commits(founded) - before < 20, "they were gathered"
    with psycopg.connect(founded) as conn:
        assert_sound(conn)


REQUESTS: list[tuple[str, Request]] = [
    ("operator", movement("grant", "a", 50)),
    ("nvidia", movement("ship", "a", 5)),  # another organization's key
    ("nvidia", movement("ship", "a", 5)),  # the same again
    ("nvidia", movement("ship", "a", 6)),  # the same key for something else
    ("dc", movement("grant", "a", 7)),  # not its to ask
    ("operator", movement("ship", "b", 46)),  # more than is open
    ("nvidia", movement("ship", "b", 12)),
    ("nvidia", party("newcomer")),  # only the operator registers
    ("operator", party("newcomer")),
    ("operator", movement("grant", "c", ALLOCATION_H100)),
    ("nvidia", move("reverse", "2025-06-02", reverses="70", key="d")),
    ("operator", Request("movement", "e", {"movement": "ship"})),
    ("nvidia", Request("nothing", "f", {})),
]


def test_a_commit_of_several_askers_answers_as_if_each_had_come_alone(databases, template):
    """The receipts, the journal and every projection are the same, but for moments and salts."""
    results = []
    for grouped in (True, False):
        name = databases.make(template)
        dsn = in_database(databases.server, name)
        found(dsn)
        with psycopg.connect(dsn) as conn:
            writer = Writer(conn)
            asked = [(Asker(actor), request) for actor, request in REQUESTS]
            batches: Sequence[Sequence[tuple[Asker, Request]]] = [asked] if grouped else [[each] for each in asked]
            receipts = [r for batch in batches for r in writer.post_from_many(batch, at=AT)]
            assert_sound(conn)
            rows = conn.execute("SELECT seq, kind, actor, key, payload, judgment FROM journal ORDER BY seq").fetchall()
            rows += conn.execute("SELECT * FROM counter_day ORDER BY 1, 2, 3, 4, 5").fetchall()
            rows += conn.execute("SELECT * FROM request_key ORDER BY 1, 2").fetchall()
        databases.done.append(name)
        results.append(([receipt._replace(leaf_hash="") for receipt in receipts], rows))
    assert results[0] == results[1]
    codes = [receipt.code or receipt.verdict for receipt in results[0][0]]
    assert codes[:5] == ["posted", "posted", "replayed", "key_reused", "forbidden"]


@pytest.mark.usefixtures("either")
def test_threads_with_loops_of_their_own_share_one_desk(founded):
    answers: list[Receipt] = []

    async def ask(desk: Desk) -> None:
        def own_loop(n: int) -> None:
            async def several() -> None:
                for m in range(5):
                    answers.extend(await desk.post([movement("grant", f"{n}.{m}", 1)], actor="operator"))

            asyncio.run(several())

        threads = [threading.Thread(target=own_loop, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))

    at_desk(founded, ask)
    assert Counter(receipt.verdict for receipt in answers) == {"posted": 40}
    assert len({receipt.seq for receipt in answers}) == 40


@pytest.mark.usefixtures("either")
def test_all_or_nothing_has_a_commit_of_its_own_between_others(founded):
    async def ask(desk: Desk) -> list[list[Receipt]]:
        good, bad = movement("grant", "1", 1), movement("ship", "2", 500)
        return await asyncio.gather(
            desk.post([movement("grant", "0", 1)], actor="operator"),
            desk.post([good, bad], actor="operator", together=True),
            desk.post([movement("grant", "3", 1)], actor="operator"),
        )

    first, together, last = at_desk(founded, ask)
    assert [receipt.verdict for receipt in (*first, *together, *last)] == ["posted", "refused", "refused", "posted"]
    assert {receipt.code for receipt in together} == {"exceeds_authorization"}


@pytest.mark.usefixtures("either")
def test_an_adoption_is_posted_among_others_though_it_needs_a_commit_alone(founded):
    async def ask(desk: Desk) -> list[list[Receipt]]:
        asked = [party("p1"), adopt(book(name="another")), party("p2")]
        return await asyncio.gather(*(desk.post([request], actor="operator") for request in asked))

    assert [receipt.verdict for (receipt,) in at_desk(founded, ask)] == ["posted"] * 3


@pytest.mark.usefixtures("either")
def test_a_full_queue_sends_away_what_comes_next_and_loses_nothing_it_took(founded):
    async def ask(desk: Desk) -> tuple[int, list[Receipt]]:
        with psycopg.connect(founded) as holder:
            holder.execute("SELECT * FROM head FOR UPDATE")  # the writer has to wait
            tasks = [
                asyncio.create_task(desk.post([movement("grant", f"q{n}", 1)], actor="operator")) for n in range(9)
            ]
            done, waiting = await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_EXCEPTION)
            while not done:
                done, waiting = await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_EXCEPTION)
            assert {type(task.exception()) for task in done} == {Busy}
            holder.rollback()
        return len(done), [receipt for task in waiting for receipt in await task]

    sent_away, receipts = at_desk(founded, ask, queue=5)
    assert sent_away >= 3
    assert [receipt.verdict for receipt in receipts] == ["posted"] * (9 - sent_away)


@pytest.mark.usefixtures("either")
def test_who_stops_waiting_has_posted_all_the_same(founded):
    async def ask(desk: Desk) -> list[Receipt]:
        with psycopg.connect(founded) as holder:
            holder.execute("SELECT * FROM head FOR UPDATE")
            task = asyncio.create_task(desk.post([movement("grant", "gone", 1)], actor="operator"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            holder.rollback()
        return await desk.post([movement("grant", "gone", 1)], actor="operator")

    assert [receipt.verdict for receipt in at_desk(founded, ask)] == ["replayed"]


@pytest.mark.usefixtures("either")
def test_a_desk_that_closes_writes_what_is_queued_first(founded):
    async def day() -> list[Receipt]:
        desk = Desk(founded, writes_apart=WRITES_APART.get())
        await desk.start()
        tasks = [asyncio.create_task(desk.post([movement("grant", f"l{n}", 1)], actor="operator")) for n in range(20)]
        await asyncio.sleep(0)
        await desk.stop()
        with pytest.raises(Down):
            await desk.post([movement("grant", "late", 1)], actor="operator")
        return [receipt for task in tasks for receipt in await task]

    assert [receipt.verdict for receipt in asyncio.run(day())] == ["posted"] * 20


@pytest.mark.usefixtures("either")
def test_a_lost_connection_is_said_and_made_anew_and_the_same_key_posts_once(founded):
    async def ask(desk: Desk) -> list[list[Receipt]]:
        first = await desk.post([movement("grant", "x0", 1)], actor="operator")
        with psycopg.connect(founded, autocommit=True) as killer, psycopg.connect(founded) as holder:
            holder.execute("SELECT * FROM head FOR UPDATE")
            task = asyncio.create_task(desk.post([movement("grant", "x1", 1)], actor="operator"))
            waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while not (found := killer.execute(waiting).fetchall()):
                await asyncio.sleep(0.01)
            killer.execute("SELECT pg_terminate_backend(%s)", found[0])
            with pytest.raises(Down):
                await task
        again = await desk.post([movement("grant", "x1", 1)], actor="operator")
        replay = await desk.post([movement("grant", "x1", 1)], actor="operator")
        assert desk.is_writing
        return [first, again, replay]

    answers = at_desk(founded, ask)
    assert [receipt.verdict for (receipt,) in answers] == ["posted", "posted", "replayed"]


def test_a_writer_process_that_is_killed_is_said_and_started_again_and_the_same_key_posts_once(founded):
    async def ask(desk: Desk) -> list[list[Receipt]]:
        first = await desk.post([movement("grant", "x0", 1)], actor="operator")
        writer = desk._writing._scribe
        assert isinstance(writer, ScribeProcess)
        killed = writer._process
        with psycopg.connect(founded) as holder:
            holder.execute("SELECT * FROM head FOR UPDATE")  # it is in the middle of a commit
            task = asyncio.create_task(desk.post([movement("grant", "x1", 1)], actor="operator"))
            await asyncio.sleep(0.2)
            killed.kill()
            with pytest.raises(Down):
                await task
            assert not desk.is_writing
        again = await desk.post([movement("grant", "x1", 1)], actor="operator")
        replay = await desk.post([movement("grant", "x1", 1)], actor="operator")
        assert desk.is_writing
        return [first, again, replay]

    WRITES_APART.set(True)
    try:
        answers = at_desk(founded, ask)
    finally:
        WRITES_APART.set(False)
    assert [receipt.verdict for (receipt,) in answers] == ["posted", "posted", "replayed"]
    with psycopg.connect(founded) as conn:
        assert_sound(conn)


def test_a_writer_process_that_cannot_be_started_is_said_until_it_can_be(founded, monkeypatch):
    whole = scribe.start

    def cannot(program: str) -> Any:
        raise OSError("too many processes")

    monkeypatch.setattr(scribe, "start", cannot)

    async def ask(desk: Desk) -> list[Receipt]:
        for _ in range(2):
            with pytest.raises(Down):
                await desk.post([movement("grant", "x", 1)], actor="operator")
        assert not desk.is_writing
        monkeypatch.setattr(scribe, "start", whole)
        return await desk.post([movement("grant", "x", 1)], actor="operator")

    WRITES_APART.set(True)
    try:
        assert [receipt.verdict for receipt in at_desk(founded, ask)] == ["posted"]
    finally:
        WRITES_APART.set(False)


def test_a_writer_process_says_what_broke_it_and_goes_on(founded):
    writer = ScribeProcess(founded)
    try:
        (broken,) = writer.post([(Asker("operator"), "no request")], AT, False)
        assert isinstance(broken.fault, AttributeError)
        (came,) = writer.post([(Asker("operator"), movement("grant", "a", 1))], AT, False)
        assert [receipt.verdict for receipt in came.receipts] == ["posted"]
        assert came.receipts[0].seq == came.built_on + 1
        process = writer._process
    finally:
        writer.close()
    assert process.returncode == 0


def test_a_fault_that_cannot_be_sent_arrives_in_words():
    class Own(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    sent = sendable(Own("this", "that"))
    assert str(sent) == "Own: this and that"
    assert isinstance(pickle.loads(pickle.dumps(sent)), RuntimeError)
    assert sendable(KeyError("x")).args == ("x",)


def test_a_request_that_breaks_the_writer_harms_nobody_elses(founded, monkeypatch):
    whole = Judging.moved

    def breaks(self: Judging, asked: Any, **how: Any) -> Any:
        if asked.request.key == "bad":
            raise RuntimeError("a defect")
        return whole(self, asked, **how)

    monkeypatch.setattr(Judging, "moved", breaks)

    async def ask(desk: Desk) -> list[Any]:
        with psycopg.connect(founded) as holder:
            holder.execute("SELECT * FROM head FOR UPDATE")
            asked = [desk.post([movement("grant", key, 1)], actor="operator") for key in ("ahead", "a", "bad", "b")]
            gathered = asyncio.gather(*asked, return_exceptions=True)
            await asyncio.sleep(0.05)
            holder.rollback()
        return await gathered

    ahead, a, bad, b = at_desk(founded, ask)
    assert [each[0].verdict for each in (ahead, a, b)] == ["posted"] * 3
    assert isinstance(bad, RuntimeError)


def test_reads_run_beside_each_other_and_a_reader_that_lost_the_database_comes_back(founded):
    def left(reader: Any) -> int:
        with reader.view(on=AT.date()) as view:
            return remaining(view, destination="MY", recipient="dc", chip="nvidia-h100-sxm5-80",
                             authorization="license", exporter="nvidia").remaining_chips  # fmt: skip

    async def ask(desk: Desk) -> list[int]:
        found = await asyncio.gather(*(desk.read(left) for _ in range(8)))
        with psycopg.connect(founded, autocommit=True) as killer:
            killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return [*found, await desk.read(left), await desk.run(lambda conn: conn.execute("SELECT 1").fetchone()[0])]

    assert at_desk(founded, ask) == [ALLOCATION_H100] * 9 + [1]


def test_what_every_reader_is_to_learn_is_asked_of_each_and_what_fails_harms_nobody(founded):
    asked: list[int] = []
    together = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def learn(reader: Any) -> None:
        asked.append(id(reader))
        together.wait()
        if len(asked) == 3:
            raise ValueError

    async def ask(desk: Desk) -> None:
        await desk.read_each(learn)

    at_desk(founded, ask, readers=3)
    assert len(set(asked)) == 3


def test_what_runs_on_a_plain_connection_is_committed_unless_it_fails(founded):
    def add(conn: psycopg.Connection[Any], fails: bool) -> None:
        conn.execute(
            "INSERT INTO job_run (job, period_start, period_end, worker) VALUES (%s, 'yesterday', 'tomorrow', 'me')",
            ("fails" if fails else "works",),
        )
        if fails:
            raise ValueError

    async def ask(desk: Desk) -> list[tuple[str]]:
        await desk.run(lambda conn: add(conn, False))
        with pytest.raises(ValueError):  # noqa: PT011 (its own)
            await desk.run(lambda conn: add(conn, True))
        return await desk.run(lambda conn: conn.execute("SELECT job FROM job_run").fetchall())

    assert at_desk(founded, ask) == [("works",)]


def test_a_read_that_takes_too_long_is_given_up(founded):
    async def ask(desk: Desk) -> int:
        with pytest.raises(psycopg.errors.QueryCanceled):
            await desk.read(lambda reader: reader._conn.execute("SELECT pg_sleep(30)"))
        return await desk.run(lambda conn: conn.execute("SELECT 1").fetchone()[0])

    assert at_desk(founded, ask, read_seconds=1) == 1


def test_nothing_is_taken_in_where_the_database_is_not_there():
    async def ask(desk: Desk) -> None:
        with pytest.raises(Down):
            await desk.post([movement("grant", "x", 1)], actor="operator")
        with pytest.raises(Down):
            await desk.read(lambda reader: reader)
        assert not desk.is_writing

    at_desk("postgresql://nobody@127.0.0.1:1/nothing", ask)
