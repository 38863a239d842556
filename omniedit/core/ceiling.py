"""Telling a cap on what is live from a limit on the rate.

Rules of this room:

- A cap shows as a ceiling: episodes of refusals open at about the same level (unfinished tasks, or requests on their
  way), work ends in between, and hardly anything is accepted above that level. A limit on the rate refuses at levels
  that come and go.
- The evidence is weighed when an episode opens, over the last few openings and what was accepted since the first of
  them. The cap is the lowest level of these openings. A cap shows from the start. Where many openings showed none, some
  that follow each other will agree by chance one day: from then on, one more has to agree on a cap on tasks.
- The first two openings of all are enough for a cap on tasks when nothing was accepted between them at so high a level:
  had the rate been limited, the tasks of the meantime would have come on top of those that were there. One may have
  been, in the room of a task whose end had not been seen yet. This spares a cap on few tasks, of which there are few
  requests an hour, half of the refusals that it takes to be found.
- Whether a cap has been lifted is only found by trying one more, and a try that fails is a refusal. So each refusal,
  those that it took to find the cap included, is paid for by a number of acceptances before the next try.
"""

from __future__ import annotations

from collections import deque
from math import sqrt

from attrs import frozen

__all__ = ["Ceiling", "Kind", "REQUESTS", "TASKS"]


@frozen
class Kind:
    """What may be capped, and how much evidence that takes."""

    name: str
    openings: int  # episodes that must agree, the last of them ...
    later: int  # ... and when there were many before that did not
    first: int  # ... or all there were, where nothing was accepted between them at so high a level
    spread: float  # how far apart their levels may be, in square roots of the level
    least: int  # the lowest level worth calling a cap
    proof: int  # acceptances that must lie between them
    above: float  # the share of these that may lie above the ceiling
    price: int  # acceptances that pay for a refusal: one more than the cap is tried when all are paid for
    try_next: int  # acceptances before one more is tried after a try that succeeded
    successes: int  # tries in a row that lift the cap
    memory: int  # requests: how long what the cap does not explain is remembered
    luck: float  # of the cap: a try that came so much higher before one was refused is no proof


# An ended task is seen late by up to a look, so the level seen is blurred by the root of the level.
TASKS = Kind(
    "tasks",
    openings=4,
    later=5,
    first=2,
    spread=0.35,
    least=1,
    proof=5,
    above=0.05,
    price=65,
    try_next=0,
    successes=1,
    memory=200,
    luck=0.15,
)
REQUESTS = Kind(
    "requests",
    openings=4,
    later=4,
    first=4,
    spread=0.0,
    least=3,
    proof=50,
    above=0.01,
    price=150,
    try_next=10,
    successes=3,
    memory=1000,
    luck=0.0,
)

_EARLY = 8  # episodes: after these, one more has to agree on a cap on tasks
_KEPT = 500  # acceptances remembered
_SMALL = 12  # tasks: at a cap on so few, one acceptance at its own level may be due to an end not seen yet
_MOST_OWED = 8  # refusals: what more it takes to find a cap is not held against it
_MOST = 250  # a cap above it holds the rate so steady that it is as good as a limit on the rate


class Ceiling:
    """The evidence for a cap of one kind."""

    __slots__ = ("_accepted", "_levels", "_opened", "_openings", "kind", "owed")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._openings: deque[tuple[int, int, int]] = deque(maxlen=kind.later)  # level, acceptances, ends
        self._opened = 0  # episodes, ever
        self._levels: deque[int] = deque(maxlen=_KEPT)
        self._accepted = 0
        self.owed = 0  # acceptances that past refusals still cost, before one more may be tried

    def accepted(self, level: int) -> None:
        """A request that left at this level was accepted."""
        self._accepted += 1
        self._levels.append(level)
        self.owed = max(self.owed - 1, 0)

    def refused(self) -> None:
        """A request was refused, for whatever reason."""
        self.owed = min(self.owed + self.kind.price, _MOST_OWED * self.kind.price)

    def opened(self, level: int, ended: int) -> int | None:
        """An episode opened at this level, after so many ends of all time; the cap, when there is one."""
        self._opened += 1
        self._openings.append((level, self._accepted, ended))
        kind, early = self.kind, self._opened <= _EARLY
        needed = kind.openings if early else kind.later
        levels, accepted, ends = zip(*list(self._openings)[-needed:], strict=True)
        cap, middle = min(levels), sorted(levels)[(len(levels) - 1) // 2]
        if not kind.least <= cap <= _MOST or max(levels) - cap > max(1.0, kind.spread * sqrt(middle)):
            return None
        since, ended = self._accepted - accepted[0], ends[-1] - ends[0]
        recent = list(self._levels)[-since:] if since else []
        if early and kind.first <= len(levels) < needed:
            return cap if recent and ended and sum(level >= cap for level in recent) <= (cap <= _SMALL) else None
        if len(levels) < needed or since < kind.proof or ended < max(kind.proof, 2 * sqrt(cap)):
            return None
        above = sum(level > middle for level in recent)
        return cap if above <= kind.above * len(recent) else None

    def forget(self) -> None:
        """Start over: what was taken for a cap was none, or is no longer."""
        self._openings.clear()
        self._levels.clear()
