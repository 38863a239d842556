"""What people see of an edit: each change of its state, the saved clip, the summary of a batch.

Rules of this room: frozen values only, no judgement; times are aware UTC datetimes, money is credits.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import attrs

from omniedit.errors import OmniEditError
from omniedit.models import Edit, Status

__all__ = ["Change", "Saved", "Summary", "Transfer"]

Record = dict[str, str | float | None]

_EMBEDDED = 8 << 20  # bytes of a clip that a notebook still carries well
_SHOWN = 100  # failures in a table


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
    url: str | None = None
    """Where the result lies, once saved, when that is in an object store; `path` is None then."""

    @property
    def place(self) -> str | None:
        """Where the result lies, path or address; None as long as it is not saved."""
        return self.url if self.path is None else str(self.path)

    def record(self) -> Record:
        """Flat and plain, for data frames, CSV and databases; `at` is ISO 8601, `error` a code."""
        return {
            "source": str(self.edit.source),
            "prompt": self.edit.prompt,
            "key": self.edit.key,
            "status": str(self.status),
            "path": self.place,
            "task_id": self.task_id,
            "credits": self.credits,
            "error": None if self.error is None else self.error.code,
            "message": None if self.error is None else self.error.message,
            "at": self.at.isoformat(),
        }


@attrs.frozen
class Transfer:
    """Bytes of one edit are on their way: its clip to a host, or its result to the disk."""

    edit: Edit
    status: Status
    """`uploading` or `downloading`."""
    done: int
    """Bytes moved so far; fewer than before when a transfer had to start over."""
    size: int | None
    """Bytes in all; None while nobody knows."""


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

    def _repr_html_(self) -> str:
        """The clip itself, for notebooks; a large one as a link."""
        facts = f"{self.size:,} bytes, {_amount(self.credits)} credits, {self.elapsed:.1f} s"
        return (
            f"<figure>{self._player()}<figcaption>{_escape(self.edit.prompt)}<br>"
            f"<code>{_escape(self.path)}</code><br>{facts}</figcaption></figure>"
        )

    def _player(self) -> str:
        try:
            small = self.path.stat().st_size <= _EMBEDDED
            data = base64.b64encode(self.path.read_bytes()).decode() if small else None
        except OSError:
            return "<p>the file is no longer there</p>"
        if data is None:
            return f'<a href="{_escape(self.path.absolute().as_uri())}">{_escape(self.path.name)}</a>'
        return f'<video controls loop muted width="480" src="data:video/mp4;base64,{data}"></video>'


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
    """Why submission was stopped for all (key, quota, access, budget, disk); what was accepted is followed on."""

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

    def _repr_html_(self) -> str:
        """Counts and failures as tables, for notebooks."""
        counts = "".join(
            f"<tr><td>{_escape(status)}</td><td>{count}</td></tr>" for status, count in self.counts.items()
        )
        rows = "".join(_failure_row(change) for change in self.failures[:_SHOWN])
        more = f"<p>and {len(self.failures) - _SHOWN} more</p>" if len(self.failures) > _SHOWN else ""
        failures = f"<table><tr><th>source<th>prompt<th>status<th>reason</tr>{rows}</table>{more}" if rows else ""
        money = f"{_amount(self.credits_reserved)} credits reserved, {_amount(self.credits_used)} used"
        return f"<table>{counts}</table><p>{money}, {self.elapsed:.1f} s</p>{failures}"


def _failure_row(change: Change) -> str:
    cells = (change.edit.source, change.edit.prompt, change.status, str(change.error or ""))
    return "<tr>" + "".join(f"<td>{_escape(cell)}</td>" for cell in cells) + "</tr>"


def _amount(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.2f}"


def _escape(value: object) -> str:
    from html import escape  # for notebooks alone

    return escape(str(value))
