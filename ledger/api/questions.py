"""What is left, as it is asked: read where it is answered, in a thread here or in a reader process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from ledger.access import Principal
from ledger.api.answers import Asking, asking
from ledger.api.parameters import stated
from ledger.core import movements
from ledger.posting.requests import refuse_no_country

UNDER = ("on", "known", "rulebook")
LICENSE = "license"  # asks about a grant
NAMED = ("destination", "recipient", "chip", "authorization", "exporter")
STATED = (
    "owner", "operator", "booked_to", "exported_from", "end_use", "eccn", "facility", "lab", "activity", "evidence",
)  # fmt: skip
ASKS = (*NAMED, *STATED, *UNDER)
MOST_READ = 20_000  # questions that need not be read again, but for their day
_QUICK = frozenset(name.encode() for name in ASKS) - {b"known", b"rulebook", b"evidence"}


class Question(NamedTuple):
    """A question as it arrived, and who asks."""

    principal: Principal
    path: str
    query: bytes
    accept: str
    has: str

    @classmethod
    def of(cls, principal: Principal, scope: Mapping[str, Any]) -> Question:
        """Return a request as a question; of a header that is there twice, the first counts."""
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        accept, has = headers.get(b"accept", b""), headers.get(b"if-none-match", b"")
        return cls(principal, scope["path"], scope["query_string"], accept.decode("latin-1"), has.decode("latin-1"))

    @property
    def is_at_the_end(self) -> bool:
        """Whether it is sure to be asked of the journal's end, under the adopted rulebooks."""
        return _QUICK.issuperset(each.partition(b"=")[0] for each in self.query.split(b"&"))


def read_question(question: Question) -> tuple[Mapping[str, Any], Asking]:
    """Return what is stated of the movement that is asked about, and how it is asked; what cannot be read is raised."""
    principal, path, query, accept, has = question
    asked = stated(query, ASKS)
    movement = _movement(tuple([each for each in asked.items() if each[0] not in UNDER]))
    return movement, asking(asked, principal, path=path, query=query, accept=accept, has=has)


@lru_cache(maxsize=MOST_READ)
def _movement(asked: tuple[tuple[str, str], ...]) -> Mapping[str, Any]:
    line = dict(asked) | {"quantity": "1"}
    exporter, authorization = line.pop("exporter", ""), line.pop("authorization", "")
    if authorization != LICENSE:
        line["authorization"] = authorization
    movement, _ = movements.parse(
        {"movement": "ship", "effective_on": "2000-01-01", "exporter": exporter, "lines": [line]}
    )
    refuse_no_country(line)
    read = movement.lines[0]
    found: dict[str, Any] = {name: value for name in STATED if name in line and (value := getattr(read, name))}
    found |= {"destination": read.destination, "recipient": read.recipient, "chip": read.chip,
              "authorization": authorization, "exporter": movement.exporter}  # fmt: skip
    return MappingProxyType(found)
