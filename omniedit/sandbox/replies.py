"""The bodies of the API's answers."""

from __future__ import annotations

import random

from omniedit.sandbox.problems import JsonObject
from omniedit.sandbox.settings import Settings
from omniedit.sandbox.store import Account, Task

__all__ = ["credits_reply", "listing_row", "progress", "shown_status", "submit_reply", "task_reply"]

PROGRESS_BEFORE_END = 99


def task_reply(task: Task, settings: Settings, now: float, link: str | None) -> JsonObject:
    """What ``GET /v1/tasks/{id}`` and callbacks say."""
    status, reply = shown_status(task, settings), _common(task)
    reply |= {"status": status, "progress": progress(task, settings, now)}
    if status == "completed":
        reply["results"] = [link] if link else []
    if task.error is not None and status == "failed":
        reply["error"] = {"code": task.error.code, "message": task.error.message, "type": "task_error"}
    if task.ended and settings.usage_on_get:
        reply |= _bill(task)
    return reply


def submit_reply(task: Task) -> JsonObject:
    """What the paid POST says, first time or replayed."""
    usage = {"billing_rule": "per_second", "credits_reserved": task.reserved, "user_group": "default"}
    reply = _common(task) | {"status": "pending", "progress": 0, "usage": usage}
    reply["task_info"] = {"can_cancel": False, "estimated_time": task.estimated_time}
    return reply


def listing_row(task: Task, settings: Settings, now: float) -> JsonObject:
    """One line of the listing, without links."""
    status = shown_status(task, settings)
    return {
        "id": task.id,
        "model": task.model,
        "type": "video",
        "status": status,
        "progress": progress(task, settings, now),
        "created_at": int(task.created),
        "has_results": status == "completed" and not task.faults.empty_results,
        "has_error": task.error is not None,
        "credits_used": task.charged,
    }


def credits_reply(account: Account) -> JsonObject:
    """The balance of a key."""
    remaining, used = round(account.remaining, 4), round(account.used, 4)
    return {
        "success": True,
        "data": {
            "token": {"remaining_credits": remaining, "unlimited_credits": False, "used_credits": used},
            "user": {"remaining_credits": remaining, "used_credits": used},
        },
    }


def shown_status(task: Task, settings: Settings) -> str:
    """The status with the faults and switches that hide the true one."""
    if task.faults.status is not None and task.status != "pending":
        return task.faults.status
    if task.status != "cancelled":
        return task.status
    return "failed" if settings.cancelled_as == "request_cancelled" else settings.cancelled_as


def progress(task: Task, settings: Settings, now: float) -> int:
    """0-100: 100 when completed, 0 when it failed or shows none, else how much of the planned time is over."""
    if task.status == "completed":
        return 100
    if task.ended or task.progress_dead or task.status == "pending":
        return 0
    share = (now - task.starts) / max(task.ends - task.starts, 1e-9)
    if settings.progress == "noisy":
        share += random.Random(f"{task.id}:{int(now)}").gauss(0, 0.1)  # noqa: S311 - not a secret
    return max(0, min(PROGRESS_BEFORE_END, int(100 * share)))


def _common(task: Task) -> JsonObject:
    return {
        "created": int(task.created),
        "id": task.id,
        "model": task.model,
        "object": "video.generation.task",
        "type": "video",
        "task_info": {"can_cancel": False},
    }


def _bill(task: Task) -> JsonObject:
    billed = task.charged > 0
    return {
        "duration": round((task.finished or task.created) - task.created, 3),
        "usage": {
            "credits_used": task.charged,
            "cost": {"credits": task.charged, "usd": round(task.charged / 68, 4)},
        },
        "billing": {
            "charge_status": "charged" if billed else "none",
            "refund_status": "none" if billed else "refunded",
            "reserved_credits": task.reserved,
            "charged_credits": task.charged,
            "refunded_credits": round(task.reserved - task.charged, 4),
        },
    }
