"""The documented API, seen from outside: every field, code and limit."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from omniedit.testing import Settings

QUICK = Settings(task_seconds=0.01, editing="copy")


async def test_a_submit_answers_every_documented_field(start: Any) -> None:
    """The answer of the paid POST."""
    async with start(Settings(virtual_time=True)) as caller:
        answer = await caller.submit()
    task = answer.json
    assert answer.status == 200
    assert re.fullmatch(r"task-unified-\d+-[a-z0-9]{8}", task["id"])
    assert task["object"] == "video.generation.task"
    assert (task["type"], task["status"], task["progress"]) == ("video", "pending", 0)
    assert task["model"] == "gemini-omni-flash-video-edit"
    assert isinstance(task["created"], int)
    assert task["task_info"] == {"can_cancel": False, "estimated_time": 2}
    assert task["usage"] == {"billing_rule": "per_second", "credits_reserved": 63.6073, "user_group": "default"}
    assert answer.headers["X-Request-Id"]


async def test_a_task_goes_from_pending_to_completed(start: Any) -> None:
    """All statuses in their order, with moving progress, on a clock that the test moves."""
    settings = Settings(virtual_time=True, task_seconds=10, task_spread=0, pending_seconds=2, editing="copy")
    async with start(settings) as caller:
        task_id = await caller.accepted()
        seen = []
        for _ in range(6):
            task = await caller.task(task_id)
            seen.append((task["status"], task["progress"]))
            await caller.sandbox.advance(2)
        task = await caller.task(task_id)
    assert seen == [("pending", 0), *(("processing", share) for share in (0, 25, 50, 75)), ("completed", 100)]
    assert len(task["results"]) == 1
    assert task["usage"]["credits_used"] == caller.sandbox.billed[0].charged > 0
    assert task["billing"]["charge_status"] == "charged"


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": None}, 400, "invalid_request", "model"),
        ({"model": 7}, 400, "invalid_request", "model"),
        ({"model": "another-model"}, 403, "model_access_denied", "model"),
        ({"prompt": None}, 400, "invalid_request", "prompt"),
        ({"prompt": ""}, 400, "invalid_request", "prompt"),
        ({"prompt": "  "}, 400, "invalid_request", "prompt"),
        ({"prompt": ["a"]}, 400, "invalid_request", "prompt"),
        ({"prompt": "\ud800"}, 400, "invalid_request", "prompt"),
        ({"video_urls": None}, 400, "invalid_request", "video_urls"),
        ({"video_urls": []}, 400, "invalid_request", "video_urls"),
        ({"video_urls": ["http://a/1.mp4", "http://a/2.mp4"]}, 400, "invalid_request", "video_urls"),
        ({"video_urls": ["ftp://a/1.mp4"]}, 400, "invalid_request", "video_urls"),
        ({"video_urls": ["http://a/1 .mp4"]}, 400, "invalid_request", "video_urls"),
        ({"video_urls": ["http://a:port/1.mp4"]}, 400, "invalid_request", "video_urls"),
        ({"video_urls": [7]}, 400, "invalid_request", "video_urls"),
        ({"callback_url": 7}, 400, "invalid_request", "callback_url"),
        ({"callback_url": "http://example.com/x"}, 400, "invalid_request", "callback_url"),
        ({"callback_url": "ftp://127.0.0.1/x"}, 400, "invalid_request", "callback_url"),
        ({"callback_url": "nonsense"}, 400, "invalid_request", "callback_url"),
        ({"callback_url": "https://example.com/" + "x" * 2048}, 400, "invalid_request", "callback_url"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(start: Any, change: dict[str, Any], status: int, code: str, param: str) -> None:
    """Every rule for the fields of a submit."""
    async with start(QUICK) as caller:
        answer = await caller.submit(json=caller.body() | change)
    assert answer.status == status
    assert answer.json["error"]["code"] == code
    assert answer.json["error"]["param"] == param
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert caller.sandbox.accepted == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_refused(start: Any, body: bytes) -> None:
    """Never a 500."""
    async with start(QUICK) as caller:
        answer = await caller.submit(json=None, data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request")


async def test_a_body_that_is_too_large_is_refused(start: Any) -> None:
    """One megabyte is enough for any prompt."""
    async with start(QUICK) as caller:
        answer = await caller.submit(json=None, data=io.BytesIO(b"x" * 1_100_000))
    assert (answer.status, answer.json["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("key", "status", "post_code", "get_code", "get_type"),
    [
        (None, 401, "unauthorized", "unauthorized", "authentication_error"),
        ("sk-sandbox-unauthorized", 401, "unauthorized", "unauthorized", "authentication_error"),
        ("sk-sandbox-broke", 402, "insufficient_quota", "quota_exceeded", "insufficient_quota"),
        ("sk-sandbox-denied", 403, "model_access_denied", "permission_denied", "invalid_request_error"),
        ("sk-sandbox-throttled", 429, "rate_limit_exceeded", "rate_limit_exceeded", "evo_api_error"),
        ("sk-sandbox-broken", 500, "internal_error", "internal_error", "api_error"),
    ],
)
async def test_special_keys_always_get_their_status(  # noqa: PLR0917 - the columns of the table above
    start: Any, key: str | None, status: int, post_code: str, get_code: str, get_type: str
) -> None:
    """On the paid POST and on every other call, with the documented codes."""
    async with start(QUICK) as caller:
        post = await caller.submit(key=key)
        gets = [await caller.get(path, key=key) for path in ("/v1/tasks/task-unified-1-a", "/v1/credits", "/v1/tasks")]
    assert (post.status, post.json["error"]["code"]) == (status, post_code)
    for answer in gets:
        assert answer.status == status
        assert answer.json["error"]["code"] == get_code
        assert answer.json["error"]["type"] == get_type


async def test_checks_come_in_order(start: Any) -> None:
    """Key, rate, balance, access, parameters: with everything wrong, the first one speaks."""
    wrong = {"model": "another-model", "prompt": ""}
    async with start(Settings(credits=1)) as caller:
        broke = await caller.submit(json=wrong)
        throttled = await caller.submit(json=wrong, key="sk-sandbox-throttled")
        unauthorized = await caller.submit(json=wrong, key=None)
    async with start(QUICK) as caller:
        denied = await caller.submit(json=wrong)
    assert [answer.status for answer in (unauthorized, throttled, broke, denied)] == [401, 429, 402, 403]


async def test_unknown_paths_and_methods_answer_in_json(start: Any) -> None:
    """With the Allow header where a method is wrong."""
    async with start(QUICK) as caller:
        nowhere = await caller.get("/v1/nowhere")
        wrong = await caller.call("DELETE", "/v1/credits")
        foreign = await caller.get("/v1/tasks/other-1")
        missing = await caller.get("/v1/tasks/task-unified-1-aaaaaaaa")
    assert (nowhere.status, nowhere.json["error"]["code"]) == (404, "not_found")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET")
    assert (foreign.status, foreign.json["error"]["code"], foreign.json["error"]["param"]) == (
        400, "invalid_task_id", "task_id",
    )  # fmt: skip
    assert (missing.status, missing.json["error"]["code"]) == (404, "task_not_found")


async def test_a_task_belongs_to_its_key(start: Any) -> None:
    """Another key is told so, and sees nothing in bulk or in its listing."""
    async with start(QUICK) as caller:
        task_id = await caller.accepted()
        single = await caller.get(f"/v1/tasks/{task_id}", key="sk-other")
        bulk = await caller.call("POST", "/v1/tasks/batch", key="sk-other", json={"task_ids": [task_id]})
        listing = await caller.get("/v1/tasks", key="sk-other")
    assert (single.status, single.json["error"]["code"]) == (403, "permission_denied")
    assert bulk.json == {"data": []}
    assert listing.json["data"] == []


async def test_the_bulk_call_reads_many_and_leaves_out_the_unknown(start: Any) -> None:
    """At most 50, unknown ids simply missing."""
    async with start(QUICK) as caller:
        ids = [await caller.accepted() for _ in range(3)]
        answer = await caller.call("POST", "/v1/tasks/batch", json={"task_ids": [*ids, "task-unified-1-x", ids[0]]})
        many = await caller.call("POST", "/v1/tasks/batch", json={"task_ids": ["task-unified-1-x"] * 51})
        none = await caller.call("POST", "/v1/tasks/batch", json={"task_ids": []})
        wrong = await caller.call("POST", "/v1/tasks/batch", json={"task_ids": "x"})
    assert [task["id"] for task in answer.json["data"]] == ids
    assert [refused.status for refused in (many, none, wrong)] == [400, 400, 400]


async def test_the_listing_is_newest_first_filtered_and_paged(start: Any) -> None:
    """Its documented columns, and no links."""
    async with start(QUICK) as caller:
        ids = [await caller.accepted(f"wish {number}") for number in range(5)]
        for task_id in ids:
            await caller.ended(task_id)
        first = (await caller.get("/v1/tasks?page_size=2")).json
        last = (await caller.get("/v1/tasks?page_size=2&page=3&status=completed&type=video")).json
        none = (await caller.get("/v1/tasks?status=failed")).json
        wrong = await caller.get("/v1/tasks?page=0")
    assert [row["id"] for row in first["data"]] == [ids[4], ids[3]]
    assert [row["id"] for row in last["data"]] == [ids[0]]
    assert (first["total"], first["page"], first["page_size"], none["total"]) == (5, 1, 2, 0)
    assert set(first["data"][0]) == {
        "id", "model", "type", "status", "progress", "created_at", "has_results", "has_error", "credits_used",
    }  # fmt: skip
    assert first["data"][0]["has_results"] is True
    assert wrong.json["error"]["param"] == "page"


async def test_credits_are_reserved_charged_and_given_back(start: Any) -> None:
    """What is reserved leaves the balance at once; the rest returns with the end, all of it for a failed task."""
    settings = Settings(task_seconds=0.01, credits=200, editing="copy")
    async with start(settings, faults=[{"fault": "fail", "prompt": "refuse"}]) as caller:
        task_id = await caller.accepted()
        during = (await caller.get("/v1/credits")).json["data"]["user"]["remaining_credits"]
        charged = (await caller.ended(task_id))["usage"]["credits_used"]
        failed = await caller.ended(await caller.accepted("refuse this"))
        after = (await caller.get("/v1/credits")).json["data"]
    assert during == pytest.approx(200 - 63.607, abs=0.01)
    assert failed["billing"] == {
        "charge_status": "none", "refund_status": "refunded", "charged_credits": 0.0,
        "reserved_credits": failed["billing"]["refunded_credits"], "refunded_credits": pytest.approx(63.607, abs=0.01),
    }  # fmt: skip
    assert after["user"]["remaining_credits"] == pytest.approx(200 - charged)
    assert after["token"] == {
        "remaining_credits": after["user"]["remaining_credits"], "unlimited_credits": False, "used_credits": charged,
    }  # fmt: skip


async def test_an_empty_balance_refuses_further_submits(start: Any) -> None:
    """402 with the POST's own code, until a failed task gives its share back."""
    async with start(Settings(virtual_time=True, credits=100)) as caller:
        first = await caller.submit()
        second = await caller.submit()
    assert (first.status, second.status) == (200, 402)
    assert second.json["error"]["code"] == "insufficient_quota"
