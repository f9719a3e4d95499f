"""What is told of a refusal: an exporter is told what fits its own question, not what others have used of a shared cap.

A cap is an exporter's own where its counter's subject names it (`exporter=...`); every other one is shared. Of a shared
cap it is told the name, the subject, the day, the state, and how much of what it asks would fit at the least: rounded
down to two figures, so that one small movement of somebody else's does not show as a difference.
"""

from __future__ import annotations

import re
from decimal import Decimal

from ledger.access.principal import Principal
from ledger.core.compute import grouped
from ledger.posting import Receipt

FIGURES = 2
# A message ends with its figures: what stands before them may quote a key, which is whatever somebody chose.
_FIGURE = r"-?[\d,.]+"
_ABOUT = re.compile(
    rf".*: \S+ of (\S+) would be over on [\d-]{{10}}: "
    rf"limit {_FIGURE} \w+, used {_FIGURE}, asked {_FIGURE}, left {_FIGURE}\.",
    re.DOTALL,
)
_TOTALS = re.compile(r" would be over on ([\d-]{10}): limit .*$", re.DOTALL)
_FITS = re.compile(r"^Ask for (?P<left>[\d,.]+) (?P<unit>[\w-]+) or (?P<word>fewer|less)")
_NO_ROOM = "A cap has no room for it."
_OVER = "cap_exceeded"
_FORESEEN = f" waits for another person. Approved now, it would be refused, {_OVER}: "


def for_principal(principal: Principal, receipt: Receipt) -> Receipt:
    """Return a receipt as the one who asked may read it: verdict, record and code are the same for everybody.

    That of a proposal says what it would come to, in the words of the refusal that it would get.
    """
    if receipt.verdict != "refused":
        if _FORESEEN not in receipt.message:
            return receipt
        return receipt._replace(message=told(principal, _OVER, receipt.message, "")[1])
    code, message, remedy = told(principal, receipt.code, receipt.message, receipt.remedy)
    return receipt._replace(code=code, message=message, remedy=remedy)


def told(principal: Principal, code: str, message: str, remedy: str) -> tuple[str, str, str]:
    """Return code, message and remedy of a refusal as a principal may read them."""
    if code != _OVER or is_trusted(principal) or names_own(principal, message):
        return code, message, remedy
    hidden, found = _TOTALS.subn(r" has no room for it on \1.", message)
    return code, hidden if found else _NO_ROOM, _at_least(remedy)


def is_trusted(principal: Principal) -> bool:
    """Whether somebody may see every exporter's figures."""
    return principal.role in ("regulator", "auditor", "operator")


def is_own(principal: Principal, subject: str) -> bool:
    """Whether a counter with this subject is an exporter's own."""
    return bool(principal.party) and f"exporter={principal.party}" in subject.split(",")


def names_own(principal: Principal, message: str) -> bool:
    """Whether the message of a cap names a subject that is the exporter's own."""
    about = _ABOUT.fullmatch(message)
    return about is not None and is_own(principal, about[1])


def at_least(amount: Decimal) -> Decimal:
    """Return an amount rounded down to two figures; nothing where nothing is left."""
    if amount <= 0:
        return Decimal(0)
    step = step_of(amount)
    return amount // step * step


def step_of(amount: Decimal) -> Decimal:
    """Return the step in which an amount is told: by less than that it may be more."""
    return Decimal(10) ** max(amount.adjusted() - FIGURES + 1, 0)


def _at_least(remedy: str) -> str:
    """Return a remedy whose figure is rounded down; the sentence stays true."""
    fits = _FITS.match(remedy)
    if fits is None:
        return remedy if not re.search(r"\d", remedy) else ""
    left = at_least(Decimal(fits["left"].replace(",", "")))
    if not left:
        return "Nothing more fits: use another authorization, or wait for the next window."
    return f"Ask for {grouped(left)} {fits['unit']} or {fits['word']}{remedy[fits.end() :]}"
