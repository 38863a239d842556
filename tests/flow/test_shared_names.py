"""Where results go when several batches share one journal: each into its folder, and none over another."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from omniedit import Edit, Status


def clip_of(day: str) -> Edit:
    """An edit whose result is called as those of all days."""
    return Edit(f"https://clips.example.com/{day}/a.mp4", f"wish {day}.")


async def interrupted(w: Any, day: str) -> None:
    """A batch of one edit that is stopped when its task was accepted."""
    async with w.client() as client:
        batch = client.batch([clip_of(day)], save_to=w.folder / day)
        async for change in batch:
            if change.status == Status.pending:
                break


def results(folder: Path) -> list[str]:
    """Names of all clips, with their folders."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.mp4"))


@pytest.mark.parametrize("overwrite", [True, False])
async def test_edit_of_another_batch_is_saved_where_that_one_wanted_it(world: Any, *, overwrite: bool) -> None:
    """The asked one of the same name keeps its own."""
    async with world(task_seconds=6.0) as w:
        await interrupted(w, "monday")
        async with w.client(overwrite=overwrite) as client:
            assert (await client.batch([clip_of("tuesday")], save_to=w.folder / "tuesday")).saved == 2
        assert results(w.folder) == ["monday/a.mp4", "tuesday/a.mp4"]
        w.check(posts=2, files=2)


async def test_edit_that_is_asked_for_in_another_folder_goes_there(world: Any) -> None:
    """Although it is taken up before the batch has asked for it."""
    async with world(task_seconds=6.0) as w:
        await interrupted(w, "monday")
        async with w.client() as client:
            batch = client.batch([clip_of("monday"), clip_of("monday")], save_to=w.folder / "tuesday")
            assert (await batch).counts == {Status.saved: 1}
        assert results(w.folder) == ["tuesday/a.mp4"]
        w.check(posts=1, files=1)


async def test_unfinished_edit_goes_with_its_renamed_folder(world: Any) -> None:
    """The old name is not made again."""
    async with world(task_seconds=6.0) as w:
        await interrupted(w, "monday")
        (w.folder / "monday").rename(w.folder / "renamed")
        async with w.client() as client:
            assert (await client.batch([], save_to=w.folder / "renamed")).saved == 1
        assert results(w.folder) == ["renamed/a.mp4"]


@pytest.mark.parametrize("pause", [0, 3])
async def test_results_of_two_folders_asked_for_in_one_do_not_replace_each_other(world: Any, pause: int) -> None:
    """Not even where outputs that exist are replaced; also when the batch was cancelled in between."""
    days = ["monday", "tuesday"]
    async with world() as w:
        for day in days:
            async with w.client() as client:
                await client.batch([clip_of(day)], save_to=w.folder / day)
            (w.folder / day / "a.mp4").unlink()
        async with w.client(overwrite=True) as client:
            batch = client.batch([clip_of(day) for day in days], save_to=w.folder / "week")
            if pause:
                waiting = asyncio.ensure_future(_summary(batch))
                await asyncio.sleep(pause / 100)
                waiting.cancel()
                await asyncio.wait([waiting])
            assert (await batch).counts == {Status.saved: 2}
        assert len(results(w.folder)) == 2
        assert (w.folder / "week" / "a.mp4").exists()
        w.check(posts=2, files=2)


async def _summary(batch: Any) -> Any:
    return await batch
