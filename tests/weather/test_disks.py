"""A disk that is full while the journal is written, and while a result comes: nothing paid is lost, no half file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system of its own, of so many bytes, where that is allowed."""
    mounted: list[Path] = []

    def make(size: int) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if os.name != "posix" or os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("a small disk needs the right to mount one; the test with a bound on file sizes runs anyway")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path, spare: int) -> Path:
    """Leave only so many bytes free; others may take some while this is counted."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        for _ in range(100):
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(free - spare, 1))
                return ballast
    raise AssertionError("the disk never held still")


def test_disk_that_fills_up_stops_the_batch_and_loses_no_task(
    weather: Any, until: Any, small_disk: Callable[[int], Path]
) -> None:
    """Journal and results lie on it: the run ends with a word on the disk, and goes on when there is room again."""
    w = weather(edits=12, settings={"task_seconds": 6.0})
    w.folder = small_disk(4 << 20)
    process = w.start(max_rate=0.1)
    until(lambda: len(w.sandbox.accepted) >= 2)
    ballast = fill(w.folder, spare=8192)
    said = w.end(process)
    assert said["stopped"] in {"disk_full", "journal_io_error"}, said
    w.check()
    posted = len(w.sandbox.submissions)
    assert posted < 12, "it went on paying for what it could not write down"
    ballast.unlink()
    w.settle()


@pytest.mark.parametrize("size", [150_000, 250_000])
def test_files_that_may_not_grow_stop_the_batch_and_lose_no_task(weather: Any, size: int) -> None:
    """The same without a disk of our own: writes to the journal's log fail beyond a size."""
    w = weather(edits=40)
    said = w.run(file_size=size)
    assert said["stopped"] in {"disk_full", "journal_io_error"}, said
    w.check()
    assert len(w.sandbox.submissions) < 40
    w.settle()


def test_disk_that_is_full_for_a_result_keeps_the_task(
    weather: Any, small_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    """The journal lies elsewhere: what cannot be saved is not ordered again, and is fetched when there is room."""
    w = weather(edits=2)
    disk = small_disk(1 << 20)
    (tmp_path / "out").symlink_to(disk)
    ballast = fill(disk, spare=4096)
    said = w.run()
    assert not said["counts"].get("saved"), said
    w.check()
    assert len(w.sandbox.submissions) == 2
    ballast.unlink()
    assert w.settle() == 0
    assert len(w.sandbox.submissions) == 2
