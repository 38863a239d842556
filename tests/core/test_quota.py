"""What headers state about a window: believed while its end stands still, and not after a broken promise."""

from __future__ import annotations

from math import inf

import pytest

from omniedit.core.quota import Quota


def read_window(quota: Quota, *, end: float, remaining: float, times: list[float]) -> None:
    """Replies that all name the same end."""
    for now in times:
        quota.read(remaining, end - now, now)


def test_nothing_is_known_before_a_reply() -> None:
    """No window, no bound."""
    quota = Quota()
    assert (quota.stands, quota.remaining, quota.end) == (False, inf, -inf)


def test_an_end_that_stands_still_for_three_seconds_is_believed() -> None:
    """Resets are rounded, so a second more or less is the same end."""
    quota = Quota()
    stood = []
    for now in (0.0, 1.0, 2.9, 3.2):
        quota.read(40, 60.0 - now, now)
        stood.append(quota.stands)
    assert stood == [False, False, False, True]
    quota.read(40, 57.0, 4.2)
    assert quota.stands
    assert (quota.end, quota.remaining) == (60.0, 40)


def test_the_next_window_is_believed_at_once() -> None:
    """An end that jumps ahead is no reason for doubt."""
    quota = Quota()
    read_window(quota, end=60.0, remaining=5, times=[0.0, 4.0])
    quota.read(100, 59.0, 61.0)
    assert quota.stands
    assert quota.end == 120.0


def test_an_end_that_drifts_is_no_window() -> None:
    """A bucket's or sliding window's reset moves along with time."""
    quota = Quota()
    for second in range(30):
        quota.read(5, 10.0, float(second))
    assert not quota.stands


def test_an_end_that_begins_to_drift_is_believed_no_longer() -> None:
    """It counts from then on as if it were new."""
    quota = Quota()
    read_window(quota, end=60.0, remaining=5, times=[0.0, 4.0])
    quota.read(5, 58.0, 4.5)
    assert not quota.stands


@pytest.mark.parametrize(("remaining", "requests", "stands"), [(500, 3, False), (30, 3, True), (0, 0, True)])
def test_headers_that_promise_plenty_and_refuse_describe_another_limit(
    remaining: int,
    requests: int,
    stands: bool,  # noqa: FBT001
) -> None:
    """Others of the key may have used up a few; hundreds they have not."""
    quota = Quota()
    read_window(quota, end=60.0, remaining=remaining, times=[0.0, 4.0])
    quota.refused(requests)
    quota.refused(1000)
    read_window(quota, end=120.0, remaining=remaining, times=[61.0, 66.0])
    assert quota.stands is stands


def test_a_refusal_without_a_window_refutes_nothing() -> None:
    """Where no window was believed, none was promised."""
    quota = Quota()
    quota.refused(0)
    read_window(quota, end=60.0, remaining=500, times=[0.0, 4.0])
    assert quota.stands
