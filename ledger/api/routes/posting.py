"""Posting: one request under a key, or a batch; a dry run; and what each came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from ledger import rulebooks
from ledger.api import formats, problems
from ledger.api.answering import media_of, read
from ledger.api.door import DECLARES, POSTS, STATES, Call, Route
from ledger.api.parameters import is_set
from ledger.api.routes.examples import BATCH, EXAMPLES
from ledger.api.writing import Posted
from ledger.core.errors import Malformed, NotFound
from ledger.posting import Receipt, Request
from ledger.posting.requests import read as read_request
from ledger.posting.trying import try_out
from ledger.reports import Reader, View

KEY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MOST_AT_ONCE, MOST_TRIED = 10_000, 1_000
ITEM_FIELDS = ("kind", "key", "observed", "body")


async def post_movement(call: Call) -> Response:
    """Post one movement; with dry_run, explain what that would come to."""
    raw = await call.body()
    observed = _switch(raw, "observed")
    if is_set(call.asked, "dry_run"):
        return await _explain(call, raw, observed)
    return await _post(call, "movement", raw, observed)


async def post_party(call: Call) -> Response:
    """State what is known of a party, from a day on."""
    return await _post(call, "party", await call.body())


async def post_ownership(call: Call) -> Response:
    """State that a party owns part of another, from a day on."""
    return await _post(call, "ownership", await call.body())


async def post_rating(call: Call) -> Response:
    """Rate a chip, from a day on."""
    return await _post(call, "rating", await call.body())


async def post_authorization(call: Call) -> Response:
    """Issue an authorization, or change one."""
    return await _post(call, "authorization", await call.body())


async def post_adoption(call: Call) -> Response:
    """Put a rulebook in force from a day on; a shipped one by its name alone."""
    return await _post(call, "rulebook", _bundled("rulebook", await call.body()))


async def post_period(call: Call) -> Response:
    """Close a period: no request can be dated there any more."""
    return await _post(call, "period", await call.body())


async def post_discrepancy_change(call: Call) -> Response:
    """Explain, resolve or reopen a discrepancy."""
    return await _post(call, "discrepancy", _about(call, "id", await call.body()))


async def post_stock(call: Call) -> Response:
    """Declare a party's stock on a day, in place of what it declared before; without lines, that there is none."""
    return await _post(call, "stock", await call.body())


async def post_notice(call: Call) -> Response:
    """File a notice that a duty of a rulebook asks for: about a movement's record, or about a subject."""
    return await _post(call, "notice", await call.body())


async def post_proposal(call: Call) -> Response:
    """Propose a request that needs a second person, under a key of its own. It is judged, and posts nothing yet."""
    return await _post(call, "proposal", _bundled("proposal", await call.body()))


async def post_decision(call: Call) -> Response:
    """Approve or decline a proposal. Who approves is another person than who proposed it; both as their keys say."""
    return await _post(call, "decision", _about(call, "proposal", await call.body()))


async def post_batch(call: Call) -> Response:
    """Post several requests in order: each on its own, or all or nothing; each gets its verdict.

    With dry_run nothing is posted: each movement's verdict is told, on what the ones before it would do.
    """
    raw = await call.body()
    together = _switch(raw, "together")
    items = raw.pop("items", None)
    _no_more(raw, ("together", "items"))
    if not isinstance(items, list) or not 0 < len(items) <= MOST_AT_ONCE:
        raise Malformed("items", f"items is not a list of 1 to {MOST_AT_ONCE:,}.", "Send that many requests.")
    requests = [_item(item, n) for n, item in enumerate(items)]
    for n, request in enumerate(requests):
        if refusal := call.principal.may_post(request):
            raise problems.Said("forbidden", f"Item {n}: {refusal.message}", refusal.remedy)
    if is_set(call.asked, "dry_run"):
        return await _try_out(call, requests, together)
    posted = await call.desk.post_marked(
        requests, actor=call.principal.actor, person=call.principal.person, together=together
    )
    receipts = [_receipt(call, each) for each in posted]
    if together and posted[0].receipt.verdict == "refused":
        first = next((each for each in receipts if each.remedy), receipts[0])
        return problems.refused(receipts, first)
    return _batch(call, receipts, [each.is_replay for each in posted])


async def _try_out(call: Call, requests: Sequence[Request], together: bool) -> Response:
    if together:
        raise Malformed("together", "A dry run tells each request's own verdict.", "Leave out together.")
    if len(requests) > MOST_TRIED:
        raise Malformed("items", f"A dry run takes at most {MOST_TRIED:,}.", "Send them in several parts.")
    call.desk.pace(call.principal.party)

    def tell(code: str, message: str) -> str:
        return call.access.told(call.principal, Receipt("refused", "", None, code, message, "")).message

    def ask(reader: Reader) -> list[Receipt]:
        with reader.view(on=datetime.now(UTC).date()) as view:
            return try_out(view, requests, actor=call.principal.actor, tell=tell)

    tried = await call.desk.read(ask)
    posted = [Posted(each, each.verdict == "replayed") for each in tried]
    return _batch(call, [_receipt(call, each) for each in posted], [each.is_replay for each in posted])


def _batch(call: Call, receipts: Sequence[Receipt], replays: Sequence[bool]) -> Response:
    told = [{**receipt._asdict(), "replayed": is_replay} for receipt, is_replay in zip(receipts, replays, strict=True)]
    counts = {verdict: sum(receipt.verdict == verdict for receipt in receipts) for verdict in ("posted", "refused")}
    return Response(formats.as_json({**counts, "receipts": told}), media_type=media_of(call))


async def _post(call: Call, kind: str, raw: dict[str, Any], observed: bool = False) -> Response:
    key = call.request.headers.get(KEY, "")
    if not key:
        raise Malformed(KEY, f"{KEY} is missing.", "Send a key of this request alone; repeat it to retry.")
    media = media_of(call)
    request = Request(kind, key, raw, observed)
    if refusal := call.principal.may_post(request):
        raise problems.Said(refusal.code, refusal.message, refusal.remedy)
    (posted,) = await call.desk.post_marked([request], actor=call.principal.actor, person=call.principal.person)
    receipt = _receipt(call, posted)
    headers = {REPLAYED: "true"} if posted.is_replay else {}
    if receipt.verdict == "refused":
        return problems.refused([receipt], receipt, headers)
    if kind == "movement":
        headers["Location"] = f"/v1/movements/{receipt.seq}"
    return Response(formats.as_json(receipt._asdict()), 201, headers, media)


def _receipt(call: Call, posted: Posted) -> Receipt:
    """Return the receipt as it was given the first time, in words that are theirs to read."""
    receipt = posted.receipt
    if receipt.verdict != "refused":
        receipt = receipt._replace(verdict="posted")
    return call.access.told(call.principal, receipt)


async def _explain(call: Call, raw: Mapping[str, Any], observed: bool) -> Response:
    call.desk.pace(call.principal.party)
    request = Request("movement", "dry-run", raw, observed)
    if refusal := call.principal.may_post(request):
        raise problems.Said(refusal.code, refusal.message, refusal.remedy)
    asked = read_request(request)
    movement = asked.movement
    assert movement is not None  # every request of that kind has one

    def ask(view: View) -> dict[str, Any]:
        observed = asked.voice == "observation"
        return call.access.fit_for(call.principal, view, movement, observed=observed).body()

    return await read(call, ask, on=movement.effective_on)


def _switch(raw: dict[str, Any], name: str) -> bool:
    """Take a switch out of what was sent."""
    value = raw.pop(name, False)
    if not isinstance(value, bool):
        raise Malformed(name, f"{name} is {value!r:.40}.", "Write true or false.")
    return value


def _no_more(raw: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in raw:
        raise Malformed(name[:60], f"{name[:60]} is not a field of this.", f"Known: {', '.join(known)}.")


def _item(item: Any, n: int) -> Request:
    if not isinstance(item, dict):
        raise Malformed("items", f"Item {n} is no object.", f"Known fields: {', '.join(ITEM_FIELDS)}.")
    item = dict(item)
    observed = _switch(item, "observed")
    kind, key, body = item.pop("kind", None), item.pop("key", None), item.pop("body", None)
    _no_more(item, ITEM_FIELDS)
    if not isinstance(kind, str) or not isinstance(key, str) or not isinstance(body, dict):
        raise Malformed("items", f"Item {n} does not state kind, key and body.", "Send two texts and an object.")
    return Request(kind, key, _bundled(kind, body), observed)


def _about(call: Call, name: str, raw: dict[str, Any]) -> dict[str, Any]:
    """Return what was sent, about the record that the address names."""
    if name in raw:
        raise Malformed(name, f"{name} is not a field of this.", "The address says which one is meant.")
    return {**raw, name: call.asked["seq"]}


def _bundled(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    """Return an adoption, or the proposal of one, with the text of the book: a shipped one need not be sent."""
    if kind == "proposal" and raw.get("kind") == "rulebook" and isinstance(raw.get("body"), dict):
        return {**raw, "body": _bundled("rulebook", raw["body"])}
    if kind != "rulebook" or "bundle" in raw or not isinstance(raw.get("name"), str):
        return raw
    if raw["name"] not in rulebooks.shipped():
        raise NotFound(f"No rulebook '{raw['name'][:60]}' is shipped.", "Send its text in `bundle`, by name.")
    return {**raw, "bundle": rulebooks.bundle(raw["name"])}


def _stating(
    name: str, path: str, summary: str, does: Any, kind: str, roles: frozenset[str] = STATES
) -> Route:  # fmt: skip
    return Route(name, "POST", path, roles, summary, does, "Receipt", body=kind, example=EXAMPLES[kind], posts=True,
                 is_keyed=True)  # fmt: skip


ROUTES = (
    Route("post_movement", "POST", "/v1/movements", POSTS, "Post a movement, or explain it", post_movement, "Receipt",
          ("dry_run", "known", "rulebook"), body="movement", example=EXAMPLES["movement"], posts=True,
          is_keyed=True),
    Route("post_batch", "POST", "/v1/batches", POSTS, "Post several requests in one commit", post_batch, "BatchAnswer",
          ("dry_run",), body="batch", example=BATCH, posts=True),
    _stating("post_party", "/v1/parties", "State a party", post_party, "party"),
    _stating("post_ownership", "/v1/ownership", "State who owns whom", post_ownership, "ownership"),
    _stating("post_rating", "/v1/ratings", "Rate a chip", post_rating, "rating"),
    _stating("post_authorization", "/v1/authorizations", "Issue or change an authorization", post_authorization,
             "authorization"),
    _stating("post_adoption", "/v1/adoptions", "Adopt a rulebook", post_adoption, "rulebook"),
    _stating("post_period", "/v1/periods", "Close a period", post_period, "period"),
    _stating("post_discrepancy_change", "/v1/discrepancies/{seq}/changes", "Settle a discrepancy",
             post_discrepancy_change, "discrepancy"),
    _stating("post_stock", "/v1/stock", "Declare a party's stock", post_stock, "stock", DECLARES),
    _stating("post_notice", "/v1/notices", "File a notice that a duty asks for", post_notice, "notice", DECLARES),
    _stating("post_proposal", "/v1/proposals", "Propose what needs a second person", post_proposal, "proposal",
             DECLARES),
    _stating("post_decision", "/v1/proposals/{seq}/decision", "Decide a proposal", post_decision, "decision"),
)  # fmt: skip
