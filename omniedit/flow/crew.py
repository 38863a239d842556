"""A few workers that exist only while there is work: no idle coroutine, no task for what merely waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Crew"]

T = TypeVar("T", bound=Hashable)
_log = logging.getLogger("omniedit")


class Crew(Generic[T]):
    """At most `size` workers; each takes one item after the other until `take` gives None.

    `do` handles its own errors; one that escapes is a defect, is logged, and does not stop the crew.
    """

    def __init__(self, size: int, take: Callable[[], T | None], do: Callable[[T], Awaitable[None]]) -> None:
        self.size = size
        self._take = take
        self._do = do
        self._busy: dict[T, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def busy(self) -> int:
        """Items being worked on."""
        return len(self._busy)

    def nudge(self) -> None:
        """There may be work: start workers for as much of it as the crew has hands."""
        while not self._closed and len(self._busy) < self.size:
            item = self._take()
            if item is None:
                return
            self._start(item)

    def _start(self, item: T) -> None:
        self._busy[item] = asyncio.get_running_loop().create_task(self._work(item))

    async def _work(self, item: T) -> None:
        try:
            await self._do(item)
        except Exception:  # noqa: BLE001 - one defect must not stop the other edits
            _log.exception("a worker failed; this is a defect of omniedit, please report it")
        finally:
            del self._busy[item]
            self.nudge()

    async def drop(self, item: T) -> None:
        """Cancel the work on one item and wait until it has stopped; does nothing when nobody works on it."""
        task = self._busy.get(item)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])

    async def close(self) -> None:
        """Take nothing more, cancel all work and wait until it has stopped."""
        self._closed = True
        tasks = list(self._busy.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
