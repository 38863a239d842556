"""What people see of an edit: each change of its state, the saved clip, the summary of a batch.

Rules of this room: frozen values only, no judgement; times are aware UTC datetimes, money is credits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import attrs

from omniedit.errors import OmniEditError
from omniedit.models import Edit, Status

__all__ = ["Change", "Saved", "Summary"]


@attrs.frozen
class Change:
    """One edit reached a status, or moved on inside one."""

    edit: Edit
    status: Status
    previous: Status | None = None
    """The status before; None for the first change seen, equal to `status` when only the progress moved."""
    progress: int = 0
    """0 to 100, as the service tells it."""
    at: datetime = attrs.field(kw_only=True)
    """When it was noticed (aware, UTC)."""
    task_id: str | None = None
    deadline: datetime | None = None
    """When the link to the result is treated as dead (aware, UTC)."""
    path: Path | None = None
    """Where the result lies, once saved."""
    error: OmniEditError | None = None
    credits: float | None = None
    """Credits used when the service has told, else those reserved."""


@attrs.frozen
class Saved:
    """One edited clip, whole and verified on disk."""

    edit: Edit
    path: Path
    task_id: str
    sha256: str
    """64 hexadecimal digits over the bytes on disk."""
    size: int
    """Bytes."""
    credits: float | None
    """Credits used when the service has told, else those reserved; None when it told neither."""
    elapsed: float
    """Seconds from the moment the edit was taken up to the moment the file was durable."""


@attrs.frozen
class Summary:
    """How a batch ended."""

    counts: Mapping[Status, int]
    """Edits per status; statuses with none are left out."""
    credits_reserved: float
    """Sum of what the service reserved for the accepted tasks of this run."""
    credits_used: float
    """Sum of what the service said it charged; 0 when it never said."""
    elapsed: float
    """Seconds."""
    failures: tuple[Change, ...] = attrs.field(default=(), repr=False)
    """The last change of each edit that was not saved: the first 1,000 of them."""
    stopped: OmniEditError | None = None
    """Why submission was stopped for all (key, quota, access, budget); what was accepted is followed to its end."""

    @property
    def total(self) -> int:
        """Edits seen."""
        return sum(self.counts.values())

    @property
    def saved(self) -> int:
        """Edits whose result is on disk."""
        return self.counts.get(Status.saved, 0)

    @property
    def ok(self) -> bool:
        """Whether every edit was saved."""
        return self.saved == self.total
