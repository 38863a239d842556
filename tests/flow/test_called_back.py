"""A call settles a lost paid request: what it names is looked at first, and a lie settles nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from omniedit import Client, Edit, MemoryJournal, SqliteJournal, Status, SubmissionUncertain
from omniedit.errors import JournalError
from omniedit.flow.receiver import Receiver, Spool, spool_beside
from omniedit.journal.sqlite import SqliteReader
from omniedit.models import Outcome

LOST: dict[str, Any] = {"fault": "lost_reply", "nth": [1]}
NO_CALL: dict[str, Any] = {"fault": "callback_lost"}


class Hurried:
    """A world's clock in which ten minutes pass in a moment; nothing else is so fast."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        """Seconds."""
        return float(self._clock.monotonic() * 50.0)

    def utcnow(self) -> Any:
        """The wall clock."""
        return self._clock.utcnow()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds / 50.0)


async def begun(world: Any) -> None:
    """Make the journal's file, so that a reader finds one from the start."""
    journal = SqliteJournal(world.journal)
    await journal.open(world.sandbox.base_url)
    await journal.close()


@asynccontextmanager
async def called(world: Any, port: int = 0, **options: Any) -> AsyncIterator[tuple[Client, str]]:
    """A client whose receiver runs beside it, and the receiver's address."""
    await begun(world)
    clients: list[Client] = []
    receiver = Receiver(lambda *call: clients[0].hint(*call))  # noqa: PLW0108 - the client needs the address first
    async with receiver.served("127.0.0.1", port) as address, world.client(callback_base=address, **options) as client:
        clients.append(client)
        yield client, address


async def call(address: str, nonce: str, task_id: str) -> int:
    """What anybody could send."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/{nonce}", json={"id": task_id, "status": "completed"}) as reply,
    ):
        return reply.status


async def until(world: Any, status: Status) -> None:
    """Wait until the journal has an edit at this status."""
    reader = SqliteReader(world.journal)
    async with asyncio.timeout(20):
        while (entry := await reader.entry(world.edit().key)) is None or entry.status != status:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await reader.close()


async def attempt_of(world: Any, edit: Edit) -> Any:
    """The one request that was made for an edit, as the journal has it."""
    reader = SqliteReader(world.journal)
    (attempt,) = await reader.attempts(edit.key)
    await reader.close()
    return attempt


@pytest.mark.parametrize(
    "fault",
    [
        LOST,
        {"fault": "status", "status": 502, "accept": True, "body": "html", "nth": [1]},
        {"fault": "cut_json", "nth": [1]},
        {"fault": "hang", "accept": True, "nth": [1]},
    ],
    ids=lambda fault: fault["fault"],
)
async def test_a_call_settles_a_lost_request(world: Any, fault: dict[str, Any]) -> None:
    """One POST, one task, one file; the call for a request that hangs comes before its answer is given up."""
    async with world([fault]) as w, called(w) as (client, _):
        run = client.edit(w.edit(), save_to=w.out / "a.mp4")
        changes = await w.watch(run)
        saved = await run
        statuses = [str(change.status) for change in changes if change.status != change.previous]
        assert statuses[:4] == ["queued", "submitting", "uncertain", "pending"]
        assert saved.task_id == w.sandbox.accepted[0].id
        attempt = await attempt_of(w, w.edit())
        assert (attempt.outcome, attempt.task_id) == (Outcome.accepted, saved.task_id)
        w.check(posts=1, files=1)


async def test_duplicate_calls_settle_once(world: Any) -> None:
    """The service repeats itself; so does everybody else."""
    duplicates = {"fault": "callback_duplicate", "copies": 4}
    async with world([LOST, duplicates]) as w, called(w) as (client, _):
        summary = await client.batch(w.edits(4), save_to=w.out)
        assert summary.counts == {Status.saved: 4}
        w.check(posts=4, files=4)


async def test_every_lost_request_gets_its_own_task(world: Any) -> None:
    """Many at once, in one window, which a listing could never tell apart."""
    async with world([{"fault": "lost_reply", "every": 2}]) as w, called(w) as (client, _):
        summary = await client.batch(w.edits(12), save_to=w.out)
        assert summary.counts == {Status.saved: 12}
        tasks = {task.prompt: task.id for task in w.sandbox.accepted}
        for edit in w.edits(12):
            assert (await attempt_of(w, edit)).task_id == tasks[edit.prompt]
        w.check(posts=12, files=12)


async def test_lies_settle_nothing_and_the_truth_still_does(world: Any) -> None:
    """A forged nonce, an unknown task, and the task of another edit under the right nonce; then the true call."""
    async with world([LOST | {"prompt": "wish 0."}, NO_CALL]) as w, called(w) as (client, address):
        other = await client.edit(w.edit(1), save_to=w.out / "b.mp4")
        waiting = asyncio.ensure_future(client.edit(w.edit(0), save_to=w.out / "a.mp4"))
        await until(w, Status.uncertain)
        nonce = (await attempt_of(w, w.edit(0))).nonce
        (mine,) = [task.id for task in w.sandbox.accepted if task.prompt == w.edit(0).prompt]
        looks = w.lines("/v1/tasks/")
        assert await call(address, "f" * 32, mine) == 204
        assert await call(address, nonce, "task-unified-1757165031-unknown0") == 204
        assert await call(address, nonce, other.task_id) == 204
        async with asyncio.timeout(20):
            while w.lines("/v1/tasks/") < looks + 2:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.01)
        await until(w, Status.uncertain)
        assert (await attempt_of(w, w.edit(0))).outcome is Outcome.unknown
        assert await call(address, nonce, mine) == 204
        saved = await waiting
        assert saved.task_id == mine
        w.check(posts=2, files=2)


async def test_a_task_of_another_model_is_not_taken(world: Any) -> None:
    """Of what can be compared, everything must fit."""
    async with world([LOST, NO_CALL]) as w:
        async with called(w) as (client, address):
            waiting = asyncio.ensure_future(client.edit(w.edit(0), save_to=w.out / "a.mp4"))
            await until(w, Status.uncertain)
            async with w.client(journal=None) as stranger:
                other = await stranger.submit(w.edit(9, model="gemini-omni-1.1-flash-video-edit"))
            await call(address, (await attempt_of(w, w.edit(0))).nonce, other.id)
            async with asyncio.timeout(20):
                while not w.lines("/v1/tasks/"):  # noqa: ASYNC110 - the service tells nobody
                    await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert (await attempt_of(w, w.edit(0))).outcome is Outcome.unknown
        w.check(files=0)


async def test_a_task_that_cannot_be_seen_at_once_is_tried_again(world: Any) -> None:
    """The look that confirms meets bad weather."""
    weather = [
        {"fault": "status", "status": 500, "on": ["task"], "nth": [1]},
        {"fault": "status", "status": 429, "retry_after": 0, "on": ["task"], "nth": [2]},
        {"fault": "cut_json", "on": ["task"], "nth": [3]},
    ]
    async with world([LOST, *weather]) as w, called(w) as (client, _):
        summary = await client.batch(w.edits(1), save_to=w.out)
        assert summary.counts == {Status.saved: 1}
        w.check(posts=1, files=1)


async def test_no_call_means_uncertain_in_the_end(world: Any) -> None:
    """A call is waited for some minutes, and the edit is held afterwards; a call that comes then changes nothing."""
    async with world([LOST, NO_CALL]) as w, called(w, clock=Hurried(w.clock)) as (client, address):
        with pytest.raises(SubmissionUncertain):
            await client.edit(w.edit(), save_to=w.out / "a.mp4")
        nonce = (await attempt_of(w, w.edit())).nonce
        looks = w.lines("/v1/tasks/")
        assert await call(address, nonce, w.sandbox.accepted[0].id) == 204
        assert w.lines("/v1/tasks/") == looks
        w.check(posts=1, files=0)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34])
async def test_cancelled_while_it_is_settled(world: Any, turns: int) -> None:
    """Anywhere between the call and the booking: the next run knows what is known, and nothing is paid again."""
    async with world([LOST, NO_CALL]) as w:
        async with called(w) as (client, address):
            waiting = asyncio.ensure_future(client.edit(w.edit(), save_to=w.out / "a.mp4"))
            await until(w, Status.uncertain)
            nonce, (task,) = (await attempt_of(w, w.edit())).nonce, w.sandbox.accepted
            client.hint(nonce, task.id)
            for _ in range(turns):
                await asyncio.sleep(0.001)
            waiting.cancel()
            await asyncio.wait([waiting])
        async with called(w, port=int(address.split(":")[2].partition("/")[0])) as (client, _):
            again = asyncio.ensure_future(client.edit(w.edit(), save_to=w.out / "a.mp4"))
            async with asyncio.timeout(20):
                while not again.done():  # a journal that knows the task needs no call
                    client.hint(nonce, task.id)
                    await asyncio.sleep(0.01)
            assert (await again).task_id == task.id
        w.check(posts=1, files=1)


async def test_a_call_that_came_while_nobody_ran_settles_the_next_run(world: Any) -> None:
    """The receiver process wrote it beside the journal."""
    async with world([LOST, {"fault": "callback_late", "seconds": 40.0}]) as w:
        await begun(w)
        reader = SqliteReader(w.journal)
        receiver = Receiver(Spool(spool_beside(w.journal), reader).write)
        async with receiver.served("127.0.0.1", 0) as address:
            async with w.client(callback_base=address) as client:
                async for change in client.batch(w.edits(1), save_to=w.out):
                    if change.status == Status.uncertain:
                        break
            async with asyncio.timeout(20):
                while not receiver.statistics.known:  # noqa: ASYNC110 - a receiver tells nobody but the workers
                    await asyncio.sleep(0.01)
            async with w.client(callback_base=address) as client:
                batch = client.batch(w.edits(1), save_to=w.out)
                changes = await w.watch(batch)
                assert changes[0].status == Status.uncertain
                assert (await batch).counts == {Status.saved: 1}
            async with w.client(callback_base=address) as client:
                assert (await client.batch(w.edits(1), save_to=w.out)).counts == {Status.saved: 1}
        await reader.close()
        w.check(posts=1, files=1)


async def test_without_callbacks_an_uncertain_edit_is_given_back_at_once(world: Any, tmp_path: Path) -> None:
    """Nobody waits for a call that was never asked for, nor for one of long ago."""
    journal = MemoryJournal()
    async with world([LOST]) as w:
        async with w.client(journal=journal) as client:
            assert (await client.batch(w.edits(1), save_to=w.out)).counts == {Status.uncertain: 1}
        async with called(w, journal=journal) as (client, _):
            assert (await client.batch(w.edits(1), save_to=tmp_path / "out")).counts == {Status.uncertain: 1}
        w.check(posts=1, files=0)


async def test_calls_that_cannot_be_read_leave_the_journal_free(world: Any) -> None:
    """What lies where they should be is named, and once it is gone the same client goes on."""
    async with world() as w:
        spool = spool_beside(w.journal)
        spool.mkdir()
        async with w.client(callback_base="https://calls.example.com") as client:
            for _ in range(2):
                with pytest.raises(JournalError, match=spool.name) as caught:
                    await client.edit(w.edit(), save_to=w.folder / "a.mp4")
                assert caught.value.mend
            spool.rmdir()
            await client.edit(w.edit(), save_to=w.folder / "a.mp4")
        w.check(posts=1, files=1)
