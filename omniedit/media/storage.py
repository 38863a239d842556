"""Brings results to their places: into folders of this machine, or into buckets by way of a private file.

For a bucket a result is downloaded and verified here first, then goes up as a whole, and the private file is removed:
an object exists only when its bytes are complete. The same rules hold everywhere: what has a name keeps it unless told
otherwise, the same bytes are the same result, and a result whose name is taken gets the one beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import attrs

from omniedit.core.naming import beside
from omniedit.core.places import bucket_and_key, is_object, name_of, renamed
from omniedit.errors import DownloadFailed
from omniedit.media.bucket import Bucket
from omniedit.media.download import Downloader, OnProgress, OnVerified, mark_of

__all__ = ["Storage", "Stored"]


@attrs.frozen
class Stored:
    """A result that is in its place."""

    place: str
    """Another one than asked for when that was taken meanwhile."""
    sha256: str
    size: int
    """Bytes."""


class Storage:
    """Where the results of one client go.

    Args:
        downloader: fetches them.
    """

    def __init__(self, downloader: Downloader) -> None:
        self._downloader = downloader
        self._buckets: dict[str, Bucket] = {}
        self._private: Path | None = None
        self._made: Path | None = None

    async def exists(self, place: str) -> bool:
        """Whether anything, a dead symbolic link too, has this name.

        Raises:
            DownloadFailed: the store does not say.
        """
        if not is_object(place):
            return _is_file(place)
        bucket, key = self._bucket(place)
        return await bucket.digest(key) is not None

    async def settled(self, place: str, sha256: str, size: int, *, task_id: str | None = None) -> str | None:
        """Where a result lies that was verified before an interruption: in its place or in the one beside it.

        Raises:
            DownloadFailed: the store does not say.
        """
        if not is_object(place):
            found = await self._downloader.settled(Path(place), sha256, size, task_id=task_id)
            return None if found is None else str(found)
        for one in _names(place, task_id):
            bucket, key = self._bucket(one)
            if await bucket.digest(key) == sha256:
                return one
        return None

    async def save(
        self,
        link: str,
        place: str,
        *,
        task_id: str | None = None,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
        on_verified: OnVerified | None = None,
    ) -> Stored:
        """Bring one result to its place, as a whole or not at all.

        Raises:
            LinkExpired: the link is dead.
            DownloadFailed: it could not be fetched, or not be stored.
        """
        here = self._private_file(place) if is_object(place) else Path(place)
        await self._make(here.parent)
        try:
            done = await self._downloader.download(
                link,
                here,
                task_id=task_id,
                overwrite=overwrite or is_object(place),
                on_progress=on_progress,
                on_verified=on_verified,
            )
        except DownloadFailed:
            self._made = None  # it may be gone: the next one looks again
            raise
        stored = Stored(str(done.path), done.sha256, done.size)
        return await self._put(done.path, stored, place, task_id, overwrite=overwrite) if is_object(place) else stored

    async def _make(self, folder: Path) -> None:
        """Make a folder, unless it is the one made last: a batch has one."""
        if folder == self._made:
            return
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise DownloadFailed(
                f"the folder {folder} cannot be made: {error.strerror}", code="folder_missing"
            ) from None
        self._made = folder

    async def _put(self, file: Path, stored: Stored, place: str, task_id: str | None, *, overwrite: bool) -> Stored:
        try:
            for one in _names(place, task_id):
                bucket, key = self._bucket(one)
                if (
                    await bucket.put(key, file, sha256=stored.sha256, size=stored.size, overwrite=overwrite)
                    or await bucket.digest(key) == stored.sha256
                ):
                    return attrs.evolve(stored, place=one)
        finally:
            await asyncio.to_thread(file.unlink, missing_ok=True)
        raise DownloadFailed(f"{place} is taken, and so is the name beside it", code="name_taken", task_id=task_id)

    async def close(self) -> None:
        """Remove the private folder; a second call does nothing."""
        private, self._private = self._private, None
        if private is not None:
            await asyncio.to_thread(shutil.rmtree, private, ignore_errors=True)

    def _bucket(self, place: str) -> tuple[Bucket, str]:
        address, key = bucket_and_key(place)
        if address not in self._buckets:
            self._buckets[address] = Bucket(address)
        return self._buckets[address], key

    def _private_file(self, place: str) -> Path:
        """Found again by a second try of this client, which goes on where the first one stopped."""
        if self._private is None:
            self._private = Path(tempfile.mkdtemp(prefix="omniedit-"))
        return self._private / f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.mp4"


def _is_file(place: str) -> bool:
    """A lookup of microseconds, not worth a thread."""
    return os.path.lexists(place)


def _names(place: str, task_id: str | None) -> tuple[str, str]:
    return place, renamed(place, beside(name_of(place), mark_of(task_id)))
