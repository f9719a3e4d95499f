"""`capledger checkpoint` and `capledger prove`: the journal's root, and proofs that hashes alone can check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, output

if TYPE_CHECKING:
    from ledger.reports import Checkpoint


def checkpoint(
    known: asking.Known = "",
    since: Annotated[
        int | None, typer.Option(metavar="RECORDS", help="Prove that it begins with a journal of this size.")
    ] = None,
    as_json: asking.AsJson = False,
) -> None:
    """Show the journal's size and Merkle root, to keep elsewhere and compare later."""
    from ledger import reports

    with asking.viewing("", known, "") as view:
        found, size = reports.checkpoint(view), view.size
        growth = None if since is None else reports.prove_growth(view, since)
    if as_json:
        body = {**found.body(), "known": found.size, "journal": size}
        if growth:
            body["since"] = {**growth.old.body(), "path": list(growth.path)}
        output.say_json(body)
        return
    output.say(_told(found))
    if growth:
        output.say(f"It begins with the first {growth.old.size:,} records, of root\n{growth.old.root}.")
        output.say("\n".join(["The path that proves it (RFC 9162 section 2.1.4):", *(growth.path or ("nothing",))]))


def prove(
    record: Annotated[int, typer.Argument(metavar="RECORD", help="The record's number.")],
    known: asking.Known = "",
    as_json: asking.AsJson = False,
) -> None:
    """Prove that a record is in the journal: its envelope, and the path from it to the root."""
    from ledger import reports

    with asking.viewing("", known, "") as view:
        proof, size = reports.prove(view, record), view.size
    if as_json:
        output.say_json({**proof.body(), "known": proof.checkpoint.size, "journal": size})
        return
    output.say(f"Record {proof.seq:,} is among the {_told(proof.checkpoint)}")
    output.say(f"Envelope:\n{proof.envelope}")
    output.say(f"Leaf hash, SHA-256 of a zero byte and the envelope:\n{proof.leaf_hash}")
    output.say("\n".join(["The path from it to the root (RFC 9162 section 2.1.3):", *(proof.path or ("nothing",))]))


def _told(found: Checkpoint) -> str:
    at = f", the last at {found.recorded_at:%Y-%m-%d %H:%M:%S} UTC" if found.recorded_at else ""
    return f"{found.size:,} records{at}. Root:\n{found.root}"
