"""Who asks: a person in a role, as told by a key, a session or a token, and never by the request itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.core.movements import OBSERVED_KINDS
from ledger.core.refusals import OPERATOR, Refusal
from ledger.posting import Request

Role = Literal["regulator", "exporter", "auditor", "operator"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    person: a person's or a program's name. party: the exporter's id, "" for all other roles. key_id: which key or
    provider told so.
    """

    person: str
    role: Role | Literal["public"]
    party: str = ""
    key_id: str = ""

    def __post_init__(self) -> None:
        if (self.role == "exporter") != bool(self.party):
            raise ValueError(f"a party goes with the role exporter, and with no other: {self.role}, '{self.party}'")

    @property
    def actor(self) -> str:
        """Who it is for the ledger: an exporter's party; the operator for whoever else may post at all."""
        return self.party or OPERATOR

    def may_post(self, request: Request) -> Refusal | None:
        """Return why a request is not even put to the ledger, None where it is.

        An exporter asks for movements and reports on them, and the ledger judges which are its own. A regulator reports
        movements. An auditor and the public post nothing.
        """
        if self.role == "operator":
            return None
        if self.role == "exporter" and request.kind == "movement":
            return None
        if self.role == "regulator" and request.kind == "movement":
            if request.observed or request.raw.get("movement") in OBSERVED_KINDS:
                return None
            return Refusal(
                "forbidden", "A regulator reports movements and does not ask for them.", "Report it as an observation."
            )
        whoever = {"exporter": "An exporter", "regulator": "A regulator", "auditor": "An auditor"}.get(self.role)
        return Refusal(
            "forbidden", f"{whoever or 'Somebody who is not signed in'} may not post a {request.kind}.",
            "Ask the operator.",
        )  # fmt: skip


PUBLIC = Principal("", "public")
