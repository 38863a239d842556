"""What a journal remembers: edits with their states, paid requests with their outcomes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from omniedit.models.edits import Edit, Status

__all__ = ["Answer", "Attempt", "Entry", "Outcome"]


class Outcome(StrEnum):
    """How a paid request ended, as far as anybody can know."""

    sent = "sent"
    """Written down before it left; still so after a crash in between."""
    accepted = "accepted"
    refused = "refused"
    """Certain: nothing was accepted, nothing is billed."""
    unknown = "unknown"


@attrs.frozen
class Attempt:
    """One nonce and what became of it: rows are added and answered, never removed."""

    nonce: str
    key: str
    at: datetime
    outcome: Outcome = Outcome.sent
    task_id: str | None = None
    detail: str | None = None
    """A short reason for people; never a header, a key or a link."""


@attrs.frozen
class Answer:
    """What is written behind an attempt when its outcome is known, or known to be unknown."""

    nonce: str
    outcome: Outcome
    at: datetime
    task_id: str | None = None
    detail: str | None = None


@attrs.frozen
class Entry:
    """One edit as the journal remembers it: the edit, written once, and its state, replaced as a whole."""

    edit: Edit
    target: str
    """Path of the result's file, as it will be named."""
    status: Status
    at: datetime
    """When this state began."""
    video_url: str | None = attrs.field(default=None, repr=False)
    """The hosted source, when it differs from `edit.source`."""
    callback_url: str | None = attrs.field(default=None, repr=False)
    nonce: str | None = None
    task_id: str | None = None
    submitted_at: datetime | None = None
    """When the task was accepted."""
    unfinished_at: datetime | None = None
    """The last moment at which the task was known to be unfinished: a result's 24 hours start after it."""
    link: str | None = attrs.field(default=None, repr=False)
    deadline: datetime | None = None
    """When the link is treated as dead."""
    renewals: int = 0
    """How often the link was asked for again."""
    path: str | None = None
    """Where the result lies; differs from `target` when somebody else took that name meanwhile."""
    sha256: str | None = None
    size: int | None = None
    credits_reserved: float | None = None
    credits_used: float | None = None
    error_type: str | None = None
    """Name of the error's class, such as `TaskFailed`."""
    error_code: str | None = None
    error_message: str | None = None

    @property
    def key(self) -> str:
        """The edit's stable identity."""
        return self.edit.key

    @property
    def credits(self) -> float | None:
        """Credits used when the service has told, else those reserved."""
        return self.credits_reserved if self.credits_used is None else self.credits_used
