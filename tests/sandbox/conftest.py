"""One small clip for all tests of the sandbox, and a plain HTTP caller that knows nothing of the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import frozen

from omniedit.testing import Sandbox, Settings, sample_clip

MODEL = "gemini-omni-flash-video-edit"


@frozen
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any


class Caller:
    """Speaks to a sandbox as any program would."""

    def __init__(self, sandbox: Sandbox, clip: Path, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.clip_url = sandbox.host_clip(clip)

    async def call(self, method: str, path: str, *, key: str | None = "sk-test", **options: Any) -> Answer:
        """One request to the API, or to a full URL."""
        headers = dict(options.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        url = path if path.startswith("http") else self.sandbox.base_url + path
        async with self.session.request(method, url, headers=headers, **options) as reply:
            body = await reply.read()
            is_json = reply.content_type == "application/json"
            return Answer(reply.status, reply.headers, body, await reply.json() if is_json else None)

    async def get(self, path: str, **options: Any) -> Answer:
        """One GET."""
        return await self.call("GET", path, **options)

    def body(self, prompt: str = "make it warmer", **changes: Any) -> dict[str, Any]:
        """A submit's body."""
        return {"model": MODEL, "prompt": prompt, "video_urls": [self.clip_url]} | changes

    async def submit(self, prompt: str = "make it warmer", **options: Any) -> Answer:
        """The paid POST; keyword ``json`` replaces the body."""
        options.setdefault("json", self.body(prompt))
        return await self.call("POST", "/v1/videos/generations", **options)

    async def accepted(self, prompt: str = "make it warmer", **options: Any) -> str:
        """Submit and return the task id."""
        answer = await self.submit(prompt, **options)
        assert answer.status == 200, answer.body
        task_id = answer.json["id"]
        assert isinstance(task_id, str)
        return task_id

    async def task(self, task_id: str) -> Any:
        """One read of a task."""
        return (await self.get(f"/v1/tasks/{task_id}")).json

    async def ended(self, task_id: str) -> Any:
        """Read a task until it has ended."""
        async with asyncio.timeout(30):
            task = await self.task(task_id)
            while task["status"] in ("pending", "processing"):
                await asyncio.sleep(0.02)
                task = await self.task(task_id)
        return task

    async def edited(self, prompt: str) -> bytes:
        """Submit, wait, download."""
        task = await self.ended(await self.accepted(prompt))
        return (await self.get(task["results"][0], key=None)).body


@asynccontextmanager
async def sandbox_and_caller(clip: Path, settings: Settings | None = None, **options: Any) -> AsyncIterator[Caller]:
    """A running sandbox, closed at the end, and somebody who calls it."""
    async with Sandbox(settings, **options) as sandbox, aiohttp.ClientSession() as session:
        yield Caller(sandbox, clip, session)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of moving scene with sound."""
    return sample_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", 1.0, fps=12)


@pytest.fixture(scope="session")
def start(clip: Path) -> Any:
    """Enter what this returns, with settings and faults, for a sandbox and somebody who calls it."""
    return partial(sandbox_and_caller, clip)
