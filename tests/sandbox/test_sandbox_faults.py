"""Faults on order: each one seen from outside, and scripts that say what is wrong with them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from omniedit.sandbox.script import FAULTS
from omniedit.testing import Faults, FaultScriptError, Settings

QUICK = Settings(task_seconds=0.01, editing="copy")


async def broken(caller: Any, **options: Any) -> type[BaseException]:
    """How a submit that gets no answer ends for the client."""
    with pytest.raises((aiohttp.ClientError, TimeoutError)) as caught:
        await caller.submit(**options)
    return caught.type


async def test_a_lost_reply_is_an_accepted_task(start: Any) -> None:
    """The connection ends in good order without an answer; the task exists and will cost."""
    async with start(QUICK, faults=[{"fault": "lost_reply", "nth": 1}]) as caller:
        assert issubclass(await broken(caller), aiohttp.ServerDisconnectedError)
        assert len(caller.sandbox.accepted) == 1
        assert (await caller.submit()).status == 200
    post = caller.sandbox.requests[0]
    assert (post.status, post.fault) == (0, "lost_reply")


@pytest.mark.parametrize(("fault", "accepted"), [("reset_before", 0), ("reset_after", 1)])
async def test_resets_come_before_or_after_the_task_is_accepted(start: Any, fault: str, accepted: int) -> None:
    """A reset, which clients see as an error of the socket."""
    async with start(QUICK, faults=[{"fault": fault}]) as caller:
        assert issubclass(await broken(caller), aiohttp.ClientOSError)
        assert len(caller.sandbox.accepted) == accepted


@pytest.mark.parametrize("accept", [False, True])
async def test_a_hanging_submit_never_answers(*, start: Any, accept: bool) -> None:
    """Only the client's patience ends it; whether the task was accepted is a switch."""
    async with start(QUICK, faults=[{"fault": "hang", "accept": accept}]) as caller:
        timeout = aiohttp.ClientTimeout(total=0.3)
        assert issubclass(await broken(caller, timeout=timeout), TimeoutError)
        assert len(caller.sandbox.accepted) == accept


async def test_a_hang_can_end_in_a_reset(start: Any) -> None:
    """After its seconds the connection is cut."""
    async with start(QUICK, faults=[{"fault": "hang", "seconds": 0.1}]) as caller:
        assert issubclass(await broken(caller), aiohttp.ClientError)


@pytest.mark.parametrize("accept", [True, False])
async def test_a_slow_answer_comes_all_the_same(*, start: Any, accept: bool) -> None:
    """Later than without the fault."""
    rule = {"fault": "slow", "seconds": 0.3, "accept": accept}
    async with start(QUICK, faults=[rule]) as caller:
        began = asyncio.get_running_loop().time()
        assert (await caller.submit()).status == 200
        assert asyncio.get_running_loop().time() - began >= 0.3


@pytest.mark.parametrize(
    ("rule", "status", "retry_after", "kind"),
    [
        ({"status": 503, "retry_after": 2}, 503, "2", "application/json"),
        ({"status": 503}, 503, None, "application/json"),
        ({"status": 500}, 500, None, "application/json"),
        ({"status": 502, "body": "html"}, 502, None, "text/html"),
        ({"status": 504, "body": "empty"}, 504, None, ""),
    ],
)
async def test_statuses_of_a_gateway(
    start: Any, rule: dict[str, object], status: int, retry_after: str | None, kind: str
) -> None:
    """With and without Retry-After, with JSON, HTML or nothing as body."""
    async with start(QUICK, faults=[{"fault": "status", **rule}]) as caller:
        answer = await caller.submit()
        assert caller.sandbox.accepted == []
    assert (answer.status, answer.headers.get("Retry-After")) == (status, retry_after)
    assert answer.headers.get("Content-Type", "").startswith(kind)


async def test_a_status_may_hide_an_accepted_task(start: Any) -> None:
    """What a gateway's 504 often means."""
    async with start(QUICK, faults=[{"fault": "status", "status": 504, "accept": True}]) as caller:
        assert (await caller.submit()).status == 504
        assert len(caller.sandbox.accepted) == 1


async def test_html_instead_of_json(start: Any) -> None:
    """With status 200, on any call."""
    async with start(QUICK, faults=[{"fault": "html", "on": ["credits", "task"]}]) as caller:
        answers = [await caller.get("/v1/credits"), await caller.get(f"/v1/tasks/{await caller.accepted()}")]
    for answer in answers:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


async def test_json_that_stops_in_the_middle(start: Any) -> None:
    """Valid HTTP, an accepted task, and a body nobody can read."""
    async with (
        start(QUICK, faults=[{"fault": "cut_json"}]) as caller,
        caller.session.post(
            f"{caller.sandbox.base_url}/v1/videos/generations",
            json=caller.body(),
            headers={"Authorization": "Bearer k"},
        ) as reply,
    ):
        body = await reply.read()
        assert len(caller.sandbox.accepted) == 1
    assert reply.status == 200
    assert body.startswith(b'{"created"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


async def test_a_length_that_promises_too_much(start: Any) -> None:
    """The connection closes before the announced end, on the API and on the media port."""
    faults = [{"fault": "wrong_length", "on": ["submit", "media"]}]
    async with start(Settings(task_seconds=0.01, editing="canned"), faults=faults) as caller:
        assert issubclass(await broken(caller), aiohttp.ClientPayloadError)
        task = await caller.ended(caller.sandbox.accepted[0].id)
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.get(task["results"][0], key=None)


async def finished(caller: Any) -> str:
    """The link of a task that has ended."""
    link = (await caller.ended(await caller.accepted()))["results"][0]
    assert isinstance(link, str)
    return link


MEDIA = Settings(task_seconds=0.01, editing="canned")


async def test_a_download_is_cut(start: Any) -> None:
    """After so many bytes; the next try works."""
    async with start(MEDIA, faults=[{"fault": "cut_download", "after": 10, "nth": 1}]) as caller:
        link = await finished(caller)
        async with caller.session.get(link) as reply:
            with pytest.raises(aiohttp.ClientPayloadError):
                await reply.read()
        whole = await caller.get(link, key=None)
    assert len(whole.body) == int(whole.headers["Content-Length"]) > 10


async def test_a_tag_that_changes_and_a_server_without_ranges(start: Any) -> None:
    """Every answer with another tag; no 206 ever."""
    async with start(MEDIA, faults=[{"fault": "changing_etag", "first": 2}, {"fault": "no_range"}]) as caller:
        link = await finished(caller)
        tags = {(await caller.get(link, key=None)).headers["ETag"] for _ in range(2)}
        answer = await caller.get(link, key=None, headers={"Range": "bytes=5-"})
    assert len(tags) == 2
    assert answer.status == 200
    assert "Accept-Ranges" not in answer.headers


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_dead_link(start: Any, status: int) -> None:
    """Long before its time."""
    async with start(MEDIA, faults=[{"fault": "dead_link", "status": status}]) as caller:
        answer = await caller.get(await finished(caller), key=None)
    assert answer.status == status


async def test_a_page_instead_of_a_clip(start: Any) -> None:
    """HTML with status 200 on the media port, a 503 there, and a slow one."""
    rules = [
        {"fault": "html", "on": "media", "nth": 1},
        {"fault": "status", "on": "media", "nth": 1},
        {"fault": "slow", "on": "media", "seconds": 0.1, "nth": 1},
    ]
    async with start(MEDIA, faults=rules) as caller:
        link = await finished(caller)
        answers = [await caller.get(link, key=None) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 503, 200]
    assert answers[0].body.startswith(b"<!DOCTYPE html>")
    assert answers[2].headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize(
    "code", ["content_policy_violation", "generation_timeout", "quota_exceeded", "video_probe_failed", "channel_x"]
)
async def test_tasks_fail_with_any_code(start: Any, code: str) -> None:
    """The set of codes is open."""
    rule = {"fault": "fail", "code": code, "message": "On order.", "prompt": "WARM"}
    async with start(QUICK, faults=[rule]) as caller:
        failed = await caller.ended(await caller.accepted("make it warmer"))
        fine = await caller.ended(await caller.accepted("make it colder"))
    assert failed["error"] == {"code": code, "message": "On order.", "type": "task_error"}
    assert (failed["status"], failed["progress"], fine["status"]) == ("failed", 0, "completed")


@pytest.mark.parametrize(
    ("shown", "status", "code"),
    [
        ("cancelled", "cancelled", None),
        ("canceled", "canceled", None),
        ("request_cancelled", "failed", "request_cancelled"),
    ],
)  # fmt: skip
async def test_a_cancelled_task_shows_in_three_ways(start: Any, shown: Any, status: str, code: str | None) -> None:
    """A status in either spelling, or failed with a code; never billed."""
    settings = Settings(task_seconds=0.01, editing="copy", cancelled_as=shown)
    async with start(settings, faults=[{"fault": "cancel"}]) as caller:
        task = await caller.ended(await caller.accepted())
    assert task["status"] == status
    assert task.get("error", {}).get("code") == code
    assert caller.sandbox.billed == []


async def test_an_unknown_status_a_task_without_end_and_one_without_results(start: Any) -> None:
    """What every client must survive."""
    rules = [
        {"fault": "unknown_status", "status": "reviewing", "prompt": "one"},
        {"fault": "never_ends", "prompt": "two"},
        {"fault": "empty_results", "prompt": "three"},
    ]
    settings = Settings(virtual_time=True, editing="canned")
    async with start(settings, faults=rules) as caller:
        ids = [await caller.accepted(prompt) for prompt in ("one", "two", "three")]
        first = await caller.task(ids[0])
        await caller.sandbox.advance(10 * 24 * 3600)
        tasks = [await caller.task(task_id) for task_id in ids]
    assert first["status"] == "pending"
    assert [task["status"] for task in tasks] == ["reviewing", "processing", "completed"]
    assert tasks[2]["results"] == []


async def test_a_task_that_vanishes(start: Any) -> None:
    """Known for two reads, then 404, also in bulk."""
    async with start(QUICK, faults=[{"fault": "vanish", "after": 2}]) as caller:
        task_id = await caller.accepted()
        statuses = [(await caller.get(f"/v1/tasks/{task_id}")).status for _ in range(3)]
        bulk = await caller.call("POST", "/v1/tasks/batch", json={"task_ids": [task_id]})
    assert statuses == [200, 200, 404]
    assert bulk.json == {"data": []}


async def test_rules_strike_by_count(start: Any) -> None:
    """nth, first, every and limit, each on its own counter."""
    rules = [
        {"fault": "status", "status": 500, "on": "credits", "nth": [2, 3]},
        {"fault": "status", "status": 502, "on": "quota", "first": 2},
        {"fault": "status", "status": 503, "on": "listing", "every": 2, "limit": 1},
    ]
    async with start(QUICK, faults={"faults": rules}) as caller:
        paths = {"credits": "/v1/credits", "quota": "/api/v1/files/quota", "listing": "/v1/tasks"}
        seen = {name: [(await caller.get(path)).status for _ in range(4)] for name, path in paths.items()}
    assert seen == {
        "credits": [200, 500, 500, 200],
        "quota": [502, 502, 200, 200],
        "listing": [200, 503, 200, 200],
    }
    assert caller.sandbox.faults.fired == {"status": 5}


async def test_rules_strike_by_chance_with_a_seed(start: Any) -> None:
    """The same seed, the same answers; about the asked share."""

    async def run(seed: int) -> list[int]:
        script = {"seed": seed, "faults": [{"fault": "status", "on": "credits", "probability": 0.3}]}
        async with start(QUICK, faults=script) as caller:
            return [(await caller.get("/v1/credits")).status for _ in range(60)]

    first, again, other = await run(1), await run(1), await run(2)
    assert first == again != other
    assert 8 <= first.count(503) <= 30


async def test_rules_can_look_at_the_prompt_of_a_request(start: Any) -> None:
    """Of a submit, of the task that is read, and of the result that is downloaded."""
    rules = [
        {"fault": "status", "status": 500, "on": "submit", "prompt": "storm"},
        {"fault": "status", "status": 502, "on": "task", "prompt": "rain"},
        {"fault": "status", "status": 504, "on": "media", "prompt": "snow"},
        {"fault": "status", "on": "credits", "prompt": "never"},
    ]
    async with start(QUICK, faults=rules) as caller:
        storm = await caller.submit("a STORM")
        garbage = await caller.submit(json=None, data=b"[")
        rain = await caller.get(f"/v1/tasks/{await caller.accepted('rain')}")
        missing = await caller.get("/v1/tasks/task-unified-1-a")
        snow = await caller.ended(await caller.accepted("snow"))
        media = await caller.get(snow["results"][0], key=None)
        balance = await caller.get("/v1/credits")
    assert [answer.status for answer in (storm, garbage, rain, missing, media, balance)] == [
        500,
        400,
        502,
        404,
        504,
        200,
    ]


async def test_rules_can_be_added_and_cleared_while_it_runs(start: Any) -> None:
    """As tests need them."""
    async with start(QUICK) as caller:
        caller.sandbox.faults.add({"fault": "status", "on": "any"})
        during = (await caller.get("/v1/credits")).status
        caller.sandbox.faults.clear()
        after = (await caller.get("/v1/credits")).status
    assert (during, after) == (503, 200)


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    """The path of a JSON file, or what it holds."""
    path = tmp_path / "faults.json"
    path.write_text('{"seed": 3, "faults": [{"fault": "lost_reply"}]}')
    script = Faults.load(path)
    assert script.seed == 3
    assert [rule.fault for rule in script.rules] == ["lost_reply"]
    path.write_text("{")
    with pytest.raises(FaultScriptError, match="not valid JSON"):
        Faults.load(path)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (7, "faults: must be a list of rules"),
        ({"rules": []}, "the script: unknown field 'rules'; allowed: faults, seed"),
        ({"seed": "x"}, "seed: must be a whole number"),
        ([7], r"faults\[0\]: must be an object"),
        ([{}], r"faults\[0\].fault: None is not a fault; allowed: reset_before, "),
        ([{"fault": "hang"}, {"fault": "explode"}], r"faults\[1\].fault: 'explode' is not a fault"),
        (
            [{"fault": "hang", "second": 1}],
            r"faults\[0\].second: unknown field for 'hang'; allowed: on, nth, .*seconds",
        ),
        ([{"fault": "hang", "seconds": -1}], r"faults\[0\].seconds: must be a number of at least 0, not -1"),
        ([{"fault": "hang", "seconds": True}], r"faults\[0\].seconds: must be a number"),
        ([{"fault": "hang", "accept": 1}], r"faults\[0\].accept: must be true or false"),
        ([{"fault": "hang", "on": "lunch"}], r"faults\[0\].on: 'lunch' is not possible here; allowed: any, submit"),
        ([{"fault": "hang", "on": 7}], r"faults\[0\].on: must be a point or a list of points"),
        (
            [{"fault": "dead_link", "on": "submit"}],
            r"faults\[0\].on: 'submit' is not possible here; allowed: any, media",
        ),
        ([{"fault": "hang", "nth": 0}], r"faults\[0\].nth: must be a whole number of at least 1 or a list"),
        ([{"fault": "hang", "nth": []}], r"faults\[0\].nth: must be"),
        ([{"fault": "hang", "first": 0}], r"faults\[0\].first: must be a whole number of at least 1"),
        ([{"fault": "hang", "every": 1.5}], r"faults\[0\].every: must be"),
        ([{"fault": "hang", "limit": "x"}], r"faults\[0\].limit: must be"),
        ([{"fault": "hang", "probability": 2}], r"faults\[0\].probability: must be a number from 0 to 1"),
        ([{"fault": "hang", "prompt": ""}], r"faults\[0\].prompt: must be text"),
        ([{"fault": "status", "status": 200}], r"faults\[0\].status: must be an HTTP status from 400 to 599"),
        ([{"fault": "status", "body": "xml"}], r"faults\[0\].body: must be one of json, html, empty"),
        ([{"fault": "status", "retry_after": "soon"}], r"faults\[0\].retry_after: must be a number"),
        ([{"fault": "status", "retry_after": float("inf")}], r"faults\[0\].retry_after: must be a number"),
        ([{"fault": "slow", "seconds": 10**400}], r"faults\[0\].seconds: must be a number"),
        ([{"fault": "status", "on": []}], r"faults\[0\].on: must be a point or a list of points"),
        ([{"fault": "unknown_status", "status": 7}], r"faults\[0\].status: must be text"),
        ([{"fault": "callback_forged", "body": "x"}], r"faults\[0\].body: must be an object"),
        ([{"fault": "callback_duplicate", "copies": 0}], r"faults\[0\].copies: must be"),
        ([{"fault": "vanish", "after": -1}], r"faults\[0\].after: must be a whole number of at least 0"),
        ([{"fault": "fail", "code": ""}], r"faults\[0\].code: must be text"),
        ([{"fault": "fail", "message": 7}], r"faults\[0\].message: must be text"),
    ],
)
def test_a_wrong_script_says_where_and_what_is_allowed(script: object, message: str) -> None:
    """Before anything runs."""
    with pytest.raises(FaultScriptError, match=message):
        Faults.parse(script)


def test_every_fault_is_documented() -> None:
    """The guide names each kind of fault."""
    guide = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert [fault for fault in FAULTS if f"`{fault}`" not in guide] == []
