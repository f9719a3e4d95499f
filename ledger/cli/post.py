"""`capledger post`: a file of movements, parties, authorizations or other facts, with an answer for each row."""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from ledger.cli import asking, completing, output
from ledger.core.errors import Unusable

if TYPE_CHECKING:
    from ledger.files import Answer
    from ledger.posting import Receipt, Request

MOST_SHOWN = 50  # rows of a file that are shown one by one; of a longer one, those that were refused
_LONG_BYTES = 16_384  # a shorter file is done before a bar could be read
_WIDEST_KEY = 40
_TITLES = ("line", "key", "verdict", "record", "reason")


def post(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A CSV file; - is standard input.")],
    party: Annotated[
        str, typer.Option("--as", metavar="PARTY", autocompletion=completing.actors, help="Who asks: a party's id.")
    ] = "operator",
    observed: Annotated[
        bool, typer.Option("--observed", help="Movements are facts reported from outside, not requests.")
    ] = False,
    together: Annotated[bool, typer.Option("--together", help="Post all rows, or none (100,000 at most).")] = False,
    kind: Annotated[
        str,
        typer.Option(metavar="KIND", help="movements, parties, ownership, stock, authorizations, ratings or notices."),
    ] = "",
    person: asking.Person = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each row.")] = False,
) -> None:
    """Post a file: movements, parties, ownership, stock, authorizations, ratings or notices, a row at a time.

    Each row is answered: posted, replayed (it was in already) or refused, with the reason. Posting the same file again
    changes nothing, and goes on where it was cut off. Exit status 0: all is in; 1: some rows were refused; 2: the file
    cannot be used.
    """
    post_file(file, party=party, person=person, kind=kind, observed=observed, together=together, as_json=as_json)


def post_file(
    file: str, *, party: str, person: str, kind: str, observed: bool, together: bool, as_json: bool,
    made_of: Callable[[Request], Request] = lambda request: request, then: str = "",
) -> None:  # fmt: skip
    """Post what the requests of a file are made into, themselves if not said, and tell what became of each row.

    then: what a person is told at the end.
    """
    from ledger.core.movements.fields import identifier
    from ledger.files import post_each, post_together, read_requests

    actor, named = identifier("--as", party), asking.person_of(person)
    told: _Told = _Lines(file) if not as_json else _Objects()
    with _opened(file) as stream:
        try:
            read = read_requests(stream, kind, observed)  # before a database is started for nothing
        except Unusable as problem:
            raise Unusable(problem.code, problem.message, problem.remedy, where=file) from None
        items = (each._replace(request=made_of(each.request)) if each.request else each for each in read)
        with _posting(actor, together, named) as ask, _progress(stream, as_json, together) as advance:
            batches: Iterable[Sequence[Answer]] = [post_together(items, ask)] if together else post_each(items, ask)
            try:
                for answers in batches:
                    told.tell(answers)
                    advance(len(answers))
            except KeyboardInterrupt:
                told.end()
                output.complain("Interrupted. Post the same file again to go on: what is in is replayed.")
                raise
    told.end()
    if then and not as_json:
        output.say(then)
    if told.refused:
        raise typer.Exit(output.SAYS_NO)


class _Told:
    """Tells what became of the rows."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()

    @property
    def refused(self) -> int:
        return self.verdicts["refused"]

    def tell(self, answers: Sequence[Answer]) -> None:
        self.verdicts.update(answer.verdict for answer in answers)

    def end(self) -> None:
        """Tell what is left to tell."""


class _Objects(_Told):
    """One JSON object for each row."""

    def tell(self, answers: Sequence[Answer]) -> None:
        super().tell(answers)
        for answer in answers:
            output.say_json(answer._asdict())
        sys.stdout.flush()


class _Lines(_Told):
    """Aligned lines: each row of a short file, the refused rows of a long one; then the sum."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = "standard input" if file == "-" else file
        self._waiting: list[Answer] | None = []  # until it is known whether the file is short
        self._widths = [len(title) for title in _TITLES]
        self._titled = False

    def tell(self, answers: Sequence[Answer]) -> None:
        super().tell(answers)
        if self._waiting is not None:
            self._waiting += answers
            if len(self._waiting) <= MOST_SHOWN:
                return
            answers, self._waiting = self._waiting, None
        self._show([answer for answer in answers if not answer.is_in])

    def end(self) -> None:
        if self._waiting:
            self._show(self._waiting)
        self._waiting = []
        rows = self.verdicts.total()
        counts = ", ".join(f"{self.verdicts[verdict]:,} {verdict}" for verdict in ("posted", "replayed", "refused"))
        output.say(output.clean(f"{rows:,} row{'s' * (rows != 1)} of {self._file}: {counts}."))

    def _show(self, answers: Sequence[Answer]) -> None:
        rows = [_cells(answer) for answer in answers]
        if rows and not self._titled:
            rows.insert(0, _TITLES)
            self._titled = True
        for n, column in enumerate(zip(*rows, strict=True)):
            self._widths[n] = max(self._widths[n], *map(len, column))
        line, key, verdict, record, _ = self._widths
        for cells in rows:
            shown = f"{cells[0]:>{line}}  {cells[1]:<{key}}  {cells[2]:<{verdict}}  {cells[3]:>{record}}  {cells[4]}"
            output.say(shown.rstrip())
        sys.stdout.flush()


def _cells(answer: Answer) -> tuple[str, str, str, str, str]:
    key = output.clean(answer.key)
    reason = f"{answer.code}: {answer.message}" if answer.code else answer.message
    return (
        str(answer.line),
        key if len(key) <= _WIDEST_KEY else f"{key[: _WIDEST_KEY - 1]}\N{HORIZONTAL ELLIPSIS}",
        answer.verdict,
        "-" if answer.seq is None else str(answer.seq),
        output.clean(reason),
    )


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = open(file, "rb")  # noqa: SIM115 (closed below: what happens while it is read is not ours to explain)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise Unusable(
            "no_such_file", f"The file cannot be opened: {reason}.", "Name a CSV file.", where=file
        ) from None
    with stream:
        yield stream


@contextmanager
def _posting(actor: str, together: bool, person: str) -> Iterator[Callable[[Sequence[Request]], Sequence[Receipt]]]:
    """Yield what posts requests to the ledger in one commit."""
    import psycopg

    from ledger.posting import Writer
    from ledger.settings import Settings
    from schema.database import open_database

    with open_database(Settings.load()) as dsn, psycopg.connect(dsn) as conn:
        writer = Writer(conn)

        def ask(requests: Sequence[Request]) -> Sequence[Receipt]:
            return writer.post(requests, actor=actor, at=datetime.now(UTC), together=together, person=person)

        yield ask


@contextmanager
def _progress(stream: BinaryIO, as_json: bool, together: bool) -> Iterator[Callable[[int], None]]:
    """Yield what is told of each number of rows that were answered; on a terminal it moves a bar."""
    size = _size(stream)
    on_terminal = sys.stderr.isatty() and not (as_json and sys.stdout.isatty())
    if not on_terminal or (size is not None and size <= _LONG_BYTES):
        yield lambda rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # Lines for a file must not be caught for the terminal.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    ) as progress:
        task = progress.add_task("posting", total=None if together else size)
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            completed = stream.tell() if size is not None else done
            progress.update(task, completed=completed, description=f"{done:,} rows")

        yield advance


def _size(stream: BinaryIO) -> int | None:
    """Return how many bytes a stream has, None where that cannot be told before its end."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
