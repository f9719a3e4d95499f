"""How the server says no: problem details (RFC 9457), with the ledger's own codes, and one table of statuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ledger.core.errors import Corrupt, Malformed, NotFound, Problem
from ledger.posting import Receipt

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:capledger:problem:"
LOG = logging.getLogger(__name__)

# Refusals of what is posted: 409 where the ledger as it stands is in the way, 422 where the request itself is.
STATUS_OF_REFUSAL: Mapping[str, int] = {
    "malformed": 422,
    "forbidden": 403,
    "needs_second_person": 403,
    "key_reused": 409,
    "unknown_party": 422,
    "unknown_chip": 422,
    "unknown_authorization": 422,
    "unknown_movement": 422,
    "authorization_not_active": 409,
    "outside_validity": 409,
    "exceeds_authorization": 409,
    "negative_stock": 409,
    "period_closed": 409,
    "undetermined": 422,
    "not_permitted": 422,
    "cap_exceeded": 409,
}
REFUSED_OTHERWISE = 409  # a reason that this table does not know yet
STATUS_OF_PROBLEM: Mapping[str, int] = {
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "sent_too_slowly": 408,
    "too_large": 413,
    "unsupported_media_type": 415,
    "malformed": 422,
    "bad_rulebook": 422,
    "too_many_attempts": 429,
    "too_many_questions": 429,
    "headers_too_large": 431,
    "internal_error": 500,
    "busy": 503,
    "no_signing_keys": 503,
    "unavailable": 503,
    "too_slow": 504,
}
RETRY_SECONDS: Mapping[str, int] = {"busy": 1, "unavailable": 2, "no_signing_keys": 30, "too_many_attempts": 60}
TITLES: Mapping[str, str] = {
    "unauthenticated": "No valid credentials",
    "forbidden": "Not yours to ask",
    "not_found": "Not known",
    "malformed": "Cannot be read",
    "too_slow": "Took too long",
    "internal_error": "A defect",
}


class Said(Problem):
    """A problem of the face itself: credentials, sizes, media types."""

    def __init__(self, code: str, message: str, remedy: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code, message, remedy)
        self.headers = dict(headers or {})


def problem(
    status: int, code: str, detail: str, remedy: str = "", *, errors: Sequence[Mapping[str, str]] = (),
    receipts: Sequence[Mapping[str, Any]] = (), headers: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """Return problem details. errors: what is wrong, by field. receipts: what became of what was posted."""
    body: dict[str, Any] = {
        "type": TYPE + code,
        "title": TITLES.get(code, code.replace("_", " ").capitalize()),
        "status": status,
        "detail": detail,
        "code": code,
        "remedy": remedy,
    }
    if errors:
        body["errors"] = list(errors)
    if receipts:
        body["receipts"] = list(receipts)
    told = dict(headers or {})
    if seconds := RETRY_SECONDS.get(code):
        told["Retry-After"] = str(seconds)
    if status == 401:
        told["WWW-Authenticate"] = 'Bearer realm="capledger"'
    return Response(json.dumps(body, ensure_ascii=False).encode(errors="replace"), status, told, MEDIA_TYPE)


def refused(receipts: Sequence[Receipt], first: Receipt, headers: Mapping[str, str] | None = None) -> Response:
    """Return what a refusal of something posted is told as, with its receipt."""
    return problem(
        STATUS_OF_REFUSAL.get(first.code, REFUSED_OTHERWISE), first.code, first.message, first.remedy,
        receipts=[receipt._asdict() for receipt in receipts], headers=headers,
    )  # fmt: skip


def of(fault: Problem) -> Response:
    """Return a problem of the ledger's as problem details."""
    headers = getattr(fault, "headers", None)
    errors = [{"field": fault.field, "detail": fault.message}] if isinstance(fault, Malformed) else []
    status = STATUS_OF_PROBLEM.get(fault.code)
    if status is None:
        # A read names what is not known; what is posted and refused is answered with a receipt, not raised.
        status = 404 if isinstance(fault, NotFound) else 500 if isinstance(fault, Corrupt) else 422
    detail = f"{fault.where}: {fault.message}" if fault.where else fault.message
    return problem(status, fault.code, detail, fault.remedy, errors=errors, headers=headers)


def expected(fault: Exception) -> Response | None:
    """Return what is told of a failure that a route may end in; None of any other, which is a defect."""
    if isinstance(fault, Problem):
        return of(fault)
    if isinstance(fault, psycopg.errors.QueryCanceled):
        return of(TOO_SLOW)
    return of(UNAVAILABLE) if isinstance(fault, psycopg.OperationalError) else None


def install(app: FastAPI) -> None:
    """Let every way to fail end as problem details."""
    app.add_exception_handler(Problem, lambda request, fault: of(_as(Problem, fault)))
    app.add_exception_handler(
        RequestValidationError, lambda request, fault: _invalid(_as(RequestValidationError, fault))
    )
    app.add_exception_handler(HTTPException, lambda request, fault: _http(request, _as(HTTPException, fault)))
    app.add_exception_handler(psycopg.errors.QueryCanceled, lambda request, fault: of(TOO_SLOW))
    app.add_exception_handler(Exception, lambda request, fault: of(DEFECT))  # the log has the trace
    app.add_exception_handler(psycopg.OperationalError, lambda request, fault: of(UNAVAILABLE))


TOO_SLOW = Said(
    "too_slow", "The answer took longer than a read may.", "Ask for less: a narrower question, or a later record."
)
UNAVAILABLE = Said("unavailable", "The database cannot be reached.", "Ask again in a moment, under the same key.")
DEFECT = Said("internal_error", "The server failed on this request.", "Report it with the moment it happened.")


def _as(kind: type[Any], fault: Exception) -> Any:
    assert isinstance(fault, kind)
    return fault


def _invalid(fault: RequestValidationError) -> Response:
    errors = [{"field": str(each["loc"][-1]), "detail": str(each["msg"])} for each in fault.errors()]
    first = errors[0] if errors else {"field": "request", "detail": "It cannot be read."}
    return problem(
        422, "malformed", f"{first['field']}: {first['detail']}.", "Correct the fields named.", errors=errors
    )


def _http(request: Request, fault: HTTPException) -> Response:
    headers = dict(fault.headers or {})
    if fault.status_code == 404:
        return problem(404, "not_found", f"There is nothing at {request.url.path[:200]}.", "See /v1/openapi.json.")
    if fault.status_code == 405:
        return problem(
            405, "method_not_allowed", f"{request.method} is not something one can do there.",
            f"Use one of: {headers.get('Allow', headers.get('allow', 'GET'))}.", headers=headers,
        )  # fmt: skip
    return problem(fault.status_code, "malformed", str(fault.detail), headers=headers)
