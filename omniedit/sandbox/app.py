"""The server: two ports, API and media, around one store."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from omniedit.sandbox.api import ApiDoor
from omniedit.sandbox.cache import DiskCache
from omniedit.sandbox.callbacks import Courier
from omniedit.sandbox.dashboard import Dashboard
from omniedit.sandbox.desk import Desk
from omniedit.sandbox.faults import FaultBook
from omniedit.sandbox.files import FilesDoor
from omniedit.sandbox.gate import Gate
from omniedit.sandbox.media import MediaDoor
from omniedit.sandbox.porter import MAX_BODY, Porter
from omniedit.sandbox.script import Faults
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import Store
from omniedit.sandbox.studio import Studio
from omniedit.sandbox.timing import SandboxTime

__all__ = ["SandboxServer"]

_SHUTDOWN_SECONDS = 0.1  # for requests that are being answered; hanging ones are cut
_LINGERING_SECONDS = 0.5  # how long the rest of a refused upload is read, so that its sender sees the answer
_BACKLOG = 4096


class SandboxServer:
    """The whole service on this machine; an async context manager.

    ``port`` and ``media_port`` 0 take free ports. ``faults`` is a script: ``Faults``, the path of a JSON file, or what
    such a file holds. Open to tests: ``store`` (what happened), ``faults`` (rules may be added while it runs),
    ``time``. Everything on disk is gone after ``close``.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        media_port: int = 0,
        settings: Settings | None = None,
        faults: Faults | str | Path | object = (),
    ) -> None:
        self.settings = settings or Settings()
        self.faults = FaultBook(_script(faults))
        self.time = SandboxTime(scale=self.settings.time_scale, virtual=self.settings.virtual_time)
        self.store = Store(self.settings, self.time.start)
        self._host = host
        self._ports = (port, media_port)
        self._stack = AsyncExitStack()
        self.base_url = self.media_url = ""
        self._media = MediaDoor(self.settings, self.time, self.store)
        self._desk: Desk | None = None

    @property
    def files_url(self) -> str:
        """Origin of the files API: the same as ``base_url``."""
        return self.base_url

    async def start(self) -> None:
        """Listen on both ports."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening, end all processes, remove all files."""
        await self._stack.aclose()

    async def advance(self, seconds: float) -> None:
        """Jump ahead in sandbox time and wait until every task that is due has really ended."""
        self.time.advance(seconds)
        if self._desk is not None:
            self._desk.settle()
            await self._desk.caught_up()

    def host_clip(self, path: str | Path) -> str:
        """URL of a file of this machine on the media port."""
        return self.media_url + self._media.host(Path(path).resolve())

    async def _start(self) -> None:
        cache = DiskCache(self.settings.cache_bytes)
        self._stack.callback(cache.close)
        studio = Studio(self.settings, cache)
        self._stack.push_async_callback(studio.close)
        porter = Porter(self.time, self.store, self.faults)
        media = web.Application(middlewares=[porter.middleware("media", self._media.prompt_of)])
        media.add_routes(self._media.routes())
        self.media_url = await self._listen(media, self._ports[1])
        api = web.Application(middlewares=[porter.middleware("api", self._media.prompt_of)], client_max_size=MAX_BODY)
        api.add_routes(self._api_routes(studio, cache))
        self.base_url = await self._listen(api, self._ports[0])

    def _api_routes(self, studio: Studio, cache: DiskCache) -> Iterable[web.RouteDef]:
        gate = Gate(self.settings, self.time, self.store)
        courier = Courier(self.settings, self.time)
        desk = Desk(self.settings, self.time, self.store, studio, self.faults, self.media_url, courier.send)
        door = ApiDoor(self.settings, self.time, self.store, gate, desk)
        files = FilesDoor(self.settings, self.time, self.store, gate, cache.folder, self.media_url)
        self._stack.push_async_callback(courier.close)
        self._stack.push_async_callback(desk.close)
        desk.start()
        self._desk = desk
        pages = Dashboard(self.settings, self.time, self.store, self.faults, desk, self.media_url)
        return (*door.routes(), *files.routes(), *pages.routes())

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, lingering_time=_LINGERING_SECONDS
        )
        self._stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, self._host, port, backlog=_BACKLOG).start()
        bound = runner.addresses[0][1]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _script(faults: Faults | str | Path | object) -> Faults:
    if isinstance(faults, Faults):
        return faults
    return Faults.load(faults) if isinstance(faults, str | Path) else Faults.parse(faults)
