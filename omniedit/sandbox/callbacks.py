"""Callbacks: sent when a task has ended and is paid, tried again after 1, 2 and 4 s, with faults on order."""

from __future__ import annotations

import asyncio

import aiohttp
from attrs import define, field

from omniedit.sandbox.problems import JsonObject
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import Task
from omniedit.sandbox.timing import SandboxTime

__all__ = ["Courier"]


@define(eq=False)
class Courier:
    """Delivers the news of ended tasks; at most ``callback_workers`` posts at once."""

    settings: Settings
    time: SandboxTime
    _session: aiohttp.ClientSession | None = None
    _room: asyncio.Semaphore = field(init=False)
    _running: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]], init=False)

    def __attrs_post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.settings.callback_workers)

    def send(self, task: Task, body: JsonObject) -> None:
        """Start delivering what is to be said of an ended task, if it wants that."""
        if task.callback_url is not None:
            delivery = asyncio.create_task(self._deliver(task, task.callback_url, body))
            self._running.add(delivery)
            delivery.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Give up whatever is still to be delivered."""
        for delivery in self._running:
            delivery.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _deliver(self, task: Task, url: str, body: JsonObject) -> None:
        faults = task.faults
        for forged in faults.forged:
            task.callbacks.append(await self._post(url, body | forged_news(task) | forged))
        if faults.callback_lost:
            return
        await self.time.sleep_until(self.time.now() + faults.callback_delay)
        for _ in range(1 + faults.duplicates):
            await self._try_hard(task, url, body)

    async def _try_hard(self, task: Task, url: str, body: JsonObject) -> None:
        for delay in (0.0, *self.settings.callback_delays):
            await self.time.sleep_until(self.time.now() + delay)
            status = await self._post(url, body)
            task.callbacks.append(status)
            if 200 <= status < 300:
                return

    async def _post(self, url: str, body: JsonObject) -> int:
        """HTTP status of one try; 0 when there was no answer."""
        async with self._room:
            try:
                async with self._open().post(url, json=body, allow_redirects=False) as response:
                    return response.status
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                return 0

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self.settings.callback_timeout)
            self._session = aiohttp.ClientSession(timeout=timeout)
        return self._session


def forged_news(task: Task) -> JsonObject:
    """What a stranger might claim about a task: another end and a link of its own."""
    if task.status == "completed":
        error = {"code": "unknown_error", "message": "forged", "type": "task_error"}
        return {"status": "failed", "progress": 0, "error": error, "results": []}
    return {"status": "completed", "progress": 100, "results": ["http://127.0.0.1:9/forged.mp4"]}
