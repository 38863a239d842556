"""Iterating over a store by pages, one stream or several in one order."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

from omniedit.models import Entry

__all__ = ["Fetch", "Page", "in_order"]

Page = Sequence[tuple[int, Entry]]
"""Numbers, ascending, and their entries; empty behind the last one."""
Fetch = Callable[[int], Awaitable[Page]]
"""Gives the page behind a number."""


async def in_order(fetches: Iterable[Fetch]) -> AsyncIterator[Entry]:
    """The entries of all streams by their numbers; one that changed streams on the way is seen once."""
    streams = [_Stream(fetch) for fetch in fetches]
    last = 0
    while True:
        for stream in streams:
            await stream.fill(last)
        streams = [stream for stream in streams if stream.page]
        if not streams:
            return
        last, entry = min(streams, key=lambda stream: stream.page[0][0]).page.popleft()
        yield entry


class _Stream:
    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.page: deque[tuple[int, Entry]] = deque()

    async def fill(self, last: int) -> None:
        """Drop what was seen already, and fetch when nothing is left."""
        while self.page and self.page[0][0] <= last:
            self.page.popleft()
        if not self.page:
            self.page.extend(await self._fetch(last))
