"""From models to bytes and to JSON objects: the same value makes the same bytes, on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from omniedit.errors import OmniEditError
from omniedit.models import Intent, Status

if TYPE_CHECKING:
    from omniedit.changes import Change, Saved, Summary

__all__ = ["describe_error", "encode_change", "encode_ids", "encode_intent", "encode_saved", "encode_summary"]


def encode_intent(intent: Intent) -> bytes:
    """The body of the paid request: the same intent always makes the same bytes."""
    body: dict[str, object] = {
        "model": intent.edit.model,
        "prompt": intent.edit.prompt,
        "video_urls": [intent.video_url],
    }
    if intent.callback_url is not None:
        body["callback_url"] = intent.callback_url
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def encode_ids(task_ids: list[str]) -> bytes:
    """The body of the bulk look."""
    return json.dumps({"task_ids": task_ids}, separators=(",", ":")).encode()


def describe_error(error: OmniEditError | None) -> dict[str, object] | None:
    """An error as `{type, code, message}`, for machines."""
    if error is None:
        return None
    return {"type": type(error).__name__, "code": error.code, "message": str(error)}


def encode_change(change: Change) -> dict[str, object]:
    """A change as one JSON object of the command line."""
    return {
        "status": str(change.status),
        "previous": None if change.previous is None else str(change.previous),
        "source": change.edit.source,
        "prompt": change.edit.prompt,
        "name": change.edit.name,
        "task_id": change.task_id,
        "progress": change.progress,
        "path": change.place,
        "error": describe_error(change.error),
        "credits": change.credits,
        "at": change.at.isoformat(),
    }


def encode_saved(saved: Saved) -> dict[str, object]:
    """A saved clip as a JSON object."""
    return {
        "source": saved.edit.source,
        "prompt": saved.edit.prompt,
        "path": str(saved.path),
        "task_id": saved.task_id,
        "sha256": saved.sha256,
        "size": saved.size,
        "credits": saved.credits,
        "elapsed": saved.elapsed,
    }


def encode_summary(summary: Summary) -> dict[str, object]:
    """A summary as the last line's `summary` object."""
    counts: Mapping[Status, int] = summary.counts
    return {
        "counts": {str(status): count for status, count in counts.items()},
        "credits_reserved": summary.credits_reserved,
        "credits_used": summary.credits_used,
        "elapsed": summary.elapsed,
        "stopped": describe_error(summary.stopped),
    }
