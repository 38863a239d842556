"""The life of an edit: which status may follow which, and what a look at its task changes.

Rules of this room (`core`): pure and synchronous; no I/O, no clock, no randomness; `now` comes in, values go out.

Rules of this file: everything that moves an edit goes through `move`, which knows the table; an illegal move raises
and changes nothing. A task never goes backwards: a late look is ignored. Where a look finds a task further on than
the next status, the statuses in between are told as well, in order, so that nobody sees a jump. A status that this
version does not know is watched like `processing`. A word that only this library uses (`saved`, `queued`, ...) says
nothing when a service sends it: the task is watched on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypedDict, Unpack

import attrs

from omniedit import errors
from omniedit.changes import Change
from omniedit.core.places import is_object
from omniedit.errors import OmniEditError, TaskCancelled, TaskFailed
from omniedit.models import Entry, Status, Task

__all__ = [
    "Facts",
    "IllegalMove",
    "NO_RESULTS",
    "REOPENED",
    "Step",
    "TABLE",
    "UNKNOWN_TASK",
    "error_of",
    "follows",
    "may_retry",
    "mend_of",
    "move",
    "observe",
    "standing",
]

S = Status

# What may follow what while an edit is worked on. The diagram in the documentation is drawn from this literal.
TABLE: Mapping[Status, frozenset[Status]] = {
    S.queued: frozenset({S.uploading, S.submitting, S.rejected}),
    S.uploading: frozenset({S.queued, S.submitting, S.rejected}),
    S.submitting: frozenset({S.queued, S.pending, S.failed, S.cancelled, S.rejected, S.uncertain}),
    S.pending: frozenset({S.processing, S.failed, S.cancelled}),
    S.processing: frozenset({S.completed, S.failed, S.cancelled}),
    S.completed: frozenset({S.downloading, S.failed, S.expired}),
    S.downloading: frozenset({S.saved, S.failed, S.expired}),
    S.saved: frozenset(),
    S.failed: frozenset(),
    S.cancelled: frozenset(),
    S.rejected: frozenset(),
    S.expired: frozenset(),
    S.uncertain: frozenset(),
}

# The ways out of an end. Only a resume, a replay, or late news (a listing, a callback) takes them.
REOPENED: Mapping[Status, frozenset[Status]] = {
    S.saved: frozenset({S.downloading}),
    S.failed: frozenset({S.queued, S.pending}),  # pending: the service may know a task again that it did not know
    S.cancelled: frozenset({S.queued}),
    S.rejected: frozenset({S.queued}),
    S.expired: frozenset({S.downloading}),
    S.uncertain: frozenset({S.submitting, S.pending, S.queued}),
}

# How far along a status is. Unknown remote ones stand beside `processing`.
_RANK = {S.queued: 0, S.uploading: 1, S.submitting: 2, S.pending: 3, S.processing: 4, S.completed: 5, S.downloading: 6}
_END_RANK = 7
_TASK_ROAD = (S.pending, S.processing, S.completed)
_REMOTE_ENDS = frozenset({S.failed, S.cancelled})
_WATCHED = frozenset({S.pending, S.processing})

# Failed tasks are not billed. After these codes the same edit may be submitted again, later; the set is open, and a
# code that nobody has described is not worth a second bill.
_RETRYABLE = frozenset(
    {
        "service_error",
        "generation_timeout",
        "resource_exhausted",
        "quota_exceeded",
        "service_unavailable",
        "request_cancelled",
        "upstream_error",
        "model_unavailable",
        "video_probe_failed",
    }
)
_CANCELLED_CODE = "request_cancelled"
NO_RESULTS = "no_results"
"""The code of an edit whose task is done, and shows nothing for it."""
UNKNOWN_TASK = "task_not_found"
"""The code of an edit that failed only because the service said that it knows no such task."""


class IllegalMove(OmniEditError):
    """A move that the table does not have: a defect of the caller, never of the user. Nothing was changed."""

    default_code = "illegal_move"


class Facts(TypedDict, total=False):
    """What becomes known of an entry with a move; the fields of `Entry` of the same names."""

    video_url: str | None
    callback_url: str | None
    nonce: str | None
    task_id: str | None
    submitted_at: datetime | None
    unfinished_at: datetime | None
    link: str | None
    deadline: datetime | None
    renewals: int
    path: str | None
    sha256: str | None
    size: int | None
    credits_reserved: float | None
    credits_used: float | None


class _ErrorFacts(TypedDict):
    error_type: str | None
    error_code: str | None
    error_message: str | None


@attrs.frozen
class Step:
    """The entry as it is afterwards, and what people are told, in order."""

    entry: Entry
    changes: tuple[Change, ...] = ()


def follows(status: Status, after: Status, *, reopening: bool = False) -> bool:
    """Whether `status` may come after `after`."""
    nexts = TABLE[_class_of(after)]
    if reopening:
        nexts |= REOPENED.get(after, frozenset())
    return _class_of(status) in nexts or _among_unknown(status, after)


def _class_of(status: Status) -> Status:
    return status if status.known else S.processing


def _among_unknown(status: Status, after: Status) -> bool:
    """Statuses beside `processing` may follow each other in any order: nobody has described them."""
    return status != after and _class_of(status) == _class_of(after) == S.processing


def move(
    entry: Entry,
    status: Status,
    at: datetime,
    *,
    reopening: bool = False,
    progress: int = 0,
    error: OmniEditError | None = None,
    **facts: Unpack[Facts],
) -> Step:
    """Take one edit to its next status.

    Args:
        entry: the edit as it stands; left as it is.
        status: where it goes.
        at: now, aware UTC.
        reopening: allow the ways out of an end.
        progress: 0 to 100, shown with the change.
        error: why, where the status is a bad end.
        facts: fields of the entry that become known with this move.

    Raises:
        IllegalMove: the table has no such move; nothing was changed.
    """
    if not follows(status, entry.status, reopening=reopening):
        raise IllegalMove(f"{entry.status} cannot become {status}", task_id=entry.task_id)
    after = attrs.evolve(entry, status=status, at=at, **_error_facts(error), **facts)
    return Step(after, (_tell(after, entry.status, at, progress, error),))


def _error_facts(error: OmniEditError | None) -> _ErrorFacts:
    if error is None:
        return {"error_type": None, "error_code": None, "error_message": None}
    return {"error_type": type(error).__name__, "error_code": error.code, "error_message": error.message}


def _tell(entry: Entry, previous: Status | None, at: datetime, progress: int, error: OmniEditError | None) -> Change:
    place = entry.path if entry.path and entry.status == S.saved else None
    remote = place is not None and is_object(place)
    return Change(
        entry.edit,
        entry.status,
        previous,
        progress,
        at=at,
        task_id=entry.task_id,
        deadline=entry.deadline,
        path=Path(place) if place and not remote else None,
        error=error,
        credits=entry.credits,
        url=place if remote else None,
    )


def standing(entry: Entry, at: datetime, progress: int = 0, error: OmniEditError | None = None) -> Change:
    """How an edit stands, for somebody who has seen nothing of it yet."""
    return _tell(entry, None, at, progress, error or error_of(entry))


def observe(entry: Entry, progress: int, task: Task, at: datetime, *, unfinished_at: datetime | None = None) -> Step:
    """What one look at a task changes: nothing, the progress, or one or more statuses.

    A look that shows no more than progress leaves the entry as it is, the same object: a hundred thousand edits are
    looked at again and again, and nothing of that is written down. Whoever looks keeps in mind when that was.

    Args:
        entry: the edit as it stands, submitted.
        progress: what was last told of its progress, 0 to 100.
        task: what the service says.
        at: now, aware UTC.
        unfinished_at: when an earlier look found the task unfinished, where the entry does not know of it.
    """
    if not _watched(entry.status) or not (task.status == entry.status or _is_ahead(task.status, entry.status)):
        return Step(entry)
    known = _informed(entry, task, at, unfinished_at or entry.unfinished_at)
    match task.status:
        case entry.status:
            moved = task.progress > progress
            return Step(known, (_tell(known, known.status, at, task.progress, None),) if moved else ())
        case S.failed | S.cancelled:
            return _ended_badly(known, task, at)
        case _:
            return _advanced(known, task, at)


def _watched(status: Status) -> bool:
    return _class_of(status) in _WATCHED


def _is_ahead(status: Status, of: Status) -> bool:
    return _is_remote(status) and _rank(status) >= _rank(of)


def _is_remote(status: Status) -> bool:
    return not status.known or status in _TASK_ROAD or status in _REMOTE_ENDS


def _rank(status: Status) -> int:
    return _END_RANK if status.terminal else _RANK[_class_of(status)]


def _informed(entry: Entry, task: Task, at: datetime, unfinished_at: datetime | None) -> Entry:
    """The entry with what a task tells beside its status; itself where that is nothing worth keeping."""
    reserved = entry.credits_reserved if task.credits_reserved is None else task.credits_reserved
    used = entry.credits_used if task.credits_used is None else task.credits_used
    if task.status == entry.status and (reserved, used) == (entry.credits_reserved, entry.credits_used):
        return entry
    if not task.status.terminal and task.status != S.completed:
        unfinished_at = at
    return attrs.evolve(entry, credits_reserved=reserved, credits_used=used, unfinished_at=unfinished_at)


def _advanced(entry: Entry, task: Task, at: datetime) -> Step:
    changes: list[Change] = []
    for status in _road(entry.status, task.status):
        step = move(entry, status, at, progress=task.progress)
        entry = step.entry
        changes.extend(step.changes)
    return Step(entry, tuple(changes))


def _road(start: Status, goal: Status) -> tuple[Status, ...]:
    """The statuses after `start` up to `goal`, without gaps; among the ones beside `processing` there is no order."""
    if not goal.known or _among_unknown(goal, start):
        return (goal,)
    return tuple(status for status in _TASK_ROAD if _rank(start) < _RANK[status] <= _RANK[goal])


def _ended_badly(entry: Entry, task: Task, at: datetime) -> Step:
    """Failed and cancelled tasks are not billed: what was reserved is given back, unless the service says otherwise."""
    error = _task_error(task)
    if not task.credits_used:
        entry = attrs.evolve(entry, credits_reserved=None, credits_used=task.credits_used)
    return move(entry, S.cancelled if isinstance(error, TaskCancelled) else S.failed, at, error=error)


def _task_error(task: Task) -> TaskFailed:
    """A cancelled task may also appear as failed with a code of its own."""
    cancelled = task.status == S.cancelled or task.error_code == _CANCELLED_CODE
    kind = TaskCancelled if cancelled else TaskFailed
    code = task.error_code or (_CANCELLED_CODE if cancelled else "unknown_error")
    said = task.error_message or "the service gave no reason"
    return kind(f"{code}: {said}", code=code, task_id=task.id, mend=mend_of(code))


def mend_of(code: str) -> str:
    """What to do about a failed task."""
    if code == UNKNOWN_TASK:
        return "it may have been billed and is not submitted again; the next run looks for it once more"
    if code == NO_RESULTS:
        return "it may have been billed: ask the service with this task id; it is not submitted again"
    if code in _RETRYABLE:
        return "not billed; submit it again later (--retry-failed)"
    return "not billed; change the prompt or the clip"


def may_retry(entry: Entry) -> bool:
    """Whether a failed or cancelled edit may be submitted again without a change to it."""
    return entry.status in {S.failed, S.cancelled} and entry.error_code in _RETRYABLE


def error_of(entry: Entry) -> OmniEditError | None:
    """The error that a journal remembers of an edit, made anew."""
    if entry.error_type is None:
        return None
    error = _kind_named(entry.error_type)(entry.error_message or "no message was kept")
    error.code = entry.error_code or error.code
    error.task_id = entry.task_id
    error.idempotency_key = entry.nonce
    if isinstance(error, TaskFailed):
        error.mend = mend_of(error.code)
    return error


def _kind_named(name: str) -> type[OmniEditError]:
    """A class of ours; a name that this version does not know becomes the root."""
    kind: object = getattr(errors, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, OmniEditError) else OmniEditError
