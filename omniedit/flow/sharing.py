"""One run for all who want the same thing at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import attrs

__all__ = ["Shared"]

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")


@attrs.define
class _Run(Generic[_T]):
    task: asyncio.Task[_T] = attrs.field(init=False)
    waiting: int = 0


class Shared(Generic[_K, _T]):
    """Joins calls with one key while the first is under way. It is cancelled when nobody waits for it any more."""

    def __init__(self) -> None:
        self._runs: dict[_K, _Run[_T]] = {}

    async def get(self, key: _K, make: Callable[[], Awaitable[_T]]) -> _T:
        """What `make` gives, or what the run under way gives; its error reaches everybody who waits."""
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run()
            run.task = asyncio.create_task(self._made(key, run, make))  # a loop with eager tasks begins it right here
        run.waiting += 1
        try:
            return await asyncio.shield(run.task)
        finally:
            run.waiting -= 1
            if not run.waiting and not run.task.done():
                self._forget(key, run)
                run.task.cancel()
                await asyncio.wait([run.task])

    async def _made(self, key: _K, run: _Run[_T], make: Callable[[], Awaitable[_T]]) -> _T:
        try:
            return await make()
        finally:
            self._forget(key, run)

    def _forget(self, key: _K, run: _Run[_T]) -> None:
        if self._runs.get(key) is run:
            del self._runs[key]
