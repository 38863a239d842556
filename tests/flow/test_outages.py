"""Bad weather that is no mystery: refusals, storms, tasks that vanish or never end, dead links, jumping clocks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from omniedit import (
    AccessDenied,
    AuthenticationFailed,
    Client,
    LinkExpired,
    QuotaExhausted,
    RateLimited,
    Status,
    TaskFailed,
    TaskOverdue,
    TransportFailed,
)
from omniedit.testing import Limit

REFUSALS = [
    ("sk-sandbox-unauthorized", AuthenticationFailed),
    ("sk-sandbox-broke", QuotaExhausted),
    ("sk-sandbox-denied", AccessDenied),
]


@pytest.mark.parametrize(("key", "kind"), REFUSALS)
async def test_service_that_refuses_everything_stops_the_batch_at_once(world: Any, key: str, kind: type) -> None:
    """A handful of requests, not one for each edit; the same command with a good key finishes."""
    async with world() as w:
        async with w.client(api_key=key) as client:
            summary = await client.batch(w.edits(60), save_to=w.out)
            with pytest.raises(kind):
                await client.edit(w.edit(99), save_to=w.out / "99.mp4")
        assert isinstance(summary.stopped, kind)
        assert w.lines("/v1/videos/generations", "POST") <= 26
        assert not w.sandbox.accepted
        async with w.client() as client:
            assert (await client.batch(w.edits(60), save_to=w.out)).saved == 60
        w.check(files=60)


@pytest.mark.parametrize(("status", "kind"), [(402, QuotaExhausted), (403, AccessDenied)])
async def test_refusal_in_the_middle_lets_accepted_tasks_finish(world: Any, status: int, kind: type) -> None:
    """Submission is paused for all; what is paid comes home; resumable."""
    faults = [{"fault": "status", "status": status, "nth": list(range(8, 200))}]
    async with world(faults, task_seconds=6.0) as w:
        async with w.client() as client:
            batch = client.batch(w.edits(30), save_to=w.out)
            await w.watch(batch)
            summary = await batch
        assert isinstance(summary.stopped, kind)
        assert summary.saved == len(w.sandbox.accepted) == 7
        w.sandbox.faults.clear()
        async with w.client() as client:
            assert (await client.batch(w.edits(30), save_to=w.out)).saved == 30
        w.check(posts=30, files=30)


async def test_revoked_key_in_the_middle_is_resumable(world: Any) -> None:
    """401 on looks and submits alike: everything stops, nothing paid is forgotten."""
    revoked = {"fault": "status", "status": 401, "on": ["submit", "task", "bulk"]}
    async with world(task_seconds=6.0) as w:
        async with w.client() as client:
            batch, valid = client.batch(w.edits(30), save_to=w.out), True
            async for change in batch:
                if valid and change.status == Status.pending and len(w.sandbox.accepted) >= 8:
                    w.sandbox.faults.add(revoked)
                    valid = False
            summary = await batch
        assert isinstance(summary.stopped, AuthenticationFailed)
        w.sandbox.faults.clear()
        async with w.client() as client:
            assert (await client.batch(w.edits(30), save_to=w.out)).saved == 30
        w.check(posts=30, files=30)


@pytest.mark.parametrize("retry_after", ["seconds", "date", "none"])
@pytest.mark.parametrize("kind", ["token_bucket", "fixed_window", "live_tasks", "concurrent"])
async def test_limits_that_nobody_told_are_lived_with(world: Any, retry_after: str, kind: Any) -> None:
    """429 on submits and looks is never an end of anything."""
    amount = 5 if kind in {"token_bucket", "fixed_window"} else 1
    limits = (Limit(kind=kind, amount=amount, per=20.0, burst=3, lanes=("submit", "poll")),)
    # Requests meet only where answers take their time.
    slow = {"fault": "slow", "seconds": 0.1, "on": ["submit", "task", "bulk"]}
    faults = [slow] if kind == "concurrent" else []
    async with world(faults, limits=limits, retry_after=retry_after) as w, w.client() as client:
        batch = client.batch(w.edits(8), save_to=w.out)
        await w.watch(batch)
        assert (await batch).counts == {Status.saved: 8}
        w.check(files=8)
        assert len(w.sandbox.accepted) == 8
        assert any(request.status == 429 for request in w.sandbox.requests)


async def test_storm_of_429_on_looks_kills_no_paid_task(world: Any) -> None:
    """Six refusals in a row, then the answer."""
    storm = {"fault": "status", "status": 429, "on": ["task", "bulk"], "first": 6}
    async with world([storm]) as w, w.client() as client:
        assert (await client.batch(w.edits(3), save_to=w.out)).counts == {Status.saved: 3}
        w.check(posts=3, files=3)


async def test_service_that_is_always_full_ends_with_rate_limited(world: Any) -> None:
    """Bounded: after two minutes of nothing but refusals the batch stops, resumable."""
    async with world() as w, w.client(api_key="sk-sandbox-throttled") as client:
        summary = await client.batch(w.edits(3), save_to=w.out)
        assert isinstance(summary.stopped, RateLimited)
        assert summary.counts == {Status.queued: 3}
        assert not w.sandbox.accepted


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "status", "status": 500},
        {"fault": "status", "status": 502, "body": "html"},
        {"fault": "status", "status": 503, "retry_after": 1},
        {"fault": "status", "status": 404},
        {"fault": "html"},
        {"fault": "cut_json"},
        {"fault": "wrong_length"},
        {"fault": "reset_before"},
        {"fault": "lost_reply"},
        {"fault": "hang"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
async def test_looks_that_show_nothing_are_repeated(world: Any, fault: dict[str, Any]) -> None:
    """Looks cost nothing: the first three of every kind are lost, the tasks are not."""
    async with world([fault | {"on": ["task", "bulk"], "first": 3}]) as w, w.client() as client:
        batch = client.batch(w.edits(3), save_to=w.out)
        await w.watch(batch)
        assert (await batch).counts == {Status.saved: 3}
        w.check(posts=3, files=3)


async def test_bulk_look_that_cannot_be_read_does_not_hide_the_others(world: Any) -> None:
    """From then on each task is looked at alone."""
    async with world([{"fault": "cut_json", "on": "bulk"}]) as w, w.client() as client:
        assert (await client.batch(w.edits(30), save_to=w.out)).counts == {Status.saved: 30}
        assert w.lines("/v1/tasks/batch", "POST") <= 2
        w.check(posts=30, files=30)


@pytest.mark.parametrize("bulk", ["404", "405"])
async def test_service_without_bulk_look_is_asked_once(world: Any, bulk: str) -> None:
    """An older deployment has no such call."""
    async with world(bulk=bulk) as w, w.client() as client:
        assert (await client.batch(w.edits(30), save_to=w.out)).saved == 30
        assert w.lines("/v1/tasks/batch", "POST") <= 2


async def test_connection_that_comes_and_goes_pays_once(world: Any, tmp_path: Any) -> None:
    """Nobody listens for a while: nothing left, so it is tried again, with the same key."""
    async with world() as w:
        port = int(w.sandbox.base_url.rsplit(":", 1)[1])
        await w.sandbox.__aexit__(None, None, None)
        async with Client("sk-x", base_url=f"http://127.0.0.1:{port}", preflight=False, clock=w.clock) as client:
            summary = await client.batch(w.edits(3), save_to=w.out)
            assert isinstance(summary.stopped, TransportFailed)
            assert summary.stopped.sent is False
            assert summary.counts == {Status.queued: 3}
            with pytest.raises(TransportFailed):
                await client.edit(w.edit(9), save_to=w.out / "9.mp4")
        await w.sandbox.__aenter__()


async def test_task_that_vanished_fails_and_is_not_ordered_again(world: Any) -> None:
    """404, again and again: it may have been billed, so nobody pays for it a second time."""
    async with world([{"fault": "vanish"}]) as w:
        for retry in (False, True):
            async with w.client() as client:
                summary = await client.batch(w.edits(1), save_to=w.out, retry_failed=retry)
            assert summary.counts == {Status.failed: 1}
            (failure,) = summary.failures
            assert isinstance(failure.error, TaskFailed)
            assert (failure.error.code, failure.task_id) == ("task_not_found", w.sandbox.accepted[0].id)
        w.check(posts=1, files=0)


@pytest.mark.parametrize("word", ["reviewing", "queued", "expired", "saved", "uncertain", "downloading"])
async def test_statuses_never_seen_before_are_shown_and_watched(world: Any, word: str) -> None:
    """They end nothing; words of our own are not taken for ours."""
    faults = [{"fault": "unknown_status", "status": word}]
    async with world(faults) as w, w.client() as client:
        run = client.edit(w.edit(), save_to=w.out / "a.mp4")
        watching = asyncio.create_task(w.watch(run))
        while not any(task.reads >= 3 for task in w.sandbox.accepted):  # noqa: ASYNC110 - the service tells nobody
            await asyncio.sleep(0.01)
        w.sandbox.accepted[0].faults.status = None
        changes = await watching
        shown = {str(change.status) for change in changes}
        assert changes[-1].status == Status.saved
        assert ("reviewing" in shown) is (word == "reviewing")
        w.check(posts=1, files=1)


@pytest.mark.parametrize("fault", [{"fault": "never_ends"}, {"fault": "unknown_status"}])
async def test_task_that_never_ends_is_overdue_with_its_id_and_resumable(world: Any, fault: dict[str, Any]) -> None:
    """No wait without a deadline; whoever comes later finds it."""
    async with world([fault | {"limit": 1}], task_seconds=300.0, estimate_factor=0.01) as w:
        async with w.client(task_timeout=25.0) as client:
            with pytest.raises(TaskOverdue) as caught:
                await client.edit(w.edit(), save_to=w.out / "a.mp4")
            assert caught.value.task_id == w.sandbox.accepted[0].id
            batch = client.batch(w.edits(1, "other"), save_to=w.out / "b")
            w.sandbox.faults.clear()
            summary = await batch
            assert {type(change.error) for change in summary.failures} == {TaskOverdue}
        w.check(files=0)
        assert len(w.sandbox.accepted) == 2


async def test_dead_link_is_asked_for_again(world: Any) -> None:
    """By its task; what the service names then is tried."""
    async with world([{"fault": "dead_link", "first": 1}], link_renewal=True) as w, w.client() as client:
        changes = await w.watch(client.edit(w.edit(), save_to=w.out / "a.mp4"))
        assert changes[-1].status == Status.saved
        w.check(posts=1, files=1)


async def test_link_that_is_not_known_everywhere_yet_is_tried_again(world: Any) -> None:
    """A young link that leads nowhere, three times over: the service names no other, and needs not."""
    async with world([{"fault": "dead_link", "status": 404, "first": 3}]) as w, w.client() as client:
        await client.edit(w.edit(), save_to=w.out / "a.mp4")
        w.check(posts=1, files=1)


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_dead_links_are_given_up_after_three_renewals_and_tried_again_later(world: Any, status: int) -> None:
    """`expired`: paid for, and never ordered again; the next run looks once more."""
    async with world([{"fault": "dead_link", "status": status}]) as w:
        for _ in range(2):
            async with w.client() as client:
                with pytest.raises(LinkExpired) as caught:
                    await client.edit(w.edit(), save_to=w.out / "a.mp4")
            assert caught.value.task_id == w.sandbox.accepted[0].id
        fetched = sum(request.path.startswith("/results/") for request in w.sandbox.requests)
        assert 2 <= fetched <= 8
        w.sandbox.faults.clear()
        async with w.client() as client:
            await client.edit(w.edit(), save_to=w.out / "a.mp4")
        w.check(posts=1, files=1)


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "cut_download", "first": 2},
        {"fault": "reset_before", "on": "media", "first": 2},
        {"fault": "html", "on": "media", "first": 1},
        {"fault": "status", "status": 500, "on": "media", "first": 2},
        {"fault": "wrong_length", "on": "media", "first": 1},
    ],
    ids=lambda fault: str(fault["fault"]),
)
async def test_broken_downloads_never_order_again(world: Any, fault: dict[str, Any]) -> None:
    """They are tried again where they stopped, in this run or the next."""
    async with world([fault]) as w:
        summary = None
        for _ in range(2):
            async with w.client() as client:
                summary = await client.batch(w.edits(2), save_to=w.out)
        assert summary is not None
        assert summary.counts == {Status.saved: 2}
        w.check(posts=2, files=2)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_wall_clock_that_jumps_changes_nothing(world: Any, hours: int) -> None:
    """While edits run, and between two runs."""
    async with world(task_seconds=8.0) as w:
        async with w.client() as client:
            batch = client.batch(w.edits(6), save_to=w.out)
            seen = 0
            async for change in batch:
                seen += 1
                if change.status == Status.pending and not w.clock.shift:
                    w.clock.shift = timedelta(hours=hours)
                if seen > 12:
                    break
        w.clock.shift -= timedelta(hours=hours)
        async with w.client() as client:
            assert (await client.batch(w.edits(6), save_to=w.out)).saved == 6
        w.check(posts=6, files=6)


async def test_everything_at_once(world: Any) -> None:
    """Lost replies, storms, outages, odd answers, failures: accepted once each, and all accounted for."""
    faults = {
        "seed": 11,
        "faults": [
            {"fault": "lost_reply", "probability": 0.08},
            {"fault": "status", "status": 429, "retry_after": 0, "probability": 0.05},
            {"fault": "status", "status": 503, "retry_after": 0, "probability": 0.05},
            {"fault": "status", "status": 500, "accept": True, "probability": 0.05},
            {"fault": "reset_before", "probability": 0.05},
            {"fault": "status", "status": 502, "body": "html", "on": ["task", "bulk"], "probability": 0.2},
            {"fault": "cut_download", "probability": 0.1},
            {"fault": "fail", "code": "service_error", "probability": 0.1},
        ],
    }
    async with world(faults) as w:
        async with w.client() as client:
            batch = client.batch(w.edits(30), save_to=w.out)
            await w.watch(batch)
            first = await batch
        assert first.total == 30
        assert first.stopped is None
        w.check()
        w.sandbox.faults.clear()
        async with w.client() as client:
            second = await client.batch(w.edits(30), save_to=w.out, on_uncertain="replay")
        assert second.counts.get(Status.uncertain, 0) == 0
        assert second.saved == 30 - second.counts.get(Status.failed, 0)
        assert len({task.prompt for task in w.sandbox.accepted}) == 30
        w.check(files=second.saved)


async def test_every_wait_of_a_batch_ends_with_its_client(world: Any) -> None:
    """A service that answers nothing keeps nobody longer than the grace."""
    async with world([{"fault": "hang", "on": "any"}]) as w:
        client = w.client(grace=0.2)
        batch = client.batch(w.edits(5), save_to=w.out)

        async def wait() -> Any:
            return await batch

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.2)
        async with asyncio.timeout(3.0):
            await client.close()
            await asyncio.wait([waiting])
        w.check(files=0)
