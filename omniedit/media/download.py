"""Bring results home: streamed, resumed, verified, synced, and only then named.

A name exists only when its bytes are complete. What comes goes to `NAME.part` in blocks of at most 1 MiB: one thread
receives, hashes and writes them, so a stream holds one block and the buffers of its connection, whatever the size of
the file. What fails is tried again where it stopped; nothing here is ever billed.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from omniedit.clock import Clock, SystemClock
from omniedit.core.naming import beside
from omniedit.core.transfer import MOST_SIZE
from omniedit.errors import DownloadFailed
from omniedit.media.limits import RateLimit
from omniedit.media.part import PartFile, same_content
from omniedit.media.stream import Disk, OnProgress, Tools, Transfer
from omniedit.media.web import MediaWeb

__all__ = ["Download", "Downloader", "OnProgress", "OnVerified", "mark_of"]

OnVerified = Callable[[str, int], Awaitable[None]]
"""Awaited with sha256 and size when the bytes are complete, verified and synced, before they get their name."""

_THREADS = 4


@attrs.frozen
class Download:
    """A finished file."""

    path: Path
    """Where it lies: another name than asked for when that one was taken meanwhile."""
    sha256: str
    size: int
    """Bytes."""


class Downloader:
    """Downloads through one session, one small pool of threads and one rate limit.

    Args:
        allow_private: results may lie on loopback and private addresses, because the service itself does.
        limit_rate: bytes a second over all downloads together; None for no limit.
        at_once: downloads under way at a time, each in a thread of its own; more wait for a free one.
        per_host: most connections to one media host; None for no limit.
        stall_timeout: seconds in which at least 4 KiB must come; there is no limit for the whole.
        cap: the most bytes that one result may have.
        tls: certificates to trust instead of the system's.
        clock: what waits between tries.
        jitter: numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        at_once: int = 64,
        limit_rate: float | None = None,
        per_host: int | None = None,
        stall_timeout: float = 30.0,
        cap: int = MOST_SIZE,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        clock = clock or SystemClock()
        self._tools = Tools(
            web=MediaWeb(
                allow_private=allow_private, at_once=at_once, stall_timeout=stall_timeout, per_host=per_host, tls=tls
            ),
            disk=Disk(_THREADS),
            rate=RateLimit(limit_rate),
            clock=clock,
            jitter=jitter,
            cap=cap,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections and threads, after what is being written; a second call does nothing."""
        await self._tools.web.close()
        await self._tools.disk.close()

    async def download(
        self,
        url: str,
        target: Path,
        *,
        task_id: str | None = None,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
        on_verified: OnVerified | None = None,
    ) -> Download:
        """Fetch a result into a file. Its folder must exist.

        What an earlier try left beside the target is continued when it is still the same version. Cancellation
        leaves such a rest, and never a file under the target's name that is not whole.

        Raises:
            LinkExpired: the link is dead (code `link_dead`): a look at the task may bring another.
            DownloadFailed: the code says why: `busy`, `disk_full`, `permission`, `folder_missing`, `unsafe_path`,
                `unsafe_address`, `unsafe_redirect`, `too_large`, `encoded`, `not_a_video`, `cut`, `stalled`, ...
        """
        part, disk = PartFile(target), self._tools.disk
        try:
            await disk.run(part.open)
            sha256 = await Transfer(self._tools, url, part, on_progress).run()
            size = part.known.size
            if on_verified is not None:
                await on_verified(sha256, size)
            path = await disk.run(partial(part.publish, overwrite=overwrite, mark=mark_of(task_id)))
        except DownloadFailed as error:
            error.task_id = error.task_id or task_id
            raise
        finally:
            if not part.closed:
                await disk.run(part.close)
        return Download(path, sha256, size)

    async def settled(self, target: Path, sha256: str, size: int, *, task_id: str | None = None) -> Path | None:
        """Where a result lies that was verified before an interruption: under its name or the one beside it."""
        for path in (target, target.with_name(beside(target.name, mark_of(task_id)))):
            if await self._tools.disk.run(partial(same_content, path, sha256, size)):
                return path
        return None


def mark_of(task_id: str | None) -> str:
    """What tells a result from another one of the same name: the random end of a task id."""
    return (task_id or "")[-8:] or "result"
