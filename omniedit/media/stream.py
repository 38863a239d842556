"""One file on its way from a link to the disk: blocks, pace, tries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import attrs
from aiohttp import ClientResponse, StreamReader

from omniedit.clock import Clock
from omniedit.core.mp4 import NotAnMp4
from omniedit.core.transfer import (
    Failure,
    Fetch,
    Receive,
    Retry,
    Tries,
    Verify,
    after_failure,
    broken_body,
    end_of_body,
    first_step,
    read_reply,
    stalled,
)
from omniedit.media.limits import RateLimit
from omniedit.media.part import PartFile
from omniedit.media.web import FetchError, MediaWeb

__all__ = ["Disk", "OnProgress", "Tools", "Transfer"]

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes that have come and the bytes of the whole file, when known."""

_T = TypeVar("_T")
_BLOCK = 512 * 1024
# A host that sends less than this within a stall timeout is as good as dead: a drop now and then keeps no slot busy.
_LEAST_PROGRESS = 4096


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
    stall_timeout: float
    cap: int


class Transfer:
    """One file on its way: tries until it is whole, or until `core.transfer` says that it is enough."""

    def __init__(self, tools: Tools, url: str, part: PartFile, on_progress: OnProgress | None) -> None:
        self._tools, self._url, self._part, self._on_progress = tools, url, part, on_progress
        self._filling, self._resting = bytearray(), bytearray()
        self._held = 0
        self._writing: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Return when the file is complete and verified, not yet synced.

        Raises:
            DownloadFailed: the tries are used up, or the disk refuses.
        """
        tries = Tries()
        while (failure := await self._once()) is not None:
            if failure.discard:
                await self._tools.disk.run(self._part.discard)
            match after_failure(failure, tries, self._part.known.size, self._tools.jitter()):
                case Retry(delay, tries):
                    await self._tools.clock.sleep(delay)
                case error:
                    raise error

    async def _once(self) -> Failure | None:
        """One request, or none when everything is there already."""
        step = first_step(self._part.known)
        if isinstance(step, Fetch):
            try:
                async with self._tools.web.get(self._url, step.headers) as reply:
                    verdict = await self._take(step, reply)
            except FetchError as error:
                verdict = error.failure
            await self._flush()
            if isinstance(verdict, Failure):
                return verdict
        return await self._verify()

    async def _take(self, fetch: Fetch, reply: ClientResponse) -> Verify | Failure:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        receive = read_reply(self._part.known, fetch, reply.status, headers, cap=self._tools.cap)
        if isinstance(receive, Failure):
            return receive
        # Not awaited here: what has come is lost when the connection breaks before it was read.
        self._writing = self._tools.disk.run(partial(self._part.begin, receive))
        received = await self._receive(reply.content, receive)
        return end_of_body(receive, receive.offset + received, cap=self._tools.cap)

    async def _receive(self, content: StreamReader, receive: Receive) -> int:
        """Read a body into blocks; the number of its bytes."""
        received = 0
        pace = _Pace(self._tools.clock, self._tools.stall_timeout)
        async for chunk, _ in content.iter_chunks():
            received += len(chunk)
            pace.came(len(chunk))
            waited = await self._tools.rate.take(len(chunk))
            if await self._keep(chunk):
                self._tell(receive.offset + received, receive.length)
                waited = True
            if waited:
                pace.restart()
            if receive.offset + received > self._tools.cap:
                break
        self._tell(receive.offset + received, receive.length)
        return received

    async def _keep(self, chunk: bytes) -> bool:
        """Copy a chunk into the block, and write each block that is full; tells whether one was.

        The copy is cheaper than keeping the chunks: their memory is used again at once, and a block is written and
        hashed by one call each, instead of fighting for the interpreter's lock once per chunk.
        """
        rest, wrote = memoryview(chunk), False
        while rest:
            if not self._filling:
                self._filling = bytearray(_BLOCK)
            taken = min(len(rest), _BLOCK - self._held)
            self._filling[self._held : self._held + taken] = rest[:taken]
            self._held += taken
            rest = rest[taken:]
            if self._held == _BLOCK:
                await self._write()
                wrote = True
        return wrote

    async def _write(self) -> None:
        """Give the block to a thread once the one before it is written, whose memory is then filled again."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing
        if self._held:
            self._part.push(memoryview(self._filling)[: self._held])
            self._filling, self._resting, self._held = self._resting, self._filling, 0
            self._writing = self._tools.disk.run(self._part.drain)

    async def _flush(self) -> None:
        """Wait until all that came lies on disk."""
        await self._write()
        await self._write()

    async def _verify(self) -> Failure | None:
        facts = await self._tools.disk.run(self._part.facts)
        size = self._part.known.size
        if isinstance(facts, NotAnMp4):
            return broken_body(facts.reason, size=size)
        return broken_body("has no video track", size=size) if facts.video_codec is None else None

    def _tell(self, received: int, length: int | None) -> None:
        if self._on_progress is not None:
            self._on_progress(received, length)


class _Pace:
    """Notices a host that sends a drop now and then: silence alone is the session's to notice."""

    def __init__(self, clock: Clock, window: float) -> None:
        self._clock, self._window = clock, window
        self.restart()

    def restart(self) -> None:
        """Begin a new window: the last one was spent waiting for something of our own."""
        self._began, self._bytes = self._clock.monotonic(), 0

    def came(self, count: int) -> None:
        """Count bytes.

        Raises:
            FetchError: a whole window brought next to nothing.
        """
        self._bytes += count
        if self._bytes >= _LEAST_PROGRESS:
            self.restart()
        elif self._clock.monotonic() - self._began > self._window:
            raise FetchError(stalled(self._window))
