"""What each may see, decided in one place. docs/access.md says it in words.

A regulator and an auditor see every record and figure; nobody sees secrets. An exporter sees what is its own: its
party, its authorizations, the records in its scope, and what is left for its own questions. What it may not see is
answered like what does not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.access import wall
from ledger.access.principal import Principal
from ledger.access.telling import at_least, is_own, is_trusted
from ledger.core.errors import NotFound, Problem
from ledger.core.facts import AUTHORIZATION_KINDS, Authorization, Party
from ledger.reports import CapLeft, Remaining, View, remaining

# Who may read what; own things are asked of the functions below, thing by thing.
_TRUSTED = frozenset({"regulator", "auditor", "operator"})
_OWN = _TRUSTED | {"exporter"}
SEES: Mapping[str, frozenset[str]] = {
    "remaining": _OWN, "explain": _OWN, "party": _OWN, "authorization": _OWN, "record": _OWN, "own records": _OWN,
    "statement": _OWN, "rulebooks": _OWN, "chips": _OWN, "checkpoint": _OWN, "proof": _OWN,
    "usage": _TRUSTED, "history": _TRUSTED, "standings": _TRUSTED, "journal": _TRUSTED, "discrepancies": _TRUSTED,
    "reconciliation": _TRUSTED, "backtest": _TRUSTED, "revaluation": _TRUSTED, "proposals": _TRUSTED,
    "metrics": frozenset({"operator"}),
}  # fmt: skip


def may_read(principal: Principal, what: str, *, public_page: bool = False) -> bool:
    """Return whether a principal may read a kind of thing at all. The public reads totals per country where shown."""
    if what == "public totals":
        return public_page or is_trusted(principal)
    return principal.role in SEES.get(what, frozenset())


def may_see_party(principal: Principal, party: str) -> bool:
    """Return whether all that is stated of a party may be seen. Of some others an exporter sees id and name."""
    return is_trusted(principal) or bool(party and party == principal.party)


def may_see_authorization(principal: Principal, authorization: Authorization) -> bool:
    """Return whether an authorization's terms may be seen: an exporter sees those that name it as the exporter."""
    return is_trusted(principal) or bool(principal.party and authorization.exporter == principal.party)


def may_see_record(principal: Principal, party: str | None) -> bool:
    """Return whether a record may be seen, by the party whose scope it is in; None is the ledger's own scope."""
    return is_trusted(principal) or bool(party and party == principal.party)


def party_seen(principal: Principal, view: View, party: str) -> dict[str, Any]:
    """Return what a principal may see of a party, as JSON: all of it, or id and name.

    Raises:
        NotFound: it is not known, or may not be seen; which of the two is not told.
    """
    known = view.position.knowledge.party(party, view.on)
    if known and may_see_party(principal, party):
        return _party(known)
    if known and principal.party and party in named_parties(principal, view):
        return {"party": known.party, "name": known.name}
    raise hidden("party", party)


def named_parties(principal: Principal, view: View) -> dict[str, str]:
    """Return the parties that an exporter's authorizations and movements name, itself included: names by id."""
    parties, own = view.position.knowledge.parties, principal.party
    named = {own}
    for terms in view.position.knowledge.authorizations.values():
        if own and terms.exporter == own:
            named.add(terms.recipient)
    for profile in view.profiles.all().values():
        if profile.exporter and profile.exporter.party == own:
            seats = (profile.recipient, profile.owner, profile.operator, profile.booked_to, profile.lab)
            named |= {seat.party for seat in seats if seat}
    return {name: parties[name].name for name in sorted(named) if name in parties}


def authorization_seen(principal: Principal, view: View, name: str) -> Authorization:
    """Return an authorization's terms and state on the view's day.

    Raises:
        NotFound: it is not known, or may not be seen; which of the two is not told.
    """
    terms = view.position.knowledge.authorization(name, view.on) or view.position.knowledge.authorization(name)
    if terms is None or not may_see_authorization(principal, terms):
        raise hidden("authorization", name)
    return terms


def authorizations_seen(principal: Principal, view: View) -> list[Authorization]:
    """Return every authorization that a principal may see, as last changed, by id; none that the database hides."""
    known = view.position.knowledge.authorizations
    seen = [known[name] for name in sorted(known) if may_see_authorization(principal, known[name])]
    shown = wall.shown(view.conn, principal, [each.seq for each in seen], "fact")
    return [each for each in seen if each.seq in shown]


def hidden(thing: str, named: str) -> NotFound:
    """Return what is said of something that is not known, and of something that may not be seen."""
    return NotFound(f"There is no {thing} '{named[:200]}'.", "Check the id; you see your own only.")


def may_ask(
    principal: Principal, view: View, *, exporter: str = "", authorizations: Collection[str] = (),
    at_the_end: bool = True,
) -> str:  # fmt: skip
    """Return the exporter that a question is asked for: an exporter asks for itself, whether it says so or not.

    An exporter asks about the ledger as it is now, under the adopted rulebooks, and its own authorizations: a past
    record or a book of its own making would tell others' movements apart.

    Raises:
        Problem: `forbidden`. NotFound: an authorization is not known, or may not be seen.
    """
    if is_trusted(principal):
        return exporter
    if not principal.party:
        raise Problem("forbidden", "Only who is signed in may ask this.", "Sign in.")
    if exporter not in ("", principal.party):
        raise Problem("forbidden", f"{principal.party} asks for its own exports only.", f"Name {principal.party}.")
    if at_the_end and (view.book is not None or view.known != view.size):
        raise Problem(
            "forbidden", "An exporter asks about the ledger as it is now, under the adopted rulebooks.",
            "Leave out known and rulebook.",
        )  # fmt: skip
    named = [name for name in authorizations if name and name not in AUTHORIZATION_KINDS]
    known = [name for name in named if _may_name(principal, view, name)]
    shown = shown_authorizations(principal, view, known)
    for name in named:
        if name not in shown:
            raise unknown_authorization(name, view.on)
    return principal.party


def shown_authorizations(principal: Principal, view: View, names: Collection[str]) -> frozenset[str]:
    """Return which of some authorizations the database shows too. One without an exporter is nobody's, and is shown."""
    found = {name: view.position.knowledge.authorization(name) for name in names}
    seqs = {name: terms.seq for name, terms in found.items() if terms and terms.exporter}
    shown = wall.shown(view.conn, principal, seqs.values(), "fact") if seqs else frozenset()
    return frozenset(name for name in names if name not in seqs or seqs[name] in shown)


def unknown_authorization(name: str, on: date) -> NotFound:
    """Return what is said of an authorization that is not known, or may not be named."""
    problem = NotFound(
        f"authorization names authorization '{name}', which is not known on {on}.",
        "Register the authorization first; then the same request can succeed.",
    )
    problem.code = "unknown_authorization"
    return problem


def left_for(
    principal: Principal, view: View, *, destination: str, recipient: str, chip: str, authorization: str = "",
    exporter: str = "", **stated: Any,
) -> Remaining:  # fmt: skip
    """Return what is left for a question, as its asker may see it.

    Raises:
        Problem: `forbidden`. NotFound: something that it names is not known, or may not be seen.
    """
    exporter = may_ask(principal, view, exporter=exporter, authorizations=[authorization])
    found = remaining(
        view, destination=destination, recipient=recipient, chip=chip, authorization=authorization, exporter=exporter,
        **stated,
    )  # fmt: skip
    return shown(principal, found)


def shown(principal: Principal, left: Remaining) -> Remaining:
    """Return what is left as a principal may see it.

    Of a shared cap an exporter sees name, subject, window, day, law and state; of the one that binds also how much is
    left for its question, rounded down to two figures. What is used, the limit beside it, and what is left of caps that
    do not bind are withheld: None. Its own caps and its own license are exact.
    """
    if is_trusted(principal):
        return left
    binding = [cap for cap in left.caps if cap.cap == left.binding_cap]
    is_shared = any(not is_own(principal, cap.subject) for cap in binding)
    shares = any(cap.binds and not is_own(principal, cap.subject) for cap in left.caps)
    chips, tpp = left.remaining_chips, left.remaining_tpp
    return replace(
        left,
        remaining_chips=int(at_least(Decimal(chips))) if is_shared and chips is not None else chips,
        remaining_tpp=at_least(tpp) if shares and tpp is not None else tpp,
        caps=tuple(_cap_shown(principal, cap, binds=cap in binding) for cap in left.caps),
    )


def _cap_shown(principal: Principal, cap: CapLeft, *, binds: bool) -> CapLeft:
    if is_own(principal, cap.subject):
        return cap
    left = at_least(cap.remaining) if binds and cap.binds and cap.remaining is not None else None
    return replace(cap, limit=None, used=None, doubt=None, remaining=left)


def _may_name(principal: Principal, view: View, name: str) -> bool:
    """Whether an exporter may name an authorization: its own, or one of any exporter's that no grant draws down."""
    terms = view.position.knowledge.authorization(name)
    return terms is not None and (terms.exporter == principal.party or (not terms.exporter and terms.kind != "license"))


def _party(party: Party) -> dict[str, Any]:
    return {
        "party": party.party, "name": party.name, "roles": list(party.roles), "headquarters": party.headquarters,
        "ultimate_parent": party.ultimate_parent,
        "from": party.valid_from.isoformat() if party.valid_from else None,
    }  # fmt: skip
