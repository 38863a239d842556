"""The bare calls: one paid request, a task followed without a journal, one result saved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.api.gate import Gate, Lane
from omniedit.clock import Clock
from omniedit.core.certainty import Accepted, Refused, judge
from omniedit.core.patience import Patience
from omniedit.errors import (
    LinkExpired,
    SubmissionUncertain,
    TransportFailed,
    UnexpectedReply,
)
from omniedit.flow.asking import ask
from omniedit.flow.intent import shown, unknown_edit
from omniedit.flow.unfinished import Unfinished
from omniedit.models import Intent, Reply, Status, Task

if TYPE_CHECKING:
    from omniedit.changes import Change, Saved
    from omniedit.flow.placing import Placing
    from omniedit.media.download import Downloader

__all__ = ["Calls"]


class Calls:
    """The service's calls, through the gate, without memory but of which submitted tasks are unfinished."""

    def __init__(
        self, door: Door, gate: Gate, downloader: Callable[[], Downloader], clock: Clock, patience: Patience
    ) -> None:
        self._door = door
        self._gate = gate
        self._downloader = downloader
        self._clock = clock
        self._patience = patience
        self._unfinished = Unfinished(gate, clock, patience.overall)

    async def close(self) -> None:
        """Nobody here will see the submitted tasks end: they take no room at the gate any more."""
        await self._unfinished.close()

    async def submit(self, intent: Intent) -> Task:
        """Send one paid request.

        Raises:
            ServiceError, TransportFailed: refused for certain; nothing is billed.
            SubmissionUncertain: nobody knows.
        """
        with await self._gate.enter(Lane.SUBMIT) as turn:
            try:
                reply = await self._door.submit(intent)
            except TransportFailed as error:
                if not error.sent:
                    raise
                raise _uncertain(intent, error.message) from error
            match judge(wire.answered(reply)):
                case Accepted(task_id=task_id):
                    turn.accepted(reply.headers)
                    self._unfinished.begun(task_id)
                    return self._seen(_task_in(reply, task_id))
                case Refused(waits=waits):
                    turn.refused(reply.headers) if waits else turn.answered(reply.headers)
                    raise wire.refusal(reply, "submitting the edit", idempotency_key=intent.nonce)
                case unknown:
                    turn.answered(reply.headers)
                    raise _uncertain(intent, unknown.reason)

    async def task(self, task_id: str) -> Task:
        """Look at one task, once."""
        return self._seen(wire.read_task(await ask(self._gate, self._door, wire.look(task_id)), task_id=task_id))

    def watch(self, task_id: str) -> AsyncIterator[Change]:
        """Changes of one task up to its end; the edit in them has no source and no prompt, which nobody here knows."""
        from omniedit.flow.following import follow  # with all that judges progress: who only submits never loads it

        return follow(task_id, self.task, self._clock, self._patience)

    async def save(self, task: Task | str, placing: Placing, *, overwrite: bool) -> Saved:
        """Save the result of a completed task, with one look for a fresh link when there is none or a dead one.

        Raises:
            InvalidEdit, ConfigurationError: no file can be written there.
            LinkExpired, DownloadFailed: it could not be saved.
        """
        from omniedit.changes import Saved

        began, downloader = self._clock.monotonic(), self._downloader()
        target = Path(placing.target_of(task.id if isinstance(task, Task) else wire.as_task_id(task)))
        await placing.prepare()
        task = self._seen(task) if isinstance(task, Task) else await self.task(task)
        if not task.results:
            task = await self._with_result(task)
        try:
            done = await downloader.download(task.results[0], target, task_id=task.id, overwrite=overwrite)
        except LinkExpired:
            task = await self._with_result(task)
            done = await downloader.download(task.results[0], target, task_id=task.id, overwrite=overwrite)
        elapsed = self._clock.monotonic() - began
        return Saved(unknown_edit(task), done.path, task.id, done.sha256, done.size, task.credits, elapsed)

    def _seen(self, task: Task) -> Task:
        self._unfinished.seen(task)
        return task

    async def _with_result(self, task: Task) -> Task:
        fresh = await self.task(task.id)
        if not fresh.results:
            raise LinkExpired(
                f"the task is {fresh.status} and names no result",
                task_id=task.id,
                mend="watch it until it is completed",
            )
        return fresh


def _task_in(reply: Reply, task_id: str) -> Task:
    try:
        return wire.read_task(reply, task_id=task_id)
    except UnexpectedReply:
        return Task(task_id, Status.pending)


def _uncertain(intent: Intent, reason: str) -> SubmissionUncertain:
    return SubmissionUncertain(
        f"nobody knows whether the edit of {shown(intent.edit.source)} was accepted: {reason}",
        mend="look into the account's task list before submitting it again",
        idempotency_key=intent.nonce,
    )
