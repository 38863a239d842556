"""Switches for what nobody has published, and time in its three forms."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from omniedit.testing import BackgroundSandbox, Sandbox, Settings

KEY = {"Idempotency-Key": "0123456789abcdef"}


async def test_idempotency_is_honoured_by_default(start: Any) -> None:
    """The original task, no new charge, a header; another body is a conflict; another account is another matter."""
    async with start(Settings(virtual_time=True, editing="canned")) as caller:
        first = await caller.submit("warmer", headers=KEY)
        again = await caller.submit("warmer", headers=KEY)
        other_body = await caller.submit("colder", headers=KEY)
        other_account = await caller.submit("warmer", headers=KEY, key="sk-other")
        submissions = caller.sandbox.submissions
        assert len(caller.sandbox.accepted) == 2
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json == first.json != other_account.json
    assert (other_body.status, other_body.json["error"]["code"]) == (409, "idempotency_conflict")
    assert caller.sandbox.accepted[0].posts == 2
    assert [(s.replayed, s.refused) for s in submissions] == [
        (False, None), (True, None), (False, "idempotency_conflict"), (False, None),
    ]  # fmt: skip
    assert caller.sandbox.store.posts_for("warmer") == 3
    assert caller.sandbox.store.posts_for("warmer", "elsewhere") == 0


@pytest.mark.parametrize(
    ("mode", "status", "code", "tasks"),
    [
        ("ignored", 200, None, 2),
        ("conflict", 409, "idempotency_conflict", 1),
        ("unknown", 409, "paid_outcome_unknown", 1),
    ],
)  # fmt: skip
async def test_idempotency_is_a_switch(start: Any, mode: Any, status: int, code: str | None, tasks: int) -> None:
    """Ignored, or refused in two ways."""
    async with start(Settings(virtual_time=True, idempotency=mode)) as caller:
        await caller.submit(headers=KEY)
        again = await caller.submit(headers=KEY)
        assert len(caller.sandbox.accepted) == tasks
    assert again.status == status
    assert (again.json.get("error") or {}).get("code") == code


async def test_the_status_of_a_conflict_is_a_switch(start: Any) -> None:
    """Nobody has published it."""
    async with start(Settings(virtual_time=True, conflict_status=422)) as caller:
        await caller.submit("a", headers=KEY)
        assert (await caller.submit("b", headers=KEY)).status == 422


async def test_idempotency_keys_have_a_form_and_a_life(start: Any) -> None:
    """16-96 characters of a small set; forgotten after a day."""
    async with start(Settings(virtual_time=True, editing="canned")) as caller:
        wrong = [
            await caller.submit(headers={"Idempotency-Key": key}) for key in ("short", "x" * 97, "a b c d e f g h i")
        ]
        first = await caller.submit(headers=KEY)
        await caller.sandbox.advance(86_401)
        second = await caller.submit(headers=KEY)
    assert [answer.json["error"]["param"] for answer in wrong] == ["Idempotency-Key"] * 3
    assert first.json["id"] != second.json["id"]


@pytest.mark.parametrize(("state", "status", "code"), [("404", 404, "not_found"), ("405", 405, "method_not_allowed")])
async def test_bulk_and_listing_can_be_missing(start: Any, state: Any, status: int, code: str) -> None:
    """As on an older deployment; single reads go on."""
    async with start(Settings(bulk=state, listing=state)) as caller:
        bulk = await caller.call("POST", "/v1/tasks/batch", json={"task_ids": ["task-unified-1-a"]})
        listing = await caller.get("/v1/tasks")
        single = await caller.get(f"/v1/tasks/{await caller.accepted()}")
    for answer in (bulk, listing):
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
    if status == 405:  # the method that was just refused is not one that is allowed
        assert (bulk.headers["Allow"], listing.headers["Allow"]) == ("GET", "")
    assert single.status == 200


async def test_usage_can_be_missing(start: Any) -> None:
    """Then the answer has only the documented fields."""
    async with start(Settings(task_seconds=0.01, editing="canned", usage_on_get=False)) as caller:
        task = await caller.ended(await caller.accepted())
    assert set(task) == {"created", "id", "model", "object", "progress", "status", "type", "task_info", "results"}


async def test_estimates_can_be_wrong(start: Any) -> None:
    """By any factor."""
    async with start(Settings(virtual_time=True, task_seconds=60, estimate_factor=2.5)) as caller:
        answer = await caller.submit()
    assert answer.json["task_info"]["estimated_time"] == 150


async def test_durations_spread_around_the_median(start: Any) -> None:
    """Lognormal, the same for the same seed."""

    async def durations(seed: int, spread: float) -> list[float]:
        settings = Settings(virtual_time=True, task_seconds=60, task_spread=spread, seed=seed)
        async with start(settings) as caller:
            for _ in range(40):
                await caller.accepted()
            return [round(task.ends - task.created, 3) for task in caller.sandbox.accepted]

    first, again, alike = await durations(1, 0.5), await durations(1, 0.5), await durations(1, 0)
    assert first == again
    assert 40 < sorted(first)[20] < 90
    assert max(first) > 1.5 * min(first)
    assert set(alike) == {60}


async def test_progress_can_be_noisy_or_dead(start: Any) -> None:
    """Never outside 0-99 before the end, whatever the noise; dead means 0."""
    steady: dict[str, Any] = {"virtual_time": True, "task_seconds": 100, "task_spread": 0, "editing": "canned"}

    async def readings(**switches: Any) -> list[int]:
        async with start(Settings(**steady, **switches)) as caller:
            task_id, seen = await caller.accepted(), []
            for _ in range(19):
                await caller.sandbox.advance(5)
                seen.append((await caller.task(task_id))["progress"])
            return seen

    assert await readings() == sorted(await readings())
    noisy = await readings(progress="noisy")
    assert noisy != sorted(noisy)
    assert 0 <= min(noisy) <= max(noisy) <= 99
    assert set(await readings(progress_dead_share=1.0)) == {0}


async def test_scaled_time_runs_faster(start: Any) -> None:
    """An hour of the sandbox passes in well under a second."""
    settings = Settings(task_seconds=3600, task_spread=0, time_scale=36_000, editing="canned")
    async with start(settings) as caller:
        task = await caller.ended(await caller.accepted())
        assert task["status"] == "completed"
        finished = caller.sandbox.accepted[0]
        assert finished.finished - finished.created >= 3600


async def test_time_can_stand_still(start: Any) -> None:
    """Nothing ends until the test moves time; then everything that is due has ended at its own moment."""
    settings = Settings(virtual_time=True, task_seconds=60, task_spread=0.3, editing="canned")
    async with start(settings) as caller:
        ids = [await caller.accepted(f"wish {number}") for number in range(5)]
        await asyncio.sleep(0.1)
        before = {(await caller.task(task_id))["status"] for task_id in ids}
        await caller.sandbox.advance(600)
        after = {(await caller.task(task_id))["status"] for task_id in ids}
        tasks = caller.sandbox.accepted
    assert (before, after) == ({"pending"}, {"completed"})
    assert all(task.finished == task.ends for task in tasks)


async def test_old_tasks_are_forgotten_beyond_a_bound(start: Any) -> None:
    """The oldest finished one goes first; unfinished ones stay."""
    async with start(Settings(task_seconds=0.01, editing="canned", keep_tasks=2)) as caller:
        first = await caller.accepted("one")
        await caller.ended(first)
        others = [await caller.accepted("two"), await caller.accepted("three")]
        answers = [(await caller.get(f"/v1/tasks/{task_id}")).status for task_id in (first, *others)]
    assert answers == [404, 200, 200]


@pytest.mark.parametrize(
    "wrong", [{"idempotency": "perhaps"}, {"task_seconds": -1}, {"bulk": "off"}, {"time_scale": 0}, {"edit_workers": 0}]
)
def test_wrong_settings_are_refused(wrong: Any) -> None:
    """Before anything runs."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing() -> None:
    """The sandbox cleans up after a start that failed."""
    from omniedit.sandbox import SandboxServer

    async def twice() -> None:
        async with Sandbox() as first:
            port = int(first.base_url.rpartition(":")[2])
            with pytest.raises(OSError, match="address already in use"):
                await SandboxServer(port=port).start()

    asyncio.run(twice())


def test_the_background_sandbox_moves_time_from_outside() -> None:
    """advance() of the synchronous kind returns when what is due has ended."""
    with BackgroundSandbox(Settings(virtual_time=True, editing="canned")) as sandbox:
        start = sandbox._server.time.now()  # noqa: SLF001 - the sandbox's own time
        sandbox.advance(100)
        assert sandbox._server.time.now() == start + 100  # noqa: SLF001 - the same
