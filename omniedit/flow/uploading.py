"""Uploads to the service's file storage: through the gate, and again when there was no room or no luck."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from omniedit.api.client import Door
from omniedit.api.gate import Gate, Lane
from omniedit.clock import Clock
from omniedit.errors import HostingFailed, RateLimited, ServiceUnavailable
from omniedit.models import Hosted

__all__ = ["Uploader"]

_TRIES = 5
_PAUSE = 1.0  # seconds, doubled after each failure of the service; after a 429 the gate knows when
_MEND = "nothing was submitted; try again later, or host the clip elsewhere and pass its URL"


class Uploader:
    """Sends local files.

    Args:
        door: sends one file once.
        gate: gives the gate, made when it is first needed.
        clock: time.
    """

    def __init__(self, door: Door, gate: Callable[[], Gate], clock: Clock) -> None:
        self._door = door
        self._gate = gate
        self._clock = clock

    async def upload(self, path: Path, on_progress: Callable[[int, int], None] | None = None) -> Hosted:
        """Send one file. An upload costs nothing, so a failed one is tried again.

        Raises:
            HostingFailed: refused, or the service was out of order each time.
            RateLimited: there was no room each time.
            AuthenticationFailed, AccessDenied, QuotaExhausted: the service refuses everything.
            TransportFailed: no answer.
        """
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            with await self._gate().enter(Lane.UPLOAD) as turn:
                try:
                    hosted = await self._door.upload(path, on_progress)
                except RateLimited as error:
                    turn.refused(retry_after=error.retry_after)
                    if last:
                        raise
                    continue
                except ServiceUnavailable as error:
                    turn.answered()
                    if last:
                        raise HostingFailed(error.message, code=error.code, mend=_MEND) from error
                else:
                    turn.accepted()
                    return hosted
            await self._clock.sleep(_PAUSE * 2.0**attempt)
        raise HostingFailed(f"{path.name} could not be uploaded", mend=_MEND)
