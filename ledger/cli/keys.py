"""`capledger keys`: who may ask over the network, in which role, until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import asking, completing, output
from ledger.cli.tables import Column, fold, say_lines, screen_width, table

if TYPE_CHECKING:
    from ledger.access.keys import Key

app = typer.Typer(help="Issue, rotate, revoke and list access keys.", no_args_is_help=True)

MAY = {
    "operator": "post everything and read everything",
    "regulator": "read everything and report movements as observations",
    "auditor": "read everything and post nothing",
    "exporter": "ask for {party}'s movements and see what is {party}'s",
}
LONGEST_DAYS = 3_660

Days = Annotated[int, typer.Option(metavar="N", help="How many days it works.", min=1, max=LONGEST_DAYS)]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id; it is part of its secret.")]
_COLUMNS = (
    Column("id"),
    Column("person", least=10),
    Column("role"),
    Column("party", under="role", least=8),
    Column("issued"),
    Column("until"),
    Column("state"),
    Column("replaces", optional=True),
)


@app.command()
def issue(
    person: Annotated[str, typer.Option(metavar="NAME", help="The person or program that will use it.")],
    role: Annotated[str, typer.Option(metavar="ROLE", help="regulator, exporter, auditor or operator.")],
    party: Annotated[
        str,
        typer.Option(
            metavar="PARTY", autocompletion=completing.parties, help="The exporter's party; for that role only."
        ),
    ] = "",
    days: Days = 90,
    without_wall: Annotated[
        bool, typer.Option("--without-wall", help="Even if the server makes no role that keeps the party's rows apart.")
    ] = False,
    as_json: asking.AsJson = False,
) -> None:
    """Issue an access key. Its secret is printed once and kept nowhere."""
    from ledger.access import keys

    at = datetime.now(UTC)
    until = at + timedelta(days=days)
    with asking.connected() as conn:
        key, secret = keys.issue(
            conn, person=person, role=role, party=party, expires_at=until, at=at, wall=not without_wall
        )
    _say_once(key, secret, as_json)


@app.command()
def rotate(
    key_id: KeyId,
    days: Days = 90,
    grace: Annotated[int, typer.Option(metavar="HOURS", help="So long the old one still works.", min=0, max=720)] = 24,
    as_json: asking.AsJson = False,
) -> None:
    """Issue a key in the place of another, for the same person, role and party."""
    from ledger.access import keys

    at = datetime.now(UTC)
    with asking.connected() as conn:
        key, secret = keys.rotate(
            conn, key_id, at=at, expires_at=at + timedelta(days=days), grace=timedelta(hours=grace)
        )
    _say_once(key, secret, as_json, f"{key_id} works for {grace} more hour{'s' * (grace != 1)}.")


@app.command()
def revoke(key_id: KeyId, as_json: asking.AsJson = False) -> None:
    """End a key at once, and sign out whoever signed in with it."""
    from ledger.access import keys

    with asking.connected() as conn:
        keys.revoke(conn, key_id, at=datetime.now(UTC))
    if as_json:
        output.say_json({"id": key_id, "state": "revoked"})
    else:
        output.say(f"Key {key_id} is revoked.")


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those that do not work any more, too.")] = False,
    as_json: asking.AsJson = False,
) -> None:
    """List keys: who has them, what they may do, until when. Secrets are not known and never shown."""
    from ledger.access import keys

    at = datetime.now(UTC)
    with asking.connected() as conn:
        found = [key for key in keys.keys(conn) if every or key.state(at) == "active"]
    if as_json:
        output.say_json({"keys": [{**key.body(), "state": key.state(at)} for key in found]})
        return
    width = screen_width()
    say_lines(fold(f"{len(found):,} key{'s' * (len(found) != 1)}{'' if every else ' in use'}.", width))
    if found:
        say_lines([""], table(_COLUMNS, [_row(key, at) for key in found], width))


def _say_once(key: Key, secret: str, as_json: bool, note: str = "") -> None:
    if as_json:
        output.say_json({**key.body(), "secret": secret})
        return
    whose = f"{key.role} {key.party}".strip()
    output.say(secret)
    output.say(f"Key {key.id} of {output.clean(key.person)}, {whose}, until {key.expires_at:%Y-%m-%d %H:%M} UTC.")
    output.say(f"It may {MAY[key.role].format(party=key.party)}. {note}".rstrip())
    output.say("The secret is shown this once and kept nowhere: give it to its holder, and to nobody else.")


def _row(key: Key, at: datetime) -> list[str]:
    return [
        key.id, key.person, key.role, key.party, f"{key.issued_at.astimezone(UTC):%Y-%m-%d}",
        f"{key.expires_at.astimezone(UTC):%Y-%m-%d %H:%M}", key.state(at), key.replaces or "",
    ]  # fmt: skip
