"""The verdict that posting a movement would come to, with every rule and cap looked at; nothing is posted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ledger.core.compute import plain
from ledger.core.deciding import Judged
from ledger.core.errors import NotFound
from ledger.core.four_eyes import hold
from ledger.core.movements import Movement
from ledger.core.pausing import remark
from ledger.core.refusals import OPERATOR, Looked, Refusal
from ledger.core.rulebook import Rulebook
from ledger.core.turning import in_words, turned_on
from ledger.reports.reader import View
from ledger.reports.remaining import explain, window_text


@dataclass(frozen=True, slots=True)
class Explained:
    """A judgment of a movement that is not posted; `judged` is None where it names something that is not known.

    books: those that are asked, whose readings it may turn on.
    """

    judged: Judged | None
    code: str
    message: str
    remedy: str
    books: tuple[Rulebook, ...] = ()

    @property
    def verdict(self) -> str:
        """`posted` or `refused`: what would become of it."""
        return "refused" if self.code else "posted"

    @property
    def binding(self) -> str | None:
        """The refusing cap that admits fewest chips; `unlimited` where there is none."""
        if self.judged is None:
            return None
        return self.judged.binding.cap.name if self.judged.binding else "unlimited"

    @property
    def readings(self) -> Mapping[str, str]:
        """The readings that the verdict turns on, each with the option chosen."""
        judged = self.judged
        return turned_on([answer for _, answer in judged.answers], judged.looked) if judged else {}

    @property
    def reading_words(self) -> list[str]:
        """The same in words, with law and options."""
        return in_words(self.readings, self.books)

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        judged = self.judged
        return {
            "verdict": self.verdict,
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
            "binding_cap": self.binding,
            "rules": [
                {"line": line.number, "outcome": answer.outcome, "rules": list(answer.rules),
                 "message": answer.message, "review": answer.review}
                for line, answer in (judged.answers if judged else ())
            ],
            "readings": dict(self.readings),
            "caps": [_cap(looked) for looked in (judged.caps if judged else ())],
            "breaches": [_breach(breach) for breach in (judged.breaches if judged else ())],
        }  # fmt: skip


def explained(view: View, movement: Movement, *, observed: bool = False, asker: str = OPERATOR) -> Explained:
    """Return what posting a movement would come to. What is not known is a refusal too, as it is for a posting."""
    try:
        judged = explain(view, movement, observed=observed, asker=asker)
    except NotFound as unknown:
        return Explained(None, unknown.code, unknown.message, unknown.remedy)
    hold(judged, view.position.knowledge.four_eyes)
    refusal = judged.refusal
    words = (refusal.code, refusal.message, refusal.remedy) if refusal else ("", "", "")
    return Explained(judged, *words, tuple(adoption.book for _, adoption in view.position.timeline))


def _cap(looked: Looked) -> dict[str, Any]:
    cap, standing = looked.cap, looked.standing
    return {
        "cap": cap.name,
        "subject": looked.key.subject,
        "window": window_text(looked.span),
        "unit": cap.limit.unit,
        "limit": _exact(standing.limit),
        "used": _exact(standing.used),
        "asked": _exact(standing.asked),
        "doubt": _exact(standing.doubt),
        "left": _exact(standing.left),
        "finding": standing.finding,
        "day": standing.day.isoformat(),
        "when_exceeded": cap.when_exceeded,
        "law": cap.law,
        "confidence": cap.confidence,
        "status": cap.status,
        "book": looked.adoption.book.name,
        **({"remark": text} if (text := remark(cap, standing.day)) else {}),
    }


def _breach(breach: Refusal) -> dict[str, str]:
    named = ("code", "message", "subject", "book", "cap", "window", "amount", "unit")
    return {name: value for name in named if (value := getattr(breach, name))}


def _exact(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
