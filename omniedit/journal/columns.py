"""Values to the columns of PostgreSQL and back.

Rules of this module:
- what was written comes back equal, whatever text it holds;
- groups travel as one array for each column, in the order that the queries name them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from omniedit.journal.rules import fold
from omniedit.models import Attempt, Edit, Entry, Outcome, Status

__all__ = [
    "Row",
    "attempt_columns",
    "attempt_of",
    "entry_of",
    "job_columns",
    "state_columns",
    "target_mark",
    "text",
    "untext",
]


class Row(Protocol):
    """A row by the names of its columns. What a column holds is known only to the code that reads it."""

    def __getitem__(self, column: str, /) -> Any:  # noqa: ANN401
        """The value of a column."""
        ...


# PostgreSQL's text has no zero byte and no lone surrogates, which a file name may have. Such text begins with this.
_MARK = "\x01"
_OPEN, _LIVE, _UNCERTAIN, _ENDED = 1, 2, 3, 0
# Open, and certainly no task at work: before it was submitted, and after it has ended.
_IDLE = frozenset({Status.queued, Status.uploading, Status.completed, Status.downloading})


def text(value: str | None) -> str | None:
    """Text as PostgreSQL can hold it."""
    if value is None or not _is_odd(value):
        return value
    return _MARK + value.encode("unicode_escape").decode("ascii")


def untext(value: str | None) -> str | None:
    """The text that `text` was given."""
    if value is None or not value.startswith(_MARK):
        return value
    return value[1:].encode("ascii").decode("unicode_escape")


def _is_odd(value: str) -> bool:
    if "\0" in value or value.startswith(_MARK):
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def target_mark(target: str) -> bytes | None:
    """Equal for targets that are equal without case; long enough never to be equal for others."""
    if not target:
        return None
    return hashlib.sha256(fold(target).encode("utf-8", "surrogatepass")).digest()[:16]


def _phase(status: Status) -> int:
    if status == Status.uncertain:
        return _UNCERTAIN
    if status.terminal:
        return _ENDED
    return _OPEN if status in _IDLE else _LIVE


def job_columns(entries: Sequence[Entry]) -> list[list[object]]:
    """The columns of `add_jobs`."""
    return _turned([_job(entry) for entry in entries])


def _job(entry: Entry) -> tuple[object, ...]:
    edit = entry.edit
    return (
        edit.key,
        target_mark(entry.target),
        text(edit.source),
        text(edit.prompt),
        text(edit.name),
        text(edit.callback_url),
        text(edit.model),
        edit.variant,
        text(entry.target),
    )


def state_columns(states: Sequence[tuple[int, Entry]]) -> list[list[object]]:
    """The columns of `add_states` and `set_states`, from job numbers and entries."""
    return _turned([_state(job, entry) for job, entry in states])


def _state(job: int, entry: Entry) -> tuple[object, ...]:
    return (
        job,
        _phase(entry.status),
        text(str(entry.status)),
        entry.at,
        text(entry.video_url),
        text(entry.callback_url),
        entry.nonce,
        text(entry.task_id),
        entry.submitted_at,
        entry.unfinished_at,
        text(entry.link),
        entry.deadline,
        entry.renewals,
        text(entry.path),
        entry.sha256,
        entry.size,
        entry.credits_reserved,
        entry.credits_used,
        entry.error_type,
        text(entry.error_code),
        text(entry.error_message),
    )


def attempt_columns(attempts: Sequence[Attempt]) -> list[list[object]]:
    """The columns of `put_attempts`."""
    return _turned(
        [(a.nonce, a.key, a.at, str(a.outcome), text(a.task_id), text(a.detail)) for a in attempts],
    )


def _turned(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def entry_of(row: Row) -> Entry:
    """The entry in a row of the view `entry`."""
    return Entry(
        edit=Edit(
            _text(row["source"]),
            _text(row["prompt"]),
            name=untext(row["name"]),
            callback_url=untext(row["edit_callback_url"]),
            model=_text(row["model"]),
            variant=row["variant"],
        ),
        target=_text(row["target"]),
        status=Status(_text(row["status"])),
        at=row["at"],
        video_url=untext(row["video_url"]),
        callback_url=untext(row["callback_url"]),
        nonce=row["nonce"],
        task_id=untext(row["task_id"]),
        submitted_at=row["submitted_at"],
        unfinished_at=row["unfinished_at"],
        link=untext(row["link"]),
        deadline=row["deadline"],
        renewals=row["renewals"],
        path=untext(row["path"]),
        sha256=row["sha256"],
        size=row["size"],
        credits_reserved=row["credits_reserved"],
        credits_used=row["credits_used"],
        error_type=row["error_type"],
        error_code=untext(row["error_code"]),
        error_message=untext(row["error_message"]),
    )


def attempt_of(row: Row) -> Attempt:
    """The attempt in a row of `attempt`, joined with the key of its job."""
    return Attempt(
        nonce=row["nonce"],
        key=row["key"],
        at=row["at"],
        outcome=Outcome(row["outcome"]),
        task_id=untext(row["task_id"]),
        detail=untext(row["detail"]),
    )


def _text(value: str) -> str:
    return untext(value) or ""
