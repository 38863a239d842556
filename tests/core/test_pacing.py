"""The pacer's spacing and the meter of what was accepted."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from omniedit.core.pacing import BURST, GRAIN, LEAST, Goodput, Pacer

RATES = st.floats(1e-3, 1e4)


@given(rate=RATES, burst=st.integers(1, 5), asks=st.lists(st.floats(0.0, 20.0), min_size=2, max_size=120))
def test_no_span_holds_more_than_the_burst_and_the_rate(rate: float, burst: int, asks: list[float]) -> None:
    """Whenever it is asked, in any span of t seconds at most burst + rate * (t + grain) requests leave."""
    pacer, now, left = Pacer(rate, burst), 0.0, list[float]()
    for ask in asks:
        now += ask / rate
        while pacer.opens <= now and len(left) < 500:
            pacer.take(now)
            left.append(now)
    for first, begin in enumerate(left):
        for count, end in enumerate(left[first:], 1):
            assert count <= burst + rate * (end - begin + GRAIN) + 1e-6


def test_requests_that_wait_leave_one_interval_apart() -> None:
    """Two may leave together; from then on it is an even stream."""
    pacer, now, left = Pacer(4.0), 10.0, list[float]()
    for _ in range(6):
        now = max(now, pacer.opens)
        pacer.take(now)
        left.append(now)
    assert BURST == 2
    assert [later - earlier for earlier, later in pairwise(left)] == pytest.approx([0.0, 0.25, 0.25, 0.25, 0.25])


def test_an_hour_without_work_earns_no_more_than_the_burst() -> None:
    """Idleness is not saved up."""
    pacer = Pacer(10.0)
    pacer.take(0.0)
    for _ in range(BURST):
        assert pacer.opens <= 3600.0
        pacer.take(3600.0)
    assert pacer.opens > 3600.0


def test_a_restart_leaves_no_burst() -> None:
    """After a pause the stream begins with the request that asked."""
    pacer = Pacer(2.0)
    pacer.restart(100.0)
    assert pacer.opens == pytest.approx(100.5)


def test_a_turn_given_back_is_free_again() -> None:
    """As if it had never been taken."""
    pacer = Pacer(2.0)
    pacer.take(0.0)
    pacer.take(0.0)
    opens = pacer.opens
    pacer.take(opens)
    pacer.give_back()
    assert pacer.opens == pytest.approx(opens)


def test_the_meter_counts_the_last_minute() -> None:
    """What is older than a minute is forgotten."""
    meter = Goodput(0.0)
    for tenth in range(1200):
        meter.add(tenth / 10)
    assert meter.rate(119.9) == pytest.approx(10.0, rel=0.02)
    assert meter.recent(119.9, 10.0) == pytest.approx(10.0)
    for tenth in range(600):
        meter.add(120 + tenth / 5)
    assert meter.rate(240.0) == pytest.approx(5.0, rel=0.02)


def test_the_meter_knows_low_rates_from_the_last_sixty() -> None:
    """One request an hour is measured over sixty hours."""
    meter = Goodput(0.0)
    for hour in range(1, 100):
        meter.add(hour * 3600.0)
    assert meter.rate(99 * 3600.0) == pytest.approx(1 / 3600)
    assert LEAST == 60


def test_a_young_meter_divides_by_its_age() -> None:
    """Five in two seconds are two and a half a second, and age counts from one second."""
    meter = Goodput(50.0)
    for _ in range(5):
        meter.add(50.0)
    assert (meter.rate(50.0), meter.rate(52.0)) == (5.0, 2.5)
