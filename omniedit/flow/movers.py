"""What moves clips and results, made when it is first needed: a client that only submits and asks never loads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from omniedit.api.client import Door
from omniedit.clock import Clock
from omniedit.core.arguments import check_able, check_count, read_rate
from omniedit.core.preflight import is_url
from omniedit.models import Edit

if TYPE_CHECKING:
    import ssl

    from omniedit.api.gate import Gate
    from omniedit.flow.hosts import Host
    from omniedit.flow.sources import Sources, UploadMemory
    from omniedit.media.download import Downloader
    from omniedit.media.storage import Storage

__all__ = ["Movers"]

# Calls of `Client.download` come beside those that the engine follows.
_BARE_DOWNLOADS = 64


class Movers:
    """The looks, uploads and downloads of one client, and the places where results go.

    Args:
        door: takes uploads; where it is on this machine, clips and results may be there too.
        gate: gives the gate that uploads pass, made when it is first needed.
        clock: time.
        host: where local files are put; the service's own file storage when not given.
        preflight: look at clips before they are submitted.
        at_once: downloads that the client follows at a time.
        per_host: connections to one media host at a time; None for no limit.
        limit_rate: bytes per second over all downloads.
        tls: certificates to trust instead of the system's.

    Raises:
        ConfigurationError: a limit that lets nothing through, or a host that hosts nothing.
    """

    def __init__(
        self,
        door: Door,
        gate: Callable[[], Gate],
        clock: Clock,
        *,
        host: Host | None,
        preflight: bool,
        at_once: int,
        per_host: int | None,
        limit_rate: float | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        check_able("host", host, "host")
        check_count("max_downloads", at_once, needed=True)
        check_count("max_per_host", per_host)
        self._door = door
        self._gate = gate
        self._clock = clock
        self._host = host
        self._preflight = preflight
        self._at_once = at_once
        self._per_host = per_host
        self._limit_rate = read_rate("limit_rate", limit_rate, "bytes")
        self._tls = tls
        self._sources: Sources | None = None
        self._downloader: Downloader | None = None
        self._storage: Storage | None = None

    def sources(self) -> Sources:
        """What looks at clips and hosts them."""
        if self._sources is None:
            from omniedit.flow.hosts import ServiceFiles
            from omniedit.flow.sources import Sources
            from omniedit.flow.uploading import Uploader

            host = self._host or ServiceFiles(Uploader(self._door, self._gate, self._clock).upload)
            self._sources = Sources(host, preflight=self._preflight, local_service=self._door.local)
        return self._sources

    async def reachable(self, edit: Edit, memory: UploadMemory | None) -> str:
        """The URL behind an edit, as `Sources.resolve` has it; one that nobody wants looked at is taken as it is.

        Raises:
            PreflightFailed, HostingFailed: the clip cannot be used, or could not be hosted.
        """
        if is_url(edit.source) and not self._preflight:
            return edit.source
        return (await self.sources().resolve(edit, memory)).url

    def downloader(self) -> Downloader:
        """The one downloader."""
        if self._downloader is None:
            from omniedit.media.download import Downloader

            self._downloader = Downloader(
                allow_private=self._door.local,
                at_once=max(self._at_once, _BARE_DOWNLOADS),
                per_host=self._per_host,
                limit_rate=self._limit_rate,
                tls=self._tls,
                clock=self._clock,
            )
        return self._downloader

    def storage(self) -> Storage:
        """The one storage."""
        if self._storage is None:
            from omniedit.media.storage import Storage

            self._storage = Storage(self.downloader())
        return self._storage

    async def close(self) -> None:
        """Close what was made; a second call does nothing."""
        for made in (self._downloader, self._storage, self._sources):
            if made is not None:
                await made.close()
