"""kill -9 at every boundary of an edit's life: nothing paid is lost, nothing is paid twice, no half file has a name."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

POINTS = [
    "intend",
    "intended",
    "answer",
    "answered",
    "write completed",
    "written completed",
    "write verified",
    "written verified",
    "write saved",
    "written saved",
]


@pytest.mark.parametrize("point", POINTS)
def test_batch_that_dies_at_a_point_of_its_journal_is_finished_later(weather: Any, point: str) -> None:
    """Just before and just after each write, with others under way."""
    w = weather()
    w.die(die_at=point, nth=3)
    uncertain = w.settle()
    if point in {"intended", "answer"}:
        assert uncertain >= 1, "a request whose answer is not written down must not be sent again by itself"
    if point == "intend":
        assert len(w.sandbox.submissions) <= 6 + uncertain


@pytest.mark.parametrize("accept", [True, False], ids=["accepted", "never-read"])
def test_batch_that_dies_before_the_answer_holds_the_edit(weather: Any, until: Any, accept: bool) -> None:  # noqa: FBT001
    """The POST has left, the service may have taken it: one uncertain edit, one task after the repeat."""
    w = weather([{"fault": "hang", "accept": accept, "nth": [3]}], edits=3, timeout=60.0)
    process = w.start()
    until(lambda: w.sandbox.faults.fired["hang"] == 1 and len(w.sandbox.accepted) == 2 + accept)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert w.settle() >= 1


def test_batch_that_dies_while_polling_goes_on_with_its_tasks(weather: Any, until: Any) -> None:
    """Every task is accepted; the next process follows them and submits nothing."""
    w = weather(settings={"virtual_time": True})
    process = w.start(die_at="written processing", nth=3)
    until(lambda: len(w.sandbox.accepted) == 6)
    w.sandbox.advance(0.7)  # half of a task
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    w.sandbox.advance(60)
    assert w.settle() <= 1
    assert all(task.reads for task in w.sandbox.accepted)


def noted(note: Path) -> int:
    """How many bytes a note says have come; a note that is just being made says nothing."""
    with suppress(OSError, ValueError):
        return int(json.loads(note.read_text(encoding="utf-8"))["size"])
    return 0


def test_batch_that_dies_while_downloading_goes_on_where_it_stopped(weather: Any, until: Any, tmp_path: Path) -> None:
    """What has come stays beside its target, and is not fetched a second time."""
    w = weather([{"fault": "cut_download", "after": 100}], edits=2)
    process = w.start()
    until(lambda: any(noted(path) for path in (tmp_path / "out").glob("*.part.json")))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    w.check()
    assert not list((tmp_path / "out").glob("*.mp4"))
    w.settle()
    assert any(request.range for request in w.sandbox.requests if request.path.startswith("/results/"))
