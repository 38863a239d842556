"""Many edits: any iterable or async iterable, bounded, resumable, budgeted."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Generator, Iterable, Sequence
from types import MappingProxyType

import attrs

from omniedit.changes import Change, Summary
from omniedit.clock import Clock, SystemClock
from omniedit.core.arguments import check_able
from omniedit.core.lifecycle import standing
from omniedit.core.money import Budget
from omniedit.errors import OmniEditError
from omniedit.flow.admission import Admission, Placing
from omniedit.flow.edit import Workplace, was_closed
from omniedit.flow.engine import Engine, closed
from omniedit.flow.intake import Intake
from omniedit.flow.intent import OnUncertain
from omniedit.flow.record import OnTransfer, Record, Run
from omniedit.flow.seen import KeySet, Names
from omniedit.flow.statistics import EngineStatistics
from omniedit.flow.stream import ChangeStream
from omniedit.journal.base import CountsCommits, Journal
from omniedit.models import Edit, Entry, Status

__all__ = ["Batch", "BatchSettings", "BatchStatistics"]

_log = logging.getLogger("omniedit.batch")
_PAGE = 128  # edits taken from the input at once
_MOST_WAITING = 256  # edits that wait to be submitted, before no more are taken
_MOST_UNREAD = 10_000  # changes that a slow reader may leave lying, before no more edits are taken
_MOST_FAILURES = 1_000
# Failed tasks are not billed; the others are counted with what nobody knows the outcome of.
_UNBILLED = frozenset({Status.failed, Status.cancelled, Status.submitting, Status.uncertain})
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

    def __attrs_post_init__(self) -> None:
        check_able("on_transfer", self.on_transfer, "__call__")


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
    commits: int | None
    """Transactions of the journal since it was opened; None where it does not tell."""
    engine: EngineStatistics | None


class Batch:
    """Many edits under way; `client.batch(...)` makes it and nothing happens until it is awaited or iterated.

    `await batch` gives the `Summary`. `async for change in batch` gives every change of every edit; awaiting
    afterwards gives the summary at once. One edit's failure never ends a batch and is never raised from it; what is
    raised is a `JournalError` (nothing can be remembered, so nothing more is sent), a `ConfigurationError` (nothing
    could be saved, so nothing is sent) and what the input itself raises.

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
        self._input = Intake(edits)
        self._journal = journal
        self._settings = settings
        self._stream = ChangeStream()
        self._seen = KeySet()
        self._names = Names()
        self._live: dict[str, Record] = {}
        self._counts: Counter[Status] = Counter()
        self._failures: list[Change] = []
        self._used = 0.0
        self._run: Run | None = None
        self._engine: Engine | None = None
        self._task: asyncio.Task[None] | None = None
        self._admitting: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._parties = 0
        self._holding = False
        self._given_up: dict[str, bool] = {}  # and whether their results were to go into this batch's folder
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
            credits_reserved=self._run.budget.fresh if self._run else 0.0,
            unread=self._stream.backlog,
            commits=self._journal.commits if isinstance(self._journal, CountsCommits) else None,
            engine=self._engine.statistics() if self._engine else None,
        )

    async def _result(self) -> Summary:
        await self._left()
        task = self._begin()
        self._parties += 1
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if was_closed(task):
                raise closed() from None
            if self._parties == 1:
                self._leaving = self._workplace.background(self._give_up())
                await asyncio.shield(self._leaving)
            raise
        finally:
            self._parties -= 1
        if self._error is not None:
            raise self._error
        return self._summary()

    async def _changes(self) -> AsyncIterator[Change]:
        await self._left()
        await self._stream.attach()
        self._parties += 1
        try:
            self._begin()
            async for change in self._stream.read():
                yield change
        finally:
            self._stream.detach()
            self._parties -= 1
            if not self._parties and not self._finished:
                self._hold()
        if self._error is not None:
            raise self._error

    async def _left(self) -> None:
        """Whoever comes back waits until the last one has quite left."""
        if self._leaving is not None:
            await asyncio.shield(self._leaving)

    # --- running --------------------------------------------------------------------------------------------------

    def _begin(self) -> asyncio.Task[None]:
        self._holding = False
        if self._run is not None and self._run.holding and self._engine is not None:
            self._run.holding = False
            held, self._run.held = self._run.held, []
            self._engine.resume(held)
        if self._task is None:
            self._stream.reopen()
            self._task = self._workplace.background(self._drive())
        return self._task

    def _hold(self) -> None:
        """Nobody watches: take nothing more, pay for nothing more."""
        self._holding = True
        if self._run is not None:
            self._run.holding = True

    async def _drive(self) -> None:
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - raised from the await: it is the input's own, or the journal's
            self._error = error
            if self._run is not None:
                self._run.stop(error if isinstance(error, OmniEditError) else _broken_off(error))
            await self._until(lambda: not self._live)
        finally:
            await self._input.rest()
        self._finish()

    async def _work(self) -> None:
        self._engine = engine = await self._workplace.engine()
        self._began = engine.clock.monotonic()
        journal = await self._workplace.opened(self._journal)
        run = self._run = self._run or await self._make_run(journal)
        admission = Admission(
            engine, run, self._settings.placing, local_service=self._workplace.local, on_refused=self._refused
        )
        await self._adopt(journal, admission)
        await self._take_all(engine, run, admission)
        await self._until(lambda: not self._live)

    async def _make_run(self, journal: Journal) -> Run:
        settings = self._settings
        return Run(
            journal,
            self,
            await _budget(journal, settings.max_credits),
            on_uncertain=settings.on_uncertain,
            overwrite=settings.overwrite,
            retry_failed=settings.retry_failed,
            holding=self._holding,
            on_transfer=settings.on_transfer,
            names=self._names,
        )

    async def _adopt(self, journal: Journal, admission: Admission) -> None:
        """What an earlier run left unfinished comes first: its links may be about to die."""
        for key in list(self._given_up):  # they may have come to their end just when they were let go
            known = await journal.entry(key)
            moved = self._given_up.pop(key)
            if known is not None:
                await self._take([known], admission, asked=moved)
        page: list[Entry] = []
        async for entry in journal.entries(open_only=True):
            if entry.task_id is not None or entry.status == Status.submitting:
                page.append(entry)
            if len(page) == _PAGE:
                await self._take(page, admission)
                page = []
        await self._take(page, admission)

    async def _take(self, entries: Sequence[Entry], admission: Admission, *, asked: bool = False) -> None:
        fresh = [entry for entry in entries if self._seen.add(entry.key)]
        if fresh:
            await self._to_the_end(self._taken(fresh, admission, asked=asked))

    async def _taken(self, entries: Sequence[Entry], admission: Admission, *, asked: bool) -> None:
        for held in await admission.take(entries, asked=asked):  # another process brings them to their end
            self._seen.discard(held.entry.key)

    async def _take_all(self, engine: Engine, run: Run, admission: Admission) -> None:
        while run.stopped is None and not engine.closed and not self._input.exhausted:
            await self._until(lambda: self._has_room(engine, run))
            edits = await self._input.page(_PAGE, lambda: run.stopped is not None or engine.closed)
            fresh = [(index, edit) for index, edit in edits if self._seen.add(edit.key)]
            for record in self._adopted(edit for _, edit in edits):
                admission.bring(record)
            await self._to_the_end(admission.admit(fresh))
        if engine.closed:
            run.stop(closed())

    def _adopted(self, edits: Iterable[Edit]) -> list[Record]:
        """Those under way among some edits of which the new ones are not let in yet: they were taken unasked."""
        return [record for edit in edits if (record := self._live.get(edit.key)) is not None]

    async def _to_the_end(self, work: Coroutine[object, object, None]) -> None:
        """Edits that were taken from the input are let in even while this batch is cancelled: none is forgotten."""
        self._admitting = self._workplace.background(work)
        await asyncio.shield(self._admitting)

    def _has_room(self, engine: Engine, run: Run) -> bool:
        if run.stopped is not None or engine.closed:
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
        self._hold()
        for task in (self._task, self._admitting):
            if task is not None and not task.done():
                if task is self._task:
                    task.cancel()
                await asyncio.wait([task])
        await self._input.rest()
        if self._engine is not None:
            await asyncio.gather(*(self._engine.release(record) for record in list(self._live.values())))
        for record in self._live.values():
            self._seen.discard(record.key)
            self._names.free(record.entry.target)
            self._given_up[record.key] = record.moved
        self._live.clear()
        self._task = None
        self._stream.close()

    def _summary(self) -> Summary:
        budget = self._run.budget if self._run else Budget(None)
        return Summary(
            counts=MappingProxyType(dict(self._counts)),
            credits_reserved=budget.fresh,
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
        self._live[record.key] = record

    def ended(self, record: Record, error: OmniEditError | None) -> None:
        """The engine is done with a record."""
        self._live.pop(record.key, None)
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


def _broken_off(error: Exception) -> OmniEditError:
    return OmniEditError(
        f"the batch was broken off: {type(error).__name__}: {error}",
        code="broken_off",
        mend="nothing paid is forgotten: run the same again with the same journal",
    )


async def _budget(journal: Journal, limit: float | None) -> Budget:
    """A budget in which earlier runs of the journal count, with what may have cost something nobody stated."""
    if limit is None:
        return Budget(None)
    counts = await journal.counts()
    unpriced = sum(counts.statuses.get(status, 0) for status in (Status.submitting, Status.uncertain))
    async for entry in journal.entries():
        accepted = entry.task_id is not None and entry.status not in _UNBILLED
        unpriced += accepted and entry.credits_reserved is None
    return Budget(limit, reserved=counts.credits_reserved, unpriced=unpriced)
