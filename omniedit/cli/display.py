"""How a run is shown: as JSON lines, as plain lines, or (in `terminal`) with bars."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

import attrs

from omniedit.changes import Change, Summary, Transfer
from omniedit.cli.board import Board
from omniedit.cli.lines import Lines
from omniedit.cli.session import Stop, say
from omniedit.cli.words import Conclusion, clean, ended_line
from omniedit.codecs import encode_change, encode_summary
from omniedit.flow.batch import BatchStatistics
from omniedit.models import Status

__all__ = ["Display", "JsonDisplay", "PlainDisplay"]

_log = logging.getLogger("omniedit")
_EVERY = 15.0  # seconds between two lines with totals


class Display(ABC):
    """Shows one run while its block lasts. Talk goes to standard error, results to standard output.

    Args:
        stop: asked when the output is closed.
    """

    def __init__(self, stop: Stop) -> None:
        self.lines = Lines(self._closed)
        self.began = time.monotonic()
        self._stop = stop
        self.statistics: Callable[[], BatchStatistics | None] = lambda: None
        self._logs = _Logs(self)
        stop.on_first = self._say_stopping
        stop.on_second = self.abandon

    @property
    def stopping(self) -> bool:
        """Whether an early end was asked for."""
        return self._stop.asked

    async def __aenter__(self) -> Self:
        _log.addHandler(self._logs)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _log.removeHandler(self._logs)
        await self.lines.flush()

    @abstractmethod
    async def show(self, change: Change) -> None:
        """One change; waits while the output is not taken."""

    async def finish(self, summary: Summary) -> None:
        """Write what is left to write at the end."""
        for change in summary.failures:
            if not change.status.terminal:
                # It gave up in this run where it stood: no change of status told so.
                await self.show(attrs.evolve(change, previous=change.status))
        await self.lines.flush()

    def moved(self, transfer: Transfer) -> None:  # noqa: B027 - shown by those that have bars
        """Bytes are on their way."""

    def tell(self, text: str) -> None:
        """A line for the user, beside what is shown."""
        say(text)

    def conclude(self, conclusion: Conclusion) -> None:
        """Say how it ended and what to do next; called when the block is left."""
        say(conclusion.headline)
        for group in conclusion.groups:
            say(f"{group.count:>7,} {group.status} {group.code}: {group.mend}")
            for example in group.examples:
                say(f"{'':8}{example}")
        for hint in conclusion.hints:
            say(hint)

    def abandon(self) -> None:  # noqa: B027 - only a terminal must be left as it was found
        """The process ends right now."""

    def _closed(self, why: str) -> None:
        self.tell(why)
        self._stop.ask_once()

    def _say_stopping(self) -> None:
        self.tell("Stopping: a paid request that is just leaving is booked first. Once more leaves at once.")


class JsonDisplay(Display):
    """One JSON object a line for each change, then one with the summary."""

    async def show(self, change: Change) -> None:
        """Write the change."""
        await self.lines.put(json.dumps(encode_change(change)))

    async def finish(self, summary: Summary) -> None:
        """Write the summary too."""
        await super().finish(summary)
        await self.lines.put(json.dumps({"summary": encode_summary(summary)}))
        await self.lines.flush()


class PlainDisplay(Display):
    """A line for each edit that ends (for a single edit: for each status), and totals now and then."""

    def __init__(self, stop: Stop, expected: int | None = None, *, every_status: bool = False) -> None:
        super().__init__(stop)
        self._every_status = every_status
        self._board = Board(expected, time.monotonic())
        self._beat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        if not self._every_status:
            self._beat = asyncio.create_task(self._say_totals())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.wait([self._beat])
        await super().__aexit__(kind, error, trace)

    async def show(self, change: Change) -> None:
        """Write what a log should keep."""
        self._board.see(change, time.monotonic())
        if change.status.terminal or change.error is not None:
            if change.previous is not None or change.status != Status.saved:
                await self.lines.put(ended_line(change))
        elif self._every_status and change.status != change.previous:
            task = f"  {change.task_id}" if change.task_id else ""
            await self.lines.put(f"{clean(change.status):<11} {clean(change.edit.source, 300)}{task}")

    async def _say_totals(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            say(", ".join(self._board.totals(time.monotonic(), self.statistics()).parts()))


class _Logs(logging.Handler):
    """The library's warnings, shown where they do not fight with bars."""

    def __init__(self, display: Display) -> None:
        super().__init__(logging.WARNING)
        self._display = display
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, whatever thread it comes from."""
        if self._display.stopping and record.levelno < logging.ERROR:
            return  # that everything ends early is what was asked for
        text = f"{record.levelname.lower()}: {clean(record.getMessage())}"
        self._loop.call_soon_threadsafe(self._display.tell, text)
