"""One thread that serves many coroutines: whatever waits is taken together, as one group.

Rules of this module:
- calls are served in the order in which they were made;
- the queue is bounded: a caller beyond the bound waits for room before its call is taken;
- a cancelled caller leaves, its call is served all the same;
- one `call_soon_threadsafe` per group wakes all its callers;
- `stop` serves what was already called, then ends the thread; a stopped worker is never started again.
"""

from __future__ import annotations

import asyncio
import copy
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Generic, Protocol, TypeVar, cast, final

from omniedit.errors import JournalError
from omniedit.journal.rules import not_open

__all__ = ["Call", "Service", "Worker", "refuse"]

GROUP_WEIGHT = 256
"""Calls are gathered up to this weight; an ordinary call weighs 1."""
_ROOM = 2048
"""Calls that may be under way; more wait in their coroutines."""

T = TypeVar("T")
S = TypeVar("S")


class Call(Generic[S]):
    """One operation that a coroutine waits for; after it was served it has a result or an error."""

    __slots__ = ("error", "future", "operation", "result", "weight")

    def __init__(self, operation: Callable[[S], object], future: asyncio.Future[object], weight: int) -> None:
        self.operation = operation
        self.future = future
        self.weight = weight
        self.result: object = None
        self.error: Exception | None = None

    def run(self, store: S) -> None:
        """Do it; what the operation refuses (`JournalError`) is its answer, anything else is raised."""
        self.result, self.error = None, None
        try:
            self.result = self.operation(store)
        except JournalError as refusal:
            self.error = refusal

    def deliver(self) -> None:
        """Wake the caller, on its event loop, unless it has left."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Service(Protocol[S]):
    """What runs on the thread. `perform` gives every call its result or error and raises nothing."""

    def perform(self, calls: Sequence[Call[S]]) -> None:
        """Serve one group."""
        ...

    def tidy(self) -> None:
        """Do what can wait until the callers were answered."""
        ...


class Worker(Generic[S]):
    """A thread, started by its first call, that opens a service, feeds it with groups of calls, and closes it.

    Args:
        name: of the thread.
        service: opens and closes what the calls work on, on the thread. When it raises, every call gets that error.
    """

    def __init__(self, name: str, service: Callable[[], AbstractContextManager[Service[S]]]) -> None:
        self._service = service
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._queue: queue.SimpleQueue[Call[S] | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(_ROOM)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._stopping = False
        self._last_call_made = False
        self._drained = False
        self.groups = 0
        """Groups served so far."""

    async def call(self, operation: Callable[[S], T], weight: int = 1) -> T:
        """Have an operation done on the thread.

        Raises:
            JournalError: the worker was stopped, belongs to another event loop, or could not open its service.
        """
        loop = asyncio.get_running_loop()
        self._begin(loop)
        await self._room.acquire()
        if self._last_call_made:
            self._room.release()
            raise not_open()
        call = Call[S](operation, loop.create_future(), weight)
        self._queue.put(call)
        return cast("T", await call.future)

    async def stop(self) -> None:
        """Serve what was called before, end the thread, and wait for that; again does no harm."""
        if self._loop is None:
            self._stopping = True
            return
        at_home = asyncio.get_running_loop() is self._loop
        if not self._stopping:
            self._stopping = True
            try:
                if at_home:
                    # Whoever waits for room is served in order: those who came before get it first.
                    await self._room.acquire()
            finally:
                self._last_call_made = True
                self._queue.put(None)
        if at_home:
            await self._ended.wait()
        self._thread.join()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._stopping:
            raise not_open()
        if self._loop is None:
            self._loop = loop
            self._thread.start()
        if self._loop is not loop:
            raise JournalError(
                "the journal was opened on another event loop", mend="open and use a journal inside one asyncio.run"
            )

    def _main(self) -> None:
        try:
            with self._service() as service:
                self._serve(service)
        except Exception as error:  # noqa: BLE001  # whatever it is, the callers must hear of it
            self._serve(_Refusal(error))
        self._post(self._ended.set)

    def _serve(self, service: Service[S]) -> None:
        """Serve groups until the last call was made."""
        while group := self._gather():
            _perform(service, group)
            self.groups += 1
            self._post(self._deliver, group)
            service.tidy()

    def _gather(self) -> list[Call[S]]:
        """Wait for a call, and take what waits behind it; nothing when the last call was made."""
        group: list[Call[S]] = []
        room = GROUP_WEIGHT
        call = None if self._drained else self._queue.get()
        with suppress(queue.Empty):
            while call is not None:
                group.append(call)
                room -= call.weight
                if room <= 0:
                    return group
                call = self._queue.get_nowait()
            self._drained = True
        return group

    def _post(self, function: Callable[..., object], *arguments: object) -> None:
        # A closed event loop has nobody left to be told.
        with suppress(RuntimeError):
            cast("asyncio.AbstractEventLoop", self._loop).call_soon_threadsafe(function, *arguments)

    def _deliver(self, group: Sequence[Call[S]]) -> None:
        for call in group:
            self._room.release()
            call.deliver()


@final
class _Refusal(Generic[S]):
    """Stands in for a service that could not be opened."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def perform(self, calls: Sequence[Call[S]]) -> None:
        refuse(calls, self._error)

    def tidy(self) -> None:
        """Nothing was opened."""


def refuse(calls: Iterable[Call[S]], error: Exception) -> None:
    """Give every call an error of its own: one exception raised in many tasks would collect their tracebacks."""
    for call in calls:
        call.error = copy.copy(error)


def _perform(service: Service[S], group: Sequence[Call[S]]) -> None:
    """Never leave a caller without an answer, not even through a mistake in the service."""
    try:
        service.perform(group)
    except Exception as error:  # noqa: BLE001
        refuse(group, error)
