"""One task followed without a journal and without an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from omniedit.api import wire
from omniedit.changes import Change
from omniedit.clock import Clock
from omniedit.core.lifecycle import observe, standing
from omniedit.core.patience import Patience
from omniedit.core.polling import Belief, Look
from omniedit.errors import (
    AccessDenied,
    AuthenticationFailed,
    OmniEditError,
    ServiceError,
    TaskOverdue,
    TransportFailed,
)
from omniedit.flow.intent import unknown_edit
from omniedit.models import Entry, Status, Task

__all__ = ["follow"]

_MOST_MISSES = 10  # looks in a row without an answer
_LONGEST_PAUSE = 60.0  # seconds

Ask = Callable[[str], Awaitable[Task]]


async def follow(task_id: str, ask: Ask, clock: Clock, patience: Patience) -> AsyncIterator[Change]:
    """Changes of one task up to its end.

    Args:
        task_id: which.
        ask: one look at it.
        clock: time.
        patience: how long it is followed at most.

    Raises:
        TaskOverdue: it has not ended in time.
        OmniEditError: the key or the access is refused, the task is unknown, or ten looks in a row found nobody.
    """
    belief, began = Belief(), clock.monotonic()
    now = clock.utcnow()
    task = await _patiently(task_id, ask, clock)
    entry = Entry(unknown_edit(task), "", Status.pending, now, task_id=task_id, submitted_at=task.created or now)
    yield standing(entry, now, task.progress)
    progress = 0
    while True:
        step = observe(entry, progress, task, clock.utcnow())
        entry, progress = step.entry, max(progress, task.progress)
        for change in step.changes:
            yield change
        if entry.status.terminal or entry.status == Status.completed:
            return
        elapsed = clock.monotonic() - began
        if elapsed >= patience.overall:
            raise TaskOverdue(f"the task is still {entry.status} after {elapsed:.0f} s", task_id=task_id)
        look = Look(elapsed, task.estimated_time, task.progress)
        await clock.sleep(max(min(belief.first_look(None), belief.next_look(look)) - elapsed, 1.0))
        task = await _patiently(task_id, ask, clock)


async def _patiently(task_id: str, ask: Ask, clock: Clock) -> Task:
    """One look that is repeated while nothing is wrong but the weather."""
    misses = 0
    while True:
        try:
            return await ask(task_id)
        except (ServiceError, TransportFailed) as error:
            misses += 1
            if _is_final(error) or misses >= _MOST_MISSES:
                raise
        await clock.sleep(min(0.5 * 2.0**misses, _LONGEST_PAUSE))


def _is_final(error: OmniEditError) -> bool:
    """Whether another look would tell no more. The caller knows the task's id, so that nothing is lost with it.

    A 403 without a code of the service's own may be the gateway's, as for a 404.
    """
    if isinstance(error, AccessDenied):
        return error.code != AccessDenied.default_code
    return isinstance(error, AuthenticationFailed) or wire.is_task_unknown(error)
