"""What the sheet says of each edit, and of all together. Pure: entries and clips in, plain values out."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import attrs

from omniedit.core.preflight import is_url
from omniedit.models import Entry, Status
from omniedit.report.clips import Clip, relative_url
from omniedit.report.text import cut, playable_url, shown_url, visible

__all__ = ["Group", "Sums", "group_of", "row_of"]

_NOT_BILLED = {Status.failed, Status.cancelled, Status.rejected}
_PROMPT, _MESSAGE, _NAME = 8_000, 2_000, 400  # characters shown at most


class Group(StrEnum):
    """The sections of the sheet, in their order: what needs somebody comes first."""

    attention = "attention"
    open = "open"
    saved = "saved"


def group_of(status: Status) -> Group:
    """The section of a status; one that this version does not know is under way."""
    if status == Status.saved:
        return Group.saved
    return Group.attention if status.terminal else Group.open


@attrs.define
class Sums:
    """What all edits come to."""

    statuses: Counter[str] = attrs.field(factory=Counter[str])
    used: float = 0.0
    """Credits that the service said it charged."""
    reserved: float = 0.0
    """Credits reserved for edits of which it has not said so yet."""
    size: int = 0
    """Bytes of the saved clips."""
    first: datetime | None = None
    """When the first task was accepted."""
    last: datetime | None = None
    """When anything changed last."""
    remote: bool = False
    """Whether a source is on the web, and may be fetched on a click."""

    def add(self, entry: Entry) -> None:
        """Count one edit in."""
        self.statuses[str(entry.status)] += 1
        if entry.credits_used is None:
            self.reserved += _credits(entry) or 0.0
        else:
            self.used += entry.credits_used
        self.size += entry.size or 0
        self.last = max(self.last or entry.at, entry.at)
        if entry.submitted_at:
            self.first = min(self.first or entry.submitted_at, entry.submitted_at)
        self.remote = self.remote or is_url(str(entry.edit.source))

    @property
    def total(self) -> int:
        """Edits."""
        return self.statuses.total()

    def of(self, group: Group) -> int:
        """Edits in one section."""
        return sum(count for name, count in self.statuses.items() if group_of(Status(name)) is group)


def row_of(entry: Entry, before: Clip | None, after: Clip | None, folder: Path) -> dict[str, object]:
    """One edit as the page reads it; what is not known is left out.

    Args:
        entry: the edit.
        before: its source, when it is a file on this machine.
        after: its result, likewise.
        folder: where the sheet will lie.
    """
    source = str(entry.edit.source)  # an edit that was refused may hold anything
    row: dict[str, object | None] = {
        "status": visible(str(entry.status)),
        "group": str(group_of(entry.status)),
        "name": _name(entry),
        "prompt": cut(visible(str(entry.edit.prompt)), _PROMPT),
        "source": cut(_source(source), _NAME * 4),
        "before": _clip(before, folder) or _remote(source),
        "after": _clip(after, folder),
        "task": entry.task_id and visible(entry.task_id),
        "sha256": entry.sha256 and visible(entry.sha256),
        "size": entry.size,
        "credits": _credits(entry),
        "reserved": entry.credits_used is None or None,
        "accepted": entry.submitted_at and entry.submitted_at.isoformat(timespec="seconds"),
        "at": entry.at.isoformat(timespec="seconds"),
        "seconds": _seconds(entry),
        "error": _error(entry),
    }
    return {name: value for name, value in row.items() if value is not None}


def _credits(entry: Entry) -> float | None:
    """What an edit costs, as far as anybody has said; a failed task is not billed, whatever was reserved for it."""
    if entry.credits_used is None and entry.status in _NOT_BILLED:
        return None
    return entry.credits


def _name(entry: Entry) -> str:
    return cut(visible(os.path.basename(entry.path or entry.target)), _NAME)  # noqa: PTH119 - also of what is no path


def _source(source: str) -> str:
    return shown_url(source) if is_url(source) else visible(source)


def _clip(clip: Clip | None, folder: Path) -> dict[str, object] | None:
    return {"id": clip.id, "href": relative_url(clip, folder)} if clip else None


def _remote(source: str) -> dict[str, object] | None:
    url = playable_url(source) if is_url(source) else None
    return {"url": url} if url else None


def _seconds(entry: Entry) -> float | None:
    """From the task's acceptance to the end of the edit."""
    if entry.submitted_at is None or not entry.status.terminal:
        return None
    return max(0.0, round((entry.at - entry.submitted_at).total_seconds(), 1))


def _error(entry: Entry) -> dict[str, object] | None:
    texts = {"type": entry.error_type, "code": entry.error_code, "message": entry.error_message}
    return {name: cut(visible(text), _MESSAGE) for name, text in texts.items() if text} or None
