"""Reconciliations: run one, and look at those that were run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from ledger import reports
from ledger.api import formats
from ledger.api.answering import media_of, read, viewing
from ledger.api.answers import Listed
from ledger.api.door import RUNS, SEES_ALL, Call, Route
from ledger.api.formats import columns_of
from ledger.api.parameters import DATED, book_of, dated_by, day_of, limit_of, number_of
from ledger.api.routes.books import asked_of
from ledger.reports import Reader, View


async def list_reconciliations(call: Call) -> Response:
    """Return the runs, newest first, without their reports; all days, or up to `on`."""
    by = dated_by(call.asked)
    limit, before = limit_of(call.asked), number_of(call.asked, "before")

    def ask(view: View) -> Listed:
        items = [run.body() for run in reports.runs(view, limit, before=before, by=by)]
        columns = columns_of(
            "seq", "number", "day", "rulebook", "inputs_sha256", "digest", "predecessor",
            whole=["seq", "number", "predecessor"],
        )  # fmt: skip
        return Listed(items, columns, beside={"next": items[-1]["seq"] if len(items) == limit else None})

    return await read(call, ask, lists=True)


async def show_reconciliation(call: Call) -> Response:
    """Return one run with its report; with `on`, only one of a day up to it."""
    by = dated_by(call.asked)
    seq = number_of(call.asked, "seq", least=1) or 0
    return await read(call, lambda view: {"run": reports.run(view, seq, by=by).body()})


async def run_reconciliation(call: Call) -> Response:
    """Recompute every total from the journal, hold it against its cap, and record the run."""
    from ledger.reconcile import reconcile_caps

    asked = asked_of(await call.body(), ("on", "rulebook"))
    day, book, media = day_of(asked), book_of(asked), media_of(call)
    if book is not None:

        def check(reader: Reader) -> None:
            with viewing(reader, day, None, book):
                pass

        await call.desk.read(check)
    at = datetime.now(UTC)
    run = await call.desk.apart(
        lambda conn: reconcile_caps(conn, on=day, at=at, actor=call.principal.actor, rulebook=book)
    )
    body: dict[str, Any] = {"seq": run.seq, "digest": run.digest, "is_new": run.is_new, "report": run.report}
    return Response(formats.as_json(body), 201 if run.is_new else 200, media_type=media)


ROUTES = (
    Route("list_reconciliations", "GET", "/v1/reconciliations", SEES_ALL, "Recorded reconciliations",
          list_reconciliations, "Runs", ("before", "limit", "on", "known"), lists=True, about=DATED),
    Route("show_reconciliation", "GET", "/v1/reconciliations/{seq}", SEES_ALL, "One reconciliation and its report",
          show_reconciliation, "RunAnswer", ("on", "known"), about=DATED),
    Route("run_reconciliation", "POST", "/v1/reconciliations", RUNS, "Reconcile totals against caps",
          run_reconciliation, "RunMade", body="reconciliation", example={"on": "2025-08-01"}, posts=True),
)  # fmt: skip
