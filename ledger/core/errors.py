"""Every way the ledger says no: a stable code, a sentence with the numbers in it, and a way out."""

from __future__ import annotations


class Problem(Exception):
    """Something a person can act on.

    Args:
        code: stable, for programs: lower-case words joined by `_`.
        message: one sentence with the facts in it.
        remedy: what the reader can do about it; may be empty where nothing can be done.
        where: the file, line, field or record it is about, as a person would point at it.
    """

    def __init__(self, code: str, message: str, remedy: str = "", *, where: str = "") -> None:
        super().__init__(code, message, remedy, where)
        self.code, self.message, self.remedy, self.where = code, message, remedy, where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.message} {self.remedy}".rstrip()


class Malformed(Problem):
    """The request cannot be read: which field, what was expected. Answered, never recorded."""

    def __init__(self, field: str, message: str, remedy: str = "", *, where: str = "") -> None:
        super().__init__("malformed", message, remedy, where=where)
        self.field = field


class BadRulebook(Problem):
    """A rulebook document does not say what a rulebook must say."""

    def __init__(self, message: str, remedy: str = "", *, where: str = "") -> None:
        super().__init__("bad_rulebook", message, remedy, where=where)


class NotFound(Problem):
    """A read names something the ledger has never heard of."""

    def __init__(self, message: str, remedy: str = "", *, where: str = "") -> None:
        super().__init__("not_found", message, remedy, where=where)


class Unusable(Problem):
    """The database or a file cannot be used as it is; nothing was changed."""


class Corrupt(Problem):
    """A check of the journal or of a projection failed: the ledger must not be believed until this is understood."""
