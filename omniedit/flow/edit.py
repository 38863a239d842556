"""One edit: await it for the result, or iterate it for what happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Generator
from pathlib import Path
from typing import Protocol

from omniedit.changes import Change, Saved
from omniedit.clock import Clock, SystemClock
from omniedit.core.arguments import check_able
from omniedit.core.money import Budget
from omniedit.errors import OmniEditError
from omniedit.flow.admission import Admission, Placing
from omniedit.flow.engine import Engine, closed
from omniedit.flow.intent import OnUncertain
from omniedit.flow.record import OnTransfer, Record, Run
from omniedit.flow.stream import ChangeStream
from omniedit.journal.base import Journal
from omniedit.models import Edit, Status

__all__ = ["EditRun", "Workplace", "was_closed"]


class Workplace(Protocol):
    """What a run needs of its client."""

    @property
    def local(self) -> bool:
        """Whether the service is on this machine."""
        ...

    async def engine(self) -> Engine:
        """The client's engine, started."""
        ...

    async def opened(self, journal: Journal) -> Journal:
        """A journal, opened for this service."""
        ...

    def background(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """A task that the client waits for when it is closed."""
        ...


class EditRun:
    """One edit under way; `client.edit(...)` makes it and nothing happens until it is awaited or iterated.

    `await run` gives the `Saved` clip or raises a typed error. `async for change in run` gives every change of status,
    the last one with the error of a bad end; what stops the edit where it stands (a refused key, a download that cannot
    be saved, a closed client) is raised after its last change. Awaiting afterwards gives the result at once. Both may
    be mixed.

    Cancelling the `await`, or breaking out of the `async for`: what is not paid for yet is withdrawn. A paid request
    that is just leaving is waited for (at most the client's grace) and written down. After a cancelled `await` an
    accepted task rests in the journal; after a break it is followed in the background until the client closes.
    Awaiting or iterating again goes on where it stands.
    """

    def __init__(
        self,
        workplace: Workplace,
        edit: Edit,
        placing: Placing,
        journal: Journal,
        *,
        on_uncertain: OnUncertain,
        overwrite: bool,
        on_transfer: OnTransfer | None = None,
    ) -> None:
        check_able("on_transfer", on_transfer, "__call__")
        self.edit = edit
        self._workplace = workplace
        self._placing = placing
        self._journal = journal
        self._on_uncertain = on_uncertain
        self._overwrite = overwrite
        self._on_transfer = on_transfer
        self._stream = ChangeStream()
        self._run: Run | None = None
        self._starting: asyncio.Task[None] | None = None
        self._outcome: asyncio.Future[Saved | OmniEditError] | None = None
        self._engine: Engine | None = None
        self._last: Change | None = None
        self._record: Record | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._parties = 0
        self._holding = False

    def __repr__(self) -> str:
        return f"<EditRun {self.edit.source!r} {self._last.status if self._last else 'not started'}>"

    @property
    def status(self) -> Status:
        """Where the edit stands."""
        return self._last.status if self._last else Status.queued

    def __await__(self) -> Generator[object, None, Saved]:
        return self._result().__await__()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self._changes()

    async def _result(self) -> Saved:
        await self._left()
        outcome = self._begin()
        self._parties += 1
        try:
            ended = await asyncio.shield(outcome)
        except asyncio.CancelledError:
            if self._parties == 1:
                # A second cancellation stops the waiting, not the booking.
                self._leaving = self._workplace.background(self._give_up())
                await asyncio.shield(self._leaving)
            raise
        finally:
            self._parties -= 1
        if isinstance(ended, OmniEditError):
            raise ended
        return ended

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
            if not self._parties and self._outcome is not None and not self._outcome.done():
                self._hold()
        self._raise_untold()

    def _raise_untold(self) -> None:
        """What ended the edit where it stood, or before it stood anywhere, is in no change: nobody may miss it."""
        ended = self._outcome.result() if self._outcome is not None and self._outcome.done() else None
        told = self._last is not None and self._last.error is not None
        if isinstance(ended, OmniEditError) and not told:
            raise ended

    async def _left(self) -> None:
        """Whoever comes back waits until the last one has quite left."""
        if self._leaving is not None:
            await asyncio.shield(self._leaving)

    # --- running --------------------------------------------------------------------------------------------------

    def _begin(self) -> asyncio.Future[Saved | OmniEditError]:
        self._holding = False
        if self._outcome is None:
            self._outcome = asyncio.get_running_loop().create_future()
            self._starting = self._workplace.background(self._start())
        if self._run is not None and self._run.holding and self._engine is not None:
            self._run.holding = False
            held, self._run.held = self._run.held, []
            self._engine.resume(held)
        return self._outcome

    def _hold(self) -> None:
        """Nobody watches: nothing is paid for."""
        self._holding = True
        if self._run is not None:
            self._run.holding = True

    async def _start(self) -> None:
        try:
            await self._take_up()
        except OmniEditError as error:
            self._conclude(error)
        except asyncio.CancelledError:
            self._conclude(closed())
            raise
        except Exception as error:  # noqa: BLE001 - whoever awaits must hear of it, whatever it is
            if self._outcome is not None and not self._outcome.done():
                self._outcome.set_exception(error)
            self._stream.close()

    async def _take_up(self) -> None:
        self._engine = engine = await self._workplace.engine()
        journal = await self._workplace.opened(self._journal)
        self._run = Run(
            journal,
            self,
            Budget(None),
            on_uncertain=self._on_uncertain,
            overwrite=self._overwrite,
            holding=self._holding,
            on_transfer=self._on_transfer,
        )
        admission = Admission(
            engine, self._run, self._placing, local_service=self._workplace.local, on_refused=self._refused
        )
        await admission.admit([(1, self.edit)])

    async def _give_up(self) -> None:
        """Give the edit up in this run: what is just being paid for is booked first."""
        self._hold()
        if self._starting is not None and not self._starting.done():
            await asyncio.wait([self._starting])
        ended = self._outcome is None or self._outcome.done()
        if self._record is not None and self._engine is not None and not ended:
            await self._engine.release(self._record)
        self._stream.close()
        self._stream = ChangeStream()
        self._outcome = self._run = self._record = None

    # --- what the engine tells ------------------------------------------------------------------------------------

    def tell(self, change: Change) -> None:
        """Pass a change on to whoever iterates."""
        self._last = change
        self._stream.put(change)

    def stop(self, error: OmniEditError) -> None:
        """Nothing can be submitted; the record itself ends with this error."""

    def started(self, record: Record) -> None:
        """The engine has taken the edit."""
        self._record = record

    def ended(self, record: Record, error: OmniEditError | None) -> None:
        """The engine is done with the edit."""
        self._conclude(error or self._saved(record))

    def _saved(self, record: Record) -> Saved | OmniEditError:
        entry = record.entry
        if entry.status != Status.saved or entry.path is None or entry.sha256 is None or entry.size is None:
            return OmniEditError(f"the edit ended as {entry.status}", task_id=entry.task_id)
        return Saved(
            edit=entry.edit,
            path=Path(entry.path),
            task_id=entry.task_id or "",
            sha256=entry.sha256,
            size=entry.size,
            credits=entry.credits,
            elapsed=self._clock().monotonic() - record.taken_at,
        )

    def _refused(self, edit: Edit, error: OmniEditError) -> None:
        at = self._clock().utcnow()
        self.tell(Change(edit, Status.queued, at=at))
        self.tell(Change(edit, Status.rejected, Status.queued, at=at, error=error))
        self._conclude(error)

    def _clock(self) -> Clock:
        return self._engine.clock if self._engine is not None else SystemClock()

    def _conclude(self, ended: Saved | OmniEditError) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(ended)
        self._stream.close()


def was_closed(task: asyncio.Task[None]) -> bool:
    """Whether a wait was cut short because the client was closed, and not because the waiting task was cancelled."""
    waiting = asyncio.current_task()
    return task.cancelled() and waiting is not None and not waiting.cancelling()
