"""An exporter asks about caps that it shares so many times a minute; who may see totals asks as often as they like."""

from __future__ import annotations

import pytest

from ledger.access import Principal
from ledger.access.pacing import MOST_KEPT, Pacing, TooOften

ANNE, BEN = Principal("Anne", "exporter", "nvidia"), Principal("Ben", "exporter", "amd")


def asked(pacing: Pacing, who: Principal, *moments: float) -> list[bool]:
    """Return of each moment whether a question was let through."""
    found = []
    for now in moments:
        try:
            pacing.take(who, now)
        except TooOften:
            found.append(False)
        else:
            found.append(True)
    return found


def test_so_many_questions_at_once_and_then_one_whenever_one_has_come_back():
    assert asked(Pacing(6), ANNE, *[0.0] * 7, 9.9, 10.1, 10.2, 20.3) == [True] * 6 + [False, False, True, False, True]


def test_after_a_minute_of_silence_no_more_may_be_asked_at_once_than_at_first():
    assert asked(Pacing(3), ANNE, *[0.0] * 3, *[600.0] * 4) == [True] * 6 + [False]


def test_persons_of_one_party_share_its_questions_and_parties_do_not():
    pacing = Pacing(2)
    assert asked(pacing, ANNE, 0.0) + asked(pacing, Principal("Carl", "exporter", "nvidia"), 0.0, 0.0) == [
        True,
        True,
        False,
    ]
    assert asked(pacing, BEN, 0.0, 0.0, 0.0) == [True, True, False]


@pytest.mark.parametrize("role", ["regulator", "auditor", "operator"])
def test_who_may_see_totals_is_not_counted(role):
    assert asked(Pacing(1), Principal("Olga", role), *[0.0] * 50) == [True] * 50


def test_the_refusal_says_when_to_come_back_and_that_moment_is_enough():
    pacing = Pacing(1)
    pacing.take(ANNE, 0.0)
    with pytest.raises(TooOften) as refused:
        pacing.take(ANNE, 30.5)
    seconds = int(refused.value.headers["Retry-After"])
    assert (refused.value.code, seconds) == ("too_many_questions", 30)
    assert f"{seconds} s" in refused.value.remedy
    pacing.take(ANNE, 30.5 + seconds)


def test_what_is_kept_does_not_grow_without_end():
    pacing = Pacing(1)
    for n in range(MOST_KEPT + 10):
        pacing.take(Principal("p", "exporter", f"party-{n}"), float(n) / 1_000)
    assert len(pacing._left) == MOST_KEPT
