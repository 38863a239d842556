"""Pauses after refusals: one episode counts once, and every pause ends.

Rules of this room:

- Refusals come in episodes. A refused request that left before the last reaction belongs to the episode that is being
  answered already: its `Retry-After` counts, but it says nothing new. The first acceptance of a request that left
  after the last reaction ends the episode.
- `Retry-After` pauses everybody until then, plus up to 2 % so that not all come back at once; never less.
- Without it, the first refusal pauses for one interval of the pacer. When the next request is refused too, pauses
  triple, from three seconds or one interval to half a minute, and from there on last half as long as the block has
  lasted, up to a quarter of an hour. So they do after a `Retry-After` that turned out too short.
- While few requests have been taken at all, a cap on few tasks is as likely as a low rate, and none of its tasks can
  have ended yet. Asking often would use up what such a cap may be refused in an hour: pauses begin with three seconds
  and grow ninefold.
- During an episode one request at a time asks whether the limit has opened. Only a known cap is not asked: there, room
  comes from work that ends, and the first refusal pauses nobody.
- Where travelling times differ by more than a token bucket holds, it overflows by chance. A block refuses all that
  leaves after the refused request; a chance refusal, hardly any. So when the service was half a second away or more
  and asked for no pause, what left after the refused request is counted until the episode ends. At least three
  accepted, and four times as many as refused, are proof of chance. Asking alone would then cost more than what it finds
  out: until an episode turns out otherwise, the first refusal pauses nobody, and three acceptances end the episode. The
  second one, of a request that left after the first was known, is answered as any other.
- Many services count by the minute. Once three blocks in a row can have ended at the same instant of the minute, and
  that is less than half a minute away, it is searched for by halving, and then waited for. Blocks that only one request
  has met, and that nobody asked to wait for, prove nothing, as a bucket lets the next one through; but where one ends
  at another instant, it is no minute.
- A task that ends may have made room: it halves what is left of a pause that nobody asked for, once. Pauses of more
  than half a minute are beyond that: many tasks have ended by then, and it did not help.
"""

from __future__ import annotations

from enum import Enum, auto
from math import inf

from omniedit.core.pacing import MINUTE

__all__ = ["Pause", "Refusal"]

_SPREAD = 0.02  # of a Retry-After, on top of it
_FIRST_RUNG = 3.0  # s
_HALF_MINUTE = 30.0  # s: where the rungs stop tripling, so that a minute window is overslept by half at most
_LONGEST = 900.0  # s: a limit that stays shut for hours is asked four times an hour
_AGREEING = 3  # blocks: two may end at the same instant of the minute by chance
_NEAR = 30.0  # s: how far ahead the end of a block is believed
_RUNGS, _FEW_RUNGS = 3.0, 9.0  # from one rung to the next, and while few requests have been taken
_SHARP = 1.0  # s: a block end known as well as this needs no more search
_FAR = 0.5  # s there and back: from here on it costs much to ask with one request at a time
_ENOUGH, _TIMES = 3, 4  # acceptances that prove a refusal by chance, and for each other refusal
_JUST_AFTER = 0.05  # s past the expected end, for the service's clock and ours


class Refusal(Enum):
    """What a refusal is within its episode."""

    KNOWN = auto()  # its request left before the last reaction
    FIRST = auto()  # it opens an episode
    AGAIN = auto()  # the limit is still shut


class Pause:
    """The pause of one lane."""

    __slots__ = (
        "_asked",
        "_began",
        "_blind",
        "_doubtful",
        "_failed",
        "_halvable",
        "_in_a_row",
        "_minute",
        "_passed",
        "_reacted",
        "_stopped",
        "_trial",
        "by_chance",
    )

    def __init__(self) -> None:
        self._asked = -inf  # the end of the pause that the service asked for
        self._blind = -inf  # the end of the one that it did not
        self._halvable = False
        self._in_a_row = 0  # refusals of this episode that counted
        self._began = -inf  # when the episode began
        self._reacted = -inf  # when the last of them was answered
        self._failed = -inf  # when its request had left
        self._trial = inf  # when the request left that asks whether the limit has opened; inf: none is on its way
        self._doubtful = False  # whether this episode may be a refusal by chance
        self._passed = self._stopped = 0  # requests that left after the refused one: accepted, and refused
        self.by_chance = False  # whether the last episode was one, and the present one may be
        self._minute = _Minute()

    @property
    def until(self) -> float:
        """The instant before which nothing may leave."""
        return max(self._asked, self._blind)

    @property
    def asked(self) -> float:
        """The end of the pause that the service asked for."""
        return self._asked

    @property
    def asking(self) -> bool:
        """Whether a request is on its way to ask if the limit has opened, so that all others wait."""
        return self._trial < inf

    @property
    def last_failed(self) -> float:
        """When the last refused request had left that counted."""
        return self._failed

    @property
    def by_minute(self) -> bool:
        """Whether blocks are known to end at one instant of the minute."""
        return self._minute.known

    def left(self, now: float, *, capped: bool) -> None:
        """A request left."""
        if self._in_a_row > (capped or self.by_chance):
            self._trial = now

    def returned(self, left: float) -> None:
        """What became of a request that left at `left` is known."""
        if left == self._trial:
            self._trial = inf

    def refused(
        self,
        left: float,
        now: float,
        wait: float | None,
        interval: float,
        jitter: float,
        *,
        capped: bool = False,
        few: bool = False,
    ) -> Refusal:
        """A request that left at `left` was refused; `wait` is its `Retry-After`, `interval` that of the pacer."""
        if wait is not None:
            self._asked = max(self._asked, now + wait * (1 + _SPREAD * jitter))
        if left <= self._reacted:
            self._stopped += left > self._failed
            return Refusal.KNOWN
        self._reacted, self._failed = now, left
        self._in_a_row += 1
        if self._in_a_row == 1:
            self._began = now
        self._doubt(now - left, sure=capped or wait is not None or self._in_a_row > 1)
        if self._in_a_row > (capped or self.by_chance) and (wait is None or self._in_a_row > 1):
            self._pause_blindly(now, interval, jitter, few=few)
        return Refusal.FIRST if self._in_a_row == 1 else Refusal.AGAIN

    def hold(self, until: float) -> None:
        """Pause at least until then, as headers ask."""
        self._asked = max(self._asked, until)

    def accepted(self, left: float) -> bool:
        """A request that left at `left` was accepted; True when that ends an episode."""
        self._passed += left > self._failed
        if not self._in_a_row or left <= self._reacted or (self.by_chance and self._passed < _ENOUGH):
            return False
        self.by_chance = self._doubtful and self._passed >= max(_ENOUGH, _TIMES * self._stopped)
        proven = self._in_a_row > 1 or self._asked > self._failed + _FIRST_RUNG
        self._minute.ended(self._failed, left, proven=proven)
        self._in_a_row = 0
        return True

    def room_freed(self, now: float) -> None:
        """A task ended."""
        if self._halvable and self._blind > now:
            self._blind -= (self._blind - now) / 2
            self._halvable = False

    def _doubt(self, trip: float, *, sure: bool) -> None:
        """Whether this may be a refusal by chance; one that came a minute late tells nothing of the way."""
        self._doubtful = not sure and (self.by_chance or _FAR <= trip < MINUTE)
        self.by_chance = self.by_chance and self._doubtful
        self._passed = self._stopped = 0

    def _pause_blindly(self, now: float, interval: float, jitter: float, *, few: bool) -> None:
        expected = self._minute.try_at(now)
        rung = self._rung(now - self._began, interval, jitter, few=few)
        self._halvable = expected is None and rung < 1.2 * _HALF_MINUTE
        self._blind = now + rung if expected is None else expected + _JUST_AFTER

    def _rung(self, lasted: float, interval: float, jitter: float, *, few: bool) -> float:
        rungs, climbed = (_FEW_RUNGS, self._in_a_row - 1) if few else (_RUNGS, self._in_a_row - 2)
        if climbed < 0:
            return min(interval, _HALF_MINUTE)  # to the instant: processes that began together stay equals
        rung = max(interval, _FIRST_RUNG) * rungs ** min(climbed, 9)
        if rung > _HALF_MINUTE:
            rung = max(_HALF_MINUTE, min(rung, lasted / 2))
        return min(rung, _LONGEST) * (0.9 + 0.2 * jitter)


class _Minute:
    """Where in the minute blocks end: what the last ones that agree have in common."""

    __slots__ = ("_agreed", "_high", "_low")

    def __init__(self) -> None:
        self._low = self._high = -inf
        self._agreed = 0

    @property
    def known(self) -> bool:
        return self._agreed >= _AGREEING

    def ended(self, after: float, by: float, *, proven: bool) -> None:
        """A block ended between these instants; `proven` says that it was one."""
        minutes = round((by - self._high) / MINUTE) * MINUTE if self._agreed else 0.0
        low, high = max(self._low + minutes, after), min(self._high + minutes, by)
        if low >= high:
            self._low, self._high, self._agreed = after, by, int(proven)
        elif proven or self.known:
            self._low, self._high, self._agreed = low, high, self._agreed + proven

    def try_at(self, now: float) -> float | None:
        """When to try next whether a block has ended, if its end is known and near."""
        end = now + (self._high - now) % MINUTE if self.known else inf
        if end - now > _NEAR:
            return None
        earliest = max(now, end - (self._high - self._low))
        return end if end - earliest < _SHARP else (earliest + end) / 2
