"""Telling a cap on what is live from a limit on the rate."""

from __future__ import annotations

import random

import pytest

from omniedit.core.ceiling import REQUESTS, TASKS, Ceiling


def fill(ceiling: Ceiling, level: int, count: int, noise: int = 0, seed: int = 1) -> None:
    """So many acceptances at or below a level."""
    random_ = random.Random(seed)
    for _ in range(count):
        ceiling.accepted(level - random_.randint(0, noise))


def test_refusals_at_one_level_with_nothing_accepted_above_are_a_cap() -> None:
    """Four openings agree, tasks ended in between: the lowest level is the cap."""
    ceiling, found = Ceiling(TASKS), list[int | None]()
    for number, level in enumerate((40, 41, 40, 42)):
        fill(ceiling, 40, 20, noise=5)
        found.append(ceiling.opened(level, 20 * number))
    assert found == [None, None, None, 40]


@pytest.mark.parametrize(
    ("between", "ended", "cap"), [([4], 1, 5), ([4, 5], 2, 5), ([5, 5], 2, None), ([4], 0, None), ([], 1, None)]
)
def test_the_first_two_openings_are_a_cap_where_nothing_was_accepted_so_high(
    between: list[int], ended: int, cap: int | None
) -> None:
    """Had the rate been limited, what was accepted meanwhile would have come on top; one end may be unseen."""
    ceiling = Ceiling(TASKS)
    fill(ceiling, 4, 5, noise=4)
    assert ceiling.opened(5, 0) is None
    for level in between:
        ceiling.accepted(level)
    assert ceiling.opened(5, ended) == cap


@pytest.mark.parametrize("levels", [(40, 60, 20, 45), (300, 301, 300, 300), (0, 0, 0, 0)])
def test_levels_that_come_and_go_or_are_huge_or_none_are_no_cap(levels: tuple[int, ...]) -> None:
    """A limit on the rate refuses at any level, and a cap of hundreds steadies the rate by itself."""
    ceiling = Ceiling(TASKS)
    for number, level in enumerate(levels):
        fill(ceiling, 10, 30)
        assert ceiling.opened(level, 40 * number) is None


def test_after_many_openings_without_a_cap_five_have_to_agree() -> None:
    """Four at one level are chance, one day; a cap that was none would hold a slow lane back for hours."""
    ceiling, found = Ceiling(TASKS), list[int | None]()
    for number, level in enumerate((40, 10, 70, 20, 60, 30, 80, 25, 40, 40, 40, 40, 40)):
        fill(ceiling, 9, 20)
        found.append(ceiling.opened(level, 30 * number))
    assert found == [None] * 12 + [40]


def test_acceptances_above_the_level_speak_against_a_cap() -> None:
    """One in five above is too many."""
    ceiling = Ceiling(TASKS)
    for number in range(4):
        fill(ceiling, 39, 20)
        fill(ceiling, 50, 5)
        assert ceiling.opened(40, 25 * number) is None


@pytest.mark.parametrize(("acceptances", "ends"), [(0, 20), (20, 0)])
def test_too_little_between_openings_proves_nothing(acceptances: int, ends: int) -> None:
    """Work has to be accepted and to end in between."""
    ceiling = Ceiling(TASKS)
    for number in range(4):
        fill(ceiling, 40, acceptances)
        assert ceiling.opened(40, ends * number) is None


def test_a_cap_on_requests_needs_the_same_level_and_more_proof() -> None:
    """Requests are counted exactly, and there are many of them."""
    exact, blurred = Ceiling(REQUESTS), Ceiling(REQUESTS)
    found: tuple[int | None, int | None] = (None, None)
    for number in range(4):
        fill(exact, 5, 30, noise=2)
        fill(blurred, 5, 30, noise=2)
        found = exact.opened(6, 30 * number), blurred.opened(6 + 2 * (number % 2), 30 * number)
    assert found == (6, None)


def test_refusals_are_paid_for_by_acceptances_up_to_eight() -> None:
    """So that finding a small cap, and trying it, stay within what may be refused; no debt lasts for ever."""
    ceiling, owed = Ceiling(TASKS), list[int]()
    for refusals in (1, 1, 10):
        for _ in range(refusals):
            ceiling.refused()
        owed.append(ceiling.owed)
        fill(ceiling, 5, 70)
    assert owed == [65, 65, 520]
    assert ceiling.owed == 450


def test_what_is_forgotten_is_no_evidence() -> None:
    """Four new openings are needed."""
    ceiling = Ceiling(TASKS)
    for number in range(4):
        fill(ceiling, 39, 20)
        ceiling.opened(40, 20 * number)
    ceiling.forget()
    fill(ceiling, 39, 20)
    assert ceiling.opened(40, 200) is None
