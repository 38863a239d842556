"""Getting results to disk before their links die: earliest deadline first, over all edits of a client.

The link and its deadline are durable before the download starts, sha256 and size before the file gets its name, and
`saved` after it. A dead link is asked for again through its task, three times at most, in growing steps while it should
live.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import attrs

from omniedit.api import wire
from omniedit.api.client import Door
from omniedit.api.gate import Gate
from omniedit.changes import Transfer
from omniedit.clock import Clock
from omniedit.core.lifecycle import move
from omniedit.core.pacing import Goodput
from omniedit.core.places import name_of
from omniedit.core.transfer import download_order, grace_of_link, is_near
from omniedit.errors import DownloadFailed, JournalError, LinkExpired, OmniEditError
from omniedit.flow.asking import ask
from omniedit.flow.crew import Crew
from omniedit.flow.placing import is_own_clip, reason_to_stop
from omniedit.flow.record import OnTransfer, Record, commit, defect, linked
from omniedit.media.storage import Storage, Stored
from omniedit.models import Edit, Status, Task

__all__ = ["Fetcher"]

_log = logging.getLogger("omniedit.fetch")
_MOST_RENEWALS = 3
_FIRST_GUESS = 2.0  # seconds one download is thought to take before any was seen
_TRIES_TO_ASK = 4  # looks for a fresh link that may go unanswered
_LATER = "resume with the same journal: the task is looked up again"
_UNFINISHED = frozenset({Status.pending, Status.processing})  # no such task has a link to lose


class Fetcher:
    """Downloads results.

    Args:
        door: asks for fresh links.
        gate: says when.
        storage: fetches one file and puts it in its place.
        clock: time.
        workers: downloads at once.
        on_ended: takes records that the engine is done with, and why.
    """

    def __init__(
        self,
        door: Door,
        gate: Gate,
        storage: Storage,
        clock: Clock,
        *,
        workers: int,
        on_ended: Callable[[Record, OmniEditError | None], None],
    ) -> None:
        self._door = door
        self._gate = gate
        self._storage = storage
        self._clock = clock
        self._on_ended = on_ended
        self._heap: list[tuple[float, int, Record]] = []
        self._hopeless: list[tuple[float, int, Record]] = []
        self._count = itertools.count()
        self._crew = Crew(workers, self._take, self._work, lambda record: on_ended(record, defect(record)))
        self._expected = _FIRST_GUESS
        self._closed = False
        self._pace = Goodput(clock.monotonic())
        self.bytes = 0
        """Bytes saved."""

    @property
    def waiting(self) -> int:
        """Results that wait for a free hand."""
        return len(self._heap) + len(self._hopeless)

    @property
    def busy(self) -> int:
        """Downloads under way."""
        return self._crew.busy

    @property
    def rate(self) -> float:
        """Bytes saved per second, in the last minute."""
        return self._pace.rate(self._clock.monotonic())

    def add(self, record: Record) -> None:
        """Fetch the result of a record."""
        if self._closed:
            return
        deadline = record.entry.deadline
        when = deadline.timestamp() if deadline is not None else float("inf")
        heapq.heappush(self._heap, (when, next(self._count), record))
        if is_near(deadline, self._clock.utcnow()):
            _log.warning("fetch.deadline_near task_id=%s deadline=%s", record.entry.task_id, deadline)
        self._crew.nudge()

    def _take(self) -> Record | None:
        """The earliest deadline that can still be met; what cannot be met any more comes last."""
        expected = timedelta(seconds=self._expected)
        while self._heap:
            item = heapq.heappop(self._heap)
            hopeless, _ = download_order(item[2].entry.deadline, self._clock.utcnow(), expected)
            if item[2].released:
                continue
            if not hopeless:
                return item[2]
            self._hopeless.append(item)
        while self._hopeless:
            record = self._hopeless.pop(0)[2]
            if not record.released:
                return record
        return None

    async def _work(self, record: Record) -> None:
        began = self._clock.monotonic()
        try:
            await self._fetch(record)
        except LinkExpired as error:
            await self._expire(record, error)
        except JournalError as error:
            record.run.stop(error)
            self._on_ended(record, error)
        except OmniEditError as error:
            if (reason := reason_to_stop(error, record.entry.target)) is not None:
                record.run.stop(reason)
            self._on_ended(record, error)
        else:
            self._expected += 0.2 * (self._clock.monotonic() - began - self._expected)
            self._on_ended(record, None)

    async def _fetch(self, record: Record) -> None:
        if record.entry.link is None:
            await self._renew(record, LinkExpired("the journal has no link", task_id=record.entry.task_id))
        self._begin(record)
        if await self._was_published(record):
            return
        while True:
            try:
                stored = await self._download(record)
            except LinkExpired as error:
                await self._renew(record, error)
            else:
                await self._finish(record, stored)
                return

    def _begin(self, record: Record) -> None:
        entry = record.entry
        if entry.status != Status.downloading:
            step = move(entry, Status.downloading, self._clock.utcnow(), reopening=True, progress=100)
            record.entry = step.entry  # the link is durable already; that its download began need not be
            record.tell(step.changes)

    async def _was_published(self, record: Record) -> bool:
        """Whether the file got its name just before an interruption: then only the last word is missing."""
        entry = record.entry
        if entry.sha256 is None or entry.size is None:
            return False
        found = await self._storage.settled(entry.target, entry.sha256, entry.size, task_id=entry.task_id)
        if found is None:
            return False
        await self._finish(record, Stored(found, entry.sha256, entry.size))
        return True

    async def _download(self, record: Record) -> Stored:
        entry, tell = record.entry, record.run.on_transfer

        async def on_verified(sha256: str, size: int) -> None:
            known = attrs.evolve(record.entry, sha256=sha256, size=size)
            await record.run.journal.write(known)
            record.entry = known

        return await self._storage.save(
            entry.link or "",
            entry.target,
            task_id=entry.task_id,
            overwrite=record.run.overwrite and not record.moved and not is_own_clip(entry.edit, entry.target),
            on_progress=None if tell is None else partial(_tell, tell, entry.edit),
            on_verified=on_verified,
        )

    async def _finish(self, record: Record, stored: Stored) -> None:
        step = move(
            record.entry,
            Status.saved,
            self._clock.utcnow(),
            progress=100,
            path=stored.place,
            sha256=stored.sha256,
            size=stored.size,
        )
        await commit(record, step)
        self.bytes += stored.size
        self._pace.add(self._clock.monotonic(), stored.size)
        if stored.place != record.entry.target:
            _log.warning("fetch.name_taken task_id=%s saved_as=%s", record.entry.task_id, name_of(stored.place))

    # --- dead links ---------------------------------------------------------------------------------------------

    async def _renew(self, record: Record, dead: LinkExpired) -> None:
        """Look the task up for a fresh link.

        Raises:
            LinkExpired: there is none, or too many were dead.
            DownloadFailed: nobody can say now.
        """
        entry = record.entry
        if entry.renewals >= _MOST_RENEWALS or entry.task_id is None:
            raise dead
        grace = grace_of_link(entry.deadline, self._clock.utcnow(), entry.renewals)
        await self._clock.sleep(grace or 0.0)
        task = await self._ask(record, dead)
        if not task.results and task.status in _UNFINISHED:
            raise DownloadFailed(
                f"the service says of a completed task that it is {task.status}", task_id=task.id, mend=_LATER
            )
        if not task.results or (task.results[0] == entry.link and entry.renewals and grace is None):
            raise dead
        fresh = linked(attrs.evolve(entry, renewals=entry.renewals + 1), task.results[0], self._clock.utcnow())
        await record.run.journal.write(fresh)
        record.entry = fresh

    async def _ask(self, record: Record, dead: LinkExpired) -> Task:
        task_id = record.entry.task_id or ""
        failure: OmniEditError = dead
        for attempt in range(_TRIES_TO_ASK):
            try:
                reply = await ask(self._gate, self._door, wire.look(task_id))
                return wire.read_task(reply, task_id=task_id)
            except OmniEditError as error:
                failure = error
            await self._clock.sleep(0.5 * 2.0**attempt)
        raise DownloadFailed(
            f"the link is dead and no fresh one could be asked for: {failure.message}",
            task_id=task_id,
            mend=_LATER,
        )

    async def _expire(self, record: Record, dead: LinkExpired) -> None:
        error = LinkExpired(
            f"the link to the result is dead: {dead.message}",
            code="link_expired",
            task_id=record.entry.task_id,
            mend="ask the service for the result of this task; it is paid for and is not submitted again",
        )
        try:
            await commit(record, move(record.entry, Status.expired, self._clock.utcnow(), error=error))
        except JournalError as failure:
            record.run.stop(failure)
        self._on_ended(record, error)

    # --- leaving ------------------------------------------------------------------------------------------------

    async def release(self, record: Record) -> None:
        """Stop the download of one record; what has come stays beside its target."""
        await self._crew.drop(record)

    async def close(self) -> None:
        """Stop all downloads."""
        self._closed = True
        await self._crew.close()


def _tell(tell: OnTransfer, edit: Edit, received: int, length: int | None) -> None:
    tell(Transfer(edit, Status.downloading, received, length))
