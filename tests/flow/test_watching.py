"""What a look may say of a task, and what it may not: bulk looks that leave tasks out, gateways that answer instead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web

from omniedit import Status, TaskFailed
from omniedit.errors import AccessDenied, AuthenticationFailed

UNENDING = {"fault": "unknown_status", "status": "reviewing"}
Bulk = Callable[[list[Any]], web.Response]


@asynccontextmanager
async def gateway(upstream: str, bulk: Bulk) -> AsyncIterator[str]:
    """What stands in front of a service: passes everything on, and makes its own of what a bulk look brings."""
    async with ClientSession(auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.Response:
            body, headers = await request.read(), {**request.headers}
            async with session.request(request.method, upstream + request.path_qs, data=body, headers=headers) as reply:
                answer = await reply.read()
            if request.path.endswith("/batch") and reply.status == 200:
                return bulk(json.loads(answer)["data"])
            return web.Response(status=reply.status, body=answer, content_type=reply.content_type)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def refusing(status: int) -> Bulk:
    """A bulk call that is refused."""
    return lambda _: web.json_response({"error": {"code": "invalid_task_id", "message": "one of them"}}, status=status)


@pytest.mark.parametrize(
    "bulk",
    [
        pytest.param(lambda _: web.json_response({"data": []}), id="names none"),
        pytest.param(lambda tasks: web.json_response({"data": tasks[:5]}), id="names five"),
        pytest.param(refusing(400), id="one odd id"),
        pytest.param(refusing(403), id="not for this key"),
    ],
)
async def test_bulk_look_that_names_too_few_ends_nothing(world: Any, bulk: Bulk) -> None:
    """Each task is looked at alone, and from then on all are."""
    async with world([UNENDING]) as w, gateway(w.sandbox.base_url, bulk) as url:
        before = await accepted(w, url, 30)
        async with w.client(base_url=url) as client:
            batch = client.batch(w.edits(30), save_to=w.out)
            watching = asyncio.create_task(w.watch(batch))
            while w.lines("/v1/tasks/batch", "POST") == before:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.01)
            end_all(w)
            await watching
            assert (await batch).counts == {Status.saved: 30}
        assert w.lines("/v1/tasks/batch", "POST") == before + 1
        w.check(posts=30, files=30)


@pytest.mark.parametrize("status", [500, 501])
async def test_bulk_call_that_is_out_of_order_hides_no_task(world: Any, status: int) -> None:
    """It may fail for ever: once single looks have shown three times that the service works, all are single."""
    async with world([UNENDING]) as w, gateway(w.sandbox.base_url, refusing(status)) as url:
        before = await accepted(w, url, 30)
        end_all(w)
        async with asyncio.timeout(30), w.client(base_url=url, clock=hurried(w)) as client:
            assert (await client.batch(w.edits(30), save_to=w.out)).counts == {Status.saved: 30}
        assert 1 <= w.lines("/v1/tasks/batch", "POST") - before <= 12
        w.check(posts=30, files=30)


async def test_a_task_that_bulk_looks_leave_out_is_looked_at_alone(world: Any) -> None:
    """The others are still read together."""
    without: set[str] = set()

    def most(tasks: list[Any]) -> web.Response:
        without.update(task["id"] for task in tasks[: not without])
        return web.json_response({"data": [task for task in tasks if task["id"] not in without]})

    async with world([UNENDING]) as w, gateway(w.sandbox.base_url, most) as url:
        before = await accepted(w, url, 30)
        async with w.client(base_url=url) as client:
            batch = client.batch(w.edits(30), save_to=w.out)
            watching = asyncio.create_task(w.watch(batch))
            while w.lines("/v1/tasks/batch", "POST") < before + 2:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.01)
            end_all(w)
            await watching
            assert (await batch).counts == {Status.saved: 30}
        assert w.lines(f"/v1/tasks/{without.pop()}") >= 1
        assert not without


async def accepted(w: Any, url: str, count: int) -> int:
    """A first run, left when all its edits are accepted: the next has all their tasks to look at, at once.

    How many bulk looks there were.
    """
    async with w.client(base_url=url) as client:
        async for _ in client.batch(w.edits(count), save_to=w.out):
            if len(w.sandbox.accepted) == count:
                break
    return int(w.lines("/v1/tasks/batch", "POST"))


def end_all(w: Any) -> None:
    """Let the tasks come to their ends."""
    for task in w.sandbox.accepted:
        task.faults.status = None


def hurried(w: Any) -> Any:
    """A clock on which minutes of waiting pass in a moment."""
    return type(w.clock)(400.0)


@pytest.mark.parametrize(("status", "body"), [(404, "html"), (404, "empty"), (408, "html"), (400, "html")])
async def test_gateway_that_answers_instead_of_the_service_loses_nothing(world: Any, status: int, body: str) -> None:
    """Two minutes of it, to more looks than a task may be unknown for."""
    gone = {"fault": "status", "status": status, "body": body, "on": ["task", "bulk"], "first": 8}
    async with world([gone]) as w, w.client(clock=hurried(w)) as client:
        assert (await client.batch(w.edits(1), save_to=w.out)).counts == {Status.saved: 1}
        w.check(posts=1, files=1)


async def test_task_that_is_not_known_yet_is_waited_for(world: Any) -> None:
    """A few looks that find nothing are no proof, nor are many with bad weather in between."""
    faults = [{"fault": "vanish"}, {"fault": "status", "status": 500, "on": "task", "nth": [4, 8]}]
    async with world(faults) as w, w.client(clock=hurried(w)) as client:
        async for change in client.edit(w.edit(), save_to=w.out / "a.mp4"):
            if change.status == Status.pending:
                while w.lines("/v1/tasks/") < 10:  # noqa: ASYNC110 - the service tells nobody
                    await asyncio.sleep(0.01)
                w.sandbox.accepted[0].faults.vanish_after = None
        w.check(posts=1, files=1)


async def test_task_that_the_service_knows_again_is_found_by_the_next_run(world: Any) -> None:
    """It was paid for: it is looked for, never ordered again."""
    async with world([{"fault": "vanish"}]) as w:
        async with w.client(clock=hurried(w)) as client:
            summary = await client.batch(w.edits(1), save_to=w.out)
        assert summary.counts == {Status.failed: 1}
        w.sandbox.accepted[0].faults.vanish_after = None
        async with w.client() as client:
            batch = client.batch(w.edits(1), save_to=w.out)
            changes = await w.watch(batch)
        assert changes[-1].status == Status.saved
        w.check(posts=1, files=1)


async def test_task_that_is_still_unknown_after_its_time_is_looked_at_once(world: Any) -> None:
    """A later run does not wait for it again, and it ends as it did before."""
    async with world([{"fault": "vanish"}]) as w:
        for hours, looks in ((0, 6), (9, 7)):
            clock = hurried(w)
            clock.shift = timedelta(hours=hours)
            async with w.client(clock=clock) as client:
                (failure,) = (await client.batch(w.edits(1), save_to=w.out)).failures
            assert (type(failure.error), failure.status) == (TaskFailed, Status.failed)
            assert w.lines("/v1/tasks/") == looks
        w.check(posts=1, files=0)


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationFailed), (403, AccessDenied)])
async def test_watch_that_the_service_refuses_ends_at_once(world: Any, status: int, kind: type[Exception]) -> None:
    """Its own word is final; the task is known to the caller, and goes on."""
    async with world([{"fault": "status", "status": status, "on": ["task"]}]) as w, w.client() as client:
        task = await client.submit(w.edit())
        with pytest.raises(kind):
            [change async for change in client.watch(task.id)]
        assert w.lines("/v1/tasks/") == 1


async def test_watch_outlasts_a_gateway_that_forbids_for_a_while(world: Any) -> None:
    """A 403 without a code of the service's own is weather, as it is for a 404."""
    faults = [{"fault": "status", "status": 403, "body": "html", "on": ["task"], "first": 2}]
    async with asyncio.timeout(30), world(faults) as w, w.client() as client:
        task = await client.submit(w.edit())
        changes = [change async for change in client.watch(task.id)]
        assert changes[-1].status == Status.completed


async def test_batch_does_not_lose_a_paid_task_whose_look_is_forbidden(world: Any) -> None:
    """Whoever paid keeps looking: access that is given again finds the result."""
    faults = [{"fault": "status", "status": 403, "on": ["task", "bulk"], "first": 3}]
    async with asyncio.timeout(30), world(faults) as w, w.client() as client:
        assert (await client.batch(w.edits(1), save_to=w.out)).counts == {Status.saved: 1}
        w.check(posts=1, files=1)
