"""Many edits: any iterable or async iterable, bounded, resumable, budgeted."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from itertools import islice
from types import MappingProxyType

import attrs

from omniedit.changes import Change, Summary
from omniedit.clock import Clock, SystemClock
from omniedit.core.lifecycle import standing
from omniedit.core.money import Budget
from omniedit.errors import JournalError, OmniEditError
from omniedit.flow.admission import Admission, Placing
from omniedit.flow.edit import Workplace
from omniedit.flow.engine import Engine, EngineStatistics
from omniedit.flow.record import OnTransfer, OnUncertain, Record, Run
from omniedit.flow.seen import KeySet
from omniedit.flow.stream import ChangeStream
from omniedit.journal.base import Journal
from omniedit.models import Edit, Status

__all__ = ["Batch", "BatchSettings", "BatchStatistics"]

_log = logging.getLogger("omniedit.batch")
_PAGE = 128  # edits taken from the input at once
_MOST_WAITING = 256  # edits that wait to be submitted, before no more are taken
_MOST_UNREAD = 10_000  # changes that a slow reader may leave lying, before no more edits are taken
_MOST_FAILURES = 1_000
_NAP = 0.25  # seconds: the longest that something nobody tells, such as a reader catching up, goes unnoticed


@attrs.frozen
class BatchSettings:
    """How a batch behaves."""

    placing: Placing
    on_uncertain: OnUncertain = OnUncertain.hold
    overwrite: bool = False
    retry_failed: bool = False
    max_credits: float | None = None
    on_transfer: OnTransfer | None = None


@attrs.frozen
class BatchStatistics:
    """What a batch is doing now. The engine's part covers all runs of the client."""

    counts: dict[Status, int]
    """Edits that ended, per status."""
    live: int
    """Edits of this batch under way."""
    taken: int
    """Edits taken from the input so far."""
    exhausted: bool
    """Whether the input has been read to its end."""
    credits_reserved: float
    unread: int
    """Changes that the reader has not taken yet."""
    engine: EngineStatistics | None


class Batch:
    """Many edits under way; `client.batch(...)` makes it and nothing happens until it is awaited or iterated.

    `await batch` gives the `Summary`. `async for change in batch` gives every change of every edit; awaiting
    afterwards gives the summary at once. One edit's failure never ends a batch and is never raised from it; what is
    raised is a `JournalError` (nothing can be remembered, so nothing more is sent) and what the input itself raises.

    Memory is bounded: the input is read only as fast as edits can be submitted and changes are read.

    Cancelling the `await`, or breaking out of the `async for`, stops taking and paying; a paid request that is just
    leaving is waited for (at most the client's grace). After a cancelled `await` the accepted tasks rest in the
    journal; after a break they are followed until the client closes. Awaiting or iterating again goes on.
    """

    def __init__(
        self,
        workplace: Workplace,
        edits: Iterable[Edit] | AsyncIterable[Edit],
        journal: Journal,
        settings: BatchSettings,
    ) -> None:
        self._workplace = workplace
        self._input = _Input(edits)
        self._journal = journal
        self._settings = settings
        self._stream = ChangeStream()
        self._seen = KeySet()
        self._live: set[Record] = set()
        self._counts: Counter[Status] = Counter()
        self._failures: list[Change] = []
        self._used = 0.0
        self._run: Run | None = None
        self._engine: Engine | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._began = 0.0
        self._elapsed = 0.0
        self._idle = asyncio.Event()
        self._finished = False

    def __repr__(self) -> str:
        state = "finished" if self._finished else "running" if self._task else "not started"
        return f"<Batch {state} {dict(self._counts)} live={len(self._live)}>"

    def __await__(self) -> Generator[object, None, Summary]:
        return self._result().__await__()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self._changes()

    def statistics(self) -> BatchStatistics:
        """What the batch is doing now."""
        return BatchStatistics(
            counts=dict(self._counts),
            live=len(self._live),
            taken=self._input.taken,
            exhausted=self._input.exhausted,
            credits_reserved=self._run.budget.reserved if self._run else 0.0,
            unread=self._stream.backlog,
            engine=self._engine.statistics() if self._engine else None,
        )

    async def _result(self) -> Summary:
        task = self._begin()
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.shield(self._workplace.background(self._give_up()))
            raise
        if self._error is not None:
            raise self._error
        return self._summary()

    async def _changes(self) -> AsyncIterator[Change]:
        self._stream.attach()
        try:
            self._begin()
            async for change in self._stream.read():
                yield change
        finally:
            self._stream.detach()
            if self._run is not None and not self._finished:
                self._run.holding = True
        if self._error is not None:
            raise self._error

    # --- running --------------------------------------------------------------------------------------------------

    def _begin(self) -> asyncio.Task[None]:
        if self._run is not None and self._run.holding and self._engine is not None:
            self._run.holding = False
            held, self._run.held = self._run.held, []
            self._engine.resume(held)
        if self._task is None:
            self._stream.reopen()
            self._task = self._workplace.background(self._drive())
        return self._task

    async def _drive(self) -> None:
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - raised from the await: it is the input's own, or the journal's
            self._error = error
            if self._run is not None:
                self._run.stop(error if isinstance(error, OmniEditError) else JournalError(str(error)))
            await self._until(lambda: not self._live)
        self._finish()

    async def _work(self) -> None:
        self._engine = engine = await self._workplace.engine()
        self._began = engine.clock.monotonic()
        journal = await self._workplace.opened(self._journal)
        settings = self._settings
        run = self._run
        if run is None:
            counts = await journal.counts() if settings.max_credits is not None else None
            budget = Budget(settings.max_credits, reserved=counts.credits_reserved if counts else 0.0)
            run = self._run = Run(
                journal,
                self,
                budget,
                on_uncertain=settings.on_uncertain,
                overwrite=settings.overwrite,
                retry_failed=settings.retry_failed,
                on_transfer=settings.on_transfer,
            )
        admission = Admission(
            engine, run, settings.placing, local_service=self._workplace.local, on_refused=self._refused
        )
        await self._adopt(journal, admission)
        await self._take_all(engine, run, admission)
        await self._until(lambda: not self._live)

    async def _adopt(self, journal: Journal, admission: Admission) -> None:
        """What an earlier run left unfinished comes first: its links may be about to die."""
        async for entry in journal.entries(open_only=True):
            began = entry.task_id is not None or entry.status == Status.submitting
            if began and self._seen.add(entry.key):
                await admission.take(entry)

    async def _take_all(self, engine: Engine, run: Run, admission: Admission) -> None:
        while run.stopped is None and not self._input.exhausted:
            await self._until(lambda: self._has_room(engine, run))
            edits = await self._input.page(_PAGE)
            await admission.admit([(index, edit) for index, edit in edits if self._seen.add(edit.key)])

    def _has_room(self, engine: Engine, run: Run) -> bool:
        if run.stopped is not None:
            return True
        return not run.holding and engine.backlog < _MOST_WAITING and self._stream.backlog < _MOST_UNREAD

    async def _until(self, ready: Callable[[], bool]) -> None:
        """Wait until something holds; looked at when an edit ends, and a few times a second besides."""
        while not ready():
            self._idle.clear()
            try:
                async with asyncio.timeout(_NAP):
                    await self._idle.wait()
            except TimeoutError:
                continue

    def _finish(self) -> None:
        self._finished = True
        if self._engine is not None:
            self._elapsed = self._engine.clock.monotonic() - self._began
        self._stream.close()

    async def _give_up(self) -> None:
        """Stop taking and paying; book what is just being paid for; leave the rest to the journal."""
        if self._run is not None:
            self._run.holding = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._engine is not None:
            await asyncio.gather(*(self._engine.release(record) for record in list(self._live)))
        for record in self._live:
            self._seen.discard(record.key)
        self._live.clear()
        self._task = None
        self._stream.close()

    def _summary(self) -> Summary:
        budget = self._run.budget if self._run else Budget(None)
        return Summary(
            counts=MappingProxyType(dict(self._counts)),
            credits_reserved=budget.reserved,
            credits_used=self._used,
            elapsed=self._elapsed,
            failures=tuple(self._failures),
            stopped=self._run.stopped if self._run else None,
        )

    # --- what the engine tells ------------------------------------------------------------------------------------

    def tell(self, change: Change) -> None:
        """Pass a change on to whoever iterates."""
        self._stream.put(change)
        self._idle.set()

    def stop(self, error: OmniEditError) -> None:
        """Nothing more can be submitted for this batch."""
        _log.warning("batch.stopped %s: %s", error.code, error.message)
        self._idle.set()

    def started(self, record: Record) -> None:
        """The engine has taken a record."""
        self._live.add(record)

    def ended(self, record: Record, error: OmniEditError | None) -> None:
        """The engine is done with a record."""
        self._live.discard(record)
        entry = record.entry
        self._count(entry.status, standing(entry, self._clock().utcnow(), error=error) if error else None)
        self._used += entry.credits_used or 0.0
        self._idle.set()

    def _refused(self, edit: Edit, error: OmniEditError) -> None:
        at = self._clock().utcnow()
        self.tell(Change(edit, Status.queued, at=at))
        change = Change(edit, Status.rejected, Status.queued, at=at, error=error)
        self.tell(change)
        self._count(Status.rejected, change)

    def _count(self, status: Status, failure: Change | None) -> None:
        self._counts[status] += 1
        if failure is not None and status != Status.saved and len(self._failures) < _MOST_FAILURES:
            self._failures.append(failure)

    def _clock(self) -> Clock:
        return self._engine.clock if self._engine is not None else SystemClock()


class _Input:
    """The edits as they come, page by page."""

    def __init__(self, edits: Iterable[Edit] | AsyncIterable[Edit]) -> None:
        self._later = aiter(edits) if isinstance(edits, AsyncIterable) else None
        self._now = iter(edits) if isinstance(edits, Iterable) else iter(())
        self.taken = 0
        self.exhausted = False

    async def page(self, size: int) -> list[tuple[int, Edit]]:
        """The next edits with their positions, from 1; an async input gives one at a time, as it comes."""
        edits = list(islice(self._now, size)) if self._later is None else await self._one(self._later)
        self.exhausted = not edits
        first = self.taken + 1
        self.taken += len(edits)
        return list(enumerate(edits, first))

    async def _one(self, later: AsyncIterator[Edit]) -> list[Edit]:
        try:
            return [await anext(later)]
        except StopAsyncIteration:
            return []
