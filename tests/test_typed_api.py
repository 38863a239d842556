"""The public interface as type checkers see it: this file is checked by mypy and pyright, and run once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import assert_type

import omniedit
from omniedit import Balance, Change, Client, Edit, OmniEditError, Saved, Status, Summary, Task
from omniedit.testing import Sandbox, Settings, sample_clip


async def one_edit(client: Client) -> None:
    """Await it, or iterate it."""
    saved = await client.edit("a.mp4", "Make it snow", save_to=Path("snow.mp4"))
    assert_type(saved, Saved)
    assert_type(saved.path, Path)
    assert_type(saved.task_id, str)
    assert_type(saved.credits, float | None)
    assert_type(saved.sha256, str)
    assert_type(saved.size, int)
    async for change in client.edit(Edit(Path("a.mp4"), "Make it snow", variant=1), save_to="snow/"):
        assert_type(change, Change)
        assert_type(change.status, Status)
        assert_type(change.previous, Status | None)
        assert_type(change.progress, int)
        assert_type(change.at, datetime)
        assert_type(change.error, OmniEditError | None)


async def a_batch(client: Client, edits: Iterator[Edit], more: AsyncIterator[Edit]) -> None:
    """Any iterable, any async iterable."""
    assert_type(await client.batch(edits, save_to="edited"), Summary)
    batch = client.batch(more, save_to=Path("edited"), journal="edits.db", max_credits=10, retry_failed=True)
    async for change in batch:
        assert_type(change.edit, Edit)
    summary = await batch
    assert_type(summary.counts[Status.saved], int)
    assert_type(summary.failures, tuple[Change, ...])


async def bare_calls(client: Client) -> None:
    """One request each."""
    task = await client.submit(Edit("a.mp4", "Make it snow"))
    assert_type(task, Task)
    assert_type(await client.task(task.id), Task)
    async for change in client.watch(task.id):
        assert_type(change.status, Status)
    assert_type(await client.download(task, "out.mp4"), Saved)
    assert_type(await client.credits(), Balance)


async def test_the_bare_calls_do_what_they_say(tmp_path: Path) -> None:
    """Submit, watch, look, download, balance: without a batch and without a journal."""
    clip = sample_clip(tmp_path / "clip.mp4", seconds=1.0, size=(160, 90))
    async with Sandbox(Settings(task_seconds=0.3, pending_seconds=0.1)) as sandbox, sandbox.client() as client:
        before = await client.credits()
        task = await client.submit(Edit(sandbox.host_clip(clip), "Make it black and white"))
        seen = [change.status async for change in client.watch(task.id)]
        saved = await client.download(await client.task(task.id), tmp_path / "out.mp4")
        after = await client.credits()
    assert seen[0] == Status.pending
    assert seen[-1] == Status.completed
    assert saved.path.stat().st_size == saved.size
    assert before.remaining is not None
    assert after.remaining is not None
    assert after.remaining < before.remaining


def test_everything_public_is_there() -> None:
    """Lazy names resolve, and what is not there says so."""
    for name in omniedit.__all__:
        assert getattr(omniedit, name) is not None
    assert not hasattr(omniedit, "no_such_name")
