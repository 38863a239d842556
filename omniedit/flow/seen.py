"""Which edits a run has met, and which names it gave: sets that cost about eight bytes for each."""

from __future__ import annotations

from hashlib import blake2b

from omniedit.journal.rules import fold

__all__ = ["KeySet", "Names"]

_SHELVES = 4096
_DIGITS = 15  # hexadecimal: 60 bits of a key, 12 of which choose the shelf and
_WIDTH = 6  # bytes lie on it


class KeySet:
    """Edit keys, by their first 60 bits. Two different edits of a million collide with a chance of 4 in 10^7."""

    __slots__ = ("_shelves",)

    def __init__(self) -> None:
        # Immutable, so that each has its exact size: shelves that grow in place leave holes between them.
        self._shelves = [b""] * _SHELVES

    def add(self, key: str) -> bool:
        """Add a key; False when it was there."""
        number, rest = _split(key)
        shelf = self._shelves[number]
        if _place(shelf, rest) >= 0:
            return False
        self._shelves[number] = shelf + rest
        return True

    def discard(self, key: str) -> None:
        """Forget a key."""
        number, rest = _split(key)
        shelf = self._shelves[number]
        place = _place(shelf, rest)
        if place >= 0:
            self._shelves[number] = shelf[:place] + shelf[place + _WIDTH :]


class Names:
    """Places that a run has given to results, compared as a journal does: two results never get one."""

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks = KeySet()

    def take(self, target: str) -> bool:
        """Give a place away; False when another result has it."""
        return self._marks.add(_mark(target))

    def free(self, target: str) -> None:
        """Take a place back."""
        self._marks.discard(_mark(target))


def _mark(target: str) -> str:
    return blake2b(fold(target).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _split(key: str) -> tuple[int, bytes]:
    rest, shelf = divmod(int(key[:_DIGITS], 16), _SHELVES)
    return shelf, rest.to_bytes(_WIDTH, "big")


def _place(shelf: bytes, rest: bytes) -> int:
    """Where it lies, -1 if it does not. Bytes of two neighbours may look like it: those do not count."""
    at = shelf.find(rest)
    while at >= 0 and at % _WIDTH:
        at = shelf.find(rest, at + 1)
    return at
