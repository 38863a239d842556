"""Works on edits of a shared journal, thousands at once, for whoever names them by key.

A follower is one host's engine on one open journal. A key that is handed to it is claimed first: what another living
host holds is refused (`Later`), what has ended is done, everything else is taken up where the journal says it stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import attrs

from omniedit.changes import Change
from omniedit.core.money import Budget
from omniedit.core.places import is_object
from omniedit.errors import InvalidEdit, JournalError, OmniEditError
from omniedit.flow.admission import Admission
from omniedit.flow.client import Client
from omniedit.flow.engine import Engine
from omniedit.flow.intent import OnUncertain
from omniedit.flow.placing import read_folder
from omniedit.flow.record import Record, Run
from omniedit.journal.base import Journal
from omniedit.journal.postgres import PostgresJournal
from omniedit.models import Edit, Entry, Status

__all__ = ["Follower", "Later"]

_log = logging.getLogger("omniedit.distributed")
_UNFINISHED = 60.0  # seconds before an edit is tried again that could not be brought to its end now
_ELSEWHERE = 1.0  # seconds before one is tried again, elsewhere perhaps: this host stops, or can submit nothing
_REAP_EVERY = 1.0  # seconds: how often one host looks for dead ones, however many edits it is refused


class Later(OmniEditError):
    """The edit cannot be worked on here now: another host does, or the service refuses everything.

    `after` is in seconds; `elsewhere` when another host works on it.
    """

    default_code = "later"

    def __init__(self, message: str, *, after: float, elsewhere: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.elsewhere = elsewhere


class Wrapping(Protocol):
    """Makes of a journal the one that the engine sees."""

    def __call__(self, journal: PostgresJournal) -> Journal:
        """A journal on the journal."""
        ...


@attrs.define
class _Shared:
    """An open journal with claims, and what the engine writes to."""

    claims: PostgresJournal
    written: Journal


class Follower:
    """One host at work: `async with Follower(client, journal, save_to) as follower: await follower.follow(key)`.

    Leaving the block books the paid requests that are just leaving, lets go of all edits, and closes client and
    journal. What was not brought to its end is refused with `Later`.

    Args:
        client: not used for anything else; it is closed with the follower.
        journal: not open yet.
        save_to: the folder of the results, or `s3://bucket/prefix`.
        on_uncertain: `hold` uncertain requests for people, or `replay` them with the same key.
        overwrite: replace files that exist.
        retry_failed: submit failed edits again where their code allows it.
        on_change: told of every change of every edit.
        wrapped: what the engine writes to, made from the journal.
    """

    def __init__(
        self,
        client: Client,
        journal: PostgresJournal,
        save_to: str | Path,
        *,
        on_uncertain: OnUncertain = OnUncertain.hold,
        overwrite: bool = False,
        retry_failed: bool = False,
        on_change: Callable[[Change], None] | None = None,
        wrapped: Wrapping | None = None,
    ) -> None:
        self._client = client
        self._shared = _Shared(journal, wrapped(journal) if wrapped else journal)
        self._placing = read_folder(save_to if is_object(str(save_to)) else Path(save_to).absolute())
        self._run = Run(
            self._shared.written,
            self,
            Budget(None),
            on_uncertain=on_uncertain,
            overwrite=overwrite,
            retry_failed=retry_failed,
        )
        self._on_change = on_change
        self._ends: dict[str, asyncio.Future[Status]] = {}
        self._engine: Engine | None = None
        self._admission: Admission | None = None
        self._reaped = -_REAP_EVERY
        self._closing = False
        self.stopped: asyncio.Future[OmniEditError] = asyncio.get_running_loop().create_future()
        """Done once nothing more can be submitted here, with the reason: make another follower, later."""

    def __repr__(self) -> str:
        return f"<Follower {len(self._ends)} edits>"

    @property
    def journal(self) -> PostgresJournal:
        """The shared journal."""
        return self._shared.claims

    @property
    def local(self) -> bool:
        """Whether the service is on this machine."""
        return self._client.local

    @property
    def taking(self) -> bool:
        """Whether it takes edits: not while it closes, nor once nothing more can be submitted."""
        return not self._closing and not self.stopped.done()

    @property
    def following(self) -> int:
        """Edits under way here."""
        return len(self._ends)

    @property
    def backlog(self) -> int:
        """Edits here that wait to be submitted."""
        return self._engine.backlog if self._engine is not None else 0

    async def __aenter__(self) -> Self:
        try:
            await self._client.opened(self._shared.claims)
            self._engine = await self._client.engine()
        except BaseException:
            await self._client.close()
            raise
        self._admission = Admission(
            self._engine,
            self._run,
            self._placing,
            local_service=self._client.local,
            on_refused=self._refused,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        try:
            await self._client.close()
        finally:
            for end in list(self._ends.values()):
                _settle(end, Later("this host is stopping", after=0.0))
            self._ends.clear()
            self.stopped.cancel()

    async def follow(self, key: str) -> Status:
        """Bring one edit to its end, or wait for somebody here who does; how it ended.

        A cancelled call leaves the edit to the follower.

        Raises:
            Later: not here, or not now.
            Exception: what nobody foresaw, such as an error of `on_change`; the edit is let go of.
        """
        if not self.taking:
            raise Later("this host takes no edits now", after=1.0)
        end = self._ends.get(key)
        if end is None:
            end = self._ends[key] = asyncio.get_running_loop().create_future()
            end.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._client.background(self._take_up(key))
        return await asyncio.shield(end)

    async def _take_up(self, key: str) -> None:
        """Runs apart from the call that asked for it, which may be cancelled while the edit is being claimed."""
        try:
            await self._begin(key)
        except Later as later:
            self._conclude(key, later)
        except JournalError as error:
            self.stop(error)
            self._conclude(key, self._unfinished(error))
        except Exception as error:  # noqa: BLE001 - whoever follows the edit must hear of it, whatever it is
            await self._let_go(key)
            self._conclude(key, error)

    async def _begin(self, key: str) -> None:
        entry = await self._claimed(key)
        if entry is None:
            _log.warning("an edit was queued that is in no journal: key=%s", key)
            self._conclude(key, Status.rejected)
            return
        if self._admission is None:
            raise Later("this follower was not entered", after=1.0)
        try:
            held = await self._admission.take([entry])
        except OmniEditError as error:
            if isinstance(error, JournalError):
                self.stop(error)
            await self._let_go(key)
            raise self._unfinished(error) from error
        if held:
            raise self._elsewhere(key)

    async def _claimed(self, key: str) -> Entry | None:
        found = await self.journal.claim([key])
        if key not in found:
            known = await self.journal.entry(key)
            if known is None:
                return None
            await self._reap()
            found = await self.journal.claim([key])
        if key not in found:
            raise self._elsewhere(key)
        return found[key]

    def _elsewhere(self, key: str) -> Later:
        return Later(f"another host works on edit {key}", after=self.journal.lease / 4, elsewhere=True)

    async def _reap(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._reaped >= _REAP_EVERY:
            self._reaped = now
            for name in await self.journal.reap():
                _log.warning("%s was silent for too long: its edits are taken over", name)

    # --- what the engine tells ------------------------------------------------------------------------------------

    def tell(self, change: Change) -> None:
        """Pass a change on."""
        if self._on_change is not None:
            self._on_change(change)

    def started(self, record: Record) -> None:
        """The engine has taken an edit."""

    def ended(self, record: Record, error: OmniEditError | None) -> None:
        """The engine is done with an edit: for good, or for now."""
        status = record.entry.status
        done = status.terminal and not self._was_cut_off(status)
        self._conclude(record.key, status if done else self._unfinished(error))
        held = not status.terminal or status == Status.uncertain  # one that stays uncertain was claimed all the same
        if held and not self._closing:
            self._client.background(self._let_go(record.key))

    def _was_cut_off(self, status: Status) -> bool:
        """Whether the answer was not waited for because this host closes; the next one repeats the request."""
        return self._closing and status == Status.uncertain and self._run.on_uncertain == OnUncertain.replay

    def stop(self, error: OmniEditError) -> None:
        """Nothing more can be submitted."""
        if not self.stopped.done():
            self.stopped.set_result(error)

    def _refused(self, edit: Edit, error: InvalidEdit) -> None:
        _log.warning("edit %s is refused: %s", edit.key, error)
        self._conclude(edit.key, Status.rejected)

    def _conclude(self, key: str, how: Status | Exception) -> None:
        end = self._ends.pop(key, None)
        if end is not None:
            _settle(end, how)

    def _unfinished(self, error: OmniEditError | None) -> Later:
        after = _UNFINISHED if self.taking else _ELSEWHERE
        return Later(f"the edit did not come to its end now: {error or 'stopped'}", after=after)

    async def _let_go(self, key: str) -> None:
        try:
            await self.journal.let_go([key])
        except JournalError as error:
            _log.warning("edit %s stays held until the lease is over: %s", key, error)


def _settle(end: asyncio.Future[Status], how: Status | Exception) -> None:
    if end.done():
        return
    if isinstance(how, Exception):
        end.set_exception(how)
    else:
        end.set_result(how)
