"""What moves results, made when it is first needed: a client that only submits and asks never loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omniedit.clock import Clock
from omniedit.flow.settings import check_count, check_rate

if TYPE_CHECKING:
    import ssl

    from omniedit.media.download import Downloader
    from omniedit.media.storage import Storage

__all__ = ["Movers"]

# Calls of `Client.download` come beside those that the engine follows.
_BARE_DOWNLOADS = 64


class Movers:
    """The downloads of one client, and the places where they go.

    Args:
        clock: time.
        at_once: downloads that the client follows at a time.
        per_host: connections to one media host at a time; None for no limit.
        limit_rate: bytes per second over all downloads.
        tls: certificates to trust instead of the system's.
        local: the service, and with it its results, may be on this machine.

    Raises:
        ConfigurationError: a limit that lets nothing through.
    """

    def __init__(
        self,
        clock: Clock,
        at_once: int,
        per_host: int | None,
        limit_rate: float | None,
        tls: ssl.SSLContext | None,
        *,
        local: bool,
    ) -> None:
        check_count("max_downloads", at_once)
        check_count("max_per_host", per_host)
        check_rate("limit_rate", limit_rate, "bytes")
        self._clock = clock
        self._local = local
        self._at_once = at_once
        self._per_host = per_host
        self._limit_rate = limit_rate
        self._tls = tls
        self._downloader: Downloader | None = None
        self._storage: Storage | None = None

    def downloader(self) -> Downloader:
        """The one downloader."""
        if self._downloader is None:
            from omniedit.media.download import Downloader

            self._downloader = Downloader(
                allow_private=self._local,
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
        if self._downloader is not None:
            await self._downloader.close()
        if self._storage is not None:
            await self._storage.close()
