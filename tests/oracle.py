"""A slow and simple ledger: plain loops over every entry and every day, and nothing of the real one.

It is told the world (parties, chips, licenses) and a rulebook as plain values, judges one movement at a time, and can
be asked what every lot has and what every counter has used. It keeps no totals: each answer walks everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

DAY = timedelta(days=1)
FOREVER = (date.min, date.max)
LEFT = {"reserved": {"open": 1}, "open": {"open": 1}, "shipped": {"in_transit": 1}, "received": {"in_transit": -1},
        "installed": {"installed": 1}}  # fmt: skip


NONE = (Decimal(0), 0, Decimal(0))
Table = dict[tuple[tuple[str, ...], tuple[date, date]], tuple[Decimal, int, Decimal]]


@dataclass
class Lot:
    """Chips reserved, granted or shipped together. last_days: (from which day it holds, last day or None)."""

    ref: tuple[int, int]
    stage: str
    facts: dict[str, Any]
    day: date
    unit: str
    last_days: list[tuple[date, date | None]]

    def has_lapsed(self, on: date) -> bool:
        last = [last for first, last in self.last_days if first <= on][-1]
        return last is not None and on > last


@dataclass
class Entry:
    """So many chips (None for equivalents) of a stage, at a lot, on a day."""

    stage: str
    cause: str
    lot: Lot
    day: date
    chips: int | None
    tpp: Decimal

    def amount(self) -> Decimal:
        return Decimal(self.chips or 0) if self.lot.unit == "chips" else self.tpp


@dataclass
class Oracle:
    """What happened so far. records: the entries of each posted movement, by number."""

    parties: dict[str, dict[str, Any]]  # each with its parents: (from which day, whom)
    chips: dict[str, dict[str, Any]]
    licenses: dict[str, dict[str, Any]]
    caps: list[dict[str, Any]]
    first: date
    last: date
    entries: list[Entry] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    records: dict[int, list[Entry]] = field(default_factory=dict)
    reversed: set[int] = field(default_factory=set)

    # Asking

    def days(self) -> list[date]:
        return [self.first + n * DAY for n in range((self.last - self.first).days + 1)]

    def left(self, lot: Lot, balance: str, on: date, more: Sequence[Entry] = ()) -> Decimal:
        """What a lot has of a balance at the end of a day."""
        left = Decimal(0)
        for entry in [*self.entries, *more]:
            if entry.lot is lot and entry.day <= on:
                left += LEFT.get(entry.stage, {}).get(balance, 0) * entry.amount()
        return left

    def least(self, lot: Lot, balance: str, since: date, more: Sequence[Entry] = ()) -> Decimal:
        """The least a lot has of a balance on a day and every later one."""
        return min(self.left(lot, balance, day, more) for day in self.days() if day >= since)

    def used(self, cap: dict[str, Any], subject: tuple[str, ...], window: tuple[date, date], on: date,
             more: Sequence[Entry] = ()) -> tuple[Decimal, int, Decimal]:  # fmt: skip
        """TPP, chips, and TPP without chips that count against a cap for a subject in a window at the end of a day."""
        tpp, chips, unstated = Decimal(0), 0, Decimal(0)
        for entry in [*self.entries, *more]:
            lot = entry.lot
            if (
                entry.day > on
                or not applies(cap, lot)
                or subject_of(cap, lot) != subject
                or window_of(cap, lot.day) != window
            ):
                continue
            sign = self._counts(cap, entry, on)
            tpp += sign * entry.tpp
            if entry.chips is None:
                unstated += sign * entry.tpp
            else:
                chips += sign * entry.chips
        return tpp, chips, unstated

    def table(self, cap: dict[str, Any], on: date, more: Sequence[Entry] = ()) -> Table:
        """What is used of a cap at the end of a day by each subject, as groups are owned then, in each window."""
        found: Table = {}
        for entry in [*self.entries, *more]:
            window = window_of(cap, entry.lot.day)
            if entry.day > on or not applies(cap, entry.lot) or window is None:
                continue
            subject = subject_of(cap, entry.lot)
            key = tuple(self._as_owned(part, on) if cap.get("grouped") else part for part in subject), window
            tpp, chips, unstated = found.get(key, NONE)
            sign = self._counts(cap, entry, on)
            if entry.chips is None:
                found[key] = tpp + sign * entry.tpp, chips, unstated + sign * entry.tpp
            else:
                found[key] = tpp + sign * entry.tpp, chips + sign * entry.chips, unstated
        return found

    def parent(self, party: str, on: date) -> str:
        """Who owns a party on a day, in the end."""
        return str([parent for since, parent in self.parties[party]["parents"] if since <= on][-1])

    def _as_owned(self, part: str, on: date) -> str:
        name, _, value = part.partition("=")
        return f"owner_group={self.parent(value, on)}" if name == "owner" else part

    def _counts(self, cap: dict[str, Any], entry: Entry, on: date) -> int:
        if cap.get("days") and on >= entry.lot.day + cap["days"] * DAY:
            return 0  # it left the rolling window
        gives_back = entry.cause in ("", "used", "released") or entry.cause in cap["gives_back"]
        match cap["counts"], entry.stage:
            case "granted", "reserved":
                return 0 if entry.lot.has_lapsed(on) else 1
            case "granted", "licensed":
                return 1 if gives_back else 0
            case "granted", "open":  # what was never shipped stops counting when it lapses, where that gives back
                return -1 if "unshipped" in cap["gives_back"] and entry.lot.has_lapsed(on) else 0
            case (("shipped" | "held"), "shipped"):
                return 1 if gives_back else 0
            case "held", "received":
                return -1 if gives_back else 0
            case "held", "installed":
                return 1 if gives_back else 0
        return 0

    def counters(self, more: Sequence[Entry] = ()) -> set[tuple[int, tuple[str, ...], tuple[date, date]]]:
        """Every counter that something was ever put on: cap, subject, window."""
        found = set()
        for n, cap in enumerate(self.caps):
            for entry in [*self.entries, *more]:
                window = window_of(cap, entry.lot.day)
                if window and applies(cap, entry.lot):
                    found.add((n, subject_of(cap, entry.lot), window))
        return found

    # Judging

    def judge(self, movement: dict[str, Any]) -> tuple[str, list[Lot], list[Entry]]:
        """The code of the refusal ("" where it is posted), the lots it opens and the entries it makes."""
        found: list[str] = []
        if movement["kind"] == "reverse":
            record = movement["reverses"]
            if not self.records.get(record) or record in self.reversed:  # what moved nothing cannot be undone
                return "unknown_movement", [], []
            lots: list[Lot] = []
            made = [Entry(entry.stage, entry.cause, entry.lot, entry.day, None if entry.chips is None else -entry.chips,
                          -entry.tpp) for entry in self.records[record]]  # fmt: skip
            found += self._built_on(made)
        else:
            if movement.get("of") and not any(lot.ref == movement["of"] for lot in self.lots):
                return "unknown_movement", [], []
            plan = _Plan(self, movement)
            plan.run()
            lots, made = plan.opened, plan.made
            found += [*self._terms(movement), *plan.short]
        if not movement.get("observed") or movement["kind"] == "reverse":
            found += self._over(self.tables(), made)
            for code in ("authorization_not_active", "outside_validity", "exceeds_authorization", "negative_stock",
                         "undetermined", "cap_exceeded"):  # fmt: skip
                if code in found:
                    return code, [], []
        return "", lots, made

    def post(self, record: int, movement: dict[str, Any], lots: list[Lot], made: list[Entry]) -> None:
        """Take in a movement that was posted as a record."""
        for lot in lots:
            lot.ref = record, 1
        self.lots += lots
        self.entries += made
        self.records[record] = made
        if movement["kind"] == "reverse":
            self.reversed.add(movement["reverses"])

    def amend(self, name: str, last: date | None, since: date) -> tuple[str, list[tuple[Lot, date | None]]]:
        """Judge a new last day of a license: the refusal's code, or the lots it moves."""
        lots = [lot for lot in self.lots if lot.facts["authorization"] == name and lot.stage == "licensed"
                and self.left(lot, "open", self.last) > 0]  # fmt: skip
        was = self.licenses[name]["last_days"][-1][1]  # a grant with a last day of its own, an earlier one, keeps it
        lots = [
            lot
            for lot in lots
            if lot.last_days[-1][1] == was or (lot.last_days[-1][1] or date.max) > (last or date.max)
        ]
        before = self.tables()
        for lot in lots:
            lot.last_days.append((max(since, lot.day), last))
        found = self._over(before, [])
        if found:
            for lot in lots:
                lot.last_days.pop()
        return ("undetermined" if "undetermined" in found else found[0] if found else ""), []

    def _terms(self, movement: dict[str, Any]) -> list[str]:
        terms = self.licenses.get(movement.get("authorization", ""))
        if terms is None or movement["kind"] not in ("reserve", "grant", "ship", "transfer", "reexport"):
            return []
        found, day = [], movement["day"]
        last = [last for since, last in terms["last_days"] if since <= day][-1]
        if last and day > last:
            found.append("outside_validity")
        if movement["recipient"] != terms["recipient"] or movement["destination"] != terms["destination"]:
            found.append("exceeds_authorization")
        if movement["kind"] == "grant" and terms.get("chips"):
            granted = sum((entry.tpp for entry in self.entries if entry.stage == "licensed"
                           and entry.lot.facts["authorization"] == movement["authorization"]), Decimal(0))  # fmt: skip
            chip = self.chips[movement["chip"]]
            if granted + counted(movement, chip)[1] > terms["chips"] * chip["tpp"]:
                found.append("exceeds_authorization")
        return found

    def _built_on(self, made: list[Entry]) -> list[str]:
        for entry in made:
            for balance in LEFT.get(entry.stage, {}):
                lot = entry.lot
                changes = self.left(lot, balance, self.last, made) - self.left(lot, balance, self.last)
                if changes < 0 and self.least(lot, balance, min(each.day for each in made), made) < 0:
                    return ["negative_stock"]
        return []

    def tables(self, more: Sequence[Entry] = ()) -> list[list[Table]]:
        """What is used of each cap on each day."""
        return [[self.table(cap, day, more) for day in self.days()] for cap in self.caps]

    def _over(self, before: list[list[Table]], made: list[Entry]) -> list[str]:
        """What the caps say if their counters become what they are with these entries, on every day they raise them."""
        after = self.tables(made)
        dated = max((entry.day for entry in made), default=date.min)
        found: dict[object, str] = {}  # by counter: one that is over on any day is over
        for n, cap in enumerate(self.caps):
            if (cap["limit"] is None and not cap.get("share")) or cap["when_exceeded"] == "flag":
                continue
            firsts: dict[object, date] = {}
            for i, day in enumerate(self.days()):
                for key in sorted({*before[n][i], *after[n][i]}):
                    was, now, window = before[n][i].get(key, NONE), after[n][i].get(key, NONE), key[1]
                    if now == was or not window[0] <= day < window[1]:
                        continue
                    counter = n, window if cap.get("grouped") else key
                    is_first = firsts.setdefault(counter, day) == day
                    limit = self.limit(n, key, i, before, after)
                    in_chips = cap["unit"] == "chips"
                    raised = now[1] > was[1] or now[2] > was[2] if in_chips else now[0] > was[0]
                    total = now[1] if in_chips else now[0]
                    if raised and limit is not None and total > limit:
                        found[counter] = "cap_exceeded"
                    elif raised and ((limit is None and is_first) or (in_chips and now[2])):
                        found.setdefault(counter, "undetermined")
            found |= dict.fromkeys(self._paused(n, before, after, dated), "cap_exceeded")
        return list(found.values())

    def limit(self, n: int, key: tuple[tuple[str, ...], tuple[date, date]], i: int, before: list[list[Table]],
              after: list[list[Table]]) -> Decimal | None:  # fmt: skip
        """The limit of one subject on the i-th day: a share is of what its base has used then."""
        cap, day, (subject, window) = self.caps[n], self.days()[i], key
        share = cap.get("share")
        if not share or (isinstance(cap["window"], tuple) and day >= cap["window"][1]):
            return limit_on(cap, day, subject)
        base = share["of"]
        names = ["owner_group" if self.caps[base].get("grouped") and name == "owner" else name
                 for name in self.caps[base]["by"]]  # fmt: skip
        part = tuple(each for each in subject if each.partition("=")[0] in names), window
        was, now = before[base][i].get(part, NONE)[0], after[base][i].get(part, NONE)[0]
        used = now if share["enlarges"] else was + min(Decimal(0), now - was)
        return Decimal(share["fraction"] * max(Decimal(0), used))

    def _paused(self, n: int, before: list[list[Table]], after: list[list[Table]], dated: date) -> list[object]:
        """The counters of a cap that admits nothing on the day that entries are dated, which they raise on that day."""
        cap = self.caps[n]
        if not cap.get("paused") or dated not in self.days():
            return []
        first, until, who = cap["paused"]
        i, found = self.days().index(dated), list[object]()
        for key in after[n][i]:
            was, now = before[n][i].get(key, NONE), after[n][i][key]
            named = not who or any(f"destination={each}" in key[0] for each in who)
            raised = now[1] > was[1] or now[2] > was[2] if cap["unit"] == "chips" else now[0] > was[0]
            if first <= dated < until and named and raised and key[1][0] <= dated < key[1][1]:
                found.append((n, key[1] if cap.get("grouped") else key))
        return found


@dataclass
class _Plan:
    """One movement's entries. short: the codes of what is not there."""

    oracle: Oracle
    movement: dict[str, Any]
    opened: list[Lot] = field(default_factory=list)
    made: list[Entry] = field(default_factory=list)
    short: list[str] = field(default_factory=list)

    def run(self) -> None:
        movement, kind = self.movement, self.movement["kind"]
        chips, tpp = counted(movement, self.oracle.chips[movement["chip"]])
        license_ = movement.get("authorization") in self.oracle.licenses
        match kind:
            case "reserve":
                self.enter("reserved", self.open("reserved", movement["last_day"]), chips, tpp)
            case "grant":
                last = [last for since, last in self.oracle.licenses[movement["authorization"]]["last_days"]
                        if since <= movement["day"]][-1]  # fmt: skip
                lasts = [day for day in (last, movement.get("last_day")) if day]
                lot = self.open("licensed", min(lasts) if lasts else None)
                self.enter("licensed", lot, chips, tpp)
                self.enter("open", lot, chips, tpp)
                if movement.get("of"):
                    self.draw("open", ("reserved",), chips, tpp, [("reserved", "used", -1)])
            case "release":
                both = ("reserved", "licensed")  # a license is named; a reservation is where the line says
                self.draw("open", both if movement.get("of") else both[1:] if license_ else both[:1], chips, tpp,
                          [("reserved", "released", -1), ("licensed", "unshipped", -1), ("open", "unshipped", -1)],
                          "negative_stock")  # fmt: skip
            case "ship":
                self.enter("shipped", self.open("shipped"), chips, tpp)
                if license_:
                    self.draw("open", ("licensed",), chips, tpp, [("open", "", -1)], "exceeds_authorization")
            case "receive":
                self.draw("in_transit", ("shipped",), chips, tpp, [("received", "", 1), ("installed", "", 1)],
                          "negative_stock")  # fmt: skip
            case "return":
                chips, tpp = self.draw("in_transit", ("shipped",), chips, tpp, [("shipped", "return", -1)])
                if tpp > 0:
                    self.draw("installed", ("shipped",), chips, tpp,
                              [(stage, "return", -1) for stage in ("shipped", "received", "installed")],
                              "negative_stock")  # fmt: skip
            case "retire":
                self.draw(
                    "installed", ("shipped",), chips, tpp, [("installed", movement["cause"], -1)], "negative_stock"
                )
            case "transfer" | "reexport":
                self.draw("installed", ("shipped",), chips, tpp, [("installed", "leaves", -1)], "negative_stock")
                self.enter("installed" if kind == "transfer" else "shipped", self.open("shipped"), chips, tpp)
                if license_ and kind == "reexport":
                    self.draw("open", ("licensed",), chips, tpp, [("open", "", -1)], "exceeds_authorization")

    def open(self, stage: str, last: date | None = None) -> Lot:
        movement, oracle = self.movement, self.oracle
        chip = oracle.chips[movement["chip"]]
        facts = {
            "destination": movement["destination"], "recipient": movement["recipient"], "chip": chip["base"],
            "ultimate_parent": oracle.parent(movement["recipient"], movement["day"]), "tpp": chip["tpp"],
            "owner": movement["recipient"],
            "authorization": movement.get("authorization", ""),
            "authorization_kind": "license" if movement.get("authorization") else "none_required",
        }  # fmt: skip
        unit = "tpp" if movement.get("unit") == "equivalents" else "chips"
        lot = Lot((0, 1), stage, facts, movement["day"], unit, [(date.min, last)])
        self.opened.append(lot)
        return lot

    def enter(self, stage: str, lot: Lot, chips: int | None, tpp: Decimal) -> None:
        self.made.append(Entry(stage, "", lot, lot.day, chips, tpp))

    def draw(self, balance: str, stages: tuple[str, ...], chips: int | None, tpp: Decimal,
             does: list[tuple[str, str, int]], code: str = "") -> tuple[int | None, Decimal]:  # fmt: skip
        """Take from matching lots, oldest first; what is missing is short, and overdraws the last of them."""
        movement, oracle, rating = self.movement, self.oracle, self.oracle.chips[self.movement["chip"]]["tpp"]
        last = None
        for lot in sorted(oracle.lots, key=lambda lot: (lot.day, lot.ref)):
            if not self.matches(lot, balance, stages) or (lot.unit == "chips" and chips is None):
                continue
            last = lot
            there = oracle.least(lot, balance, movement["day"], self.made)
            if there <= 0 or tpp <= 0:
                continue
            if chips is None:
                taken_chips, taken = None, min(there, tpp)
                tpp -= taken
            else:
                taken_chips = min(int(there if lot.unit == "chips" else there // rating), chips)
                taken = taken_chips * (lot.facts["tpp"] if lot.unit == "chips" else rating)
                chips, tpp = chips - taken_chips, tpp - taken_chips * rating
            if taken:
                self.take(lot, does, taken_chips if lot.unit == "chips" else None, taken)
        if tpp > 0 and code:
            self.short.append(code)
            if last is None and movement["kind"] in ("receive", "return", "retire"):
                last = self.opened[0] if self.opened else self.open("shipped")
                self.take(last, does, chips, tpp)
            elif last is not None:
                is_chips = last.unit == "chips"
                self.take(
                    last, does, chips if is_chips else None, (chips or 0) * last.facts["tpp"] if is_chips else tpp
                )
        return chips, tpp

    def take(self, lot: Lot, does: list[tuple[str, str, int]], chips: int | None, tpp: Decimal) -> None:
        for stage, cause, sign in does:
            if (lot.stage == "reserved") != (stage == "reserved"):
                continue
            if cause == "leaves":
                cause = "relocation" if lot.facts["recipient"] == self.movement["recipient"] else "resale"
            self.made.append(
                Entry(stage, cause, lot, self.movement["day"], None if chips is None else sign * chips, sign * tpp)
            )

    def matches(self, lot: Lot, balance: str, stages: tuple[str, ...]) -> bool:
        movement, facts, kind = self.movement, lot.facts, self.movement["kind"]
        chip = self.oracle.chips[movement["chip"]]["base"]
        if lot.stage not in stages or lot.day > movement["day"] or (lot.unit == "chips" and facts["chip"] != chip):
            return False
        named = movement.get("of") if not (kind == "reexport" and balance == "open") else None
        if named and lot.ref != named:
            return False
        if not named and not any(
            self.oracle.left(lot, each, self.oracle.last) for each in ("open", "in_transit", "installed")
        ):
            return False
        if balance == "open" and kind != "release" and lot.has_lapsed(movement["day"]):
            return False
        if lot.stage == "licensed" and (kind != "release" or movement.get("authorization")):
            if kind == "release" and (facts["recipient"], facts["destination"]) != (
                movement["recipient"], movement["destination"]
            ):  # fmt: skip
                return False
            return facts["authorization"] == movement.get("authorization", "")
        if kind in ("transfer", "reexport"):
            here = movement["from_recipient"], movement["from_destination"]
        else:
            here = movement["recipient"], movement["destination"]
        if (facts["recipient"], facts["destination"]) != here or (facts["chip"] != chip and not named):
            return False
        if kind in ("transfer", "reexport") or not movement.get("authorization"):
            return True
        return facts["authorization"] == movement["authorization"] or (
            lot.stage == "reserved" and not facts["authorization"]
        )


def counted(movement: dict[str, Any], chip: dict[str, Any]) -> tuple[int | None, Decimal]:
    """The chips (None for equivalents) and TPP of a movement."""
    if movement.get("unit") == "equivalents":
        return None, movement["quantity"] * chip["tpp"] * chip["count"]
    chips = movement["quantity"] * (1 if movement.get("unit") == "chips" else chip["count"])
    return chips, chips * chip["tpp"]


def applies(cap: dict[str, Any], lot: Lot) -> bool:
    """Whether a cap is about a lot."""
    names = {"authorization": "authorization_kind"}
    exempting = [each for each in cap.get("amended", ()) if each["limit"] is None]
    if any(_is_meant(each, lot.facts["destination"], lot.day) for each in exempting):
        return False  # on the day of its lot
    return all(lot.facts[names.get(name, name)] in values for name, values in cap["where"].items())


def subject_of(cap: dict[str, Any], lot: Lot) -> tuple[str, ...]:
    """What a cap keeps its counter of a lot for."""
    return tuple(f"{name}={lot.facts[name]}" for name in cap["by"])


def window_of(cap: dict[str, Any], day: date) -> tuple[date, date] | None:
    """The first day of a cap's window that a day lies in, and the first day after it; None where there is none."""
    match cap["window"]:
        case None:
            return FOREVER
        case "calendar year":
            return date(day.year, 1, 1), date(day.year + 1, 1, 1)
        case (first, until, after):
            if first <= day < until:
                return first, until
            return (until, date.max) if day >= until and after == "undetermined" else None
    raise ValueError(cap["window"])


def _is_meant(amendment: dict[str, Any], destination: str, day: date) -> bool:
    return destination in amendment["of"] and amendment["first"] <= day < amendment["until"]


def limit_on(cap: dict[str, Any], day: date, subject: tuple[str, ...] = ()) -> Decimal | None:
    """A cap's limit on a day; None where it is undetermined."""
    if isinstance(cap["window"], tuple) and day >= cap["window"][1]:
        return None
    destination = next((part.partition("=")[2] for part in subject if part.startswith("destination=")), "")
    for each in cap.get("amended", ()):
        if each["limit"] is not None and _is_meant(each, destination, day):
            return _enforced(Decimal(each["limit"]), cap)
    steps = [amount for first, amount in cap["limit"] if first <= day]
    return _enforced(steps[-1], cap) if steps else None


def _enforced(limit: Decimal, cap: dict[str, Any]) -> Decimal:
    with_tolerance = limit * (100 + cap.get("tolerance", 0)) / 100
    return with_tolerance if cap["unit"] == "TPP" else with_tolerance // 1
