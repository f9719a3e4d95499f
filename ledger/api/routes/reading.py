"""What is left, what is used, what happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from ledger import reports
from ledger.api.answering import read, viewing
from ledger.api.answers import Listed, Ready, answered
from ledger.api.door import ANYONE, SEES_ALL, Call, Route
from ledger.api.formats import columns_of
from ledger.api.parameters import DATED, PARAMETERS, PARTS, dated_by, id_of, is_set, limit_of, number_of
from ledger.api.questions import ASKS, UNDER, Question, read_question
from ledger.core import movements
from ledger.core.errors import Malformed, NotFound
from ledger.posting import Receipt
from ledger.reports import AskedMovement, Reader, View
from ledger.reports.usage import SHOWN

WHEN = ("on", "known")
CAP_COLUMNS = columns_of(
    "book", "cap", "subject", "tier", "window", "unit", "limit", "used", "doubt", "used_tpp", "left", "state", "law",
    "when_exceeded", "status", "confidence",
)  # fmt: skip
_CHIPS = [f"{stage}_chips" for stage in SHOWN]
USAGE_COLUMNS = columns_of(
    "subject", *(f"{stage}_tpp" for stage in SHOWN), *_CHIPS, *(f"{stage}_unstated_tpp" for stage in SHOWN),
    whole=_CHIPS,
)  # fmt: skip
HISTORY_COLUMNS = columns_of(
    "seq", "recorded_at", "kind", "actor", "day", "what", "stage", "chips", "tpp", whole=["seq", "chips"]
)
MOVEMENT_COLUMNS = columns_of(
    "seq", "line", "recorded_at", "actor", "key", "voice", "verdict", "code", "message", "movement", "effective_on",
    "exporter", "reverses", *movements.LINE_FIELDS, whole=["seq", "line", "reverses"],
)  # fmt: skip


async def ask_remaining(call: Call) -> Response:
    """Return how much still fits: of a grant for `license`, else of a shipment."""
    call.desk.pace(call.principal.party)
    question = Question.of(call.principal, call.request.scope)
    if call.desk.readers and question.is_at_the_end and (answer := await call.desk.left(question)):
        return answer
    stated, how = read_question(question)

    def ask(reader: Reader) -> Response:
        with viewing(reader, how.day, how.known, how.book) as view:
            told = answered(how, view, lambda view: call.access.left_for(call.principal, view, **stated).body())
            return Ready(told)

    return await call.desk.read(ask)


async def list_usage(call: Call) -> Response:
    """Return totals per subject of one dimension, greatest first."""
    by = call.asked.get("by", "destination")
    if by not in reports.DIMENSIONS:
        raise Malformed("by", f"by is '{by[:40]}'.", f"Use one of: {', '.join(reports.DIMENSIONS)}.")
    return await read(
        call, lambda view: Listed([each.body() for each in reports.usage(view, by)], USAGE_COLUMNS, beside={"by": by}),
        lists=True, pages=True,
    )  # fmt: skip


async def list_caps(call: Call) -> Response:
    """Return every counter of the rulebook on the day against its limit."""
    return await read(
        call,
        lambda view: Listed([each.body() for each in reports.standings(view)], CAP_COLUMNS),
        lists=True,
        pages=True,
    )


async def list_history(call: Call) -> Response:
    """Return everything recorded of one subject; all days, or up to `on`."""
    by = dated_by(call.asked)

    def ask(view: View) -> Listed:
        subject = id_of(call.asked, "subject")
        return Listed([each.body() for each in reports.history(view, subject, by=by)], HISTORY_COLUMNS,
                      beside={"subject": subject})  # fmt: skip

    return await read(call, ask, lists=True, pages=True)


async def list_movements(call: Call) -> Response:
    """Return movements in the journal's order, refused ones too, and the record to go on after; all, or up to `on`."""
    by = dated_by(call.asked)
    after, limit = number_of(call.asked, "after") or 0, limit_of(call.asked)

    def ask(view: View) -> Listed:
        page = reports.movements_after(view, after, limit, party=call.access.scope_of(call.principal), by=by)
        items = _shown(call, view, page.items)
        beside = {"next": page.after, "has_more": page.has_more}
        return Listed([item.body() for item in items], MOVEMENT_COLUMNS, _lines(items), beside)

    return await read(call, ask, lists=True)


async def show_movement(call: Call) -> Response:
    """Return one movement, posted or refused; with `on`, only one that is dated up to the day."""
    by = dated_by(call.asked)
    seq = number_of(call.asked, "seq", least=1) or 0

    def ask(view: View) -> dict[str, Any]:
        items: list[AskedMovement] = []
        if seq <= view.known:
            party = call.access.scope_of(call.principal)
            found = reports.movements_after(view, seq - 1, 1, party=party, by=by).items
            items = _shown(call, view, [each for each in found if each.seq == seq])
        if not items:
            raise NotFound(f"There is no movement {seq:,}.", "Look at the list of movements first.")
        return {"record": items[0].body()}

    return await read(call, ask)


async def list_discrepancies(call: Call) -> Response:
    """Return what does not reconcile or broke a rule, as it was known, oldest first; all days, or up to `on`."""
    resolved, by = is_set(call.asked, "resolved"), dated_by(call.asked)
    columns = columns_of(
        "id", "class", "book", "cap", "subject", "window", "amount", "unit", "effective_on", "opened_at", "owner",
        "state", "note", whole=["id"],
    )  # fmt: skip

    def ask(view: View) -> Listed:
        return Listed([each.body() for each in reports.discrepancies(view, resolved=resolved, by=by)], columns)

    return await read(call, ask, lists=True, pages=True)


def _shown(call: Call, view: View, found: list[AskedMovement]) -> list[AskedMovement]:
    """Return those that the second wall shows too, in the words for whoever asks."""
    shown = call.access.shown(call.principal, view, [item.seq for item in found])
    return [_told(call, item) for item in found if item.seq in shown]


def _told(call: Call, item: AskedMovement) -> AskedMovement:
    if item.verdict != "refused":
        return item
    receipt = Receipt("refused", item.key, item.seq, item.code, item.message, item.remedy)
    told = call.access.told(call.principal, receipt)
    return replace(item, code=told.code, message=told.message, remedy=told.remedy)


def _lines(items: list[AskedMovement]) -> Iterator[dict[str, Any]]:
    """Yield a row for each line of each movement; one without lines has one row."""
    for item in items:
        head = {**item.body(), **{name: value for name, value in item.movement.items() if name != "lines"}}
        for n, line in enumerate(item.movement.get("lines") or [{}], 1):
            evidence = line.get("evidence")
            if isinstance(evidence, dict):
                line = {**line, "evidence": [f"{kind}={of}" if of else kind for kind, of in evidence.items()]}
            yield {**head, "line": n, **line}


def _names(*names: str) -> tuple[str, ...]:
    assert all(name in PARAMETERS for name in names)
    return names


ROUTES = (
    Route("ask_remaining", "GET", "/v1/remaining", ANYONE, "How much still fits the caps", ask_remaining,
          "RemainingAnswer", _names(*ASKS), reads_itself=True),
    Route("list_usage", "GET", "/v1/usage", SEES_ALL, "Totals per stage and subject", list_usage, "Usages",
          ("by", *UNDER, *PARTS), lists=True),
    Route("list_caps", "GET", "/v1/caps", SEES_ALL, "Every counter against its limit", list_caps, "Caps",
          (*UNDER, *PARTS), lists=True),
    Route("list_history", "GET", "/v1/history/{subject:path}", SEES_ALL, "Everything recorded of a subject",
          list_history, "History", (*WHEN, *PARTS), lists=True, about=DATED),
    Route("list_movements", "GET", "/v1/movements", ANYONE, "Movements in the journal's order", list_movements,
          "Movements", ("after", "limit", *WHEN), lists=True, about=DATED),
    Route("show_movement", "GET", "/v1/movements/{seq}", ANYONE, "One movement", show_movement, "MovementAnswer",
          WHEN, about=DATED),
    Route("list_discrepancies", "GET", "/v1/discrepancies", SEES_ALL, "What does not reconcile or broke a rule",
          list_discrepancies, "Discrepancies", ("resolved", *WHEN, *PARTS), lists=True, about=DATED),
)  # fmt: skip
