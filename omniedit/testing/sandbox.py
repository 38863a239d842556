"""The sandbox inside a test: in the test's own event loop, or on a thread of its own for synchronous tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, cast

from omniedit.errors import ConfigurationError
from omniedit.sandbox.app import SandboxServer
from omniedit.sandbox.faults import FaultBook
from omniedit.sandbox.script import Faults
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import LoggedRequest, Store, Submission, Task
from omniedit.testing.extra import check_editing

if TYPE_CHECKING:
    from omniedit.flow.client import Client

__all__ = ["BackgroundSandbox", "FaultScript", "Sandbox"]

FaultScript = Faults | str | Path | Mapping[str, object] | Sequence[Mapping[str, object]]
"""A fault script: ``Faults``, the path of a JSON file, what such a file holds, or just its list of rules."""
API_KEY = "sk-sandbox"
T = TypeVar("T")


class _Window:
    """What both kinds show of their server.

    Raises:
        ConfigurationError: PyAV is not installed; ``Settings(editing="copy")`` does without it.
        FaultScriptError: the fault script cannot be understood.
    """

    def __init__(self, settings: Settings | None, faults: FaultScript, api_key: str) -> None:
        self._server = SandboxServer(settings=settings, faults=faults)
        if self._server.settings.editing != "copy":
            check_editing()
        self.api_key = api_key

    @property
    def base_url(self) -> str:
        """Origin of the API."""
        return self._server.base_url

    @property
    def files_url(self) -> str:
        """Origin of the files API."""
        return self._server.files_url

    @property
    def media_url(self) -> str:
        """Origin of result links, hosted files and clips."""
        return self._server.media_url

    @property
    def settings(self) -> Settings:
        """The switches it runs with."""
        return self._server.settings

    @property
    def store(self) -> Store:
        """Everything that happened."""
        return self._server.store

    @property
    def faults(self) -> FaultBook:
        """The fault rules; ``faults.add({...})`` adds one while it runs."""
        return self._server.faults

    @property
    def accepted(self) -> list[Task]:
        """Every accepted task, oldest first."""
        return self.store.accepted

    @property
    def billed(self) -> list[Task]:
        """Every task that cost credits."""
        return self.store.billed

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request to either port, oldest first."""
        return list(self.store.requests)

    @property
    def submissions(self) -> list[Submission]:
        """Every POST that reached the paid endpoint, also refused and replayed ones."""
        return list(self.store.submissions)

    def host_clip(self, path: str | Path) -> str:
        """URL of a file of this machine, served by the sandbox."""
        return self._server.host_clip(path)

    def client(self, **options: object) -> Client:
        """A ``Client`` for this sandbox, not yet entered; ``options`` are the client's own."""
        from omniedit.flow.client import Client

        chosen = {"api_key": self.api_key, "base_url": self.base_url, "files_url": self.files_url} | options
        make = cast("Callable[..., Client]", Client)
        return make(**chosen)

    def environment(self) -> dict[str, str]:
        """Environment variables that point the command line at this sandbox."""
        return {
            "EVOLINK_API_KEY": self.api_key,
            "EVOLINK_BASE_URL": self.base_url,
            "EVOLINK_FILES_BASE_URL": self.files_url,
        }


class Sandbox(_Window):
    """A sandbox in the running event loop: ``async with Sandbox() as sandbox``."""

    def __init__(self, settings: Settings | None = None, *, faults: FaultScript = (), api_key: str = API_KEY) -> None:
        super().__init__(settings, faults, api_key)

    async def advance(self, seconds: float) -> None:
        """Jump ahead in sandbox time; returns when every task that is due has ended."""
        await self._server.advance(seconds)

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.close()


class BackgroundSandbox(_Window):
    """A sandbox on a thread with an event loop of its own: ``with BackgroundSandbox() as sandbox``.

    For synchronous code, and for tests whose own loop must stay free of it.
    """

    def __init__(self, settings: Settings | None = None, *, faults: FaultScript = (), api_key: str = API_KEY) -> None:
        super().__init__(settings, faults, api_key)
        self._ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="omniedit-sandbox", daemon=True)

    def advance(self, seconds: float) -> None:
        """Jump ahead in sandbox time; returns when every task that is due has ended.

        Raises:
            ConfigurationError: the sandbox is not running.
        """
        if not self._thread.is_alive():  # nobody would ever answer
            raise ConfigurationError(
                "the sandbox is not running",
                mend="move its time inside the block: with BackgroundSandbox() as sandbox",
                code="not_running",
            )
        self._call(self._server.advance(seconds))

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, done = self._ready.result()
        loop.call_soon_threadsafe(done.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _live(self) -> None:
        done = asyncio.Event()
        async with self._server:
            self._ready.set_result((asyncio.get_running_loop(), done))
            await done.wait()

    def _call(self, work: Coroutine[object, object, T]) -> T:
        loop, _ = self._ready.result()
        return asyncio.run_coroutine_threadsafe(work, loop).result()
