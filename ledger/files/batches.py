"""A file's requests on their way to the ledger: in batches of one commit each, or all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ledger.core.errors import Malformed, Unusable
from ledger.files.items import Item

if TYPE_CHECKING:
    from ledger.posting import Receipt, Request

BATCH = 1_000  # requests of one commit
BATCH_ROWS = 10_000  # a batch of movements with many lines ends sooner
MOST_TOGETHER = 100_000  # rows

Post = Callable[[Sequence["Request"]], Sequence["Receipt"]]


class Answer(NamedTuple):
    """What became of one row: `posted`, `replayed` or `refused`, with the record's number, the code and the reason."""

    line: int
    key: str
    verdict: str
    seq: int | None
    code: str
    message: str

    @property
    def is_in(self) -> bool:
        """Whether the ledger has what the row states."""
        return self.verdict in ("posted", "replayed")


def post_each(items: Iterable[Item], post: Post) -> Iterator[list[Answer]]:
    """Post each request on its own, many to a commit, and yield the answers of a batch's rows once it is committed.

    `post` takes the requests of one commit and returns their receipts in order.
    """
    batch: list[Item] = []
    rows = 0
    for item in items:
        batch.append(item)
        rows += len(item.lines)
        if len(batch) >= BATCH or rows >= BATCH_ROWS:
            yield _posted(batch, post)
            batch, rows = [], 0
    if batch:
        yield _posted(batch, post)


def post_together(items: Iterable[Item], post: Post) -> list[Answer]:
    """Post all requests in one commit, or none of them, and return the answers of all rows.

    Errors: Unusable where there are more rows than MOST_TOGETHER; nothing was posted.
    """
    batch: list[Item] = []
    rows = 0
    for item in items:
        batch.append(item)
        rows += len(item.lines)
        if rows > MOST_TOGETHER:
            raise Unusable(
                "too_many_rows",
                f"The file has more than {MOST_TOGETHER:,} rows, too many to post all or nothing.",
                "Post it without --together, or split it. Nothing was posted.",
            )
    if broken := next((item for item in batch if item.problem), None):
        assert broken.problem
        why = f"Nothing was posted: all or nothing, and line {broken.lines[0]} was refused: {broken.problem.message}"
        return _by_line(answer for item in batch for answer in _unposted(item, why))
    return _posted(batch, post) if batch else []


def _posted(batch: Sequence[Item], post: Post) -> list[Answer]:
    requests = [item.request for item in batch if item.request]
    receipts = iter(post(requests) if requests else ())
    return _by_line(
        answer
        for item in batch
        for answer in (_of_receipt(item, next(receipts)) if item.request else _unposted(item, ""))
    )


def _of_receipt(item: Item, receipt: Receipt) -> Iterator[Answer]:
    message = f"{receipt.message} {receipt.remedy}".strip()
    for line in item.lines:
        yield Answer(line, item.key, receipt.verdict, receipt.seq, receipt.code, message)


def _unposted(item: Item, why: str) -> Iterator[Answer]:
    problem = item.problem or Malformed("batch", why)
    for line in item.lines:
        yield Answer(line, item.key, "refused", None, problem.code, f"{problem.message} {problem.remedy}".strip())


def _by_line(answers: Iterable[Answer]) -> list[Answer]:
    return sorted(answers, key=lambda answer: answer.line)
