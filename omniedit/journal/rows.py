"""Values to SQL and back, with as few bytes as can be.

Rules of this module:
- what was written comes back equal, whatever text it holds: a file name that is no Unicode is stored as bytes;
- what equals a default is NULL, what repeats another column is the integer 0, times are whole microseconds;
- digests and hexadecimal nonces are stored as the bytes they stand for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from omniedit.errors import JournalError
from omniedit.journal.rules import fold
from omniedit.models import DEFAULT_MODEL, Attempt, Edit, Entry, Outcome, Status

__all__ = [
    "KnownJob",
    "OUTCOMES",
    "Row",
    "attempt_of",
    "entry_of",
    "from_micros",
    "job_row",
    "micros",
    "pack",
    "state_row",
    "status_code",
    "status_of",
    "target_mark",
    "text",
    "unpack",
    "untext",
]

Row = Sequence[Any]
"""What a column holds is known only to the code that reads it."""

# The id of an attempt is the id of its job times this, plus its number from 1.
_ATTEMPTS_PER_JOB = 2**20

# Never renumber: these numbers are in journals on people's disks.
_STATUSES: Mapping[Status, int] = {
    Status.queued: 0,
    Status.saved: 1,
    Status.uploading: 2,
    Status.submitting: 3,
    Status.pending: 4,
    Status.processing: 5,
    Status.completed: 6,
    Status.downloading: 7,
    Status.failed: 8,
    Status.cancelled: 9,
    Status.rejected: 10,
    Status.expired: 11,
    Status.uncertain: 12,
}
_CODES = {code: status for status, code in _STATUSES.items()}
OUTCOMES = (Outcome.sent, Outcome.accepted, Outcome.refused, Outcome.unknown)
"""An outcome is stored as its place here; append only."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})+")
_SAME = 0
_UNREADABLE = (ArithmeticError, LookupError, TypeError, ValueError)


@attrs.define
class KnownJob:
    """What a writer must know of a job: where it lies, and what its state can refer to."""

    id: int
    target: str
    attempts: list[Attempt] = attrs.field(factory=list[Attempt])
    """Oldest first: the first one has number 1."""

    def number(self, nonce: str | None) -> int:
        """The number of the attempt with this nonce; 0 without one."""
        return next((place for place, attempt in enumerate(self.attempts, start=1) if attempt.nonce == nonce), 0)

    def attempt_id(self, number: int) -> int:
        """Where an attempt lies."""
        return self.id * _ATTEMPTS_PER_JOB + number


def micros(moment: datetime | None) -> int | None:
    """Microseconds since 1970; exact."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def from_micros(count: int | None) -> datetime | None:
    """The aware UTC datetime that `micros` was given."""
    return None if count is None else _EPOCH + timedelta(0, 0, count)


def pack(word: str) -> str | bytes:
    """Half the bytes for a word made of lower-case hexadecimal digits; any other stays as it is."""
    return bytes.fromhex(word) if _HEXADECIMAL.fullmatch(word) else word


def unpack(value: str | bytes | None) -> str | None:
    """The text that `pack` was given."""
    return value.hex() if isinstance(value, bytes) else value


def _packed(word: str | None) -> str | bytes | None:
    return None if word is None else pack(word)


def text(value: str | None) -> str | bytes | None:
    """Text as SQL can hold it: bytes when it has parts that are no Unicode, as names of files may have."""
    if value is None or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def untext(value: str | bytes | None) -> str | None:
    """The text that `text` was given."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _place(path: str) -> tuple[str, str]:
    """A path or URL as its folder, up to and with the last slash, and its name: many share the folder."""
    cut = path.rfind("/") + 1
    return path[:cut], path[cut:]


def target_mark(target: str) -> int | None:
    """Six bytes that are equal for targets that are equal without case; seldom equal for others."""
    if not target:
        return None
    folded = fold(target).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(folded, digest_size=6).digest(), "big")


def status_code(status: Status) -> int | str | bytes | None:
    """A number for the statuses that have a name here, else the service's word."""
    code = _STATUSES.get(status)
    return text(str(status)) if code is None else code


def status_of(code: int | str | bytes) -> Status:
    """The status that `status_code` was given."""
    return _CODES[code] if isinstance(code, int) else Status(f"{untext(code)}")


def job_row(entry: Entry, mark: int | None, phrase: Callable[[str], int]) -> dict[str, object]:
    """The columns of `job`; `phrase` gives the number of a text that others may share."""
    edit = entry.edit
    source_folder, source_name = _place(edit.source)
    target_folder, target_name = _place(entry.target)
    return {
        "key": pack(entry.key),
        "source_folder": phrase(source_folder),
        "source_name": text(source_name),
        "target_folder": phrase(target_folder),
        "target_name": text(target_name),
        "target_mark": mark,
        "prompt": phrase(edit.prompt),
        "name": _SAME if edit.name == target_name else text(edit.name),
        "callback_url": None if edit.callback_url is None else phrase(edit.callback_url),
        "model": None if edit.model == DEFAULT_MODEL else phrase(edit.model),
        "variant": edit.variant or None,
    }


def state_row(entry: Entry, job: KnownJob) -> dict[str, object]:
    """The columns of `state`."""
    number = job.number(entry.nonce)
    return {
        "job": job.id,
        "is_open": 0 if entry.status.terminal else 1,
        "status": status_code(entry.status),
        "at": micros(entry.at),
        "credits_reserved": entry.credits_reserved,
        "credits_used": entry.credits_used,
        "nonce": number or _packed(entry.nonce),
        "task_id": _SAME if number and _is_its_task(job.attempts[number - 1], entry.task_id) else text(entry.task_id),
        "submitted_at": micros(entry.submitted_at),
        "unfinished_at": micros(entry.unfinished_at),
        "deadline": micros(entry.deadline),
        "renewals": entry.renewals or None,
        "link": text(entry.link),
        "path": _SAME if entry.path == job.target else text(entry.path),
        "sha256": _packed(entry.sha256),
        "size": entry.size,
        "video_url": text(entry.video_url),
        "callback_url": text(entry.callback_url),
        "error_type": text(entry.error_type),
        "error_code": text(entry.error_code),
        "error_message": text(entry.error_message),
    }


def _is_its_task(attempt: Attempt, task_id: str | None) -> bool:
    """Whether an attempt was accepted as this task: only then can its row not change any more."""
    return attempt.outcome is Outcome.accepted and attempt.task_id == task_id is not None


def entry_of(row: Row) -> Entry:
    """The entry in a row of the view `entry`.

    Raises:
        JournalError: another program has written into it.
    """
    try:
        return _entry_of(row)
    except _UNREADABLE as error:
        raise _damaged(error) from error


def _entry_of(row: Row) -> Entry:
    (
        _job, _key, source_folder, source_name, target_folder, target_name, prompt, name, edit_callback_url, model,
        variant, _is_open, status, at, credits_reserved, credits_used, nonce, task_id, submitted_at, unfinished_at,
        deadline, renewals, link, path, sha256, size, video_url, callback_url, error_type, error_code, error_message,
    ) = row  # fmt: skip
    target = f"{untext(target_folder)}{untext(target_name)}"
    return Entry(
        edit=Edit(
            f"{untext(source_folder)}{untext(source_name)}",
            untext(prompt) or "",
            name=untext(target_name if name == _SAME else name),
            callback_url=untext(edit_callback_url),
            model=DEFAULT_MODEL if model is None else f"{untext(model)}",
            variant=variant or 0,
        ),
        target=target,
        status=status_of(status),
        at=_EPOCH + timedelta(0, 0, at),
        video_url=untext(video_url),
        callback_url=untext(callback_url),
        nonce=unpack(nonce),
        task_id=untext(task_id),
        submitted_at=from_micros(submitted_at),
        unfinished_at=from_micros(unfinished_at),
        link=untext(link),
        deadline=from_micros(deadline),
        renewals=renewals or 0,
        path=target if path == _SAME else untext(path),
        sha256=unpack(sha256),
        size=size,
        credits_reserved=credits_reserved,
        credits_used=credits_used,
        error_type=untext(error_type),
        error_code=untext(error_code),
        error_message=untext(error_message),
    )


def attempt_of(row: Row) -> Attempt:
    """The attempt in a row of `attempt`, joined with the key of its job.

    Raises:
        JournalError: another program has written into it.
    """
    try:
        return _attempt_of(row)
    except _UNREADABLE as error:
        raise _damaged(error) from error


def _attempt_of(row: Row) -> Attempt:
    key, nonce, at, outcome, task_id, detail = row
    return Attempt(
        nonce=f"{unpack(nonce)}",
        key=f"{unpack(key)}",
        at=_EPOCH + timedelta(0, 0, at),
        outcome=OUTCOMES[int(outcome)],
        task_id=untext(task_id),
        detail=untext(detail),
    )


def _damaged(error: Exception) -> JournalError:
    return JournalError(
        f"the journal is damaged: one of its rows cannot be read ({type(error).__name__}: {error})",
        code="journal_corrupt",
        mend="restore it from a copy",
    )
