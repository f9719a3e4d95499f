"""`capledger rulebook`: check a rulebook's document, show what it says, compare it with another, and adopt it."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import asking, completing, output
from ledger.cli.adopt import adopt
from ledger.cli.books import Adopted, Named, books_of, say_known
from ledger.core.errors import Problem

if TYPE_CHECKING:
    from ledger import rulebooks

app = typer.Typer(help="Check rulebooks, show and compare what they say, and adopt them.", no_args_is_help=True)

Line = tuple[str, str]  # a label and a text

_WIDEST = 100
_LABEL_WIDTH = 13
_LABELS = {"when_exceeded": "if exceeded"}
_UNSURE = ("unconfirmed", "secondary source")


@app.command()
def lint(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", autocompletion=completing.documents, help="Documents to check, or names of shipped ones."
        ),
    ],
    as_json: asking.AsJson = False,
) -> None:
    """Check rulebooks: every error with its line and a remedy. Exit status 1 where there is one."""
    from ledger import rulebooks

    found: list[rulebooks.Finding] = []
    told = 0
    for file in files:
        try:
            text, where = rulebooks.read(file)
        except Problem as problem:
            output.unusable(problem, "rulebook lint")
        found += rulebooks.lint(text, where)
        if not as_json:
            for finding in found[told:]:
                typer.echo(finding)
            told = len(found)
    counts = {level: sum(each.level == level for each in found) for level in ("error", "warning", "note")}
    if as_json:
        output.say_json({"files": len(files), **{f"{level}s": n for level, n in counts.items()},
                         "findings": [asdict(each) for each in found]})  # fmt: skip
    else:
        several = ", ".join(_count(n, level) for level, n in counts.items())
        typer.echo(f"{_count(len(files), 'file')}: {several}.")
    if counts["error"]:
        raise typer.Exit(1)


@app.command()
def show(
    name: Named,
    on: Annotated[str, typer.Option(metavar="DATE", help="Tiers and lists as of this day; today if not said.")] = "",
    stated: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter, or choose a reading's option."),
    ] = None,
    known: Adopted = "",
    as_json: asking.AsJson = False,
) -> None:
    """Show a rulebook: tiers, readings, rules in order, caps and duties, each with its source in law."""
    from ledger import rulebooks
    from ledger.rulebooks.wording import describe

    try:
        (book,), at = books_of(known, rulebooks.with_settings(name, stated or ()))
        told = describe(book, asking.day_of(on))
    except Problem as problem:
        output.unusable(problem, "rulebook show")
    if as_json:
        typer.echo(json.dumps({**told, **at}, ensure_ascii=False, indent=2))
    else:
        say_known(at)
        _print(told)


@app.command()
def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            autocompletion=completing.documents,
            help="A shipped rulebook, or a document; A?NAME=VALUE sets.",
        ),
    ],
    after: Annotated[
        str, typer.Argument(metavar="B", autocompletion=completing.documents, help="The one to compare it with.")
    ],
    known: Adopted = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say in words what is other in B than in A: who moves to which tier, which limit rises, and from which day."""
    from ledger.rulebooks.comparing import compare

    try:
        books, at = books_of(known, before, after)
    except Problem as problem:
        output.unusable(problem, "rulebook diff")
    found = compare(books[0], books[1])
    if as_json:
        heads = [{"rulebook": book.name, "revision": book.revision, "sha256": book.sha256} for book in books]
        told = [{"part": each.part, "words": each.words} for each in found]
        typer.echo(json.dumps({"a": heads[0], "b": heads[1], **at, "differences": told}, ensure_ascii=False, indent=2))
        return
    say_known(at)
    a, b = (f"{book.name} (revision {book.revision})" for book in books)
    typer.echo(f"From {a} to {b}: {_count(len(found), 'difference')}.")
    part = ""
    for each in found:
        if each.part != part:
            part = each.part
            typer.secho(f"\n{part.capitalize()}", bold=True)
        _wrapped("  ", "    ", each.words)
    if not found and books[0].sha256 != books[1].sha256:
        typer.echo("The documents are written differently and say the same.")


def _count(number: int, word: str, words: str = "") -> str:
    return f"{number:,} {word if number == 1 else words or f'{word}s'}"


def _print(told: Mapping[str, Any]) -> None:
    """Print a described rulebook for a reader at a terminal."""
    typer.secho(f"{told['rulebook']}, revision {told['revision']}", bold=True)
    status = [(state.replace("_", " "), text) for state, text in told["status"].items()]
    like = [("takes from", ", ".join(told["like"]))] if told["like"] else []
    _lines([("title", told["title"]), ("source", told["source"]), *like, *status, ("sha256", told["sha256"])])
    _section(
        "Parameters: what the person asking sets",
        ((f"{each['parameter']}: {each['value']}", _stated(each, "between")) for each in told["parameters"]),
        told["parameters"],
    )
    _section(
        "Changes to the book it is like",
        ((each.get("cap", each.get("list")), _written(each)) for each in told["changes"]),
        told["changes"],
    )
    _section(
        f"Tiers on {told['on']}, of {told['countries']} countries and places",
        ((f"{each['tier']}: {_countries(each)}", _stated(each, "is")) for each in told["tiers"]),
        told["tiers"],
    )
    _section(
        f"Lists on {told['on']}",
        ((f"{each['list']}: {_countries(each)}", _stated(each, "is", "dated")) for each in told["lists"]),
        told["lists"],
    )
    _section(
        "Places that count as another country",
        ((f"{each['country']}: {', '.join(each['places'])}", ()) for each in told["places"]),
        told["places"],
    )
    _section(
        "Readings: a text with two meanings, and the one chosen",
        ((each["reading"], _reading(each)) for each in told["readings"]),
        told["readings"],
    )
    _section(
        "Control classes: a chip is in one",
        ((each["control"], _stated(each, "meets", "chips", "covers")) for each in told["controls"]),
        told["controls"],
    )
    _section(
        "Rules: the first that matches answers; no match is undetermined",
        (
            (f"{n}. {each['rule']}: {each['answer'].replace('_', ' ')}", _rule(each))
            for n, each in enumerate(told["rules"], 1)
        ),
        told["rules"],
    )
    _section("Caps", ((each["cap"], _cap(each)) for each in told["caps"]), told["caps"])
    _section("Amendments", ((each["cap"], _written(each)) for each in told["amendments"]), told["amendments"])
    _section(
        "Duties: they oblige and never refuse",
        ((each["name"], _written(each)) for each in told["duties"]),
        told["duties"],
    )


def _section(title: str, parts: Iterable[tuple[str, Iterable[Line]]], sourced: Iterable[Mapping[str, Any]]) -> None:
    """Print a part of the book, each line of it with where it comes from."""
    for n, ((name, lines), source) in enumerate(zip(parts, sourced, strict=True)):
        if not n:
            typer.secho(f"\n{title}", bold=True, underline=True)
        typer.secho(name, bold=True)
        _lines([*lines, *_source(source)])


def _lines(lines: Iterable[Line]) -> None:
    """Print labels and texts, wrapped to the terminal."""
    for label, text in lines:
        _wrapped(f"  {label:<{_LABEL_WIDTH}}", " " * (_LABEL_WIDTH + 2), text)


def _wrapped(first: str, rest: str, text: str) -> None:
    width = max(min(shutil.get_terminal_size().columns, _WIDEST), 40)
    typer.echo(textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False))


def _countries(part: Mapping[str, Any]) -> str:
    return _count(len(part["countries"]), "country", "countries")


def _source(part: Mapping[str, Any]) -> list[Line]:
    """Return the lines that say where a part comes from; what is not confirmed says so first."""
    law, confidence = part.get("law", "no source named"), part.get("confidence", "")
    if confidence in _UNSURE:
        law = f"{confidence.upper()}: {law}"
    elif confidence:
        law = f"{law} ({confidence})"
    return [("law", law), *([("note", part["note"])] if "note" in part else [])]


def _stated(part: Mapping[str, Any], *keys: str) -> list[Line]:
    return [(_LABELS.get(key, key.replace("_", " ")), _text(part[key])) for key in keys if part.get(key)]


def _text(value: Any) -> str:
    from ledger.rulebooks.wording import in_words

    return ", ".join(str(each) for each in value) if isinstance(value, list) else in_words(value)


def _reading(reading: Mapping[str, Any]) -> list[Line]:
    options = [
        ("* chosen" if option == reading["chosen"] else "  or", f"{option}: {words}")
        for option, words in reading["options"].items()
    ]
    turns = ", ".join(reading["used_by"]) or "nothing in this book; the other option is not evaluated"
    asked = f"as asked; the document chooses {reading['document_chooses']}" if "document_chooses" in reading else ""
    return [*options, *([("set", asked)] if asked else []), ("turns on it", turns)]


def _rule(rule: Mapping[str, Any]) -> list[Line]:
    return _stated(rule, "where", "days", "needs", "evidence", "party", "review", "turns_on")


def _cap(cap: Mapping[str, Any]) -> list[Line]:
    limit = [("limit", cap["limit"])]
    if "steps" in cap and "comes_to" not in cap:
        limit = [("limit" if not n else "", words) for n, words in enumerate(cap["limit"].split("; "))]
    whole = [("by", ", ".join(cap["by"]) or "none: the whole world")]
    return [
        *limit,
        *_stated(cap, "comes_to"),
        *[("amended" if not n else "", words) for n, words in enumerate(cap.get("amended", ()))],
        *[
            (kind if not n else "", words)
            for kind in ("suspended", "blocked")
            for n, words in enumerate(cap.get(kind, ()))
        ],
        *_stated(cap, "undetermined", "share", "window", "when_exceeded", "status", "counts"),
        *whole,
        *_stated(cap, "where", "gives_back", "base"),
    ]


def _written(part: Mapping[str, Any]) -> list[Line]:
    keys = ("is", "who", "do", "due", "when", "where", "subject", "from", "until", "limit", "at_most", "exempt")
    return _stated(part, *keys)


app.command()(adopt)
