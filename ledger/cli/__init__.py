"""The command line. A command's module is imported when the command is run, or when help lists it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from ledger.cli import output

# In the order of help. Each is a function, or a Typer app of sub-commands. Their modules must be cheap to import: what
# is heavy (psycopg, sqlmodel, alembic, yaml) is imported inside the function.
COMMANDS = {
    "tpp": "ledger.cli.tpp:tpp",
    "rulebook": "ledger.cli.rulebook:app",
    "post": "ledger.cli.post:post",
    "propose": "ledger.cli.proposing:propose",
    "proposals": "ledger.cli.proposing:proposals",
    "decide": "ledger.cli.proposing:decide",
    "four-eyes": "ledger.cli.proposing:four_eyes",
    "remaining": "ledger.cli.remaining:remaining",
    "explain": "ledger.cli.explain:explain",
    "usage": "ledger.cli.usage:usage",
    "history": "ledger.cli.history:history",
    "statement": "ledger.cli.statement:statement",
    "backtest": "ledger.cli.backtest:backtest",
    "revalue": "ledger.cli.revalue:revalue",
    "duties": "ledger.cli.duties:duties",
    "exposure": "ledger.cli.exposure:exposure",
    "reconcile": "ledger.cli.reconcile:reconcile",
    "discrepancies": "ledger.cli.settling:discrepancies",
    "settle": "ledger.cli.settling:settle",
    "close": "ledger.cli.settling:close",
    "check": "ledger.cli.reconcile:check",
    "rebuild": "ledger.cli.reconcile:rebuild",
    "checkpoint": "ledger.cli.checkpoint:checkpoint",
    "prove": "ledger.cli.checkpoint:prove",
    "keys": "ledger.cli.keys:app",
    "serve": "ledger.cli.serve:serve",
    "demo": "ledger.cli.demo:demo",
}


class _Loaded(MutableMapping[str, Any]):
    """The commands by name, each made when it is first asked for."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places = places
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, _, attribute = self._places[name].partition(":")
            self._made[name] = _command(name, getattr(import_module(module), attribute))
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._places, *self._made)))

    def __len__(self) -> int:
        return len(self._places.keys() | self._made.keys())


def _command(name: str, made_of: Any) -> Any:
    if isinstance(made_of, typer.Typer):
        command = get_group(made_of)
        command.name = name
        return command
    single = typer.Typer(add_completion=False)
    single.command(name)(made_of)
    return get_command(single)


class Commands(TyperGroup):
    """All commands, loaded as they are needed; whatever goes wrong in one ends as `ledger.cli.output` says."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Loaded(COMMANDS)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names alone: listing makes no command."""
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. A reader that has gone away is not an error of the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise typer.Exit(output.no_reader()) from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit; with standalone_mode False, return or raise what the command does."""

        def run() -> Any:
            return super(Commands, self).main(args, prog_name, complete_var, False, windows_expand_args, **extra)

        if not standalone_mode:
            return run()
        sys.exit(output.ended(run, as_json="--json" in (sys.argv[1:] if args is None else args)))


app = typer.Typer(
    name="capledger",
    cls=Commands,
    invoke_without_command=True,
    epilog="Exit status: 0 all well, 1 the ledger says no, 2 what was given cannot be used, 70 a defect.",
)


@app.callback()
def capledger(
    ctx: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False
) -> None:
    """How much licensed AI compute may still go there? An append-only ledger of licensed chips."""
    if version:
        from importlib.metadata import version as installed

        output.say(f"capledger {installed('capledger')}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main() -> None:
    """Run the command line; the console script `capledger`."""
    app(prog_name="capledger")
