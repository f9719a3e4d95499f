"""Notices on their way in: what a party filed because a duty of a rulebook asks for it."""

from __future__ import annotations

from ledger.core import registrations
from ledger.core.errors import Malformed
from ledger.core.facts import Notice
from ledger.core.position import Position
from ledger.core.refusals import OPERATOR, Refusal
from ledger.posting.registering import Registered
from ledger.posting.requests import Asked


def file(asked: Asked, asker: str, position: Position) -> Registered | Refusal:
    """Return what a notice comes to; the first reason to refuse it, if there is any.

    The operator may file for anyone, a party for itself: about a movement of its own, or about a subject.
    Raises `Malformed` for a duty that no adopted rulebook has.
    """
    notice, _ = registrations.notice(asked.body)
    if asker not in (OPERATOR, notice.party):
        return Refusal("forbidden", f"{asker} may not file a notice of {notice.party}.", f"Let {notice.party} file it.")
    known = {duty.name: None for adoption in position.knowledge.adoptions for duty in adoption.book.duties}
    if notice.duty not in known:
        names = f"Use one of: {', '.join(known)}." if known else "Adopt the rulebook that has it first."
        raise Malformed("duty", f"No adopted rulebook has a duty '{notice.duty}'.", names)
    if not position.knowledge.knows_party(notice.party):
        return Refusal(
            "unknown_party", f"party names party '{notice.party}', which is not known.",
            "Register the party first; then the same request can succeed.", notice.party,
        )  # fmt: skip
    if notice.record and not _is_of(notice, notice.record, position, is_operator=asker == OPERATOR):
        return Refusal(
            "unknown_movement", f"record names record '{notice.record}', which is no movement of {notice.party}.",
            "Name the record of a posted movement, as its receipt says.", str(notice.record),
        )  # fmt: skip
    body = registrations.to_body(notice)
    return Registered("notice.filed", "notice", notice.party, notice.filed_on, body, body)


def _is_of(notice: Notice, record: int, position: Position, *, is_operator: bool) -> bool:
    """Whether a record is a movement that names a party. A party learns nothing of another's; the operator may know."""
    entries = position.entries_of(record)
    if not entries:
        return False
    if is_operator:
        return True
    profiles = {entry.profile.sha256: entry.profile for entry in entries}.values()
    return any(
        seat is not None and seat.party == notice.party
        for profile in profiles
        for seat in (
            profile.exporter, profile.recipient, profile.owner, profile.operator, profile.booked_to, profile.lab,
        )
    )  # fmt: skip
