"""What waits for a second person: what it would come to, who may decide, and what came of what was decided."""

from __future__ import annotations

import json

from ledger.core import four_eyes
from ledger.core.compute import grouped
from ledger.core.facts import FourEyes
from ledger.reports import Proposal, View, proposal, proposals, second_person
from ledger.web.asking import Asked
from ledger.web.desks import Principal
from ledger.web.parts import Alert, Cell, Column, Facts, Page, Part, Table, Text, number, state, when

MOST_ROWS = 100
LONGEST_TEXT = 20_000
OPTIONS = (("open", "waiting"), ("approved", "approved"), ("declined", "declined"), ("all", "all"))


def all_proposals(view: View, asked: Asked, wanted: str) -> Page:
    """Return the page of proposals: those that wait, oldest first, or the decided ones, newest first."""
    wanted = wanted or "open"
    found = proposals(view, decided=wanted != "open")
    shown = [each for each in found if wanted in ("all", each.state)]
    if wanted != "open":
        shown.reverse()
    columns = (
        Column("Proposal", right=True), Column("What"), Column("By"), Column("Proposed"), Column("State"),
        Column("It would be" if wanted == "open" else "When made, it would have been"), Column("What came of it"),
    )  # fmt: skip
    rows = tuple(
        (
            number(each.id, href=asked.path("proposals", each.id)), Cell(each.what), Cell(each.person),
            Cell(when(each.proposed_at)), state(each.state), _foreseen(each, asked), _outcome(each, asked),
        )
        for each in shown[:MOST_ROWS]
    )  # fmt: skip
    order = "oldest first" if wanted == "open" else "newest first"
    note = f"The first {MOST_ROWS} of {len(shown):,}." if len(shown) > MOST_ROWS else ""
    table = Table(f"Proposals, {order}", columns, rows,
                  "Nothing waits for a second person." if wanted == "open" else "No such proposal.", note)  # fmt: skip
    return Page(
        "Proposals", required_words(second_person(view)), (table,), extra={"options": OPTIONS, "wanted": wanted}
    )


def one_proposal(view: View, asked: Asked, principal: Principal, number_: int) -> Page:
    """Return one proposal's page, and whether whoever asks may decide it. Raises `NotFound`."""
    each = proposal(view, number_)
    parts: list[Part] = []
    if each.decision is None:
        parts.append(_waiting(each, principal))
    rows = {
        "What": Cell(each.what), "State": state(each.state), "By": Cell(each.person),
        "For": Cell(each.actor), "Proposed": Cell(when(each.proposed_at)), "Why": Cell(each.note),
        "When it was made it would have been": _foreseen(each, asked), "Why not": Cell(_refused(each)),
        "Under the key": Cell(each.key, kind="code"),
        "Record": number(each.id, href=asked.path("records", each.id)),
    }  # fmt: skip
    parts.append(Facts("The proposal", tuple((term, cell) for term, cell in rows.items() if cell.text)))
    if decided := each.decision:
        came = decided.came_of or {}
        rows = {
            "Decided": state(decided.state), "By": Cell(decided.person), "On": Cell(when(decided.decided_at)),
            "Why": Cell(decided.note), "What came of it": _outcome(each, asked),
            "In words": Cell(f"{came.get('message', '')} {came.get('remedy', '')}".strip()),
            "Record": number(decided.seq, href=asked.path("records", decided.seq)),
        }  # fmt: skip
        parts.append(Facts("The decision", tuple((term, cell) for term, cell in rows.items() if cell.text)))
    text = json.dumps(each.body()["request"], ensure_ascii=False, indent=2, sort_keys=True)
    parts.append(Text("What is proposed, whole", fixed=text[:LONGEST_TEXT]))
    crumbs = (Cell("Proposals", asked.path("proposals")), Cell(f"{each.id:,}"))
    may: dict[str, object] = {
        "number": each.id,
        "may_approve": may_approve(each, principal),
        "may_decline": may_decline(each, principal),
    }
    return Page(f"Proposal {each.id:,}", "", tuple(parts), crumbs, extra=may)


def may_decline(each: Proposal, principal: Principal) -> bool:
    """Return whether the form to decide is shown; the ledger judges again whatever is sent."""
    return each.decision is None and principal.role == "operator"


def may_approve(each: Proposal, principal: Principal) -> bool:
    """Return the same of approving, which whoever made it cannot."""
    return may_decline(each, principal) and not four_eyes.is_same_person(principal.person, each.person)


def required_words(required: FourEyes) -> str:
    """Return what needs a second person, as a sentence."""
    if not required.kinds:
        return "Nothing needs a second person now."
    named = [
        f"grants above {grouped(required.grant_above)} TPP"
        if kind == "grant" and required.grant_above is not None
        else {"adoption": "adoptions of rulebooks", "grant": "every grant", "reverse": "reversals",
              "override": "what overrides a rule"}.get(kind, kind)
        for kind in required.kinds
    ]  # fmt: skip
    return f"A second person is needed for {', '.join(named)}."


def _waiting(each: Proposal, principal: Principal) -> Alert:
    if principal.role != "operator":
        return Alert("info", "It waits for a second person", "Only the operator decides; this page shows it to you.")
    if four_eyes.is_same_person(principal.person, each.person):
        return Alert("warning", "You made this proposal and cannot approve it",
                     "Another person has to. You may decline it, which withdraws it.")  # fmt: skip
    return Alert("info", "It waits for a second person",
                 "Approved, it is judged anew on the ledger of then, and may come to something else than when it was "
                 "made.")  # fmt: skip


def _foreseen(each: Proposal, asked: Asked) -> Cell:
    refusal, breaches = each.would.get("refusal"), each.would.get("breaches")
    if refusal:
        return Cell("refused", kind="state", note=str(refusal["code"]).replace("_", " "))
    return Cell("posted", kind="state", note=f"{len(breaches)} over already" if breaches else "")


def _refused(each: Proposal) -> str:
    refusal = each.would.get("refusal")
    said = [refusal["message"]] if refusal else [breach["message"] for breach in each.would.get("breaches", ())]
    return " ".join(said)


def _outcome(each: Proposal, asked: Asked) -> Cell:
    if each.decision is None:
        return Cell("not decided")
    came = each.decision.came_of
    if came is None:
        return Cell("nothing: it was declined")
    href = asked.path("records", came["seq"]) if came.get("seq") else ""
    return Cell(came["verdict"], href, "state", str(came.get("code", "")).replace("_", " "))
