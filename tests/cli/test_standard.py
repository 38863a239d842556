"""Standard streams that are closed or full: commands end with their code and their words, and none hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omniedit.testing import BackgroundSandbox

EDIT = ("--prompt", "x", "-o", "out")
FULL = Path("/dev/full")  # every write to it finds the disk full


def run(omniedit: Any, redirection: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command with streams redirected as a shell does it."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "omniedit", *map(str, arguments)],
        cwd=omniedit.folder,
        env={name: value for name, value in omniedit.environment.items() if name != "PYTHONUNBUFFERED"},
        input="",
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_a_closed_standard_input_is_an_empty_one(omniedit: Any) -> None:
    """It does not wait for lines that cannot come."""
    done = run(omniedit, "<&-", "batch", "-", "-o", "out")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Saved 0 of 0" in done.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_batch_needs_no_open_stream(omniedit: Any, clips: Path, redirection: str) -> None:
    """Started by something that closes them all, it edits all the same, and keeps its journal whole."""
    done = run(omniedit, redirection, "batch", clips, *EDIT)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert len(list((omniedit.folder / "out").glob("*.mp4"))) == 3
    assert json.loads(omniedit("status", "out/omniedit.db", "--json").out)["counts"] == {"saved": 3}


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    "arguments", [["check", "clips"], ["credits"], ["errors"], ["status", "out/omniedit.db"], ["--help"]]
)
def test_a_full_standard_output_is_said_in_one_line(omniedit: Any, clips: Path, arguments: list[str]) -> None:
    """Exit 1 and the reason."""
    if "status" in arguments:
        assert omniedit("batch", clips, *EDIT).code == 0
    done = run(omniedit, f"> {FULL}", *arguments)
    assert done.returncode == 1
    assert done.stderr == "omniedit: the output cannot be written: No space left on device\n"


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
def test_talk_that_nobody_takes_stops_no_edit(omniedit: Any, clips: Path) -> None:
    """A log on a full disk is no reason to leave edits undone."""
    done = run(omniedit, f"2> {FULL}", "batch", clips, *EDIT)
    assert (done.returncode, done.stdout.count("saved")) == (0, 3)


def test_bars_on_a_terminal_that_is_gone_end_no_batch(
    omniedit: Any, clips: Path, sandbox: BackgroundSandbox, until: Any
) -> None:
    """Left in the background of a window that was closed, it goes on to its end, and the sheet is written too."""
    terminal, inside = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "omniedit", "batch", str(clips), *EDIT, "--report", "sheet.html"],
        cwd=omniedit.folder,
        env={**omniedit.environment, "TERM": "xterm"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,  # so that no signal tells it
    )
    os.close(inside)
    until(lambda: len(sandbox.accepted) > 0)
    os.close(terminal)
    assert process.wait(timeout=90) == 0
    assert len(list((omniedit.folder / "out").glob("*.mp4"))) == 3
    assert (omniedit.folder / "sheet.html").exists()
