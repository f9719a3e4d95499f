"""`capledger propose`, `proposals`, `decide` and `four-eyes`: what needs a second person, and what that person says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing, output
from ledger.cli.tables import Column, fold, say_lines, screen_width, table
from ledger.core.compute import grouped
from ledger.core.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.core.facts import FourEyes
    from ledger.posting import Receipt, Request
    from ledger.reports import Proposal

_PROPOSED = "What is proposed is posted once another person approves it: capledger proposals, capledger decide."
_COLUMNS = (
    Column("proposal", right=True),
    Column("by", least=8),
    Column("proposed", optional=True),
    Column("it would be", least=12),
    Column("state", least=12),
    Column("what", below=True),
)


def propose(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A CSV file; - is standard input.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever decides.")] = "",
    person: asking.Person = "",
    party: Annotated[
        str, typer.Option("--as", metavar="PARTY", autocompletion=completing.actors, help="Who asks: a party's id.")
    ] = asking.OPERATOR,
    observed: Annotated[
        bool, typer.Option("--observed", help="Movements are facts reported from outside, not requests.")
    ] = False,
    kind: Annotated[str, typer.Option(metavar="KIND", help="movements or authorizations.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each row.")] = False,
) -> None:
    """Propose a file of movements or authorizations, each request for itself, to be decided by another person.

    Nothing of it is posted. Each row is answered with what it would come to now; approved, it is judged anew and posted
    under its own key. Exit status 0: all is proposed; 1: some rows were refused; 2: the file cannot be used.
    """
    from ledger.cli.post import post_file

    post_file(
        file, party=party, person=person, kind=kind, observed=observed, together=False, as_json=as_json,
        made_of=lambda request: asking.proposal_of(request, note), then=_PROPOSED,
    )  # fmt: skip


def proposals(
    number: Annotated[str, typer.Argument(metavar="[NUMBER]", help="One proposal's record; all if not said.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Those that are decided, too.")] = False,
    on: Annotated[
        str, typer.Option("--on", metavar="DAY", help="As they stood when this day (UTC) ended; today if not said.")
    ] = "",
    known: asking.Known = "",
    as_json: asking.AsJson = False,
) -> None:
    """List what is proposed and waits for another person, and what needs one."""
    from ledger import reports
    from ledger.core.movements.fields import whole

    with asking.viewing(on, known, "") as view:
        one = [reports.proposal(view, whole("NUMBER", number), by=view.on)] if number else None
        found = reports.proposals(view, decided=every, by=view.on) if one is None else one
        required, at, journal = reports.second_person(view), view.known, view.size
    if as_json:
        stated = {"on": asking.day_of(on).isoformat(), "known": at, "journal": journal,
                  "four_eyes": reports.second_person_body(required)}  # fmt: skip
        output.say_json({**stated, "proposals": [each.body() for each in found]})
        return
    width = screen_width()
    kind = "" if every or number else "open "
    count = f"{len(found):,} {kind}proposal{'s' * (len(found) != 1)}{f' on {on}' if on else ''}"
    say_lines(fold(f"{count} at record {at:,} of {journal:,}. {_required(required)}", width))
    if number:
        say_lines(*(fold(line, width, "    ") for line in _told(found[0])))
    elif found:
        say_lines([""], table(_COLUMNS, [_row(each) for each in found], width))


def decide(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The proposal's record.")],
    approve: Annotated[
        bool | None, typer.Option("--approve/--decline", help="Carry it out now, or never.", show_default=False)
    ] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever reads the record.")] = "",
    person: asking.Person = "",
    key: Annotated[str, typer.Option(metavar="KEY", help="Makes repeating it safe; new if not said.")] = "",
    as_json: asking.AsJson = False,
) -> None:
    """Approve or decline a proposal. Whoever made it may decline it, and cannot approve it.

    What is approved is judged anew, on the ledger of now. Exit status 1: the decision or what is approved is refused.
    """
    from datetime import UTC, datetime

    from ledger.posting import Request

    if approve is None:
        raise Malformed("decision", "What is decided is not said.", "Add --approve or --decline.")
    word = "approve" if approve else "decline"
    request = Request("decision", key or f"decide:{number}:{datetime.now(UTC).isoformat()}"[:200], {
        "proposal": number, "decision": word, "note": note,
    })  # fmt: skip
    receipt, came_to_nothing = _decided(request, person)
    asking.answered(receipt, as_json, receipt.message)
    if came_to_nothing:
        raise typer.Exit(output.SAYS_NO)


def four_eyes(
    kinds: Annotated[
        str, typer.Option(metavar="KINDS", help="adoption, grant, reverse, override, with commas; or nothing.")
    ] = "",
    grant_above: Annotated[
        str, typer.Option("--grant-above", metavar="TPP", help="Grants of more; every grant if not said.")
    ] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever reads the record.")] = "",
    person: asking.Person = "",
    only_propose: asking.Propose = False,
    key: Annotated[str, typer.Option(metavar="KEY", help="Makes repeating it safe; new if not said.")] = "",
    known: Annotated[
        str, typer.Option(metavar="RECORD|TIME", help="Show what needed one at a record, a moment or the end of a day.")
    ] = "",
    as_json: asking.AsJson = False,
) -> None:
    """Say what needs a second person from now on, or show what does.

    To ask for more takes one person, to ask for less takes two. Exit status 1: it is refused.
    """
    from datetime import UTC, datetime

    from ledger import reports
    from ledger.posting import Request

    if not kinds:
        if grant_above:
            raise Malformed("kinds", "--grant-above is said, and no kinds are.", "Add --kinds.")
        with asking.viewing("", known, "") as view:
            required = reports.second_person(view)
        if as_json:
            output.say_json(reports.second_person_body(required))
        else:
            say_lines(fold(_required(required), screen_width()))
        return
    if known:
        raise Malformed("known", "--known asks, and --kinds states.", "Leave one of them out.")
    key = key or f"four-eyes:{datetime.now(UTC).isoformat()}"
    request = Request("four_eyes", key, {"kinds": kinds, "grant_above": grant_above, "note": note})
    receipt = asking.post_one(asking.proposal_of(request, note) if only_propose else request, person)
    asking.answered(receipt, as_json, receipt.message or f"What needs a second person is stated: record {receipt.seq}.")


def _decided(request: Request, person: str) -> tuple[Receipt, bool]:
    """Post a decision; return its receipt, and whether what it approves was refused."""
    from ledger import reports
    from ledger.core.movements.fields import whole

    with asking.connected() as conn:
        receipt = asking.post_to(conn, request, person)
        if receipt.verdict == "refused":
            return receipt, False
        with reports.Reader(conn).view(on=asking.day_of("")) as view:
            decision = reports.proposal(view, whole("NUMBER", request.raw["proposal"])).decision
    return receipt, bool(decision and decision.came_of and decision.came_of["verdict"] == "refused")


def _required(required: FourEyes) -> str:
    if not required.kinds:
        return "Nothing needs a second person."
    named = [
        f"grant above {grouped(required.grant_above)} TPP"
        if kind == "grant" and required.grant_above is not None
        else kind
        for kind in required.kinds
    ]
    return f"A second person is needed for: {', '.join(named)} (record {required.seq:,})."


def _row(each: Proposal) -> list[str]:
    refusal, breaches = each.would.get("refusal"), each.would.get("breaches")
    would = f"refused, {refusal['code']}" if refusal else f"posted, {len(breaches)} over" if breaches else "posted"
    return [
        str(each.id), each.person, each.proposed_at.strftime("%Y-%m-%d %H:%M"), would, _state(each), each.what,
    ]  # fmt: skip


def _state(each: Proposal) -> str:
    """Return what was decided and what came of it, in a few words."""
    if each.decision is None:
        return each.state
    came = each.decision.came_of or {}
    found = [came[name] for name in ("verdict", "code") if name in came]
    if "seq" in came:
        found.append(f"record {came['seq']:,}")
    return f"{each.state} by {each.decision.person}" + (f": {', '.join(found)}" if found else "")


def _told(each: Proposal) -> Iterator[str]:
    """Yield all that is to be said of one proposal, a sentence to a line."""
    yield ""
    yield f"Proposal {each.id:,} by {each.person}, {each.proposed_at:%Y-%m-%d %H:%M}, under key '{each.key}':"
    yield f"  {each.what}"
    if each.note:
        yield f"  Why: {each.note}"
    yield f"  When it was made it would have been {each.foreseen.rstrip('.')}."
    if each.decision is None:
        yield f"  It is open: another person decides, with capledger decide {each.id} --approve or --decline."
        return
    yield f"  {_state(each)}, on {each.decision.decided_at:%Y-%m-%d %H:%M} by record {each.decision.seq:,}"
    if message := (each.decision.came_of or {}).get("message"):
        yield f"  {message}"
    if each.decision.note:
        yield f"  Why: {each.decision.note}"
