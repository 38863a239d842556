"""What a user gives a client is checked before anything is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from omniedit import Client, Status
from omniedit.api.client import Timeouts
from omniedit.errors import ConfigurationError, OmniEditError
from omniedit.models import Task
from omniedit.sandbox.settings import Limit
from tests.media.conftest import tiny_clip


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"max_in_flight": 0}, "max_in_flight=0"),
        ({"max_in_flight": "3"}, "max_in_flight='3'"),
        ({"max_rate": "x"}, "max_rate='x'"),
        ({"max_downloads": None}, "max_downloads=None"),
        ({"limit_rate": []}, r"limit_rate=\[\]"),
        ({"task_timeout": None}, "task_timeout=None"),
        ({"grace": None}, "grace=None"),
        ({"grace": -1}, "grace=-1"),
        ({"api_key": 3}, "api_key must be text, not int"),
        ({"base_url": b"x"}, "base_url must be text, not bytes"),
        ({"files_url": 3}, "files_url must be text, not int"),
        ({"journal": 3}, "journal cannot be of the kind int"),
        ({"host": "s3"}, "host cannot be of the kind str"),
        ({"clock": 3}, "clock cannot be of the kind int"),
        ({"timeouts": {}}, "timeouts must be a Timeouts, not dict"),
        ({"ssl_context": True}, "ssl_context must be a SSLContext, not bool"),
        ({"max_rate": 0}, "max_rate=0"),
        ({"max_rate": float("nan")}, "max_rate=nan"),
        ({"max_rate": float("inf")}, "max_rate=inf"),
        ({"max_downloads": 0}, "max_downloads=0"),
        ({"max_per_host": 0}, "max_per_host=0"),
        ({"limit_rate": 0}, "limit_rate=0"),
        ({"limit_rate": -5.0}, "limit_rate=-5"),
        ({"task_timeout": 0}, "task_timeout=0"),
        ({"task_timeout": float("nan")}, "task_timeout=nan"),
        ({"callback_base": "nope"}, "callback_base is no URL"),
        ({"callback_base": ""}, "callback_base must be one URL"),
        ({"callback_base": "http://hooks.example.com"}, "callback_base has the scheme 'http'"),
        ({"callback_base": "https://192.168.1.4/calls"}, "callback_base is on 192.168.1.4, which is private"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(given: dict[str, Any], says: str) -> None:
    """With its name and what would be right."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        Client(**{"api_key": "sk-sandbox-key", **given})
    assert caught.value.mend


@pytest.mark.parametrize("value", [None, "5", 0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_no_time_is_refused(value: Any) -> None:
    """Each of them, where it is made."""
    for field in attrs.fields(Timeouts):
        with pytest.raises(ConfigurationError, match=f"timeouts.{field.name}=") as caught:
            Timeouts(**{field.name: value})
        assert caught.value.mend


@pytest.mark.parametrize("value", [3, b"x", [], 1.5])
async def test_a_call_given_something_of_another_kind_refuses_it(world: Any, value: Any) -> None:
    """As a wrong argument, before anything is sent."""
    async with world() as w, w.client() as client:
        calls: list[Callable[[], Any]] = [
            lambda: client.check(value),
            lambda: client.edit(value, "wish", save_to=w.out),
            lambda: client.edit(w.edit(), save_to=w.out, on_transfer=value),
            lambda: client.edit(w.edit(name=value), save_to=f"{w.out}/"),
            lambda: client.batch([], save_to=w.out, journal=value),
            lambda: client.batch([], save_to=w.out, name=value),
            lambda: client.batch([], save_to=w.out, on_transfer=value),
            lambda: client.submit(w.edit(name=value)),
            lambda: client.submit(value),
            lambda: client.task(value),
            lambda: client.download(value, w.out),
        ]
        for call in calls:
            with pytest.raises(OmniEditError) as caught:
                await call()
            assert caught.value.mend
        assert w.sandbox.requests == []


@pytest.mark.parametrize("most", [-1, float("nan"), "5"])
def test_a_budget_that_is_no_amount_is_refused(most: Any) -> None:
    """At the call itself: neither a pause nor a batch without a bound."""
    with pytest.raises(ConfigurationError, match="max_credits") as caught:
        Client("sk-sandbox-key").batch([], save_to="out", max_credits=most)
    assert caught.value.mend


async def test_one_media_host_is_asked_so_often_at_once(world: Any, tmp_path: Path) -> None:
    """However many downloads are under way."""
    clip, now, most = tiny_clip(b"one" * 60), 0, 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        await reader.readuntil(b"\r\n\r\n")
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(clip) + clip)
        await writer.drain()
        writer.close()

    host = await asyncio.start_server(answer, "127.0.0.1", 0)
    link = f"http://127.0.0.1:{host.sockets[0].getsockname()[1]}/a.mp4"
    async with world() as w, w.client(max_per_host=2) as client:
        tasks = [Task(f"task-{number}", Status.completed, results=(link,)) for number in range(6)]
        await asyncio.gather(*(client.download(task, tmp_path / f"{task.id}.mp4") for task in tasks))
    host.close()
    assert most == 2


async def test_the_longest_retry_after_that_is_believed_is_a_setting(world: Any) -> None:
    """A service that asks for a day is asked again when the client's own bound is over."""
    faults = [{"fault": "status", "status": 429, "retry_after": 86400, "first": 1}]
    timeouts = Timeouts(connect=1.0, submit=1.0, read=1.0, stall=2.0, retry_after=4.0)
    async with asyncio.timeout(30), world(faults) as w, w.client(timeouts=timeouts) as client:
        assert (await client.batch(w.edits(1), save_to=w.out)).counts == {Status.saved: 1}


async def test_a_shared_key_is_told_to_the_gate(world: Any) -> None:
    """A refusal finds a regime that makes for equal shares."""
    limits = (Limit(kind="token_bucket", amount=2, per=1.0, burst=2, lanes=("submit",)),)
    regimes = set[str]()
    async with asyncio.timeout(60), world(limits=limits, task_seconds=0.5) as w, w.client(shared_key=True) as client:
        batch = client.batch(w.edits(24), save_to=w.out)
        async for _ in batch:
            statistics = client.statistics()
            if statistics is not None:
                regimes.add(statistics.gate.submit.regime)
        assert (await batch).counts == {Status.saved: 24}
    assert "shared" in regimes
    assert "rate" not in regimes
