"""One line of the journal: its kinds, its canonical bytes, and how it is sealed.

The **payload** is what was asked, the **judgment** what the ledger added. Each is canonical JSON (RFC 8785) and is
hashed with a salt of its own; the leaf of the tree is a small **envelope** over both hashes, so that envelopes can be
public while payloads are not, and a judgment can be withheld from someone who may see the payload.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from ledger.core import merkle

FORMAT = 1
SALT_BYTES = 32
LEDGER_SCOPE = "ledger"

MOVEMENT_POSTED = "movement.posted"
REQUEST_REFUSED = "request.refused"
PROPOSAL_MADE = "proposal.made"
PROPOSAL_DECIDED = "proposal.decided"
DISPUTE_AFTER = {"explained": "explained", "resolved": "resolved", "reopened": "open"}  # of a discrepancy, by change
DISCREPANCY_KINDS = ("discrepancy.opened", "discrepancy.explained", "discrepancy.resolved", "discrepancy.reopened")
AUTHORIZATION_KINDS = tuple(
    f"authorization.{change}" for change in ("issued", "amended", "suspended", "reinstated", "revoked", "surrendered")
)
KINDS = (
    "party.registered",
    "party.changed",
    "party.owned",
    "stock.declared",
    "chip.rated",
    "rulebook.adopted",
    "four_eyes.required",
    *AUTHORIZATION_KINDS,
    MOVEMENT_POSTED,
    REQUEST_REFUSED,
    PROPOSAL_MADE,
    PROPOSAL_DECIDED,
    *DISCREPANCY_KINDS,
    "period.closed",
    "notice.filed",
    "reconciliation.completed",
)

_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical(value: object) -> bytes:
    """Return a value as canonical JSON.

    Only what the ledger writes: objects with ASCII keys, arrays, strings, whole numbers, true, false, null. A fraction
    is a string (`ledger.core.compute.plain`), so no number ever needs the floating-point rules of RFC 8785.
    """
    return _ENCODE(value).encode()


class Draft(NamedTuple):
    """A record before it has a number: what was asked and what was judged, as the bytes that will be hashed."""

    kind: str
    actor: str
    key: str | None
    payload: bytes
    judgment: bytes


class Record(NamedTuple):
    """A numbered, sealed line of the journal."""

    seq: int
    kind: str
    actor: str
    key: str | None
    scope: str
    scope_seq: int
    recorded_at: datetime
    payload: bytes
    payload_salt: bytes
    judgment: bytes
    judgment_salt: bytes
    envelope: bytes
    leaf_hash: bytes


def payload_of(
    kind: str, actor: str, key: str | None, voice: str, body: Mapping[str, object] | bytes, person: str = "",
    proposal: int = 0,
) -> bytes:  # fmt: skip
    """Return the payload of a request: who asked for what, under which key, in which voice.

    body: a mapping, or its canonical bytes where they are at hand. person: who stands behind the actor, "" where that
    was not said. proposal: the record of the proposal that was approved, 0 for what was asked directly.
    """
    content = body if isinstance(body, bytes) else canonical(body)
    keyed = "" if key is None else f'"key":{_ENCODE(key)},'
    behind = f'"person":{_ENCODE(person)},' if person else ""
    approved = f'"proposal":{proposal},' if proposal else ""
    return b'{"actor":%b,"body":%b,%b"kind":"%b",%b%b"voice":"%b"}' % (
        canonical(actor), content, keyed.encode(), kind.encode(), behind.encode(), approved.encode(), voice.encode(),
    )  # fmt: skip


def body_of(payload: bytes) -> dict[str, Any]:
    """Return the body that a payload holds."""
    body: dict[str, Any] = json.loads(payload)["body"]
    return body


def fingerprint(kind: str, voice: str, body: Mapping[str, object] | bytes) -> bytes:
    """Return what makes two requests the same: kind, voice and body, not who or when."""
    content = body if isinstance(body, bytes) else canonical(body)
    return sha256(b'{"body":%b,"kind":"%b","voice":"%b"}' % (content, kind.encode(), voice.encode())).digest()


def moment(at: datetime) -> str:
    """Return a moment as records state it: UTC, microseconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def next_moment(at: datetime, last: datetime | None) -> datetime:
    """Return the moment of a commit: `at`, or just after the last one where the clock went back or stood still."""
    return at if last is None or at > last else last + timedelta(microseconds=1)


def envelope_of(
    *, seq: int, scope: str, scope_seq: int, recorded_at: str, payload_sha256: str, judged_sha256: str
) -> bytes:
    """Return the canonical envelope. Scopes, hashes and moments never need escaping, so it is written directly."""
    return (
        f'{{"judged_sha256":"{judged_sha256}","payload_sha256":"{payload_sha256}","recorded_at":"{recorded_at}",'
        f'"scope":"{scope}","scope_seq":{scope_seq},"seq":{seq},"v":{FORMAT}}}'
    ).encode()


def seal(
    draft: Draft, *, seq: int, scope: str, scope_seq: int, recorded_at: datetime, moment_text: str,
    salts: tuple[bytes, bytes],
) -> Record:  # fmt: skip
    """Return the numbered record: both salted hashes, the envelope, and its leaf hash."""
    payload_salt, judgment_salt = salts
    envelope = envelope_of(
        seq=seq,
        scope=scope,
        scope_seq=scope_seq,
        recorded_at=moment_text,
        payload_sha256=sha256(payload_salt + draft.payload).hexdigest(),
        judged_sha256=sha256(judgment_salt + draft.judgment).hexdigest(),
    )
    return Record(
        seq, draft.kind, draft.actor, draft.key, scope, scope_seq, recorded_at,
        draft.payload, payload_salt, draft.judgment, judgment_salt, envelope, merkle.leaf_hash(envelope),
    )  # fmt: skip
