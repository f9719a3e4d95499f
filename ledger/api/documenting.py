"""The OpenAPI document: every parameter, every body with an example, every answer a route may give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ledger.api import formats, problems
from ledger.api.bodies import BODIES
from ledger.api.door import OPEN, Route
from ledger.api.parameters import PARAMETERS
from ledger.api.routes.posting import KEY, REPLAYED
from ledger.api.schemas import ANSWERS, ref

ABOUT = """How much licensed AI compute may still go there? Amounts are exact text. Every read answers with the day
(`on`), the record it is known at (`known`), the journal's length and the rulebook. It says what fits the caps, never
what is allowed."""
ERRORS: Mapping[int, str] = {
    401: "No key or token, or one that is not valid.",
    403: "Not for this role, or not theirs to ask.",
    404: "What is named is not known, or not theirs to see.",
    405: "Not something one can do there.",
    406: "Cannot be had in that form.",
    408: "What was sent took too long to arrive.",
    409: "Refused: the ledger as it stands is in the way, or the key was used for something else.",
    413: "More than the server takes at once.",
    415: "Not JSON.",
    422: "Refused: the request itself is in the way, or it cannot be read.",
    429: "Too many keys that were not valid, or too many questions of an exporter.",
    503: "Too much waits, or the database cannot be reached; Retry-After says when to ask again.",
    504: "Took longer than a read may.",
}
READ_ERRORS = (401, 403, 404, 406, 422, 429, 503, 504)
POST_ERRORS = (401, 403, 404, 406, 408, 409, 413, 415, 422, 429, 503, 504)
PLAIN = "text/plain"
NEXT = ("Capledger-Next",)  # where a list goes on, in every form of it
_BINARY = {"type": "string", "format": "binary"}
_SHAPES: Mapping[str, dict[str, Any]] = {
    formats.CSV: {"type": "string"}, formats.PARQUET: _BINARY, formats.PDF: _BINARY,
}  # fmt: skip


def answers_of(route: Route) -> dict[int | str, dict[str, Any]]:
    """Return every answer of a route, as FastAPI takes them."""
    told: dict[int | str, dict[str, Any]] = {}
    is_read = route.method == "GET"
    content: dict[str, Any] = {PLAIN if route.answer == "Metrics" else formats.JSON: {"schema": ref(route.answer)}}
    if route.lists:
        content |= {media: {"schema": _SHAPES[media]} for media in (formats.CSV, formats.PARQUET)}
    content |= {media: {"schema": _SHAPES[media]} for media in route.files}
    done = {"description": route.summary, "content": content}
    if is_read and (route.roles is OPEN or route.answer == "Metrics"):
        told[200] = done
    elif is_read:
        told[200] = {
            **done,
            "headers": {name: {"schema": {"type": "string"}} for name in ("ETag", *NEXT[: route.lists])},
        }
        told[304] = {"description": "What the caller has is still so."}
    elif route.is_keyed:
        told[201] = {**done, "headers": {REPLAYED: {"schema": {"type": "string", "enum": ["true"]}}}}
    else:
        told[200] = done
    if "dry_run" in route.asks and route.is_keyed:
        told[200] = {"description": "The verdict, explained.", "content": {formats.JSON: {"schema": ref("Explained")}}}
    if route.name == "run_reconciliation":
        told[201] = {**done, "description": "Recorded."}
    for status in (422, 503) if route.roles is OPEN else READ_ERRORS if is_read else POST_ERRORS:
        told[status] = {"description": ERRORS[status], "content": {problems.MEDIA_TYPE: {"schema": ref("Problem")}}}
    return told


def extra_of(route: Route) -> dict[str, Any]:
    """Return what the document says of a route beside its answers."""
    parameters = [
        _parameter(name, is_needed=PARAMETERS[name].is_needed and name not in route.omits, about=route.about.get(name))
        for name in (*route.parts, *route.asks)
    ]
    if route.is_keyed:
        parameters.append({
            "name": KEY, "in": "header", "required": "dry_run" not in route.asks, "example": f"{route.name}-1",
            "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
            "description": "The request's key, unique for whoever posts. The same request under it is posted once.",
        })  # fmt: skip
    extra: dict[str, Any] = {"parameters": parameters} if parameters else {}
    if route.dayless:
        extra["description"] = f"{route.does.__doc__}\n\nIt cannot be asked `on` a day: {route.dayless}"
    if route.body:
        content: dict[str, Any] = {"schema": BODIES[route.body]}
        if route.example is not None:
            content["example"] = route.example
        extra["requestBody"] = {"required": True, "content": {formats.JSON: content}}
    if route.roles is not OPEN:
        extra["security"] = [{"key": []}]
        extra["x-roles"] = sorted(route.roles)
    return extra


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document, with the shapes that routes refer to; it is made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
        components = made.setdefault("components", {})
        components["schemas"] = {**components.get("schemas", {}), **ANSWERS}
        components["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "An access key, or a token of OpenID Connect."}
        }
        app.openapi_schema = made
    return app.openapi_schema


def _parameter(name: str, *, is_needed: bool, about: str | None = None) -> dict[str, Any]:
    parameter = PARAMETERS[name]
    told: dict[str, Any] = {
        "name": name, "in": "path" if parameter.is_path else "query", "required": is_needed,
        "description": about or parameter.about, "schema": dict(parameter.schema),
    }  # fmt: skip
    if parameter.example is not None:
        told["example"] = parameter.example
    return told
