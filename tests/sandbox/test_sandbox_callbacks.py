"""Callbacks: what is sent, when it is tried again, and what scripts make of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from attrs import define, field

from omniedit.sandbox.checks import callback_fault
from omniedit.testing import Settings

SETTINGS = Settings(task_seconds=0.01, editing="canned", callback_delays=(0.01, 0.02, 0.04))


@define
class Ear:
    """A receiver that answers as told and remembers what it heard."""

    url: str = ""
    answers: list[int] = field(factory=list)
    heard: list[dict[str, Any]] = field(factory=list)
    news: asyncio.Event = field(factory=asyncio.Event)

    async def hear(self, request: web.Request) -> web.Response:
        """Take one callback."""
        self.heard.append(await request.json())
        self.news.set()
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def wait(self, number: int) -> list[dict[str, Any]]:
        """Wait until so many were heard."""
        async with asyncio.timeout(10):
            while len(self.heard) < number:
                self.news.clear()
                await self.news.wait()
        return self.heard


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    """A receiver on loopback."""
    ear, app = Ear(), web.Application()
    app.router.add_post("/heard", ear.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ear.url = f"http://127.0.0.1:{runner.addresses[0][1]}/heard"
    yield ear
    await runner.cleanup()


async def settled(caller: Any, tries: int) -> list[int]:
    """Wait until the sandbox has made so many tries; returns their statuses."""
    task = caller.sandbox.accepted[-1]
    async with asyncio.timeout(10):
        while len(task.callbacks) < tries:  # noqa: ASYNC110 - the server's own state
            await asyncio.sleep(0.01)
    return list(task.callbacks)


async def submit(caller: Any, ear: Ear, prompt: str = "warmer") -> str:
    """Submit with a callback."""
    task_id = await caller.accepted(json=caller.body(prompt, callback_url=ear.url))
    assert isinstance(task_id, str)
    return task_id


@pytest.mark.parametrize("fault", [None, {"fault": "fail"}, {"fault": "cancel"}])
async def test_a_callback_says_what_a_read_says(start: Any, ear: Ear, fault: Any) -> None:
    """When the task has ended, in whatever way, and its bill is settled."""
    async with start(SETTINGS, faults=[fault] if fault else []) as caller:
        task_id = await submit(caller, ear)
        heard = (await ear.wait(1))[0]
        assert heard == await caller.task(task_id)
        assert await settled(caller, 1) == [200]
    assert heard["status"] in ("completed", "failed", "cancelled")
    assert heard["billing"]["refund_status"] == ("refunded" if fault else "none")


async def test_refused_callbacks_are_tried_three_more_times(start: Any, ear: Ear) -> None:
    """Until a 2xx, or for good."""
    ear.answers = [500, 404, 204]
    async with start(SETTINGS) as caller:
        await submit(caller, ear)
        assert await settled(caller, 3) == [500, 404, 204]
        ear.answers = [500] * 4
        await submit(caller, ear, "colder")
        assert await settled(caller, 4) == [500] * 4
        await asyncio.sleep(0.1)
    assert len(ear.heard) == 7


async def test_nobody_at_home_counts_as_a_try(start: Any, ear: Ear) -> None:
    """Status 0: no answer."""
    async with start(SETTINGS) as caller:
        await caller.accepted(json=caller.body(callback_url="http://127.0.0.1:9/none"))
        assert await settled(caller, 4) == [0] * 4


async def test_the_tries_are_one_two_and_four_seconds_apart(start: Any, ear: Ear) -> None:
    """As documented, seen on a clock that the test moves."""
    ear.answers = [500] * 4
    async with start(Settings(virtual_time=True, editing="canned")) as caller:
        await submit(caller, ear)
        await caller.sandbox.advance(30)
        for tries, seconds in enumerate((1, 2, 4), start=1):
            await settled(caller, tries)
            await caller.sandbox.advance(seconds - 0.1)
            await asyncio.sleep(0.05)
            assert len(ear.heard) == tries
            await caller.sandbox.advance(0.2)
        await settled(caller, 4)


async def test_duplicate_callbacks(start: Any, ear: Ear) -> None:
    """The same news twice more."""
    async with start(SETTINGS, faults=[{"fault": "callback_duplicate", "copies": 2}]) as caller:
        await submit(caller, ear)
        heard = await ear.wait(3)
        await settled(caller, 3)
    assert heard[0] == heard[1] == heard[2]


async def test_late_and_lost_callbacks(start: Any, ear: Ear) -> None:
    """One an hour late, the other never."""
    rules = [
        {"fault": "callback_late", "seconds": 3600, "prompt": "late"},
        {"fault": "callback_lost", "prompt": "lost"},
    ]
    async with start(Settings(virtual_time=True, editing="canned"), faults=rules) as caller:
        await submit(caller, ear, "lost")
        await submit(caller, ear, "late")
        await caller.sandbox.advance(60)
        await asyncio.sleep(0.05)
        assert ear.heard == []
        await caller.sandbox.advance(3600)
        heard = await ear.wait(1)
        await settled(caller, 1)
        assert caller.sandbox.accepted[0].callbacks == []
    assert heard[0]["id"] == caller.sandbox.accepted[1].id


async def test_forged_callbacks_come_before_the_true_one(start: Any, ear: Ear) -> None:
    """They claim another end, or whatever the script says."""
    rules = [{"fault": "callback_forged"}, {"fault": "callback_forged", "body": {"id": "task-unified-1-forged"}}]
    async with start(SETTINGS, faults=rules) as caller:
        task_id = await submit(caller, ear)
        heard = await ear.wait(3)
        await settled(caller, 3)
    assert [(news["id"], news["status"]) for news in heard] == [
        (task_id, "failed"), ("task-unified-1-forged", "failed"), (task_id, "completed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "documented", "local"),
    [
        ("https://example.com/hook?x=1", True, True),
        ("http://example.com/hook", False, False),
        ("https://127.0.0.1/hook", False, True),
        ("https://10.1.2.3/hook", False, True),
        ("https://192.168.1.1/hook", False, True),
        ("https://[::1]/hook", False, True),
        ("https://[fd00::1]:8443/hook", False, True),
        ("https://localhost/hook", False, True),
        ("https://printer.local/hook", False, True),
        ("https://db.internal./hook", False, True),
        ("http://127.0.0.1:80/hook", False, True),
        ("http://localhost:80/hook", False, True),
        ("http://[::1]:80/hook", False, True),
        ("https://8.8.8.8/hook", True, True),
        ("https://user@example.com/hook", False, False),
        ("https:///hook", False, False),
        ("https://example.com/" + "x" * 2030, False, False),
        ("https://example.com/" + "x" * 2028, True, True),
    ],
)
def test_callback_urls_follow_the_documented_rules(*, url: str, documented: bool, local: bool) -> None:
    """Only https, at most 2048 characters, not private; a switch lets this machine in."""
    assert (callback_fault(url, allow_local=False) is None) is documented
    assert (callback_fault(url, allow_local=True) is None) is local


async def test_bad_callback_urls_are_refused_or_dropped(start: Any, ear: Ear) -> None:
    """Strict as documented, on order; or accepted and never called."""
    strict = Settings(task_seconds=0.01, editing="canned", allow_local_callbacks=False)
    async with start(strict) as caller:
        answer = await caller.submit(json=caller.body(callback_url=ear.url))
    assert (answer.status, answer.json["error"]["param"]) == (400, "callback_url")
    drop = Settings(task_seconds=0.01, editing="canned", allow_local_callbacks=False, bad_callback="dropped")
    async with start(drop) as caller:
        await caller.ended(await submit(caller, ear))
        assert caller.sandbox.accepted[0].callback_url is None
    assert ear.heard == []
