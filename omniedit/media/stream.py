"""One file on its way from a link to the disk: blocks, pace, tries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import attrs

from omniedit.clock import Clock
from omniedit.core.mp4 import NotAnMp4
from omniedit.core.transfer import (
    Failure,
    Fetch,
    Receive,
    Retry,
    Tries,
    after_failure,
    broken_body,
    end_of_body,
    first_step,
    read_reply,
)
from omniedit.media.limits import RateLimit
from omniedit.media.part import PartFile
from omniedit.media.web import FetchError, MediaWeb, Reply

__all__ = ["Disk", "OnProgress", "Tools", "Transfer"]

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes that have come and the bytes of the whole file, when known."""

_T = TypeVar("_T")
_BLOCK = 1024 * 1024


class Disk:
    """A few threads of our own for what blocks on a disk: the loop's own pool may be full of other people's work."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="omniedit-disk")

    def run(self, call: Callable[[], _T]) -> asyncio.Future[_T]:
        """Give a call to a thread. It is done to its end even when the waiting is cancelled."""
        return asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, call))

    async def close(self) -> None:
        """Wait for what was given, then end the threads; a second call does nothing."""
        await asyncio.to_thread(self._threads.shutdown)


@attrs.frozen
class Tools:
    """What all downloads of one client share."""

    web: MediaWeb
    disk: Disk
    rate: RateLimit
    clock: Clock
    jitter: Callable[[], float]
    cap: int


class Transfer:
    """One file on its way: tries until it is whole, or until `core.transfer` says that it is enough."""

    def __init__(self, tools: Tools, url: str, part: PartFile, on_progress: OnProgress | None) -> None:
        self._tools, self._url, self._part, self._on_progress = tools, url, part, on_progress
        self._loop = asyncio.get_running_loop()

    async def run(self) -> str:
        """Return the sha256, in hexadecimal, when the file is complete, verified and synced.

        Raises:
            DownloadFailed: the tries are used up, or the disk refuses.
        """
        tries = Tries()
        while isinstance(done := await self._once(), Failure):
            await self._tools.disk.run(self._part.discard if done.discard else self._part.note)
            match after_failure(done, tries, self._part.known.size, self._tools.jitter()):
                case Retry(delay, tries):
                    await self._tools.clock.sleep(delay)
                case error:
                    raise error
        return done

    async def _once(self) -> str | Failure:
        """One request, or none when everything is there already."""
        step = first_step(self._part.known)
        if not isinstance(step, Fetch):
            return await self._tools.disk.run(self._seal)
        try:
            return await self._tools.web.get(self._url, step.headers, partial(self._take, step))
        except FetchError as error:
            return error.failure

    # --- in a thread, from here on ------------------------------------------------------------------------------

    def _take(self, fetch: Fetch, reply: Reply) -> str | Failure:
        """Bring one answer to the disk; what breaks it comes as `FetchError`, after all that came before is written."""
        cap = self._tools.cap
        receive = read_reply(self._part.known, fetch, reply.status, reply.headers, cap=cap)
        if isinstance(receive, Failure):
            return receive
        self._part.begin(receive)
        self._receive(reply, receive)
        end = end_of_body(receive, self._part.known.size, cap=cap)
        return end if isinstance(end, Failure) else self._seal()

    def _receive(self, reply: Reply, receive: Receive) -> None:
        part, rate = self._part, self._tools.rate
        block = memoryview(bytearray(rate.piece(_BLOCK)))
        while count := reply.fill(block):
            part.write(block[:count])
            self._tell(part.known.size, receive.length)
            if (due := rate.take(count, time.monotonic())) > 0:
                reply.wait(due)
            if part.known.size > self._tools.cap:
                return

    def _seal(self) -> str | Failure:
        """Look whether it is a clip, and bring it to the disk for good."""
        facts, size = self._part.facts(), self._part.known.size
        if isinstance(facts, NotAnMp4):
            return broken_body(facts.reason, size=size)
        return broken_body("has no video track", size=size) if facts.video_codec is None else self._part.sync()

    def _tell(self, received: int, length: int | None) -> None:
        if self._on_progress is not None:
            self._loop.call_soon_threadsafe(self._on_progress, received, length)
