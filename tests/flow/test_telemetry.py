"""Spans and metrics, seen through a real OpenTelemetry SDK in a process of its own: providers are global."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from omniedit.flow.telemetry import Telemetry, _later, _nanoseconds


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """Spans and metrics of three edits: one is saved, one fails, one is given up."""
    return run(tmp_path_factory.mktemp("telemetry"), "all")


def run(folder: Path, wanted: str) -> tuple[list[dict[str, Any]], str]:
    """The script in a process of its own."""
    script = Path(__file__).with_name("telemetry_script.py")
    command = [sys.executable, str(script), str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    spans, numbers = done.stdout.splitlines()
    return json.loads(spans), numbers


def test_each_edit_is_one_span_below_the_applications(told: tuple[list[dict[str, Any]], str]) -> None:
    """The application's span is the parent of both."""
    spans, _ = told
    application = next(span for span in spans if span["name"] == "application")
    edits = [span for span in spans if span["name"] == "omniedit.edit"]
    assert [span["parent_id"] for span in edits] == [application["context"]["span_id"]] * 2 + [None]
    assert [span["status"]["status_code"] for span in edits] == ["UNSET", "ERROR", "UNSET"]
    assert edits[0]["attributes"]["gen_ai.response.id"].startswith("task-unified-")
    assert edits[1]["attributes"]["error.type"] == "content_policy_violation"


def test_an_edit_that_is_given_up_is_told_and_not_held(told: tuple[list[dict[str, Any]], str]) -> None:
    """It ends for this run where it stands."""
    spans, _ = told
    given_up = [span for span in spans if span["name"] == "omniedit.edit"][2]
    assert given_up["attributes"]["omniedit.status"] in {"pending", "processing"}


def test_metrics_need_no_tracer(tmp_path: Path) -> None:
    """Many have configured the one and not the other."""
    spans, numbers = run(tmp_path, "metrics")
    assert spans == []
    assert '"omniedit.edits"' in numbers


def test_the_clock_may_be_set_back() -> None:
    """No phase ends before it began, and no duration is negative."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    trail = [("queue", _nanoseconds(noon))]
    assert _later(trail, noon - timedelta(hours=1)) == _nanoseconds(noon)
    assert _later(trail, noon + timedelta(hours=1)) > _nanoseconds(noon)


def test_phases_are_children_that_follow_each_other(told: tuple[list[dict[str, Any]], str]) -> None:
    """Each phase begins where the one before ended."""
    spans, _ = told
    edit = next(span for span in spans if span["name"] == "omniedit.edit")
    phases = [span for span in spans if span["parent_id"] == edit["context"]["span_id"]]
    assert [span["name"] for span in phases] == [
        f"omniedit.{name}" for name in ("queue", "upload", "submit", "task", "link", "download")
    ]
    assert [span["start_time"] for span in phases[1:]] == [span["end_time"] for span in phases[:-1]]


def test_metrics_count_edits_by_status(told: tuple[list[dict[str, Any]], str]) -> None:
    """Counters and a histogram, with the units of the conventions."""
    _, numbers = told
    for name in ("omniedit.edits", "omniedit.edit.duration", "omniedit.download.size", "omniedit.credits"):
        assert f'"{name}"' in numbers


def test_neither_prompts_nor_links_are_recorded(told: tuple[list[dict[str, Any]], str]) -> None:
    """What people write, and what opens their clips, stays with them."""
    spans, numbers = told
    text = json.dumps(spans) + numbers
    assert "secret wish" not in text
    assert "http://127.0.0.1" not in text


def test_without_a_provider_there_is_no_telemetry() -> None:
    """Nothing is held for nobody."""
    assert Telemetry.found() is None
