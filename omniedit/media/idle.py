"""Connections that wait for their next request."""

from __future__ import annotations

import time
from collections import deque

import attrs
from yarl import URL

from omniedit.media.line import Line

__all__ = ["IdleLines"]

# Seconds that a connection is kept: common servers close idle ones after 15 to 75.
_LONGEST = 15.0
_MOST = 64


@attrs.frozen
class _Kept:
    origin: URL
    line: Line
    until: float


class IdleLines:
    """Connections by the origin that they lead to; at most 64 in all, none for longer than 15 seconds."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()

    def take(self, origin: URL) -> Line | None:
        """The one used last that is still open, if there is any."""
        self._expire()
        for kept in reversed(self._kept):
            if kept.origin == origin:
                self._kept.remove(kept)
                return kept.line
        return None

    def put(self, origin: URL, line: Line) -> None:
        """Keep a connection; the oldest one makes room."""
        self._expire()
        if len(self._kept) >= _MOST:
            self._kept.popleft().line.close()
        self._kept.append(_Kept(origin, line, time.monotonic() + _LONGEST))

    def close(self) -> None:
        """Close them all."""
        while self._kept:
            self._kept.popleft().line.close()

    def _expire(self) -> None:
        now = time.monotonic()
        while self._kept and self._kept[0].until <= now:
            self._kept.popleft().line.close()
