"""What is going on, in as many numbers and rows as a person can read.

The board is told of every change, and each costs it little; a picture, a `Frame`, is made only when one is drawn.
"""

from __future__ import annotations

from collections import deque

import attrs

from omniedit.changes import Change, Transfer
from omniedit.cli.words import amount, clock_time
from omniedit.flow.batch import BatchStatistics
from omniedit.models import Status

__all__ = ["Board", "Frame", "Row", "Totals"]

_WINDOW = 60.0  # seconds over which the rate is taken
_ENOUGH = 3  # ends before anything is foretold
_TRANSFERS = {Status.uploading, Status.downloading}


@attrs.define
class Row:
    """One edit under way."""

    source: str
    name: str | None
    prompt: str
    status: Status
    progress: int = 0
    done: int = 0
    """Bytes."""
    size: int | None = None


@attrs.frozen
class Totals:
    """All edits in numbers."""

    saved: int
    ended: int
    expected: int | None
    """Edits in all, when that is known."""
    in_flight: int
    waiting: int
    rate: float
    """Edits a minute."""
    credits: float
    left: float | None
    """Seconds."""

    @property
    def failed(self) -> int:
        """Edits that ended without a file."""
        return self.ended - self.saved

    def parts(self) -> list[str]:
        """The numbers in words, the most wanted first."""
        of = f" of {self.expected:,}" if self.expected is not None else ""
        texts = [
            f"{self.saved:,}{of} saved",
            f"{self.failed:,} not saved" if self.failed else "",
            f"{self.in_flight:,} in flight",
            f"{self.waiting:,} waiting" if self.waiting else "",
            f"{clock_time(self.left)} left" if self.left is not None else "",
            f"{self.rate:,.1f}/min" if self.rate else "",
            f"{amount(self.credits)} credits" if self.credits else "",
        ]
        return [text for text in texts if text]


@attrs.frozen
class Frame:
    """What one picture shows."""

    rows: tuple[Row, ...]
    hidden: int
    """Edits under way without a row."""
    totals: Totals


class Board:
    """Keeps the picture.

    Args:
        expected: edits in all, when that is known.
        now: monotonic seconds.
    """

    def __init__(self, expected: int | None, now: float) -> None:
        self._expected = expected
        self._began = now
        self._live: dict[str, Row] = {}
        self._moving: dict[str, None] = {}
        self._slots: list[str] = []
        self._ends: deque[list[float]] = deque()
        self._saved = self._ended = 0

    def see(self, change: Change, now: float) -> None:
        """Take one change in."""
        key, status = change.edit.key, change.status
        if status.terminal:
            self._end(key, change, now)
        elif status == Status.queued:
            self._drop(key)
        else:
            self._go_on(key, change)

    def moved(self, transfer: Transfer) -> None:
        """Take the progress of a transfer in."""
        row = self._live.get(transfer.edit.key)
        if row is not None and row.status == transfer.status:
            row.done, row.size = transfer.done, transfer.size

    def frame(self, now: float, rows: int, statistics: BatchStatistics | None) -> Frame:
        """The picture as it is now, with so many rows at most."""
        self._fill(rows)
        shown = tuple(attrs.evolve(self._live[key]) for key in self._slots)
        return Frame(shown, len(self._live) - len(shown), self._totals(now, statistics))

    def totals(self, now: float, statistics: BatchStatistics | None) -> Totals:
        """The numbers alone."""
        return self._totals(now, statistics)

    def _end(self, key: str, change: Change, now: float) -> None:
        self._drop(key)
        self._ended += 1
        self._saved += change.status == Status.saved
        if change.previous is None:
            return  # it had ended in an earlier run, and says nothing about the pace of this one
        if self._ends and now - self._ends[-1][0] < 1.0:
            self._ends[-1][1] += 1
        else:
            self._ends.append([now, 1.0])

    def _drop(self, key: str) -> None:
        self._live.pop(key, None)
        self._moving.pop(key, None)

    def _go_on(self, key: str, change: Change) -> None:
        row = self._live.get(key)
        edit = change.edit
        if row is None:
            row = self._live[key] = Row(edit.source, edit.name, edit.prompt, change.status)
        if row.status != change.status:
            row.done, row.size = 0, None
        row.status, row.progress = change.status, change.progress
        if change.status in _TRANSFERS:
            self._moving[key] = None
        else:
            self._moving.pop(key, None)

    def _fill(self, rows: int) -> None:
        """Rows stay where they are until their edit ends; a free one goes to a transfer, else to the oldest edit."""
        self._slots = [key for key in self._slots if key in self._live][:rows]
        taken = set(self._slots)
        for pool in (self._moving, self._live):
            for key in pool:
                if len(self._slots) >= rows:
                    return
                if key not in taken:
                    taken.add(key)
                    self._slots.append(key)

    def _totals(self, now: float, statistics: BatchStatistics | None) -> Totals:
        rate = self._rate(now)
        expected = self._expected
        waiting = statistics.engine.backlog if statistics and statistics.engine else 0
        if expected is not None:
            waiting = max(expected - self._ended - len(self._live), 0)
        left = None
        if rate and expected is not None and self._ended < expected:
            left = (expected - self._ended) / rate
        reserved = statistics.credits_reserved if statistics else 0.0
        return Totals(self._saved, self._ended, expected, len(self._live), waiting, rate * 60.0, reserved, left)

    def _rate(self, now: float) -> float:
        """Edits a second that ended lately; 0 while there are too few to tell."""
        while self._ends and self._ends[0][0] < now - _WINDOW:
            self._ends.popleft()
        count = sum(number for _, number in self._ends)
        return count / max(min(now - self._began, _WINDOW), 1.0) if count >= _ENOUGH else 0.0
