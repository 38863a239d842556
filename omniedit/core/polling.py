"""When to look at a task next.

Rules of this room:

- Look when the task is likely to be done. A belief holds the logarithm of duration / estimate as one Gaussian per
  model: it starts as eight imagined tasks and learns from every task that ends. The first look comes at its 2.5 %
  quantile: thirty-nine tasks in forty are still unfinished then, so an earlier look would tell nothing.
- A progress reading sharpens it: duration x progress / elapsed is a Gaussian of its own for each fifth of the way,
  and the two are weighed by their variances. The next look comes at the new 2.5 % quantile, but no sooner than one
  step and no later than a minute after the last (the first no later than ten minutes after the submit). Past the
  quantile it is one look every step: the lag of a finished task is bounded by the step, whatever the estimates were
  worth. A task that is thought to be short is looked at in steps of a sixth of its length.
- Where callbacks are expected, looks are a safety net. The share of callbacks that really came, taken as
  four in five until some were seen, moves the first look
  from the 2.5 % to the 97.5 % quantile and stretches the step by 1 / sqrt(1 - share), as the best density of looks
  follows the square root of the hazard (Keller, Optimum checking schedules, Management Science 20, 1974).
- Nothing is watched for ever: `Patience` bounds a task as a whole, and an undocumented status on its own.
- One bulk read replaces many single ones when enough tasks are due at about the same time, until the service says
  that it has no such call, leaves out most of what it was asked for, or fails where it answers single reads.

Durations are seconds since the task was accepted; progress is 0 to 100 as the service reports it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log, sqrt

from attrs import frozen

from omniedit.core.duequeue import DueQueue, Place

__all__ = ["Belief", "BulkPolicy", "DueQueue", "Look", "Place", "Reading", "keep_reading"]

_QUANTILE = 1.96  # standard deviations: the 2.5 % (and 97.5 %) quantile of a Gaussian
_SOONEST = 1.0  # s after the submit: nothing is ever done earlier
_LOOKS_PER_LENGTH = 6.0  # a task that is thought to take less than half a minute is looked at in shorter steps
_SHORTEST_STEP = 0.25  # s
_LATEST = 600.0  # s after the submit: an estimate in the wrong unit must not hide a task for hours
_TYPICAL = 60.0  # s: the scale when the service gave no estimate (its documented example)
_TELLING = 2.0  # %: below this, progress is as good as absent
_FIFTHS = 5  # bands of progress, each read with its own bias and spread
_OUTLIER = 1.5  # in ln: a task 4.5 times off moves the belief no more than this
_MEMORY = 400.0  # tasks: above it, the old ones count half
_IMAGINED = 5.0  # callbacks, before any was seen ...
_IMAGINED_SHARE = 0.8  # ... of which so many came: who asks to be called expects it to work
_CONTRADICTIONS = 3  # in a row: the first two may be a service that has just come back
_MOST_TRUST = 0.99  # a step is stretched tenfold at most


Reading = tuple[float, float]
"""One progress report: seconds after the submit, and the progress (above 0, to 100) seen then.

A plain pair: an edit in flight keeps up to five, and Python's garbage collector passes over pairs of numbers.
"""


@frozen
class Look:
    """What a look at an unfinished task showed."""

    elapsed: float  # s since the task was accepted
    estimate: float | None = None  # s, the service's own guess at the submit
    progress: float = 0.0  # 0 to 100
    callback_expected: bool = False


def keep_reading(readings: tuple[Reading, ...], look: Look) -> tuple[Reading, ...]:
    """The readings worth keeping of one task: the first in each fifth, so never more than five."""
    if look.progress < _TELLING or look.elapsed <= 0:
        return readings
    fifth = _fifth(look.progress)
    if any(_fifth(progress) == fifth for _, progress in readings):
        return readings
    return (*readings, (look.elapsed, look.progress))


class Belief:
    """What is believed about how long tasks of one model take.

    `step` (s) is the time between looks once a task may be done, and so the price of a look in seconds of lag;
    `longest` (s) bounds the time between two looks.
    """

    __slots__ = ("_by_progress", "_delivered", "_duration", "_expected", "_longest", "_step")

    def __init__(self, *, step: float = 5.0, longest: float = 60.0) -> None:
        self._step = step
        self._longest = longest
        self._duration = _Gauss(count=8, deviation=0.5, least=0.08)
        self._by_progress = [_Gauss(count=6, deviation=0.4, least=0.06) for _ in range(_FIFTHS)]
        self._expected = _IMAGINED
        self._delivered = _IMAGINED * _IMAGINED_SHARE

    @property
    def delivery_share(self) -> float:
        """The share of expected callbacks that came, with a few imagined ones."""
        return min(self._delivered / self._expected, _MOST_TRUST)

    def first_look(self, estimate: float | None, *, callback_expected: bool = False) -> float:
        """Seconds after the submit at which the first look is worth its price."""
        trust = self.delivery_share if callback_expected else 0.0
        middle = _scale(estimate) + self._duration.mean
        promising = exp(middle - (1 - 2 * trust) * _QUANTILE * self._duration.deviation)
        return max(_SOONEST, min(promising, _LATEST))

    def next_look(self, look: Look) -> float:
        """The elapsed seconds at which to look again at a task that is still unfinished."""
        trust = self.delivery_share if look.callback_expected else 0.0
        middle, deviation = self._sharpened(look)
        promising = exp(middle - (1 - 2 * trust) * _QUANTILE * deviation)
        length = max(exp(middle), look.elapsed)
        step = max(min(self._step, length / _LOOKS_PER_LENGTH), _SHORTEST_STEP) / sqrt(1 - trust)
        return max(look.elapsed + step, min(look.elapsed + self._longest, promising))

    def _sharpened(self, look: Look) -> tuple[float, float]:
        prior = self._duration
        middle = _scale(look.estimate) + prior.mean
        if look.progress < _TELLING or look.elapsed <= 0:
            return middle, prior.deviation
        reading = self._by_progress[_fifth(look.progress)]
        read = log(100 * look.elapsed / look.progress) + reading.mean
        weight, read_weight = prior.deviation**-2, reading.deviation**-2
        total = weight + read_weight
        return (weight * middle + read_weight * read) / total, total**-0.5

    def finished(self, estimate: float | None, lower: float, upper: float, readings: Iterable[Reading] = ()) -> None:
        """Learn from a task that ended between its last two looks, `lower` and `upper` seconds after the submit.

        Where the service tells the instant itself, `lower` and `upper` are equal.
        """
        duration = max((lower + upper) / 2, _SOONEST / 10)
        self._duration.add(log(duration) - _scale(estimate))
        for elapsed, progress in readings:
            self._by_progress[_fifth(progress)].add(log(duration * progress / (100 * elapsed)))

    def callback(self, *, came: bool) -> None:
        """Learn whether a task that expected a callback got one before a look found its end."""
        self._expected += 1
        self._delivered += came
        if self._expected > _MEMORY:
            self._expected /= 2
            self._delivered /= 2

    def __repr__(self) -> str:
        return f"<Belief ln(duration/estimate) {self._duration!r} delivered {self.delivery_share:.2f}>"


class _Gauss:
    """Mean and deviation of a running sample that started as a few imagined values around zero."""

    __slots__ = ("_count", "_least", "_squares", "deviation", "mean")

    def __init__(self, *, count: float, deviation: float, least: float) -> None:
        self._count = count
        self._squares = count * deviation**2
        self._least = least
        self.mean = 0.0
        self.deviation = deviation

    def add(self, value: float) -> None:
        offset = max(-_OUTLIER, min(value - self.mean, _OUTLIER))
        self._count += 1
        self.mean += offset / self._count
        self._squares += offset**2 * (1 - 1 / self._count)
        self.deviation = max(self._least, sqrt(self._squares / self._count))
        if self._count > _MEMORY:
            self._count /= 2
            self._squares /= 2

    def __repr__(self) -> str:
        return f"{self.mean:+.2f} ± {self.deviation:.2f}"


def _scale(estimate: float | None) -> float:
    return log(estimate if estimate is not None and estimate > 0 else _TYPICAL)


def _fifth(progress: float) -> int:
    return min(int(progress * _FIFTHS / 100), _FIFTHS - 1)


class BulkPolicy:
    """Whether tasks that are due together are read in one call."""

    __slots__ = ("_contradicted", "_enabled", "_failed")

    WITHIN = 1.0  # s: due at about the same time
    LEAST = 8  # tasks: below it, single reads are as good
    MOST = 50  # ids in one call, the service's limit

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._failed = False  # whether the last one did, and no single read has worked since
        self._contradicted = 0  # times that one worked after such a failure

    @property
    def enabled(self) -> bool:
        """Whether the service is still thought to have the bulk call."""
        return self._enabled

    def size(self, due: int) -> int:
        """How many tasks to read in one call, of `due` tasks due within `WITHIN` seconds; 0 means one by one."""
        return min(due, self.MOST) if self._enabled and due >= self.LEAST else 0

    def answered(self, status: int) -> None:
        """Learn from the HTTP status of a bulk call: 404 or 405 turn it off for good."""
        if status in {404, 405}:
            self._enabled = False
        if status < 300:
            self._failed, self._contradicted = False, 0

    def failed(self) -> None:
        """A bulk call got no answer, or an error of the service: it may be down. A single read will tell."""
        self._failed = True

    def read_alone(self) -> None:
        """A single read worked. When bulk calls keep failing all the same, it is them."""
        self._contradicted += self._failed
        self._failed = False
        if self._contradicted >= _CONTRADICTIONS:
            self._enabled = False

    def left_out(self, missing: int, asked: int) -> None:
        """Learn how many tasks a bulk call did not name: one that leaves out most is not worth asking again."""
        if 2 * missing > asked:
            self._enabled = False

    def __repr__(self) -> str:
        return f"<BulkPolicy {'on' if self._enabled else 'off'}>"
