"""What people see of an edit and of a batch."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from omniedit.changes import Change, Saved, Summary
from omniedit.errors import TaskFailed
from omniedit.models import Edit, Status

EDIT = Edit("https://example.com/a.mp4", "snow <b>")
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_summary_adds_up() -> None:
    """`ok` only when every edit was saved; an empty batch is fine."""
    mixed = Summary({Status.saved: 3, Status.failed: 1}, 10.0, 5.0, 1.0)
    assert (mixed.total, mixed.saved, mixed.ok) == (4, 3, False)
    assert Summary({Status.saved: 3}, 0.0, 0.0, 0.0).ok
    nothing = Summary({}, 0.0, 0.0, 0.0)
    assert (nothing.total, nothing.saved, nothing.ok) == (0, 0, True)


def test_values_are_frozen() -> None:
    """What was told stays as it was told."""
    change = Change(EDIT, Status.queued, at=NOW)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        change.status = Status.saved  # type: ignore[misc]
    assert (change.previous, change.progress, change.path, change.error) == (None, 0, None, None)


def test_a_change_is_also_a_flat_record() -> None:
    """Only plain values, which every table and JSON can hold."""
    error = TaskFailed("refused", code="content_policy_violation", task_id="task-1")
    change = Change(EDIT, Status.failed, at=NOW, task_id="task-1", error=error)
    record = change.record()
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "source": "https://example.com/a.mp4",
        "prompt": "snow <b>",
        "key": EDIT.key,
        "status": "failed",
        "path": None,
        "task_id": "task-1",
        "credits": None,
        "error": "content_policy_violation",
        "message": "refused",
        "at": "2026-11-22T00:00:00+00:00",
    }
    saved = Change(EDIT, Status.saved, at=NOW, path=Path("a.mp4"), credits=26.0)
    assert (saved.record()["path"], saved.record()["credits"]) == ("a.mp4", 26.0)


def test_summary_does_not_print_thousands_of_failures() -> None:
    """They are there, but in no repr."""
    change = Change(EDIT, Status.failed, at=NOW)
    summary = Summary({Status.failed: 1000}, 0.0, 0.0, 0.0, failures=(change,) * 1000)
    assert len(repr(summary)) < 300


def test_notebooks_show_text_as_text(tmp_path: Path) -> None:
    """A prompt is no markup; a clip that is gone is no error."""
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"\0" * 100)
    saved = Saved(EDIT, clip, "t", "0" * 64, 100, 1.0, 2.0)
    for shown in (saved._repr_html_(), attrs.evolve(saved, path=tmp_path / "gone.mp4")._repr_html_()):
        assert "<b>" not in shown
        assert "&lt;b&gt;" in shown
