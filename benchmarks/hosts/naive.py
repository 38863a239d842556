"""The job as it is commonly written: submit, poll until done, download. No memory but the engine's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

__all__ = ["KEY", "body", "edit", "edit_blocking"]

KEY = {"Authorization": "Bearer sk-sandbox"}


def body(number: int) -> dict[str, object]:
    """The paid request of one clip."""
    clip = f"https://example.com/clips/{number}.mp4"
    return {"model": "gemini-omni-flash-video-edit", "prompt": "Make it snow", "video_urls": [clip]}


async def edit(base_url: str, folder: str, number: int) -> None:
    """One clip, from the request to the file."""
    async with aiohttp.ClientSession(base_url, headers=KEY, raise_for_status=True) as session:
        async with session.post("/v1/videos/generations", json=body(number)) as reply:
            task = await reply.json()
        while task["status"] not in {"completed", "failed"}:
            await asyncio.sleep(0.25)
            async with session.get(f"/v1/tasks/{task['id']}") as reply:
                task = await reply.json()
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(task["results"][0]) as reply:
        (Path(folder) / f"{number}.mp4").write_bytes(await reply.read())


def edit_blocking(base_url: str, folder: str, number: int) -> None:
    """The same for engines that run functions."""
    asyncio.run(edit(base_url, folder, number))
