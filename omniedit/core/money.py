"""What an edit may cost, and whether a budget allows the next one.

Rules of this room (`core`): pure and synchronous; no I/O, no clock, no randomness; a decision goes out as a value.

Rules of this file: an estimate is only a guess until the service has reserved; so, under a budget, the first edit goes
alone, and each later one is taken to cost the most that was reserved so far or what its length says, whichever is
more. A budget is kept with the edits under way counted in.

Prices: 5,792 tokens for each second of input and of output video; per 1,000 tokens 0.0867 credits for input and
1.0115 for video output (the service's public price list, 2026-10). Failed tasks are not billed.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["LONGEST", "Budget", "Room", "estimate_credits"]

_TOKENS_PER_SECOND = 5792.0
_INPUT_PER_THOUSAND = 0.0867
_OUTPUT_PER_THOUSAND = 1.0115
LONGEST = 10.0
"""Seconds of the longest clip that the service takes; assumed where the length is not known."""


def estimate_credits(seconds: float | None) -> float:
    """Credits that one edit of a clip of this length is likely to cost, its prompt left out."""
    length = LONGEST if seconds is None else min(max(seconds, 0.0), LONGEST)
    return length * _TOKENS_PER_SECOND / 1000 * (_INPUT_PER_THOUSAND + _OUTPUT_PER_THOUSAND)


class Room(Enum):
    """What a budget says to the next edit."""

    taken = "taken"
    """Go; `settle` must follow."""
    wait = "wait"
    """The edits under way decide: ask again when one of them has settled."""
    none = "none"
    """The next edit would pass the budget."""


class Budget:
    """Credits that may be reserved: `limit` in all, None for no limit."""

    __slots__ = ("_largest", "_under_way", "limit", "reserved", "used")

    def __init__(self, limit: float | None, *, reserved: float = 0.0, used: float = 0.0) -> None:
        self.limit = limit
        self.reserved = reserved
        self.used = used
        self._largest: float | None = None
        self._under_way: dict[str, float] = {}

    def take(self, key: str, seconds: float | None) -> Room:
        """Ask for room for one edit of a clip of this length (None: not known)."""
        if self.limit is None:
            return Room.taken
        if self._largest is None and self._under_way:
            return Room.wait
        price = max(estimate_credits(seconds), self._largest or 0.0)
        if self.reserved + sum(self._under_way.values()) + price <= self.limit:
            self._under_way[key] = price
            return Room.taken
        return Room.wait if self._under_way else Room.none

    def settle(self, key: str, reserved: float | None) -> None:
        """The request of one edit is over: it reserved this much, or nothing when it was not accepted (None)."""
        guess = self._under_way.pop(key, 0.0)
        if reserved is None:
            return
        amount = reserved if reserved > 0 else guess
        self.reserved += amount
        self._largest = max(self._largest or 0.0, amount)

    def refund(self, reserved: float | None) -> None:
        """A task failed: what it had reserved is given back, since failed tasks are not billed."""
        self.reserved = max(self.reserved - (reserved or 0.0), 0.0)

    def __repr__(self) -> str:
        return f"<Budget {self.reserved:g} of {self.limit}>"
