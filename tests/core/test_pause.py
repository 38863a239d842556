"""Pauses: one episode counts once, Retry-After is never undercut, and every pause ends."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from omniedit.core.pause import Pause, Refusal


def refuse(pause: Pause, left: float, now: float, wait: float | None = None, *, capped: bool = False) -> Refusal:
    """A refusal at one request a second, without chance."""
    return pause.refused(left, now, wait, 1.0, 0.5, capped=capped)


@given(wait=st.floats(0.0, 1e5), jitter=st.floats(0.0, 1.0), known=st.booleans())
def test_retry_after_is_never_undercut(wait: float, jitter: float, known: bool) -> None:  # noqa: FBT001
    """Not even that of a refusal which says nothing new; at most 2 % come on top."""
    pause = Pause()
    if known:
        refuse(pause, 9.5, 10.0, 0.0)
    pause.refused(9.4, 10.0, wait, 1e-9, jitter)
    assert 10.0 + wait <= pause.until <= 10.0 + wait * 1.02 + 1e-6


def test_refusals_of_one_episode_count_once() -> None:
    """Requests that had left before the last reaction tell nothing new."""
    pause = Pause()
    assert refuse(pause, 1.0, 1.2) is Refusal.FIRST
    until = pause.until
    assert [refuse(pause, left, 1.3) for left in (1.0, 1.1, 1.2)] == [Refusal.KNOWN] * 3
    assert pause.until == until
    assert refuse(pause, until, until + 0.1) is Refusal.AGAIN


def test_an_acceptance_ends_an_episode_only_when_it_left_after_the_reaction() -> None:
    """Those that were on their way before prove nothing."""
    pause = Pause()
    assert not pause.accepted(0.5)
    refuse(pause, 1.0, 1.2)
    assert not pause.accepted(1.1)
    assert pause.accepted(3.0)
    assert refuse(pause, 4.0, 4.1) is Refusal.FIRST
    assert pause.last_failed == 4.0


def test_rungs_triple_from_three_seconds_to_half_a_minute() -> None:
    """The first refusal costs one interval."""
    pause, now, pauses = Pause(), 100.0, list[float]()
    for _ in range(5):
        refuse(pause, now, now + 0.1)
        pauses.append(pause.until - now - 0.1)
        now = pause.until
    assert pauses == pytest.approx([1.0, 3.0, 9.0, 27.0, 30.0])


def test_few_requests_ask_seldom() -> None:
    """A cap on few tasks can be refused only a few times an hour, and none of its tasks can have ended yet."""
    pause, now, pauses = Pause(), 100.0, list[float]()
    for _ in range(4):
        pause.refused(now, now + 0.1, None, 1.0, 0.5, few=True)
        pauses.append(pause.until - now - 0.1)
        now = pause.until
    assert pauses == pytest.approx([3.0, 27.0, 30.0, 30.0], abs=0.2)


def test_a_long_block_is_asked_at_half_its_age() -> None:
    """From half a minute on, and never less often than every quarter of an hour."""
    pause, now, pauses = Pause(), 0.0, list[float]()
    for _ in range(20):
        refuse(pause, now, now + 0.1)
        pauses.append(pause.until - now)
        now = pause.until
    assert max(pauses) == pytest.approx(900.1)
    assert pauses == sorted(pauses)


def test_a_retry_after_that_was_too_short_is_followed_by_the_ladder() -> None:
    """A service that always says one second is not asked every second."""
    pause, now, pauses = Pause(), 0.0, list[float]()
    for _ in range(4):
        refuse(pause, now, now + 0.1, 1.0)
        pauses.append(pause.until - now)
        now = pause.until
    assert pauses == pytest.approx([1.11, 3.1, 9.1, 27.1])


def test_one_request_at_a_time_asks_whether_the_limit_has_opened() -> None:
    """Until it is answered all others wait."""
    pause, asking = Pause(), list[bool]()
    for happens in (
        lambda: pause.left(0.0, capped=False),
        lambda: refuse(pause, 0.0, 0.1),
        lambda: pause.left(2.0, capped=False),
        lambda: pause.returned(1.0),
        lambda: pause.returned(2.0),
    ):
        happens()
        asking.append(pause.asking)
    assert asking == [False, False, True, True, False]


def test_a_known_cap_is_not_asked_and_pauses_nobody_at_first() -> None:
    """Room comes from work that ends; only refusals that follow each other pause."""
    pause = Pause()
    refuse(pause, 0.0, 0.1, capped=True)
    pause.left(0.2, capped=True)
    assert not pause.asking
    assert pause.until < 0.2
    refuse(pause, 0.2, 0.3, capped=True)
    assert pause.until == pytest.approx(3.3)


def test_a_task_that_ends_halves_a_blind_pause_once() -> None:
    """Not one that the service asked for."""
    pause = Pause()
    pause.room_freed(0.0)
    for now in (0.0, 2.0, 6.0):
        refuse(pause, now, now)
    assert pause.until == pytest.approx(15.0)
    pause.room_freed(7.0)
    pause.room_freed(7.0)
    assert pause.until == pytest.approx(11.0)
    pause.hold(20.0)
    pause.room_freed(8.0)
    assert pause.until == 20.0


def test_a_long_pause_is_not_halved() -> None:
    """What has lasted for minutes does not end with a task."""
    pause = Pause()
    while pause.until < 200.0:
        now = max(pause.until, 0.0)
        refuse(pause, now, now)
    until = pause.until
    pause.room_freed(201.0)
    assert pause.until == until


def blocks(pause: Pause, ends: list[float], length: float = 3.0) -> None:
    """Blocks that end at these instants, each after two refusals."""
    for end in ends:
        refuse(pause, end - length - 0.2, end - length - 0.1)
        refuse(pause, end - length, end - length + 0.1)
        assert pause.accepted(end)


def test_blocks_that_end_at_one_instant_of_the_minute_are_waited_for() -> None:
    """Three that agree are believed when the end is near, and searched for by halving."""
    pause = Pause()
    believed = []
    for end in (60.0, 120.0, 180.0):
        blocks(pause, [end])
        believed.append(pause.by_minute)
    assert believed == [False, False, True]
    refuse(pause, 230.0, 230.0)
    assert pause.until == pytest.approx(238.55)
    refuse(pause, 238.55, 238.6)
    assert pause.until == pytest.approx(239.35, abs=0.01)
    assert pause.accepted(239.4)
    refuse(pause, 290.0, 290.0)
    assert pause.until == pytest.approx(299.45)


@pytest.mark.parametrize(("wait", "known"), [(None, False), (2.0, False), (9.0, True)])
def test_blocks_that_one_request_has_met_prove_no_minute(wait: float | None, *, known: bool) -> None:
    """A bucket lets the next one through; three at the same instant are chance, unless each asked for a long wait."""
    pause = Pause()
    for end in (60.0, 120.0, 180.0):
        refuse(pause, end - 10.0, end - 9.9, wait)
        assert pause.accepted(end)
    assert pause.by_minute is known


def test_a_short_block_at_another_instant_speaks_against_a_minute() -> None:
    """It proves no instant of its own, but that the one believed is none."""
    pause = Pause()
    blocks(pause, [60.0, 120.0, 180.0])
    refuse(pause, 222.0, 222.1)
    assert pause.accepted(222.5)
    assert not pause.by_minute
    blocks(pause, [282.3, 342.3])
    assert not pause.by_minute


def test_an_end_known_to_the_second_is_not_searched_for() -> None:
    """One pause, just past it."""
    pause = Pause()
    blocks(pause, [60.0, 120.0, 180.0], length=0.6)
    refuse(pause, 220.0, 220.0)
    assert pause.until == pytest.approx(240.05)


def test_an_end_that_is_far_away_is_not_waited_for() -> None:
    """Half a minute ahead the ladder does as well."""
    pause = Pause()
    blocks(pause, [60.0, 120.0, 180.0])
    refuse(pause, 200.0, 200.0)
    assert pause.until == 201.0


def test_blocks_that_disagree_start_the_search_anew() -> None:
    """What was believed is dropped."""
    pause = Pause()
    blocks(pause, [60.0, 120.0, 180.0, 222.0])
    assert not pause.by_minute


@given(
    refusals=st.lists(
        st.tuples(st.floats(0.0, 900.0), st.none() | st.floats(0.0, 3600.0), st.booleans()), min_size=1, max_size=30
    ),
    interval=st.floats(1e-4, 7200.0),
    jitter=st.floats(0.0, 1.0),
)
def test_every_pause_ends(refusals: list[tuple[float, float | None, bool]], interval: float, jitter: float) -> None:
    """After whatever refusals, the pause is over within a quarter of an hour (plus jitter), or what was asked for."""
    pause, now = Pause(), 0.0
    for wait_before, wait, capped in refusals:
        now += wait_before
        pause.refused(now, now, wait, interval, jitter, capped=capped)
    asked = max((wait or 0.0) for _, wait, _ in refusals) * 1.02
    assert pause.until - now <= max(900.0 * 1.1, asked) + 1e-6


def by_chance(passed: int = 9, stopped: int = 0, trip: float = 1.0, wait: float | None = None) -> Pause:
    """After an episode in which so many were accepted that left after the refused request, and so many refused."""
    pause = Pause()
    refuse(pause, 10.0, 10.0 + trip, wait)
    for _ in range(stopped):
        assert refuse(pause, 10.0 + trip / 2, 11.0 + trip) is Refusal.KNOWN
    for _ in range(passed - 1):
        assert not pause.accepted(10.0 + trip / 2)
    assert pause.accepted(20.0 + trip)
    return pause


@given(passed=st.integers(1, 30), stopped=st.integers(0, 8))
def test_what_left_after_a_refused_request_tells_whether_anything_was_shut(passed: int, stopped: int) -> None:
    """Three that were accepted, and four for each that was refused, prove that the refusal came by chance."""
    assert by_chance(passed, stopped).by_chance == (passed >= 3 and passed >= 4 * stopped)


def test_what_left_before_the_refused_request_proves_nothing() -> None:
    """It may have arrived while the limit was open, or be late."""
    pause = Pause()
    refuse(pause, 10.0, 11.0)
    for _ in range(9):
        pause.accepted(9.5)
    assert refuse(pause, 9.5, 11.1) is Refusal.KNOWN
    assert [pause.accepted(left) for left in (10.1, 10.2, 11.1)] == [False, False, True]
    assert pause.by_chance


@pytest.mark.parametrize(("trip", "wait"), [(0.4, None), (60.0, None), (1.0, 0.0), (1.0, 30.0)])
def test_not_every_refusal_may_have_come_by_chance(trip: float, wait: float | None) -> None:
    """Of a service near by it costs little to ask; a pause that is asked for is meant; a late one tells nothing."""
    assert not by_chance(trip=trip, wait=wait).by_chance


def test_a_refusal_by_a_known_cap_is_none_by_chance() -> None:
    """Something has to end there first."""
    pause = Pause()
    refuse(pause, 10.0, 11.0, capped=True)
    assert [pause.accepted(left) for left in (10.1, 10.2, 10.3, 12.0)] == [False] * 3 + [True]
    assert not pause.by_chance


def test_where_refusals_come_by_chance_the_first_pauses_nobody() -> None:
    """Nor does anything ask alone; three acceptances end the episode, of whatever left after the refused request."""
    pause = by_chance()
    for left in (30.0, 40.0):
        assert refuse(pause, left, left + 0.3) is Refusal.FIRST
        assert pause.until <= left
        pause.left(left + 0.4, capped=False)
        assert not pause.asking
        assert [pause.accepted(left + late) for late in (0.2, 0.4, 0.5)] == [False, False, True]
        assert pause.by_chance


def test_a_block_after_refusals_by_chance_is_answered_as_any_other() -> None:
    """The second refusal, of a request that left after the first was known, pauses, and one at a time asks."""
    pause = by_chance()
    refuse(pause, 30.0, 31.0)
    assert refuse(pause, 31.5, 32.0) is Refusal.AGAIN
    assert not pause.by_chance
    assert pause.until == pytest.approx(35.0)
    pause.left(35.0, capped=False)
    assert pause.asking
    assert pause.accepted(35.0)
    assert not pause.by_chance


def test_retry_after_is_kept_where_refusals_come_by_chance() -> None:
    """Whoever asks for a pause gets it, and is asked by one request at a time whether it is over."""
    pause = by_chance()
    refuse(pause, 30.0, 31.0, 5.0)
    assert pause.until >= 36.0
    pause.left(37.0, capped=False)
    assert pause.asking
    assert not pause.by_chance
