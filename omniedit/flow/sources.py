"""From what the user named to a URL that the service can fetch: checked first, hosted when it is a local file.

One look per source and one upload per content, whoever asks and however often: what is under way is joined, what is
done is remembered (facts and digests in memory, hosted copies in the journal while their links live).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from omniedit.clock import Clock, SystemClock
from omniedit.core.preflight import is_url, refuse_clip
from omniedit.errors import HostingFailed, OmniEditError, PreflightFailed
from omniedit.flow.hosts import Host, OnUpload, ServiceFiles
from omniedit.flow.intent import shown
from omniedit.flow.sharing import Shared
from omniedit.models import Edit, Hosted, MediaFacts

if TYPE_CHECKING:
    from omniedit.media.web import MediaWeb

__all__ = ["Clip", "Host", "ServiceFiles", "Sources", "UploadMemory"]

# A hosted copy must still live this long when a task is submitted: tasks wait in a queue before their clip is fetched.
_LEAST_LIFE = timedelta(hours=1)
_REMEMBERED = 4096
_CHUNK = 1024 * 1024
_TRIES = 2
_PAUSE = 1.0

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


@attrs.frozen
class Clip:
    """A source that the service can fetch."""

    url: str
    seconds: float | None = None
    """Length, when it is known."""


class UploadMemory(Protocol):
    """The part of a journal that remembers hosted copies."""

    async def recall_upload(self, content: str, host: str, now: datetime) -> Hosted | None:
        """The hosted copy of a content (sha256 in hexadecimal), if it still lives at `now`."""
        ...

    async def remember_upload(self, content: str, host: str, hosted: Hosted) -> None:
        """Keep where a content is hosted."""
        ...


class Sources:
    """Checks and hosts sources.

    Args:
        host: where local files are put; without one they are refused with a mend.
        local_service: the service is on this machine or network, so that sources may be on private addresses.
        preflight: look at clips before they are submitted.
        uploads: most uploads at once.
        probes: most looks and digests at once.
        clock: dates links and waits between tries.
    """

    def __init__(
        self,
        host: Host | None = None,
        *,
        local_service: bool = False,
        preflight: bool = True,
        uploads: int = 4,
        probes: int = 16,
        clock: Clock | None = None,
    ) -> None:
        self.host = host
        self._preflight = preflight
        self._allow_private = local_service
        self._web: MediaWeb | None = None
        self._clock = clock or SystemClock()
        self._uploads, self._probes = asyncio.Semaphore(uploads), asyncio.Semaphore(probes)
        self._known_urls: _Recent[str, MediaFacts] = _Recent(_REMEMBERED)
        self._known_files: _Recent[_FileState, str] = _Recent(_REMEMBERED)
        self._looks: Shared[str, MediaFacts] = Shared()
        self._digests: Shared[_FileState, str] = Shared()
        self._hostings: Shared[str, Hosted] = Shared()

    async def close(self) -> None:
        """Close all connections; a second call does nothing."""
        if self._web is not None:
            await self._web.close()

    async def resolve(
        self, edit: Edit, memory: UploadMemory | None = None, *, on_upload: OnUpload | None = None
    ) -> Clip:
        """The URL behind an edit, checked, and hosted when it is a local file.

        Args:
            edit: what the user wants.
            memory: where hosted copies are remembered, a journal; nowhere when not given.
            on_upload: called with bytes sent and bytes in all; not called when nothing is uploaded.

        Raises:
            PreflightFailed: the clip is not one that the service takes, or it cannot be read.
            HostingFailed: a local file could not be hosted.
        """
        seconds = (await self.check(edit.source)).duration if self._preflight else None
        if is_url(edit.source):
            return Clip(edit.source, seconds)
        hosted = await self._hosted(Path(edit.source), on_upload, memory)
        return Clip(hosted.url, seconds)

    async def check(self, source: str) -> MediaFacts:
        """Look at a clip without hosting it.

        Raises:
            PreflightFailed: with all reasons.
        """
        if is_url(source):
            facts = self._known_urls.get(source)
            if facts is None:
                facts = await self._looks.get(source, lambda: self._look(source))
        else:
            facts = await self._look_at_file(Path(source))
        refuse_clip(facts, shown(source))
        return facts

    async def _look_at_file(self, path: Path) -> MediaFacts:
        from omniedit.media.probe import probe_file  # with all that reads clips: whoever checks none never loads it

        async with self._probes:
            return await probe_file(path)

    async def _look(self, url: str) -> MediaFacts:
        async with self._probes:
            facts = await self._probe(url)
        self._known_urls.put(url, facts)
        return facts

    async def _probe(self, url: str) -> MediaFacts:
        """Look at a URL; what may pass is tried once more."""
        from omniedit.media.probe import probe_url
        from omniedit.media.web import MediaWeb

        self._web = self._web or MediaWeb(allow_private=self._allow_private, stall_timeout=15.0)
        for _ in range(_TRIES - 1):
            try:
                return await probe_url(self._web, url)
            except PreflightFailed as error:
                if error.code != "source_unreachable":
                    raise
            await self._clock.sleep(_PAUSE)
        return await probe_url(self._web, url)

    async def _hosted(self, path: Path, on_upload: OnUpload | None, memory: UploadMemory | None) -> Hosted:
        host = self.host
        if host is None:
            raise HostingFailed(
                f"{path}: a local file must be hosted before the service can fetch it",
                mend="give the client a host, or the clip's public URL",
            )
        state = _state(path)
        content = self._known_files.get(state)
        if content is None:
            content = await self._digests.get(state, lambda: self._digest(state))
        return await self._hostings.get(
            f"{host.name} {content}", lambda: self._host_once(host, state, content, on_upload, memory)
        )

    async def _digest(self, state: _FileState) -> str:
        async with self._probes:
            content = await asyncio.to_thread(_sha256, state.path)
        self._known_files.put(state, content)
        return content

    async def _host_once(
        self, host: Host, state: _FileState, content: str, on_upload: OnUpload | None, memory: UploadMemory | None
    ) -> Hosted:
        now = self._clock.utcnow() + _LEAST_LIFE
        if memory is not None and (known := await memory.recall_upload(content, host.name, now)) is not None:
            return known
        async with self._uploads:
            hosted = await _put(host, state.path, on_upload)
        if _state(state.path) != state:
            raise HostingFailed(
                f"{state.path} changed while it was uploaded", mend="nothing was submitted; run the edit again"
            )
        if memory is not None:
            await memory.remember_upload(content, host.name, hosted)
        return hosted


@attrs.frozen
class _FileState:
    """A file as it is now: another size, time or inode means other bytes."""

    path: Path
    size: int
    modified: int
    inode: int


class _Recent(Generic[_K, _V]):
    """A dictionary that forgets what was not asked for for the longest time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: OrderedDict[_K, _V] = OrderedDict()

    def get(self, key: _K) -> _V | None:
        """What is remembered, and is now the freshest."""
        if key in self._items:
            self._items.move_to_end(key)
        return self._items.get(key)

    def put(self, key: _K, value: _V) -> None:
        """Remember."""
        self._items[key] = value
        if len(self._items) > self._most:
            self._items.popitem(last=False)


async def _put(host: Host, path: Path, on_upload: OnUpload | None) -> Hosted:
    """Host a file. A host may be anybody's: what it raises, or gives back, is told as its own failure."""
    try:
        hosted = await host.host(path, on_progress=on_upload)
    except OmniEditError:
        raise
    except Exception as error:
        raise HostingFailed(
            f"{path.name}: {host.name} raised {type(error).__name__}",
            mend="nothing was submitted; see the cause of this error",
        ) from error
    if not _is_hosted(hosted):
        raise HostingFailed(
            f"{path.name}: {host.name} gave a {type(hosted).__name__}, and no Hosted",
            mend="nothing was submitted; let it return Hosted(url, expires_at)",
        )
    return hosted


def _is_hosted(given: object) -> bool:
    return isinstance(given, Hosted)


def _state(path: Path) -> _FileState:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise PreflightFailed(f"{path}: the clip {reason}", reasons=(reason,), mend="check the path") from None
    return _FileState(path.absolute(), found.st_size, found.st_mtime_ns, found.st_ino)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise PreflightFailed(f"{path}: the clip {reason}", reasons=(reason,), mend="check the file") from None
