"""Caps: what counts, per what, over which days, how much, and what an excess does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, cast

from ledger.core.groups import PERIODS
from ledger.core.rulebook import Cap, Condition, Counts, Limit, Share, Unit, Window
from ledger.rulebooks.conditions import read_where
from ledger.rulebooks.document import Piece, Wrong, choices
from ledger.rulebooks.draft import Draft, base_chips
from ledger.rulebooks.limiting import read_of_limit
from ledger.rulebooks.pausing import check_fit, read_pauses, read_tolerance
from ledger.rulebooks.words import SOURCE_KEYS, amount, day_of, day_of_year, flag, fraction, name, one_of, source, span

COUNTS = ("granted", "shipped", "held", "authorizations")
GIVES_BACK = ("return", "unshipped", "loss", "theft", "damage", "destruction", "failure", "relocation", "resale")
BY = (
    "destination",
    "recipient",
    "owner",
    "operator",
    "ultimate_parent",
    "owner_group",
    "booked_to",
    "exporter",
    "chip",
    "tier",
    "facility",
    "authorization",
)
STATUSES = ("framework", "reported", "discussed")  # of what is no law: it may flag and never refuse

COUNTER_KEYS = ("counts", "gives_back", "by", "where")
CAP_KEYS = (
    *("name", "if", *COUNTER_KEYS, "window", "after", "limit", "critical_at", "when_exceeded", "when_base_shrinks"),
    *("tested_on", "counts_only", "tolerance", "suspended", "blocked", "base", "status", *SOURCE_KEYS),
)
LIMIT_KEYS = ("schedule", "share", "of", "asked_chips_enlarge_base")
_ROLLING = re.compile(r"rolling ([1-9][0-9]{0,3}) days").fullmatch
_WINDOWS = "Write {from: 2025-01-01, until: 2028-01-01}, calendar year, calendar quarter, or rolling 365 days."


def read_caps(draft: Draft, piece: Piece) -> tuple[Cap, ...]:
    """Return the caps in order, without those that the chosen readings drop."""
    caps: dict[str, Cap] = {}
    lines = draft.cap_lines
    for part in piece.items("`caps`"):
        with draft.findings.kept():
            table = part.table("A cap", CAP_KEYS, ("name", "law", "counts", "limit"))
            draft.using = name(table["name"], "The cap")
            if draft.using in lines:
                part.wrong(f"There are two caps called {draft.using}.", "Counters are kept by name: one name each.")
            lines[draft.using] = part.line
            cap = _cap(draft, table, part)
            if draft.applies(table):
                caps[draft.using] = cap
                if base := draft.bases.get(draft.using):
                    caps[base.name] = base
    draft.using = ""
    for cap in caps.values():
        with draft.findings.kept():
            _check_base(cap, caps, lines)
    return tuple(caps.values())


def _cap(draft: Draft, table: Mapping[str, Piece], piece: Piece) -> Cap:
    window = _window(draft, table, piece)
    cap = Cap(
        draft.using,
        **_counter(draft, table),
        limit=_limit(draft, table, window),
        window=window,
        critical_at=fraction(table["critical_at"], "`critical_at`") if "critical_at" in table else Decimal("0.9"),
        when_exceeded=cast(Any, _excess(table, "when_exceeded") or "refuse"),
        base=_base(table["base"]) if "base" in table else (),
        counts_only=_counts_only(draft, table["counts_only"]) if "counts_only" in table else None,
        status=one_of(table["status"], "`status`", STATUSES) if "status" in table else "",
        tolerance=read_tolerance(table),
        pauses=read_pauses(draft, table),
        **source(table),
    )
    check_fit(cap, table)
    if cap.limit.unlimited:
        if "when_exceeded" in table:
            table["when_exceeded"].wrong(f"{cap.name} has no limit to exceed.", "Remove `when_exceeded`.")
    elif cap.status and cap.when_exceeded == "refuse":
        piece.wrong(f"{cap.name} is {cap.status}, not law: it cannot refuse.", "Write when_exceeded: flag.")
    elif cap.confidence == "unconfirmed" and cap.when_exceeded == "refuse":
        draft.findings.add(piece.line, "warning", f"{cap.name} is unconfirmed and refuses.", "Consider `flag`.")
    if (cap.counts == "authorizations") != (cap.limit.unit == "models"):
        table["limit"].wrong(
            f"{cap.name} counts {cap.counts} and is limited in {cap.limit.unit}.", "Use the other unit."
        )
    return cap


def _counts_only(draft: Draft, piece: Piece) -> Condition | None:
    """Return the condition of what counts and is not held against the limit, if the chosen readings keep it."""
    table = piece.entries("`counts_only`")
    condition = read_where(draft, piece, keys=("if",))
    return condition if draft.applies(table) else None


def _counter(draft: Draft, table: Mapping[str, Piece]) -> dict[str, Any]:
    """Return what a cap and the base of a share have in common: what counts, where, per what, what gives back."""
    stated = draft.chosen_part(table["by"], "`by`").each() if "by" in table else []
    by = tuple(one_of(part, "`by`", BY) for part in stated)
    if len(set(by)) < len(by):
        table["by"].wrong("`by` names a dimension twice.", "Name it once.")
    return {
        "counts": cast(Counts, one_of(draft.chosen_part(table["counts"], "`counts`"), "`counts`", COUNTS)),
        "gives_back": _gives_back(draft, table["gives_back"]) if "gives_back" in table else frozenset(),
        "by": by,
        "where": read_where(draft, table.get("where")),
    }


def _gives_back(draft: Draft, piece: Piece) -> frozenset[str]:
    """Return what frees room: a list of words, or words each given by a reading whose option is `returns`."""
    if not isinstance(piece.value, dict):
        return frozenset(one_of(part, "`gives_back`", GIVES_BACK) for part in piece.each())
    words: set[str] = set()
    for word, part in piece.table("`gives_back`", GIVES_BACK).items():
        reading = part.text("A reading")
        if draft.choose(part, reading) == "returns":
            words.add(word)
        elif "returns" not in draft.readings[reading].options:
            part.wrong(f"No option of {reading} is called `returns`.", "Call the one that frees room so.")
    return frozenset(words)


def _window(draft: Draft, table: Mapping[str, Piece], piece: Piece) -> Window:
    after = one_of(table["after"], "`after`", ("undetermined", "nothing")) if "after" in table else "nothing"
    window = Window()
    if "window" in table:
        window = _days(table["window"])
    if "after" in table and not window.span.until:
        table["after"].wrong("`after` needs a window that ends.", "Give the window an `until`, or remove `after`.")
    if "after" not in table and window.span.until:
        message = f"{draft.using} does not say what holds from {window.span.until}: nothing is taken to."
        draft.findings.add(table["window"].line, "note", message, "Write after: nothing, or after: undetermined.")
    return replace(window, after=cast(Any, after))


def _days(piece: Piece) -> Window:
    if isinstance(piece.value, dict):
        return Window("span", span(piece.table("`window`", ("from", "until"), ("from",)), piece, "The window"))
    text = piece.text("`window`")
    if match := _ROLLING(text):
        return Window("rolling", days=int(match[1]))
    if text not in ("calendar year", "calendar quarter"):
        piece.wrong(f'"{text}" is not a window.', _WINDOWS)
    return Window("calendar_year" if text == "calendar year" else "calendar_quarter")


def _limit(draft: Draft, table: Mapping[str, Piece], window: Window) -> Limit:
    piece = table["limit"]
    if isinstance(piece.value, dict) and "of_limit" in piece.value:
        return read_of_limit(table, piece)
    if isinstance(piece.value, dict) and "share" in piece.value:
        return _share(draft, table, piece, window)
    for key in ("tested_on", "when_base_shrinks"):
        if key in table:
            table[key].wrong(f"`{key}` belongs to a limit that is a share.", "Remove it.")
    if isinstance(piece.value, dict):
        limit = _schedule(piece.table("`limit`", LIMIT_KEYS[:2], ("schedule",))["schedule"])
    elif piece.value == "none":
        unit = "models" if table["counts"].value == "authorizations" else "TPP"
        return Limit(cast(Unit, unit), unlimited=True, words="none")
    else:
        value, unit, words = amount(piece, base_chips())
        why = "" if value is not None else "the rulebook leaves it undetermined"
        limit = Limit(unit, ((None, value),), words=words, why=why)
    return limit


def _schedule(piece: Piece) -> Limit:
    steps: list[tuple[date | None, Decimal | None]] = []
    units: set[Unit] = set()
    texts: list[str] = []
    for key, part in piece.entries("`schedule`").items():
        first = day_of(key, "A step's first day", Piece(key, piece.lines[key]))
        if steps and first <= cast(date, steps[-1][0]):
            raise Wrong(piece.lines[key], f"The step of {first} does not come after the one before.", "Order by date.")
        value, unit, words = amount(part, base_chips())
        units |= {unit} if value is not None else set()
        steps.append((first, value))
        texts.append(f"{words} from {first}")
    if len(units) != 1:
        piece.wrong("A schedule has steps in one unit.", "Write every step in TPP, or every step in chips.")
    return Limit(units.pop(), tuple(steps), words="; ".join(texts), why="the schedule has no amount for this day")


def _share(draft: Draft, table: Mapping[str, Piece], piece: Piece, window: Window) -> Limit:
    stated = piece.table("`limit`", LIMIT_KEYS[1:], ("share", "of"))
    of, enlarge = stated["of"], stated.get("asked_chips_enlarge_base")
    if isinstance(of.value, dict):
        counter = of.table("`of`", COUNTER_KEYS, ("counts",))
        base = f"{draft.using}.base"
        draft.bases[draft.using] = Cap(
            base, limit=Limit(unlimited=True, words="none"), window=window, **_counter(draft, counter),
            **source(table),
        )  # fmt: skip
    else:
        base = of.text("`of`")
    tested_on = _tested_on(draft, table["tested_on"]) if "tested_on" in table else ()
    share = Share(
        fraction(stated["share"], "`share`"),
        base,
        # By a day of test, which is later, they are in the base.
        asked_chips_enlarge_base=flag(enlarge, "`asked_chips_enlarge_base`") if enlarge else bool(tested_on),
        tested_on=tested_on,
        when_base_shrinks=cast(Any, _excess(table, "when_base_shrinks")),
    )
    return Limit(words=f"{stated['share'].value} of {base}", share=share)


def _tested_on(draft: Draft, piece: Piece) -> tuple[str, ...]:
    chosen = draft.chosen_part(piece, "`tested_on`")
    if chosen.value == "every day":
        return ()
    return tuple(day_of_year(part) for part in chosen.each())


def _excess(table: Mapping[str, Piece], key: str) -> str:
    return one_of(table[key], f"`{key}`", ("refuse", "flag")) if key in table else ""


def _base(piece: Piece) -> tuple[tuple[str, str], ...]:
    table = piece.table("`base`", ("declared", "valid_until"), ("declared",))
    one_of(table["declared"], "`declared`", tuple(PERIODS))
    if "valid_until" in table:
        one_of(table["valid_until"], "`valid_until`", ("next report",))
    return tuple((key, part.text(f"`{key}`")) for key, part in table.items())


def _check_base(cap: Cap, caps: Mapping[str, Cap], lines: Mapping[str, int]) -> None:
    """A share is of another counter, which is kept per the same subject or a wider one, over the same windows."""
    if cap.is_grouped and "owner" in cap.by:
        raise Wrong(lines[cap.name], f"{cap.name} is kept by owner and by owner_group.", "Keep it by one of them.")
    if not (share := cap.limit.share):
        return
    line = lines[cap.name]
    base = caps.get(share.of)
    if base is None or base is cap:
        others = [name for name in caps if name != cap.name]
        raise Wrong(
            line,
            f'{cap.name} is a share of "{share.of}", which is no other cap.',
            choices(str(share.of), others, "caps"),
        )
    if not set(base.by) <= set(cap.by):
        narrower = ", ".join(sorted(set(base.by) - set(cap.by)))
        raise Wrong(
            line, f"{cap.name} is a share of {base.name}, which is kept by {narrower} too.", "Share one subject."
        )
    if base.window not in (cap.window, Window()):
        raise Wrong(line, f"{cap.name} is a share of {base.name}, which has another window.", "Give both one window.")
    if base.limit.unit != "TPP" or base.limit.share:
        raise Wrong(line, f"{cap.name} is a share of {base.name}, which is not counted in TPP.", "Share a TPP counter.")
