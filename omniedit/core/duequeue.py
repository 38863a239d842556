"""The due queue: what to look at next, for any number of parked items.

Rules of this room:

- An item is parked with the instant it is due. It comes out no earlier, earliest first; items due in the same
  fiftieth of a second come out in the order they went in.
- Parking costs no coroutine and no timer: one reader sleeps until `next_due()` and takes what is due.
- Moving or removing an item leaves its old number in the heap. Such numbers are dropped when they surface, and swept
  when they outnumber the parked items, so memory follows what is parked.
- The heap holds plain numbers. Python's garbage collector does not look at those, and a hundred thousand parked items
  must not make its collections longer, nor bring them about: each stops the event loop.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from math import ceil
from typing import Generic, NewType, TypeVar

__all__ = ["DueQueue", "Place"]

T = TypeVar("T")

_GRID = 0.02  # s: an item may come out this much later than it was due, never earlier; one wake-up serves all within
_ORDER_BITS = 40  # order of arrival within one instant; 10**12 pushes before it could overflow
_SWEEP_FROM = 64  # old numbers below this count are not worth a sweep

Place = NewType("Place", int)
"""Where an item is parked, in the one queue that gave it: instant and order of arrival. It is never given again."""


class DueQueue(Generic[T]):
    """A heap of items on a grid of 20 ms.

    >>> queue = DueQueue[str]()
    >>> place = queue.push("a", 5.0)
    >>> queue.pop_due(4.9), queue.pop_due(5.0)
    ([], ['a'])
    """

    __slots__ = ("_heap", "_order", "_parked")

    def __init__(self) -> None:
        self._heap: list[Place] = []
        self._order = 0
        self._parked: dict[Place, T] = {}

    def push(self, item: T, due: float) -> Place:
        """Park an item until `due` (monotonic seconds)."""
        self._order += 1
        place = Place(ceil(due / _GRID) << _ORDER_BITS | self._order)
        heapq.heappush(self._heap, place)
        self._parked[place] = item
        return place

    def remove(self, place: Place) -> bool:
        """Take an item out; False when it had come out already."""
        if place not in self._parked:
            return False
        del self._parked[place]
        self._sweep()
        return True

    def reschedule(self, place: Place, due: float) -> Place:
        """Move an item to another instant and return its new place; an item that came out raises `KeyError`."""
        item = self._parked.pop(place)
        self._sweep()
        return self.push(item, due)

    def pop_due(self, now: float, limit: int | None = None) -> list[T]:
        """Take out what is due, earliest first, at most `limit` items."""
        heap, parked, last = self._heap, self._parked, _last_place(now)
        items: list[T] = []
        while heap and heap[0] <= last and (limit is None or len(items) < limit):
            place = heapq.heappop(heap)
            if place in parked:
                items.append(parked.pop(place))
        return items

    def next_due(self) -> float | None:
        """The earliest instant at which something is due, or None when nothing is parked."""
        heap = self._heap
        while heap and heap[0] not in self._parked:
            heapq.heappop(heap)
        return (heap[0] >> _ORDER_BITS) * _GRID if heap else None

    def count_due(self, now: float, limit: int) -> int:
        """How many items are due by `now`, counted no further than `limit`; nothing is taken out."""
        count = 0
        for _ in zip(range(limit), self._due_by(_last_place(now)), strict=False):
            count += 1
        return count

    def _due_by(self, last: int) -> Iterator[Place]:
        heap, branches = self._heap, [0]
        while branches:
            at = branches.pop()
            if at >= len(heap) or heap[at] > last:
                continue
            if heap[at] in self._parked:
                yield heap[at]
            branches += (2 * at + 1, 2 * at + 2)

    def _sweep(self) -> None:
        if len(self._heap) > _SWEEP_FROM + 2 * len(self._parked):
            self._heap = sorted(self._parked)  # a sorted list is a heap

    def __contains__(self, place: object) -> bool:
        """Whether an item is still parked at a place."""
        return place in self._parked

    def __len__(self) -> int:
        return len(self._parked)

    def __repr__(self) -> str:
        return f"<DueQueue parked={len(self)} next_due={self.next_due()}>"


def _last_place(now: float) -> int:
    # The small sum repairs quotients like 0.58 / 0.02 = 28.999999999999996.
    return (int(now / _GRID + 1e-6) + 1 << _ORDER_BITS) - 1
