"""Every fault of the service in one batch of a real process: each edit is accepted once, nothing paid is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

LOST: list[dict[str, Any]] = [
    {"fault": "lost_reply"},
    {"fault": "reset_after"},
    {"fault": "reset_before"},
    {"fault": "hang", "accept": True},
    {"fault": "hang"},
    {"fault": "cut_json"},
    {"fault": "wrong_length"},
    {"fault": "html", "accept": True},
    {"fault": "html"},
    {"fault": "status", "status": 500, "accept": True},
    {"fault": "status", "status": 502, "body": "html", "accept": True},
    {"fault": "status", "status": 503, "body": "empty", "accept": True},
    {"fault": "status", "status": 503},
    {"fault": "status", "status": 504},
]
NO_ROOM: list[dict[str, Any]] = [
    {"fault": "status", "status": 503, "retry_after": 0},
    {"fault": "status", "status": 429, "retry_after": 1},
    {"fault": "status", "status": 429},
]


def for_each(faults: list[dict[str, Any]], first: int = 0) -> list[dict[str, Any]]:
    """One fault for one edit, once."""
    return [fault | {"prompt": f"wish {number}.", "limit": 1} for number, fault in enumerate(faults, first)]


def test_every_way_to_lose_an_answer_is_one_request(weather: Any) -> None:
    """Lost ones are held and never repeated by themselves; refused ones find room in the same run."""
    by_prompt = for_each([*(fault for fault in LOST if fault["fault"] != "reset_before"), *NO_ROOM])
    w = weather([*by_prompt, {"fault": "reset_before", "nth": [4]}], edits=len(LOST) + len(NO_ROOM) + 4, timeout=5.0)
    counts = w.run()["counts"]
    assert counts == {"uncertain": len(LOST), "saved": len(NO_ROOM) + 4}
    w.check()
    by_edit = Counter(submission.prompt for submission in w.sandbox.submissions)
    refused = {fault["prompt"] for fault in by_prompt[-len(NO_ROOM) :]}
    assert {prompt for prompt, count in by_edit.items() if count > 1} <= refused
    assert w.settle() == len(LOST)


def test_every_way_that_looks_and_downloads_go_wrong_costs_nothing(weather: Any) -> None:
    """Looks and downloads are free: they are repeated until they tell something, and nothing is ordered again."""
    looks: list[dict[str, Any]] = [*LOST, *NO_ROOM, {"fault": "status", "status": 404}]
    faults = [
        *({**fault, "on": ["task", "bulk"], "every": 3 + number, "limit": 1} for number, fault in enumerate(looks)),
        {"fault": "cut_download", "after": 100, "every": 3, "limit": 3},
        {"fault": "status", "status": 500, "on": "media", "nth": 2},
        {"fault": "html", "on": "media", "nth": 4},
        {"fault": "wrong_length", "on": "media", "nth": 5},
        {"fault": "reset_before", "on": "media", "nth": 7},
    ]
    w = weather(faults, settings={"bulk": "404"}, edits=8, timeout=5.0)
    w.run()
    assert sum(w.sandbox.faults.fired.values()) >= 8
    assert w.settle() == 0
    assert len(w.sandbox.submissions) == 8


def test_tasks_that_go_astray_are_never_ordered_again(weather: Any) -> None:
    """Vanished, endless, in a status nobody has seen, done without a result: all paid for, none forgotten."""
    astray = [{"fault": "vanish"}, {"fault": "never_ends"}, {"fault": "unknown_status"}, {"fault": "empty_results"}]
    w = weather(for_each(astray), edits=6, task_timeout=160.0)
    counts = w.run()["counts"]
    assert counts["saved"] == 2
    assert sum(counts.values()) == 6
    for task in w.sandbox.accepted:
        task.faults.status = None
    w.sandbox.advance(60)
    assert w.run(retry_failed=True)["counts"] == {"saved": 3, "failed": 2, "processing": 1}
    assert len(w.sandbox.submissions) == len(w.sandbox.accepted) == 6
    w.check()
    assert w.known_tasks() == {task.id for task in w.sandbox.accepted}


@pytest.mark.parametrize("status", [401, 402])
def test_key_revoked_or_credit_used_up_in_the_middle_is_resumable(weather: Any, status: int) -> None:
    """Nothing more is sent, what was accepted comes home when it can, the rest waits for the next run."""
    points = ["submit", "task", "bulk"] if status == 401 else ["submit"]
    w = weather([], edits=8, settings={"task_seconds": 6.0})
    w.sandbox.faults.add({"fault": "status", "status": status, "nth": list(range(4, 200)), "on": points})
    said = w.run(max_rate=2.0)
    assert said["stopped"], said
    w.check()
    assert len(w.sandbox.accepted) <= 3
    if status == 402:
        assert said["counts"]["saved"] == 3
    assert w.settle() == 0
