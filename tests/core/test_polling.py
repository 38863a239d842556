"""The belief about durations: quantiles, progress, callbacks, patience, bulk reads."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from omniedit.core.patience import Patience
from omniedit.core.polling import Belief, BulkPolicy, Look, Reading, keep_reading


def test_a_cold_belief_looks_first_at_a_third_of_the_estimate() -> None:
    """Eight imagined tasks with a deviation of one half in ln put the 2.5 % quantile at exp(-0.98)."""
    assert Belief().first_look(60.0) == pytest.approx(60 * 0.3753, rel=1e-3)


def test_without_an_estimate_the_documented_example_is_the_scale() -> None:
    """No estimate and a useless one mean the same: sixty seconds."""
    assert Belief().first_look(None) == Belief().first_look(60.0) == Belief().first_look(0.0)


def test_the_first_look_never_comes_within_a_second() -> None:
    """Even a service that promises milliseconds is given a second."""
    assert Belief().first_look(0.001) == 1.0


def test_past_the_quantile_looks_are_one_step_apart() -> None:
    """A task that may be done any moment is looked at every step."""
    assert Belief(step=5.0).next_look(Look(elapsed=300.0, estimate=60.0)) == 305.0


def test_looks_are_never_more_than_a_minute_apart() -> None:
    """A huge estimate may be wrong, so a look comes at least once a minute."""
    assert Belief().next_look(Look(elapsed=10.0, estimate=3600.0)) == 70.0


def test_progress_brings_the_next_look_forward_or_puts_it_off() -> None:
    """A task at 90 % is looked at sooner than one at 10 % after the same time."""
    belief = Belief()
    late = belief.next_look(Look(elapsed=30.0, estimate=60.0, progress=10.0))
    soon = belief.next_look(Look(elapsed=30.0, estimate=60.0, progress=90.0))
    assert soon == 35.0 < late


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_a_biased_estimate_is_learned(factor: float) -> None:
    """After a few hundred tasks the first look sits just below the true durations, whatever the estimates say."""
    belief, random_ = Belief(), random.Random(7)
    for _ in range(300):
        duration = random_.gauss(80.0, 4.0)
        belief.finished(duration * factor, duration - 2.5, duration + 2.5)
    assert 50 < belief.first_look(80.0 * factor) < 80


def test_an_estimate_in_the_wrong_unit_hides_no_task() -> None:
    """Milliseconds sent as seconds, or an endless estimate, are looked at within ten minutes."""
    assert Belief().first_look(60_000.0) == Belief().first_look(float("inf")) == 600.0


def test_one_absurd_duration_hardly_moves_the_belief() -> None:
    """An outlier counts as at most 4.5 times the expected duration."""
    belief = Belief()
    before = belief.first_look(60.0)
    belief.finished(60.0, 1e9, 1e9)
    assert abs(belief.first_look(60.0) / before - 1) < 0.25


def test_progress_bands_learn_their_own_bias() -> None:
    """A service whose progress runs at half speed is understood after some tasks."""
    belief, cold = Belief(), Belief()
    for _ in range(200):
        belief.finished(100.0, 100.0, 100.0, [(40.0, 80.0)])
    look = Look(elapsed=40.0, estimate=100.0, progress=80.0)
    assert cold.next_look(look) == 45.0
    assert 75 < belief.next_look(look) < 100


def test_readings_keep_the_first_of_each_fifth_only() -> None:
    """At most five readings a task are remembered, and none that says nothing."""
    readings: tuple[Reading, ...] = ()
    for progress in [0, 1, 5, 6, 25, 30, 50, 70, 90, 100]:
        readings = keep_reading(readings, Look(elapsed=10.0, progress=progress))
    assert [progress for _, progress in readings] == [5, 25, 50, 70, 90]
    assert keep_reading((), Look(elapsed=0.0, progress=50.0)) == ()


def test_reliable_callbacks_make_looks_rare() -> None:
    """When nearly all callbacks came, the first look moves to the far end and the step is stretched."""
    belief = Belief()
    for _ in range(300):
        belief.callback(came=True)
    assert belief.delivery_share > 0.98
    assert belief.first_look(60.0) < 60
    assert belief.first_look(60.0, callback_expected=True) > 120
    look = Look(elapsed=300.0, estimate=60.0, callback_expected=True)
    assert 330 < belief.next_look(look) <= 350


def test_callbacks_that_never_come_change_nothing() -> None:
    """Trust that was given in advance is used up soon."""
    belief = Belief()
    assert belief.first_look(60.0, callback_expected=True) > 1.3 * belief.first_look(60.0)
    for _ in range(100):
        belief.callback(came=False)
    assert belief.first_look(60.0, callback_expected=True) < 1.1 * belief.first_look(60.0)


def test_trust_in_callbacks_is_lost_when_they_stop() -> None:
    """Old deliveries count half, again and again, so a receiver that went away is noticed."""
    belief = Belief()
    for _ in range(2000):
        belief.callback(came=True)
    for _ in range(400):
        belief.callback(came=False)
    assert belief.delivery_share < 0.5


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.none() | st.floats(-1, 1e6)), max_size=30),
    st.floats(0, 1e6),
    st.none() | st.floats(-10, 1e6),
    st.floats(0, 100),
    st.booleans(),
)
def test_the_next_look_always_lies_between_one_step_and_a_minute_ahead(
    past: list[tuple[float, float, float | None]],
    elapsed: float,
    estimate: float | None,
    progress: float,
    callback: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    """Whatever was learned, looks neither rush nor stop; callbacks may stretch the step, never beyond a minute."""
    belief = Belief(step=5.0, longest=60.0)
    for first, second, guess in past:
        belief.finished(guess, min(first, second), max(first, second), [(first + 1, 50.0)])
        belief.callback(came=first > second)
    ahead = belief.next_look(Look(elapsed, estimate, progress, callback)) - elapsed
    assert 0.25 - 1e-6 <= ahead <= 60.0 + 2e-6
    assert ahead >= min(5.0, elapsed / 6) - 1e-6
    assert belief.first_look(estimate, callback_expected=callback) >= 1.0


def test_short_tasks_are_looked_at_in_short_steps_only_while_they_are_short() -> None:
    """A sixth of the believed length, from a quarter of a second to the step; an overdue one is not short any more."""
    belief = Belief(step=5.0)
    steps = [belief.next_look(Look(elapsed, 1.5)) - elapsed for elapsed in (1.5, 6.0, 600.0)]
    assert steps == pytest.approx([0.25, 1.0, 5.0])
    assert belief.next_look(Look(60.0, 60.0)) == pytest.approx(65.0)


def test_patience_bounds_the_whole_and_unknown_statuses_apart() -> None:
    """An undocumented status has its own deadline, never beyond the overall one."""
    patience = Patience(overall=100.0, unknown=30.0)
    assert patience.deadline() == 100.0
    assert patience.deadline(unknown_since=20.0) == 50.0
    assert patience.deadline(unknown_since=90.0) == 100.0
    with pytest.raises(ValueError, match="overall"):
        Patience(overall=0)


def test_bulk_reads_start_at_eight_and_stop_at_fifty() -> None:
    """Below eight due tasks single reads are as good; the service takes fifty ids."""
    policy = BulkPolicy()
    assert [policy.size(due) for due in (0, 7, 8, 50, 51)] == [0, 0, 8, 50, 50]


@pytest.mark.parametrize(("status", "still"), [(200, True), (429, True), (500, True), (404, False), (405, False)])
def test_only_a_missing_endpoint_turns_bulk_reads_off(status: int, still: bool) -> None:  # noqa: FBT001 - parametrised
    """404 and 405 say that the deployment lacks the call; anything else may pass."""
    policy = BulkPolicy()
    policy.answered(status)
    assert policy.enabled is still
    assert bool(policy.size(20)) is still
    assert ("on" in repr(policy)) is still


@pytest.mark.parametrize(("missing", "still"), [(0, True), (1, True), (25, True), (26, False), (50, False)])
def test_bulk_reads_that_leave_out_most_are_turned_off(missing: int, still: bool) -> None:  # noqa: FBT001 - parametrised
    """A few tasks may be unknown; a call that names fewer than half saves nothing."""
    policy = BulkPolicy()
    policy.left_out(missing, 50)
    assert policy.enabled is still


def test_bulk_reads_that_fail_where_single_ones_work_are_turned_off() -> None:
    """Three times with no bulk read that worked in between; a service that is down turns nothing off."""
    policy = BulkPolicy()
    for _ in range(9):
        policy.failed()
    for _ in range(2):
        policy.failed()
        policy.read_alone()
        policy.read_alone()
    policy.answered(200)
    for enabled in (True, True, False):
        policy.failed()
        policy.read_alone()
        assert policy.enabled is enabled


def test_a_belief_shows_what_it_believes() -> None:
    """The repr names bias, spread and the share of callbacks."""
    assert repr(Belief()) == "<Belief ln(duration/estimate) +0.00 ± 0.50 delivered 0.80>"


def test_a_belief_follows_a_service_that_changes() -> None:
    """Above four hundred tasks the old ones count half, so a thousand new ones outweigh a thousand old."""
    belief = Belief()
    for duration in (60.0, 120.0):
        for _ in range(1000):
            belief.finished(60.0, duration, duration)
    assert 85.0 < belief.first_look(60.0) < 120.0
