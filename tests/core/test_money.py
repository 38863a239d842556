"""Budgets: what may have been accepted counts, and the limit is never passed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from omniedit.core.money import LONGEST, Budget, Room, estimate_credits


def test_estimate_follows_the_price_list() -> None:
    """6.36 credits for a second, the longest clip where the length is unknown; a prompt costs next to nothing."""
    assert estimate_credits(1.0) == pytest.approx(6.3608, abs=1e-4)
    assert estimate_credits(None) == estimate_credits(LONGEST) == estimate_credits(99.0) == pytest.approx(63.608, 1e-4)
    assert estimate_credits(-1.0) == 0.0
    assert estimate_credits(0.0, "x" * 1000) == pytest.approx(0.0867)
    assert estimate_credits(0.0, "\ud800") > 0


def test_without_a_limit_everything_fits() -> None:
    """And what was reserved is still summed."""
    budget = Budget(None)
    assert {budget.take(str(n), None) for n in range(100)} == {Room.taken}
    budget.settle("1", 60.0)
    budget.leave_open("2")
    budget.recall("3")
    budget.withdraw("4")
    assert budget.fresh == budget.committed == 60.0


def test_first_edit_goes_alone_and_counts_as_the_longest() -> None:
    """Until the service has shown what it reserves nothing else is let through, however short the clip."""
    budget = Budget(200.0)
    assert budget.take("a", 1.0) is Room.taken
    assert budget.committed == estimate_credits(None)
    assert budget.take("b", 1.0) is Room.wait
    budget.withdraw("a")
    assert budget.take("b", 1.0) is Room.taken
    budget.settle("b", 10.0)
    assert budget.take("c", 1.0) is Room.taken
    assert budget.take("d", 1.0) is Room.taken


def test_limit_below_one_edit_lets_none_through() -> None:
    """The service is not even asked."""
    assert Budget(63.0).take("a", 1.0) is Room.none
    assert Budget(0.0).take("a", 1.0) is Room.none


def test_edits_under_way_may_make_room_again() -> None:
    """`wait` while something is under way, `none` when nothing is."""
    budget = Budget(130.0)
    budget.take("a", None)
    budget.settle("a", 60.0)
    assert budget.take("b", None) is Room.taken
    assert budget.take("c", None) is Room.wait
    budget.withdraw("b")
    assert budget.take("c", None) is Room.taken
    budget.settle("c", 64.0)
    assert budget.take("d", None) is Room.none


def test_earlier_runs_count_but_are_not_this_runs() -> None:
    """With what they left uncertain, at the price of the longest clip."""
    budget = Budget(300.0, reserved=100.0, unpriced=2)
    assert budget.committed == 100.0 + 2 * estimate_credits(None)
    assert budget.fresh == 0.0
    assert budget.take("a", None) is Room.taken
    budget.settle("a", 60.0)
    assert budget.fresh == 60.0
    budget.refund(100.0)
    assert (budget.fresh, budget.reserved) == (0.0, 60.0)
    assert repr(budget) == f"<Budget {budget.committed:g} of 300.0>"


def test_uncertain_edits_stay_counted_and_are_not_counted_twice() -> None:
    """A repeat takes the room that its first request has held all along."""
    budget = Budget(70.0)
    budget.take("a", None)
    before = budget.committed
    budget.leave_open("a")
    assert budget.committed == before
    assert budget.take("b", None) is Room.none
    assert budget.take("a", None) is Room.taken
    assert budget.committed == before
    budget.settle("a", 60.0)
    assert budget.committed == 60.0


def test_repeats_of_earlier_runs_are_not_counted_twice() -> None:
    """An uncertain request of an earlier run is in the sum already."""
    budget = Budget(70.0, unpriced=1)
    before = budget.committed
    budget.recall("a")
    assert budget.committed == before
    assert budget.take("a", None) is Room.taken
    budget.settle("a", 60.0)
    assert budget.committed == 60.0


def test_silence_about_the_reservation_counts_as_the_guess() -> None:
    """A service that does not say what it reserved is taken to have reserved what was guessed."""
    budget = Budget(130.0)
    budget.take("a", None)
    budget.settle("a", None)
    assert (budget.committed, budget.fresh) == (estimate_credits(None), 0.0)
    assert budget.take("b", 1.0) is Room.taken
    assert budget.take("c", 1.0) is Room.wait


def test_refunds_never_make_credits() -> None:
    """Giving back more than was reserved leaves nothing below zero."""
    budget = Budget(100.0)
    budget.refund(5.0)
    assert (budget.reserved, budget.fresh) == (0.0, 0.0)


def test_a_refund_of_an_earlier_run_is_none_of_this_run() -> None:
    """It makes room under the limit, and what this run has reserved stays as it is."""
    budget = Budget(200.0, reserved=60.0)
    budget.take("a", None)
    budget.settle("a", 50.0)
    budget.refund(60.0, fresh=False)
    assert (budget.reserved, budget.fresh) == (50.0, 50.0)


@given(
    limit=st.floats(0, 2000),
    charges=st.lists(st.floats(1, 63.6), min_size=1, max_size=40),
    earlier=st.floats(0, 500),
    seed=st.integers(0, 2**32),
)
def test_the_limit_is_never_passed(limit: float, charges: list[float], earlier: float, seed: int) -> None:
    """As long as no edit costs more than the longest clip and costs do not grow from edit to edit."""
    chance, budget = random.Random(seed), Budget(limit, reserved=earlier)
    waiting = [(str(n), charge) for n, charge in enumerate(sorted(charges, reverse=True))]
    under_way: list[tuple[str, float]] = []
    while waiting or under_way:
        if waiting and (not under_way or chance.random() < 0.6):
            room = budget.take(waiting[0][0], 10 * chance.random())
            if room is Room.none:
                break
            if room is Room.taken:
                under_way.append(waiting.pop(0))
                continue
        if under_way:
            key, charge = under_way.pop(chance.randrange(len(under_way)))
            if chance.random() < 0.5:
                budget.settle(key, charge)
            else:
                budget.withdraw(key)
        assert budget.reserved <= max(limit, earlier) + 1e-6
    assert budget.fresh <= max(limit - earlier, 0.0) + 1e-6
