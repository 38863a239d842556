"""Bounds on waiting that are fair to a process that was stopped.

Whoever suspends a process (a laptop's lid, SIGSTOP, a debugger) stops its timers as well. When it goes on, all of them
ring at once, although the answer may lie in the socket unread: for a paid request that would make unknown what is
known. A bound that rings late therefore waits a little longer for what has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

__all__ = ["within"]

_LATE = 1.0  # seconds: a busy event loop is late by less than this
_SECOND_CHANCE = 5.0  # seconds


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[Callable[[], None]]:
    """Bound the time spent inside; whoever calls what it gives begins the time anew.

    Raises:
        TimeoutError: it was over, while this process was running.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds
    alarm: asyncio.TimerHandle

    def anew() -> None:
        nonlocal due
        due = loop.time() + seconds

    async with asyncio.timeout(None) as bound:

        def ring() -> None:
            nonlocal due, alarm
            now = loop.time()
            if now - due > _LATE:
                due = now + _SECOND_CHANCE
            if now < due:
                alarm = loop.call_at(due, ring)
            else:
                bound.reschedule(now)

        alarm = loop.call_at(due, ring)
        try:
            yield anew
        finally:
            alarm.cancel()
