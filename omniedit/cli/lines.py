"""Lines on standard output, written by a thread: whoever reads them slowly delays the showing, never the edits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from omniedit.cli.standard import shut_out

__all__ = ["Lines"]

_MOST_WAITING = 512


class Lines:
    """Standard output of a run.

    Args:
        on_closed: called once when nothing can be written any more (a closed pipe, a full disk).
    """

    def __init__(self, on_closed: Callable[[str], None]) -> None:
        self._on_closed = on_closed
        self._waiting: list[str] = []
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def put(self, line: str) -> None:
        """Write a line soon; waits when too many have not been taken."""
        if self._closed:
            return
        self._waiting.append(line)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        if len(self._waiting) >= _MOST_WAITING:
            await asyncio.wait([self._writing])

    async def flush(self) -> None:
        """Wait until all lines are written."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        while self._waiting:
            text = "\n".join(self._waiting) + "\n"
            self._waiting.clear()
            try:
                await asyncio.to_thread(_write_out, text)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._closed = True
        self._waiting.clear()
        shut_out()
        self._on_closed(f"standard output is closed: {error.strerror or error}")


def _write_out(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
