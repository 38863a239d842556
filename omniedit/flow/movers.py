"""What moves results, made when it is first needed: a client that only submits and asks never loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omniedit.clock import Clock

if TYPE_CHECKING:
    import ssl

    from omniedit.media.download import Downloader
    from omniedit.media.storage import Storage

__all__ = ["Movers"]


class Movers:
    """The downloads of one client, and the places where they go.

    Args:
        local: the service, and with it its results, may be on this machine.
        limit_rate: bytes per second over all downloads.
        tls: certificates to trust instead of the system's.
        clock: time.
    """

    def __init__(self, clock: Clock, *, local: bool, limit_rate: float | None, tls: ssl.SSLContext | None) -> None:
        self._clock = clock
        self._local = local
        self._limit_rate = limit_rate
        self._tls = tls
        self._downloader: Downloader | None = None
        self._storage: Storage | None = None

    def downloader(self) -> Downloader:
        """The one downloader."""
        if self._downloader is None:
            from omniedit.media.download import Downloader

            self._downloader = Downloader(
                allow_private=self._local, limit_rate=self._limit_rate, tls=self._tls, clock=self._clock
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
        if self._downloader is not None:
            await self._downloader.close()
        if self._storage is not None:
            await self._storage.close()
        if self._storage is not None:
            await self._storage.close()
