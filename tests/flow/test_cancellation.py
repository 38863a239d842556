"""Leaving at any moment: awaits cancelled, loops broken off, clients closed. What is paid is booked, nothing leaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from omniedit import ClientClosed, Edit, Status, SubmissionUncertain
from omniedit.errors import ConfigurationError
from omniedit.flow.chores import Once
from omniedit.journal.sqlite import SqliteReader
from omniedit.models import Outcome

STAGES = ["queued", "submitting", "pending", "processing", "completed", "downloading", "saved"]


async def reach(run: Any, status: str) -> asyncio.Task[Any]:
    """A task that awaits a run, once the run stands there."""

    async def wait() -> Any:
        return await run

    waiting = asyncio.create_task(wait())
    while run.status != status and not waiting.done():  # noqa: ASYNC110 - the reader of this run is the test itself
        await asyncio.sleep(0)
    return waiting


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and expect it to be."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or task.exception() is None


async def outcomes(world: Any) -> list[tuple[Outcome, str | None]]:
    """Outcome and task of every attempt, as another process reads them while the journal is open."""
    reader = SqliteReader(world.journal)
    try:
        return [(attempt.outcome, attempt.task_id) for attempt in await reader.attempts(world.edit().key)]
    finally:
        await reader.close()


@pytest.mark.parametrize("stage", STAGES)
async def test_cancelled_await_loses_nothing_and_the_next_one_goes_on(world: Any, stage: str) -> None:
    """At every status: one request at most, and the same journal brings the clip home."""
    async with world() as w:
        async with w.client() as client:
            run = client.edit(w.edit(), save_to=w.folder / "a.mp4")
            await cancel(await reach(run, stage))
            w.check()
        posted = len(w.sandbox.submissions)
        assert posted == len(w.sandbox.accepted) <= 1
        if stage in STAGES[2:]:
            assert posted == 1
        async with w.client() as client:
            saved = await client.edit(w.edit(), save_to=w.folder / "a.mp4")
        assert [saved.task_id] == [task.id for task in w.sandbox.accepted]
        w.check(posts=1, files=1)


@pytest.mark.parametrize("stage", STAGES[:-1])
async def test_cancelled_await_can_be_awaited_again(world: Any, stage: str) -> None:
    """On the same object, in the same client."""
    async with world() as w, w.client() as client:
        run = client.edit(w.edit(), save_to=w.folder / "a.mp4")
        await cancel(await reach(run, stage))
        saved = await run
        assert saved.path.exists()
        w.check(posts=1, files=1)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144])
async def test_cancelled_at_any_turn_of_the_loop(world: Any, turns: int) -> None:
    """Not only where a status changes: after any number of steps."""
    async with world() as w:
        async with w.client() as client:
            run = client.edit(w.edit(), save_to=w.folder / "a.mp4")

            async def wait() -> None:
                await run

            waiting = asyncio.create_task(wait())
            for _ in range(turns):
                await asyncio.sleep(0)
            await cancel(waiting)
        async with w.client() as client:
            await client.edit(w.edit(), save_to=w.folder / "a.mp4")
        w.check(posts=1, files=1)


@pytest.mark.parametrize("stage", STAGES)
async def test_breaking_off_pays_nothing_more_and_follows_what_is_paid(world: Any, stage: str) -> None:
    """What was not paid is not paid; what was is followed in the background, and by whoever awaits later."""
    async with world() as w, w.client() as client:
        run = client.edit(w.edit(), save_to=w.folder / "a.mp4")
        changes = aiter(run)
        async for change in changes:
            if change.status == stage:
                break
        await changes.aclose()
        await asyncio.sleep(0.1)
        if stage == "queued":
            w.check(posts=0)
        saved = await run
        assert saved.path.exists()
        w.check(posts=1, files=1)


async def test_reader_that_leaves_does_not_stop_one_who_awaits(world: Any) -> None:
    """As long as anybody wants the result, it is worked on."""
    async with world() as w, w.client() as client:
        for number, run in enumerate((client.edit(w.edit(0), save_to=w.out / "a.mp4"), None)):
            batch: Any = run or client.batch(w.edits(4, "more"), save_to=w.folder / "more")

            async def wait(batch: Any = batch) -> Any:
                return await batch

            waiting = asyncio.create_task(wait())
            changes = aiter(batch)
            await anext(changes)
            await changes.aclose()
            assert await waiting, number
        w.check(posts=5, files=5)


async def test_one_of_two_who_await_may_leave(world: Any) -> None:
    """The other one gets the result all the same."""
    async with world() as w, w.client() as client:
        for thing in (client.edit(w.edit(0), save_to=w.out / "a.mp4"), client.batch(w.edits(4, "b"), save_to=w.out)):
            run: Any = thing

            async def wait(run: Any = run) -> Any:
                return await run

            leaving, staying = asyncio.create_task(wait()), asyncio.create_task(wait())
            await asyncio.sleep(0.02)
            await cancel(leaving)
            assert await staying


async def test_paid_request_that_is_leaving_is_booked_before_the_cancellation_ends(world: Any) -> None:
    """The await returns when the id is in the journal."""
    async with world([{"fault": "slow", "seconds": 0.3}]) as w:
        async with w.client() as client:
            run = client.edit(w.edit(), save_to=w.folder / "a.mp4")
            waiting = await reach(run, "submitting")
            while not w.sandbox.submissions:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.005)
            await cancel(waiting)
            assert await outcomes(w) == [(Outcome.accepted, w.sandbox.accepted[0].id)]
        w.check(posts=1, files=0)


async def test_paid_request_without_an_answer_is_uncertain_when_the_grace_is_over(world: Any) -> None:
    """Nobody waits for ever, nobody claims to know, and nobody pays again."""
    async with world([{"fault": "hang", "accept": True}]) as w:
        async with w.client(grace=0.1) as client:
            run = client.edit(w.edit(), save_to=w.folder / "a.mp4")
            waiting = await reach(run, "submitting")
            while not w.sandbox.submissions:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.005)
            await cancel(waiting)
        assert await outcomes(w) == [(Outcome.unknown, None)]
        async with w.client() as client:
            with pytest.raises(SubmissionUncertain) as caught:
                await client.edit(w.edit(), save_to=w.folder / "a.mp4")
        assert caught.value.idempotency_key == w.sandbox.submissions[0].idempotency_key
        w.check(posts=1, files=0)


async def test_second_cancellation_leaves_at_once_and_the_journal_is_still_right(world: Any) -> None:
    """It stops the waiting, not the booking."""
    async with world([{"fault": "slow", "seconds": 0.4}]) as w:
        async with w.client() as client:
            run = client.edit(w.edit(), save_to=w.folder / "a.mp4")
            waiting = await reach(run, "submitting")
            waiting.cancel()
            await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
        assert await outcomes(w) == [(Outcome.accepted, w.sandbox.accepted[0].id)]
        w.check(posts=1)


@pytest.mark.parametrize("stage", STAGES[:-1])
async def test_closing_the_client_ends_every_wait_with_a_typed_error(world: Any, stage: str) -> None:
    """With the task's id where there is one; the journal goes on later."""
    async with world() as w:
        client = w.client()
        run = client.edit(w.edit(), save_to=w.folder / "a.mp4")
        waiting = await reach(run, stage)
        await client.close()
        await asyncio.wait([waiting])
        error = waiting.exception()
        if error is not None:
            assert isinstance(error, ClientClosed | ConfigurationError)  # the latter when it had not even begun
            assert error.task_id in {None, *(task.id for task in w.sandbox.accepted)}
        async with w.client() as again:
            await again.edit(w.edit(), save_to=w.folder / "a.mp4")
        w.check(posts=1, files=1)


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8])
async def test_closing_the_client_under_a_batch(world: Any, moment: float) -> None:
    """The batch ends with a summary that says why; the same command again finishes it."""
    async with world(task_seconds=4.0) as w:
        client = w.client()
        batch = client.batch(w.edits(12), save_to=w.out)

        async def wait() -> Any:
            return await batch

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(moment)
        await client.close()
        await asyncio.wait([waiting])
        if waiting.exception() is None:
            assert waiting.result().saved == 12 or isinstance(waiting.result().stopped, ClientClosed)
        w.check()
        async with w.client() as again:
            assert (await again.batch(w.edits(12), save_to=w.out)).saved == 12
        w.check(posts=12, files=12)


async def test_closing_the_client_while_the_input_gives_nothing(world: Any) -> None:
    """An input that may never go on keeps nobody waiting."""
    async with world() as w:
        client = w.client()

        async def stuck() -> AsyncIterator[Edit]:
            yield w.edit(0)
            await asyncio.Event().wait()

        batch = client.batch(stuck(), save_to=w.out)
        async for change in batch:
            if change.status == Status.saved:
                await client.close()
        assert isinstance((await batch).stopped, ClientClosed)
        w.check(posts=1, files=1)


async def test_closing_under_an_endless_input(world: Any) -> None:
    """Nothing more is taken."""
    async with world() as w:
        client = w.client()

        def endless() -> Iterator[Edit]:
            number = 0
            while True:
                number += 1
                yield w.edit(number)

        batch = client.batch(endless(), save_to=w.out)
        async for change in batch:
            if change.status == Status.saved:
                break
        await client.close()
        posted = len(w.sandbox.submissions)
        await asyncio.sleep(0.1)
        w.check(posts=posted)


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.7])
async def test_cancelled_batch_goes_on_when_it_is_awaited_again(world: Any, moment: float) -> None:
    """No edit that was taken from the input is forgotten, and none is paid twice."""
    async with world(task_seconds=3.0) as w, w.client() as client:
        batch = client.batch(iter(w.edits(25)), save_to=w.out)

        async def wait() -> Any:
            return await batch

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(moment)
        await cancel(waiting)
        posted = len(w.sandbox.submissions)
        await asyncio.sleep(0.05)
        assert len(w.sandbox.submissions) == posted, "paid after the cancellation"
        summary = await batch
        assert summary.counts == {Status.saved: 25}
        w.check(posts=25, files=25)


async def test_cancelled_batch_keeps_what_an_async_iterator_gave(world: Any) -> None:
    """One that survives a cancellation, unlike a generator, goes on where it was."""

    class Rows:
        """Gives an edit now and then."""

        def __init__(self, edits: list[Edit]) -> None:
            self.edits = edits

        def __aiter__(self) -> Rows:
            return self

        async def __anext__(self) -> Edit:
            if not self.edits:
                raise StopAsyncIteration
            await asyncio.sleep(0.01)
            return self.edits.pop(0)

    async with world() as w, w.client() as client:
        batch = client.batch(Rows(w.edits(15)), save_to=w.out)
        for _ in range(6):

            async def wait() -> Any:
                return await batch

            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.03)
            await cancel(waiting)
        assert (await batch).counts == {Status.saved: 15}
        w.check(posts=15, files=15)


@pytest.mark.parametrize("after", [1, 5, 20, 60])
async def test_batch_broken_off_pays_nothing_more_until_it_is_watched_again(world: Any, after: int) -> None:
    """Accepted tasks are followed meanwhile."""
    async with world(task_seconds=2.0) as w, w.client() as client:
        batch = client.batch(w.edits(20), save_to=w.out)
        changes, seen = aiter(batch), 0
        async for _ in changes:
            seen += 1
            if seen >= after:
                break
        await changes.aclose()
        await asyncio.sleep(0.05)  # what was just leaving has left
        posted = len(w.sandbox.submissions)
        await asyncio.sleep(0.3)
        assert len(w.sandbox.submissions) == posted
        rest = [change async for change in batch]
        assert rest
        assert (await batch).counts == {Status.saved: 20}
        w.check(posts=20, files=20)


async def test_cancelled_close_goes_on_and_the_next_one_waits_for_its_end(world: Any) -> None:
    """However far it came: afterwards another client can open the journal."""
    async with world() as w:
        for turns in range(0, 40, 3):
            client = w.client()
            await client.edit(w.edit(turns), save_to=w.folder / f"{turns}.mp4")
            closing = asyncio.create_task(client.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            await cancel(closing)
            await client.close()
        w.check(posts=14, files=14)


async def test_work_cancelled_with_its_loop_is_begun_again() -> None:
    """A closing that the end of the loop has cut off must not make every later one fail."""
    times, begun, hold = list[int](), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        times.append(1)
        begun.set()
        await hold.wait()

    once = Once(work)
    first = asyncio.create_task(once.done())
    await begun.wait()
    (inner,) = asyncio.all_tasks() - {first, asyncio.current_task()}
    inner.cancel()
    await asyncio.wait([first])
    hold.set()
    await once.done()
    await once.done()
    assert len(times) == 2


async def test_broken_off_and_watched_again_at_once(world: Any) -> None:
    """A loop that is left closes its reader some turns of the event loop later: the next one waits for that."""
    async with world() as w, w.client() as client:
        runs: list[Any] = [
            client.edit(w.edit(), save_to=w.folder / "a.mp4"),
            client.batch(w.edits(3, "more"), save_to=w.out),
        ]
        for run in runs:
            for _ in range(3):
                async for _change in run:
                    break
            last = [change.status async for change in run]
            assert last[-1] == Status.saved
            await run
        w.check(posts=4, files=4)
