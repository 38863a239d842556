"""Edits inside a Ray Data pipeline: `dataset.map_batches(EditBatches, fn_constructor_kwargs={...}, ...)`.

Ray runs a block again when its worker died, and may run it twice at once. Nothing is paid twice by that: every rule of
safety sits in the shared journal, where an edit is known by its content. What another actor works on is waited for,
what has ended is told again. Ray itself is not imported here: it hands over columns and takes columns.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Literal, TypeVar

import attrs

from omniedit.core.naming import DEFAULT_TEMPLATE, check_template
from omniedit.core.preflight import refuse_edit
from omniedit.distributed.client import HostClient
from omniedit.distributed.follower import Follower, Later
from omniedit.distributed.limit import limited
from omniedit.errors import ConfigurationError, InvalidEdit, JournalError
from omniedit.flow.admission import Placing
from omniedit.flow.settings import read_on_uncertain
from omniedit.journal.base import NameTaken
from omniedit.journal.opening import is_dsn
from omniedit.journal.postgres import LEASE, PostgresJournal
from omniedit.models import Edit, Entry, Status

__all__ = ["EditBatches"]

_Columns = Mapping[str, Sequence[object]]
_T = TypeVar("_T")
_TRIES = 3  # of an edit that could not be brought to its end, such as one whose result could not be stored
_CLOSING = 60.0  # seconds for the goodbye of an actor


@attrs.frozen
class _Row:
    """What became of one edit, as the columns tell it."""

    path: str | None = None
    status: str = str(Status.rejected)
    task_id: str | None = None
    error: str | None = None


@attrs.frozen
class _Settings:
    """How an actor works."""

    dsn: str = attrs.field(repr=False)
    save_to: str
    client: Callable[[], HostClient]
    template: str
    lease: float
    max_rate: float | None
    max_in_flight: int | None
    on_uncertain: Literal["hold", "replay"]
    overwrite: bool
    retry_failed: bool


class EditBatches:
    """A callable for `map_batches`: takes columns, edits each row's clip, and gives the columns back with four more.

    `path` (or the object's address), `status`, `task_id` and `error`; an edit's failure is told there and never raised.
    Give a whole batch to an actor at once (`batch_size` of hundreds, `concurrency` of a few): it follows all its rows
    at the same time.

    Args:
        dsn: PostgreSQL of the journal that all actors share; from `OMNIEDIT_DSN` when not given.
        save_to: a folder that all hosts share, or `s3://bucket/prefix`.
        source: name of the column with clips: URLs, or paths that are the same on every host.
        prompt: name of the column with wishes.
        name: name of the column with the results' names; they are made by `template` without one.
        client: makes an actor's client; by default from the environment of the actor.
        template: of the results' names.
        lease: seconds after which the edits of a silent actor are taken over.
        max_rate: most submits per second, of all actors and workers together; learned when not given.
        max_in_flight: most unfinished tasks, of all together.
        on_uncertain: `hold` uncertain requests for people, or `replay` them with the same key.
        overwrite: replace results that exist.
        retry_failed: submit failed edits again where their code allows it.

    Raises:
        ConfigurationError: there is no shared journal: without one a block that is run again would be paid again.
    """

    def __init__(
        self,
        dsn: str | None = None,
        save_to: str | os.PathLike[str] = "edited",
        *,
        source: str = "source",
        prompt: str = "prompt",
        name: str | None = None,
        client: Callable[[], HostClient] = HostClient,
        template: str = DEFAULT_TEMPLATE,
        lease: float = LEASE,
        max_rate: float | None = None,
        max_in_flight: int | None = None,
        on_uncertain: Literal["hold", "replay"] = "hold",
        overwrite: bool = False,
        retry_failed: bool = False,
    ) -> None:
        found = dsn or os.environ.get("OMNIEDIT_DSN", "")
        if not is_dsn(found):
            raise ConfigurationError(
                "EditBatches needs a journal that all actors share: without one, a block run again would be paid again",
                mend="give dsn='postgresql://...', or set OMNIEDIT_DSN for the actors",
            )
        check_template(template)
        read_on_uncertain(on_uncertain)
        self._columns = (source, prompt, name)
        place = os.fspath(save_to)
        how = (max_rate, max_in_flight, on_uncertain, overwrite, retry_failed)
        self._actor = _Actor(_Settings(found, place, client, template, lease, *how))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="omniedit-actor", daemon=True)
        self._thread.start()

    def __call__(self, batch: _Columns) -> dict[str, Sequence[object]]:
        """Edit one batch; returns when every row has come to its end.

        Raises:
            OmniEditError: nothing more can be submitted (key, quota), or nothing more can be remembered. Run the
                pipeline again later: what was accepted is followed, nothing is paid again.
        """
        rows = self._wait(self._actor.work(self._edits(batch)))
        told = {name: [getattr(row, name) for row in rows] for name in ("path", "status", "task_id", "error")}
        return {**batch, **told}

    def close(self) -> None:
        """Book what is being paid for and let go of everything; an actor that is killed need not."""
        if self._thread.is_alive():
            try:
                self._wait(self._actor.leave(), _CLOSING)
            finally:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()

    def _wait(self, work: Coroutine[object, object, _T], timeout: float | None = None) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def _edits(self, batch: _Columns) -> list[Edit]:
        source, prompt, name = self._columns
        missing = [column for column in self._columns if column is not None and column not in batch]
        if missing:
            raise ConfigurationError(f"there is no column {missing[0]!r}", mend="name it: source=, prompt=, name=")
        names = batch[name] if name is not None else [None] * len(batch[source])
        rows = zip(batch[source], batch[prompt], names, strict=True)
        return [Edit(str(one), str(wish), name=None if as_ is None else str(as_)) for one, wish, as_ in rows]


class _Actor:
    """One host at work, in the thread of its event loop."""

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings
        self._placing = Placing("", settings.template)
        self._stack = AsyncExitStack()
        self._follower: Follower | None = None
        self._entering = asyncio.Lock()

    async def work(self, edits: Sequence[Edit]) -> list[_Row]:
        """Bring edits to their ends, all at once; the same edit twice is one."""
        rows: dict[str, _Row] = {}
        local = (await self._entered()).local
        good = {edit.key: edit for edit in edits if self._accept(edit, rows, local=local)}
        await self._admitted(list(good.values()), rows)
        keys = [key for key in good if key not in rows]
        ends = await asyncio.gather(*(self._end(key) for key in keys), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        rows.update(zip(keys, [end for end in ends if isinstance(end, _Row)], strict=True))
        return [rows[edit.key] for edit in edits]

    async def leave(self) -> None:
        """Let go of everything."""
        stack, self._stack, self._follower = self._stack, AsyncExitStack(), None
        await stack.aclose()

    def _accept(self, edit: Edit, rows: dict[str, _Row], *, local: bool) -> bool:
        try:
            refuse_edit(edit, local_service=local)
            self._placing.target(edit, None)
        except InvalidEdit as error:
            rows[edit.key] = _Row(error=str(error))
            return False
        return True

    async def _admitted(self, edits: Sequence[Edit], rows: dict[str, _Row]) -> None:
        """Write down what is new, as whichever host this is by now."""
        while True:
            follower = await self._entered()
            try:
                await self._admit(follower, edits, rows)
                return
            except JournalError as error:
                if error.code != "lease_lost":
                    raise
            await self._leave_behind(follower)

    async def _admit(self, follower: Follower, edits: Sequence[Edit], rows: dict[str, _Row]) -> None:
        """An edit whose name another one has gets the name beside it."""
        now = datetime.now(UTC)
        entries = [Entry(edit, self._placing.target(edit, None), Status.queued, now) for edit in edits]
        for entry, found in zip(entries, await follower.journal.admit(entries), strict=True):
            if not isinstance(found, NameTaken):
                continue
            other = self._placing.other(entry.edit, entry.target)
            again = [attrs.evolve(entry, target=other)] if other is not None else []
            if not again or isinstance((await follower.journal.admit(again))[0], NameTaken):
                rows[entry.key] = _Row(error=f"two edits want the name {entry.target}")

    async def _end(self, key: str) -> _Row:
        tries = 0
        while True:
            follower = await self._entered()
            try:
                await follower.follow(key)
            except Later as later:
                if follower.stopped.done():
                    await self._recover(follower)
                    continue
                tries += not later.elsewhere
                if tries < _TRIES:
                    await asyncio.sleep(later.after)
                    continue
            return _row_of(await (await self._entered()).journal.entry(key))

    async def _recover(self, follower: Follower) -> None:
        """Begin anew as another host. Unless this one was only declared dead, that is for people to decide.

        Raises:
            OmniEditError: why nothing more can be submitted.
        """
        await self._leave_behind(follower)
        if follower.stopped.cancelled():
            return
        reason = follower.stopped.result()
        if not (isinstance(reason, JournalError) and reason.code == "lease_lost"):
            raise reason

    async def _leave_behind(self, follower: Follower) -> None:
        async with self._entering:
            if self._follower is follower:
                await self.leave()

    async def _entered(self) -> Follower:
        async with self._entering:
            if self._follower is not None and self._follower.journal.lost.is_set():
                await self.leave()
            if self._follower is None:
                try:
                    self._follower = await self._enter(self._stack)
                except BaseException:
                    await self.leave()
                    raise
            return self._follower

    async def _enter(self, stack: AsyncExitStack) -> Follower:
        how = self._settings
        client, journal = how.client(), PostgresJournal(how.dsn, lease=how.lease)
        limit = limited(client, journal, how.dsn, max_rate=how.max_rate, max_in_flight=how.max_in_flight)
        await stack.enter_async_context(limit)
        follower = Follower(
            client,
            journal,
            how.save_to,
            on_uncertain=read_on_uncertain(how.on_uncertain),
            overwrite=how.overwrite,
            retry_failed=how.retry_failed,
        )
        return await stack.enter_async_context(follower)


def _row_of(entry: Entry | None) -> _Row:
    if entry is None:
        return _Row(error="the journal has lost this edit")
    reason = f"{entry.error_code}: {entry.error_message}" if entry.error_code else None
    path = entry.path if entry.status == Status.saved else None
    error = None if entry.status == Status.saved else reason or f"not at its end: {entry.status}"
    return _Row(path, str(entry.status), entry.task_id, error)
