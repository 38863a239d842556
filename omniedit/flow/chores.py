"""What a client has going on behind its callers: it is waited for when the client is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["Chores", "Once"]

T = TypeVar("T")


class Chores:
    """Tasks that outlive the calls that began them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Work on something that goes on when its caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end(self, grace: float) -> None:
        """Wait for all of them, at most for the grace (seconds); what is not done by then is cancelled."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class Once:
    """Work that is done once, whoever asks for it and however often; it goes on when whoever asked is cancelled."""

    def __init__(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        self._work = work
        self._doing: asyncio.Task[None] | None = None

    async def done(self) -> None:
        """Wait until it is done. Work that was itself cancelled, as at the end of an event loop, is begun again."""
        if self._doing is None or self._doing.cancelled():
            self._doing = asyncio.get_running_loop().create_task(self._work())
        await asyncio.shield(self._doing)
