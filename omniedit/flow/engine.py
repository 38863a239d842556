"""The engine: follows any number of edits with a few workers.

    queued -> Submitter -> task id -> Watcher -> link -> Fetcher -> saved

Records move one way; each stage hands them to the next and knows nothing of it. What merely waits is a row in a queue:
no coroutine and no timer of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from hashlib import sha256
from hmac import compare_digest

from omniedit.api.client import Door
from omniedit.api.gate import Gate
from omniedit.clock import Clock
from omniedit.core.lifecycle import Step
from omniedit.core.polling import Belief
from omniedit.errors import ClientClosed, OmniEditError
from omniedit.flow.fetching import Fetcher
from omniedit.flow.finding import Listing, Witness
from omniedit.flow.record import Record
from omniedit.flow.settings import EngineSettings
from omniedit.flow.settling import Settler
from omniedit.flow.statistics import EngineStatistics
from omniedit.flow.submitting import Resolver, Submitter
from omniedit.flow.telemetry import Telemetry
from omniedit.flow.trust import CallbackTrust
from omniedit.flow.watching import Watcher
from omniedit.journal.base import Journal
from omniedit.journal.recent import Recent
from omniedit.media.storage import Storage
from omniedit.models import Entry, Status, Task

__all__ = ["Engine", "closed"]

_UNCLAIMED = 4096  # calls that are remembered for edits that nobody here waits for, or not yet: half a megabyte


class Engine:
    """Takes records, and gives each back through its run's listener exactly once.

    Args:
        door: speaks with the service.
        gate: says when.
        resolver: checks and hosts sources.
        storage: brings results to their places.
        clock: time.
        settings: how.
        jitter: numbers from 0 to 1.
    """

    def __init__(
        self,
        door: Door,
        gate: Gate,
        resolver: Resolver,
        storage: Storage,
        clock: Clock,
        *,
        settings: EngineSettings,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.gate = gate
        self.clock = clock
        self._live: dict[tuple[int, str], Record | None] = {}
        self._by_nonce: dict[bytes, Record] = {}
        base = settings.callback_base
        self._trust = CallbackTrust(base)
        self._unclaimed: Recent[bytes, str] = Recent(_UNCLAIMED)
        self._submitter = Submitter(
            door,
            gate,
            resolver,
            clock,
            jitter,
            grace=settings.grace,
            callback_of=None if base is None else partial(_callback_address, base),
            on_accepted=self._accepted,
            on_uncertain=self._uncertain,
            on_ended=self._ended,
        )
        self._watcher = Watcher(
            door,
            gate,
            clock,
            belief=Belief(),
            patience=settings.patience,
            trust=self._trust,
            on_completed=self._completed,
            on_ended=self._ended,
        )
        self._fetcher = Fetcher(door, gate, storage, clock, workers=settings.downloads, on_ended=self._ended)
        self._listing = Listing(door, gate, clock, patience=door.longest_submit) if settings.settle_by_listing else None
        witness = Witness(door, gate, clock)
        self._settler = Settler(self._listing, witness, clock, on_found=self._adopt, on_ended=self._ended)
        self._storage = storage
        self._telemetry = Telemetry.found()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Engine {len(self._live)} under way>"

    @property
    def backlog(self) -> int:
        """Records that wait to be submitted."""
        return self._submitter.backlog

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closed

    def claim(self, journal: Journal, key: str) -> bool:
        """Reserve an edit before its entry is read; False when another run works on it.

        What is read after a claim stays true until `start` or `unclaim`: nobody else in this process moves the edit,
        and the journal keeps other processes out.
        """
        place = id(journal), key
        if place in self._live:
            return False
        self._live[place] = None
        return True

    def unclaim(self, journal: Journal, keys: Iterable[str]) -> None:
        """Let go of claims; edits that were started meanwhile stay under way."""
        for key in keys:
            if self._live.get((id(journal), key)) is None:
                self._live.pop((id(journal), key), None)

    def start(self, record: Record) -> None:
        """Take a record where it stands. Uncertain ones are repeated: give those only when told to."""
        self._take(record)
        if self._closed:
            self._refuse(record)
            return
        match record.entry.status:
            case Status.queued | Status.uploading | Status.uncertain:
                self._submitter.add(record)
            case Status.completed | Status.downloading | Status.saved | Status.expired:
                self._fetcher.add(record)
            case _:
                self._adopt(record)

    def hold(self, record: Record, error: OmniEditError, sent_at: datetime) -> bool:
        """Keep an uncertain record of an earlier run for the call that may settle it; False where none is expected.

        Args:
            record: the edit.
            error: why it is uncertain.
            sent_at: when its request left.
        """
        named = self._unclaimed.get(_digest(record.entry.nonce or ""))
        if self._closed or not (named or self._trust.expects(record)):
            return False
        self._take(record)
        self._settle(record, error, sent_at)
        return True

    def _take(self, record: Record) -> None:
        self._live[id(record.run.journal), record.key] = record
        record.run.listener.started(record)
        if self._telemetry is not None and not self._closed:
            self._telemetry.started(record, self.clock.utcnow())
            record.on_change = self._telemetry.changed

    def _adopt(self, record: Record) -> None:
        """Follow a task of an earlier run. How long it has run is known by the wall clock, which may have jumped."""
        entry, now = record.entry, self.clock.monotonic()
        ago = (self.clock.utcnow() - entry.submitted_at).total_seconds() if entry.submitted_at else 0.0
        record.accepted_at = now if ago < 0 else now - ago
        record.looked_at = record.accepted_at
        record.counted = True
        self.gate.adopt(1)
        self._expect_call(record)
        self._watcher.add(record)

    async def intact(self, path: str, sha256: str, size: int) -> bool:
        """Whether a saved result still lies where it was put, unchanged."""
        return await self._storage.settled(path, sha256, size) is not None

    async def exists(self, place: str) -> bool:
        """Whether something has this name already.

        Raises:
            DownloadFailed: it is in an object store that does not say.
        """
        return await self._storage.exists(place)

    async def settle(self, journal: Journal, entry: Entry) -> Step | None:
        """Look for the task of an uncertain edit in the listing, where that was asked for; None when it stays so.

        Raises:
            JournalError: what was found could not be written.
        """
        return None if self._listing is None else await self._listing.settle(journal, entry)

    def hint(self, nonce: str, task_id: str | None = None) -> bool:
        """A callback named this nonce: look at its task now. False when it belongs to nobody here.

        Where nobody knows the task of that nonce, the one that the call names is looked at. A call that comes before
        its edit is known here, or before its answer, is remembered for a while.
        """
        record = self._by_nonce.get(_digest(nonce))
        if record is None or not compare_digest(record.entry.nonce or "", nonce):
            if task_id is not None:
                self._unclaimed.put(_digest(nonce), task_id)
            return False
        self._watcher.look_now(record)
        if task_id is not None and record.entry.status == Status.uncertain:
            self._settler.called(record, task_id)
        return True

    def resume(self, records: list[Record]) -> None:
        """Submit what was held back."""
        for record in records:
            self._submitter.add(record)

    async def release(self, record: Record) -> None:
        """Follow a record no more in this run; a paid request under way is booked first.

        Returns when nothing works on it. Its listener hears no more of it.
        """
        record.released = True
        await self._submitter.release(record)
        await self._settler.release(record)
        self._watcher.release(record)
        await self._fetcher.release(record)
        if self._forget(record) and self._telemetry is not None:
            self._telemetry.ended(record, None, self.clock.utcnow())

    async def close(self) -> None:
        """Stop everything; paid requests under way are booked first, at most for the grace."""
        self._closed = True
        await self._submitter.close()
        await self._settler.close()
        await self._watcher.close()
        await self._fetcher.close()
        for record in list(self._live.values()):
            if record is not None:
                self._refuse(record)

    def statistics(self) -> EngineStatistics:
        """What is going on now."""
        watcher = self._watcher
        tasks = max(watcher.ended, 1)
        return EngineStatistics(
            live=len(self._live),
            backlog=self._submitter.backlog,
            parked=watcher.parked,
            downloading=self._fetcher.busy,
            waiting_downloads=self._fetcher.waiting,
            looks=watcher.looks,
            ended=watcher.ended,
            looks_per_task=watcher.looks / tasks,
            lag=watcher.lag / tasks,
            bytes=self._fetcher.bytes,
            bytes_per_second=self._fetcher.rate,
            gate=self.gate.statistics(),
        )

    def _refuse(self, record: Record) -> None:
        error = closed(record.entry)
        record.run.stop(error)
        self._ended(record, error)

    # --- from stage to stage --------------------------------------------------------------------------------------

    def _accepted(self, record: Record, task: Task) -> None:
        named = self._expect_call(record)
        if not record.released:
            self._watcher.add(record, task)
            if named is not None:  # the call was faster than the answer
                self._watcher.look_now(record)

    def _uncertain(self, record: Record, error: OmniEditError) -> None:
        if record.released or self._closed:
            self._ended(record, error)
        else:
            self._settle(record, error, self.clock.utcnow())

    def _settle(self, record: Record, error: OmniEditError, sent_at: datetime) -> None:
        named = self._expect_call(record)
        expected = sent_at if self._trust.expects(record) else None
        self._settler.add(record, error, sent_at=expected, named=named)

    def _expect_call(self, record: Record) -> str | None:
        """Know a record by its nonce from now on; the task that an early call for it has named."""
        if record.entry.nonce is None or record.entry.callback_url is None:
            return None
        digest = _digest(record.entry.nonce)
        self._by_nonce[digest] = record
        return self._unclaimed.get(digest)

    def _completed(self, record: Record) -> None:
        if not record.released:
            self._fetcher.add(record)

    def _ended(self, record: Record, error: OmniEditError | None) -> None:
        if self._forget(record):
            if self._telemetry is not None:
                self._telemetry.ended(record, error, self.clock.utcnow())
            record.run.listener.ended(record, error)

    def _forget(self, record: Record) -> bool:
        self._watcher.uncount(record)
        if record.entry.nonce is not None:
            self._by_nonce.pop(_digest(record.entry.nonce), None)
        return self._live.pop((id(record.run.journal), record.key), None) is not None


def closed(entry: Entry | None = None) -> ClientClosed:
    """The error for what a closed client leaves undone."""
    return ClientClosed(
        f"the client was closed while the edit was {entry.status}" if entry else "the client was closed",
        task_id=entry.task_id if entry else None,
        idempotency_key=entry.nonce if entry else None,
        mend="nothing paid is forgotten: run the same again with the same journal",
    )


def _callback_address(base: str, nonce: str) -> str:
    return f"{base}/{nonce}"


def _digest(nonce: str) -> bytes:
    """Looked up by digest, so that the time of a look-up says nothing about the nonces there are."""
    return sha256(nonce.encode("utf-8", "replace")).digest()
