"""Where results go: nothing is paid for what cannot be saved, and no clip is written over by its own result."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from omniedit import Edit, InvalidEdit, MemoryJournal, Status
from omniedit.errors import ConfigurationError, DownloadFailed, InvalidRequest
from omniedit.flow.placing import is_own_clip, reason_to_stop

CLIP = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08mdat" * 64
WITHOUT_FILES = pytest.param("/proc", marks=pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc"))
UNUSABLE = ["taken.mp4", "taken.mp4/below", "a\0b", "\ud800", "x" * 300, WITHOUT_FILES]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A local clip in a folder of its own."""
    path = tmp_path / "clips" / "mine.mp4"
    path.parent.mkdir()
    path.write_bytes(CLIP)
    return path


@pytest.mark.parametrize("folder", UNUSABLE)
async def test_batch_into_a_folder_that_cannot_be_used_pays_nothing(world: Any, folder: str) -> None:
    """It is tried before the first paid request, and the same batch goes on in another one."""
    async with world() as w, w.client() as client:
        (w.folder / "taken.mp4").write_bytes(CLIP)
        with pytest.raises(ConfigurationError) as caught:
            await client.batch(w.edits(3), save_to=w.folder / folder)
        assert (caught.value.code, w.sandbox.submissions) == ("folder_unusable", [])
        assert (await client.batch(w.edits(3), save_to=w.out)).counts == {Status.saved: 3}


@pytest.mark.parametrize(
    "place",
    ["taken.mp4/a.mp4", "taken.mp4\ud800/a.mp4", "a\0b.mp4", "\udcff.mp4", "x" * 252 + ".mp4", "雪" * 100, "new/.."],
)
async def test_edit_to_a_place_that_cannot_be_used_pays_nothing(world: Any, place: str) -> None:
    """Nor does it raise before it is awaited, nor anything that is not ours."""
    async with world() as w, w.client() as client:
        (w.folder / "taken.mp4").write_bytes(CLIP)
        run = client.edit(w.edit(), save_to=f"{w.folder}/{place}")
        with pytest.raises((ConfigurationError, InvalidEdit)) as caught:
            await run
        assert caught.value.code == ("folder_unusable" if "taken" in place else "invalid_edit")
        with pytest.raises((ConfigurationError, InvalidEdit)):
            await client.download("task-unified-1-abcd", f"{w.folder}/{place}")
        assert (w.sandbox.submissions, w.lines("/v1/tasks/")) == ([], 0)


async def test_nothing_is_repeated_for_a_folder_that_cannot_be_used(world: Any) -> None:
    """An uncertain request may not have been paid for yet."""
    async with world([{"fault": "lost_reply"}]) as w, w.client() as client:
        assert (await client.batch(w.edits(1), save_to=w.out)).counts == {Status.uncertain: 1}
        w.out.rmdir()
        w.out.write_bytes(b"")
        with pytest.raises(ConfigurationError):
            await client.batch(w.edits(1), save_to=w.out, on_uncertain="replay")
        assert len(w.sandbox.submissions) == 1


async def test_folder_is_not_made_for_edits_that_are_refused(world: Any) -> None:
    """It is tried when the first edit is about to be paid for, and no sooner."""
    async with world() as w, w.client() as client:
        assert (await client.batch([Edit("", "")], save_to=w.out)).counts == {Status.rejected: 1}
        assert not w.out.exists()


async def test_folder_that_is_lost_stops_the_paying(world: Any) -> None:
    """What was accepted waits for the next run, what was not submitted stays unpaid, and that run finishes all."""
    async with world(task_seconds=1.0) as w, w.client(max_in_flight=2) as client:
        batch = client.batch(w.edits(40), save_to=w.out)
        async for change in batch:
            if change.status == Status.pending and w.out.is_dir():
                shutil.rmtree(w.out)
                w.out.write_bytes(b"")
        stopped = (await batch).stopped
        assert isinstance(stopped, ConfigurationError)
        assert (stopped.code, stopped.task_id) == ("folder_missing", None)
        assert 2 <= len(w.sandbox.submissions) < 40
        w.out.unlink()
        assert (await client.batch(w.edits(40), save_to=w.out)).counts == {Status.saved: 40}
        w.check(posts=40, files=40)


@pytest.mark.parametrize(
    ("code", "folder", "stops"),
    [
        ("disk_full", "", True),
        ("folder_missing", "gone", True),
        ("permission", "gone", True),
        ("permission", "", False),
        ("busy", "", False),
        ("cut", "gone", False),
    ],
)
def test_one_result_that_cannot_be_saved_stops_the_others_only_where_they_cannot_be_either(
    tmp_path: Path, code: str, folder: str, *, stops: bool
) -> None:
    """The reason names no task: it is told of edits that have none."""
    error = DownloadFailed("it cannot be written", code=code, mend="make room", task_id="task-1")
    reason = reason_to_stop(error, str(tmp_path / folder / "a.mp4"))
    assert (reason is not None) is stops
    if reason is not None:
        assert (reason.code, reason.message, reason.mend, reason.task_id) == (code, error.message, "make room", None)


async def test_a_clip_is_never_replaced_by_its_own_result(world: Any, clip: Path) -> None:
    """By whatever name it is called, and not even where results may be replaced."""
    async with world() as w, w.client(overwrite=True) as client:
        (clip.parent / "link").symlink_to(clip)
        for target in (clip, clip.parent / "link", clip.parent / "." / "mine.mp4"):
            with pytest.raises(InvalidEdit, match="the clip itself") as caught:
                await client.edit(clip, "snow", save_to=target, variant=len(str(target)))
            assert caught.value.code == "output_is_source"
        summary = await client.batch([Edit(clip, "rain")], save_to=clip.parent, journal=MemoryJournal())
        assert [change.error.code for change in summary.failures] == ["output_is_source"]
        assert (clip.read_bytes(), w.sandbox.submissions) == (CLIP, [])


@pytest.mark.parametrize("place", [None, ".", "./"])
async def test_without_a_name_the_result_makes_way_for_the_clip(
    world: Any, clip: Path, monkeypatch: pytest.MonkeyPatch, place: str | None
) -> None:
    """As on the command line; elsewhere it is called like the clip."""
    monkeypatch.chdir(clip.parent)
    async with world() as w, w.client(overwrite=True) as client:
        saved = await client.edit("mine.mp4", "snow", save_to=place)
        assert (saved.path, clip.read_bytes()) == (Path("mine-edited.mp4"), CLIP)
        assert (await client.edit(clip, "rain", save_to=f"{w.out}/")).path == w.out / "mine.mp4"


async def test_a_clip_that_comes_to_lie_in_the_place_of_its_result_stays(world: Any, clip: Path) -> None:
    """What is paid by then is saved beside it."""
    async with world() as w, w.client(overwrite=True) as client:
        target = clip.with_name("a.mp4")
        run = client.edit(clip, "snow", save_to=target)
        async for change in run:
            if change.status == Status.pending:
                clip.rename(target)
                clip.symlink_to(target)
        saved = await run
        assert target.read_bytes() == CLIP
        assert (saved.path.parent, saved.path.name[:2]) == (target.parent, "a-")


def test_only_a_local_clip_can_lie_in_the_place_of_its_result(clip: Path) -> None:
    """Whatever the place says."""
    assert is_own_clip(Edit(clip, "x"), str(clip))
    assert not is_own_clip(Edit(f"https://example.com/{clip}", "x"), str(clip))
    assert not is_own_clip(Edit(clip, "x"), f"s3:/{clip}")
    assert not is_own_clip(Edit(clip, "x"), f"{clip}\0")
    assert not is_own_clip(Edit(clip.with_name("gone.mp4"), "x"), str(clip))


@pytest.mark.parametrize(("place", "made"), [("new/", "new/TASK.mp4"), ("there", "there/TASK.mp4"), ("b", "b")])
async def test_a_result_is_downloaded_into_a_folder_or_under_a_name(world: Any, place: str, made: str) -> None:
    """In a folder it is named after the task; what has its name already keeps it, unless told otherwise."""
    async with world() as w, w.client() as client:
        task = await client.submit(w.edit())
        async for _ in client.watch(task.id):
            pass
        (w.folder / "there").mkdir()
        path = w.folder / made.replace("TASK", task.id)
        assert (await client.download(task.id, f"{w.folder}/{place}")).path == path
        path.write_bytes(b"precious")
        beside = (await client.download(task.id, f"{w.folder}/{place}")).path
        assert (beside.parent, path.read_bytes()) == (path.parent, b"precious")
        assert beside.name.endswith(f"-{task.id[-8:]}.mp4")
        assert (await client.download(task.id, f"{w.folder}/{place}", overwrite=True)).path == path
        assert path.read_bytes() == beside.read_bytes()


async def test_a_bare_download_goes_into_no_bucket(world: Any) -> None:
    """It says so, and makes no folder of that name."""
    async with world() as w, w.client() as client:
        with pytest.raises(ConfigurationError, match="object store"):
            await client.download("task-unified-1-abcd", "s3://bucket/a.mp4")


@pytest.mark.parametrize("task", [None, 7, ""])
async def test_what_is_no_task_is_told_so_before_anything_is_made(world: Any, task: Any) -> None:
    """Nothing is asked for, and no folder appears."""
    async with world() as w, w.client() as client:
        with pytest.raises(InvalidRequest, match="is no task id"):
            await client.download(task, f"{w.folder}/new/")
        assert not (w.folder / "new").exists()
