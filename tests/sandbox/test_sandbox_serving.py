"""The sandbox as a process: one function to call, which ends when it is cancelled."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from omniedit.sandbox import FaultScriptError, SandboxServer, serve


async def test_serve_runs_until_cancelled_and_leaves_nothing(tmp_path: Path) -> None:
    """It tells when it is ready, applies the fault script, and closes both ports at the end."""
    script = tmp_path / "faults.json"
    script.write_text(json.dumps({"faults": [{"fault": "status", "on": "credits"}]}))
    ready: asyncio.Future[SandboxServer] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(faults=script, ready=ready.set_result))
    server = await ready
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.base_url}/v1/credits") as reply:
            assert reply.status == 503
        running.cancel()
        await asyncio.wait({running})
        for url in (server.base_url, server.media_url):
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url)


async def test_serve_refuses_a_wrong_script(tmp_path: Path) -> None:
    """Before it listens."""
    script = tmp_path / "faults.json"
    script.write_text('[{"fault": "none"}]')
    with pytest.raises(FaultScriptError):
        await serve(faults=script)


def test_a_plain_script_without_a_guard_can_edit(tmp_path: Path) -> None:
    """Editing processes never import the program that started them."""
    script = tmp_path / "plain.py"
    script.write_text(
        "import asyncio, aiohttp\n"
        "from omniedit.testing import Sandbox, sample_clip\n"
        "print('imported')\n"
        "async def main():\n"
        "    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:\n"
        "        body = {'model': 'gemini-omni-flash-video-edit', 'prompt': 'warmer',\n"
        "                'video_urls': [sandbox.host_clip(sample_clip('clip.mp4', 0.5))]}\n"
        "        headers = {'Authorization': 'Bearer any'}\n"
        "        await session.post(sandbox.base_url + '/v1/videos/generations', json=body, headers=headers)\n"
        "        while not sandbox.accepted[0].ended:\n"
        "            await asyncio.sleep(0.05)\n"
        "        print(sandbox.accepted[0].status)\n"
        "asyncio.run(main())\n"
    )
    root = str(Path(__file__).parents[2])
    command = asyncio.create_subprocess_exec(
        sys.executable, str(script), cwd=tmp_path, stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": root}
    )

    async def run() -> bytes:
        process = await command
        output, _ = await process.communicate()
        return output

    assert asyncio.run(run()).split() == [b"imported", b"completed"]
