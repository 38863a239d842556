"""One edit: awaited, watched, broken off, asked for twice; where its result goes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from omniedit import Edit, InvalidEdit, Status, TaskCancelled, TaskFailed
from omniedit.errors import AuthenticationFailed, ConfigurationError, JournalBusy

LIFE = ["queued", "submitting", "pending", "processing", "completed", "downloading", "saved"]


def told(changes: list[Any]) -> list[str]:
    """The statuses told, without the changes of progress."""
    return [change.status for change in changes if change.status != change.previous]


async def test_awaited_edit_is_saved(world: Any) -> None:
    """The clip, its task, its credits, its digest."""
    async with world() as w, w.client() as client:
        saved = await client.edit(w.edit(), save_to=w.folder / "warm.mp4")
        assert saved.path == w.folder / "warm.mp4"
        assert saved.size == saved.path.stat().st_size
        (task,) = w.sandbox.accepted
        assert (saved.task_id, saved.credits) == (task.id, task.charged)
        assert (len(saved.sha256), saved.elapsed > 0) == (64, True)
        w.check(posts=1, files=1)


async def test_watched_edit_tells_every_status_in_order(world: Any) -> None:
    """From `queued` to `saved`, none left out; awaiting afterwards costs nothing."""
    async with world() as w, w.client() as client:
        run = client.edit(w.edit(), save_to=w.out / "a.mp4")
        changes = await w.watch(run)
        assert told(changes) == LIFE
        assert changes[-1].path == (await run).path
        assert {change.task_id for change in changes[2:]} == {w.sandbox.accepted[0].id}
        assert run.status == Status.saved
        w.check(posts=1, files=1)


async def test_nothing_happens_before_it_is_asked_for(world: Any) -> None:
    """An edit that nobody awaits or iterates is never sent."""
    async with world() as w, w.client() as client:
        client.edit(w.edit(), save_to=w.folder / "a.mp4")
        await asyncio.sleep(0.05)
        w.check(posts=0, files=0)


async def test_two_awaits_of_one_run_are_one_edit(world: Any) -> None:
    """Both get the same clip."""
    async with world() as w, w.client() as client:
        run = client.edit(w.edit(), save_to=w.folder / "a.mp4")

        async def result() -> Any:
            return await run

        one, two = await asyncio.gather(result(), result())
        assert one is two
        w.check(posts=1, files=1)


async def test_same_edit_twice_at_once_is_paid_once(world: Any) -> None:
    """The second call says that the first is under way; it does not pay."""
    async with world() as w, w.client() as client:
        runs = [client.edit(w.edit(), save_to=w.folder / name) for name in ("a.mp4", "b.mp4")]

        async def outcome(run: Any) -> Any:
            return await run

        outcomes: list[Any] = await asyncio.gather(*map(outcome, runs), return_exceptions=True)
        first, second = outcomes
        assert first.path.name == "a.mp4"
        assert isinstance(second, InvalidEdit)
        assert second.code == "under_way"
        w.check(posts=1, files=1)


async def test_same_edit_later_is_the_same_clip(world: Any) -> None:
    """What is saved is not paid for again: it is found, also under another name."""
    async with world() as w, w.client() as client:
        one = await client.edit(w.edit(), save_to=w.folder / "a.mp4")
        two = await client.edit(w.edit(), save_to=w.folder / "a.mp4")
        three = await client.edit(w.edit(), save_to=w.folder / "b.mp4")
        assert (one.task_id, one.sha256) == (two.task_id, two.sha256) == (three.task_id, three.sha256)
        assert three.path.name == "b.mp4"
        w.check(posts=1, files=2)


async def test_variants_are_different_edits(world: Any) -> None:
    """Whoever wants two results says so."""
    async with world() as w, w.client() as client:
        for variant in (0, 1):
            await client.edit(w.edit(variant=variant), save_to=w.folder / f"{variant}.mp4")
        assert len(w.sandbox.submissions) == 2
        assert len(w.sandbox.accepted) == 2


@pytest.mark.parametrize("place", ["folder/", "folder"])
async def test_result_goes_into_a_folder(world: Any, place: str) -> None:
    """One that exists, or one that is written with a slash; named after the source."""
    async with world() as w, w.client() as client:
        if not place.endswith("/"):
            (w.folder / place).mkdir()
        saved = await client.edit(w.edit(7), save_to=f"{w.folder}/{place}")
        assert saved.path == w.folder / "folder" / "00007.mp4"


async def test_existing_output_is_kept_and_nothing_is_paid(world: Any) -> None:
    """Unless it may be replaced."""
    async with world() as w, w.client() as client:
        target = w.folder / "a.mp4"
        target.write_bytes(b"precious")
        with pytest.raises(InvalidEdit, match="exists") as caught:
            await client.edit(w.edit(), save_to=target)
        assert (caught.value.code, target.read_bytes(), w.sandbox.submissions) == ("output_exists", b"precious", [])
        saved = await client.edit(w.edit(), save_to=target, overwrite=True)
        assert saved.path == target
        w.check(posts=1, files=1)


async def test_output_that_appears_meanwhile_is_not_overwritten(world: Any) -> None:
    """What is paid is saved beside it, and the change says where."""
    async with world() as w, w.client() as client:
        target = w.folder / "a.mp4"
        run = client.edit(w.edit(), save_to=target)
        async for change in run:
            if change.status == Status.pending:
                target.write_bytes(b"precious")
        saved = await run
        assert target.read_bytes() == b"precious"
        assert saved.path != target
        assert saved.path.parent == target.parent
        target.unlink()
        w.check(posts=1, files=1)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Edit("https://clips.example.com/a.mp4", "  "), "prompt"),
        (Edit("", "snow"), "source"),
        (Edit("ftp://clips.example.com/a.mp4", "snow"), "source"),
        (Edit("https://clips.example.com/a.mp4", "snow", name="../a.mp4"), "name"),
        (Edit("https://clips.example.com/a.mp4", "snow", callback_url="x"), "callback_url"),
        (Edit("https://clips.example.com/a.mp4", "snow", duration=5), "duration"),  # type: ignore[arg-type]
        (Edit("https://clips.example.com/a.mp4", "half \ud800"), "prompt"),
    ],
)
async def test_wrong_edits_are_refused_before_anything_is_sent_or_written(world: Any, wrong: Edit, field: str) -> None:
    """Typed, naming the field; watched, they end as `rejected`."""
    async with world() as w, w.client() as client:
        with pytest.raises(InvalidEdit) as caught:
            await client.edit(wrong, save_to=w.out / "")
        assert caught.value.field == field
        changes = await w.watch(client.edit(wrong, save_to=w.out / ""))
        assert told(changes) == ["queued", "rejected"]
        w.check(posts=0, files=0)
        assert not w.out.exists()


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ({"fault": "fail", "code": "content_policy_violation"}, TaskFailed, "content_policy_violation"),
        ({"fault": "fail", "code": "request_cancelled"}, TaskCancelled, "request_cancelled"),
        ({"fault": "cancel"}, TaskCancelled, "request_cancelled"),
        ({"fault": "empty_results"}, TaskFailed, "no_results"),
    ],
)
async def test_failed_tasks_raise_with_their_code_and_are_not_tried_again(
    world: Any, fault: dict[str, Any], kind: type[TaskFailed], code: str
) -> None:
    """Not by the same call, nor by the next one."""
    async with world([fault]) as w, w.client() as client:
        for _ in range(2):
            with pytest.raises(kind) as caught:
                await client.edit(w.edit(), save_to=w.folder / "a.mp4")
            assert (caught.value.code, caught.value.task_id) == (code, w.sandbox.accepted[0].id)
        w.check(posts=1, files=0)


@pytest.mark.parametrize("cancelled_as", ["cancelled", "canceled", "request_cancelled"])
async def test_every_way_to_say_cancelled_is_one(world: Any, cancelled_as: str) -> None:
    """Two spellings, and a failure with a code of its own."""
    async with world([{"fault": "cancel"}], cancelled_as=cancelled_as) as w, w.client() as client:
        changes = await w.watch(client.edit(w.edit(), save_to=w.folder / "a.mp4"))
        assert changes[-1].status == Status.cancelled
        assert isinstance(changes[-1].error, TaskCancelled)


async def test_one_reader_at_a_time(world: Any) -> None:
    """A second iteration of the same run is a mistake that is said."""
    async with world() as w, w.client() as client:
        run = client.edit(w.edit(), save_to=w.folder / "a.mp4")
        async for _ in run:
            with pytest.raises(RuntimeError, match="one reader"):
                await anext(aiter(run))
        await run


async def test_closed_client_takes_no_edits(world: Any) -> None:
    """It says so, whether it was used before or not."""
    async with world() as w:
        unused, used = w.client(), w.client(journal=None)
        await used.edit(w.edit(), save_to=w.folder / "a.mp4")
        for client in (unused, used):
            await client.close()
            await client.close()
            with pytest.raises(ConfigurationError, match="closed"):
                await client.edit(w.edit(1), save_to=w.folder / "b.mp4")
            for edit in (w.edit(1), Edit("b.mp4", "x")):  # a local clip asks the journal for its upload
                with pytest.raises(ConfigurationError, match="closed"):
                    await client.submit(edit)
            assert "closed" in repr(client)
        w.check(posts=1, files=1)


async def test_local_clips_are_hosted_first(world: Any, tmp_path: Path) -> None:
    """`uploading` comes between `queued` and `submitting`."""
    clip = tmp_path / "mine.mov"
    clip.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08mdat" * 64)
    async with world() as w, w.client() as client:
        changes = await w.watch(client.edit(clip, "snow", save_to=w.out / "a.mp4"))
        assert told(changes) == ["queued", "uploading", *LIFE[1:]]
        assert w.sandbox.accepted[0].source.startswith(w.sandbox.media_url)


async def test_what_no_change_can_tell_is_raised_from_the_loop(world: Any) -> None:
    """Who only watches learns of a refused key and of a journal that is held; a bad end is told once, by its change."""
    async with world([{"fault": "fail"}]) as w, w.client() as client:
        with pytest.raises(TaskFailed):
            await client.edit(w.edit(), save_to=w.folder / "a.mp4")
        async with w.client() as other:
            with pytest.raises(JournalBusy):
                await w.watch(other.edit(w.edit(1), save_to=w.folder / "b.mp4"))
        async with w.client(journal=None, api_key="sk-sandbox-unauthorized") as other:
            run = other.edit(w.edit(1), save_to=w.folder / "b.mp4")
            told: list[Status] = []
            for _ in range(2):
                with pytest.raises(AuthenticationFailed):  # noqa: PT012 - what came before the error counts too
                    async for change in run:
                        told.append(change.status)  # noqa: PERF401 - see above
            assert told == ["queued", "submitting", "queued"]
            with pytest.raises(AuthenticationFailed):
                await run


async def test_a_whole_edit_and_parts_of_one_are_refused(world: Any) -> None:
    """Nobody knows which of two prompts is to be paid for."""
    async with world() as w, w.client() as client:
        for more in ({"prompt": "another"}, {"variant": 1}, {"model": "other"}, {"duration": 5}):
            with pytest.raises(InvalidEdit, match="says more"):
                client.edit(w.edit(), save_to=w.out, **more)


@pytest.mark.parametrize("place", [None, 7, b"out"])
async def test_what_is_no_path_is_told_so(world: Any, place: Any) -> None:
    """As an error of the library, before anything is made."""
    async with world() as w, w.client() as client:
        with pytest.raises(InvalidEdit, match="must be a path"):
            client.batch([], save_to=place)
        if place is not None:
            with pytest.raises(InvalidEdit, match="must be a path"):
                client.edit(w.edit(), save_to=place)


async def test_closed_client_looks_at_no_clip(world: Any) -> None:
    """It would open a connection that nobody closes."""
    async with world() as w:
        client = w.client()
        await client.close()
        with pytest.raises(ConfigurationError, match="closed"):
            await client.check("https://clips.example.com/a.mp4")
