"""Bars on a terminal: the only file that knows rich.

Pictures are drawn a few times a second, however many changes come, and by a thread: a terminal that is stopped or slow
delays pictures and nothing else.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from omniedit.changes import Change, Transfer
from omniedit.cli.board import Board, Frame, Row
from omniedit.cli.display import Display
from omniedit.cli.session import Stop
from omniedit.cli.standard import drawing
from omniedit.cli.words import Conclusion, clean, ended_line
from omniedit.models import Status

__all__ = ["BarsDisplay", "can_draw"]

_EVERY = 0.15  # seconds between two pictures
_MOST_ROWS = 12
_OTHER_LINES = 6  # the bar over all, totals, and room to breathe
_WITH_BARS, _WITH_TABLE, _WITH_BYTES, _WITH_PROMPT = 60, 70, 80, 110  # columns from which on these are shown
_BAR = 16
_STYLES = {
    Status.uploading: "cyan",
    Status.downloading: "green",
    Status.submitting: "magenta",
}


def can_draw() -> bool:
    """Whether standard error is a terminal that can move its cursor."""
    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal


class BarsDisplay(Display):
    """At most a dozen edits with their bars, and a line with totals; everything else is said above them."""

    def __init__(self, stop: Stop, expected: int | None = None) -> None:
        super().__init__(stop)
        self._console = Console(stderr=True, highlight=False)
        self._board = Board(expected, time.monotonic())
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._said: list[str] = []
        self._done = asyncio.Event()
        self._painting: asyncio.Task[None] | None = None
        self._lines_too = not sys.stdout.isatty()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._fit()
        with drawing():
            self._live.start()
        self._painting = asyncio.create_task(self._paint())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._painting is not None:
            self._done.set()
            await self._painting
        await super().__aexit__(kind, error, trace)
        with drawing():
            self._say_all(self._take_said())
            self._live.update("", refresh=True)
            self._live.stop()

    async def show(self, change: Change) -> None:
        """Take a change in; where standard output goes somewhere else, what a log should keep is written there."""
        self._board.see(change, time.monotonic())
        if self._lines_too and change.status.terminal and change.previous is not None:
            await self.lines.put(ended_line(change))

    def moved(self, transfer: Transfer) -> None:
        """Bytes are on their way."""
        self._board.moved(transfer)

    def tell(self, text: str) -> None:
        """A line above the bars, or where they were."""
        if self._live.is_started:
            self._said.append(text)
        else:
            with drawing():
                self._console.print(Text(text))

    def conclude(self, conclusion: Conclusion) -> None:
        """The summary, with a table of what failed where there is room for one."""
        if self._console.width < _WITH_TABLE:
            super().conclude(conclusion)
            return
        with drawing():
            self._console.print(Text(conclusion.headline, style="bold"))
            if conclusion.groups:
                self._console.print(_failures(conclusion))
            for hint in conclusion.hints:
                self._console.print(Text(hint))

    def abandon(self) -> None:
        """Give the cursor back."""
        with drawing():
            self._console.show_cursor(True)

    async def _paint(self) -> None:
        while not self._done.is_set():
            self._fit()
            rows = max(min(_MOST_ROWS, self._console.height - _OTHER_LINES), 0)
            frame = self._board.frame(time.monotonic(), rows, self.statistics())
            await asyncio.to_thread(self._draw, frame, self._take_said())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), _EVERY)

    def _fit(self) -> None:
        """Ask the terminal itself: COLUMNS may be of another window, or of before this one was resized."""
        with suppress(OSError, ValueError):
            self._console.size = ConsoleDimensions(*os.get_terminal_size(sys.stderr.fileno()))

    def _draw(self, frame: Frame, said: list[str]) -> None:
        with drawing():
            self._say_all(said)
            self._live.update(_picture(frame, self._console.width), refresh=True)

    def _take_said(self) -> list[str]:
        said, self._said = self._said, []
        return said

    def _say_all(self, said: list[str]) -> None:
        for text in said:
            self._console.print(Text(text))


def _picture(frame: Frame, width: int) -> Group:
    parts: list[Table | Text] = []
    if frame.rows:
        parts.append(_table(frame.rows, width))
    if frame.hidden:
        parts.append(Text(f"… and {frame.hidden:,} more", style="dim"))
    totals = frame.totals
    if totals.expected:
        over_all = Table.grid(expand=True)
        over_all.add_row(ProgressBar(total=totals.expected, completed=totals.ended))
        parts.append(over_all)
    parts.append(Text(" · ".join(totals.parts()), style="bold"))
    return Group(*parts)


def _table(rows: Sequence[Row], width: int) -> Table:
    table = Table.grid(Column(ratio=1, no_wrap=True, overflow="ellipsis"), expand=True, padding=(0, 1, 0, 0))
    if width >= _WITH_PROMPT:
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, justify="right")
    if width >= _WITH_BYTES:
        table.add_column(no_wrap=True, justify="right", min_width=_BAR)
    for row in rows:
        table.add_row(*_cells(row, width))
    return table


def _cells(row: Row, width: int) -> Iterator[RenderableType]:
    yield Text(clean(row.name or _base_of(row.source), 200))
    if width >= _WITH_PROMPT:
        yield Text(clean(row.prompt, 200))
    yield Text(clean(row.status, 12), style=_STYLES.get(row.status, ""))
    share = 100 * row.done / row.size if row.size else row.progress
    if width >= _WITH_BARS:
        yield ProgressBar(total=100, completed=share, width=_BAR)
    else:
        yield Text(f"{share:.0f}%" if share else "")
    if width >= _WITH_BYTES:
        yield Text(f"{decimal(row.done)} of {decimal(row.size)}" if row.size else "")


def _base_of(source: str) -> str:
    """The last part of a path or URL, which tells one clip from another."""
    return source.partition("?")[0].rstrip("/").rpartition("/")[2] or source


def _failures(conclusion: Conclusion) -> Table:
    columns = (Column("edits", justify="right"), Column("why", overflow="fold"), Column("what to do", overflow="fold"))
    table = Table(*columns, box=None, header_style="dim", padding=(0, 1, 1, 1))
    for group in conclusion.groups:
        told = Text(group.mend)
        for example in group.examples:
            told.append(f"\n{example}", style="dim")
        table.add_row(f"{group.count:,}", Text(f"{group.status}\n{group.code}"), told)
    return table
