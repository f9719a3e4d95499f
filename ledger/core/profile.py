"""The facts that an entry freezes: every dimension that a rulebook's `where` or `by` may name.

Entries that agree in all of them share one profile, so that the lens is asked once for many entries. A later rating of
the chip or a new parent makes a new profile and changes no old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

from ledger.core.facts import UNKNOWN
from ledger.core.records import canonical


@dataclass(frozen=True, slots=True)
class Seat:
    """A party on a day: its own seat, its ultimate parent and that one's seat, its validated end-user statuses.

    path: the parties between it and its ultimate parent, where the parent follows from who owns whom.
    listed_share: how far listed parties own it, 0 to 100, resting on the shares listed_by (owner, percentage, owned).
    listed_parent: how far they own its ultimate parent, where that is more and its share is not stated.
    """

    party: str
    headquarters: str = UNKNOWN
    parent: str = UNKNOWN
    parent_headquarters: str = UNKNOWN
    holds: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    listed_share: Decimal = Decimal(0)
    listed_by: tuple[tuple[str, str, str], ...] = ()
    listed_parent: Decimal = Decimal(0)

    def body(self) -> dict[str, Any]:
        """Return the seat as JSON, unknowns left out."""
        stated = {
            "headquarters": self.headquarters,
            "parent": self.parent,
            "parent_headquarters": self.parent_headquarters,
        }
        body: dict[str, Any] = {name: value for name, value in stated.items() if value != UNKNOWN}
        if self.holds:
            body["holds"] = list(self.holds)
        if self.roles:
            body["roles"] = list(self.roles)
        if self.path:
            body["path"] = list(self.path)
        if self.listed_share:
            body["listed_share"] = _text(self.listed_share)
        if self.listed_by:
            body["listed_by"] = [list(share) for share in self.listed_by]
        if self.listed_parent:
            body["listed_parent"] = _text(self.listed_parent)
        return body


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Frozen facts of a lot. Text is "" and a Seat or number is None where nothing is known.

    tpp_per_chip is the rating used, of one chip. authorization is an issued one's id, or "" for a bare kind.
    """

    destination: str
    recipient: Seat
    owner: Seat
    operator: Seat
    booked_to: Seat
    chip: str
    base_chip: str
    tpp_per_chip: Decimal
    exporter: Seat | None = None
    authorization: str = ""
    authorization_kind: str = "none_required"
    overrides: str = ""
    activity: str = "export"
    exported_from: str = ""
    end_use: str = ""
    eccn: str = ""
    facility: str = ""
    evidence: tuple[str, ...] = ()
    lab: Seat | None = None
    meets: str = "undetermined"
    data_center: bool | None = None
    dram_bandwidth: Decimal | None = None
    released: date | None = None
    training_operations: Decimal | None = None
    content: bytes = field(default=b"", repr=False)
    sha256: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if not self.content:
            object.__setattr__(self, "content", canonical(self.body()))
        object.__setattr__(self, "sha256", sha256(self.content).digest())

    def body(self) -> dict[str, Any]:
        """Return the profile as JSON: parties once each by id, and what is unknown left out."""
        seats = (self.exporter, self.recipient, self.owner, self.operator, self.booked_to, self.lab)
        body: dict[str, Any] = {
            "activity": self.activity,
            "authorization": self.authorization,
            "authorization_kind": self.authorization_kind,
            "base_chip": self.base_chip,
            "booked_to": self.booked_to.party,
            "chip": self.chip,
            "destination": self.destination,
            "dram_bandwidth": _text(self.dram_bandwidth),
            "eccn": self.eccn,
            "end_use": self.end_use,
            "evidence": list(self.evidence),
            "exported_from": self.exported_from,
            "exporter": self.exporter.party if self.exporter else "",
            "facility": self.facility,
            "lab": self.lab.party if self.lab else "",
            "meets": self.meets,
            "operator": self.operator.party,
            "overrides": self.overrides,
            "owner": self.owner.party,
            "parties": {seat.party: seat.body() for seat in seats if seat},
            "recipient": self.recipient.party,
            "released": self.released.isoformat() if self.released else "",
            "tpp_per_chip": _text(self.tpp_per_chip),
            "training_operations": _text(self.training_operations),
        }
        body = {name: value for name, value in body.items() if value not in ("", [])}
        if self.data_center is not None:
            body["data_center"] = self.data_center
        return body


def from_body(body: Mapping[str, Any], content: bytes = b"") -> Profile:
    """Return the profile that a body states; the inverse of `Profile.body`."""
    parties, seats = body["parties"], dict[str, Seat]()

    def seat(name: str) -> Seat:
        if found := seats.get(name):  # owner and operator mostly are the recipient
            return found
        stated = parties[name]
        seats[name] = Seat(
            name,
            stated.get("headquarters", UNKNOWN),
            stated.get("parent", UNKNOWN),
            stated.get("parent_headquarters", UNKNOWN),
            tuple(stated.get("holds", ())),
            tuple(stated.get("roles", ())),
            tuple(stated.get("path", ())),
            Decimal(stated.get("listed_share", 0)),
            tuple((owner, share, owned) for owner, share, owned in stated.get("listed_by", ())),
            Decimal(stated.get("listed_parent", 0)),
        )
        return seats[name]

    text = {
        name: body[name]
        for name in ("authorization", "overrides", "exported_from", "end_use", "eccn", "facility", "meets")
        if name in body
    }
    return Profile(
        destination=body["destination"],
        recipient=seat(body["recipient"]),
        owner=seat(body["owner"]),
        operator=seat(body["operator"]),
        booked_to=seat(body["booked_to"]),
        chip=body["chip"],
        base_chip=body["base_chip"],
        tpp_per_chip=Decimal(body["tpp_per_chip"]),
        exporter=seat(body["exporter"]) if "exporter" in body else None,
        authorization_kind=body["authorization_kind"],
        activity=body["activity"],
        evidence=tuple(body.get("evidence", ())),
        lab=seat(body["lab"]) if "lab" in body else None,
        data_center=body.get("data_center"),
        dram_bandwidth=Decimal(body["dram_bandwidth"]) if "dram_bandwidth" in body else None,
        released=date.fromisoformat(body["released"]) if "released" in body else None,
        training_operations=Decimal(body["training_operations"]) if "training_operations" in body else None,
        content=content,
        **text,
    )


def _text(number: Decimal | None) -> str:
    return "" if number is None else format(number.normalize(), "f")
