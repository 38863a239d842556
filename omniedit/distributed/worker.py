"""A host that works on a shared batch until it is told to stop, whatever happens around it.

It lives in shifts. A shift is one client, one open journal and one PgQueuer; it ends when the host is to stop, when
nothing more can be submitted (key, quota, journal), or when others have declared this host dead. Then everything is
closed, the jobs go back into the queue, and after a while the next shift begins.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Self

import attrs
from pgqueuer import Queries, QueueManager
from pgqueuer.types import QueueEntrypoint

from omniedit.changes import Change
from omniedit.core.naming import DEFAULT_TEMPLATE
from omniedit.distributed.client import HostClient
from omniedit.distributed.driver import LinkDriver
from omniedit.distributed.follower import Follower
from omniedit.distributed.limit import limited
from omniedit.distributed.pgqueuer import Submitted, install, register, submit_batch, sweep
from omniedit.errors import ConfigurationError, OmniEditError
from omniedit.flow.intent import OnUncertain
from omniedit.flow.placing import read_folder
from omniedit.journal.link import Link
from omniedit.journal.postgres import PATIENCE, PostgresJournal
from omniedit.journal.relations import lease_lost
from omniedit.models import Edit

__all__ = ["HEARTBEAT", "Worker", "enqueue"]

HEARTBEAT = 20.0
"""Seconds after which the edits of a silent host are taken over by others."""
_LEASE_SHARE, _QUEUE_SHARE = 0.7, 0.8
"""Of the heartbeat: the lease must be over when PgQueuer hands the job to the next host, with time left to start."""
_SWEEP_EVERY = 60.0  # seconds between two sweeps of one host
_BATCH = 20  # jobs taken at once
_MOST_WAITING = 32  # edits that wait here to be submitted, before no more are taken: others may have room for them
_LONG = 24 * 3600.0  # seconds that PgQueuer's connection is waited for: the journal gives up long before
_PAGE = 1_000  # edits written in one transaction
_POLL_WHEN_FULL = timedelta(seconds=0.25)  # between looks for room while others wait in the queue
_DRAIN = 10.0  # seconds in which jobs go back into the queue
_GIVING_UP = 0.5  # seconds in which PgQueuer notices that it is cancelled
_log = logging.getLogger("omniedit.distributed")


@attrs.frozen
class Worker:
    """One host of many: `await Worker(dsn, client, "edited/").run(stop)`.

    Args:
        dsn: of the database with journal and queue.
        client: makes a client for each shift.
        save_to: the folder of the results, or `s3://bucket/prefix`.
        max_rate: most submits per second, of all hosts together; learned by all of them together when not given.
        max_in_flight: most unfinished tasks, of all hosts together.
        heartbeat: seconds after which the edits of a silent host are taken over.
        at_once: edits that this host holds at most.
        on_uncertain: `hold` uncertain requests for people, or `replay` them with the same key.
        overwrite: replace files that exist.
        retry_failed: submit failed edits again where their code allows it, when their jobs are queued again.
        rest: seconds between a shift that could not go on and the next.
        patience: seconds that the server may be away before a shift ends.
        on_change: told of every change of every edit.
    """

    dsn: str = attrs.field(repr=False)
    client: Callable[[], HostClient]
    save_to: str | Path
    max_rate: float | None = None
    max_in_flight: int | None = None
    heartbeat: float = HEARTBEAT
    at_once: int = 1000
    on_uncertain: OnUncertain = OnUncertain.hold
    overwrite: bool = False
    retry_failed: bool = False
    rest: float = 30.0
    patience: float = PATIENCE
    on_change: Callable[[Change], None] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then book what is being paid for and give everything back.

        Cancelling it does the same.

        Raises:
            ConfigurationError: the results are to go into a bucket that cannot be opened.
            JournalError: the DSN is no address of a database.
        """
        read_folder(self.save_to)  # told now, and not once a shift
        while not stop.is_set():
            try:
                await self._shift(stop)
            except OmniEditError as error:
                if error.code == "wrong_address":
                    raise
                rest = 0.0 if error.code == "lease_lost" else self.rest
                _log.warning("this host rests for %.0f s: %s", rest, error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), rest)

    async def _shift(self, stop: asyncio.Event) -> None:
        """One shift.

        Raises:
            OmniEditError: why it could not go on.
        """
        journal = PostgresJournal(self.dsn, lease=self.heartbeat * _LEASE_SHARE, patience=self.patience)
        client = self.client()
        follower = Follower(
            client,
            journal,
            self.save_to,
            on_uncertain=self.on_uncertain,
            overwrite=self.overwrite,
            retry_failed=self.retry_failed,
            on_change=self.on_change,
        )
        limit = limited(client, journal, self.dsn, max_rate=self.max_rate, max_in_flight=self.max_in_flight)
        async with limit, _Jobs(self, follower) as jobs, follower:
            await jobs.until([_set(stop), _told(follower.stopped), _lost(journal)])


async def _set(stop: asyncio.Event) -> None:
    await stop.wait()


async def _told(stopped: asyncio.Future[OmniEditError]) -> None:
    raise await asyncio.shield(stopped)


async def _lost(journal: PostgresJournal) -> None:
    await journal.lost.wait()
    raise lease_lost()


class _Manager(QueueManager):
    """Takes no jobs while enough of them wait to be submitted: what is followed costs little, what waits is hoarded.

    Nor for a follower that takes no edits: each job of the queue would be handed back, again and again.
    """

    follower: Follower | None = None

    def entrypoints_below_capacity_limits(self) -> set[QueueEntrypoint]:
        """PgQueuer asks this before each look into the queue."""
        full = self.follower is not None and (not self.follower.taking or self.follower.backlog >= _MOST_WAITING)
        return set() if full else super().entrypoints_below_capacity_limits()


class _Jobs:
    """PgQueuer at work in one shift: it takes jobs from `until` on, and gives back what is not done at the end."""

    def __init__(self, worker: Worker, follower: Follower) -> None:
        self._worker = worker
        self._driver = LinkDriver(worker.dsn, patience=_LONG)
        self._sweeping = Link(worker.dsn, patience=worker.patience)
        self._manager = _Manager(Queries(self._driver))
        self._manager.follower = follower
        self._manager.min_dequeue_poll_interval = _POLL_WHEN_FULL
        self._running: asyncio.Task[None] | None = None
        register(self._manager, follower)

    async def __aenter__(self) -> Self:
        await self._sweeping.run(install)
        return self

    async def __aexit__(self, *_: object) -> None:
        """What was followed is refused as `Later` by now: its jobs go back into the queue."""
        self._manager.shutdown.set()
        try:
            if self._running is not None:
                await asyncio.wait([self._running], timeout=_DRAIN)
        finally:
            await self._sweeping.close()
            await self._hang_up()

    async def _hang_up(self) -> None:
        """End PgQueuer, although the server may be away: what it holds is handed out again when its heartbeat is over.

        Cancelled once it waits for its jobs, cancelled twice it gives those up; its last words end when they are
        refused.
        """
        for _ in range(2):
            if self._running is not None and not self._running.done():
                self._running.cancel()
                await asyncio.wait([self._running], timeout=_GIVING_UP)
        await self._driver.close()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)

    async def until(self, ends: Sequence[Coroutine[object, object, None]]) -> None:
        """Work until the first of these ends, and raise what it raises."""
        self._running = asyncio.create_task(self._take(), name="omniedit-jobs")
        others = [asyncio.create_task(end) for end in (*ends, self._sweep())]
        try:
            done, _ = await asyncio.wait([self._running, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in others:
                task.cancel()
            await asyncio.wait(others)
        for task in done:
            task.result()

    async def _take(self) -> None:
        seconds = self._worker.heartbeat
        try:
            await self._manager.verify_structure()
        except RuntimeError as error:
            raise ConfigurationError(
                f"PgQueuer's tables are not those of its version: {error}", mend="run `pgq upgrade` on the database"
            ) from None
        await self._manager.run(
            dequeue_timeout=timedelta(seconds=seconds / 10),
            batch_size=min(_BATCH, max(self._worker.at_once // 2, 1)),
            max_concurrent_tasks=max(self._worker.at_once, 2),
            heartbeat_timeout=timedelta(seconds=seconds * _QUEUE_SHARE),
        )

    async def _sweep(self) -> None:
        while True:
            found = await self._sweeping.run(sweep)
            if found:
                _log.warning("%d edits had gone astray and are queued again", found)
            await asyncio.sleep(_SWEEP_EVERY * random.uniform(0.8, 1.2))  # noqa: S311  # so that hosts do not meet


async def enqueue(
    dsn: str,
    edits: Iterable[Edit],
    *,
    base_url: str | None = None,
    template: str = DEFAULT_TEMPLATE,
    priority: int = 0,
    retry_failed: bool = False,
    on_uncertain: OnUncertain = OnUncertain.hold,
    patience: float = PATIENCE,
) -> Submitted:
    """Write a batch of any length into journal and queue, a thousand edits at a time; again does no harm.

    Raises:
        JournalError: the database cannot be used, or the journal belongs to another origin.
        ConfigurationError: the template or the address is wrong.
    """
    link = Link(dsn, patience=patience)
    total = Submitted(0, 0)
    numbered = iter(enumerate(edits, start=1))
    try:
        await link.run(install)
        while page := list(islice(numbered, _PAGE)):
            part = await link.run(
                partial(
                    submit_batch,
                    edits=[edit for _, edit in page],
                    base_url=base_url,
                    template=template,
                    priority=priority,
                    retry_failed=retry_failed,
                    on_uncertain=on_uncertain,
                    first=page[0][0],
                )
            )
            total = Submitted(total.queued + part.queued, total.known + part.known, total.refused + part.refused)
    finally:
        await link.close()
    return total
