"""Pauses after refusals: one episode counts once, and every pause ends.

Rules of this room:

- Refusals come in episodes. A refused request that left before the last reaction belongs to the episode that is
  already being answered: it can lengthen the pause, but says nothing new.
- `Retry-After` pauses everybody until then, plus up to 2 % so that not all come back at once; never less.
- Without it, the first refusal of an episode pauses for half an interval of the pacer. When a request is refused that
  left after the pause, the limit is still shut: pauses triple, from one second or one interval to half a minute, and
  from there on last half as long as the block has lasted, to a quarter of an hour; a single request goes in between.
- Many services count by the minute. Where the last three blocks ended at the same instant of the minute, the next is
  expected to end there too: when that is less than 15 s away, it is waited for instead.
- A task that ends may have made room: it halves what is left of a pause that nobody asked for, once.
- The first acceptance of a request that left after the last reaction ends the episode.
"""

from __future__ import annotations

from enum import Enum, auto
from math import inf

from omniedit.core.pacing import MINUTE

__all__ = ["Pause", "Refusal"]

_FIRST = 1.0  # s: the first rung of the ladder
_HALF_MINUTE = 30.0  # s: where the rungs stop tripling, so that a minute window is overslept by half at most
_LONGEST = 900.0  # s: a limit that stays shut for hours is asked four times an hour
_AGREEING = 3  # blocks: two may end at the same instant of the minute by chance
_EXPECTED_WITHIN = 30.0  # s: how far ahead the end of a block is believed
_SHARP = 1.0  # s: a block end known as well as this needs no more search
_JUST_AFTER = 0.05  # s: past the expected end, for the service's clock and ours


class Refusal(Enum):
    """What a refusal is within its episode."""

    KNOWN = auto()  # its request left before the last reaction
    FIRST = auto()  # it opens an episode
    AGAIN = auto()  # the limit is still shut


class Pause:
    """The pause of one lane."""

    __slots__ = ("_began", "_firm", "_halved", "_last_failed", "_minute", "in_a_row", "probing", "reacted", "until")

    def __init__(self) -> None:
        self.until = -inf
        self.reacted = -inf  # when the last reaction was
        self.in_a_row = 0  # refusals of this episode that counted
        self._began = -inf  # when the episode began
        self._last_failed = -inf  # when the last refused request had left
        self.probing = False  # whether only a single request may be on its way, to see if the limit has opened
        self._firm = False  # whether there is a reason for just this long a pause
        self._halved = False
        self._minute = _Minute()

    @property
    def by_minute(self) -> bool:
        """Whether blocks are known to end at one instant of the minute."""
        return self._minute.known

    def refused(
        self, left: float, now: float, wait: float | None, interval: float, jitter: float, *, capped: bool = False
    ) -> Refusal:
        """A request that left at `left` was refused; `wait` is its `Retry-After`, `interval` that of the pacer."""
        if wait is not None:
            self._extend(now + wait * (1 + 0.02 * jitter))
        if left <= self.reacted:
            return Refusal.KNOWN
        self.reacted, self._last_failed = now, left
        self.in_a_row += 1
        if self.in_a_row == 1:
            self._began = now
        self._firm, self._halved = wait is not None, False
        self.probing = not capped or self.in_a_row > 1
        if wait is None and self.probing:
            self._extend(self._blind(now, interval, jitter))
        return Refusal.FIRST if self.in_a_row == 1 else Refusal.AGAIN

    def hold(self, until: float) -> None:
        """Pause at least until then, as headers ask."""
        self._extend(until)
        self._firm = True

    def accepted(self, left: float) -> bool:
        """A request that left at `left` was accepted; True when that ends an episode."""
        if not self.in_a_row or left <= self.reacted:
            return False
        self.in_a_row = 0
        self.probing = False
        self._minute.ended(self._last_failed, left)
        return True

    def room_freed(self, now: float) -> None:
        """A task ended."""
        if self.in_a_row and not self._firm and not self._halved and self.until > now:
            self.until -= (self.until - now) / 2
            self._halved = True

    def _blind(self, now: float, interval: float, jitter: float) -> float:
        """The end of a pause that nobody asked for."""
        expected = self._minute.try_at(now)
        if expected is not None:
            self._firm = True
            return expected + _JUST_AFTER
        if self.in_a_row == 1:
            return now + min(interval / 2, _HALF_MINUTE)
        rung = max(interval, _FIRST) * 3.0 ** min(self.in_a_row - 2, 9)
        if rung > _HALF_MINUTE:
            rung = max(_HALF_MINUTE, min(rung, (now - self._began) / 2))
        return now + min(rung, _LONGEST) * (0.9 + 0.2 * jitter)

    def _extend(self, until: float) -> None:
        self.until = max(self.until, until)


class _Minute:
    """Where in the minute blocks end: what all of them since the first have in common."""

    __slots__ = ("_agreed", "_high", "_low")

    def __init__(self) -> None:
        self._low = self._high = -inf
        self._agreed = 0

    @property
    def known(self) -> bool:
        """Whether enough blocks agree."""
        return self._agreed >= _AGREEING

    def ended(self, after: float, by: float) -> None:
        """A block ended between these instants."""
        minutes = round((by - self._high) / MINUTE) * MINUTE if self._agreed else 0.0
        low, high = max(self._low + minutes, after), min(self._high + minutes, by)
        if low < high:
            self._low, self._high, self._agreed = low, high, self._agreed + 1
        else:
            self._low, self._high, self._agreed = after, by, 1

    def try_at(self, now: float) -> float | None:
        """When to try next whether a block has ended, if its end is known and near."""
        end = now + (self._high - now) % MINUTE if self.known else inf
        if end - now > _EXPECTED_WITHIN:
            return None
        earliest = max(now, end - (self._high - self._low))
        return end if end - earliest < _SHARP else (earliest + end) / 2
