"""Many writers at once: one order, no deadlock, never over a cap, and one answer to one key."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest
from client import (
    ALLOCATION_H100,
    PATIENCE_SECONDS,
    Client,
    adoption,
    connected,
    found,
    gate,
    movement,
    pass_gate,
    post,
)
from soundness import assert_sound, recorded_keys

from ledger.posting import Receipt, Request, Writer
from tests.world import Ledger, adopt, book, move, party

THREADS, PROCESSES = 16, 4
Batches = Sequence[Sequence[Request]]


@pytest.fixture
def founded(dsn: str) -> str:
    found(dsn)
    return dsn


def race(dsn: str, threads: Sequence[Batches], processes: Sequence[Batches] = ()) -> list[list[Receipt]]:
    """Let each writer post its batches, all from the same moment on; return each one's receipts, threads first.

    Whoever is not done in time, was chosen as the victim of a deadlock or failed in any other way fails the test.
    """
    answers: list[list[Receipt]] = [[] for _ in threads]
    errors: list[BaseException] = []

    def write(n: int, batches: Batches) -> None:
        try:
            with connected(dsn) as conn:
                writer = Writer(conn)
                pass_gate(conn)
                for batch in batches:
                    answers[n] += post(writer, batch)
        except BaseException as error:
            errors.append(error)

    clients: list[Client] = []
    try:
        with gate(dsn, len(threads) + len(processes)):
            clients += [Client(dsn, batches, gated=True) for batches in processes]
            running = [threading.Thread(target=write, args=args, daemon=True) for args in enumerate(threads)]
            for thread in running:
                thread.start()
        for thread in running:
            thread.join(PATIENCE_SECONDS)
        assert errors == []
        assert not any(thread.is_alive() for thread in running), "a writer waits for ever"
        rest = [[receipt for batch in client.rest() for receipt in batch] for client in clients]
        assert [client.process.returncode for client in clients] == [0] * len(clients)
        return [*answers, *rest]
    finally:
        for client in clients:
            client.kill()


def everybody(ask: Callable[[int], Batches]) -> tuple[list[Batches], list[Batches]]:
    """Return what 16 threads and 4 processes ask, given what the n-th writer asks."""
    return [ask(n) for n in range(THREADS)], [ask(THREADS + n) for n in range(PROCESSES)]


def verdicts(answers: list[list[Receipt]]) -> Counter[str]:
    return Counter(receipt.code or receipt.verdict for receipts in answers for receipt in receipts)


@pytest.mark.parametrize(("batches", "of"), [(4, 1), (1, 4)])
def test_sixteen_threads_and_four_processes_spend_the_last_chips_of_a_cap_and_not_one_more(founded, batches, of):
    left = 40

    def ask(n: int) -> Batches:
        return [[movement("grant", f"{n}.{m}.{k}", 1) for k in range(of)] for m in range(batches)]

    with psycopg.connect(founded) as conn:
        assert post(Writer(conn), [movement("grant", "before", ALLOCATION_H100 - left)])[0].verdict == "posted"
        answers = race(founded, *everybody(ask))
        asked = (THREADS + PROCESSES) * batches * of
        assert verdicts(answers) == {"posted": left, "cap_exceeded": asked - left}
        used = "SELECT sum(tpp), sum(chips) FROM counter_day WHERE cap = 'country-allocation' AND day <= '2025-06-02'"
        assert conn.execute(used).fetchone() == (ALLOCATION_H100 * 15_832, ALLOCATION_H100)
        numbers = sorted(receipt.seq for receipts in answers for receipt in receipts)
        assert numbers == list(range(numbers[0], numbers[0] + asked)), "a refusal is a record too"
        assert_sound(conn)


def test_the_last_chips_of_a_license_are_shipped_once_whoever_asks(founded):
    with psycopg.connect(founded) as conn:
        post(Writer(conn), [movement("grant", "all there is", 30)])
        answers = race(founded, *everybody(lambda n: [[movement("ship", f"{n}.{m}", 1)] for m in range(3)]))
        assert verdicts(answers) == {"posted": 30, "exceeds_authorization": 30}
        assert conn.execute("SELECT open FROM lot WHERE stage = 'licensed'").fetchone() == (0,)
        assert_sound(conn)


@pytest.mark.parametrize(
    ("quantity", "first", "others"),
    [(1, "posted", "replayed"), (ALLOCATION_H100 + 1, "cap_exceeded", "cap_exceeded")],
)
def test_the_same_request_from_many_writers_makes_one_record_and_gets_one_receipt(founded, quantity, first, others):
    with psycopg.connect(founded) as conn:
        before = conn.execute("SELECT size FROM head").fetchone()[0]
        conn.rollback()
        answers = race(founded, *everybody(lambda n: [[movement("grant", "once", quantity)]]))
        assert verdicts(answers) == Counter([first]) + Counter({others: THREADS + PROCESSES - 1})
        assert len({(r.key, r.seq, r.code, r.message, r.remedy, r.leaf_hash) for each in answers for r in each}) == 1
        assert conn.execute("SELECT size FROM head").fetchone() == (before + 1,)
        assert_sound(conn)


def test_one_key_with_two_bodies_belongs_to_whoever_came_first(founded):
    with psycopg.connect(founded) as conn:
        answers = race(founded, *everybody(lambda n: [[movement("grant", "once", 1 + n % 2)]]))
        half = (THREADS + PROCESSES) // 2
        assert verdicts(answers) == {"posted": 1, "replayed": half - 1, "key_reused": half}
        assert recorded_keys(conn)["once"] == 1
        assert_sound(conn)


def test_batches_that_share_keys_in_other_orders_make_each_record_once(founded):
    shared = [movement("grant", f"shared {n}", 1) for n in range(30)]
    with psycopg.connect(founded) as conn:
        answers = race(founded, *everybody(lambda n: [[*shared[n:], *shared[:n]][:: 1 - 2 * (n % 2)]]))
        assert verdicts(answers) == {"posted": 30, "replayed": 30 * (THREADS + PROCESSES - 1)}
        assert recorded_keys(conn) == {f"shared {n}": 1 for n in range(30)}
        assert_sound(conn)


def test_all_or_nothing_stays_whole_among_writers_that_spend_the_same_cap(founded):
    left, of = 40, 7
    sums: list[int] = []

    def together(n: int) -> None:
        with connected(founded) as conn:
            pass_gate(conn)
            receipts = post(Writer(conn), [movement("grant", f"{n}.{m}", 1) for m in range(of)], together=True)
            sums.append([receipt.verdict for receipt in receipts].count("posted"))

    with psycopg.connect(founded) as conn:
        post(Writer(conn), [movement("grant", "before", ALLOCATION_H100 - left)])
        with gate(founded, THREADS):
            running = [threading.Thread(target=together, args=(n,), daemon=True) for n in range(THREADS)]
            for thread in running:
                thread.start()
        for thread in running:
            thread.join(PATIENCE_SECONDS)
        assert sorted(sums) == [0] * (THREADS - left // of) + [of] * (left // of)
        assert sum(recorded_keys(conn).values()) == 1 + left // of * of
        assert_sound(conn)


def test_rulebooks_adopted_while_others_post_have_the_counters_that_a_recompute_has(founded):
    books = [
        [[adoption("us-licensing-2026", "2025-06-01")]],
        [[adoption("us-diffusion-2025", "2025-09-01")], [adoption("us-diffusion-2025", "2025-12-01")]],
    ]

    def ask(n: int) -> Batches:
        lots = [[movement("grant", f"grant {n}.{m}", 5)] for m in range(3)]
        # Before and after the days on which another book takes over.
        return lots + [[movement("ship", f"ship {n}.{m}", 2, "2025-10-02")] for m in range(3)]

    with psycopg.connect(founded) as conn:
        threads, processes = everybody(ask)
        answers = race(founded, [*threads, *books], processes)
        assert {receipt.verdict for receipts in answers[THREADS : THREADS + 2] for receipt in receipts} == {"posted"}
        assert recorded_keys(conn).keys() >= {f"grant {n}.0" for n in range(THREADS + PROCESSES)}
        counted = conn.execute("SELECT count(DISTINCT book) FROM counter_day").fetchone()[0]
        assert counted == 3, "a book that is not in force yet is counted all the same; the other has no cap on Malaysia"
        assert_sound(conn)


@pytest.fixture
def two(dsn: str) -> Iterator[tuple[Ledger, Ledger]]:
    """Two writers with connections of their own, each remembering the ledger as it last saw it."""
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        yield (
            Ledger(one).begin(
                party("nvidia"), party("mydc", "MY"), adopt(book("name: few, counts: shipped, limit: 10 chips"))
            ),
            Ledger(other),
        )


def _ship(chips: int, key: str = "") -> Request:
    return move("ship", "2026-01-05", chips, key=key, exporter="nvidia", recipient="mydc", destination="MY")


def test_a_writer_that_was_alone_sees_what_another_took_meanwhile(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    one.must(_ship(4), _ship(1))  # from here on it posts without locking first
    other.must(_ship(4))
    refused = one.refused(_ship(2), "cap_exceeded")
    assert "used 9" in refused.message
    one.must(_ship(1))
    other.refused(_ship(1), "cap_exceeded")
    assert_sound(one.conn)


def test_a_writer_that_was_alone_replays_what_another_posted_meanwhile(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    one.must(_ship(1), _ship(1))
    seq = other.must(_ship(2, key="same"))
    again = one.ask(_ship(2, key="same"))
    assert (again.verdict, again.seq) == ("replayed", seq)
    assert one.ask(_ship(3, key="same")).code == "key_reused"
    own = one.must(_ship(1, key="own"))
    assert (one.ask(_ship(1, key="own")).verdict, one.ask(_ship(1, key="own")).seq) == ("replayed", own)
    assert_sound(one.conn)


def test_a_writer_leaves_a_transaction_that_is_open_on_its_connection_alone(two: tuple[Ledger, Ledger]) -> None:
    one, _ = two
    one.must(_ship(1), _ship(1))
    one.conn.execute("CREATE TABLE mine (n int)")
    one.must(_ship(1))
    assert one.rows("SELECT count(*) FROM mine") == [(0,)]
    assert not one.conn.autocommit
