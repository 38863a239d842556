"""A look that showed nothing of its task: whether that is an answer, when to look again, and how the watching ends."""

from __future__ import annotations

import logging

from omniedit.api import wire
from omniedit.core.lifecycle import UNKNOWN_TASK, mend_of
from omniedit.errors import OmniEditError, ServiceError, TaskFailed, TaskOverdue, TransportFailed, UnexpectedReply
from omniedit.flow.record import Record

__all__ = ["SOON", "count", "note", "overdue", "pause_after", "vanished"]

_log = logging.getLogger("omniedit.watch")
SOON = 0.2
"""Seconds: the shortest wait between two looks at one task."""
_LONGEST_BACKOFF = 60.0  # seconds


def count(record: Record, error: OmniEditError) -> None:
    """Count a look that showed nothing. Only the service's own word makes a task missing, and only in a row."""
    record.misses += 1
    record.missing = record.missing + 1 if wire.is_task_unknown(error) else 0


def pause_after(error: OmniEditError, misses: int) -> float:
    """Seconds until the next look. After a 429 the gate knows when; the task itself may be looked at at once."""
    if isinstance(error, ServiceError) and error.status == 429:
        return SOON
    return min(0.5 * 2.0**misses, _LONGEST_BACKOFF)


def note(record: Record, error: OmniEditError) -> None:
    """Log it, the louder the odder it is."""
    level = logging.DEBUG if isinstance(error, TransportFailed) else logging.INFO
    if isinstance(error, UnexpectedReply):
        level = logging.WARNING
    _log.log(level, "watch.missed task_id=%s misses=%s: %s", record.entry.task_id, record.misses, error.message)


def vanished(record: Record, error: OmniEditError) -> TaskFailed:
    """The error for a task that the service says it does not know."""
    return TaskFailed(
        f"the service does not know the task ({error.message})",
        code=UNKNOWN_TASK,
        task_id=record.entry.task_id,
        mend=mend_of(UNKNOWN_TASK),
    )


def overdue(record: Record, waited: float) -> TaskOverdue:
    """The error for a task that was watched for so many seconds."""
    return TaskOverdue(
        f"the task is still {record.entry.status} after {waited:.0f} s",
        mend="it may still end: resume with the same journal, or watch the task id",
        task_id=record.entry.task_id,
        idempotency_key=record.entry.nonce,
    )
