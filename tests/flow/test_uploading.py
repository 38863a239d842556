"""Uploads cost nothing and are tried again; what the service refuses for good is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from omniedit import AuthenticationFailed, Client, HostingFailed, RateLimited
from omniedit.testing import Sandbox, Settings, sample_clip

QUICK = Settings(task_seconds=0.2, pending_seconds=0.1, editing="copy")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip of one second."""
    return sample_clip(tmp_path / "clip.mp4", seconds=1.0, size=(160, 90))


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_refusal_of_an_upload_is_tried_again(status: int, clip: Path, tmp_path: Path) -> None:
    """One upload more, and one submission."""
    faults = [{"fault": "status", "on": "upload", "status": status, "first": 1}]
    async with Sandbox(QUICK, faults=faults) as sandbox, sandbox.client() as client:
        saved = await client.edit(clip, "make it warmer", save_to=tmp_path / "out.mp4")
        assert saved.path.exists()
        assert len(sandbox.accepted) == 1


async def test_an_upload_that_loses_its_connection_is_tried_again(clip: Path, tmp_path: Path) -> None:
    """A reset says nothing about the clip."""
    faults = [{"fault": "reset_before", "on": "upload", "first": 1}]
    async with Sandbox(QUICK, faults=faults) as sandbox, sandbox.client() as client:
        await client.edit(clip, "make it warmer", save_to=tmp_path / "out.mp4")
        assert len(sandbox.accepted) == 1


async def test_a_key_that_is_refused_at_the_upload_is_refused_at_once(clip: Path) -> None:
    """401 comes from the first request, which is the upload."""
    async with Sandbox(QUICK) as sandbox:
        async with Client("sk-sandbox-unauthorized", base_url=sandbox.base_url) as client:
            with pytest.raises(AuthenticationFailed):
                await client.edit(clip, "make it warmer")
        assert not sandbox.accepted


async def test_a_storage_without_room_pauses_the_run(clip: Path) -> None:
    """After five refusals for lack of room the caller is told."""
    faults = [{"fault": "status", "on": "upload", "status": 429}]
    async with Sandbox(QUICK, faults=faults) as sandbox, sandbox.client() as client:
        with pytest.raises(RateLimited):
            await client.edit(clip, "make it warmer")
        assert not sandbox.accepted


async def test_a_storage_that_takes_no_video_says_what_else_can_be_done(clip: Path) -> None:
    """The message names the other hosts."""
    async with Sandbox(Settings(files_accept_video=False)) as sandbox, sandbox.client() as client:
        with pytest.raises(HostingFailed, match="S3"):
            await client.edit(clip, "make it warmer")
        assert not sandbox.accepted
