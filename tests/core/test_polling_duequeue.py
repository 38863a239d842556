"""The due queue: order, the 20 ms grid, moving and removing, bounded memory."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from omniedit.core.duequeue import DueQueue


@given(st.lists(st.floats(0, 1e5)), st.floats(0, 1e5))
def test_items_come_out_earliest_first_and_never_early(dues: list[float], now: float) -> None:
    """What comes out is due, in order, at most a fiftieth of a second late; the rest stays."""
    queue = DueQueue[float]()
    for due in dues:
        queue.push(due, due)
    out = queue.pop_due(now)
    assert all(due <= now + 1e-7 for due in out)
    assert all(later - sooner > -0.0201 for sooner, later in itertools.pairwise(out))
    assert len(queue) == len(dues) - len(out)
    assert all(due > now - 0.0201 for due in queue.pop_due(2e5))


def test_items_due_at_one_instant_keep_their_order() -> None:
    """First in, first out within a fiftieth of a second."""
    queue = DueQueue[int]()
    for item in range(50):
        queue.push(item, 7.0)
    assert queue.pop_due(7.0) == list(range(50))


@given(st.integers(0, 10**7))
def test_next_due_is_an_instant_at_which_something_comes_out(hundredths: int) -> None:
    """A reader that sleeps until next_due is never woken for nothing."""
    queue = DueQueue[str]()
    queue.push("item", hundredths / 100 + 0.003)
    due = queue.next_due()
    assert due is not None
    assert queue.pop_due(due - 0.005) == []
    assert queue.pop_due(due) == ["item"]
    assert queue.next_due() is None


def test_pop_takes_no_more_than_the_limit() -> None:
    """A limit leaves the later ones in place."""
    queue = DueQueue[int]()
    for item in range(10):
        queue.push(item, item)
    assert queue.pop_due(100, limit=3) == [0, 1, 2]
    assert len(queue) == 7
    assert queue.pop_due(100, limit=0) == []


def test_removed_items_never_come_out() -> None:
    """Removing is final, and doing it twice does nothing."""
    queue = DueQueue[str]()
    place = queue.push("gone", 1.0)
    queue.push("stays", 2.0)
    assert queue.remove(place)
    assert not queue.remove(place)
    assert queue.next_due() == 2.0
    assert queue.pop_due(5.0) == ["stays"]
    assert len(queue) == 0


def test_a_removed_item_is_skipped_among_the_due() -> None:
    """An empty place in the middle of the heap costs nothing but its step."""
    queue = DueQueue[int]()
    places = [queue.push(item, 1.0) for item in range(5)]
    queue.remove(places[2])
    assert queue.count_due(1.0, 10) == 4
    assert queue.pop_due(1.0) == [0, 1, 3, 4]


def test_rescheduling_moves_an_item_both_ways() -> None:
    """The old place is empty, the new one counts."""
    queue = DueQueue[str]()
    later = queue.push("later", 1.0)
    sooner = queue.push("sooner", 9.0)
    queue.reschedule(later, 20.0)
    place = queue.reschedule(sooner, 0.5)
    assert sooner not in queue
    assert place in queue
    assert queue.pop_due(5.0) == ["sooner"]
    assert queue.next_due() == 20.0
    with pytest.raises(KeyError):
        queue.reschedule(place, 3.0)


def test_what_is_due_can_be_counted_without_taking_it() -> None:
    """Counting stops at the limit and changes nothing."""
    queue = DueQueue[int]()
    for item in range(100):
        queue.push(item, item / 10)
    assert queue.count_due(0.95, 1000) == 10
    assert queue.count_due(5.0, 8) == 8
    assert queue.count_due(-1.0, 8) == 0
    assert len(queue) == 100


@pytest.fixture
def traced() -> Iterator[None]:
    """Count the bytes that Python allocates."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_memory_follows_what_is_parked() -> None:
    """Ten thousand moves of a few items leave no trail."""
    queue = DueQueue[int]()
    places = [queue.push(item, 1.0) for item in range(10)]
    before = tracemalloc.get_traced_memory()[0]
    for turn in range(1_000):
        places = [queue.reschedule(place, 1.0 + turn) for place in places]
    assert tracemalloc.get_traced_memory()[0] - before < 100 * 200
    assert sorted(queue.pop_due(1e9)) == list(range(10))


@pytest.mark.usefixtures("traced")
def test_a_parked_item_costs_at_most_two_hundred_bytes() -> None:
    """What one parked edit costs besides its record."""
    queue = DueQueue[None]()
    before = tracemalloc.get_traced_memory()[0]
    for turn in range(5_000):
        queue.push(None, 1e6 + turn / 7)
    assert (tracemalloc.get_traced_memory()[0] - before) / 5_000 <= 200


def test_a_parked_item_is_nothing_that_the_garbage_collector_looks_at() -> None:
    """A thousand parked items add no object to those that a collection goes through."""
    queue = DueQueue[None]()
    gc.collect()
    before = len(gc.get_objects())
    for turn in range(1_000):
        queue.push(None, 1e6 + turn / 7)
    assert len(gc.get_objects()) - before < 100


def test_a_queue_shows_its_state() -> None:
    """The repr tells how many are parked and what comes next."""
    queue = DueQueue[str]()
    place = queue.push("clip", 2.0)
    assert repr(queue) == "<DueQueue parked=1 next_due=2.0>"
    queue.remove(place)
    assert repr(queue) == "<DueQueue parked=0 next_due=None>"
