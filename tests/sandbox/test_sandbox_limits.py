"""Limits per key, in every form, and what a refusal says."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from omniedit.testing import Limit, Settings


def still(*limits: Limit, **changes: Any) -> Settings:
    """A sandbox whose time stands still."""
    return Settings(limits=limits, virtual_time=True, editing="canned", **changes)


async def statuses(caller: Any, number: int, **options: Any) -> list[int]:
    """That many submits, one after the other."""
    return [(await caller.submit(**options)).status for _ in range(number)]


async def test_a_token_bucket_refills_steadily(start: Any) -> None:
    """A burst at first, then one token every ten seconds."""
    async with start(still(Limit(kind="token_bucket", amount=6, per=60, burst=2))) as caller:
        first = await statuses(caller, 3)
        await caller.sandbox.advance(9)
        early = await statuses(caller, 1)
        await caller.sandbox.advance(1.1)
        later = await statuses(caller, 2)
    assert (first, early, later) == ([200, 200, 429], [429], [200, 429])


async def test_a_fixed_window_opens_on_the_minute(start: Any) -> None:
    """All at once, then nothing until the clock's next minute."""
    async with start(still(Limit(kind="fixed_window", amount=2, per=60))) as caller:
        now = caller.sandbox._server.time.now()  # noqa: SLF001 - where in the minute the sandbox stands
        await caller.sandbox.advance(60 - now % 60 + 30)
        first = await statuses(caller, 3)
        await caller.sandbox.advance(29)
        early = await statuses(caller, 1)
        await caller.sandbox.advance(1.1)
        later = await statuses(caller, 3)
    assert (first, early, later) == ([200, 200, 429], [429], [200, 200, 429])


async def test_a_sliding_window_looks_back(start: Any) -> None:
    """No sixty seconds hold more than two."""
    async with start(still(Limit(kind="sliding_window", amount=2, per=60))) as caller:
        first = await statuses(caller, 1)
        await caller.sandbox.advance(30)
        second = await statuses(caller, 2)
        await caller.sandbox.advance(30.1)
        third = await statuses(caller, 2)
    assert (first, second, third) == ([200], [200, 429], [200, 429])


async def test_a_cap_on_live_tasks_frees_room_with_each_end(start: Any) -> None:
    """Polls are not capped."""
    async with start(still(Limit(kind="live_tasks", amount=2), task_seconds=10, task_spread=0)) as caller:
        task_id = await caller.accepted()
        full = await statuses(caller, 2)
        poll = await caller.get(f"/v1/tasks/{task_id}")
        await caller.sandbox.advance(11)
        room = await statuses(caller, 3)
    assert (full, poll.status, room) == ([200, 429], 200, [200, 200, 429])


async def test_a_full_cap_can_show_as_failed_tasks(start: Any) -> None:
    """Accepted, and failed with quota_exceeded."""
    settings = still(Limit(kind="live_tasks", amount=1), cap_shows_as="failed_task")
    async with start(settings) as caller:
        first, second = await caller.accepted(), await caller.accepted()
        await caller.sandbox.advance(30)
        tasks = [await caller.task(task_id) for task_id in (first, second)]
    assert [task["status"] for task in tasks] == ["completed", "failed"]
    assert tasks[1]["error"]["code"] == "quota_exceeded"


async def test_a_cap_on_concurrent_requests(start: Any) -> None:
    """Counted while they are being answered: the uploads below hang, the third caller is refused."""
    settings = Settings(limits=(Limit(kind="concurrent", amount=2, lanes=("other",)),))
    async with start(settings) as caller:
        hold, release = asyncio.Event(), asyncio.Event()

        async def slow_body() -> Any:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
            hold.set()
            await release.wait()
            yield b"x\r\n--b--\r\n"

        async def upload() -> int:
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            path = "/api/v1/files/upload/stream"
            answer = await caller.call("POST", path, data=slow_body(), headers=headers)
            return int(answer.status)

        uploads = [asyncio.create_task(upload()) for _ in range(2)]
        await hold.wait()
        async with asyncio.timeout(10):
            while caller.sandbox.store.account("sk-test").open_requests < 2:  # noqa: ASYNC110 - the server's state
                await asyncio.sleep(0.01)
        refused = (await caller.get("/v1/credits")).status
        other = (await caller.get("/v1/credits", key="sk-other")).status
        release.set()
        done = await asyncio.gather(*uploads)
        after = (await caller.get("/v1/credits")).status
    assert (refused, other, done, after) == (429, 200, [200, 200], 200)


@pytest.mark.parametrize("point", ["submit", "task"])
async def test_a_cap_on_concurrent_requests_counts_answers_that_are_held_back(start: Any, point: str) -> None:
    """A request is open from the moment it is let in until its answer has left or its caller has gone."""
    settings = Settings(limits=(Limit(kind="concurrent", amount=1),), editing="canned")
    async with start(settings) as caller:
        task_id = await caller.accepted()
        account = caller.sandbox.store.account("sk-test")
        caller.sandbox.faults.add({"fault": "hang", "accept": True, "on": point, "first": 1})
        held = asyncio.create_task(caller.submit() if point == "submit" else caller.get(f"/v1/tasks/{task_id}"))
        async with asyncio.timeout(10):
            while account.open_requests < 1:  # noqa: ASYNC110 - the server's state
                await asyncio.sleep(0.01)
        refused = [(await caller.submit()).status, (await caller.get(f"/v1/tasks/{task_id}")).status]
        held.cancel()
        async with asyncio.timeout(10):
            while account.open_requests > 0:  # noqa: ASYNC110 - the server's state
                await asyncio.sleep(0.01)
        after = (await caller.submit()).status
    assert (refused, after) == ([429, 429], 200)


async def test_limits_change_on_a_schedule(start: Any) -> None:
    """From one a minute to three a minute after an hour."""
    limit = Limit(kind="sliding_window", amount=1, per=60, schedule=((3600, 3),))
    async with start(still(limit)) as caller:
        before = await statuses(caller, 2)
        await caller.sandbox.advance(3600)
        after = await statuses(caller, 4)
    assert (before, after) == ([200, 429], [200, 200, 200, 429])


async def test_submits_and_polls_share_a_limit_or_have_their_own(start: Any) -> None:
    """One limit with two lanes, or two limits with one lane each; credits belong to neither."""
    together = Limit(kind="sliding_window", amount=2)
    async with start(still(together)) as caller:
        task_id = await caller.accepted()
        shared = [(await caller.get(f"/v1/tasks/{task_id}")).status for _ in range(2)]
        free = (await caller.get("/v1/credits")).status
    apart = [Limit(kind="sliding_window", amount=2, lanes=(lane,)) for lane in ("submit", "poll")]
    async with start(still(*apart)) as caller:
        task_id = await caller.accepted()
        own = [(await caller.get(f"/v1/tasks/{task_id}")).status for _ in range(3)]
    assert (shared, free, own) == ([200, 429], 200, [200, 200, 429])


async def test_each_key_has_limits_of_its_own(start: Any) -> None:
    """And a refused request costs nothing."""
    async with start(still(Limit(kind="sliding_window", amount=1, per=60))) as caller:
        one = await statuses(caller, 3)
        two = await statuses(caller, 1, key="sk-other")
        await caller.sandbox.advance(60.1)
        again = await statuses(caller, 1)
    assert (one, two, again) == ([200, 429, 429], [200], [200])


@pytest.mark.parametrize("form", ["seconds", "date", "none"])
async def test_retry_after_takes_every_form(start: Any, form: Any) -> None:
    """Seconds, an HTTP date, or nothing; 429 on a submit and on a poll have types of their own."""
    limit = Limit(kind="sliding_window", amount=1, per=20)
    async with start(still(limit, retry_after=form)) as caller:
        task_id = await caller.accepted()
        submit, poll = await caller.submit(), await caller.get(f"/v1/tasks/{task_id}")
    assert [answer.json["error"]["code"] for answer in (submit, poll)] == ["rate_limit_exceeded"] * 2
    assert [answer.json["error"]["type"] for answer in (submit, poll)] == ["rate_limit_error", "evo_api_error"]
    value = submit.headers.get("Retry-After")
    if form == "seconds":
        assert value == "20"
    elif form == "date":
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(submit.headers["Date"])
        assert 19 <= wait.total_seconds() <= 21
    else:
        assert value is None


async def test_retry_after_speaks_of_the_clients_seconds(start: Any) -> None:
    """In scaled time a minute of the sandbox is a second of the client."""
    limit = Limit(kind="sliding_window", amount=1, per=600)
    async with start(Settings(limits=(limit,), time_scale=60, editing="canned")) as caller:
        await caller.accepted()
        refused = await caller.submit()
    assert 9 <= int(refused.headers["Retry-After"]) <= 10


@pytest.mark.parametrize("family", ["RateLimit", "X-RateLimit"])
async def test_rate_headers_on_order(start: Any, family: Any) -> None:
    """The tightest limit's size, what is left after this request, and when it is whole again."""
    limits = Limit(kind="sliding_window", amount=3, per=60), Limit(kind="live_tasks", amount=10)
    async with start(still(*limits, rate_headers=family)) as caller:
        answers = [await caller.submit() for _ in range(4)]
    assert [answer.headers[f"{family}-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[-1].status == 429
    assert answers[-1].headers[f"{family}-Limit"] == "3"
    assert int(answers[-1].headers[f"{family}-Reset"]) == 60


async def test_no_rate_headers_by_default(start: Any) -> None:
    """The service publishes none."""
    async with start(still(Limit(kind="sliding_window", amount=3))) as caller:
        answer = await caller.submit()
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]
