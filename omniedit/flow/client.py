"""The client: one key's way to the service, and everything that shares it; the engine is loaded with the first edit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable
from typing import TYPE_CHECKING, Literal, Never, Self, TypeVar

from omniedit.api import wire
from omniedit.api.client import Door, Timeouts
from omniedit.api.gate import Gate
from omniedit.clock import Clock, SystemClock
from omniedit.core.arguments import check_able, read_budget, read_grace
from omniedit.core.preflight import is_url, refuse_edit
from omniedit.errors import ConfigurationError
from omniedit.flow.asking import ask, gate_to
from omniedit.flow.calls import Calls
from omniedit.flow.chores import Chores, Once
from omniedit.flow.intent import clip_of, new_nonce, wish_of
from omniedit.flow.journals import Journals
from omniedit.flow.movers import Movers
from omniedit.flow.settings import (
    EngineSettings,
    find_base_url,
    find_files_url,
    find_key,
    read_callback_base,
    read_limits,
    read_on_uncertain,
    read_patience,
)
from omniedit.models import DEFAULT_MODEL, DEFAULT_TEMPLATE, Edit, Intent, Task

if TYPE_CHECKING:
    import ssl

    from omniedit.changes import Change, Saved
    from omniedit.codecs import Balance
    from omniedit.flow.batch import Batch
    from omniedit.flow.edit import EditRun
    from omniedit.flow.engine import Engine
    from omniedit.flow.hosts import Host
    from omniedit.flow.record import OnTransfer
    from omniedit.flow.statistics import EngineStatistics
    from omniedit.journal.base import Journal
    from omniedit.models import MediaFacts

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """A client of the video editing service.

    Use it as `async with Client() as client:`. It belongs to one event loop. Leaving the block books the paid
    requests that are just leaving (at most `grace` seconds), stops everything else and closes files and connections.

    Args:
        api_key: the service's key; from `EVOLINK_API_KEY` when not given. It is sent to `base_url` and `files_url`
            only, and stands in no repr, log, error or journal.
        base_url: the API's origin; from `EVOLINK_BASE_URL`, else the service's own.
        files_url: the file API's origin; from `EVOLINK_FILES_BASE_URL`, else the service's own, or `base_url` when
            that is on this machine.
        journal: a path, or a `Journal`. Without one the library remembers in memory only: ids of paid tasks die with
            the process.
        max_in_flight: most unfinished tasks at once; learned from the service's refusals when not given.
        max_rate: most submits per second; learned when not given.
        shared_key: other processes use the key, too, and are told so: all come to equal shares of a slow limit.
        on_uncertain: what to do when nobody knows whether a paid request was accepted: `hold` it for the user, or
            `replay` it with the same `Idempotency-Key` and body.
        settle_by_listing: look for the task of a lost request in the service's listing. Only for a key that nobody but
            this client uses, with one journal: else it may take somebody else's task for its own.
        host: where local files are put so that the service can fetch them; the service's own file storage when not
            given.
        preflight: look at clips before they are submitted.
        overwrite: replace outputs that exist.
        max_downloads: downloads at once.
        max_per_host: connections to one media host at once; no limit when not given.
        limit_rate: bytes per second over all downloads.
        task_timeout: seconds after which an unfinished task is no longer watched (`TaskOverdue`, resumable).
        grace: seconds that a cancelled paid request is waited for.
        callback_base: public https address of a callback receiver; each edit gets an unguessable path below it.
        timeouts: bounds on single requests.
        ssl_context: certificates to trust instead of the system's.
        clock: time; a fake one in tests.

    Raises:
        ConfigurationError: no key, an address that would send the key in the clear, or a setting that cannot work.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        files_url: str | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        max_in_flight: int | None = None,
        max_rate: float | None = None,
        shared_key: bool = False,
        on_uncertain: Literal["hold", "replay"] = "hold",
        settle_by_listing: bool = False,
        host: Host | None = None,
        preflight: bool = True,
        overwrite: bool = False,
        max_downloads: int = 8,
        max_per_host: int | None = None,
        limit_rate: float | None = None,
        task_timeout: float = 6 * 3600.0,
        grace: float = 15.0,
        callback_base: str | None = None,
        timeouts: Timeouts | None = None,
        ssl_context: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        base = find_base_url(base_url)
        files = find_files_url(files_url, base)
        self._door = Door(find_key(api_key), base_url=base, files_url=files, timeouts=timeouts, ssl_context=ssl_context)
        self._limits = read_limits(max_in_flight, max_rate, shared_key=shared_key)
        self._on_uncertain = read_on_uncertain(on_uncertain)
        self._overwrite = overwrite
        self._grace = read_grace(grace)
        self._patience = read_patience(task_timeout)
        base_of_calls = read_callback_base(callback_base, local_service=self._door.local)
        self._how = EngineSettings(self._patience, self._grace, max_downloads, base_of_calls, settle_by_listing)
        check_able("clock", clock, "monotonic", "utcnow", "sleep")
        self._clock = clock or SystemClock()
        self._movers = Movers(
            self._door,
            self._entered,
            self._clock,
            host=host,
            preflight=preflight,
            at_once=max_downloads,
            per_host=max_per_host,
            limit_rate=limit_rate,
            tls=ssl_context,
        )
        self._gate: Gate | None = None
        self._engine: Engine | None = None
        self._journals = Journals(self._door.base_url, self.hint if callback_base else None, journal)
        self._bare: Calls | None = None
        self._chores = Chores()
        self._closed = False
        self._closing = Once(self._close)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Client {self._door.base_url} {state}, {self._engine or 'idle'}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()

    # --- edits ----------------------------------------------------------------------------------------------------

    def edit(
        self,
        source: str | os.PathLike[str] | Edit,
        prompt: str | None = None,
        *,
        save_to: str | os.PathLike[str] | None = None,
        overwrite: bool | None = None,
        on_uncertain: Literal["hold", "replay"] | None = None,
        on_transfer: OnTransfer | None = None,
        callback_url: str | None = None,
        model: str = DEFAULT_MODEL,
        variant: int = 0,
        **unsupported: Never,
    ) -> EditRun:
        """Edit one clip: await it for a `Saved`, or iterate it for each `Change`; errors of the edit come then.

        Args:
            source: an http(s) URL of an mp4 or the path of a local one, at most 10 s long; or a whole `Edit`.
            prompt: what to change and what to keep.
            save_to: path of the result, or a folder (the working folder when not given), where it is named like the
                clip, or `STEM-edited.mp4` beside the clip itself.
            overwrite: replace a result that exists, never the clip itself; the client's setting when not given.
            on_uncertain: as for the client.
            on_transfer: told of the bytes of uploads and downloads as they move.
            callback_url: as for `Edit`, like `model` and `variant`; with a whole `Edit` none of them is taken.

        Raises:
            InvalidEdit, ConfigurationError: the edit, the clip or the place is wrong; nothing was sent.
            AuthenticationFailed, AccessDenied, QuotaExhausted, RateLimited: the service refuses; nothing was accepted.
            TransportFailed: the service cannot be reached; nothing was accepted.
            SubmissionUncertain: nobody knows whether the paid request was accepted.
            TaskFailed, TaskCancelled, TaskOverdue, LinkExpired, DownloadFailed: with the task's id.
            JournalError: nothing can be remembered.
        """
        from omniedit.flow.edit import EditRun
        from omniedit.flow.placing import read_placing

        fields = {"callback_url": callback_url, "model": model, "variant": variant, **unsupported}
        return EditRun(
            self,
            wish_of(source, prompt, fields),
            read_placing(save_to),
            self._journals.own,
            on_uncertain=self._on_uncertain if on_uncertain is None else read_on_uncertain(on_uncertain),
            overwrite=self._overwrite if overwrite is None else overwrite,
            on_transfer=on_transfer,
        )

    def batch(
        self,
        edits: Iterable[Edit] | AsyncIterable[Edit],
        *,
        save_to: str | os.PathLike[str],
        journal: str | os.PathLike[str] | Journal | None = None,
        name: str = DEFAULT_TEMPLATE,
        max_credits: float | None = None,
        retry_failed: bool = False,
        overwrite: bool | None = None,
        on_uncertain: Literal["hold", "replay"] | None = None,
        on_transfer: OnTransfer | None = None,
    ) -> Batch:
        """Edit many clips: await it for a `Summary`, or iterate it for each `Change`.

        Args:
            edits: any iterable or async iterable of `Edit`, of any length. The same edit twice is one edit, unless
                `variant` differs.
            save_to: the folder of the results, made and tried before anything is sent; or `s3://bucket/prefix`,
                `gs://...` (extra `s3`, credentials from the environment).
            journal: a path or a `Journal`; the client's when not given. With the same journal the same call resumes.
            name: template of the results' names: `{stem}`, `{key}`, `{key8}`, `{variant}`, `{name}`, `{index}`.
            max_credits: stop submitting before the next edit would pass this many reserved credits, those of earlier
                runs of the same journal included.
            retry_failed: submit failed edits again where their code allows it.
            overwrite: replace results that exist, never a clip itself; the client's setting when not given.
            on_uncertain: as for the client.
            on_transfer: as for `edit`.

        Raises:
            InvalidEdit: the name template is wrong.
            ConfigurationError: the bucket cannot be opened, or `max_credits` is no amount.
        """
        from omniedit.flow.batch import Batch, BatchSettings
        from omniedit.flow.placing import read_folder

        settings = BatchSettings(
            read_folder(save_to, name),
            on_uncertain=self._on_uncertain if on_uncertain is None else read_on_uncertain(on_uncertain),
            overwrite=self._overwrite if overwrite is None else overwrite,
            retry_failed=retry_failed,
            max_credits=read_budget(max_credits),
            on_transfer=on_transfer,
        )
        return Batch(self, edits, self._journals.own if journal is None else self._journals.at(journal), settings)

    # --- bare calls -----------------------------------------------------------------------------------------------

    async def submit(self, edit: Edit) -> Task:
        """Submit one edit and return its task: one paid request; nothing is watched, saved or journaled.

        A cancelled call is waited for, at most for the client's grace, but its id is lost to the caller: use `edit`
        with a journal where that matters.

        Raises:
            InvalidEdit: the edit or the clip is wrong; nothing was sent.
            ServiceError, TransportFailed: refused for certain; nothing is billed.
            SubmissionUncertain: nobody knows; `idempotency_key` names the request.
        """
        calls = self._calls()
        refuse_edit(edit, local_service=self.local)
        memory = None if is_url(edit.source) else await self.opened(self._journals.own)
        intent = Intent(edit, await self._movers.reachable(edit, memory), new_nonce(), edit.callback_url)
        return await asyncio.shield(self.background(calls.submit(intent)))

    async def task(self, task_id: str) -> Task:
        """Look at one task, once.

        Raises:
            ServiceError: 404 for a task that is not there (`InvalidRequest`), and the other refusals.
            TransportFailed: no answer.
        """
        return await self._calls().task(task_id)

    def watch(self, task_id: str) -> AsyncIterator[Change]:
        """Follow a task that somebody submitted: its changes up to `completed`, `failed` or `cancelled`.

        The result is not saved: give the task's id to `download`. Breaking out, or cancelling, ends the looking.

        Raises:
            ServiceError, TransportFailed, TaskOverdue: while iterating.
        """
        return self._calls().watch(task_id)

    async def download(
        self, task: Task | str, save_to: str | os.PathLike[str], *, overwrite: bool | None = None
    ) -> Saved:
        """Save the result of a finished task, complete and verified, or not at all.

        Args:
            task: a completed task, or its id.
            save_to: path of the result, or a folder, as for `edit`; there it is named after the task.
            overwrite: replace a file that exists; the client's setting when not given. Without it another file keeps
                its name, and the result goes beside it: `NAME-<end of the task's id>.mp4`.

        Raises:
            InvalidEdit, ConfigurationError: nothing can be saved there.
            LinkExpired: no link, or a dead one, even after another look at the task.
            DownloadFailed: what was fetched could not be saved.
        """
        from omniedit.flow.placing import read_placing

        replace = self._overwrite if overwrite is None else overwrite
        return await self._calls().save(task, read_placing(save_to), overwrite=replace)

    async def credits(self) -> Balance:
        """The balance of the key and of its account: free, and a good check of the key.

        Raises:
            ServiceError: the key is refused.
            TransportFailed: no answer.
        """
        return wire.read_balance(await ask(self._entered(), self._door, wire.balance()))

    async def check(self, source: str | os.PathLike[str]) -> MediaFacts:
        """Preflight one clip: what it is, or why the service would not take it.

        Raises:
            InvalidEdit: that is no clip; `PreflightFailed` with all reasons.
        """
        self._entered()
        return await self._movers.sources().check(clip_of(source))

    def statistics(self) -> EngineStatistics | None:
        """What the client is doing now, of bare calls what the gate tells; None before it did anything."""
        if self._engine is not None:
            return self._engine.statistics()
        if self._gate is None:
            return None
        from omniedit.flow.statistics import EngineStatistics

        return EngineStatistics(gate=self._gate.statistics())

    def hint(self, nonce: str, task_id: str | None = None) -> bool:
        """A callback came under this nonce, naming this task: look at it now. False when it is nobody's here."""
        return self._engine is not None and self._engine.hint(nonce, task_id)

    async def close(self) -> None:
        """Book what is being paid for, stop everything else, close files and connections.

        Safe to call twice: closing goes on when its caller is cancelled, and a later call waits for its end.
        """
        self._closed = True
        await self._closing.done()

    async def _close(self) -> None:
        if self._engine is not None:
            await self._engine.close()
        await self._chores.end(self._grace)
        if self._bare is not None:
            await self._bare.close()
        await self._movers.close()
        await self._door.close()
        await self._journals.close()

    # --- what runs need -------------------------------------------------------------------------------------------

    @property
    def local(self) -> bool:
        """Whether the service is on this machine, as the sandbox is."""
        return self._door.local

    async def engine(self) -> Engine:
        """The engine behind all edits of this client."""
        from omniedit.flow.engine import Engine

        gate = self._entered()
        if self._engine is None:
            sources, storage = self._movers.sources(), self._movers.storage()
            self._engine = Engine(self._door, gate, sources, storage, self._clock, settings=self._how)
        return self._engine

    async def opened(self, journal: Journal) -> Journal:
        """A journal, opened for this service; it is closed with the client."""
        return await self._journals.opened(journal)

    def background(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """A task that the client waits for when it is closed."""
        return self._chores.begin(work)

    def _entered(self) -> Gate:
        if self._closed:
            raise ConfigurationError("the client is closed", mend="use it inside `async with Client() as client:`")
        if self._gate is None:
            self._gate = gate_to(self._door, self._clock, self._limits)
        return self._gate

    def _calls(self) -> Calls:
        gate = self._entered()
        self._bare = self._bare or Calls(self._door, gate, self._movers.downloader, self._clock, self._patience)
        return self._bare
