"""Changes on their way to a reader: none that matters is dropped, and a slow reader does not fill the memory.

A change of status always arrives. One that only moves the progress replaces the one before it when that has not been
read yet. Without a reader nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from omniedit.changes import Change

__all__ = ["ChangeStream"]

_TURNS = 8  # of the loop: Python closes an async generator that was left in two


class ChangeStream:
    """A queue of changes with at most one reader. `backlog` tells the writer when to slow down."""

    __slots__ = ("_cells", "_closed", "_progress", "_reading", "_wake")

    def __init__(self) -> None:
        self._cells: deque[list[Change]] = deque()
        self._progress: dict[str, list[Change]] = {}
        self._wake = asyncio.Event()
        self._reading = False
        self._closed = False

    @property
    def backlog(self) -> int:
        """Changes that wait to be read."""
        return len(self._cells)

    @property
    def reading(self) -> bool:
        """Whether somebody reads."""
        return self._reading

    async def attach(self) -> None:
        """Begin to keep changes for a reader. One who broke off is gone some turns of the loop later: he is waited for.

        Raises:
            RuntimeError: there is one already.
        """
        for _ in range(_TURNS):
            if self._reading:
                await asyncio.sleep(0)
        if self._reading:
            raise RuntimeError("this run is being iterated already: one reader at a time")
        self._reading = True

    def detach(self) -> None:
        """Nobody reads any more; what waits is dropped."""
        self._reading = False
        self._cells.clear()
        self._progress.clear()

    def put(self, change: Change) -> None:
        """Pass a change on."""
        if not self._reading:
            return
        key = change.edit.key
        waiting = self._progress.get(key)
        if change.status != change.previous:
            self._progress.pop(key, None)
            self._cells.append([change])
        elif waiting is not None:
            waiting[0] = change
        else:
            cell = [change]
            self._progress[key] = cell
            self._cells.append(cell)
        self._wake.set()

    def close(self) -> None:
        """There will be no more changes; the reader gets what waits, then the end."""
        self._closed = True
        self._wake.set()

    def reopen(self) -> None:
        """Take changes again, after a run was given up and is begun anew."""
        self._closed = False

    async def read(self) -> AsyncIterator[Change]:
        """Changes in order, until closed."""
        while True:
            while self._cells:
                cell = self._cells.popleft()
                key = cell[0].edit.key
                if self._progress.get(key) is cell:
                    del self._progress[key]
                yield cell[0]
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()
