"""What headers state: how many requests are left, and until when.

Rules of this room:

- A window whose end stands still can be trusted: what is left can be spread over the time that is left. The end stands
  still when replies over at least 3 s name the same instant, to within 1.5 s, as resets are rounded to seconds.
- An end that jumps ahead is the next window. An end that drifts along with time belongs to a bucket or a sliding
  window, whose remaining number says nothing about a rate.
- Headers that promise plenty where a request is refused describe another limit. They are not paced by again.
"""

from __future__ import annotations

from math import inf

__all__ = ["Quota"]

_SAME = 1.5  # s: resets are rounded, and replies travel
_JUMP = 5.0  # s: farther than that is another window
_STANDS_AFTER = 3.0  # s of agreement
_PLENTY = 10  # requests left, and as many more for each on its way: others of the key may have used up fewer


class Quota:
    """The window that the headers of one lane describe, if they describe one."""

    __slots__ = ("_agreed", "_refuted", "_since", "end", "remaining")

    def __init__(self) -> None:
        self.remaining = inf
        self.end = -inf
        self._since = inf
        self._agreed = False
        self._refuted = False

    @property
    def stands(self) -> bool:
        """Whether the end stood still for long enough to be believed."""
        return self._agreed and not self._refuted

    def refused(self, requests: int) -> None:
        """A request was refused, with so many more on their way."""
        self._refuted = self._refuted or (self._agreed and self.remaining > _PLENTY * (1 + requests))

    def read(self, remaining: float, reset: float, now: float) -> None:
        """A reply stated so many requests left for so many seconds."""
        end = now + reset
        self.remaining = remaining
        if end - self.end > _JUMP:
            self.end, self._since = end, now
        elif abs(end - self.end) > _SAME:
            self.end, self._since, self._agreed = end, now, False
        elif now - self._since >= _STANDS_AFTER:
            self._agreed = True
