"""Limits that are a fraction of another cap's limit: step by step, and amended with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from ledger.core.compute import plain
from ledger.core.rulebook import ALWAYS, All, Amendment, Cap, Limit, LimitShare, Rulebook, Test, Unit
from ledger.rulebooks.amending import members_of
from ledger.rulebooks.document import Piece, Wrong, choices
from ledger.rulebooks.draft import Draft
from ledger.rulebooks.words import fraction

OF_LIMIT_KEYS = ("share", "of_limit")


def read_of_limit(table: Mapping[str, Piece], piece: Piece) -> Limit:
    """Return a limit that is a fraction of another one, which is not known yet (`with_fractions`)."""
    stated = piece.table("`limit`", OF_LIMIT_KEYS, OF_LIMIT_KEYS)
    for key in ("tested_on", "when_base_shrinks"):
        if key in table:
            table[key].wrong(f"`{key}` belongs to a share of what is used, not of a limit.", "Remove it.")
    share = LimitShare(fraction(stated["share"], "`share`"), stated["of_limit"].text("`of_limit`"))
    unit: Unit = "models" if table["counts"].value == "authorizations" else "TPP"
    return Limit(unit, words=f"{plain(share.fraction * 100)}% of {share.of}'s limit", of_limit=share)


def with_fractions(draft: Draft, book: Rulebook) -> Rulebook:
    """Return the book with the limits that are fractions of others as these are now, and amended as they are."""
    caps = {cap.name: cap for cap in book.caps}
    known: dict[str, Cap] = {}

    def settled(name: str, asked: tuple[str, ...]) -> Cap:
        if name not in known:
            cap = caps[name]
            own = tuple(each for each in cap.amended if not each.follows)
            share = cap.limit.of_limit
            if share is None:
                known[name] = cap if own == cap.amended else replace(cap, amended=own)
            else:
                line = draft.cap_lines.get(name, 1)
                if share.of in asked:
                    circle = " -> ".join((*asked[asked.index(share.of) :], share.of))
                    raise Wrong(
                        draft.cap_lines.get(asked[0], 1),
                        f"The limit of {share.of} is a share of itself: {circle}.",
                        "Break the circle.",
                    )
                if share.of not in caps:
                    others = [each for each in caps if each != name]
                    raise Wrong(
                        line, f'{name} is a share of the limit of "{share.of}", which is no cap of the book.',
                        choices(share.of, others, "caps"),
                    )  # fmt: skip
                base = settled(share.of, (*asked, share.of))
                known[name] = _fraction_of(book, replace(cap, amended=own), share, base, line)
        return known[name]

    for name in caps:
        with draft.findings.kept():
            settled(name, (name,))
    return replace(book, caps=tuple(known.get(cap.name, cap) for cap in book.caps))


def _fraction_of(book: Rulebook, cap: Cap, share: LimitShare, base: Cap, line: int) -> Cap:
    if base.limit.unlimited or base.limit.share:
        why = "has no limit" if base.limit.unlimited else "is limited to a share of what is used"
        raise Wrong(line, f"{cap.name} is a share of the limit of {base.name}, which {why}.", "Name another cap.")
    if (cap.counts == "authorizations") != (base.limit.unit == "models"):
        raise Wrong(
            line, f"{cap.name} counts {cap.counts} and is limited in {base.limit.unit}, as {base.name} is.",
            "Use the other unit.",
        )  # fmt: skip
    following = tuple(_following(book, cap, share, base, line))
    return replace(cap, limit=_part(base.limit, share, cap.limit.words), amended=(*cap.amended, *following))


def _part(limit: Limit, share: LimitShare, words: str) -> Limit:
    """Return a fraction of a limit; chips are whole ones."""
    steps = tuple(
        (first, None if amount is None else _times(amount, share, limit.unit)) for first, amount in limit.steps
    )
    return Limit(limit.unit, steps, words=words, why=limit.why, of_limit=share)


def _times(amount: Decimal, share: LimitShare, unit: Unit) -> Decimal:
    part = amount * share.fraction
    return part if unit == "TPP" else Decimal(int(part))


def _following(book: Rulebook, cap: Cap, share: LimitShare, base: Cap, line: int) -> Iterator[Amendment]:
    """Yield what the amendments of the other cap come to here. An exemption from it is none from this one."""
    own = _destinations(book, cap)
    for each in base.amended:
        if each.limit.unlimited:
            continue
        words = f"{plain(share.fraction * 100)}% of {each.limit.words}"
        amended = replace(each, limit=replace(_part(each.limit, share, words), of_limit=None), follows=True)
        if not each.of or "destination" in cap.by:
            yield amended
            continue
        named = {member.name for member in each.destinations}
        if own is not None and not own & named:
            continue
        always = {member.name for member in each.destinations if member.span == ALWAYS}
        if own is None or not own <= always:
            raise Wrong(
                line, f"The limit of {base.name} is amended for {', '.join(sorted(named))}; {cap.name}, a share of it, "
                "is not kept by destination.", "Keep it by destination, or state its limit.",
            )  # fmt: skip
        yield replace(amended, of=(), destinations=())


def _destinations(book: Rulebook, cap: Cap) -> set[str] | None:
    """Return the countries that a cap's condition names; None where it names none."""
    parts = cap.where.of if isinstance(cap.where, All) else (cap.where,)
    for test in parts:
        if isinstance(test, Test) and (test.dimension, test.op) == ("destination", "in"):
            return {member.name for member in members_of(book, tuple(map(str, test.values)))}
    return None
