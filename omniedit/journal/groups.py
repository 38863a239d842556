"""One task that serves many coroutines: whatever waits is taken together, as one group.

Rules of this module:
- calls are served in the order in which they were made; a group holds only calls of one kind, next to each other;
- the queue is bounded: a caller beyond the bound waits for room before its call is taken;
- a cancelled caller leaves, its call is served all the same;
- `stop` serves what was already called, then ends the task.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from omniedit.errors import JournalError
from omniedit.journal.rules import not_open

__all__ = ["Call", "Groups"]

GROUP_WEIGHT = 256
"""Calls are gathered up to this weight; an ordinary call weighs 1."""
_ROOM = 2048
"""Calls that may be under way; more wait in their coroutines."""

A = TypeVar("A")


class Call(Generic[A]):
    """Something that a coroutine waits for; after it was served it has a result or an error."""

    __slots__ = ("asked", "error", "future", "result", "weight")

    def __init__(self, asked: A, future: asyncio.Future[object], weight: int) -> None:
        self.asked = asked
        self.future = future
        self.weight = weight
        self.result: object = None
        self.error: Exception | None = None

    def deliver(self) -> None:
        """Wake the caller, unless it has left."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Groups(Generic[A]):
    """The queue and the task behind it.

    Args:
        perform: serves one group: gives every call its result or error; what it raises is the error of all.
    """

    def __init__(self, perform: Callable[[Sequence[Call[A]]], Awaitable[None]]) -> None:
        self._perform = perform
        self._queue: deque[Call[A]] = deque()
        self._room = asyncio.Semaphore(_ROOM)
        self._wake = asyncio.Event()
        self._stopping = False
        self._last_call_made = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._serve(), name="omniedit-journal")

    async def call(self, asked: A, weight: int = 1) -> object:
        """Have something done; returns when it is durable.

        Raises:
            JournalError: it was refused, or the groups were stopped, or belong to another event loop.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise JournalError(
                "the journal was opened on another event loop", mend="open and use a journal inside one asyncio.run"
            )
        if self._stopping:
            raise not_open()
        await self._room.acquire()
        if self._last_call_made:
            self._room.release()
            raise not_open()
        call = Call(asked, self._loop.create_future(), weight)
        self._queue.append(call)
        self._wake.set()
        return await call.future

    async def stop(self) -> None:
        """Serve what was called before, end the task, and wait for that; again does no harm."""
        try:
            await self._wait_for_callers()
        finally:
            self._last_call_made = True
            self._wake.set()
        await asyncio.wait([self._task])

    async def _wait_for_callers(self) -> None:
        """Callers that wait for room come first: whoever waits for room is served in order."""
        if not self._stopping:
            self._stopping = True
            await self._room.acquire()

    async def _serve(self) -> None:
        while self._queue or not self._last_call_made:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            group = self._gather()
            await self._perform_group(group)
            for call in group:
                self._room.release()
                call.deliver()

    def _gather(self) -> list[Call[A]]:
        group = [self._queue.popleft()]
        weight, kind = group[0].weight, type(group[0].asked)
        while self._queue and weight < GROUP_WEIGHT and type(self._queue[0].asked) is kind:
            group.append(self._queue.popleft())
            weight += group[-1].weight
        return group

    async def _perform_group(self, group: Sequence[Call[A]]) -> None:
        """When something in a group cannot be done, each call alone, so that only that one fails."""
        try:
            await self._perform(group)
        except Exception as error:  # noqa: BLE001  # whatever it is, the callers must hear of it
            if len(group) == 1 or _meets_all(error):
                _refuse(group, error)
                return
            for call in group:
                await self._perform_group([call])


def _meets_all(error: Exception) -> bool:
    """Whether every other call would meet it too."""
    return isinstance(error, JournalError) and error.code in _OF_THE_STORE


_OF_THE_STORE = {"journal_unreachable", "lease_lost", "disk_full", "access_refused"}


def _refuse(group: Sequence[Call[A]], error: Exception) -> None:
    """Give every call an error of its own: one exception raised in many tasks would collect their tracebacks."""
    for call in group:
        call.result, call.error = None, copy.copy(error)
