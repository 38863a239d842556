"""The due queue: what to look at next, for any number of parked items.

Rules of this room:

- An item is parked with the instant it is due. It comes out no earlier, earliest first; items due in the same
  hundredth of a second come out in the order they went in.
- Parking costs no coroutine and no timer: one reader sleeps until `next_due()` and takes what is due.
- Moving or removing an item leaves its old place in the heap empty. Empty places are dropped when they
  surface, and swept when they outnumber the parked items, so memory follows what is parked.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from enum import Enum
from math import ceil
from typing import Generic, Literal, TypeVar

__all__ = ["DueQueue", "Place"]

T = TypeVar("T")

_GRID = 0.01  # s: an item may come out this much later than it was due, never earlier
_ORDER_BITS = 40  # order of arrival within one instant; 10**12 pushes before it could overflow
_SWEEP_FROM = 64  # empty places below this number are not worth a sweep


class _Empty(Enum):
    EMPTY = "empty"


class Place(Generic[T]):
    """Where an item is parked: the handle that moves or removes it."""

    __slots__ = ("_item",)

    def __init__(self, item: T) -> None:
        self._item: T | Literal[_Empty.EMPTY] = item

    @property
    def taken(self) -> bool:
        """Whether the item is still parked here."""
        return self._item is not _Empty.EMPTY

    def clear(self) -> T | Literal[_Empty.EMPTY]:
        """Let go of the item and return it."""
        item, self._item = self._item, _Empty.EMPTY
        return item

    def __repr__(self) -> str:
        return f"<Place {self._item!r}>"


class DueQueue(Generic[T]):
    """A heap of items on a grid of 10 ms.

    >>> queue = DueQueue[str]()
    >>> place = queue.push("a", 5.0)
    >>> queue.pop_due(4.9), queue.pop_due(5.0)
    ([], ['a'])
    """

    __slots__ = ("_heap", "_order", "_parked")

    def __init__(self) -> None:
        self._heap: list[tuple[int, Place[T]]] = []
        self._order = 0
        self._parked = 0

    def push(self, item: T, due: float) -> Place[T]:
        """Park an item until `due` (monotonic seconds)."""
        place = Place(item)
        self._order += 1
        heapq.heappush(self._heap, (ceil(due / _GRID) << _ORDER_BITS | self._order, place))
        self._parked += 1
        return place

    def remove(self, place: Place[T]) -> bool:
        """Take an item out; False when it had come out already."""
        if place.clear() is _Empty.EMPTY:
            return False
        self._parked -= 1
        self._sweep()
        return True

    def reschedule(self, place: Place[T], due: float) -> Place[T]:
        """Move an item to another instant and return its new place; an item that came out raises `KeyError`."""
        item = place.clear()
        if item is _Empty.EMPTY:
            raise KeyError(place)
        self._parked -= 1
        self._sweep()
        return self.push(item, due)

    def pop_due(self, now: float, limit: int | None = None) -> list[T]:
        """Take out what is due, earliest first, at most `limit` items."""
        heap, last = self._heap, _last_key(now)
        items: list[T] = []
        while heap and heap[0][0] <= last and (limit is None or len(items) < limit):
            item = heapq.heappop(heap)[1].clear()
            if item is not _Empty.EMPTY:
                items.append(item)
        self._parked -= len(items)
        return items

    def next_due(self) -> float | None:
        """The earliest instant at which something is due, or None when nothing is parked."""
        heap = self._heap
        while heap and not heap[0][1].taken:
            heapq.heappop(heap)
        return (heap[0][0] >> _ORDER_BITS) * _GRID if heap else None

    def count_due(self, now: float, limit: int) -> int:
        """How many items are due by `now`, counted no further than `limit`; nothing is taken out."""
        count = 0
        for _ in zip(range(limit), self._due_by(_last_key(now)), strict=False):
            count += 1
        return count

    def _due_by(self, last: int) -> Iterator[Place[T]]:
        heap, branches = self._heap, [0]
        while branches:
            at = branches.pop()
            if at >= len(heap) or heap[at][0] > last:
                continue
            if heap[at][1].taken:
                yield heap[at][1]
            branches += (2 * at + 1, 2 * at + 2)

    def _sweep(self) -> None:
        if len(self._heap) > _SWEEP_FROM + 2 * self._parked:
            self._heap = [entry for entry in self._heap if entry[1].taken]
            heapq.heapify(self._heap)

    def __len__(self) -> int:
        return self._parked

    def __repr__(self) -> str:
        return f"<DueQueue parked={self._parked} next_due={self.next_due()}>"


def _last_key(now: float) -> int:
    # The small sum repairs products like 5.0 / 0.01 = 499.99999999999994.
    return (int(now / _GRID + 1e-6) + 1 << _ORDER_BITS) - 1
