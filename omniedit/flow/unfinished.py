"""Tasks of bare submits: each takes room at the gate until it is seen to end, or until nobody would watch it longer."""

from __future__ import annotations

import asyncio

from omniedit.api.gate import Gate
from omniedit.clock import Clock
from omniedit.models import Status, Task

__all__ = ["Unfinished"]

_MOST = 10_000  # tasks that are remembered: about a megabyte; beyond them the oldest counts as ended


class Unfinished:
    """What bare submits have begun.

    Args:
        gate: counts unfinished tasks.
        clock: time.
        longest: seconds after which a task that nobody looked at counts as ended.
    """

    def __init__(self, gate: Gate, clock: Clock, longest: float) -> None:
        self._gate = gate
        self._clock = clock
        self._longest = longest
        self._until: dict[str, float] = {}  # the oldest first
        self._forgetting: asyncio.Task[None] | None = None

    def begun(self, task_id: str) -> None:
        """A task was accepted, and the gate counts it. One that was begun before has not become two."""
        if task_id in self._until:
            self._gate.finished()
            return
        self._until[task_id] = self._clock.monotonic() + self._longest
        if len(self._until) > _MOST:
            self._end(next(iter(self._until)))
        if self._forgetting is None or self._forgetting.done():
            self._forgetting = asyncio.get_running_loop().create_task(self._forget())

    def seen(self, task: Task) -> None:
        """Somebody looked at a task, of ours or of anybody."""
        if task.id in self._until and (task.status.terminal or task.status == Status.completed):
            self._end(task.id)

    async def close(self) -> None:
        """Count none of them any more: nobody here will see them end."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            await asyncio.wait([self._forgetting])
        for task_id in list(self._until):
            self._end(task_id)

    def _end(self, task_id: str) -> None:
        del self._until[task_id]
        self._gate.finished()

    async def _forget(self) -> None:
        while self._until:
            oldest, until = next(iter(self._until.items()))
            left = until - self._clock.monotonic()
            if left > 0:
                await self._clock.sleep(left)
            else:
                self._end(oldest)
