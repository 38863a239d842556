"""What an edit may cost, and whether a budget allows the next one.

Rules of this room (`core`): pure and synchronous; no I/O, no clock, no randomness; a decision goes out as a value.

Rules of this file:
- an estimate is only a guess until the service has reserved; so, under a budget, the first edit goes alone and is taken
  to cost what the longest clip costs; each later one the most that was reserved so far, or what its length says;
- what may have been accepted counts: the edits under way, the uncertain ones, and those of which the service did not
  say what it reserved;
- failed tasks are not billed, and give back what was reserved for them.

Prices: 5,792 tokens for each second of input and of output video; per 1,000 tokens 0.0867 credits for input and
1.0115 for video output (the service's public price list, 2026-10). A prompt has no more tokens than bytes.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Budget", "LONGEST", "Room", "estimate_credits"]

_TOKENS_PER_SECOND = 5792.0
_INPUT_PER_THOUSAND = 0.0867
_OUTPUT_PER_THOUSAND = 1.0115
LONGEST = 10.0
"""Seconds of the longest clip that the service takes; assumed where the length is not known."""


def estimate_credits(seconds: float | None, prompt: str = "") -> float:
    """Credits that one edit of a clip of this length is likely to cost; its prompt is a thousandth of it."""
    length = LONGEST if seconds is None else min(max(seconds, 0.0), LONGEST)
    video = length * _TOKENS_PER_SECOND / 1000 * (_INPUT_PER_THOUSAND + _OUTPUT_PER_THOUSAND)
    return video + _price_of(prompt)


def _price_of(prompt: str) -> float:
    return len(prompt.encode("utf-8", "replace")) / 1000 * _INPUT_PER_THOUSAND


class Room(Enum):
    """What a budget says to the next edit."""

    taken = "taken"
    """Go; `settle`, `withdraw` or `leave_open` must follow."""
    wait = "wait"
    """The edits under way decide: ask again when one of them has settled."""
    none = "none"
    """The next edit would pass the budget."""


class Budget:
    """Credits that may be reserved.

    Args:
        limit: in all, those of earlier runs included; None for no limit.
        reserved: what earlier runs reserved.
        unpriced: edits of earlier runs that were accepted, or may have been, without a word on what they reserved.
    """

    __slots__ = ("_guessed", "_largest", "_open", "_under_way", "_unpriced", "fresh", "limit", "reserved")

    def __init__(self, limit: float | None, *, reserved: float = 0.0, unpriced: int = 0) -> None:
        self.limit = limit
        self.reserved = reserved
        self.fresh = 0.0
        """What the service reserved in this run."""
        self._unpriced = unpriced
        self._guessed = 0.0
        self._largest: float | None = None
        self._under_way: dict[str, float] = {}
        self._open: dict[str, float] = {}

    @property
    def committed(self) -> float:
        """What is reserved, or may be."""
        unstated = self._unpriced * estimate_credits(None) + sum(self._open.values())
        return self.reserved + self._guessed + unstated + sum(self._under_way.values())

    def take(self, key: str, seconds: float | None, prompt: str = "") -> Room:
        """Ask for room for one edit of a clip of this length (None: not known)."""
        if self.limit is None:
            return Room.taken
        if key in self._open:
            self._under_way[key] = self._open.pop(key)  # a repeat: it has been counted all along
            return Room.taken
        if self._largest is None and self._under_way:
            return Room.wait
        price = self._price(seconds, prompt)
        if self.committed + price <= self.limit:
            self._under_way[key] = price
            return Room.taken
        return Room.wait if self._under_way else Room.none

    def _price(self, seconds: float | None, prompt: str) -> float:
        if self._largest is None:
            return estimate_credits(None, prompt)
        return max(estimate_credits(seconds, prompt), self._largest + _price_of(prompt))

    def settle(self, key: str, reserved: float | None) -> None:
        """The edit was accepted, and this much was reserved (None: the service did not say)."""
        guess = self._under_way.pop(key, 0.0)
        if reserved is None:
            self._guessed += guess
        else:
            self.reserved += reserved
            self.fresh += reserved
        self._largest = max(self._largest or 0.0, guess if reserved is None else reserved)

    def withdraw(self, key: str) -> None:
        """The edit was not accepted, or not sent."""
        self._under_way.pop(key, None)

    def leave_open(self, key: str) -> None:
        """Nobody knows whether the edit was accepted: what it may cost stays counted."""
        if self.limit is not None:
            self._open[key] = self._under_way.pop(key, 0.0)

    def recall(self, key: str) -> None:
        """An uncertain request of an earlier run will be repeated; it is counted already."""
        if self.limit is not None:
            self._unpriced = max(self._unpriced - 1, 0)
            self._open[key] = estimate_credits(None)

    def refund(self, reserved: float, *, fresh: bool = True) -> None:
        """A task failed, one of this run (`fresh`) or of an earlier one: what it had reserved is given back."""
        self.reserved = max(self.reserved - reserved, 0.0)
        if fresh:
            self.fresh = max(self.fresh - reserved, 0.0)

    def __repr__(self) -> str:
        return f"<Budget {self.committed:g} of {self.limit}>"
