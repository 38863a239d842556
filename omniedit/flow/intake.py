"""The edits of a batch as they come: from a list, a generator or an async generator, of any length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from itertools import islice

from omniedit.errors import InvalidEdit
from omniedit.models import Edit

__all__ = ["Intake"]

_NAP = 0.25  # seconds: how often a look is taken whether an edit is still wanted
_LONG = 0.05  # seconds: the longest that an input may take for a page, before a look is taken at what else there is


class Intake:
    """The edits as they come, page by page.

    Raises:
        InvalidEdit: they are not many.
    """

    def __init__(self, edits: Iterable[Edit] | AsyncIterable[Edit]) -> None:
        _check_many(edits)
        self._later = aiter(edits) if isinstance(edits, AsyncIterable) else None
        self._now = iter(edits) if isinstance(edits, Iterable) else iter(())
        self._coming: asyncio.Task[list[Edit]] | None = None
        self._broken: Exception | None = None
        self.taken = 0
        self.exhausted = False

    async def page(self, size: int, given_up: Callable[[], bool]) -> list[tuple[int, Edit]]:
        """The next edits with their positions, from 1; an async input gives one at a time, as it comes.

        `given_up` says that no more are wanted, so that nobody waits for an input that may never go on. An input that
        raises does so after what it gave before.

        Raises:
            InvalidEdit: what came is no edit.
        """
        edits = self._some(size) if self._later is None else await self._one(self._later, given_up)
        self.exhausted = not edits
        first = self.taken + 1
        self.taken += len(edits)
        return list(enumerate(edits, first))

    def _some(self, size: int) -> list[Edit]:
        """At most so many, and fewer of a slow input: nothing else goes on while it is asked."""
        if self._broken is not None:
            raise self._broken
        edits: list[Edit] = []
        until = time.monotonic() + _LONG
        try:
            for edit in islice(self._now, size):
                _check_kind(edit, self.taken + len(edits) + 1)
                edits.append(edit)
                if time.monotonic() > until:
                    break
        except Exception as error:
            if not edits:
                raise
            self._broken = error
        return edits

    async def _one(self, later: AsyncIterator[Edit], given_up: Callable[[], bool]) -> list[Edit]:
        self._coming = coming = self._coming or asyncio.get_running_loop().create_task(_next_of(later))
        while not coming.done() and not given_up():
            await asyncio.wait([coming], timeout=_NAP)
        if not coming.done():
            await self.rest()
            return []
        self._coming = None
        edits = coming.result()
        for edit in edits:
            _check_kind(edit, self.taken + 1)
        return edits

    async def rest(self) -> None:
        """Wait for no more. An edit that has come already is kept; an async generator that still waits ends by it."""
        if self._coming is not None and not self._coming.done():
            self._coming.cancel()
            await asyncio.wait([self._coming])
        if self._coming is not None and self._coming.cancelled():
            self._coming = None


def _check_many(edits: object) -> None:
    if not isinstance(edits, AsyncIterable | Iterable):
        raise InvalidEdit(
            f"a batch takes many edits, not one {type(edits).__name__}", mend="put it into a list, or use `edit`"
        )


def _check_kind(edit: object, number: int) -> None:
    if not isinstance(edit, Edit):
        raise InvalidEdit(
            f"number {number} of the batch is a {type(edit).__name__}, and no Edit",
            mend="make it one: Edit(source, prompt)",
        )


async def _next_of(later: AsyncIterator[Edit]) -> list[Edit]:
    try:
        return [await anext(later)]
    except StopAsyncIteration:
        return []
