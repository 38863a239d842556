"""Which edits a run has met: a set of keys that costs about nine bytes each."""

from __future__ import annotations

from array import array

__all__ = ["KeySet"]

_SHELVES = 4096


class KeySet:
    """Edit keys, by their first 64 bits. Two different edits of a million collide with a chance of 3 in 10^8."""

    __slots__ = ("_shelves",)

    def __init__(self) -> None:
        self._shelves: list[array[int] | None] = [None] * _SHELVES

    def add(self, key: str) -> bool:
        """Add a key; False when it was there."""
        number = int(key[:16], 16)
        shelf = self._shelves[number % _SHELVES]
        if shelf is None:
            self._shelves[number % _SHELVES] = array("Q", (number,))
            return True
        if number in shelf:
            return False
        shelf.append(number)
        return True

    def discard(self, key: str) -> None:
        """Forget a key."""
        number = int(key[:16], 16)
        shelf = self._shelves[number % _SHELVES]
        if shelf is not None and number in shelf:
            shelf.remove(number)
