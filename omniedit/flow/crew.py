"""A few workers that exist only while there is work: no idle coroutine, no task for what merely waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar

__all__ = ["Crew"]

T = TypeVar("T", bound=Hashable)
_log = logging.getLogger("omniedit")


class Crew(Generic[T]):
    """At most `size` workers; each takes one item after the other until `take` gives None.

    Args:
        size: most workers at once.
        take: the next item, or None.
        do: the work on one item; it handles its own errors.
        failed: takes the item of an error that escaped all the same, a defect, so that nobody waits for it for ever.
    """

    def __init__(
        self,
        size: int,
        take: Callable[[], T | None],
        do: Callable[[T], Coroutine[object, object, None]],
        failed: Callable[[T], None],
    ) -> None:
        self.size = size
        self._take = take
        self._do = do
        self._failed = failed
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
        task = asyncio.get_running_loop().create_task(self._work(item))
        if not task.done():  # a loop with eager tasks may have done all of it by now
            self._busy[item] = task

    async def _work(self, item: T) -> None:
        try:
            await self._do(item)
        except asyncio.CancelledError:
            self._leave(item, asyncio.current_task())
            raise
        except Exception:  # noqa: BLE001 - one defect must not stop the other edits
            _log.exception("a worker failed; this is a defect of omniedit, please report it")
            self._leave(item, asyncio.current_task())
            self._failed(item)
        else:
            self._leave(item, asyncio.current_task())

    def _leave(self, item: T, task: asyncio.Task[None] | None) -> None:
        if self._busy.get(item) is task:  # the item may have come back before its last worker was quite gone
            del self._busy[item]
            self.nudge()

    async def drop(self, item: T) -> None:
        """Cancel the work on one item and wait until it has stopped; does nothing when nobody works on it."""
        task = self._busy.get(item)
        if task is not None and task is not asyncio.current_task():
            # A task that is cancelled before its first step never gets to its own leaving.
            task.add_done_callback(lambda done: self._leave(item, done))
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
