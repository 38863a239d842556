"""Ctrl-C and its relatives: what is said, what is kept, what the next run does."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from omniedit.testing import BackgroundSandbox, Settings

PATIENT = Settings(editing="copy", task_seconds=3.0, task_spread=0.0, pending_seconds=0.1)


@pytest.mark.omniedit(settings=PATIENT)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_batch_that_is_stopped_says_what_is_in_flight_and_goes_on(
    omniedit: Any, clips: Path, sandbox: BackgroundSandbox, until: Any, number: int
) -> None:
    """Exit 130, the numbers, the command; the next run submits nothing twice."""
    command = ("batch", clips, "--prompt", "x", "-o", "out", "--json")
    process = omniedit.start(*command)
    until(lambda: len(sandbox.accepted) == 3)
    process.send_signal(number)
    out, err = (stream.decode() for stream in process.communicate(timeout=60))
    assert process.returncode == 130
    assert "Interrupted. In flight: 3" in err
    assert "To go on: omniedit batch" in err
    assert json.loads(out.splitlines()[-1])["summary"]["elapsed"] > 0
    assert "Traceback" not in err
    done = omniedit(*command)
    assert done.code == 0, done.err
    assert done.summary["counts"] == {"saved": 3}
    assert len(sandbox.accepted) == len(sandbox.submissions) == 3


@pytest.mark.omniedit(settings=PATIENT, faults={"faults": [{"fault": "slow", "on": "submit", "seconds": 2}]})
def test_a_closed_terminal_ends_a_batch_gently_however_often_it_says_so(
    omniedit: Any, clips: Path, sandbox: BackgroundSandbox, until: Any
) -> None:
    """The shell says so and the system says so too: the paid request that is just leaving is still waited for."""
    process = omniedit.start("batch", clips / "a.mp4", "--prompt", "x", "-o", "out")
    until(lambda: len(sandbox.submissions) == 1)
    process.send_signal(signal.SIGHUP)
    process.stderr.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(omniedit("status", "out/omniedit.db", "--json").out)["counts"] == {"pending": 1}


@pytest.mark.omniedit(settings=PATIENT)
def test_under_nohup_a_closed_terminal_ends_nothing(
    omniedit: Any, clips: Path, sandbox: BackgroundSandbox, until: Any
) -> None:
    """Whoever asked for that gets it."""
    process = omniedit.start("batch", clips, "--prompt", "x", "-o", "out", under=("nohup",))
    until(lambda: len(sandbox.accepted) == 3)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.omniedit(settings=PATIENT)
def test_an_edit_that_is_stopped_goes_on(omniedit: Any, clips: Path, sandbox: BackgroundSandbox, until: Any) -> None:
    """Its journal stays beside the result to come, and goes when that is there."""
    command = ("edit", clips / "a.mp4", "x", "-o", "out.mp4")
    process = omniedit.start(*command)
    until(lambda: len(sandbox.accepted) == 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"In flight: 1" in err
    assert (omniedit.folder / "out.mp4.journal").exists()
    done = omniedit(*command)
    assert done.code == 0, done.err
    assert "Going on with" in done.err
    assert len(sandbox.submissions) == 1
    assert sorted(path.name for path in omniedit.folder.iterdir()) == ["clips", "out.mp4"]


@pytest.mark.omniedit(settings=PATIENT, faults={"faults": [{"fault": "hang", "on": "submit", "accept": True}]})
def test_a_second_signal_leaves_at_once(omniedit: Any, clips: Path, sandbox: BackgroundSandbox, until: Any) -> None:
    """While a paid request hangs, the first waits for its answer; the outcome is uncertain and is held afterwards."""
    command = ("batch", sandbox.host_clip(clips / "a.mp4"), "--prompt", "x", "-o", "out")
    process = omniedit.start(*command)
    until(lambda: len(sandbox.submissions) == 1)
    process.send_signal(signal.SIGINT)
    said = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Once more leaves at once" in said
    done = omniedit(*command)
    assert done.code == 1
    assert "1 uncertain" in done.err
    assert len(sandbox.submissions) == 1


def test_waiting_for_standard_input_can_be_stopped(omniedit: Any, until: Any) -> None:
    """Nobody writes, nobody closes the pipe: it still leaves."""
    process = omniedit.start("batch", "-", "-o", "out")
    until((omniedit.folder / "out/omniedit.db").exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    process.communicate()


def test_a_flood_on_standard_input_can_be_stopped(omniedit: Any, clips: Path, until: Any) -> None:
    """The thread that reads it is in the middle of handing on when the end comes: no word of that."""
    edit = json.dumps({"source": str(clips / "a.mp4"), "prompt": "x"})
    flood = ("bash", "-c", 'exec "${@:2}" < <(echo "$1"; exec cat /dev/zero)', "bash", edit)
    process = omniedit.start("batch", "-", "-o", "out", under=flood)
    until((omniedit.folder / "out/a.mp4").exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_server_that_is_stopped_has_ended_well(omniedit: Any) -> None:
    """The sandbox serves until it is told to stop: that is exit 0."""
    process = omniedit.start("sandbox", "--port", "0", "--json")
    assert b"base_url" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
