"""From a submitted URL to an edited file: fetch with bounds, edit in the pool, keep in the cache.

The same bytes with the same prompt are edited once.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from pathlib import Path

import aiohttp

from omniedit.sandbox.cache import DiskCache
from omniedit.sandbox.pool import EditPool
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import Edited, Failure

__all__ = ["Studio"]

_PIECE = 256 * 1024
_CANNED_SECONDS = 1.0


class Studio:
    """Edits clips; made inside a running event loop, and closed there."""

    def __init__(self, settings: Settings, cache: DiskCache) -> None:
        self._settings = settings
        self._cache = cache
        self._pool = EditPool(settings.edit_workers, settings.edit_timeout, settings.max_input_seconds)
        self._running: dict[str, asyncio.Future[float | Failure]] = {}
        timeout = aiohttp.ClientTimeout(total=settings.fetch_timeout)
        self._door = aiohttp.ClientSession(timeout=timeout)

    async def close(self) -> None:
        """End all processes and connections."""
        await self._door.close()
        await self._pool.close()

    async def edit(self, source: str, prompt: str) -> Edited | Failure:
        """Fetch and edit; whatever goes wrong is a ``Failure``, never an exception."""
        if self._settings.editing == "canned":
            return Edited(await self._canned(), _CANNED_SECONDS)
        fetched = await self._fetch(source)
        if isinstance(fetched, Failure):
            return fetched
        if self._settings.editing == "copy":
            return Edited(fetched, _CANNED_SECONDS, fetched)
        return await self._edit_once(fetched, prompt)

    async def _fetch(self, source: str) -> Path | Failure:
        draft = self._cache.draft()
        try:
            return await self._download(source, draft)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Failure("video_probe_failed", f"The video could not be fetched: {type(error).__name__}.")
        finally:
            draft.unlink(missing_ok=True)

    async def _download(self, source: str, draft: Path) -> Path | Failure:
        digest, size = hashlib.sha256(), 0
        async with self._door.get(source) as response:
            if response.status != 200:
                return Failure("video_probe_failed", f"The video could not be fetched: HTTP {response.status}.")
            with draft.open("wb") as file:
                async for piece in response.content.iter_chunked(_PIECE):
                    size += len(piece)
                    if size > self._settings.max_input_bytes:
                        return Failure("invalid_parameters", "The video is larger than 100 MB.")
                    digest.update(piece)
                    file.write(piece)
        name = f"{digest.hexdigest()}.mp4"
        return self._cache.get(name) or self._cache.keep(draft, name)

    async def _edit_once(self, source: Path, prompt: str) -> Edited | Failure:
        name = f"{hashlib.sha256(f'{source.name} {prompt}'.encode()).hexdigest()}.mp4"
        done = self._cache.get(name)
        if done is not None:
            return Edited(done, self._cache.seconds(name), source)
        running = self._running.get(name)
        if running is None:
            running = asyncio.ensure_future(self._edit_now(source, name, prompt))
            self._running[name] = running
            running.add_done_callback(partial(self._forget, name))
        outcome = await running
        return outcome if isinstance(outcome, Failure) else Edited(self._cache.folder / name, outcome, source)

    async def _edit_now(self, source: Path, name: str, prompt: str) -> float | Failure:
        draft = self._cache.draft()
        try:
            outcome = await self._pool.edit(source, draft, prompt)
            if isinstance(outcome, float):
                self._cache.keep(draft, name, outcome)
            return outcome
        finally:
            draft.unlink(missing_ok=True)

    async def _canned(self) -> Path:
        """One tiny clip for everybody."""
        name = "canned.mp4"
        if (done := self._cache.get(name)) is None:
            from omniedit.sandbox.scenes import make_clip

            draft = self._cache.draft()
            make_clip(draft, _CANNED_SECONDS, size=(64, 36), fps=8)
            done = self._cache.keep(draft, name)
        return done

    def _forget(self, name: str, _: object) -> None:
        self._running.pop(name, None)
